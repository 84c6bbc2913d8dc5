//! What the parties of a case say to each other, and what follows from it.

use actix_web::HttpResponse;
use actix_web::web::Path;
use diesel::prelude::*;
use serde_json::json;

use super::applications::transition;
use super::audit::refuse_examiner;
use super::model::Application;
use super::procedure::{
    AnswerChallenge, Challenge, ChallengeAnswer, Comment, CommentOnReport, Correction, DeliverCorrection, Delivery,
    Proposal, RequireCorrection, curable,
};
use super::rules::{ApplicationCommand, ApplicationStatus, CHALLENGE_DAYS, COMMENT_DAYS, IDLE, obstacles};
use super::view::ApplicationView;
use crate::auth::guard::{DecisionMaker, LabelOfficer, Signatory};
use crate::db::schema::label_applications;
use crate::db::{Id, Instant, Json, Tx};
use crate::error::{Error, Result};
use crate::http::route::Endpoint;
use crate::http::{Body, IfMatch, Reply};
use crate::independence::check::{Act, Stage, check};
use crate::organisations::rules::url_fault;
use crate::organisations::view::Reason;
use crate::organisations::{Organisation, Viewer};
use crate::{endpoints, text};

pub fn endpoints() -> Vec<Endpoint> {
    endpoints![
        propose_audit_body,
        challenge_audit_body,
        answer_challenge,
        comment_on_report,
        require_correction,
        deliver_correction,
    ]
}

/// Propose an audit body
///
/// Before the case is assigned. A wish: the operator assigns, within accreditation and independence.
#[utoipa::path(post, path = "/api/v1/label-applications/{id}/propose", tag = "labels", security(("bearer" = ["vendor:signatory"])),
    params(("id" = Id, Path, description = "Identifier of the application.")),
    request_body = Proposal,
    responses((status = 200, description = "Proposed.", body = ApplicationView)))]
async fn propose_audit_body(
    caller: Signatory,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<Proposal>,
) -> Result<HttpResponse> {
    transition(&caller, reply, id, if_match, move |application, tx| {
        application.advance(ApplicationCommand::Propose)?;
        let proposed = body.accept()?.audit_body_id;
        let proposed = proposed.map(|id| Organisation::audit_body(tx.db, id, "/audit_body_id")).transpose()?;
        application.procedure.0.proposed_audit_body_id = proposed.map(|body| body.id);
        let changed = json!({"proposed_audit_body": application.procedure.proposed_audit_body_id});
        application.store(tx, "propose_audit_body", changed)
    })
    .await
}

/// Challenge the audit body
///
/// Before the audit opens, with reasons; it does not open before the operator has answered,
/// within five working days.
#[utoipa::path(post, path = "/api/v1/label-applications/{id}/challenge", tag = "labels", security(("bearer" = ["vendor:signatory"])),
    params(("id" = Id, Path, description = "Identifier of the application.")),
    request_body = Reason,
    responses((status = 200, description = "Filed.", body = ApplicationView)))]
async fn challenge_audit_body(
    caller: Signatory,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<Reason>,
) -> Result<HttpResponse> {
    transition(&caller, reply, id, if_match, move |application, tx| {
        application.advance(ApplicationCommand::Challenge)?;
        let audit_body_id = application.audit_body_id.ok_or_else(Error::not_found)?;
        let is_again = application.procedure.challenges.iter().any(|one| one.audit_body_id == audit_body_id);
        if is_again {
            return Err(Error::conflict(text!(
                "Cet organisme a déjà été récusé par vous dans ce dossier.",
                "You have challenged this body in this case already."
            )));
        }
        let due_at = tx.now.plus_days(CHALLENGE_DAYS);
        let reason = body.accept()?.reason;
        let challenge = Challenge { audit_body_id, reason, filed_at: tx.now, due_at, answer: None };
        application.procedure.0.challenges.push(challenge);
        application.due_at = Some(due_at);
        application.store(tx, "challenge_audit_body", json!({"audit_body": audit_body_id}))
    })
    .await
}

/// Answer a challenge
///
/// Upheld, the case waits for another body, and that body does not come back to it.
#[utoipa::path(post, path = "/api/v1/label-applications/{id}/answer-challenge", tag = "labels", security(("bearer" = ["operator:label_officer"])),
    params(("id" = Id, Path, description = "Identifier of the application.")),
    request_body = AnswerChallenge,
    responses((status = 200, description = "Answered.", body = ApplicationView)))]
async fn answer_challenge(
    caller: LabelOfficer,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<AnswerChallenge>,
) -> Result<HttpResponse> {
    transition(&caller, reply, id, if_match, move |application, tx| {
        application.clone().advance(ApplicationCommand::DismissChallenge)?;
        let now = tx.now;
        let open = application.procedure.0.open_challenge();
        let open =
            open.ok_or_else(|| Error::conflict(text!("Aucune récusation n’attend.", "No challenge is waiting.")))?;
        let AnswerChallenge { is_upheld, reason } = body.accept()?;
        let from = open.audit_body_id;
        open.answer = Some(ChallengeAnswer { is_upheld, reason, at: now });
        application.due_at = None;
        if is_upheld {
            application.advance(ApplicationCommand::UpholdChallenge)?;
            application.release();
            return application.store(tx, "uphold_challenge", json!({"audit_body": [from, null]}));
        }
        application.advance(ApplicationCommand::DismissChallenge)?;
        application.store(tx, "dismiss_challenge", json!({"audit_body": from}))
    })
    .await
}

/// Comment on the report
///
/// The vendor's word, once for each report and annexed to it; also that there is nothing to
/// say. A decision that harms waits for it, fifteen days at most.
#[utoipa::path(post, path = "/api/v1/label-applications/{id}/comment", tag = "labels", security(("bearer" = ["vendor:signatory"])),
    params(("id" = Id, Path, description = "Identifier of the application.")),
    request_body = CommentOnReport,
    responses((status = 200, description = "Annexed.", body = ApplicationView)))]
async fn comment_on_report(
    caller: Signatory,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<CommentOnReport>,
) -> Result<HttpResponse> {
    transition(&caller, reply, id, if_match, move |application, tx| {
        application.advance(ApplicationCommand::Comment)?;
        if application.procedure.has_comment_on(application.round) {
            return Err(Error::conflict(text!(
                "Le rapport a déjà vos observations.",
                "The report has your comments already."
            )));
        }
        comment(application, tx, body.accept()?.text)
    })
    .await
}

/// Annexes what the vendor has to say.
pub fn comment(application: &mut Application, tx: &mut Tx<'_>, text: String) -> Result<()> {
    let round = application.round;
    application.procedure.0.comments.push(Comment { round, text, at: tx.now });
    application.due_at = None;
    application.store(tx, "comment_on_report", json!({"round": round}))
}

/// Require corrective action
///
/// In place of a decision, once, when what was found can be mended within 90 days. By a person
/// who may decide.
#[utoipa::path(post, path = "/api/v1/label-applications/{id}/require-correction", tag = "labels", security(("bearer" = ["auditor:decision_maker"])),
    params(("id" = Id, Path, description = "Identifier of the application.")),
    request_body = RequireCorrection,
    responses((status = 200, description = "The vendor mends.", body = ApplicationView)))]
async fn require_correction(
    caller: DecisionMaker,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<RequireCorrection>,
) -> Result<HttpResponse> {
    let principal = caller.0.clone();
    let periods = reply.app.settings.periods;
    transition(&caller, reply, id, if_match, move |application, tx| {
        let audit_body = Viewer::of(tx.db, Some(&principal))?.acting()?;
        application.clone().advance(ApplicationCommand::RequireCorrection)?;
        refuse_examiner(application, tx)?;
        check(tx, application, &Act::new(Stage::Decision, &audit_body, periods))?;
        if application.procedure.correction.is_some() {
            return Err(Error::conflict(text!(
                "Une action corrective a déjà été demandée : elle ne l’est qu’une fois.",
                "Corrective action was required already: it is once."
            )));
        }
        let (set, criteria) = application.criteria(tx.db)?;
        let found = application.found(tx.db)?;
        let curable = curable(&found, &obstacles(&set.content.label_rule, &criteria, &found));
        let today = tx.now.day();
        let RequireCorrection { criteria, reason, due_on } = body.accept_with(|given| given.faults(&curable, today))?;
        application.advance(ApplicationCommand::RequireCorrection)?;
        application.due_at = Some(Instant::end_of(due_on));
        let changed = json!({"status": ["report_submitted", "corrective_action"], "criteria": criteria});
        let required_at = tx.now;
        let correction = Correction { criteria, reason, required_at, due_on, delivery: None, lapsed_at: None };
        application.procedure.0.correction = Some(correction);
        application.store(tx, "require_correction", changed)
    })
    .await
}

/// Deliver corrective action
///
/// What was mended, with evidence: the evaluator examines those criteria again, and no others.
#[utoipa::path(post, path = "/api/v1/label-applications/{id}/deliver", tag = "labels", security(("bearer" = ["vendor:signatory"])),
    params(("id" = Id, Path, description = "Identifier of the application.")),
    request_body = DeliverCorrection,
    responses((status = 200, description = "Being examined again.", body = ApplicationView)))]
async fn deliver_correction(
    caller: Signatory,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<DeliverCorrection>,
) -> Result<HttpResponse> {
    transition(&caller, reply, id, if_match, move |application, tx| {
        application.advance(ApplicationCommand::Deliver)?;
        let given = body.accept_with(|given| {
            let places = given.evidence.iter().enumerate();
            places.filter_map(|(place, one)| url_fault(&format!("/evidence/{place}/url"), Some(&one.url))).collect()
        })?;
        let at = tx.now;
        let correction = application.procedure.0.correction.as_mut();
        let correction = correction.ok_or_else(|| Error::Internal("a correction that nobody required".to_owned()))?;
        correction.delivery = Some(Delivery { text: given.text, evidence: given.evidence, at });
        application.due_at = None;
        application.round += 1;
        let changed = json!({"status": ["corrective_action", "in_audit"], "round": application.round});
        application.store(tx, "deliver_correction", changed)
    })
    .await
}

/// Notes that the report is in: from now on the vendor is heard.
pub fn hear(application: &mut Application, now: Instant) {
    application.due_at = Some(now.plus_days(COMMENT_DAYS));
}

/// Whether the vendor has been heard on the report, or had the time to speak.
pub fn is_heard(application: &Application, now: Instant) -> bool {
    application.procedure.has_comment_on(application.round) || application.due_at.is_none_or(|due| due <= now)
}

/// What the calendar does to cases: drafts that nobody touches are given up, corrective action
/// that was not delivered lapses. How many steps.
pub fn keep(tx: &mut Tx<'_>) -> Result<usize> {
    use label_applications as a;
    let idle = Instant(tx.now.0 - IDLE);
    let drafts: Vec<Application> = a::table
        .filter(a::status.eq(ApplicationStatus::Draft).and(a::updated_at.lt(idle)))
        .select(Application::as_select())
        .load(tx.db)?;
    let late: Vec<Application> = a::table
        .filter(a::status.eq(ApplicationStatus::CorrectiveAction).and(a::frozen.is_null()))
        .filter(a::due_at.lt(tx.now))
        .select(Application::as_select())
        .load(tx.db)?;
    let count = drafts.len() + late.len();
    for mut case in drafts {
        case.advance(ApplicationCommand::Abandon)?;
        let days = IDLE.num_days();
        case.moderation = Some(Json(format!("Sans activité depuis {days} jours. / Idle for {days} days.")));
        case.store(tx, "abandon_label_application", json!({"status": ["draft", "abandoned"], "rule": "idle"}))?;
    }
    for mut case in late {
        case.advance(ApplicationCommand::LapseCorrection)?;
        case.due_at = None;
        if let Some(correction) = case.procedure.0.correction.as_mut() {
            correction.lapsed_at = Some(tx.now);
        }
        case.store(tx, "lapse_correction", json!({"status": ["corrective_action", "report_submitted"]}))?;
    }
    Ok(count)
}
