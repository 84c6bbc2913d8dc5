//! What a criteria set says.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::evaluations::rules::Score;
use crate::http::text::Text;

crate::codes! {
    /// How a criterion is answered.
    pub enum AnswerType {
        /// `unmet` (0), `met` (1).
        MetUnmetNa = "met_unmet_na",
        /// `0` to `4`, a quarter each.
        Scale04 = "scale_0_4",
        /// One of the criterion's own levels.
        Level = "level",
    }
}

/// What a criteria set says beside its criteria.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetContent {
    /// Version as people name it.
    #[schema(min_length = 1, max_length = 50, example = "1.0.0")]
    pub label: String,
    /// Name.
    pub name: Text,
    /// What to know about it.
    #[serde(default)]
    pub note: Option<Text>,
    /// Themes, in order.
    #[schema(min_items = 1, max_items = 100)]
    pub themes: Vec<Theme>,
    /// Technical traits that decide which criteria apply.
    #[schema(max_items = 100)]
    pub traits: Vec<Named>,
    /// Objectives that criteria serve: a reading grid, never a score.
    #[schema(max_items = 100)]
    pub objectives: Vec<Named>,
    /// Thresholds of the label.
    pub label_rule: LabelRule,
}

/// A theme.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Theme {
    /// Stable code.
    #[schema(pattern = "^[a-z0-9_]{2,60}$", max_length = 60, example = "securite")]
    pub code: String,
    /// Prefix of its criteria's codes.
    #[schema(pattern = "^[A-Z]{2,6}$", max_length = 6, example = "SEC")]
    pub prefix: String,
    /// Name.
    pub name: Text,
    /// What it is about.
    pub description: Text,
}

/// A code with a name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// Stable code.
    #[schema(pattern = "^[a-z0-9_]{2,60}$", max_length = 60, example = "saas")]
    pub code: String,
    /// Name.
    pub name: Text,
}

/// Thresholds of the label: every applicable mandatory criterion reaches its own
/// minimum, the overall score and every theme theirs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelRule {
    /// Least overall score.
    pub min_overall: Score,
    /// Least score of any theme.
    pub min_theme: Score,
}

/// A criterion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "code": "SEC-99", "theme": "securite",
    "title": {"fr": "Politique de correctifs", "en": "Patch policy"},
    "question": {"fr": "Les correctifs sont-ils publiés ?", "en": "Are patches published?"},
    "guidance": {"fr": "Donner l’adresse des avis.", "en": "Give the address of the advisories."},
    "answer_type": "met_unmet_na", "weight": 2, "mandatory_for_label": false, "label_min_score": 0, "na_allowed": true,
    "evidence_expected": {"fr": "Adresse publique.", "en": "Public address."}, "applies_to": ["saas"],
}))]
pub struct Criterion {
    /// Code, unique in its set.
    #[schema(pattern = "^[A-Z]{2,6}-[0-9]{2,3}$", max_length = 10, example = "SEC-01")]
    pub code: String,
    /// Code of its theme.
    #[schema(max_length = 60)]
    pub theme: String,
    /// Title.
    pub title: Text,
    /// The question put to the vendor.
    pub question: Text,
    /// How to answer.
    pub guidance: Text,
    /// How it is answered.
    pub answer_type: AnswerType,
    /// Weight in scores.
    #[schema(minimum = 1, maximum = 100)]
    pub weight: i32,
    /// Whether the label needs `label_min_score` here.
    pub mandatory_for_label: bool,
    /// Least score for the label.
    pub label_min_score: Score,
    /// Whether `na` is an answer, with a justification; never for a mandatory criterion.
    pub na_allowed: bool,
    /// The levels, in rising order, when answered by level.
    #[schema(max_items = 20)]
    #[serde(default)]
    pub levels: Vec<Level>,
    /// What proves an answer.
    pub evidence_expected: Text,
    /// Laws, standards and guides it rests on.
    #[schema(max_items = 20)]
    #[serde(default)]
    pub references: Vec<FrameworkReference>,
    /// Traits of solutions it applies to; `all` for every solution.
    #[schema(min_items = 1, max_items = 50)]
    pub applies_to: Vec<String>,
    /// Objectives it serves.
    #[schema(max_items = 20)]
    #[serde(default)]
    pub objectives: Vec<String>,
}

/// A level of a criterion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// Code of the level; not `na`.
    #[schema(pattern = "^[a-z0-9_]{1,40}$", max_length = 40, example = "published")]
    pub code: String,
    /// What it means.
    pub label: Text,
    /// Score it gives.
    pub score: Score,
}

/// A passage of a law, standard or guide.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FrameworkReference {
    /// The text.
    pub framework: Text,
    /// The passage.
    pub clause: Text,
    /// Where it can be read.
    #[schema(format = "uri", max_length = 2000)]
    pub url: String,
}

/// The code for «not applicable».
pub const NA: &str = "na";

fn level(code: &str, fr: &str, en: &str, score: f64) -> Level {
    Level {
        code: code.to_owned(),
        label: Text { fr: fr.to_owned(), en: en.to_owned() },
        score: Score::from_unit(score),
    }
}

static MET_UNMET: LazyLock<[Level; 2]> =
    LazyLock::new(|| [level("unmet", "Non satisfait", "Not met", 0.0), level("met", "Satisfait", "Met", 1.0)]);

static SCALE: LazyLock<[Level; 5]> = LazyLock::new(|| {
    [
        level("0", "Absent", "Absent", 0.0),
        level("1", "Initial", "Initial", 0.25),
        level("2", "Partiel", "Partial", 0.5),
        level("3", "Réalisé", "Achieved", 0.75),
        level("4", "Exemplaire", "Exemplary", 1.0),
    ]
});

impl Criterion {
    /// Possible answers, in rising order, without `na`.
    pub fn options(&self) -> &[Level] {
        match self.answer_type {
            AnswerType::MetUnmetNa => &*MET_UNMET,
            AnswerType::Scale04 => &*SCALE,
            AnswerType::Level => &self.levels,
        }
    }

    pub fn option(&self, code: &str) -> Option<&Level> {
        self.options().iter().find(|option| option.code == code)
    }

    /// Score of an answer; none when it is not one of the options.
    pub fn score_of(&self, value: &str) -> Option<Score> {
        self.option(value).map(|option| option.score)
    }

    /// Whether it applies to a solution with these traits.
    pub fn applies_to(&self, traits: &[String]) -> bool {
        self.applies_to.iter().any(|code| code == "all" || traits.contains(code))
    }
}
