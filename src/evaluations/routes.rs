use actix_web::HttpResponse;
use actix_web::web::Path;
use serde_json::json;

use super::model::Evaluation;
use super::rules::{EvaluationCommand, EvaluationStatus};
use super::view::{Attestation, EvaluationFilter, EvaluationSummary, EvaluationView};
use crate::auth::guard::{Signatory, SignedIn, Vendor, Visitor};
use crate::criteria::model::CriteriaSet;
use crate::db::Json;
use crate::error::{Error, Fault, Result};
use crate::http::route::Endpoint;
use crate::http::{Body, IfMatch, Page, Query, Reply};
use crate::kept::generations::Shows;
use crate::organisations::Viewer;
use crate::persons::accesses;
use crate::solutions::model::Solution;
use crate::solutions::routes::refuse_archived;
use crate::{endpoints, text};

pub fn endpoints() -> Vec<Endpoint> {
    let mut all = endpoints![
        create_evaluation,
        list_evaluations_of_solution,
        find_evaluation_in_force,
        list_evaluations,
        find_evaluation,
        delete_evaluation,
        submit_evaluation,
    ];
    all.extend(super::answers::endpoints());
    all.extend(super::moderation::endpoints());
    all.extend(super::criteria::endpoints());
    all
}

/// Begin an evaluation
///
/// Against the criteria set in force, of a published solution; one draft at a
/// time. Answers of the latest evaluation are copied, to be confirmed.
#[utoipa::path(post, path = "/api/v1/solutions/{id}/evaluations", tag = "evaluations", security(("bearer" = ["vendor"])),
    params(("id" = String, Path, description = "Identifier or slug of the solution.", max_length = 100)),
    responses((status = 201, description = "Begun.", body = EvaluationView)))]
async fn create_evaluation(caller: Vendor, reply: Reply, id: Path<String>) -> Result<HttpResponse> {
    reply
        .create(
            caller.0,
            move |tx, viewer| {
                let solution = Solution::owned(tx.db, &id, &viewer)?;
                refuse_archived(tx.db, &solution)?;
                let organisation = viewer.acting()?;
                if !solution.status.is_public() {
                    let status = solution.status;
                    return Err(Error::conflict(text!(
                        "La solution est « {status} » ; seule une solution publiée s’évalue.",
                        "The solution is `{status}`; only a published one is evaluated."
                    )));
                }
                let set = CriteriaSet::in_force(tx.db, tx.now.day())?.ok_or_else(|| {
                    Error::conflict(text!("Aucun référentiel n’est en vigueur.", "No criteria set is in force."))
                })?;
                if let Some(open) = Evaluation::open(tx.db, solution.id, set.id)? {
                    let id = open.id;
                    return Err(Error::duplicate(text!(
                        "Une évaluation est en cours : /api/v1/evaluations/{id}.",
                        "An evaluation is open: /api/v1/evaluations/{id}."
                    )));
                }
                let evaluation = Evaluation::begin(tx, &solution, organisation.id, &set)?;
                evaluation.view(tx.db, &viewer)
            },
            |view| format!("/api/v1/evaluations/{}", view.id),
        )
        .await
}

/// Evaluations of a solution
///
/// The public sees those that are or were in force; the vendor also its drafts.
#[utoipa::path(get, path = "/api/v1/solutions/{id}/evaluations", tag = "evaluations", security((), ("bearer" = [])),
    params(("id" = String, Path, description = "Identifier or slug of the solution.", max_length = 100), EvaluationFilter),
    responses((status = 200, description = "A page of evaluations, without answers.", body = Page<EvaluationSummary>)))]
async fn list_evaluations_of_solution(
    visitor: Visitor,
    reply: Reply,
    id: Path<String>,
    query: Query<EvaluationFilter>,
) -> Result<HttpResponse> {
    let slice = reply.slice(&query, query.cursor.as_deref(), query.limit)?;
    let (solution, page) = reply
        .app
        .store
        .read(move |db| {
            let viewer = Viewer::of(db, visitor.0.as_ref())?;
            let solution = Solution::visible(db, &id, &viewer)?;
            refuse_archived(db, &solution)?;
            let page = Evaluation::page(db, &query, Some(solution.id), &viewer, &slice)?;
            Ok((solution.id, page.map(EvaluationSummary::from)))
        })
        .await?;
    reply.shows(Shows::Solution(solution));
    reply.page(&page)
}

/// The evaluation in force
///
/// Self-declared answers and scores of the solution.
#[utoipa::path(get, path = "/api/v1/solutions/{id}/evaluation", tag = "evaluations", security((), ("bearer" = [])),
    params(("id" = String, Path, description = "Identifier or slug of the solution.", max_length = 100)),
    responses((status = 200, description = "The evaluation.", body = EvaluationView)))]
async fn find_evaluation_in_force(visitor: Visitor, reply: Reply, id: Path<String>) -> Result<HttpResponse> {
    let caller = visitor.0.clone();
    let (view, shown) = reply
        .app
        .store
        .read(move |db| {
            let viewer = Viewer::of(db, visitor.0.as_ref())?;
            let solution = Solution::visible(db, &id, &viewer)?;
            refuse_archived(db, &solution)?;
            Evaluation::in_force(db, solution.id)?.ok_or_else(Error::not_found)?.shown(db, &viewer)
        })
        .await?;
    accesses::record(&reply, caller, shown).await?;
    reply.shows(Shows::Solution(view.solution_id));
    reply.one(view.version, &view)
}

/// Evaluations
///
/// Moderators see all (`status=submitted` is their queue), a vendor its own,
/// others those that are or were in force.
#[utoipa::path(get, path = "/api/v1/evaluations", tag = "evaluations",
    security(("bearer" = ["vendor"]), ("bearer" = ["buyer"]), ("bearer" = ["auditor"]), ("bearer" = ["operator"])),
    params(EvaluationFilter),
    responses((status = 200, description = "A page of evaluations, without answers.", body = Page<EvaluationSummary>)))]
async fn list_evaluations(caller: SignedIn, reply: Reply, query: Query<EvaluationFilter>) -> Result<HttpResponse> {
    let slice = reply.slice(&query, query.cursor.as_deref(), query.limit)?;
    let page = reply
        .app
        .store
        .read(move |db| {
            let viewer = Viewer::of(db, Some(&caller))?;
            Ok(Evaluation::page(db, &query, None, &viewer, &slice)?.map(EvaluationSummary::from))
        })
        .await?;
    reply.page(&page)
}

/// One evaluation, with its answers
///
/// Its vendor and the operator see it from the draft on, everybody once it is published.
#[utoipa::path(get, path = "/api/v1/evaluations/{id}", tag = "evaluations", security((), ("bearer" = [])),
    params(("id" = crate::db::Id, Path, description = "Identifier of the evaluation.")),
    responses((status = 200, description = "The evaluation.", body = EvaluationView)))]
async fn find_evaluation(visitor: Visitor, reply: Reply, id: Path<String>) -> Result<HttpResponse> {
    let caller = visitor.0.clone();
    let (view, shown) = reply
        .app
        .store
        .read(move |db| {
            let viewer = Viewer::of(db, visitor.0.as_ref())?;
            let mut evaluation = Evaluation::visible(db, &id, &viewer)?;
            evaluation.follow(db)?;
            evaluation.shown(db, &viewer)
        })
        .await?;
    accesses::record(&reply, caller, shown).await?;
    reply.one(view.version, &view)
}

/// Delete a draft
///
/// A draft only: what was submitted stays.
#[utoipa::path(delete, path = "/api/v1/evaluations/{id}", tag = "evaluations", security(("bearer" = ["vendor"])),
    params(("id" = crate::db::Id, Path, description = "Identifier of the evaluation.")),
    responses((status = 204, description = "Deleted.")))]
async fn delete_evaluation(caller: Vendor, reply: Reply, id: Path<String>, if_match: IfMatch) -> Result<HttpResponse> {
    reply
        .remove(caller.0, move |tx, viewer| {
            let evaluation = Evaluation::owned(tx.db, &id, &viewer)?;
            if_match.check(evaluation.version)?;
            if evaluation.status != EvaluationStatus::Draft {
                return Err(Error::conflict(text!("Seul un brouillon se supprime.", "Only a draft is deleted.")));
            }
            evaluation.delete(tx)?;
            Ok(None)
        })
        .await
}

/// Submit
///
/// With every applicable criterion answered and confirmed, and a sworn
/// statement by a named signatory. Says everything that is still open.
#[utoipa::path(post, path = "/api/v1/evaluations/{id}/submit", tag = "evaluations", security(("bearer" = ["vendor:signatory"])),
    params(("id" = crate::db::Id, Path, description = "Identifier of the evaluation.")),
    request_body = Attestation,
    responses((status = 200, description = "Submitted, or published where moderation is off.", body = EvaluationView)))]
async fn submit_evaluation(
    caller: Signatory,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<Attestation>,
) -> Result<HttpResponse> {
    let auto_publish =
        reply.app.settings.evaluations_auto_publish.then_some(reply.app.settings.evaluation_validity_days);
    reply
        .change(caller.0, move |tx, viewer| {
            let mut evaluation = Evaluation::owned(tx.db, &id, &viewer)?;
            if_match.check(evaluation.version)?;
            evaluation.clone().advance(EvaluationCommand::Submit)?;
            evaluation.refuse_untimely(tx)?;
            evaluation.follow(tx.db)?;
            let open: Vec<Fault> = evaluation
                .progress(tx.db)?
                .open
                .into_iter()
                .map(|one| {
                    let (code, reason) = (one.criterion, one.reason);
                    Fault::body(
                        format!("/answers/{code}"),
                        reason.code(),
                        text!("{code} : réponse à donner ou à confirmer.", "{code}: to be answered or confirmed."),
                    )
                })
                .collect();
            let attestation = body.accept_with(|attestation| {
                let refused = Fault::body(
                    "/attests",
                    "not_attested",
                    text!("La déclaration sur l’honneur est requise.", "The sworn statement is required."),
                );
                open.into_iter().chain((!attestation.attests).then_some(refused)).collect()
            })?;
            submit(&mut evaluation, tx, attestation)?;
            if let Some(validity_days) = auto_publish {
                evaluation.publish(tx, validity_days)?;
            }
            evaluation.view(tx.db, &viewer)
        })
        .await
}

/// Records a submission whose answers are complete.
pub fn submit(evaluation: &mut Evaluation, tx: &mut crate::db::Tx<'_>, attestation: Attestation) -> Result<()> {
    evaluation.advance(EvaluationCommand::Submit)?;
    evaluation.attestation = Some(Json(attestation));
    evaluation.submitted_at = Some(tx.now);
    evaluation.store(tx, "submit_evaluation", json!({"status": ["draft", "submitted"]}))?;
    tx.seal(crate::db::seals::Sealed::Answers, &[(evaluation.id, evaluation.version)])
}
