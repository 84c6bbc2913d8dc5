//! Organisations on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::details::{OrganisationDetails, OrganisationKind};
use super::model::{Organisation, Viewer};
use super::rules::OrganisationStatus;
use crate::db::{Id, Instant};
use crate::query_parameters;
use crate::solutions::sheet::Origin;

/// An organisation.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OrganisationView {
    /// Identifier.
    pub id: Id,
    /// Where it stands.
    pub status: OrganisationStatus,
    /// Counts changes; also in the ETag.
    #[schema(minimum = 1)]
    pub version: i32,
    #[serde(flatten)]
    pub details: OrganisationDetails,
    /// Where its identifier comes from: `registry` once the operator or a register confirmed it.
    pub identifier_origin: Origin,
    /// When the identifier was confirmed.
    pub identifier_verified_at: Option<Instant>,
    /// Register it was imported from.
    #[schema(max_length = 100)]
    pub source: Option<String>,
    /// Why it is suspended; shown to itself and the operator.
    #[schema(max_length = 5000)]
    pub suspension_reason: Option<String>,
    /// When it was registered here.
    pub created_at: Instant,
    /// When it last changed.
    pub updated_at: Instant,
}

crate::represented!(OrganisationView);

impl OrganisationView {
    pub fn new(organisation: Organisation, viewer: &Viewer) -> Self {
        let sees_all = viewer.is_operator() || viewer.organisation_id() == Some(organisation.id);
        let Organisation {
            id,
            version,
            status,
            details,
            source,
            identifier_verified_at,
            moderation,
            created_at,
            updated_at,
            name_folded: _,
            is_vendor: _,
            is_public_body: _,
            is_audit_body: _,
            is_operator: _,
            siren: _,
            register_key: _,
            source_id: _,
        } = organisation;
        Self {
            id,
            status,
            version,
            details: details.0,
            identifier_origin: if identifier_verified_at.is_some() { Origin::Registry } else { Origin::Declared },
            identifier_verified_at,
            source,
            suspension_reason: moderation.filter(|_| sees_all).map(|reason| reason.0),
            created_at,
            updated_at,
        }
    }
}

/// An organisation in a few words.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OrganisationSummary {
    /// Identifier.
    pub id: Id,
    /// Official name.
    #[schema(max_length = 1000)]
    pub name: String,
    /// SIREN, when French.
    #[schema(pattern = "^[0-9]{9}$", max_length = 9)]
    pub siren: Option<String>,
    /// Country of its seat (ISO 3166-1 alpha-2).
    #[schema(pattern = "^[A-Z]{2}$", max_length = 2)]
    pub country: Option<String>,
    /// What it does here.
    #[schema(max_items = 4)]
    pub kinds: Vec<OrganisationKind>,
}

impl From<&Organisation> for OrganisationSummary {
    fn from(organisation: &Organisation) -> Self {
        let details = &organisation.details;
        Self {
            id: organisation.id,
            name: details.name.clone(),
            siren: organisation.siren.clone(),
            country: details.country.clone(),
            kinds: details.kinds.clone(),
        }
    }
}

crate::codes! {
    /// Order of a list of organisations.
    pub enum OrganisationSort {
        /// By name, case and accents folded.
        Name = "name",
        NameDescending = "-name",
    }
}

impl OrganisationSort {
    pub fn is_descending(self) -> bool {
        self == Self::NameDescending
    }
}

/// Which organisations to list.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrganisationFilter {
    /// Rows of a page.
    #[schema(minimum = 1, maximum = 100, default = 20)]
    #[serde(default)]
    pub limit: Option<i64>,
    /// Where to go on: `next` of the previous page.
    #[schema(max_length = 4000)]
    #[serde(default)]
    pub cursor: Option<String>,
    /// Order; `-` for descending.
    #[serde(default)]
    pub sort: Option<OrganisationSort>,
    /// Words of the name, case and accents ignored.
    #[schema(max_length = 200)]
    #[serde(default)]
    pub q: Option<String>,
    /// Is one of these.
    #[schema(max_items = 10)]
    #[serde(default)]
    pub kind: Vec<OrganisationKind>,
    /// Stands at one of these; `pending` is the operator's queue.
    #[schema(max_items = 10)]
    #[serde(default)]
    pub status: Vec<OrganisationStatus>,
    /// Has this SIREN.
    #[schema(pattern = "^[0-9]{9}$", max_length = 9)]
    #[serde(default)]
    pub siren: Option<String>,
}

query_parameters!(OrganisationFilter);

/// Why something is done to somebody.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "Pièce justificative manquante."}))]
pub struct Reason {
    /// The reason, in words for whom it concerns.
    #[schema(min_length = 3, max_length = 5000)]
    pub reason: String,
}
