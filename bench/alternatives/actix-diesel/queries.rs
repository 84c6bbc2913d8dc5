//! One statement where one will do, each prepared once.

use std::collections::BTreeMap;

use diesel::dsl::{count_star, exists};
use diesel::prelude::*;
use gouvtech_catalogue::db::schema::{
    answers as a, criteria as c, evaluations as e, organisations as o, solution_facets as f, solution_versions as v,
    solutions as s,
};
use gouvtech_catalogue::db::{Db, Id, Instant, Json};
use gouvtech_catalogue::http::text::fold;
use gouvtech_catalogue::organisations::{OrganisationDetails, OrganisationKind};
use gouvtech_catalogue::solutions::rules::Origins;
use gouvtech_catalogue::solutions::sheet::SolutionSheet;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Outcome;

diesel::define_sql_function! {
    /// PostgreSQL's full text, with an index: made by the bench in the copy of the database.
    fn bench_matches(text: diesel::sql_types::Text, query: diesel::sql_types::Text) -> Bool;
}

#[derive(Deserialize)]
pub struct Filter {
    family: Option<String>,
    q: Option<String>,
    facets: Option<String>,
    limit: Option<i64>,
}

#[derive(Serialize)]
pub struct View {
    id: Id,
    slug: String,
    status: String,
    version: Option<i32>,
    vendor: Option<Vendor>,
    #[serde(flatten)]
    sheet: SolutionSheet,
    origins: Origins,
    possible_duplicates: Vec<(Id, String)>,
    score: Option<f64>,
    rating: Option<f64>,
    created_at: Instant,
    updated_at: Instant,
    published_at: Instant,
    confirmed_at: Option<Instant>,
    #[serde(skip)]
    name_folded: String,
}

#[derive(Serialize)]
struct Vendor {
    id: Id,
    name: String,
    siren: Option<String>,
    country: Option<String>,
    kinds: Vec<OrganisationKind>,
}

#[derive(Serialize)]
pub struct Page {
    items: Vec<View>,
    total: i64,
    facets: BTreeMap<String, BTreeMap<String, i64>>,
}

/// Either database.
type Both = <Db as diesel::Connection>::Backend;
type Owner = Option<(Id, Option<String>, Json<OrganisationDetails>)>;
type Row = (
    (Id, String, String, Option<i32>, i32, i32, String),
    (Instant, Instant, Instant, Option<Instant>),
    (Json<SolutionSheet>, Json<Origins>),
    Owner,
);

impl From<Row> for View {
    fn from((own, at, (sheet, origins), owner): Row) -> Self {
        let (id, slug, status, version, score, rating, name_folded) = own;
        Self {
            id,
            slug,
            status,
            version,
            vendor: owner.map(|(id, siren, details)| Vendor {
                id,
                siren,
                name: details.0.name,
                country: details.0.country,
                kinds: details.0.kinds,
            }),
            sheet: sheet.0,
            origins: origins.0,
            possible_duplicates: Vec::new(),
            score: (score >= 0).then(|| f64::from(score) / 10_000.0),
            rating: (rating >= 0).then(|| f64::from(rating) / 100.0),
            created_at: at.0,
            updated_at: at.1,
            published_at: at.2,
            confirmed_at: at.3,
            name_folded,
        }
    }
}

macro_rules! shown {
    () => {
        s::table
            .inner_join(v::table.on(v::solution_id.eq(s::id).and(v::number.nullable().eq(s::published_version))))
            .left_join(o::table.on(o::id.nullable().eq(s::organisation_id)))
            .select((
                (s::id, s::slug, s::status, s::published_version, s::score, s::rating, s::name_folded),
                (s::created_at, s::updated_at, s::published_at, s::confirmed_at),
                (v::sheet, v::origins),
                (o::id, o::siren, o::details).nullable(),
            ))
    };
}

macro_rules! public {
    () => {
        s::status.eq("published").or(s::status.eq("outdated"))
    };
}

/// What a list is narrowed by, on any query that has solutions in it.
macro_rules! narrowed {
    ($query:expr, $filter:expr, $is_postgres:expr) => {{
        let mut query = $query.filter(public!()).into_boxed::<Both>();
        if let Some(family) = &$filter.family {
            let having = diesel::alias!(f as having);
            let of = having.filter(having.field(f::facet).eq("family"));
            let of = of.filter(having.field(f::value).eq(family.clone()));
            query = query.filter(exists(of.filter(having.field(f::solution_id).eq(s::id))));
        }
        match &$filter.q {
            Some(q) if $is_postgres => query = query.filter(bench_matches(s::search_text, q.clone())),
            Some(q) => {
                for word in fold(q).split_whitespace() {
                    query = query.filter(s::search_text.like(format!("%{word}%")));
                }
            }
            None => {}
        }
        query
    }};
}

pub fn one(db: &mut Db, key: &str) -> Outcome<Option<View>> {
    let found = match Id::parse(key) {
        Some(id) => shown!().filter(s::id.eq(id)).filter(public!()).first::<Row>(db).optional()?,
        None => shown!().filter(s::slug.eq(key)).filter(public!()).first::<Row>(db).optional()?,
    };
    let Some(mut view) = found.map(View::from) else { return Ok(None) };
    view.possible_duplicates = s::table
        .filter(s::name_folded.eq(&view.name_folded).and(s::id.ne(view.id)))
        .filter(public!())
        .select((s::id, s::slug))
        .load(db)?;
    Ok(Some(view))
}

pub fn page(db: &mut Db, filter: &Filter) -> Outcome<Page> {
    let is_postgres = matches!(db, Db::Pg(_));
    let total = narrowed!(s::table, filter, is_postgres).count().get_result(db)?;
    let rows: Vec<Row> = narrowed!(shown!(), filter, is_postgres)
        .order((s::rating.desc(), s::id.desc()))
        .limit(filter.limit.unwrap_or(20))
        .load(db)?;
    let mut facets = BTreeMap::new();
    for facet in filter.facets.iter().flat_map(|names| names.split(',')) {
        let counts = f::table
            .inner_join(s::table.on(s::id.eq(f::solution_id)))
            .filter(f::facet.eq(facet.to_owned()))
            .group_by(f::value)
            .select((f::value, count_star()));
        let counted: Vec<(String, i64)> = narrowed!(counts, filter, is_postgres).load(db)?;
        facets.insert(facet.to_owned(), counted.into_iter().collect());
    }
    Ok(Page { items: rows.into_iter().map(View::from).collect(), total, facets })
}

#[derive(Serialize)]
pub struct Comparison {
    solutions: Vec<View>,
    criteria: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    criterion: Value,
    answers: Vec<Option<(String, Option<String>)>>,
}

/// Side by side, criterion by criterion.
pub fn comparison(db: &mut Db, keys: &str) -> Outcome<Comparison> {
    let (mut solutions, mut answered, mut set) = (Vec::new(), Vec::new(), None);
    for key in keys.split(',') {
        let Some(view) = one(db, key)? else { continue };
        let in_force: Option<(Id, Id)> = e::table
            .filter(e::solution_id.eq(view.id))
            .filter(e::status.eq("published").or(e::status.eq("contested")))
            .select((e::id, e::set_id))
            .first(db)
            .optional()?;
        let mut own: BTreeMap<String, (String, Option<String>)> = BTreeMap::new();
        if let Some((evaluation, set_id)) = in_force {
            set = Some(set_id);
            let rows: Vec<(String, String, Option<String>)> = a::table
                .filter(a::evaluation_id.eq(evaluation))
                .select((a::criterion, a::value, a::justification))
                .load(db)?;
            own.extend(rows.into_iter().map(|(code, value, why)| (code, (value, why))));
        }
        solutions.push(view);
        answered.push(own);
    }
    let criteria: Vec<(String, Json<Value>)> = match set {
        Some(set) => c::table.filter(c::set_id.eq(set)).order(c::position).select((c::code, c::content)).load(db)?,
        None => Vec::new(),
    };
    let criteria = criteria
        .into_iter()
        .map(|(code, content)| Line {
            criterion: content.0,
            answers: answered.iter_mut().map(|own| own.remove(&code)).collect(),
        })
        .collect();
    Ok(Comparison { solutions, criteria })
}

/// The next page of an export, a line for each solution, and where it ended.
pub fn lines(db: &mut Db, after: Option<Id>) -> Outcome<(Vec<u8>, Option<Id>)> {
    let after = after.unwrap_or(Id(uuid::Uuid::nil()));
    let rows: Vec<Row> = shown!().filter(public!()).filter(s::id.gt(after)).order(s::id).limit(500).load(db)?;
    let (mut page, mut last) = (Vec::new(), None);
    for view in rows.into_iter().map(View::from) {
        last = Some(view.id);
        serde_json::to_writer(&mut page, &view)?;
        page.push(b'\n');
    }
    Ok((page, last))
}
