//! Comparisons on the wire.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::rules::{EvaluationPin, LabelPin, SolutionPin, ThemeWeight};
use crate::db::{Id, Instant};
use crate::evaluations::criteria::Divergence;
use crate::evaluations::rules::{EvaluationStatus, Score};
use crate::evaluations::view::CriterionSummary;
use crate::http::text::Text;
use crate::labels::rules::{FindingResult, LabelStatus};
use crate::organisations::view::OrganisationSummary;
use crate::query_parameters;
use crate::solutions::rules::SolutionStatus;
use crate::solutions::sheet::Origin;

/// What to compare, and how.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ComparisonQuery {
    /// Solutions by id or slug, separated by commas; `slug@3` is the third published version.
    #[schema(min_items = 2, max_items = 6)]
    pub solutions: Vec<SolutionPin>,
    /// For each solution its evaluation, `id@result` or `none`; those in force when left out.
    #[schema(max_items = 6)]
    #[serde(default)]
    pub evaluations: Vec<EvaluationPin>,
    /// For each solution the number of its label, or `none`; the valid ones when left out.
    #[schema(max_items = 6)]
    #[serde(default)]
    pub labels: Vec<LabelPin>,
    /// The criteria set to align by, or `none`; when left out, the latest that the evaluations answer,
    /// else the one in force.
    #[schema(pattern = "^(none|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})$", max_length = 36)]
    #[serde(default)]
    pub criteria_set: Option<String>,
    /// Weights of themes from 0 to 10, separated by commas: `securite:5,accessibilite:2`.
    #[schema(max_items = 100)]
    #[serde(default)]
    pub weights: Vec<ThemeWeight>,
    /// What criteria are grouped by; `theme` unless said otherwise.
    #[serde(default)]
    pub group_by: Option<Grouping>,
    /// Only rows in which the solutions differ.
    #[serde(default)]
    pub differences_only: Option<bool>,
    /// Form of the answer; without it, `Accept` decides.
    #[serde(default)]
    pub format: Option<Format>,
}

query_parameters!(ComparisonQuery);

crate::codes! {
    /// What criteria are grouped by.
    pub enum Grouping {
        Theme = "theme",
        /// The nine objectives of the circular of 5 February 2026: a criterion stands under each that it serves.
        Objective = "objective",
    }
}

crate::codes! {
    /// Form of a comparison.
    pub enum Format {
        Json = "json",
        Csv = "csv",
    }
}

crate::codes! {
    /// Why there is no value.
    pub enum Missing {
        /// It could be stated and is not.
        NotAnswered = "not_answered",
        /// There is nothing to state: by its traits or its other values, or its vendor says so.
        NotApplicable = "not_applicable",
        /// There is none that the public reads: no evaluation was published, or what there is is not public.
        NotPublished = "not_published",
        /// The evaluation or label was made against another criteria set, where this criterion is absent
        /// or asks something else.
        NotInSet = "not_in_set",
        /// No auditor examined it for a label.
        NotVerified = "not_verified",
    }
}

/// Solutions side by side.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ComparisonView {
    /// The address of this comparison with everything pinned: its `content` is the same for ever.
    #[schema(max_length = 8192)]
    pub pinned: String,
    /// What is compared; nothing in it changes at the pinned address.
    pub content: ComparisonContent,
    /// How what is compared stands today, solution by solution.
    #[schema(max_items = 6)]
    pub now: Vec<StandingView>,
}

/// What is compared.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ComparisonContent {
    /// The criteria set that rows are of; null when there is none.
    pub criteria_set: Option<ComparedSet>,
    /// The solutions, in the order asked for: cells and scores of every row come in this order.
    #[schema(max_items = 6)]
    pub solutions: Vec<ComparedSolution>,
    /// Members of the sheet.
    #[schema(max_items = 100)]
    pub sheet: Vec<FieldRow>,
    /// Criteria, by theme or objective.
    #[schema(max_items = 101)]
    pub groups: Vec<CriterionGroup>,
}

/// A criteria set, in a few words.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ComparedSet {
    /// Identifier.
    pub id: Id,
    /// Version as people name it.
    #[schema(max_length = 50, example = "1.0.0")]
    pub label: String,
}

/// A solution that is compared.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ComparedSolution {
    /// Identifier.
    pub id: Id,
    /// Readable identifier.
    #[schema(max_length = 100)]
    pub slug: String,
    /// Name, in this version.
    #[schema(max_length = 1_000_000)]
    pub name: String,
    /// Number of the published version.
    #[schema(minimum = 1)]
    pub version: i32,
    /// When this version was published.
    pub published_at: Instant,
    /// The vendor that published it; null for an imported sheet.
    pub vendor_id: Option<Id>,
    /// The evaluation whose answers are shown as declared.
    pub evaluation: Option<ComparedEvaluation>,
    /// The label whose findings are shown as verified.
    pub label: Option<ComparedLabel>,
    /// Scores by the caller's weights; null without weights.
    pub weighted: Option<WeightedScores>,
}

/// An evaluation that is compared.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ComparedEvaluation {
    /// Identifier.
    pub id: Id,
    /// Number of its result: a contest that sets a criterion to zero makes another.
    #[schema(minimum = 1)]
    pub result: i32,
    /// The criteria set it answers.
    pub criteria_set_id: Id,
    /// The published version it describes.
    #[schema(minimum = 1)]
    pub solution_version: i32,
    /// Who says so: the vendor.
    pub origin: Origin,
    /// Over all themes.
    pub overall: Option<Score>,
    /// Share of applicable criteria that are answered.
    pub coverage: Score,
    /// When it was published.
    pub published_at: Option<Instant>,
}

/// A label that is compared.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ComparedLabel {
    /// Number.
    #[schema(max_length = 13, example = "GT-2026-00001")]
    pub number: String,
    /// The criteria set that was examined.
    pub criteria_set_id: Option<Id>,
    /// The published version that was examined.
    #[schema(minimum = 1)]
    pub solution_version: Option<i32>,
    /// The audit body.
    pub audit_body_id: Id,
    /// Who says so: an accredited third party.
    pub origin: Origin,
    /// Over all themes, as found.
    pub overall: Option<Score>,
    /// When it was granted.
    pub granted_at: Instant,
}

/// Scores by the caller's weights.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WeightedScores {
    /// From what the vendor declares.
    pub declared: WeightedScore,
    /// From what the auditor found.
    pub verified: WeightedScore,
}

/// `sum / weights`, over the themes that have a score.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct WeightedScore {
    /// The score, to four decimals, half to even; null when no theme with a weight has one.
    pub score: Option<Score>,
    /// Sum of the products.
    #[schema(minimum = 0, maximum = 1000)]
    pub sum: f64,
    /// Sum of the weights that count.
    #[schema(minimum = 0, maximum = 1000)]
    pub weights: i32,
    /// Each term, in the order of the weights.
    #[schema(max_items = 100)]
    pub terms: Vec<Term>,
}

/// A term of a score.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Term {
    /// Code of the theme.
    #[schema(max_length = 60)]
    pub theme: String,
    /// The caller's weight.
    #[schema(minimum = 0, maximum = 10)]
    pub weight: i32,
    /// Score of the theme; null when it has none, and then its weight does not count.
    pub score: Option<Score>,
    /// Weight times score.
    #[schema(minimum = 0, maximum = 10)]
    pub product: Option<f64>,
    /// Why there is no score.
    pub missing: Option<Missing>,
}

/// A member of the sheet.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FieldRow {
    /// Name of the member.
    #[schema(max_length = 100, example = "licence")]
    pub field: String,
    /// Whether the solutions differ in it.
    pub differs: bool,
    /// One cell per solution.
    #[schema(max_items = 6)]
    pub cells: Vec<FieldCell>,
}

/// What a solution's sheet says.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FieldCell {
    /// The value; null when it is missing.
    pub value: Value,
    /// Who says so.
    pub origin: Option<Origin>,
    /// Since when it says so.
    pub as_of: Option<NaiveDate>,
    /// Register or catalogue it was taken from.
    #[schema(max_length = 100)]
    pub source: Option<String>,
    /// Why there is no value.
    pub missing: Option<Missing>,
}

/// Criteria of a theme or of an objective.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CriterionGroup {
    /// Code of the theme or objective; null for criteria that serve no objective.
    #[schema(max_length = 60)]
    pub code: Option<String>,
    /// Its name.
    pub name: Option<Text>,
    /// Scores of the theme, one pair per solution; empty for an objective, which is a reading grid.
    #[schema(max_items = 6)]
    pub scores: Vec<GroupScores>,
    /// Its criteria.
    #[schema(max_items = 10000)]
    pub criteria: Vec<CriterionRow>,
}

/// Scores of a theme.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct GroupScores {
    /// As declared.
    pub declared: Option<Score>,
    /// As found.
    pub verified: Option<Score>,
}

/// A criterion.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CriterionRow {
    /// The criterion.
    pub criterion: CriterionSummary,
    /// Whether the solutions differ in it.
    pub differs: bool,
    /// One cell per solution.
    #[schema(max_items = 6)]
    pub cells: Vec<CriterionCell>,
}

/// What is declared and what was verified.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CriterionCell {
    /// What the vendor declares.
    pub declared: Option<DeclaredCell>,
    /// Why nothing is declared.
    pub missing: Option<Missing>,
    /// What the auditor found.
    pub verified: Option<VerifiedCell>,
    /// Why nothing is verified.
    pub unverified: Option<Missing>,
    /// How the two differ; null when there is nothing to compare.
    pub divergence: Option<Divergence>,
}

/// What the vendor declares.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DeclaredCell {
    /// Who says so: the vendor.
    pub origin: Origin,
    /// Code of the option, or `na`.
    #[schema(max_length = 40)]
    pub value: String,
    /// What the value means.
    pub label: Option<Text>,
    /// Its score; null for `na`.
    pub score: Option<Score>,
    /// Whether a contest set it to zero.
    pub is_zeroed: bool,
    /// Whether the declaration comes with evidence.
    pub is_evidenced: bool,
    /// When it was declared.
    pub as_of: Instant,
}

/// What the auditor found.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct VerifiedCell {
    /// Who says so: an accredited third party.
    pub origin: Origin,
    /// The result.
    pub result: FindingResult,
    /// Code of the option the auditor holds true.
    #[schema(max_length = 40)]
    pub value: Option<String>,
    /// What the value means.
    pub label: Option<Text>,
    /// Its score.
    pub score: Option<Score>,
    /// When it was found.
    pub as_of: Instant,
}

/// How what is compared stands today.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct StandingView {
    /// The solution.
    pub solution_id: Id,
    /// Where it stands.
    pub status: SolutionStatus,
    /// The version the public reads.
    #[schema(minimum = 1)]
    pub published_version: Option<i32>,
    /// Who offers it.
    pub vendor: Option<OrganisationSummary>,
    /// Where the compared evaluation stands.
    pub evaluation_status: Option<EvaluationStatus>,
    /// Codes of criteria whose answer is contested.
    #[schema(max_items = 10000)]
    pub contested: Vec<String>,
    /// Where the compared label stands.
    pub label_status: Option<LabelStatus>,
    /// Last day of its validity.
    pub label_valid_until: Option<NaiveDate>,
    /// Average overall rating, 1 to 5, from three published reviews on.
    #[schema(minimum = 1, maximum = 5)]
    pub rating: Option<f64>,
    /// Whether all that is compared is what counts today.
    pub is_current: bool,
}
