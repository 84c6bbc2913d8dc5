//! Exports on the wire: what may be asked, and what a line says.

use std::borrow::Cow;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::rules::DataTerms;
use crate::db::{Bookmark, Id, Instant};
use crate::labels::view::LabelFilter;
use crate::organisations::view::OrganisationFilter;
use crate::query_parameters;
use crate::solutions::view::SolutionFilter;

/// What only a list can do: an export has neither pages nor orders.
const OF_LISTS: &[&str] = &["limit", "cursor", "sort", "include", "facets", "highlight", "explain", "updated_since"];

/// What every export understands beside the filters of the list.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
pub struct ExportQuery {
    /// What changed at this instant or later, with what is gone (`is_removed`).
    #[serde(default)]
    pub updated_since: Option<Instant>,
    /// Where an earlier export ended.
    #[serde(default)]
    pub since: Option<Bookmark>,
    /// Only rows whose data are under one of these terms.
    #[schema(max_items = 3)]
    #[serde(default)]
    pub data_terms: Vec<DataTerms>,
}

/// The filters `F` of a list, for an export.
#[derive(Debug, Clone)]
pub struct ExportOf<F> {
    pub filter: F,
    pub own: ExportQuery,
}

impl<'de, F: DeserializeOwned> Deserialize<'de> for ExportOf<F> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut own = serde_json::Map::deserialize(deserializer)?;
        let mut filter = own.clone();
        let is_own = |name: &str| matches!(name, "updated_since" | "since" | "data_terms");
        filter.retain(|name, _| !is_own(name));
        own.retain(|name, _| is_own(name));
        Ok(Self {
            filter: serde_json::from_value(Value::Object(filter)).map_err(D::Error::custom)?,
            own: serde_json::from_value(Value::Object(own)).map_err(D::Error::custom)?,
        })
    }
}

impl<F: ToSchema> PartialSchema for ExportOf<F> {
    fn schema() -> RefOr<Schema> {
        let mut schema = F::schema();
        if let (RefOr::T(Schema::Object(all)), RefOr::T(Schema::Object(own))) = (&mut schema, ExportQuery::schema()) {
            OF_LISTS.iter().for_each(|name| drop(all.properties.shift_remove(*name)));
            all.properties.extend(own.properties);
        }
        schema
    }
}

impl<F: ToSchema> ToSchema for ExportOf<F> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("ExportOf{}", F::name()))
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        F::schemas(schemas);
        ExportQuery::schemas(schemas);
    }
}

query_parameters!(ExportOf<SolutionFilter>, ExportOf<LabelFilter>, ExportOf<OrganisationFilter>);

/// Whose the data of a row are.
#[derive(Debug, Clone, Serialize)]
pub struct Data {
    pub data_licence: Option<String>,
    pub data_attribution: Option<String>,
    pub data_terms: DataTerms,
}

/// What a row says after what the list shows: whose data that is, and that it is there.
#[derive(Debug, Serialize)]
pub struct Ending<'a> {
    #[serde(flatten)]
    pub data: &'a Data,
    pub is_removed: bool,
}

/// What a row says of something that is gone from the selection.
#[derive(Debug, Clone, Serialize)]
pub struct Removed {
    pub id: Id,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slug: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// Where it stands, when the public may know; absent when it is only gone from the selection.
    pub status: String,
    pub updated_at: Instant,
    pub is_removed: bool,
}

impl Removed {
    /// Without a name of its own but its identifier.
    pub fn new(id: Id, status: impl std::fmt::Display, updated_at: Instant) -> Self {
        Self { id, slug: None, number: None, status: status.to_string(), updated_at, is_removed: true }
    }
}

/// Names of the members that an export adds to a view.
pub const ADDED: [&str; 4] = ["data_licence", "data_attribution", "data_terms", "is_removed"];
