//! From rows to bytes, chunk by chunk.

use chrono::NaiveDate;

use super::columns::Columns;
use super::model::{Exportable, Exported, Pick};
use super::view::{Ending, ExportOf};
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
    fn row(&mut self, row: &Exportable) -> Result<()> {
        // One object of two.
        let view = row.view.strip_suffix('}').unwrap_or(&row.view);
        let ending = serde_json::to_string(&Ending { data: &row.data, is_removed: false })?;
        self.line(&format!("{view},{}", ending.strip_prefix('{').unwrap_or(&ending)))
    }

    fn line(&mut self, object: &str) -> Result<()> {
        match self.form {
            Form::Ndjson => {
                self.buffer.extend_from_slice(object.as_bytes());
                self.buffer.push(b'\n');
            }
            Form::Csv(columns) => columns.write(&mut self.buffer, &serde_json::from_str(object)?)?,
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
    rows: &E,
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
        (None, None) => all(db, rows, query, today, &mut lines)?,
        (Some(since), also) => {
            let ids: Vec<Id> = touched::<E>(db, since)?.into_iter().collect();
            for ids in ids.chunks(CHUNK) {
                let ids = match also {
                    Some(instant) => E::changed_since(db, instant, &Pick::Among(ids))?,
                    None => ids.to_vec(),
                };
                changed(db, rows, query, &ids, today, &mut lines)?;
            }
        }
        (None, Some(since)) => {
            let mut after = None;
            loop {
                let ids = E::changed_since(db, since, &Pick::After(after, CHUNK))?;
                let Some(last) = ids.last() else { break };
                after = Some(*last);
                changed(db, rows, query, &ids, today, &mut lines)?;
            }
        }
    }
    match lines.buffer.is_empty() {
        true => Ok(()),
        false => feed.send(lines.buffer),
    }
}

fn all<E: Exported>(
    db: &mut Db,
    rows: &E,
    query: &ExportOf<E::Filter>,
    today: NaiveDate,
    lines: &mut Lines<'_>,
) -> Result<()> {
    let mut after = None;
    loop {
        let rows = rows.rows(db, &query.filter, &Pick::After(after, CHUNK), today)?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = Some(last.id);
        rows.iter().filter(|row| query.own.takes(&row.data)).try_for_each(|row| lines.row(row))?;
    }
}

/// Those of `ids` that are in the selection, and that the others are not.
fn changed<E: Exported>(
    db: &mut Db,
    rows: &E,
    query: &ExportOf<E::Filter>,
    ids: &[Id],
    today: NaiveDate,
    lines: &mut Lines<'_>,
) -> Result<()> {
    let mut rows = rows.rows(db, &query.filter, &Pick::Among(ids), today)?;
    rows.retain(|row| query.own.takes(&row.data));
    let gone: Vec<Id> = ids.iter().copied().filter(|id| !rows.iter().any(|row| row.id == *id)).collect();
    rows.iter().try_for_each(|row| lines.row(row))?;
    E::removed(db, &gone)?.iter().try_for_each(|removed| lines.line(&serde_json::to_string(removed)?))
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
