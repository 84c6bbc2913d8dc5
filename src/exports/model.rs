//! What can be exported: rows as the lists show them, in the order of identifiers.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::rules::{DataTerms, LICENCE};
use super::view::{Data, ExportQuery, Removed};
use crate::db::journal::Head;
use crate::db::{Change, Db, Id, Instant, Resource};
use crate::error::Result;
use crate::search::Live;

/// Which rows to read.
pub enum Pick<'a> {
    /// So many, after this one.
    After(Option<Id>, usize),
    Among(&'a [Id]),
}

/// A row with whose its data are.
pub struct Exportable {
    pub id: Id,
    /// What the list shows: a JSON object.
    pub view: String,
    pub data: Data,
}

/// A kind of thing that can be exported, and where its rows are read from.
pub trait Exported: Sized + Send + Sync + 'static {
    type Filter: ToSchema + DeserializeOwned + Clone + Send + Sync + 'static;
    type View: ToSchema;
    const NAME: &'static str;
    /// Whether rows come from the index, as those of the list do.
    const IS_INDEXED: bool = false;

    /// With all that a snapshot of the database has.
    fn open(index: Option<&Live>, head: Head) -> Result<Self>;

    /// How much of the journal is in the rows.
    fn heard(&self) -> Option<Head> {
        None
    }

    /// Rows that the list shows the public, in the order of their identifiers.
    fn rows(&self, db: &mut Db, filter: &Self::Filter, pick: &Pick<'_>, today: NaiveDate) -> Result<Vec<Exportable>>;

    /// What is or was public and changed since, of those picked.
    fn changed_since(db: &mut Db, since: Instant, pick: &Pick<'_>) -> Result<Vec<Id>>;

    /// What is or was public and is shown otherwise after these entries of the journal.
    fn touched(db: &mut Db, entries: &[Change]) -> Result<BTreeSet<Id>>;

    /// What is said of these once they are gone from a selection.
    fn removed(db: &mut Db, ids: &[Id]) -> Result<Vec<Removed>>;
}

impl ExportQuery {
    pub fn takes(&self, data: &Data) -> bool {
        self.data_terms.is_empty() || self.data_terms.contains(&data.data_terms)
    }
}

/// The ids of these resources that entries are about, with the instants of the entries.
pub fn about(entries: &[Change], resource: Resource) -> BTreeMap<Id, Vec<Instant>> {
    let mut all: BTreeMap<Id, Vec<Instant>> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.resource == resource) {
        all.entry(entry.resource_id).or_default().push(entry.at);
    }
    all
}

pub fn ids(entries: &[Change], resource: Resource) -> Vec<Id> {
    about(entries, resource).into_keys().collect()
}

pub fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// Those picked of a query, in the order of their identifiers.
#[macro_export]
macro_rules! picked {
    ($query:expr, $id:expr, $pick:expr) => {{
        use $crate::exports::model::{Pick, limit};
        let query = $query.order($id);
        match $pick {
            Pick::After(None, rows) => query.limit(limit(*rows)),
            Pick::After(Some(id), rows) => query.filter($id.gt(*id)).limit(limit(*rows)),
            Pick::Among(ids) => query.filter($id.eq_any(ids.to_vec())),
        }
    }};
}

/// What is entered here is under the licence of the catalogue.
pub fn own_data() -> Data {
    Data { data_licence: Some(LICENCE.to_owned()), data_attribution: None, data_terms: DataTerms::Open }
}
