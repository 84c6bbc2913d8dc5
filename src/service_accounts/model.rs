//! Rows and queries of service accounts.

use chrono::TimeDelta;
use diesel::prelude::*;
use serde_json::Value;

use super::rules::{self, ServiceAccountStatus};
use super::secret::Fresh;
use super::view::ServiceAccountDetails;
use crate::auth::refusal::{Refusal, RefusalKind};
use crate::auth::{Duty, Principal, Role};
use crate::db::schema::service_accounts;
use crate::db::{Db, Id, Instant, Json, Resource, Tx};
use crate::error::{Error, Result};
use crate::http::{After, Key, Page, Slice};
use crate::organisations::Viewer;
use crate::{keyset, versioned};

/// A use is noted when the one noted last is at least this old, in seconds.
const NOTED_EVERY: i64 = 60;

/// A service account.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = service_accounts, treat_none_as_default_value = false, treat_none_as_null = true)]
pub struct ServiceAccount {
    pub id: Id,
    pub version: i32,
    pub organisation_id: Id,
    pub name: String,
    pub role: Role,
    pub duties: Json<Vec<Duty>>,
    pub prefix: String,
    pub hash: String,
    pub previous_prefix: Option<String>,
    pub previous_hash: Option<String>,
    pub previous_until: Option<Instant>,
    pub expires_at: Instant,
    pub revoked_at: Option<Instant>,
    pub last_used_at: Option<Instant>,
    pub created_at: Instant,
    pub updated_at: Instant,
}

versioned!(ServiceAccount, service_accounts);

impl ServiceAccount {
    pub fn new(organisation_id: Id, role: Role, details: ServiceAccountDetails, secret: &Fresh, now: Instant) -> Self {
        Self {
            id: Id::new(),
            version: 1,
            organisation_id,
            name: details.name,
            role,
            duties: Json(details.duties),
            prefix: secret.prefix.clone(),
            hash: secret.hash.clone(),
            previous_prefix: None,
            previous_hash: None,
            previous_until: None,
            expires_at: details.expires_at,
            revoked_at: None,
            last_used_at: None,
            created_at: now,
            updated_at: now,
        }
    }

    pub fn details(&self) -> ServiceAccountDetails {
        ServiceAccountDetails { name: self.name.clone(), duties: self.duties.0.clone(), expires_at: self.expires_at }
    }

    pub fn status(&self, now: Instant) -> ServiceAccountStatus {
        rules::status(self.revoked_at, self.expires_at, now)
    }

    /// The hash that a secret with this beginning must have now.
    pub fn hash_of(&self, prefix: &str, now: Instant) -> Option<&str> {
        if self.status(now) != ServiceAccountStatus::Active {
            return None;
        }
        if self.prefix == prefix {
            return Some(&self.hash);
        }
        let is_previous =
            self.previous_prefix.as_deref() == Some(prefix) && self.previous_until.is_some_and(|at| now < at);
        is_previous.then_some(self.previous_hash.as_deref()).flatten()
    }

    /// Takes a new secret; the one before works until `until`, if it is still to come.
    pub fn renew(&mut self, secret: &Fresh, until: Instant, now: Instant) {
        let before = (
            std::mem::replace(&mut self.prefix, secret.prefix.clone()),
            std::mem::replace(&mut self.hash, secret.hash.clone()),
        );
        (self.previous_prefix, self.previous_hash, self.previous_until) =
            if until > now { (Some(before.0), Some(before.1), Some(until)) } else { (None, None, None) };
    }

    /// Makes every secret and every token of it worthless.
    pub fn revoke(&mut self, now: Instant) {
        self.revoked_at = Some(now);
        (self.previous_prefix, self.previous_hash, self.previous_until) = (None, None, None);
    }

    pub fn known(db: &mut Db, id: Id) -> Result<Option<Self>> {
        Ok(service_accounts::table.find(id).select(Self::as_select()).first(db).optional()?)
    }

    /// One that the viewer may manage: of its own organisation; for the operator, any.
    pub fn managed(db: &mut Db, id: Id, viewer: &Viewer) -> Result<Self> {
        viewer.refuse_idle()?;
        Self::known(db, id)?
            .filter(|one| viewer.is_operator() || viewer.organisation_id() == Some(one.organisation_id))
            .ok_or_else(Error::not_found)
    }

    /// Refuses the token of an account that is revoked or gone, or that says more than the account may.
    pub fn refuse_outdated(db: &mut Db, id: Id, principal: &Principal) -> Result<()> {
        let is_covered = Self::known(db, id)?.is_some_and(|one| {
            one.revoked_at.is_none()
                && principal.role == one.role
                && principal.organisation == Some(one.organisation_id)
                && principal.duties.iter().all(|duty| one.duties.contains(duty))
        });
        if is_covered {
            return Ok(());
        }
        Err(Refusal::new(RefusalKind::ServiceAccount, "the service account is revoked or may less by now").into_error())
    }

    pub fn count_active(db: &mut Db, organisation: Id, now: Instant) -> Result<i64> {
        Ok(service_accounts::table
            .filter(service_accounts::organisation_id.eq(organisation))
            .filter(service_accounts::revoked_at.is_null().and(service_accounts::expires_at.gt(now)))
            .count()
            .get_result(db)?)
    }

    pub fn page(db: &mut Db, organisation: Id, slice: &Slice) -> Result<Page<Self>> {
        use service_accounts as s;
        let matching = || s::table.filter(s::organisation_id.eq(organisation)).into_boxed::<crate::db::MultiBackend>();
        let total = matching().count().get_result(db)?;
        let rows =
            keyset!(matching(), slice, s::id, s::id, false, |after| after.id).select(Self::as_select()).load(db)?;
        Ok(slice.page(rows, total, |row: &Self| After { key: Key::Number(0), id: row.id }))
    }

    /// Writes a change and its journal entry.
    pub fn store(&mut self, tx: &mut Tx<'_>, action: &str, changed: Value) -> Result<()> {
        self.updated_at = tx.now;
        self.change(tx)?;
        tx.record(action, Resource::ServiceAccount, self.id, self.version, changed)
    }

    pub fn delete(&self, tx: &mut Tx<'_>) -> Result<()> {
        diesel::delete(service_accounts::table.find(self.id)).execute(tx.db)?;
        Ok(())
    }

    pub fn is_use_to_be_noted(&self, now: Instant) -> bool {
        self.last_used_at.is_none_or(|at| now.0 - at.0 >= TimeDelta::seconds(NOTED_EVERY))
    }

    /// Notes a use: no change of the account, and nothing for the journal.
    pub fn note_use(tx: &mut Tx<'_>, id: Id) -> Result<()> {
        diesel::update(service_accounts::table.find(id))
            .set(service_accounts::last_used_at.eq(Some(tx.now)))
            .execute(tx.db)?;
        Ok(())
    }
}
