//! The tree in the database: entries in their order, and the hash of every complete
//! subtree over them, so that a proof is a few rows whatever the size.

use diesel::prelude::*;

use super::broken;
use crate::db::schema::{counters, log_entries, log_nodes};
use crate::db::{Db, Instant, Tx};
use crate::error::{Error, Result};
use crate::proof::entry::LogEntry;
use crate::proof::merkle::{self, Frontier, Hash, Node, leaf_hash};

/// The row that counts entries, and that who appends holds until the commit.
const COUNTER: &str = "log";

/// An entry as it is kept.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = log_entries, treat_none_as_default_value = false)]
pub struct EntryRow {
    /// Its place, from 0.
    pub position: i64,
    /// Number of the label or thumbprint of the key; empty for a refusal.
    pub subject: String,
    /// Counts the entries of the subject, from 1; 0 for a refusal.
    pub subject_seq: i32,
    /// Canonical JSON: the bytes that the leaf hashes.
    pub entry: String,
    /// Never before the subject's previous entry.
    pub logged_at: Instant,
}

impl EntryRow {
    pub fn read(&self) -> Result<LogEntry> {
        LogEntry::parse(self.entry.as_bytes()).map_err(broken)
    }

    /// All of a subject, in the order of the log.
    pub fn of(db: &mut Db, subject: &str) -> Result<Vec<Self>> {
        Ok(log_entries::table
            .filter(log_entries::subject.eq(subject).and(log_entries::subject.ne("")))
            .order(log_entries::position)
            .select(Self::as_select())
            .load(db)?)
    }

    /// The last of a subject.
    pub fn last_of(db: &mut Db, subject: &str) -> Result<Option<Self>> {
        Ok(log_entries::table
            .filter(log_entries::subject.eq(subject).and(log_entries::subject.ne("")))
            .order(log_entries::position.desc())
            .select(Self::as_select())
            .first(db)
            .optional()?)
    }

    /// So many, from a position on.
    pub fn from(db: &mut Db, position: u64, count: i64) -> Result<Vec<Self>> {
        Ok(log_entries::table
            .filter(log_entries::position.ge(signed(position)))
            .order(log_entries::position)
            .limit(count)
            .select(Self::as_select())
            .load(db)?)
    }
}

/// The tree as one transaction sees it.
pub struct Tree<'a> {
    db: &'a mut Db,
    /// Entries.
    pub size: u64,
}

impl<'a> Tree<'a> {
    pub fn open(db: &'a mut Db) -> Result<Self> {
        let size: i64 = counters::table.find(COUNTER).select(counters::value).first(db)?;
        Ok(Self { db, size: u64::try_from(size).unwrap_or_default() })
    }

    /// As it was when there were so many entries, if there are.
    pub fn open_at(db: &'a mut Db, size: u64) -> Result<Self> {
        let tree = Self::open(db)?;
        Ok(Self { size: size.min(tree.size), db: tree.db })
    }

    /// The hash of a complete subtree.
    pub fn node(&mut self, node: Node) -> Result<Hash> {
        node_of(self.db, node)
    }

    pub fn root(&mut self) -> Result<Hash> {
        let size = self.size;
        merkle::root(size, |node| self.node(node))
    }

    /// The root when there were so many entries.
    pub fn root_at(&mut self, size: u64) -> Result<Hash> {
        merkle::root(size, |node| self.node(node))
    }

    /// That the entry at `index` is in the tree (RFC 9162 §2.1.3).
    pub fn inclusion(&mut self, index: u64) -> Result<Vec<Hash>> {
        let size = self.size;
        merkle::inclusion(index, size, |node| self.node(node))?.ok_or_else(Error::not_found)
    }

    /// That the tree of `first` entries is how this one begins (RFC 9162 §2.1.4); none if it has fewer.
    pub fn consistency(&mut self, first: u64) -> Result<Option<Vec<Hash>>> {
        let size = self.size;
        merkle::consistency(first, size, |node| self.node(node))
    }
}

fn node_of(db: &mut Db, node: Node) -> Result<Hash> {
    let (level, position) = place(node)?;
    let hash: Option<String> = log_nodes::table.find((level, position)).select(log_nodes::hash).first(db).optional()?;
    let hash = hash.ok_or_else(|| Error::Internal(format!("the log lacks node {level}/{position}")))?;
    Hash::parse(&hash).map_err(broken)
}

fn place(node: Node) -> Result<(i32, i64)> {
    let level = i32::try_from(node.level).map_err(|_| Error::Internal("a level beyond the tree".to_owned()))?;
    Ok((level, signed(node.index)))
}

fn signed(position: u64) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}

impl Tx<'_> {
    /// The place that the next entry will have; nobody else appends before this transaction ends.
    pub fn next_in_log(&mut self) -> Result<u64> {
        // Written to, not only read: of two who would append, one waits or comes back.
        diesel::update(counters::table.find(COUNTER)).set(counters::value.eq(counters::value)).execute(self.db)?;
        Ok(Tree::open(self.db)?.size)
    }

    /// Appends an entry about a subject.
    pub fn append_to_log(&mut self, entry: &LogEntry, at: Instant) -> Result<u64> {
        let size = self.next_in_log()?;
        let bytes = entry.bytes().map_err(broken)?;
        let mut frontier = Frontier::load(size, |node| node_of(self.db, node))?;
        for (node, hash) in frontier.push(leaf_hash(&bytes)) {
            let (level, position) = place(node)?;
            diesel::insert_into(log_nodes::table)
                .values((
                    log_nodes::level.eq(level),
                    log_nodes::position.eq(position),
                    log_nodes::hash.eq(hash.to_string()),
                ))
                .execute(self.db)?;
        }
        let (subject, subject_seq) = match entry {
            LogEntry::Label(event) => (event.label.clone(), event.label_seq),
            LogEntry::Key(event) => (event.kid.clone(), event.key_seq),
            LogEntry::Refusal(_) => (String::new(), 0),
        };
        let entry = String::from_utf8(bytes).map_err(|_| Error::Internal("JSON that is no text".to_owned()))?;
        let row = EntryRow {
            position: signed(size),
            subject,
            subject_seq: i32::try_from(subject_seq).unwrap_or(i32::MAX),
            entry,
            logged_at: at,
        };
        diesel::insert_into(log_entries::table).values(row).execute(self.db)?;
        diesel::update(counters::table.find(COUNTER)).set(counters::value.eq(signed(size + 1))).execute(self.db)?;
        Ok(size)
    }
}
