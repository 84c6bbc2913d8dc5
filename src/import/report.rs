//! What became of every record of an import.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Remarks kept in full; more are counted, so that a file full of faults cannot fill the memory.
const MAX_REMARKS: usize = 10_000;

/// Where a record stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub file: Arc<str>,
    /// Its first line, from 1.
    pub line: u64,
}

/// Why a record cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Member or column; empty when it is the record as a whole.
    pub field: String,
    pub reason: String,
}

impl Flaw {
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }

    pub fn whole(reason: impl Into<String>) -> Self {
        Self::new("", reason)
    }
}

/// What became of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Created,
    Changed,
    Unchanged,
    /// Left as it is here, and why.
    Skipped(String),
}

/// What a remark is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Refused,
    Skipped,
    /// Loaded, but not all of it could be taken.
    Noticed,
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    pub kind: Kind,
    pub place: Place,
    pub field: String,
    pub reason: String,
}

/// What became of every record.
#[derive(Debug, Clone, Default)]
pub struct Report {
    pub read: u64,
    pub created: u64,
    pub changed: u64,
    pub unchanged: u64,
    pub skipped: u64,
    pub refused: u64,
    /// Vendors that were not known.
    pub vendors_created: u64,
    /// How often something was noticed, by code.
    pub notices: BTreeMap<String, u64>,
    pub remarks: Vec<Remark>,
    /// Remarks beyond those kept.
    pub remarks_left_out: u64,
    /// Whether nothing of this stayed, as asked.
    pub is_rolled_back: bool,
    /// Where the import had to stop before the end, and why.
    pub stopped: Option<String>,
}

impl Report {
    /// Whether everything was taken.
    pub fn is_clean(&self) -> bool {
        self.refused == 0 && self.stopped.is_none()
    }

    pub fn refuse(&mut self, place: &Place, flaws: Vec<Flaw>) {
        self.read += 1;
        self.refused += 1;
        for Flaw { field, reason } in flaws {
            self.remark(Remark { kind: Kind::Refused, place: place.clone(), field, reason });
        }
    }

    pub fn count(&mut self, place: &Place, outcome: Outcome) {
        self.read += 1;
        match outcome {
            Outcome::Created => self.created += 1,
            Outcome::Changed => self.changed += 1,
            Outcome::Unchanged => self.unchanged += 1,
            Outcome::Skipped(reason) => {
                self.skipped += 1;
                self.remark(Remark { kind: Kind::Skipped, place: place.clone(), field: String::new(), reason });
            }
        }
    }

    pub fn notice(&mut self, code: &str) {
        *self.notices.entry(code.to_owned()).or_default() += 1;
    }

    pub fn remark(&mut self, remark: Remark) {
        if self.remarks.len() < MAX_REMARKS {
            self.remarks.push(remark);
        } else {
            self.remarks_left_out += 1;
        }
    }

    /// Adds a later part of the same import.
    pub fn merge(&mut self, later: Self) {
        let Self {
            read,
            created,
            changed,
            unchanged,
            skipped,
            refused,
            vendors_created,
            notices,
            remarks,
            remarks_left_out,
            is_rolled_back,
            stopped,
        } = later;
        self.read += read;
        self.created += created;
        self.changed += changed;
        self.unchanged += unchanged;
        self.skipped += skipped;
        self.refused += refused;
        self.vendors_created += vendors_created;
        for (code, count) in notices {
            *self.notices.entry(code).or_default() += count;
        }
        self.remarks_left_out += remarks_left_out;
        remarks.into_iter().for_each(|remark| self.remark(remark));
        self.is_rolled_back |= is_rolled_back;
        self.stopped = self.stopped.take().or(stopped);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Remark { kind, place, field, reason } in &self.remarks {
            let kind = match kind {
                Kind::Refused => "refused",
                Kind::Skipped => "skipped",
                Kind::Noticed => "noticed",
            };
            let field = if field.is_empty() { String::new() } else { format!("{}: ", visible(field)) };
            writeln!(f, "{kind}  {}:{}  {field}{}", visible(&place.file), place.line, visible(reason))?;
        }
        if self.remarks_left_out > 0 {
            writeln!(f, "and {} more remarks", self.remarks_left_out)?;
        }
        for (code, count) in &self.notices {
            writeln!(f, "noticed  {code}: {count}")?;
        }
        if self.vendors_created > 0 {
            writeln!(f, "vendors made: {}", self.vendors_created)?;
        }
        if let Some(reason) = &self.stopped {
            writeln!(f, "stopped: {}", visible(reason))?;
        }
        write!(
            f,
            "{} records: {} created, {} changed, {} unchanged, {} skipped, {} refused{}",
            self.read,
            self.created,
            self.changed,
            self.unchanged,
            self.skipped,
            self.refused,
            if self.is_rolled_back { "; nothing was written" } else { "" }
        )
    }
}

/// Words from a file must not steer the terminal.
fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
