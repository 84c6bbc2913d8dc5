//! Rows and queries of solutions.

use std::collections::{BTreeMap, BTreeSet};

use diesel::dsl::exists;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::rules::{Command, Lack, Origins, RevisionStatus, SolutionStatus, Stage, nth_slug, search_text, slug, step};
use super::sheet::SolutionSheet;
use super::thresholds::MinScore;
use super::view::{SolutionFilter, SolutionSort, SolutionView, views};
use crate::db::schema::{organisations, solution_facets, solution_slugs, solution_versions, solutions};
use crate::db::{Db, Id, Instant, Json, MultiBackend, Resource, Tx};
use crate::error::{Error, Result};
use crate::http::text::fold;
use crate::http::{After, Key, Page, Slice};
use crate::organisations::{Organisation, Viewer};
use crate::{keyset, text, versioned};

/// A solution: where it stands, and the working copy while there is one.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = solutions, treat_none_as_default_value = false, treat_none_as_null = true)]
pub struct Solution {
    pub id: Id,
    pub version: i32,
    pub slug: String,
    pub organisation_id: Option<Id>,
    pub status: SolutionStatus,
    pub revision_status: Option<RevisionStatus>,
    pub published_version: Option<i32>,
    /// The working copy; none while there is nothing but the published version.
    pub draft: Option<Json<SolutionSheet>>,
    pub draft_origins: Option<Json<Origins>>,
    pub moderation: Option<Json<Moderation>>,
    pub name_folded: String,
    pub search_text: String,
    /// Overall score in ten-thousandths; −1 without one.
    pub score: i32,
    /// Average rating in hundredths; −1 when too few.
    pub rating: i32,
    pub review_summary: Option<Json<Value>>,
    pub provenance: Option<Json<ImportRecord>>,
    pub source: Option<String>,
    pub source_id: Option<String>,
    pub suspended_by: Option<Id>,
    pub created_at: Instant,
    pub updated_at: Instant,
    pub submitted_at: Option<Instant>,
    /// Of the first publication; until then, when it was entered.
    pub published_at: Instant,
    pub confirmed_at: Option<Instant>,
    pub archived_at: Option<Instant>,
}

versioned!(Solution, solutions);

/// What a moderator last said, or why something happened.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Moderation {
    /// The transition it belongs to.
    #[schema(max_length = 50, example = "request_changes")]
    pub action: String,
    /// Code of the reason, where there is a closed list.
    #[schema(max_length = 50)]
    pub code: Option<String>,
    /// The reason in words.
    #[schema(max_length = 5000)]
    pub reason: Option<String>,
    /// What to change, member by member.
    #[schema(max_items = 100)]
    #[serde(default)]
    pub changes: Vec<RequestedChange>,
}

/// A change a moderator asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestedChange {
    /// Member of the sheet.
    #[schema(min_length = 1, max_length = 100, example = "summary")]
    pub field: String,
    /// What is wrong with it.
    #[schema(min_length = 3, max_length = 2000)]
    pub reason: String,
}

/// Where an imported sheet comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ImportRecord {
    /// The catalogue it was imported from.
    #[schema(max_length = 100, example = "sill")]
    pub source: String,
    /// Its identifier there.
    #[schema(max_length = 500)]
    pub source_id: String,
    /// Licence of the imported data.
    #[schema(max_length = 200, example = "etalab-2.0")]
    pub licence: Option<String>,
    /// To whom the imported data are owed.
    #[schema(max_length = 1000)]
    pub attribution: Option<String>,
    /// When it was last imported.
    pub imported_at: Instant,
    /// Values that could not be taken as they were, kept as they were.
    #[schema(value_type = Object)]
    pub original: BTreeMap<String, Value>,
    /// What the importer noticed, by code.
    #[schema(max_items = 100)]
    pub notices: Vec<String>,
}

/// An immutable published version.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = solution_versions, treat_none_as_default_value = false)]
pub struct SolutionVersion {
    pub solution_id: Id,
    pub number: i32,
    pub organisation_id: Option<Id>,
    pub sheet: Json<SolutionSheet>,
    pub origins: Json<Origins>,
    pub published_at: Instant,
}

impl SolutionVersion {
    pub fn find(db: &mut Db, solution: Id, number: i32) -> Result<Self> {
        solution_versions::table
            .find((solution, number))
            .select(Self::as_select())
            .first(db)
            .optional()?
            .ok_or_else(Error::not_found)
    }

    /// Those of these solutions that have one of these numbers.
    pub fn find_all(db: &mut Db, solutions: &[Id], numbers: &[i32]) -> Result<Vec<Self>> {
        let (solutions, numbers) = (solutions.to_vec(), numbers.to_vec());
        Ok(solution_versions::table
            .filter(solution_versions::solution_id.eq_any(solutions).and(solution_versions::number.eq_any(numbers)))
            .select(Self::as_select())
            .load(db)?)
    }

    /// The published versions of these solutions, by solution.
    pub fn current(db: &mut Db, solutions: &[Solution]) -> Result<BTreeMap<Id, Self>> {
        let wanted: BTreeMap<Id, i32> = solutions.iter().filter_map(|s| Some((s.id, s.published_version?))).collect();
        if let [one] = solutions {
            let found = wanted.get(&one.id).map(|number| Self::find(db, one.id, *number)).transpose()?;
            return Ok(found.into_iter().map(|version| (one.id, version)).collect());
        }
        let ids: Vec<Id> = wanted.keys().copied().collect();
        let numbers: Vec<i32> = wanted.values().copied().collect::<BTreeSet<_>>().into_iter().collect();
        Ok(Self::find_all(db, &ids, &numbers)?
            .into_iter()
            .filter(|version| wanted.get(&version.solution_id) == Some(&version.number))
            .map(|version| (version.solution_id, version))
            .collect())
    }

    pub fn page(db: &mut Db, solution: Id, slice: &Slice) -> Result<Page<Self>> {
        use solution_versions as v;
        let total = v::table.filter(v::solution_id.eq(solution)).count().get_result(db)?;
        let rows = keyset!(
            v::table.filter(v::solution_id.eq(solution)).into_boxed::<MultiBackend>(),
            slice,
            v::number,
            v::solution_id,
            true,
            |after| i32::try_from(after.number()).unwrap_or(i32::MAX)
        )
        .select(Self::as_select())
        .load(db)?;
        Ok(slice.page(rows, total, |row: &Self| After { key: Key::Number(i64::from(row.number)), id: row.solution_id }))
    }
}

/// A solution with what its view shows beside it.
#[derive(Debug, Queryable)]
pub struct Shown {
    pub solution: Solution,
    /// What the public reads.
    pub version: Option<SolutionVersion>,
    pub vendor: Option<Organisation>,
    /// Whether others have its name.
    pub has_namesakes: bool,
}

impl Shown {
    /// As a caller may know of it: see [`Solution::visible`].
    pub fn visible(db: &mut Db, key: &str, viewer: &Viewer) -> Result<Self> {
        use solution_versions as v;
        let others = diesel::alias!(solutions as others);
        let namesake = others
            .filter(others.field(solutions::is_listed).eq(true))
            .filter(others.field(solutions::name_folded).eq(solutions::name_folded))
            .filter(others.field(solutions::id).ne(solutions::id));
        let query = solutions::table
            .left_join(
                v::table
                    .on(v::solution_id.eq(solutions::id).and(v::number.nullable().eq(solutions::published_version))),
            )
            .left_join(organisations::table.on(organisations::id.nullable().eq(solutions::organisation_id)))
            .select((
                Solution::as_select(),
                Option::<SolutionVersion>::as_select(),
                Option::<Organisation>::as_select(),
                exists(namesake),
            ));
        let found = match Id::parse(key) {
            Some(id) => query.filter(solutions::id.eq(id)).first::<Self>(db),
            None => query.filter(solutions::slug.eq(key)).first::<Self>(db),
        };
        let shown = found.optional()?.ok_or_else(Error::not_found)?;
        if shown.solution.is_visible(viewer) { Ok(shown) } else { Err(Error::not_found()) }
    }
}

/// Whether a solution is more than a rumour to this caller: it was published, or is their own.
pub fn is_seen(viewer: &Viewer, owner: Option<Id>, published_version: Option<i32>) -> bool {
    published_version.is_some() || sees_working_copy(viewer, owner)
}

fn sees_working_copy(viewer: &Viewer, owner: Option<Id>) -> bool {
    viewer.sees_drafts() || viewer.owns(owner)
}

impl Solution {
    /// A new draft with a slug of its own.
    pub fn draft(tx: &mut Tx<'_>, organisation: Option<Id>, sheet: SolutionSheet, origins: Origins) -> Result<Self> {
        let mut drafts = Self::drafts(tx, vec![(organisation, sheet, origins)])?;
        drafts.pop().ok_or_else(|| Error::Internal("no draft was made".to_owned()))
    }

    /// New drafts, in order, each with a slug of its own.
    pub fn drafts(tx: &mut Tx<'_>, sheets: Vec<(Option<Id>, SolutionSheet, Origins)>) -> Result<Vec<Self>> {
        let named: Vec<(Id, String)> = sheets.iter().map(|(_, sheet, _)| (Id::new(), slug(&sheet.name))).collect();
        let mut slugs = take_slugs(tx.db, &named)?;
        let drafts = named.into_iter().zip(sheets).map(|((id, stem), (organisation_id, sheet, origins))| Self {
            id,
            version: 1,
            slug: slugs.remove(&id).unwrap_or(stem),
            organisation_id,
            status: SolutionStatus::Draft,
            revision_status: None,
            published_version: None,
            name_folded: fold(&sheet.name),
            search_text: search_text(&sheet),
            draft: Some(Json(sheet)),
            draft_origins: Some(Json(origins)),
            moderation: None,
            score: -1,
            rating: -1,
            review_summary: None,
            provenance: None,
            source: None,
            source_id: None,
            suspended_by: None,
            created_at: tx.now,
            updated_at: tx.now,
            submitted_at: None,
            published_at: tx.now,
            confirmed_at: None,
            archived_at: None,
        });
        Ok(drafts.collect())
    }

    /// Those of these ids and slugs that there are.
    pub fn find_all(db: &mut Db, ids: &[Id], slugs: &[String]) -> Result<Vec<Self>> {
        let mut found = Vec::new();
        if !ids.is_empty() {
            found = solutions::table.filter(solutions::id.eq_any(ids.to_vec())).select(Self::as_select()).load(db)?;
        }
        if !slugs.is_empty() {
            let named = solutions::table.filter(solutions::slug.eq_any(slugs.to_vec()));
            found.extend(named.select(Self::as_select()).load::<Self>(db)?);
        }
        Ok(found)
    }

    /// By id or slug.
    pub fn find(db: &mut Db, key: &str) -> Result<Self> {
        let query = solutions::table.into_boxed::<MultiBackend>();
        let query = match Id::parse(key) {
            Some(id) => query.filter(solutions::id.eq(id)),
            None => query.filter(solutions::slug.eq(key.to_owned())),
        };
        query.select(Self::as_select()).first(db).optional()?.ok_or_else(Error::not_found)
    }

    pub fn find_by_id(db: &mut Db, id: Id) -> Result<Self> {
        solutions::table.find(id).select(Self::as_select()).first(db).optional()?.ok_or_else(Error::not_found)
    }

    pub fn find_all_by_source(db: &mut Db, source: &str, ids: &[String]) -> Result<Vec<Self>> {
        Ok(solutions::table
            .filter(solutions::source.eq(source).and(solutions::source_id.eq_any(ids.to_vec())))
            .select(Self::as_select())
            .load(db)?)
    }

    /// Those of these that are public, in this order.
    pub fn find_public(db: &mut Db, ids: &[Id]) -> Result<Vec<Self>> {
        // Asked by status as well, SQLite would look through all that are public.
        let found = Self::find_all(db, ids, &[])?.into_iter().filter(|row| row.status.is_public());
        let mut rows: BTreeMap<Id, Self> = found.map(|row| (row.id, row)).collect();
        Ok(ids.iter().filter_map(|id| rows.remove(id)).collect())
    }

    pub fn insert_all(db: &mut Db, solutions: &[Self]) -> Result<()> {
        crate::insert_all!(db, solutions::table, solutions);
        Ok(())
    }

    /// As a caller may know of it: its own, or what is or was public; anything
    /// else is absent.
    pub fn visible(db: &mut Db, key: &str, viewer: &Viewer) -> Result<Self> {
        let solution = Self::find(db, key)?;
        if solution.is_visible(viewer) { Ok(solution) } else { Err(Error::not_found()) }
    }

    /// As its vendor's members may change it: a foreign one is absent.
    pub fn owned(db: &mut Db, key: &str, viewer: &Viewer) -> Result<Self> {
        let solution = Self::visible(db, key, viewer)?;
        if viewer.owns(solution.organisation_id) { Ok(solution) } else { Err(Error::not_found()) }
    }

    /// As its vendor or a moderator may move it.
    pub fn moderated(db: &mut Db, key: &str, viewer: &Viewer) -> Result<Self> {
        let solution = Self::visible(db, key, viewer)?;
        if viewer.owns(solution.organisation_id) {
            return Ok(solution);
        }
        if !viewer.is_moderator() {
            return Err(Error::not_found());
        }
        viewer.refuse_party(db, &[solution.organisation_id])?;
        Ok(solution)
    }

    pub fn is_visible(&self, viewer: &Viewer) -> bool {
        is_seen(viewer, self.organisation_id, self.published_version)
    }

    /// Whether this caller gets the working copy rather than the public version.
    pub fn shows_working_copy(&self, viewer: &Viewer) -> bool {
        sees_working_copy(viewer, self.organisation_id)
    }

    pub fn stage(&self) -> Stage {
        Stage { status: self.status, revision: self.revision_status }
    }

    /// Moves along the state machine, or says why not.
    pub fn advance(&mut self, command: Command) -> Result<()> {
        let at = self.stage();
        let Some(next) = step(at, command) else {
            let status = at.status;
            let revision = at.revision.map(|r| format!(" (revision: {r})")).unwrap_or_default();
            return Err(Error::conflict(text!(
                "La solution est « {status} »{revision} ; « {command} » n’en part pas.",
                "The solution is `{status}`{revision}; `{command}` does not start there."
            )));
        };
        self.status = next.status;
        self.revision_status = next.revision;
        Ok(())
    }

    /// The sheet that an edit starts from, with its origins.
    pub fn working_copy(&self, db: &mut Db) -> Result<(SolutionSheet, Origins)> {
        if let (Some(draft), Some(origins)) = (&self.draft, &self.draft_origins) {
            return Ok((draft.0.clone(), origins.0.clone()));
        }
        let number = self.published_version.ok_or_else(|| Error::Internal("neither draft nor version".to_owned()))?;
        let version = SolutionVersion::find(db, self.id, number)?;
        Ok((version.sheet.0, version.origins.0))
    }

    pub fn published_sheet(&self, db: &mut Db) -> Result<Option<SolutionSheet>> {
        self.published_version.map(|n| Ok(SolutionVersion::find(db, self.id, n)?.sheet.0)).transpose()
    }

    /// Replaces the working copy. A sheet nobody published yet is found by its
    /// own names; a published one by the public ones.
    pub fn set_draft(&mut self, sheet: SolutionSheet, origins: Origins) {
        if self.published_version.is_none() {
            self.name_folded = fold(&sheet.name);
            self.search_text = search_text(&sheet);
        }
        self.draft = Some(Json(sheet));
        self.draft_origins = Some(Json(origins));
    }

    /// Writes a change and its journal entry.
    pub fn store(&mut self, tx: &mut Tx<'_>, action: &str, changed: Value) -> Result<()> {
        self.change(tx)?;
        tx.record(action, Resource::Solution, self.id, self.version, changed)
    }

    /// Moves, writes and records in one go.
    pub fn transition(&mut self, tx: &mut Tx<'_>, command: Command) -> Result<()> {
        let from = self.stage();
        self.advance(command)?;
        let action = format!("{command}_solution");
        let changed = json!({"status": [from.status, self.status], "revision": [from.revision, self.revision_status]});
        self.store(tx, &action, changed)
    }

    /// Takes away what never was public; its slug stays taken.
    pub fn delete(&self, tx: &mut Tx<'_>) -> Result<()> {
        let rows =
            diesel::delete(solutions::table.filter(solutions::id.eq(self.id).and(solutions::version.eq(self.version))))
                .execute(tx.db)?;
        crate::http::conditional::changed_one(rows, self.version)?;
        tx.record("delete_solution", Resource::Solution, self.id, self.version, json!({"status": [self.status, null]}))
    }

    /// Others with the same folded name, which may be the same solution.
    pub fn namesakes(db: &mut Db, names: &[String]) -> Result<Vec<(Id, String, String)>> {
        Ok(solutions::table
            .filter(solutions::name_folded.eq_any(names.to_vec()))
            .filter(solutions::status.eq_any([SolutionStatus::Published, SolutionStatus::Outdated]))
            .order(solutions::id)
            .limit(1000)
            .select((solutions::id, solutions::slug, solutions::name_folded))
            .load(db)?)
    }
}

/// Slugs nobody ever had, made from these stems; taken for ever from here on.
fn take_slugs(db: &mut Db, named: &[(Id, String)]) -> Result<BTreeMap<Id, String>> {
    let mut given = BTreeMap::new();
    let mut chosen = BTreeSet::new();
    let mut left: Vec<(Id, &str)> = named.iter().map(|(id, stem)| (*id, stem.as_str())).collect();
    let mut number = 1;
    while !left.is_empty() {
        let candidates: BTreeSet<String> = left.iter().map(|(id, stem)| nth_slug(stem, *id, number)).collect();
        let mut taken: BTreeSet<String> = solution_slugs::table
            .filter(solution_slugs::slug.eq_any(candidates))
            .select(solution_slugs::slug)
            .load(db)?
            .into_iter()
            .collect();
        left.retain(|(id, stem)| {
            let slug = nth_slug(stem, *id, number);
            let is_free = !chosen.contains(&slug) && taken.insert(slug.clone());
            if is_free {
                chosen.insert(slug.clone());
                given.insert(*id, slug);
            }
            !is_free
        });
        number += 1;
    }
    let rows: Vec<NewSlug> = given.iter().map(|(id, slug)| NewSlug { slug: slug.clone(), solution_id: *id }).collect();
    crate::insert_all!(db, solution_slugs::table, &rows);
    Ok(given)
}

#[derive(Insertable)]
#[diesel(table_name = solution_slugs)]
struct NewSlug {
    slug: String,
    solution_id: Id,
}

/// A page of solutions, ready to be shown.
pub fn page(
    db: &mut Db,
    filter: &SolutionFilter,
    viewer: &Viewer,
    slice: &Slice,
    today: chrono::NaiveDate,
) -> Result<Page<SolutionView>> {
    let sort = filter.sort.unwrap_or(SolutionSort::Name);
    let total = matching(filter, viewer)?.count().get_result(db)?;
    let query = matching(filter, viewer)?;
    let number = |after: &After| i32::try_from(after.number()).unwrap_or(-1);
    let instant = |after: &After| Instant::from_micros(after.number());
    let rows: Vec<Solution> = match sort.key() {
        SolutionSort::Score => {
            keyset!(query, slice, solutions::score, solutions::id, sort.is_descending(), |after| number(after))
                .select(Solution::as_select())
                .load(db)?
        }
        SolutionSort::Rating => {
            keyset!(query, slice, solutions::rating, solutions::id, sort.is_descending(), |after| number(after))
                .select(Solution::as_select())
                .load(db)?
        }
        SolutionSort::UpdatedAt => {
            keyset!(query, slice, solutions::updated_at, solutions::id, sort.is_descending(), |after| instant(after)
                .unwrap_or_default())
            .select(Solution::as_select())
            .load(db)?
        }
        SolutionSort::PublishedAt => {
            keyset!(query, slice, solutions::published_at, solutions::id, sort.is_descending(), |after| instant(after)
                .unwrap_or_default())
            .select(Solution::as_select())
            .load(db)?
        }
        _ => keyset!(query, slice, solutions::name_folded, solutions::id, sort.is_descending(), |after| after
            .text()
            .to_owned())
        .select(Solution::as_select())
        .load(db)?,
    };
    let page = slice.page(rows, total, |row: &Solution| After {
        key: match sort.key() {
            SolutionSort::Score => Key::Number(i64::from(row.score)),
            SolutionSort::Rating => Key::Number(i64::from(row.rating)),
            SolutionSort::UpdatedAt => Key::Number(row.updated_at.micros()),
            SolutionSort::PublishedAt => Key::Number(row.published_at.micros()),
            _ => Key::Text(row.name_folded.clone()),
        },
        id: row.id,
    });
    Ok(Page {
        items: views(db, page.items, viewer, &filter.include, false, today)?,
        next: page.next,
        total: page.total,
    })
}

pub type Query = solutions::BoxedQuery<'static, MultiBackend>;

/// What a list shows this viewer, without order.
pub fn matching(filter: &SolutionFilter, viewer: &Viewer) -> Result<Query> {
    use SolutionStatus as S;
    use solutions as s;
    let mut query = s::table.into_boxed::<MultiBackend>();
    let own = viewer.acting_as(crate::auth::Role::Vendor);
    query = if filter.status.is_empty() {
        match own {
            Some(own) => {
                query.filter(s::is_listed.eq(true).or(s::organisation_id.eq(own).and(s::status.ne(S::Archived))))
            }
            None => query.filter(s::is_listed.eq(true)),
        }
    } else {
        let wanted = filter.status.clone();
        let open: Vec<S> = wanted.iter().copied().filter(|status| status.is_public()).collect();
        let revisions: Vec<RevisionStatus> =
            wanted.iter().filter_map(|status| RevisionStatus::from_code(status.code())).collect();
        // A revision that waits stands in the moderators' queue beside first submissions.
        match (viewer.sees_drafts(), own) {
            (true, _) => {
                query.filter(s::status.eq_any(wanted).or(s::revision_status.eq_any(revisions).assume_not_null()))
            }
            (false, Some(own)) => query.filter(
                s::status.eq_any(open).or(s::organisation_id
                    .eq(own)
                    .assume_not_null()
                    .and(s::status.eq_any(wanted).or(s::revision_status.eq_any(revisions).assume_not_null()))),
            ),
            (false, None) => query.filter(s::is_listed.eq(true).and(s::status.eq_any(open))),
        }
    };
    for (facet, values) in filter.chosen() {
        if !values.is_empty() {
            let having = solution_facets::table
                .filter(solution_facets::facet.eq(facet).and(solution_facets::value.eq_any(values)))
                .select(solution_facets::solution_id);
            query = query.filter(s::id.eq_any(having));
        }
    }
    if !filter.vendor.is_empty() {
        query = query.filter(s::organisation_id.eq_any(filter.vendor.clone()).assume_not_null());
    }
    // Scores by theme are known to the index alone, which answers those who ask for them.
    if let Some(MinScore::Overall(score)) = &filter.min_score {
        query = query.filter(s::score.ge(score.ten_thousandths()));
    }
    if let Some(rating) = filter.min_rating {
        #[expect(clippy::cast_possible_truncation, reason = "the schema bounds it to 1–5")]
        let hundredths = (rating * 100.0).round() as i32;
        query = query.filter(s::rating.ge(hundredths));
    }
    if let Some(since) = filter.updated_since {
        query = query.filter(s::updated_at.ge(since));
    }
    for word in filter.q.as_deref().map(fold).unwrap_or_default().split_whitespace() {
        query = query.filter(s::search_text.like(format!("%{word}%")));
    }
    Ok(query)
}

/// What a view says is lacking, given the vendor.
pub fn lacks(sheet: &SolutionSheet, organisation: Option<&crate::organisations::Organisation>) -> Vec<Lack> {
    super::rules::missing(sheet, organisation.map(|o| o.identifier_verified_at.is_some()))
}
