//! Labels and their applications on the wire.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::acts::LabelActView;
use super::changes::PendingChange;
use super::model::{Application, Decision, Finding, LabelContent, Report};
use super::procedure::{Challenge, Comment, Correction, Plan, Procedure};
use super::renewal::Renewal;
use super::rules::{ApplicationStatus, DecisionOutcome, FindingResult, LabelStatus};
use super::standing::{HeldReservation, LabelSuspension, Standing};
use crate::db::{Id, Instant};
use crate::evaluations::rules::{Score, Scores};
use crate::evaluations::view::ThemeScoreView;
use crate::independence::declarations::{Declaration, DeclarationView};
use crate::independence::freeze::Freeze;
use crate::independence::rules::{Conflict, Interest};
use crate::organisations::view::OrganisationSummary;
use crate::query_parameters;
use crate::solutions::sheet::{Deployment, Evidence, Origin};

/// What a label covers: it is not transferable to anything else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LabelScope {
    /// Published version of the sheet that was examined.
    #[schema(minimum = 1)]
    pub solution_version: i32,
    /// Version of the software, as the vendor numbers it.
    #[schema(max_length = 1000)]
    pub software_version: Option<String>,
    /// Deployment modes that were examined.
    #[schema(max_items = 2)]
    pub deployment: Vec<Deployment>,
    /// The criteria set.
    pub criteria_set_id: Id,
    /// Its version as people name it.
    #[schema(max_length = 50)]
    pub criteria_set_label: String,
}

/// A point to mend.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reservation {
    /// Code of the criterion.
    #[schema(min_length = 1, max_length = 10, example = "SEC-03")]
    pub criterion: String,
    /// What is to be mended.
    #[schema(min_length = 3, max_length = 2000)]
    pub text: String,
    /// By which day.
    pub due_on: NaiveDate,
}

/// Scores that an audit body found.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FoundScores {
    /// Who says so: an accredited third party.
    pub origin: Origin,
    /// Over all themes.
    pub overall: Option<Score>,
    /// By theme.
    #[schema(max_items = 100)]
    pub themes: Vec<ThemeScoreView>,
}

impl From<Scores> for FoundScores {
    fn from(scores: Scores) -> Self {
        Self {
            origin: Origin::ThirdParty,
            overall: scores.overall,
            themes: scores
                .themes
                .into_iter()
                .map(|(theme, one)| ThemeScoreView { theme, score: one.score, coverage: one.coverage })
                .collect(),
        }
    }
}

/// A label, as the public register shows it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LabelView {
    /// Number, never given again.
    #[schema(pattern = "^GT-[0-9]{4}-[0-9]{5}$", max_length = 13, example = "GT-2026-00001")]
    pub number: String,
    /// Where it stands today.
    pub status: LabelStatus,
    /// Counts changes; also in the ETag.
    #[schema(minimum = 1)]
    pub version: i32,
    /// Who says so: an accredited third party.
    pub origin: Origin,
    /// The solution.
    pub solution_id: Id,
    /// What it covers.
    pub scope: LabelScope,
    /// What was decided.
    pub outcome: DecisionOutcome,
    /// Points to mend, with those that are.
    #[schema(max_items = 1000)]
    pub reservations: Vec<HeldReservation>,
    /// Why it does not hold for now, while it is suspended.
    pub suspension: Option<LabelSuspension>,
    /// A change of the solution that the audit body has to assess.
    pub change_assessment: Option<PendingChange>,
    /// Summary of the audit.
    #[schema(max_length = 20000)]
    pub summary: String,
    /// Scores the audit body found.
    pub scores: FoundScores,
    /// Who examined and decided, or took over watching over it.
    pub audit_body: Option<OrganisationSummary>,
    /// Interests of who examined and decided that do not exclude them, in public.
    #[schema(max_items = 1000)]
    pub disclosures: Vec<Conflict>,
    /// Every decision that made it what it is, oldest first.
    #[schema(max_items = 1000)]
    pub decisions: Vec<DecisionView>,
    /// What was done to it since, oldest first; the log holds the hash of each.
    #[schema(max_items = 10000)]
    pub acts: Vec<LabelActView>,
    /// First day of validity.
    pub valid_from: NaiveDate,
    /// Last day of validity.
    pub valid_until: NaiveDate,
    /// The last day as it was granted, when it outlives it while its renewal is examined.
    pub granted_until: Option<NaiveDate>,
    /// When it was granted.
    pub granted_at: Instant,
    /// When it last changed.
    pub updated_at: Instant,
}

/// A decision: only ever added, never edited.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DecisionView {
    /// Identifier.
    pub id: Id,
    /// What was decided.
    pub outcome: DecisionOutcome,
    /// Why.
    #[schema(max_length = 20000)]
    pub reasons: String,
    /// Points to mend.
    #[schema(max_items = 1000)]
    pub reservations: Vec<Reservation>,
    /// The decision this one corrects.
    pub corrects: Option<Id>,
    /// The label it made or changed.
    #[schema(max_length = 13)]
    pub label_number: Option<String>,
    /// The audit body that decided.
    pub audit_body_id: Id,
    /// The audit body's signature, a compact JWS; null: it did not sign, and that it decided so is the
    /// catalogue's word.
    #[schema(max_length = 4000)]
    pub signature: Option<String>,
    /// When.
    pub decided_at: Instant,
}

impl From<Decision> for DecisionView {
    fn from(decision: Decision) -> Self {
        let Decision {
            id,
            application_id: _,
            organisation_id,
            outcome,
            content,
            label_number,
            corrects,
            actor_id: _,
            decided_at,
        } = decision;
        Self {
            id,
            outcome,
            reasons: content.0.reasons,
            reservations: content.0.reservations,
            corrects,
            label_number,
            audit_body_id: organisation_id,
            signature: content.0.signature,
            decided_at,
        }
    }
}

impl LabelView {
    pub fn new(
        label: super::model::Label,
        audit_body: Option<OrganisationSummary>,
        decisions: Vec<DecisionView>,
        acts: Vec<LabelActView>,
        today: NaiveDate,
    ) -> Self {
        let suspension = label.suspension();
        let super::model::Label {
            number,
            id: _,
            version,
            solution_id,
            application_id: _,
            decision_id: _,
            audit_body_id: _,
            status,
            content,
            valid_from,
            valid_until,
            granted_at,
            updated_at,
            standing,
            banned_until: _,
        } = label;
        let LabelContent { scope, outcome, reservations, summary, scores, disclosures } = content.0;
        let Standing { lifted, suspension: _, change, granted_until } = standing.0;
        let held = |Reservation { criterion, text, due_on }: Reservation| {
            let lifted_on = lifted.get(&criterion).copied();
            HeldReservation { criterion, text, due_on, lifted_on }
        };
        Self {
            number,
            status: status.on(today, valid_until),
            version,
            origin: Origin::ThirdParty,
            solution_id,
            scope,
            outcome,
            reservations: reservations.into_iter().map(held).collect(),
            suspension,
            change_assessment: change.filter(|_| status.is_valid() || status == LabelStatus::Suspended),
            summary,
            scores: scores.into(),
            audit_body,
            disclosures,
            decisions,
            acts,
            valid_from,
            valid_until,
            granted_until,
            granted_at,
            updated_at,
        }
    }
}

/// An application for the label.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ApplicationView {
    /// Identifier.
    pub id: Id,
    /// The solution.
    pub solution_id: Id,
    /// The vendor.
    pub organisation_id: Id,
    /// Where it stands.
    pub status: ApplicationStatus,
    /// Counts changes; also in the ETag.
    #[schema(minimum = 1)]
    pub version: i32,
    /// The vendor's words.
    #[schema(max_length = 10000)]
    pub statement: Option<String>,
    /// Published version of the sheet, fixed at submission.
    #[schema(minimum = 1)]
    pub solution_version: Option<i32>,
    /// The evaluation examined, fixed at submission.
    pub evaluation_id: Option<Id>,
    /// The criteria set, fixed at submission.
    pub criteria_set_id: Option<Id>,
    /// The audit body it is assigned to.
    pub audit_body_id: Option<Id>,
    /// Whether the audit body has accepted, declaring its independence.
    pub is_accepted: bool,
    /// The audit body that the vendor would have.
    pub proposed_audit_body_id: Option<Id>,
    /// Challenges of audit bodies by the vendor, the first one first.
    #[schema(max_items = 100)]
    pub challenges: Vec<Challenge>,
    /// How the evaluator goes about it, once the audit is open.
    pub plan: Option<Plan>,
    /// What the audit takes over, when it renews a label.
    pub renewal: Option<Renewal>,
    /// Why the case stands still: it has to be given to others, or given up, unless the cause goes.
    pub frozen: Option<Freeze>,
    /// Interests that do not exclude; public with the label.
    #[schema(max_items = 1000)]
    pub disclosures: Vec<Conflict>,
    /// What was declared on this case; shown to the audit body and to label officers.
    #[schema(max_items = 10000)]
    pub declarations: Vec<DeclarationView>,
    /// Findings so far; shown to the audit body, and to all parties once the report is in.
    #[schema(max_items = 10000)]
    pub findings: Vec<FindingView>,
    /// The report, once submitted; after corrective action the one on it.
    pub report: Option<ReportView>,
    /// The report before corrective action, if there was any.
    pub earlier_report: Option<ReportView>,
    /// What the vendor had to say to the reports.
    #[schema(max_items = 2)]
    pub comments: Vec<Comment>,
    /// Corrective action, if any was required.
    pub correction: Option<Correction>,
    /// 0: the first examination; 1: the one after corrective action.
    #[schema(minimum = 0, maximum = 1)]
    pub round: i32,
    /// Until when somebody has to act: the operator on a challenge, the vendor on a report or a
    /// correction; null when no such time runs.
    pub due_at: Option<Instant>,
    /// Decisions, oldest first.
    #[schema(max_items = 1000)]
    pub decisions: Vec<DecisionView>,
    /// Why it was not admitted or was given up.
    #[schema(max_length = 5000)]
    pub reason: Option<String>,
    /// When it was begun.
    pub created_at: Instant,
    /// When it last changed.
    pub updated_at: Instant,
    /// When it was submitted.
    pub submitted_at: Option<Instant>,
    /// By when the operator admits or not (20 working days).
    pub admission_due_at: Option<Instant>,
    /// Time zone in which deadlines are counted.
    #[schema(max_length = 50, example = "Europe/Paris")]
    pub time_zone: String,
    /// When it was decided.
    pub decided_at: Option<Instant>,
}

crate::represented!(ApplicationView);

/// Everything that makes a view of an application.
#[derive(Default)]
pub struct Parts {
    pub findings: Vec<Finding>,
    /// The first one first.
    pub reports: Vec<Report>,
    pub decisions: Vec<Decision>,
    pub declarations: Vec<Declaration>,
}

impl ApplicationView {
    pub fn new(application: Application, parts: Parts, sees_findings: bool) -> Self {
        let Application {
            id,
            version,
            solution_id,
            organisation_id,
            status,
            solution_version,
            evaluation_id,
            set_id,
            audit_body_id,
            evaluator_id,
            details,
            moderation,
            created_at,
            updated_at,
            submitted_at,
            admission_due_at,
            decided_at,
            accepted_at: _,
            frozen,
            disclosures,
            procedure,
            due_at,
            round,
        } = application;
        let Procedure { proposed_audit_body_id, challenges, plan, renewal, comments, correction } = procedure.0;
        let mut reports = parts.reports.into_iter().map(ReportView::from);
        let (first, second) = (reports.next(), reports.next());
        let (report, earlier_report) = if second.is_some() { (second, first) } else { (first, None) };
        Self {
            id,
            solution_id,
            organisation_id,
            status,
            version,
            statement: details.0.statement,
            solution_version,
            evaluation_id,
            criteria_set_id: set_id,
            audit_body_id,
            is_accepted: evaluator_id.is_some(),
            proposed_audit_body_id,
            challenges,
            plan,
            renewal,
            frozen: frozen.map(|freeze| freeze.0),
            disclosures: disclosures.0,
            declarations: parts.declarations.into_iter().map(DeclarationView::from).collect(),
            findings: if sees_findings {
                parts.findings.into_iter().map(FindingView::from).collect()
            } else {
                Vec::new()
            },
            report,
            earlier_report,
            comments,
            correction,
            round,
            due_at,
            decisions: parts.decisions.into_iter().map(DecisionView::from).collect(),
            reason: moderation.map(|reason| reason.0),
            created_at,
            updated_at,
            submitted_at,
            admission_due_at,
            time_zone: "Europe/Paris".to_owned(),
            decided_at,
        }
    }
}

/// What the auditor found for a criterion.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FindingView {
    /// Code of the criterion.
    #[schema(max_length = 10)]
    pub criterion: String,
    /// The result.
    pub result: FindingResult,
    /// The option the auditor holds true.
    #[schema(max_length = 40)]
    pub value: Option<String>,
    /// The score it gives.
    pub score: Option<Score>,
    /// What was seen.
    #[schema(max_length = 8000)]
    pub comment: String,
    /// What proves it.
    #[schema(max_items = 20)]
    pub evidence: Vec<Evidence>,
    /// The examination in which it was found: 1 after corrective action.
    #[schema(minimum = 0, maximum = 1)]
    pub round: i32,
    /// When it was recorded.
    pub recorded_at: Instant,
}

impl From<Finding> for FindingView {
    fn from(finding: Finding) -> Self {
        let Finding {
            application_id: _,
            criterion,
            round,
            result,
            value,
            score,
            comment,
            evidence,
            actor_id: _,
            recorded_at,
        } = finding;
        Self {
            criterion,
            result,
            value,
            score: score.and_then(Score::stored),
            comment,
            evidence: evidence.0,
            round,
            recorded_at,
        }
    }
}

/// The evaluator's report: a recommendation, not a decision.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ReportView {
    /// What the evaluator recommends.
    pub recommendation: DecisionOutcome,
    /// Summary; public with the label.
    #[schema(max_length = 20000)]
    pub summary: String,
    /// Scores that the findings give.
    pub scores: FoundScores,
    /// When it was submitted.
    pub submitted_at: Instant,
}

impl From<Report> for ReportView {
    fn from(report: Report) -> Self {
        let Report { application_id: _, round: _, recommendation, summary, scores, actor_id: _, submitted_at } = report;
        Self { recommendation, summary, scores: scores.0.into(), submitted_at }
    }
}

/// An application to begin.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"statement": "Nous demandons l’examen de l’offre en nuage."}))]
pub struct ApplicationDetails {
    /// What the vendor has to say to the auditor.
    #[schema(max_length = 10000)]
    #[serde(default)]
    pub statement: Option<String>,
}

/// A submission of an application.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"accepts_terms": true}))]
pub struct SubmitApplication {
    /// The vendor accepts the terms of the audit.
    pub accepts_terms: bool,
}

/// An assignment.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"audit_body_id": "01890a5d-ac96-774b-bcce-b302099a8057"}))]
pub struct Assignment {
    /// The audit body.
    pub audit_body_id: Id,
}

/// An assignment to others than before.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "audit_body_id": "01890a5d-ac96-774b-bcce-b302099a8057", "reason": "L’organisme et le vendeur sont désormais liés.",
}))]
pub struct Reassignment {
    /// The audit body; the same as before for another person of it.
    pub audit_body_id: Id,
    /// Why.
    #[schema(min_length = 3, max_length = 5000)]
    pub reason: String,
}

/// Interests to declare on a case.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"interests": [{
    "holder": "body", "kind": "other_audit", "description": "Certification ISO 27001 de l’hébergement.",
    "since": "2025-03-01", "until": "2025-06-30",
}]}))]
pub struct DeclareInterests {
    /// What is declared; it stays on record.
    #[schema(min_items = 1, max_items = 50)]
    pub interests: Vec<Interest>,
}

/// A declaration of independence.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"declares_independence": true}))]
pub struct Acceptance {
    /// The evaluator and the body have no interest in the vendor or the solution beside those
    /// below, and did no paid work for it in the last 24 months.
    pub declares_independence: bool,
    /// Interests that have to be known; some of them exclude.
    #[schema(max_items = 50)]
    #[serde(default)]
    pub interests: Vec<Interest>,
}

/// A finding to record.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"result": "compliant", "value": "certified", "comment": "Politique lue, appliquée sur l’échantillon."}))]
pub struct PutFinding {
    /// The result.
    pub result: FindingResult,
    /// The option of the criterion that the auditor holds true; none when not applicable.
    #[schema(max_length = 40)]
    #[serde(default)]
    pub value: Option<String>,
    /// What was seen.
    #[schema(min_length = 3, max_length = 8000)]
    pub comment: String,
    /// What proves it.
    #[schema(max_items = 20)]
    #[serde(default)]
    pub evidence: Vec<Evidence>,
}

/// A report to submit.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"recommendation": "granted", "summary": "Tous les critères obligatoires sont satisfaits."}))]
pub struct SubmitReport {
    /// What the evaluator recommends.
    pub recommendation: DecisionOutcome,
    /// Summary; public with the label.
    #[schema(min_length = 10, max_length = 20000)]
    pub summary: String,
}

/// A decision to make.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"outcome": "granted", "reasons": "Le rapport ne relève aucun écart."}))]
pub struct Decide {
    /// What is decided.
    pub outcome: DecisionOutcome,
    /// Why.
    #[schema(min_length = 3, max_length = 20000)]
    pub reasons: String,
    /// One for each minor finding, when granted with reservations.
    #[schema(max_items = 1000)]
    #[serde(default)]
    pub reservations: Vec<Reservation>,
    /// The earlier decision this one corrects.
    #[serde(default)]
    pub corrects: Option<Id>,
    /// The audit body's signature: a compact JWS (RFC 7515, EdDSA) of `typ` `gouvtech-decision+jwt` by a
    /// key that is registered for the body; what it is over is in docs/PROOF.md. Without one, the
    /// decision is shown as not signed.
    #[schema(max_length = 4000)]
    #[serde(default)]
    pub signature: Option<String>,
}

/// Which applications to list.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplicationFilter {
    /// Rows of a page.
    #[schema(minimum = 1, maximum = 100, default = 20)]
    #[serde(default)]
    pub limit: Option<i64>,
    /// Where to go on: `next` of the previous page.
    #[schema(max_length = 4000)]
    #[serde(default)]
    pub cursor: Option<String>,
    /// Stands at one of these.
    #[schema(max_items = 10)]
    #[serde(default)]
    pub status: Vec<ApplicationStatus>,
}

/// Which labels to list.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelFilter {
    /// Rows of a page.
    #[schema(minimum = 1, maximum = 100, default = 20)]
    #[serde(default)]
    pub limit: Option<i64>,
    /// Where to go on: `next` of the previous page.
    #[schema(max_length = 4000)]
    #[serde(default)]
    pub cursor: Option<String>,
    /// Stands at one of these.
    #[schema(max_items = 10)]
    #[serde(default)]
    pub status: Vec<LabelStatus>,
    /// Is of this solution.
    #[serde(default)]
    pub solution: Option<Id>,
}

query_parameters!(ApplicationFilter, LabelFilter);
