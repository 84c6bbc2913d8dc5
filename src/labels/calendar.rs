//! What the calendar does to labels. Every step leaves the state it starts from, so that to take
//! it twice, or on several instances, has one effect.

use chrono::{NaiveDate, TimeDelta};
use diesel::prelude::*;

use super::acts::{ActDetails, Said};
use super::model::{self, Label};
use super::rules::{ApplicationStatus, LabelStatus};
use super::standing::{Cause, LabelCommand, SUSPENSION_MAX};
use crate::db::schema::{label_applications, labels};
use crate::db::{Db, Id, Tx};
use crate::error::Result;
use crate::proof::history::EXTENSION_MAX;

/// A label whose renewal is examined is extended when so little is left: what is over already cannot
/// be extended, and nobody is sure to look on the very last day.
const EXTENDED_BEFORE: TimeDelta = TimeDelta::days(7);

/// Takes every step that is due; how many were taken.
pub fn keep(tx: &mut Tx<'_>) -> Result<usize> {
    Ok(extend(tx)? + model::expire(tx)? + end_extensions(tx)? + lapse(tx)? + end_suspensions(tx)?)
}

fn valid() -> Vec<LabelStatus> {
    LabelStatus::ALL.iter().copied().filter(|status| status.is_valid()).collect()
}

/// Whether an application to renew a label was submitted up to its last day and is still examined.
fn is_being_renewed(db: &mut Db, label: &Label, last: NaiveDate) -> Result<bool> {
    let open: Vec<(Id, Option<crate::db::Instant>)> = label_applications::table
        .filter(label_applications::solution_id.eq(label.solution_id))
        .filter(label_applications::status.ne_all(ApplicationStatus::CLOSED))
        .filter(label_applications::status.ne(ApplicationStatus::Draft))
        .select((label_applications::id, label_applications::submitted_at))
        .load(db)?;
    Ok(open.into_iter().any(|(id, at)| id != label.application_id && at.is_some_and(|at| at.day() <= last)))
}

/// Extends labels that are about to end while their renewal is examined.
fn extend(tx: &mut Tx<'_>) -> Result<usize> {
    let today = tx.now.day();
    let ending: Vec<Label> = labels::table
        .filter(labels::status.eq_any(valid()))
        .filter(labels::valid_until.ge(today).and(labels::valid_until.le(today + EXTENDED_BEFORE)))
        .select(Label::as_select())
        .load(tx.db)?;
    let mut count = 0;
    for label in ending {
        count += extend_one(tx, label)?;
    }
    Ok(count)
}

/// Extends the label of a solution whose renewal was just submitted, if it is about to end.
pub fn extend_of(tx: &mut Tx<'_>, solution: Id) -> Result<()> {
    for label in Label::of_solution(tx.db, solution)? {
        extend_one(tx, label)?;
    }
    Ok(())
}

fn extend_one(tx: &mut Tx<'_>, mut label: Label) -> Result<usize> {
    let (today, last) = (tx.now.day(), label.valid_until);
    let is_due = label.status.is_valid() && last >= today && last <= today + EXTENDED_BEFORE;
    if !is_due || label.standing.0.granted_until.is_some() || !is_being_renewed(tx.db, &label, last)? {
        return Ok(0);
    }
    label.standing.0.granted_until = Some(last);
    label.valid_until = last.checked_add_months(EXTENSION_MAX).unwrap_or(last);
    let details = ActDetails { until: Some(label.valid_until), ..ActDetails::default() };
    label.take(tx, LabelCommand::Extend, Said { reason: None, details })?;
    Ok(1)
}

/// Ends labels that were extended for a renewal that is decided, or given up.
fn end_extensions(tx: &mut Tx<'_>) -> Result<usize> {
    let today = tx.now.day();
    let latest = today.checked_add_months(EXTENSION_MAX).unwrap_or(today);
    let ending: Vec<Label> = labels::table
        .filter(labels::status.eq_any(valid()))
        .filter(labels::valid_until.ge(today).and(labels::valid_until.le(latest)))
        .select(Label::as_select())
        .load(tx.db)?;
    let mut count = 0;
    for mut label in ending {
        let Some(last) = label.standing.0.granted_until.filter(|last| *last < today) else { continue };
        if !is_being_renewed(tx.db, &label, last)? {
            label.take(tx, LabelCommand::Expire, Said::default())?;
            count += 1;
        }
    }
    Ok(count)
}

/// Suspends labels with a reservation that was not lifted in time.
fn lapse(tx: &mut Tx<'_>) -> Result<usize> {
    let today = tx.now.day();
    let reserved: Vec<Label> = labels::table
        .filter(labels::status.eq_any([LabelStatus::ActiveWithReservations, LabelStatus::UnderSurveillance]))
        .filter(labels::valid_until.ge(today))
        .select(Label::as_select())
        .load(tx.db)?;
    let mut count = 0;
    for mut label in reserved {
        if !label.lapsed(today).is_empty() {
            label.suspend(tx, Cause::ReservationLapsed, today.checked_add_months(SUSPENSION_MAX), Said::default())?;
            count += 1;
        }
    }
    Ok(count)
}

/// Ends suspensions that are over, and those of labels that are.
fn end_suspensions(tx: &mut Tx<'_>) -> Result<usize> {
    let today = tx.now.day();
    let suspended: Vec<Label> =
        labels::table.filter(labels::status.eq(LabelStatus::Suspended)).select(Label::as_select()).load(tx.db)?;
    let mut count = 0;
    for mut label in suspended {
        let Some(suspension) = label.suspension() else { continue };
        if label.valid_until < today {
            label.take(tx, LabelCommand::Expire, Said::default())?;
        } else if suspension.until.is_none_or(|until| until >= today) {
            continue;
        } else if suspension.cause != Cause::Precaution {
            label.take(tx, LabelCommand::Withdraw, Said::cause(Cause::NotMended))?;
        } else {
            match label.obstacles(tx.db, today)?.first() {
                None => label.take(tx, LabelCommand::Reinstate, Said::cause(Cause::Precaution))?,
                Some(Cause::Solution) => label.suspend(tx, Cause::Solution, None, Said::default())?,
                Some(cause) => {
                    label.suspend(tx, *cause, today.checked_add_months(SUSPENSION_MAX), Said::default())?;
                }
            }
        }
        count += 1;
    }
    Ok(count)
}
