//! Rows and queries of accreditations.

use std::collections::BTreeMap;

use chrono::{Months, NaiveDate};
use diesel::prelude::*;
use diesel::sql_types::Bool;
use serde_json::json;

use super::keys::SigningKey;
use super::rules::{AccreditationCommand, AccreditationStatus, AccreditationStep, Scope, step};
use super::view::{AccreditationFilter, AccreditationView};
use crate::auth::{Duty, Role};
use crate::db::schema::accreditations;
use crate::db::{Db, Id, Instant, Json, MultiBackend, Resource, Tx};
use crate::error::{Error, Result};
use crate::http::{After, Key, Page, Slice};
use crate::organisations::view::OrganisationSummary;
use crate::organisations::{Organisation, Viewer};
use crate::{keyset, text, versioned};

/// An accreditation of an audit body.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = accreditations, treat_none_as_default_value = false, treat_none_as_null = true)]
pub struct Accreditation {
    pub id: Id,
    pub version: i32,
    pub organisation_id: Id,
    pub status: AccreditationStatus,
    pub scope: Json<Scope>,
    /// First day; none as long as it never was given, and then it is not public.
    pub valid_from: Option<NaiveDate>,
    pub valid_until: Option<NaiveDate>,
    pub steps: Json<Vec<AccreditationStep>>,
    pub created_at: Instant,
    pub updated_at: Instant,
}

versioned!(Accreditation, accreditations);

impl Accreditation {
    /// Enters a candidate; one at a time.
    pub fn begin(tx: &mut Tx<'_>, organisation: &Organisation) -> Result<Self> {
        if Self::current(tx.db, organisation.id)?.is_some() {
            return Err(Error::duplicate(text!(
                "Cet organisme a déjà une accréditation ou une candidature.",
                "This body has an accreditation, or is a candidate, already."
            )));
        }
        let accreditation = Self {
            id: Id::new(),
            version: 1,
            organisation_id: organisation.id,
            status: AccreditationStatus::Candidate,
            scope: Json(Scope::default()),
            valid_from: None,
            valid_until: None,
            steps: Json(Vec::new()),
            created_at: tx.now,
            updated_at: tx.now,
        };
        accreditation.insert(tx.db)?;
        let changed = json!({"organisation": organisation.id, "status": accreditation.status});
        tx.record("create_accreditation", Resource::Accreditation, accreditation.id, 1, changed)?;
        Ok(accreditation)
    }

    /// Gives or renews it up to and with a last day.
    pub fn accredit(&mut self, tx: &mut Tx<'_>, scope: Scope, valid_until: NaiveDate) -> Result<()> {
        let today = tx.now.day();
        self.valid_from.get_or_insert(today);
        self.valid_until = Some(valid_until);
        self.scope = Json(scope.clone());
        self.take(tx, AccreditationCommand::Accredit, None, Some(scope))
    }

    /// The last day of one given today for so many months.
    pub fn last_day(today: NaiveDate, months: u32) -> NaiveDate {
        today.checked_add_months(Months::new(months)).unwrap_or(today)
    }

    /// Takes a step, tells it in the register and in the journal.
    pub fn take(
        &mut self,
        tx: &mut Tx<'_>,
        command: AccreditationCommand,
        reason: Option<String>,
        scope: Option<Scope>,
    ) -> Result<()> {
        let from = self.status;
        self.status = self.after(command, tx.now)?;
        let valid_until = self.valid_until.filter(|_| command == AccreditationCommand::Accredit);
        self.steps.0.push(AccreditationStep { command, at: tx.now, reason, scope, valid_until });
        self.updated_at = tx.now;
        self.change(tx)?;
        let changed = json!({
            "status": [from, self.status], "organisation": self.organisation_id, "scope": self.scope,
            "valid_until": self.valid_until,
        });
        tx.record(command.action(), Resource::Accreditation, self.id, self.version, changed)
    }

    /// Where a command leads from where it stands on this day.
    pub fn after(&self, command: AccreditationCommand, now: Instant) -> Result<AccreditationStatus> {
        let at = match command {
            // The calendar writes what is shown already.
            AccreditationCommand::Expire => self.status,
            _ => self.status.on(now.day(), self.valid_until),
        };
        step(at, command).ok_or_else(|| {
            Error::conflict(text!(
                "L’accréditation est « {at} » ; « {command} » n’en part pas.",
                "The accreditation is `{at}`; `{command}` does not start there."
            ))
        })
    }

    /// The one of a body that was not withdrawn.
    pub fn current(db: &mut Db, organisation: Id) -> Result<Option<Self>> {
        Ok(accreditations::table
            .filter(accreditations::organisation_id.eq(organisation))
            .filter(accreditations::status.ne(AccreditationStatus::Withdrawn))
            .select(Self::as_select())
            .first(db)
            .optional()?)
    }

    /// The latest of a body, whatever has become of it.
    pub fn latest(db: &mut Db, organisation: Id) -> Result<Option<Self>> {
        Ok(accreditations::table
            .filter(accreditations::organisation_id.eq(organisation))
            .order(accreditations::id.desc())
            .select(Self::as_select())
            .first(db)
            .optional()?)
    }

    pub fn find(db: &mut Db, id: &str) -> Result<Self> {
        let id = Id::parse(id).ok_or_else(Error::not_found)?;
        accreditations::table.find(id).select(Self::as_select()).first(db).optional()?.ok_or_else(Error::not_found)
    }

    /// One that was given once; else to the operator's accreditors and to the body itself.
    pub fn visible(db: &mut Db, id: &str, viewer: &Viewer) -> Result<Self> {
        let found = Self::find(db, id)?;
        let is_own = viewer.acting_as(Role::Auditor) == Some(found.organisation_id);
        if found.valid_from.is_some() || is_own || sees_all(viewer) { Ok(found) } else { Err(Error::not_found()) }
    }

    /// What a list shows, without order.
    pub fn matching<'a>(
        filter: &AccreditationFilter,
        viewer: &Viewer,
        today: NaiveDate,
    ) -> accreditations::BoxedQuery<'a, MultiBackend> {
        use accreditations as a;
        let mut query = a::table.into_boxed::<MultiBackend>();
        if !sees_all(viewer) {
            query = match viewer.acting_as(Role::Auditor) {
                Some(own) => query.filter(a::valid_from.is_not_null().or(a::organisation_id.eq(own))),
                None => query.filter(a::valid_from.is_not_null()),
            };
        }
        if let Some(organisation) = filter.organisation {
            query = query.filter(a::organisation_id.eq(organisation));
        }
        if filter.status.is_empty() {
            return query;
        }
        // As shown: what is past its last day is expired, whatever the row still says.
        type Condition = Box<dyn BoxableExpression<a::table, MultiBackend, SqlType = Bool>>;
        let lapses = |status: &AccreditationStatus| {
            matches!(status, AccreditationStatus::Accredited | AccreditationStatus::Suspended)
        };
        let mut any: Vec<Condition> = Vec::new();
        for status in &filter.status {
            if lapses(status) {
                any.push(Box::new(a::status.eq(*status).and(a::valid_until.assume_not_null().ge(today))));
            } else {
                any.push(Box::new(a::status.eq(*status)));
            }
            if *status == AccreditationStatus::Expired {
                let lapsing: Vec<_> = AccreditationStatus::ALL.iter().copied().filter(lapses).collect();
                any.push(Box::new(a::status.eq_any(lapsing).and(a::valid_until.assume_not_null().lt(today))));
            }
        }
        match any.into_iter().reduce(|one, other| Box::new(one.or(other))) {
            Some(any) => query.filter(any),
            None => query,
        }
    }

    pub fn page(
        db: &mut Db,
        filter: &AccreditationFilter,
        viewer: &Viewer,
        today: NaiveDate,
        slice: &Slice,
    ) -> Result<Page<Self>> {
        use accreditations as a;
        let total = Self::matching(filter, viewer, today).count().get_result(db)?;
        let rows = keyset!(Self::matching(filter, viewer, today), slice, a::id, a::id, false, |after| after.id)
            .select(Self::as_select())
            .load(db)?;
        Ok(slice.page(rows, total, |row: &Self| After { key: Key::Number(0), id: row.id }))
    }
}

fn sees_all(viewer: &Viewer) -> bool {
    viewer.is_operator() && viewer.principal.as_ref().is_some_and(|one| one.has(Duty::Accreditor))
}

/// Views with their bodies and keys, in a fixed number of queries.
pub fn views(db: &mut Db, rows: Vec<Accreditation>, today: NaiveDate) -> Result<Vec<AccreditationView>> {
    let bodies: Vec<Id> = rows.iter().map(|row| row.organisation_id).collect();
    let bodies: BTreeMap<Id, OrganisationSummary> =
        Organisation::find_all(db, &bodies)?.iter().map(|body| (body.id, OrganisationSummary::from(body))).collect();
    let ids: Vec<Id> = rows.iter().map(|row| row.id).collect();
    let mut keys: BTreeMap<Id, Vec<SigningKey>> = BTreeMap::new();
    for key in SigningKey::of_all(db, &ids)? {
        keys.entry(key.accreditation_id).or_default().push(key);
    }
    rows.into_iter()
        .map(|row| {
            let body = bodies.get(&row.organisation_id).cloned();
            let body = body.ok_or_else(|| Error::Internal("an accreditation of nobody".to_owned()))?;
            let keys = keys.remove(&row.id).unwrap_or_default();
            Ok(AccreditationView::new(row, body, keys, today))
        })
        .collect()
}

/// Ends accreditations past their last day.
pub fn expire(tx: &mut Tx<'_>) -> Result<usize> {
    let due: Vec<Accreditation> = accreditations::table
        .filter(accreditations::status.eq_any([AccreditationStatus::Accredited, AccreditationStatus::Suspended]))
        .filter(accreditations::valid_until.lt(tx.now.day()))
        .select(Accreditation::as_select())
        .load(tx.db)?;
    let count = due.len();
    for mut accreditation in due {
        accreditation.take(tx, AccreditationCommand::Expire, None, None)?;
    }
    Ok(count)
}
