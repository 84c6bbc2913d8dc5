//! Persons on the wire.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::auth::{Duty, Role};
use crate::db::Id;
use crate::http::text::Text;
use crate::organisations::view::OrganisationSummary;

/// Who calls.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MeView {
    /// Who says so: `iss` of the token.
    #[schema(max_length = 1000)]
    pub issuer: String,
    /// Who that is: `sub` of the token.
    #[schema(max_length = 1000)]
    pub subject: String,
    /// The role.
    pub role: Role,
    /// The duties that refine it.
    #[schema(max_items = 20)]
    pub duties: Vec<Duty>,
    /// The organisation the caller acts for.
    pub organisation: Option<OrganisationSummary>,
    /// The opaque identifier the journal knows the caller by; null before the first act.
    pub actor_id: Option<Id>,
}

/// Everything held about a person.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PersonalDataView {
    /// The opaque identifier; null when nothing is held.
    pub actor_id: Option<Id>,
    /// By table.
    #[schema(max_items = 100)]
    pub tables: Vec<HeldView>,
}

/// What one table holds about a person.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct HeldView {
    /// Name of the table.
    #[schema(max_length = 60, example = "reviews")]
    pub table: String,
    /// What for.
    pub purpose: Text,
    /// By which right.
    pub legal_basis: Text,
    /// What a request to erase does with it, and why if it stays.
    pub on_erasure: Text,
    /// Whether these are all rows; the operator exports the rest on request.
    pub is_complete: bool,
    /// The rows; members as the columns are named.
    #[schema(max_items = 10000, value_type = Vec<Object>)]
    pub rows: Vec<Value>,
}

/// What an erasure did.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ErasureView {
    /// The opaque identifier, which names nobody any more; null when nothing was held.
    pub actor_id: Option<Id>,
    /// Whether a keyed hash of issuer and subject is kept, so that nobody decides on their own case
    /// under a new identifier; it goes with the last such case.
    pub is_separation_kept: bool,
    /// What was erased or anonymised.
    #[schema(max_items = 100)]
    pub erased: Vec<ErasureEntry>,
    /// What stays, and why.
    #[schema(max_items = 100)]
    pub kept: Vec<ErasureEntry>,
}

/// What an erasure did with a table.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ErasureEntry {
    /// Name of the table.
    #[schema(max_length = 60, example = "reviews")]
    pub table: String,
    /// Rows about the person.
    #[schema(minimum = 0)]
    pub count: i64,
    /// What became of them, with the reason where they stay.
    pub reason: Text,
}
