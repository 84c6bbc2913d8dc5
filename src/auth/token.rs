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
    if let Some(principal) = token.own_principal(&app.policy, &app.keys.held(), now)? {
        return Ok(principal);
    }
    // Whose key to try: compared with the issuers of the settings, never looked up.
    let issuer = token.issuer()?;
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

    /// The principal of a token of ours; none when it names another issuer.
    pub(crate) fn own_principal(
        &self,
        policy: &Policy,
        ring: &Ring,
        now: Instant,
    ) -> Result<Option<Principal>, Refusal> {
        let issuer = self.issuer()?;
        if issuer != policy.issuer {
            return Ok(None);
        }
        self.header.fits(&["at+jwt"], &[Algorithm::EdDsa])?;
        let key = ring.find(&self.header.kid, now);
        let key = key.ok_or(Refusal::new(Kind::UnknownKey, "the key is unknown"))?;
        believe(key.verifies(self.signed.as_bytes(), self.signature))?;
        check_times(&self.claims, now, MAX_LIFETIME)?;
        check_audience(&self.claims, std::slice::from_ref(&policy.audience))?;
        own_principal(issuer, &self.claims).map(Some)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().expect("an object").clone()
    }

    #[test]
    fn times_hold_to_the_second() {
        let now = Instant::from_micros(1_800_000_000_000_000).expect("an instant");
        let at = |shift: i64| 1_800_000_000 + shift;
        let kind = |claims: Value| check_times(&object(claims), now, MAX_LIFETIME).err().map(|refusal| refusal.kind);
        let times = |iat: i64, exp: i64| json!({"iat": at(iat), "exp": at(exp)});
        for good in [times(0, 3600), times(-10, -10 + 1), times(30, 31), times(-3600, 0), times(-60, 1 - LEEWAY)] {
            assert_eq!(kind(good.clone()), None, "{good}");
        }
        for bad in [
            times(0, 3601),
            times(31, 40),
            times(-60, -LEEWAY),
            times(5, 5),
            times(5, 4),
            json!({"iat": at(0)}),
            json!({"exp": at(60)}),
            json!({"iat": at(0), "exp": at(60), "nbf": at(31)}),
            json!({"iat": at(0), "exp": at(60), "nbf": 0.5}),
            json!({"iat": -1, "exp": at(60)}),
            json!({"iat": at(0), "exp": 1_800_000_060.0}),
            json!({"iat": at(0), "exp": "1800000060"}),
            json!({"iat": at(0), "exp": 253_402_300_800_i64}),
        ] {
            assert_eq!(kind(bad.clone()), Some(Kind::Time), "{bad}");
        }
        assert_eq!(kind(json!({"iat": at(0), "exp": at(60), "nbf": at(30)})), None);
    }

    #[test]
    fn an_audience_is_one_of_ours() {
        let audiences = ["api".to_owned(), "other".to_owned()];
        let fits = |aud: Value| check_audience(&object(json!({"aud": aud})), &audiences).is_ok();
        assert!(fits(json!("api")) && fits(json!(["x", "other"])));
        assert!(
            !fits(json!("API"))
                && !fits(json!([]))
                && !fits(json!(["x"]))
                && !fits(json!({"api": 1}))
                && !fits(json!(null))
        );
        assert!(check_audience(&Map::new(), &audiences).is_err());
    }

    #[test]
    fn claims_of_ours_are_those_of_the_contract() {
        let id = "01890000-0000-7000-8000-000000000000";
        let good =
            json!({"sub": "a", "jti": "b", "client_id": COMMAND_LINE, "role": "auditor", "duties": ["evaluator"]});
        let read = |claims: &Value| own_principal("us", &object(claims.clone()));
        let principal = read(&good).expect("good");
        assert_eq!((&*principal.issuer, &*principal.subject, principal.role), ("us", "a", Role::Auditor));
        assert_eq!((principal.duties, principal.service_account), (vec![Duty::Evaluator], None));
        for (member, value) in [
            ("sub", json!(null)),
            ("sub", json!("")),
            ("sub", json!("a".repeat(256))),
            ("sub", json!("a\0")),
            ("jti", json!(1)),
            ("client_id", json!("else")),
            ("client_id", json!(null)),
            ("role", json!("Auditor")),
            ("role", json!(["auditor"])),
            ("duties", json!("evaluator")),
            ("duties", json!(["moderator"])),
            ("duties", json!(["evaluator", 1])),
            ("organisation", json!("x")),
            ("organisation", json!(null)),
            ("siret", json!("73282932000075")),
            ("siret", json!(null)),
        ] {
            let mut bad = good.clone();
            bad[member] = value;
            assert_eq!(read(&bad).expect_err(member).kind, Kind::Claim, "{bad}");
        }
        let with = |member: &str, value: &str| {
            let mut claims = good.clone();
            claims[member] = value.into();
            claims
        };
        assert_eq!(read(&with("client_id", id)).expect("good").service_account, Id::parse(id));
        assert_eq!(read(&with("organisation", id)).expect("good").organisation, Id::parse(id));
        let mut both = with("siret", "73282932000074");
        assert_eq!(read(&both).expect("good").siret.as_deref(), Some("73282932000074"));
        both["organisation"] = id.into();
        assert!(read(&both).is_err());
        assert_eq!(read(&with("sub", &"é".repeat(255))).expect("good").subject.chars().count(), 255);
    }

    #[test]
    fn a_scope_names_the_role_and_each_duty() {
        assert_eq!(scope(Role::Vendor, &[]), "vendor");
        assert_eq!(scope(Role::Vendor, &[Duty::Signatory]), "vendor vendor:signatory");
    }

    #[test]
    fn a_header_fits_by_type_and_algorithm() {
        let read = |header: Value| Header::read(&object(header));
        let header = read(json!({"typ": "application/AT+JWT", "alg": "EdDSA", "kid": "k"})).expect("good");
        assert!(header.fits(&["at+jwt"], &[Algorithm::EdDsa]).is_ok());
        assert_eq!(header.fits(&["jwt"], &[Algorithm::EdDsa]).expect_err("type").kind, Kind::Header);
        assert_eq!(header.fits(&["at+jwt"], &[Algorithm::Es256]).expect_err("algorithm").kind, Kind::Algorithm);
        assert_eq!(read(json!({"alg": "EdDSA", "kid": "k"})).expect("no type").typ, "");
        for (bad, kind) in [
            (json!({"typ": 1, "alg": "EdDSA", "kid": "k"}), Kind::Header),
            (json!({"alg": "EdDSA", "kid": "k", "crit": []}), Kind::Header),
            (json!({"alg": "none", "kid": "k"}), Kind::Algorithm),
            (json!({"alg": "EdDSA"}), Kind::UnknownKey),
        ] {
            assert_eq!(read(bad.clone()).expect_err("refused").kind, kind, "{bad}");
        }
    }

    /// Members of a JSON object, right ones and others, some of them twice.
    fn members(names: &'static [&str], values: &'static [&str]) -> impl Strategy<Value = String> {
        let member = (select(names), select(values)).prop_map(|(name, value)| format!("\"{name}\":{value}"));
        prop::collection::vec(member, 0..4).prop_map(|members| members.join(","))
    }

    fn header() -> impl Strategy<Value = String> {
        let values: &[&str] = &[
            "\"at+jwt\"",
            "\"application/AT+JWT\"",
            "\"EdDSA\"",
            "\"none\"",
            "\"RS256\"",
            "\"KID\"",
            "\"\"",
            "null",
            "{}",
        ];
        members(&["typ", "alg", "kid", "jku", "crit"], values).prop_map(|members| format!("{{{members}}}"))
    }

    fn claims() -> impl Strategy<Value = String> {
        let values: &[&str] = &[
            "1799999990",
            "1800000031",
            "1800000030",
            "1799999970",
            "1799999969",
            "1800003000",
            "1800003590",
            "1.5",
            "-1",
            "\"vendor\"",
            "\"operator\"",
            "\"x\"",
            "\"\"",
            "null",
            "[]",
            "[\"api\"]",
            "[\"signatory\"]",
            "[\"moderator\"]",
            "\"73282932000074\"",
            "\"73282932000075\"",
            "\"01890000-0000-7000-8000-000000000000\"",
        ];
        let good = select(&[
            "",
            r#","iss":"https://us.example","aud":"api","sub":"a","client_id":"gouvtech-catalogue-cli","jti":"x""#,
        ]);
        let times = select(&["", r#","iat":1799999990,"exp":1800003000"#, r#","iat":1799999990,"exp":1800003591"#]);
        let role = select(&["", r#","role":"vendor""#, r#","role":"operator","duties":["moderator"]"#]);
        let names = &["iss", "aud", "sub", "exp", "iat", "nbf", "role", "duties", "organisation", "siret", "z"];
        (good, times, role, members(names, values)).prop_map(|(good, times, role, others)| {
            format!("{{{}}}", format!("{good}{times}{role},{others}").trim_matches(','))
        })
    }

    proptest! {
        #[test]
        fn a_header_is_the_closed_list_or_refused(header in header()) {
            crate::fuzzing::token_header(header.as_bytes());
        }

        #[test]
        fn only_signed_claims_of_the_contract_are_believed(header in header(), claims in claims(), is_own in any::<bool>()) {
            let token = if is_own { claims } else { format!("{header}\n{claims}") };
            crate::fuzzing::whole_token(token.as_bytes());
        }
    }
}
