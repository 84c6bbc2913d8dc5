//! Reminders: what the calendar tells before a day comes, or once it has passed; each once.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Months, NaiveDate, TimeDelta};
use diesel::prelude::*;
use serde_json::json;

use super::{News, Recipient, tell};
use crate::db::journal::{as_lost_race, of_solution};
use crate::db::schema::{evaluations, label_applications, labels, organisations, reminders, solutions};
use crate::db::{Id, Instant, Resource, Tx};
use crate::error::Result;
use crate::evaluations::rules::EvaluationStatus;
use crate::labels::model::{Application, Label};
use crate::labels::rules::{ApplicationStatus, LabelStatus};
use crate::solutions::rules::SolutionStatus;

/// How the journal's names of reminders begin.
pub const REMINDS: &str = "remind_of_";
/// At most so many in one transaction; the next run goes on.
const AT_ONCE: usize = 500;

crate::codes! {
    /// What is reminded of.
    pub enum ReminderKind {
        /// The label ends in six months: its renewal may be applied for.
        LabelEndsIn6Months = "label_ends_in_6_months",
        LabelEndsIn30Days = "label_ends_in_30_days",
        LabelEndsIn7Days = "label_ends_in_7_days",
        /// A reservation has to be lifted within thirty days, else the label is suspended.
        ReservationDueIn30Days = "reservation_due_in_30_days",
        ReservationDueIn7Days = "reservation_due_in_7_days",
        /// The suspension ends within thirty days: what is not mended by then is withdrawn.
        SuspensionEndsIn30Days = "suspension_ends_in_30_days",
        /// The sheet has to be confirmed within thirty days, else it is outdated.
        ConfirmationDueIn30Days = "confirmation_due_in_30_days",
        ConfirmationDueIn7Days = "confirmation_due_in_7_days",
        /// The evaluation expires within thirty days.
        EvaluationExpiresIn30Days = "evaluation_expires_in_30_days",
        /// The operator has not said in time whether it admits the application.
        AdmissionOverdue = "admission_overdue",
        /// The operator has not answered a challenge in time: the audit does not open before it does.
        ChallengeOverdue = "challenge_overdue",
        /// What was found has to be mended within thirty days, else it is decided as it is.
        CorrectionDueIn30Days = "correction_due_in_30_days",
        CorrectionDueIn7Days = "correction_due_in_7_days",
    }
}

/// A reminder that is due, unless it was given.
struct Due {
    kind: ReminderKind,
    resource: Resource,
    id: Id,
    version: i32,
    /// Which part of it; empty: all of it.
    about: String,
    due_on: NaiveDate,
    solution: Id,
    address: String,
    to: Vec<Recipient>,
}

/// The last of these stages that has come; none that came no later than what it is about.
fn stage(stages: &[(NaiveDate, ReminderKind)], begun: NaiveDate, today: NaiveDate) -> Option<ReminderKind> {
    stages
        .iter()
        .filter(|(from, _)| *from <= today && *from > begun)
        .max_by_key(|(from, _)| *from)
        .map(|(_, kind)| *kind)
}

fn before(day: NaiveDate, days: i64) -> NaiveDate {
    day - TimeDelta::days(days)
}

/// Gives every reminder that is due; how many.
pub fn keep(tx: &mut Tx<'_>, confirmation_days: i64) -> Result<usize> {
    let mut all = of_labels(tx)?;
    all.extend(of_solutions(tx, confirmation_days)?);
    all.extend(of_evaluations(tx)?);
    all.extend(of_cases(tx)?);
    let mut given: BTreeSet<(Id, String, String, NaiveDate)> = BTreeSet::new();
    let ids: BTreeSet<Id> = all.iter().map(|one| one.id).collect();
    let ids: Vec<Id> = ids.into_iter().collect();
    for part in ids.chunks(500) {
        given.extend(
            reminders::table
                .filter(reminders::resource_id.eq_any(part.to_vec()))
                .select((reminders::resource_id, reminders::kind, reminders::about, reminders::due_on))
                .load::<(Id, String, String, NaiveDate)>(tx.db)?,
        );
    }
    all.retain(|one| !given.contains(&(one.id, one.kind.code().to_owned(), one.about.clone(), one.due_on)));
    all.truncate(AT_ONCE);
    let count = all.len();
    for one in all {
        remind(tx, one)?;
    }
    Ok(count)
}

fn remind(tx: &mut Tx<'_>, due: Due) -> Result<()> {
    let Due { kind, resource, id, version, about, due_on, solution, address, to } = due;
    diesel::insert_into(reminders::table)
        .values((
            reminders::kind.eq(kind.code()),
            reminders::resource_id.eq(id),
            reminders::about.eq(about),
            reminders::due_on.eq(due_on),
        ))
        .execute(tx.db)
        .map_err(as_lost_race)?;
    let changed = of_solution(json!({"reminder": kind, "due_on": due_on}), solution);
    tx.record(&format!("{REMINDS}{resource}"), resource, id, version, changed)?;
    tell(tx, &News { resource, id, address, due_on: Some(due_on), reminder: Some(kind) }, to)
}

fn of_labels(tx: &mut Tx<'_>) -> Result<Vec<Due>> {
    use ReminderKind as K;
    let today = tx.now.day();
    let valid: Vec<LabelStatus> = LabelStatus::ALL.iter().copied().filter(|status| status.is_valid()).collect();
    let far = today.checked_add_months(Months::new(6)).unwrap_or(today);
    let reserved = [LabelStatus::ActiveWithReservations, LabelStatus::UnderSurveillance];
    let concerned: Vec<Label> = labels::table
        .filter(
            labels::status
                .eq_any(valid)
                .and(labels::valid_until.le(far))
                .or(labels::status.eq_any(reserved))
                .or(labels::status.eq(LabelStatus::Suspended)),
        )
        .filter(labels::valid_until.ge(today))
        .select(Label::as_select())
        .load(tx.db)?;
    let mut vendors: BTreeMap<Id, Option<Id>> = BTreeMap::new();
    let of: Vec<Id> = concerned.iter().map(|label| label.solution_id).collect();
    for part in of.chunks(500) {
        let found = solutions::table.filter(solutions::id.eq_any(part.to_vec()));
        vendors.extend(found.select((solutions::id, solutions::organisation_id)).load::<(Id, Option<Id>)>(tx.db)?);
    }
    let mut all = Vec::new();
    for label in concerned {
        let vendor = vendors.get(&label.solution_id).copied().flatten();
        let to: Vec<Recipient> =
            [vendor, Some(label.audit_body_id)].into_iter().flatten().map(Recipient::Organisation).collect();
        let mut due = |kind: Option<K>, about: &str, due_on| {
            all.extend(kind.map(|kind| Due {
                kind,
                resource: Resource::Label,
                id: label.id,
                version: label.version,
                about: about.to_owned(),
                due_on,
                solution: label.solution_id,
                address: format!("/api/v1/labels/{}", label.number),
                to: to.clone(),
            }));
        };
        if let Some(suspension) = label.suspension() {
            if let Some(until) = suspension.until {
                let stages = [(before(until, 30), K::SuspensionEndsIn30Days)];
                due(stage(&stages, suspension.since, today).filter(|_| until >= today), "", until);
            }
            continue;
        }
        let end = label.valid_until;
        let stages = [
            (end.checked_sub_months(Months::new(6)).unwrap_or(end), K::LabelEndsIn6Months),
            (before(end, 30), K::LabelEndsIn30Days),
            (before(end, 7), K::LabelEndsIn7Days),
        ];
        let begun = label.standing.0.granted_until.unwrap_or(label.valid_from);
        due(stage(&stages, begun, today), "", end);
        for one in label.open_reservations().filter(|one| one.due_on >= today) {
            let stages = [
                (before(one.due_on, 30), K::ReservationDueIn30Days),
                (before(one.due_on, 7), K::ReservationDueIn7Days),
            ];
            due(stage(&stages, label.valid_from, today), &one.criterion, one.due_on);
        }
    }
    Ok(all)
}

fn of_solutions(tx: &mut Tx<'_>, confirmation_days: i64) -> Result<Vec<Due>> {
    use ReminderKind as K;
    let today = tx.now.day();
    // Those that the calendar will find outdated: an imported sheet of a vendor nobody verified stays.
    let verified = organisations::table
        .filter(organisations::identifier_verified_at.is_not_null())
        .select(organisations::id.nullable());
    let rows: Vec<(Id, i32, Option<Id>, Option<Instant>)> = solutions::table
        .filter(solutions::status.eq(SolutionStatus::Published))
        .filter(solutions::provenance.is_null().or(solutions::organisation_id.eq_any(verified).assume_not_null()))
        .filter(solutions::confirmed_at.le(tx.now.plus_days(30 - confirmation_days)))
        .order(solutions::confirmed_at)
        .select((solutions::id, solutions::version, solutions::organisation_id, solutions::confirmed_at))
        .load(tx.db)?;
    let due = rows.into_iter().filter_map(|(id, version, vendor, confirmed_at)| {
        let (vendor, confirmed_at) = (vendor?, confirmed_at?);
        let due_on = confirmed_at.plus_days(confirmation_days).day();
        let stages = [(before(due_on, 30), K::ConfirmationDueIn30Days), (before(due_on, 7), K::ConfirmationDueIn7Days)];
        let kind = stage(&stages, confirmed_at.day(), today)?;
        Some(Due {
            kind,
            resource: Resource::Solution,
            id,
            version,
            about: String::new(),
            due_on,
            solution: id,
            address: format!("/api/v1/solutions/{id}"),
            to: vec![Recipient::Organisation(vendor)],
        })
    });
    Ok(due.collect())
}

/// Identifier, version, solution, vendor, publication, expiry.
type EvaluationRow = (Id, i32, Id, Id, Option<Instant>, Option<Instant>);

fn of_evaluations(tx: &mut Tx<'_>) -> Result<Vec<Due>> {
    let today = tx.now.day();
    let rows: Vec<EvaluationRow> = evaluations::table
        .filter(evaluations::status.eq_any([EvaluationStatus::Published, EvaluationStatus::Contested]))
        .filter(evaluations::expires_at.gt(tx.now).and(evaluations::expires_at.le(tx.now.plus_days(31))))
        .select((
            evaluations::id,
            evaluations::version,
            evaluations::solution_id,
            evaluations::organisation_id,
            evaluations::published_at,
            evaluations::expires_at,
        ))
        .load(tx.db)?;
    let due = rows.into_iter().filter_map(|(id, version, solution, vendor, published_at, expires_at)| {
        let due_on = expires_at?.day();
        let stages = [(before(due_on, 30), ReminderKind::EvaluationExpiresIn30Days)];
        let kind = stage(&stages, published_at?.day(), today)?;
        Some(Due {
            kind,
            resource: Resource::Evaluation,
            id,
            version,
            about: String::new(),
            due_on,
            solution,
            address: format!("/api/v1/evaluations/{id}"),
            to: vec![Recipient::Organisation(vendor)],
        })
    });
    Ok(due.collect())
}

/// Cases in which somebody's turn has not come to an end in time, or is about to.
fn of_cases(tx: &mut Tx<'_>) -> Result<Vec<Due>> {
    use label_applications as a;
    let waiting = [ApplicationStatus::Submitted, ApplicationStatus::Assigned, ApplicationStatus::CorrectiveAction];
    let soon = tx.now.plus_days(31);
    let cases: Vec<Application> = a::table
        .filter(a::status.eq_any(waiting))
        .filter(a::admission_due_at.lt(tx.now).or(a::due_at.lt(soon)))
        .select(Application::as_select())
        .load(tx.db)?;
    let (now, today) = (tx.now, tx.now.day());
    let due = cases.into_iter().filter_map(|case| {
        let overdue = |at: Option<Instant>, kind| at.filter(|at| *at < now).map(|at| (kind, at.last_day()));
        let (kind, due_on) = match case.status {
            ApplicationStatus::Submitted => overdue(case.admission_due_at, ReminderKind::AdmissionOverdue),
            ApplicationStatus::Assigned => overdue(case.due_at, ReminderKind::ChallengeOverdue),
            _ => case.procedure.correction.as_ref().and_then(|correction| {
                let stages = [
                    (before(correction.due_on, 30), ReminderKind::CorrectionDueIn30Days),
                    (before(correction.due_on, 7), ReminderKind::CorrectionDueIn7Days),
                ];
                Some((stage(&stages, correction.required_at.day(), today)?, correction.due_on))
            }),
        }?;
        let to = match case.status {
            ApplicationStatus::CorrectiveAction => Recipient::Organisation(case.organisation_id),
            _ => Recipient::Operator,
        };
        Some(Due {
            kind,
            resource: Resource::LabelApplication,
            id: case.id,
            version: case.version,
            about: String::new(),
            due_on,
            solution: case.solution_id,
            address: format!("/api/v1/label-applications/{}", case.id),
            to: vec![to],
        })
    });
    Ok(due.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_stage_that_has_come_is_reminded_of() {
        use ReminderKind as K;
        let day = |text: &str| text.parse::<NaiveDate>().expect("a day");
        let end = day("2026-12-31");
        let stages = [(before(end, 30), K::ReservationDueIn30Days), (before(end, 7), K::ReservationDueIn7Days)];
        let on = |begun: &str, today: &str| stage(&stages, day(begun), day(today));
        assert_eq!(on("2026-01-01", "2026-11-30"), None);
        assert_eq!(on("2026-01-01", "2026-12-01"), Some(K::ReservationDueIn30Days));
        assert_eq!(on("2026-01-01", "2026-12-24"), Some(K::ReservationDueIn7Days));
        assert_eq!(on("2026-12-01", "2026-12-23"), None, "it was not there thirty days before");
        assert_eq!(on("2026-12-24", "2026-12-25"), None);
    }
}
