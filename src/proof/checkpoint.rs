//! The state of the log in three lines (C2SP tlog-checkpoint), which a note signs.

use std::fmt;

use super::Result;
use super::key::SigningKey;
use super::merkle::Hash;
use super::note::{Line, Note};
use crate::text;

/// How large the log was, and its root then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: its address without scheme.
    pub origin: String,
    /// Entries.
    pub size: u64,
    pub root: Hash,
    /// Further lines, kept as they are; the catalogue writes none.
    pub extensions: Vec<String>,
}

impl Checkpoint {
    /// Reads the text of a note.
    ///
    /// # Errors
    /// It has not exactly the form of one.
    pub fn parse(text: &str) -> Result<Self> {
        let flaw = || text!("Ce n’est pas un état de journal (checkpoint).", "This is not a checkpoint of a log.");
        let mut lines = text.strip_suffix('\n').ok_or_else(flaw)?.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(flaw());
        };
        let checkpoint = Self {
            origin: origin.to_owned(),
            size: size.parse().map_err(|_| flaw())?,
            root: Hash::parse(root)?,
            extensions: lines.map(str::to_owned).collect(),
        };
        let is_whole = !origin.is_empty() && checkpoint.extensions.iter().all(|line| !line.is_empty());
        // Written again it is the same: no leading zero, no plus.
        if is_whole && checkpoint.to_string() == text { Ok(checkpoint) } else { Err(flaw()) }
    }

    /// As a note, signed by the log under the name of its origin.
    ///
    /// # Errors
    /// The origin is no name of a key, or the library refuses.
    pub fn sign(&self, key: &SigningKey) -> Result<Note> {
        let text = self.to_string();
        let line = Line::sign(&text, &self.origin, key)?;
        Note::new(text, vec![line])
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.origin, self.size, self.root)?;
        self.extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    #[test]
    fn a_checkpoint_reads_and_writes_alike() {
        let read = Checkpoint::parse(KNOWN).expect("a checkpoint");
        assert_eq!((read.origin.as_str(), read.size), ("example.com/behind-the-sofa", 20_852_163));
        assert_eq!(read.to_string(), KNOWN);
        let more = format!("{KNOWN}one more\nand another\n");
        assert_eq!(Checkpoint::parse(&more).expect("a checkpoint").extensions, ["one more", "and another"]);
        assert_eq!(Checkpoint::parse(&more).expect("a checkpoint").to_string(), more);
        assert!(Checkpoint::parse(&KNOWN.replace("20852163", "0")).is_ok());
    }

    #[test]
    fn any_other_form_is_refused() {
        for bad in [
            KNOWN.trim_end().to_owned(),
            format!("{KNOWN}\n"),
            format!("{KNOWN}a\n\nb\n"),
            format!("\n{KNOWN}"),
            KNOWN.replace("20852163", "020852163"),
            KNOWN.replace("20852163", "+20852163"),
            KNOWN.replace("20852163", "-1"),
            KNOWN.replace("20852163", "20852163 "),
            KNOWN.replace("20852163", "18446744073709551616"),
            KNOWN.replace("2I=", "2J="),
            KNOWN.replace("2I=", "2I"),
            KNOWN.replace("CsUY", ""),
            KNOWN.replace("example.com/behind-the-sofa", ""),
            KNOWN.replace('\n', "\r\n"),
            String::new(),
        ] {
            assert!(Checkpoint::parse(&bad).is_err(), "{bad:?}");
        }
    }
}
