//! `Idempotency-Key`: a write that is sent again is done once.
//!
//! The answer is kept in the transaction of its effect, so that either both
//! exist or neither does. A refusal changes nothing and is not kept: the same
//! request may then simply be sent again.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::http::header::{HeaderMap, HeaderName, IF_MATCH};
use actix_web::{HttpMessage, HttpRequest};
use chrono::TimeDelta;
use diesel::prelude::*;
use sha2::{Digest, Sha256};

use super::body::Received;
use super::reply::Answer;
use crate::auth::Principal;
use crate::db::schema::idempotency_keys;
use crate::db::{Instant, Json, Tx, journal};
use crate::error::{Code, Error, Fault, Problem, Result};
use crate::text;

pub const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// How long an answer is kept, in hours.
pub const KEPT_HOURS: i64 = 24;
/// Longest key, in characters.
const MAX_CHARACTERS: usize = 255;

/// A request that its sender may repeat.
#[derive(Debug, Clone)]
pub struct Idempotent {
    /// Hash of who asks, the method, the path and the key.
    id: String,
    /// Hash of what is asked.
    request: String,
}

#[derive(Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = idempotency_keys, treat_none_as_default_value = false)]
struct Kept {
    id: String,
    request: String,
    answer: Json<Answer>,
    created_at: Instant,
}

/// The key in the headers of a request, if it has one.
///
/// # Errors
/// 400 for two keys, an empty or overlong one, or one that is not visible ASCII.
pub fn key(headers: &HeaderMap) -> Result<Option<String>> {
    let mut values = headers.get_all(HEADER);
    let Some(value) = values.next() else { return Ok(None) };
    let is_good = values.next().is_none()
        && (1..=MAX_CHARACTERS).contains(&value.len())
        && value.as_bytes().iter().all(u8::is_ascii_graphic);
    match value.to_str() {
        Ok(key) if is_good => Ok(Some(key.to_owned())),
        _ => Err(Error::malformed(vec![Fault::parameter(
            "Idempotency-Key",
            "invalid_header",
            text!(
                "Idempotency-Key attend une valeur, de 1 à {MAX_CHARACTERS} caractères ASCII visibles.",
                "Idempotency-Key expects one value, of 1 to {MAX_CHARACTERS} visible ASCII characters."
            ),
        )])),
    }
}

impl Idempotent {
    /// The request as its sender means it: with this key and this body.
    pub fn new(key: &str, caller: &Principal, request: &HttpRequest) -> Self {
        let organisation = caller.organisation.map(|id| id.to_string()).or(caller.siret.clone()).unwrap_or_default();
        let who = [caller.issuer.as_str(), caller.subject.as_str(), caller.role.code(), organisation.as_str()];
        let what = [request.method().as_str(), request.path()];
        let precondition: Vec<u8> =
            request.headers().get_all(IF_MATCH).flat_map(|value| value.as_bytes()).copied().collect();
        let extensions = request.extensions();
        let body = extensions.get::<Received>().map(|received| received.0.as_slice()).unwrap_or_default();
        Self {
            id: digest(who.iter().chain(&what).chain([&key]).map(|part| part.as_bytes())),
            request: digest([request.query_string().as_bytes(), &precondition, body]),
        }
    }

    /// The answer given before, if this is a repetition.
    ///
    /// # Errors
    /// 422 when the key was used for another request.
    pub fn replay(&self, tx: &mut Tx<'_>) -> Result<Option<Answer>> {
        let kept: Option<Kept> =
            idempotency_keys::table.find(&self.id).select(Kept::as_select()).first(tx.db).optional()?;
        let Some(kept) = kept else { return Ok(None) };
        if kept.created_at < expiry(tx.now) {
            diesel::delete(idempotency_keys::table.find(&self.id)).execute(tx.db)?;
            return Ok(None);
        }
        if kept.request != self.request {
            return Err(Error::problem(
                Code::IdempotencyKeyReused,
                text!(
                    "Cette Idempotency-Key a servi à une autre requête ; en prendre une nouvelle.",
                    "This Idempotency-Key was used for another request; take a new one."
                ),
            ));
        }
        let mut answer = kept.answer.0;
        answer.is_replayed = true;
        Ok(Some(answer))
    }

    /// Keeps the answer with its effect.
    pub fn keep(&self, tx: &mut Tx<'_>, answer: &Answer) -> Result<()> {
        let kept = Kept {
            id: self.id.clone(),
            request: self.request.clone(),
            answer: Json(answer.to_be_kept()),
            created_at: tx.now,
        };
        diesel::insert_into(idempotency_keys::table)
            .values(kept)
            .execute(tx.db)
            // Another instance was faster: run again and find its answer.
            .map_err(journal::as_lost_race)?;
        Ok(())
    }
}

/// Forgets the answers whose time is over; how many.
pub fn forget(tx: &mut Tx<'_>) -> Result<usize> {
    let expired = idempotency_keys::table.filter(idempotency_keys::created_at.lt(expiry(tx.now)));
    Ok(diesel::delete(expired).execute(tx.db)?)
}

fn expiry(now: Instant) -> Instant {
    Instant(now.0 - TimeDelta::hours(KEPT_HOURS))
}

/// Each part with its length before it, so that no two lists of parts look alike.
fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Requests with a key that this instance is working on.
#[derive(Debug, Clone, Default)]
pub struct InFlight(Arc<Mutex<HashSet<String>>>);

/// Its request is being worked on as long as this lives.
#[derive(Debug)]
pub struct Working {
    all: InFlight,
    id: String,
}

impl InFlight {
    /// Notes that work begins.
    ///
    /// # Errors
    /// 409 while the same request is being worked on.
    pub fn begin(&self, one: &Idempotent) -> Result<Working> {
        if self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(one.id.clone()) {
            return Ok(Working { all: self.clone(), id: one.id.clone() });
        }
        Err(Problem::new(
            Code::IdempotencyInFlight,
            text!(
                "La même requête est en cours de traitement ; la renvoyer dans un instant.",
                "The same request is being worked on; send it again in a moment."
            ),
        )
        .with_header(actix_web::http::header::RETRY_AFTER, "1")
        .into())
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::{HEADER, digest, key};

    #[test]
    fn a_key_is_one_value_of_visible_ascii() {
        let read = |value: &str| key(TestRequest::default().insert_header((HEADER, value)).to_http_request().headers());
        assert_eq!(read("a").expect("valid"), Some("a".to_owned()));
        assert_eq!(read("\"8e03978e\"").expect("valid"), Some("\"8e03978e\"".to_owned()));
        assert!(read(&"k".repeat(255)).is_ok());
        assert!(read(&"k".repeat(256)).is_err());
        assert!(read("").is_err());
        assert!(read("two words").is_err());
        assert!(read("clé").is_err());
        let twice = TestRequest::default().append_header((HEADER, "a")).append_header((HEADER, "b")).to_http_request();
        assert!(key(twice.headers()).is_err());
        assert_eq!(key(TestRequest::default().to_http_request().headers()).expect("valid"), None);
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(digest([b"ab".as_slice(), b"c"]), digest([b"a".as_slice(), b"bc"]));
        assert_ne!(digest([b"ab".as_slice()]), digest([b"ab".as_slice(), b""]));
    }

    proptest::proptest! {
        #[test]
        fn a_key_is_taken_as_it_is_or_refused(values in "[!-~]{0,260}|[ -~é\\n\\t]{0,20}") {
            crate::fuzzing::idempotency_key(values.as_bytes());
        }
    }
}
