//! Request bodies: read strictly, checked against the published schema, every
//! fault listed at once.
//!
//! What is malformed is refused at once (400). What merely breaks a bound is
//! kept until the handler has found the resource and its state: the contract's
//! order is 401, 403, 400, 404, 428, 412, 409, 422.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::Duration;

use actix_web::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use actix_web::web::{Bytes, BytesMut, Data};
use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload};
use futures_util::StreamExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use unicode_normalization::{UnicodeNormalization, is_nfc};
use utoipa::ToSchema;

use super::contract::{Contract, Verdict};
use super::json;
use super::text::is_deceptive;
use crate::app::App;
use crate::error::{Code, Error, Fault, Problem, Result};
use crate::text;

/// The hash of the body that a handler was given; a repetition is known by it.
#[derive(Debug, Clone)]
pub struct Received(pub Vec<u8>);

/// Levels a body may nest.
pub const MAX_DEPTH: usize = 32;

/// A JSON body of schema `T`.
#[derive(Debug, Clone)]
pub struct Body<T> {
    value: Value,
    verdict: Verdict,
    kind: PhantomData<fn() -> T>,
}

impl<T: ToSchema + DeserializeOwned> Body<T> {
    /// The typed body, or every bound it breaks (422).
    pub fn accept(&self) -> Result<T> {
        self.accept_with(|_| Vec::new())
    }

    /// As [`Body::accept`], with the faults that only rules can find listed beside the others.
    pub fn accept_with(&self, rules: impl FnOnce(&T) -> Vec<Fault>) -> Result<T> {
        typed(self.value.clone(), self.verdict.clone(), rules)
    }
}

/// A JSON Merge Patch (RFC 7396) of a resource whose editable part is `T`.
#[derive(Debug, Clone)]
pub struct Patch<T> {
    value: Value,
    faults: Vec<Fault>,
    kind: PhantomData<fn() -> T>,
}

impl<T: ToSchema + Serialize + DeserializeOwned> Patch<T> {
    /// What becomes of `current`, checked as a whole, with the faults that only rules can find.
    pub fn apply(&self, contract: &Contract, current: &T, rules: impl FnOnce(&T) -> Vec<Fault>) -> Result<T> {
        let mut merged = serde_json::to_value(current)?;
        merge(&mut merged, &self.value);
        let mut verdict = contract.check::<T>(&merged)?;
        verdict.invalid.extend(self.faults.iter().cloned());
        typed(merged, verdict, rules)
    }
}

fn typed<T: DeserializeOwned>(value: Value, mut verdict: Verdict, rules: impl FnOnce(&T) -> Vec<Fault>) -> Result<T> {
    match serde_json::from_value::<T>(value) {
        Ok(typed) => {
            verdict.invalid.extend(rules(&typed));
            verdict.into_result()?;
            Ok(typed)
        }
        Err(error) => {
            // The schema says why better than the deserialiser; without a word of it, say what we know.
            if verdict.is_good() {
                let reason = error.to_string();
                verdict.invalid.push(Fault::body(
                    "",
                    "invalid",
                    text!("Valeur non valide : {reason}.", "Invalid value: {reason}."),
                ));
            }
            verdict.into_result()?;
            Err(Error::Internal("a verdict without faults".to_owned()))
        }
    }
}

/// RFC 7396: null removes a member, and what a member is without being given applies again.
fn merge(target: &mut Value, patch: &Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (name, change) in patch {
                if change.is_null() {
                    target.remove(name);
                    continue;
                }
                match target.get_mut(name) {
                    Some(current) if change.is_object() && current.is_object() => merge(current, change),
                    _ => {
                        let mut value = if change.is_object() { Value::Object(Map::new()) } else { Value::Null };
                        merge(&mut value, change);
                        target.insert(name.clone(), value);
                    }
                }
            }
        }
        (target, patch) => *target = patch.clone(),
    }
}

impl<T: ToSchema + DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let (app, bytes) = receive(&request, payload, &["application/json"]).await?;
            let (value, faults) = parse(&app, &bytes)?;
            let mut verdict = app.contract.check::<T>(&value)?;
            verdict.invalid.extend(faults);
            if !verdict.malformed.is_empty() {
                verdict.clone().into_result()?;
            }
            Ok(Self { value, verdict, kind: PhantomData })
        })
    }
}

impl<T: ToSchema + DeserializeOwned + 'static> FromRequest for Patch<T> {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let accepted = ["application/merge-patch+json", "application/json"];
            let (app, bytes) = receive(&request, payload, &accepted).await?;
            let (value, faults) = parse(&app, &bytes)?;
            let verdict = app.contract.check_named(&crate::openapi::patch_name(&T::name()), &value)?;
            if !verdict.malformed.is_empty() {
                verdict.into_result()?;
            }
            Ok(Self { value, faults, kind: PhantomData })
        })
    }
}

/// The value in a body, its texts in Unicode NFC (UAX #15) so that twins are one,
/// and a fault for each text that deceives.
fn parse(app: &App, bytes: &[u8]) -> Result<(Value, Vec<Fault>)> {
    let mut value = json::read(bytes, app.settings.max_json_depth).map_err(|fault| Error::malformed(vec![fault]))?;
    let mut faults = Vec::new();
    settle(&mut value, &mut String::new(), &mut faults);
    Ok((value, faults))
}

pub(crate) fn settle(value: &mut Value, place: &mut String, faults: &mut Vec<Fault>) {
    let length = place.len();
    match value {
        Value::String(text) => {
            // NUL is refused with all else that is checked against the schema.
            if let Some(c) = text.chars().find(|c| is_deceptive(*c) && *c != '\0') {
                let code = format!("U+{:04X}", u32::from(c));
                faults.push(Fault::body(
                    place.clone(),
                    "deceptive_character",
                    text!(
                        "Le caractère invisible {code} fait paraître un texte autre qu’il n’est ; l’ôter.",
                        "The invisible character {code} makes a text look other than it is; remove it."
                    ),
                ));
            }
            if !is_nfc(text) {
                *text = text.nfc().collect();
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                place.push_str(&format!("/{index}"));
                settle(item, place, faults);
                place.truncate(length);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                place.push_str(&format!("/{}", json::escape(name)));
                settle(member, place, faults);
                place.truncate(length);
            }
        }
        _ => {}
    }
}

/// The bytes of a body of one of the accepted types, within the limits of size and time.
pub async fn receive(request: &HttpRequest, mut payload: Payload, accepted: &[&str]) -> Result<(Data<App>, Bytes)> {
    let app = App::of(request)?;
    check_content_type(request, accepted)?;
    let limit = app.settings.max_body_bytes;
    let too_large = || {
        Error::problem(
            Code::PayloadTooLarge,
            text!("Le corps dépasse {limit} octets.", "The body exceeds {limit} bytes."),
        )
    };
    let declared = request.headers().get("content-length").and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let read = async {
        let mut bytes = BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| {
                Error::malformed(vec![Fault::body(
                    "",
                    "broken_body",
                    text!("Le corps n’est pas arrivé entier.", "The body did not arrive whole."),
                )])
            })?;
            if bytes.len() + chunk.len() > limit {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes.freeze())
    };
    let seconds = app.settings.body_timeout_seconds;
    let bytes = actix_web::rt::time::timeout(Duration::from_secs(seconds), read).await.map_err(|_| {
        Problem::new(
            Code::RequestTimeout,
            text!("Le corps n’est pas arrivé en {seconds} s.", "The body did not arrive within {seconds} s."),
        )
    })??;
    if request.headers().contains_key(super::idempotency::HEADER) {
        request.extensions_mut().insert(Received(Sha256::digest(&bytes).to_vec()));
    }
    Ok((app, bytes))
}

fn check_content_type(request: &HttpRequest, accepted: &[&str]) -> Result<()> {
    let coding = request.headers().get(CONTENT_ENCODING).and_then(|v| v.to_str().ok()).unwrap_or("identity");
    if !coding.eq_ignore_ascii_case("identity") {
        // Undone, a small body could be a large one.
        return Err(Problem::new(
            Code::UnsupportedMediaType,
            text!("Envoyer le corps sans le compresser.", "Send the body uncompressed."),
        )
        .with_header(ACCEPT_ENCODING, "identity")
        .into());
    }
    let given = request.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let mut parts = given.split(';').map(|part| part.trim().to_ascii_lowercase());
    let media_type = parts.next().unwrap_or_default();
    let foreign_charset =
        parts.any(|p| p.starts_with("charset=") && p.trim_start_matches("charset=").trim_matches('"') != "utf-8");
    if accepted.contains(&media_type.as_str()) && !foreign_charset {
        return Ok(());
    }
    let expected = accepted.join(", ");
    Err(Problem::new(
        Code::UnsupportedMediaType,
        text!("Content-Type attendu : {expected}, en UTF-8.", "Expected Content-Type: {expected}, in UTF-8."),
    )
    .with_header(actix_web::http::header::ACCEPT, &expected)
    .into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn a_patch_changes_what_it_names_and_nothing_else() {
        let mut target = json!({"a": 1, "b": {"c": 1, "d": 2}, "e": [1, 2]});
        super::merge(&mut target, &json!({"a": null, "b": {"c": 3}, "e": [4], "f": {"g": null}}));
        assert_eq!(target, json!({"b": {"c": 3, "d": 2}, "e": [4], "f": {}}));
    }
}
