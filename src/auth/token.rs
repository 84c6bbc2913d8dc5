//! Access tokens: JWTs of RFC 9068, issued and verified by a closed policy.
//!
//! The library verifies the signature; everything a token may say is decided
//! here, because the library's defaults are no policy.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::keys::ServerKey;
use super::{Duty, Principal, Role};
use crate::db::{Id, Instant};
use crate::http::json;

/// Tokens of people live at most this long, in seconds.
pub const MAX_LIFETIME: i64 = 3600;
/// Clocks may differ by this much, in seconds.
const LEEWAY: i64 = 30;
const MAX_TOKEN_BYTES: usize = 8192;
const MAX_CLAIM_CHARACTERS: usize = 255;

/// Who issues the tokens this service believes, and for whom.
#[derive(Debug, Clone)]
pub struct Policy {
    pub issuer: String,
    pub audience: String,
}

/// What a token is to say.
#[derive(Debug, Clone)]
pub struct Grant {
    pub subject: String,
    pub role: Role,
    pub duties: Vec<Duty>,
    pub organisation: Option<Id>,
    pub siret: Option<String>,
    pub lifetime_seconds: i64,
}

/// Why a token is refused; said in `WWW-Authenticate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal(pub &'static str);

/// Makes a signed token.
///
/// # Errors
/// The signing library's words.
pub fn issue(key: &ServerKey, policy: &Policy, grant: &Grant, now: Instant) -> Result<String, String> {
    let header = json!({"typ": "at+jwt", "alg": "EdDSA", "kid": key.id});
    let issued = now.0.timestamp();
    let mut claims = json!({
        "iss": policy.issuer, "aud": policy.audience, "sub": grant.subject, "client_id": "gouvtech-catalogue-cli",
        "iat": issued, "exp": issued + grant.lifetime_seconds, "jti": uuid::Uuid::now_v7().to_string(), "role": grant.role,
    });
    if let Value::Object(claims) = &mut claims {
        if !grant.duties.is_empty() {
            claims.insert("duties".to_owned(), json!(grant.duties));
        }
        if let Some(organisation) = grant.organisation {
            claims.insert("organisation".to_owned(), json!(organisation));
        }
        if let Some(siret) = &grant.siret {
            claims.insert("siret".to_owned(), json!(siret));
        }
    }
    let signed = format!("{}.{}", encode(&header), encode(&claims));
    let signature = key.sign(signed.as_bytes())?;
    Ok(format!("{signed}.{signature}"))
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// Reads a token, or says why it is refused.
///
/// # Errors
/// The first reason found; signature before content.
pub fn verify(key: &ServerKey, policy: &Policy, token: &str, now: Instant) -> Result<Principal, Refusal> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(Refusal("the token is too long"));
    }
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = parts.as_slice() else {
        return Err(Refusal("not a compact JWS of three parts"));
    };
    let header = segment(header)?;
    check_header(key, &header)?;
    if signature.is_empty()
        || !key.verifies(format!("{}.{payload}", parts.first().unwrap_or(&"")).as_bytes(), signature)
    {
        return Err(Refusal("the signature does not verify"));
    }
    let claims = segment(payload)?;
    check_times(&claims, now)?;
    check_claims(policy, &claims)
}

/// Strict base64url of a strict JSON object: no padding, no member twice.
fn segment(text: &str) -> Result<Map<String, Value>, Refusal> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Refusal("not base64url"))?;
    match json::read(&bytes, 8) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(Refusal("not a JSON object with distinct members")),
    }
}

fn check_header(key: &ServerKey, header: &Map<String, Value>) -> Result<(), Refusal> {
    // A closed list: `jwk`, `jku`, `x5u`, `x5c`, `crit`, `b64`, `zip` are not in it.
    if header.keys().any(|name| !matches!(name.as_str(), "typ" | "alg" | "kid")) {
        return Err(Refusal("the header has a member other than typ, alg and kid"));
    }
    let text = |name: &str| header.get(name).and_then(Value::as_str);
    let typ = text("typ").map(str::to_ascii_lowercase);
    if !matches!(typ.as_deref(), Some("at+jwt" | "application/at+jwt")) {
        return Err(Refusal("the type is not at+jwt"));
    }
    if text("alg") != Some("EdDSA") {
        return Err(Refusal("the algorithm is not that of the key"));
    }
    if text("kid") != Some(key.id.as_str()) {
        return Err(Refusal("the key is unknown"));
    }
    Ok(())
}

fn check_times(claims: &Map<String, Value>, now: Instant) -> Result<(), Refusal> {
    let whole = |name: &str, refusal| match claims.get(name) {
        Some(value) => value.as_i64().filter(|at| (0..=253_402_300_799).contains(at)).map(Some).ok_or(Refusal(refusal)),
        None => Ok(None),
    };
    let now = now.0.timestamp();
    let exp = whole("exp", "exp is not a whole number of seconds")?.ok_or(Refusal("exp is missing"))?;
    let iat = whole("iat", "iat is not a whole number of seconds")?.ok_or(Refusal("iat is missing"))?;
    let nbf = whole("nbf", "nbf is not a whole number of seconds")?.unwrap_or(iat);
    if exp + LEEWAY <= now {
        return Err(Refusal("the token has expired"));
    }
    if iat - LEEWAY > now || nbf - LEEWAY > now {
        return Err(Refusal("the token is not valid yet"));
    }
    if exp <= iat || exp - iat > MAX_LIFETIME {
        return Err(Refusal("the token lives too long"));
    }
    Ok(())
}

fn check_claims(policy: &Policy, claims: &Map<String, Value>) -> Result<Principal, Refusal> {
    let text = |name: &str| {
        claims
            .get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty() && text.chars().count() <= MAX_CLAIM_CHARACTERS && !text.contains('\0'))
    };
    if text("iss") != Some(policy.issuer.as_str()) {
        return Err(Refusal("the issuer is not believed"));
    }
    let is_for_us = match claims.get("aud") {
        Some(Value::String(one)) => *one == policy.audience,
        Some(Value::Array(many)) => many.iter().any(|one| one.as_str() == Some(&policy.audience)),
        _ => false,
    };
    if !is_for_us {
        return Err(Refusal("the audience is another"));
    }
    let subject = text("sub").ok_or(Refusal("sub is missing"))?;
    text("jti").ok_or(Refusal("jti is missing"))?;
    text("client_id").ok_or(Refusal("client_id is missing"))?;
    let role = text("role").and_then(Role::from_code).ok_or(Refusal("the role is unknown"))?;
    let duties = match claims.get("duties") {
        None => Vec::new(),
        Some(Value::Array(many)) => many
            .iter()
            .map(|one| one.as_str().and_then(Duty::from_code).filter(|duty| role.duties().contains(duty)))
            .collect::<Option<Vec<Duty>>>()
            .ok_or(Refusal("a duty is unknown or not one of the role"))?,
        Some(_) => return Err(Refusal("duties is not a list")),
    };
    let organisation = match claims.get("organisation") {
        None => None,
        Some(_) => Some(text("organisation").and_then(Id::parse).ok_or(Refusal("organisation is not an id"))?),
    };
    let siret = match claims.get("siret") {
        None => None,
        Some(_) => Some(text("siret").ok_or(Refusal("siret is not text"))?.to_owned()),
    };
    if organisation.is_some() && siret.is_some() {
        return Err(Refusal("organisation and siret exclude each other"));
    }
    Ok(Principal { issuer: policy.issuer.clone(), subject: subject.to_owned(), role, duties, organisation, siret })
}
