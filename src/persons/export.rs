//! What is held about a person, read as the inventory says (GDPR art. 15 and 20).

use serde_json::{Value, json};

use super::inventory::{HELD, Held, Kind};
use super::view::{HeldView, PersonalDataView};
use crate::db::{Db, Id, Instant};
use crate::error::Result;

/// Everything held about who is known by this opaque id; `limit` rows of each table at most.
pub fn export(db: &mut Db, actor: Option<Id>, limit: u32) -> Result<PersonalDataView> {
    let mut tables = Vec::new();
    for held in HELD {
        let mut rows = match actor {
            Some(actor) => rows(db, held, actor, limit.saturating_add(1))?,
            None => Vec::new(),
        };
        let is_complete = u32::try_from(rows.len()).is_ok_and(|count| count <= limit) && held.rows.is_some();
        rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        tables.push(HeldView {
            table: held.table.to_owned(),
            purpose: held.why.purpose(),
            legal_basis: held.why.basis(),
            on_erasure: held.fate.on_erasure(),
            is_complete,
            rows,
        });
    }
    Ok(PersonalDataView { actor_id: actor, tables })
}

/// How many rows each table has about a person.
pub fn count(db: &mut Db, held: &Held, actor: Id) -> Result<i64> {
    let Some(condition) = held.rows else { return Ok(0) };
    let rows = db.rows_about(held.table, &[], condition, actor, i32::MAX.unsigned_abs())?;
    Ok(i64::try_from(rows.len()).unwrap_or(i64::MAX))
}

fn rows(db: &mut Db, held: &Held, actor: Id, limit: u32) -> Result<Vec<Value>> {
    let Some(condition) = held.rows else { return Ok(Vec::new()) };
    db.rows_about(held.table, held.exported, condition, actor, limit)?
        .iter()
        .map(|line| {
            let mut row: Value = serde_json::from_str(line)?;
            for (name, kind) in held.exported {
                if let Some(value) = row.get_mut(*name) {
                    native(value, *kind);
                }
            }
            Ok(row)
        })
        .collect()
}

/// Identifiers and instants as the API writes them everywhere.
fn native(value: &mut Value, kind: Kind) {
    let read = match kind {
        Kind::Id => value.as_str().and_then(Id::parse).map(|id| json!(id)),
        Kind::Instant => value.as_i64().and_then(Instant::from_micros).map(|at| json!(at)),
        Kind::Text | Kind::Json => None,
    };
    if let Some(read) = read {
        *value = read;
    }
}
