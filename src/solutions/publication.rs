//! Publication: the one place where a version comes into being and what lists
//! and filters look at is refreshed.

use diesel::prelude::*;
use serde_json::{Value, json};

use super::model::{Solution, SolutionVersion};
use super::rules::{Command, SolutionStatus, facets, search_text};
use super::sheet::SolutionSheet;
use crate::db::schema::{solution_facets, solution_versions, solutions};
use crate::db::{Db, Id, Instant, Tx};
use crate::error::{Error, Result};
use crate::http::text::fold;
use crate::organisations::Organisation;

impl Solution {
    /// Makes the working copy the next public version.
    pub fn publish(&mut self, tx: &mut Tx<'_>, action: &str) -> Result<()> {
        let (Some(draft), Some(origins)) = (self.draft.take(), self.draft_origins.take()) else {
            return Err(Error::Internal("published without a working copy".to_owned()));
        };
        let from = self.stage();
        if self.status != SolutionStatus::Draft {
            self.advance(Command::Publish)?;
        } else {
            // An import is listed at once.
            self.status = SolutionStatus::Published;
        }
        let number = self.published_version.unwrap_or_default() + 1;
        let sheet = draft.0.clone();
        self.name_folded = fold(&sheet.name);
        self.search_text = search_text(&sheet);
        self.published_version = Some(number);
        if number == 1 {
            self.published_at = tx.now;
        }
        self.confirmed_at = Some(tx.now);
        self.updated_at = tx.now;
        self.moderation = None;
        diesel::insert_into(solution_versions::table)
            .values(SolutionVersion {
                solution_id: self.id,
                number,
                organisation_id: self.organisation_id,
                sheet: draft,
                origins,
                published_at: tx.now,
            })
            .execute(tx.db)?;
        self.refresh_facets(tx.db, &sheet)?;
        let changed = json!({"status": [from.status, self.status], "revision": [from.revision, Value::Null], "published_version": number});
        self.store(tx, action, changed)
    }

    /// Rewrites what the published sheet can be filtered by.
    pub fn refresh_facets(&self, db: &mut Db, sheet: &SolutionSheet) -> Result<()> {
        let mut all = facets(sheet);
        if let Some(vendor) = self.organisation_id {
            let details = Organisation::find(db, vendor)?.details.0;
            all.extend(details.legal_nature.map(|nature| ("vendor_kind", nature.to_string())));
            all.extend(details.control.map(|control| ("vendor_control", control.to_string())));
            all.extend(details.size.map(|size| ("vendor_size", size.to_string())));
        }
        all.extend(
            crate::labels::model::statuses(db, self.id)?.into_iter().map(|status| ("label", status.to_string())),
        );
        diesel::delete(solution_facets::table.filter(solution_facets::solution_id.eq(self.id))).execute(db)?;
        let rows: Vec<NewFacet> =
            all.into_iter().map(|(facet, value)| NewFacet { solution_id: self.id, facet, value }).collect();
        crate::insert_all!(db, solution_facets::table, &rows);
        Ok(())
    }

    /// Rewrites the filters of a published solution after something beside its sheet changed.
    pub fn refresh_published_facets(&self, db: &mut Db) -> Result<()> {
        match self.published_sheet(db)? {
            Some(sheet) => self.refresh_facets(db, &sheet),
            None => Ok(()),
        }
    }
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
/// long, archived when nobody comes back. An imported sheet has no vendor who
/// could confirm it, and stays.
pub fn age(tx: &mut Tx<'_>, confirmation_days: i64) -> Result<usize> {
    let due = |tx: &mut Tx<'_>, status: SolutionStatus, before: Instant| -> Result<Vec<Solution>> {
        Ok(solutions::table
            .filter(solutions::status.eq(status).and(solutions::provenance.is_null()))
            .filter(solutions::confirmed_at.le(before))
            .select(Solution::as_select())
            .load(tx.db)?)
    };
    let outdated = due(tx, SolutionStatus::Published, tx.now.plus_days(-confirmation_days))?;
    let stale = due(tx, SolutionStatus::Outdated, tx.now.plus_days(-confirmation_days - STALE_DAYS))?;
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
