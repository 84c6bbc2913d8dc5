//! Complaints on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::model::{Complaint, ComplaintStatus};
use crate::db::{Id, Instant};
use crate::organisations::view::OrganisationSummary;
use crate::query_parameters;

/// What supports a complaint; the bytes stay with their owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ComplaintEvidence {
    /// What it is.
    #[schema(min_length = 1, max_length = 200)]
    pub title: String,
    /// Where it can be had, http or https.
    #[schema(format = "uri", max_length = 2000)]
    pub url: String,
}

/// A complaint to file.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "text": "L’hébergement annoncé n’est plus celui qui est utilisé depuis le mois de juin.",
    "evidence": [{"title": "Avis de changement", "url": "https://example.org/avis"}],
}))]
pub struct CreateComplaint {
    /// What is held against the label. Name no person.
    #[schema(min_length = 10, max_length = 10000)]
    pub text: String,
    /// What supports it.
    #[schema(max_items = 20)]
    #[serde(default)]
    pub evidence: Vec<ComplaintEvidence>,
}

/// The answer to a complaint.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"is_founded": true, "answer": "Le changement n’avait pas été déclaré ; un contrôle est ouvert."}))]
pub struct AnswerComplaint {
    /// Whether the complaint is right; then a valid label is put under surveillance.
    pub is_founded: bool,
    /// The answer, for who complains and for the vendor.
    #[schema(min_length = 3, max_length = 10000)]
    pub answer: String,
}

/// A complaint, as its parties read it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ComplaintView {
    /// Identifier.
    pub id: Id,
    /// Counts changes; also in the ETag.
    #[schema(minimum = 1)]
    pub version: i32,
    /// Number of the label.
    #[schema(max_length = 13, example = "GT-2026-00001")]
    pub label_number: String,
    /// Where it stands.
    pub status: ComplaintStatus,
    /// What is held against the label.
    #[schema(max_length = 10000)]
    pub text: String,
    /// What supports it.
    #[schema(max_items = 20)]
    pub evidence: Vec<ComplaintEvidence>,
    /// Who complains; null for the vendor.
    pub complainant: Option<OrganisationSummary>,
    /// The audit body's answer.
    #[schema(max_length = 10000)]
    pub answer: Option<String>,
    /// When it was filed.
    pub created_at: Instant,
    /// When it was answered.
    pub answered_at: Option<Instant>,
}

crate::represented!(ComplaintView);

impl ComplaintView {
    pub fn new(complaint: Complaint, complainant: Option<OrganisationSummary>) -> Self {
        let Complaint {
            id,
            version,
            label_number,
            organisation_id: _,
            actor_id: _,
            status,
            text,
            evidence,
            answer,
            created_at,
            updated_at: _,
            answered_at,
        } = complaint;
        let evidence = evidence.0;
        Self { id, version, label_number, status, text, evidence, complainant, answer, created_at, answered_at }
    }
}

/// Which complaints to list.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ComplaintFilter {
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
    pub status: Vec<ComplaintStatus>,
    /// Is about this label.
    #[schema(max_length = 13, example = "GT-2026-00001")]
    #[serde(default)]
    pub label: Option<String>,
}

query_parameters!(ComplaintFilter);
