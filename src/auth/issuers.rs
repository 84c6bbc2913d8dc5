//! Issuers of others: whose tokens are believed beside our own, and how their
//! claims become a principal. Any number, one `[[issuers]]` table each in the
//! file of settings.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::jwk::Algorithm;
use super::provider::{COOL_DOWN, Provider};
use super::refusal::{Refusal, RefusalKind as Kind};
use super::token::{self, MAX_LIFETIME};
use super::{Duty, Principal, Role};
use crate::db::Id;

/// An issuer, as the file of settings describes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerSettings {
    /// `iss` of its tokens, compared exactly; also where discovery starts.
    pub issuer: String,
    /// Any of these in `aud`.
    pub audiences: Vec<String>,
    /// Where its keys are; by discovery when absent.
    #[serde(default)]
    pub jwks_url: Option<String>,
    #[serde(default = "all_algorithms")]
    pub algorithms: Vec<Algorithm>,
    /// `typ` of the header; an empty text stands for none.
    #[serde(default = "access_tokens")]
    pub token_types: Vec<String>,
    /// Claims that must have exactly these values.
    #[serde(default)]
    pub require: BTreeMap<String, Value>,
    #[serde(default = "an_hour")]
    pub max_lifetime_seconds: i64,
    /// How long its keys are used before they are asked for again.
    #[serde(default = "five_minutes")]
    pub jwks_cache_seconds: i64,
    /// How long they are used while it does not answer.
    #[serde(default = "a_day")]
    pub jwks_keep_seconds: i64,
    /// Certificates to trust for it, instead of the public authorities.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// HTTP proxy on the way to it.
    #[serde(default)]
    pub proxy: Option<String>,
    /// Whether a SIRET in its tokens confirms the registration of its organisation.
    #[serde(default)]
    pub confirms_organisations: bool,
    pub claims: ClaimMapping,
}

/// Which claims say what.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimMapping {
    #[serde(default = "sub")]
    pub subject: ClaimPath,
    pub role: Mapping<Role>,
    #[serde(default)]
    pub duties: Option<Mapping<Duty>>,
    /// The id of the organisation here.
    #[serde(default)]
    pub organisation: Option<ClaimPath>,
    #[serde(default)]
    pub siret: Option<ClaimPath>,
}

/// A fixed value, or a claim and what its values mean here.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping<T: Ord> {
    pub fixed: Option<Vec<T>>,
    pub claim: Option<ClaimPath>,
    /// Values that are not listed mean nothing; without a list, values are our own words.
    pub values: Option<BTreeMap<String, T>>,
}

/// Names from the outside to the inside: `realm_access.roles`, or a list where a name has a dot.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "OneOrMany")]
pub struct ClaimPath(Vec<String>);

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl From<OneOrMany> for ClaimPath {
    fn from(path: OneOrMany) -> Self {
        Self(match path {
            OneOrMany::One(text) => text.split('.').map(ToOwned::to_owned).collect(),
            OneOrMany::Many(names) => names,
        })
    }
}

impl ClaimPath {
    fn of<'a>(&self, claims: &'a Map<String, Value>) -> Option<&'a Value> {
        let (first, rest) = self.0.split_first()?;
        rest.iter().try_fold(claims.get(first)?, |value, name| value.as_object()?.get(name))
    }
}

fn all_algorithms() -> Vec<Algorithm> {
    Algorithm::ALL.to_vec()
}

fn access_tokens() -> Vec<String> {
    vec!["at+jwt".to_owned()]
}

fn an_hour() -> i64 {
    MAX_LIFETIME
}

fn five_minutes() -> i64 {
    300
}

fn a_day() -> i64 {
    86_400
}

fn sub() -> ClaimPath {
    ClaimPath(vec!["sub".to_owned()])
}

impl IssuerSettings {
    /// What is wrong with it, by member.
    ///
    /// # Errors
    /// The first fault, with the member it is in.
    pub fn check(&self) -> Result<(), String> {
        let within = |name: &str, value: i64, range: std::ops::RangeInclusive<i64>| {
            let is_in = range.contains(&value);
            is_in
                .then_some(())
                .ok_or_else(|| format!("{name}: {value} is not within {} and {}", range.start(), range.end()))
        };
        let url = address(&self.issuer).map_err(|e| format!("issuer: {e}"))?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err("issuer: an issuer has no query and no fragment".to_owned());
        }
        if let Some(url) = &self.jwks_url {
            address(url).map_err(|e| format!("jwks_url: {e}"))?;
        }
        for (name, is_empty) in [
            ("audiences", self.audiences.is_empty() || self.audiences.iter().any(String::is_empty)),
            ("algorithms", self.algorithms.is_empty()),
            ("token_types", self.token_types.is_empty()),
        ] {
            if is_empty {
                return Err(format!("{name}: at least one, none empty"));
            }
        }
        within("max_lifetime_seconds", self.max_lifetime_seconds, 60..=MAX_LIFETIME)?;
        within("jwks_cache_seconds", self.jwks_cache_seconds, COOL_DOWN..=3600)?;
        within("jwks_keep_seconds", self.jwks_keep_seconds, self.jwks_cache_seconds..=604_800)?;
        self.claims.role.check().map_err(|e| format!("claims.role: {e}"))?;
        if self.claims.role.fixed.as_ref().is_some_and(|fixed| fixed.len() != 1) {
            return Err("claims.role: exactly one fixed role".to_owned());
        }
        if let Some(duties) = &self.claims.duties {
            duties.check().map_err(|e| format!("claims.duties: {e}"))?;
        }
        if self.confirms_organisations && self.claims.siret.is_none() {
            return Err("confirms_organisations: wants claims.siret".to_owned());
        }
        Ok(())
    }
}

/// An https address, or http on this very machine.
///
/// # Errors
/// What it is instead.
pub fn address(text: &str) -> Result<url::Url, String> {
    let url = url::Url::parse(text).map_err(|e| format!("{text}: {e}"))?;
    let is_loopback = match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("{text}: an address with credentials"));
    }
    match (url.scheme(), is_loopback) {
        ("https", _) | ("http", true) => Ok(url),
        _ => Err(format!("{text}: expected https (http only on the loopback)")),
    }
}

impl<T: Copy + Ord + for<'de> Deserialize<'de>> Mapping<T> {
    fn check(&self) -> Result<(), String> {
        match (&self.fixed, &self.claim, &self.values) {
            (Some(_), None, None) | (None, Some(_), _) => Ok(()),
            _ => Err("either `fixed`, or `claim` with or without `values`".to_owned()),
        }
    }

    /// What the claims say; none when a value is neither listed nor our own word.
    fn read(&self, claims: &Map<String, Value>) -> Option<Vec<T>> {
        if let Some(fixed) = &self.fixed {
            return Some(fixed.clone());
        }
        let given: Vec<&Value> = match self.claim.as_ref()?.of(claims) {
            None => Vec::new(),
            Some(Value::Array(many)) => many.iter().collect(),
            Some(one) => vec![one],
        };
        let mut read = Vec::new();
        for value in given {
            match (&self.values, value) {
                (Some(known), Value::String(word)) => read.extend(known.get(word).copied()),
                (None, Value::String(_)) => read.push(T::deserialize(value).ok()?),
                _ => return None,
            }
        }
        read.sort_unstable();
        read.dedup();
        Some(read)
    }
}

/// An issuer at work: its settings and its keys.
pub struct Issuer {
    pub settings: IssuerSettings,
    pub provider: Arc<Provider>,
}

impl Issuer {
    /// # Errors
    /// A certificate file or a proxy that cannot be used.
    pub fn new(settings: IssuerSettings) -> Result<Self, String> {
        let provider = Arc::new(Provider::new(&settings)?);
        Ok(Self { settings, provider })
    }

    /// The principal that verified claims describe.
    ///
    /// # Errors
    /// The first claim that is missing or not understood.
    pub fn principal(&self, claims: &Map<String, Value>) -> Result<Principal, Refusal> {
        let claim = |reason| Refusal::new(Kind::Claim, reason);
        let mapping = &self.settings.claims;
        let is_as_required = self.settings.require.iter().all(|(name, value)| claims.get(name) == Some(value));
        if !is_as_required {
            return Err(claim("a claim does not have the value that is required"));
        }
        let text = |path: &ClaimPath, reason| match path.of(claims) {
            None => Ok(None),
            Some(value) => token::short(value).map(Some).ok_or(claim(reason)),
        };
        let subject = text(&mapping.subject, "the subject is not text")?.ok_or(claim("the subject is missing"))?;
        let role = match mapping.role.read(claims).as_deref() {
            Some([role]) => *role,
            Some([_, _, ..]) => return Err(claim("the token has several roles")),
            _ => return Err(claim("the role is unknown")),
        };
        let duties = match &mapping.duties {
            Some(duties) => duties.read(claims).ok_or(claim("a duty is unknown"))?,
            None => Vec::new(),
        };
        if duties.iter().any(|duty| !role.duties().contains(duty)) {
            return Err(claim("a duty is not one of the role"));
        }
        let organisation = match &mapping.organisation {
            Some(path) => text(path, "organisation is not text")?
                .map(|id| Id::parse(id).ok_or(claim("organisation is not an id")))
                .transpose()?,
            None => None,
        };
        let siret = match &mapping.siret {
            Some(path) => text(path, "siret is not text")?.map(token::siret).transpose()?,
            None => None,
        };
        if organisation.is_some() && siret.is_some() {
            return Err(claim("organisation and siret exclude each other"));
        }
        Ok(Principal {
            issuer: self.settings.issuer.clone(),
            subject: subject.to_owned(),
            role,
            duties,
            organisation,
            siret,
            confirms_organisation: self.settings.confirms_organisations,
            service_account: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PLAIN: &str = r#"
        issuer = "https://id.example"
        audiences = ["api"]
        [claims]
        role = { claim = "realm.roles", values = { maker = "vendor", boss = "operator" } }
        duties = { claim = ["a.b"], values = { sign = "signatory", x = "moderator" } }
        organisation = "org"
        siret = "siret"
    "#;

    fn settings(change: impl Fn(&str) -> String) -> IssuerSettings {
        toml::from_str(&change(PLAIN)).expect("settings")
    }

    fn claims(value: Value) -> Map<String, Value> {
        value.as_object().expect("an object").clone()
    }

    #[test]
    fn what_is_not_said_is_safe_and_good() {
        let plain = settings(str::to_owned);
        assert_eq!(plain.check(), Ok(()));
        assert_eq!(
            (plain.max_lifetime_seconds, plain.jwks_cache_seconds, plain.jwks_keep_seconds),
            (3600, 300, 86_400)
        );
        assert_eq!((plain.algorithms, plain.token_types), (Algorithm::ALL.to_vec(), vec!["at+jwt".to_owned()]));
        assert_eq!(plain.claims.subject, ClaimPath(vec!["sub".to_owned()]));
        assert!(!plain.confirms_organisations);
    }

    #[test]
    fn settings_that_cannot_be_meant_are_named() {
        let with = |line: &str| settings(|plain| format!("{line}\n{plain}")).check();
        let instead = |from: &str, to: &str| settings(|plain| plain.replace(from, to)).check();
        for (outcome, member) in [
            (instead("https://id.example", "http://id.example"), "issuer"),
            (instead("https://id.example", "https://id.example/?a"), "issuer"),
            (instead("https://id.example", "https://id.example/#a"), "issuer"),
            (instead("https://id.example", "https://u@id.example/"), "issuer"),
            (instead("https://id.example", "https://:p@id.example/"), "issuer"),
            (instead("[\"api\"]", "[]"), "audiences"),
            (instead("[\"api\"]", "[\"api\", \"\"]"), "audiences"),
            (with("algorithms = []"), "algorithms"),
            (with("token_types = []"), "token_types"),
            (with("jwks_url = 'http://id.example/keys'"), "jwks_url"),
            (with("max_lifetime_seconds = 59"), "max_lifetime_seconds"),
            (with("max_lifetime_seconds = 3601"), "max_lifetime_seconds"),
            (with("jwks_cache_seconds = 29"), "jwks_cache_seconds"),
            (with("jwks_keep_seconds = 299"), "jwks_keep_seconds"),
            (instead("claim = \"realm.roles\"", "fixed = [\"vendor\"]"), "claims.role"),
            (
                instead(
                    "{ claim = \"realm.roles\", values = { maker = \"vendor\", boss = \"operator\" } }",
                    "{ fixed = [\"vendor\", \"buyer\"] }",
                ),
                "claims.role",
            ),
            (instead("claim = [\"a.b\"]", "fixed = [\"signatory\"]"), "claims.duties"),
            (
                settings(|plain| format!("confirms_organisations = true\n{}", plain.replace("siret = \"siret\"", "")))
                    .check(),
                "confirms_organisations",
            ),
        ] {
            assert!(outcome.as_ref().is_err_and(|error| error.starts_with(member)), "{member}: {outcome:?}");
        }
        assert_eq!(with("confirms_organisations = true"), Ok(()));
        for good in ["http://127.0.0.1:1/x", "http://[::1]/", "http://localhost/", "https://a.example/"] {
            assert!(address(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn claims_become_a_principal_by_the_mapping_alone() {
        let issuer =
            Issuer::new(settings(|plain| format!("require = {{ azp = \"app\" }}\n{plain}"))).expect("an issuer");
        let good = json!({"azp": "app", "sub": "a", "realm": {"roles": ["maker", "unknown"]}, "a.b": "sign"});
        let principal = issuer.principal(&claims(good.clone())).expect("good");
        assert_eq!((&*principal.issuer, &*principal.subject), ("https://id.example", "a"));
        assert_eq!((principal.role, principal.duties), (Role::Vendor, vec![Duty::Signatory]));
        assert!(!principal.confirms_organisation && principal.service_account.is_none());
        for (member, value) in [
            ("azp", json!("other")),
            ("azp", json!(null)),
            ("sub", json!("")),
            ("sub", json!(null)),
            ("sub", json!(1)),
            ("realm", json!({"roles": ["maker", "boss"]})),
            ("realm", json!({"roles": []})),
            ("realm", json!("maker")),
            ("realm", json!({"roles": [1]})),
            ("a.b", json!("x")),
            ("a.b", json!([{}])),
            ("org", json!("x")),
            ("org", json!(1)),
            ("siret", json!("73282932000075")),
            ("siret", json!(true)),
        ] {
            let mut bad = good.clone();
            bad[member] = value;
            assert!(issuer.principal(&claims(bad.clone())).is_err(), "{bad}");
        }
        let mut both = good.clone();
        both["siret"] = json!("73282932000074");
        assert_eq!(issuer.principal(&claims(both.clone())).expect("good").siret.as_deref(), Some("73282932000074"));
        both["org"] = json!("01890000-0000-7000-8000-000000000000");
        assert!(issuer.principal(&claims(both.clone())).is_err(), "named twice");
        both["siret"].take();
        let both = claims(both).into_iter().filter(|(name, _)| name != "siret").collect();
        assert!(issuer.principal(&both).expect("good").organisation.is_some());
        let words = settings(|plain| plain.replace(", values = { maker = \"vendor\", boss = \"operator\" }", ""));
        assert_eq!(words.claims.role.read(&claims(json!({"realm": {"roles": "buyer"}}))), Some(vec![Role::Buyer]));
        assert_eq!(words.claims.role.read(&claims(json!({"realm": {"roles": ["buyer", "maker"]}}))), None);
    }
}
