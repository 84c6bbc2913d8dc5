//! Of what is signed or hashed: whatever is read is written again as the same bytes, and nobody is
//! believed who has not signed.

use std::sync::LazyLock;

use serde_json::Value;

use super::{choice, text_of};
use crate::proof::bundle::Bundle;
use crate::proof::checkpoint::Checkpoint;
use crate::proof::entry::LogEntry;
use crate::proof::key::SigningKey;
use crate::proof::merkle::Hash;
use crate::proof::note::{Kind, Line, Note, Verifier};
use crate::proof::tiles::{Content, Tile, decode_entries, encode_entries};
use crate::proof::verdict::{Trust, verify};
use crate::proof::{canonical, jws as signed};

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_seed(&[7; 32]).expect("a key"));

/// [`Note`]: its text and lines are those of the bytes; a signature holds for its text alone.
pub fn note(data: &[u8]) {
    let text = text_of(data);
    let own = |kind| Verifier::new("fuzz", kind, KEY.public()).expect("a name");
    let known = [own(Kind::Ed25519), own(Kind::Cosignature)];
    if let Ok(note) = Note::parse(&text) {
        assert_eq!(note.to_string(), *text);
        assert!(note.text().ends_with('\n') && !note.lines().is_empty());
        assert!(note.open(&known).is_err(), "nobody else signs with this key");
    }
    let Ok(line) = Line::sign(&text, "fuzz", &KEY) else { return };
    if let Ok(note) = Note::new(text.clone().into_owned(), vec![line.clone()]) {
        assert_eq!(note.open(&known[..1]).expect("signed").len(), 1);
        assert!(Note::new(format!("a{text}"), vec![line]).is_ok_and(|other| other.open(&known[..1]).is_err()));
    }
}

/// [`Checkpoint`]: one form of each.
pub fn checkpoint(data: &[u8]) {
    let text = text_of(data);
    if let Ok(read) = Checkpoint::parse(&text) {
        assert_eq!(read.to_string(), *text);
        let line = Line::cosign(&text, "fuzz", &KEY, 1).expect("a checkpoint is cosigned");
        assert!(Line::parse(&line.to_string()).is_some_and(|again| again == line));
    } else {
        assert!(Line::cosign(&text, "fuzz", &KEY, 1).is_err(), "and nothing else is");
    }
}

/// [`Verifier`]: one form of each, and what is trusted is one of three things.
pub fn vkey(data: &[u8]) {
    let text = text_of(data);
    if let Ok(read) = Verifier::parse(&text) {
        assert_eq!(read.to_string(), *text);
        assert!(!read.name().is_empty());
        assert_eq!(Trust::parse(&text), Ok(Trust::Key(read)));
    } else {
        let _whatever_it_is = Trust::parse(&text);
    }
}

/// [`signed`]: what the key did not sign has no payload.
pub fn jws(data: &[u8]) {
    let text = text_of(data);
    assert!(signed::verify::<Value>(&text, "fuzz+jwt", &KEY.public()).is_err());
    if let Ok(value) = canonical::read(data) {
        let own = signed::sign("fuzz+jwt", &value, &KEY).expect("canonical JSON is signed");
        assert_eq!(signed::verify::<Value>(&own, "fuzz+jwt", &KEY.public()), Ok(value));
        assert!(signed::verify::<Value>(&own, "other+jwt", &KEY.public()).is_err());
        let (place, _) = choice(data);
        let mut altered = own.into_bytes();
        let at = place % altered.len();
        altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
        assert!(signed::verify::<Value>(&text_of(&altered), "fuzz+jwt", &KEY.public()).is_err());
    }
}

/// [`LogEntry`]: what is read is written alike.
pub fn entry(data: &[u8]) {
    if let Ok(read) = LogEntry::parse(data) {
        assert_eq!(read.bytes().expect("what is read is written"), data);
    }
}

/// [`Tile`]: its address and its entries have one form each.
pub fn tile(data: &[u8]) {
    let text = text_of(data);
    if let Some(tile) = Tile::parse(&text) {
        assert_eq!(tile.path(), *text);
        // Beyond the largest tree there are no nodes.
        if tile.content != Content::Entries && tile.index < u64::MAX >> 9 {
            assert_eq!(tile.nodes().len(), usize::from(tile.width));
        }
    }
    if let Some(entries) = decode_entries(data) {
        assert_eq!(encode_entries(entries).as_deref(), Some(data));
    }
}

/// [`Bundle`]: one form, and nothing that was made up is proved or tied.
pub fn bundle(data: &[u8]) {
    let own = Verifier::new("fuzz", Kind::Ed25519, KEY.public()).expect("a name");
    let kept = Checkpoint { origin: "fuzz".to_owned(), size: 1, root: Hash::of(data), extensions: Vec::new() };
    let verdict = verify(data, &[Trust::Key(own), Trust::Checkpoint(kept)]);
    assert!(!verdict.pinned && verdict.valid == verdict.found.is_some() && !verdict.checks.is_empty());
    if let Ok(read) = Bundle::parse(data) {
        assert_eq!(canonical::to_vec(&read).expect("written"), data);
    }
}
