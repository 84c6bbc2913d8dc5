//! Sheets of other catalogues.
//!
//! A record is NDJSON or a row of CSV with the same names. Known are `source`,
//! `source_id`, `name`, `summary`, `description`, `language`, `website`,
//! `repository`, `licence`, `distribution`, `deployment`, `vendor` (an object;
//! in CSV `vendor_name`, `vendor_kind`, `vendor_country`), `public_provider`,
//! `tags`, `source_categories`, `audiences`. Lists in CSV are separated by `|`.
//! What has no place on a sheet, known or not, is kept in `original`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::lines::Raw;
use super::normalise::{self, Licence, cut, storable};
use super::report::{Flaw, Outcome};
use super::{Importer, Item, Notice, Written};
use crate::db::journal::Change;
use crate::db::{Id, Json, Resource, Tx};
use crate::error::{Place as At, Result};
use crate::http::text::fold;
use crate::organisations::rules::{OrganisationStatus, is_country};
use crate::organisations::{LegalNature, Organisation, OrganisationDetails, OrganisationKind};
use crate::solutions::model::{ImportRecord, Solution, SolutionVersion};
use crate::solutions::rules::{Command, Origins, Provenance, RevisionStatus, SolutionStatus, faults, stamp};
use crate::solutions::sheet::{Deployment, Distribution, Origin, SolutionSheet, SourcingRank};

/// What every change by an import is called in the journal.
const ACTION: &str = "import_solution";

/// Members that hold text and have no place on a sheet.
const KEPT: &[&str] = &["lifecycle", "impact_level", "authorised_on", "assessor", "accessibility_status"];

const LISTS: &[&str] = &["deployment", "tags", "source_categories", "audiences"];

/// Imports solutions.
#[derive(Debug, Clone, Default)]
pub struct Solutions {
    /// The catalogue of records that do not name theirs.
    pub source: Option<String>,
    /// Licence of the imported data.
    pub licence: Option<String>,
    /// To whom they are owed.
    pub attribution: Option<String>,
    /// Whose they all are, whatever they say themselves.
    pub organisation: Option<Organisation>,
    /// Not to be listed yet.
    pub as_draft: bool,
}

/// A record with what became of its values.
#[derive(Debug, Clone)]
pub struct Entry {
    source: String,
    source_id: String,
    pub(crate) sheet: SolutionSheet,
    vendor: Option<Vendor>,
    pub(crate) original: BTreeMap<String, Value>,
    codes: Vec<String>,
    notices: Vec<Notice>,
}

/// A vendor as a catalogue names it.
#[derive(Debug, Clone)]
struct Vendor {
    name: String,
    /// Its name folded: how the catalogue's own spellings become one organisation.
    key: String,
    nature: Option<LegalNature>,
    country: Option<String>,
}

impl Importer for Solutions {
    type Record = Entry;
    const REQUIRED: &'static [&'static str] = &["source_id", "name"];

    fn read(&self, raw: Raw) -> std::result::Result<Entry, Vec<Flaw>> {
        let mut members = Members::new(raw);
        let source = members.identifier("source", 100).or_else(|| self.source.clone());
        let source_id = members.identifier("source_id", 500);
        let sheet = members.sheet();
        let vendor = members.vendor(self.organisation.is_some());
        let Members { members: unknown, mut flaws, mut original, mut notices } = members;
        for (field, value) in [("source", &source), ("source_id", &source_id)] {
            if value.is_none() && !flaws.iter().any(|flaw| flaw.field == field) {
                flaws.push(Flaw::new(field, "is required: it identifies the record"));
            }
        }
        let (Some(source), Some(source_id), true) = (source, source_id, flaws.is_empty()) else { return Err(flaws) };
        original.extend(unknown.into_iter().filter(|(_, value)| !value.is_null()));
        let sheet = without_faults(sheet, &mut original, &mut notices)?;
        let original =
            original.into_iter().map(|(name, value)| (name.replace('\0', "\u{fffd}"), storable(value))).collect();
        Ok(Entry {
            source,
            source_id,
            sheet,
            vendor,
            original,
            codes: notices.iter().map(|code| (*code).to_owned()).collect(),
            notices: notices.into_iter().map(|code| Notice { code, remark: None }).collect(),
        })
    }

    fn key(record: &Entry) -> (&str, &str) {
        (&record.source, &record.source_id)
    }

    fn notices(record: &Entry) -> &[Notice] {
        &record.notices
    }

    fn write(&self, tx: &mut Tx<'_>, batch: &[Item<Entry>]) -> Result<Written> {
        let entries: Vec<&Entry> = batch.iter().map(|item| &item.record).collect();
        let known = known(tx, &entries)?;
        let mut vendors = Vendors::find(tx, self.organisation.as_ref(), &entries)?;
        let rows: Vec<Solution> = known.values().cloned().collect();
        let versions = SolutionVersion::current(tx.db, &rows)?;
        let is_same = |solution: &Solution, entry: &Entry| {
            self.is_same(solution, versions.get(&solution.id), entry, vendors.known(entry))
        };
        let differing: Vec<Id> = entries
            .iter()
            .filter_map(|entry| known.get(&Self::key(entry)).filter(|solution| !is_same(solution, entry)))
            .map(|solution| solution.id)
            .collect();
        let touched = match differing.is_empty() {
            true => BTreeSet::new(),
            false => Change::touched(tx.db, Resource::Solution, &differing, "vendor", "transfer_solution")?,
        };
        let plan: Vec<Outcome> = entries
            .iter()
            .map(|entry| match known.get(&Self::key(entry)) {
                None => Outcome::Created,
                Some(solution) if is_same(solution, entry) => Outcome::Unchanged,
                Some(solution) => match obstacle(solution, touched.contains(&solution.id)) {
                    Some(reason) => Outcome::Skipped(reason),
                    None => Outcome::Changed,
                },
            })
            .collect();

        let planned = || entries.iter().copied().zip(&plan);
        let wanted = planned().filter(|(_, outcome)| matches!(outcome, Outcome::Created | Outcome::Changed));
        let vendors_created = vendors.make(tx, wanted.map(|(entry, _)| entry))?;
        let fresh = planned().filter(|(_, outcome)| **outcome == Outcome::Created).map(|(entry, _)| entry);
        self.create(tx, &fresh.collect::<Vec<_>>(), &vendors)?;
        for (entry, _) in planned().filter(|(_, outcome)| **outcome == Outcome::Changed) {
            if let Some(solution) = known.get(&Self::key(entry)) {
                self.change(tx, solution.clone(), versions.get(&solution.id), entry, &vendors)?;
            }
        }
        Ok(Written { outcomes: plan, vendors_created })
    }
}

impl Solutions {
    fn record(&self, tx: &Tx<'_>, entry: &Entry) -> ImportRecord {
        ImportRecord {
            source: entry.source.clone(),
            source_id: entry.source_id.clone(),
            licence: self.licence.clone(),
            attribution: self.attribution.clone(),
            imported_at: tx.now,
            original: entry.original.clone(),
            notices: entry.codes.clone(),
        }
    }

    /// Whether a solution is what the record would make of it.
    fn is_same(
        &self,
        solution: &Solution,
        version: Option<&SolutionVersion>,
        entry: &Entry,
        vendor: Option<&Organisation>,
    ) -> bool {
        let sheet = solution.draft.as_ref().or(version.map(|version| &version.sheet));
        let has_vendor = entry.vendor.is_some() || self.organisation.is_some();
        let is_listed = solution.status != SolutionStatus::Draft && solution.revision_status.is_none();
        sheet.is_some_and(|sheet| sheet.0 == entry.sheet)
            && solution.organisation_id == vendor.map(|vendor| vendor.id)
            && vendor.is_some() == has_vendor
            && (self.as_draft || is_listed || solution.status == SolutionStatus::Archived)
            && solution.provenance.as_ref().is_some_and(|Json(record)| {
                record.licence == self.licence
                    && record.attribution == self.attribution
                    && record.original == entry.original
                    && record.notices == entry.codes
            })
    }

    fn create(&self, tx: &mut Tx<'_>, entries: &[&Entry], vendors: &Vendors) -> Result<()> {
        let sheets = entries
            .iter()
            .map(|entry| {
                let origins =
                    stamp(&Origins::new(), &SolutionSheet::default(), &entry.sheet, &provenance(tx, &entry.source));
                (vendors.known(entry).map(|vendor| vendor.id), entry.sheet.clone(), origins)
            })
            .collect();
        let mut drafts = Solution::drafts(tx, sheets)?;
        for (draft, entry) in drafts.iter_mut().zip(entries) {
            draft.source = Some(entry.source.clone());
            draft.source_id = Some(entry.source_id.clone());
            draft.provenance = Some(Json(self.record(tx, entry)));
        }
        if !self.as_draft {
            return Solution::publish_all(tx, &mut drafts, &vendors.by_id(), ACTION);
        }
        Solution::insert_all(tx.db, &drafts)?;
        let entries = drafts.iter().map(|one| (one.id, one.version, json!({"status": [null, one.status]}))).collect();
        tx.record_all(ACTION, Resource::Solution, entries)
    }

    /// Makes the record the next version, along the same states as a vendor's revision.
    fn change(
        &self,
        tx: &mut Tx<'_>,
        mut solution: Solution,
        version: Option<&SolutionVersion>,
        entry: &Entry,
        vendors: &Vendors,
    ) -> Result<()> {
        let (before, origins) = match (&solution.draft, &solution.draft_origins, version) {
            (Some(sheet), Some(origins), _) => (sheet.0.clone(), origins.0.clone()),
            (_, _, Some(version)) => (version.sheet.0.clone(), version.origins.0.clone()),
            _ => solution.working_copy(tx.db)?,
        };
        let origins = stamp(&origins, &before, &entry.sheet, &provenance(tx, &entry.source));
        let from = solution.organisation_id;
        solution.organisation_id = vendors.known(entry).map(|vendor| vendor.id);
        solution.provenance = Some(Json(self.record(tx, entry)));
        let waits = solution.revision_status == Some(RevisionStatus::Submitted);
        if solution.status != SolutionStatus::Draft && !waits {
            solution.advance(Command::Edit)?;
        }
        solution.set_draft(entry.sheet.clone(), origins);
        if self.as_draft {
            let changed =
                json!({"revision": solution.revision_status, "organisation": [from, solution.organisation_id]});
            return solution.store(tx, ACTION, changed);
        }
        if solution.status != SolutionStatus::Draft && !waits {
            solution.advance(Command::Submit)?;
        }
        solution.publish(tx, ACTION)
    }
}

fn provenance(tx: &Tx<'_>, source: &str) -> Provenance {
    Provenance { origin: Origin::Registry, as_of: tx.now.day(), source: Some(source.to_owned()) }
}

/// Why a differing record is not taken over what is here.
fn obstacle(solution: &Solution, is_touched: bool) -> Option<String> {
    match solution.status {
        _ if is_touched => Some("its vendor has claimed or edited it since".to_owned()),
        SolutionStatus::Draft | SolutionStatus::Published | SolutionStatus::Outdated => None,
        status => Some(format!("it is {status} here")),
    }
}

/// What of these was imported before, by source and identifier there.
fn known<'a>(tx: &mut Tx<'_>, entries: &[&'a Entry]) -> Result<BTreeMap<(&'a str, &'a str), Solution>> {
    let mut known = BTreeMap::new();
    for (source, entries) in by_source(entries) {
        let ids: Vec<String> = entries.iter().map(|entry| entry.source_id.clone()).collect();
        let mut found: BTreeMap<String, Solution> = Solution::find_all_by_source(tx.db, source, &ids)?
            .into_iter()
            .filter_map(|solution| Some((solution.source_id.clone()?, solution)))
            .collect();
        known.extend(entries.iter().filter_map(|entry| {
            let solution = found.remove(&entry.source_id)?;
            Some(((entry.source.as_str(), entry.source_id.as_str()), solution))
        }));
    }
    Ok(known)
}

fn by_source<'a>(entries: &[&'a Entry]) -> BTreeMap<&'a str, Vec<&'a Entry>> {
    let mut groups: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    entries.iter().for_each(|entry| groups.entry(&entry.source).or_default().push(entry));
    groups
}

/// The organisations behind the names of a batch.
struct Vendors {
    all_of: Option<Organisation>,
    /// By source and folded name.
    named: BTreeMap<(String, String), Organisation>,
}

impl Vendors {
    fn find(tx: &mut Tx<'_>, all_of: Option<&Organisation>, entries: &[&Entry]) -> Result<Self> {
        let mut vendors = Self { all_of: all_of.cloned(), named: BTreeMap::new() };
        if all_of.is_some() {
            return Ok(vendors);
        }
        for (source, entries) in by_source(entries) {
            let keys: BTreeSet<String> =
                entries.iter().filter_map(|entry| Some(entry.vendor.as_ref()?.key.clone())).collect();
            let keys: Vec<String> = keys.into_iter().collect();
            for organisation in Organisation::find_all_by_source(tx.db, source, &keys)? {
                let key = organisation.source_id.clone().unwrap_or_default();
                vendors.named.insert((source.to_owned(), key), organisation);
            }
        }
        Ok(vendors)
    }

    fn known(&self, entry: &Entry) -> Option<&Organisation> {
        self.all_of.as_ref().or_else(|| self.named.get(&(entry.source.clone(), entry.vendor.as_ref()?.key.clone())))
    }

    fn by_id(&self) -> BTreeMap<Id, Organisation> {
        self.all_of.iter().chain(self.named.values()).map(|one| (one.id, one.clone())).collect()
    }

    /// Makes the organisations that these need and nobody knows; says how many.
    fn make<'a>(&mut self, tx: &mut Tx<'_>, entries: impl Iterator<Item = &'a Entry>) -> Result<u64> {
        let mut fresh = Vec::new();
        for entry in entries {
            let Some(vendor) = entry.vendor.as_ref().filter(|_| self.known(entry).is_none()) else { continue };
            let mut kinds = vec![OrganisationKind::Vendor];
            kinds.extend((vendor.nature == Some(LegalNature::PublicBody)).then_some(OrganisationKind::PublicBody));
            let details = OrganisationDetails {
                name: vendor.name.clone(),
                kinds,
                legal_nature: vendor.nature,
                siren: None,
                siret: None,
                country: vendor.country.clone(),
                register_number: None,
                size: None,
                control: None,
                website: None,
                contact_email: None,
                territory: None,
            };
            let mut organisation = Organisation::new(details, OrganisationStatus::Active, tx.now);
            organisation.source = Some(entry.source.clone());
            organisation.source_id = Some(vendor.key.clone());
            fresh.push(organisation.clone());
            self.named.insert((entry.source.clone(), vendor.key.clone()), organisation);
        }
        Organisation::import_all(tx, &fresh)?;
        Ok(fresh.len() as u64)
    }
}

/// The members of a record that nobody has taken yet, and what was found on the way.
struct Members {
    members: Map<String, Value>,
    flaws: Vec<Flaw>,
    original: BTreeMap<String, Value>,
    notices: BTreeSet<&'static str>,
}

impl Members {
    fn new(raw: Raw) -> Self {
        let members = if raw.is_row { typed(raw.members) } else { raw.members };
        Self { members, flaws: Vec::new(), original: BTreeMap::new(), notices: BTreeSet::new() }
    }

    fn keep(&mut self, name: &str, value: impl Into<Value>) {
        self.original.insert(name.to_owned(), value.into());
    }

    fn notice(&mut self, code: &'static str) {
        self.notices.insert(code);
    }

    fn wrong_type(&mut self, name: &str, expected: &str) {
        self.flaws.push(Flaw::new(name, format!("expected {expected}")));
    }

    /// Text as it was given; null and blanks say nothing.
    fn raw(&mut self, name: &str) -> Option<String> {
        match self.members.remove(name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text).filter(|text| !text.trim().is_empty()),
            Some(_) => {
                self.wrong_type(name, "text");
                None
            }
        }
    }

    fn clean(&mut self, name: &str, normal: fn(&str) -> (String, bool)) -> Option<String> {
        let raw = self.raw(name)?;
        let (clean, is_altered) = normal(&raw);
        if is_altered {
            self.keep(name, raw);
            self.notice("text_normalised");
        }
        Some(clean).filter(|text| !text.is_empty())
    }

    /// What identifies a record is taken as it is, or not at all.
    fn identifier(&mut self, name: &str, characters: usize) -> Option<String> {
        let text = normalise::line(&self.raw(name)?).0;
        if text.is_empty() {
            return None;
        }
        if text.chars().count() > characters {
            self.flaws.push(Flaw::new(name, format!("longer than {characters} characters")));
        }
        Some(text)
    }

    fn list(&mut self, name: &str) -> Vec<String> {
        let items = match self.members.remove(name) {
            None | Some(Value::Null) => return Vec::new(),
            Some(Value::Array(items)) => items,
            Some(_) => {
                self.wrong_type(name, "a list of texts");
                return Vec::new();
            }
        };
        let texts: Option<Vec<String>> = items.into_iter().map(|item| item.as_str().map(ToOwned::to_owned)).collect();
        if texts.is_none() {
            self.wrong_type(name, "a list of texts");
        }
        texts.unwrap_or_default().into_iter().filter(|text| !text.trim().is_empty()).collect()
    }

    fn sheet(&mut self) -> SolutionSheet {
        let name = self.name();
        let summary = self.clean("summary", normalise::text);
        if summary.as_ref().is_some_and(|text| text.chars().count() > 200) {
            self.notice("summary_too_long");
        }
        let description = self.clean("description", normalise::text);
        if description.as_ref().is_some_and(|text| text.chars().count() > 20_000) {
            self.notice("description_too_long");
        }
        let language = self.raw("language").and_then(|raw| {
            let tag = raw.trim();
            let is_tag = (2..=35).contains(&tag.len()) && oxilangtag::LanguageTag::parse(tag).is_ok();
            if !is_tag {
                self.keep("language", raw.clone());
                self.notice("language_unknown");
            }
            is_tag.then(|| tag.to_owned())
        });
        let website = self.address("website");
        let repository = self.address("repository");
        let stated = self.distribution();
        let (licence, implied) = self.licence();
        let distribution = stated.or(implied);
        let deployment = self.deployment();
        let tags = self.tags();
        let sourcing_rank = self.sourcing_rank();
        let categories = self.list("source_categories");
        let families = normalise::families(&categories);
        if !categories.is_empty() {
            self.keep("source_categories", categories);
        }
        let audiences = self.audiences();
        for name in KEPT {
            if let Some(text) = self.raw(name) {
                self.keep(name, text);
            }
        }
        SolutionSheet {
            name,
            summary,
            description,
            language,
            website,
            repository,
            families,
            audiences,
            tags,
            sourcing_rank,
            distribution,
            licence,
            deployment,
            ..SolutionSheet::default()
        }
    }

    fn name(&mut self) -> String {
        let known = self.flaws.len();
        let Some(name) = self.clean("name", normalise::line) else {
            if self.flaws.len() == known {
                self.flaws.push(Flaw::new("name", "is required"));
            }
            return String::new();
        };
        if name.chars().count() > 200 {
            self.notice("name_too_long");
        }
        // Beyond this an index cannot hold it; the whole is kept beside.
        let kept = cut(&name, 500).trim_end().to_owned();
        if kept != name {
            self.original.entry("name".to_owned()).or_insert_with(|| name.into());
        }
        kept
    }

    fn address(&mut self, name: &'static str) -> Option<String> {
        let raw = self.raw(name)?;
        let address = normalise::address(&raw);
        match &address {
            None => self.notice("url_unusable"),
            Some(address) if address == raw.trim() => return Some(address.clone()),
            Some(_) => self.notice("url_normalised"),
        }
        self.keep(name, raw);
        address
    }

    fn distribution(&mut self) -> Option<Distribution> {
        let raw = self.raw("distribution")?;
        let known = Distribution::from_code(raw.trim());
        if known.is_none() {
            self.keep("distribution", raw);
            self.notice("distribution_unknown");
        }
        known
    }

    /// The licence, and the distribution it implies.
    fn licence(&mut self) -> (Option<String>, Option<Distribution>) {
        let Some(raw) = self.raw("licence") else { return (None, None) };
        match normalise::licence(&raw) {
            Licence::Spdx(expression) => {
                if expression != raw.trim() {
                    self.keep("licence", raw);
                    self.notice("licence_normalised");
                }
                (Some(expression), None)
            }
            Licence::Proprietary => {
                self.keep("licence", raw);
                self.notice("licence_proprietary");
                (None, Some(Distribution::Proprietary))
            }
            Licence::Other => {
                self.keep("licence", raw);
                self.notice("licence_not_spdx");
                (None, None)
            }
        }
    }

    fn deployment(&mut self) -> Vec<Deployment> {
        let words = self.list("deployment");
        let known: BTreeSet<Deployment> = words.iter().filter_map(|word| Deployment::from_code(word.trim())).collect();
        if words.iter().any(|word| Deployment::from_code(word.trim()).is_none()) {
            self.keep("deployment", words);
            self.notice("deployment_unknown");
        }
        known.into_iter().collect()
    }

    fn audiences(&mut self) -> Vec<crate::solutions::sheet::Audience> {
        let words = self.list("audiences");
        let known: BTreeSet<_> = words.iter().filter_map(|word| normalise::audience(word)).collect();
        if words.iter().any(|word| normalise::audience(word).is_none()) {
            self.notice("audience_unknown");
        }
        if !words.is_empty() {
            self.keep("audiences", words);
        }
        known.into_iter().collect()
    }

    fn tags(&mut self) -> Vec<String> {
        let words = self.list("tags");
        let mut seen = BTreeSet::new();
        let clean: Vec<String> = words
            .iter()
            .map(|word| normalise::line(word).0)
            .filter(|word| !word.is_empty() && seen.insert(word.clone()))
            .collect();
        let mut kept: Vec<String> = clean.iter().filter(|word| word.chars().count() <= 100).cloned().collect();
        kept.truncate(50);
        if kept.len() < clean.len() {
            self.keep("tags", words);
            self.notice("tags_left_out");
        }
        kept
    }

    fn sourcing_rank(&mut self) -> Option<SourcingRank> {
        match self.members.remove("public_provider") {
            None | Some(Value::Null) => None,
            Some(Value::Bool(true)) => Some(SourcingRank::MutualisedPublic),
            Some(Value::Bool(false)) => {
                self.keep("public_provider", false);
                None
            }
            Some(_) => {
                self.wrong_type("public_provider", "true or false");
                None
            }
        }
    }

    /// The vendor; only kept beside the sheet when all are another's.
    fn vendor(&mut self, is_given: bool) -> Option<Vendor> {
        let whole = self.members.remove("vendor")?;
        let members = match &whole {
            Value::Null => return None,
            Value::Object(members) => members.clone(),
            _ => {
                self.wrong_type("vendor", "an object with name, kind and country");
                return None;
            }
        };
        let mut inner = Members::new(Raw { members, is_row: false });
        let name = inner.clean("name", normalise::line);
        let kind = inner.raw("kind");
        let country = inner.raw("country");
        self.flaws.extend(inner.flaws.into_iter().map(|flaw| Flaw::new(format!("vendor/{}", flaw.field), flaw.reason)));
        let mut is_whole = inner.members.values().all(Value::is_null);
        if !inner.notices.is_empty() {
            self.notice("text_normalised");
            is_whole = false;
        }
        let nature = kind.as_deref().and_then(|kind| LegalNature::from_code(kind.trim()));
        if kind.is_some() && nature.is_none() {
            self.notice("vendor_kind_unknown");
            is_whole = false;
        }
        let stated = country.as_deref().map(|country| country.trim().to_uppercase());
        let country = stated.clone().filter(|country| is_country(country));
        if stated != country {
            self.notice("vendor_country_unknown");
            is_whole = false;
        }
        let vendor = name.map(|name| {
            let short = cut(&name, 200).trim_end().to_owned();
            if short != name {
                self.notice("vendor_name_too_long");
                is_whole = false;
            }
            let folded = fold(&short);
            let key = cut(if folded.is_empty() { &short } else { &folded }, 500).to_owned();
            Vendor { name: short, key, nature, country }
        });
        if vendor.is_none() {
            self.notice("vendor_unnamed");
        }
        if !is_whole || is_given || vendor.is_none() {
            self.keep("vendor", whole);
        }
        vendor.filter(|_| !is_given)
    }
}

/// The cells of a row as the members they stand for.
fn typed(cells: Map<String, Value>) -> Map<String, Value> {
    let mut members = Map::new();
    let mut vendor = Map::new();
    for (name, cell) in cells {
        let text = cell.as_str().unwrap_or_default();
        if let Some(part) = name.strip_prefix("vendor_").filter(|part| matches!(*part, "name" | "kind" | "country")) {
            vendor.insert(part.to_owned(), cell);
        } else if LISTS.contains(&name.as_str()) {
            members.insert(name, text.split('|').map(str::trim).collect());
        } else if name == "public_provider" {
            let flag = match text.trim().to_lowercase().as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                _ => cell,
            };
            members.insert(name, flag);
        } else {
            members.insert(name, cell);
        }
    }
    if !vendor.is_empty() {
        members.insert("vendor".to_owned(), Value::Object(vendor));
    }
    members
}

/// Takes members from the sheet that the rules of a sheet would refuse.
fn without_faults(
    sheet: SolutionSheet,
    original: &mut BTreeMap<String, Value>,
    notices: &mut BTreeSet<&'static str>,
) -> std::result::Result<SolutionSheet, Vec<Flaw>> {
    let found = faults(&sheet, None);
    if found.is_empty() {
        return Ok(sheet);
    }
    let whole = |error: serde_json::Error| vec![Flaw::whole(error.to_string())];
    let mut members = serde_json::to_value(&sheet).map_err(whole)?;
    for fault in found {
        let (At::Body(pointer) | At::Parameter(pointer)) = &fault.place;
        let name = pointer.trim_start_matches('/').split('/').next().unwrap_or_default().to_owned();
        if name == "name" {
            return Err(vec![Flaw::new(name, fault.detail.en)]);
        }
        let value = members.as_object_mut().and_then(|members| members.remove(&name));
        original.extend(value.map(|value| (name, value)));
        notices.insert("value_left_out");
    }
    serde_json::from_value(members).map_err(whole)
}
