use actix_web::HttpResponse;

use super::view::{ErasureView, MeView, PersonalDataView};
use super::{erasure, export};
use crate::auth::guard::SignedIn;
use crate::endpoints;
use crate::error::Result;
use crate::http::Reply;
use crate::http::route::Endpoint;
use crate::organisations::Viewer;
use crate::organisations::view::OrganisationSummary;

/// Rows of a table that one export over HTTP carries.
const EXPORTED_AT_ONCE: u32 = 10_000;

pub fn endpoints() -> Vec<Endpoint> {
    let mut all = endpoints![find_me, find_my_data, erase_me];
    all.extend(super::accesses::endpoints());
    all
}

/// Who am I
///
/// What the token says, and the organisation and the opaque identifier it leads to.
#[utoipa::path(get, path = "/api/v1/me", tag = "persons",
    security(("bearer" = ["vendor"]), ("bearer" = ["buyer"]), ("bearer" = ["auditor"]), ("bearer" = ["operator"])),
    responses((status = 200, description = "The caller.", body = MeView)))]
async fn find_me(caller: SignedIn, reply: Reply) -> Result<HttpResponse> {
    let view = reply
        .app
        .store
        .read(move |db| {
            let viewer = Viewer::of(db, Some(&caller))?;
            let actor_id = caller.actor().known(db)?;
            let organisation = viewer.organisation.as_ref().map(OrganisationSummary::from);
            let principal = caller.0;
            Ok(MeView {
                issuer: principal.issuer,
                subject: principal.subject,
                role: principal.role,
                duties: principal.duties,
                organisation,
                actor_id,
            })
        })
        .await?;
    reply.one(0, &view)
}

/// What is held about me
///
/// Everything held about the caller's issuer and subject, table by table, with
/// its purpose, its legal basis and what a request to erase does with it.
#[utoipa::path(get, path = "/api/v1/me/data", tag = "persons",
    security(("bearer" = ["vendor"]), ("bearer" = ["buyer"]), ("bearer" = ["auditor"]), ("bearer" = ["operator"])),
    responses((status = 200, description = "What is held.", body = PersonalDataView)))]
async fn find_my_data(caller: SignedIn, reply: Reply) -> Result<HttpResponse> {
    let view = reply
        .app
        .store
        .read(move |db| {
            Viewer::of(db, Some(&caller))?;
            let actor = caller.actor().known(db)?;
            export::export(db, actor, EXPORTED_AT_ONCE)
        })
        .await?;
    reply.one(0, &view)
}

/// Erase who I am
///
/// The link from the caller's issuer and subject to what they did goes, with
/// their reviews or their authorship. What must stay is answered with the reason.
#[utoipa::path(post, path = "/api/v1/me/erase", tag = "persons",
    security(("bearer" = ["vendor"]), ("bearer" = ["buyer"]), ("bearer" = ["auditor"]), ("bearer" = ["operator"])),
    responses((status = 200, description = "What went and what stays.", body = ErasureView)))]
async fn erase_me(caller: SignedIn, reply: Reply) -> Result<HttpResponse> {
    let (issuer, subject) = (caller.issuer.clone(), caller.subject.clone());
    reply.for_anybody().change(caller.0, move |tx, _| Ok((0, erasure::erase(tx, &issuer, &subject)?))).await
}
