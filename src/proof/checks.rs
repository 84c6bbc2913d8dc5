//! The single checks that make a [`verdict`](super::verdict): each by itself says yes, or why not.

use std::collections::BTreeMap;

use super::Result;
use super::attestation::{self, Attestation};
use super::bundle::{Bundle, STANDING_TYP, Standing, heads};
use super::checkpoint::Checkpoint;
use super::entry::{DECISION_TYP, KeyChange, KeyEvent, KeyPurpose, LabelEvent, LogEntry, SignedDecision};
use super::history::{self, State};
use super::jws::Unverified;
use super::key::PublicKey;
use super::merkle::{Hash, leaf_hash, verify_inclusion};
use super::note::{Kind, Note, Verifier};
use super::status_list::{StatusList, StatusListCredential};
use crate::db::Id;
use crate::text;

/// A key that the log knows.
struct KnownKey {
    key: PublicKey,
    event: KeyEvent,
    /// Where the log registers it, and where it ends.
    from: u64,
    until: Option<u64>,
    is_used: bool,
}

/// A key that signed something.
struct Used {
    key: PublicKey,
    holder: Option<Id>,
    from: u64,
}

/// Who signed the checkpoint.
pub(super) struct Signer {
    pub by: Verifier,
    /// When a witness saw it, in seconds since 1970.
    pub seen_at: Option<u64>,
    /// Where the log registers the key, when it is the log's.
    pub from: Option<u64>,
}

/// The keys of the entries, by thumbprint.
pub(super) struct Keys(BTreeMap<String, KnownKey>);

impl Keys {
    /// Out of the entries of keys, all of which must be there in order.
    pub(super) fn of(entries: &[(u64, LogEntry)]) -> Result<Self> {
        let mut keys: BTreeMap<String, KnownKey> = BTreeMap::new();
        for (index, entry) in entries {
            let LogEntry::Key(event) = entry else { continue };
            let kid = &event.kid;
            let is_next = match (event.x, event.change, keys.get_mut(kid)) {
                (Some(key), KeyChange::Registered, None) => {
                    let known = KnownKey { key, event: (**event).clone(), from: *index, until: None, is_used: false };
                    keys.insert(kid.clone(), known);
                    true
                }
                (None, KeyChange::Retired | KeyChange::Revoked, Some(known)) => {
                    // Retired, it may still be revoked: the first of both ends it.
                    let is_next = event.key_seq == known.event.key_seq + 1 && known.event.change != KeyChange::Revoked;
                    known.until = known.until.or(Some(*index));
                    known.event.key_seq = event.key_seq;
                    known.event.change = event.change;
                    is_next
                }
                _ => false,
            };
            if !is_next {
                return Err(text!(
                    "Les entrées de la clé {kid} ne se suivent pas.",
                    "The entries of key {kid} do not follow one another."
                ));
            }
        }
        Ok(Self(keys))
    }

    /// How many.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// A key that is here and signed nothing.
    pub(super) fn unused(&self) -> Option<&str> {
        self.0.iter().find(|(_, known)| !known.is_used).map(|(kid, _)| kid.as_str())
    }

    /// A key by which something at this place of the log is signed.
    fn using(&mut self, kid: &str, purpose: KeyPurpose, index: u64) -> Result<Used> {
        let known = self.0.get_mut(kid).filter(|known| {
            known.event.purposes.contains(&purpose)
                && known.from < index
                && known.until.is_none_or(|until| index <= until)
        });
        let Some(known) = known else {
            return Err(text!(
                "La clé {kid} n’est pas inscrite au journal pour cela (« {purpose} ») à cet endroit.",
                "The key {kid} is not registered in the log for this (`{purpose}`) at that place."
            ));
        };
        known.is_used = true;
        Ok(Used { key: known.key, holder: known.event.holder, from: known.from })
    }
}

/// The entries, each of which the tree has, in the order of the log.
pub(super) fn included(bundle: &Bundle, checkpoint: &Checkpoint) -> Result<Vec<(u64, LogEntry)>> {
    let mut entries: Vec<(u64, LogEntry)> = Vec::new();
    for one in &bundle.entries {
        let index = one.index;
        let is_next = entries.last().is_none_or(|(before, _)| *before < index);
        let leaf = leaf_hash(&one.leaf.0);
        if !is_next || !verify_inclusion(leaf, index, checkpoint.size, &one.inclusion, checkpoint.root) {
            return Err(text!(
                "Rien ne prouve que l’entrée {index} soit au journal.",
                "Nothing proves that entry {index} is in the log."
            ));
        }
        entries.push((index, LogEntry::parse(&one.leaf.0)?));
    }
    Ok(entries)
}

/// Who signed the checkpoint: each line by its key, each key its line.
pub(super) fn signers(bundle: &Bundle, note: &Note, checkpoint: &Checkpoint, keys: &mut Keys) -> Result<Vec<Signer>> {
    let origin = &checkpoint.origin;
    let mut known = Vec::new();
    for key in keys.0.values().filter(|known| known.event.purposes.contains(&KeyPurpose::Log)) {
        known.push(Verifier::new(origin, Kind::Ed25519, key.key)?);
    }
    for vkey in &bundle.witnesses {
        let witness = Verifier::parse(vkey)?;
        if witness.kind() != Kind::Cosignature || known.contains(&witness) {
            return Err(text!("« {vkey} » n’est pas la clé d’un témoin.", "`{vkey}` is not the key of a witness."));
        }
        known.push(witness);
    }
    let mut signers: Vec<Signer> = Vec::new();
    for one in note.open(&known)? {
        let from = match one.by.kind() {
            Kind::Ed25519 => Some(keys.using(&one.by.key().kid(), KeyPurpose::Log, checkpoint.size)?.from),
            Kind::Cosignature => None,
        };
        if signers.iter().all(|signer| signer.by != *one.by) {
            signers.push(Signer { by: one.by.clone(), seen_at: one.seen_at, from });
        }
    }
    let witnesses = signers.iter().filter(|signer| signer.from.is_none()).count();
    let is_exact = signers.len() == note.lines().len() && witnesses == bundle.witnesses.len();
    if is_exact && signers.len() > witnesses {
        Ok(signers)
    } else {
        Err(text!(
            "Les signatures de l’état du journal et leurs clés ne se correspondent pas.",
            "The signatures of the log's state and their keys do not match."
        ))
    }
}

/// Which keys of the log, and which of these witnesses, signed its state: one of the log's at least,
/// that was in use at its end.
pub(super) fn log_signers(
    note: &Note,
    checkpoint: &Checkpoint,
    keys: &mut Keys,
    witnesses: &[Verifier],
) -> Result<Vec<Signer>> {
    let mut known = witnesses.to_vec();
    for key in keys.0.values().filter(|known| known.event.purposes.contains(&KeyPurpose::Log)) {
        known.push(Verifier::new(&checkpoint.origin, Kind::Ed25519, key.key)?);
    }
    let mut signers = Vec::new();
    for one in note.open(&known)? {
        let from = match one.by.kind() {
            Kind::Ed25519 => Some(keys.using(&one.by.key().kid(), KeyPurpose::Log, checkpoint.size)?.from),
            Kind::Cosignature => None,
        };
        signers.push(Signer { by: one.by.clone(), seen_at: one.seen_at, from });
    }
    if signers.iter().any(|signer| signer.from.is_some()) {
        Ok(signers)
    } else {
        Err(text!("Aucune clé du journal n’a signé cet état.", "No key of the log has signed this state."))
    }
}

/// The log's last word, over this very file.
pub(super) fn standing(
    bundle: &Bundle,
    checkpoint: &Checkpoint,
    entries: &[(u64, LogEntry)],
    keys: &mut Keys,
) -> Result<Standing> {
    let jws = bundle.standing.as_deref().unwrap_or_default();
    let unverified = Unverified::<Standing>::parse(jws, STANDING_TYP)?;
    let used = keys.using(unverified.kid(), KeyPurpose::Log, checkpoint.size)?;
    let standing = unverified.verify(&used.key)?;
    let is_this = standing.contents == bundle.contents()?
        && standing.origin == checkpoint.origin
        && standing.root == checkpoint.root
        && standing.size == checkpoint.size
        && standing.heads == heads(entries.iter().map(|(index, entry)| (*index, entry)));
    let is_of_label = entries.iter().all(|(_, entry)| match entry {
        LogEntry::Label(event) => event.label == standing.label,
        LogEntry::Key(_) => true,
        LogEntry::Refusal(_) => false,
    });
    if is_this && is_of_label && standing.heads.iter().any(|head| head.subject == standing.label) {
        Ok(standing)
    } else {
        Err(text!("La déclaration du journal porte sur un autre fichier.", "The log's statement is over another file."))
    }
}

/// Where the label stood when the log spoke.
pub(super) fn replay(events: &[(u64, LabelEvent)], standing: &Standing) -> Result<Option<State>> {
    let events: Vec<LabelEvent> = events.iter().map(|(_, event)| event.clone()).collect();
    if events.last().is_some_and(|last| last.at > standing.at) {
        return Err(text!(
            "La déclaration du journal précède le dernier événement.",
            "The log's statement is before the last event."
        ));
    }
    history::state_at(&events, standing.at)
}

/// The attestations that events name, signed by a key that could then, and saying the same.
pub(super) fn attestations(bundle: &Bundle, events: &[(u64, LabelEvent)], keys: &mut Keys) -> Result<Vec<Attestation>> {
    let named = events.iter().filter_map(|(index, event)| event.attestation.map(|hash| (*index, event, hash)));
    let mut jwts = bundle.attestations.iter();
    let mut attestations = Vec::new();
    for (index, event, hash) in named {
        let seq = event.label_seq;
        let Some(jwt) = jwts.next().filter(|jwt| Hash::of(jwt.as_bytes()) == hash) else {
            return Err(text!(
                "L’attestation de l’événement {seq} n’est pas celle que nomme le journal.",
                "The attestation of event {seq} is not the one that the log names."
            ));
        };
        let unverified = Unverified::<Attestation>::parse(jwt, attestation::TYP)?;
        let used = keys.using(unverified.kid(), KeyPurpose::Issuer, index)?;
        let attestation = unverified.verify(&used.key)?;
        attestation.agrees(event)?;
        attestations.push(attestation);
    }
    if jwts.next().is_some() {
        return Err(text!("Une attestation n’est nommée par aucun événement.", "An attestation is named by no event."));
    }
    Ok(attestations)
}

/// The key of the audit body that signed a decision.
pub(super) fn audited(event: &LabelEvent, index: u64, signature: &str, keys: &mut Keys) -> Result<PublicKey> {
    let unverified = Unverified::<SignedDecision>::parse(signature, DECISION_TYP)?;
    let Used { key, holder, .. } = keys.using(unverified.kid(), KeyPurpose::Auditor, index)?;
    event.verify_signature(signature, &key)?;
    if holder == Some(event.audit_body) {
        Ok(key)
    } else {
        Err(text!(
            "La décision est signée par un autre organisme d’audit.",
            "The decision is signed by another audit body."
        ))
    }
}

/// Status lists that the last attestation names, with the bit that the events make, when they were made.
pub(super) fn status(
    bundle: &Bundle,
    events: &[(u64, LabelEvent)],
    attestations: &[Attestation],
    standing: &Standing,
    keys: &mut Keys,
) -> Result<()> {
    let events: Vec<LabelEvent> = events.iter().map(|(_, event)| event.clone()).collect();
    let flaw =
        || text!("Une liste d’états ne va pas avec l’attestation.", "A status list does not go with the attestation.");
    let attestation = attestations.last().ok_or_else(flaw)?;
    let mut read: Vec<String> = Vec::new();
    for jwt in &bundle.status {
        let unverified = Unverified::<StatusListCredential>::parse(jwt, attestation::TYP)?;
        let used = keys.using(unverified.kid(), KeyPurpose::Issuer, standing.size)?;
        let list = unverified.verify(&used.key)?;
        let purpose = list.credential_subject.status_purpose;
        let entry = attestation
            .credential_status
            .iter()
            .find(|entry| entry.status_list_credential == list.id && entry.status_purpose == purpose)
            .filter(|_| list.issuer == attestation.issuer && list.valid_from <= standing.at && !read.contains(&list.id))
            .ok_or_else(flaw)?;
        let bits = StatusList::decode(&list.credential_subject.encoded_list)?;
        let bit = entry.index().and_then(|index| bits.get(index)).ok_or_else(flaw)?;
        let state = history::state_at(&events, list.valid_from)?;
        if state.is_some_and(|state| purpose.holds(state.status)) != bit {
            return Err(text!(
                "Une liste d’états (« {purpose} ») dit autre chose que le journal.",
                "A status list (`{purpose}`) says something else than the log."
            ));
        }
        read.push(list.id);
    }
    Ok(())
}
