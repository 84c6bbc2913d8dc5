//! Whether a database is what this program would have written: one finding per
//! thing that does not fit. Reads only, beside a running server.

mod history;
mod schema;
mod scores;

use std::time::Duration;

use crate::clock::Clock;
use crate::db::{Backend, Db, Limits, Store, migrations};
use crate::error::Result;

/// At most so many findings of a check are told one by one.
const TOLD: usize = 20;

/// What one check found.
#[derive(Debug, Default)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// How much was looked at.
    pub seen: usize,
    /// What does not fit; empty when all is well.
    pub findings: Vec<String>,
    /// What is worth knowing and no fault.
    pub note: Option<String>,
}

impl Check {
    fn new(name: &'static str) -> Self {
        Self { name, ..Self::default() }
    }

    fn found(&mut self, what: String) {
        self.findings.push(what);
    }

    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }
}

impl std::fmt::Display for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let verdict = if self.is_clean() { "ok" } else { "FOUND" };
        write!(f, "{verdict:<6}{}: {} looked at", self.name, self.seen)?;
        if !self.is_clean() {
            write!(f, ", {} found", self.findings.len())?;
        }
        if let Some(note) = &self.note {
            write!(f, "; {note}")?;
        }
        for finding in self.findings.iter().take(TOLD) {
            write!(f, "\n        {finding}")?;
        }
        match self.findings.len().checked_sub(TOLD) {
            Some(more) if more > 0 => write!(f, "\n        and {more} more"),
            _ => Ok(()),
        }
    }
}

type Examine = fn(&mut Db) -> Result<Check>;

/// What is looked at beside the schema, each on a snapshot of its own.
pub const CHECKS: [(&str, Examine); 8] = [
    ("files", schema::files),
    ("journal", history::continuity),
    ("journal hashes", history::hashes),
    ("seals", history::seals),
    ("log of labels", history::log),
    ("acts on labels", history::acts),
    ("evaluation scores", scores::evaluations),
    ("audit scores", scores::audits),
];

/// Makes every check, each on a snapshot of its own.
///
/// # Errors
/// Words for whoever asks, when the database cannot be read at all.
pub fn examine(backend: &Backend, told: &mut dyn FnMut(&Check)) -> std::result::Result<bool, String> {
    if let Backend::Sqlite { path } = backend
        && !path.is_file()
    {
        return Err(format!("{}: there is no such file", path.display()));
    }
    // Checks read whole tables.
    let hour = Duration::from_secs(3600);
    let limits = Limits { connections: 1, statement: hour, lock: hour, ..Limits::default() };
    let store = Store::open(backend, &limits, Clock::default()).map_err(|e| e.to_string())?;
    let mut is_clean = true;
    let mut tell = |check: Check| {
        is_clean &= check.is_clean();
        told(&check);
        check.is_clean()
    };
    let schema = schema::examine(backend).map_err(|e| format!("schema: {e}"))?;
    let has_every_migration = store.read_here(|db| Ok(migrations::are_applied(db).unwrap_or(false)));
    tell(schema);
    if !has_every_migration.map_err(|e| e.to_string())? {
        // What follows would ask for what is not there.
        return Err("migrations of this program are missing: run `migrate` first".to_owned());
    }
    for (name, examine) in CHECKS {
        let check = store.read_here(examine).map_err(|e| format!("{name}: {e}"))?;
        tell(check);
    }
    Ok(is_clean)
}
