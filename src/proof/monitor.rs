//! Reads a whole log as it is served, and says what it shows to a reader who has seen it before.
//!
//! Every entry is read and hashed again, so there is nothing to believe in a proof: at the size of
//! a checkpoint that was kept, the root must be the one that was kept; at the end, the one that the
//! log signs now. On the way each entry must be one, follow from those before it on the same label or
//! key, and be signed by keys that the log had then.
//!
//! Where the log lies is no business of this room: what stands at an address is asked of the caller.

use std::collections::BTreeMap;

use serde::Serialize;

use super::checkpoint::Checkpoint;
use super::checks::{Keys, audited, log_signers};
use super::entry::{LabelEvent, LogEntry};
use super::history;
use super::merkle::{Frontier, Hash, leaf_hash};
use super::note::{Kind, Note, Verifier};
use super::report::Report;
use super::tiles::{Content, MAX_ENTRY, Tile, WIDTH, decode_entries};
use super::verdict::{Check, CheckResult, Seen, Trust};
use super::{Result, verdict};
use crate::text;

/// A longer checkpoint is not read, in bytes.
const MAX_CHECKPOINT: u64 = 1_000_000;
/// A log of more entries is not read: a label has a few, so it would be another thing.
const MAX_ENTRIES: u64 = 5_000_000;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Watch {
    /// No check failed. Says nothing of whose word it is: see `pinned`.
    pub valid: bool,
    /// It is tied to something that the reader trusts: a key, or a state kept from earlier.
    pub pinned: bool,
    /// Everything that was looked at, in order; the first that fails is the last.
    pub checks: Vec<Check>,
    /// The note that the log showed, as it was: to be kept when it is good, and as proof when not.
    pub note: Option<String>,
    /// What the log says; only when it is valid.
    pub found: Option<News>,
}

/// What a log says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct News {
    pub origin: String,
    pub size: u64,
    pub root: Hash,
    /// Entries that the reader had seen already.
    pub seen: u64,
    /// What came since.
    pub entries: Vec<New>,
    /// Witnesses that the reader trusts, and when they saw this state.
    pub witnesses: Vec<Seen>,
}

/// An entry that the reader had not seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct New {
    /// Its place in the log, from 0.
    pub index: u64,
    pub entry: LogEntry,
}

/// Reads the log through `get`, which answers what stands at an address below the log's, of at most
/// so many bytes; none when nothing does.
///
/// # Errors
/// Those of `get`: the log could not be read, which says nothing of it.
pub fn look<E>(
    trust: &[Trust],
    mut get: impl FnMut(&str, u64) -> std::result::Result<Option<Vec<u8>>, E>,
) -> std::result::Result<Watch, E> {
    let mut report = Report::default();
    let bytes = get("checkpoint", MAX_CHECKPOINT)?;
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let mut walk = Walk::default();
    let found = match report.checkpoint(text.as_deref(), trust) {
        None => None,
        Some((note, checkpoint)) => {
            let complaint = walk.read(&checkpoint, trust, &mut get)?;
            report.conclude(&note, &checkpoint, trust, walk, complaint)
        }
    };
    let pinned = found.is_some() && report.is_pinned;
    Ok(Watch { valid: found.is_some(), pinned, checks: report.checks, note: text, found })
}

/// The states that the reader has kept.
fn kept(trust: &[Trust]) -> impl Iterator<Item = &Checkpoint> {
    trust.iter().filter_map(|one| if let Trust::Checkpoint(kept) = one { Some(kept) } else { None })
}

/// What is gathered on the way through the entries.
#[derive(Default)]
struct Walk {
    frontier: Frontier,
    /// The root at the size of each state that was kept.
    roots: BTreeMap<u64, Hash>,
    keys: Vec<(u64, LogEntry)>,
    labels: BTreeMap<String, Vec<(u64, LabelEvent)>>,
    new: Vec<New>,
}

/// Which check fails, and why.
type Complaint = (&'static str, crate::http::text::Text);

impl Walk {
    /// Goes through all entries, or up to the first that cannot be.
    fn read<E>(
        &mut self,
        checkpoint: &Checkpoint,
        trust: &[Trust],
        get: &mut impl FnMut(&str, u64) -> std::result::Result<Option<Vec<u8>>, E>,
    ) -> std::result::Result<Option<Complaint>, E> {
        let seen = kept(trust).map(|kept| kept.size).max().unwrap_or_default();
        while self.frontier.size() < checkpoint.size {
            let from = self.frontier.size();
            let Some(tile) = Tile::at(Content::Entries, from / u64::from(WIDTH), checkpoint.size) else { break };
            let limit = u64::from(tile.width) * (MAX_ENTRY as u64 + 2);
            let bytes = get(&tile.path(), limit)?;
            let entries = bytes.as_deref().and_then(decode_entries).unwrap_or_default();
            if entries.len() != usize::from(tile.width) {
                let count = entries.len();
                let width = tile.width;
                return Ok(Some((
                    "entries",
                    text!(
                        "À partir de l’entrée {from}, le journal n’en montre que {count} sur {width} : il est raccourci.",
                        "From entry {from} on the log shows {count} of {width}: it is shortened."
                    ),
                )));
            }
            for bytes in entries {
                if let Err(complaint) = self.push(bytes, seen, trust) {
                    return Ok(Some(complaint));
                }
            }
        }
        Ok(None)
    }

    fn push(&mut self, bytes: &[u8], seen: u64, trust: &[Trust]) -> std::result::Result<(), Complaint> {
        let index = self.frontier.size();
        self.frontier.push(leaf_hash(bytes));
        let size = self.frontier.size();
        for kept in kept(trust).filter(|kept| kept.size == size) {
            let root = self.frontier.root();
            self.roots.insert(size, root);
            if root != kept.root {
                return Err((
                    "consistency",
                    text!(
                        "Les {size} premières entrées ne sont pas celles de l’état que vous avez gardé : le journal est réécrit.",
                        "The first {size} entries are not those of the state that you have kept: the log is rewritten."
                    ),
                ));
            }
        }
        let entry = LogEntry::parse(bytes).map_err(|why| {
            let (fr, en) = (why.fr, why.en);
            ("entries", text!("L’entrée {index} n’en est pas une : {fr}", "Entry {index} is none: {en}"))
        })?;
        match &entry {
            LogEntry::Key(_) => self.keys.push((index, entry.clone())),
            LogEntry::Label(event) => {
                self.labels.entry(event.label.clone()).or_default().push((index, (**event).clone()));
            }
            LogEntry::Refusal(_) => {}
        }
        if index >= seen {
            self.new.push(New { index, entry });
        }
        Ok(())
    }
}

impl Report {
    /// The state that the log shows, if it can be that of the log that was seen before.
    fn checkpoint(&mut self, text: Option<&str>, trust: &[Trust]) -> Option<(Note, Checkpoint)> {
        let missing = || text!("Le journal ne montre pas son état.", "The log does not show its state.");
        let read = text
            .ok_or_else(missing)
            .and_then(Note::parse)
            .and_then(|note| Checkpoint::parse(note.text()).map(|checkpoint| (note, checkpoint)));
        let (note, checkpoint) = self.step("checkpoint", read, |(_, Checkpoint { origin, size, .. })| {
            text!("Le journal « {origin} » a {size} entrées.", "The log `{origin}` has {size} entries.")
        })?;
        let Checkpoint { origin, size, root, .. } = &checkpoint;
        let fault = kept(trust).find_map(|kept| {
            let (other, earlier) = (&kept.origin, kept.size);
            if other != origin {
                Some(text!(
                    "L’état que vous avez gardé est d’un autre journal, « {other} ».",
                    "The state that you have kept is of another log, `{other}`."
                ))
            } else if earlier > *size {
                Some(text!(
                    "Vous avez vu {earlier} entrées, le journal en a {size} : il est revenu en arrière.",
                    "You have seen {earlier} entries, the log has {size}: it was rolled back."
                ))
            } else if earlier == *size && kept.root != *root {
                Some(text!(
                    "À {size} entrées, ce n’est pas l’état que vous avez gardé : le journal a bifurqué.",
                    "At {size} entries this is not the state that you have kept: the log has forked."
                ))
            } else {
                None
            }
        });
        let fault = fault.or_else(|| {
            (*size > MAX_ENTRIES).then(|| {
                text!(
                    "Plus de {MAX_ENTRIES} entrées ne sont pas lues.",
                    "More than {MAX_ENTRIES} entries are not read."
                )
            })
        });
        match fault {
            Some(fault) => {
                self.note("consistency", CheckResult::Failed, fault);
                None
            }
            None => Some((note, checkpoint)),
        }
    }

    fn conclude(
        &mut self,
        note: &Note,
        checkpoint: &Checkpoint,
        trust: &[Trust],
        walk: Walk,
        complaint: Option<Complaint>,
    ) -> Option<News> {
        let Walk { frontier, roots, keys, labels, new } = walk;
        if let Some((code, text)) = complaint {
            self.note(code, CheckResult::Failed, text);
            return None;
        }
        let size = checkpoint.size;
        let made = if frontier.root() == checkpoint.root {
            Ok(())
        } else {
            Err(text!(
                "Les {size} entrées ne font pas l’état que le journal signe.",
                "The {size} entries do not make the state that the log signs."
            ))
        };
        self.step("entries", made, |()| {
            text!("Les {size} entrées font l’état signé.", "The {size} entries make the state that is signed.")
        })?;
        for earlier in roots.keys() {
            self.note(
                "consistency",
                CheckResult::Passed,
                text!(
                    "Le journal à {size} entrées prolonge celui à {earlier}.",
                    "The log of {size} entries continues the one of {earlier}."
                ),
            );
        }
        let mut keys = self.step("keys", Keys::of(&keys), |keys| {
            let count = keys.count();
            text!("{count} clés sont inscrites au journal.", "{count} keys are registered in the log.")
        })?;
        let witnesses = trust.iter().filter_map(|one| match one {
            Trust::Key(key) if key.kind() == Kind::Cosignature => Some(key.clone()),
            _ => None,
        });
        let signed = log_signers(note, checkpoint, &mut keys, &witnesses.collect::<Vec<Verifier>>());
        let signers = self.step("checkpoint_signature", signed, |_| {
            text!("Une clé du journal a signé cet état.", "A key of the log has signed this state.")
        })?;
        let followed = follow(&labels, &mut keys);
        self.step("history", followed, |decisions| {
            let count = labels.len();
            text!(
                "Les événements de {count} labels se suivent ; {decisions} décisions sont signées par leur organisme d’audit.",
                "The events of {count} labels follow one another; {decisions} decisions are signed by their audit body."
            )
        })?;
        let seen = kept(trust).map(|kept| kept.size).max().unwrap_or_default();
        let root_at = |at: u64| if at == size { Some(checkpoint.root) } else { roots.get(&at).copied() };
        for one in trust {
            self.tie(one, checkpoint, &root_at, &signers)?;
        }
        self.sum_up();
        let witnesses = signers
            .iter()
            .filter_map(|one| one.seen_at.map(|seen_at| verdict::Seen { name: one.by.name().to_owned(), seen_at }));
        Some(News {
            origin: checkpoint.origin.clone(),
            size,
            root: checkpoint.root,
            seen,
            entries: new,
            witnesses: witnesses.collect(),
        })
    }
}

/// Whether the events of each label follow one another, and who signed; how many decisions audit bodies did.
fn follow(labels: &BTreeMap<String, Vec<(u64, LabelEvent)>>, keys: &mut Keys) -> Result<usize> {
    let mut signed = 0;
    for events in labels.values() {
        history::check(&events.iter().map(|(_, event)| event.clone()).collect::<Vec<_>>())?;
        for (index, event) in events {
            if let Some(signature) = &event.signature {
                audited(event, *index, signature, keys)?;
                signed += 1;
            }
        }
    }
    Ok(signed)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::super::bundle::tests::{Case, ORIGIN, key};
    use super::super::key::SigningKey;
    use super::super::note::Line;
    use super::super::tiles::encode_entries;
    use super::*;

    /// A log as it would be served, by address.
    #[derive(Clone)]
    struct Served {
        entries: Vec<Vec<u8>>,
        checkpoint: String,
    }

    fn served(entries: &[LogEntry], key: &SigningKey) -> Served {
        let entries: Vec<Vec<u8>> = entries.iter().map(|entry| entry.bytes().expect("bytes")).collect();
        let checkpoint = state(&entries).sign(key).expect("signed").to_string();
        Served { entries, checkpoint }
    }

    fn state(entries: &[Vec<u8>]) -> Checkpoint {
        let mut frontier = Frontier::default();
        entries.iter().for_each(|entry| {
            frontier.push(leaf_hash(entry));
        });
        Checkpoint { origin: ORIGIN.to_owned(), size: frontier.size(), root: frontier.root(), extensions: Vec::new() }
    }

    fn watch(log: &Served, trust: &[Trust]) -> Watch {
        let get = |path: &str, _: u64| -> std::result::Result<Option<Vec<u8>>, Infallible> {
            if path == "checkpoint" {
                return Ok(Some(log.checkpoint.clone().into_bytes()));
            }
            let tile = Tile::parse(path).expect("a tile");
            let from = usize::try_from(tile.index).expect("small") * 256;
            let part = log.entries.iter().skip(from).take(usize::from(tile.width));
            Ok(encode_entries(part.map(Vec::as_slice)))
        };
        look(trust, get).expect("read")
    }

    fn failed(watch: &Watch) -> (&'static str, String) {
        let last = watch.checks.last().expect("a check");
        assert!(!watch.valid && last.result == CheckResult::Failed, "{:?}", watch.checks);
        (last.code, last.text.en.clone())
    }

    fn granted() -> Case {
        let mut case = Case::new();
        case.grant(true);
        case
    }

    #[test]
    fn who_comes_back_is_told_what_is_new() {
        let case = granted();
        let log = served(&case.entries, &case.log);
        let size = case.entries.len() as u64;
        let trust = [Trust::Key(Verifier::new(ORIGIN, Kind::Ed25519, case.log.public()).expect("a key"))];
        let first = watch(&log, &trust);
        assert!(first.valid && first.pinned, "{:?}", first.checks);
        assert_eq!(first.found.expect("found").entries.len() as u64, size);
        for seen in 1..=size {
            let earlier = state(&log.entries[..usize::try_from(seen).expect("small")]);
            let again = watch(&log, &[Trust::Checkpoint(earlier)]);
            // A state that knows no key of the log yet ties nothing: anybody can continue it.
            assert!(again.valid && again.pinned, "{seen}: {:?}", again.checks);
            assert_eq!(again.found.expect("found").entries.len() as u64, size - seen);
        }
        assert!(!watch(&log, &[]).pinned, "nobody is trusted");
    }

    #[test]
    fn what_a_log_must_not_do_is_named() {
        let case = granted();
        let log = served(&case.entries, &case.log);
        let kept = [Trust::Checkpoint(state(&log.entries))];
        assert!(watch(&log, &kept).pinned, "the control");
        let back = served(&case.entries[..case.entries.len() - 1], &case.log);
        assert!(failed(&watch(&back, &kept)).1.contains("rolled back"));
        let mut others = case.entries.clone();
        others.remove(case.entries.len() - 1);
        others.push(LogEntry::Refusal(Box::new(super::super::entry::Refusal {
            at: super::super::entry::tests::at("2026-01-01T00:00:00Z"),
            data: Hash::of(b"another"),
        })));
        let forked = served(&others, &case.log);
        assert!(failed(&watch(&forked, &kept)).1.contains("forked"));
        others.push(case.entries.last().expect("one").clone());
        let rewritten = served(&others, &case.log);
        assert!(failed(&watch(&rewritten, &kept)).1.contains("rewritten"));
        let mut shortened = log.clone();
        shortened.entries.pop();
        assert!(failed(&watch(&shortened, &kept)).1.contains("shortened"));
        let mut renamed = state(&log.entries);
        renamed.origin = "other.example/log".to_owned();
        assert!(failed(&watch(&log, &[Trust::Checkpoint(renamed)])).1.contains("another log"));
        // Signed by somebody else, or by nobody.
        let stranger = served(&case.entries, &key(99));
        assert_eq!(failed(&watch(&stranger, &kept)).0, "checkpoint_signature");
        let mut silent = log.clone();
        silent.checkpoint = "nothing".to_owned();
        assert_eq!(failed(&watch(&silent, &kept)).0, "checkpoint");
        // A byte of an entry, whichever.
        for at in 0..log.entries.len() {
            let mut altered = log.clone();
            let byte = altered.entries[at].len() / 2;
            altered.entries[at][byte] ^= 1;
            failed(&watch(&altered, &[]));
        }
    }

    #[test]
    fn an_entry_that_does_not_follow_is_found_though_all_of_it_is_signed() {
        let mut case = granted();
        let again = case.entries.iter().rev().find(|entry| matches!(entry, LogEntry::Label(_))).cloned();
        case.entries.push(again.expect("an event"));
        assert_eq!(failed(&watch(&served(&case.entries, &case.log), &[])).0, "history");
        let mut case = granted();
        let key = case.entries.iter().find(|entry| matches!(entry, LogEntry::Key(_))).cloned().expect("a key");
        case.entries.push(key);
        assert_eq!(failed(&watch(&served(&case.entries, &case.log), &[])).0, "keys");
    }

    #[test]
    fn a_witness_that_is_trusted_ties_what_it_has_seen() {
        let case = granted();
        let mut log = served(&case.entries, &case.log);
        let witness = Verifier::new("witness.example", Kind::Cosignature, case.witness.public()).expect("a name");
        let trust = [Trust::Key(witness)];
        assert!(!watch(&log, &trust).pinned, "it has not signed");
        let note = Note::parse(&log.checkpoint).expect("a note");
        let line = Line::cosign(note.text(), "witness.example", &case.witness, 1_800_000_000).expect("cosigned");
        log.checkpoint =
            Note::new(note.text().to_owned(), [note.lines(), &[line]].concat()).expect("a note").to_string();
        let watched = watch(&log, &trust);
        assert!(watched.pinned, "{:?}", watched.checks);
        assert_eq!(watched.found.expect("found").witnesses[0].seen_at, 1_800_000_000);
    }
}
