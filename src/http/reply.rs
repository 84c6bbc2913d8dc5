//! Answers: representations with their entity tag, sparse when asked, private
//! unless nobody in particular asked.

use std::collections::BTreeSet;
use std::future::{Ready, ready};

use actix_web::http::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, ETAG, IF_NONE_MATCH, LINK, LOCATION};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, dev::Payload};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::accept::quality;
use super::conditional::fingerprint;
use super::idempotency::{self, Idempotent};
use super::page::{Page, Slice};
use super::query::{Query, pairs};
use crate::app::App;
use crate::auth::Principal;
use crate::db::Tx;
use crate::error::{Error, Fault, Result};
use crate::kept::generations::Shows;
use crate::organisations::Viewer;
use crate::text;

/// What a handler needs to answer one request.
pub struct Reply {
    pub app: Data<App>,
    request: HttpRequest,
    path: String,
    query: String,
    fields: Option<Vec<String>>,
    is_private: bool,
    needs_organisation: bool,
    idempotency_key: Option<String>,
}

/// What a change made, with the version that its entity tag carries.
pub trait Representation {
    type View: Serialize + ToSchema;

    fn version(&self) -> i32;
    fn view(&self) -> &Self::View;
}

/// A part, with the version of what it is part of.
impl<V: Serialize + ToSchema> Representation for (i32, V) {
    type View = V;

    fn version(&self) -> i32 {
        self.0
    }

    fn view(&self) -> &V {
        &self.1
    }
}

/// Views that say their own version.
#[macro_export]
macro_rules! represented {
    ($($view:ty),+ $(,)?) => {$(
        impl $crate::http::reply::Representation for $view {
            type View = Self;

            fn version(&self) -> i32 {
                self.version
            }

            fn view(&self) -> &Self {
                self
            }
        }
    )+};
}

/// The answer to a write, as it is sent and as it is kept for a repetition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    status: u16,
    etag: Option<String>,
    location: Option<String>,
    #[serde(deserialize_with = "as_sent")]
    body: Option<String>,
    /// Whether it was given before; said in a header.
    #[serde(skip)]
    pub is_replayed: bool,
}

impl Answer {
    fn one<R: Representation>(status: StatusCode, made: &R, location: Option<String>) -> Result<Self> {
        let body = serde_json::to_string(made.view())?;
        Ok(Self {
            status: status.as_u16(),
            etag: Some(tag(made.version(), &body)),
            location,
            body: Some(body),
            is_replayed: false,
        })
    }

    /// Without what is shown once.
    pub fn to_be_kept(&self) -> Self {
        let mut kept = self.clone();
        let whole = kept.body.as_deref().and_then(|body| serde_json::from_str::<Map<String, Value>>(body).ok());
        if let Some(mut members) = whole
            && let Some(secret) = members.get_mut("secret")
        {
            *secret = Value::Null;
            kept.body = Some(Value::Object(members).to_string());
        }
        kept
    }
}

fn tag(version: i32, body: &str) -> String {
    format!("\"v{version}.{}\"", fingerprint(body.as_bytes()))
}

/// A body that was kept: the text that was sent, or, as it used to be kept, the document itself.
fn as_sent<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<String>, D::Error> {
    Ok(match Option::<Value>::deserialize(deserializer)? {
        Some(Value::String(text)) => Some(text),
        body => body.map(|body| body.to_string()),
    })
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
            needs_organisation: true,
            idempotency_key: idempotency::key(request.headers())?,
            request: request.clone(),
            app,
        })
    }

    /// For writes of callers who act for no organisation yet: the handler says what they may.
    pub fn for_anybody(self) -> Self {
        Self { needs_organisation: false, ..self }
    }

    /// Says what the answer shows, so that it is kept until that changes. Unsaid, it is kept until
    /// anything of the public catalogue does.
    pub fn shows(&self, what: Shows) {
        self.request.extensions_mut().insert(what);
    }

    /// Reads where in a list the caller is.
    pub fn slice<T>(&self, query: &Query<T>, cursor: Option<&str>, limit: Option<i64>) -> Result<Slice> {
        let canonical = format!("{}?{}", self.path, query.canonical);
        Slice::new(&self.app.cursor_key()?, &canonical, cursor, limit)
    }

    /// 200 with one resource.
    pub fn one<T: Serialize + ToSchema>(&self, version: i32, view: &T) -> Result<HttpResponse> {
        match self.wanted::<T>()? {
            None => Ok(self.tagged(version, serde_json::to_string(view)?)),
            Some(fields) => Ok(self.kept(version, serde_json::to_value(view)?, &fields)),
        }
    }

    /// [`Reply::one`], written already.
    pub fn written<T: ToSchema>(&self, version: i32, document: String) -> Result<HttpResponse> {
        match self.wanted::<T>()? {
            None => Ok(self.tagged(version, document)),
            Some(fields) => Ok(self.kept(version, serde_json::from_str(&document)?, &fields)),
        }
    }

    fn kept(&self, version: i32, mut value: Value, fields: &BTreeSet<String>) -> HttpResponse {
        keep(&mut value, fields);
        self.tagged(version, value.to_string())
    }

    fn tagged(&self, version: i32, body: String) -> HttpResponse {
        self.builder().insert_header((ETAG, tag(version, &body))).body(body)
    }

    /// 200 with a representation in another form than JSON.
    pub fn text(&self, media: &str, body: Vec<u8>, headers: &[(&'static str, &str)]) -> Result<HttpResponse> {
        self.refuse_fields()?;
        let mut response = self.builder();
        response.content_type(media).insert_header((ETAG, format!("\"v0.{}\"", fingerprint(&body))));
        for header in headers {
            response.insert_header(*header);
        }
        Ok(response.body(body))
    }

    /// For answers that are no JSON document, of which nothing can be left out.
    pub fn refuse_fields(&self) -> Result<()> {
        if self.fields.is_none() {
            return Ok(());
        }
        let detail = text!("« fields » ne vaut que pour le JSON.", "`fields` is for JSON only.");
        Err(Error::malformed(vec![Fault::parameter("fields", "json_only", detail)]))
    }

    /// Whether the caller wants this media type rather than JSON.
    pub fn prefers(&self, media: &str) -> bool {
        let accept = self.request.headers().get_all(ACCEPT).filter_map(|value| value.to_str().ok());
        let accept = accept.collect::<Vec<_>>().join(",");
        quality(&accept, media) > quality(&accept, "application/json")
    }

    /// Changes something, in one transaction: 200 with what it is now.
    pub async fn change<R, F>(self, caller: Principal, work: F) -> Result<HttpResponse>
    where
        R: Representation,
        F: Fn(&mut Tx<'_>, Viewer) -> Result<R> + Send + 'static,
    {
        self.write(caller, move |tx, viewer| Answer::one(StatusCode::OK, &work(tx, viewer)?, None)).await
    }

    /// Makes something, in one transaction: 201 with what was made and where it is.
    pub async fn create<R, F>(
        self,
        caller: Principal,
        work: F,
        location: impl Fn(&R::View) -> String + Send + 'static,
    ) -> Result<HttpResponse>
    where
        R: Representation,
        F: Fn(&mut Tx<'_>, Viewer) -> Result<R> + Send + 'static,
    {
        self.write(caller, move |tx, viewer| {
            let made = work(tx, viewer)?;
            Answer::one(StatusCode::CREATED, &made, Some(location(made.view())))
        })
        .await
    }

    /// Removes something, in one transaction: 204, with the new version of what it was part of, if anything.
    pub async fn remove<F>(self, caller: Principal, work: F) -> Result<HttpResponse>
    where
        F: Fn(&mut Tx<'_>, Viewer) -> Result<Option<i32>> + Send + 'static,
    {
        self.write(caller, move |tx, viewer| {
            let etag = work(tx, viewer)?.map(|parent| format!("\"v{parent}\""));
            let status = StatusCode::NO_CONTENT.as_u16();
            Ok(Answer { status, etag, location: None, body: None, is_replayed: false })
        })
        .await
    }

    /// One writing transaction in the caller's name, done once however often it is sent with the same key.
    async fn write(
        self,
        caller: Principal,
        work: impl Fn(&mut Tx<'_>, Viewer) -> Result<Answer> + Send + 'static,
    ) -> Result<HttpResponse> {
        self.app.log.refuse_if_broken()?;
        let once = self.idempotency_key.as_deref().map(|key| Idempotent::new(key, &caller, &self.request));
        let working = once.as_ref().map(|once| self.app.in_flight.begin(once)).transpose()?;
        let answer = self
            .app
            .store
            .write(caller.actor(), move |tx| {
                // Ends with the work, not with the wait for it.
                let _working = &working;
                let viewer = match self.needs_organisation {
                    true => Viewer::writing(tx, &caller)?,
                    false => Viewer::of(tx.db, Some(&caller))?,
                };
                if let Some(answer) = once.as_ref().map(|once| once.replay(tx)).transpose()?.flatten() {
                    return Ok(answer);
                }
                let actor = viewer.actor();
                let answer = tx.on_behalf(&actor, tx.now, |tx| work(tx, viewer))?;
                if let Some(once) = &once {
                    once.keep(tx, &answer)?;
                }
                Ok(answer)
            })
            .await?;
        self.answer(answer)
    }

    fn answer(&self, answer: Answer) -> Result<HttpResponse> {
        let mut response = HttpResponse::build(StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK));
        response.insert_header((CACHE_CONTROL, "private, no-store"));
        if let Some(etag) = answer.etag {
            response.insert_header((ETAG, etag));
        }
        if let Some(location) = answer.location {
            response.insert_header((LOCATION, location));
        }
        if answer.is_replayed {
            response.insert_header(("idempotency-replayed", "true"));
        }
        Ok(match answer.body {
            Some(body) => response.content_type("application/json").body(body),
            None => response.finish(),
        })
    }

    /// 200 with a page of a list.
    pub fn page<T: Serialize + ToSchema>(&self, page: &Page<T>) -> Result<HttpResponse> {
        self.list::<T>(page, page.next.as_deref())
    }

    /// [`Reply::page`] of what has more beside its `items` of type `T`.
    pub fn list<T: ToSchema>(&self, page: &impl Serialize, next: Option<&str>) -> Result<HttpResponse> {
        let body = match self.wanted::<T>()? {
            None => serde_json::to_string(page)?,
            Some(fields) => {
                let mut value = serde_json::to_value(page)?;
                let items = value.get_mut("items").and_then(Value::as_array_mut);
                items.into_iter().flatten().for_each(|item| keep(item, &fields));
                value.to_string()
            }
        };
        Ok(self.document(body, next))
    }

    /// 200 with a list that is written already.
    pub fn document(&self, body: String, next: Option<&str>) -> HttpResponse {
        let mut response = self.builder();
        response.insert_header((ETAG, tag(0, &body)));
        if let Some(next) = next {
            let others: String = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs(pairs(&self.query).filter(|(name, _)| name != "cursor"))
                .append_pair("cursor", next)
                .finish();
            response.insert_header((LINK, format!("<{}?{others}>; rel=\"next\"", self.path)));
        }
        response.body(body)
    }

    /// The tag by which the caller says it knows the state `state`, in whatever coding it got it.
    pub fn known_tag(&self, state: &str) -> Option<String> {
        let known = self.request.headers().get_all(IF_NONE_MATCH).filter_map(|value| value.to_str().ok());
        known.flat_map(|tags| tags.split(',')).map(|tag| tag.trim().trim_start_matches("W/")).find_map(|tag| {
            let inner = tag.strip_prefix("\"v0.")?.strip_suffix('"')?;
            (inner.split('-').next() == Some(state)).then(|| tag.to_owned())
        })
    }

    /// 304 to who knows it already.
    pub fn unchanged(&self, tag: &str) -> HttpResponse {
        let mut response = self.builder();
        response.status(StatusCode::NOT_MODIFIED).insert_header((ETAG, tag));
        response.finish()
    }

    pub fn is(&self, method: &Method) -> bool {
        self.request.method() == method
    }

    pub fn builder(&self) -> actix_web::HttpResponseBuilder {
        let mut response = HttpResponse::Ok();
        response.content_type("application/json");
        response.insert_header((CACHE_CONTROL, if self.is_private { "private, no-store" } else { PUBLIC }));
        response
    }

    /// The members asked for with `fields`, all known.
    pub fn wanted<T: ToSchema>(&self) -> Result<Option<BTreeSet<String>>> {
        let Some(fields) = &self.fields else { return Ok(None) };
        let known = self.app.contract.members(&T::name());
        if fields.len() > MAX_FIELDS {
            let detail = text!("Au plus {MAX_FIELDS} champs.", "At most {MAX_FIELDS} fields.");
            return Err(Error::malformed(vec![Fault::parameter("fields", "too_many", detail)]));
        }
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

/// What an answer says that anybody may keep.
pub const PUBLIC: &str = "public, max-age=10, stale-while-revalidate=60";

/// As the document says of `fields`.
const MAX_FIELDS: usize = 100;

/// Leaves of an object only these members.
pub fn keep(value: &mut Value, fields: &BTreeSet<String>) {
    if let Value::Object(members) = value {
        members.retain(|name, _| fields.contains(name));
    }
}
