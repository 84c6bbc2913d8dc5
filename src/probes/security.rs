//! `/.well-known/security.txt` (RFC 9116): where to report a vulnerability.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use chrono::TimeDelta;

use crate::app::App;
use crate::config::SecurityContact;
use crate::db::Instant;
use crate::endpoints;
use crate::error::{Error, Result};
use crate::http::route::Endpoint;

/// RFC 9116 §2.5.5 recommends less than a year.
const LONGEST_DAYS: i64 = 366;
/// From here on the operator is reminded.
const SOON_DAYS: i64 = 30;

pub fn endpoints() -> Vec<Endpoint> {
    endpoints![find_security_contact]
}

/// Refuses an expiry that has passed or is too far away; reminds of one that is near.
///
/// # Errors
/// Names the setting.
pub fn check(security: Option<&SecurityContact>, now: Instant) -> std::result::Result<(), String> {
    let Some(SecurityContact { expires, .. }) = security else {
        tracing::info!("no security_contact is set: /.well-known/security.txt answers 404");
        return Ok(());
    };
    let left = *expires - now.0;
    let refuse = |why: &str| {
        Err(format!("setting security_expires (--security-expires, GOUVTECH_SECURITY_EXPIRES): {expires} {why}"))
    };
    if left <= TimeDelta::zero() {
        return refuse("has passed");
    }
    if left > TimeDelta::days(LONGEST_DAYS) {
        return refuse("is more than a year away");
    }
    if left < TimeDelta::days(SOON_DAYS) {
        tracing::warn!(%expires, "security.txt expires soon: set security_expires");
    }
    Ok(())
}

/// Where to report a vulnerability
///
/// As RFC 9116 has it; 404 where the operator has named no contact, and once it has expired.
#[utoipa::path(get, path = "/.well-known/security.txt", tag = "service", security(()),
    responses((status = 200, description = "The contact.", body = String, content_type = "text/plain")))]
async fn find_security_contact(app: Data<App>) -> Result<HttpResponse> {
    let security = app.settings.security.as_ref().filter(|one| one.expires > app.store.clock().now().0);
    let Some(SecurityContact { contact, expires, policy, languages }) = security else {
        return Err(Error::not_found());
    };
    let expires = expires.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let mut text = format!("Contact: {contact}\r\nExpires: {expires}\r\nPreferred-Languages: {languages}\r\n");
    if let Some(Ok(place)) = app.settings.public_url.as_ref().map(|url| url.join("/.well-known/security.txt")) {
        text.push_str(&format!("Canonical: {place}\r\n"));
    }
    if let Some(policy) = policy {
        text.push_str(&format!("Policy: {policy}\r\n"));
    }
    Ok(HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .insert_header((CACHE_CONTROL, "public, max-age=3600, stale-while-revalidate=86400"))
        .body(text))
}
