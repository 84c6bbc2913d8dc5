//! The sheet: what a vendor states about a solution (*fiche solution*).
//!
//! A draft needs nothing but a name; what publication asks for is in
//! [`super::rules::missing`].

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

crate::codes! {
    /// Order of preference of the circular of 5 February 2026: solutions already
    /// mutualised by a public body, digital commons, then the market.
    pub enum SourcingRank {
        /// Run or shared by a public body for others (*solution mutualisée*).
        MutualisedPublic = "mutualised_public",
        /// Offered on the market (*solution du marché*).
        Market = "market",
        /// Maintained by a community as a common good (*commun numérique*).
        DigitalCommon = "digital_common",
    }
}

crate::codes! {
    /// How the code is distributed.
    pub enum Distribution {
        /// Under a free-software licence (*logiciel libre*).
        Free = "free",
        Proprietary = "proprietary",
        /// A free core with proprietary parts.
        Hybrid = "hybrid",
    }
}

crate::codes! {
    /// Where the solution can run.
    pub enum Deployment {
        /// Installed at the buyer's (*sur site*).
        OnPremise = "on_premise",
        /// Operated for the buyer (*en nuage*).
        Cloud = "cloud",
    }
}

crate::codes! {
    /// How use is paid for.
    pub enum BusinessModel {
        /// At no charge.
        Free = "free",
        Purchase = "purchase",
        Subscription = "subscription",
        PayPerUse = "pay_per_use",
    }
}

crate::codes! {
    /// Kind of public body a solution is meant for.
    pub enum Audience {
        State = "state",
        LocalAuthority = "local_authority",
        Hospital = "hospital",
        /// Public agencies and operators of the State.
        Operator = "operator",
        Education = "education",
    }
}

crate::codes! {
    /// Qualification or certification of a hosting offer.
    pub enum QualificationScheme {
        /// SecNumCloud, by ANSSI.
        Secnumcloud = "secnumcloud",
        /// Certified host of health data (*hébergeur de données de santé*).
        Hds = "hds",
        Iso27001 = "iso_27001",
        /// EU Cloud Sovereignty Framework, with its SEAL level in `reference`.
        EuCloudSovereignty = "eu_cloud_sovereignty",
        /// FedRAMP authorisation (United States).
        Fedramp = "fedramp",
        Other = "other",
    }
}

crate::codes! {
    /// Who may read a piece of evidence.
    pub enum Visibility {
        Public = "public",
        /// Signed-in members of public bodies.
        Agents = "agents",
        /// The vendor, the auditor of the case and the operator.
        Restricted = "restricted",
    }
}

crate::codes! {
    /// Where a value comes from.
    pub enum Origin {
        /// Stated by the vendor, checked by nobody.
        Declared = "declared",
        /// Said by users in reviews.
        User = "user",
        /// Found by an accredited third party.
        ThirdParty = "third_party",
        /// Taken from another register or catalogue.
        Registry = "registry",
    }
}

/// What a vendor states about a solution.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "name": "Guichet Numérique", "summary": "Formulaires et instruction de démarches en ligne.",
    "description": "Crée des formulaires, reçoit les dossiers et les instruit.", "language": "fr",
    "website": "https://guichet.example.fr/", "families": ["demarches_en_ligne"], "distribution": "free",
    "licence": "AGPL-3.0-or-later", "business_models": ["subscription"], "deployment": ["cloud"],
    "hosting": [{"provider": "Hébergeur", "country": "FR", "qualifications": [{"scheme": "secnumcloud"}]}],
    "sourcing_rank": "market", "traits": ["saas", "web_ui"], "tags": ["Formulaires"],
}))]
pub struct SolutionSheet {
    /// Name under which the solution is known.
    #[schema(min_length = 1, max_length = 200, example = "Demarches simplifiées")]
    pub name: String,
    /// What it does, in one sentence of plain text.
    #[schema(max_length = 200)]
    #[serde(default)]
    pub summary: Option<String>,
    /// Long description in Markdown (CommonMark); raw HTML is not rendered.
    #[schema(max_length = 20000)]
    #[serde(default)]
    pub description: Option<String>,
    /// Language this sheet is written in (BCP 47).
    #[schema(min_length = 2, max_length = 35, example = "fr")]
    #[serde(default)]
    pub language: Option<String>,
    /// Public website, http or https.
    #[schema(format = "uri", max_length = 2000)]
    #[serde(default)]
    pub website: Option<String>,
    /// Public source code repository, http or https.
    #[schema(format = "uri", max_length = 2000)]
    #[serde(default)]
    pub repository: Option<String>,
    /// Documentation for users or integrators.
    #[schema(format = "uri", max_length = 2000)]
    #[serde(default)]
    pub documentation: Option<String>,
    /// Logo; it stays the vendor's.
    #[schema(format = "uri", max_length = 2000)]
    #[serde(default)]
    pub logo: Option<String>,
    /// Public contact address of the provider (no personal address).
    #[schema(format = "email", max_length = 254)]
    #[serde(default)]
    pub contact_email: Option<String>,
    /// Version on offer, as the vendor numbers it.
    #[schema(max_length = 50, example = "4.2")]
    #[serde(default)]
    pub software_version: Option<String>,
    /// Day of the first release.
    #[serde(default)]
    pub first_released_on: Option<NaiveDate>,
    /// Languages of the user interface (BCP 47).
    #[schema(max_items = 50)]
    #[serde(default)]
    pub interface_languages: Vec<String>,
    /// Functional families, by code; see `GET /api/v1/families`.
    #[schema(max_items = 3)]
    #[serde(default)]
    pub families: Vec<String>,
    /// Policy domain: division of the Classification of the Functions of Government (COFOG), `01` to `10`.
    #[schema(pattern = "^(0[1-9]|10)$", max_length = 2, example = "01")]
    #[serde(default)]
    pub domain: Option<String>,
    /// Kinds of public body it is meant for.
    #[schema(max_items = 10)]
    #[serde(default)]
    pub audiences: Vec<Audience>,
    /// Keywords.
    #[schema(max_items = 50)]
    #[serde(default)]
    pub tags: Vec<String>,
    /// Codes of the Common Procurement Vocabulary (CPV 2008, Regulation (EC) 213/2008).
    #[schema(max_items = 10)]
    #[serde(default)]
    pub cpv: Vec<String>,
    /// Rank in the order of preference of the circular of 5 February 2026.
    #[serde(default)]
    pub sourcing_rank: Option<SourcingRank>,
    /// Who may reuse a mutualised solution, and how.
    #[schema(max_length = 2000)]
    #[serde(default)]
    pub reuse_conditions: Option<String>,
    /// How the code is distributed.
    #[serde(default)]
    pub distribution: Option<Distribution>,
    /// Licence of the code: an SPDX expression.
    #[schema(max_length = 200, example = "AGPL-3.0-or-later")]
    #[serde(default)]
    pub licence: Option<String>,
    /// How use is paid for.
    #[schema(max_items = 4)]
    #[serde(default)]
    pub business_models: Vec<BusinessModel>,
    /// Where it can run.
    #[schema(max_items = 2)]
    #[serde(default)]
    pub deployment: Vec<Deployment>,
    /// Hosting offers, when operated for the buyer.
    #[schema(max_items = 10)]
    #[serde(default)]
    pub hosting: Vec<Hosting>,
    /// Whether the essential functions work without a network.
    #[serde(default)]
    pub offline_mode: Option<bool>,
    /// Technical traits that decide which criteria apply (`saas`, `ai`, `personal_data` …);
    /// those of the criteria set in force. Declared here, confirmed by a moderator at publication.
    #[schema(max_items = 30)]
    #[serde(default)]
    pub traits: Vec<String>,
    /// Documentation of the programming interfaces.
    #[schema(format = "uri", max_length = 2000)]
    #[serde(default)]
    pub api_documentation: Option<String>,
    /// Standards and formats implemented (OpenID Connect, OpenDocument …).
    #[schema(max_items = 30)]
    #[serde(default)]
    pub standards: Vec<String>,
    /// Ways to buy or obtain it.
    #[schema(max_items = 20)]
    #[serde(default)]
    pub purchase_routes: Vec<PurchaseRoute>,
    /// How the price is made.
    #[schema(max_length = 2000)]
    #[serde(default)]
    pub price_model: Option<String>,
    /// Lowest public price.
    #[serde(default)]
    pub price_from: Option<Price>,
    /// Usual time from order to service, in days.
    #[schema(minimum = 0, maximum = 3650)]
    #[serde(default)]
    pub delivery_days: Option<i32>,
    /// Public bodies that use it, as the vendor states.
    #[schema(max_items = 50)]
    #[serde(default)]
    pub references: Vec<Reference>,
    /// Documents that support the sheet.
    #[schema(max_items = 50)]
    #[serde(default)]
    pub evidence: Vec<Evidence>,
    /// The same solution in other catalogues.
    #[schema(max_items = 20)]
    #[serde(default)]
    pub cross_references: Vec<CrossReference>,
}

/// A hosting offer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Hosting {
    /// Company that runs the infrastructure.
    #[schema(min_length = 1, max_length = 200)]
    pub provider: String,
    /// Where data are stored and processed (ISO 3166-1 alpha-2).
    #[schema(pattern = "^[A-Z]{2}$", max_length = 2, example = "FR")]
    pub country: String,
    /// Qualifications of this offer.
    #[schema(max_items = 10)]
    #[serde(default)]
    pub qualifications: Vec<Qualification>,
}

/// A qualification of a hosting offer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Qualification {
    /// Scheme under which it was given.
    pub scheme: QualificationScheme,
    /// Number or level of the qualification.
    #[schema(max_length = 200)]
    #[serde(default)]
    pub reference: Option<String>,
    /// Last day of validity.
    #[serde(default)]
    pub expires_on: Option<NaiveDate>,
}

/// A way to buy or obtain the solution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PurchaseRoute {
    /// Purchasing body or marketplace, such as UGAP.
    #[schema(min_length = 1, max_length = 100)]
    pub buyer: String,
    /// Contract or catalogue reference.
    #[schema(max_length = 200)]
    #[serde(default)]
    pub reference: Option<String>,
    /// Page of the offer.
    #[schema(format = "uri", max_length = 2000)]
    #[serde(default)]
    pub url: Option<String>,
    /// Last day on which orders can be placed.
    #[serde(default)]
    pub ends_on: Option<NaiveDate>,
}

/// A price.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Amount before tax, in hundredths of the currency unit.
    #[schema(minimum = 0, maximum = 100_000_000_000_i64)]
    pub amount_cents: i64,
    /// Currency (ISO 4217).
    #[schema(pattern = "^[A-Z]{3}$", max_length = 3, example = "EUR")]
    pub currency: String,
    /// What the amount buys, such as `user/month`.
    #[schema(max_length = 100)]
    #[serde(default)]
    pub unit: Option<String>,
}

/// A public body that uses the solution, as the vendor states.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Name of the body; shown to the public only with `may_be_named`.
    #[schema(max_length = 200)]
    #[serde(default)]
    pub organisation: Option<String>,
    /// Since which year.
    #[schema(minimum = 1970, maximum = 2100)]
    #[serde(default)]
    pub since_year: Option<i32>,
    /// What it is used for.
    #[schema(max_length = 500)]
    #[serde(default)]
    pub scope: Option<String>,
    /// Whether the body agreed to be named.
    #[serde(default)]
    pub may_be_named: bool,
}

/// A document: a link and its fingerprint; the bytes stay with their owner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// What the document is.
    #[schema(min_length = 1, max_length = 200)]
    pub title: String,
    /// Where it can be had, http or https.
    #[schema(format = "uri", max_length = 2000)]
    pub url: String,
    /// SHA-256 of its bytes (FIPS 180-4), in lower-case hexadecimal.
    #[schema(pattern = "^[0-9a-f]{64}$", max_length = 64)]
    #[serde(default)]
    pub sha256: Option<String>,
    /// Media type (RFC 6838).
    #[schema(pattern = "^[a-z]+/[a-z0-9.+-]+$", max_length = 100, example = "application/pdf")]
    #[serde(default)]
    pub media_type: Option<String>,
    /// Size in bytes.
    #[schema(minimum = 0, maximum = 10_000_000_000_i64)]
    #[serde(default)]
    pub size: Option<i64>,
    /// Who may read it.
    pub visibility: Visibility,
    /// Who issued it.
    #[schema(max_length = 200)]
    #[serde(default)]
    pub issuer: Option<String>,
    /// Last day on which it counts.
    #[serde(default)]
    pub valid_until: Option<NaiveDate>,
}

/// The same solution in another catalogue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CrossReference {
    /// The catalogue, such as `sill`, `wikidata`, `comptoir_du_libre`, `data_gouv_fr`, `ami_2025`.
    #[schema(pattern = "^[a-z0-9_]{2,50}$", max_length = 50, example = "sill")]
    pub scheme: String,
    /// Its identifier there.
    #[schema(min_length = 1, max_length = 200)]
    pub id: String,
    /// Its page there.
    #[schema(format = "uri", max_length = 2000)]
    #[serde(default)]
    pub url: Option<String>,
}
