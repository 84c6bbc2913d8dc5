//! Whether the log in the database is one: recomputed from its entries, and held
//! against what was last said of it outside the database.

use super::identity::Log;
use super::tree::{EntryRow, Tree};
use crate::db::Db;
use crate::error::Result;
use crate::proof::entry::LogEntry;
use crate::proof::merkle::{Frontier, Hash, leaf_hash};

/// Entries read at once.
const PART: i64 = 1000;

/// What is wrong with the log, if anything: the first thing found, in words for an operator.
pub fn fault(db: &mut Db, log: Option<&Log>) -> Result<Option<String>> {
    let size = Tree::open(db)?.size;
    let remembered = match log.map(Log::memory).transpose() {
        Ok(remembered) => remembered.flatten(),
        Err(reason) => return Ok(Some(reason)),
    };
    let mut frontier = Frontier::default();
    let mut seen = std::collections::BTreeMap::<String, i32>::new();
    loop {
        let at = frontier.size();
        if let Some(known) = remembered.as_ref().filter(|known| known.size == at)
            && frontier.root() != known.root
        {
            return Ok(Some(format!("the first {at} entries are not those of the last checkpoint")));
        }
        // One after the other: a state that was remembered may lie anywhere.
        let until = remembered.as_ref().map_or(u64::MAX, |known| known.size).saturating_sub(at);
        let count = if until == 0 { PART } else { PART.min(i64::try_from(until).unwrap_or(PART)) };
        let rows = EntryRow::from(db, at, count)?;
        if rows.is_empty() {
            break;
        }
        for row in rows {
            let position = frontier.size();
            if i64::try_from(position) != Ok(row.position) {
                return Ok(Some(format!("entry {position} is missing")));
            }
            let Ok(entry) = LogEntry::parse(row.entry.as_bytes()) else {
                return Ok(Some(format!("entry {position} is not in its one form")));
            };
            let (subject, number) = match &entry {
                LogEntry::Label(event) => (event.label.as_str(), event.label_seq),
                LogEntry::Key(event) => (event.kid.as_str(), event.key_seq),
                LogEntry::Refusal(_) => ("", 0),
            };
            if subject != row.subject || i32::try_from(number) != Ok(row.subject_seq) {
                return Ok(Some(format!("entry {position} is kept under another subject")));
            }
            if !subject.is_empty() {
                let last = seen.entry(subject.to_owned()).or_default();
                *last += 1;
                if *last != row.subject_seq {
                    return Ok(Some(format!("entry {position} is not the next one about {subject}")));
                }
            }
            for (node, hash) in frontier.push(leaf_hash(row.entry.as_bytes())) {
                let kept = Tree::open(db)?.node(node).ok();
                if kept != Some(hash) {
                    return Ok(Some(format!("the hash of node {}/{} is another", node.level, node.index)));
                }
            }
        }
    }
    if frontier.size() != size {
        return Ok(Some(format!("{} entries where {size} were counted", frontier.size())));
    }
    match remembered {
        Some(known) if known.size > size => Ok(Some(format!(
            "the database has {size} entries, the last checkpoint {}: it was put back to an earlier state",
            known.size
        ))),
        _ => Ok(None),
    }
}

/// The root over these entries, as anybody computes it from what the log serves.
pub fn root_of<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Hash {
    let mut frontier = Frontier::default();
    entries.into_iter().for_each(|entry| {
        frontier.push(leaf_hash(entry));
    });
    frontier.root()
}
