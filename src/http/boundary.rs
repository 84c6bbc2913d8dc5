//! Around every request: an id, the limits on its head, how many there may be, one
//! log line, problems in the caller's language, entity tags, panics answered.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    ACCEPT, ALLOW, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderName,
    HeaderValue, IF_NONE_MATCH, RETRY_AFTER,
};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, ResponseError};
use futures_util::FutureExt;
use tracing::Instrument;

use super::accept::quality;
use super::client::{self, Client, REQUEST_ID};
use super::headers::{self, Cors};
use super::load::{self, Place};
use super::problem::{Rendered, problem_for, problem_of, render};
use super::rates::Left;
use super::text::Locale;
use crate::app::App;
use crate::auth::guard::Identity;
use crate::error::{Code, Error, Problem};
use crate::kept::{self, Answer, Served};
use crate::text;

/// Marks an error that has the form of another standard than RFC 9457.
pub struct OwnForm;

/// What the boundary remembers of a request while it is served.
pub struct Head {
    pub id: String,
    pub method: Method,
    pub path: String,
    pub locale: Locale,
    if_none_match: Option<String>,
    cors: Cors,
    left: Option<Left>,
    /// The answer, when it was kept.
    kept: Option<Arc<Answer>>,
    /// What kind of caller it has, for those who count.
    caller: &'static str,
    app: Data<App>,
}

impl Head {
    fn of(request: &ServiceRequest, client: &Client, app: Data<App>) -> Self {
        Self {
            id: client.request_id(request.headers()).to_string(),
            method: request.method().clone(),
            path: request.path().to_owned(),
            locale: Locale::of(request),
            if_none_match: joined(request.headers(), &IF_NONE_MATCH),
            cors: Cors::of(request.method(), request.headers(), &app.settings),
            left: None,
            kept: None,
            caller: "unknown",
            app,
        }
    }

    /// Probes are answered whatever happens to the rest.
    fn is_probe(&self) -> bool {
        matches!(self.path.as_str(), "/livez" | "/readyz" | "/metrics")
    }

    /// What every answer says.
    pub fn say(&self, headers: &mut HeaderMap) {
        if let Ok(id) = HeaderValue::from_str(&self.id) {
            headers.insert(REQUEST_ID, id);
        }
        if let Some(left) = &self.left {
            left.say(headers);
        }
        headers::complete(headers, &self.path, &self.cors, &self.app.settings);
        if self.app.is_leaving() {
            // Whoever comes back is to come back to another instance.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

/// The outermost middleware.
pub async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let began = Instant::now();
    let app = App::of(request.request())?;
    let client = Client::of(request.peer_addr().map(|peer| peer.ip()), request.headers(), &app.settings);
    let mut head = Head::of(&request, &client, app.clone());
    let span = tracing::info_span!(
        "request",
        id = head.id,
        trace_id = client::trace_id(request.headers()),
        method = %head.method
    );
    let outcome = serve(request, next, &mut head, client).instrument(span.clone()).await;
    let _entered = span.enter();
    let (status, route) = match &outcome {
        Ok(response) if head.kept.is_some() => (response.status(), None),
        Ok(response) => (response.status(), response.request().match_pattern()),
        Err(error) => (error.as_response_error().status_code(), None),
    };
    let route = head.kept.as_ref().map(|kept| kept.route.as_str()).or(route.as_deref()).unwrap_or("-");
    let took = began.elapsed();
    tracing::info!(
        status = status.as_u16(),
        route,
        micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        caller = head.caller,
        "served"
    );
    app.metrics.served(&head.method, route, status, took);
    match outcome {
        Ok(response) => Ok(finish(response, &head)),
        Err(error) => {
            let problem = problem_of(&error.error_response())
                .unwrap_or_else(|| Error::Internal(error.to_string()).into_problem());
            app.metrics.problem(problem.code);
            // There is no request left to answer to: the error renders itself.
            Err(Rendered { problem, head }.into())
        }
    }
}

/// Decides whether the request gets to its handler, and takes it there.
async fn serve(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
    head: &mut Head,
    client: Client,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let app = head.app.clone();
    let is_counted = !head.is_probe();
    let mut place: Option<Rc<Place>> = None;
    if is_counted {
        match app.load.enter(app.settings.max_in_flight) {
            Some(taken) => place = Some(taken),
            None => {
                app.metrics.shed.inc();
                return Ok(refuse(request, overloaded()));
            }
        }
    }
    if let Some(problem) = refuse_head(&request, &app) {
        return Ok(refuse(request, problem));
    }
    let identity = Identity::of(&app, request.headers()).await;
    head.caller = match &identity.0 {
        Ok(Some(principal)) => principal.role.code(),
        Ok(None) => "anonymous",
        Err(_) => "refused",
    };
    if is_counted {
        let principal = identity.0.as_ref().ok().and_then(Option::as_ref);
        let mut admitted = app.rates.admit(&head.method, &head.path, &client, principal);
        if identity.0.is_err() && admitted.is_ok() {
            admitted = app.rates.failed(&client);
        }
        match admitted {
            Ok(left) => head.left = left,
            Err(too_many) => {
                head.left = Some(too_many.left);
                app.metrics.rate_limited(too_many.left.policy);
                return Ok(refuse(request, too_many.problem));
            }
        }
    }
    // Whoever has not heard of the others for a while no longer knows what holds.
    let coding = app.kept.coding(&request).filter(|_| app.has_heard(kept::HEARD_WITHIN));
    let now = app.store.clock().now();
    if let Some(answer) = coding.and_then(|coding| app.kept.find(coding, &request, now)) {
        let response = answer.response();
        head.kept = Some(answer);
        return Ok(request.into_response(response));
    }
    request.extensions_mut().insert(identity);
    request.extensions_mut().insert(client);
    if let Some(place) = &place {
        let payload = request.take_payload();
        request.set_payload(load::waited(payload, Rc::clone(place)));
    }
    let handled = async {
        let Some(coding) = coding else { return next.call(request).await.map(ServiceResponse::map_into_boxed_body) };
        Ok(match app.kept.compute(coding, request, next, now).await? {
            Served::Other(response) => response,
            Served::Kept(request, answer) => {
                let response = ServiceResponse::new(request, answer.response());
                head.kept = Some(answer);
                response
            }
        })
    };
    match AssertUnwindSafe(handled).catch_unwind().await {
        Ok(result) => result,
        Err(_) => {
            app.metrics.panics.inc();
            Err(actix_web::Error::from(Error::Internal("a handler panicked".to_owned())))
        }
    }
}

fn refuse(request: ServiceRequest, problem: Problem) -> ServiceResponse<BoxBody> {
    request.into_response(Error::from(problem).error_response())
}

/// Told at once, so that those who were let in get through.
fn overloaded() -> Problem {
    Problem::new(
        Code::Unavailable,
        text!("Trop de requêtes sont en cours ; réessayer.", "Too many requests are being worked on; try again."),
    )
    .with_header(RETRY_AFTER, "1")
}

/// The limits on a request's head, below actix's own.
fn refuse_head(request: &ServiceRequest, app: &App) -> Option<Problem> {
    // No name here has this character, and PostgreSQL cannot even be asked for it.
    if request.uri().path().contains("%00") {
        return Some(Error::not_found().into_problem());
    }
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
    if request.path().starts_with("/api/") && !is_acceptable(&accept, request.path()) {
        return Some(Problem::new(
            Code::NotAcceptable,
            text!("Cette adresse répond en application/json.", "This address answers in application/json."),
        ));
    }
    None
}

/// Whether there is a form of this address that is acceptable.
fn is_acceptable(accept: &str, path: &str) -> bool {
    let forms: &[&str] = match path.strip_prefix("/api/v1/") {
        Some("comparisons") => &["application/json", "application/problem+json", "text/csv"],
        Some(export) if export.starts_with("exports/") && export.ends_with(".csv") => &["text/csv"],
        Some(export) if export.starts_with("exports/") => &["application/x-ndjson"],
        _ => &["application/json", "application/problem+json"],
    };
    forms.iter().any(|media| quality(accept, media) > 0)
}

fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let all: Vec<&str> = headers.get_all(name).filter_map(|value| value.to_str().ok()).collect();
    (!all.is_empty()).then(|| all.join(","))
}

/// Gives a response its last form: problem, entity tag, shared headers.
fn finish(mut response: ServiceResponse<BoxBody>, head: &Head) -> ServiceResponse<BoxBody> {
    let status = response.status();
    let is_rendered = response.response().extensions().get::<OwnForm>().is_some();
    if (status.is_client_error() || status.is_server_error()) && !is_rendered {
        let problem = problem_of(response.response()).unwrap_or_else(|| problem_for(status));
        head.app.metrics.problem(problem.code);
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
    head.say(response.headers_mut());
    response
}

/// Weak comparison (RFC 9110 §13.1.2).
fn is_among(known: &str, tag: &str) -> bool {
    known.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == tag)
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
