//! What must hold of every parser, whatever bytes it is given: one function per
//! parser, which panics where it does not. `fuzz/` feeds them with what libFuzzer
//! finds; the test below feeds them, each time, with what was ever found.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "an oracle says what it expects by panicking")]

use std::sync::{Arc, LazyLock};

use actix_web::http::header::{HeaderMap, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::auth::jwk::Algorithm;
use crate::auth::ring::Ring;
use crate::auth::token::{self, Header, LEEWAY, MAX_LIFETIME, Policy, Token};
use crate::db::{Id, Instant};
use crate::error::{Error, Place};
use crate::http::conditional::{self, IfMatch};
use crate::http::contract::Contract;
use crate::http::page::{After, CursorKey, Key};
use crate::http::query::{self, Query};
use crate::http::text::{fold, is_deceptive};
use crate::http::{body, idempotency};
use crate::import::Importer;
use crate::import::lines::{Format, Raw, records};
use crate::import::normalise::{self, Licence};
use crate::import::organisations::Organisations;
use crate::import::report::Flaw;
use crate::import::solutions::Solutions;

pub mod proof;

static CONTRACT: LazyLock<Contract> =
    LazyLock::new(|| Contract::new(crate::openapi::document()).expect("the document is one"));

/// The first byte and the rest, to choose by.
fn choice(data: &[u8]) -> (usize, &[u8]) {
    data.split_first().map_or((0, data), |(first, rest)| (usize::from(*first), rest))
}

fn text_of(data: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(data)
}

/// [`CursorKey`]: opens what it sealed, for that list alone, and nothing else.
pub fn cursor(data: &[u8]) {
    static KEY: LazyLock<CursorKey> = LazyLock::new(|| CursorKey::derive(b"fuzz"));
    let (place, rest) = choice(data);
    let text = text_of(rest);
    assert_eq!(KEY.open("list", &text), None, "nobody can make a cursor");
    let (canonical, key) = text.split_once('\n').unwrap_or(("", &text));
    let key = key.parse().map_or_else(|_| Key::Text(key.to_owned()), Key::Number);
    let after = After { key, id: Id(uuid::Uuid::from_u128(place as u128)) };
    let sealed = KEY.seal(canonical, &after);
    assert_eq!(KEY.open(canonical, &sealed).as_ref(), Some(&after));
    assert_eq!(KEY.open(&format!("{canonical}&"), &sealed), None, "another list");
    assert_eq!(CursorKey::derive(b"other").open(canonical, &sealed), None, "another key");
    assert_eq!(CursorKey::derive(b"other").or(KEY.clone()).open(canonical, &sealed), Some(after), "the key before");
    let mut altered = sealed.into_bytes();
    let at = place % altered.len();
    altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
    assert_eq!(KEY.open(canonical, &text_of(&altered)), None, "altered");
    altered.truncate(at);
    assert_eq!(KEY.open(canonical, &text_of(&altered)), None, "cut");
}

/// [`query`]: what is accepted is known and keeps its meaning in canonical form; the rest is the caller's fault.
pub fn query(data: &[u8]) {
    let (which, rest) = choice(data);
    let text = text_of(rest);
    match which % 9 {
        0 => query_as::<crate::solutions::view::SolutionFilter>(&text),
        1 => query_as::<crate::solutions::view::SolutionQuery>(&text),
        2 => query_as::<crate::criteria::view::CriterionFilter>(&text),
        3 => query_as::<crate::reviews::view::ReviewFilter>(&text),
        4 => query_as::<crate::labels::view::LabelFilter>(&text),
        5 => query_as::<crate::labels::view::ApplicationFilter>(&text),
        6 => query_as::<crate::organisations::view::OrganisationFilter>(&text),
        7 => query_as::<crate::evaluations::view::EvaluationFilter>(&text),
        _ => query_as::<crate::service_accounts::view::ServiceAccountFilter>(&text),
    }
}

fn query_as<T: ToSchema + DeserializeOwned + std::fmt::Debug>(text: &str) {
    let pairs: Vec<(String, String)> = query::pairs(text).collect();
    let read = match query::read::<T>(&CONTRACT, text) {
        Ok(read) => read,
        Err(Error::Problem(problem)) => {
            assert!(!problem.faults.is_empty(), "a refusal says why");
            return;
        }
        Err(error) => panic!("the caller is at fault, not the program: {error:?}"),
    };
    let schema = CONTRACT.query_schema::<T>();
    let known = schema["properties"].as_object().expect("properties");
    assert!(pairs.iter().all(|(name, _)| known.contains_key(name) || query::SHARED.contains(&name.as_str())));
    assert!(!pairs.iter().any(|(name, value)| name != "fields" && value.contains('\0')));
    // Two queries of one canonical form ask the same: a cursor of one opens for the other.
    let same = |other: &str| -> Query<T> { query::read(&CONTRACT, other).expect("accepted before") };
    let again = same(&read.canonical);
    assert_eq!(again.canonical, read.canonical);
    let apart: Vec<_> = pairs.into_iter().filter(|(name, _)| known.contains_key(name)).collect();
    let ordered = |pairs: &[(String, String)]| {
        let mut kept: Vec<_> = pairs.iter().filter(|(name, _)| name != "cursor" && name != "limit").cloned().collect();
        kept.sort();
        kept
    };
    let canonical: Vec<_> = query::pairs(&read.canonical).collect();
    assert_eq!(canonical, ordered(&apart), "no parameter is lost, none comes up");
    let plain = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&apart).finish();
    let rewritten = same(&plain);
    assert_eq!(rewritten.canonical, read.canonical);
    assert_eq!(format!("{:?}", rewritten.given), format!("{:?}", read.given));
}

/// [`conditional::parse`]: a version counts only where our own tag of it stands.
pub fn if_match(data: &[u8]) {
    let text = text_of(data);
    let read = conditional::parse(&text);
    match &read {
        Ok(IfMatch::Absent) => panic!("there was a header"),
        Ok(IfMatch::Any) => assert_eq!(text.trim(), "*"),
        Ok(IfMatch::Versions(versions)) => {
            for version in versions {
                assert!(*version > 0 && text.contains(&format!("\"v{version}")), "{text} does not name {version}");
                assert!(read.as_ref().expect("read").check(*version).is_ok());
            }
            let canonical: Vec<String> = versions.iter().map(|version| format!("\"v{version}\"")).collect();
            assert_eq!(
                conditional::parse(&canonical.join(", ")).expect("canonical"),
                IfMatch::Versions(versions.clone())
            );
            let absent = (1..).find(|version| !versions.contains(version)).expect("a number");
            assert!(read.as_ref().expect("read").check(absent).is_err());
        }
        Err(error) => assert!(matches!(error, Error::Problem(_))),
    }
    // Any tag of RFC 9110 §8.8.3 is a tag, alone and in a list.
    let opaque: String = text.chars().filter(|c| *c == '!' || ('#'..='~').contains(c) || *c >= '\u{80}').collect();
    let list = format!(",W/\"{opaque}\" , \"{opaque}\",\"v7.{opaque}\"");
    match conditional::parse(&list) {
        Ok(IfMatch::Versions(versions)) => assert_eq!(versions.last(), Some(&7), "{list}"),
        other => panic!("{list}: {other:?}"),
    }
}

/// [`idempotency::key`]: one value of 1 to 255 visible ASCII characters, taken as it is.
pub fn idempotency_key(data: &[u8]) {
    let mut headers = HeaderMap::new();
    let mut values = Vec::new();
    for part in data.split(|byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(part) {
            values.push(part);
            headers.append(idempotency::HEADER, value);
        }
    }
    let is_good =
        |value: &[u8]| (1..=255).contains(&value.len()) && value.iter().all(|byte| (0x21..=0x7e).contains(byte));
    match (idempotency::key(&headers), values.as_slice()) {
        (Ok(None), []) => {}
        (Ok(Some(key)), [one]) => assert!(is_good(one) && key.as_bytes() == *one),
        (Err(Error::Problem(problem)), all) => {
            assert_eq!(problem.faults.len(), 1);
            assert!(all.len() != 1 || !is_good(all[0]), "a good key is refused");
        }
        (outcome, all) => panic!("{outcome:?} of {all:?}"),
    }
}

/// [`Header::read`]: only what the closed list has, and nothing twice.
pub fn token_header(data: &[u8]) {
    if let Ok(members) = token::segment(&text_of(data)) {
        let plain = URL_SAFE_NO_PAD.decode(data).expect("strict base64url");
        assert_eq!(URL_SAFE_NO_PAD.encode(&plain).as_bytes(), data, "one spelling of each segment");
        assert_eq!(Value::Object(members), serde_json::from_slice::<Value>(&plain).expect("JSON"));
    }
    let Ok(members) = token::segment(&URL_SAFE_NO_PAD.encode(data)) else { return };
    let Ok(header) = Header::read(&members) else { return };
    assert!(members.keys().all(|name| ["typ", "alg", "kid"].contains(&name.as_str())));
    assert_eq!(members.get("alg").and_then(Value::as_str), Some(header.algorithm.code()));
    assert_eq!(members.get("kid").and_then(Value::as_str), Some(header.kid.as_str()));
    assert!(!header.kid.is_empty() && header.kid.chars().count() <= 255 && !header.kid.contains('\0'));
    assert!(Algorithm::ALL.contains(&header.algorithm) && !header.typ.bytes().any(|byte| byte.is_ascii_uppercase()));
    assert_eq!(Header::read(&canonical(&header)).expect("canonical"), header);
}

fn canonical(header: &Header) -> Map<String, Value> {
    let mut members = Map::new();
    // Only one prefix is taken away.
    let prefix = if header.typ.starts_with("application/") { "application/" } else { "" };
    if !header.typ.is_empty() {
        members.insert("typ".to_owned(), format!("{prefix}{}", header.typ).into());
    }
    members.insert("alg".to_owned(), header.algorithm.code().into());
    members.insert("kid".to_owned(), header.kid.as_str().into());
    members
}

/// [`Token`]: without our signature nothing is believed; with it, only claims of the contract.
pub fn whole_token(data: &[u8]) {
    static RING: LazyLock<Ring> = LazyLock::new(|| {
        let pem = crate::auth::keys::ServerKey::fresh_pem().expect("a key");
        Ring::parse(&pem).expect("a ring")
    });
    let now = Instant::from_micros(1_800_000_000_000_000).expect("an instant");
    let policy = Policy { issuer: "https://us.example".to_owned(), audience: "api".to_owned() };
    let believed = |token: &str| Token::read(token).ok()?.own_principal(&policy, &RING, now).ok()?;
    let text = text_of(data);
    assert!(believed(&text).is_none(), "nobody else signs");

    // The bytes as claims, or after a line end as header and claims, under our signature.
    let key = RING.signer(now).expect("a key");
    let own = json!({"typ": "at+jwt", "alg": "EdDSA", "kid": key.id}).to_string();
    let (header, claims) = match text.split_once('\n') {
        Some((header, claims)) => (header.replace("KID", &key.id), claims),
        None => (own.clone(), &*text),
    };
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(&header), URL_SAFE_NO_PAD.encode(claims));
    let token = format!("{signed}.{}", key.sign(signed.as_bytes()).expect("signed"));
    let Some(principal) = believed(&token) else { return };
    let header: Value = serde_json::from_str(&header).expect("JSON");
    assert!(header["alg"] == "EdDSA" && header["kid"] == json!(key.id));
    assert!(header["typ"].as_str().is_some_and(|typ| typ.to_ascii_lowercase().ends_with("at+jwt")));
    let claims: Value = serde_json::from_str(claims).expect("JSON");
    assert!(claims["iss"] == json!(policy.issuer) && claims["aud"].to_string().contains("\"api\""));
    let (from, to) = (claims["iat"].as_i64().expect("iat"), claims["exp"].as_i64().expect("exp"));
    let at = now.0.timestamp();
    assert!(from <= at + LEEWAY && at < to + LEEWAY && from < to && to - from <= MAX_LIFETIME);
    assert_eq!(claims["sub"], json!(principal.subject));
    assert_eq!(claims["role"], json!(principal.role));
    assert!(principal.duties.iter().all(|duty| principal.role.duties().contains(duty)));
    assert_eq!(claims["duties"].as_array().map_or(0, Vec::len), principal.duties.len());
    assert!(principal.organisation.is_none() || principal.siret.is_none());
    assert!(principal.siret.is_none_or(|siret| crate::organisations::rules::is_siret(&siret)));
    // Of a token that is believed no character can be another.
    let mut altered = token.into_bytes();
    let at = data.iter().fold(0_usize, |sum, byte| sum.wrapping_mul(31) + usize::from(*byte)) % altered.len();
    altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
    assert!(believed(&text_of(&altered)).is_none(), "altered at {at}");
}

/// Records of a file: what was read at which line.
fn read_records(format: Format, required: &[&str], data: &[u8]) -> Vec<(u64, Result<Raw, Flaw>)> {
    let mut all: Vec<(u64, Result<Raw, Flaw>)> = Vec::new();
    let mut take = |place: crate::import::report::Place, raw: Result<Raw, Flaw>| {
        assert!(all.last().is_none_or(|(line, _)| *line < place.line || format == Format::Csv), "lines go on");
        all.push((place.line, raw));
        Ok(())
    };
    let file: Arc<str> = "x".into();
    records(Box::new(data), format, &file, required, &|_| (), &mut take).expect("nobody refuses");
    let lines = data.split(|byte| *byte == b'\n').count() as u64;
    assert!(all.iter().all(|(line, _)| (1..=lines).contains(line)), "a line that is there");
    all
}

/// NDJSON: each record is what another reader reads on that line.
pub fn import_ndjson(data: &[u8]) {
    let lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    for (line, raw) in read_records(Format::Ndjson, Solutions::REQUIRED, data) {
        let Ok(raw) = raw else { continue };
        let text = lines[usize::try_from(line).expect("a line") - 1];
        let text = if line == 1 { text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text) } else { text };
        assert_eq!(Value::Object(raw.members.clone()), serde_json::from_slice::<Value>(text).expect("JSON"));
        import(raw);
    }
}

/// CSV: each record reads the same when it is written again.
pub fn import_csv(data: &[u8]) {
    let (which, data) = choice(data);
    let required = if which % 2 == 0 { Solutions::REQUIRED } else { Organisations::REQUIRED };
    for (_, raw) in read_records(Format::Csv, required, data) {
        let Ok(raw) = raw else { continue };
        assert!(
            raw.is_row && raw.members.values().all(|cell| cell.as_str().is_some_and(|cell| !cell.trim().is_empty()))
        );
        let mut names: Vec<&str> = raw.members.keys().map(String::as_str).collect();
        names.extend(required.iter().filter(|name| !raw.members.contains_key(**name)));
        let mut file = csv::Writer::from_writer(Vec::new());
        file.write_record(&names).expect("written");
        let cell = |name: &&str| raw.members.get(*name).and_then(Value::as_str).unwrap_or_default();
        file.write_record(names.iter().map(cell)).expect("written");
        let written = file.into_inner().expect("written");
        let again = read_records(Format::Csv, required, &written);
        assert_eq!(again.first().map(|(_, raw)| raw.as_ref()), Some(Ok(&raw)), "{}", text_of(&written));
        import(raw);
    }
}

/// What an importer takes, the rules and the document would take.
fn import(raw: Raw) {
    let importer = Solutions { source: Some("fuzz".to_owned()), ..Solutions::default() };
    match importer.read(raw.clone()) {
        Err(flaws) => assert!(!flaws.is_empty(), "a refusal says why"),
        Ok(entry) => {
            let (source, id) = Solutions::key(&entry);
            assert!(!source.is_empty() && !id.is_empty() && normalise::line(id) == (id.to_owned(), false));
            let faults = crate::solutions::rules::faults(&entry.sheet, None);
            assert!(faults.is_empty(), "{faults:?}");
            // Texts too long for the document are kept whole, and said to be.
            fits("SolutionSheet", &json!(entry.sheet), &["/name", "/summary", "/description"]);
            let original = json!(entry.original);
            assert!(!original.to_string().contains("\\u0000"));
            assert_eq!(normalise::storable(original.clone()), original);
        }
    }
    let register = Organisations { source: "fuzz".to_owned() };
    match register.read(raw) {
        Err(flaws) => assert!(!flaws.is_empty(), "a refusal says why"),
        Ok(body) => {
            let faults = crate::organisations::rules::faults(&body.details);
            assert!(faults.is_empty(), "{faults:?}");
            fits("OrganisationDetails", &json!(body.details), &[]);
        }
    }
}

fn fits(schema: &str, value: &Value, may_be_long: &[&str]) {
    let verdict = CONTRACT.check_named(schema, value).expect("a schema");
    for fault in verdict.malformed.iter().chain(&verdict.invalid) {
        let Place::Body(at) = &fault.place else { panic!("{fault:?}") };
        assert!(fault.code == "too_long" && may_be_long.contains(&at.as_str()), "{fault:?} in {value}");
    }
}

/// Text of people: what is stored is normal, plain to see, and folds alike. Nothing
/// here renders Markdown or HTML.
pub fn text(data: &[u8]) {
    let raw = text_of(data);
    for normal in [normalise::text, normalise::line] {
        let (once, _) = normal(&raw);
        assert_eq!(normal(&once), (once.clone(), false), "normal is normal");
        assert!(unicode_normalization::is_nfc(&once) && !once.chars().any(is_deceptive));
    }
    assert!(!normalise::line(&raw).0.contains(['\n', '\t']));
    let folded = fold(&raw);
    assert_eq!(fold(&folded), folded);
    assert_eq!(fold(&normalise::text(&raw.replace(is_deceptive, "")).0), fold(&raw.replace(is_deceptive, "")));
    assert!(folded.chars().all(|c| c.is_alphanumeric() || c == ' ') && folded.trim() == folded);
    assert!(normalise::cut(&raw, 7).chars().count() <= 7 && raw.starts_with(normalise::cut(&raw, 7)));
    if let Some(once) = normalise::address(&raw) {
        assert_eq!(normalise::address(&once).as_deref(), Some(&*once));
        assert!(crate::organisations::rules::url_fault("/x", Some(&once)).is_none(), "{once}");
    }
    if let Licence::Spdx(once) = normalise::licence(&raw) {
        assert_eq!(normalise::licence(&once), Licence::Spdx(once.clone()));
    }
    let mut value = json!({"a": [raw]});
    let mut faults = Vec::new();
    body::settle(&mut value, &mut String::new(), &mut faults);
    let settled = value["a"][0].as_str().expect("text").to_owned();
    assert!(unicode_normalization::is_nfc(&settled));
    assert_eq!(faults.len(), usize::from(raw.chars().any(|c| is_deceptive(c) && c != '\0')));
    let mut again = value.clone();
    body::settle(&mut again, &mut String::new(), &mut Vec::new());
    assert_eq!(again, value);
}

/// Bodies: strict JSON reads as JSON does, or not at all.
pub fn json_body(data: &[u8]) {
    let read = crate::http::json::read(data, 8);
    let plain = serde_json::from_slice::<Value>(data);
    match (&read, &plain) {
        (Ok(strict), Ok(plain)) => assert_eq!(strict, plain),
        (Ok(_), Err(error)) => panic!("not JSON is read: {error}"),
        (Err(fault), _) => assert!(matches!(fault.place, Place::Body(_))),
    }
    let Ok(value) = read else { return };
    let written = value.to_string();
    assert_eq!(crate::http::json::read(written.as_bytes(), 8).expect("read before"), value);
    // A member twice is refused wherever it is.
    let twice = format!("{{\"x\":{written},\"x\":null}}");
    assert!(crate::http::json::read(twice.as_bytes(), 9).is_err_and(|fault| fault.code == "duplicate_member"));
}

/// What must hold of a parser, whatever it is given.
pub type Oracle = fn(&[u8]);

/// Each target of `fuzz/` and what it holds.
pub const TARGETS: [(&str, Oracle); 17] = [
    ("cursor", cursor),
    ("query", query),
    ("if_match", if_match),
    ("idempotency_key", idempotency_key),
    ("token_header", token_header),
    ("token", whole_token),
    ("import_ndjson", import_ndjson),
    ("import_csv", import_csv),
    ("text", text),
    ("json", json_body),
    ("note", proof::note),
    ("checkpoint", proof::checkpoint),
    ("vkey", proof::vkey),
    ("jws", proof::jws),
    ("entry", proof::entry),
    ("tile", proof::tile),
    ("bundle", proof::bundle),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::TARGETS;

    fn run(name: &str, bytes: &[u8]) {
        let targets: BTreeMap<&str, fn(&[u8])> = TARGETS.into_iter().collect();
        targets[name](bytes);
    }

    #[test]
    fn what_was_found_once_is_found_no_more() {
        let seeds = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
        for (name, _) in TARGETS {
            let mut count = 0;
            for seed in std::fs::read_dir(seeds.join(name)).expect("seeds") {
                run(name, &std::fs::read(seed.expect("a seed").path()).expect("read"));
                count += 1;
            }
            assert!(count > 0, "{name} has no seed");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

        #[test]
        fn whatever_comes_the_parsers_hold(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..64)) {
            for (name, _) in TARGETS {
                run(name, &bytes);
            }
        }
    }
}
