//! Whether the log in the database is one: recomputed from its entries, held
//! against what was last said of it outside the database, and against the register.

use std::collections::{BTreeMap, HashMap};

use diesel::prelude::*;

use super::identity::Log;
use super::register::{self, Said};
use super::tree::{EntryRow, Tree};
use crate::db::Db;
use crate::db::schema::log_nodes;
use crate::error::Result;
use crate::proof::entry::LogEntry;
use crate::proof::merkle::{Frontier, Hash, Node, leaf_hash};

/// Entries read at once.
const PART: i64 = 1000;

/// What is wrong with the log, if anything: the first thing found, in words for an operator.
pub fn fault(db: &mut Db, log: Option<&Log>) -> Result<Option<String>> {
    let size = Tree::open(db)?.size;
    let remembered = match log.map(Log::memory).transpose() {
        Ok(remembered) => remembered.flatten(),
        Err(reason) => return Ok(Some(reason)),
    };
    let mut walk = Walk::default();
    loop {
        let at = walk.frontier.size();
        if let Some(known) = remembered.as_ref().filter(|known| known.size == at)
            && walk.frontier.root() != known.root
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
        let nodes = nodes(db, at, at + rows.len() as u64)?;
        for row in rows {
            if let Err(fault) = walk.step(row, &nodes) {
                return Ok(Some(fault));
            }
        }
    }
    if walk.frontier.size() != size {
        return Ok(Some(format!("{} entries where {size} were counted", walk.frontier.size())));
    }
    let kept: i64 = log_nodes::table.count().get_result(db)?;
    let wanted: u64 = (0..u64::BITS).map(|level| size >> level).sum();
    if u64::try_from(kept) != Ok(wanted) {
        return Ok(Some(format!("{kept} hashes of nodes where the tree has {wanted}")));
    }
    if let Some(known) = remembered.filter(|known| known.size > size) {
        return Ok(Some(format!(
            "the database has {size} entries, the last checkpoint {}: it was put back to an earlier state",
            known.size
        )));
    }
    register::fault(db, &walk.said)
}

/// The hashes of the nodes that become complete between two sizes, as they are kept.
fn nodes(db: &mut Db, from: u64, until: u64) -> Result<HashMap<Node, Hash>> {
    let mut nodes = HashMap::new();
    for level in 0..u64::BITS {
        let (first, end) = (from >> level, until >> level);
        if first == end {
            continue;
        }
        let signed = |position: u64| i64::try_from(position).unwrap_or(i64::MAX);
        let rows: Vec<(i64, String)> = log_nodes::table
            .filter(log_nodes::level.eq(i32::try_from(level).unwrap_or(i32::MAX)))
            .filter(log_nodes::position.ge(signed(first)).and(log_nodes::position.lt(signed(end))))
            .select((log_nodes::position, log_nodes::hash))
            .load(db)?;
        nodes.extend(rows.into_iter().filter_map(|(position, hash)| {
            let node = Node { level, index: u64::try_from(position).ok()? };
            Some((node, Hash::parse(&hash).ok()?))
        }));
    }
    Ok(nodes)
}

/// Entries one after the other, and what they say.
#[derive(Default)]
struct Walk {
    frontier: Frontier,
    /// The last number of each subject.
    seen: BTreeMap<String, i32>,
    said: Said,
}

impl Walk {
    fn step(&mut self, row: EntryRow, nodes: &HashMap<Node, Hash>) -> std::result::Result<(), String> {
        let position = self.frontier.size();
        if i64::try_from(position) != Ok(row.position) {
            return Err(format!("entry {position} is missing"));
        }
        let Ok(entry) = LogEntry::parse(row.entry.as_bytes()) else {
            return Err(format!("entry {position} is not in its one form"));
        };
        let (subject, number, at) = match &entry {
            LogEntry::Label(event) => (event.label.as_str(), event.label_seq, event.at),
            LogEntry::Key(event) => (event.kid.as_str(), event.key_seq, event.at),
            LogEntry::Refusal(refusal) => ("", 0, refusal.at),
        };
        if subject != row.subject || i32::try_from(number) != Ok(row.subject_seq) || at != row.logged_at {
            return Err(format!("entry {position} is kept under another subject or instant"));
        }
        if !subject.is_empty() {
            let last = self.seen.entry(subject.to_owned()).or_default();
            *last += 1;
            if *last != row.subject_seq {
                return Err(format!("entry {position} is not the next one about {subject}"));
            }
        }
        for (node, hash) in self.frontier.push(leaf_hash(row.entry.as_bytes())) {
            if nodes.get(&node) != Some(&hash) {
                return Err(format!("the hash of node {}/{} is another", node.level, node.index));
            }
        }
        self.said.hear(entry, row.logged_at);
        Ok(())
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
