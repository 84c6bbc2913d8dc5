//! Facts about a body, a person of it and a case: what is known here, and what was declared.

use std::collections::BTreeSet;

use chrono::Months;
use diesel::prelude::*;

use super::declarations::Declaration;
use super::rules::{Facts, InterestHolder, SHARE_MONTHS};
use crate::auth::Role;
use crate::db::schema::{changes, label_applications};
use crate::db::{Db, Id, Instant};
use crate::error::Result;
use crate::labels::model::Application;
use crate::labels::rules::ApplicationStatus;
use crate::organisations::Organisation;
use crate::organisations::links::OrganisationLink;
use crate::solutions::model::Solution;

/// What the rules look at: of the body, and of the person whose ids these are; none without a person.
pub fn gather(
    db: &mut Db,
    case: &Application,
    body: &Organisation,
    person: &BTreeSet<Id>,
    now: Instant,
) -> Result<Facts> {
    let today = now.day();
    let offered_by = Solution::find_by_id(db, case.solution_id)?.organisation_id;
    let vendors: BTreeSet<Id> = offered_by.into_iter().chain([case.organisation_id]).collect();
    let vendors: Vec<Id> = vendors.into_iter().collect();
    let group = OrganisationLink::group(db, &vendors, today)?;
    let all: Vec<Id> = group.iter().copied().collect();
    let person: Vec<Id> = person.iter().copied().collect();
    let declared = Declaration::about(db, body.id, &all)?;
    let concerns = |one: &Declaration| one.holder == InterestHolder::Body || person.contains(&one.actor_id);
    let from = today.checked_sub_months(Months::new(SHARE_MONTHS)).and_then(|day| day.and_hms_opt(0, 0, 0));
    let from = from.map_or(now, |at| Instant(at.and_utc()));
    Ok(Facts {
        today,
        body: body.id,
        body_siren: body.siren.clone(),
        vendors: Organisation::find_all(db, &vendors)?.into_iter().map(|one| (one.id, one.siren)).collect(),
        interests: declared.into_iter().filter(concerns).map(Declaration::interest).collect(),
        acted_for_vendor_on: acted_for(db, &person, &all)?.map(Instant::day),
        cycles: cycles(db, case, &person)?,
        cases: cases(db, case, body.id, from, None)?,
        cases_of_vendor: cases(db, case, body.id, from, Some(&all))?,
        group,
    })
}

/// When a person last acted here for one of these organisations as a vendor.
fn acted_for(db: &mut Db, person: &[Id], organisations: &[Id]) -> Result<Option<Instant>> {
    if person.is_empty() {
        return Ok(None);
    }
    Ok(changes::table
        .filter(changes::actor_id.eq_any(person.to_vec()))
        .filter(changes::role.eq(Role::Vendor.code()).and(changes::organisation_id.eq_any(organisations.to_vec())))
        .order(changes::position.desc())
        .select(changes::at)
        .first(db)
        .optional()?)
}

/// Evaluations of the case's solution that a person led before and that were decided.
fn cycles(db: &mut Db, case: &Application, person: &[Id]) -> Result<i64> {
    use label_applications as a;
    Ok(a::table
        .filter(a::evaluator_id.eq_any(person.to_vec()).and(a::solution_id.eq(case.solution_id)))
        .filter(a::status.eq(ApplicationStatus::Decided).and(a::id.ne(case.id)))
        .count()
        .get_result(db)?)
}

/// Cases given to a body since an instant, those of some vendors or all; with this one, wherever it is.
fn cases(db: &mut Db, case: &Application, body: Id, since: Instant, vendors: Option<&[Id]>) -> Result<i64> {
    use label_applications as a;
    let mut query = a::table
        .filter(a::audit_body_id.eq(body).and(a::id.ne(case.id)).and(a::submitted_at.ge(since)))
        .into_boxed::<crate::db::MultiBackend>();
    if let Some(vendors) = vendors {
        query = query.filter(a::organisation_id.eq_any(vendors.to_vec()));
    }
    Ok(query.count().get_result::<i64>(db)? + 1)
}
