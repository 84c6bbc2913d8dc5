use actix_web::HttpResponse;
use actix_web::web::Path;
use serde_json::json;

use super::details::{OrganisationDetails, OrganisationKind};
use super::model::{Organisation, Viewer};
use super::rules::{self, OrganisationStatus};
use super::view::{OrganisationFilter, OrganisationView, Reason};
use crate::auth::guard::{Administrator, Registrant, SignedIn, Visitor};
use crate::auth::{Duty, Principal, Role};
use crate::db::{Db, Id, Json, Tx};
use crate::error::{Error, Fault, Result};
use crate::http::route::Endpoint;
use crate::http::{Body, IfMatch, Page, Patch, Query, Reply};
use crate::kept::generations::Shows;
use crate::{endpoints, text};

pub fn endpoints() -> Vec<Endpoint> {
    endpoints![
        list_organisations,
        create_organisation,
        find_organisation,
        update_organisation,
        delete_organisation,
        confirm_organisation,
        suspend_organisation,
        reinstate_organisation,
        list_organisation_solutions,
    ]
}

/// Organisations
///
/// Those not yet confirmed are listed to the operator and to themselves.
#[utoipa::path(get, path = "/api/v1/organisations", tag = "organisations", security((), ("bearer" = [])),
    params(OrganisationFilter),
    responses((status = 200, description = "A page of organisations.", body = Page<OrganisationView>)))]
async fn list_organisations(visitor: Visitor, reply: Reply, query: Query<OrganisationFilter>) -> Result<HttpResponse> {
    reply.shows(Shows::Organisations);
    let slice = reply.slice(&query, query.cursor.as_deref(), query.limit)?;
    let page = reply
        .app
        .store
        .read(move |db| {
            let viewer = Viewer::of(db, visitor.0.as_ref())?;
            let page = Organisation::page(db, &query, &viewer, &slice)?;
            Ok(page.map(|row| OrganisationView::new(row, &viewer)))
        })
        .await?;
    reply.page(&page)
}

/// Register an organisation
///
/// By whoever will act for it, with a token that names no organisation yet: it
/// stays `pending` until the operator confirms. With a token that names a SIRET, only
/// the organisation of that SIRET; it is active at once when the token's issuer is
/// trusted with that. By the operator: active at once.
#[utoipa::path(post, path = "/api/v1/organisations", tag = "organisations",
    security(("bearer" = ["vendor"]), ("bearer" = ["buyer"]), ("bearer" = ["auditor"]), ("bearer" = ["operator:administrator"])),
    request_body = OrganisationDetails,
    responses((status = 201, description = "Registered.", body = OrganisationView)))]
async fn create_organisation(
    caller: Registrant,
    reply: Reply,
    body: Body<OrganisationDetails>,
) -> Result<HttpResponse> {
    reply
        .for_anybody()
        .create(
            caller.0.clone(),
            move |tx, viewer| {
                let by_operator = viewer.is_operator();
                if viewer.organisation.is_some() && !by_operator {
                    return Err(Error::conflict(text!(
                        "Ce jeton agit déjà pour une organisation.",
                        "This token acts for an organisation already."
                    )));
                }
                let details = body.accept_with(|details| {
                    let mut faults = rules::faults(details);
                    faults.extend(claimed_kinds(&caller, details));
                    faults.extend(claimed_siren(&caller, details));
                    faults
                })?;
                // What the token says of the SIREN was compared above.
                let is_confirmed = by_operator || is_confirmed_by_issuer(&caller, &details);
                let status = if is_confirmed { OrganisationStatus::Active } else { OrganisationStatus::Pending };
                let mut organisation = Organisation::new(details, status, tx.now);
                organisation.identifier_verified_at = is_confirmed.then_some(tx.now);
                organisation.refuse_duplicate(tx.db)?;
                organisation.register(tx)?;
                // Who registered sees what was registered.
                Ok(OrganisationView::new(organisation, &viewer))
            },
            |view| format!("/api/v1/organisations/{}", view.id),
        )
        .await
}

/// A token with a SIRET registers that organisation and no other.
fn claimed_siren(caller: &Principal, details: &OrganisationDetails) -> Vec<Fault> {
    let Some(siret) = caller.siret.as_deref().filter(|_| caller.role != Role::Operator) else { return Vec::new() };
    if rules::siren(details).as_deref() == siret.get(..9) {
        return Vec::new();
    }
    vec![Fault::body(
        "/siren",
        "siren_not_of_token",
        text!(
            "Le SIREN attendu est celui du SIRET que porte le jeton.",
            "Expected: the SIREN of the SIRET that the token carries."
        ),
    )]
}

/// Whether the issuer's word is enough: on who it is, as what the token's role says
/// and nothing more. Audit bodies are the operator's to accept.
fn is_confirmed_by_issuer(caller: &Principal, details: &OrganisationDetails) -> bool {
    let kind = match caller.role {
        Role::Vendor => OrganisationKind::Vendor,
        Role::Buyer => OrganisationKind::PublicBody,
        Role::Auditor | Role::Operator => return false,
    };
    caller.confirms_organisation && caller.siret.is_some() && details.kinds == [kind]
}

/// What one may call oneself at registration follows from the token's role.
fn claimed_kinds(caller: &Principal, details: &OrganisationDetails) -> Vec<Fault> {
    use OrganisationKind as K;
    let (allowed, needed): (&[K], K) = match caller.role {
        Role::Operator => return Vec::new(),
        Role::Vendor => (&[K::Vendor, K::PublicBody], K::Vendor),
        Role::Buyer => (&[K::Vendor, K::PublicBody], K::PublicBody),
        Role::Auditor => (&[K::AuditBody], K::AuditBody),
    };
    if details.kinds.contains(&needed) && details.kinds.iter().all(|kind| allowed.contains(kind)) {
        return Vec::new();
    }
    let role = caller.role;
    let allowed = allowed.iter().map(|kind| kind.code()).collect::<Vec<_>>().join(", ");
    vec![Fault::body(
        "/kinds",
        "kind_not_of_role",
        text!(
            "Avec le rôle « {role} » : « {needed} », et seulement parmi {allowed}.",
            "With the role `{role}`: `{needed}`, and only among {allowed}."
        ),
    )]
}

/// One organisation
///
/// One not yet confirmed is shown to the operator and to itself.
#[utoipa::path(get, path = "/api/v1/organisations/{id}", tag = "organisations", security((), ("bearer" = [])),
    params(("id" = Id, Path, description = "Identifier of the organisation.")),
    responses((status = 200, description = "The organisation.", body = OrganisationView)))]
async fn find_organisation(visitor: Visitor, reply: Reply, id: Path<String>) -> Result<HttpResponse> {
    reply.shows(Shows::Organisations);
    let id = Id::parse(&id).ok_or_else(Error::not_found)?;
    let view = reply
        .app
        .store
        .read(move |db| {
            let viewer = Viewer::of(db, visitor.0.as_ref())?;
            let organisation = visible(Organisation::find(db, id)?, &viewer)?;
            Ok(OrganisationView::new(organisation, &viewer))
        })
        .await?;
    reply.one(view.version, &view)
}

fn visible(organisation: Organisation, viewer: &Viewer) -> Result<Organisation> {
    let is_known = organisation.status != OrganisationStatus::Pending
        || viewer.is_operator()
        || viewer.organisation_id() == Some(organisation.id);
    if is_known { Ok(organisation) } else { Err(Error::not_found()) }
}

/// Change an organisation
///
/// By its own members; name, identifiers, kinds, and legal nature and control once
/// given, by the operator's administrator.
#[utoipa::path(patch, path = "/api/v1/organisations/{id}", tag = "organisations",
    security(("bearer" = ["vendor"]), ("bearer" = ["buyer"]), ("bearer" = ["auditor"]), ("bearer" = ["operator"])),
    params(("id" = Id, Path, description = "Identifier of the organisation.")),
    request_body(content = ref("#/components/schemas/OrganisationDetailsPatch"), content_type = "application/merge-patch+json"),
    responses((status = 200, description = "Changed.", body = OrganisationView)))]
async fn update_organisation(
    caller: SignedIn,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    patch: Patch<OrganisationDetails>,
) -> Result<HttpResponse> {
    let id = Id::parse(&id).ok_or_else(Error::not_found)?;
    let app = reply.app.clone();
    reply
        .for_anybody()
        .change(caller.0.clone(), move |tx, viewer| {
            let mut organisation = visible(Organisation::find(tx.db, id)?, &viewer)?;
            let by_operator = viewer.is_operator() && caller.has(Duty::Administrator);
            if !by_operator && viewer.organisation_id() != Some(id) {
                return Err(Error::not_found());
            }
            if_match.check(organisation.version)?;
            let before = organisation.details.0.clone();
            let after = patch.apply(&app.contract, &before, |after| {
                let mut faults = rules::faults(after);
                if !by_operator {
                    faults.extend(rules::identity_changes(&before, after));
                }
                faults
            })?;
            if by_operator && !rules::identity_changes(&before, &after).is_empty() {
                organisation.identifier_verified_at = Some(tx.now);
            }
            organisation.describe(after);
            organisation.refuse_duplicate(tx.db)?;
            let fields = changed_fields(&before, &organisation.details.0)?;
            organisation.store(tx, "update_organisation", json!({"fields": fields}))?;
            crate::solutions::publication::refresh_facets_of_vendor(tx.db, &organisation, &before)?;
            Ok(OrganisationView::new(organisation, &viewer))
        })
        .await
}

fn changed_fields(before: &OrganisationDetails, after: &OrganisationDetails) -> Result<Vec<String>> {
    let (before, after) = (serde_json::to_value(before)?, serde_json::to_value(after)?);
    Ok(after
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, value)| before.get(name.as_str()) != Some(value))
        .map(|(name, _)| name.clone())
        .collect())
}

/// Take back or refuse a registration
///
/// By its own members or by the operator's administrator, while it is `pending`: its
/// identifier is then free for whom it belongs to. What was confirmed once stays.
#[utoipa::path(delete, path = "/api/v1/organisations/{id}", tag = "organisations",
    security(("bearer" = ["vendor"]), ("bearer" = ["buyer"]), ("bearer" = ["auditor"]), ("bearer" = ["operator:administrator"])),
    params(("id" = Id, Path, description = "Identifier of the organisation.")),
    responses((status = 204, description = "Gone.")))]
async fn delete_organisation(
    caller: Registrant,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    let id = Id::parse(&id).ok_or_else(Error::not_found)?;
    reply
        .for_anybody()
        .remove(caller.0, move |tx, viewer| {
            let organisation = visible(Organisation::find(tx.db, id)?, &viewer)?;
            if !viewer.is_operator() && viewer.organisation_id() != Some(id) {
                return Err(Error::not_found());
            }
            if_match.check(organisation.version)?;
            expect(&organisation, OrganisationStatus::Pending)?;
            organisation.delete(tx)?;
            Ok(None)
        })
        .await
}

/// Confirm a registration
///
/// The operator has checked the identifier: `pending` becomes `active`.
#[utoipa::path(post, path = "/api/v1/organisations/{id}/confirm", tag = "organisations",
    security(("bearer" = ["operator:administrator"])),
    params(("id" = Id, Path, description = "Identifier of the organisation.")),
    responses((status = 200, description = "Active.", body = OrganisationView)))]
async fn confirm_organisation(
    caller: Administrator,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    transition(&caller, reply, &id, if_match, |organisation, tx| {
        expect(organisation, OrganisationStatus::Pending)?;
        organisation.confirm(tx)
    })
    .await
}

/// Suspend an organisation
///
/// Its tokens are refused from now on; what it published stays.
#[utoipa::path(post, path = "/api/v1/organisations/{id}/suspend", tag = "organisations",
    security(("bearer" = ["operator:administrator"])),
    params(("id" = Id, Path, description = "Identifier of the organisation.")),
    request_body = Reason,
    responses((status = 200, description = "Suspended.", body = OrganisationView)))]
async fn suspend_organisation(
    caller: Administrator,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<Reason>,
) -> Result<HttpResponse> {
    transition(&caller, reply, &id, if_match, move |organisation, tx| {
        expect(organisation, OrganisationStatus::Active)?;
        organisation.moderation = Some(Json(body.accept()?.reason));
        organisation.status = OrganisationStatus::Suspended;
        organisation.store(tx, "suspend_organisation", json!({"status": ["active", "suspended"]}))
    })
    .await
}

/// Reinstate a suspended organisation
///
/// Its tokens are accepted again.
#[utoipa::path(post, path = "/api/v1/organisations/{id}/reinstate", tag = "organisations",
    security(("bearer" = ["operator:administrator"])),
    params(("id" = Id, Path, description = "Identifier of the organisation.")),
    responses((status = 200, description = "Active again.", body = OrganisationView)))]
async fn reinstate_organisation(
    caller: Administrator,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    transition(&caller, reply, &id, if_match, |organisation, tx| {
        expect(organisation, OrganisationStatus::Suspended)?;
        organisation.moderation = None;
        organisation.status = OrganisationStatus::Active;
        organisation.store(tx, "reinstate_organisation", json!({"status": ["suspended", "active"]}))
    })
    .await
}

fn expect(organisation: &Organisation, status: OrganisationStatus) -> Result<()> {
    if organisation.status == status {
        return Ok(());
    }
    let actual = organisation.status;
    Err(Error::conflict(text!(
        "L’organisation est « {actual} » ; cette action part de « {status} ».",
        "The organisation is `{actual}`; this action starts from `{status}`."
    )))
}

async fn transition(
    caller: &Principal,
    reply: Reply,
    id: &str,
    if_match: IfMatch,
    step: impl Fn(&mut Organisation, &mut Tx<'_>) -> Result<()> + Send + 'static,
) -> Result<HttpResponse> {
    let id = Id::parse(id).ok_or_else(Error::not_found)?;
    reply
        .change(caller.clone(), move |tx, viewer| {
            let mut organisation = Organisation::find(tx.db, id)?;
            if_match.check(organisation.version)?;
            step(&mut organisation, tx)?;
            Ok(OrganisationView::new(organisation, &viewer))
        })
        .await
}

/// Solutions of an organisation
///
/// As `GET /solutions?vendor=…`.
#[utoipa::path(get, path = "/api/v1/organisations/{id}/solutions", tag = "organisations", security((), ("bearer" = [])),
    params(("id" = Id, Path, description = "Identifier of the organisation."), crate::solutions::view::SolutionFilter),
    responses((status = 200, description = "A page of solutions.", body = crate::search::view::SolutionPage)))]
async fn list_organisation_solutions(
    visitor: Visitor,
    reply: Reply,
    id: Path<String>,
    query: Query<crate::solutions::view::SolutionFilter>,
) -> Result<HttpResponse> {
    let id = Id::parse(&id).ok_or_else(Error::not_found)?;
    let allow = move |db: &mut Db, viewer: &Viewer| visible(Organisation::find(db, id)?, viewer).map(|_| ());
    crate::solutions::listing::list(&reply, visitor.0, query, Some(id), allow).await
}
