//! Identifiers and states of organisations.

use super::details::{OrganisationDetails, OrganisationKind};
use crate::error::Fault;
use crate::http::text::Text;
use crate::text;

crate::codes! {
    /// Where an organisation stands.
    pub enum OrganisationStatus {
        /// Registered, not yet confirmed by the operator.
        Pending = "pending",
        Active = "active",
        /// Its tokens are refused.
        Suspended = "suspended",
    }
}

/// La Poste's SIREN: its establishments need not pass the Luhn check.
const LA_POSTE: &str = "356000000";

/// Luhn's check over decimal digits.
fn passes_luhn(digits: &str) -> bool {
    let mut sum = 0;
    for (place, byte) in digits.bytes().rev().enumerate() {
        let Some(digit) = char::from(byte).to_digit(10) else { return false };
        sum += match (place % 2, digit * 2) {
            (0, _) => digit,
            (_, double) if double > 9 => double - 9,
            (_, double) => double,
        };
    }
    sum % 10 == 0
}

/// Nine digits with a valid key.
pub fn is_siren(text: &str) -> bool {
    text.len() == 9 && passes_luhn(text) && text != "000000000"
}

/// Fourteen digits: a SIREN and five more, with a valid key; for La Poste a
/// digit sum divisible by five will do.
pub fn is_siret(text: &str) -> bool {
    if text.len() != 14 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let Some((siren, _)) = text.split_at_checked(9) else { return false };
    let digit_sum: u32 = text.chars().filter_map(|c| c.to_digit(10)).sum();
    is_siren(siren) && (passes_luhn(text) || (siren == LA_POSTE && digit_sum.is_multiple_of(5)))
}

/// Country of ISO 3166-1 alpha-2.
pub fn is_country(code: &str) -> bool {
    rust_iso3166::from_alpha2(code).is_some_and(|country| country.alpha2 == code)
}

/// A public http(s) address without credentials.
pub fn url_fault(pointer: &str, address: Option<&String>) -> Option<Fault> {
    let address = address?;
    let is_good = url::Url::parse(address).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some_and(|host| host.contains('.') || host.starts_with('['))
            && url.username().is_empty()
            && url.password().is_none()
    });
    (!is_good).then(|| {
        Fault::body(
            pointer,
            "invalid_url",
            text!(
                "Adresse attendue : http ou https, avec un nom d’hôte complet et sans identifiants.",
                "Expected an address with http or https, a full host name and no credentials."
            ),
        )
    })
}

/// What is wrong with the details beyond what their schema says.
pub fn faults(details: &OrganisationDetails) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut unless = |is_good: bool, pointer: &str, code, detail: Text| {
        if !is_good {
            faults.push(Fault::body(pointer, code, detail));
        }
    };
    let siren = details.siren.as_deref();
    let siret = details.siret.as_deref();
    unless(
        siren.is_none_or(is_siren),
        "/siren",
        "invalid_siren",
        text!("La clé de ce SIREN est fausse.", "The check digit of this SIREN is wrong."),
    );
    unless(
        siret.is_none_or(is_siret),
        "/siret",
        "invalid_siret",
        text!("La clé de ce SIRET est fausse.", "The check digit of this SIRET is wrong."),
    );
    if let (Some(siren), Some(siret)) = (siren, siret) {
        unless(
            siret.starts_with(siren),
            "/siret",
            "siret_of_another",
            text!(
                "Ce SIRET n’est pas un établissement de ce SIREN.",
                "This SIRET is not an establishment of this SIREN."
            ),
        );
    }
    let country = details.country.as_deref();
    unless(
        country.is_none_or(is_country),
        "/country",
        "unknown_country",
        text!("Code de pays ISO 3166-1 alpha-2 inconnu.", "Unknown ISO 3166-1 alpha-2 country code."),
    );
    let has_siren = siren.is_some() || siret.is_some();
    unless(
        !has_siren || country.is_none_or(|country| country == "FR"),
        "/country",
        "siren_abroad",
        text!("Un SIREN est français : pays FR.", "A SIREN is French: country FR."),
    );
    unless(
        has_siren || (details.register_number.is_some() && country.is_some()),
        "/siren",
        "identifier_required",
        text!(
            "Donner un SIREN ou un SIRET ; à défaut, le pays et le numéro au registre de ce pays.",
            "Give a SIREN or SIRET; failing that, the country and the number in its register."
        ),
    );
    let mut kinds = details.kinds.clone();
    kinds.sort();
    kinds.dedup();
    unless(
        kinds.len() == details.kinds.len(),
        "/kinds",
        "not_unique",
        text!("Un même type figure deux fois.", "The same kind appears twice."),
    );
    faults.extend(url_fault("/website", details.website.as_ref()));
    faults
}

/// The SIREN, given or contained in the SIRET.
pub fn siren(details: &OrganisationDetails) -> Option<String> {
    details.siren.clone().or_else(|| details.siret.as_ref()?.get(..9).map(ToOwned::to_owned))
}

/// What makes an organisation without a SIREN unique.
pub fn register_key(details: &OrganisationDetails) -> Option<String> {
    let (country, number) = (details.country.as_ref()?, details.register_number.as_ref()?);
    Some(format!("{country}:{}", number.to_uppercase().replace(' ', "")))
}

/// What only the operator may change once an organisation is there.
pub fn identity_changes(before: &OrganisationDetails, after: &OrganisationDetails) -> Vec<Fault> {
    let kinds = |details: &OrganisationDetails| {
        let mut kinds: Vec<OrganisationKind> = details.kinds.clone();
        kinds.sort();
        kinds
    };
    [
        ("/siren", before.siren != after.siren),
        ("/siret", before.siret != after.siret),
        ("/country", before.country != after.country),
        ("/register_number", before.register_number != after.register_number),
        ("/kinds", kinds(before) != kinds(after)),
        ("/name", before.name != after.name),
        ("/legal_nature", before.legal_nature.is_some() && before.legal_nature != after.legal_nature),
        ("/control", before.control.is_some() && before.control != after.control),
    ]
    .into_iter()
    .filter(|(_, changed)| *changed)
    .map(|(pointer, _)| {
        Fault::body(
            pointer,
            "operator_only",
            text!(
                "Seul l’exploitant du catalogue change cette valeur.",
                "Only the operator of the catalogue changes this value."
            ),
        )
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_identifiers_pass() {
        assert!(is_siren("732829320") && is_siren("130025265") && is_siren(LA_POSTE));
        assert!(is_siret("73282932000074") && is_siret("13002526500013"));
    }

    #[test]
    fn la_poste_passes_by_its_own_rule_only_for_itself() {
        assert!(is_siret("35600000000048"), "the head office passes Luhn");
        assert!(is_siret("35600000049837"), "others have a digit sum divisible by five");
        assert!(!is_siret("35600000049838"));
        assert!(!is_siret("73282932000050"), "no other company may use it");
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "73282932", "732829321", "73282932O", "７３２８２９３２０", "000000000"] {
            assert!(!is_siren(text), "{text}");
        }
        assert!(!is_siret("7328293200007") && !is_siret("7328293200007a"));
        assert!(!is_country("fr") && !is_country("ZZ") && is_country("FR"));
    }

    proptest::proptest! {
        #[test]
        fn one_wrong_digit_is_noticed(prefix in "[1-9][0-9]{7}", place in 0usize..9, shift in 1u8..10) {
            let siren = (0..10).map(|key| format!("{prefix}{key}")).find(|text| is_siren(text)).expect("a key");
            let mut bytes = siren.into_bytes();
            bytes[place] = b'0' + (bytes[place] - b'0' + shift) % 10;
            proptest::prop_assert!(!is_siren(&String::from_utf8(bytes).expect("digits")));
        }
    }
}
