//! The file that proves a label offline, and how it is made; [`verdict`](super::verdict) reads it.
//!
//! It is one canonical JSON document:
//!
//! | member | bound by |
//! | --- | --- |
//! | `entries` | each is in the tree: its inclusion proof leads to the root of `checkpoint`; they are all events of the label, and all events of each key that signed something here |
//! | `checkpoint` | signed by the log, and by each of `witnesses` |
//! | `witnesses` | each has its line in `checkpoint`, and no line is without its key |
//! | `attestations` | the issuer's signature, and their hashes in the events that name them |
//! | `status` | the issuer's signature; the bit must be what the events say |
//! | `consistency` | leads from the earlier root that it names to the root of `checkpoint` |
//! | `standing` | the log's signature, over the hash of all of the above |
//!
//! No key stands in it by its own authority. Those of the catalogue and of audit bodies come out of
//! the log; that of a witness counts only for who trusts it already.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::attestation::word;
use super::encoding::Bytes;
use super::entry::LogEntry;
use super::key::SigningKey;
use super::merkle::Hash;
use super::note::Note;
use super::{Result, canonical, jws};
use crate::db::Instant;
use crate::text;

/// A longer file is refused, in bytes.
pub const MAX_LENGTH: usize = 8 << 20;
/// `typ` of [`Standing`].
pub const STANDING_TYP: &str = "gouvtech-standing+jwt";

word! {
    /// The form of the file, and its version.
    Format = "gouvtech-bundle/1"
}

/// What the file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    pub format: Format,
    /// Every attestation (`vc+jwt`) that an event names, in the order of the events.
    pub attestations: Vec<String>,
    /// A signed note with the state of the log.
    pub checkpoint: String,
    /// That an earlier state of the log is how this one begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consistency: Option<Consistency>,
    /// In the order of the log.
    pub entries: Vec<Included>,
    /// Status lists (`vc+jwt`) that the last attestation names; none is needed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub status: Vec<String>,
    /// The log's word on what is last: a [`Standing`]. None only while the file is being made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<String>,
    /// Keys (*vkeys*) of the witnesses that signed `checkpoint`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub witnesses: Vec<String>,
}

/// An earlier state of the log, and the proof that the present one begins so (RFC 9162 §2.1.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consistency {
    /// Entries then.
    pub size: u64,
    pub root: Hash,
    pub proof: Vec<Hash>,
}

/// An entry, and the proof that the log has it (RFC 9162 §2.1.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Included {
    /// Its place in the log, from 0.
    pub index: u64,
    /// The entry as the log has it.
    pub leaf: Bytes,
    pub inclusion: Vec<Hash>,
}

/// The log's word that nothing later than these entries concerns the label or the keys.
///
/// Inclusion proofs show what is there, not what is left out; this statement does, as far as the log
/// is believed. It names a tree: whoever reads all entries up to `size` sees whether it was true,
/// and a false one is proof against the log, by its own signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// When it was said.
    pub at: Instant,
    /// Hash of the canonical JSON of the file without this statement.
    pub contents: Hash,
    /// The last entry of each, by subject.
    pub heads: Vec<Head>,
    /// Number of the label.
    pub label: String,
    /// As in `checkpoint`.
    pub origin: String,
    pub root: Hash,
    pub size: u64,
}

/// The last entry of a label or a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Number of the label or thumbprint of the key.
    pub subject: String,
    /// As the subject counts its entries; so many there are.
    pub seq: u32,
    /// Place in the log.
    pub index: u64,
}

/// The last of these entries of each subject, by subject.
pub(super) fn heads<'a>(entries: impl IntoIterator<Item = (u64, &'a LogEntry)>) -> Vec<Head> {
    let mut last = BTreeMap::new();
    for (index, entry) in entries {
        match entry {
            LogEntry::Label(event) => last.insert(event.label.clone(), (event.label_seq, index)),
            LogEntry::Key(event) => last.insert(event.kid.clone(), (event.key_seq, index)),
            LogEntry::Refusal(_) => None,
        };
    }
    last.into_iter().map(|(subject, (seq, index))| Head { subject, seq, index }).collect()
}

impl Bundle {
    /// Reads the form of it, and nothing of what it says.
    ///
    /// # Errors
    /// It is too long, not canonical JSON, or not of this form.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > MAX_LENGTH {
            return Err(text!(
                "Le fichier dépasse {MAX_LENGTH} octets.",
                "The file is longer than {MAX_LENGTH} bytes."
            ));
        }
        canonical::read_as(bytes)
    }

    /// The hash of all but the standing.
    pub(super) fn contents(&self) -> Result<Hash> {
        canonical::hash(&Self { standing: None, ..self.clone() })
    }

    /// Signs the whole with a key of the log, and writes it.
    ///
    /// Whoever makes the file answers for `entries` being all there are up to the checkpoint: the
    /// signature says so. A file that does not pass [`verify`](super::verdict::verify) was put
    /// together wrongly; try it before it is given away.
    ///
    /// # Errors
    /// A part has not its form, or no entry is of a label.
    pub fn seal(mut self, key: &SigningKey, at: Instant) -> Result<Vec<u8>> {
        let note = Note::parse(&self.checkpoint)?;
        let checkpoint = super::checkpoint::Checkpoint::parse(note.text())?;
        let entries: Vec<(u64, LogEntry)> = self
            .entries
            .iter()
            .map(|one| LogEntry::parse(&one.leaf.0).map(|entry| (one.index, entry)))
            .collect::<Result<_>>()?;
        let label = entries.iter().find_map(|(_, entry)| match entry {
            LogEntry::Label(event) => Some(event.label.clone()),
            _ => None,
        });
        let standing = Standing {
            at,
            contents: self.contents()?,
            heads: heads(entries.iter().map(|(index, entry)| (*index, entry))),
            label: label.ok_or_else(|| text!("Aucune entrée d’un label.", "No entry of a label."))?,
            origin: checkpoint.origin,
            root: checkpoint.root,
            size: checkpoint.size,
        };
        self.standing = Some(jws::sign(STANDING_TYP, &standing, key)?);
        canonical::to_vec(&self)
    }
}

#[cfg(test)]
pub(in crate::proof) mod tests {
    use super::super::attestation::tests::attestation;
    use super::super::attestation::{self, StatusEntry};
    use super::super::checkpoint::Checkpoint;
    use super::super::entry::tests::{at, granted, id, registered};
    use super::super::entry::{DECISION_TYP, EventKind, KeyPurpose, LabelEvent, Refusal, SignedDecision};
    use super::super::merkle::tests::{Chance, Tree};
    use super::super::note::{Kind, Line, Verifier};
    use super::super::status_list::{Purpose, StatusList, StatusListCredential};
    use super::super::verdict::verify;
    use super::*;
    use crate::labels::rules::{DecisionOutcome, LabelStatus};

    pub(in crate::proof) const ORIGIN: &str = "catalogue.example/log";

    pub(in crate::proof) fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32]).expect("a key")
    }

    /// A log, and what it takes to make a bundle from it.
    pub(in crate::proof) struct Case {
        pub log: SigningKey,
        pub issuer: SigningKey,
        pub auditor: SigningKey,
        pub witness: SigningKey,
        pub tree: Tree,
        pub entries: Vec<LogEntry>,
        pub events: Vec<LabelEvent>,
        pub attestations: Vec<String>,
        pub status: Vec<String>,
    }

    impl Case {
        /// A log with its keys, and other entries before and between.
        pub fn new() -> Self {
            let mut case = Self {
                log: key(1),
                issuer: key(2),
                auditor: key(3),
                witness: key(4),
                tree: Tree::default(),
                entries: Vec::new(),
                events: Vec::new(),
                attestations: Vec::new(),
                status: Vec::new(),
            };
            let keys = [
                registered(case.log.public(), &[KeyPurpose::Log], None),
                registered(case.issuer.public(), &[KeyPurpose::Issuer], None),
                registered(case.auditor.public(), &[KeyPurpose::Auditor], Some(id(3))),
            ];
            for event in keys {
                case.push(LogEntry::Key(Box::new(event)));
                case.refuse();
            }
            case
        }

        pub fn push(&mut self, entry: LogEntry) {
            self.tree.push(&entry.bytes().expect("an entry"));
            self.entries.push(entry);
        }

        pub fn refuse(&mut self) {
            let data = Hash::of(&self.entries.len().to_be_bytes());
            self.push(LogEntry::Refusal(Box::new(Refusal { at: at("2026-02-01T00:00:00Z"), data })));
        }

        /// The label is granted; the audit body signs, or not.
        pub fn grant(&mut self, is_signed: bool) {
            let jwt = super::jws::sign(attestation::TYP, &attestation(), &self.issuer).expect("signed");
            let mut event = LabelEvent { attestation: Some(Hash::of(jwt.as_bytes())), ..granted() };
            if is_signed {
                let decision = SignedDecision {
                    application: event.application,
                    audit_body: event.audit_body,
                    outcome: DecisionOutcome::Granted,
                    corrects: None,
                    data: event.data,
                };
                event.signature = Some(super::jws::sign(DECISION_TYP, &decision, &self.auditor).expect("signed"));
            }
            self.attestations.push(jwt);
            self.event(event);
        }

        pub fn suspend(&mut self) {
            let before = self.events.last().expect("granted").clone();
            self.event(LabelEvent {
                label_seq: before.label_seq + 1,
                kind: EventKind::Suspended,
                status: LabelStatus::Suspended,
                at: at("2026-05-04T08:00:00Z"),
                decision: None,
                outcome: None,
                attestation: None,
                signature: None,
                ..before
            });
        }

        pub fn event(&mut self, event: LabelEvent) {
            self.events.push(event.clone());
            self.push(LogEntry::Label(Box::new(event)));
        }

        /// A status list that says whether the label is revoked.
        pub fn list(&mut self, is_revoked: bool) {
            let StatusEntry { status_list_credential: list, .. } = &attestation().credential_status[0];
            let mut bits = StatusList::new(0);
            bits.put(94_567, is_revoked);
            let made = at("2026-05-05T00:00:00Z");
            let list = StatusListCredential::new(list, "https://catalogue.example", made, Purpose::Revocation, &bits);
            self.status =
                vec![super::jws::sign(attestation::TYP, &list.expect("a list"), &self.issuer).expect("signed")];
        }

        pub fn checkpoint(&self, size: u64) -> Checkpoint {
            Checkpoint { origin: ORIGIN.to_owned(), size, root: self.tree.root(size), extensions: Vec::new() }
        }

        pub fn log_vkey(&self) -> Verifier {
            Verifier::new(ORIGIN, Kind::Ed25519, self.log.public()).expect("a name")
        }

        pub fn witness_vkey(&self) -> Verifier {
            Verifier::new("witness.example/w1", Kind::Cosignature, self.witness.public()).expect("a name")
        }

        /// Everything of the label, and of the keys but those left out.
        pub fn bundle(&self, earlier: Option<u64>) -> Bundle {
            let size = self.tree.frontier.size();
            let text = self.checkpoint(size).to_string();
            let lines = vec![
                Line::sign(&text, ORIGIN, &self.log).expect("signed"),
                Line::cosign(&text, "witness.example/w1", &self.witness, 1_780_000_000).expect("signed"),
            ];
            let signs = self.events.iter().any(|event| event.signature.is_some());
            let is_needed = |entry: &LogEntry| match entry {
                LogEntry::Label(_) => true,
                LogEntry::Key(event) => signs || event.kid != self.auditor.public().kid(),
                LogEntry::Refusal(_) => false,
            };
            let entries = (0_u64..).zip(&self.entries).filter(|(_, entry)| is_needed(entry));
            Bundle {
                format: Format::Word,
                attestations: self.attestations.clone(),
                checkpoint: Note::new(text, lines).expect("a note").to_string(),
                consistency: earlier.map(|earlier| Consistency {
                    size: earlier,
                    root: self.tree.root(earlier),
                    proof: self.tree.consistency(earlier, size),
                }),
                entries: entries
                    .map(|(index, entry)| Included {
                        index,
                        leaf: Bytes(entry.bytes().expect("an entry")),
                        inclusion: self.tree.inclusion(index, size),
                    })
                    .collect(),
                status: self.status.clone(),
                standing: None,
                witnesses: vec![self.witness_vkey().to_string()],
            }
        }

        pub fn seal(&self, bundle: Bundle) -> Vec<u8> {
            bundle.seal(&self.log, at("2026-06-01T00:00:00Z")).expect("sealed")
        }
    }

    /// Everything that a bundle can have.
    fn full() -> (Case, Vec<u8>) {
        let mut case = Case::new();
        case.grant(true);
        case.refuse();
        case.suspend();
        case.list(false);
        case.refuse();
        let bytes = case.seal(case.bundle(Some(5)));
        assert!(verify(&bytes, &[]).valid, "{:#?}", verify(&bytes, &[]));
        (case, bytes)
    }

    #[test]
    fn no_byte_of_a_bundle_can_be_another() {
        let (_, bytes) = full();
        let mut chance = Chance(7);
        for place in 0..bytes.len() {
            // Each of its bits in turn over the file; now and then another byte altogether.
            let other = (place % 8 == 0).then(|| 1 + chance.below(255) as u8);
            for altered in [1 << (place % 8)].into_iter().chain(other) {
                let mut other = bytes.clone();
                other[place] ^= altered;
                assert!(!verify(&other, &[]).valid, "{place} {altered}");
            }
        }
        for place in (0..bytes.len()).step_by(7) {
            let (mut fewer, mut more) = (bytes.clone(), bytes.clone());
            fewer.remove(place);
            more.insert(place, bytes[place]);
            assert!(!verify(&fewer, &[]).valid && !verify(&more, &[]).valid, "{place}");
            assert!(!verify(&bytes[..place], &[]).valid);
        }
    }

    #[test]
    fn no_part_can_be_left_out_added_or_moved() {
        let (case, bytes) = full();
        let good: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        let refused = |value: &serde_json::Value| {
            assert!(!verify(&canonical::to_vec(value).expect("JSON"), &[]).valid, "{value}");
        };
        for (name, member) in good.as_object().expect("an object") {
            let mut value = good.clone();
            value.as_object_mut().expect("an object").remove(name);
            refused(&value);
            if let Some(items) = member.as_array() {
                for place in 0..items.len() {
                    let mut fewer = items.clone();
                    fewer.remove(place);
                    value[name] = fewer.into();
                    refused(&value);
                    let mut twice = items.clone();
                    twice.insert(place, items[place].clone());
                    value[name] = twice.into();
                    refused(&value);
                    let mut turned = items.clone();
                    turned.rotate_left(place);
                    value[name] = turned.into();
                    if value[name] != good[name] {
                        refused(&value);
                    }
                }
            }
            value = good.clone();
            value[name] = serde_json::Value::Null;
            refused(&value);
        }
        for (name, member) in [("more", serde_json::json!(1)), ("keys", serde_json::json!([]))] {
            let mut value = good.clone();
            value[name] = member;
            refused(&value);
        }
        // Nor by the log itself, signing the remains: that is one refused for what it lacks.
        let whole = || case.bundle(Some(5));
        let refused = |bundle: Bundle, code: &str| {
            let verdict = verify(&case.seal(bundle), &[]);
            assert!(!verdict.valid && verdict.found.is_none() && !verdict.pinned);
            assert_eq!(verdict.checks.last().map(|check| check.code), Some(code), "{:#?}", verdict.checks);
        };
        for place in 0..whole().entries.len() {
            let mut bundle = whole();
            let gone = bundle.entries.remove(place);
            let code = match LogEntry::parse(&gone.leaf.0).expect("an entry") {
                LogEntry::Key(event) if event.kid == case.log.public().kid() => "checkpoint_signature",
                LogEntry::Key(event) if event.kid == case.auditor.public().kid() => "auditor_signature",
                LogEntry::Key(_) => "attestation",
                LogEntry::Label(event) if event.label_seq == 1 => "history",
                // The log hides its last event: only who reads all of it can tell.
                _ => continue,
            };
            refused(bundle, code);
        }
        refused(Bundle { attestations: Vec::new(), ..whole() }, "attestation");
        refused(Bundle { witnesses: Vec::new(), ..whole() }, "checkpoint_signature");
        refused(Bundle { witnesses: vec![case.log_vkey().to_string()], ..whole() }, "checkpoint_signature");
        let mut bundle = whole();
        bundle.entries.swap(0, 1);
        refused(bundle, "inclusion");
        let mut bundle = whole();
        bundle.consistency.as_mut().expect("there").size += 1;
        refused(bundle, "consistency");
        let mut bundle = whole();
        bundle.attestations.extend(bundle.attestations.clone());
        refused(bundle, "attestation");
        let mut bundle = whole();
        bundle.status.extend(bundle.status.clone());
        refused(bundle, "status");
    }

    #[test]
    fn a_file_too_long_is_not_even_read() {
        let verdict = verify(&vec![b' '; MAX_LENGTH + 1], &[]);
        assert_eq!(verdict.checks.len(), 1);
        assert!(verdict.checks[0].text.en.contains("longer than"));
    }
}
