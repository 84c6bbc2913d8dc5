//! From rows to what is searched: only what the public reads.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;

use super::index::Entry;
use crate::db::journal::Change;
use crate::db::schema::solutions;
use crate::db::{Db, Id};
use crate::error::Result;
use crate::evaluations::model::scores_in_force;
use crate::kept::reach::Reach;
use crate::labels::model::Label;
use crate::organisations::Organisation;
use crate::solutions::model::{Solution, SolutionVersion};
use crate::solutions::publication::facet_values;
use crate::solutions::rules::SolutionStatus;
use crate::solutions::view::public_view;

/// Solutions loaded at once.
pub const BATCH: usize = 500;

/// Those of these solutions that are public, with a fixed number of queries.
pub fn load(db: &mut Db, ids: &[Id]) -> Result<Vec<Entry>> {
    let rows = Solution::find_public(db, ids)?;
    let ids: Vec<Id> = rows.iter().map(|row| row.id).collect();
    let mut versions = SolutionVersion::current(db, &rows)?;
    let vendors: BTreeSet<Id> = rows.iter().filter_map(|row| row.organisation_id).collect();
    let vendors: BTreeMap<Id, Organisation> = Organisation::find_all(db, &vendors.into_iter().collect::<Vec<_>>())?
        .into_iter()
        .map(|vendor| (vendor.id, vendor))
        .collect();
    let mut labelled: BTreeMap<Id, Vec<Label>> = BTreeMap::new();
    for label in Label::of_all(db, &ids)? {
        labelled.entry(label.solution_id).or_default().push(label);
    }
    let mut scores = scores_in_force(db, &ids)?;
    rows.into_iter()
        .filter_map(|row| Some((versions.remove(&row.id)?, row)))
        .map(|(version, row)| {
            let labels = labelled.remove(&row.id).unwrap_or_default();
            let scores = scores.remove(&row.id).map(|scores| {
                let themes = scores.themes.into_iter();
                themes.filter_map(|one| Some((one.theme, i64::from(one.score?.ten_thousandths())))).collect()
            });
            let vendor = row.organisation_id.and_then(|id| vendors.get(&id));
            entry(row, version, vendor, &labels, scores.unwrap_or_default())
        })
        .collect()
}

fn entry(
    row: Solution,
    version: SolutionVersion,
    vendor: Option<&Organisation>,
    labels: &[Label],
    scores: Vec<(String, i64)>,
) -> Result<Entry> {
    let sheet = version.sheet.0.clone();
    let facets = facet_values(&sheet, vendor, labels.iter().map(|label| label.status)).into_iter().collect();
    let mut context: Vec<String> = vendor.iter().map(|vendor| vendor.details.name.clone()).collect();
    for family in sheet.families.iter().filter_map(|code| crate::families::find(code)) {
        context.extend([family.name.fr.clone(), family.name.en.clone()]);
    }
    context.extend(sheet.standards.iter().cloned());
    // The best that a third party found, under a label that is valid.
    let mut verified: BTreeMap<String, i64> = BTreeMap::new();
    for label in labels.iter().filter(|label| label.status.is_valid()) {
        for (theme, score) in &label.content.scores.themes {
            let Some(score) = score.score else { continue };
            let best = verified.entry(theme.clone()).or_default();
            *best = i64::from(score.ten_thousandths()).max(*best);
        }
    }
    let entry = Entry {
        id: row.id.to_string(),
        slug: row.slug.clone(),
        version: version.number,
        name: sheet.name,
        summary: sheet.summary.unwrap_or_default(),
        description: sheet.description.unwrap_or_default(),
        tags: sheet.tags,
        context,
        numbers: vendor.and_then(|vendor| vendor.siren.clone()).into_iter().collect(),
        addresses: [sheet.repository, sheet.website].into_iter().flatten().collect(),
        facets,
        status: row.status.code(),
        vendor: row.organisation_id.map(|id| id.to_string()),
        score: row.score.into(),
        scores,
        verified: verified.into_iter().collect(),
        rating: row.rating.into(),
        published_at: row.published_at.micros(),
        updated_at: row.updated_at.micros(),
        is_labelled: labels.iter().any(|label| label.status.is_valid()),
        is_fresh: row.status == SolutionStatus::Published,
        view: String::new(),
    };
    Ok(Entry { view: public_view(row, version, vendor)?, ..entry })
}

/// The next solutions, public or not, in the order of their ids: by status as well, each part would
/// look through all that are public.
pub fn next(db: &mut Db, after: Option<Id>) -> Result<Vec<Id>> {
    let after = after.unwrap_or(Id(uuid::Uuid::nil()));
    let limit = i64::try_from(BATCH).unwrap_or(i64::MAX);
    Ok(solutions::table
        .filter(solutions::id.gt(after))
        .order(solutions::id)
        .limit(limit)
        .select(solutions::id)
        .load(db)?)
}

/// The solutions that what is in the journal may have changed for the public: their own changes,
/// and those of their vendor, labels, evaluations and reviews.
pub fn touched(db: &mut Db, entries: &[Change]) -> Result<BTreeSet<Id>> {
    let (mut all, mut vendors) = (BTreeSet::new(), BTreeSet::new());
    for entry in entries {
        match Reach::of(entry.resource, entry.resource_id, &entry.action, &entry.changed) {
            Reach::Solution(id) | Reach::Sheet(id) => {
                all.insert(id);
            }
            Reach::Organisations => {
                vendors.insert(entry.resource_id);
            }
            // What a person leaves behind is told of each solution it was about.
            Reach::Nothing | Reach::Criteria | Reach::Everything => {}
        }
    }
    for vendors in vendors.into_iter().collect::<Vec<_>>().chunks(BATCH) {
        let own = solutions::table.filter(solutions::organisation_id.eq_any(vendors.to_vec()).assume_not_null());
        all.extend(own.filter(solutions::published_version.is_not_null()).select(solutions::id).load::<Id>(db)?);
    }
    Ok(all)
}
