//! Rows and queries of notifications.

use chrono::NaiveDate;
use diesel::prelude::*;

use super::reminders::ReminderKind;
use super::view::{NotificationFilter, NotificationView};
use crate::db::schema::{changes, notifications, reminders};
use crate::db::{Db, Id, Instant, MultiBackend, Resource, Tx};
use crate::error::Result;
use crate::http::{After, Key, Page, Slice};

type Row = (i64, String, Option<NaiveDate>, Option<ReminderKind>, Resource, Id, String, Instant);

/// Those of an organisation, or of the operator; the latest first.
pub fn page(
    db: &mut Db,
    recipient: Option<Id>,
    filter: &NotificationFilter,
    slice: &Slice,
) -> Result<Page<NotificationView>> {
    use notifications as n;
    let matching = || {
        let mut query = n::table
            .inner_join(changes::table.on(changes::position.eq(n::change_position)))
            .into_boxed::<MultiBackend>();
        query = match recipient {
            Some(own) => query.filter(n::recipient_id.eq(own)),
            None => query.filter(n::recipient_id.is_null()),
        };
        if let Some(since) = filter.since {
            query = query.filter(n::position.gt(since));
        }
        if let Some(action) = &filter.action {
            query = query.filter(changes::action.eq(action.clone()));
        }
        query
    };
    let total = matching().count().get_result(db)?;
    let mut rest = matching();
    if let Some(after) = &slice.after {
        rest = rest.filter(n::position.lt(after.number()));
    }
    let rows: Vec<Row> = rest
        .order(n::position.desc())
        .limit(slice.rows())
        .select((
            n::position,
            n::address,
            n::due_on,
            n::reminder,
            changes::resource,
            changes::resource_id,
            changes::action,
            changes::at,
        ))
        .load(db)?;
    let views = rows.into_iter().map(|(position, address, due_on, reminder, resource, resource_id, action, at)| {
        NotificationView { position, resource, resource_id, address, action, reminder, at, due_on }
    });
    Ok(slice.page(views.collect(), total, |row| After { key: Key::Number(row.position), id: row.resource_id }))
}

/// Erases those older than an instant, with what was reminded of before; how many.
pub fn forget(tx: &mut Tx<'_>, before: Instant, at_once: i64) -> Result<usize> {
    let old: Vec<i64> = notifications::table
        .filter(notifications::created_at.lt(before))
        .order(notifications::created_at)
        .limit(at_once)
        .select(notifications::position)
        .load(tx.db)?;
    let gone = diesel::delete(notifications::table.filter(notifications::position.eq_any(old))).execute(tx.db)?;
    diesel::delete(reminders::table.filter(reminders::due_on.lt(before.day()))).execute(tx.db)?;
    Ok(gone)
}
