//! What stands at the root: probes, the document and its page, the public key,
//! the explanations of problems.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, ETAG};
use actix_web::web::{Data, Path};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::app::App;
use crate::db::migrations;
use crate::endpoints;
use crate::error::{Code, Error, Result};
use crate::http::route::Endpoint;
use crate::http::text::Text;

/// How long the database may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(1);

pub fn endpoints() -> Vec<Endpoint> {
    endpoints![find_liveness, find_readiness, find_document, find_keys, find_problem]
}

/// The interactive page; all its files are compiled in.
pub fn docs() -> SwaggerUi {
    SwaggerUi::new("/docs/{_:.*}").config(
        Config::from("/openapi.json").try_it_out_enabled(true).validator_url("none").persist_authorization(true),
    )
}

/// State of this instance.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `ok`, or what is missing.
    #[schema(max_length = 100)]
    pub status: String,
    /// Version of the program.
    #[schema(max_length = 50)]
    pub version: String,
}

impl Health {
    fn new(status: &str) -> Self {
        Self { status: status.to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

/// Whether the process lives
///
/// Answers without touching the database.
#[utoipa::path(get, path = "/livez", tag = "service", security(()),
    responses((status = 200, description = "The process lives.", body = Health)))]
async fn find_liveness() -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(Health::new("ok"))
}

/// Whether requests can be served
///
/// Asks the database whether every migration of this program is applied.
#[utoipa::path(get, path = "/readyz", tag = "service", security(()),
    responses((status = 200, description = "Requests can be served.", body = Health)))]
async fn find_readiness(app: Data<App>) -> Result<HttpResponse> {
    let ready = app.store.probe(PATIENCE, |db| Ok(migrations::are_applied(db).unwrap_or(false))).await?;
    if !ready {
        return Err(Error::unavailable("migrations are pending"));
    }
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(Health::new("ok")))
}

/// This description
///
/// The OpenAPI 3.1 document of this very program.
#[utoipa::path(get, path = "/openapi.json", tag = "service", security(()),
    responses((status = 200, description = "The document.", body = Object)))]
async fn find_document(app: Data<App>) -> HttpResponse {
    let (text, fingerprint) = app.contract.served();
    HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((ETAG, format!("\"v0.{fingerprint}\"")))
        .insert_header((CACHE_CONTROL, "public, max-age=60, stale-while-revalidate=600"))
        .body(text.to_owned())
}

/// Public keys of this server
///
/// A JWK Set (RFC 7517) with every key that access tokens may be signed with: the
/// one that signs, the next one before it does, the one before until its tokens
/// have expired.
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "service", security(()),
    responses((status = 200, description = "The keys.", body = Object)))]
async fn find_keys(app: Data<App>) -> HttpResponse {
    let now = app.store.clock().now();
    let keys = app.keys.current(now).await;
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "public, max-age=300, stale-while-revalidate=600"))
        .json(keys.jwks(now))
}

/// A problem explained.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemPage {
    /// Stable code, as in the problem's `code`.
    pub code: Code,
    /// Status of answers with this code.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What it is.
    pub title: Text,
    /// What to do about it.
    pub cure: Text,
}

/// What a problem means and how to cure it
///
/// Where the `type` of a problem (RFC 9457) leads.
#[utoipa::path(get, path = "/problems/{code}", tag = "service", security(()),
    params(("code" = String, Path, description = "Code of the problem, with hyphens.", max_length = 50, example = "not-found")),
    responses((status = 200, description = "The explanation.", body = ProblemPage)))]
async fn find_problem(code: Path<String>) -> Result<HttpResponse> {
    let code = Code::from_code(&code.replace('-', "_")).ok_or_else(Error::not_found)?;
    let page = ProblemPage { code, status: code.status().as_u16(), title: code.title(), cure: code.cure() };
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "public, max-age=3600, stale-while-revalidate=86400"))
        .json(page))
}
