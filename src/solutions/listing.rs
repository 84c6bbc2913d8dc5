//! Lists of solutions: what the public reads from the index, drafts and queues
//! from the database.

use std::collections::BTreeSet;

use actix_web::HttpResponse;

use super::model::{self, Solution};
use super::thresholds::MinScore;
use super::view::{self, SolutionFilter, SolutionSort, SolutionView};
use crate::auth::{Principal, Role};
use crate::db::{Db, Id};
use crate::error::{Error, Result};
use crate::http::{After, Key, Page, Query, Reply, Slice, reply};
use crate::organisations::Viewer;
use crate::persons::accesses;
use crate::search::filter::{Condition, Filter};
use crate::search::highlight::Highlight;
use crate::search::order::{By, Place, Wanted};
use crate::search::parse::Asked;
use crate::search::question::{Answer, Question};
use crate::search::view::{FacetView, MatchView, SolutionPage};
use crate::search::{Search, index};
use crate::text;

/// One page, as this caller may read it. `allow` refuses a caller before anything is looked for.
pub async fn list(
    reply: &Reply,
    caller: Option<Principal>,
    query: Query<SolutionFilter>,
    only_vendor: Option<Id>,
    allow: impl FnOnce(&mut Db, &Viewer) -> Result<()> + Send + 'static,
) -> Result<HttpResponse> {
    let today = reply.app.store.clock().now().day();
    let slice = reply.slice(&query, query.cursor.as_deref(), query.limit)?;
    let mut filter = query.given;
    if let Some(vendor) = only_vendor {
        filter.vendor = vec![vendor];
    }
    let is_operator = caller.as_ref().is_some_and(|caller| caller.role == Role::Operator);
    if filter.explain == Some(true) && !is_operator {
        return Err(Error::forbidden(text!(
            "Les raisons d’un rang sont pour les opérateurs ; docs/SEARCH.md en publie la règle.",
            "The reasons of a rank are for operators; docs/SEARCH.md publishes their rule."
        )));
    }
    let began = std::time::Instant::now();
    let live = match filter.is_public(caller.as_ref()) {
        true => Some(reply.app.search().await?),
        false => None,
    };
    if let Some(live) = &live
        && caller.is_none()
        && only_vendor.is_none()
        && filter.include.is_empty()
        && filter.highlight != Some(true)
    {
        let fields = reply.wanted::<SolutionView>()?;
        let left = reply.app.settings.limits.deadline.saturating_sub(began.elapsed());
        let work = move |search: &Search| shown(search, &filter, &slice, fields.as_ref());
        let (body, next) = live.search.work(left, work).await?;
        return Ok(reply.document(body, next.as_deref()));
    }
    let of = caller.clone();
    // Waiting for the index counts as waiting for the database.
    let left = reply.app.settings.limits.deadline.saturating_sub(began.elapsed());
    let (page, shown) = reply
        .app
        .store
        .read_within(left, move |db| {
            let viewer = Viewer::of(db, of.as_ref())?;
            allow(db, &viewer)?;
            let page = match live {
                Some(live) => found(db, &live.search, &filter, &viewer, &slice, today)?,
                None => {
                    let Page { items, next, total } = model::page(db, &filter, &viewer, &slice, today)?;
                    SolutionPage { items, next, total, facets: None, did_you_mean: None }
                }
            };
            let shown = view::restricted(&page.items, &viewer);
            Ok((page, shown))
        })
        .await?;
    accesses::record(reply, caller, shown).await?;
    reply.list::<SolutionView>(&page, page.next.as_deref())
}

impl SolutionFilter {
    /// Whether what is asked for is what the public reads, whoever asks. Without
    /// anything that only the index answers, a vendor's own drafts stand among it.
    pub fn is_public(&self, caller: Option<&Principal>) -> bool {
        let is_vendor = caller.is_some_and(|caller| caller.role == Role::Vendor);
        let needs_index = self.q.is_some()
            || !self.facets.is_empty()
            || !self.verified.is_empty()
            || self.explain == Some(true)
            || self.sort == Some(SolutionSort::Relevance)
            || matches!(self.min_score, Some(MinScore::Theme(_)));
        self.status.iter().all(|status| status.is_public()) && (needs_index || !is_vendor || !self.status.is_empty())
    }

    /// What is asked for, in the language of the index: the same for lists, facets and exports.
    pub fn conditions(&self) -> Filter {
        // What is in the index is public: without a choice nothing is to be left out.
        let mut all = Vec::new();
        if !self.status.is_empty() {
            let values = self.status.iter().map(ToString::to_string).collect();
            all.push(Condition::AnyOf { field: "status", values });
        }
        for (field, values) in self.chosen() {
            all.extend((!values.is_empty()).then_some(Condition::AnyOf { field, values }));
        }
        if !self.vendor.is_empty() {
            let values = self.vendor.iter().map(ToString::to_string).collect();
            all.push(Condition::AnyOf { field: "vendor", values });
        }
        if !self.verified.is_empty() {
            let scores = self.verified.iter().map(|one| (one.theme.clone(), one.least.ten_thousandths().into()));
            all.push(Condition::AtLeast { field: "verified", scores: scores.collect() });
        }
        match &self.min_score {
            Some(MinScore::Overall(score)) => {
                all.push(Condition::From { column: "score", least: score.ten_thousandths().into() });
            }
            Some(MinScore::Theme(one)) => {
                let scores = vec![(one.theme.clone(), one.least.ten_thousandths().into())];
                all.push(Condition::AtLeast { field: "scores", scores });
            }
            None => {}
        }
        if let Some(rating) = self.min_rating {
            #[expect(clippy::cast_possible_truncation, reason = "the schema bounds it to 1–5")]
            let least = (rating * 100.0).round() as i64;
            all.push(Condition::From { column: "rating", least });
        }
        if let Some(since) = self.updated_since {
            all.push(Condition::From { column: "updated_at", least: since.micros() });
        }
        Filter(all)
    }

    /// What was typed; nothing when that is no word.
    pub fn asked(&self) -> Asked {
        self.q.as_deref().map(Asked::new).unwrap_or_default()
    }

    fn wanted(&self, asked: &Asked, slice: &Slice) -> Wanted {
        let default = if asked.is_empty() { SolutionSort::Name } else { SolutionSort::Relevance };
        let sort = self.sort.unwrap_or(default);
        let by = match sort.key() {
            SolutionSort::Relevance if !asked.is_empty() => By::Rank,
            SolutionSort::Score => By::Column("score"),
            SolutionSort::Rating => By::Column("rating"),
            SolutionSort::UpdatedAt => By::Column("updated_at"),
            SolutionSort::PublishedAt => By::Column("published_at"),
            _ => By::Name,
        };
        let after = slice.after.as_ref().map(|after| place(by, after));
        let rows = usize::try_from(slice.rows()).unwrap_or_default();
        Wanted { by, is_descending: sort.is_descending(), after, rows }
    }
}

/// Where the previous page ended, as the index orders.
fn place(by: By, after: &After) -> Place {
    let id = after.id.to_string();
    match by {
        By::Column(_) => Place { number: after.number(), text: id },
        By::Name => Place { number: 0, text: index::name_order(after.text(), &id) },
        By::Rank => {
            let (rank, name) = after.text().split_once(' ').unwrap_or((after.text(), ""));
            Place { number: rank.parse().unwrap_or_default(), text: index::name_order(name, &id) }
        }
    }
}

/// The same for the next page.
fn after(by: By, place: &Place) -> Option<After> {
    let (name, id) = place.text.split_once('\0').unwrap_or(("", &place.text));
    let key = match by {
        By::Column(_) => Key::Number(place.number),
        By::Name => Key::Text(name.to_owned()),
        By::Rank => Key::Text(format!("{} {name}", place.number)),
    };
    Some(After { key, id: Id::parse(id)? })
}

/// What is asked of the index.
fn question(filter: &SolutionFilter, slice: &Slice) -> Question {
    let asked = filter.asked();
    let wanted = filter.wanted(&asked, slice);
    let facets = filter.facets.iter().map(|facet| facet.code()).collect();
    Question { asked, filter: filter.conditions(), wanted, facets }
}

/// A page of an answer: for each row its place and what `beside` has for it; and what stands around them.
fn page<T>(
    search: &Search,
    filter: &SolutionFilter,
    slice: &Slice,
    question: &Question,
    answer: &Answer,
    beside: Vec<T>,
) -> Result<(Vec<(After, T)>, SolutionPage)> {
    let total = i64::try_from(answer.total).unwrap_or(i64::MAX);
    let by = question.wanted.by;
    let rows = answer.rows.iter().zip(beside).filter_map(|(row, one)| Some((after(by, &row.place)?, one)));
    let page = slice.page(rows.collect(), total, |(place, _)| place.clone());
    let counted = filter.facets.iter().collect::<BTreeSet<_>>().into_iter();
    let facets = counted.filter_map(|facet| Some(FacetView::new(*facet, answer.facets.get(facet.code())?)));
    let did_you_mean = match &filter.q {
        Some(typed) if total == 0 && !question.asked.is_empty() => search.did_you_mean(typed, question)?,
        _ => None,
    };
    let facets = (!filter.facets.is_empty()).then(|| facets.collect());
    let around = SolutionPage { items: Vec::new(), next: page.next, total, facets, did_you_mean };
    Ok((page.items, around))
}

/// What anybody reads, from the index alone: the document, and the cursor in it.
fn shown(
    search: &Search,
    filter: &SolutionFilter,
    slice: &Slice,
    fields: Option<&BTreeSet<String>>,
) -> Result<(String, Option<String>)> {
    let question = question(filter, slice);
    let (answer, views) = search.page(&question)?;
    let (rows, around) = page(search, filter, slice, &question, &answer, views)?;
    let mut items = Vec::with_capacity(rows.len());
    for (_, view) in rows {
        items.push(match fields {
            None => view,
            Some(fields) => {
                let mut view = serde_json::from_str(&view)?;
                reply::keep(&mut view, fields);
                view.to_string()
            }
        });
    }
    let empty = "{\"items\":[";
    let around_them = serde_json::to_string(&around)?;
    let rest = around_them.strip_prefix(empty).ok_or_else(|| Error::Internal("a page without its items".to_owned()))?;
    let mut body = String::with_capacity(items.iter().map(|item| item.len() + 1).sum::<usize>() + around_them.len());
    body.push_str(empty);
    for (at, item) in items.iter().enumerate() {
        body.push_str(if at == 0 { "" } else { "," });
        body.push_str(item);
    }
    body.push_str(rest);
    Ok((body, around.next))
}

fn found(
    db: &mut Db,
    search: &Search,
    filter: &SolutionFilter,
    viewer: &Viewer,
    slice: &Slice,
    today: chrono::NaiveDate,
) -> Result<SolutionPage> {
    let question = question(filter, slice);
    let mut answer = search.answer(&question)?;
    let reasons = std::mem::take(&mut answer.reasons);
    let (rows, around) = page(search, filter, slice, &question, &answer, reasons)?;
    let ids: Vec<Id> = rows.iter().map(|(place, _)| place.id).collect();
    let found = Solution::find_public(db, &ids)?;
    let mut views = view::views(db, found, viewer, &filter.include, false, today)?;
    if filter.highlight == Some(true) || filter.explain == Some(true) {
        for view in &mut views {
            let reasons = rows.iter().find(|(place, _)| place.id == view.id).map(|(_, reasons)| *reasons);
            view.found = Some(MatchView {
                highlight: (filter.highlight == Some(true)).then(|| Highlight::of(&question.asked, &view.sheet)),
                reasons: reasons.filter(|_| filter.explain == Some(true)),
            });
        }
    }
    Ok(SolutionPage { items: views, ..around })
}
