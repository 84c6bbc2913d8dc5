use actix_web::HttpResponse;
use actix_web::web::Path;
use serde_json::json;

use super::model::{Shown, Solution};
use super::rules::{self, Command, Origins, Provenance, SolutionStatus};
use super::sheet::{Origin, SolutionSheet};
use super::view::{self, SolutionFilter, SolutionQuery, SolutionSide, SolutionView, Tombstone};
use crate::auth::guard::{Vendor, Visitor};
use crate::db::{Db, Instant};
use crate::error::{Code, Error, Problem, Result};
use crate::http::route::Endpoint;
use crate::http::{Body, IfMatch, Patch, Query, Reply};
use crate::kept::generations::Shows;
use crate::organisations::view::OrganisationSummary;
use crate::organisations::{Organisation, Viewer};
use crate::persons::accesses;
use crate::search::view::SolutionPage;
use crate::{endpoints, text};

pub fn endpoints() -> Vec<Endpoint> {
    let mut all = endpoints![list_solutions, create_solution, find_solution, update_solution, delete_solution];
    all.extend(super::transitions::endpoints());
    all.extend(super::versions::endpoints());
    all.extend(super::claims::endpoints());
    all
}

/// Solutions
///
/// The public reads what is published; a vendor also its own drafts, unless it looks for
/// something; moderators their queue with `status=submitted`. What is public is searched, counted
/// and ordered by one index, with one language of filters: `docs/SEARCH.md`.
#[utoipa::path(get, path = "/api/v1/solutions", tag = "solutions", security((), ("bearer" = [])),
    params(SolutionFilter),
    responses((status = 200, description = "A page of solutions.", body = SolutionPage)))]
async fn list_solutions(visitor: Visitor, reply: Reply, query: Query<SolutionFilter>) -> Result<HttpResponse> {
    super::listing::list(&reply, visitor.0, query, None, |_, _| Ok(())).await
}

/// Draft a solution
///
/// A draft needs nothing but a name; what publication asks for is listed in `missing`.
#[utoipa::path(post, path = "/api/v1/solutions", tag = "solutions", security(("bearer" = ["vendor"])),
    request_body = SolutionSheet,
    responses((status = 201, description = "Drafted.", body = SolutionView)))]
async fn create_solution(caller: Vendor, reply: Reply, body: Body<SolutionSheet>) -> Result<HttpResponse> {
    reply
        .create(
            caller.0,
            move |tx, viewer| {
                let organisation = viewer.acting()?;
                let traits = crate::criteria::model::known_traits(tx.db, tx.now)?;
                let sheet = body.accept_with(|sheet| rules::faults(sheet, traits.as_ref()))?;
                let origins = rules::stamp(&Origins::new(), &SolutionSheet::default(), &sheet, &declared(tx.now));
                let solution = Solution::draft(tx, Some(organisation.id), sheet, origins)?;
                solution.insert(tx.db)?;
                tx.record(
                    "create_solution",
                    crate::db::Resource::Solution,
                    solution.id,
                    1,
                    json!({"status": solution.status}),
                )?;
                view::one(tx.db, solution, &viewer, &[], false, tx.now.day())
            },
            |view| format!("/api/v1/solutions/{}", view.id),
        )
        .await
}

pub fn declared(now: Instant) -> Provenance {
    Provenance { origin: Origin::Declared, as_of: now.day(), source: None }
}

/// One solution
///
/// By id or slug. Its vendor and moderators get the working copy while there is
/// one, `view=published` gives them the public version. An archived solution
/// answers 410 with its tombstone.
#[utoipa::path(get, path = "/api/v1/solutions/{id}", tag = "solutions", security((), ("bearer" = [])),
    params(("id" = String, Path, description = "Identifier or slug of the solution.", max_length = 100), SolutionQuery),
    responses((status = 200, description = "The solution.", body = SolutionView)))]
async fn find_solution(
    visitor: Visitor,
    reply: Reply,
    id: Path<String>,
    query: Query<SolutionQuery>,
) -> Result<HttpResponse> {
    let today = reply.app.store.clock().now().day();
    let caller = visitor.0.clone();
    let is_plain = caller.is_none() && query.include.is_empty();
    if is_plain && let Some(live) = reply.app.search_as_committed() {
        let key = id.clone();
        let left = reply.app.settings.limits.deadline;
        if let Some(one) = live.search.work(left, move |search| search.one(&key)).await? {
            reply.shows(Shows::Solution(one.id));
            return reply.written::<SolutionView>(one.version, one.document);
        }
    }
    let work = move |db: &mut Db| {
        let viewer = Viewer::of(db, visitor.0.as_ref())?;
        let shown = Shown::visible(db, &id, &viewer)?;
        refuse_archived(db, &shown.solution)?;
        let public_only = query.view == Some(SolutionSide::Published);
        let view = view::shown(db, shown, &viewer, &query.include, public_only, today)?;
        let shown = view::restricted(std::slice::from_ref(&view), &viewer);
        Ok((view, shown))
    };
    // What anybody reads of it is one statement; the names of its namesakes need no snapshot.
    let (view, shown) = if is_plain { reply.app.store.ask(work).await? } else { reply.app.store.read(work).await? };
    accesses::record(&reply, caller, shown).await?;
    reply.shows(Shows::Solution(view.id));
    match is_plain {
        true => reply.written::<SolutionView>(view.version, view::public_document(&view)?),
        false => reply.one(view.version, &view),
    }
}

/// What was public and is no more answers with its tombstone.
pub fn refuse_archived(db: &mut Db, solution: &Solution) -> Result<()> {
    if solution.status != SolutionStatus::Archived {
        return Ok(());
    }
    let archived_on = solution.archived_at.unwrap_or(solution.updated_at).day();
    let vendor = solution.organisation_id.map(|id| Organisation::find(db, id)).transpose()?;
    let labels =
        crate::labels::model::of_solutions(db, &[solution.id], archived_on)?.remove(&solution.id).unwrap_or_default();
    let name = solution.published_sheet(db)?.map(|sheet| sheet.name).unwrap_or_default();
    let tombstone = Tombstone {
        name: name.clone(),
        vendor: vendor.as_ref().map(OrganisationSummary::from),
        published_at: solution.published_version.map(|_| solution.published_at),
        archived_at: solution.archived_at,
        reason: solution.moderation.as_ref().and_then(|moderation| moderation.reason.clone()),
        labels,
    };
    let mut problem = Problem::new(Code::Gone, text!("« {name} » a été archivée.", "`{name}` has been archived."));
    problem.tombstone = Some(serde_json::to_value(tombstone)?);
    Err(problem.into())
}

/// Change the working copy
///
/// While the solution is published this opens, or continues, a revision; the
/// public version stays as it is.
#[utoipa::path(patch, path = "/api/v1/solutions/{id}", tag = "solutions", security(("bearer" = ["vendor"])),
    params(("id" = String, Path, description = "Identifier or slug of the solution.", max_length = 100)),
    request_body(content = ref("#/components/schemas/SolutionSheetPatch"), content_type = "application/merge-patch+json"),
    responses((status = 200, description = "Changed.", body = SolutionView)))]
async fn update_solution(
    caller: Vendor,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    patch: Patch<SolutionSheet>,
) -> Result<HttpResponse> {
    let app = reply.app.clone();
    reply
        .change(caller.0, move |tx, viewer| {
            let mut solution = Solution::owned(tx.db, &id, &viewer)?;
            refuse_archived(tx.db, &solution)?;
            if_match.check(solution.version)?;
            let (before, origins) = solution.working_copy(tx.db)?;
            let from = solution.stage();
            solution.advance(Command::Edit)?;
            let traits = crate::criteria::model::known_traits(tx.db, tx.now)?;
            let after = patch.apply(&app.contract, &before, |after| rules::faults(after, traits.as_ref()))?;
            let fields: Vec<String> =
                rules::differences(&before, &after).into_iter().map(|(name, _, _)| name).collect();
            let origins = rules::stamp(&origins, &before, &after, &declared(tx.now));
            solution.set_draft(after, origins);
            let changed = json!({"fields": fields, "revision": [from.revision, solution.revision_status]});
            solution.store(tx, "update_solution", changed)?;
            view::one(tx.db, solution, &viewer, &[], false, tx.now.day())
        })
        .await
}

/// Delete a draft
///
/// Only what never was published; what was is archived. The slug stays taken.
#[utoipa::path(delete, path = "/api/v1/solutions/{id}", tag = "solutions", security(("bearer" = ["vendor"])),
    params(("id" = String, Path, description = "Identifier or slug of the solution.", max_length = 100)),
    responses((status = 204, description = "Deleted.")))]
async fn delete_solution(caller: Vendor, reply: Reply, id: Path<String>, if_match: IfMatch) -> Result<HttpResponse> {
    reply
        .remove(caller.0, move |tx, viewer| {
            let solution = Solution::owned(tx.db, &id, &viewer)?;
            refuse_archived(tx.db, &solution)?;
            if_match.check(solution.version)?;
            if solution.published_version.is_some() {
                return Err(Error::conflict(text!(
                    "Ce qui a été publié s’archive et ne se supprime pas.",
                    "What was published is archived, not deleted."
                )));
            }
            solution.delete(tx)?;
            Ok(None)
        })
        .await
}
