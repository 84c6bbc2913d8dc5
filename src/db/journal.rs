//! The journal `changes`: one row per state change, written in the same
//! transaction, never altered.
//!
//! It names who acted by an opaque id; the table behind that id can be erased
//! without touching the journal.

use std::collections::BTreeSet;
use std::fmt;

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};

use super::schema::{actors, changes};
use super::seals::digest;
use super::statements::{JournalEntry, JournalPlace, Known};
use super::store::Tx;
use super::{Db, Id, Instant, Json};
use crate::error::Result;
use crate::natively;

/// Who makes a change.
#[derive(Debug, Clone)]
pub enum Actor {
    /// The catalogue itself: deadlines, imports, the demonstration.
    System,
    /// A person or a service named by a token.
    Person { issuer: String, subject: String, role: &'static str, organisation: Option<Id> },
}

impl Actor {
    /// The opaque id it has already; none for who never changed anything.
    pub fn known(&self, db: &mut Db) -> Result<Option<Id>> {
        let Self::Person { issuer, subject, .. } = self else { return Ok(None) };
        known(db, issuer, subject)
    }

    pub(super) fn is_same_person(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Person { issuer, subject, .. }, Self::Person { issuer: of, subject: named, .. }) => {
                (issuer, subject) == (of, named)
            }
            _ => false,
        }
    }
}

/// The opaque id of a person, also of an erased one whose cases live.
pub fn known(db: &mut Db, issuer: &str, subject: &str) -> Result<Option<Id>> {
    let known = actors::table
        .filter(actors::issuer.eq(issuer).and(actors::subject.eq(subject)))
        .select(actors::id)
        .first(db)
        .optional()?;
    match known {
        Some(id) => Ok(Some(id)),
        None => super::erased::find(db, issuer, subject),
    }
}

crate::codes! {
    /// Kind of resource a journal entry is about.
    pub enum Resource {
        Organisation = "organisation",
        CriteriaSet = "criteria_set",
        Solution = "solution",
        Claim = "claim",
        Evaluation = "evaluation",
        Review = "review",
        LabelApplication = "label_application",
        Label = "label",
        Person = "person",
        Retention = "retention",
        ServiceAccount = "service_account",
        Accreditation = "accreditation",
        Qualification = "qualification",
        OrganisationLink = "organisation_link",
        Appeal = "appeal",
        Complaint = "complaint",
    }
}

/// One entry of the journal.
#[derive(Debug, Clone, Queryable, QueryableByName, Selectable)]
#[diesel(table_name = changes)]
pub struct Change {
    pub position: i64,
    pub at: Instant,
    pub actor_id: Option<Id>,
    pub role: String,
    pub organisation_id: Option<Id>,
    pub action: String,
    pub resource: Resource,
    pub resource_id: Id,
    pub resource_version: i32,
    pub changed: Json<Value>,
}

/// What an entry says, before anybody reads it in the journal.
#[derive(Debug, Clone)]
pub struct News {
    pub resource: Resource,
    pub id: Id,
    pub action: String,
    pub changed: Value,
}

/// Who has to know what this process changed, before whoever changed it is answered. Of what
/// others change, the follower tells.
pub trait Keeper: Send + Sync {
    /// Told after the commit; also when its outcome is unknown, or somebody's part of it failed:
    /// who forgets too much is slow, who forgets too little is wrong.
    fn hear(&self, news: &[News]);
}

/// What changed, with the solution it is about, so that a reader of the entry need not look it up.
pub fn of_solution(mut changed: Value, solution: Id) -> Value {
    if let Value::Object(members) = &mut changed {
        members.insert("solution".to_owned(), json!(solution));
    }
    changed
}

/// Where a reader of the journal has got to; the default is before the first entry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bookmark {
    transaction: i64,
    position: i64,
}

impl Bookmark {
    /// After the last entry that every reader may rely on.
    pub fn latest(db: &mut Db) -> Result<Self> {
        Ok(Head::of(db)?.bookmark)
    }

    pub fn position(self) -> i64 {
        self.position
    }

    fn at(place: JournalPlace) -> Self {
        Self { transaction: place.transaction, position: place.position }
    }
}

impl Serialize for Bookmark {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Bookmark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.transaction, self.position)
    }
}

impl<'de> Deserialize<'de> for Bookmark {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let (transaction, position) = text
            .split_once('.')
            .filter(|(transaction, position)| digits(transaction) && digits(position))
            .ok_or_else(|| D::Error::custom("not a place in the journal"))?;
        // A number too large for us is after everything there is.
        let number = |text: &str| text.parse().unwrap_or(i64::MAX);
        let (transaction, position) = (number(transaction), number(position));
        Ok(Self { transaction, position })
    }
}

impl utoipa::PartialSchema for Bookmark {
    fn schema() -> utoipa::openapi::RefOr<Schema> {
        let object = ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .pattern(Some("^[0-9]{1,19}\\.[0-9]{1,19}$"))
            .max_length(Some(39))
            .description(Some(
                "The `Export-Position` of an earlier export: what changed from there on, each change once, with what \
                 is gone (`is_removed`).",
            ))
            .build();
        Schema::Object(object).into()
    }
}

impl utoipa::ToSchema for Bookmark {}

/// How far the journal has come in a snapshot, or a reader in the journal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Head {
    /// Where a reader goes on.
    pub bookmark: Bookmark,
    /// Entries that are seen and come after it, as older ones may still come: more and more of
    /// them, until the bookmark moves.
    pub unsettled: i64,
}

impl Head {
    pub fn of(db: &mut Db) -> Result<Self> {
        let (place, unsettled) = db.journal_head()?;
        let bookmark = place.map_or_else(Bookmark::default, Bookmark::at);
        Ok(Self { bookmark, unsettled })
    }
}

#[derive(Insertable)]
#[diesel(table_name = changes, treat_none_as_default_value = false)]
struct NewChange<'a> {
    at: Instant,
    actor_id: Option<Id>,
    role: &'a str,
    organisation_id: Option<Id>,
    action: &'a str,
    resource: Resource,
    resource_id: Id,
    resource_version: i32,
    changed: Json<Value>,
    hash: String,
}

impl NewChange<'_> {
    fn news(self) -> News {
        let Self { resource, resource_id, action, changed, .. } = self;
        News { resource, id: resource_id, action: action.to_owned(), changed: changed.0 }
    }
}

impl Change {
    /// Entries after a bookmark, and the bookmark to go on from: a reader that
    /// follows it misses none and sees none twice, whatever commits meanwhile.
    pub fn after(db: &mut Db, bookmark: Bookmark, limit: i64) -> Result<(Vec<Self>, Bookmark)> {
        let (entries, next, _) = Self::after_and_early(db, bookmark, limit)?;
        Ok((entries, next))
    }

    /// [`Change::after`], with entries that can be read, but not relied on to come in order: an
    /// older transaction may still add some before them. None on SQLite. `limit` is of both.
    pub fn after_and_early(db: &mut Db, bookmark: Bookmark, limit: i64) -> Result<(Vec<Self>, Bookmark, Vec<Self>)> {
        let (mut settled, mut next, mut early) = (Vec::new(), bookmark, Vec::new());
        for JournalEntry { entry, transaction, is_settled } in
            db.journal_after(bookmark.transaction, bookmark.position, limit)?
        {
            if is_settled {
                next = Bookmark { transaction, position: entry.position };
                settled.push(entry);
            } else {
                early.push(entry);
            }
        }
        Ok((settled, next, early))
    }

    /// The entry at a position.
    pub fn find(db: &mut Db, position: i64) -> Result<Option<Self>> {
        Ok(changes::table.find(position).select(Self::as_select()).first(db).optional()?)
    }

    /// The hash of what the entry says now.
    pub fn computed_hash(&self) -> String {
        let place = (self.resource, self.resource_id, self.resource_version);
        entry_hash(self.at, (self.actor_id, &self.role, self.organisation_id), &self.action, place, &self.changed)
    }

    /// Which of these resources were changed by somebody in `role`, or by `action`.
    pub fn touched(db: &mut Db, resource: Resource, ids: &[Id], role: &str, action: &str) -> Result<BTreeSet<Id>> {
        Ok(changes::table
            .filter(changes::resource_id.eq_any(ids.to_vec()).and(changes::resource.eq(resource)))
            .filter(changes::role.eq(role).or(changes::action.eq(action)))
            .select(changes::resource_id)
            .load::<Id>(db)?
            .into_iter()
            .collect())
    }

    /// Entries about one resource, oldest first.
    pub fn about(db: &mut Db, resource: Resource, id: Id) -> Result<Vec<Self>> {
        Ok(changes::table
            .filter(changes::resource.eq(resource).and(changes::resource_id.eq(id)))
            .order(changes::position.asc())
            .select(Self::as_select())
            .load(db)?)
    }
}

/// What an entry says, but for its position, which the database gives.
fn entry_hash(
    at: Instant,
    (actor_id, role, organisation_id): (Option<Id>, &str, Option<Id>),
    action: &str,
    (resource, id, version): (Resource, Id, i32),
    changed: &Value,
) -> String {
    digest(&json!([at, actor_id, role, organisation_id, action, resource, id, version, changed]))
}

/// Two that make the same row at once: the slower one runs again and finds it.
pub fn as_lost_race(error: DieselError) -> DieselError {
    match error {
        DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, info) => {
            DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, info)
        }
        other => other,
    }
}

impl Tx<'_> {
    /// Writes the journal entry of a change. `changed` says which members
    /// changed, or from which state to which; no free text about persons.
    pub fn record(&mut self, action: &str, resource: Resource, id: Id, version: i32, changed: Value) -> Result<()> {
        let row = self.entry(action, resource, (id, version, changed))?;
        // Alone, for it is prepared once then.
        natively!(&mut *self.db, |c| diesel::insert_into(changes::table).values(&row).execute(c))?;
        self.news.push(row.news());
        Ok(())
    }

    /// [`Tx::record`] for several resources, each with its version and what changed.
    pub fn record_all(&mut self, action: &str, resource: Resource, entries: Vec<(Id, i32, Value)>) -> Result<()> {
        let rows = entries.into_iter().map(|entry| self.entry(action, resource, entry)).collect::<Result<Vec<_>>>()?;
        crate::insert_all!(self.db, changes::table, &rows);
        self.news.extend(rows.into_iter().map(NewChange::news));
        Ok(())
    }

    fn entry<'e>(
        &mut self,
        action: &'e str,
        resource: Resource,
        (resource_id, resource_version, changed): (Id, i32, Value),
    ) -> Result<NewChange<'e>> {
        let actor_id = self.actor_id()?;
        let (role, organisation_id) = match self.actor {
            Actor::System => ("system", None),
            Actor::Person { role, organisation, .. } => (*role, *organisation),
        };
        let (at, place) = (self.now, (resource, resource_id, resource_version));
        Ok(NewChange {
            at,
            actor_id,
            role,
            organisation_id,
            action,
            resource,
            resource_id,
            resource_version,
            hash: entry_hash(at, (actor_id, role, organisation_id), action, place, &changed),
            changed: Json(changed),
        })
    }

    /// The opaque id of who acts, made at first sight; none for the catalogue itself.
    pub fn actor_id(&mut self) -> Result<Option<Id>> {
        if self.actor_id.is_some() {
            return Ok(self.actor_id);
        }
        let Actor::Person { issuer, subject, .. } = self.actor else { return Ok(None) };
        let id = self.enter(issuer, subject)?;
        self.actor_id = Some(id);
        Ok(Some(id))
    }

    /// Makes who acts known, and gives the row of the organisation they act for, which `find` would ask for
    /// alone: one question on PostgreSQL. Nothing if there is no such organisation.
    pub fn enter_for<T: QueryableByName<Pg> + 'static>(
        &mut self,
        organisation: Id,
        find: impl FnOnce(&mut Db, Id) -> QueryResult<Option<T>>,
    ) -> Result<Option<T>> {
        let Actor::Person { issuer, subject, .. } = self.actor else { return Ok(find(self.db, organisation)?) };
        let (fresh, person) = (Id::new(), (issuer.as_str(), subject.as_str()));
        let found = self.db.actor_for(organisation, find, fresh, person, self.now).map_err(as_lost_race)?;
        let Some((known, row)) = found else { return Ok(None) };
        self.actor_id = Some(self.entered(fresh, known, person)?);
        Ok(Some(row))
    }

    /// The opaque id of a person, made at first sight.
    pub fn enter(&mut self, issuer: &str, subject: &str) -> Result<Id> {
        let fresh = Id::new();
        let known = self.db.actor(fresh, (issuer, subject), self.now).map_err(as_lost_race)?;
        self.entered(fresh, known, (issuer, subject))
    }

    /// An erased person whose cases live keeps the id they had.
    fn entered(&mut self, fresh: Id, known: Known, (issuer, subject): (&str, &str)) -> Result<Id> {
        if known.actor_id == fresh
            && let Some(secret) = known.secret
            && let Some(erased) = super::erased::find_by(self.db, &secret, issuer, subject)?
        {
            diesel::delete(actors::table.find(fresh)).execute(self.db)?;
            return Ok(erased);
        }
        Ok(known.actor_id)
    }
}
