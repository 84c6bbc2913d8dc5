//! Publication: the one place where a version comes into being and what lists
//! and filters look at is refreshed.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use serde_json::{Value, json};

use super::model::{Solution, SolutionVersion};
use super::rules::{Command, SolutionStatus, facets, search_text};
use super::sheet::SolutionSheet;
use crate::db::schema::{organisations, solution_facets, solution_versions, solutions};
use crate::db::seals::Sealed;
use crate::db::{Db, Id, Instant, MultiBackend, Resource, Tx};
use crate::error::{Error, Result};
use crate::http::text::fold;
use crate::labels::rules::LabelStatus;
use crate::organisations::{Organisation, OrganisationDetails};

impl Solution {
    /// Makes the working copy the next public version.
    pub fn publish(&mut self, tx: &mut Tx<'_>, action: &str) -> Result<()> {
        let from = self.stage();
        let before = self.published_version.map(|n| SolutionVersion::find(tx.db, self.id, n)).transpose()?;
        let version = self.release(tx.now)?;
        let number = version.number;
        diesel::insert_into(solution_versions::table).values(&version).execute(tx.db)?;
        tx.seal(Sealed::SolutionVersion, &[(version.solution_id, number)])?;
        self.refresh_facets(tx.db, &version.sheet)?;
        let changed = json!({"status": [from.status, self.status], "revision": [from.revision, Value::Null], "published_version": number});
        self.store(tx, action, changed)?;
        match before {
            Some(before) => crate::labels::changes::note(tx, self, &before, &version),
            None => Ok(()),
        }
    }

    /// Writes drafts that are in no table yet, each with its first public
    /// version, in a fixed number of statements; `vendors` has theirs.
    pub fn publish_all(
        tx: &mut Tx<'_>,
        drafts: &mut [Self],
        vendors: &BTreeMap<Id, Organisation>,
        action: &str,
    ) -> Result<()> {
        let (mut versions, mut facets, mut entries) = (Vec::new(), Vec::new(), Vec::new());
        for draft in drafts.iter_mut() {
            let version = draft.release(tx.now)?;
            let vendor = draft.organisation_id.and_then(|id| vendors.get(&id));
            facets.extend(draft.facet_rows(&version.sheet, vendor, Vec::new()));
            let changed = json!({"status": [null, draft.status], "published_version": version.number});
            entries.push((draft.id, draft.version, changed));
            versions.push(version);
        }
        Self::insert_all(tx.db, drafts)?;
        crate::insert_all!(&mut *tx.db, solution_versions::table, &versions);
        let sealed: Vec<(Id, i32)> = versions.iter().map(|one| (one.solution_id, one.number)).collect();
        tx.seal(Sealed::SolutionVersion, &sealed)?;
        crate::insert_all!(&mut *tx.db, solution_facets::table, &facets);
        tx.record_all(action, Resource::Solution, entries)
    }

    /// Takes the working copy as the next version, with all that follows for this row.
    fn release(&mut self, now: Instant) -> Result<SolutionVersion> {
        let (Some(sheet), Some(origins)) = (self.draft.take(), self.draft_origins.take()) else {
            return Err(Error::Internal("published without a working copy".to_owned()));
        };
        if self.status != SolutionStatus::Draft {
            self.advance(Command::Publish)?;
        } else {
            // An import is listed at once.
            self.status = SolutionStatus::Published;
        }
        let number = self.published_version.unwrap_or_default() + 1;
        self.name_folded = fold(&sheet.name);
        self.search_text = search_text(&sheet);
        self.published_version = Some(number);
        if number == 1 {
            self.published_at = now;
        }
        self.confirmed_at = Some(now);
        self.updated_at = now;
        self.moderation = None;
        let organisation_id = self.organisation_id;
        Ok(SolutionVersion { solution_id: self.id, number, organisation_id, sheet, origins, published_at: now })
    }

    /// Rewrites what the published sheet can be filtered by.
    pub fn refresh_facets(&self, db: &mut Db, sheet: &SolutionSheet) -> Result<()> {
        let vendor = self.organisation_id.map(|id| Organisation::find(db, id)).transpose()?;
        let labels = crate::labels::model::statuses(db, self.id)?;
        let rows = self.facet_rows(sheet, vendor.as_ref(), labels);
        diesel::delete(solution_facets::table.filter(solution_facets::solution_id.eq(self.id))).execute(db)?;
        crate::insert_all!(db, solution_facets::table, &rows);
        Ok(())
    }

    fn facet_rows(
        &self,
        sheet: &SolutionSheet,
        vendor: Option<&Organisation>,
        labels: Vec<LabelStatus>,
    ) -> Vec<NewFacet> {
        let all = facet_values(sheet, vendor, labels);
        all.into_iter().map(|(facet, value)| NewFacet { solution_id: self.id, facet, value }).collect()
    }

    /// Rewrites the filters of a published solution after something beside its sheet changed.
    pub fn refresh_published_facets(&self, db: &mut Db) -> Result<()> {
        match self.published_sheet(db)? {
            Some(sheet) => self.refresh_facets(db, &sheet),
            None => Ok(()),
        }
    }
}

/// What a published sheet can be filtered by, beside its vendor and labels.
pub fn facet_values(
    sheet: &SolutionSheet,
    vendor: Option<&Organisation>,
    labels: impl IntoIterator<Item = LabelStatus>,
) -> BTreeSet<(&'static str, String)> {
    let mut all = facets(sheet);
    all.extend(vendor.into_iter().flat_map(|vendor| vendor_facets(&vendor.details)));
    all.extend(labels.into_iter().map(|status| ("label", status.to_string())));
    all
}

/// What the solutions of a vendor can be filtered by.
fn vendor_facets(details: &OrganisationDetails) -> Vec<(&'static str, String)> {
    let nature = details.legal_nature.map(|nature| ("vendor_kind", nature.to_string()));
    let control = details.control.map(|control| ("vendor_control", control.to_string()));
    let size = details.size.map(|size| ("vendor_size", size.to_string()));
    nature.into_iter().chain(control).chain(size).collect()
}

/// Rewrites what a vendor's published solutions can be filtered by after its own details
/// changed: in as many statements for one solution as for hundreds.
pub fn refresh_facets_of_vendor(db: &mut Db, vendor: &Organisation, before: &OrganisationDetails) -> Result<()> {
    let (was, is) = (vendor_facets(before), vendor_facets(&vendor.details));
    if was == is {
        return Ok(());
    }
    let published = || {
        solutions::table
            .filter(solutions::organisation_id.eq(vendor.id).and(solutions::published_version.is_not_null()))
            .select(solutions::id)
    };
    let facets: Vec<&str> = was.iter().map(|(facet, _)| *facet).collect();
    diesel::delete(
        solution_facets::table
            .filter(solution_facets::facet.eq_any(facets))
            .filter(solution_facets::solution_id.eq_any(published())),
    )
    .execute(db)?;
    let ids: Vec<Id> = published().load(db)?;
    let rows: Vec<NewFacet> = ids
        .into_iter()
        .flat_map(|solution_id| {
            is.iter().map(move |(facet, value)| NewFacet { solution_id, facet, value: value.clone() })
        })
        .collect();
    crate::insert_all!(db, solution_facets::table, &rows);
    Ok(())
}

#[derive(Insertable)]
#[diesel(table_name = solution_facets)]
struct NewFacet {
    solution_id: Id,
    facet: &'static str,
    value: String,
}

/// Six months after it became outdated, a solution nobody confirms is archived.
const STALE_DAYS: i64 = 183;

/// What the calendar does to solutions: outdated when not confirmed for too
/// long, archived when nobody comes back. An imported sheet of a vendor
/// nobody verified has no one who could confirm it, and stays.
pub fn age(tx: &mut Tx<'_>, confirmation_days: i64) -> Result<usize> {
    let due = |tx: &mut Tx<'_>, status: SolutionStatus| {
        let verified = organisations::table
            .filter(organisations::identifier_verified_at.is_not_null())
            .select(organisations::id.nullable());
        let mut query = solutions::table
            .filter(solutions::status.eq(status))
            .filter(solutions::provenance.is_null().or(solutions::organisation_id.eq_any(verified).assume_not_null()))
            .into_boxed::<MultiBackend>();
        query = match status {
            // Becoming outdated was the last change of what the public reads.
            SolutionStatus::Outdated => query.filter(solutions::updated_at.le(tx.now.plus_days(-STALE_DAYS))),
            _ => query.filter(solutions::confirmed_at.le(tx.now.plus_days(-confirmation_days))),
        };
        query.select(Solution::as_select()).load::<Solution>(tx.db)
    };
    let outdated = due(tx, SolutionStatus::Published)?;
    let stale = due(tx, SolutionStatus::Outdated)?;
    let count = outdated.len() + stale.len();
    for mut solution in outdated {
        solution.updated_at = tx.now;
        solution.transition(tx, Command::MarkOutdated)?;
    }
    for mut solution in stale {
        super::transitions::archive(&mut solution, tx, "Non confirmée depuis dix-huit mois.".to_owned())?;
    }
    Ok(count)
}
