//! Solutions, with whose their data are.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use diesel::prelude::*;

use super::model::{Exportable, Exported, Pick, about, ids, own_data};
use super::rules::{DataTerms, terms};
use super::view::{Data, Removed};
use crate::db::schema::{evaluations, labels, reviews, solutions};
use crate::db::{Change, Db, Id, Instant, MultiBackend, Resource};
use crate::error::Result;
use crate::organisations::Viewer;
use crate::picked;
use crate::solutions::model::Solution;
use crate::solutions::rules::SolutionStatus;
use crate::solutions::view::{SolutionFilter, SolutionView};

pub struct Solutions;

impl Exported for Solutions {
    type Filter = SolutionFilter;
    type View = SolutionView;
    const NAME: &'static str = "solutions";

    fn rows(
        db: &mut Db,
        filter: &SolutionFilter,
        pick: &Pick<'_>,
        today: NaiveDate,
    ) -> Result<Vec<Exportable<SolutionView>>> {
        let nobody = Viewer::default();
        let query = crate::solutions::model::matching(filter, &nobody)?;
        let rows = picked!(query, solutions::id, pick).select(Solution::as_select()).load(db)?;
        let views = crate::solutions::view::views(db, rows, &nobody, &[], true, today)?;
        Ok(views
            .into_iter()
            .map(|view| {
                let data = match &view.imported_from {
                    None => own_data(),
                    Some(record) => Data {
                        data_terms: record.licence.as_deref().map_or(DataTerms::Unstated, terms),
                        data_licence: record.licence.clone(),
                        data_attribution: record.attribution.clone(),
                    },
                };
                Exportable { id: view.id, view, data }
            })
            .collect())
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
