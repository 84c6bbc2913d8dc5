//! When a fact changes: open cases are asked about again. One that may not go on with
//! its body or its evaluator is frozen; one whose reason is gone goes on.

use std::collections::BTreeSet;

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::check::exclusions;
use super::rules::{Periods, Rule};
use crate::db::schema::label_applications;
use crate::db::{Id, Instant, Json, Tx};
use crate::error::Result;
use crate::labels::model::Application;
use crate::labels::rules::ApplicationStatus;
use crate::persons::identities;

/// Why a case stands still, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Freeze {
    /// The rules that exclude its body or its evaluator.
    #[schema(max_items = 20)]
    pub rules: Vec<Rule>,
    /// Since when.
    pub since: Instant,
}

/// Freezes a case that is excluded now, and lets one go on that no more is.
pub fn review(tx: &mut Tx<'_>, case: &mut Application, periods: Periods) -> Result<()> {
    let rules = exclusions(tx.db, case, periods, tx.now)?;
    let before = case.frozen.as_ref().map(|freeze| freeze.rules.clone()).unwrap_or_default();
    if rules == before {
        return Ok(());
    }
    let since = case.frozen.as_ref().map_or(tx.now, |freeze| freeze.since);
    let action = if rules.is_empty() { "unfreeze_label_application" } else { "freeze_label_application" };
    let changed = json!({"frozen": [before, rules]});
    case.frozen = (!rules.is_empty()).then_some(Json(Freeze { rules, since }));
    case.store(tx, action, changed)
}

/// Asks about the open cases of these bodies.
pub fn of_bodies(tx: &mut Tx<'_>, bodies: &BTreeSet<Id>, periods: Periods) -> Result<()> {
    let bodies: Vec<Id> = bodies.iter().copied().collect();
    for part in bodies.chunks(500) {
        let open: Vec<Application> = label_applications::table
            .filter(label_applications::audit_body_id.eq_any(part.to_vec()))
            .filter(label_applications::status.ne_all(ApplicationStatus::CLOSED))
            .order(label_applications::id)
            .select(Application::as_select())
            .load(tx.db)?;
        for mut case in open {
            review(tx, &mut case, periods)?;
        }
    }
    Ok(())
}

/// Asks about the open cases that a person has accepted, under whatever id.
pub fn of_person(tx: &mut Tx<'_>, actor: Id, periods: Periods) -> Result<()> {
    let ids: Vec<Id> = identities::of(tx.db, actor)?.into_iter().collect();
    let open: Vec<Application> = label_applications::table
        .filter(label_applications::evaluator_id.eq_any(ids))
        .filter(label_applications::status.ne_all(ApplicationStatus::CLOSED))
        .order(label_applications::id)
        .select(Application::as_select())
        .load(tx.db)?;
    for mut case in open {
        review(tx, &mut case, periods)?;
    }
    Ok(())
}
