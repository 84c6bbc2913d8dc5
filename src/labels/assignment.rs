//! Who examines a case: assignment, acceptance, declarations, and giving it to others.

use actix_web::HttpResponse;
use actix_web::web::Path;
use serde_json::json;

use super::applications::transition;
use super::model::Application;
use super::rules::ApplicationCommand;
use super::view::{Acceptance, ApplicationView, Assignment, DeclareInterests, Reassignment};
use crate::auth::guard::{Auditor, Evaluator, LabelOfficer};
use crate::db::{Id, Json, Tx};
use crate::error::{Error, Fault, Result};
use crate::http::route::Endpoint;
use crate::http::{Body, IfMatch, Reply};
use crate::independence::check::{Act, Stage, check};
use crate::independence::declarations::{self, Declaration};
use crate::independence::freeze;
use crate::organisations::view::Reason;
use crate::organisations::{Organisation, Viewer};
use crate::{endpoints, text};

pub fn endpoints() -> Vec<Endpoint> {
    endpoints![
        assign_label_application,
        reassign_label_application,
        accept_label_application,
        recuse_label_application,
        declare_interests,
    ]
}

/// Assign to an audit body
///
/// Active, accredited for the themes and families of the case, and independent of the
/// vendor. Every rule that stands against it is named.
#[utoipa::path(post, path = "/api/v1/label-applications/{id}/assign", tag = "labels", security(("bearer" = ["operator:label_officer"])),
    params(("id" = Id, Path, description = "Identifier of the application.")),
    request_body = Assignment,
    responses((status = 200, description = "Proposed to the audit body.", body = ApplicationView)))]
async fn assign_label_application(
    caller: LabelOfficer,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<Assignment>,
) -> Result<HttpResponse> {
    let periods = reply.app.settings.periods;
    transition(&caller, reply, id, if_match, move |application, tx| {
        application.clone().advance(ApplicationCommand::Assign)?;
        let audit_body = Organisation::audit_body(tx.db, body.accept()?.audit_body_id, "/audit_body_id")?;
        refuse_challenged(application, &audit_body)?;
        check(tx, application, &Act::new(Stage::Assignment, &audit_body, periods))?;
        assign(application, tx, &audit_body)
    })
    .await
}

/// A body that was challenged with success does not come back.
fn refuse_challenged(application: &Application, audit_body: &Organisation) -> Result<()> {
    if !application.procedure.excludes(audit_body.id) {
        return Ok(());
    }
    let detail =
        text!("Cet organisme a été récusé dans ce dossier.", "This body was challenged in this case, with success.");
    Err(Error::invalid(vec![Fault::body("/audit_body_id", "challenged", detail)]))
}

/// Records an assignment to an independent body.
pub fn assign(application: &mut Application, tx: &mut Tx<'_>, audit_body: &Organisation) -> Result<()> {
    application.advance(ApplicationCommand::Assign)?;
    application.audit_body_id = Some(audit_body.id);
    application.store(tx, "assign_label_application", json!({"audit_body": audit_body.id}))
}

/// Assign to others
///
/// Before the report: to another audit body, or to another person of the same. What was
/// found so far does not count for them.
#[utoipa::path(post, path = "/api/v1/label-applications/{id}/reassign", tag = "labels", security(("bearer" = ["operator:label_officer"])),
    params(("id" = Id, Path, description = "Identifier of the application.")),
    request_body = Reassignment,
    responses((status = 200, description = "Proposed to the audit body.", body = ApplicationView)))]
async fn reassign_label_application(
    caller: LabelOfficer,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<Reassignment>,
) -> Result<HttpResponse> {
    let periods = reply.app.settings.periods;
    transition(&caller, reply, id, if_match, move |application, tx| {
        let (status, from) = (application.status, application.audit_body_id);
        application.advance(ApplicationCommand::Reassign)?;
        let given = body.accept()?;
        let audit_body = Organisation::audit_body(tx.db, given.audit_body_id, "/audit_body_id")?;
        refuse_challenged(application, &audit_body)?;
        application.release();
        check(tx, application, &Act::new(Stage::Assignment, &audit_body, periods))?;
        application.audit_body_id = Some(audit_body.id);
        application.moderation = Some(Json(given.reason));
        let changed = json!({"status": [status, application.status], "audit_body": [from, audit_body.id]});
        application.store(tx, "reassign_label_application", changed)
    })
    .await
}

/// Accept a case
///
/// The evaluator declares independence, and every interest that has to be known, and takes the case.
#[utoipa::path(post, path = "/api/v1/label-applications/{id}/accept", tag = "labels", security(("bearer" = ["auditor:evaluator"])),
    params(("id" = Id, Path, description = "Identifier of the application.")),
    request_body = Acceptance,
    responses((status = 200, description = "Accepted.", body = ApplicationView)))]
async fn accept_label_application(
    caller: Evaluator,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<Acceptance>,
) -> Result<HttpResponse> {
    let principal = caller.0.clone();
    let periods = reply.app.settings.periods;
    transition(&caller, reply, id, if_match, move |application, tx| {
        let audit_body = Viewer::of(tx.db, Some(&principal))?.acting()?;
        application.clone().advance(ApplicationCommand::Accept)?;
        if application.evaluator_id.is_some() {
            return Err(Error::conflict(text!(
                "Un évaluateur a déjà accepté ce dossier.",
                "An evaluator has accepted this case already."
            )));
        }
        let today = tx.now.day();
        let acceptance = body.accept_with(|acceptance| {
            let fault = Fault::body(
                "/declares_independence",
                "not_declared",
                text!("L’indépendance est à déclarer.", "Independence must be declared."),
            );
            let undeclared = (!acceptance.declares_independence).then_some(fault);
            undeclared.into_iter().chain(declarations::faults(&acceptance.interests, today)).collect()
        })?;
        let interests = acceptance.interests.as_slice();
        check(tx, application, &Act { interests, ..Act::new(Stage::Acceptance, &audit_body, periods) })?;
        Declaration::file(tx, application, audit_body.id, interests)?;
        accept(application, tx)
    })
    .await
}

/// Records who took the case.
pub fn accept(application: &mut Application, tx: &mut Tx<'_>) -> Result<()> {
    application.advance(ApplicationCommand::Accept)?;
    application.evaluator_id = Some(super::audit::person(tx)?);
    application.accepted_at = Some(tx.now);
    application.store(tx, "accept_label_application", json!({}))
}

/// Recuse oneself
///
/// Before the report; the case waits for another audit body.
#[utoipa::path(post, path = "/api/v1/label-applications/{id}/recuse", tag = "labels", security(("bearer" = ["auditor"])),
    params(("id" = Id, Path, description = "Identifier of the application.")),
    request_body = Reason,
    responses((status = 200, description = "Waiting for another body.", body = ApplicationView)))]
async fn recuse_label_application(
    caller: Auditor,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<Reason>,
) -> Result<HttpResponse> {
    transition(&caller, reply, id, if_match, move |application, tx| {
        let from = application.audit_body_id;
        application.advance(ApplicationCommand::Recuse)?;
        application.moderation = Some(Json(body.accept()?.reason));
        application.release();
        application.store(tx, "recuse_label_application", json!({"audit_body": [from, null]}))
    })
    .await
}

/// Declare interests
///
/// Of the body or of the person who declares, as soon as they are known. What is declared
/// stays on record; a case whose body or evaluator it excludes is frozen.
#[utoipa::path(post, path = "/api/v1/label-applications/{id}/declare", tag = "labels", security(("bearer" = ["auditor"])),
    params(("id" = Id, Path, description = "Identifier of the application.")),
    request_body = DeclareInterests,
    responses((status = 200, description = "Declared.", body = ApplicationView)))]
async fn declare_interests(
    caller: Auditor,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<DeclareInterests>,
) -> Result<HttpResponse> {
    let principal = caller.0.clone();
    let periods = reply.app.settings.periods;
    transition(&caller, reply, id, if_match, move |application, tx| {
        let audit_body = Viewer::of(tx.db, Some(&principal))?.acting()?;
        application.clone().advance(ApplicationCommand::Declare)?;
        let today = tx.now.day();
        let given = body.accept_with(|given| declarations::faults(&given.interests, today))?;
        Declaration::file(tx, application, audit_body.id, &given.interests)?;
        let kinds: Vec<_> = given.interests.iter().map(|one| one.kind).collect();
        application.store(tx, "declare_interests", json!({"kinds": kinds}))?;
        freeze::review(tx, application, periods)
    })
    .await
}
