//! Qualifications on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::model::Qualification;
use super::rules::QualificationStatus;
use crate::auth::Duty;
use crate::db::{Id, Instant};
use crate::query_parameters;

/// What a person may do for an audit body.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct QualificationView {
    /// Identifier.
    pub id: Id,
    /// The audit body.
    pub organisation_id: Id,
    /// The person, by the opaque identifier that `GET /api/v1/me` tells that very person.
    pub person_id: Id,
    /// Where it stands.
    pub status: QualificationStatus,
    /// Counts changes; also in the ETag.
    #[schema(minimum = 1)]
    pub version: i32,
    /// Themes, by code; empty: all that the body may examine.
    #[schema(max_items = 100)]
    pub themes: Vec<String>,
    /// Examines, decides, or both, though never on one case.
    #[schema(max_items = 2)]
    pub duties: Vec<Duty>,
    /// Why it is suspended or ended.
    #[schema(max_length = 5000)]
    pub reason: Option<String>,
    /// When it was recorded.
    pub created_at: Instant,
    /// When it last changed.
    pub updated_at: Instant,
}

crate::represented!(QualificationView);

impl From<Qualification> for QualificationView {
    fn from(qualification: Qualification) -> Self {
        let Qualification {
            id,
            version,
            organisation_id,
            actor_id,
            status,
            themes,
            duties,
            reason,
            created_at,
            updated_at,
        } = qualification;
        Self {
            id,
            organisation_id,
            person_id: actor_id,
            status,
            version,
            themes: themes.0,
            duties: duties.0,
            reason,
            created_at,
            updated_at,
        }
    }
}

/// Who a person is to a token: nothing else is stored, no name and no address.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"issuer": "https://issuer.example", "subject": "1234"}))]
pub struct Identity {
    /// `iss` of the person's tokens.
    #[schema(min_length = 1, max_length = 1000)]
    pub issuer: String,
    /// `sub` of the person's tokens.
    #[schema(min_length = 1, max_length = 1000)]
    pub subject: String,
}

/// A person to qualify.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "organisation_id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "person": {"issuer": "https://issuer.example", "subject": "1234"}, "themes": [], "duties": ["evaluator"],
}))]
pub struct Qualify {
    /// The audit body.
    pub organisation_id: Id,
    /// The person.
    pub person: Identity,
    /// Themes, by code; empty: all that the body may examine.
    #[schema(max_items = 100)]
    pub themes: Vec<String>,
    /// `evaluator`, `decision_maker`, or both.
    #[schema(min_items = 1, max_items = 2)]
    pub duties: Vec<Duty>,
}

/// Which qualifications to list.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QualificationFilter {
    /// Rows of a page.
    #[schema(minimum = 1, maximum = 100, default = 20)]
    #[serde(default)]
    pub limit: Option<i64>,
    /// Where to go on: `next` of the previous page.
    #[schema(max_length = 4000)]
    #[serde(default)]
    pub cursor: Option<String>,
    /// Stands at one of these.
    #[schema(max_items = 3)]
    #[serde(default)]
    pub status: Vec<QualificationStatus>,
    /// Is at this audit body.
    #[serde(default)]
    pub organisation: Option<Id>,
}

query_parameters!(QualificationFilter);
