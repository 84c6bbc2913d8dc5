//! Applications: what the vendor files and the operator admits.

use actix_web::HttpResponse;
use actix_web::web::Path;
use diesel::prelude::*;
use serde_json::json;

use super::model::Application;
use super::procedure::Procedure;
use super::rules::{
    ADMISSION_DAYS, ApplicationCommand, ApplicationStatus, DecisionOutcome, EVALUATION_MAX_AGE, PAUSE_AFTER_REFUSAL,
};
use super::view::{ApplicationDetails, ApplicationFilter, ApplicationView, SubmitApplication};
use crate::appeals::Appeal;
use crate::auth::Principal;
use crate::auth::guard::{Abandoner, CaseParty, LabelOfficer, Signatory, Vendor};
use crate::criteria::model::CriteriaSet;
use crate::db::schema::{label_applications, label_decisions};
use crate::db::{Db, Id, Instant, Json, Tx};
use crate::error::{Error, Fault, Result};
use crate::evaluations::model::Evaluation;
use crate::evaluations::rules::{Score, below_label};
use crate::http::route::Endpoint;
use crate::http::{Body, IfMatch, Page, Query, Reply};
use crate::organisations::Viewer;
use crate::organisations::view::Reason;
use crate::persons::accesses::{self, Source};
use crate::solutions::model::Solution;
use crate::solutions::routes::refuse_archived;
use crate::{endpoints, text};

pub fn endpoints() -> Vec<Endpoint> {
    endpoints![
        create_label_application,
        list_label_applications,
        find_label_application,
        submit_label_application,
        admit_label_application,
        refuse_label_application,
        abandon_label_application,
    ]
}

/// Begin an application
///
/// For a published solution; one open application at a time.
#[utoipa::path(post, path = "/api/v1/solutions/{id}/label-applications", tag = "labels", security(("bearer" = ["vendor"])),
    params(("id" = String, Path, description = "Identifier or slug of the solution.", max_length = 100)),
    request_body = ApplicationDetails,
    responses((status = 201, description = "Begun.", body = ApplicationView)))]
async fn create_label_application(
    caller: Vendor,
    reply: Reply,
    id: Path<String>,
    body: Body<ApplicationDetails>,
) -> Result<HttpResponse> {
    reply
        .create(
            caller.0,
            move |tx, viewer| {
                let solution = Solution::owned(tx.db, &id, &viewer)?;
                refuse_archived(tx.db, &solution)?;
                let organisation = viewer.acting()?;
                if let Some(open) = Application::open_for(tx.db, solution.id)? {
                    let id = open.id;
                    return Err(Error::duplicate(text!(
                        "Une demande est en cours : /api/v1/label-applications/{id}.",
                        "An application is open: /api/v1/label-applications/{id}."
                    )));
                }
                if !solution.status.is_public() {
                    return Err(Error::conflict(text!(
                        "Seule une solution publiée demande le label.",
                        "Only a published solution applies for the label."
                    )));
                }
                let details = body.accept()?;
                let application = begin(tx, &solution, organisation.id, details)?;
                application.view(tx.db, &viewer)
            },
            |view| format!("/api/v1/label-applications/{}", view.id),
        )
        .await
}

/// Writes a new draft.
pub fn begin(
    tx: &mut Tx<'_>,
    solution: &Solution,
    organisation: Id,
    details: ApplicationDetails,
) -> Result<Application> {
    let application = Application {
        id: Id::new(),
        version: 1,
        solution_id: solution.id,
        organisation_id: organisation,
        status: ApplicationStatus::Draft,
        solution_version: None,
        evaluation_id: None,
        set_id: None,
        audit_body_id: None,
        evaluator_id: None,
        details: Json(details),
        moderation: None,
        created_at: tx.now,
        updated_at: tx.now,
        submitted_at: None,
        admission_due_at: None,
        decided_at: None,
        accepted_at: None,
        frozen: None,
        disclosures: Json(Vec::new()),
        procedure: Json(Procedure::default()),
        due_at: None,
        round: 0,
    };
    application.insert(tx.db)?;
    tx.record(
        "create_label_application",
        crate::db::Resource::LabelApplication,
        application.id,
        1,
        json!({"solution": solution.id}),
    )?;
    Ok(application)
}

/// Applications
///
/// The operator sees all, a vendor its own, an audit body those assigned to it.
#[utoipa::path(get, path = "/api/v1/label-applications", tag = "labels",
    security(("bearer" = ["vendor"]), ("bearer" = ["auditor"]), ("bearer" = ["operator:label_officer"])),
    params(ApplicationFilter),
    responses((status = 200, description = "A page of applications.", body = Page<ApplicationView>)))]
async fn list_label_applications(
    caller: CaseParty,
    reply: Reply,
    query: Query<ApplicationFilter>,
) -> Result<HttpResponse> {
    let slice = reply.slice(&query, query.cursor.as_deref(), query.limit)?;
    let page = reply
        .app
        .store
        .read(move |db| {
            let viewer = Viewer::of(db, Some(&caller))?;
            viewer.refuse_idle()?;
            let page = Application::page(db, &query, &viewer, &slice)?;
            let items =
                page.items.into_iter().map(|row| ApplicationView::new(row, Default::default(), false)).collect();
            Ok(Page { items, next: page.next, total: page.total })
        })
        .await?;
    reply.page(&page)
}

/// One application, with findings, report and decisions
///
/// To its vendor, the audit body it is assigned to and label officers.
#[utoipa::path(get, path = "/api/v1/label-applications/{id}", tag = "labels",
    security(("bearer" = ["vendor"]), ("bearer" = ["auditor"]), ("bearer" = ["operator:label_officer"])),
    params(("id" = Id, Path, description = "Identifier of the application.")),
    responses((status = 200, description = "The application.", body = ApplicationView)))]
async fn find_label_application(caller: CaseParty, reply: Reply, id: Path<String>) -> Result<HttpResponse> {
    let principal = caller.0.clone();
    let (view, shown) = reply
        .app
        .store
        .read(move |db| {
            let viewer = Viewer::of(db, Some(&caller))?;
            viewer.refuse_idle()?;
            let view = Application::for_party(db, &id, &viewer)?.view(db, &viewer)?;
            // The evidence of findings is the audit body's.
            let (owner, resource) = (view.audit_body_id, crate::db::Resource::LabelApplication);
            let source = Source { solution: view.solution_id, owner, resource, id: view.id };
            let shown = source.if_restricted(&viewer, view.findings.iter().flat_map(|finding| &finding.evidence));
            Ok((view, shown.into_iter().collect()))
        })
        .await?;
    accesses::record(&reply, Some(principal), shown).await?;
    reply.one(view.version, &view)
}

/// Loads a case for a party, checks the precondition, moves, and shows the result.
pub(super) async fn transition(
    caller: &Principal,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    step: impl Fn(&mut Application, &mut Tx<'_>) -> Result<()> + Send + 'static,
) -> Result<HttpResponse> {
    reply
        .change(caller.clone(), move |tx, viewer| {
            let mut application = Application::for_party(tx.db, &id, &viewer)?;
            if viewer.is_operator() {
                viewer.refuse_party(tx.db, &[Some(application.organisation_id), application.audit_body_id])?;
            }
            if_match.check(application.version)?;
            step(&mut application, tx)?;
            application.view(tx.db, &viewer)
        })
        .await
}

/// Submit
///
/// With an evaluation in force, younger than six months, at the label's
/// thresholds. Says everything that falls short.
#[utoipa::path(post, path = "/api/v1/label-applications/{id}/submit", tag = "labels", security(("bearer" = ["vendor:signatory"])),
    params(("id" = Id, Path, description = "Identifier of the application.")),
    request_body = SubmitApplication,
    responses((status = 200, description = "Submitted; the operator has twenty working days to admit it.", body = ApplicationView)))]
async fn submit_label_application(
    caller: Signatory,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<SubmitApplication>,
) -> Result<HttpResponse> {
    transition(&caller, reply, id, if_match, move |application, tx| {
        application.clone().advance(ApplicationCommand::Submit)?;
        let (evaluation, faults) = submission(tx.db, application, tx.now)?;
        body.accept_with(|submission| {
            let refused = Fault::body(
                "/accepts_terms",
                "terms_not_accepted",
                text!("Les conditions de l’audit sont à accepter.", "The terms of the audit must be accepted."),
            );
            faults.into_iter().chain((!submission.accepts_terms).then_some(refused)).collect()
        })?;
        submit(application, tx, evaluation.ok_or_else(Error::not_found)?)
    })
    .await
}

/// The evaluation that would carry the application, and all that falls short.
pub fn submission(db: &mut Db, application: &Application, now: Instant) -> Result<(Option<Evaluation>, Vec<Fault>)> {
    let solution = Solution::find_by_id(db, application.solution_id)?;
    let mut faults = Vec::new();
    if !solution.status.is_public() {
        faults.push(Fault::body(
            "/solution",
            "not_published",
            text!("La solution n’est pas publiée.", "The solution is not published."),
        ));
    }
    if Appeal::is_open_for(db, application.solution_id)? {
        let detail = text!("Un recours est en cours.", "An appeal is open.");
        faults.push(Fault::body("/solution", "appeal_open", detail));
    }
    let refused_at: Option<Instant> = label_decisions::table
        .inner_join(label_applications::table.on(label_applications::id.eq(label_decisions::application_id)))
        .filter(label_applications::solution_id.eq(application.solution_id))
        .filter(label_decisions::outcome.eq(DecisionOutcome::Refused))
        .order(label_decisions::decided_at.desc())
        .select(label_decisions::decided_at)
        .first(db)
        .optional()?;
    if refused_at.is_some_and(|at| now.0 - at.0 < PAUSE_AFTER_REFUSAL) {
        faults.push(Fault::body(
            "/solution",
            "refused_recently",
            text!("Six mois passent après un refus.", "Six months pass after a refusal."),
        ));
    }
    faults.extend(super::life::ban(db, application, now)?);
    let Some(evaluation) = Evaluation::in_force(db, application.solution_id)? else {
        faults.push(Fault::body(
            "/evaluation",
            "no_evaluation",
            text!("Aucune évaluation en vigueur.", "No evaluation is in force."),
        ));
        return Ok((None, faults));
    };
    if evaluation.published_at.is_none_or(|at| now.0 - at.0 > EVALUATION_MAX_AGE) {
        faults.push(Fault::body(
            "/evaluation",
            "evaluation_too_old",
            text!("L’évaluation a plus de six mois.", "The evaluation is older than six months."),
        ));
    }
    let set = CriteriaSet::find(db, evaluation.set_id)?;
    let applicable = evaluation.applicable(db)?;
    let scores = evaluation.compute(db)?;
    let answers = evaluation.answers(db)?;
    let zeroed = evaluation.zeroed(db)?;
    let all: Vec<_> = applicable.iter().collect();
    let gaps = below_label(&set.content.label_rule, &all, &scores, |criterion| {
        if zeroed.contains(&criterion.code) {
            return Score::stored(0);
        }
        answers
            .iter()
            .find(|answer| answer.criterion == criterion.code)
            .and_then(|answer| criterion.score_of(&answer.value))
    });
    faults.extend(gaps.into_iter().map(|code| {
        Fault::body(
            format!("/evaluation/{code}"),
            "below_minimum",
            text!("{code} est sous le seuil du label.", "{code} is below the label's threshold."),
        )
    }));
    Ok((Some(evaluation), faults))
}

/// Records a submission that falls short of nothing.
pub fn submit(application: &mut Application, tx: &mut Tx<'_>, evaluation: Evaluation) -> Result<()> {
    application.advance(ApplicationCommand::Submit)?;
    application.solution_version = Some(evaluation.solution_version);
    application.evaluation_id = Some(evaluation.id);
    application.set_id = Some(evaluation.set_id);
    application.submitted_at = Some(tx.now);
    application.admission_due_at = Some(tx.now.plus_days(ADMISSION_DAYS));
    application.store(tx, "submit_label_application", json!({"status": ["draft", "submitted"]}))?;
    super::calendar::extend_of(tx, application.solution_id)
}

/// Admit
///
/// The file is complete: it waits for an audit body.
#[utoipa::path(post, path = "/api/v1/label-applications/{id}/admit", tag = "labels", security(("bearer" = ["operator:label_officer"])),
    params(("id" = Id, Path, description = "Identifier of the application.")),
    responses((status = 200, description = "Admissible.", body = ApplicationView)))]
async fn admit_label_application(
    caller: LabelOfficer,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    transition(&caller, reply, id, if_match, |application, tx| {
        application.advance(ApplicationCommand::Admit)?;
        application.store(tx, "admit_label_application", json!({"status": ["submitted", "admissible"]}))
    })
    .await
}

/// Refuse admission
///
/// The file cannot be examined, with a reason; the vendor may apply again.
#[utoipa::path(post, path = "/api/v1/label-applications/{id}/refuse-admission", tag = "labels", security(("bearer" = ["operator:label_officer"])),
    params(("id" = Id, Path, description = "Identifier of the application.")),
    request_body = Reason,
    responses((status = 200, description = "Not admitted.", body = ApplicationView)))]
async fn refuse_label_application(
    caller: LabelOfficer,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<Reason>,
) -> Result<HttpResponse> {
    transition(&caller, reply, id, if_match, move |application, tx| {
        application.advance(ApplicationCommand::RefuseAdmission)?;
        application.moderation = Some(Json(body.accept()?.reason));
        application.store(tx, "refuse_label_application", json!({"status": ["submitted", "inadmissible"]}))
    })
    .await
}

/// Abandon
///
/// By the vendor, at any time before the decision; or by the operator after long idleness. No public trace.
#[utoipa::path(post, path = "/api/v1/label-applications/{id}/abandon", tag = "labels",
    security(("bearer" = ["vendor:signatory"]), ("bearer" = ["operator:label_officer"])),
    params(("id" = Id, Path, description = "Identifier of the application.")),
    request_body = Reason,
    responses((status = 200, description = "Abandoned.", body = ApplicationView)))]
async fn abandon_label_application(
    caller: Abandoner,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<Reason>,
) -> Result<HttpResponse> {
    transition(&caller, reply, id, if_match, move |application, tx| {
        let from = application.status;
        application.advance(ApplicationCommand::Abandon)?;
        application.moderation = Some(Json(body.accept()?.reason));
        application.store(tx, "abandon_label_application", json!({"status": [from, application.status]}))
    })
    .await
}
