//! Problems explained: what the `type` of an error leads to, for programs and for people.

use actix_web::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY};
use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use utoipa::ToSchema;

use crate::endpoints;
use crate::error::{Code, Error, Fault, Result};
use crate::http::route::Endpoint;
use crate::http::text::{Locale, Text};
use crate::text;

pub fn endpoints() -> Vec<Endpoint> {
    endpoints![list_problems, find_problem]
}

const CACHED: (actix_web::http::header::HeaderName, &str) =
    (CACHE_CONTROL, "public, max-age=3600, stale-while-revalidate=86400");

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

/// Every problem there is.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemList {
    /// By status.
    #[schema(max_items = 100)]
    pub items: Vec<ProblemPage>,
}

impl ProblemPage {
    fn of(code: Code) -> Self {
        Self { code, status: code.status().as_u16(), title: code.title(), cure: code.cure() }
    }
}

/// Every problem there is
///
/// A page for people where `Accept` prefers HTML.
#[utoipa::path(get, path = "/problems", tag = "service", security(()),
    params(("lang" = Option<String>, Query, description = "Language of the page in HTML, `fr` or `en`; else that of `Accept-Language`.", max_length = 2, pattern = "^(fr|en)$", example = "en")),
    responses((status = 200, description = "The problems.", content(
        (ProblemList = "application/json"), (String = "text/html")))))]
async fn list_problems(request: HttpRequest) -> Result<HttpResponse> {
    let locale = language(&request)?;
    if !prefers_html(&request) {
        let items = Code::ALL.iter().copied().map(ProblemPage::of).collect();
        return Ok(HttpResponse::Ok().insert_header(CACHED).json(ProblemList { items }));
    }
    let title = text!("Les problèmes et leurs remèdes", "Problems and their cures");
    let mut body = String::from("<ul>");
    for code in Code::ALL {
        let (address, status, name) = (address(*code), code.status().as_u16(), escape(code.title().at(locale)));
        let other = address.trim_start_matches("/problems/");
        let lang = locale.code();
        body.push_str(&format!(
            "<li><a href=\"/problems/{other}?lang={lang}\">{name}</a> <code>{status} {code}</code></li>"
        ));
    }
    body.push_str("</ul>");
    Ok(page(locale, "/problems", title.at(locale), &body))
}

/// What a problem means and how to cure it
///
/// Where the `type` of a problem (RFC 9457) leads. A page for people where `Accept` prefers HTML.
#[utoipa::path(get, path = "/problems/{code}", tag = "service", security(()),
    params(("code" = String, Path, description = "Code of the problem, with hyphens.", max_length = 50, example = "not-found"),
           ("lang" = Option<String>, Query, description = "Language of the page in HTML, `fr` or `en`; else that of `Accept-Language`.", max_length = 2, pattern = "^(fr|en)$", example = "en")),
    responses((status = 200, description = "The explanation.", content(
        (ProblemPage = "application/json"), (String = "text/html")))))]
async fn find_problem(code: Path<String>, request: HttpRequest) -> Result<HttpResponse> {
    let locale = language(&request)?;
    let code = Code::from_code(&code.replace('-', "_")).ok_or_else(Error::not_found)?;
    let explained = ProblemPage::of(code);
    if !prefers_html(&request) {
        return Ok(HttpResponse::Ok().insert_header(CACHED).json(explained));
    }
    let back = text!("Tous les problèmes", "All problems");
    let (status, cure, back, lang) =
        (explained.status, escape(explained.cure.at(locale)), escape(back.at(locale)), locale.code());
    let body =
        format!("<p><code>{status} {code}</code></p><p>{cure}</p><p><a href=\"/problems?lang={lang}\">{back}</a></p>");
    Ok(page(locale, &address(code), explained.title.at(locale), &body))
}

fn address(code: Code) -> String {
    format!("/problems/{}", code.code().replace('_', "-"))
}

/// The one asked for in the address, else the browser's.
fn language(request: &HttpRequest) -> Result<Locale> {
    let mut asked = Locale::of(request);
    let mut faults = Vec::new();
    for (name, value) in crate::http::query::pairs(request.query_string()) {
        match (name.as_str(), value.as_str()) {
            ("lang", "fr") => asked = Locale::French,
            ("lang", "en") => asked = Locale::English,
            ("lang", _) => {
                faults.push(Fault::parameter("lang", "unknown_value", text!("Valeurs : fr, en.", "Values: fr, en.")));
            }
            _ => faults.push(crate::http::contract::unknown_parameter(name)),
        }
    }
    if faults.is_empty() { Ok(asked) } else { Err(Error::malformed(faults)) }
}

/// Whether HTML is named before JSON or anything; programs that say nothing get JSON.
fn prefers_html(request: &HttpRequest) -> bool {
    let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let place = |media: &str| accept.split(',').position(|one| one.trim_start().starts_with(media));
    match (place("text/html"), place("application/json")) {
        (Some(html), Some(json)) => html < json,
        (html, None) => html.is_some(),
        (None, _) => false,
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const STYLE: &str = "body{font:1.125rem/1.6 system-ui,sans-serif;max-width:42rem;margin:2rem auto;padding:0 1rem;\
color:#161616;background:#fff}a{color:#000091}code{overflow-wrap:anywhere}";

/// A small page that needs no script and works without its style.
fn page(locale: Locale, path: &str, title: &str, body: &str) -> HttpResponse {
    let (lang, other, named) = match locale {
        Locale::French => ("fr", "en", "English"),
        Locale::English => ("en", "fr", "Français"),
    };
    let title = escape(title);
    let html = format!(
        "<!doctype html><html lang=\"{lang}\"><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title><style>{STYLE}</style></head>\
<body><header><nav><a href=\"{path}?lang={other}\" lang=\"{other}\" hreflang=\"{other}\">{named}</a></nav></header>\
<main><h1>{title}</h1>{body}</main></body></html>"
    );
    let style = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    let policy = format!("default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; frame-ancestors 'none'");
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header(CACHED)
        .insert_header((CONTENT_LANGUAGE, lang))
        .insert_header((CONTENT_SECURITY_POLICY, policy))
        .body(html)
}
