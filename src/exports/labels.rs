//! Labels, with every decision.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use diesel::prelude::*;

use super::model::{Exportable, Exported, Pick, ids, own_data};
use super::view::Removed;
use crate::db::journal::Head;
use crate::db::schema::labels;
use crate::db::{Change, Db, Id, Instant, MultiBackend, Resource};
use crate::error::Result;
use crate::labels::model::Label;
use crate::labels::view::{LabelFilter, LabelView};
use crate::picked;
use crate::search::Live;

pub struct Labels;

impl Exported for Labels {
    type Filter = LabelFilter;
    type View = LabelView;
    const NAME: &'static str = "labels";

    fn open(_: Option<&Live>, _: Head) -> Result<Self> {
        Ok(Self)
    }

    fn rows(&self, db: &mut Db, filter: &LabelFilter, pick: &Pick<'_>, today: NaiveDate) -> Result<Vec<Exportable>> {
        let query = Label::matching(filter, today);
        let rows: Vec<Label> = picked!(query, labels::id, pick).select(Label::as_select()).load(db)?;
        let ids: Vec<Id> = rows.iter().map(|label| label.id).collect();
        let views = crate::labels::model::views(db, rows, today)?;
        ids.into_iter()
            .zip(views)
            .map(|(id, view)| Ok(Exportable { id, view: serde_json::to_string(&view)?, data: own_data() }))
            .collect()
    }

    fn changed_since(db: &mut Db, since: Instant, pick: &Pick<'_>) -> Result<Vec<Id>> {
        let query = labels::table.into_boxed::<MultiBackend>().filter(labels::updated_at.ge(since));
        Ok(picked!(query, labels::id, pick).select(labels::id).load(db)?)
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
                number: Some(label.number),
                ..Removed::new(label.id, label.status, label.updated_at)
            })
            .collect())
    }
}
