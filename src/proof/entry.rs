//! What the log holds: what befell labels and keys, each entry in canonical JSON.
//!
//! The log is public and never changes, so it holds no free text and nobody's name: identifiers,
//! dates, and hashes of what is said elsewhere. Refusals are no one's business: their entry says
//! when and a hash, nothing else.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::key::PublicKey;
use super::merkle::{Hash, leaf_hash};
use super::tiles::MAX_ENTRY;
use super::{Result, canonical, jws};
use crate::db::{Id, Instant};
use crate::labels::rules::{DecisionOutcome, LabelStatus};
use crate::text;

/// `typ` of what an audit body signs.
pub const DECISION_TYP: &str = "gouvtech-decision+jwt";

crate::codes! {
    /// What befell a label.
    pub enum EventKind {
        Granted = "granted",
        /// A decision took the place of an earlier one.
        Corrected = "corrected",
        /// One or several reservations were mended.
        ReservationsLifted = "reservations_lifted",
        SurveillanceOpened = "surveillance_opened",
        SurveillanceEnded = "surveillance_ended",
        Suspended = "suspended",
        /// Valid again after a suspension.
        Reinstated = "reinstated",
        /// Taken back.
        Withdrawn = "withdrawn",
        /// Given up by the vendor.
        Renounced = "renounced",
        /// Past its last day.
        Expired = "expired",
        /// A later label took its place.
        Superseded = "superseded",
        /// Valid for longer, while the application that renews it is examined: at most three months, once.
        Extended = "extended",
        /// Another audit body watches over it.
        Transferred = "transferred",
        /// The vendor published what may change what the label says.
        ChangeNoted = "change_noted",
        /// The audit body found that it does not.
        ChangeAssessed = "change_assessed",
    }
}

crate::codes! {
    /// What a key may sign.
    pub enum KeyPurpose {
        /// Checkpoints of the log, and what it says of a label's last event.
        Log = "log",
        /// Attestations and status lists.
        Issuer = "issuer",
        /// Decisions of an audit body.
        Auditor = "auditor",
    }
}

crate::codes! {
    /// What befell a key.
    pub enum KeyChange {
        /// May sign from this entry on.
        Registered = "registered",
        /// Signs no more; what it signed stands.
        Retired = "retired",
        /// Somebody else may have it: signs no more. What the log holds before this entry stands.
        Revoked = "revoked",
    }
}

/// An entry of the log.
///
/// The number in its `type` is the version of its form. A later form gets another number, and
/// entries of the earlier one are read as long as the log exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum LogEntry {
    /// What befell a label.
    #[serde(rename = "gouvtech-label/1")]
    Label(Box<LabelEvent>),
    /// A decision against a label.
    #[serde(rename = "gouvtech-refusal/1")]
    Refusal(Box<Refusal>),
    /// What befell a key.
    #[serde(rename = "gouvtech-key/1")]
    Key(Box<KeyEvent>),
}

/// What befell a label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelEvent {
    /// Number of the label.
    pub label: String,
    /// Counts the events of this label: 1, 2, 3, …, in the order of the log.
    pub label_seq: u32,
    pub kind: EventKind,
    /// Where the label stands from then on.
    pub status: LabelStatus,
    /// From when; never before the label's previous event.
    pub at: Instant,
    pub solution: Id,
    pub application: Id,
    /// The audit body that examined and decided; after a transfer, the one that watches over it.
    pub audit_body: Id,
    /// The decision, for what an audit body decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Id>,
    /// The decision that this one corrects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrects: Option<Id>,
    /// What was decided, with `decision`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<DecisionOutcome>,
    /// First day of validity.
    pub valid_from: NaiveDate,
    /// Last day of validity.
    pub valid_until: NaiveDate,
    /// Hash of the canonical JSON of what was decided or done, reasons included.
    pub data: Hash,
    /// Hash of the attestation (the compact JWS) that is valid from then on, if it is a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attestation: Option<Hash>,
    /// The audit body's own signature: a [`SignedDecision`]. Without it, that the body decided so
    /// is the catalogue's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// A decision against a label: that there was one, and when. Who knows its content, the parties,
/// can prove it by the hash; nobody else learns whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    pub at: Instant,
    /// Hash of the canonical JSON of the decision, its identifier included, which nobody guesses.
    pub data: Hash,
}

/// What befell a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyEvent {
    /// Thumbprint of the key (RFC 7638).
    pub kid: String,
    /// Counts the events of this key: 1, 2.
    pub key_seq: u32,
    pub change: KeyChange,
    pub at: Instant,
    /// The key, when it is registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<PublicKey>,
    /// What it may sign, when it is registered.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub purposes: BTreeSet<KeyPurpose>,
    /// The audit body whose key it is, when it is registered; none: the catalogue's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Id>,
}

/// What an audit body signs of its decision, before the catalogue gives it an identifier and the
/// label a number: the case, the outcome, and the hash of all the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedDecision {
    pub application: Id,
    pub audit_body: Id,
    pub outcome: DecisionOutcome,
    /// The decision that this one corrects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrects: Option<Id>,
    /// Hash of the canonical JSON of the decision, as in [`LabelEvent::data`].
    pub data: Hash,
}

impl LogEntry {
    /// Reads an entry, in its one form.
    ///
    /// # Errors
    /// It is none, or says what no entry may say.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let entry: Self = canonical::read_as(bytes)?;
        entry.check()?;
        Ok(entry)
    }

    /// What the log keeps.
    ///
    /// # Errors
    /// It says what no entry may say, or is longer than [`MAX_ENTRY`].
    pub fn bytes(&self) -> Result<Vec<u8>> {
        self.check()?;
        let bytes = canonical::to_vec(self)?;
        if bytes.len() > MAX_ENTRY {
            let length = bytes.len();
            return Err(text!(
                "Une entrée de {length} octets est trop longue.",
                "An entry of {length} bytes is too long."
            ));
        }
        Ok(bytes)
    }

    /// Its hash as a leaf.
    ///
    /// # Errors
    /// Those of [`LogEntry::bytes`].
    pub fn leaf(&self) -> Result<Hash> {
        self.bytes().map(|bytes| leaf_hash(&bytes))
    }

    fn check(&self) -> Result<()> {
        let is_sound = match self {
            Self::Label(event) => event.is_sound(),
            Self::Refusal(_) => true,
            Self::Key(event) => event.is_sound(),
        };
        if is_sound {
            Ok(())
        } else {
            Err(text!(
                "Les membres de cette entrée se contredisent.",
                "The members of this entry contradict each other."
            ))
        }
    }
}

impl LabelEvent {
    fn is_sound(&self) -> bool {
        let is_decided = matches!(self.kind, EventKind::Granted | EventKind::Corrected);
        is_label_number(&self.label)
            && self.label_seq > 0
            && (self.label_seq == 1) == (self.kind == EventKind::Granted)
            && self.valid_from <= self.valid_until
            && self.decision.is_some() == is_decided
            && self.outcome.is_some() == is_decided
            && (is_decided || self.signature.is_none())
            // A correction corrects a decision; what is granted may correct a refusal.
            && match self.kind {
                EventKind::Corrected => self.corrects.is_some(),
                EventKind::Granted => self.attestation.is_some(),
                _ => self.corrects.is_none(),
            }
    }

    /// What the audit body says, if it signed and this key is its.
    ///
    /// # Errors
    /// The signature is another's, or over another decision than this event.
    pub fn verify_signature(&self, signature: &str, key: &PublicKey) -> Result<SignedDecision> {
        let signed: SignedDecision = jws::verify(signature, DECISION_TYP, key)?;
        let is_this = signed.application == self.application
            && signed.audit_body == self.audit_body
            && Some(signed.outcome) == self.outcome
            && signed.corrects == self.corrects
            && signed.data == self.data;
        if is_this {
            Ok(signed)
        } else {
            Err(text!("La signature porte sur une autre décision.", "The signature is over another decision."))
        }
    }
}

impl KeyEvent {
    fn is_sound(&self) -> bool {
        let is_first = self.change == KeyChange::Registered;
        (self.key_seq == 1) == is_first
            && self.key_seq > 0
            && match self.x {
                Some(x) => is_first && x.kid() == self.kid,
                None => !is_first,
            }
            && self.purposes.is_empty() != is_first
            && self.holder.is_some() == self.purposes.contains(&KeyPurpose::Auditor)
            && (self.holder.is_none() || self.purposes.len() == 1)
    }
}

/// Whether it has the form of a label's number, `GT-2026-00001`.
pub fn is_label_number(number: &str) -> bool {
    let is_digits = |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    number
        .strip_prefix("GT-")
        .and_then(|rest| rest.split_once('-'))
        .is_some_and(|(year, number)| is_digits(year, 4) && is_digits(number, 5))
}

#[cfg(test)]
pub(in crate::proof) mod tests {
    use super::super::key::SigningKey;
    use super::*;

    pub(in crate::proof) fn id(number: u128) -> Id {
        Id(uuid::Uuid::from_u128(number))
    }

    pub(in crate::proof) fn at(text: &str) -> Instant {
        Instant::new(chrono::DateTime::parse_from_rfc3339(text).expect("an instant").to_utc())
    }

    pub(in crate::proof) fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    pub(in crate::proof) fn granted() -> LabelEvent {
        LabelEvent {
            label: "GT-2026-00001".to_owned(),
            label_seq: 1,
            kind: EventKind::Granted,
            status: LabelStatus::Active,
            at: at("2026-03-02T09:30:00.25Z"),
            solution: id(1),
            application: id(2),
            audit_body: id(3),
            decision: Some(id(4)),
            corrects: None,
            outcome: Some(DecisionOutcome::Granted),
            valid_from: day("2026-03-02"),
            valid_until: day("2029-03-01"),
            data: Hash::of(b"decided"),
            attestation: Some(Hash::of(b"attested")),
            signature: None,
        }
    }

    pub(in crate::proof) fn registered(key: PublicKey, purposes: &[KeyPurpose], holder: Option<Id>) -> KeyEvent {
        KeyEvent {
            kid: key.kid(),
            key_seq: 1,
            change: KeyChange::Registered,
            at: at("2026-01-01T00:00:00Z"),
            x: Some(key),
            purposes: purposes.iter().copied().collect(),
            holder,
        }
    }

    /// The form of what is logged never changes: other programs read it too.
    #[test]
    fn an_entry_has_the_form_it_always_had() {
        let entry = LogEntry::Label(Box::new(granted()));
        let bytes = entry.bytes().expect("bytes");
        assert_eq!(
            String::from_utf8_lossy(&bytes),
            concat!(
                r#"{"application":"00000000-0000-0000-0000-000000000002","at":"2026-03-02T09:30:00.250Z","#,
                r#""attestation":"E6h0SO1IiRdQyMVbwgcqIRNwVfCDPna4ZH9fPekpdv0=","audit_body":"00000000-0000-0000-0000-000000000003","#,
                r#""data":"jTxmhuwwbbVaxXaDykxLlrNlDY1j6VWZ+dXRqNPzGVY=","decision":"00000000-0000-0000-0000-000000000004","kind":"granted","#,
                r#""label":"GT-2026-00001","label_seq":1,"outcome":"granted","solution":"00000000-0000-0000-0000-000000000001","#,
                r#""status":"active","type":"gouvtech-label/1","valid_from":"2026-03-02","valid_until":"2029-03-01"}"#
            )
        );
        assert_eq!(LogEntry::parse(&bytes), Ok(entry));
        let key = SigningKey::from_seed(&[1; 32]).expect("a key").public();
        for entry in [
            LogEntry::Key(Box::new(registered(key, &[KeyPurpose::Log, KeyPurpose::Issuer], None))),
            LogEntry::Refusal(Box::new(Refusal { at: at("2026-01-01T00:00:00Z"), data: Hash::of(b"no") })),
        ] {
            assert_eq!(LogEntry::parse(&entry.bytes().expect("bytes")), Ok(entry));
        }
    }

    #[test]
    fn what_contradicts_itself_is_no_entry() {
        let alter = |alter: fn(&mut LabelEvent)| {
            let mut event = granted();
            alter(&mut event);
            LogEntry::Label(Box::new(event))
        };
        for bad in [
            alter(|one| one.label = "GT-26-1".to_owned()),
            alter(|one| one.label_seq = 0),
            alter(|one| one.label_seq = 2),
            alter(|one| one.kind = EventKind::Suspended),
            alter(|one| one.decision = None),
            alter(|one| one.outcome = None),
            alter(|one| one.attestation = None),
            alter(|one| one.valid_until = day("2026-03-01")),
        ] {
            assert!(bad.bytes().is_err(), "{bad:?}");
            assert!(LogEntry::parse(&canonical::to_vec(&bad).expect("JSON")).is_err());
        }
        let key = SigningKey::from_seed(&[1; 32]).expect("a key").public();
        let alter = |alter: fn(&mut KeyEvent)| {
            let mut event = registered(key, &[KeyPurpose::Auditor], Some(id(3)));
            alter(&mut event);
            LogEntry::Key(Box::new(event))
        };
        assert!(alter(|_| ()).bytes().is_ok());
        for bad in [
            alter(|one| one.kid.push('A')),
            alter(|one| one.key_seq = 2),
            alter(|one| one.x = None),
            alter(|one| one.holder = None),
            alter(|one| one.purposes.clear()),
            alter(|one| one.purposes.extend([KeyPurpose::Log])),
            alter(|one| one.change = KeyChange::Revoked),
        ] {
            assert!(bad.bytes().is_err(), "{bad:?}");
        }
        for bad in [&b"{}"[..], b"{\"type\":\"gouvtech-label/2\"}", b"[]", b"", b"null"] {
            assert!(LogEntry::parse(bad).is_err());
        }
        let long = alter(|one| one.kid = "A".repeat(MAX_ENTRY));
        assert!(long.bytes().is_err());
    }

    #[test]
    fn an_audit_body_signs_this_decision_and_no_other() {
        let key = SigningKey::from_seed(&[7; 32]).expect("a key");
        let event = granted();
        let decision = SignedDecision {
            application: event.application,
            audit_body: event.audit_body,
            outcome: DecisionOutcome::Granted,
            corrects: None,
            data: event.data,
        };
        let good = jws::sign(DECISION_TYP, &decision, &key).expect("signed");
        assert!(event.verify_signature(&good, &key.public()).is_ok());
        let other = SigningKey::from_seed(&[8; 32]).expect("a key");
        assert!(event.verify_signature(&good, &other.public()).is_err());
        assert!(event.verify_signature(&jws::sign("at+jwt", &decision, &key).expect("signed"), &key.public()).is_err());
        for alter in [
            |one: &mut SignedDecision| one.application = id(9),
            |one: &mut SignedDecision| one.audit_body = id(9),
            |one: &mut SignedDecision| one.outcome = DecisionOutcome::Refused,
            |one: &mut SignedDecision| one.corrects = Some(id(9)),
            |one: &mut SignedDecision| one.data = Hash::of(b"else"),
        ] {
            let mut decision = decision.clone();
            alter(&mut decision);
            let signature = jws::sign(DECISION_TYP, &decision, &key).expect("signed");
            assert!(event.verify_signature(&signature, &key.public()).is_err());
        }
    }
}
