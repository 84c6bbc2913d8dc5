//! Commands that move a solution: one command, one transaction, one journal entry.

use actix_web::HttpResponse;
use actix_web::web::Path;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::model::{Moderation, RequestedChange, Solution, lacks};
use super::routes::refuse_archived;
use super::rules::{Command, RejectionReason, SuspensionReason, needs_moderation};
use super::view::{self, SolutionView};
use crate::auth::Principal;
use crate::auth::guard::{Moderator, Signatory, SignatoryOrModerator};
use crate::db::{Json, Tx};
use crate::error::{Error, Fault, Result};
use crate::http::route::Endpoint;
use crate::http::{Body, IfMatch, Reply};
use crate::organisations::view::Reason;
use crate::organisations::{Organisation, Viewer};
use crate::{endpoints, text};

pub fn endpoints() -> Vec<Endpoint> {
    endpoints![
        submit_solution,
        withdraw_solution,
        publish_solution,
        request_changes_of_solution,
        reject_solution,
        reopen_solution,
        suspend_solution,
        lift_solution,
        archive_solution,
        confirm_solution,
    ]
}

/// A submission.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"accepts_charter": true}))]
pub struct Submission {
    /// The signatory accepts the charter: the sheet is true, kept up to date, and public.
    pub accepts_charter: bool,
}

/// What a moderator asks to change.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"changes": [{"field": "summary", "reason": "Ton publicitaire."}]}))]
pub struct ChangeRequest {
    /// Member by member.
    #[schema(min_items = 1, max_items = 100)]
    pub changes: Vec<RequestedChange>,
}

/// A rejection.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"code": "duplicate", "reason": "Déjà inscrite sous un autre nom."}))]
pub struct Rejection {
    /// The ground, among those possible.
    pub code: RejectionReason,
    /// The reason in words.
    #[schema(min_length = 3, max_length = 5000)]
    pub reason: String,
}

/// A suspension.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"code": "security", "reason": "Faille exploitée, correctif attendu."}))]
pub struct Suspension {
    /// The ground, among those possible.
    pub code: SuspensionReason,
    /// The reason in words; public.
    #[schema(min_length = 3, max_length = 5000)]
    pub reason: String,
}

/// Loads what may be moved, checks the precondition, moves, and shows the result.
async fn transition(
    caller: &Principal,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    step: impl Fn(&mut Solution, &mut Tx<'_>) -> Result<()> + Send + 'static,
) -> Result<HttpResponse> {
    reply
        .change(caller.clone(), move |tx, viewer| {
            let mut solution = Solution::moderated(tx.db, &id, &viewer)?;
            refuse_archived(tx.db, &solution)?;
            if_match.check(solution.version)?;
            step(&mut solution, tx)?;
            view::one(tx.db, solution, &viewer, &[], false, tx.now.day())
        })
        .await
}

/// Submit for publication
///
/// Says everything that is missing. A revision that touches nothing sensitive
/// (identity, licence, hosting) is published at once.
#[utoipa::path(post, path = "/api/v1/solutions/{id}/submit", tag = "solutions", security(("bearer" = ["vendor:signatory"])),
    params(("id" = String, Path, description = "Identifier or slug of the solution.", max_length = 100)),
    request_body = Submission,
    responses((status = 200, description = "Submitted, or published.", body = SolutionView)))]
async fn submit_solution(
    caller: Signatory,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<Submission>,
) -> Result<HttpResponse> {
    let signatory = caller.0.clone();
    transition(&caller, reply, id, if_match, move |solution, tx| {
        let organisation = Viewer::of(tx.db, Some(&signatory))?.acting()?;
        submit(solution, tx, &organisation, || body.accept_with(charter_faults).map(|_| ()))
    })
    .await
}

fn charter_faults(submission: &Submission) -> Vec<Fault> {
    let refused = Fault::body(
        "/accepts_charter",
        "charter_not_accepted",
        text!("La charte est à accepter pour soumettre.", "The charter must be accepted to submit."),
    );
    if submission.accepts_charter { Vec::new() } else { vec![refused] }
}

/// The guards of a submission, after those of its state.
pub fn submit(
    solution: &mut Solution,
    tx: &mut Tx<'_>,
    organisation: &Organisation,
    accept: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let from = solution.stage();
    solution.advance(Command::Submit)?;
    accept()?;
    let (sheet, _) = solution.working_copy(tx.db)?;
    let faults: Vec<Fault> = lacks(&sheet, Some(organisation))
        .into_iter()
        .map(|lack| Fault::body(lack.pointer, "missing", lack.detail))
        .collect();
    if !faults.is_empty() {
        return Err(Error::invalid(faults));
    }
    solution.submitted_at = Some(tx.now);
    let published = solution.published_sheet(tx.db)?;
    if published.is_some_and(|published| !needs_moderation(&published, &sheet)) {
        return solution.publish(tx, "publish_solution");
    }
    let changed =
        json!({"status": [from.status, solution.status], "revision": [from.revision, solution.revision_status]});
    solution.store(tx, "submit_solution", changed)
}

/// Withdraw a submission
///
/// The vendor takes a submitted sheet back: it can be edited again.
#[utoipa::path(post, path = "/api/v1/solutions/{id}/withdraw", tag = "solutions", security(("bearer" = ["vendor:signatory"])),
    params(("id" = String, Path, description = "Identifier or slug of the solution.", max_length = 100)),
    responses((status = 200, description = "A draft again.", body = SolutionView)))]
async fn withdraw_solution(
    caller: Signatory,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    transition(&caller, reply, id, if_match, |solution, tx| solution.transition(tx, Command::Withdraw)).await
}

/// Publish
///
/// Freezes the working copy as the next version; confirms its traits.
#[utoipa::path(post, path = "/api/v1/solutions/{id}/publish", tag = "solutions", security(("bearer" = ["operator:moderator"])),
    params(("id" = String, Path, description = "Identifier or slug of the solution.", max_length = 100)),
    responses((status = 200, description = "Published.", body = SolutionView)))]
async fn publish_solution(
    caller: Moderator,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    transition(&caller, reply, id, if_match, |solution, tx| {
        // The state speaks before the missing draft does.
        solution.clone().advance(Command::Publish)?;
        solution.publish(tx, "publish_solution")
    })
    .await
}

/// Send back with what to change
///
/// A moderator sends a submitted sheet back, naming what to change.
#[utoipa::path(post, path = "/api/v1/solutions/{id}/request-changes", tag = "solutions", security(("bearer" = ["operator:moderator"])),
    params(("id" = String, Path, description = "Identifier or slug of the solution.", max_length = 100)),
    request_body = ChangeRequest,
    responses((status = 200, description = "Sent back.", body = SolutionView)))]
async fn request_changes_of_solution(
    caller: Moderator,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<ChangeRequest>,
) -> Result<HttpResponse> {
    transition(&caller, reply, id, if_match, move |solution, tx| {
        solution.clone().advance(Command::RequestChanges)?;
        let changes = body.accept()?.changes;
        say(solution, Command::RequestChanges, None, None, changes);
        solution.transition(tx, Command::RequestChanges)
    })
    .await
}

/// Reject
///
/// For form and eligibility only, never for merit.
#[utoipa::path(post, path = "/api/v1/solutions/{id}/reject", tag = "solutions", security(("bearer" = ["operator:moderator"])),
    params(("id" = String, Path, description = "Identifier or slug of the solution.", max_length = 100)),
    request_body = Rejection,
    responses((status = 200, description = "Rejected.", body = SolutionView)))]
async fn reject_solution(
    caller: Moderator,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<Rejection>,
) -> Result<HttpResponse> {
    transition(&caller, reply, id, if_match, move |solution, tx| {
        solution.clone().advance(Command::Reject)?;
        let Rejection { code, reason } = body.accept()?;
        say(solution, Command::Reject, Some(code.code()), Some(reason), Vec::new());
        solution.transition(tx, Command::Reject)
    })
    .await
}

fn say(
    solution: &mut Solution,
    command: Command,
    code: Option<&str>,
    reason: Option<String>,
    changes: Vec<RequestedChange>,
) {
    solution.moderation =
        Some(Json(Moderation { action: command.to_string(), code: code.map(ToOwned::to_owned), reason, changes }));
}

/// Reopen a rejected solution
///
/// The vendor takes up again a sheet that was refused: it becomes a draft.
#[utoipa::path(post, path = "/api/v1/solutions/{id}/reopen", tag = "solutions", security(("bearer" = ["vendor:signatory"])),
    params(("id" = String, Path, description = "Identifier or slug of the solution.", max_length = 100)),
    responses((status = 200, description = "A draft again.", body = SolutionView)))]
async fn reopen_solution(caller: Signatory, reply: Reply, id: Path<String>, if_match: IfMatch) -> Result<HttpResponse> {
    transition(&caller, reply, id, if_match, |solution, tx| solution.transition(tx, Command::Reopen)).await
}

/// Suspend
///
/// In urgency: security, fraud, court order. Out of lists at once; its labels are suspended with it.
#[utoipa::path(post, path = "/api/v1/solutions/{id}/suspend", tag = "solutions", security(("bearer" = ["operator:moderator"])),
    params(("id" = String, Path, description = "Identifier or slug of the solution.", max_length = 100)),
    request_body = Suspension,
    responses((status = 200, description = "Suspended.", body = SolutionView)))]
async fn suspend_solution(
    caller: Moderator,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<Suspension>,
) -> Result<HttpResponse> {
    transition(&caller, reply, id, if_match, move |solution, tx| {
        solution.clone().advance(Command::Suspend)?;
        let Suspension { code, reason } = body.accept()?;
        suspend(solution, tx, code, reason)
    })
    .await
}

/// Takes a solution out of lists, and its labels with it.
pub fn suspend(solution: &mut Solution, tx: &mut Tx<'_>, code: SuspensionReason, reason: String) -> Result<()> {
    say(solution, Command::Suspend, Some(code.code()), Some(reason), Vec::new());
    solution.suspended_by = tx.actor_id()?;
    solution.updated_at = tx.now;
    solution.transition(tx, Command::Suspend)?;
    crate::labels::model::suspend_of_solution(tx, solution)
}

/// Lift a suspension
///
/// By another moderator than the one who suspended. Labels stay suspended: they
/// are reinstated by their own procedure.
#[utoipa::path(post, path = "/api/v1/solutions/{id}/lift", tag = "solutions", security(("bearer" = ["operator:moderator"])),
    params(("id" = String, Path, description = "Identifier or slug of the solution.", max_length = 100)),
    responses((status = 200, description = "Published again.", body = SolutionView)))]
async fn lift_solution(caller: Moderator, reply: Reply, id: Path<String>, if_match: IfMatch) -> Result<HttpResponse> {
    transition(&caller, reply, id, if_match, |solution, tx| {
        solution.clone().advance(Command::Lift)?;
        let actor = tx.actor_id()?;
        if actor.is_some() && solution.suspended_by == actor {
            return Err(Error::forbidden(text!(
                "Qui a suspendu ne lève pas la suspension.",
                "Who suspended does not lift the suspension."
            )));
        }
        solution.moderation = None;
        solution.suspended_by = None;
        solution.updated_at = tx.now;
        solution.transition(tx, Command::Lift)
    })
    .await
}

/// Archive
///
/// For good. A tombstone stays: name, vendor, dates, labels, and this reason.
#[utoipa::path(post, path = "/api/v1/solutions/{id}/archive", tag = "solutions",
    security(("bearer" = ["vendor:signatory"]), ("bearer" = ["operator:moderator"])),
    params(("id" = String, Path, description = "Identifier or slug of the solution.", max_length = 100)),
    request_body = Reason,
    responses((status = 200, description = "Archived.", body = SolutionView)))]
async fn archive_solution(
    caller: SignatoryOrModerator,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<Reason>,
) -> Result<HttpResponse> {
    transition(&caller, reply, id, if_match, move |solution, tx| {
        solution.clone().advance(Command::Archive)?;
        let reason = body.accept()?.reason;
        archive(solution, tx, reason)
    })
    .await
}

/// Leaves a tombstone; a label of what is gone is suspended.
pub fn archive(solution: &mut Solution, tx: &mut Tx<'_>, reason: String) -> Result<()> {
    say(solution, Command::Archive, None, Some(reason), Vec::new());
    solution.draft = None;
    solution.draft_origins = None;
    solution.archived_at = Some(tx.now);
    solution.updated_at = tx.now;
    solution.transition(tx, Command::Archive)?;
    crate::labels::model::suspend_of_solution(tx, solution)
}

/// Confirm that the sheet is up to date
///
/// Without a confirmation for twelve months a solution becomes `outdated`.
#[utoipa::path(post, path = "/api/v1/solutions/{id}/confirm", tag = "solutions", security(("bearer" = ["vendor:signatory"])),
    params(("id" = String, Path, description = "Identifier or slug of the solution.", max_length = 100)),
    responses((status = 200, description = "Confirmed.", body = SolutionView)))]
async fn confirm_solution(
    caller: Signatory,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    transition(&caller, reply, id, if_match, |solution, tx| {
        solution.confirmed_at = Some(tx.now);
        solution.transition(tx, Command::Confirm)
    })
    .await
}
