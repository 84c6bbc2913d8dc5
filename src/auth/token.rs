//! Access tokens: JWTs of RFC 9068, ours and those of other issuers, verified by
//! a closed policy.
//!
//! The library verifies the signature; everything a token may say is decided
//! here, because the library's defaults are no policy.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::jwk::Algorithm;
use super::keys::ServerKey;
use super::refusal::{Refusal, RefusalKind as Kind};
use super::ring::Ring;
use super::{Duty, Principal, Role};
use crate::app::App;
use crate::db::{Id, Instant};
use crate::http::json;
use crate::organisations::rules::is_siret;

/// Tokens of people live at most this long, in seconds.
pub const MAX_LIFETIME: i64 = 3600;
/// Clocks may differ by this much, in seconds.
pub const LEEWAY: i64 = 30;
const MAX_TOKEN_BYTES: usize = 8192;
const MAX_CLAIM_CHARACTERS: usize = 255;
/// `client_id` of tokens made on the command line.
const COMMAND_LINE: &str = "gouvtech-catalogue-cli";

/// The `iss` and `aud` of our own tokens.
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
    /// The service account that asks for it; none on the command line.
    pub service_account: Option<Id>,
    pub lifetime_seconds: i64,
}

/// Makes a signed token.
///
/// # Errors
/// The signing library's words.
pub fn issue(key: &ServerKey, policy: &Policy, grant: &Grant, now: Instant) -> Result<String, String> {
    let header = json!({"typ": "at+jwt", "alg": "EdDSA", "kid": key.id});
    let issued = now.0.timestamp();
    let client = grant.service_account.map_or_else(|| COMMAND_LINE.to_owned(), |id| id.to_string());
    let mut claims = json!({
        "iss": policy.issuer, "aud": policy.audience, "sub": grant.subject, "client_id": client,
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
        if grant.service_account.is_some() {
            claims.insert("scope".to_owned(), json!(scope(grant.role, &grant.duties)));
        }
    }
    let signed = format!("{}.{}", encode(&header), encode(&claims));
    let signature = key.sign(signed.as_bytes())?;
    Ok(format!("{signed}.{signature}"))
}

/// Role and duties in the words of `security` in the document: `vendor vendor:signatory`.
pub fn scope(role: Role, duties: &[Duty]) -> String {
    let mut scope = role.code().to_owned();
    for duty in duties {
        scope.push_str(&format!(" {role}:{duty}"));
    }
    scope
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// Reads a token of ours or of an issuer that is believed, or says why it is refused.
///
/// # Errors
/// The first reason found; nothing that the token says counts before its signature.
pub async fn verify(app: &App, token: &str, now: Instant) -> Result<Principal, Refusal> {
    let token = Token::read(token)?;
    // Whose key to try: compared with the issuers of the settings, never looked up.
    let issuer = token.issuer()?;
    if issuer == app.policy.issuer {
        return token.own_principal(&app.policy, &app.keys.held(), now);
    }
    let Token { header, claims, signed, signature } = &token;
    let issuer = app
        .issuers
        .iter()
        .find(|one| one.settings.issuer == issuer)
        .ok_or(Refusal::new(Kind::Issuer, "the issuer is not believed"))?;
    let settings = &issuer.settings;
    header.fits(&settings.token_types, &settings.algorithms)?;
    let key = issuer.provider.key(&header.kid, header.algorithm, now).await?;
    if key.algorithm != header.algorithm {
        return Err(Refusal::new(Kind::Algorithm, "the algorithm is not that of the key"));
    }
    believe(key.verifies(signed.as_bytes(), signature))?;
    check_times(claims, now, settings.max_lifetime_seconds)?;
    check_audience(claims, &settings.audiences)?;
    issuer.principal(claims)
}

/// A token taken apart: well-formed, and not yet believed.
pub(crate) struct Token<'a> {
    header: Header,
    claims: Map<String, Value>,
    /// What the signature is of.
    signed: &'a str,
    signature: &'a str,
}

impl<'a> Token<'a> {
    /// Takes a compact JWS (RFC 7515) apart.
    pub(crate) fn read(token: &'a str) -> Result<Self, Refusal> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Refusal::new(Kind::Form, "the token is too long"));
        }
        let form = Refusal::new(Kind::Form, "not a compact JWS of three parts");
        let (signed, signature) = token.rsplit_once('.').ok_or(form)?;
        let (head, payload) = signed.split_once('.').filter(|(_, payload)| !payload.contains('.')).ok_or(form)?;
        Ok(Self { header: Header::read(&segment(head)?)?, claims: segment(payload)?, signed, signature })
    }

    fn issuer(&self) -> Result<&str, Refusal> {
        self.claims.get("iss").and_then(short).ok_or(Refusal::new(Kind::Issuer, "the issuer is missing"))
    }

    /// The principal of a token that claims to be ours.
    pub(crate) fn own_principal(&self, policy: &Policy, ring: &Ring, now: Instant) -> Result<Principal, Refusal> {
        self.header.fits(&["at+jwt"], &[Algorithm::EdDsa])?;
        let key = ring.find(&self.header.kid, now);
        let key = key.ok_or(Refusal::new(Kind::UnknownKey, "the key is unknown"))?;
        believe(key.verifies(self.signed.as_bytes(), self.signature))?;
        check_times(&self.claims, now, MAX_LIFETIME)?;
        check_audience(&self.claims, std::slice::from_ref(&policy.audience))?;
        own_principal(self.issuer()?, &self.claims)
    }
}

fn believe(verifies: bool) -> Result<(), Refusal> {
    if verifies { Ok(()) } else { Err(Refusal::new(Kind::Signature, "the signature does not verify")) }
}

/// Strict base64url of a strict JSON object: no padding, no member twice.
pub(crate) fn segment(text: &str) -> Result<Map<String, Value>, Refusal> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Refusal::new(Kind::Form, "not base64url"))?;
    match json::read(&bytes, 8) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(Refusal::new(Kind::Form, "not a JSON object with distinct members")),
    }
}

/// What the header says of a token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// In small letters, without `application/`; empty when there is none.
    pub(crate) typ: String,
    pub(crate) algorithm: Algorithm,
    pub(crate) kid: String,
}

impl Header {
    pub(crate) fn read(header: &Map<String, Value>) -> Result<Self, Refusal> {
        // A closed list: `jwk`, `jku`, `x5u`, `x5c`, `crit`, `b64`, `zip` are not in it.
        if header.keys().any(|name| !matches!(name.as_str(), "typ" | "alg" | "kid")) {
            return Err(Refusal::new(Kind::Header, "the header has a member other than typ, alg and kid"));
        }
        let typ = match header.get("typ") {
            None => String::new(),
            Some(typ) => short(typ).ok_or(Refusal::new(Kind::Header, "the type is not text"))?.to_ascii_lowercase(),
        };
        let algorithm = header.get("alg").and_then(Value::as_str).and_then(Algorithm::from_code);
        Ok(Self {
            typ: typ.strip_prefix("application/").unwrap_or(&typ).to_owned(),
            algorithm: algorithm.ok_or(Refusal::new(Kind::Algorithm, "the algorithm is not one that is believed"))?,
            kid: header
                .get("kid")
                .and_then(short)
                .ok_or(Refusal::new(Kind::UnknownKey, "the token does not name its key"))?
                .to_owned(),
        })
    }

    fn fits(&self, types: &[impl AsRef<str>], algorithms: &[Algorithm]) -> Result<(), Refusal> {
        if !types.iter().any(|typ| typ.as_ref().eq_ignore_ascii_case(&self.typ)) {
            return Err(Refusal::new(Kind::Header, "the type is not that of an access token"));
        }
        if !algorithms.contains(&self.algorithm) {
            return Err(Refusal::new(Kind::Algorithm, "the algorithm is not one that is believed of this issuer"));
        }
        Ok(())
    }
}

fn check_times(claims: &Map<String, Value>, now: Instant, max_lifetime: i64) -> Result<(), Refusal> {
    let refusal = |reason| Refusal::new(Kind::Time, reason);
    let whole = |name: &str, reason| match claims.get(name) {
        Some(value) => value.as_i64().filter(|at| (0..=253_402_300_799).contains(at)).map(Some).ok_or(refusal(reason)),
        None => Ok(None),
    };
    let now = now.0.timestamp();
    let exp = whole("exp", "exp is not a whole number of seconds")?.ok_or(refusal("exp is missing"))?;
    let iat = whole("iat", "iat is not a whole number of seconds")?.ok_or(refusal("iat is missing"))?;
    let nbf = whole("nbf", "nbf is not a whole number of seconds")?.unwrap_or(iat);
    if exp + LEEWAY <= now {
        return Err(refusal("the token has expired"));
    }
    if iat - LEEWAY > now || nbf - LEEWAY > now {
        return Err(refusal("the token is not valid yet"));
    }
    if exp <= iat || exp - iat > max_lifetime {
        return Err(refusal("the token lives too long"));
    }
    Ok(())
}

fn check_audience(claims: &Map<String, Value>, audiences: &[String]) -> Result<(), Refusal> {
    let is_ours = |one: &Value| one.as_str().is_some_and(|one| audiences.iter().any(|audience| audience == one));
    let is_for_us = match claims.get("aud") {
        Some(one @ Value::String(_)) => is_ours(one),
        Some(Value::Array(many)) => many.iter().any(is_ours),
        _ => false,
    };
    if is_for_us { Ok(()) } else { Err(Refusal::new(Kind::Audience, "the audience is another")) }
}

/// Text that is there, not too long, and that both databases can be asked for.
pub(super) fn short(value: &Value) -> Option<&str> {
    value
        .as_str()
        .filter(|text| !text.is_empty() && text.chars().count() <= MAX_CLAIM_CHARACTERS && !text.contains('\0'))
}

/// A SIRET with a right key.
pub(super) fn siret(text: &str) -> Result<String, Refusal> {
    if is_siret(text) { Ok(text.to_owned()) } else { Err(Refusal::new(Kind::Claim, "siret is not a SIRET")) }
}

/// The principal of one of our own tokens: claims under the names of the contract.
fn own_principal(issuer: &str, claims: &Map<String, Value>) -> Result<Principal, Refusal> {
    let claim = |reason| Refusal::new(Kind::Claim, reason);
    let text = |name: &str| claims.get(name).and_then(short);
    let subject = text("sub").ok_or(claim("sub is missing"))?;
    text("jti").ok_or(claim("jti is missing"))?;
    let client = text("client_id").ok_or(claim("client_id is missing"))?;
    let service_account = match client {
        COMMAND_LINE => None,
        client => Some(Id::parse(client).ok_or(claim("client_id is unknown"))?),
    };
    let role = text("role").and_then(Role::from_code).ok_or(claim("the role is unknown"))?;
    let duties = match claims.get("duties") {
        None => Vec::new(),
        Some(Value::Array(many)) => many
            .iter()
            .map(|one| one.as_str().and_then(Duty::from_code).filter(|duty| role.duties().contains(duty)))
            .collect::<Option<Vec<Duty>>>()
            .ok_or(claim("a duty is unknown or not one of the role"))?,
        Some(_) => return Err(claim("duties is not a list")),
    };
    let organisation = match claims.get("organisation") {
        None => None,
        Some(_) => Some(text("organisation").and_then(Id::parse).ok_or(claim("organisation is not an id"))?),
    };
    let siret = match claims.get("siret") {
        None => None,
        Some(_) => Some(siret(text("siret").ok_or(claim("siret is not text"))?)?),
    };
    if organisation.is_some() && siret.is_some() {
        return Err(claim("organisation and siret exclude each other"));
    }
    Ok(Principal {
        issuer: issuer.to_owned(),
        subject: subject.to_owned(),
        role,
        duties,
        organisation,
        siret,
        confirms_organisation: false,
        service_account,
    })
}
