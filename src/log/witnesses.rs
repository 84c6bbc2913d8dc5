//! Witnesses of the log (C2SP tlog-cosignature): others who sign that they have seen a state of it,
//! and when. Whoever trusts one of them knows that the log has not shown them another history.
//!
//! A witness reads the log as anybody does, and hands its line in. Only lines of keys that the
//! settings name are kept, and only over states that this log has had.

use diesel::prelude::*;

use super::broken;
use super::identity::Log;
use super::tree::Tree;
use crate::db::schema::log_cosignatures;
use crate::db::{Db, Instant, Tx};
use crate::error::{Error, Fault, Result};
use crate::proof::checkpoint::Checkpoint;
use crate::proof::note::{Kind, Line, Note, Verifier};
use crate::text;

/// So many lines are looked through for a state that enough witnesses have seen.
const LOOKED_AT: i64 = 2000;

/// A line as it is kept.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = log_cosignatures)]
struct Cosignature {
    size: i64,
    witness: String,
    line: String,
    received_at: Instant,
}

/// A state of the log with who signed it.
pub struct Shown {
    pub checkpoint: Checkpoint,
    pub note: Note,
    /// The witnesses that have a line in the note.
    pub witnesses: Vec<Verifier>,
}

impl Log {
    /// The state of the log now, with the lines that it has so far.
    pub fn shown(&self, db: &mut Db) -> Result<Shown> {
        let (checkpoint, note) = self.checkpoint(db)?;
        self.with_lines(db, checkpoint, &note)
    }

    /// The latest state that at least so many witnesses have seen; none when there is none.
    pub fn witnessed(&self, db: &mut Db, count: usize) -> Result<Option<Shown>> {
        if self.witnesses.is_empty() {
            return Ok(None);
        }
        let keys: Vec<String> = self.witnesses.iter().map(ToString::to_string).collect();
        let sizes: Vec<i64> = log_cosignatures::table
            .filter(log_cosignatures::witness.eq_any(keys))
            .order(log_cosignatures::size.desc())
            .limit(LOOKED_AT)
            .select(log_cosignatures::size)
            .load(db)?;
        let latest = sizes.chunk_by(|one, other| one == other).find(|lines| lines.len() >= count);
        let Some(size) = latest.and_then(|lines| u64::try_from(*lines.first()?).ok()) else { return Ok(None) };
        let Some((checkpoint, note)) = self.checkpoint_at(db, size)? else { return Ok(None) };
        let shown = self.with_lines(db, checkpoint, &note)?;
        Ok((shown.witnesses.len() >= count).then_some(shown))
    }

    fn with_lines(&self, db: &mut Db, checkpoint: Checkpoint, note: &Note) -> Result<Shown> {
        let mut lines = note.lines().to_vec();
        let mut witnesses = Vec::new();
        if !self.witnesses.is_empty() {
            let rows: Vec<Cosignature> = log_cosignatures::table
                .filter(log_cosignatures::size.eq(i64::try_from(checkpoint.size).unwrap_or(i64::MAX)))
                .order(log_cosignatures::witness)
                .select(Cosignature::as_select())
                .load(db)?;
            for row in rows {
                let known = self.witnesses.iter().find(|one| one.to_string() == row.witness);
                let (Some(witness), Some(line)) = (known, Line::parse(&row.line)) else { continue };
                // One false line would spoil the note for whoever knows its key.
                let is_good = Note::new(note.text().to_owned(), vec![line.clone()])
                    .is_ok_and(|alone| alone.open(std::slice::from_ref(witness)).is_ok());
                if is_good {
                    lines.push(line);
                    witnesses.push(witness.clone());
                }
            }
        }
        let note = Note::new(note.text().to_owned(), lines).map_err(broken)?;
        Ok(Shown { checkpoint, note, witnesses })
    }

    /// Keeps what a witness hands in: a checkpoint of this log with its line, or those of several.
    ///
    /// # Errors
    /// 422: it is no note over a checkpoint, of another log, not yet reached, by nobody that is
    /// known, or not signed. 409: the log was another when it had so many entries.
    pub fn take(&self, tx: &mut Tx<'_>, note: &str) -> Result<()> {
        let refuse = |code, detail| Error::invalid(vec![Fault::body("/note", code, detail)]);
        let note = Note::parse(note).map_err(|detail| refuse("not_a_note", detail))?;
        let given = Checkpoint::parse(note.text()).map_err(|detail| refuse("not_a_note", detail))?;
        if given.origin != self.origin || !given.extensions.is_empty() {
            let detail = text!("C’est l’état d’un autre journal.", "This is the state of another log.");
            return Err(refuse("another_log", detail));
        }
        let known = note.lines().iter().any(|line| self.witnesses.iter().any(|one| one.made(line)));
        if !known {
            let detail = text!("Aucune ligne n’est d’un témoin connu.", "No line is of a witness that is known.");
            return Err(refuse("unknown_witness", detail));
        }
        let verified = note.open(&self.witnesses).map_err(|detail| refuse("wrong_signature", detail))?;
        let Some((own, _)) = self.checkpoint_at(tx.db, given.size)? else {
            let size = Tree::open(tx.db)?.size;
            let detail = text!("Le journal a {size} entrées.", "The log has {size} entries.");
            return Err(refuse("beyond_the_log", detail));
        };
        if own.root != given.root {
            let size = given.size;
            // Signed by somebody the operator has chosen: not to be passed over.
            tracing::error!(size, "a witness has seen another history of the log");
            return Err(Error::conflict(text!(
                "À {size} entrées, ce n’était pas l’état du journal : gardez cette note.",
                "At {size} entries this was not the state of the log: keep this note."
            )));
        }
        for one in verified {
            let Some(line) = note.lines().get(one.line) else { continue };
            let row = Cosignature {
                size: i64::try_from(given.size).unwrap_or(i64::MAX),
                witness: one.by.to_string(),
                line: line.to_string(),
                received_at: tx.now,
            };
            row.keep(tx.db)?;
        }
        Ok(())
    }
}

impl Cosignature {
    /// The latest line of a witness over a state takes the place of an earlier one.
    fn keep(&self, db: &mut Db) -> Result<()> {
        let own = log_cosignatures::table.find((self.size, self.witness.clone()));
        let count = diesel::update(own)
            .set((log_cosignatures::line.eq(self.line.clone()), log_cosignatures::received_at.eq(self.received_at)))
            .execute(db)?;
        if count == 0 {
            diesel::insert_into(log_cosignatures::table).values(self.clone()).execute(db)?;
        }
        Ok(())
    }
}

/// Keys of witnesses as the settings name them, each once.
///
/// # Errors
/// Which one is none, and why.
pub fn read(vkeys: &[String]) -> std::result::Result<Vec<Verifier>, String> {
    let mut witnesses: Vec<Verifier> = Vec::new();
    for vkey in vkeys {
        let witness = Verifier::parse(vkey.trim()).map_err(|reason| format!("{vkey}: {}", reason.en))?;
        if witness.kind() != Kind::Cosignature {
            return Err(format!("{vkey}: the key of a witness is of signature type 4 (cosignature/v1)"));
        }
        if witnesses.contains(&witness) {
            return Err(format!("{vkey} is there twice"));
        }
        witnesses.push(witness);
    }
    Ok(witnesses)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proof::key::SigningKey;

    #[test]
    fn only_keys_of_witnesses_are_taken_each_once() {
        let key = SigningKey::from_seed(&[9; 32]).expect("a key").public();
        let vkey = |kind| Verifier::new("witness.example/w", kind, key).expect("a name").to_string();
        assert_eq!(read(&[format!(" {}\n", vkey(Kind::Cosignature))]).expect("read").len(), 1);
        assert!(read(&[vkey(Kind::Ed25519)]).expect_err("no witness").contains("type 4"));
        assert!(read(&[vkey(Kind::Cosignature), vkey(Kind::Cosignature)]).expect_err("twice").contains("twice"));
        assert!(read(&["witness.example".to_owned()]).is_err());
    }
}
