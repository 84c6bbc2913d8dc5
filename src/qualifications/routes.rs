use actix_web::HttpResponse;
use actix_web::web::Path;
use serde_json::json;

use super::model::Qualification;
use super::rules::{self, QualificationCommand as Command, QualificationStatus};
use super::view::{Identity, QualificationFilter, QualificationView, Qualify};
use crate::auth::Principal;
use crate::auth::guard::{Accreditor, QualificationParty};
use crate::criteria::model::CriteriaSet;
use crate::db::{Id, Tx};
use crate::error::{Error, Result};
use crate::http::route::Endpoint;
use crate::http::{Body, IfMatch, Page, Query, Reply};
use crate::independence::freeze;
use crate::organisations::view::Reason;
use crate::organisations::{Organisation, Viewer};
use crate::persons::identities;
use crate::{endpoints, text};

pub fn endpoints() -> Vec<Endpoint> {
    endpoints![
        list_qualifications,
        create_qualification,
        find_qualification,
        suspend_qualification,
        reinstate_qualification,
        end_qualification,
        link_identity,
    ]
}

/// Qualified persons
///
/// Of one's own body; accreditors see all.
#[utoipa::path(get, path = "/api/v1/qualifications", tag = "accreditations",
    security(("bearer" = ["auditor"]), ("bearer" = ["operator:accreditor"])),
    params(QualificationFilter),
    responses((status = 200, description = "A page of qualifications.", body = Page<QualificationView>)))]
async fn list_qualifications(
    caller: QualificationParty,
    reply: Reply,
    query: Query<QualificationFilter>,
) -> Result<HttpResponse> {
    let slice = reply.slice(&query, query.cursor.as_deref(), query.limit)?;
    let page = reply
        .app
        .store
        .read(move |db| {
            let viewer = Viewer::of(db, Some(&caller))?;
            viewer.refuse_idle()?;
            Ok(Qualification::page(db, &query, &viewer, &slice)?.map(QualificationView::from))
        })
        .await?;
    reply.page(&page)
}

/// Qualify a person
///
/// Known by issuer and subject of their tokens; no name is stored. One qualification at a time at a body.
#[utoipa::path(post, path = "/api/v1/qualifications", tag = "accreditations", security(("bearer" = ["operator:accreditor"])),
    request_body = Qualify,
    responses((status = 201, description = "Qualified.", body = QualificationView)))]
async fn create_qualification(caller: Accreditor, reply: Reply, body: Body<Qualify>) -> Result<HttpResponse> {
    reply
        .create(
            caller.0,
            move |tx, viewer| {
                let known = CriteriaSet::themes_in_force(tx.db, tx.now.day())?;
                let given = body.accept_with(|given| rules::faults(&given.themes, &known, &given.duties))?;
                let organisation = Organisation::audit_body(tx.db, given.organisation_id, "/organisation_id")?;
                viewer.refuse_party(tx.db, &[Some(organisation.id)])?;
                Qualification::begin(tx, given).map(QualificationView::from)
            },
            |view| format!("/api/v1/qualifications/{}", view.id),
        )
        .await
}

/// One qualification
///
/// To the body, and to accreditors.
#[utoipa::path(get, path = "/api/v1/qualifications/{id}", tag = "accreditations",
    security(("bearer" = ["auditor"]), ("bearer" = ["operator:accreditor"])),
    params(("id" = Id, Path, description = "Identifier of the qualification.")),
    responses((status = 200, description = "The qualification.", body = QualificationView)))]
async fn find_qualification(caller: QualificationParty, reply: Reply, id: Path<String>) -> Result<HttpResponse> {
    let found = reply
        .app
        .store
        .read(move |db| {
            let viewer = Viewer::of(db, Some(&caller))?;
            viewer.refuse_idle()?;
            Qualification::visible(db, &id, &viewer)
        })
        .await?;
    reply.one(found.version, &QualificationView::from(found))
}

/// Loads, refuses one's own body, checks the precondition, takes the step, shows.
async fn transition(
    caller: Principal,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    command: Command,
    step: impl Fn(&mut Qualification, &mut Tx<'_>) -> Result<()> + Send + 'static,
) -> Result<HttpResponse> {
    reply
        .change(caller, move |tx, viewer| {
            let mut qualification = Qualification::visible(tx.db, &id, &viewer)?;
            viewer.refuse_party(tx.db, &[Some(qualification.organisation_id)])?;
            if_match.check(qualification.version)?;
            qualification.after(command)?;
            step(&mut qualification, tx)?;
            Ok(QualificationView::from(qualification))
        })
        .await
}

/// A step that takes something from the person, with its reason.
async fn reasoned(
    caller: Principal,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<Reason>,
    command: Command,
) -> Result<HttpResponse> {
    transition(caller, reply, id, if_match, command, move |qualification, tx| {
        qualification.reason = Some(body.accept()?.reason);
        let (from, to) = (qualification.status, qualification.after(command)?);
        qualification.take(tx, command, json!({"status": [from, to]}))
    })
    .await
}

/// Suspend a qualification
///
/// The person acts on no case until it is reinstated.
#[utoipa::path(post, path = "/api/v1/qualifications/{id}/suspend", tag = "accreditations", security(("bearer" = ["operator:accreditor"])),
    params(("id" = Id, Path, description = "Identifier of the qualification.")),
    request_body = Reason,
    responses((status = 200, description = "Suspended.", body = QualificationView)))]
async fn suspend_qualification(
    caller: Accreditor,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<Reason>,
) -> Result<HttpResponse> {
    reasoned(caller.0, reply, id, if_match, body, Command::Suspend).await
}

/// Reinstate a qualification
///
/// The cause of the suspension is cured.
#[utoipa::path(post, path = "/api/v1/qualifications/{id}/reinstate", tag = "accreditations", security(("bearer" = ["operator:accreditor"])),
    params(("id" = Id, Path, description = "Identifier of the qualification.")),
    responses((status = 200, description = "Qualified again.", body = QualificationView)))]
async fn reinstate_qualification(
    caller: Accreditor,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    transition(caller.0, reply, id, if_match, Command::Reinstate, |qualification, tx| {
        qualification.reason = None;
        let changed = json!({"status": [qualification.status, QualificationStatus::Qualified]});
        qualification.take(tx, Command::Reinstate, changed)
    })
    .await
}

/// End a qualification
///
/// For good, with a reason; the person may be qualified anew.
#[utoipa::path(post, path = "/api/v1/qualifications/{id}/end", tag = "accreditations", security(("bearer" = ["operator:accreditor"])),
    params(("id" = Id, Path, description = "Identifier of the qualification.")),
    request_body = Reason,
    responses((status = 200, description = "Ended.", body = QualificationView)))]
async fn end_qualification(
    caller: Accreditor,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<Reason>,
) -> Result<HttpResponse> {
    reasoned(caller.0, reply, id, if_match, body, Command::End).await
}

/// Link another identity
///
/// Tokens of this issuer and subject are the same person's: what is kept apart between
/// persons is kept apart between both. It is not undone.
#[utoipa::path(post, path = "/api/v1/qualifications/{id}/link-identity", tag = "accreditations", security(("bearer" = ["operator:accreditor"])),
    params(("id" = Id, Path, description = "Identifier of the qualification.")),
    request_body = Identity,
    responses((status = 200, description = "Known as one person.", body = QualificationView)))]
async fn link_identity(
    caller: Accreditor,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<Identity>,
) -> Result<HttpResponse> {
    let periods = reply.app.settings.periods;
    transition(caller.0, reply, id, if_match, Command::LinkIdentity, move |qualification, tx| {
        let identity = body.accept()?;
        let other = tx.enter(&identity.issuer, &identity.subject)?;
        if !identities::link(tx, qualification.actor_id, other)? {
            return Err(Error::duplicate(text!("C’est déjà la même personne.", "They are one person already.")));
        }
        qualification.take(tx, Command::LinkIdentity, json!({"identity": other}))?;
        freeze::of_person(tx, qualification.actor_id, periods)
    })
    .await
}
