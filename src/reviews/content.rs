//! What a reviewer writes.
//!
//! A draft needs nothing; what publication asks for is in
//! [`super::rules::missing`].

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::solutions::sheet::Deployment;

crate::codes! {
    /// In which role the reviewer knows the solution.
    pub enum ReviewerRole {
        User = "user",
        /// Sets it up and runs it.
        Administrator = "administrator",
        ProjectManager = "project_manager",
        Buyer = "buyer",
        /// Connects it with others.
        Integrator = "integrator",
    }
}

/// What a reviewer writes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "title": "Fiable au quotidien", "overall": 4, "ratings": {"fitness": 5, "support": 3},
    "text": "Nous l’utilisons depuis deux ans pour toutes nos démarches. La prise en main est rapide, l’assistance répond, et les mises à jour n’ont jamais cassé nos formulaires.",
    "context": {"role": "administrator", "used_since": "2024-01-15"}, "declares_no_interest": true,
}))]
pub struct ReviewContent {
    /// The review in a few words.
    #[schema(max_length = 120)]
    #[serde(default)]
    pub title: Option<String>,
    /// The review; at least 100 characters to submit. No personal data, no names of agents.
    #[schema(max_length = 5000)]
    #[serde(default)]
    pub text: Option<String>,
    /// Overall rating, 1 (poor) to 5 (excellent).
    #[schema(minimum = 1, maximum = 5)]
    #[serde(default)]
    pub overall: Option<i32>,
    /// Ratings by axis; at least one to submit.
    #[serde(default)]
    pub ratings: Option<ReviewRatings>,
    /// How the reviewer knows the solution.
    #[serde(default)]
    pub context: Option<ReviewContext>,
    /// Whether the public may read the name of the reviewer's body; its kind and size are always shown.
    #[serde(default)]
    pub may_be_named: bool,
    /// The reviewer has no interest in the solution, its vendor or a competitor; must be true to submit.
    #[serde(default)]
    pub declares_no_interest: bool,
}

/// Ratings by axis, 1 (poor) to 5 (excellent).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewRatings {
    /// Does what is needed.
    #[schema(minimum = 1, maximum = 5)]
    #[serde(default)]
    pub fitness: Option<i32>,
    /// Is easy to use.
    #[schema(minimum = 1, maximum = 5)]
    #[serde(default)]
    pub ease_of_use: Option<i32>,
    /// Is there and works when needed.
    #[schema(minimum = 1, maximum = 5)]
    #[serde(default)]
    pub reliability: Option<i32>,
    /// Help comes, and helps.
    #[schema(minimum = 1, maximum = 5)]
    #[serde(default)]
    pub support: Option<i32>,
    /// Is worth what it costs.
    #[schema(minimum = 1, maximum = 5)]
    #[serde(default)]
    pub value: Option<i32>,
}

impl ReviewRatings {
    /// Whether no axis is rated.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How the reviewer knows the solution.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewContext {
    /// In which role; needed to submit.
    #[serde(default)]
    pub role: Option<ReviewerRole>,
    /// First day of use, not in the future; needed to submit.
    #[serde(default)]
    pub used_since: Option<NaiveDate>,
    /// Last day of use, not before the first; null while in use.
    #[serde(default)]
    pub used_until: Option<NaiveDate>,
    /// How many persons of the body use it.
    #[schema(minimum = 1, maximum = 10_000_000)]
    #[serde(default)]
    pub user_count: Option<i32>,
    /// Version used.
    #[schema(max_length = 50, example = "4.2")]
    #[serde(default)]
    pub software_version: Option<String>,
    /// Where it runs.
    #[serde(default)]
    pub deployment: Option<Deployment>,
}
