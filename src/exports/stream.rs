//! From rows to bytes, chunk by chunk.

use chrono::NaiveDate;
use serde::Serialize;

use super::columns::Columns;
use super::model::{Exported, Pick};
use super::view::{ExportOf, Row};
use crate::db::feed::Feed;
use crate::db::{Bookmark, Change, Db, Id};
use crate::error::Result;

/// Rows read at once.
const CHUNK: usize = 200;
/// Bytes handed over at once.
const PART: usize = 64 * 1024;

/// The form of an export.
pub enum Form {
    Ndjson,
    Csv(Columns),
}

/// Writes rows into parts, and hands these over.
struct Lines<'a> {
    form: &'a Form,
    feed: &'a Feed,
    buffer: Vec<u8>,
}

impl Lines<'_> {
    fn line(&mut self, row: &impl Serialize) -> Result<()> {
        match self.form {
            Form::Ndjson => {
                serde_json::to_writer(&mut self.buffer, row)?;
                self.buffer.push(b'\n');
            }
            Form::Csv(columns) => columns.write(&mut self.buffer, row)?,
        }
        if self.buffer.len() >= PART {
            let full = std::mem::replace(&mut self.buffer, Vec::with_capacity(PART + PART / 4));
            self.feed.send(full)?;
        }
        Ok(())
    }
}

/// Feeds all that is asked for, in the order of identifiers.
pub fn feed<E: Exported>(
    db: &mut Db,
    query: &ExportOf<E::Filter>,
    form: &Form,
    today: NaiveDate,
    feed: &Feed,
) -> Result<()> {
    let mut lines = Lines { form, feed, buffer: Vec::with_capacity(PART + PART / 4) };
    if let Form::Csv(columns) = form {
        columns.header(&mut lines.buffer)?;
    }
    match (query.own.since, query.own.updated_since) {
        (None, None) => all::<E>(db, query, today, &mut lines)?,
        (Some(since), also) => {
            let ids: Vec<Id> = touched::<E>(db, since)?.into_iter().collect();
            for ids in ids.chunks(CHUNK) {
                let ids = match also {
                    Some(instant) => E::changed_since(db, instant, &Pick::Among(ids))?,
                    None => ids.to_vec(),
                };
                changed::<E>(db, query, &ids, today, &mut lines)?;
            }
        }
        (None, Some(since)) => {
            let mut after = None;
            loop {
                let ids = E::changed_since(db, since, &Pick::After(after, CHUNK))?;
                let Some(last) = ids.last() else { break };
                after = Some(*last);
                changed::<E>(db, query, &ids, today, &mut lines)?;
            }
        }
    }
    match lines.buffer.is_empty() {
        true => Ok(()),
        false => feed.send(lines.buffer),
    }
}

fn all<E: Exported>(db: &mut Db, query: &ExportOf<E::Filter>, today: NaiveDate, lines: &mut Lines<'_>) -> Result<()> {
    let mut after = None;
    loop {
        let rows = E::rows(db, &query.filter, &Pick::After(after, CHUNK), today)?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = Some(last.id);
        for row in rows.iter().filter(|row| query.own.takes(&row.data)) {
            lines.line(&Row { view: &row.view, data: &row.data, is_removed: false })?;
        }
    }
}

/// Those of `ids` that are in the selection, and that the others are not.
fn changed<E: Exported>(
    db: &mut Db,
    query: &ExportOf<E::Filter>,
    ids: &[Id],
    today: NaiveDate,
    lines: &mut Lines<'_>,
) -> Result<()> {
    let mut rows = E::rows(db, &query.filter, &Pick::Among(ids), today)?;
    rows.retain(|row| query.own.takes(&row.data));
    let gone: Vec<Id> = ids.iter().copied().filter(|id| !rows.iter().any(|row| row.id == *id)).collect();
    for row in &rows {
        lines.line(&Row { view: &row.view, data: &row.data, is_removed: false })?;
    }
    for removed in E::removed(db, &gone)? {
        lines.line(&removed)?;
    }
    Ok(())
}

/// What the journal says was touched after a bookmark.
fn touched<E: Exported>(db: &mut Db, since: Bookmark) -> Result<std::collections::BTreeSet<Id>> {
    let (mut at, mut ids) = (since, std::collections::BTreeSet::new());
    loop {
        let (entries, next) = Change::after(db, at, 1000)?;
        if next == at {
            return Ok(ids);
        }
        at = next;
        for entries in entries.chunks(500) {
            ids.extend(E::touched(db, entries)?);
        }
    }
}
