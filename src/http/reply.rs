//! Answers: representations with their entity tag, sparse when asked, private
//! unless nobody in particular asked.

use std::collections::BTreeSet;
use std::future::{Ready, ready};

use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL, ETAG, LINK, LOCATION};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::conditional::fingerprint;
use super::page::{Page, Slice};
use super::query::{Query, pairs};
use crate::app::App;
use crate::error::{Error, Fault, Result};
use crate::text;

/// What a handler needs to answer one request.
pub struct Reply {
    pub app: Data<App>,
    path: String,
    query: String,
    fields: Option<Vec<String>>,
    is_private: bool,
}

impl FromRequest for Reply {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::read(request))
    }
}

impl Reply {
    fn read(request: &HttpRequest) -> Result<Self> {
        let app = App::of(request)?;
        let query = request.query_string();
        if !query.is_empty() {
            let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
            let pattern = request.match_pattern().unwrap_or_default();
            let faults = app.contract.unknown_parameters(&method.as_str().to_lowercase(), &pattern, query);
            if !faults.is_empty() {
                return Err(Error::malformed(faults));
            }
        }
        Ok(Self {
            path: request.path().to_owned(),
            query: query.to_owned(),
            fields: pairs(query)
                .find(|(name, _)| name == "fields")
                .map(|(_, fields)| fields.split(',').map(|field| field.trim().to_owned()).collect()),
            is_private: request.headers().contains_key(AUTHORIZATION),
            app,
        })
    }

    /// Reads where in a list the caller is.
    pub fn slice<T>(&self, query: &Query<T>, cursor: Option<&str>, limit: Option<i64>) -> Result<Slice> {
        let canonical = format!("{}?{}", self.path, query.canonical);
        Slice::new(&self.app.cursor_key, &canonical, cursor, limit)
    }

    /// 200 with one resource.
    pub fn one<T: Serialize + ToSchema>(&self, version: i32, view: &T) -> Result<HttpResponse> {
        self.representation(StatusCode::OK, version, view, None)
    }

    /// 201 with what was made and where it is.
    pub fn created<T: Serialize + ToSchema>(&self, location: &str, version: i32, view: &T) -> Result<HttpResponse> {
        self.representation(StatusCode::CREATED, version, view, Some(location))
    }

    /// 200 with a page of a list.
    pub fn page<T: Serialize + ToSchema>(&self, page: &Page<T>) -> Result<HttpResponse> {
        let mut value = serde_json::to_value(page)?;
        if let (Some(fields), Some(items)) = (self.wanted::<T>()?, value.get_mut("items").and_then(Value::as_array_mut))
        {
            items.iter_mut().for_each(|item| keep(item, &fields));
        }
        let body = serde_json::to_string(&value)?;
        let mut response = self.builder(StatusCode::OK);
        response.insert_header((ETAG, format!("\"v0.{}\"", fingerprint(body.as_bytes()))));
        if let Some(next) = &page.next {
            let others: String = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs(pairs(&self.query).filter(|(name, _)| name != "cursor"))
                .append_pair("cursor", next)
                .finish();
            response.insert_header((LINK, format!("<{}?{others}>; rel=\"next\"", self.path)));
        }
        Ok(response.body(body))
    }

    /// 204; with the new tag of what the removed thing was part of.
    pub fn nothing(&self, parent: Option<i32>) -> HttpResponse {
        let mut response = HttpResponse::NoContent();
        response.insert_header((CACHE_CONTROL, "private, no-store"));
        if let Some(version) = parent {
            response.insert_header((ETAG, format!("\"v{version}\"")));
        }
        response.finish()
    }

    fn representation<T: Serialize + ToSchema>(
        &self,
        status: StatusCode,
        version: i32,
        view: &T,
        location: Option<&str>,
    ) -> Result<HttpResponse> {
        let mut value = serde_json::to_value(view)?;
        if let Some(fields) = self.wanted::<T>()? {
            keep(&mut value, &fields);
        }
        let body = serde_json::to_string(&value)?;
        let mut response = self.builder(status);
        response.insert_header((ETAG, format!("\"v{version}.{}\"", fingerprint(body.as_bytes()))));
        if let Some(location) = location {
            response.insert_header((LOCATION, location));
        }
        Ok(response.body(body))
    }

    fn builder(&self, status: StatusCode) -> actix_web::HttpResponseBuilder {
        let mut response = HttpResponse::build(status);
        response.content_type("application/json");
        response.insert_header((
            CACHE_CONTROL,
            if self.is_private || status != StatusCode::OK {
                "private, no-store"
            } else {
                "public, max-age=10, stale-while-revalidate=60"
            },
        ));
        response
    }

    /// The members asked for with `fields`, all known.
    fn wanted<T: ToSchema>(&self) -> Result<Option<BTreeSet<String>>> {
        let Some(fields) = &self.fields else { return Ok(None) };
        let known = self.app.contract.members(&T::name());
        let faults: Vec<Fault> = fields
            .iter()
            .filter(|field| !known.contains(*field))
            .map(|field| {
                let known = known.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                Fault::parameter(
                    "fields",
                    "unknown_field",
                    text!(
                        "Champ inconnu : « {field} ». Possibles : {known}.",
                        "Unknown field: `{field}`. Possible: {known}."
                    ),
                )
            })
            .collect();
        if faults.is_empty() { Ok(Some(fields.iter().cloned().collect())) } else { Err(Error::malformed(faults)) }
    }
}

fn keep(value: &mut Value, fields: &BTreeSet<String>) {
    if let Value::Object(members) = value {
        members.retain(|name, _| fields.contains(name));
    }
}
