//! What moderators do with evaluations, and how answers are contested.

use actix_web::HttpResponse;
use actix_web::web::Path;
use diesel::prelude::*;
use serde_json::json;

use super::model::{Contestation, Evaluation};
use super::rules::{ContestationStatus, EvaluationCommand};
use super::view::{Contest, EvaluationView, Outcome, Resolution};
use crate::auth::Principal;
use crate::auth::guard::{Contester, Moderator};
use crate::criteria::model::CriteriaSet;
use crate::db::schema::contestations;
use crate::db::{Id, Json, Tx};
use crate::error::{Error, Fault, Result};
use crate::http::route::Endpoint;
use crate::http::{Body, IfMatch, Reply};
use crate::organisations::view::Reason;
use crate::solutions::model::Solution;
use crate::{endpoints, text};

pub fn endpoints() -> Vec<Endpoint> {
    endpoints![publish_evaluation, return_evaluation, contest_evaluation, resolve_contest]
}

async fn transition(
    caller: &Principal,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    step: impl Fn(&mut Evaluation, &mut Tx<'_>) -> Result<()> + Send + 'static,
) -> Result<HttpResponse> {
    reply
        .change(caller.clone(), move |tx, viewer| {
            let mut evaluation = Evaluation::visible(tx.db, &id, &viewer)?;
            viewer.refuse_party(tx.db, &[Some(evaluation.organisation_id)])?;
            if_match.check(evaluation.version)?;
            step(&mut evaluation, tx)?;
            evaluation.view(tx.db, &viewer)
        })
        .await
}

/// Publish
///
/// Scores are computed and kept with their formula; the evaluation before is superseded.
#[utoipa::path(post, path = "/api/v1/evaluations/{id}/publish", tag = "evaluations", security(("bearer" = ["operator:moderator"])),
    params(("id" = Id, Path, description = "Identifier of the evaluation.")),
    responses((status = 200, description = "In force.", body = EvaluationView)))]
async fn publish_evaluation(
    caller: Moderator,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    let validity_days = reply.app.settings.evaluation_validity_days;
    transition(&caller, reply, id, if_match, move |evaluation, tx| {
        evaluation.clone().advance(EvaluationCommand::Publish)?;
        evaluation.refuse_untimely(tx)?;
        evaluation.publish(tx, validity_days)
    })
    .await
}

/// Send back
///
/// Incomplete or promotional content: a draft again, with the reason.
#[utoipa::path(post, path = "/api/v1/evaluations/{id}/return", tag = "evaluations", security(("bearer" = ["operator:moderator"])),
    params(("id" = Id, Path, description = "Identifier of the evaluation.")),
    request_body = Reason,
    responses((status = 200, description = "A draft again.", body = EvaluationView)))]
async fn return_evaluation(
    caller: Moderator,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<Reason>,
) -> Result<HttpResponse> {
    transition(&caller, reply, id, if_match, move |evaluation, tx| {
        evaluation.advance(EvaluationCommand::Return)?;
        evaluation.moderation = Some(Json(body.accept()?.reason));
        evaluation.submitted_at = None;
        evaluation.attestation = None;
        evaluation.store(tx, "return_evaluation", json!({"status": ["submitted", "draft"]}))
    })
    .await
}

/// Contest an answer
///
/// With reasons, per criterion. The answer is shown as contested once a
/// moderator takes it up, by contesting the same criterion.
#[utoipa::path(post, path = "/api/v1/evaluations/{id}/contest", tag = "evaluations",
    security(("bearer" = ["buyer"]), ("bearer" = ["auditor"]), ("bearer" = ["operator:moderator"])),
    params(("id" = Id, Path, description = "Identifier of the evaluation.")),
    request_body = Contest,
    responses((status = 200, description = "Filed, or taken up.", body = EvaluationView)))]
async fn contest_evaluation(
    caller: Contester,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<Contest>,
) -> Result<HttpResponse> {
    let principal = caller.0.clone();
    transition(&caller, reply, id, if_match, move |evaluation, tx| {
        let from = evaluation.status;
        evaluation.clone().advance(EvaluationCommand::Contest)?;
        let answers = evaluation.answers(tx.db)?;
        let Contest { criterion, reason } = body.accept_with(|contest| {
            let is_answered = answers.iter().any(|answer| answer.criterion == contest.criterion);
            let fault = Fault::body(
                "/criterion",
                "not_answered",
                text!("Aucune réponse à ce critère.", "No answer to this criterion."),
            );
            if is_answered { Vec::new() } else { vec![fault] }
        })?;
        if principal.is_moderator() {
            take_up(evaluation, tx, &criterion, &reason, &principal)?;
            evaluation.advance(EvaluationCommand::Contest)?;
        } else {
            let actor = tx.actor_id()?;
            let waits = |one: &Contestation| {
                one.status == ContestationStatus::Pending && one.criterion == criterion && Some(one.actor_id) == actor
            };
            if evaluation.contestations(tx.db)?.iter().any(waits) {
                return Err(Error::duplicate(text!(
                    "Cette contestation attend déjà.",
                    "This contest is waiting already."
                )));
            }
            file(evaluation, tx, &criterion, &reason, &principal, ContestationStatus::Pending)?;
        }
        evaluation.store(tx, "contest_evaluation", json!({"criterion": criterion, "status": [from, evaluation.status]}))
    })
    .await
}

/// A moderator takes up what waits on this criterion, or contests it.
fn take_up(
    evaluation: &Evaluation,
    tx: &mut Tx<'_>,
    criterion: &str,
    reason: &str,
    principal: &Principal,
) -> Result<()> {
    let known = evaluation.contestations(tx.db)?;
    if known.iter().any(|one| one.criterion == criterion && one.status == ContestationStatus::Accepted) {
        return Err(Error::duplicate(text!("Cette réponse est déjà contestée.", "This answer is contested already.")));
    }
    let taken = diesel::update(
        contestations::table
            .filter(contestations::evaluation_id.eq(evaluation.id).and(contestations::criterion.eq(criterion)))
            .filter(contestations::status.eq(ContestationStatus::Pending)),
    )
    .set(contestations::status.eq(ContestationStatus::Accepted))
    .execute(tx.db)?;
    if taken == 0 {
        file(evaluation, tx, criterion, reason, principal, ContestationStatus::Accepted)?;
    }
    Ok(())
}

/// Writes a contest.
pub fn file(
    evaluation: &Evaluation,
    tx: &mut Tx<'_>,
    criterion: &str,
    reason: &str,
    principal: &Principal,
    status: ContestationStatus,
) -> Result<()> {
    let row = Contestation {
        id: Id::new(),
        evaluation_id: evaluation.id,
        criterion: criterion.to_owned(),
        status,
        reason: reason.to_owned(),
        resolution: None,
        actor_id: tx.actor_id()?.unwrap_or_default(),
        role: principal.role.to_string(),
        organisation_id: principal.organisation,
        created_at: tx.now,
        resolved_at: None,
    };
    diesel::insert_into(contestations::table).values(row).execute(tx.db)?;
    Ok(())
}

/// End a contest
///
/// The answer is kept; or the vendor corrects it in a new draft; or the
/// criterion counts as zero and the scores are computed anew.
#[utoipa::path(post, path = "/api/v1/evaluations/{id}/resolve", tag = "evaluations", security(("bearer" = ["operator:moderator"])),
    params(("id" = Id, Path, description = "Identifier of the evaluation.")),
    request_body = Resolution,
    responses((status = 200, description = "Resolved.", body = EvaluationView)))]
async fn resolve_contest(
    caller: Moderator,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<Resolution>,
) -> Result<HttpResponse> {
    transition(&caller, reply, id, if_match, move |evaluation, tx| {
        evaluation.clone().advance(EvaluationCommand::Resolve)?;
        let contested: Vec<String> = evaluation
            .contestations(tx.db)?
            .into_iter()
            .filter(|one| one.status == ContestationStatus::Accepted)
            .map(|one| one.criterion)
            .collect();
        let Resolution { criterion, outcome, resolution } = body.accept_with(|resolution| {
            let fault = Fault::body(
                "/criterion",
                "not_contested",
                text!("Ce critère n’est pas contesté.", "This criterion is not contested."),
            );
            if contested.contains(&resolution.criterion) { Vec::new() } else { vec![fault] }
        })?;
        let status = match outcome {
            Outcome::Kept => ContestationStatus::Kept,
            Outcome::Corrected => ContestationStatus::Corrected,
            Outcome::Zeroed => ContestationStatus::Zeroed,
        };
        diesel::update(
            contestations::table
                .filter(contestations::evaluation_id.eq(evaluation.id).and(contestations::criterion.eq(&criterion)))
                .filter(contestations::status.eq(ContestationStatus::Accepted)),
        )
        .set((
            contestations::status.eq(status),
            contestations::resolution.eq(resolution),
            contestations::resolved_at.eq(tx.now),
        ))
        .execute(tx.db)?;
        if contested.iter().all(|one| *one == criterion) {
            evaluation.advance(EvaluationCommand::Resolve)?;
        }
        evaluation.store(
            tx,
            "resolve_contest",
            json!({"criterion": criterion, "outcome": outcome, "status": evaluation.status}),
        )?;
        match outcome {
            Outcome::Kept => Ok(()),
            Outcome::Zeroed => evaluation.compute_result(tx, "contest"),
            Outcome::Corrected => correct(evaluation, tx),
        }
    })
    .await
}

/// Begins the draft in which the vendor corrects, unless one is open.
fn correct(evaluation: &Evaluation, tx: &mut Tx<'_>) -> Result<()> {
    let Some(set) = CriteriaSet::in_force(tx.db, tx.now.day())? else { return Ok(()) };
    if Evaluation::open(tx.db, evaluation.solution_id, set.id)?.is_none() {
        let solution = Solution::find_by_id(tx.db, evaluation.solution_id)?;
        Evaluation::begin(tx, &solution, evaluation.organisation_id, &set)?;
    }
    Ok(())
}
