//! Search on the wire.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::highlight::Highlight;
use super::ranking::Reasons;
use crate::db::Id;
use crate::query_parameters;
use crate::solutions::view::SolutionView;

crate::codes! {
    /// What the solutions of a list can be counted by.
    pub enum Facet {
        Family = "family",
        Domain = "domain",
        SourcingRank = "sourcing_rank",
        Distribution = "distribution",
        Licence = "licence",
        Deployment = "deployment",
        HostingCountry = "hosting_country",
        Qualification = "qualification",
        Tag = "tag",
        Trait = "trait",
        Audience = "audience",
        VendorKind = "vendor_kind",
        VendorControl = "vendor_control",
        VendorSize = "vendor_size",
        PurchaseRoute = "purchase_route",
        Label = "label",
    }
}

/// A page of solutions, with what was counted beside it.
#[derive(Debug, Serialize, ToSchema)]
pub struct SolutionPage {
    /// The rows of this page, in the order asked for.
    #[schema(max_items = 100)]
    pub items: Vec<SolutionView>,
    /// Cursor of the next page; null on the last one.
    #[schema(max_length = 4000)]
    pub next: Option<String>,
    /// How many rows the whole list has, counted in the same snapshot as the rows.
    #[schema(minimum = 0)]
    pub total: i64,
    /// What `facets` asked for.
    #[schema(max_items = 16)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facets: Option<Vec<FacetView>>,
    /// When `q` found nothing: what may have been meant and finds something.
    #[schema(max_length = 400)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub did_you_mean: Option<String>,
}

/// How many solutions have each value of a facet. Its own filter does not count, all others do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FacetView {
    /// Which one.
    pub facet: Facet,
    /// Values that some solution has, the most frequent first, then by value; the first 100.
    #[schema(max_items = 100)]
    pub values: Vec<FacetCount>,
}

/// How many solutions have a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FacetCount {
    /// As the filter of the same name takes it.
    #[schema(max_length = 200)]
    pub value: String,
    /// How many.
    #[schema(minimum = 1)]
    pub count: u64,
}

/// Values of a facet in one answer.
const MOST_VALUES: usize = 100;

impl FacetView {
    pub fn new(facet: Facet, counts: &BTreeMap<String, u64>) -> Self {
        let mut values: Vec<FacetCount> =
            counts.iter().map(|(value, count)| FacetCount { value: value.clone(), count: *count }).collect();
        values.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
        values.truncate(MOST_VALUES);
        Self { facet, values }
    }
}

/// How a solution was found.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MatchView {
    /// Where its texts have what was looked for; with `highlight=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub highlight: Option<Highlight>,
    /// Why it stands where it stands; with `explain=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasons: Option<Reasons>,
}

/// What is being typed.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SuggestionQuery {
    /// As far as it is typed.
    #[schema(min_length = 1, max_length = 200)]
    pub q: String,
    /// How many at most.
    #[schema(minimum = 1, maximum = 20, default = 8)]
    #[serde(default)]
    pub limit: Option<i64>,
}

query_parameters!(SuggestionQuery);

/// What is being typed may become this.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SuggestionView {
    /// Identifier of the solution.
    pub id: Id,
    /// Readable identifier.
    #[schema(max_length = 100)]
    pub slug: String,
    /// Its name.
    #[schema(max_length = 200)]
    pub name: String,
}
