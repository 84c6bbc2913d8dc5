//! Rows of exports: those of the lists, in the order of identifiers.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use diesel::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::rules::{DataTerms, LICENCE, terms};
use super::view::{Data, ExportQuery, Removed};
use crate::db::schema::{evaluations, labels, organisations, reviews, solutions};
use crate::db::{Change, Db, Id, Instant, MultiBackend, Resource};
use crate::error::Result;
use crate::labels::model::Label;
use crate::labels::view::{LabelFilter, LabelView};
use crate::organisations::rules::OrganisationStatus;
use crate::organisations::view::{OrganisationFilter, OrganisationView};
use crate::organisations::{Organisation, Viewer};
use crate::solutions::model::Solution;
use crate::solutions::rules::SolutionStatus;
use crate::solutions::view::{SolutionFilter, SolutionView};

/// Which rows to read.
pub enum Pick<'a> {
    /// So many, after this one.
    After(Option<Id>, usize),
    Among(&'a [Id]),
}

/// A row with whose its data are.
pub struct Exportable<V> {
    pub id: Id,
    pub view: V,
    pub data: Data,
}

/// A kind of thing that can be exported.
pub trait Exported: 'static {
    type Filter: ToSchema + DeserializeOwned + Clone + Send + Sync + 'static;
    type View: Serialize + ToSchema;
    const NAME: &'static str;

    /// Rows that the list shows the public, in the order of their identifiers.
    fn rows(
        db: &mut Db,
        filter: &Self::Filter,
        pick: &Pick<'_>,
        today: NaiveDate,
    ) -> Result<Vec<Exportable<Self::View>>>;

    /// What is or was public and changed since, after one of them or among some.
    fn changed_since(
        db: &mut Db,
        since: Instant,
        after: Option<Id>,
        among: Option<&[Id]>,
        limit: usize,
    ) -> Result<Vec<Id>>;

    /// What is or was public and is shown otherwise after these entries of the journal.
    fn touched(db: &mut Db, entries: &[Change]) -> Result<BTreeSet<Id>>;

    /// What is said of these once they are gone from a selection.
    fn removed(db: &mut Db, ids: &[Id]) -> Result<Vec<Removed>>;
}

impl ExportQuery {
    pub fn takes(&self, data: &Data) -> bool {
        self.data_terms.is_empty() || self.data_terms.contains(&data.data_terms)
    }
}

/// The ids of these resources that entries are about, with the instants of the entries.
fn about(entries: &[Change], resource: Resource) -> BTreeMap<Id, Vec<Instant>> {
    let mut all: BTreeMap<Id, Vec<Instant>> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.resource == resource) {
        all.entry(entry.resource_id).or_default().push(entry.at);
    }
    all
}

fn ids(entries: &[Change], resource: Resource) -> Vec<Id> {
    about(entries, resource).into_keys().collect()
}

fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// What is entered here is under the licence of the catalogue.
fn own_data() -> Data {
    Data { data_licence: Some(LICENCE.to_owned()), data_attribution: None, data_terms: DataTerms::Open }
}

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
        let mut query = crate::solutions::model::matching(filter, &nobody)?;
        query = match pick {
            Pick::After(None, rows) => query.limit(limit(*rows)),
            Pick::After(Some(id), rows) => query.filter(solutions::id.gt(*id)).limit(limit(*rows)),
            Pick::Among(ids) => query.filter(solutions::id.eq_any(ids.to_vec())),
        };
        let rows = query.order(solutions::id).select(Solution::as_select()).load(db)?;
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

    fn changed_since(
        db: &mut Db,
        since: Instant,
        after: Option<Id>,
        among: Option<&[Id]>,
        rows: usize,
    ) -> Result<Vec<Id>> {
        let mut query = solutions::table.into_boxed::<MultiBackend>();
        query = query.filter(solutions::updated_at.ge(since).and(solutions::published_version.is_not_null()));
        if let Some(after) = after {
            query = query.filter(solutions::id.gt(after));
        }
        if let Some(among) = among {
            query = query.filter(solutions::id.eq_any(among.to_vec()));
        }
        Ok(query.order(solutions::id).limit(limit(rows)).select(solutions::id).load(db)?)
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
            .map(|(id, slug, status, updated_at)| Removed {
                id,
                slug: Some(slug),
                number: None,
                status: status.to_string(),
                updated_at,
                is_removed: true,
            })
            .collect())
    }
}

pub struct Labels;

impl Exported for Labels {
    type Filter = LabelFilter;
    type View = LabelView;
    const NAME: &'static str = "labels";

    fn rows(
        db: &mut Db,
        filter: &LabelFilter,
        pick: &Pick<'_>,
        today: NaiveDate,
    ) -> Result<Vec<Exportable<LabelView>>> {
        let mut query = Label::matching(filter, today);
        query = match pick {
            Pick::After(None, rows) => query.limit(limit(*rows)),
            Pick::After(Some(id), rows) => query.filter(labels::id.gt(*id)).limit(limit(*rows)),
            Pick::Among(ids) => query.filter(labels::id.eq_any(ids.to_vec())),
        };
        let rows: Vec<Label> = query.order(labels::id).select(Label::as_select()).load(db)?;
        let ids: Vec<Id> = rows.iter().map(|label| label.id).collect();
        let views = crate::labels::model::views(db, rows, today)?;
        Ok(ids.into_iter().zip(views).map(|(id, view)| Exportable { id, view, data: own_data() }).collect())
    }

    fn changed_since(
        db: &mut Db,
        since: Instant,
        after: Option<Id>,
        among: Option<&[Id]>,
        rows: usize,
    ) -> Result<Vec<Id>> {
        let mut query = labels::table.into_boxed::<MultiBackend>().filter(labels::updated_at.ge(since));
        if let Some(after) = after {
            query = query.filter(labels::id.gt(after));
        }
        if let Some(among) = among {
            query = query.filter(labels::id.eq_any(among.to_vec()));
        }
        Ok(query.order(labels::id).limit(limit(rows)).select(labels::id).load(db)?)
    }

    fn touched(db: &mut Db, entries: &[Change]) -> Result<BTreeSet<Id>> {
        let own = ids(entries, Resource::Label);
        let bodies = ids(entries, Resource::Organisation);
        let cases = ids(entries, Resource::LabelApplication);
        Ok(labels::table
            .filter(
                labels::id
                    .eq_any(own)
                    .or(labels::audit_body_id.eq_any(bodies))
                    .or(labels::application_id.eq_any(cases)),
            )
            .select(labels::id)
            .load::<Id>(db)?
            .into_iter()
            .collect())
    }

    fn removed(db: &mut Db, ids: &[Id]) -> Result<Vec<Removed>> {
        let rows: Vec<Label> = labels::table
            .filter(labels::id.eq_any(ids.to_vec()))
            .order(labels::id)
            .select(Label::as_select())
            .load(db)?;
        Ok(rows
            .into_iter()
            .map(|label| Removed {
                id: label.id,
                slug: None,
                number: Some(label.number),
                status: label.status.to_string(),
                updated_at: label.updated_at,
                is_removed: true,
            })
            .collect())
    }
}

pub struct Organisations;

impl Exported for Organisations {
    type Filter = OrganisationFilter;
    type View = OrganisationView;
    const NAME: &'static str = "organisations";

    fn rows(
        db: &mut Db,
        filter: &OrganisationFilter,
        pick: &Pick<'_>,
        _: NaiveDate,
    ) -> Result<Vec<Exportable<OrganisationView>>> {
        let nobody = Viewer::default();
        let mut query = Organisation::matching(filter, &nobody);
        query = match pick {
            Pick::After(None, rows) => query.limit(limit(*rows)),
            Pick::After(Some(id), rows) => query.filter(organisations::id.gt(*id)).limit(limit(*rows)),
            Pick::Among(ids) => query.filter(organisations::id.eq_any(ids.to_vec())),
        };
        let rows: Vec<Organisation> = query.order(organisations::id).select(Organisation::as_select()).load(db)?;
        Ok(rows
            .into_iter()
            .map(|row| Exportable { id: row.id, view: OrganisationView::new(row, &nobody), data: own_data() })
            .collect())
    }

    fn changed_since(
        db: &mut Db,
        since: Instant,
        after: Option<Id>,
        among: Option<&[Id]>,
        rows: usize,
    ) -> Result<Vec<Id>> {
        let mut query = organisations::table.into_boxed::<MultiBackend>();
        query = query
            .filter(organisations::updated_at.ge(since).and(organisations::status.ne(OrganisationStatus::Pending)));
        if let Some(after) = after {
            query = query.filter(organisations::id.gt(after));
        }
        if let Some(among) = among {
            query = query.filter(organisations::id.eq_any(among.to_vec()));
        }
        Ok(query.order(organisations::id).limit(limit(rows)).select(organisations::id).load(db)?)
    }

    fn touched(db: &mut Db, entries: &[Change]) -> Result<BTreeSet<Id>> {
        Ok(organisations::table
            .filter(organisations::id.eq_any(ids(entries, Resource::Organisation)))
            .filter(organisations::status.ne(OrganisationStatus::Pending))
            .select(organisations::id)
            .load::<Id>(db)?
            .into_iter()
            .collect())
    }

    fn removed(db: &mut Db, ids: &[Id]) -> Result<Vec<Removed>> {
        let rows = organisations::table
            .filter(organisations::id.eq_any(ids.to_vec()))
            .filter(organisations::status.ne(OrganisationStatus::Pending))
            .order(organisations::id)
            .select((organisations::id, organisations::status, organisations::updated_at))
            .load::<(Id, OrganisationStatus, Instant)>(db)?;
        Ok(rows
            .into_iter()
            .map(|(id, status, updated_at)| Removed {
                id,
                slug: None,
                number: None,
                status: status.to_string(),
                updated_at,
                is_removed: true,
            })
            .collect())
    }
}
