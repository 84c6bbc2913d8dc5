//! That who registers a key has it: signed with the key itself, for one accreditation of one
//! catalogue, at that time. A key of somebody else's cannot be made an audit body's.

use serde::{Deserialize, Serialize};

use super::key::{PublicKey, SigningKey};
use super::{Result, jws};
use crate::db::{Id, Instant};
use crate::text;

/// `typ` of such a proof.
pub const TYP: &str = "gouvtech-key-proof+jwt";
/// How old one may be, in seconds: the body makes it, somebody else registers it.
const MAX_AGE: i64 = 7 * 86_400;
/// How far the clock of who made it may be ahead, in seconds.
const AHEAD: i64 = 300;

/// What the key signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Possession {
    /// For whom it is to be registered.
    pub accreditation: Id,
    /// Where: the name of the log.
    pub aud: String,
    /// When it was signed, in seconds since 1970.
    pub iat: i64,
    /// Thumbprint of the key (RFC 7638).
    pub kid: String,
}

/// A proof by this key.
///
/// # Errors
/// The library refuses.
pub fn prove(key: &SigningKey, accreditation: Id, audience: &str, now: Instant) -> Result<String> {
    let said = Possession { accreditation, aud: audience.to_owned(), iat: now.0.timestamp(), kid: key.public().kid() };
    jws::sign(TYP, &said, key)
}

/// Whether it proves this for this key, now.
///
/// # Errors
/// Another key made it, or for something else, or at another time.
pub fn check(proof: &str, key: &PublicKey, accreditation: Id, audience: &str, now: Instant) -> Result<()> {
    let said: Possession = jws::verify(proof, TYP, key)?;
    if said.accreditation != accreditation || said.aud != audience || said.kid != key.kid() {
        return Err(text!(
            "La preuve est pour une autre accréditation ou un autre catalogue que « {audience} ».",
            "The proof is for another accreditation, or another catalogue than `{audience}`."
        ));
    }
    let age = now.0.timestamp().saturating_sub(said.iat);
    if !(-AHEAD..=MAX_AGE).contains(&age) {
        return Err(text!(
            "La preuve date de plus de sept jours, ou d’un instant à venir.",
            "The proof is more than seven days old, or of an instant to come."
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::entry::tests::{at, id};
    use super::*;

    #[test]
    fn a_proof_holds_for_one_key_one_accreditation_one_catalogue_and_a_week() {
        let key = |seed| SigningKey::from_seed(&[seed; 32]).expect("a key");
        let now = at("2026-03-02T09:30:00Z");
        let proof = prove(&key(1), id(1), "a.example/log", now).expect("a proof");
        let holds = |key: PublicKey, accreditation, audience: &str, then: &str| {
            check(&proof, &key, accreditation, audience, at(then)).is_ok()
        };
        let own = key(1).public();
        assert!(holds(own, id(1), "a.example/log", "2026-03-02T09:30:00Z"));
        assert!(holds(own, id(1), "a.example/log", "2026-03-02T09:25:00Z"));
        assert!(holds(own, id(1), "a.example/log", "2026-03-09T09:30:00Z"));
        assert!(!holds(key(2).public(), id(1), "a.example/log", "2026-03-02T09:30:00Z"));
        assert!(!holds(own, id(2), "a.example/log", "2026-03-02T09:30:00Z"));
        assert!(!holds(own, id(1), "b.example/log", "2026-03-02T09:30:00Z"));
        assert!(!holds(own, id(1), "a.example/log", "2026-03-02T09:24:59Z"));
        assert!(!holds(own, id(1), "a.example/log", "2026-03-09T09:30:01Z"));
        // What the key signs elsewhere is no proof.
        let said =
            Possession { accreditation: id(1), aud: "a.example/log".into(), iat: now.0.timestamp(), kid: own.kid() };
        let other = jws::sign(super::super::entry::DECISION_TYP, &said, &key(1)).expect("signed");
        assert!(check(&other, &own, id(1), "a.example/log", now).is_err());
        let foreign = jws::sign(TYP, &Possession { kid: key(2).public().kid(), ..said }, &key(1)).expect("signed");
        assert!(check(&foreign, &own, id(1), "a.example/log", now).is_err());
    }
}
