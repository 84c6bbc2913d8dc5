use actix_web::HttpResponse;
use actix_web::web::Path;

use super::{FAMILIES, FamilyView};
use crate::auth::guard::Visitor;
use crate::endpoints;
use crate::error::{Error, Result};
use crate::http::route::Endpoint;
use crate::http::{Page, Reply};
use crate::kept::generations::Shows;

pub fn endpoints() -> Vec<Endpoint> {
    endpoints![list_families, find_family]
}

/// All families
///
/// In the order of their groups; there are few, so they come on one page.
#[utoipa::path(get, path = "/api/v1/families", tag = "families", security((), ("bearer" = [])),
    responses((status = 200, description = "The families.", body = Page<FamilyView>)))]
async fn list_families(_: Visitor, reply: Reply) -> Result<HttpResponse> {
    reply.shows(Shows::Program);
    let total = i64::try_from(FAMILIES.len()).unwrap_or(i64::MAX);
    reply.page(&Page { items: FAMILIES.clone(), next: None, total })
}

/// One family
///
/// With the group it belongs to and its CPV codes.
#[utoipa::path(get, path = "/api/v1/families/{code}", tag = "families", security((), ("bearer" = [])),
    params(("code" = String, Path, description = "Code of the family.", max_length = 60, example = "demarches_en_ligne")),
    responses((status = 200, description = "The family.", body = FamilyView)))]
async fn find_family(_: Visitor, reply: Reply, code: Path<String>) -> Result<HttpResponse> {
    reply.shows(Shows::Program);
    reply.one(0, super::find(&code).ok_or_else(Error::not_found)?)
}
