//! Headers that every answer has: what a browser may do with it, and who may read it
//! from another origin (CORS).
//!
//! CORS is done here rather than by a library because the route table already answers
//! OPTIONS with the methods of each address; only names have to be added.

use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ALLOW,
    CONTENT_SECURITY_POLICY, CROSS_ORIGIN_RESOURCE_POLICY, HeaderMap, HeaderName, HeaderValue, ORIGIN, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

use crate::config::Settings;

/// What a page of another origin may send.
const SENDABLE: &str =
    "Authorization, Content-Type, If-Match, If-None-Match, Idempotency-Key, Accept-Language, traceparent";
/// What it may read beyond what it always may.
const READABLE: &str = "ETag, Location, Link, Allow, RateLimit-Policy, RateLimit, Retry-After, X-Request-Id, \
Idempotency-Replayed, WWW-Authenticate, Content-Language, Deprecation, Sunset, Export-Position";

/// Nothing in an answer of the API is to be executed, loaded or framed.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";
/// The interactive page: its own files, styles set by its scripts, images it carries itself.
const DOCUMENTATION: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
img-src 'self' data:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A request's origin, if it may read answers, and whether it asks what it may send.
#[derive(Debug, Clone, Default)]
pub struct Cors {
    origin: Option<HeaderValue>,
    is_preflight: bool,
}

impl Cors {
    pub fn of(method: &Method, headers: &HeaderMap, settings: &Settings) -> Self {
        let given =
            headers.get(ORIGIN).filter(|origin| settings.cors_origins.iter().any(|one| *origin == one.as_str()));
        Self {
            origin: given.cloned(),
            is_preflight: *method == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD),
        }
    }

    fn say(&self, headers: &mut HeaderMap) {
        let Some(origin) = &self.origin else { return };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(READABLE));
        if self.is_preflight {
            if let Some(methods) = headers.get(ALLOW).cloned() {
                headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
            }
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(SENDABLE));
            headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        }
    }
}

/// Gives an answer what all answers have.
pub fn complete(headers: &mut HeaderMap, path: &str, cors: &Cors, settings: &Settings) {
    let mut set = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(X_FRAME_OPTIONS, "DENY");
    set(REFERRER_POLICY, "no-referrer");
    // No other page may embed an answer. Reading it with CORS is another matter, and is not
    // touched by this.
    set(CROSS_ORIGIN_RESOURCE_POLICY, "same-origin");
    let is_explained = path.starts_with("/problems");
    set(
        VARY,
        match (settings.cors_origins.is_empty(), is_explained) {
            (true, false) => "Accept-Encoding, Accept-Language, Authorization",
            (false, false) => "Accept-Encoding, Accept-Language, Authorization, Origin",
            (true, true) => "Accept, Accept-Encoding, Accept-Language",
            (false, true) => "Accept, Accept-Encoding, Accept-Language, Origin",
        },
    );
    if path == "/api/v1/comparisons" {
        headers.append(VARY, HeaderValue::from_static("Accept"));
    }
    if !headers.contains_key(CONTENT_SECURITY_POLICY) {
        let policy = if path.starts_with("/docs/") { DOCUMENTATION } else { NOTHING };
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    }
    if let Some(days) = settings.hsts_days()
        && let Ok(value) = HeaderValue::from_str(&format!("max-age={}", days * 86_400))
    {
        headers.insert(STRICT_TRANSPORT_SECURITY, value);
    }
    cors.say(headers);
}
