//! Published versions: numbered, immutable, comparable; one can be taken up
//! again as a new draft.

use actix_web::HttpResponse;
use actix_web::web::Path;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::model::{Solution, SolutionVersion};
use super::routes::{declared, refuse_archived};
use super::rules::{self, Command};
use super::sheet::SolutionSheet;
use super::view::{self, FieldChange, SolutionVersionView, SolutionView, VersionDiff, shown_to};
use crate::auth::guard::{Vendor, Visitor};
use crate::db::{Db, Resource};
use crate::error::{Error, Result};
use crate::http::route::Endpoint;
use crate::http::{IfMatch, Page, Query, Reply};
use crate::kept::generations::Shows;
use crate::labels::model::examines;
use crate::organisations::Viewer;
use crate::persons::accesses::{self, Source};
use crate::{endpoints, query_parameters};

pub fn endpoints() -> Vec<Endpoint> {
    endpoints![list_solution_versions, find_solution_version, diff_solution_versions, revert_solution]
}

/// Which rows of a plain list.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Paging {
    /// Rows of a page.
    #[schema(minimum = 1, maximum = 100, default = 20)]
    #[serde(default)]
    pub limit: Option<i64>,
    /// Where to go on: `next` of the previous page.
    #[schema(max_length = 4000)]
    #[serde(default)]
    pub cursor: Option<String>,
}

query_parameters!(Paging);

/// The public solution whose versions are asked for.
fn published(db: &mut Db, key: &str, viewer: &Viewer) -> Result<Solution> {
    let solution = Solution::visible(db, key, viewer)?;
    refuse_archived(db, &solution)?;
    Ok(solution)
}

/// What of these sheets is to be recorded: restricted evidence of others.
fn restricted<'a>(
    solution: &Solution,
    viewer: &Viewer,
    sheets: impl IntoIterator<Item = &'a SolutionSheet>,
) -> Vec<Source> {
    let owner = solution.organisation_id;
    let source = Source { solution: solution.id, owner, resource: Resource::Solution, id: solution.id };
    source.if_restricted(viewer, sheets.into_iter().flat_map(|sheet| &sheet.evidence)).into_iter().collect()
}

fn number(text: &str) -> Result<i32> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(Error::not_found)
}

/// Published versions, newest first
///
/// Each publication is one version; none ever changes.
#[utoipa::path(get, path = "/api/v1/solutions/{id}/versions", tag = "solutions", security((), ("bearer" = [])),
    params(("id" = String, Path, description = "Identifier or slug of the solution.", max_length = 100), Paging),
    responses((status = 200, description = "A page of versions.", body = Page<SolutionVersionView>)))]
async fn list_solution_versions(
    visitor: Visitor,
    reply: Reply,
    id: Path<String>,
    query: Query<Paging>,
) -> Result<HttpResponse> {
    let slice = reply.slice(&query, query.cursor.as_deref(), query.limit)?;
    let caller = visitor.0.clone();
    let (solution, page, shown) = reply
        .app
        .store
        .read(move |db| {
            let viewer = Viewer::of(db, visitor.0.as_ref())?;
            let solution = published(db, &id, &viewer)?;
            let is_examiner = examines(db, &viewer, solution.id)?;
            let page = SolutionVersion::page(db, solution.id, &slice)?;
            let page = page.map(|row| SolutionVersionView::new(row, solution.organisation_id, &viewer, is_examiner));
            let shown = restricted(&solution, &viewer, page.items.iter().map(|view| &view.sheet));
            Ok((solution.id, page, shown))
        })
        .await?;
    accesses::record(&reply, caller, shown).await?;
    reply.shows(Shows::Solution(solution));
    reply.page(&page)
}

/// One published version
///
/// As it was published then.
#[utoipa::path(get, path = "/api/v1/solutions/{id}/versions/{n}", tag = "solutions", security((), ("bearer" = [])),
    params(("id" = String, Path, description = "Identifier or slug of the solution.", max_length = 100),
        ("n" = i32, Path, description = "Number of the version.", minimum = 1)),
    responses((status = 200, description = "The version, as it was published.", body = SolutionVersionView)))]
async fn find_solution_version(visitor: Visitor, reply: Reply, path: Path<(String, String)>) -> Result<HttpResponse> {
    let (id, n) = path.into_inner();
    let n = number(&n)?;
    let caller = visitor.0.clone();
    let (solution, view, shown) = reply
        .app
        .store
        .read(move |db| {
            let viewer = Viewer::of(db, visitor.0.as_ref())?;
            let solution = published(db, &id, &viewer)?;
            let is_examiner = examines(db, &viewer, solution.id)?;
            let version = SolutionVersion::find(db, solution.id, n)?;
            let view = SolutionVersionView::new(version, solution.organisation_id, &viewer, is_examiner);
            let shown = restricted(&solution, &viewer, [&view.sheet]);
            Ok((solution.id, view, shown))
        })
        .await?;
    accesses::record(&reply, caller, shown).await?;
    reply.shows(Shows::Solution(solution));
    reply.one(view.number, &view)
}

/// What differs between two published versions
///
/// Member by member, what the one says and what the other says.
#[utoipa::path(get, path = "/api/v1/solutions/{id}/versions/{n}/diff/{m}", tag = "solutions", security((), ("bearer" = [])),
    params(("id" = String, Path, description = "Identifier or slug of the solution.", max_length = 100),
        ("n" = i32, Path, description = "Number of the one version.", minimum = 1),
        ("m" = i32, Path, description = "Number of the other.", minimum = 1)),
    responses((status = 200, description = "The differences.", body = VersionDiff)))]
async fn diff_solution_versions(
    visitor: Visitor,
    reply: Reply,
    path: Path<(String, String, String)>,
) -> Result<HttpResponse> {
    let (id, n, m) = path.into_inner();
    let (from, to) = (number(&n)?, number(&m)?);
    let caller = visitor.0.clone();
    let (solution, view, shown) = reply
        .app
        .store
        .read(move |db| {
            let viewer = Viewer::of(db, visitor.0.as_ref())?;
            let solution = published(db, &id, &viewer)?;
            let is_examiner = examines(db, &viewer, solution.id)?;
            let mut side = |n| -> Result<_> {
                let version = SolutionVersion::find(db, solution.id, n)?;
                Ok(shown_to(version.sheet.0, solution.organisation_id, &viewer, is_examiner))
            };
            let (before, after) = (side(from)?, side(to)?);
            // Evidence that both sides share is no difference, and not shown.
            let shown = match before.evidence == after.evidence {
                true => Vec::new(),
                false => restricted(&solution, &viewer, [&before, &after]),
            };
            let changes = rules::differences(&before, &after)
                .into_iter()
                .map(|(field, before, after)| FieldChange { field, before, after })
                .collect();
            Ok((solution.id, VersionDiff { from, to, changes }, shown))
        })
        .await?;
    accesses::record(&reply, caller, shown).await?;
    reply.shows(Shows::Solution(solution));
    reply.one(to, &view)
}

/// Take an earlier version up again
///
/// As the working copy; the rules of today judge it when it is submitted.
#[utoipa::path(post, path = "/api/v1/solutions/{id}/versions/{n}/revert", tag = "solutions", security(("bearer" = ["vendor"])),
    params(("id" = String, Path, description = "Identifier or slug of the solution.", max_length = 100),
        ("n" = i32, Path, description = "Number of the version to take up.", minimum = 1)),
    responses((status = 200, description = "The working copy is that version.", body = SolutionView)))]
async fn revert_solution(
    caller: Vendor,
    reply: Reply,
    path: Path<(String, String)>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    let (id, n) = path.into_inner();
    let n = number(&n)?;
    reply
        .change(caller.0, move |tx, viewer| {
            let mut solution = Solution::owned(tx.db, &id, &viewer)?;
            refuse_archived(tx.db, &solution)?;
            let version = SolutionVersion::find(tx.db, solution.id, n)?;
            if_match.check(solution.version)?;
            let (before, origins) = solution.working_copy(tx.db)?;
            solution.advance(Command::Edit)?;
            let origins = rules::stamp(&origins, &before, &version.sheet.0, &declared(tx.now));
            solution.set_draft(version.sheet.0, origins);
            solution.store(tx, "revert_solution", json!({"to_version": n}))?;
            view::one(tx.db, solution, &viewer, &[], false, tx.now.day())
        })
        .await
}
