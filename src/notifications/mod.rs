//! Notifications: which organisation has to know of which entry of the journal, written in the
//! transaction of the entry itself. Nothing is sent: who is concerned asks.
//!
//! They name what was done and where it is found, never a person. Who acted is not told of it.

pub mod model;
pub mod reminders;
pub mod routes;
pub mod view;

use std::collections::BTreeSet;

use chrono::NaiveDate;
use diesel::prelude::*;
use serde_json::Value;

use crate::appeals::Appeal;
use crate::auth::Role;
use crate::db::schema::{changes, counters, notifications, solutions};
use crate::db::{Actor, Id, Instant, Resource, Tx};
use crate::error::{Error, Result};
use crate::labels::model::{Application, Label};
use reminders::ReminderKind;

/// The last position given is the value of this counter; its row is locked by who notifies, so
/// that positions become visible in their order.
const COUNTER: &str = "notifications";

/// What of a case its vendor does not read, nor is told of.
const HIDDEN_FROM_VENDOR: &[&str] = &["record_finding", "declare_interests"];

/// After which acts on a case it is for the operator to act.
const FOR_OPERATOR: &[&str] = &[
    "submit_label_application",
    "recuse_label_application",
    "freeze_label_application",
    "propose_audit_body",
    "challenge_audit_body",
];

/// Who is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Recipient {
    Organisation(Id),
    /// Whoever acts for the operator.
    Operator,
}

/// What is told: the last entry of the journal about a resource.
#[derive(Debug, Clone)]
pub struct News {
    pub resource: Resource,
    pub id: Id,
    /// Where it is found.
    pub address: String,
    /// By when something is to be done.
    pub due_on: Option<NaiveDate>,
    pub reminder: Option<ReminderKind>,
}

impl News {
    pub fn new(resource: Resource, id: Id, address: String) -> Self {
        Self { resource, id, address, due_on: None, reminder: None }
    }
}

#[derive(Insertable)]
#[diesel(table_name = notifications, treat_none_as_default_value = false)]
struct NewNotification {
    position: i64,
    recipient_id: Option<Id>,
    change_position: i64,
    address: String,
    due_on: Option<NaiveDate>,
    reminder: Option<ReminderKind>,
    created_at: Instant,
}

/// Tells these, but for who acts, of the entry just written about a resource.
pub fn tell(tx: &mut Tx<'_>, news: &News, to: impl IntoIterator<Item = Recipient>) -> Result<()> {
    let acting = match tx.actor {
        Actor::System => None,
        Actor::Person { role, .. } if *role == Role::Operator.code() => Some(Recipient::Operator),
        Actor::Person { organisation, .. } => organisation.map(Recipient::Organisation),
    };
    let to: BTreeSet<Recipient> = to.into_iter().filter(|one| Some(*one) != acting).collect();
    if to.is_empty() {
        return Ok(());
    }
    let change_position: i64 = changes::table
        .filter(changes::resource_id.eq(news.id).and(changes::resource.eq(news.resource)))
        .order(changes::position.desc())
        .select(changes::position)
        .first(tx.db)?;
    let count = i64::try_from(to.len()).unwrap_or(i64::MAX);
    let counted = diesel::update(counters::table.find(COUNTER))
        .set(counters::value.eq(counters::value + count))
        .execute(tx.db)?;
    if counted != 1 {
        return Err(Error::Internal("nothing counts notifications".to_owned()));
    }
    let last: i64 = counters::table.find(COUNTER).select(counters::value).first(tx.db)?;
    let rows: Vec<NewNotification> = to
        .into_iter()
        .zip(last - count + 1..)
        .map(|(to, position)| NewNotification {
            position,
            recipient_id: match to {
                Recipient::Organisation(id) => Some(id),
                Recipient::Operator => None,
            },
            change_position,
            address: news.address.clone(),
            due_on: news.due_on,
            reminder: news.reminder,
            created_at: tx.now,
        })
        .collect();
    crate::insert_all!(&mut *tx.db, notifications::table, &rows);
    Ok(())
}

/// Tells the parties of a case what was just done to it. `audit_body` is what the entry says of the
/// body: the one before is told as well that it is no longer its.
pub fn of_application(tx: &mut Tx<'_>, case: &Application, action: &str, audit_body: Option<&Value>) -> Result<()> {
    let before = audit_body.and_then(|both| both.get(0)).and_then(Value::as_str).and_then(Id::parse);
    let vendor = (!HIDDEN_FROM_VENDOR.contains(&action)).then_some(case.organisation_id);
    let to = [vendor, case.audit_body_id, before].into_iter().flatten().map(Recipient::Organisation);
    let operator = FOR_OPERATOR.contains(&action).then_some(Recipient::Operator);
    let address = format!("/api/v1/label-applications/{}", case.id);
    let due_at = if action == "submit_label_application" { case.admission_due_at } else { case.due_at };
    let due_on = due_at.map(Instant::last_day);
    let news = News { due_on, ..News::new(Resource::LabelApplication, case.id, address) };
    tell(tx, &news, to.chain(operator))
}

/// Tells the parties of an appeal what was just done to it; the panel, as long as it is open.
pub fn of_appeal(tx: &mut Tx<'_>, appeal: &Appeal) -> Result<()> {
    let parties = [appeal.organisation_id, appeal.audit_body_id].map(Recipient::Organisation);
    let is_open = appeal.closed_at.is_none();
    let due_on = is_open.then(|| appeal.due_at.last_day());
    let news = News::new(Resource::Appeal, appeal.id, format!("/api/v1/appeals/{}", appeal.id));
    tell(tx, &News { due_on, ..news }, parties.into_iter().chain(is_open.then_some(Recipient::Operator)))
}

/// Tells vendor and audit body what was just done to a label.
pub fn of_label(tx: &mut Tx<'_>, label: &Label, action: &str) -> Result<()> {
    let vendor: Option<Id> =
        solutions::table.find(label.solution_id).select(solutions::organisation_id).first(tx.db)?;
    let to = [vendor, Some(label.audit_body_id)].into_iter().flatten().map(Recipient::Organisation);
    let due_on = match action {
        "suspend_label" => label.suspension().and_then(|one| one.until),
        "extend_label" => Some(label.valid_until),
        _ => None,
    };
    let address = format!("/api/v1/labels/{}", label.number);
    tell(tx, &News { due_on, ..News::new(Resource::Label, label.id, address) }, to)
}
