//! Accreditations on the wire.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::keys::{SigningKey, SigningKeyView};
use super::model::Accreditation;
use super::rules::{AccreditationStatus, AccreditationStep, Scope};
use crate::db::{Id, Instant};
use crate::organisations::view::OrganisationSummary;
use crate::query_parameters;

/// An accreditation, as the public register shows it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AccreditationView {
    /// Identifier.
    pub id: Id,
    /// The audit body.
    pub organisation: OrganisationSummary,
    /// Where it stands today.
    pub status: AccreditationStatus,
    /// Counts changes; also in the ETag.
    #[schema(minimum = 1)]
    pub version: i32,
    /// What it may examine.
    pub scope: Scope,
    /// First day of validity; null for a candidate.
    pub valid_from: Option<NaiveDate>,
    /// Last day of validity.
    pub valid_until: Option<NaiveDate>,
    /// What was done and why, oldest first.
    #[schema(max_items = 10000)]
    pub steps: Vec<AccreditationStep>,
    /// Keys it signs with, oldest first, the revoked ones as well.
    #[schema(max_items = 1000)]
    pub keys: Vec<SigningKeyView>,
    /// When it was entered.
    pub created_at: Instant,
    /// When it last changed.
    pub updated_at: Instant,
}

crate::represented!(AccreditationView);

impl AccreditationView {
    pub fn new(
        accreditation: Accreditation,
        organisation: OrganisationSummary,
        keys: Vec<SigningKey>,
        today: NaiveDate,
    ) -> Self {
        let Accreditation {
            id,
            version,
            organisation_id: _,
            status,
            scope,
            valid_from,
            valid_until,
            steps,
            created_at,
            updated_at,
        } = accreditation;
        Self {
            id,
            organisation,
            status: status.on(today, valid_until),
            version,
            scope: scope.0,
            valid_from,
            valid_until,
            steps: steps.0,
            keys: keys.into_iter().map(SigningKeyView::from).collect(),
            created_at,
            updated_at,
        }
    }
}

/// A candidate to enter.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"organisation_id": "01890a5d-ac96-774b-bcce-b302099a8057"}))]
pub struct CreateAccreditation {
    /// The audit body.
    pub organisation_id: Id,
}

/// An accreditation to give or to renew.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"scope": {"themes": [], "families": ["demarches_en_ligne"]}}))]
pub struct Accredit {
    /// What the body may examine.
    pub scope: Scope,
    /// Last day of validity; four years from today unless said or set otherwise.
    #[serde(default)]
    pub valid_until: Option<NaiveDate>,
}

/// A scope to narrow.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"scope": {"themes": ["securite"], "families": []}, "reason": "Évaluation témoin non concluante."}))]
pub struct Restrict {
    /// What the body may still examine.
    pub scope: Scope,
    /// Why, in public.
    #[schema(min_length = 3, max_length = 5000)]
    pub reason: String,
}

/// Which accreditations to list.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccreditationFilter {
    /// Rows of a page.
    #[schema(minimum = 1, maximum = 100, default = 20)]
    #[serde(default)]
    pub limit: Option<i64>,
    /// Where to go on: `next` of the previous page.
    #[schema(max_length = 4000)]
    #[serde(default)]
    pub cursor: Option<String>,
    /// Stands at one of these.
    #[schema(max_items = 5)]
    #[serde(default)]
    pub status: Vec<AccreditationStatus>,
    /// Is of this audit body.
    #[serde(default)]
    pub organisation: Option<Id>,
}

query_parameters!(AccreditationFilter);
