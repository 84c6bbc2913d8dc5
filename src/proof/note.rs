//! Text with signature lines (C2SP signed-note), and the lines by which witnesses say what they have
//! seen and when (C2SP tlog-cosignature, `cosignature/v1`).

use std::fmt;

use super::checkpoint::Checkpoint;
use super::key::{PublicKey, SigningKey};
use super::merkle::Hash;
use super::{Result, encoding};
use crate::text;

/// More lines than this are refused; the specification asks for 16 at least.
const MAX_LINES: usize = 100;
/// A longer note is refused, in bytes.
const MAX_NOTE: usize = 1_000_000;
/// The dash that begins a signature line.
const DASH: &str = "— ";

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The text itself: as the log does.
    Ed25519,
    /// A checkpoint and when it was seen: as a witness does.
    Cosignature,
}

impl Kind {
    /// The identifier of signed-note's «Signature types».
    const fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::Cosignature => 0x04,
        }
    }
}

/// Who is known to sign, by name: a *vkey*.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Verifier {
    name: String,
    kind: Kind,
    key: PublicKey,
}

impl Verifier {
    /// # Errors
    /// The name is empty or holds a space, a plus or a control character.
    pub fn new(name: &str, kind: Kind, key: PublicKey) -> Result<Self> {
        if is_name(name) {
            Ok(Self { name: name.to_owned(), kind, key })
        } else {
            Err(text!(
                "Le nom d’une clé n’est ni vide, ni fait d’espaces ou de « + ».",
                "The name of a key is not empty and has neither spaces nor `+`."
            ))
        }
    }

    /// Reads `<name>+<id in hexadecimal>+<base64 of kind and key>`.
    ///
    /// # Errors
    /// It is not one, of a kind that is not known here, or its id is not the one of its key.
    pub fn parse(vkey: &str) -> Result<Self> {
        let flaw = || text!("Ce n’est pas une clé de vérification (vkey).", "This is not a verifier key (vkey).");
        // A name has no `+`, the base64 may have.
        let (name, rest) = vkey.split_once('+').ok_or_else(flaw)?;
        let (_, key) = rest.split_once('+').ok_or_else(flaw)?;
        let bytes = encoding::of_base64(key)?;
        let (kind, key) = bytes.split_first().ok_or_else(flaw)?;
        let kind = match kind {
            0x01 => Kind::Ed25519,
            0x04 => Kind::Cosignature,
            other => {
                return Err(text!(
                    "Type de signature {other} : seuls 1 (Ed25519) et 4 (cosignature/v1) sont connus.",
                    "Signature type {other}: only 1 (Ed25519) and 4 (cosignature/v1) are known."
                ));
            }
        };
        let verifier = Self::new(name, kind, PublicKey(key.try_into().map_err(|_| flaw())?))?;
        if verifier.to_string() == vkey {
            Ok(verifier)
        } else {
            Err(text!(
                "L’identifiant de la clé n’est pas celui de son nom et de sa valeur.",
                "The id of the key is not the one of its name and its value."
            ))
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn key(&self) -> PublicKey {
        self.key
    }

    /// The first four bytes of the SHA-256 of name, newline, kind and key: a hint, no proof.
    pub fn id(&self) -> [u8; 4] {
        let hash = Hash::of(&[self.name.as_bytes(), b"\n", &[self.kind.byte()], &self.key.0].concat());
        let [a, b, c, d, ..] = hash.0;
        [a, b, c, d]
    }

    /// Whether the line says to be of this key: a hint, no proof.
    pub fn made(&self, line: &Line) -> bool {
        line.name == self.name && line.id == self.id()
    }

    /// Whether the line is a signature of this key over the text, and when it says to be made.
    fn verify(&self, text: &str, signature: &[u8]) -> Option<Option<u64>> {
        match self.kind {
            Kind::Ed25519 => self.key.verifies(text.as_bytes(), signature).then_some(None),
            Kind::Cosignature => {
                let (at, signature) = signature.split_first_chunk::<8>()?;
                let at = u64::from_be_bytes(*at);
                Checkpoint::parse(text).ok()?;
                let is_good = i64::try_from(at).is_ok() && self.key.verifies(&cosigned(text, at), signature);
                is_good.then_some(Some(at))
            }
        }
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u32::from_be_bytes(self.id());
        let key = encoding::base64(&[&[self.kind.byte()][..], &self.key.0].concat());
        write!(f, "{}+{id:08x}+{key}", self.name)
    }
}

/// What a witness signs.
fn cosigned(text: &str, at: u64) -> Vec<u8> {
    format!("cosignature/v1\ntime {at}\n{text}").into_bytes()
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '+' || c < ' ')
}

/// A signature line, believed or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    name: String,
    id: [u8; 4],
    signature: Vec<u8>,
}

impl Line {
    /// The log's signature over a text.
    ///
    /// # Errors
    /// The name is none, or the library refuses.
    pub fn sign(text: &str, name: &str, key: &SigningKey) -> Result<Self> {
        let verifier = Verifier::new(name, Kind::Ed25519, key.public())?;
        Ok(Self { id: verifier.id(), name: verifier.name, signature: key.sign(text.as_bytes())?.to_vec() })
    }

    /// A witness's signature over a checkpoint that it has seen at an instant, in seconds since 1970.
    ///
    /// # Errors
    /// The text is no checkpoint, the instant beyond 2^63, or as for [`Line::sign`].
    pub fn cosign(text: &str, name: &str, key: &SigningKey, at: u64) -> Result<Self> {
        let verifier = Verifier::new(name, Kind::Cosignature, key.public())?;
        Checkpoint::parse(text)?;
        if i64::try_from(at).is_err() {
            return Err(text!("L’instant dépasse 2^63.", "The instant is beyond 2^63."));
        }
        let signature = key.sign(&cosigned(text, at))?;
        Ok(Self { id: verifier.id(), name: verifier.name, signature: [&at.to_be_bytes()[..], &signature].concat() })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads a line without its newline, as a witness answers with; none when it is not one.
    pub fn parse(line: &str) -> Option<Self> {
        let (name, base64) = line.strip_prefix(DASH)?.split_once(' ')?;
        let bytes = encoding::of_base64(base64).ok()?;
        let (id, signature) = bytes.split_first_chunk::<4>()?;
        let is_line = is_name(name) && !signature.is_empty();
        is_line.then(|| Self { name: name.to_owned(), id: *id, signature: signature.to_vec() })
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{DASH}{} {}", self.name, encoding::base64(&[&self.id[..], &self.signature].concat()))
    }
}

/// A text and the lines below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    lines: Vec<Line>,
}

/// A line that a known key made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified<'a> {
    pub by: &'a Verifier,
    /// Which line of the note, from 0.
    pub line: usize,
    /// When a witness says to have seen it, in seconds since 1970.
    pub seen_at: Option<u64>,
}

impl Note {
    /// # Errors
    /// The text does not end in a newline or has other control characters; no line, or too many.
    pub fn new(text: String, lines: Vec<Line>) -> Result<Self> {
        let note = Self { text, lines };
        // What is written must be what would be read.
        if Self::parse(&note.to_string())? == note {
            Ok(note)
        } else {
            Err(text!("Ce texte ne fait pas une note.", "This text does not make a note."))
        }
    }

    /// Reads a note, believing nothing of it.
    ///
    /// # Errors
    /// It has not the form of one.
    pub fn parse(note: &str) -> Result<Self> {
        let flaw = || text!("Ce n’est pas une note signée (C2SP).", "This is not a signed note (C2SP).");
        if note.len() > MAX_NOTE || note.contains(|c: char| c < ' ' && c != '\n') {
            return Err(flaw());
        }
        // The last empty line divides: no signature line is empty.
        let (text, lines) = note.rsplit_once("\n\n").ok_or_else(flaw)?;
        let lines = lines.strip_suffix('\n').ok_or_else(flaw)?;
        let lines: Vec<Line> = lines.split('\n').map(Line::parse).collect::<Option<_>>().ok_or_else(flaw)?;
        if lines.len() > MAX_LINES {
            return Err(flaw());
        }
        Ok(Self { text: format!("{text}\n"), lines })
    }

    /// What was signed, with its last newline. Says nothing of whether anybody has.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The lines that known keys made. Others are passed over, as keys change and witnesses come
    /// and go.
    ///
    /// # Errors
    /// No known key signed it, or a line says to be of a known key and is not.
    pub fn open<'a>(&self, known: &'a [Verifier]) -> Result<Vec<Verified<'a>>> {
        let mut verified = Vec::new();
        for (place, line) in self.lines.iter().enumerate() {
            let Some(by) = known.iter().find(|one| one.made(line)) else { continue };
            let name = &line.name;
            let Some(seen_at) = by.verify(&self.text, &line.signature) else {
                return Err(text!(
                    "La signature de « {name} » n’est pas la sienne.",
                    "The signature of `{name}` is not its own."
                ));
            };
            verified.push(Verified { by, line: place, seen_at });
        }
        if verified.is_empty() {
            return Err(text!("Aucune clé connue n’a signé.", "No known key has signed."));
        }
        Ok(verified)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// From the specification, and from the documentation of the package where notes were born.
    const KNOWN: [(&str, &str); 2] = [
        (
            "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n",
        ),
        (
            "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n",
        ),
    ];

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32]).expect("a key")
    }

    fn checkpoint() -> String {
        "log.example/labels\n2\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n".to_owned()
    }

    #[test]
    fn known_notes_are_opened_by_their_keys() {
        for (vkey, text) in KNOWN {
            let verifier = Verifier::parse(vkey).expect("a vkey");
            assert_eq!(verifier.to_string(), vkey);
            let note = Note::parse(text).expect("a note");
            assert_eq!(note.to_string(), text);
            assert_eq!(note.open(&[verifier]).expect("opened").len(), 1);
        }
    }

    #[test]
    fn a_key_signs_as_the_first_implementation_did() {
        // The private key of the same documentation: kind and seed in base64.
        let bytes = encoding::of_base64("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz").expect("base64");
        let key = SigningKey::from_seed(bytes[1..].try_into().expect("32 bytes")).expect("a key");
        let known = Note::parse(KNOWN[1].1).expect("a note");
        let line = Line::sign(known.text(), "PeterNeumann", &key).expect("signed");
        assert_eq!(Note::new(known.text().to_owned(), vec![line]), Ok(known));
    }

    #[test]
    fn unknown_lines_are_passed_over_and_false_ones_are_not() {
        let (log, other, witness) = (key(1), key(2), key(3));
        let text = checkpoint();
        let lines = vec![
            Line::sign(&text, "other.example", &other).expect("signed"),
            Line::sign(&text, "log.example/labels", &log).expect("signed"),
            Line::cosign(&text, "witness.example/w1", &witness, 1_679_315_147).expect("signed"),
        ];
        let note = Note::new(text.clone(), lines.clone()).expect("a note");
        let known = [
            Verifier::new("witness.example/w1", Kind::Cosignature, witness.public()).expect("a name"),
            Verifier::new("log.example/labels", Kind::Ed25519, log.public()).expect("a name"),
            // Same key, other name or kind: another verifier.
            Verifier::new("log.example/labels", Kind::Cosignature, log.public()).expect("a name"),
        ];
        let opened = note.open(&known).expect("opened");
        assert_eq!(
            opened.iter().map(|one| (one.line, one.seen_at)).collect::<Vec<_>>(),
            [(1, None), (2, Some(1_679_315_147))]
        );
        assert!(note.open(&known[2..]).is_err(), "nobody known");
        for place in 0..2 {
            let mut forged = note.clone();
            forged.lines[place + 1].signature[9] ^= 1;
            assert!(forged.open(&known).is_err());
        }
        let mut earlier = note.clone();
        earlier.lines[2].signature[7] ^= 1;
        assert!(earlier.open(&known).is_err(), "the instant is signed");
        assert!(Line::cosign("no checkpoint\n", "w", &witness, 1).is_err());
        assert!(Line::cosign(&text, "w", &witness, 1 << 63).is_err());
        assert!(Line::sign(&text, "a name", &log).is_err() && Line::sign(&text, "", &log).is_err());
        assert!(Note::new("no newline".to_owned(), lines).is_err() && Note::new(text, vec![]).is_err());
    }

    #[test]
    fn what_has_not_the_exact_form_is_refused() {
        let (vkey, good) = KNOWN[0];
        let known = [Verifier::parse(vkey).expect("a vkey")];
        let altered = [
            good.trim_end().to_owned(),
            format!("{good}\n"),
            format!("{good} "),
            format!("{good}more\n"),
            good.replace('\n', "\r\n"),
            good.replace("message.\n\n", "message.\n"),
            good.replace("— ", "- "),
            good.replace("— ", "—  "),
            good.replace("— ", "—"),
            good.replace("foo Uw", "foo  Uw"),
            good.replace("QM=", "QN="),
            good.replace("QM=", "QM"),
            good.replace("QM=", "QM=="),
            good.replace("This", "Th\tis"),
            good.replace("This", "this"),
            good.replace("message.\n", "message.\n\n"),
            good.replace("/foo ", "/fop "),
            good.replace("Uw2QOk", "Uw2QOl"),
            format!("{good}{}", "— a AAAAAAA=\n".repeat(MAX_LINES)),
        ];
        for text in altered {
            assert!(Note::parse(&text).and_then(|note| note.open(&known).map(|_| ())).is_err(), "{text:?}");
        }
        for bad in [
            "",
            "a",
            "a+b",
            "a+00000000+",
            vkey.trim_end_matches('k'),
            "example.com/foo+530d903a+AQ==",
            &vkey.replace("530d903a", "530D903A"),
            &vkey.replace("530d903a", "530d903b"),
            &vkey.replace("foo", "fop"),
            &vkey.replace("Aek", "Auk"),
            &format!("{vkey}\n"),
            &vkey.replace("foo", "f o"),
        ] {
            assert!(Verifier::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn no_byte_of_a_known_line_can_be_another() {
        let (vkey, good) = KNOWN[0];
        let known = [Verifier::parse(vkey).expect("a vkey")];
        for place in 0..good.len() {
            for bit in 0..8 {
                let mut bytes = good.as_bytes().to_vec();
                bytes[place] ^= 1 << bit;
                let Ok(text) = String::from_utf8(bytes) else { continue };
                let opened = Note::parse(&text).and_then(|note| note.open(&known).map(|_| ()));
                assert!(opened.is_err(), "{place} {bit}: {text:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_signed_is_opened(
            text in "[^\\x00-\\x1f]{0,40}(\n[^\\x00-\\x1f]{0,20}){0,4}",
            names in prop::collection::vec("[a-z./]{1,12}", 1..4)) {
            let text = format!("{text}\n");
            let lines: Vec<Line> = names.iter().map(|name| Line::sign(&text, name, &key(9)).expect("signed")).collect();
            let note = Note::new(text, lines).expect("a note");
            prop_assert_eq!(&Note::parse(&note.to_string()).expect("read"), &note);
            let known: Vec<Verifier> =
                names.iter().map(|name| Verifier::new(name, Kind::Ed25519, key(9).public()).expect("a name")).collect();
            prop_assert_eq!(note.open(&known).expect("opened").len(), names.len());
        }

        #[test]
        fn whatever_comes_a_note_is_read_in_one_form_or_not(note in "(\\PC|\n|— |=){0,60}") {
            if let Ok(read) = Note::parse(&note) {
                prop_assert_eq!(read.to_string(), note);
            }
        }
    }
}
