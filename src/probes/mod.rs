//! What stands at the root: probes, figures, the document and its page, the public key,
//! the explanations of problems, the contact for vulnerabilities.

pub mod problems;
pub mod security;

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, ETAG};
use actix_web::web::{Data, ReqData};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::app::App;
use crate::db::migrations;
use crate::endpoints;
use crate::error::{Error, Result};
use crate::http::client::{Client, is_within};
use crate::http::route::Endpoint;

/// How long the database may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(1);

pub fn endpoints() -> Vec<Endpoint> {
    let mut all = endpoints![find_liveness, find_readiness, find_metrics, find_document, find_keys];
    all.extend(problems::endpoints());
    all.extend(security::endpoints());
    all
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
    /// `ok`; or `read_only`: the log of labels is not whole, and nothing is written.
    #[schema(max_length = 100)]
    pub status: String,
    /// Version of the program.
    #[schema(max_length = 50)]
    pub version: String,
    /// How far the search index of this instance has followed the journal: the position of the
    /// last entry it shows. Only where readiness is asked for.
    #[schema(minimum = 0)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search_position: Option<i64>,
}

impl Health {
    fn new(status: &str) -> Self {
        Self { status: status.to_owned(), version: env!("CARGO_PKG_VERSION").to_owned(), search_position: None }
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
/// Asks the database whether every migration of this program is applied, and whether the search
/// index is there.
#[utoipa::path(get, path = "/readyz", tag = "service", security(()),
    responses((status = 200, description = "Requests can be served.", body = Health)))]
async fn find_readiness(app: Data<App>) -> Result<HttpResponse> {
    if app.is_leaving() {
        return Err(Error::unavailable("stopping"));
    }
    let ready = app.store.read_within(PATIENCE, |db| Ok(migrations::are_applied(db).unwrap_or(false))).await?;
    if !ready {
        return Err(Error::unavailable("migrations are pending"));
    }
    let live = app.search_now().ok_or_else(|| Error::unavailable("the search index is being built"))?;
    // Reading goes on over a log that is not whole: see the server's own log.
    let status = if app.log.fault().is_none() { "ok" } else { "read_only" };
    let health = Health { search_position: Some(live.follower.position()), ..Health::new(status) };
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(health))
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
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "public, max-age=300, stale-while-revalidate=600"))
        .json(app.keys.held().jwks(app.store.clock().now()))
}

/// Figures for Prometheus
///
/// For whom the operator's setting `metrics_allowed` names: others get a 404.
#[utoipa::path(get, path = "/metrics", tag = "service", security(()),
    responses((status = 200, description = "The figures, in Prometheus's text format.", body = String, content_type = "text/plain")))]
async fn find_metrics(app: Data<App>, client: ReqData<Client>) -> Result<HttpResponse> {
    // A proxy nobody trusts calls from an allowed address on behalf of anybody.
    if client.is_behind_stranger || !is_within(&app.settings.metrics_allowed, client.address) {
        return Err(Error::not_found());
    }
    Ok(HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(app.metrics.text(&app).await?))
}
