//! What is asked of a label, on the wire.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::changes::ChangeVerdict;
use crate::db::Id;

/// A reservation to lift.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"criterion": "RSP-01", "reason": "La déclaration est publiée depuis le 3 mars."}))]
pub struct LiftReservation {
    /// Code of the criterion.
    #[schema(min_length = 1, max_length = 10)]
    pub criterion: String,
    /// What shows that it is mended; public.
    #[schema(min_length = 3, max_length = 5000)]
    pub reason: String,
}

/// What a surveillance found.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"outcome": "Contrôle annuel sans écart."}))]
pub struct EndSurveillance {
    /// What it found; public.
    #[schema(min_length = 3, max_length = 5000)]
    pub outcome: String,
}

/// A suspension.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "Incident majeur non déclaré.", "is_urgent": true}))]
pub struct SuspendLabel {
    /// Why; public.
    #[schema(min_length = 3, max_length = 5000)]
    pub reason: String,
    /// The last day; the latest possible when left out: six months for the audit body, thirty days for the operator.
    #[serde(default)]
    pub until: Option<NaiveDate>,
    /// Whether it cannot wait until the vendor is heard.
    pub is_urgent: bool,
    /// When the vendor was heard; needed unless it is urgent.
    #[serde(default)]
    pub heard_on: Option<NaiveDate>,
}

/// A withdrawal.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "reason": "Preuves falsifiées.", "heard_on": "2026-11-02", "is_fraud": true, "ban_months": 12,
}))]
pub struct WithdrawLabel {
    /// Why; public.
    #[schema(min_length = 3, max_length = 5000)]
    pub reason: String,
    /// When the vendor was heard.
    pub heard_on: NaiveDate,
    /// Whether the vendor deceived.
    #[serde(default)]
    pub is_fraud: bool,
    /// For fraud: for so many months neither the solution nor any other of its vendor applies again.
    #[schema(minimum = 1, maximum = 24)]
    #[serde(default)]
    pub ban_months: Option<u32>,
}

/// What the audit body finds of a change.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"verdict": "keep", "reason": "Le nouvel hébergeur a les mêmes qualifications."}))]
pub struct AssessChange {
    /// What becomes of the label.
    pub verdict: ChangeVerdict,
    /// Why; public.
    #[schema(min_length = 3, max_length = 5000)]
    pub reason: String,
    /// For `suspend`: whether it cannot wait until the vendor is heard.
    #[serde(default)]
    pub is_urgent: bool,
    /// For `suspend`: when the vendor was heard; needed unless it is urgent.
    #[serde(default)]
    pub heard_on: Option<NaiveDate>,
}

/// A label to give to another audit body.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "audit_body_id": "01890a5d-ac96-774b-bcce-b302099a8057", "reason": "L’accréditation de l’organisme est retirée.",
}))]
pub struct TransferLabel {
    /// The audit body.
    pub audit_body_id: Id,
    /// Why; public.
    #[schema(min_length = 3, max_length = 5000)]
    pub reason: String,
}
