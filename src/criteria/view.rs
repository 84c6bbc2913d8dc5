//! Criteria sets on the wire.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::content::{Criterion, Level, SetContent};
use super::model::CriteriaSet;
use super::rules::SetStatus;
use crate::db::{Id, Instant};
use crate::http::text::Text;
use crate::query_parameters;

/// A criteria set.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CriteriaSetView {
    /// Identifier.
    pub id: Id,
    /// Where it stands today.
    pub status: SetStatus,
    /// Counts changes; also in the ETag.
    #[schema(minimum = 1)]
    pub version: i32,
    #[serde(flatten)]
    pub content: SetContent,
    /// The set it started from.
    pub based_on: Option<Id>,
    /// When it was published.
    pub published_at: Option<Instant>,
    /// First day on which it applies.
    pub in_force_on: Option<NaiveDate>,
    /// First day on which it applies no more.
    pub retired_on: Option<NaiveDate>,
}

crate::represented!(CriteriaSetView);

impl CriteriaSetView {
    pub fn new(set: CriteriaSet, today: NaiveDate) -> Self {
        let status = set.status(today);
        let CriteriaSet {
            id,
            version,
            content,
            based_on,
            published_at,
            in_force_on,
            retired_on,
            created_at: _,
            updated_at: _,
        } = set;
        Self { id, status, version, content: content.0, based_on, published_at, in_force_on, retired_on }
    }
}

/// A criterion with its possible answers.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CriterionView {
    /// The set it belongs to.
    pub criteria_set_id: Id,
    #[serde(flatten)]
    pub criterion: Criterion,
    /// Possible answers with their scores, whatever the type; `na` besides where allowed.
    #[schema(max_items = 20)]
    pub options: Vec<Level>,
}

impl CriterionView {
    pub fn new(criteria_set_id: Id, criterion: Criterion) -> Self {
        Self { criteria_set_id, options: criterion.options().to_vec(), criterion }
    }
}

/// A theme of the set in force.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ThemeView {
    /// Stable code.
    #[schema(max_length = 60, example = "securite")]
    pub code: String,
    /// Prefix of its criteria's codes.
    #[schema(max_length = 6, example = "SEC")]
    pub prefix: String,
    /// Place in the order.
    #[schema(minimum = 1, maximum = 1000)]
    pub position: i32,
    /// Name.
    pub name: Text,
    /// What it is about.
    pub description: Text,
    /// How many criteria it has.
    #[schema(minimum = 0, maximum = 10000)]
    pub criteria_count: i32,
}

/// Which criteria to list.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CriterionFilter {
    /// Belongs to one of these themes.
    #[schema(max_items = 50)]
    #[serde(default)]
    pub theme: Vec<String>,
    /// Serves one of these objectives of the 2026 circular.
    #[schema(max_items = 20)]
    #[serde(default)]
    pub objective: Vec<String>,
}

query_parameters!(CriterionFilter);

impl CriterionFilter {
    pub fn keeps(&self, criterion: &Criterion) -> bool {
        (self.theme.is_empty() || self.theme.contains(&criterion.theme))
            && (self.objective.is_empty() || criterion.objectives.iter().any(|one| self.objective.contains(one)))
    }
}

/// A set to draft: a copy of another under a new label.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"label": "2.0.0"}))]
pub struct CreateCriteriaSet {
    /// Version as people name it.
    #[schema(min_length = 1, max_length = 50)]
    pub label: String,
    /// The published set to copy; the one in force unless said otherwise.
    #[serde(default)]
    pub based_on: Option<Id>,
}

/// A publication.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"in_force_on": "2027-06-01"}))]
pub struct Publication {
    /// First day on which it applies: at least the notice away; today for the first set of a catalogue.
    pub in_force_on: NaiveDate,
}
