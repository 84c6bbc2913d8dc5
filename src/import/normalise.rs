//! Clean values out of messy ones. Pure: what could not be taken is for the
//! caller to keep.

use serde_json::{Map, Number, Value};
use unicode_normalization::UnicodeNormalization;

use crate::http::text::{fold, is_deceptive};
use crate::solutions::sheet::Audience;

/// Text without controls and other deceptive characters, in Unicode NFC (UAX
/// #15), without blanks around it; and whether more than those blanks and the
/// line ends had to change.
pub fn text(raw: &str) -> (String, bool) {
    // NFC last: taking a character away can bring two together that compose.
    let clean: String = raw
        .replace("\r\n", "\n")
        .chars()
        .filter_map(|c| match c {
            '\r' | '\u{b}' | '\u{c}' | '\u{85}' => Some('\n'),
            '\n' | '\t' => Some(c),
            c => (!is_deceptive(c)).then_some(c),
        })
        .nfc()
        .collect();
    let clean = clean.trim();
    let is_altered = clean != raw.trim() && clean != raw.replace("\r\n", "\n").trim();
    (clean.to_owned(), is_altered)
}

/// [`text`] on one line.
pub fn line(raw: &str) -> (String, bool) {
    let (clean, is_altered) = text(raw);
    if !clean.contains(['\n', '\t']) {
        return (clean, is_altered);
    }
    (clean.split(['\n', '\t']).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" "), true)
}

/// The first characters of a text.
pub fn cut(text: &str, characters: usize) -> &str {
    text.char_indices().nth(characters).and_then(|(at, _)| text.get(..at)).unwrap_or(text)
}

/// A value both databases keep and give back equal: no NUL, which PostgreSQL
/// refuses, and whole numbers written as such.
pub fn storable(value: Value) -> Value {
    match value {
        Value::String(text) if text.contains('\0') => Value::String(text.replace('\0', "\u{fffd}")),
        Value::Array(items) => items.into_iter().map(storable).collect(),
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(name, member)| (name.replace('\0', "\u{fffd}"), storable(member)))
                .collect::<Map<_, _>>(),
        ),
        Value::Number(number) => Value::Number(whole(&number).unwrap_or(number)),
        other => other,
    }
}

fn whole(number: &Number) -> Option<Number> {
    let float = number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0)?;
    format!("{float:.0}")
        .parse::<i64>()
        .map(Number::from)
        .or_else(|_| format!("{float:.0}").parse::<u64>().map(Number::from))
        .ok()
}

/// A public http(s) address that RFC 3986 knows, from what may lack its scheme
/// or its escapes; none when it is no such address.
pub fn address(raw: &str) -> Option<String> {
    let given = raw.trim();
    let with_scheme =
        if given.contains("://") { given.to_owned() } else { format!("https://{}", given.trim_start_matches("//")) };
    let url = url::Url::parse(&with_scheme).ok()?;
    let host = url.host_str()?;
    let is_name = host.contains('.')
        && host.starts_with(|c: char| c.is_ascii_alphanumeric())
        && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    let is_public = matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
    // Without a scheme, `mailto:a@b.fr` or `readme.md: see there` must not become a host.
    let is_bare_host = |text: &str| {
        let authority = text.trim_start_matches("//").split(['/', '?', '#']).next().unwrap_or_default();
        let (host, port) = authority.split_once(':').unwrap_or((authority, "0"));
        let ending = host.rsplit('.').next().unwrap_or_default();
        ending.len() > 1
            && ending.chars().all(char::is_alphabetic)
            && port.bytes().all(|b| b.is_ascii_digit())
            && !host.contains(char::is_whitespace)
    };
    if !is_name || !is_public || !(given.contains("://") || is_bare_host(given)) {
        return None;
    }
    let strict = strict(&url, host);
    let answer = if is_strict(&with_scheme, host) { with_scheme } else { strict };
    (answer.chars().count() <= 2000).then_some(answer)
}

/// Whether an address may stand as it was written.
fn is_strict(address: &str, host: &str) -> bool {
    let Some((scheme, rest)) = address.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let tail = rest.get(authority.len()..).unwrap_or_default();
    let named = authority.split(':').next().unwrap_or_default();
    matches!(scheme, "http" | "https")
        && named.eq_ignore_ascii_case(host)
        && !authority.ends_with(':')
        && tail.matches('#').count() <= 1
        && escaped(tail, "/?#") == tail
}

/// An address made of its parts, with everything escaped that RFC 3986 wants escaped.
fn strict(url: &url::Url, host: &str) -> String {
    let mut text = format!("{}://{host}", url.scheme());
    text.extend(url.port().map(|port| format!(":{port}")));
    text.push_str(&escaped(url.path(), "/"));
    text.extend(url.query().map(|query| format!("?{}", escaped(query, "/?"))));
    text.extend(url.fragment().map(|fragment| format!("#{}", escaped(fragment, "/?"))));
    text
}

fn escaped(part: &str, delimiters: &str) -> String {
    let mut text = String::with_capacity(part.len());
    let bytes = part.as_bytes();
    for (at, byte) in bytes.iter().copied().enumerate() {
        let is_escape = byte == b'%'
            && matches!(bytes.get(at + 1..at + 3), Some([a, b]) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
        let c = char::from(byte);
        let stands = byte.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@".contains(c) || delimiters.contains(c);
        if is_escape || (byte.is_ascii() && stands) {
            text.push(c);
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// What a source says of the licence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Licence {
    /// An SPDX expression.
    Spdx(String),
    /// No free licence at all.
    Proprietary,
    /// Not known, or not to be said in SPDX.
    Other,
}

/// Reads a licence as SPDX where that is certain: deprecated and loosely
/// written names, lists of alternatives.
pub fn licence(raw: &str) -> Licence {
    let given = raw.trim();
    if given.chars().count() > 200 {
        return Licence::Other;
    }
    if spdx::Expression::parse(given).is_ok() {
        return Licence::Spdx(given.to_owned());
    }
    if fold(given) == "proprietary" {
        return Licence::Proprietary;
    }
    let alternatives = given.replace(" or ", " OR ");
    let parts = alternatives.split([',', '/']).flat_map(|part| part.split(" OR ")).map(str::trim);
    let Some(mut names) = parts.map(licence_name).collect::<Option<Vec<String>>>() else { return Licence::Other };
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    let expression = names.join(" OR ");
    let is_spdx = expression.chars().count() <= 200 && spdx::Expression::parse(&expression).is_ok();
    if is_spdx { Licence::Spdx(expression) } else { Licence::Other }
}

/// Families of GNU licences, whose names say whether later versions are meant.
const GNU: &[&str] = &["AGPL", "LGPL", "GPL", "GFDL"];

/// The name SPDX has for one licence.
fn licence_name(raw: &str) -> Option<String> {
    let known = |name: &str| {
        spdx::identifiers::LICENSES
            .iter()
            .find(|licence| licence.name.eq_ignore_ascii_case(name))
            .map(|licence| licence.name.to_owned())
            .filter(|name| spdx::Expression::parse(name).is_ok())
    };
    let compact = raw.trim().to_uppercase().trim_start_matches("GNU ").replace(' ', "-");
    if let Some((family, version)) = GNU.iter().find_map(|family| Some((family, compact.strip_prefix(family)?)))
        && !version.ends_with("-ONLY")
        && !version.ends_with("-OR-LATER")
    {
        let (version, suffix) = match version.strip_suffix('+') {
            Some(version) => (version, "or-later"),
            None => (version, "only"),
        };
        let number = version.trim_start_matches('-').trim_start_matches('V');
        let number = if number.contains('.') { number.to_owned() } else { format!("{number}.0") };
        return known(&format!("{family}-{number}-{suffix}"));
    }
    // `MPL 2.0` and `cecill-2.1` name one licence only; `BSD` or `Apache` alone do not.
    known(raw.trim()).or_else(|| known(&compact))
}

/// Families that a source's own category stands for beyond doubt, by its folded name.
const FAMILIES: &[(&str, &str)] = &[
    ("ai agent", "briques_ia"),
    ("ai machine learning", "briques_ia"),
    ("accounting", "finances_gestion_integree"),
    ("analytics", "pilotage_donnees"),
    ("antivirus", "cybersecurite"),
    ("api gateway", "integration_developpement"),
    ("archiving and digital preservation dp", "gestion_documentaire_archivage"),
    ("authentification", "identite_signature_confiance"),
    ("booking and scheduling", "relation_usagers_contact"),
    ("calendar contacts", "bureautique_collaboration"),
    ("certified kubernetes distribution", "hebergement_infrastructure"),
    ("certified kubernetes hosted", "hebergement_infrastructure"),
    ("cloud native network", "hebergement_infrastructure"),
    ("cloud native storage", "hebergement_infrastructure"),
    ("collaboration", "bureautique_collaboration"),
    ("communication custom communication systems", "communication_visioconference"),
    ("communication video conferencing", "communication_visioconference"),
    ("communication xmpp servers", "communication_visioconference"),
    ("container runtime", "hebergement_infrastructure"),
    ("content management system cms", "portails_contenus"),
    ("content management systems cms", "portails_contenus"),
    ("continuous integration delivery", "integration_developpement"),
    ("customer relations management crm", "relation_usagers_contact"),
    ("customer relationship management crm", "relation_usagers_contact"),
    ("cybersecurite", "cybersecurite"),
    ("cybersecurity risk management", "cybersecurite"),
    ("document management", "gestion_documentaire_archivage"),
    ("education training", "formation_ludification"),
    ("finance", "finances_gestion_integree"),
    ("generative artificial intelligence genai", "briques_ia"),
    ("gestion de contenu web", "portails_contenus"),
    ("gestion de projet", "projets_connaissances"),
    ("groupware", "bureautique_collaboration"),
    ("human resources", "ressources_humaines"),
    ("human resources management hrm", "ressources_humaines"),
    ("internet of things iot", "objets_connectes_territoires"),
    ("knowledge management tools", "projets_connaissances"),
    ("learning and courses", "formation_ludification"),
    ("legal policy", "juridique_conformite"),
    ("maps and global positioning system gps", "geomatique_image"),
    ("marches publics", "achats_commande_publique"),
    ("moteur sig", "geomatique_image"),
    ("office suites", "bureautique_collaboration"),
    ("outil collaboratif", "bureautique_collaboration"),
    ("paas container service", "hebergement_infrastructure"),
    ("resource planning", "finances_gestion_integree"),
    ("securite", "cybersecurite"),
    ("securite informatique", "cybersecurite"),
    ("security compliance", "cybersecurite"),
    ("software development api management", "integration_developpement"),
    ("software development project management", "projets_connaissances"),
    ("visiophonie", "communication_visioconference"),
    ("wikis", "projets_connaissances"),
];

/// At most three families for a source's own categories.
pub fn families(categories: &[String]) -> Vec<String> {
    let mut families = Vec::new();
    for category in categories {
        let folded = fold(category);
        let found = FAMILIES.iter().find(|(name, _)| *name == folded).map(|(_, family)| (*family).to_owned());
        if let Some(family) = found.filter(|family| !families.contains(family)) {
            families.push(family);
        }
    }
    families.truncate(3);
    families
}

/// The kind of public body a source's own word stands for; none for others,
/// such as private persons and companies.
pub fn audience(word: &str) -> Option<Audience> {
    match fold(word).as_str() {
        "state" | "etat" | "ministeres" | "prefectures" => Some(Audience::State),
        "local authority" | "collectivite territoriale" => Some(Audience::LocalAuthority),
        "hospital" => Some(Audience::Hospital),
        "operator" => Some(Audience::Operator),
        "education" | "etablissement scolaire" | "universite" => Some(Audience::Education),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_mended_where_it_is_certain() {
        let same = |text: &str| assert_eq!(address(text).as_deref(), Some(text));
        same("https://www.7-zip.org/");
        same("http://Example.org");
        same("https://fr.wikipedia.org/wiki/Caf%C3%A9_(lieu)?a=b&c#d");
        for (raw, mended) in [
            ("  https://a.fr/x ", "https://a.fr/x"),
            ("www.figma.com", "https://www.figma.com"),
            ("ArcGIS.com", "https://ArcGIS.com"),
            ("contentguru.com/en-us", "https://contentguru.com/en-us"),
            ("https://a.fr/é à", "https://a.fr/%C3%A9%20%C3%A0"),
            ("https://a.fr/x?y=[1]|2", "https://a.fr/x?y=%5B1%5D%7C2"),
            ("https://a.fr/100%", "https://a.fr/100%25"),
            ("https://été.fr/", "https://xn--t-9fab.fr/"),
        ] {
            assert_eq!(address(raw).as_deref(), Some(mended), "{raw}");
        }
        for raw in [
            "git://git.apache.org/x.git",
            "git@github.com:a/b.git",
            "mailto:a@b.fr",
            "à venir",
            "",
            "localhost",
            "https://localhost/",
            "https://a:b@c.fr/",
            "ftp://a.fr",
            "javascript:alert(1)",
            "readme.md: see there",
            "n/a",
            "1.2",
        ] {
            assert_eq!(address(raw), None, "{raw}");
        }
    }

    #[test]
    fn licences_become_spdx_where_it_is_certain() {
        let spdx = |raw: &str| match licence(raw) {
            Licence::Spdx(text) => text,
            other => format!("{other:?}"),
        };
        for (raw, expression) in [
            ("MIT", "MIT"),
            ("GPL-3.0", "GPL-3.0-only"),
            ("AGPL-3.0", "AGPL-3.0-only"),
            ("GPL-2.0+", "GPL-2.0-or-later"),
            ("GPL V2.0", "GPL-2.0-only"),
            ("LGPL-v2.1", "LGPL-2.1-only"),
            ("AGPL-3", "AGPL-3.0-only"),
            ("MPL 2.0", "MPL-2.0"),
            ("CeCILL-2.1", "CECILL-2.1"),
            ("GPL-2.0-only / LGPL-2.0-only", "GPL-2.0-only OR LGPL-2.0-only"),
            ("MIT, LGPL-3, AGPL-3", "MIT OR LGPL-3.0-only OR AGPL-3.0-only"),
            ("Apache-2.0 OR GPL-2.0", "Apache-2.0 OR GPL-2.0-only"),
            ("⊘ Proprietary", "Proprietary"),
            ("N/A", "Other"),
            ("CPA", "Other"),
            ("BSD-3.0", "Other"),
            ("", "Other"),
            ("AGPL-3.0 OR Commons-Clause", "Other"),
            ("AGPL-3.0 OR ⊘ Proprietary", "Other"),
            ("GPL-9.0", "Other"),
        ] {
            assert_eq!(spdx(raw), expression, "{raw}");
        }
    }

    #[test]
    fn every_family_of_the_table_exists() {
        for (name, family) in FAMILIES {
            assert!(crate::families::find(family).is_some(), "{family}");
            assert_eq!(fold(name), *name);
        }
    }

    #[test]
    fn text_loses_only_what_is_no_text() {
        assert_eq!(text(" a\r\nb\t"), ("a\nb".to_owned(), false));
        assert_eq!(text("a\0b\u{7}"), ("ab".to_owned(), true));
        assert_eq!(text("e\u{301}"), ("é".to_owned(), true));
        assert_eq!(line("a\n\n b"), ("a b".to_owned(), true));
        assert_eq!(cut("été", 2), "ét");
    }

    /// Text with everything that makes trouble in it.
    fn any_text() -> impl Strategy<Value = String> {
        let troubles = prop::sample::select(vec![
            "\0", "\u{7}", "\r", "\r\n", "\u{85}", "e", "\u{301}", "\u{327}", "\u{1100}", "\u{1161}", " ", "\u{a0}",
            ".", ":", "/", "//", "https://", "www.", "fr", "%", "%4", "#", "?", "[", "]", "@", "GPL", "-3", "+",
            " OR ", ",",
        ]);
        prop::collection::vec(prop_oneof![troubles.prop_map(ToOwned::to_owned), ".{0,6}".boxed()], 0..12)
            .prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn normalising_twice_is_normalising_once(raw in any_text()) {
            for normal in [text, line] {
                let (once, _) = normal(&raw);
                prop_assert_eq!(normal(&once), (once.clone(), false));
                prop_assert!(unicode_normalization::is_nfc(&once));
                prop_assert!(!once.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
            }
        }

        #[test]
        fn an_address_is_mended_once_and_fits_the_document(raw in any_text()) {
            if let Some(once) = address(&raw) {
                prop_assert_eq!(address(&once), Some(once.clone()));
                prop_assert!(crate::organisations::rules::url_fault("/x", Some(&once)).is_none(), "{}", once);
                let schema = jsonschema::options()
                    .with_draft(jsonschema::Draft::Draft202012)
                    .should_validate_formats(true)
                    .build(&serde_json::json!({"format": "uri"}))
                    .expect("a schema");
                prop_assert!(schema.is_valid(&Value::from(once.clone())), "{}", once);
            }
        }

        #[test]
        fn a_licence_is_read_once(raw in any_text()) {
            if let Licence::Spdx(once) = licence(&raw) {
                prop_assert_eq!(licence(&once), Licence::Spdx(once.clone()));
            }
        }

        #[test]
        fn what_is_kept_holds_no_nul(raw in any_text(), number in any::<f64>()) {
            let kept = storable(serde_json::json!({raw.clone(): [raw.clone(), number]}));
            prop_assert!(!kept.to_string().contains("\\u0000"));
            prop_assert_eq!(storable(kept.clone()), kept.clone());
            prop_assert!(families(std::slice::from_ref(&raw)).len() <= 3 && audience(&raw).is_none_or(|_| true));
        }
    }
}
