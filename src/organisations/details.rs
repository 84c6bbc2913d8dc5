//! What an organisation states about itself.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

crate::codes! {
    /// What an organisation does here; one can be several.
    pub enum OrganisationKind {
        /// Offers solutions.
        Vendor = "vendor",
        /// Buys and uses them.
        PublicBody = "public_body",
        /// Examines them for the label, accredited by the operator.
        AuditBody = "audit_body",
        /// Runs the catalogue.
        Operator = "operator",
    }
}

crate::codes! {
    /// Legal nature.
    pub enum LegalNature {
        Company = "company",
        Association = "association",
        PublicBody = "public_body",
        Individual = "individual",
        Consortium = "consortium",
    }
}

crate::codes! {
    /// Size class of Commission Recommendation 2003/361/EC.
    pub enum OrganisationSize {
        /// Fewer than 10 persons.
        Micro = "micro",
        /// Fewer than 50.
        Small = "small",
        /// Fewer than 250.
        Medium = "medium",
        Large = "large",
    }
}

crate::codes! {
    /// Who controls the capital.
    pub enum Control {
        /// Persons or bodies of the European Union.
        Eu = "eu",
        NonEu = "non_eu",
    }
}

/// What an organisation states about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "name": "Société Exemple", "kinds": ["vendor"], "legal_nature": "company", "siren": "732829320", "country": "FR",
    "size": "small", "control": "eu", "website": "https://exemple.fr/", "contact_email": "contact@exemple.fr",
}))]
pub struct OrganisationDetails {
    /// Official name.
    #[schema(min_length = 1, max_length = 200, example = "Direction interministérielle du numérique")]
    pub name: String,
    /// What it does here.
    #[schema(min_items = 1, max_items = 4)]
    pub kinds: Vec<OrganisationKind>,
    /// Legal nature.
    #[serde(default)]
    pub legal_nature: Option<LegalNature>,
    /// SIREN of a French organisation: nine digits with a valid key.
    #[schema(pattern = "^[0-9]{9}$", max_length = 9, example = "130025265")]
    #[serde(default)]
    pub siren: Option<String>,
    /// SIRET of its head office: the SIREN and five digits, with a valid key.
    #[schema(pattern = "^[0-9]{14}$", max_length = 14, example = "13002526500013")]
    #[serde(default)]
    pub siret: Option<String>,
    /// Country of its seat (ISO 3166-1 alpha-2).
    #[schema(pattern = "^[A-Z]{2}$", max_length = 2, example = "FR")]
    #[serde(default)]
    pub country: Option<String>,
    /// Number in the register of its country (EUID, company number, LEI), when it has no SIREN.
    #[schema(min_length = 1, max_length = 50)]
    #[serde(default)]
    pub register_number: Option<String>,
    /// Size class.
    #[serde(default)]
    pub size: Option<OrganisationSize>,
    /// Who controls the capital.
    #[serde(default)]
    pub control: Option<Control>,
    /// Public website, http or https.
    #[schema(format = "uri", max_length = 2000)]
    #[serde(default)]
    pub website: Option<String>,
    /// Public contact address (no personal address).
    #[schema(format = "email", max_length = 254)]
    #[serde(default)]
    pub contact_email: Option<String>,
    /// Where it is, for a territorial public body.
    #[serde(default)]
    pub territory: Option<Territory>,
}

/// Where a territorial public body is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Territory {
    /// Code of the municipality (INSEE, *code officiel géographique*).
    #[schema(pattern = "^(2[AB]|[0-9]{2})[0-9]{3}$", max_length = 5)]
    #[serde(default)]
    pub insee_code: Option<String>,
    /// Department, by code or name as its source gives it.
    #[schema(max_length = 100)]
    #[serde(default)]
    pub department: Option<String>,
    /// Region, by code or name as its source gives it.
    #[schema(max_length = 100)]
    #[serde(default)]
    pub region: Option<String>,
    /// Inhabitants.
    #[schema(minimum = 0, maximum = 100_000_000)]
    #[serde(default)]
    pub population: Option<i64>,
    /// Kind of body as its source names it, such as `EPCI:CC`.
    #[schema(max_length = 100)]
    #[serde(default)]
    pub kind: Option<String>,
}
