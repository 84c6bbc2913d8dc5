use actix_web::HttpResponse;
use actix_web::web::Path;
use chrono::TimeDelta;
use serde_json::json;

use super::model::ServiceAccount;
use super::rules::{self, ServiceAccountStatus};
use super::view::{
    CreateServiceAccount, RotateServiceAccount, ServiceAccountDetails, ServiceAccountFilter, ServiceAccountView,
};
use crate::auth::guard::AccountManager;
use crate::auth::{Principal, Role};
use crate::db::{Db, Id, Instant, Json, Resource, Tx};
use crate::error::{Error, Result};
use crate::http::route::Endpoint;
use crate::http::{Body, IfMatch, Page, Patch, Query, Reply};
use crate::organisations::{Organisation, Viewer};
use crate::{endpoints, text};

pub fn endpoints() -> Vec<Endpoint> {
    endpoints![
        list_service_accounts,
        create_service_account,
        find_service_account,
        update_service_account,
        delete_service_account,
        rotate_service_account,
        revoke_service_account,
    ]
}

/// Service accounts of an organisation
///
/// To persons who may commit it, and to the operator's administrators.
#[utoipa::path(get, path = "/api/v1/organisations/{id}/service-accounts", tag = "service-accounts",
    security(("bearer" = ["vendor:signatory"]), ("bearer" = ["buyer:administrator"]), ("bearer" = ["auditor:decision_maker"]), ("bearer" = ["operator:administrator"])),
    params(("id" = Id, Path, description = "Identifier of the organisation."), ServiceAccountFilter),
    responses((status = 200, description = "A page of service accounts.", body = Page<ServiceAccountView>)))]
async fn list_service_accounts(
    caller: AccountManager,
    reply: Reply,
    id: Path<String>,
    query: Query<ServiceAccountFilter>,
) -> Result<HttpResponse> {
    let id = Id::parse(&id).ok_or_else(Error::not_found)?;
    let now = reply.app.store.clock().now();
    let slice = reply.slice(&query, query.cursor.as_deref(), query.limit)?;
    let page = reply
        .app
        .store
        .read(move |db| {
            let viewer = Viewer::of(db, Some(&caller.0))?;
            managed_organisation(db, id, &viewer)?;
            let page = ServiceAccount::page(db, id, &slice)?;
            Ok(page.map(|row| ServiceAccountView::new(row, None, now)))
        })
        .await?;
    reply.page(&page)
}

/// The organisation, if the viewer may manage its accounts.
fn managed_organisation(db: &mut Db, id: Id, viewer: &Viewer) -> Result<Organisation> {
    viewer.refuse_idle()?;
    if !viewer.is_operator() && viewer.organisation_id() != Some(id) {
        return Err(Error::not_found());
    }
    Organisation::find(db, id)
}

/// Whose accounts are managed must be able to act.
fn refuse_idle(organisation: &Organisation, viewer: &Viewer) -> Result<()> {
    if !viewer.is_operator() {
        return viewer.acting().map(|_| ());
    }
    if organisation.is_active() {
        return Ok(());
    }
    Err(Error::conflict(text!("L’organisation n’est pas active.", "The organisation is not active.")))
}

/// Make a service account
///
/// The answer holds its secret; no other ever will. The account has the role of who
/// makes it, and of its duties those that are named.
#[utoipa::path(post, path = "/api/v1/organisations/{id}/service-accounts", tag = "service-accounts",
    security(("bearer" = ["vendor:signatory"]), ("bearer" = ["buyer:administrator"]), ("bearer" = ["auditor:decision_maker"]), ("bearer" = ["operator:administrator"])),
    params(("id" = Id, Path, description = "Identifier of the organisation.")),
    request_body = CreateServiceAccount,
    responses((status = 201, description = "Made.", body = ServiceAccountView)))]
async fn create_service_account(
    caller: AccountManager,
    reply: Reply,
    id: Path<String>,
    body: Body<CreateServiceAccount>,
) -> Result<HttpResponse> {
    let id = Id::parse(&id).ok_or_else(Error::not_found)?;
    let max_days = reply.app.settings.service_account_days;
    let secret = reply.app.hasher.fresh().await?;
    reply
        .create(
            caller.0.clone(),
            move |tx, viewer| {
                let organisation = managed_organisation(tx.db, id, &viewer)?;
                refuse_idle(&organisation, &viewer)?;
                if ServiceAccount::count_active(tx.db, id, tx.now)? >= rules::MAX_ACTIVE {
                    let most = rules::MAX_ACTIVE;
                    return Err(Error::conflict(text!(
                        "L’organisation a déjà {most} comptes de service actifs : en révoquer un.",
                        "The organisation has {most} active service accounts already: revoke one."
                    )));
                }
                let mut made = None;
                body.accept_with(|given| match wanted(given, &caller.0, &organisation, tx.now, max_days) {
                    Ok(both) => {
                        made = Some(both);
                        Vec::new()
                    }
                    Err(faults) => faults,
                })?;
                let (role, details) = made.ok_or_else(|| Error::Internal("an account without details".to_owned()))?;
                let account = ServiceAccount::new(id, role, details, &secret, tx.now);
                account.insert(tx.db)?;
                tx.record(
                    "create_service_account",
                    Resource::ServiceAccount,
                    account.id,
                    account.version,
                    json!({"role": account.role, "duties": account.duties, "prefix": account.prefix, "expires_at": account.expires_at}),
                )?;
                Ok(ServiceAccountView::new(account, Some(secret.secret.clone()), tx.now))
            },
            |view| format!("/api/v1/service-accounts/{}", view.id),
        )
        .await
}

/// Role and details of an account to make, or what is wrong with them.
fn wanted(
    given: &CreateServiceAccount,
    creator: &Principal,
    organisation: &Organisation,
    now: Instant,
    max_days: i64,
) -> std::result::Result<(Role, ServiceAccountDetails), Vec<crate::error::Fault>> {
    let details = ServiceAccountDetails {
        name: given.name.clone(),
        duties: given.duties.clone(),
        expires_at: given.expires_at.unwrap_or_else(|| rules::last_instant(now, max_days)),
    };
    let role = rules::role(creator, &rules::roles(organisation), given.role).map_err(|fault| vec![fault])?;
    let faults = rules::faults(&details, role, creator, &[], now, max_days);
    if faults.is_empty() { Ok((role, details)) } else { Err(faults) }
}

/// One service account
///
/// Its secret is not among what is shown.
#[utoipa::path(get, path = "/api/v1/service-accounts/{id}", tag = "service-accounts",
    security(("bearer" = ["vendor:signatory"]), ("bearer" = ["buyer:administrator"]), ("bearer" = ["auditor:decision_maker"]), ("bearer" = ["operator:administrator"])),
    params(("id" = Id, Path, description = "Identifier of the service account.")),
    responses((status = 200, description = "The service account.", body = ServiceAccountView)))]
async fn find_service_account(caller: AccountManager, reply: Reply, id: Path<String>) -> Result<HttpResponse> {
    let id = Id::parse(&id).ok_or_else(Error::not_found)?;
    let now = reply.app.store.clock().now();
    let account = reply
        .app
        .store
        .read(move |db| {
            let viewer = Viewer::of(db, Some(&caller.0))?;
            ServiceAccount::managed(db, id, &viewer)
        })
        .await?;
    reply.one(account.version, &ServiceAccountView::new(account, None, now))
}

/// Change a service account
///
/// Its name, its duties, its last instant. Fewer duties count at once, for tokens
/// it has got already, too.
#[utoipa::path(patch, path = "/api/v1/service-accounts/{id}", tag = "service-accounts",
    security(("bearer" = ["vendor:signatory"]), ("bearer" = ["buyer:administrator"]), ("bearer" = ["auditor:decision_maker"]), ("bearer" = ["operator:administrator"])),
    params(("id" = Id, Path, description = "Identifier of the service account.")),
    request_body(content = ref("#/components/schemas/ServiceAccountDetailsPatch"), content_type = "application/merge-patch+json"),
    responses((status = 200, description = "Changed.", body = ServiceAccountView)))]
async fn update_service_account(
    caller: AccountManager,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    patch: Patch<ServiceAccountDetails>,
) -> Result<HttpResponse> {
    let app = reply.app.clone();
    let max_days = app.settings.service_account_days;
    transition(caller.0.clone(), reply, &id, if_match, move |account, tx| {
        let before = account.details();
        let after = patch.apply(&app.contract, &before, |after| {
            rules::faults(after, account.role, &caller.0, &before.duties, tx.now, max_days)
        })?;
        let changed = json!({
            "name": before.name != after.name,
            "duties": [before.duties, after.duties],
            "expires_at": [before.expires_at, after.expires_at],
        });
        (account.name, account.duties, account.expires_at) = (after.name, Json(after.duties), after.expires_at);
        account.store(tx, "update_service_account", changed)?;
        Ok(None)
    })
    .await
}

/// Give a service account a new secret
///
/// The answer holds it. The one before works for an hour more, or as long as asked.
#[utoipa::path(post, path = "/api/v1/service-accounts/{id}/rotate", tag = "service-accounts",
    security(("bearer" = ["vendor:signatory"]), ("bearer" = ["buyer:administrator"]), ("bearer" = ["auditor:decision_maker"]), ("bearer" = ["operator:administrator"])),
    params(("id" = Id, Path, description = "Identifier of the service account.")),
    request_body = RotateServiceAccount,
    responses((status = 200, description = "It has a new secret.", body = ServiceAccountView)))]
async fn rotate_service_account(
    caller: AccountManager,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<RotateServiceAccount>,
) -> Result<HttpResponse> {
    let secret = reply.app.hasher.fresh().await?;
    transition(caller.0, reply, &id, if_match, move |account, tx| {
        let overlap = TimeDelta::minutes(body.accept()?.overlap_minutes);
        let before = account.prefix.clone();
        account.renew(&secret, Instant(tx.now.0 + overlap), tx.now);
        let changed = json!({"prefix": [before, account.prefix], "previous_until": account.previous_until});
        account.store(tx, "rotate_service_account", changed)?;
        Ok(Some(secret.secret.clone()))
    })
    .await
}

/// Revoke a service account
///
/// For good and at once: its secrets get no more tokens, and those it got are refused.
#[utoipa::path(post, path = "/api/v1/service-accounts/{id}/revoke", tag = "service-accounts",
    security(("bearer" = ["vendor:signatory"]), ("bearer" = ["buyer:administrator"]), ("bearer" = ["auditor:decision_maker"]), ("bearer" = ["operator:administrator"])),
    params(("id" = Id, Path, description = "Identifier of the service account.")),
    responses((status = 200, description = "Revoked.", body = ServiceAccountView)))]
async fn revoke_service_account(
    caller: AccountManager,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    transition(caller.0, reply, &id, if_match, |account, tx| {
        let before = account.status(tx.now);
        account.revoke(tx.now);
        account.store(tx, "revoke_service_account", json!({"status": [before, ServiceAccountStatus::Revoked]}))?;
        Ok(None)
    })
    .await
}

/// A change of an account that is not revoked; with a secret, if it made one.
async fn transition(
    caller: Principal,
    reply: Reply,
    id: &str,
    if_match: IfMatch,
    step: impl Fn(&mut ServiceAccount, &mut Tx<'_>) -> Result<Option<String>> + Send + 'static,
) -> Result<HttpResponse> {
    let id = Id::parse(id).ok_or_else(Error::not_found)?;
    reply
        .change(caller, move |tx, viewer| {
            let mut account = ServiceAccount::managed(tx.db, id, &viewer)?;
            if_match.check(account.version)?;
            if account.revoked_at.is_some() {
                return Err(Error::conflict(text!(
                    "Ce compte de service est révoqué ; en créer un autre.",
                    "This service account is revoked; make another."
                )));
            }
            let secret = step(&mut account, tx)?;
            Ok(ServiceAccountView::new(account, secret, tx.now))
        })
        .await
}

/// Delete a service account
///
/// One that is revoked or expired. The journal keeps what it did.
#[utoipa::path(delete, path = "/api/v1/service-accounts/{id}", tag = "service-accounts",
    security(("bearer" = ["vendor:signatory"]), ("bearer" = ["buyer:administrator"]), ("bearer" = ["auditor:decision_maker"]), ("bearer" = ["operator:administrator"])),
    params(("id" = Id, Path, description = "Identifier of the service account.")),
    responses((status = 204, description = "Deleted.")))]
async fn delete_service_account(
    caller: AccountManager,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    let id = Id::parse(&id).ok_or_else(Error::not_found)?;
    reply
        .remove(caller.0, move |tx, viewer| {
            let account = ServiceAccount::managed(tx.db, id, &viewer)?;
            if_match.check(account.version)?;
            if account.status(tx.now) == ServiceAccountStatus::Active {
                return Err(Error::conflict(text!(
                    "Ce compte de service est actif ; le révoquer d’abord.",
                    "This service account is active; revoke it first."
                )));
            }
            account.delete(tx)?;
            tx.record("delete_service_account", Resource::ServiceAccount, account.id, account.version, json!({}))?;
            Ok(None)
        })
        .await
}
