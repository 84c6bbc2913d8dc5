//! Rows and queries of organisations.

use diesel::prelude::*;
use serde_json::json;

use super::details::{OrganisationDetails, OrganisationKind};
use super::rules::{self, OrganisationStatus};
use super::view::OrganisationFilter;
use crate::auth::{Duty, Principal, Role, needs_organisation};
use crate::db::schema::organisations;
use crate::db::{Actor, Db, Id, Instant, Json, MultiBackend, Resource, Tx};
use crate::error::{Error, Result};
use crate::http::text::fold;
use crate::http::{After, Key, Page, Slice};
use crate::service_accounts::ServiceAccount;
use crate::{keyset, natively, text, versioned};

/// An organisation.
#[derive(Debug, Clone, Queryable, QueryableByName, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = organisations, treat_none_as_default_value = false, treat_none_as_null = true)]
pub struct Organisation {
    pub id: Id,
    pub version: i32,
    pub status: OrganisationStatus,
    pub name_folded: String,
    pub is_vendor: bool,
    pub is_public_body: bool,
    pub is_audit_body: bool,
    pub is_operator: bool,
    pub siren: Option<String>,
    pub register_key: Option<String>,
    pub details: Json<OrganisationDetails>,
    pub source: Option<String>,
    pub source_id: Option<String>,
    pub identifier_verified_at: Option<Instant>,
    pub moderation: Option<Json<String>>,
    pub created_at: Instant,
    pub updated_at: Instant,
}

versioned!(Organisation, organisations);

impl Organisation {
    pub fn new(details: OrganisationDetails, status: OrganisationStatus, now: Instant) -> Self {
        let mut organisation = Self {
            id: Id::new(),
            version: 1,
            status,
            name_folded: String::new(),
            is_vendor: false,
            is_public_body: false,
            is_audit_body: false,
            is_operator: false,
            siren: None,
            register_key: None,
            details: Json(details.clone()),
            source: None,
            source_id: None,
            identifier_verified_at: None,
            moderation: None,
            created_at: now,
            updated_at: now,
        };
        organisation.describe(details);
        organisation
    }

    /// Takes new details with all that is derived from them.
    pub fn describe(&mut self, mut details: OrganisationDetails) {
        let has = |kind| details.kinds.contains(&kind);
        self.is_vendor = has(OrganisationKind::Vendor);
        self.is_public_body = has(OrganisationKind::PublicBody);
        self.is_audit_body = has(OrganisationKind::AuditBody);
        self.is_operator = has(OrganisationKind::Operator);
        self.siren = rules::siren(&details);
        details.siren.clone_from(&self.siren);
        if self.siren.is_some() {
            details.country.get_or_insert_with(|| "FR".to_owned());
        }
        self.register_key = if self.siren.is_some() { None } else { rules::register_key(&details) };
        self.name_folded = fold(&details.name);
        self.details = Json(details);
    }

    pub fn is_active(&self) -> bool {
        self.status == OrganisationStatus::Active
    }

    /// Whether the two are one legal person.
    pub fn is_same_entity(&self, other: &Self) -> bool {
        self.is_entity(other.id, other.siren.as_deref())
    }

    /// The same of one that is known by its identifiers alone.
    pub fn is_entity(&self, id: Id, siren: Option<&str>) -> bool {
        self.id == id || (siren.is_some() && self.siren.as_deref() == siren)
    }

    pub fn find(db: &mut Db, id: Id) -> Result<Self> {
        Self::look_up(db, id)?.ok_or_else(Error::not_found)
    }

    /// [`Organisation::find`], where there may be none.
    pub fn look_up(db: &mut Db, id: Id) -> QueryResult<Option<Self>> {
        natively!(db, |c| organisations::table.find(id).select(Self::as_select()).first(c)).optional()
    }

    pub fn find_all(db: &mut Db, ids: &[Id]) -> Result<Vec<Self>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        Ok(organisations::table.filter(organisations::id.eq_any(ids.to_vec())).select(Self::as_select()).load(db)?)
    }

    /// An active audit body that a request names at this place.
    pub fn audit_body(db: &mut Db, id: Id, pointer: &str) -> Result<Self> {
        Self::find_all(db, &[id])?.pop().filter(|one| one.is_audit_body && one.is_active()).ok_or_else(|| {
            let detail = text!("Ce n’est pas un organisme d’audit actif.", "Not an active audit body.");
            Error::rule(pointer, "no_audit_body", detail)
        })
    }

    pub fn find_by_siren(db: &mut Db, siren: &str) -> Result<Option<Self>> {
        Ok(organisations::table
            .filter(organisations::siren.eq(siren))
            .select(Self::as_select())
            .first(db)
            .optional()?)
    }

    pub fn find_by_source(db: &mut Db, source: &str, source_id: &str) -> Result<Option<Self>> {
        Ok(organisations::table
            .filter(organisations::source.eq(source).and(organisations::source_id.eq(source_id)))
            .select(Self::as_select())
            .first(db)
            .optional()?)
    }

    pub fn find_all_by_siren(db: &mut Db, sirens: &[String]) -> Result<Vec<Self>> {
        Ok(organisations::table
            .filter(organisations::siren.eq_any(sirens.to_vec()))
            .select(Self::as_select())
            .load(db)?)
    }

    pub fn find_all_by_source(db: &mut Db, source: &str, ids: &[String]) -> Result<Vec<Self>> {
        Ok(organisations::table
            .filter(organisations::source.eq(source).and(organisations::source_id.eq_any(ids.to_vec())))
            .select(Self::as_select())
            .load(db)?)
    }

    /// Refuses an identifier that another organisation has.
    pub fn refuse_duplicate(&self, db: &mut Db) -> Result<()> {
        let mut query = organisations::table.filter(organisations::id.ne(self.id)).into_boxed::<MultiBackend>();
        query = match (&self.siren, &self.register_key) {
            (Some(siren), _) => query.filter(organisations::siren.eq(siren.clone())),
            (None, Some(key)) => query.filter(organisations::register_key.eq(key.clone())),
            (None, None) => return Ok(()),
        };
        let other = query
            .select((organisations::id, organisations::status))
            .first::<(Id, OrganisationStatus)>(db)
            .optional()?;
        match other {
            None => Ok(()),
            // A registration nobody confirmed is not to be known of.
            Some((_, OrganisationStatus::Pending)) => Err(Error::duplicate(text!(
                "Une organisation qui attend sa confirmation a déjà cet identifiant.",
                "An organisation that waits for confirmation has this identifier already."
            ))),
            Some((other, _)) => Err(Error::duplicate(text!(
                "Une organisation a déjà cet identifiant : /api/v1/organisations/{other}.",
                "An organisation has this identifier already: /api/v1/organisations/{other}."
            ))),
        }
    }

    /// Writes a change and its journal entry.
    pub fn store(&mut self, tx: &mut Tx<'_>, action: &str, changed: serde_json::Value) -> Result<()> {
        self.updated_at = tx.now;
        self.change(tx)?;
        tx.record(action, Resource::Organisation, self.id, self.version, changed)
    }

    pub fn register(&self, tx: &mut Tx<'_>) -> Result<()> {
        self.insert(tx.db)?;
        tx.record("create_organisation", Resource::Organisation, self.id, self.version, json!({"status": self.status}))
    }

    /// Registers several that an import brings, with a journal entry each.
    pub fn import_all(tx: &mut Tx<'_>, organisations: &[Self]) -> Result<()> {
        crate::insert_all!(&mut *tx.db, organisations::table, organisations);
        let entries = organisations
            .iter()
            .map(|one| (one.id, one.version, json!({"status": [null, one.status], "source": one.source})))
            .collect();
        tx.record_all("import_organisation", Resource::Organisation, entries)
    }

    /// Takes away a registration that nobody confirmed.
    pub fn delete(&self, tx: &mut Tx<'_>) -> Result<()> {
        let this =
            organisations::table.filter(organisations::id.eq(self.id).and(organisations::version.eq(self.version)));
        let rows = diesel::delete(this).execute(tx.db)?;
        crate::http::conditional::changed_one(rows, self.version)?;
        let changed = json!({"status": [self.status, null]});
        tx.record("delete_organisation", Resource::Organisation, self.id, self.version, changed)
    }

    /// Makes an organisation active whose identifier the operator has checked.
    pub fn confirm(&mut self, tx: &mut Tx<'_>) -> Result<()> {
        let from = self.status;
        self.status = OrganisationStatus::Active;
        self.identifier_verified_at = Some(tx.now);
        self.store(tx, "confirm_organisation", json!({"status": [from, self.status]}))
    }

    pub fn page(db: &mut Db, filter: &OrganisationFilter, viewer: &Viewer, slice: &Slice) -> Result<Page<Self>> {
        let total = Self::matching(filter, viewer).count().get_result(db)?;
        let descending = filter.sort.is_some_and(|sort| sort.is_descending());
        let rows = keyset!(
            Self::matching(filter, viewer),
            slice,
            organisations::name_folded,
            organisations::id,
            descending,
            |after| after.text().to_owned()
        )
        .select(Self::as_select())
        .load(db)?;
        Ok(slice.page(rows, total, |row: &Self| After { key: Key::Text(row.name_folded.clone()), id: row.id }))
    }

    /// What a list shows this viewer, without order.
    pub fn matching<'a>(filter: &OrganisationFilter, viewer: &Viewer) -> organisations::BoxedQuery<'a, MultiBackend> {
        use organisations as o;
        let mut query = o::table.into_boxed::<MultiBackend>();
        if !viewer.is_operator() {
            // A registration that nobody confirmed is its own affair.
            query = match viewer.organisation_id() {
                Some(own) => query.filter(o::status.ne(OrganisationStatus::Pending).or(o::id.eq(own))),
                None => query.filter(o::status.ne(OrganisationStatus::Pending)),
            };
        }
        if let [kind] = filter.kind.as_slice() {
            // By itself, so that its index gives the order.
            query = match kind {
                OrganisationKind::Vendor => query.filter(o::is_vendor.eq(true)),
                OrganisationKind::PublicBody => query.filter(o::is_public_body.eq(true)),
                OrganisationKind::AuditBody => query.filter(o::is_audit_body.eq(true)),
                OrganisationKind::Operator => query.filter(o::is_operator.eq(true)),
            };
        } else if !filter.kind.is_empty() {
            let has = |kind| filter.kind.contains(&kind);
            query = query.filter(
                (o::is_vendor.eq(true).and(has(OrganisationKind::Vendor).into_sql::<diesel::sql_types::Bool>()))
                    .or(o::is_public_body
                        .eq(true)
                        .and(has(OrganisationKind::PublicBody).into_sql::<diesel::sql_types::Bool>()))
                    .or(o::is_audit_body
                        .eq(true)
                        .and(has(OrganisationKind::AuditBody).into_sql::<diesel::sql_types::Bool>()))
                    .or(o::is_operator
                        .eq(true)
                        .and(has(OrganisationKind::Operator).into_sql::<diesel::sql_types::Bool>())),
            );
        }
        if !filter.status.is_empty() {
            query = query.filter(o::status.eq_any(filter.status.clone()));
        }
        if let Some(siren) = &filter.siren {
            query = query.filter(o::siren.eq(siren.clone()));
        }
        for word in filter.q.as_deref().map(fold).unwrap_or_default().split_whitespace() {
            query = query.filter(o::name_folded.like(format!("%{word}%")));
        }
        query
    }
}

/// Who looks: the principal and the organisation it acts for, found in the database.
#[derive(Debug, Clone, Default)]
pub struct Viewer {
    pub principal: Option<Principal>,
    pub organisation: Option<Organisation>,
}

impl Viewer {
    /// Finds the organisation behind a token; a suspended one is refused, and so is
    /// the token of a service account that may less by now.
    pub fn of(db: &mut Db, principal: Option<&Principal>) -> Result<Self> {
        let Some(principal) = principal else { return Ok(Self::default()) };
        let organisation = match (principal.organisation, &principal.siret) {
            (Some(id), _) => Some(Organisation::look_up(db, id)?.ok_or_else(unknown_organisation)?),
            (None, Some(siret)) => match siret.get(..9) {
                Some(siren) => Organisation::find_by_siren(db, siren)?,
                None => None,
            },
            (None, None) => None,
        };
        Self::admitted(db, principal, organisation)
    }

    /// [`Viewer::of`] who writes for an organisation, and is made known by the question for it. Refuses who
    /// cannot act.
    pub fn writing(tx: &mut Tx<'_>, principal: &Principal) -> Result<Self> {
        let viewer = match principal.organisation {
            Some(id) => {
                let organisation = tx.enter_for(id, Organisation::look_up)?.ok_or_else(unknown_organisation)?;
                Self::admitted(tx.db, principal, Some(organisation))?
            }
            None => Self::of(tx.db, Some(principal))?,
        };
        viewer.refuse_idle()?;
        Ok(viewer)
    }

    /// Refuses a suspended organisation, and a service account that may less by now.
    fn admitted(db: &mut Db, principal: &Principal, organisation: Option<Organisation>) -> Result<Self> {
        if organisation.as_ref().is_some_and(|o| o.status == OrganisationStatus::Suspended) {
            return Err(Error::forbidden(text!(
                "L’organisation pour laquelle ce jeton agit est suspendue.",
                "The organisation this token acts for is suspended."
            )));
        }
        if let Some(account) = principal.service_account {
            ServiceAccount::refuse_outdated(db, account, principal)?;
        }
        Ok(Self { principal: Some(principal.clone()), organisation })
    }

    /// The organisation the caller acts for, which must be active.
    pub fn acting(&self) -> Result<Organisation> {
        let organisation = self.organisation.clone().ok_or_else(needs_organisation)?;
        if !organisation.is_active() {
            return Err(Error::forbidden(text!(
                "L’organisation attend d’être confirmée par l’exploitant.",
                "The organisation is waiting for the operator to confirm it."
            )));
        }
        let fits = match self.role() {
            Some(Role::Vendor) => organisation.is_vendor,
            Some(Role::Buyer) => organisation.is_public_body,
            Some(Role::Auditor) => organisation.is_audit_body,
            Some(Role::Operator) => organisation.is_operator,
            None => false,
        };
        match self.role() {
            Some(role) if !fits => Err(Error::forbidden(text!(
                "L’organisation n’a pas le type que demande le rôle « {role} ».",
                "The organisation is not of the kind that the role `{role}` needs."
            ))),
            _ => Ok(organisation),
        }
    }

    /// Refuses who cannot act: an organisation that is none, waits or is of another kind. The
    /// operator's people need none, but one they name must be fit as well.
    pub fn refuse_idle(&self) -> Result<()> {
        let needs_none = self.role() == Some(Role::Operator) && self.organisation.is_none();
        if needs_none { Ok(()) } else { self.acting().map(|_| ()) }
    }

    /// The organisation that the caller can act for in this role.
    pub fn acting_as(&self, role: Role) -> Option<Id> {
        let organisation = if self.role() == Some(role) { self.acting().ok() } else { None };
        organisation.map(|organisation| organisation.id)
    }

    /// Nobody moderates, assigns or decides for their own organisation.
    pub fn refuse_party(&self, db: &mut Db, parties: &[Option<Id>]) -> Result<()> {
        if self.organisation.is_none() {
            return Ok(());
        }
        let parties: Vec<Id> = parties.iter().copied().flatten().collect();
        let parties = Organisation::find_all(db, &parties)?;
        if self.organisation.as_ref().is_some_and(|own| parties.iter().any(|party| party.is_same_entity(own))) {
            return Err(Error::forbidden(text!(
                "Nul ne juge de ce qui concerne sa propre organisation.",
                "Nobody judges what concerns their own organisation."
            )));
        }
        Ok(())
    }

    /// Who the journal says acted, for the organisation as it was found.
    pub fn actor(&self) -> Actor {
        match self.principal.as_ref().map(Principal::actor) {
            Some(Actor::Person { issuer, subject, role, .. }) => {
                Actor::Person { issuer, subject, role, organisation: self.organisation_id() }
            }
            _ => Actor::System,
        }
    }

    pub fn organisation_id(&self) -> Option<Id> {
        self.organisation.as_ref().map(|organisation| organisation.id)
    }

    pub fn role(&self) -> Option<Role> {
        self.principal.as_ref().map(|principal| principal.role)
    }

    /// Whether the caller can act as the operator.
    pub fn is_operator(&self) -> bool {
        self.role() == Some(Role::Operator) && self.refuse_idle().is_ok()
    }

    /// Whether the caller reads what is not public: moderators and label officers.
    pub fn sees_drafts(&self) -> bool {
        self.is_operator()
            && self.principal.as_ref().is_some_and(|one| one.is_moderator() || one.has(Duty::LabelOfficer))
    }

    /// Whether the caller acts for a verified public body.
    pub fn is_agent(&self) -> bool {
        self.acting_as(Role::Buyer).is_some()
    }

    pub fn is_moderator(&self) -> bool {
        self.is_operator() && self.principal.as_ref().is_some_and(Principal::is_moderator)
    }

    /// Whether the caller acts, as a vendor, for this organisation.
    pub fn owns(&self, organisation: Option<Id>) -> bool {
        let own = self.acting_as(Role::Vendor);
        own.is_some() && own == organisation
    }
}

fn unknown_organisation() -> Error {
    Error::forbidden(text!(
        "L’organisation que nomme le jeton n’existe pas.",
        "The organisation that the token names does not exist."
    ))
}
