//! Answers to criteria, one by one or many at once.

use actix_web::HttpResponse;
use actix_web::web::Path;
use serde_json::json;

use super::model::{AnswerRow, Evaluation, put_answer, remove_answer};
use super::rules::{EvaluationStatus, answer_faults};
use super::view::{Answer, AnswerView, ChangeAnswers, EvaluationView};
use crate::auth::guard::Vendor;
use crate::criteria::model::CriteriaSet;
use crate::db::{Id, Tx};
use crate::error::{Error, Fault, Result};
use crate::http::route::Endpoint;
use crate::http::{Body, IfMatch, Reply};
use crate::organisations::Viewer;
use crate::{endpoints, text};

pub fn endpoints() -> Vec<Endpoint> {
    endpoints![put_evaluation_answer, delete_evaluation_answer, change_evaluation_answers]
}

/// Loads what this caller may answer.
fn load(tx: &mut Tx<'_>, viewer: &Viewer, id: &str) -> Result<(Evaluation, CriteriaSet)> {
    let evaluation = Evaluation::owned(tx.db, id, viewer)?;
    let set = CriteriaSet::find(tx.db, evaluation.set_id)?;
    Ok((evaluation, set))
}

/// Refuses another version than the change starts from, and what is submitted.
fn refuse_fixed(evaluation: &Evaluation, if_match: &IfMatch) -> Result<()> {
    if_match.check(evaluation.version)?;
    if evaluation.status != EvaluationStatus::Draft {
        return Err(Error::conflict(text!(
            "Les réponses d’une évaluation soumise ne changent plus.",
            "The answers of a submitted evaluation never change."
        )));
    }
    Ok(())
}

/// Answer a criterion
///
/// Also confirms a copied answer. If-Match carries the evaluation's ETag; the
/// answer the evaluation's new one.
#[utoipa::path(put, path = "/api/v1/evaluations/{id}/answers/{criterion}", tag = "evaluations", security(("bearer" = ["vendor"])),
    params(("id" = Id, Path, description = "Identifier of the evaluation."),
        ("criterion" = String, Path, description = "Code of the criterion.", max_length = 10, example = "SEC-01")),
    request_body = Answer,
    responses((status = 200, description = "Answered.", body = AnswerView)))]
async fn put_evaluation_answer(
    caller: Vendor,
    reply: Reply,
    path: Path<(String, String)>,
    if_match: IfMatch,
    body: Body<Answer>,
) -> Result<HttpResponse> {
    let (id, code) = path.into_inner();
    reply
        .change(caller.0, move |tx, viewer| {
            let (mut evaluation, set) = load(tx, &viewer, &id)?;
            let criterion = set.criterion(tx.db, &code)?;
            refuse_fixed(&evaluation, &if_match)?;
            let answer = body.accept_with(|answer| answer_faults(&criterion, answer, ""))?;
            let row = AnswerRow::new(evaluation.id, &code, answer, tx.now);
            put_answer(tx.db, row.clone())?;
            evaluation.store(tx, "answer_criteria", json!({"criteria": [code]}))?;
            Ok((evaluation.version, AnswerView::new(row, true, &viewer)))
        })
        .await
}

/// Take an answer back
///
/// If-Match carries the evaluation's ETag; the answer the evaluation's new one.
#[utoipa::path(delete, path = "/api/v1/evaluations/{id}/answers/{criterion}", tag = "evaluations", security(("bearer" = ["vendor"])),
    params(("id" = Id, Path, description = "Identifier of the evaluation."),
        ("criterion" = String, Path, description = "Code of the criterion.", max_length = 10, example = "SEC-01")),
    responses((status = 204, description = "Taken back.")))]
async fn delete_evaluation_answer(
    caller: Vendor,
    reply: Reply,
    path: Path<(String, String)>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    let (id, code) = path.into_inner();
    reply
        .remove(caller.0, move |tx, viewer| {
            let (mut evaluation, _) = load(tx, &viewer, &id)?;
            if !evaluation.answers(tx.db)?.iter().any(|answer| answer.criterion == code) {
                return Err(Error::not_found());
            }
            refuse_fixed(&evaluation, &if_match)?;
            remove_answer(tx.db, evaluation.id, &code)?;
            evaluation.store(tx, "answer_criteria", json!({"criteria": [code]}))?;
            Ok(Some(evaluation.version))
        })
        .await
}

/// Answer several criteria at once
///
/// All or nothing; every fault of every answer is listed.
#[utoipa::path(patch, path = "/api/v1/evaluations/{id}/answers", tag = "evaluations", security(("bearer" = ["vendor"])),
    params(("id" = Id, Path, description = "Identifier of the evaluation.")),
    request_body = ChangeAnswers,
    responses((status = 200, description = "Answered.", body = EvaluationView)))]
async fn change_evaluation_answers(
    caller: Vendor,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<ChangeAnswers>,
) -> Result<HttpResponse> {
    reply
        .change(caller.0, move |tx, viewer| {
            let (mut evaluation, set) = load(tx, &viewer, &id)?;
            refuse_fixed(&evaluation, &if_match)?;
            let criteria = set.criteria(tx.db)?;
            let changes = body.accept_with(|changes| {
                let mut faults = Vec::new();
                let mut seen = std::collections::BTreeSet::new();
                for (index, change) in changes.answers.iter().enumerate() {
                    let criterion = criteria.iter().find(|criterion| criterion.code == change.criterion);
                    if criterion.is_none() || !seen.insert(&change.criterion) {
                        faults.push(Fault::body(
                            format!("/answers/{index}/criterion"),
                            "unknown_or_repeated",
                            text!(
                                "Critère inconnu de ce référentiel, ou nommé deux fois.",
                                "Unknown in this set, or named twice."
                            ),
                        ));
                    }
                    if let (Some(criterion), Some(answer)) = (criterion, &change.answer) {
                        faults.extend(answer_faults(criterion, answer, &format!("/answers/{index}/answer")));
                    }
                }
                faults
            })?;
            let codes: Vec<String> = changes.answers.iter().map(|change| change.criterion.clone()).collect();
            for change in changes.answers {
                match change.answer {
                    Some(answer) => {
                        put_answer(tx.db, AnswerRow::new(evaluation.id, &change.criterion, answer, tx.now))?
                    }
                    None => {
                        remove_answer(tx.db, evaluation.id, &change.criterion)?;
                    }
                }
            }
            evaluation.follow(tx.db)?;
            evaluation.store(tx, "answer_criteria", json!({"criteria": codes}))?;
            evaluation.view(tx.db, &viewer)
        })
        .await
}
