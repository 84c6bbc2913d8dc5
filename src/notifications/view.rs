//! Notifications on the wire.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::reminders::ReminderKind;
use crate::db::{Id, Instant, Resource};
use crate::query_parameters;

/// Something that one's organisation has to know.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct NotificationView {
    /// Its place; later ones have higher places. `since` goes on from the highest one seen.
    #[schema(minimum = 1)]
    pub position: i64,
    /// Kind of what it is about.
    pub resource: Resource,
    /// Identifier of what it is about.
    pub resource_id: Id,
    /// Where it is found.
    #[schema(max_length = 200, example = "/api/v1/labels/GT-2026-00001")]
    pub address: String,
    /// What was done, as the journal calls it.
    #[schema(max_length = 100, example = "suspend_label")]
    pub action: String,
    /// What it reminds of; null for what somebody did.
    pub reminder: Option<ReminderKind>,
    /// When.
    pub at: Instant,
    /// By which day something is to be done, or ends.
    pub due_on: Option<NaiveDate>,
}

/// Which notifications to list.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NotificationFilter {
    /// Rows of a page.
    #[schema(minimum = 1, maximum = 100, default = 20)]
    #[serde(default)]
    pub limit: Option<i64>,
    /// Where to go on: `next` of the previous page.
    #[schema(max_length = 4000)]
    #[serde(default)]
    pub cursor: Option<String>,
    /// Those after this position: none is missed, whatever was written at the same time.
    #[schema(minimum = 0)]
    #[serde(default)]
    pub since: Option<i64>,
    /// Of this action alone.
    #[schema(max_length = 100, example = "suspend_label")]
    #[serde(default)]
    pub action: Option<String>,
}

query_parameters!(NotificationFilter);
