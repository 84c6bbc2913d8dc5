//! The audit: findings, report, and the decision by another person.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::Path;
use chrono::Months;
use serde_json::json;

use super::applications::transition;
use super::events::{refused, verify_signature};
use super::exchange::{hear, is_heard};
use super::model::{Application, Decision, DecisionContent, Finding, Label, LabelContent, Report, next_number};
use super::procedure::Plan;
use super::renewal;
use super::rules::{
    ApplicationCommand, ApplicationStatus, DecisionOutcome, FindingResult, LabelStatus, decision_faults,
    finding_faults, found_scores, obstacles,
};
use super::standing::Standing;
use super::view::{ApplicationView, Decide, LabelScope, PutFinding, SubmitReport};
use crate::auth::guard::{DecisionMaker, Evaluator};
use crate::db::seals::Sealed;
use crate::db::{Id, Json, Tx};
use crate::error::{Error, Fault, Result};
use crate::http::route::Endpoint;
use crate::http::{Body, IfMatch, Reply};
use crate::independence::check::{Act, Stage, check};
use crate::log::identity::Log;
use crate::organisations::{Organisation, Viewer};
use crate::persons::identities;
use crate::solutions::model::{Solution, SolutionVersion};
use crate::{endpoints, text};

pub fn endpoints() -> Vec<Endpoint> {
    endpoints![open_label_application, put_finding, submit_report, decide_label_application,]
}

/// The person who acts; every auditor is one.
pub fn person(tx: &mut Tx<'_>) -> Result<Id> {
    tx.actor_id()?.ok_or_else(|| Error::Internal("an audit by nobody".to_owned()))
}

/// Open the audit
///
/// The evaluator begins, with a plan: findings can be recorded from now on. Of a renewal under the
/// same criteria set, findings count again where the declaration and its evidence are the same, as
/// long as less than a fifth of the criteria changed.
#[utoipa::path(post, path = "/api/v1/label-applications/{id}/open", tag = "labels", security(("bearer" = ["auditor:evaluator"])),
    params(("id" = Id, Path, description = "Identifier of the application.")),
    request_body = Plan,
    responses((status = 200, description = "Being examined.", body = ApplicationView)))]
async fn open_label_application(
    caller: Evaluator,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<Plan>,
) -> Result<HttpResponse> {
    let principal = caller.0.clone();
    let periods = reply.app.settings.periods;
    transition(&caller, reply, id, if_match, move |application, tx| {
        let audit_body = Viewer::of(tx.db, Some(&principal))?.acting()?;
        application.clone().advance(ApplicationCommand::Open)?;
        if application.evaluator_id.is_none() {
            return Err(Error::conflict(text!(
                "Le dossier n’est pas encore accepté.",
                "The case is not accepted yet."
            )));
        }
        if application.procedure.0.open_challenge().is_some() {
            return Err(Error::conflict(text!(
                "Une récusation de l’organisme attend la réponse de l’opérateur.",
                "A challenge of the body waits for the operator's answer."
            )));
        }
        check(tx, application, &Act::new(Stage::Examination, &audit_body, periods))?;
        let today = tx.now.day();
        open(application, tx, body.accept_with(|plan| plan.faults(today))?)
    })
    .await
}

/// Records the opening.
pub fn open(application: &mut Application, tx: &mut Tx<'_>, plan: Plan) -> Result<()> {
    application.advance(ApplicationCommand::Open)?;
    application.procedure.0.plan = Some(plan);
    let (renewal, kept) = renewal::of(tx.db, application, tx.now.day())?.unzip();
    application.procedure.0.renewal = renewal;
    application.store(tx, "open_label_application", json!({"status": ["assigned", "in_audit"]}))?;
    renewal::take_over(tx, application, kept.unwrap_or_default())
}

/// Record a finding
///
/// With the auditor's own score beside the declared one. If-Match carries the
/// application's ETag; the answer the application's new one.
#[utoipa::path(put, path = "/api/v1/label-applications/{id}/findings/{criterion}", tag = "labels", security(("bearer" = ["auditor:evaluator"])),
    params(("id" = Id, Path, description = "Identifier of the application."),
        ("criterion" = String, Path, description = "Code of the criterion.", max_length = 10, example = "SEC-01")),
    request_body = PutFinding,
    responses((status = 200, description = "Recorded.", body = ApplicationView)))]
async fn put_finding(
    caller: Evaluator,
    reply: Reply,
    path: Path<(String, String)>,
    if_match: IfMatch,
    body: Body<PutFinding>,
) -> Result<HttpResponse> {
    let (id, code) = path.into_inner();
    let periods = reply.app.settings.periods;
    reply
        .change(caller.0, move |tx, viewer| {
            let mut application = Application::for_party(tx.db, &id, &viewer)?;
            let (_, criteria) = application.criteria(tx.db)?;
            let criterion = criteria.iter().find(|one| one.code == code).ok_or_else(Error::not_found)?;
            if_match.check(application.version)?;
            application.advance(ApplicationCommand::RecordFinding)?;
            let audit_body = viewer.acting()?;
            let theme = Some(criterion.theme.as_str());
            check(tx, &mut application, &Act { theme, ..Act::new(Stage::Examination, &audit_body, periods) })?;
            refuse_what_stands(&application, tx, &code)?;
            let finding = body.accept_with(|finding| finding_faults(criterion, finding))?;
            let score = finding.value.as_deref().and_then(|value| criterion.score_of(value));
            record(&application, tx, &code, finding, score.map(|score| score.ten_thousandths()))?;
            application.store(tx, "record_finding", json!({"criterion": code}))?;
            application.view(tx.db, &viewer)
        })
        .await
}

/// After corrective action only what was to be mended is examined again, where the earlier
/// findings still count.
fn refuse_what_stands(application: &Application, tx: &mut Tx<'_>, code: &str) -> Result<()> {
    let Some(correction) = application.procedure.correction.as_ref().filter(|_| application.round > 0) else {
        return Ok(());
    };
    let stands = |one: &Finding| one.criterion == code && one.round < application.round;
    if correction.criteria.iter().any(|one| one == code) || !application.findings(tx.db)?.iter().any(stands) {
        return Ok(());
    }
    let criteria = correction.criteria.join(", ");
    Err(Error::conflict(text!(
        "L’action corrective ne porte que sur : {criteria}.",
        "Corrective action is only about: {criteria}."
    )))
}

/// Writes a finding in place of the one before.
pub fn record(
    application: &Application,
    tx: &mut Tx<'_>,
    code: &str,
    finding: PutFinding,
    score: Option<i32>,
) -> Result<()> {
    let actor_id = person(tx)?;
    Finding {
        application_id: application.id,
        criterion: code.to_owned(),
        round: application.round,
        result: finding.result,
        value: finding.value,
        score,
        comment: finding.comment,
        evidence: Json(finding.evidence),
        actor_id,
        recorded_at: tx.now,
    }
    .put(tx.db)
}

/// Submit the report
///
/// Once every applicable criterion has a finding; after corrective action, a new one for each that
/// was to be mended. A recommendation, not a decision.
#[utoipa::path(post, path = "/api/v1/label-applications/{id}/report", tag = "labels", security(("bearer" = ["auditor:evaluator"])),
    params(("id" = Id, Path, description = "Identifier of the application.")),
    request_body = SubmitReport,
    responses((status = 200, description = "Waiting for the decision.", body = ApplicationView)))]
async fn submit_report(
    caller: Evaluator,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<SubmitReport>,
) -> Result<HttpResponse> {
    let principal = caller.0.clone();
    let periods = reply.app.settings.periods;
    transition(&caller, reply, id, if_match, move |application, tx| {
        let audit_body = Viewer::of(tx.db, Some(&principal))?.acting()?;
        application.clone().advance(ApplicationCommand::Report)?;
        check(tx, application, &Act::new(Stage::Report, &audit_body, periods))?;
        let (_, criteria) = application.criteria(tx.db)?;
        let found: BTreeMap<String, i32> =
            application.findings(tx.db)?.into_iter().map(|one| (one.criterion, one.round)).collect();
        let (round, correction) = (application.round, application.procedure.correction.as_ref());
        let is_to_find = |code: &String| correction.is_some_and(|one| round > 0 && one.criteria.contains(code));
        let is_missing = |code: &String| found.get(code).is_none_or(|last| is_to_find(code) && *last < round);
        let report = body.accept_with(|_| {
            criteria
                .iter()
                .filter(|criterion| is_missing(&criterion.code))
                .map(|criterion| {
                    let code = &criterion.code;
                    Fault::body(
                        format!("/findings/{code}"),
                        "missing",
                        text!("Aucun constat pour {code}.", "No finding for {code}."),
                    )
                })
                .collect()
        })?;
        report_on(application, tx, report)
    })
    .await
}

/// Records a complete report.
pub fn report_on(application: &mut Application, tx: &mut Tx<'_>, report: SubmitReport) -> Result<()> {
    let (_, criteria) = application.criteria(tx.db)?;
    let scores = found_scores(&criteria, &application.found(tx.db)?);
    let actor_id = person(tx)?;
    application.advance(ApplicationCommand::Report)?;
    Report {
        application_id: application.id,
        round: application.round,
        recommendation: report.recommendation,
        summary: report.summary,
        scores: Json(scores),
        actor_id,
        submitted_at: tx.now,
    }
    .insert(tx.db)?;
    tx.seal(Sealed::AuditReport, &[(application.id, application.round)])?;
    hear(application, tx.now);
    application.store(tx, "submit_report", json!({"status": ["in_audit", "report_submitted"]}))
}

/// Decide
///
/// By another person of the same body than who examined. Grants, grants with
/// reservations or refuses, with reasons, held to what was found; what harms waits until the
/// vendor has commented on the report, or had fifteen days to. A correction names the decision it
/// corrects; nothing is ever edited. What an appeal sent back, somebody else decides.
#[utoipa::path(post, path = "/api/v1/label-applications/{id}/decision", tag = "labels", security(("bearer" = ["auditor:decision_maker"])),
    params(("id" = Id, Path, description = "Identifier of the application.")),
    request_body = Decide,
    responses((status = 200, description = "Decided.", body = ApplicationView)))]
async fn decide_label_application(
    caller: DecisionMaker,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<Decide>,
) -> Result<HttpResponse> {
    let principal = caller.0.clone();
    let months = reply.app.settings.label_validity_months;
    let log = Arc::clone(&reply.app.log);
    let periods = reply.app.settings.periods;
    transition(&caller, reply, id, if_match, move |application, tx| {
        let audit_body = Viewer::of(tx.db, Some(&principal))?.acting()?;
        let earlier = application.decisions(tx.db)?;
        let command = deciding(application);
        application.clone().advance(command)?;
        refuse_examiner(application, tx)?;
        if command == ApplicationCommand::Decide {
            refuse_decider(&earlier, tx)?;
        }
        check(tx, application, &Act::new(Stage::Decision, &audit_body, periods))?;
        let (set, criteria) = application.criteria(tx.db)?;
        let found = application.found(tx.db)?;
        let against = obstacles(&set.content.label_rule, &criteria, &found);
        let minors: Vec<String> = found
            .iter()
            .filter(|(_, (result, _))| *result == FindingResult::Minor)
            .map(|(code, _)| code.clone())
            .collect();
        let last = earlier.last().map(|decision| decision.id);
        let today = tx.now.day();
        let heard = is_heard(application, tx.now);
        let due = application.due_at.unwrap_or(tx.now).day();
        let decision = body.accept_with(|decision| {
            let mut faults = decision_faults(decision, &against, &minors, today);
            if decision.outcome != DecisionOutcome::Granted && !heard {
                faults.push(Fault::body(
                    "/outcome",
                    "vendor_not_heard",
                    text!(
                        "Ce qui nuit attend les observations du vendeur, ou le {due}.",
                        "What harms waits for the vendor's comments, or for {due}."
                    ),
                ));
            }
            if decision.corrects != last {
                faults.push(Fault::body(
                    "/corrects",
                    "wrong_decision",
                    text!(
                        "Une correction nomme la dernière décision ; une première n’en nomme aucune.",
                        "A correction names the last decision; a first one names none."
                    ),
                ));
            }
            faults
        })?;
        decide(application, tx, &log, &audit_body, decision, months)
    })
    .await
}

/// Who examined does not decide: neither the evaluator, nor who recorded a finding,
/// nor who wrote the report, under whatever token or identity.
pub fn refuse_examiner(application: &Application, tx: &mut Tx<'_>) -> Result<()> {
    let decider = person(tx)?;
    let decider = identities::of(tx.db, decider)?;
    if application.examiners(tx.db)?.is_disjoint(&decider) {
        return Ok(());
    }
    Err(Error::forbidden_for(vec![Fault::body(
        "",
        "four_eyes",
        text!(
            "Qui a examiné le dossier ne le décide pas : une autre personne de l’organisme décide.",
            "Who examined the case does not decide it: another person of the body does."
        ),
    )]))
}

/// Who decided what an appeal sent back does not decide it again.
fn refuse_decider(earlier: &[Decision], tx: &mut Tx<'_>) -> Result<()> {
    let decider = person(tx)?;
    let decider = identities::of(tx.db, decider)?;
    if !earlier.iter().any(|one| decider.contains(&one.actor_id)) {
        return Ok(());
    }
    Err(Error::forbidden_for(vec![Fault::body(
        "",
        "decided_before",
        text!(
            "Qui a pris la décision renvoyée ne la reprend pas : une autre personne de l’organisme décide.",
            "Who made the decision that was sent back does not make it again: another person of the body does."
        ),
    )]))
}

/// Whether a decision is the first on what was reported, or corrects another.
fn deciding(application: &Application) -> ApplicationCommand {
    match application.status {
        ApplicationStatus::Decided => ApplicationCommand::Correct,
        _ => ApplicationCommand::Decide,
    }
}

/// Adds a decision and does what it says.
pub fn decide(
    application: &mut Application,
    tx: &mut Tx<'_>,
    log: &Log,
    audit_body: &Organisation,
    decision: Decide,
    months: u32,
) -> Result<()> {
    application.advance(deciding(application))?;
    application.due_at = None;
    let solution = Solution::find_by_id(tx.db, application.solution_id)?;
    if decision.outcome != DecisionOutcome::Refused && !solution.status.is_public() {
        return Err(Error::conflict(text!("La solution n’est plus publiée.", "The solution is no longer published.")));
    }
    let actor_id = person(tx)?;
    let known = Label::of_application(tx.db, application.id)?;
    let number = match (&known, decision.outcome) {
        (Some(label), _) => Some(label.number.clone()),
        (None, DecisionOutcome::Refused) => None,
        (None, _) => Some(next_number(tx)?),
    };
    let row = Decision {
        id: Id::new(),
        application_id: application.id,
        organisation_id: audit_body.id,
        outcome: decision.outcome,
        content: Json(DecisionContent {
            reasons: decision.reasons,
            reservations: decision.reservations,
            signature: decision.signature,
        }),
        label_number: number.clone(),
        corrects: decision.corrects,
        actor_id,
        decided_at: tx.now,
    };
    verify_signature(tx, application, &row)?;
    row.insert(tx.db)?;
    tx.seal(Sealed::LabelDecision, &[(row.id, 0)])?;
    application.decided_at = Some(tx.now);
    application.store(
        tx,
        "decide_label_application",
        json!({"outcome": row.outcome, "label": number, "corrects": row.corrects}),
    )?;
    match (known, number) {
        (Some(label), _) => correct_label(tx, log, application, label, &row),
        (None, Some(number)) => grant(tx, log, application, &row, number, months),
        (None, None) => refused(tx, application, &row),
    }
}

/// Makes the label; the one before it gives way.
fn grant(
    tx: &mut Tx<'_>,
    log: &Log,
    application: &Application,
    decision: &Decision,
    number: String,
    months: u32,
) -> Result<()> {
    for mut earlier in Label::of_solution(tx.db, application.solution_id)? {
        earlier.give_way(tx, &number)?;
    }
    let report = application.report(tx.db)?.ok_or_else(|| Error::Internal("a decision without a report".to_owned()))?;
    let (set, _) = application.criteria(tx.db)?;
    let version = application.solution_version.unwrap_or_default();
    let sheet = SolutionVersion::find(tx.db, application.solution_id, version)?.sheet.0;
    let today = tx.now.day();
    let label = Label {
        number,
        id: Id::new(),
        version: 1,
        solution_id: application.solution_id,
        application_id: application.id,
        decision_id: decision.id,
        audit_body_id: decision.organisation_id,
        status: status_of(decision.outcome),
        content: Json(LabelContent {
            scope: LabelScope {
                solution_version: version,
                software_version: sheet.software_version,
                deployment: sheet.deployment,
                criteria_set_id: set.id,
                criteria_set_label: set.content.0.label,
            },
            outcome: decision.outcome,
            reservations: decision.content.reservations.clone(),
            summary: report.summary,
            scores: report.scores.0,
            disclosures: application.disclosures.0.clone(),
        }),
        valid_from: today,
        valid_until: today.checked_add_months(Months::new(months)).unwrap_or(today),
        granted_at: tx.now,
        updated_at: tx.now,
        standing: Json(Standing::default()),
        banned_until: None,
    };
    label.granted(tx, log, application, decision)?;
    Solution::find_by_id(tx.db, application.solution_id)?.refresh_published_facets(tx.db)
}

/// A correction changes what the label says, never its number or its first day;
/// a label that is suspended, superseded or ended is not revived by it.
fn correct_label(
    tx: &mut Tx<'_>,
    log: &Log,
    application: &Application,
    mut label: Label,
    decision: &Decision,
) -> Result<()> {
    let from = label.status;
    label.decision_id = decision.id;
    if from.is_valid() || decision.outcome == DecisionOutcome::Refused {
        label.status = status_of(decision.outcome);
    }
    label.content.0.outcome = decision.outcome;
    label.content.0.disclosures.clone_from(&application.disclosures);
    label.content.0.reservations.clone_from(&decision.content.reservations);
    let changed = json!({"status": [from, label.status]});
    label.corrected(tx, log, application, decision, changed)
}

/// The status that a decision gives.
pub fn status_of(outcome: DecisionOutcome) -> LabelStatus {
    match outcome {
        DecisionOutcome::Granted => LabelStatus::Active,
        DecisionOutcome::GrantedWithReservations => LabelStatus::ActiveWithReservations,
        DecisionOutcome::Refused => LabelStatus::Withdrawn,
    }
}
