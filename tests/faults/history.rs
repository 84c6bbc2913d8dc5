//! Concurrent writers on shared solutions while things break, and a checker of
//! what they saw: no update lost, no version from nowhere, no illegal state.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use serde_json::Value;

use crate::ground::Database;

/// What a writer asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A summary that nobody else ever writes.
    Edit(String),
    Submit,
    Withdraw,
    RequestChanges,
    Publish,
}

/// A solution as somebody saw it at one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub summary: String,
    pub status: String,
    pub revision: Option<String>,
}

impl State {
    pub fn of(view: &Value) -> Self {
        let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
        Self {
            summary: text(&view["summary"]).unwrap_or_default(),
            status: text(&view["status"]).unwrap_or_default(),
            revision: text(&view["revision"]["status"]),
        }
    }

    fn stage(&self) -> (&str, Option<&str>) {
        (&self.status, self.revision.as_deref())
    }
}

/// How it ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Acknowledged: it made this version, which looked so.
    Done(i64, State),
    /// Surely not done.
    Refused,
    /// Nobody knows.
    Unknown,
}

#[derive(Debug, Clone)]
pub struct Operation {
    pub solution: usize,
    pub command: Command,
    /// The version its writer had read.
    pub base: i64,
    pub ended: Instant,
    pub outcome: Outcome,
}

#[derive(Debug, Clone)]
pub struct Reading {
    pub solution: usize,
    pub began: Instant,
    pub ended: Instant,
    pub version: i64,
    pub state: State,
}

#[derive(Debug, Default)]
pub struct History {
    pub operations: Vec<Operation>,
    pub readings: Vec<Reading>,
}

/// The states of `workflows`, as its table says; written anew here, not taken from the program.
fn is_legal(from: (&str, Option<&str>), command: &Command, to: (&str, Option<&str>)) -> bool {
    let live = |status: &str| status == "published" || status == "outdated";
    match (command, from, to) {
        (Command::Edit(_), ("draft" | "changes_requested", None), to) => to == from,
        (Command::Edit(_), (status, None), (then, Some("draft"))) => live(status) && then == status,
        (Command::Edit(_), (status, Some("draft" | "changes_requested")), to) => live(status) && to == from,
        (Command::Submit, ("draft" | "changes_requested", None), to) => to == ("submitted", None),
        // What touches nothing sensitive is published at once.
        (Command::Submit, (status, Some("draft" | "changes_requested")), to) => {
            live(status) && (to == (status, Some("submitted")) || to == ("published", None))
        }
        (Command::Withdraw, ("submitted", None), to) => to == ("draft", None),
        (Command::Withdraw, (status, Some("submitted")), to) => live(status) && to == (status, Some("draft")),
        (Command::RequestChanges, ("submitted", None), to) => to == ("changes_requested", None),
        (Command::RequestChanges, (status, Some("submitted")), to) => {
            live(status) && to == (status, Some("changes_requested"))
        }
        (Command::Publish, ("submitted", None), to) => to == ("published", None),
        (Command::Publish, (status, Some("submitted")), to) => live(status) && to == ("published", None),
        _ => false,
    }
}

/// What a command leaves of a summary.
fn explains(command: &Command, before: &State, after: &State) -> bool {
    let summary = match command {
        Command::Edit(text) => text,
        _ => &before.summary,
    };
    *summary == after.summary && is_legal(before.stage(), command, after.stage())
}

impl History {
    pub fn acknowledged(&self) -> usize {
        self.operations.iter().filter(|operation| matches!(operation.outcome, Outcome::Done(..))).count()
    }

    pub fn unknown(&self) -> usize {
        self.operations.iter().filter(|operation| matches!(operation.outcome, Outcome::Unknown)).count()
    }

    /// Every contradiction, in words. `ids` are those of the solutions in the database.
    pub fn faults(&self, ids: &[String], database: &Database) -> Vec<String> {
        let mut faults = Vec::new();
        for (number, id) in ids.iter().enumerate() {
            let mut of_one = self.faults_of(number);
            of_one.extend(self.faults_of_journal(number, id, database));
            faults.extend(of_one.into_iter().map(|fault| format!("solution {number}: {fault}")));
        }
        faults
    }

    fn faults_of(&self, number: usize) -> Vec<String> {
        let mut faults = Vec::new();
        let operations: Vec<&Operation> = self.operations.iter().filter(|one| one.solution == number).collect();
        let readings: Vec<&Reading> = self.readings.iter().filter(|one| one.solution == number).collect();
        let mut seen: BTreeMap<i64, State> = BTreeMap::new();
        let mut made_by: BTreeMap<i64, &Operation> = BTreeMap::new();
        let acknowledged = operations.iter().filter_map(|one| match &one.outcome {
            Outcome::Done(version, state) => Some((*one, *version, state)),
            _ => None,
        });
        for (operation, version, state) in acknowledged {
            if version != operation.base + 1 {
                faults.push(format!(
                    "lost update: {:?} started from version {} and made {version}, over what came between",
                    operation.command, operation.base
                ));
            }
            if let Some(other) = made_by.insert(version, operation) {
                faults.push(format!("two made version {version}: {:?} and {:?}", other.command, operation.command));
            }
            if seen.insert(version, state.clone()).is_some_and(|other| other != *state) {
                faults.push(format!("version {version} looks different to two writers"));
            }
        }
        for reading in &readings {
            match seen.insert(reading.version, reading.state.clone()) {
                Some(other) if other != reading.state => {
                    faults.push(format!("version {} looks {other:?} and {:?}", reading.version, reading.state));
                }
                _ => {}
            }
        }
        for (before, after) in seen.iter().zip(seen.iter().skip(1)).filter(|(one, next)| next.0 - one.0 == 1) {
            let is_explained = match made_by.get(after.0) {
                Some(operation) => explains(&operation.command, before.1, after.1),
                // Then one of those whose end nobody saw.
                None => operations.iter().any(|one| {
                    one.base == *before.0
                        && matches!(one.outcome, Outcome::Unknown)
                        && explains(&one.command, before.1, after.1)
                }),
            };
            if !is_explained {
                let maker = made_by.get(after.0).map(|operation| &operation.command);
                faults.push(format!("version {} → {}: {:?} → {:?} by {maker:?}", before.0, after.0, before.1, after.1));
            }
        }
        // What ended before something began must not be newer than what that saw.
        let mut ends: Vec<(Instant, i64)> = readings.iter().map(|one| (one.ended, one.version)).collect();
        ends.extend(made_by.iter().map(|(version, operation)| (operation.ended, *version)));
        ends.sort_unstable();
        for reading in &readings {
            let earlier = ends.partition_point(|(ended, _)| *ended < reading.began);
            if let Some(newest) = ends[..earlier].iter().map(|(_, version)| *version).max()
                && newest > reading.version
            {
                faults.push(format!("version {} was read after {newest} had been seen", reading.version));
            }
        }
        faults
    }

    fn faults_of_journal(&self, number: usize, id: &str, database: &Database) -> Vec<String> {
        let mut faults = Vec::new();
        let column = database.id_as_text("resource_id");
        let entries: Vec<(i64, String)> = database
            .lines(&format!(
                "SELECT CAST(resource_version AS TEXT) || ' ' || action AS line FROM changes \
                 WHERE resource = 'solution' AND {column} = '{id}' ORDER BY position"
            ))
            .iter()
            .filter_map(|line| {
                line.split_once(' ').map(|(version, action)| (version.parse().unwrap_or(0), action.to_owned()))
            })
            .collect();
        let versions: Vec<i64> = entries.iter().map(|(version, _)| *version).collect();
        let last =
            database.count(&format!("SELECT version FROM solutions WHERE {} = '{id}'", database.id_as_text("id")));
        if versions != (1..=last).collect::<Vec<_>>() {
            faults.push(format!("the journal has versions {versions:?}, the solution is at {last}"));
        }
        let entries: BTreeMap<i64, String> = entries.into_iter().collect();
        for operation in self.operations.iter().filter(|one| one.solution == number) {
            let Outcome::Done(version, _) = &operation.outcome else { continue };
            let expected: BTreeSet<&str> = match operation.command {
                Command::Edit(_) => ["update_solution"].into(),
                Command::Submit => ["submit_solution", "publish_solution"].into(),
                Command::Withdraw => ["withdraw_solution"].into(),
                Command::RequestChanges => ["request_changes_solution"].into(),
                Command::Publish => ["publish_solution"].into(),
            };
            match entries.get(version) {
                Some(action) if expected.contains(action.as_str()) => {}
                other => {
                    faults.push(format!("{:?} made version {version}; the journal says {other:?}", operation.command))
                }
            }
        }
        faults
    }
}
