//! Evaluations on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::model::{AnswerRow, Contestation, Evaluation, ResultRow};
use super::rules::{ContestationStatus, EvaluationStatus, Score};
use crate::criteria::Criterion;
use crate::db::{Id, Instant};
use crate::http::text::Text;
use crate::organisations::Viewer;
use crate::query_parameters;
use crate::solutions::sheet::{Evidence, Origin};
use crate::solutions::view::may_read;

/// An answer to a criterion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"value": "certified", "justification": "Voir la politique publiée.", "evidence": [
    {"title": "Politique", "url": "https://example.org/politique", "visibility": "public"}]}))]
pub struct Answer {
    /// Code of one of the criterion's options, or `na` where allowed.
    #[schema(min_length = 1, max_length = 40)]
    pub value: String,
    /// Why; required with `na`.
    #[schema(max_length = 8000)]
    #[serde(default)]
    pub justification: Option<String>,
    /// What proves it.
    #[schema(max_items = 20)]
    #[serde(default)]
    pub evidence: Vec<Evidence>,
}

/// Several answers at once, all or nothing.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"answers": [{"criterion": "SEC-01", "answer": {"value": "certified"}}, {"criterion": "SEC-02", "answer": null}]}))]
pub struct ChangeAnswers {
    /// One entry per criterion.
    #[schema(min_items = 1, max_items = 500)]
    pub answers: Vec<ChangeAnswer>,
}

/// One of several answers.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeAnswer {
    /// Code of the criterion.
    #[schema(min_length = 1, max_length = 10, example = "SEC-01")]
    pub criterion: String,
    /// The answer; null takes it back.
    pub answer: Option<Answer>,
}

/// An answer as it stands.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AnswerView {
    /// Code of the criterion.
    #[schema(max_length = 10, example = "SEC-01")]
    pub criterion: String,
    /// Code of the option, or `na`.
    #[schema(max_length = 40)]
    pub value: String,
    /// Why.
    #[schema(max_length = 8000)]
    pub justification: Option<String>,
    /// What proves it, as far as the caller may read it.
    #[schema(max_items = 20)]
    pub evidence: Vec<Evidence>,
    /// Copied from an earlier evaluation and not yet confirmed: answer again to confirm.
    pub to_confirm: bool,
    /// When it was given.
    pub updated_at: Instant,
}

impl AnswerView {
    pub fn new(row: AnswerRow, sees_evidence: bool, viewer: &Viewer) -> Self {
        let AnswerRow { evaluation_id: _, criterion, value, justification, evidence, to_confirm, updated_at } = row;
        let mut evidence = evidence.0;
        evidence.retain(|one| sees_evidence || may_read(one.visibility, viewer));
        Self { criterion, value, justification, evidence, to_confirm, updated_at }
    }
}

/// Scores, self-declared.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ScoresView {
    /// The evaluation they come from.
    pub evaluation_id: Id,
    /// Who says so: the vendor.
    pub origin: Origin,
    /// Name of the formula.
    #[schema(max_length = 50, example = "weighted-mean-1")]
    pub formula: String,
    /// Over all themes; null when nothing counts.
    pub overall: Option<Score>,
    /// Share of applicable criteria that are answered.
    pub coverage: Score,
    /// By theme.
    #[schema(max_items = 100)]
    pub themes: Vec<ThemeScoreView>,
    /// What made this result: publication, or a contest that set criteria to zero.
    #[schema(max_length = 50)]
    pub cause: String,
    /// When they were computed.
    pub computed_at: Instant,
}

/// Score of a theme.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ThemeScoreView {
    /// Code of the theme.
    #[schema(max_length = 60)]
    pub theme: String,
    /// Weighted mean; null when every applicable criterion is «not applicable».
    pub score: Option<Score>,
    /// Share of applicable criteria that are answered.
    pub coverage: Score,
}

impl From<ResultRow> for ScoresView {
    fn from(row: ResultRow) -> Self {
        let ResultRow { evaluation_id, number: _, cause, scores, computed_at } = row;
        let scores = scores.0;
        Self {
            evaluation_id,
            origin: Origin::Declared,
            formula: scores.formula,
            overall: scores.overall,
            coverage: scores.coverage,
            themes: scores
                .themes
                .into_iter()
                .map(|(theme, one)| ThemeScoreView { theme, score: one.score, coverage: one.coverage })
                .collect(),
            cause,
            computed_at,
        }
    }
}

/// How far a draft is.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Progress {
    /// Criteria that apply to the solution.
    #[schema(minimum = 0, maximum = 10000)]
    pub applicable_count: i32,
    /// Of these, answered and confirmed.
    #[schema(minimum = 0, maximum = 10000)]
    pub answered_count: i32,
    /// What is still open, and why.
    #[schema(max_items = 10000)]
    pub open: Vec<OpenCriterion>,
}

crate::codes! {
    /// Why a criterion is still open.
    pub enum OpenReason {
        Unanswered = "unanswered",
        /// Copied from an earlier evaluation; answer again to confirm.
        ToConfirm = "to_confirm",
    }
}

/// A criterion still open.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OpenCriterion {
    /// Code of the criterion.
    #[schema(max_length = 10)]
    pub criterion: String,
    /// Why.
    pub reason: OpenReason,
}

/// A sworn statement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"signatory_name": "Camille Martin", "signatory_function": "Directrice générale", "attests": true}))]
pub struct Attestation {
    /// Who signs; shown to the vendor and the operator.
    #[schema(min_length = 2, max_length = 200)]
    pub signatory_name: String,
    /// As what; public.
    #[schema(min_length = 2, max_length = 200)]
    pub signatory_function: String,
    /// The signatory states on their honour that the answers are true.
    pub attests: bool,
}

/// A statement as it is shown.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AttestationView {
    /// Who signed; shown to the vendor and the operator.
    #[schema(max_length = 200)]
    pub signatory_name: Option<String>,
    /// As what.
    #[schema(max_length = 200)]
    pub signatory_function: String,
}

/// An evaluation.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct EvaluationView {
    /// Identifier.
    pub id: Id,
    /// The solution.
    pub solution_id: Id,
    /// The published version it describes.
    #[schema(minimum = 1)]
    pub solution_version: i32,
    /// The criteria set.
    pub criteria_set_id: Id,
    /// Where it stands.
    pub status: EvaluationStatus,
    /// Counts changes; also in the ETag.
    #[schema(minimum = 1)]
    pub version: i32,
    /// Who says so: the vendor.
    pub origin: Origin,
    /// Traits that decide which criteria apply.
    #[schema(max_items = 100)]
    pub traits: Vec<String>,
    /// The sworn statement, once submitted.
    pub attestation: Option<AttestationView>,
    /// How far it is; shown to the vendor and moderators while it is a draft.
    pub progress: Option<Progress>,
    /// Scores, once published.
    pub scores: Option<ScoresView>,
    /// Answers.
    #[schema(max_items = 10000)]
    pub answers: Vec<AnswerView>,
    /// Contested answers that were taken up, and all of them for moderators.
    #[schema(max_items = 1000)]
    pub contestations: Vec<ContestationView>,
    /// Why a moderator sent it back; shown to the vendor and moderators.
    #[schema(max_length = 5000)]
    pub moderation: Option<String>,
    /// When it was begun.
    pub created_at: Instant,
    /// When it last changed.
    pub updated_at: Instant,
    /// When it was submitted.
    pub submitted_at: Option<Instant>,
    /// When it was published.
    pub published_at: Option<Instant>,
    /// When it stops counting.
    pub expires_at: Option<Instant>,
}

crate::represented!(EvaluationView);

/// Everything that makes a view of an evaluation.
pub struct Parts {
    pub answers: Vec<AnswerRow>,
    pub result: Option<ResultRow>,
    pub contestations: Vec<Contestation>,
    pub progress: Option<Progress>,
    /// Whether the caller examines the solution and so reads all evidence.
    pub is_examiner: bool,
}

impl EvaluationView {
    pub fn new(evaluation: Evaluation, parts: Parts, viewer: &Viewer) -> Self {
        let sees_all = evaluation.is_seen_whole_by(viewer);
        let sees_evidence = sees_all || parts.is_examiner;
        let Evaluation {
            id,
            version,
            solution_id,
            organisation_id: _,
            set_id,
            solution_version,
            status,
            traits,
            attestation,
            moderation,
            created_at,
            updated_at,
            submitted_at,
            published_at,
            expires_at,
        } = evaluation;
        Self {
            id,
            solution_id,
            solution_version,
            criteria_set_id: set_id,
            status,
            version,
            origin: Origin::Declared,
            traits: traits.0,
            attestation: attestation.map(|statement| AttestationView {
                signatory_name: Some(statement.0.signatory_name).filter(|name| sees_all && !name.is_empty()),
                signatory_function: statement.0.signatory_function,
            }),
            progress: parts.progress.filter(|_| sees_all),
            scores: parts.result.map(ScoresView::from),
            answers: parts.answers.into_iter().map(|row| AnswerView::new(row, sees_evidence, viewer)).collect(),
            contestations: parts
                .contestations
                .into_iter()
                .filter(|one| viewer.sees_drafts() || one.status != ContestationStatus::Pending)
                .map(ContestationView::from)
                .collect(),
            moderation: moderation.filter(|_| sees_all).map(|text| text.0),
            created_at,
            updated_at,
            submitted_at,
            published_at,
            expires_at,
        }
    }
}

/// An evaluation without its answers.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct EvaluationSummary {
    /// Identifier.
    pub id: Id,
    /// The solution.
    pub solution_id: Id,
    /// The criteria set.
    pub criteria_set_id: Id,
    /// Where it stands.
    pub status: EvaluationStatus,
    /// Counts changes; also in its ETag.
    #[schema(minimum = 1)]
    pub version: i32,
    /// When it was begun.
    pub created_at: Instant,
    /// When it was submitted.
    pub submitted_at: Option<Instant>,
    /// When it was published.
    pub published_at: Option<Instant>,
    /// When it stops counting.
    pub expires_at: Option<Instant>,
}

impl From<Evaluation> for EvaluationSummary {
    fn from(evaluation: Evaluation) -> Self {
        Self {
            id: evaluation.id,
            solution_id: evaluation.solution_id,
            criteria_set_id: evaluation.set_id,
            status: evaluation.status,
            version: evaluation.version,
            created_at: evaluation.created_at,
            submitted_at: evaluation.submitted_at,
            published_at: evaluation.published_at,
            expires_at: evaluation.expires_at,
        }
    }
}

/// A contest of an answer.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ContestationView {
    /// Identifier.
    pub id: Id,
    /// Code of the criterion.
    #[schema(max_length = 10)]
    pub criterion: String,
    /// Where it stands.
    pub status: ContestationStatus,
    /// Why the answer is contested.
    #[schema(max_length = 5000)]
    pub reason: String,
    /// Role of who contests.
    #[schema(max_length = 20)]
    pub role: String,
    /// How it was resolved.
    #[schema(max_length = 5000)]
    pub resolution: Option<String>,
    /// When it was filed.
    pub created_at: Instant,
    /// When it was resolved.
    pub resolved_at: Option<Instant>,
}

impl From<Contestation> for ContestationView {
    fn from(row: Contestation) -> Self {
        let Contestation {
            id,
            evaluation_id: _,
            criterion,
            status,
            reason,
            resolution,
            actor_id: _,
            role,
            organisation_id: _,
            created_at,
            resolved_at,
        } = row;
        Self { id, criterion, status, reason, role, resolution, created_at, resolved_at }
    }
}

/// A contest to file.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"criterion": "SEC-01", "reason": "Le lien donné ne mène nulle part."}))]
pub struct Contest {
    /// Code of the criterion.
    #[schema(min_length = 1, max_length = 10)]
    pub criterion: String,
    /// Why the answer is not true.
    #[schema(min_length = 10, max_length = 5000)]
    pub reason: String,
}

crate::codes! {
    /// How a contest ends.
    pub enum Outcome {
        /// The answer stands.
        Kept = "kept",
        /// The vendor corrects: a new draft is begun with the other answers.
        Corrected = "corrected",
        /// The criterion counts as zero from now on.
        Zeroed = "zeroed",
    }
}

/// The end of a contest.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"criterion": "SEC-01", "outcome": "kept", "resolution": "Le vendeur a fourni le bon lien."}))]
pub struct Resolution {
    /// Code of the contested criterion.
    #[schema(min_length = 1, max_length = 10)]
    pub criterion: String,
    /// How it ends.
    pub outcome: Outcome,
    /// Why.
    #[schema(min_length = 3, max_length = 5000)]
    pub resolution: String,
}

/// Which evaluations to list.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EvaluationFilter {
    /// Rows of a page.
    #[schema(minimum = 1, maximum = 100, default = 20)]
    #[serde(default)]
    pub limit: Option<i64>,
    /// Where to go on: `next` of the previous page.
    #[schema(max_length = 4000)]
    #[serde(default)]
    pub cursor: Option<String>,
    /// Stands at one of these; `submitted` is the moderators' queue.
    #[schema(max_items = 10)]
    #[serde(default)]
    pub status: Vec<EvaluationStatus>,
}

query_parameters!(EvaluationFilter);

/// A criterion in a few words.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CriterionSummary {
    /// Code.
    #[schema(max_length = 10)]
    pub code: String,
    /// Code of its theme.
    #[schema(max_length = 60)]
    pub theme: String,
    /// Title.
    pub title: Text,
    /// Whether the label needs it.
    pub mandatory_for_label: bool,
}

impl From<&Criterion> for CriterionSummary {
    fn from(criterion: &Criterion) -> Self {
        Self {
            code: criterion.code.clone(),
            theme: criterion.theme.clone(),
            title: criterion.title.clone(),
            mandatory_for_label: criterion.mandatory_for_label,
        }
    }
}
