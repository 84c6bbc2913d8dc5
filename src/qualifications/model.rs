//! Rows and queries of qualifications.

use std::collections::BTreeSet;

use diesel::prelude::*;
use serde_json::{Value, json};

use super::rules::{QualificationCommand, QualificationStatus, step};
use super::view::{QualificationFilter, Qualify};
use crate::auth::{Duty, Role};
use crate::db::schema::qualifications;
use crate::db::{Db, Id, Instant, Json, MultiBackend, Resource, Tx};
use crate::error::{Error, Result};
use crate::http::{After, Key, Page, Slice};
use crate::organisations::Viewer;
use crate::persons::identities;
use crate::{keyset, text, versioned};

/// A person's qualification at an audit body.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = qualifications, treat_none_as_default_value = false, treat_none_as_null = true)]
pub struct Qualification {
    pub id: Id,
    pub version: i32,
    pub organisation_id: Id,
    pub actor_id: Id,
    pub status: QualificationStatus,
    /// Empty: every theme the body may examine.
    pub themes: Json<Vec<String>>,
    pub duties: Json<Vec<Duty>>,
    /// Why it is suspended or ended.
    pub reason: Option<String>,
    pub created_at: Instant,
    pub updated_at: Instant,
}

versioned!(Qualification, qualifications);

impl Qualification {
    /// Qualifies a person at a body; one at a time.
    pub fn begin(tx: &mut Tx<'_>, given: Qualify) -> Result<Self> {
        let actor_id = tx.enter(&given.person.issuer, &given.person.subject)?;
        let known = identities::of(tx.db, actor_id)?;
        if !Self::of_person(tx.db, given.organisation_id, &known)?.is_empty() {
            return Err(Error::duplicate(text!(
                "Cette personne a déjà une qualification auprès de cet organisme.",
                "This person has a qualification at this body already."
            )));
        }
        let qualification = Self {
            id: Id::new(),
            version: 1,
            organisation_id: given.organisation_id,
            actor_id,
            status: QualificationStatus::Qualified,
            themes: Json(given.themes),
            duties: Json(given.duties),
            reason: None,
            created_at: tx.now,
            updated_at: tx.now,
        };
        qualification.insert(tx.db)?;
        let changed = json!({
            "organisation": qualification.organisation_id, "status": qualification.status,
            "themes": qualification.themes, "duties": qualification.duties,
        });
        tx.record("create_qualification", Resource::Qualification, qualification.id, 1, changed)?;
        Ok(qualification)
    }

    /// Takes a step, with its entry in the journal.
    pub fn take(&mut self, tx: &mut Tx<'_>, command: QualificationCommand, changed: Value) -> Result<()> {
        self.status = self.after(command)?;
        self.updated_at = tx.now;
        self.change(tx)?;
        tx.record(&format!("{command}_qualification"), Resource::Qualification, self.id, self.version, changed)
    }

    /// Where a command leads.
    pub fn after(&self, command: QualificationCommand) -> Result<QualificationStatus> {
        let at = self.status;
        step(at, command).ok_or_else(|| {
            Error::conflict(text!(
                "La qualification est « {at} » ; « {command} » n’en part pas.",
                "The qualification is `{at}`; `{command}` does not start there."
            ))
        })
    }

    /// Those at a body that have not ended, of the person with these ids.
    pub fn of_person(db: &mut Db, organisation: Id, ids: &BTreeSet<Id>) -> Result<Vec<Self>> {
        let ids: Vec<Id> = ids.iter().copied().collect();
        Ok(qualifications::table
            .filter(qualifications::organisation_id.eq(organisation).and(qualifications::actor_id.eq_any(ids)))
            .filter(qualifications::status.ne(QualificationStatus::Ended))
            .select(Self::as_select())
            .load(db)?)
    }

    /// To the body, and to the operator's accreditors.
    pub fn visible(db: &mut Db, id: &str, viewer: &Viewer) -> Result<Self> {
        let id = Id::parse(id).ok_or_else(Error::not_found)?;
        let found: Option<Self> = qualifications::table.find(id).select(Self::as_select()).first(db).optional()?;
        found
            .filter(|one| viewer.is_operator() || viewer.acting_as(Role::Auditor) == Some(one.organisation_id))
            .ok_or_else(Error::not_found)
    }

    pub fn page(db: &mut Db, filter: &QualificationFilter, viewer: &Viewer, slice: &Slice) -> Result<Page<Self>> {
        use qualifications as q;
        let own = viewer.acting_as(Role::Auditor);
        let matching = || {
            let mut query = q::table.into_boxed::<MultiBackend>();
            query = match own {
                _ if viewer.is_operator() => query,
                Some(own) => query.filter(q::organisation_id.eq(own)),
                None => query.filter(q::id.ne(q::id)),
            };
            if let Some(organisation) = filter.organisation {
                query = query.filter(q::organisation_id.eq(organisation));
            }
            if !filter.status.is_empty() {
                query = query.filter(q::status.eq_any(filter.status.clone()));
            }
            query
        };
        let total = matching().count().get_result(db)?;
        let rows =
            keyset!(matching(), slice, q::id, q::id, false, |after| after.id).select(Self::as_select()).load(db)?;
        Ok(slice.page(rows, total, |row: &Self| After { key: Key::Number(0), id: row.id }))
    }
}
