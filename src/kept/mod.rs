//! Public answers, kept in memory: computed once for each change of what they show, and served
//! with their entity tag and their compressed forms without asking the database.
//!
//! What is kept is what anybody may keep: the answer 200 to a GET without `Authorization`, said to
//! be `public`, under its address as it was asked. Nothing that depends on who asks is in it: ids,
//! rate limits and the headers for browsers are added to each answer on its way out.
//!
//! - [`reach`] says what a change touches, [`generations`] whether an answer still holds. A write
//!   tells before it is answered, other instances hear of it through the journal.
//! - The calendar changes what is shown, too: no answer outlives the day it was made on.
//! - Of several who ask for what is not there, one computes and the others wait for it.

pub mod generations;
pub mod reach;

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_http::encoding::Encoder;
use actix_web::body::{BoxBody, MessageBody, to_bytes};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, AcceptEncoding, CACHE_CONTROL, CONTENT_ENCODING, ContentEncoding, Encoding,
    Header, HeaderName, HeaderValue,
};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Equivalent, Lifecycle, OptionsBuilder, Weighter};
use tokio::sync::watch;

use self::generations::{Generations, Shows};
use self::reach::Reach;
use crate::db::journal::{Change, Head};
use crate::db::{Instant, Keeper, Listener, News};
use crate::http::reply::PUBLIC;
use crate::http::{accept, idempotency};

/// Where answers may be kept.
const BASE: &str = "/api/v1/";
/// How long the last word of the journal may be ago, for what is kept to be believed.
pub const HEARD_WITHIN: Duration = Duration::from_secs(1);
/// How long one waits for another's answer before asking for oneself.
const PATIENCE: Duration = Duration::from_millis(400);
/// What an answer takes beside its body: its address, its headers, its place.
const OVERHEAD: u64 = 768;
/// An address longer than this is asked once.
const MAX_ADDRESS: usize = 1024;

/// The answers of this instance.
pub struct Kept {
    answers: Option<Cache<Key, Arc<Answer>, Weight, DefaultHashBuilder, Evictions>>,
    flights: Mutex<HashMap<Key, watch::Receiver<bool>>>,
    generations: Generations,
    evicted: Arc<AtomicU64>,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// How the kept answers are doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeptStats {
    /// Answers that needed no handler.
    pub hits: u64,
    /// Answers that might have been kept, and were computed.
    pub misses: u64,
    /// Answers given up for want of room.
    pub evictions: u64,
    /// Memory in use, and how much it may become, in bytes.
    pub bytes: u64,
    pub limit: u64,
}

/// Under what an answer is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    coding: ContentEncoding,
    address: Box<str>,
}

/// The same, as it is asked for.
struct Asked<'a> {
    coding: ContentEncoding,
    address: &'a str,
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Asked { coding: self.coding, address: &self.address }.hash(state);
    }
}

impl Hash for Asked<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.coding.as_str().len().hash(state);
        self.address.hash(state);
    }
}

impl Equivalent<Key> for Asked<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.coding == key.coding && *self.address == *key.address
    }
}

impl Asked<'_> {
    fn key(&self) -> Key {
        Key { coding: self.coding, address: self.address.into() }
    }
}

/// An answer in one coding.
#[derive(Debug)]
pub struct Answer {
    /// The last change it has seen.
    made: u64,
    shows: Shows,
    ends_at: i64,
    /// The pattern of its address, for who counts.
    pub route: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Key, Arc<Answer>> for Weight {
    fn weight(&self, key: &Key, answer: &Arc<Answer>) -> u64 {
        (answer.body.len() + key.address.len()) as u64 + OVERHEAD
    }
}

#[derive(Clone)]
struct Evictions(Arc<AtomicU64>);

impl Lifecycle<Key, Arc<Answer>> for Evictions {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), _: Key, _: Arc<Answer>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Keeper for Kept {
    fn hear(&self, news: &[News]) {
        for News { resource, id, action, changed } in news {
            self.generations.touch(Reach::of(*resource, *id, action, changed));
        }
    }
}

impl Listener for Kept {
    fn changed(&self, entries: &[Change], _: Head) -> crate::error::Result<()> {
        for entry in entries {
            let reach = Reach::of(entry.resource, entry.resource_id, &entry.action, &entry.changed);
            self.generations.touch(reach);
        }
        Ok(())
    }
}

impl Kept {
    /// Keeps answers in at most so many bytes; none in 0.
    pub fn new(bytes: u64) -> Self {
        let evicted = Arc::<AtomicU64>::default();
        let answers = (bytes > 0).then(|| {
            let options = OptionsBuilder::new()
                .estimated_items_capacity(usize::try_from(bytes / 4096).unwrap_or_default().max(16))
                .weight_capacity(bytes)
                // A place of its own for each part must still hold the largest answers.
                .shards(usize::try_from(bytes >> 22).unwrap_or(1).clamp(1, 16))
                .build();
            options.ok().map(|options| {
                Cache::with_options(options, Weight, DefaultHashBuilder::default(), Evictions(Arc::clone(&evicted)))
            })
        });
        Self {
            answers: answers.flatten(),
            flights: Mutex::default(),
            generations: Generations::default(),
            evicted,
            hits: AtomicU64::default(),
            misses: AtomicU64::default(),
        }
    }

    pub fn stats(&self) -> KeptStats {
        let ever = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        KeptStats {
            hits: ever(&self.hits),
            misses: ever(&self.misses),
            evictions: ever(&self.evicted),
            bytes: self.answers.as_ref().map_or(0, Cache::weight),
            limit: self.answers.as_ref().map_or(0, Cache::capacity),
        }
    }

    /// The coding in which an answer to this request may be kept; none for what is not for anybody.
    pub fn coding(&self, request: &ServiceRequest) -> Option<ContentEncoding> {
        let is_candidate = self.answers.is_some()
            && matches!(*request.method(), Method::GET | Method::HEAD)
            && request.path().starts_with(BASE)
            && !is_streamed(request.path())
            && address(request).len() <= MAX_ADDRESS
            && !request.headers().contains_key(AUTHORIZATION)
            // Read, and refused when it is malformed, by the handler.
            && !request.headers().contains_key(idempotency::HEADER)
            && is_for_json(request);
        is_candidate.then(|| wanted_coding(request)).flatten()
    }

    /// The answer to a request, if it is there and holds.
    pub fn find(&self, coding: ContentEncoding, request: &ServiceRequest, now: Instant) -> Option<Arc<Answer>> {
        let answer = self.get(&Asked { coding, address: address(request) }, now)?;
        self.hits.fetch_add(1, Ordering::Relaxed);
        Some(answer)
    }

    fn get(&self, asked: &Asked<'_>, now: Instant) -> Option<Arc<Answer>> {
        self.get_since(asked, now, u64::MAX)
    }

    /// One that holds, or that was made after change `arrived`: whoever asked then gets what was so since.
    fn get_since(&self, asked: &Asked<'_>, now: Instant, arrived: u64) -> Option<Arc<Answer>> {
        let answer = self.answers.as_ref()?.get(asked)?;
        let is_good = answer.made >= arrived || self.generations.holds(answer.made, answer.shows);
        (now.micros() < answer.ends_at && is_good).then_some(answer)
    }

    fn put(&self, asked: &Asked<'_>, answer: &Arc<Answer>) {
        if let Some(answers) = &self.answers {
            answers.insert(asked.key(), Arc::clone(answer));
        }
    }

    /// Answers what is not kept, and keeps the answer if anybody may.
    ///
    /// # Errors
    /// Those of the handler.
    pub async fn compute(
        &self,
        coding: ContentEncoding,
        request: ServiceRequest,
        next: Next<impl MessageBody + 'static>,
        now: Instant,
    ) -> Result<Served, actix_web::Error> {
        let address = address(&request).to_owned();
        let plain = Asked { coding: ContentEncoding::Identity, address: &address };
        if coding == ContentEncoding::Identity {
            return self.ask(&plain, request, next, now, true).await;
        }
        let asked = Asked { coding, address: &address };
        let flight = match self.board(&asked, now).await {
            Boarding::Landed(answer) => return Ok(self.hit(request, answer)),
            Boarding::First(flight) => Some(flight),
            Boarding::Alone => None,
        };
        let served = match self.get(&plain, now) {
            Some(answer) => self.hit(request, answer),
            // Who has waited in vain once does not wait again.
            None => self.ask(&plain, request, next, now, flight.is_some()).await?,
        };
        let (request, answer) = match served {
            Served::Kept(request, answer) => (request, answer),
            // In one piece and not for anybody: as it is.
            Served::Other(response) => return Ok(Served::Other(response)),
        };
        let coded = Arc::new(answer.coded(coding).await?);
        self.put(&asked, &coded);
        if let Some(flight) = flight {
            flight.land();
        }
        Ok(Served::Kept(request, coded))
    }

    /// The answer as it is, without a coding.
    async fn ask(
        &self,
        asked: &Asked<'_>,
        mut request: ServiceRequest,
        next: Next<impl MessageBody + 'static>,
        now: Instant,
        may_wait: bool,
    ) -> Result<Served, actix_web::Error> {
        let boarding = if may_wait { self.board(asked, now).await } else { Boarding::Alone };
        let flight = match boarding {
            Boarding::Landed(answer) => return Ok(self.hit(request, answer)),
            Boarding::First(flight) => Some(flight),
            Boarding::Alone => None,
        };
        self.misses.fetch_add(1, Ordering::Relaxed);
        let made = self.generations.latest();
        // Whoever wants it coded codes what was kept.
        request.headers_mut().remove(ACCEPT_ENCODING);
        let response = next.call(request).await?.map_into_boxed_body();
        let served = Answer::of(response, made, now);
        if let Served::Kept(_, answer) = &served {
            self.put(asked, answer);
            if let Some(flight) = flight {
                flight.land();
            }
        }
        Ok(served)
    }

    fn hit(&self, request: ServiceRequest, answer: Arc<Answer>) -> Served {
        self.hits.fetch_add(1, Ordering::Relaxed);
        Served::Kept(request.into_parts().0, answer)
    }

    /// Whether to compute an answer, or to take the one that somebody else is computing.
    async fn board(&self, asked: &Asked<'_>, now: Instant) -> Boarding<'_> {
        let (key, arrived) = (asked.key(), self.generations.latest());
        // Twice: what has landed may be stale by then already.
        for _ in 0..2 {
            let mut flight = {
                let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(answer) = self.get_since(asked, now, arrived) {
                    return Boarding::Landed(answer);
                }
                match flights.get(&key) {
                    Some(flight) => flight.clone(),
                    None => {
                        let (lands, flight) = watch::channel(false);
                        flights.insert(key.clone(), flight);
                        return Boarding::First(Flight { kept: self, key, lands });
                    }
                }
            };
            match tokio::time::timeout(PATIENCE, flight.changed()).await {
                Ok(Ok(())) => {}
                // It came to nothing that can be kept, or takes too long: no use in waiting in turn.
                Ok(Err(_)) | Err(_) => return Boarding::Alone,
            }
        }
        Boarding::Alone
    }
}

/// What became of a request.
pub enum Served {
    /// The answer is kept.
    Kept(HttpRequest, Arc<Answer>),
    /// It is not for anybody.
    Other(ServiceResponse<BoxBody>),
}

enum Boarding<'a> {
    /// Compute it; others wait.
    First(Flight<'a>),
    /// Somebody has.
    Landed(Arc<Answer>),
    /// Compute it; nobody waits.
    Alone,
}

/// An answer being computed, which others wait for until this is dropped.
struct Flight<'a> {
    kept: &'a Kept,
    key: Key,
    lands: watch::Sender<bool>,
}

impl Flight<'_> {
    /// The answer is where the others look for it.
    fn land(self) {
        self.lands.send_replace(true);
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.kept.flights.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

impl Answer {
    /// What a handler answered, if anybody may keep it; else the answer as it was.
    fn of(response: ServiceResponse<BoxBody>, made: u64, now: Instant) -> Served {
        let is_public = response.status() == StatusCode::OK
            && response.headers().get(CACHE_CONTROL).is_some_and(|said| said == PUBLIC)
            && !response.headers().contains_key(CONTENT_ENCODING);
        if !is_public {
            return Served::Other(response);
        }
        let (request, response) = response.into_parts();
        let shows = request.extensions().get::<Shows>().copied().unwrap_or_default();
        let (response, body) = response.into_parts();
        let body = match body.try_into_bytes() {
            Ok(body) => body,
            Err(body) => return Served::Other(ServiceResponse::new(request, response.set_body(body))),
        };
        // To its size: what it was written into is larger.
        let body = Bytes::copy_from_slice(&body);
        let headers = response.headers().iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let route = request.match_pattern().unwrap_or_default();
        let ends_at = now.end_of_day().micros();
        Served::Kept(request, Arc::new(Self { made, shows, ends_at, route, headers, body }))
    }

    /// The same in a coding.
    async fn coded(&self, coding: ContentEncoding) -> Result<Self, actix_web::Error> {
        let plain = actix_http::Response::with_body(StatusCode::OK, self.body.clone());
        let (head, body) = plain.map_body(|head, body| Encoder::response(coding, head, body)).into_parts();
        let body = to_bytes(body).await.map_err(|error| crate::error::Error::Internal(error.to_string()))?;
        let body = Bytes::copy_from_slice(&body);
        let mut headers = self.headers.clone();
        headers.extend(head.headers().get(CONTENT_ENCODING).map(|said| (CONTENT_ENCODING, said.clone())));
        Ok(Self { made: self.made, shows: self.shows, ends_at: self.ends_at, route: self.route.clone(), headers, body })
    }

    /// A response with this answer.
    pub fn response(&self) -> HttpResponse {
        let mut response = HttpResponse::new(StatusCode::OK);
        for (name, value) in &self.headers {
            response.headers_mut().insert(name.clone(), value.clone());
        }
        response.set_body(BoxBody::new(self.body.clone()))
    }
}

/// Exports are sent while they are read: too large to be kept, and coded on their way.
fn is_streamed(path: &str) -> bool {
    path.starts_with("/api/v1/exports/")
}

/// Whether JSON is what the caller gets: one address has another form, chosen by `Accept`.
fn is_for_json(request: &ServiceRequest) -> bool {
    request.path() != "/api/v1/comparisons"
        || request
            .headers()
            .get_all(ACCEPT)
            .filter_map(|accept| accept.to_str().ok())
            .all(|accept| accept::quality(accept, "text/csv") <= accept::quality(accept, "application/json"))
}

fn address(request: &ServiceRequest) -> &str {
    request.uri().path_and_query().map_or("", |address| address.as_str())
}

/// What of `Accept-Encoding` is answered in, as [`actix_web::middleware::Compress`] decides; none
/// for what is refused, or not worth keeping.
fn wanted_coding(request: &ServiceRequest) -> Option<ContentEncoding> {
    if !request.headers().contains_key(ACCEPT_ENCODING) {
        return Some(ContentEncoding::Identity);
    }
    let Ok(accepted) = AcceptEncoding::parse(request) else { return Some(ContentEncoding::Identity) };
    let supported = [Encoding::identity(), Encoding::brotli(), Encoding::gzip(), Encoding::deflate(), Encoding::zstd()];
    match accepted.negotiate(supported.iter()) {
        Some(Encoding::Known(ContentEncoding::Deflate)) | Some(Encoding::Unknown(_)) | None => None,
        Some(Encoding::Known(coding)) => Some(coding),
    }
}
