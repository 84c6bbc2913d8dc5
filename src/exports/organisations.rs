//! Organisations, once confirmed.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use diesel::prelude::*;

use super::model::{Exportable, Exported, Pick, ids, own_data};
use super::view::Removed;
use crate::db::journal::Head;
use crate::db::schema::organisations;
use crate::db::{Change, Db, Id, Instant, MultiBackend, Resource};
use crate::error::Result;
use crate::organisations::rules::OrganisationStatus;
use crate::organisations::view::{OrganisationFilter, OrganisationView};
use crate::organisations::{Organisation, Viewer};
use crate::picked;
use crate::search::Live;

pub struct Organisations;

impl Exported for Organisations {
    type Filter = OrganisationFilter;
    type View = OrganisationView;
    const NAME: &'static str = "organisations";

    fn open(_: Option<&Live>, _: Head) -> Result<Self> {
        Ok(Self)
    }

    fn rows(&self, db: &mut Db, filter: &OrganisationFilter, pick: &Pick<'_>, _: NaiveDate) -> Result<Vec<Exportable>> {
        let nobody = Viewer::default();
        let query = Organisation::matching(filter, &nobody);
        let rows: Vec<Organisation> =
            picked!(query, organisations::id, pick).select(Organisation::as_select()).load(db)?;
        rows.into_iter()
            .map(|row| {
                let id = row.id;
                let view = serde_json::to_string(&OrganisationView::new(row, &nobody))?;
                Ok(Exportable { id, view, data: own_data() })
            })
            .collect()
    }

    fn changed_since(db: &mut Db, since: Instant, pick: &Pick<'_>) -> Result<Vec<Id>> {
        let query = organisations::table
            .into_boxed::<MultiBackend>()
            .filter(organisations::updated_at.ge(since).and(organisations::status.ne(OrganisationStatus::Pending)));
        Ok(picked!(query, organisations::id, pick).select(organisations::id).load(db)?)
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
        Ok(rows.into_iter().map(|(id, status, updated_at)| Removed::new(id, status, updated_at)).collect())
    }
}
