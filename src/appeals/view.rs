//! Appeals on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::model::{Appeal, OpinionRow};
use super::rules::{AppealStatus, Opinion};
use crate::db::{Id, Instant};
use crate::http::text::Text;
use crate::query_parameters;
use crate::text;

/// An appeal.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AppealView {
    /// Identifier.
    pub id: Id,
    /// The application that it is about.
    pub application_id: Id,
    /// The vendor.
    pub organisation_id: Id,
    /// The audit body whose decision it is.
    pub audit_body_id: Id,
    /// What it is against: a decision on the application, or an act on its label.
    pub subject_id: Id,
    /// The label, where there is one.
    #[schema(max_length = 13, example = "GT-2026-00001")]
    pub label_number: Option<String>,
    /// Where it stands.
    pub status: AppealStatus,
    /// Counts changes; also in the ETag.
    #[schema(minimum = 1)]
    pub version: i32,
    /// What the vendor says.
    #[schema(max_length = 20000)]
    pub grounds: String,
    /// What the members of the panel hold, with reasons and without names; none while the appeal is open.
    #[schema(max_items = 3)]
    pub opinions: Vec<OpinionView>,
    /// Opinions given so far, of three.
    #[schema(minimum = 0, maximum = 3)]
    pub opinion_count: i32,
    /// What is left to the vendor once it is closed.
    pub remedies: Option<Text>,
    /// When it was filed.
    pub filed_at: Instant,
    /// By when the panel answers; silence keeps the decision.
    pub due_at: Instant,
    /// When it was closed.
    pub closed_at: Option<Instant>,
    /// When it last changed.
    pub updated_at: Instant,
}

crate::represented!(AppealView);

/// What a member of the panel holds.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OpinionView {
    /// To keep the decision, or to have it made again.
    pub opinion: Opinion,
    /// Why.
    #[schema(max_length = 20000)]
    pub reasons: String,
    /// When it was given.
    pub given_at: Instant,
}

impl AppealView {
    pub fn new(appeal: Appeal, opinions: Vec<OpinionRow>) -> Self {
        let Appeal {
            id,
            version,
            application_id,
            organisation_id,
            audit_body_id,
            subject_id,
            label_number,
            status,
            grounds,
            filed_at,
            due_at,
            closed_at,
            updated_at,
        } = appeal;
        let is_closed = closed_at.is_some();
        let remedies = text!(
            "La décision peut être contestée devant la juridiction compétente, dans les deux mois.",
            "The decision can be contested before the competent court, within two months."
        );
        Self {
            id,
            application_id,
            organisation_id,
            audit_body_id,
            subject_id,
            label_number,
            status,
            version,
            grounds,
            opinion_count: i32::try_from(opinions.len()).unwrap_or(i32::MAX),
            // Members make up their minds without each other's.
            opinions: if is_closed { opinions.into_iter().map(OpinionView::from).collect() } else { Vec::new() },
            remedies: (status == AppealStatus::Upheld).then_some(remedies),
            filed_at,
            due_at,
            closed_at,
            updated_at,
        }
    }
}

impl From<OpinionRow> for OpinionView {
    fn from(row: OpinionRow) -> Self {
        let OpinionRow { id: _, appeal_id: _, opinion, reasons, actor_id: _, given_at } = row;
        Self { opinion, reasons, given_at }
    }
}

/// An appeal to file.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "subject_id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "grounds": "Le constat SEC-01 repose sur une version que nous ne distribuons plus.",
}))]
pub struct FileAppeal {
    /// What it is against: the last decision on the application, when it refused the label or
    /// granted it with reservations; or the act (`acts` of the label) that suspended it or took it back.
    pub subject_id: Id,
    /// Why.
    #[schema(min_length = 10, max_length = 20000)]
    pub grounds: String,
}

/// An opinion to give.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"opinion": "send_back", "reasons": "Le constat ne dit pas sur quelle version il porte."}))]
pub struct GiveOpinion {
    /// To keep the decision, or to have it made again.
    pub opinion: Opinion,
    /// Why.
    #[schema(min_length = 10, max_length = 20000)]
    pub reasons: String,
}

/// Which appeals to list.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AppealFilter {
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
    pub status: Vec<AppealStatus>,
    /// Is about this application.
    #[serde(default)]
    pub application: Option<Id>,
}

query_parameters!(AppealFilter);
