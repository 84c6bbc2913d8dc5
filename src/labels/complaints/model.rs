//! Rows and queries of complaints.

use std::collections::BTreeMap;

use diesel::prelude::*;
use serde_json::{Value, json};

use super::view::{ComplaintEvidence, ComplaintFilter, ComplaintView};
use crate::auth::Role;
use crate::db::schema::{complaints, labels, solutions};
use crate::db::{Db, Id, Instant, Json, MultiBackend, Resource, Tx};
use crate::error::{Error, Result};
use crate::http::{After, Key, Page, Slice};
use crate::labels::model::Label;
use crate::notifications::{self, News, Recipient};
use crate::organisations::view::OrganisationSummary;
use crate::organisations::{Organisation, Viewer};
use crate::solutions::model::Solution;
use crate::{keyset, versioned};

crate::codes! {
    /// Where a complaint stands.
    pub enum ComplaintStatus {
        /// Waits for the audit body.
        Open = "open",
        /// The audit body found it right.
        Founded = "founded",
        /// The audit body found it wrong.
        Unfounded = "unfounded",
    }
}

/// A complaint.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = complaints, treat_none_as_default_value = false, treat_none_as_null = true)]
pub struct Complaint {
    pub id: Id,
    pub version: i32,
    pub label_number: String,
    /// Who complains.
    pub organisation_id: Id,
    pub actor_id: Id,
    pub status: ComplaintStatus,
    pub text: String,
    pub evidence: Json<Vec<ComplaintEvidence>>,
    pub answer: Option<String>,
    pub created_at: Instant,
    pub updated_at: Instant,
    pub answered_at: Option<Instant>,
}

versioned!(Complaint, complaints);

impl Complaint {
    /// The open one of an organisation on a label.
    pub fn open_of(db: &mut Db, number: &str, organisation: Id) -> Result<Option<Id>> {
        Ok(complaints::table
            .filter(complaints::label_number.eq(number).and(complaints::organisation_id.eq(organisation)))
            .filter(complaints::status.eq(ComplaintStatus::Open))
            .select(complaints::id)
            .first(db)
            .optional()?)
    }

    /// As who complains, the label's audit body, its vendor, or the operator. To anybody else it is absent.
    pub fn for_party(db: &mut Db, id: &str, viewer: &Viewer) -> Result<(Self, Label)> {
        let id = Id::parse(id).ok_or_else(Error::not_found)?;
        let found: Option<Self> = complaints::table.find(id).select(Self::as_select()).first(db).optional()?;
        let found = found.ok_or_else(Error::not_found)?;
        let label = Label::find(db, &found.label_number)?;
        let own = viewer.acting().ok().map(|own| own.id);
        let is_party = match viewer.role() {
            Some(Role::Operator) => viewer.is_operator(),
            _ if own == Some(found.organisation_id) => true,
            Some(Role::Auditor) => own == Some(label.audit_body_id),
            Some(Role::Vendor) => {
                let vendor = Solution::find_by_id(db, label.solution_id)?.organisation_id;
                own.is_some() && own == vendor
            }
            _ => false,
        };
        if is_party { Ok((found, label)) } else { Err(Error::not_found()) }
    }

    pub fn page(db: &mut Db, filter: &ComplaintFilter, viewer: &Viewer, slice: &Slice) -> Result<Page<Self>> {
        use complaints as c;
        let own = viewer.acting().ok().map(|own| own.id);
        let matching = || {
            let mut query = c::table.into_boxed::<MultiBackend>();
            query = match (viewer.role(), own) {
                (Some(Role::Operator), _) if viewer.is_operator() => query,
                (Some(Role::Auditor), Some(own)) => {
                    let watched = labels::table.filter(labels::audit_body_id.eq(own)).select(labels::number);
                    query.filter(c::organisation_id.eq(own).or(c::label_number.eq_any(watched)))
                }
                (Some(Role::Vendor), Some(own)) => {
                    let offered = solutions::table.filter(solutions::organisation_id.eq(own)).select(solutions::id);
                    let own_labels = labels::table.filter(labels::solution_id.eq_any(offered)).select(labels::number);
                    query.filter(c::organisation_id.eq(own).or(c::label_number.eq_any(own_labels)))
                }
                (_, Some(own)) => query.filter(c::organisation_id.eq(own)),
                (_, None) => query.filter(c::id.ne(c::id)),
            };
            if let Some(label) = &filter.label {
                query = query.filter(c::label_number.eq(label.clone()));
            }
            if !filter.status.is_empty() {
                query = query.filter(c::status.eq_any(filter.status.clone()));
            }
            query
        };
        let total = matching().count().get_result(db)?;
        let rows =
            keyset!(matching(), slice, c::id, c::id, true, |after| after.id).select(Self::as_select()).load(db)?;
        Ok(slice.page(rows, total, |row: &Self| After { key: Key::Number(0), id: row.id }))
    }

    /// Enters it, and lets the audit body and the vendor know.
    pub fn file(&self, tx: &mut Tx<'_>, label: &Label) -> Result<()> {
        self.insert(tx.db)?;
        self.tell(tx, "create_complaint", json!({"label": self.label_number, "status": self.status}), label)
    }

    /// Writes the answer.
    pub fn store(&mut self, tx: &mut Tx<'_>, label: &Label, changed: Value) -> Result<()> {
        self.updated_at = tx.now;
        self.change(tx)?;
        self.tell(tx, "answer_complaint", changed, label)
    }

    fn tell(&self, tx: &mut Tx<'_>, action: &str, changed: Value, label: &Label) -> Result<()> {
        tx.record(action, Resource::Complaint, self.id, self.version, changed)?;
        let address = format!("/api/v1/complaints/{}", self.id);
        let vendor = Solution::find_by_id(tx.db, label.solution_id)?.organisation_id;
        let to = [Some(label.audit_body_id), vendor, Some(self.organisation_id)];
        let to = to.into_iter().flatten().map(Recipient::Organisation);
        notifications::tell(
            tx,
            &News { due_on: None, reminder: None, ..News::new(Resource::Complaint, self.id, address) },
            to,
        )
    }
}

/// Views for one viewer: a vendor does not learn who complains of its label.
pub fn views(db: &mut Db, rows: Vec<Complaint>, viewer: &Viewer) -> Result<Vec<ComplaintView>> {
    let all: Vec<Id> = rows.iter().map(|row| row.organisation_id).collect();
    let all: BTreeMap<Id, OrganisationSummary> =
        Organisation::find_all(db, &all)?.iter().map(|one| (one.id, OrganisationSummary::from(one))).collect();
    let own = viewer.organisation_id();
    Ok(rows
        .into_iter()
        .map(|row| {
            let is_hidden = viewer.role() == Some(Role::Vendor) && own != Some(row.organisation_id);
            let complainant = all.get(&row.organisation_id).filter(|_| !is_hidden).cloned();
            ComplaintView::new(row, complainant)
        })
        .collect())
}
