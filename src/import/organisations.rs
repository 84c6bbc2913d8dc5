//! Public bodies out of a register: CSV with the columns `siren` and `name`,
//! and `kind`, `departement`, `region`, `population`, `insee_code` where known.

use std::collections::BTreeMap;

use serde_json::json;

use super::lines::Raw;
use super::normalise::{cut, line};
use super::report::{Flaw, Outcome};
use super::{Importer, Item, Notice, Written};
use crate::db::{Json, Tx};
use crate::error::Result;
use crate::organisations::rules::{OrganisationStatus, is_siren};
use crate::organisations::{LegalNature, Organisation, OrganisationDetails, OrganisationKind, Territory};

/// Imports organisations.
#[derive(Debug, Clone)]
pub struct Organisations {
    /// The register they come from.
    pub source: String,
}

/// An organisation of the register.
#[derive(Debug, Clone)]
pub struct PublicBody {
    siren: String,
    pub(crate) details: OrganisationDetails,
    notices: Vec<Notice>,
}

impl Importer for Organisations {
    type Record = PublicBody;
    const REQUIRED: &'static [&'static str] = &["siren", "name"];

    fn read(&self, raw: Raw) -> std::result::Result<PublicBody, Vec<Flaw>> {
        let mut cells = raw.members;
        let mut notices = Vec::new();
        let mut notice = |code, field: &str, reason: String| {
            notices.push(Notice { code, remark: Some(Flaw::new(field, reason)) });
        };
        let mut cell = |name: &str| {
            let cell = cells.remove(name)?;
            Some(line(cell.as_str()?).0).filter(|text| !text.is_empty())
        };
        let siren: String = cell("siren").unwrap_or_default().split_whitespace().collect();
        let name = cell("name");
        let mut flaws = Vec::new();
        if !is_siren(&siren) {
            flaws.push(Flaw::new("siren", format!("`{}` is no SIREN: nine digits with a valid key", cut(&siren, 40))));
        }
        let Some(name) = name else {
            flaws.push(Flaw::new("name", "is required"));
            return Err(flaws);
        };
        if !flaws.is_empty() {
            return Err(flaws);
        }
        let mut short = |field: &str, text: String, characters| {
            let kept = cut(&text, characters).trim_end().to_owned();
            if kept != text {
                notice("shortened", field, format!("cut to {characters} characters"));
            }
            kept
        };
        let name = short("name", name, 200);
        let kind = cell("kind").map(|text| short("kind", text, 100));
        let department = cell("departement").map(|text| short("departement", text, 100));
        let region = cell("region").map(|text| short("region", text, 100));
        let population = cell("population").and_then(|text| {
            let number: String = text.split_whitespace().collect();
            let number = number.parse::<i64>().ok().filter(|number| (0..=100_000_000).contains(number));
            if number.is_none() {
                notice("population_unusable", "population", format!("`{}` left out", cut(&text, 40)));
            }
            number
        });
        let insee_code = cell("insee_code").map(|code| code.to_uppercase()).filter(|code| {
            let is_good = is_insee_code(code);
            if !is_good {
                notice("insee_code_unusable", "insee_code", format!("`{}` left out", cut(code, 40)));
            }
            is_good
        });
        // There is no place to keep them; the report counts them.
        if !cells.is_empty() {
            notices.push(Notice { code: "column_unknown", remark: None });
        }
        let territory = Territory { insee_code, department, region, population, kind };
        let is_blank =
            territory == Territory { insee_code: None, department: None, region: None, population: None, kind: None };
        let details = OrganisationDetails {
            name,
            kinds: vec![OrganisationKind::PublicBody],
            legal_nature: Some(LegalNature::PublicBody),
            siren: Some(siren.clone()),
            siret: None,
            country: Some("FR".to_owned()),
            register_number: None,
            size: None,
            control: None,
            website: None,
            contact_email: None,
            territory: (!is_blank).then_some(territory),
        };
        Ok(PublicBody { siren, details, notices })
    }

    fn key(record: &PublicBody) -> (&str, &str) {
        (&record.siren, "")
    }

    fn notices(record: &PublicBody) -> &[Notice] {
        &record.notices
    }

    fn write(&self, tx: &mut Tx<'_>, batch: &[Item<PublicBody>]) -> Result<Written> {
        let sirens: Vec<String> = batch.iter().map(|item| item.record.siren.clone()).collect();
        let mut known: BTreeMap<String, Organisation> = Organisation::find_all_by_source(tx.db, &self.source, &sirens)?
            .into_iter()
            .filter_map(|one| Some((one.source_id.clone()?, one)))
            .collect();
        for one in Organisation::find_all_by_siren(tx.db, &sirens)? {
            known.extend(one.siren.clone().map(|siren| (siren, one)));
        }
        let mut fresh = Vec::new();
        let mut outcomes = Vec::with_capacity(batch.len());
        for PublicBody { siren, details, .. } in batch.iter().map(|item| &item.record) {
            outcomes.push(match known.remove(siren) {
                None => {
                    let mut organisation = Organisation::new(details.clone(), OrganisationStatus::Active, tx.now);
                    organisation.source = Some(self.source.clone());
                    organisation.source_id = Some(siren.clone());
                    // The register is the authority on this identifier.
                    organisation.identifier_verified_at = Some(tx.now);
                    fresh.push(organisation);
                    Outcome::Created
                }
                Some(organisation) => self.refresh(tx, organisation, siren, details)?,
            });
        }
        Organisation::import_all(tx, &fresh)?;
        Ok(Written { outcomes, vendors_created: 0 })
    }
}

impl Organisations {
    /// Takes what the register says now; what the organisation says of itself stays.
    fn refresh(
        &self,
        tx: &mut Tx<'_>,
        mut organisation: Organisation,
        siren: &str,
        told: &OrganisationDetails,
    ) -> Result<Outcome> {
        if organisation.source.as_ref() != Some(&self.source) {
            return Ok(Outcome::Skipped(format!("{siren} is registered here already, not from {}", self.source)));
        }
        if organisation.siren.as_deref() != Some(siren) {
            return Ok(Outcome::Skipped(format!("{siren} was given another SIREN here")));
        }
        let mut details = organisation.details.0.clone();
        details.name.clone_from(&told.name);
        details.territory = told.territory.clone().or(details.territory);
        let Json(before) = &organisation.details;
        if details == *before {
            return Ok(Outcome::Unchanged);
        }
        let mut changed = Vec::new();
        changed.extend((details.name != before.name).then_some("name"));
        changed.extend((details.territory != before.territory).then_some("territory"));
        organisation.describe(details);
        organisation.store(tx, "import_organisation", json!({"members": changed}))?;
        Ok(Outcome::Changed)
    }
}

/// Code of a municipality: two digits or 2A, 2B, and three digits.
fn is_insee_code(code: &str) -> bool {
    let Some((head, tail)) = code.split_at_checked(2) else { return false };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    (digits(head) || matches!(head, "2A" | "2B")) && tail.len() == 3 && digits(tail)
}
