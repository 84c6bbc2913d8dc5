//! Solutions, with whose their data are.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use chrono::NaiveDate;
use diesel::prelude::*;
use serde::Deserialize;
use tantivy::DocAddress;

use super::model::{Exportable, Exported, Pick, about, ids, own_data};
use super::rules::{DataTerms, terms};
use super::view::{Data, Removed};
use crate::db::journal::Head;
use crate::db::schema::{evaluations, labels, reviews, solutions};
use crate::db::{Change, Db, Id, Instant, MultiBackend, Resource};
use crate::error::{Error, Result};
use crate::picked;
use crate::search::{Live, PATIENCE, Search, Shown};
use crate::solutions::model::{ImportRecord, Solution};
use crate::solutions::rules::SolutionStatus;
use crate::solutions::view::{SolutionFilter, SolutionView};

/// A selection of the index, in the order of identifiers.
pub struct Solutions {
    search: Arc<Search>,
    shown: Shown,
    /// Found when the first row is read: who has the same already reads none.
    selected: OnceLock<Vec<(Id, DocAddress)>>,
}

/// What a view says about whose its data are.
#[derive(Deserialize)]
struct Imported {
    imported_from: Option<ImportRecord>,
}

impl Solutions {
    fn row(&self, (id, address): (Id, DocAddress)) -> Result<Exportable> {
        let view = self.search.document(&self.shown.searcher, address)?;
        let Imported { imported_from } = serde_json::from_str(&view)?;
        let data = match imported_from {
            None => own_data(),
            Some(record) => Data {
                data_terms: record.licence.as_deref().map_or(DataTerms::Unstated, terms),
                data_licence: record.licence,
                data_attribution: record.attribution,
            },
        };
        Ok(Exportable { id, view, data })
    }

    fn selected(&self, filter: &SolutionFilter) -> Result<&[(Id, DocAddress)]> {
        if self.selected.get().is_none() {
            let found = self.search.all(&self.shown, &filter.asked(), &filter.conditions())?;
            let _another_was_faster = self.selected.set(found);
        }
        Ok(self.selected.get().map(Vec::as_slice).unwrap_or_default())
    }
}

impl Exported for Solutions {
    type Filter = SolutionFilter;
    type View = SolutionView;
    const NAME: &'static str = "solutions";

    const IS_INDEXED: bool = true;

    fn open(index: Option<&Live>, head: Head) -> Result<Self> {
        let index = index.ok_or_else(|| Error::unavailable("the search index is being built"))?;
        let search = Arc::clone(&index.search);
        let shown = search.shown_with(head, PATIENCE)?;
        Ok(Self { search, shown, selected: OnceLock::new() })
    }

    fn heard(&self) -> Option<Head> {
        Some(self.shown.heard)
    }

    fn rows(&self, _: &mut Db, filter: &SolutionFilter, pick: &Pick<'_>, _: NaiveDate) -> Result<Vec<Exportable>> {
        let all = self.selected(filter)?;
        match pick {
            Pick::After(id, rows) => {
                let from = id.map_or(0, |id| all.partition_point(|(one, _)| *one <= id));
                all.iter().skip(from).take(*rows).map(|one| self.row(*one)).collect()
            }
            Pick::Among(ids) => ids
                .iter()
                .filter_map(|id| all.get(all.binary_search_by_key(id, |(one, _)| *one).ok()?))
                .map(|one| self.row(*one))
                .collect(),
        }
    }

    fn changed_since(db: &mut Db, since: Instant, pick: &Pick<'_>) -> Result<Vec<Id>> {
        let query = solutions::table
            .into_boxed::<MultiBackend>()
            .filter(solutions::updated_at.ge(since).and(solutions::published_version.is_not_null()));
        Ok(picked!(query, solutions::id, pick).select(solutions::id).load(db)?)
    }

    fn touched(db: &mut Db, entries: &[Change]) -> Result<BTreeSet<Id>> {
        let changes = about(entries, Resource::Solution);
        // What is prepared behind a published version is not to be noticed: only a change of what the
        // public reads leaves its instant in the row.
        let mut touched: BTreeSet<Id> = solutions::table
            .filter(solutions::id.eq_any(changes.keys().copied().collect::<Vec<_>>()))
            .filter(solutions::published_version.is_not_null())
            .select((solutions::id, solutions::updated_at))
            .load::<(Id, Instant)>(db)?
            .into_iter()
            .filter(|(id, at)| changes.get(id).is_some_and(|all| all.contains(at)))
            .map(|(id, _)| id)
            .collect();
        let evaluated = evaluations::table
            .filter(evaluations::id.eq_any(ids(entries, Resource::Evaluation)))
            .filter(evaluations::published_at.is_not_null())
            .select(evaluations::solution_id)
            .load::<Id>(db)?;
        let reviewed = reviews::table
            .filter(reviews::id.eq_any(ids(entries, Resource::Review)))
            .filter(reviews::published_at.is_not_null())
            .select(reviews::solution_id)
            .load::<Id>(db)?;
        let labelled = labels::table
            .filter(labels::id.eq_any(ids(entries, Resource::Label)))
            .select(labels::solution_id)
            .load::<Id>(db)?;
        let offered = solutions::table
            .filter(solutions::organisation_id.eq_any(ids(entries, Resource::Organisation)).assume_not_null())
            .filter(solutions::published_version.is_not_null())
            .select(solutions::id)
            .load::<Id>(db)?;
        touched.extend(evaluated.into_iter().chain(reviewed).chain(labelled).chain(offered));
        let names: Vec<String> = solutions::table
            .filter(solutions::id.eq_any(touched.iter().copied().collect::<Vec<_>>()))
            .select(solutions::name_folded)
            .load(db)?;
        touched.extend(Solution::namesakes(db, &names)?.into_iter().map(|(id, _, _)| id));
        Ok(touched)
    }

    fn removed(db: &mut Db, ids: &[Id]) -> Result<Vec<Removed>> {
        let rows = solutions::table
            .filter(solutions::id.eq_any(ids.to_vec()).and(solutions::published_version.is_not_null()))
            .order(solutions::id)
            .select((solutions::id, solutions::slug, solutions::status, solutions::updated_at))
            .load::<(Id, String, SolutionStatus, Instant)>(db)?;
        Ok(rows
            .into_iter()
            .map(|(id, slug, status, updated_at)| Removed { slug: Some(slug), ..Removed::new(id, status, updated_at) })
            .collect())
    }
}
