//! What a bundle proves, and to whom.
//!
//! Without any trust of the reader's own, a file shows only that it agrees with itself: anybody can
//! make a log and keys, and a file from them. What ties it to the true log is one of:
//! - the key of the log, had from elsewhere: then the log's word counts;
//! - the key of a witness: then the log has shown the same history to the witness as to the reader;
//! - an earlier checkpoint, kept since: then nothing that stood in the log then was taken away, and
//!   who continued it is who signed then, or whom that one let into the log.
//!
//! All of them lead to a root of the tree, and out of the tree come the keys of the log, the issuer
//! and the audit bodies. What remains the log's word, whatever the reader trusts:
//! - that no event later than those in the file exists. A false word is proof against the log for
//!   whoever reads all of it, which is why a witness or a copy of the log is worth having;
//! - that a registered key is an audit body's. Whoever has the body's key from the body itself
//!   ([`Trust::Auditor`]) needs no word for it;
//! - that a decision which no audit body signed is its decision. The verdict says so of each.
//!
//! A file says how things stood when it was made ([`Found::as_of`]), and nothing of later: an old one stays
//! true and stays old.

use serde::Serialize;

use super::Result;
use super::attestation::Attestation;
use super::bundle::{Bundle, Standing};
use super::checkpoint::Checkpoint;
use super::checks::{Keys, attestations, audited, included, replay, signers, standing, status};
use super::entry::{LabelEvent, LogEntry};
use super::history::State;
use super::key::PublicKey;
use super::merkle::{Hash, verify_consistency};
use super::note::{Note, Verifier};
use super::report::Report;
use crate::db::{Id, Instant};
use crate::http::text::Text;
use crate::text;

/// What the reader believes already, from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// The key of the log or of a witness.
    Key(Verifier),
    /// An earlier state of the log, as the reader has kept it.
    Checkpoint(Checkpoint),
    /// The key of an audit body.
    Auditor(PublicKey),
}

impl Trust {
    /// Reads a *vkey*, a signed note with a checkpoint, or the JWK of an audit body.
    ///
    /// The signatures of a note are not looked at: what counts is that the reader has kept it.
    ///
    /// # Errors
    /// It is none of these.
    pub fn parse(text: &str) -> Result<Self> {
        if let Ok(note) = Note::parse(text) {
            return Checkpoint::parse(note.text()).map(Self::Checkpoint);
        }
        let text = text.trim();
        match serde_json::from_str(text) {
            Ok(jwk @ serde_json::Value::Object(_)) => PublicKey::of_jwk(&jwk).map(Self::Auditor),
            _ => Verifier::parse(text).map(Self::Key),
        }
    }
}

crate::codes! {
    /// How a check ended.
    pub enum CheckResult {
        /// It is so.
        Passed = "passed",
        /// It is not so: nothing in the file is to be believed.
        Failed = "failed",
        /// This file does not show it.
        Open = "open",
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What: a stable code.
    pub code: &'static str,
    pub result: CheckResult,
    /// What was found, in both languages.
    pub text: Text,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// No check failed. Says nothing of whose word it is: see `pinned`.
    pub valid: bool,
    /// It is tied to something that the reader trusts. When not, anybody may have made it all.
    pub pinned: bool,
    /// Everything that was looked at, in order; the first that fails is the last.
    pub checks: Vec<Check>,
    /// What the file says; only when it is valid.
    pub found: Option<Found>,
}

/// What a valid file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// The log, its size and root.
    pub origin: String,
    pub size: u64,
    pub root: Hash,
    /// Number of the label.
    pub label: String,
    /// Up to when the log has spoken: of later nothing is known.
    pub as_of: Instant,
    /// Where the label stood then; none before its first day.
    pub state: Option<State>,
    /// All events of the label: for [`state_on`](super::history::state_on) of another day, up to `as_of`.
    pub events: Vec<LabelEvent>,
    /// What was attested, oldest first; the last one is the one that counts.
    pub attestations: Vec<Attestation>,
    /// Who decided, for each decision, oldest first.
    pub decisions: Vec<Decided>,
    pub witnesses: Vec<Seen>,
}

/// Who decided, and on whose word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decided {
    /// Which event.
    pub label_seq: u32,
    pub audit_body: Id,
    /// Its name, as attested.
    pub audit_body_name: Option<String>,
    /// The key with which the audit body signed; none: it did not, and the decision is the
    /// catalogue's word.
    pub signed_with: Option<String>,
    /// The reader has that key from elsewhere.
    pub is_key_trusted: bool,
}

/// A witness that has seen this state of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seen {
    pub name: String,
    /// In seconds since 1970.
    pub seen_at: u64,
}

/// Reads a file and says what it proves to a reader who trusts these.
pub fn verify(bytes: &[u8], trust: &[Trust]) -> Verdict {
    let mut report = Report::default();
    let found = report.examine(bytes, trust);
    let pinned = found.is_some() && report.is_pinned;
    Verdict { valid: found.is_some(), pinned, checks: report.checks, found }
}

impl Report {
    fn examine(&mut self, bytes: &[u8], trust: &[Trust]) -> Option<Found> {
        let bundle = self.step("form", Bundle::parse(bytes), |_| {
            text!(
                "Le fichier est du JSON canonique de la forme attendue.",
                "The file is canonical JSON of the expected form."
            )
        })?;
        let read = Note::parse(&bundle.checkpoint)
            .and_then(|note| Checkpoint::parse(note.text()).map(|checkpoint| (note, checkpoint)));
        let (note, checkpoint) = self.step("checkpoint", read, |(_, Checkpoint { origin, size, .. })| {
            text!("Le journal « {origin} » a {size} entrées.", "The log `{origin}` has {size} entries.")
        })?;
        let entries = self.step("inclusion", included(&bundle, &checkpoint), |entries| {
            let count = entries.len();
            text!(
                "Les {count} entrées du fichier sont dans le journal.",
                "The {count} entries of the file are in the log."
            )
        })?;
        let mut keys = self.step("keys", Keys::of(&entries), |keys| {
            let count = keys.count();
            text!(
                "Les {count} clés du catalogue et des auditeurs sont inscrites au journal.",
                "The {count} keys of the catalogue and of audit bodies are registered in the log."
            )
        })?;
        let signed = signers(&bundle, &note, &checkpoint, &mut keys);
        let signers = self.step("checkpoint_signature", signed, |signers| {
            let witnesses = signers.iter().filter(|signer| signer.seen_at.is_some()).count();
            let logs = signers.len() - witnesses;
            text!(
                "Cet état du journal est signé par {logs} clé(s) du journal et {witnesses} témoin(s).",
                "This state of the log is signed by {logs} key(s) of the log and {witnesses} witness(es)."
            )
        })?;
        let stands = standing(&bundle, &checkpoint, &entries, &mut keys);
        let standing = self.step("standing", stands, |Standing { at, label, .. }| {
            text!(
                "Le journal signe tout le fichier et affirme, le {at}, que rien n’est venu depuis pour le label {label}.",
                "The log signs the whole file and states, on {at}, that nothing has come since for label {label}."
            )
        })?;
        let events: Vec<(u64, LabelEvent)> = entries
            .iter()
            .filter_map(|(index, entry)| match entry {
                LogEntry::Label(event) => Some((*index, (**event).clone())),
                _ => None,
            })
            .collect();
        let replayed = replay(&events, &standing);
        let state = self.step("history", replayed, |state| match state {
            Some(State { status, since, .. }) => text!(
                "Les événements se suivent ; le label est « {status} » depuis le {since}.",
                "The events follow one another; the label is `{status}` since {since}."
            ),
            None => text!(
                "Les événements se suivent ; le label ne vaut pas encore.",
                "The events follow one another; the label is not valid yet."
            ),
        })?;
        let attested = attestations(&bundle, &events, &mut keys);
        let attestations = self.step("attestation", attested, |all| {
            let count = all.len();
            text!(
                "Les {count} attestations sont signées par le catalogue et conformes au journal.",
                "The {count} attestations are signed by the catalogue and agree with the log."
            )
        })?;
        let decisions = self.decisions(&events, &attestations, &mut keys, trust)?;
        if !bundle.status.is_empty() {
            let lists = status(&bundle, &events, &attestations, &standing, &mut keys);
            self.step("status", lists, |()| {
                text!("Les listes d’états disent la même chose.", "The status lists say the same.")
            })?;
        }
        let needed = match keys.unused() {
            None => Ok(()),
            Some(kid) => Err(text!("La clé {kid} ne sert à rien ici.", "The key {kid} serves nothing here.")),
        };
        self.step("nothing_else", needed, |()| {
            text!("Le fichier ne contient rien d’autre.", "There is nothing else in the file.")
        })?;
        if let Some(earlier) = &bundle.consistency {
            let (first, second) = (earlier.size, checkpoint.size);
            let is_consistent = verify_consistency(first, second, earlier.root, checkpoint.root, &earlier.proof);
            let grown = if is_consistent {
                Ok(())
            } else {
                Err(text!(
                    "Le journal à {second} entrées ne prolonge pas celui à {first}.",
                    "The log of {second} entries does not continue the one of {first}."
                ))
            };
            self.step("consistency", grown, |()| {
                text!(
                    "Le journal à {second} entrées prolonge celui à {first}.",
                    "The log of {second} entries continues the one of {first}."
                )
            })?;
        }
        let known = |at: u64| {
            let earlier = bundle.consistency.as_ref().filter(|one| one.size == at).map(|one| one.root);
            earlier.or((at == checkpoint.size).then_some(checkpoint.root))
        };
        for one in trust {
            self.tie(one, &checkpoint, &known, &signers)?;
        }
        self.sum_up();
        Some(Found {
            origin: checkpoint.origin,
            size: checkpoint.size,
            root: checkpoint.root,
            label: standing.label,
            as_of: standing.at,
            state,
            events: events.into_iter().map(|(_, event)| event).collect(),
            attestations,
            decisions,
            witnesses: signers
                .iter()
                .filter_map(|signer| signer.seen_at.map(|seen_at| Seen { name: signer.by.name().to_owned(), seen_at }))
                .collect(),
        })
    }

    /// Who decided, and whether they signed.
    fn decisions(
        &mut self,
        events: &[(u64, LabelEvent)],
        attestations: &[Attestation],
        keys: &mut Keys,
        trust: &[Trust],
    ) -> Option<Vec<Decided>> {
        let mut decisions = Vec::new();
        for (index, event) in events.iter().filter(|(_, event)| event.decision.is_some()) {
            let (seq, body) = (event.label_seq, event.audit_body);
            let name = attestations.iter().map(|one| &one.credential_subject.audit_body).find(|one| one.id == body);
            let audit_body_name = name.map(|body| body.name.clone());
            let shown = audit_body_name.clone().unwrap_or_else(|| body.to_string());
            let mut decided =
                Decided { label_seq: seq, audit_body: body, audit_body_name, signed_with: None, is_key_trusted: false };
            if let Some(signature) = &event.signature {
                let signed = audited(event, *index, signature, keys);
                let key = self.step("auditor_signature", signed, |_| {
                    text!(
                        "L’organisme d’audit « {shown} » a signé la décision de l’événement {seq}.",
                        "The audit body `{shown}` signed the decision of event {seq}."
                    )
                })?;
                decided.is_key_trusted = trust.contains(&Trust::Auditor(key));
                decided.signed_with = Some(key.kid());
            } else {
                let unsigned = text!(
                    "« {shown} » n’a pas signé la décision de l’événement {seq} : c’est la parole du catalogue.",
                    "`{shown}` did not sign the decision of event {seq}: it is the catalogue's word."
                );
                self.note("auditor_signature", CheckResult::Open, unsigned);
            }
            decisions.push(decided);
        }
        for key in trust.iter().filter_map(|one| if let Trust::Auditor(key) = one { Some(key.kid()) } else { None }) {
            let (result, text) =
                if decisions.iter().any(|one| one.is_key_trusted && one.signed_with.as_ref() == Some(&key)) {
                    (
                        CheckResult::Passed,
                        text!(
                            "La clé d’auditeur {key}, que vous connaissez, a signé.",
                            "The auditor's key {key}, which you know, has signed."
                        ),
                    )
                } else {
                    (
                        CheckResult::Open,
                        text!(
                            "La clé d’auditeur {key}, que vous connaissez, n’a rien signé ici.",
                            "The auditor's key {key}, which you know, has signed nothing here."
                        ),
                    )
                };
            self.note("auditor_key", result, text);
        }
        Some(decisions)
    }
}

#[cfg(test)]
mod tests {
    use super::super::bundle::tests::{Case, ORIGIN, key};
    use super::super::entry::tests::{at, id, registered};
    use super::super::entry::{KeyChange, KeyEvent, KeyPurpose};
    use super::super::history;
    use super::super::key::SigningKey;
    use super::super::merkle::tests::Tree;
    use super::super::note::{Kind, Line};
    use super::*;
    use crate::labels::rules::LabelStatus;

    fn granted(is_signed: bool) -> Case {
        let mut case = Case::new();
        case.grant(is_signed);
        case
    }

    fn results(verdict: &Verdict, code: &str) -> Vec<CheckResult> {
        verdict.checks.iter().filter(|check| check.code == code).map(|check| check.result).collect()
    }

    #[test]
    fn a_file_says_where_the_label_stood_and_who_decided() {
        let mut case = granted(true);
        case.suspend();
        case.list(false);
        let verdict = verify(&case.seal(case.bundle(None)), &[Trust::Key(case.log_vkey())]);
        assert!(verdict.valid && verdict.pinned, "{verdict:#?}");
        let found = verdict.found.expect("found");
        assert_eq!((found.label.as_str(), found.size, found.as_of), ("GT-2026-00001", 8, at("2026-06-01T00:00:00Z")));
        assert_eq!(found.state.map(|state| state.status), Some(LabelStatus::Suspended));
        let then = history::state_on(&found.events, "2026-04-01".parse().expect("a day")).expect("a history");
        assert_eq!(then.map(|state| state.status), Some(LabelStatus::Active));
        assert_eq!(found.attestations[0].credential_subject.solution_name, "Démarches");
        assert_eq!(found.decisions.len(), 1);
        assert_eq!(found.decisions[0].signed_with, Some(case.auditor.public().kid()));
        assert!(!found.decisions[0].is_key_trusted);
        assert_eq!(found.witnesses, [Seen { name: "witness.example/w1".to_owned(), seen_at: 1_780_000_000 }]);
        assert!(verdict.checks.iter().all(|check| !check.text.fr.is_empty() && check.result == CheckResult::Passed));
    }

    #[test]
    fn a_decision_that_the_audit_body_did_not_sign_is_said_to_be() {
        let case = granted(false);
        let verdict = verify(&case.seal(case.bundle(None)), &[Trust::Auditor(case.auditor.public())]);
        assert!(verdict.valid && !verdict.pinned, "the key of an audit body ties no log");
        assert_eq!(results(&verdict, "auditor_signature"), [CheckResult::Open]);
        assert_eq!(results(&verdict, "auditor_key"), [CheckResult::Open]);
        assert_eq!(verdict.found.expect("found").decisions[0].signed_with, None);
        let case = granted(true);
        let verdict = verify(&case.seal(case.bundle(None)), &[Trust::Auditor(case.auditor.public())]);
        assert_eq!(results(&verdict, "auditor_key"), [CheckResult::Passed]);
        assert!(verdict.found.expect("found").decisions[0].is_key_trusted);
    }

    #[test]
    fn what_is_trusted_ties_the_file_or_is_said_not_to() {
        let case = granted(true);
        let bytes = case.seal(case.bundle(Some(3)));
        let size = case.tree.frontier.size();
        let other = Verifier::new(ORIGIN, Kind::Ed25519, key(9).public()).expect("a name");
        let pinned = |trust: &[Trust]| {
            let verdict = verify(&bytes, trust);
            assert!(verdict.valid);
            (verdict.pinned, results(&verdict, "trust"))
        };
        let passed = (true, vec![CheckResult::Passed]);
        let open = (false, vec![CheckResult::Open]);
        assert_eq!(pinned(&[]), (false, vec![]));
        assert_eq!(pinned(&[Trust::Key(case.log_vkey())]), passed);
        assert_eq!(pinned(&[Trust::Key(case.witness_vkey())]), passed);
        assert_eq!(pinned(&[Trust::Key(other.clone())]), open);
        assert_eq!(pinned(&[Trust::Checkpoint(case.checkpoint(size))]), passed);
        assert_eq!(pinned(&[Trust::Checkpoint(case.checkpoint(3))]), passed);
        assert_eq!(pinned(&[Trust::Checkpoint(case.checkpoint(4))]), open, "no proof from there");
        let elsewhere = Checkpoint { origin: "elsewhere".to_owned(), ..case.checkpoint(3) };
        assert_eq!(pinned(&[Trust::Checkpoint(elsewhere)]), open);
        let later = Checkpoint { size: size + 1, ..case.checkpoint(size) };
        assert_eq!(pinned(&[Trust::Checkpoint(later)]), open);
        let both = [Trust::Key(other), Trust::Key(case.witness_vkey())];
        assert_eq!(pinned(&both), (true, vec![CheckResult::Open, CheckResult::Passed]));
    }

    #[test]
    fn another_history_than_the_one_that_was_kept_is_refused() {
        let case = granted(true);
        let bytes = case.seal(case.bundle(Some(3)));
        for size in [3, case.tree.frontier.size()] {
            let kept = Checkpoint { root: Hash::of(b"another"), ..case.checkpoint(size) };
            let verdict = verify(&bytes, &[Trust::Key(case.log_vkey()), Trust::Checkpoint(kept)]);
            assert!(!verdict.valid && !verdict.pinned && verdict.found.is_none());
            assert!(verdict.checks.last().expect("a check").text.en.contains("two histories"));
        }
    }

    /// Whoever makes a log of his own passes every check but that of being tied to anything.
    #[test]
    fn a_log_of_ones_own_is_tied_to_nothing() {
        let mut forger = Case::new();
        let true_one = granted(true);
        (forger.log, forger.issuer, forger.auditor) = (key(11), key(12), key(13));
        (forger.tree, forger.entries) = (Tree::default(), Vec::new());
        for (key, purpose, holder) in [
            (forger.log.public(), KeyPurpose::Log, None),
            (forger.issuer.public(), KeyPurpose::Issuer, None),
            (forger.auditor.public(), KeyPurpose::Auditor, Some(id(3))),
        ] {
            forger.push(LogEntry::Key(Box::new(registered(key, &[purpose], holder))));
        }
        forger.grant(true);
        let bytes = forger.seal(forger.bundle(None));
        assert!(verify(&bytes, &[]).valid && !verify(&bytes, &[]).pinned);
        let verdict = verify(&bytes, &[Trust::Key(true_one.log_vkey()), Trust::Auditor(true_one.auditor.public())]);
        assert!(!verdict.pinned && !verdict.found.expect("found").decisions[0].is_key_trusted);
    }

    /// The log is public: anybody can continue it, with keys of his own registered in it.
    #[test]
    fn a_log_continued_by_somebody_else_is_not_tied_to_what_was_kept() {
        let kept = Case::new();
        let size = kept.tree.frontier.size();
        let mut forger = Case::new();
        (forger.log, forger.issuer) = (key(11), key(12));
        for (key, purpose) in [(forger.log.public(), KeyPurpose::Log), (forger.issuer.public(), KeyPurpose::Issuer)] {
            forger.push(LogEntry::Key(Box::new(registered(key, &[purpose], None))));
        }
        forger.grant(false);
        let mut bundle = forger.bundle(Some(size));
        let strangers = [key(1).public().kid(), key(2).public().kid()];
        bundle.entries.retain(|one| {
            let leaf = String::from_utf8_lossy(&one.leaf.0).into_owned();
            strangers.iter().all(|kid| !leaf.contains(kid))
        });
        let verdict = verify(&forger.seal(bundle), &[Trust::Checkpoint(kept.checkpoint(size))]);
        assert!(verdict.valid && !verdict.pinned, "{verdict:#?}");
        assert_eq!(results(&verdict, "consistency"), [CheckResult::Passed]);
        assert_eq!(results(&verdict, "trust"), [CheckResult::Open]);
    }

    /// A checkpoint that a witness signed, and a key of one's own put beside that of the log.
    #[test]
    fn a_key_that_the_log_does_not_know_states_nothing() {
        let mut case = granted(true);
        case.suspend();
        let mut bundle = case.bundle(None);
        let forger = key(9);
        let note = Note::parse(&bundle.checkpoint).expect("a note");
        let mut lines = note.lines().to_vec();
        lines.push(Line::sign(note.text(), ORIGIN, &forger).expect("signed"));
        bundle.checkpoint = Note::new(note.text().to_owned(), lines).expect("a note").to_string();
        bundle.entries.pop();
        let sealed = |bundle: &Bundle| bundle.clone().seal(&forger, at("2026-06-01T00:00:00Z")).expect("sealed");
        assert!(!verify(&sealed(&bundle), &[Trust::Key(case.witness_vkey())]).valid);
        bundle.checkpoint = case.bundle(None).checkpoint;
        let verdict = verify(&sealed(&bundle), &[Trust::Key(case.witness_vkey())]);
        assert_eq!(verdict.checks.last().map(|check| check.code), Some("standing"));
        assert!(!verdict.valid);
    }

    #[test]
    fn a_key_signs_from_where_the_log_registers_it_to_where_it_ends() {
        let end = |case: &mut Case, key: &SigningKey, change| {
            let event = KeyEvent { key_seq: 2, change, x: None, ..registered(key.public(), &[], None) };
            case.push(LogEntry::Key(Box::new(event)));
        };
        // After it signed: what it signed stands, for an auditor and an issuer.
        for change in [KeyChange::Retired, KeyChange::Revoked] {
            let mut case = granted(true);
            end(&mut case, &key(3), change);
            end(&mut case, &key(2), change);
            assert!(verify(&case.seal(case.bundle(None)), &[]).valid);
            // But the log's own signs now.
            end(&mut case, &key(1), change);
            assert!(!verify(&case.seal(case.bundle(None)), &[]).valid);
        }
        for (seed, code) in [(3, "auditor_signature"), (2, "attestation")] {
            let mut case = Case::new();
            end(&mut case, &key(seed), KeyChange::Revoked);
            case.grant(true);
            let verdict = verify(&case.seal(case.bundle(None)), &[]);
            assert_eq!(verdict.checks.last().map(|check| check.code), Some(code));
        }
        // Registered afterwards, for something else, or for another audit body.
        for (purpose, holder, is_late) in [
            (KeyPurpose::Auditor, Some(id(3)), true),
            (KeyPurpose::Auditor, Some(id(8)), false),
            (KeyPurpose::Issuer, None, false),
        ] {
            let mut case = Case::new();
            case.auditor = key(5);
            let register = LogEntry::Key(Box::new(registered(key(5).public(), &[purpose], holder)));
            if is_late {
                case.grant(true);
                case.push(register);
            } else {
                case.push(register);
                case.grant(true);
            }
            let mut bundle = case.bundle(None);
            bundle.entries.retain(|one| !String::from_utf8_lossy(&one.leaf.0).contains(&key(3).public().kid()));
            let verdict = verify(&case.seal(bundle), &[]);
            assert_eq!(verdict.checks.last().map(|check| check.code), Some("auditor_signature"));
        }
    }

    #[test]
    fn a_status_list_that_says_something_else_is_refused() {
        let mut case = granted(true);
        case.list(true);
        let verdict = verify(&case.seal(case.bundle(None)), &[]);
        assert_eq!(verdict.checks.last().map(|check| check.code), Some("status"));
        assert!(!verdict.valid);
    }

    #[test]
    fn a_statement_before_the_last_event_is_refused() {
        let mut case = granted(true);
        case.suspend();
        let early = case.bundle(None).seal(&case.log, at("2026-05-04T07:59:59Z")).expect("sealed");
        assert_eq!(verify(&early, &[]).checks.last().map(|check| check.code), Some("history"));
    }

    #[test]
    fn trust_is_read_from_what_people_have() {
        let case = granted(true);
        let vkey = case.log_vkey();
        assert_eq!(Trust::parse(&format!("{vkey}\n")), Ok(Trust::Key(vkey)));
        let note = case.checkpoint(3).sign(&case.log).expect("signed").to_string();
        assert_eq!(Trust::parse(&note), Ok(Trust::Checkpoint(case.checkpoint(3))));
        let jwk = case.auditor.public().jwk().to_string();
        assert_eq!(Trust::parse(&jwk), Ok(Trust::Auditor(case.auditor.public())));
        for bad in ["", "hello", "{}", "a note\n\n— a AAAAAAA=\n"] {
            assert!(Trust::parse(bad).is_err(), "{bad:?}");
        }
    }
}
