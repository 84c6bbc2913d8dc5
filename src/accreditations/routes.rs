use actix_web::HttpResponse;
use actix_web::web::Path;

use super::keys::{self, RegisterKey, RevokeKey, SigningKey};
use super::model::{self, Accreditation};
use super::rules::AccreditationCommand as Command;
use super::view::{Accredit, AccreditationFilter, AccreditationView, CreateAccreditation, Restrict};
use crate::auth::Principal;
use crate::auth::guard::{Accreditor, Visitor};
use crate::criteria::model::CriteriaSet;
use crate::db::{Db, Id, Instant, Json, Tx};
use crate::error::{Error, Fault, Result};
use crate::http::route::Endpoint;
use crate::http::{Body, IfMatch, Page, Query, Reply};
use crate::kept::generations::Shows;
use crate::organisations::view::Reason;
use crate::organisations::{Organisation, Viewer};
use crate::proof::possession;
use crate::{endpoints, text};

pub fn endpoints() -> Vec<Endpoint> {
    endpoints![
        list_accreditations,
        create_accreditation,
        find_accreditation,
        accredit_body,
        restrict_accreditation,
        suspend_accreditation,
        reinstate_accreditation,
        withdraw_accreditation,
        register_signing_key,
        revoke_signing_key,
    ]
}

/// The register of audit bodies
///
/// Every accreditation that was ever given, with its scope, its keys and where it
/// stands today. Candidates are shown to themselves and to accreditors.
#[utoipa::path(get, path = "/api/v1/accreditations", tag = "accreditations", security((), ("bearer" = [])),
    params(AccreditationFilter),
    responses((status = 200, description = "A page of accreditations.", body = Page<AccreditationView>)))]
async fn list_accreditations(
    visitor: Visitor,
    reply: Reply,
    query: Query<AccreditationFilter>,
) -> Result<HttpResponse> {
    reply.shows(Shows::Organisations);
    let today = reply.app.store.clock().now().day();
    let slice = reply.slice(&query, query.cursor.as_deref(), query.limit)?;
    let page = reply
        .app
        .store
        .read(move |db| {
            let viewer = Viewer::of(db, visitor.0.as_ref())?;
            let page = Accreditation::page(db, &query, &viewer, today, &slice)?;
            Ok(Page { items: model::views(db, page.items, today)?, next: page.next, total: page.total })
        })
        .await?;
    reply.page(&page)
}

/// Enter a candidate
///
/// An active audit body that asks to be accredited; one accreditation at a time.
#[utoipa::path(post, path = "/api/v1/accreditations", tag = "accreditations", security(("bearer" = ["operator:accreditor"])),
    request_body = CreateAccreditation,
    responses((status = 201, description = "A candidate.", body = AccreditationView)))]
async fn create_accreditation(
    caller: Accreditor,
    reply: Reply,
    body: Body<CreateAccreditation>,
) -> Result<HttpResponse> {
    reply
        .create(
            caller.0,
            move |tx, viewer| {
                let organisation = Organisation::audit_body(tx.db, body.accept()?.organisation_id, "/organisation_id")?;
                viewer.refuse_party(tx.db, &[Some(organisation.id)])?;
                let accreditation = Accreditation::begin(tx, &organisation)?;
                shown(tx.db, accreditation, tx.now)
            },
            |view| format!("/api/v1/accreditations/{}", view.id),
        )
        .await
}

fn shown(db: &mut Db, accreditation: Accreditation, now: Instant) -> Result<AccreditationView> {
    model::views(db, vec![accreditation], now.day())?.pop().ok_or_else(Error::not_found)
}

/// One accreditation
///
/// Also once it has expired or was withdrawn.
#[utoipa::path(get, path = "/api/v1/accreditations/{id}", tag = "accreditations", security((), ("bearer" = [])),
    params(("id" = Id, Path, description = "Identifier of the accreditation.")),
    responses((status = 200, description = "The accreditation.", body = AccreditationView)))]
async fn find_accreditation(visitor: Visitor, reply: Reply, id: Path<String>) -> Result<HttpResponse> {
    reply.shows(Shows::Organisations);
    let now = reply.app.store.clock().now();
    let view = reply
        .app
        .store
        .read(move |db| {
            let viewer = Viewer::of(db, visitor.0.as_ref())?;
            let accreditation = Accreditation::visible(db, &id, &viewer)?;
            shown(db, accreditation, now)
        })
        .await?;
    reply.one(view.version, &view)
}

/// Loads, refuses one's own body, checks the precondition, takes the step, shows.
async fn transition(
    caller: Principal,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    command: Command,
    step: impl Fn(&mut Accreditation, &mut Tx<'_>) -> Result<()> + Send + 'static,
) -> Result<HttpResponse> {
    reply
        .change(caller, move |tx, viewer| {
            let mut accreditation = Accreditation::find(tx.db, &id)?;
            viewer.refuse_party(tx.db, &[Some(accreditation.organisation_id)])?;
            if_match.check(accreditation.version)?;
            accreditation.after(command, tx.now)?;
            step(&mut accreditation, tx)?;
            shown(tx.db, accreditation, tx.now)
        })
        .await
}

/// Accredit
///
/// Gives or renews the accreditation, with its scope and its last day.
#[utoipa::path(post, path = "/api/v1/accreditations/{id}/accredit", tag = "accreditations", security(("bearer" = ["operator:accreditor"])),
    params(("id" = Id, Path, description = "Identifier of the accreditation.")),
    request_body = Accredit,
    responses((status = 200, description = "Accredited.", body = AccreditationView)))]
async fn accredit_body(
    caller: Accreditor,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<Accredit>,
) -> Result<HttpResponse> {
    let months = reply.app.settings.accreditation_months;
    transition(caller.0, reply, id, if_match, Command::Accredit, move |accreditation, tx| {
        let today = tx.now.day();
        let themes = CriteriaSet::themes_in_force(tx.db, today)?;
        let given = body.accept_with(|given| {
            let mut faults = given.scope.faults(&themes);
            if given.valid_until.is_some_and(|last| last <= today || last > Accreditation::last_day(today, months)) {
                let latest = Accreditation::last_day(today, months);
                faults.push(Fault::body(
                    "/valid_until",
                    "out_of_range",
                    text!("Après aujourd’hui, et le {latest} au plus tard.", "After today, and by {latest}."),
                ));
            }
            faults
        })?;
        let last = given.valid_until.unwrap_or_else(|| Accreditation::last_day(today, months));
        accreditation.accredit(tx, given.scope, last)
    })
    .await
}

/// Restrict
///
/// To a narrower scope, with a reason that the register shows. A wider one takes a new accreditation.
#[utoipa::path(post, path = "/api/v1/accreditations/{id}/restrict", tag = "accreditations", security(("bearer" = ["operator:accreditor"])),
    params(("id" = Id, Path, description = "Identifier of the accreditation.")),
    request_body = Restrict,
    responses((status = 200, description = "Restricted.", body = AccreditationView)))]
async fn restrict_accreditation(
    caller: Accreditor,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<Restrict>,
) -> Result<HttpResponse> {
    transition(caller.0, reply, id, if_match, Command::Restrict, move |accreditation, tx| {
        let themes = CriteriaSet::themes_in_force(tx.db, tx.now.day())?;
        let given = body.accept_with(|given| {
            let mut faults = given.scope.faults(&themes);
            if !given.scope.is_narrower_than(&accreditation.scope) {
                faults.push(Fault::body(
                    "/scope",
                    "not_narrower",
                    text!("La portée doit être plus étroite que l’actuelle.", "The scope must be narrower than now."),
                ));
            }
            faults
        })?;
        accreditation.scope = Json(given.scope.clone());
        accreditation.take(tx, Command::Restrict, Some(given.reason), Some(given.scope))
    })
    .await
}

/// Suspend
///
/// The body examines and decides nothing until it is reinstated; its open cases can be reassigned.
#[utoipa::path(post, path = "/api/v1/accreditations/{id}/suspend", tag = "accreditations", security(("bearer" = ["operator:accreditor"])),
    params(("id" = Id, Path, description = "Identifier of the accreditation.")),
    request_body = Reason,
    responses((status = 200, description = "Suspended.", body = AccreditationView)))]
async fn suspend_accreditation(
    caller: Accreditor,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<Reason>,
) -> Result<HttpResponse> {
    reasoned(caller.0, reply, id, if_match, body, Command::Suspend).await
}

async fn reasoned(
    caller: Principal,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<Reason>,
    command: Command,
) -> Result<HttpResponse> {
    transition(caller, reply, id, if_match, command, move |accreditation, tx| {
        let reason = body.accept()?.reason;
        accreditation.take(tx, command, Some(reason), None)
    })
    .await
}

/// Reinstate
///
/// The cause of the suspension is cured.
#[utoipa::path(post, path = "/api/v1/accreditations/{id}/reinstate", tag = "accreditations", security(("bearer" = ["operator:accreditor"])),
    params(("id" = Id, Path, description = "Identifier of the accreditation.")),
    responses((status = 200, description = "Accredited again.", body = AccreditationView)))]
async fn reinstate_accreditation(
    caller: Accreditor,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    transition(caller.0, reply, id, if_match, Command::Reinstate, |accreditation, tx| {
        accreditation.take(tx, Command::Reinstate, None, None)
    })
    .await
}

/// Withdraw
///
/// For good, with a reason; of a candidate, a refusal. The body may be entered again.
#[utoipa::path(post, path = "/api/v1/accreditations/{id}/withdraw", tag = "accreditations", security(("bearer" = ["operator:accreditor"])),
    params(("id" = Id, Path, description = "Identifier of the accreditation.")),
    request_body = Reason,
    responses((status = 200, description = "Withdrawn.", body = AccreditationView)))]
async fn withdraw_accreditation(
    caller: Accreditor,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<Reason>,
) -> Result<HttpResponse> {
    reasoned(caller.0, reply, id, if_match, body, Command::Withdraw).await
}

/// Register a signing key
///
/// An Ed25519 public key with which the body signs, shown in the register; with a proof by the key that
/// the body has it. A key has one owner, for ever.
#[utoipa::path(post, path = "/api/v1/accreditations/{id}/register-key", tag = "accreditations", security(("bearer" = ["operator:accreditor"])),
    params(("id" = Id, Path, description = "Identifier of the accreditation.")),
    request_body = RegisterKey,
    responses((status = 200, description = "Registered.", body = AccreditationView)))]
async fn register_signing_key(
    caller: Accreditor,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<RegisterKey>,
) -> Result<HttpResponse> {
    let months = reply.app.settings.accreditation_months;
    let audience = reply.app.log.origin.clone();
    transition(caller.0, reply, id, if_match, Command::RegisterKey, move |accreditation, tx| {
        // A candidate has no last day yet: that of an accreditation given today.
        let last = accreditation.valid_until.unwrap_or_else(|| Accreditation::last_day(tx.now.day(), months));
        let end = end_of(last);
        let validity = |given: &RegisterKey| (given.valid_from.unwrap_or(tx.now), given.valid_until.unwrap_or(end));
        let given = body.accept_with(|given| {
            let mut faults: Vec<Fault> = keys::read(given).err().into_iter().collect();
            let (from, until) = validity(given);
            if until <= from || until <= tx.now {
                faults.push(Fault::body(
                    "/valid_until",
                    "out_of_range",
                    text!("Après maintenant et après « valid_from ».", "After now and after `valid_from`."),
                ));
            }
            faults
        })?;
        let key = keys::read(&given).map_err(|fault| Error::invalid(vec![fault]))?;
        possession::check(&given.proof, &key.key(), accreditation.id, &audience, tx.now)
            .map_err(|detail| Error::rule("/proof", "no_possession", detail))?;
        SigningKey::new(accreditation.id, &key, validity(&given), tx.now)
            .register(tx, accreditation.organisation_id)?;
        accreditation.take(tx, Command::RegisterKey, None, None)
    })
    .await
}

/// When a day of legal time ends.
fn end_of(day: chrono::NaiveDate) -> Instant {
    let noon = day.and_hms_opt(12, 0, 0).unwrap_or_default();
    Instant(noon.and_utc()).end_of_day()
}

/// Revoke a signing key
///
/// Nothing it signs from now on is to be believed.
#[utoipa::path(post, path = "/api/v1/accreditations/{id}/revoke-key", tag = "accreditations", security(("bearer" = ["operator:accreditor"])),
    params(("id" = Id, Path, description = "Identifier of the accreditation.")),
    request_body = RevokeKey,
    responses((status = 200, description = "Revoked.", body = AccreditationView)))]
async fn revoke_signing_key(
    caller: Accreditor,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<RevokeKey>,
) -> Result<HttpResponse> {
    transition(caller.0, reply, id, if_match, Command::RevokeKey, move |accreditation, tx| {
        let given = body.accept()?;
        SigningKey::revoke(tx, accreditation.id, &given.kid)?;
        accreditation.take(tx, Command::RevokeKey, Some(given.reason), None)
    })
    .await
}
