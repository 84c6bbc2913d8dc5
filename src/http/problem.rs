//! Problems (RFC 9457) as they go over the wire, in the caller's language.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpResponse, ResponseError};
use serde_json::{Map, Value, json};

use super::boundary::Head;
use crate::error::{Code, Place, Problem};

pub fn problem_of(response: &HttpResponse) -> Option<Problem> {
    response.extensions().get::<Problem>().cloned()
}

/// For what the framework refused by itself.
pub fn problem_for(status: StatusCode) -> Problem {
    let code = Code::ALL.iter().copied().find(|code| code.status() == status).unwrap_or(match status {
        s if s.is_server_error() => Code::InternalError,
        _ => Code::MalformedRequest,
    });
    Problem::new(code, code.cure())
}

pub fn render(problem: &Problem, head: &Head) -> HttpResponse {
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
pub struct Rendered {
    pub problem: Problem,
    pub head: Head,
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
        self.head.say(response.headers_mut());
        response
    }
}
