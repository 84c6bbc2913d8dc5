//! What was done to a label after it was granted, and why: only ever added to, shown with the
//! label, and bound by the hash in the transparency log's entry.

use chrono::NaiveDate;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::changes::{ChangeVerdict, MajorChange};
use super::model::Label;
use super::rules::LabelStatus;
use super::standing::Cause;
use crate::auth::Role;
use crate::db::schema::label_acts;
use crate::db::{Actor, Db, Id, Instant, Json, Tx};
use crate::error::Result;
use crate::log::broken;
use crate::proof::canonical;
use crate::proof::entry::EventKind;
use crate::proof::merkle::Hash;

/// What there is to say of an act beside its kind; what does not apply is left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ActDetails {
    /// Where the label stood before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<LabelStatus>,
    /// Where it stands from then on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<LabelStatus>,
    /// Criterion of the reservation that was lifted.
    #[schema(max_length = 10)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub criterion: Option<String>,
    /// Why it is suspended, or was withdrawn by the calendar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The last day from then on: of the suspension, or of the label that was extended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<NaiveDate>,
    /// Whether it could not wait for a hearing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_urgent: Option<bool>,
    /// When the vendor was heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heard_on: Option<NaiveDate>,
    /// Up to and with which day neither the solution nor its vendor applies again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub banned_until: Option<NaiveDate>,
    /// What the audit body found of a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<ChangeVerdict>,
    /// What changed.
    #[schema(max_items = 10)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<MajorChange>,
    /// The published version of the sheet in which it changed.
    #[schema(minimum = 1)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub solution_version: Option<i32>,
    /// The audit body that watched over the label before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit_body_before: Option<Id>,
    /// The audit body that watches over it from then on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit_body: Option<Id>,
    /// The label that took its place.
    #[schema(max_length = 13)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_label: Option<String>,
    /// Whether it was opened by who examines and does not decide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_by_evaluator: Option<bool>,
    /// Whether a complaint that the audit body found founded led to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_after_complaint: Option<bool>,
}

/// Why something is done to a label, and what there is to say beside.
#[derive(Debug, Clone, Default)]
pub struct Said {
    pub reason: Option<String>,
    pub details: ActDetails,
}

impl Said {
    /// For this reason.
    pub fn because(reason: String, details: ActDetails) -> Self {
        Self { reason: Some(reason), details }
    }
}

/// An act on a label.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = label_acts, treat_none_as_default_value = false)]
pub struct LabelAct {
    pub id: Id,
    pub label_number: String,
    pub kind: EventKind,
    pub reason: Option<String>,
    pub details: Json<Value>,
    pub actor_id: Option<Id>,
    pub organisation_id: Option<Id>,
    pub role: String,
    pub acted_at: Instant,
}

crate::codes! {
    /// Who acted on a label.
    pub enum ActingRole {
        /// The vendor.
        Vendor = "vendor",
        /// The audit body.
        Auditor = "auditor",
        /// The operator of the catalogue.
        Operator = "operator",
        /// The catalogue itself, on its day.
        System = "system",
    }
}

/// What was done to a label after it was granted.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LabelActView {
    /// Identifier.
    pub id: Id,
    /// What was done, as the log calls it.
    pub kind: EventKind,
    /// Why, in words; null for what the calendar does.
    #[schema(max_length = 5000)]
    pub reason: Option<String>,
    /// What there is to say beside.
    pub details: ActDetails,
    /// Who acted.
    pub role: ActingRole,
    /// The audit body or the vendor that acted; null for the operator and for the catalogue itself.
    pub organisation_id: Option<Id>,
    /// When.
    pub acted_at: Instant,
}

/// An act as it is hashed: what the public reads, and of which label.
#[derive(Serialize)]
struct Statement<'a> {
    acted_at: Instant,
    details: &'a Value,
    id: Id,
    kind: EventKind,
    label: &'a str,
    organisation_id: Option<Id>,
    reason: Option<&'a str>,
    role: &'a str,
}

impl LabelAct {
    /// Keeps what is being done to a label by who acts.
    pub fn keep(tx: &mut Tx<'_>, label: &Label, kind: EventKind, said: Said) -> Result<Self> {
        let (role, organisation_id) = match tx.actor {
            Actor::System => ("system", None),
            Actor::Person { role, organisation, .. } => (*role, *organisation),
        };
        let act = Self {
            id: Id::new(),
            label_number: label.number.clone(),
            kind,
            reason: said.reason,
            details: Json(serde_json::to_value(said.details)?),
            actor_id: tx.actor_id()?,
            // The operator acts as the operator, whatever body its people come from.
            organisation_id: organisation_id.filter(|_| role != Role::Operator.code()),
            role: role.to_owned(),
            acted_at: tx.now,
        };
        diesel::insert_into(label_acts::table).values(act.clone()).execute(tx.db)?;
        Ok(act)
    }

    /// What the log's entry holds of it.
    ///
    /// # Errors
    /// It says what canonical JSON cannot.
    pub fn hash(&self) -> Result<Hash> {
        let statement = Statement {
            acted_at: self.acted_at,
            details: &self.details.0,
            id: self.id,
            kind: self.kind,
            label: &self.label_number,
            organisation_id: self.organisation_id,
            reason: self.reason.as_deref(),
            role: &self.role,
        };
        canonical::hash(&statement).map_err(broken)
    }

    /// Those on any of these labels, oldest first.
    pub fn of(db: &mut Db, numbers: &[String]) -> Result<Vec<Self>> {
        Ok(label_acts::table
            .filter(label_acts::label_number.eq_any(numbers.to_vec()))
            .order(label_acts::id)
            .select(Self::as_select())
            .load(db)?)
    }

    pub fn details(&self) -> Result<ActDetails> {
        Ok(serde_json::from_value(self.details.0.clone())?)
    }

    pub fn view(self) -> Result<LabelActView> {
        let details = self.details()?;
        let Self { id, label_number: _, kind, reason, details: _, actor_id: _, organisation_id, role, acted_at } = self;
        let role = ActingRole::from_code(&role).unwrap_or(ActingRole::System);
        Ok(LabelActView { id, kind, reason, details, role, organisation_id, acted_at })
    }
}
