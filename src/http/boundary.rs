//! Around every request: an id, the limits on its head, one log line, problems
//! in the caller's language, entity tags, panics answered.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderName,
    HeaderValue, IF_NONE_MATCH, VARY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, ResponseError};
use futures_util::FutureExt;
use serde_json::{Map, Value, json};
use tracing::Instrument;

use super::text::Locale;
use crate::app::App;
use crate::auth::guard::Identity;
use crate::error::{Code, Error, Place, Problem};
use crate::text;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Marks an error that has the form of another standard than RFC 9457.
pub struct OwnForm;

/// What the boundary remembers of a request while it is served.
struct Head {
    id: String,
    method: Method,
    path: String,
    locale: Locale,
    if_none_match: Option<String>,
}

/// The outermost middleware.
pub async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let began = Instant::now();
    let head = Head {
        id: uuid::Uuid::now_v7().to_string(),
        method: request.method().clone(),
        path: request.path().to_owned(),
        locale: Locale::of(&request),
        if_none_match: joined(request.headers(), &IF_NONE_MATCH),
    };
    let span = tracing::info_span!("request", id = head.id, method = %head.method);
    let refusal = refuse_head(&request);
    let outcome = async {
        match refusal {
            Some(problem) => Ok(request.into_response(Error::from(problem).error_response())),
            None => {
                let identity = Identity::of(&*App::of(request.request())?, request.headers()).await;
                request.extensions_mut().insert(identity);
                match AssertUnwindSafe(next.call(request)).catch_unwind().await {
                    Ok(result) => result.map(ServiceResponse::map_into_boxed_body),
                    Err(_) => Err(actix_web::Error::from(Error::Internal("a handler panicked".to_owned()))),
                }
            }
        }
    }
    .instrument(span.clone())
    .await;
    let _entered = span.enter();
    let (status, route) = match &outcome {
        Ok(response) => (response.status(), response.request().match_pattern()),
        Err(error) => (error.as_response_error().status_code(), None),
    };
    tracing::info!(
        status = status.as_u16(),
        route = route.as_deref().unwrap_or("-"),
        micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
        "served"
    );
    match outcome {
        Ok(response) => Ok(finish(response, &head)),
        Err(error) => {
            let problem = problem_of(&error.error_response())
                .unwrap_or_else(|| Error::Internal(error.to_string()).into_problem());
            // There is no request left to answer to: the error renders itself.
            Err(Rendered { problem, head }.into())
        }
    }
}

/// The limits on a request's head, below actix's own.
fn refuse_head(request: &ServiceRequest) -> Option<Problem> {
    // No name here has this character, and PostgreSQL cannot even be asked for it.
    if request.uri().path().contains("%00") {
        return Some(Error::not_found().into_problem());
    }
    let app = App::of(request.request()).ok()?;
    let limit = app.settings.max_query_bytes;
    if request.query_string().len() > limit {
        return Some(Problem::new(
            Code::UriTooLong,
            text!("La chaîne de requête dépasse {limit} octets.", "The query string exceeds {limit} bytes."),
        ));
    }
    let limit = app.settings.max_header_bytes;
    let size: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if size > limit {
        return Some(Problem::new(
            Code::HeadersTooLarge,
            text!("Les en-têtes dépassent {limit} octets.", "The headers exceed {limit} bytes."),
        ));
    }
    let accept = joined(request.headers(), &ACCEPT)?;
    if request.path().starts_with("/api/") && !accepts_json(&accept) {
        return Some(Problem::new(
            Code::NotAcceptable,
            text!("Cette adresse répond en application/json.", "This address answers in application/json."),
        ));
    }
    None
}

fn accepts_json(accept: &str) -> bool {
    accept.split(',').any(|range| {
        let mut parts = range.split(';').map(|part| part.trim().to_ascii_lowercase());
        let media = parts.next().unwrap_or_default();
        let refused = parts.any(|p| matches!(p.as_str(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
        !refused
            && matches!(media.as_str(), "" | "*/*" | "application/*" | "application/json" | "application/problem+json")
    })
}

fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let all: Vec<&str> = headers.get_all(name).filter_map(|value| value.to_str().ok()).collect();
    (!all.is_empty()).then(|| all.join(","))
}

fn problem_of(response: &HttpResponse) -> Option<Problem> {
    response.extensions().get::<Problem>().cloned()
}

/// Gives a response its last form: problem, entity tag, shared headers.
fn finish(mut response: ServiceResponse<BoxBody>, head: &Head) -> ServiceResponse<BoxBody> {
    let status = response.status();
    let is_rendered = response.response().extensions().get::<OwnForm>().is_some();
    if (status.is_client_error() || status.is_server_error()) && !is_rendered {
        let problem = problem_of(response.response()).unwrap_or_else(|| problem_for(status));
        let allow = response.headers().get(ALLOW).cloned();
        let (request, _) = response.into_parts();
        let mut rendered = render(&problem, head);
        if let Some(allow) = allow {
            rendered.headers_mut().insert(ALLOW, allow);
        }
        response = ServiceResponse::new(request, rendered);
    } else {
        let headers = response.headers_mut();
        // Another coding is another representation: it needs another tag.
        if let (Some(coding), Some(tag)) = (headers.get(CONTENT_ENCODING), headers.get(ETAG))
            && let (Ok(coding), Ok(tag)) = (coding.to_str(), tag.to_str())
            && let Ok(tag) = HeaderValue::from_str(&format!("{}-{coding}\"", tag.trim_end_matches('"')))
        {
            headers.insert(ETAG, tag);
        }
        let unchanged = matches!(head.method, Method::GET | Method::HEAD)
            && status == StatusCode::OK
            && match (&head.if_none_match, headers.get(ETAG).and_then(|tag| tag.to_str().ok())) {
                (Some(known), Some(tag)) => is_among(known, tag),
                _ => false,
            };
        if unchanged {
            headers.remove(CONTENT_ENCODING);
            headers.remove(CONTENT_LENGTH);
            headers.remove(CONTENT_TYPE);
            *response.response_mut().status_mut() = StatusCode::NOT_MODIFIED;
            response = response.map_body(|_, _| BoxBody::new(()));
        }
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&head.id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding, Accept-Language, Authorization"));
    response
}

/// Weak comparison (RFC 9110 §13.1.2).
fn is_among(known: &str, tag: &str) -> bool {
    known.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == tag)
}

/// For what the framework refused by itself.
fn problem_for(status: StatusCode) -> Problem {
    let code = Code::ALL.iter().copied().find(|code| code.status() == status).unwrap_or(match status {
        s if s.is_server_error() => Code::InternalError,
        _ => Code::MalformedRequest,
    });
    Problem::new(code, code.cure())
}

fn render(problem: &Problem, head: &Head) -> HttpResponse {
    let (code, locale) = (problem.code, head.locale);
    let mut body = Map::new();
    let page = code.code().replace('_', "-");
    body.insert("type".into(), json!(format!("/problems/{page}")));
    body.insert("title".into(), json!(code.title().at(locale)));
    body.insert("status".into(), json!(code.status().as_u16()));
    body.insert("code".into(), json!(code));
    // A fault of ours shows its id and nothing else.
    body.insert("detail".into(), json!(problem.detail.at(locale)));
    body.insert("instance".into(), json!(head.path));
    body.insert("request_id".into(), json!(head.id));
    if !problem.faults.is_empty() {
        let faults = problem.faults.iter().map(|fault| {
            let (kind, place) = match &fault.place {
                Place::Body(pointer) => ("pointer", pointer),
                Place::Parameter(name) => ("parameter", name),
            };
            json!({ kind: place, "code": fault.code, "detail": fault.detail.at(locale) })
        });
        body.insert("errors".into(), Value::Array(faults.collect()));
    }
    if let Some(tombstone) = &problem.tombstone {
        body.insert("tombstone".into(), tombstone.clone());
    }
    let mut response = HttpResponse::build(code.status());
    response.insert_header((CONTENT_TYPE, "application/problem+json"));
    response.insert_header((CACHE_CONTROL, "private, no-store"));
    response.insert_header(("content-language", locale.code()));
    for (name, value) in &problem.headers {
        response.insert_header((name.clone(), value.clone()));
    }
    response.body(Value::Object(body).to_string())
}

/// A problem that answers for itself when the request is gone.
struct Rendered {
    problem: Problem,
    head: Head,
}

impl std::fmt::Debug for Rendered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.problem.code.fmt(f)
    }
}

impl std::fmt::Display for Rendered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.problem.code.fmt(f)
    }
}

impl ResponseError for Rendered {
    fn status_code(&self) -> StatusCode {
        self.problem.code.status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = render(&self.problem, &self.head);
        if let Ok(id) = HeaderValue::from_str(&self.head.id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        response
    }
}

/// Answers an address nobody serves.
pub async fn not_found() -> Result<HttpResponse, Error> {
    Err(Error::not_found())
}

/// Answers a method that an address does not serve; `OPTIONS` gets the list.
pub fn other_method(allowed: &str, request: &HttpRequest) -> Result<HttpResponse, Error> {
    if request.method() == Method::OPTIONS {
        return Ok(HttpResponse::NoContent().insert_header((ALLOW, allowed)).finish());
    }
    let method = request.method().as_str();
    Err(Problem::new(
        Code::MethodNotAllowed,
        text!(
            "{method} n’est pas permis ici ; méthodes : {allowed}.",
            "{method} is not allowed here; methods: {allowed}."
        ),
    )
    .with_header(ALLOW, allowed)
    .into())
}
