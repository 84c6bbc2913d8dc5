//! Erasing who a person is (GDPR art. 17): the link from the opaque id to a name
//! goes, history stays.
//!
//! A person who signs in again would be somebody new. Where a separation of
//! duties must still hold, a keyed hash finds the old id; see [`crate::db::erased`].

use diesel::prelude::*;
use serde_json::json;

use super::inventory::HELD;
use super::view::{ErasureEntry, ErasureView};
use super::{export, identities};
use crate::appeals::rules::AppealStatus;
use crate::auth::Role;
use crate::db::schema::{
    actors, appeal_opinions, appeals, audit_reports, changes, erased_persons, evaluations, findings, label_acts,
    label_applications, label_decisions, labels, reviews, solutions,
};
use crate::db::{Db, Id, Json, Resource, Tx, erased, journal};
use crate::error::Result;
use crate::evaluations::rules::EvaluationStatus;
use crate::evaluations::view::Attestation;
use crate::labels::rules::{ApplicationStatus, LabelStatus};
use crate::reviews::model::Review;
use crate::reviews::rules::ReviewStatus;
use crate::solutions::rules::SolutionStatus;

/// Erases who a person is. Run again it finds nothing more to erase.
pub fn erase(tx: &mut Tx<'_>, issuer: &str, subject: &str) -> Result<ErasureView> {
    let Some(actor) = journal::known(tx.db, issuer, subject)? else {
        return Ok(ErasureView { actor_id: None, is_separation_kept: false, erased: Vec::new(), kept: Vec::new() });
    };
    // Known before the name goes: asked for later, the caller would be entered anew.
    tx.actor_id()?;
    let mut counts = Vec::new();
    for held in HELD {
        let count = export::count(tx.db, held, actor)?;
        if count > 0 {
            counts.push((held, count));
        }
    }
    for review in Review::by(tx.db, actor)? {
        review.let_go(tx)?;
    }
    let signed: Vec<Id> = changes::table
        .filter(changes::actor_id.eq(actor).and(changes::action.eq("submit_evaluation")))
        .select(changes::resource_id)
        .load(tx.db)?;
    forget_signatories(tx, &signed)?;
    let is_separation_kept = unname(tx, actor, issuer, subject)?;
    tx.record("erase_person", Resource::Person, actor, 1, json!({"is_separation_kept": is_separation_kept}))?;
    let (mut erased, mut kept) = (Vec::new(), Vec::new());
    for (held, count) in counts {
        let entry = ErasureEntry { table: held.table.to_owned(), count, reason: held.fate.on_erasure() };
        if held.fate.is_kept() { kept.push(entry) } else { erased.push(entry) }
    }
    Ok(ErasureView { actor_id: Some(actor), is_separation_kept, erased, kept })
}

/// Takes the name from an opaque id; whether a hash is kept for the sake of a separation.
pub fn unname(tx: &mut Tx<'_>, actor: Id, issuer: &str, subject: &str) -> Result<bool> {
    let is_kept = is_bound(tx.db, actor)?;
    let gone = diesel::delete(actors::table.find(actor)).execute(tx.db)?;
    if is_kept && gone > 0 {
        erased::remember(tx, actor, issuer, subject)?;
    }
    if !is_kept {
        diesel::delete(erased_persons::table.filter(erased_persons::actor_id.eq(actor))).execute(tx.db)?;
    }
    Ok(is_kept)
}

/// Whether a case lives in which this person may not act again: a label or its
/// procedure, a review they moderated or reported, a solution they suspended.
pub fn is_bound(db: &mut Db, actor: Id) -> Result<bool> {
    // Whoever is one person with them acts under this id as well.
    let ids: Vec<Id> = identities::of(db, actor)?.into_iter().collect();
    let mut cases: Vec<Id> = label_applications::table
        .filter(label_applications::evaluator_id.eq_any(ids.clone()))
        .select(label_applications::id)
        .load(db)?;
    let found = findings::table.filter(findings::actor_id.eq_any(ids.clone()));
    cases.extend(found.select(findings::application_id).load::<Id>(db)?);
    cases.extend(
        audit_reports::table
            .filter(audit_reports::actor_id.eq_any(ids.clone()))
            .select(audit_reports::application_id)
            .load::<Id>(db)?,
    );
    cases.extend(
        label_decisions::table
            .filter(label_decisions::actor_id.eq_any(ids.clone()))
            .select(label_decisions::application_id)
            .load::<Id>(db)?,
    );
    cases.extend(
        label_acts::table
            .inner_join(labels::table.on(labels::number.eq(label_acts::label_number)))
            .filter(label_acts::actor_id.eq_any(ids.clone()))
            .select(labels::application_id)
            .load::<Id>(db)?,
    );
    // Whoever acted in a case does not answer an appeal in it, and answers none twice.
    cases.extend(
        changes::table
            .filter(changes::actor_id.eq_any(ids.clone()).assume_not_null())
            .filter(changes::resource.eq(Resource::LabelApplication).and(changes::role.eq(Role::Operator.code())))
            .select(changes::resource_id)
            .load::<Id>(db)?,
    );
    cases.extend(
        appeals::table
            .inner_join(appeal_opinions::table.on(appeal_opinions::appeal_id.eq(appeals::id)))
            .filter(appeal_opinions::actor_id.eq_any(ids))
            .select(appeals::application_id)
            .load::<Id>(db)?,
    );
    cases.sort_unstable();
    cases.dedup();
    let living: Vec<LabelStatus> =
        LabelStatus::ALL.iter().copied().filter(|one| one.is_valid() || *one == LabelStatus::Suspended).collect();
    for cases in cases.chunks(500) {
        let open: i64 = label_applications::table
            .filter(label_applications::id.eq_any(cases.to_vec()))
            .filter(label_applications::status.ne_all(ApplicationStatus::CLOSED))
            .count()
            .get_result(db)?;
        let labelled: i64 = labels::table
            .filter(labels::application_id.eq_any(cases.to_vec()).and(labels::status.eq_any(living.clone())))
            .count()
            .get_result(db)?;
        let appealed: i64 = appeals::table
            .filter(appeals::application_id.eq_any(cases.to_vec()).and(appeals::status.eq(AppealStatus::Filed)))
            .count()
            .get_result(db)?;
        if open + labelled + appealed > 0 {
            return Ok(true);
        }
    }
    let moderated: i64 = reviews::table
        .filter(reviews::moderated_by.eq(actor).assume_not_null().or(reviews::reported_by.eq(actor).assume_not_null()))
        .filter(reviews::status.eq_any([ReviewStatus::Published, ReviewStatus::Reported]))
        .count()
        .get_result(db)?;
    let suspended: i64 = solutions::table
        .filter(solutions::suspended_by.eq(actor).and(solutions::status.eq(SolutionStatus::Suspended)))
        .count()
        .get_result(db)?;
    Ok(moderated + suspended > 0)
}

/// Takes the signatory's name out of those of these evaluations that no longer
/// count and that no label application cites; how many.
pub fn forget_signatories(tx: &mut Tx<'_>, ids: &[Id]) -> Result<usize> {
    let mut count = 0;
    for ids in ids.chunks(500) {
        let cited: Vec<Option<Id>> = label_applications::table
            .filter(label_applications::evaluation_id.eq_any(ids.to_vec()))
            .select(label_applications::evaluation_id)
            .load(tx.db)?;
        let over: Vec<(Id, i32, Option<Json<Attestation>>)> = evaluations::table
            .filter(evaluations::id.eq_any(ids.to_vec()))
            .filter(evaluations::status.eq_any([EvaluationStatus::Superseded, EvaluationStatus::Expired]))
            .select((evaluations::id, evaluations::version, evaluations::attestation))
            .load(tx.db)?;
        for (id, version, attestation) in over {
            let Some(Json(mut attestation)) = attestation else { continue };
            if cited.contains(&Some(id)) || attestation.signatory_name.is_empty() {
                continue;
            }
            attestation.signatory_name = String::new();
            diesel::update(evaluations::table.find(id))
                .set(evaluations::attestation.eq(Some(Json(attestation))))
                .execute(tx.db)?;
            tx.record("forget_signatory", Resource::Evaluation, id, version, json!({"attestation": "unnamed"}))?;
            count += 1;
        }
    }
    Ok(count)
}
