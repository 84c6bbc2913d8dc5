//! What a review leaves behind: the texts its author replaced, kept for
//! moderators alone, and the reports about it.

use diesel::prelude::*;

use super::content::ReviewContent;
use super::model::Review;
use crate::db::schema::{review_edits, review_reports};
use crate::db::{Db, Id, Instant, Json, MultiBackend, Tx};
use crate::error::{Error, Result};
use crate::http::{After, Key, Page, Slice};
use crate::{keyset, text};

/// A text the public read before it was edited.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = review_edits, treat_none_as_default_value = false)]
pub struct ReviewEdit {
    pub review_id: Id,
    pub number: i32,
    pub content: Json<ReviewContent>,
    pub replaced_at: Instant,
}

impl ReviewEdit {
    /// Keeps the text that `review` has now.
    pub fn keep(tx: &mut Tx<'_>, review: &Review) -> Result<()> {
        let last: Option<i32> = review_edits::table
            .filter(review_edits::review_id.eq(review.id))
            .order(review_edits::number.desc())
            .select(review_edits::number)
            .first(tx.db)
            .optional()?;
        let edit = Self {
            review_id: review.id,
            number: last.unwrap_or_default() + 1,
            content: review.content.clone(),
            replaced_at: tx.now,
        };
        diesel::insert_into(review_edits::table).values(&edit).execute(tx.db)?;
        Ok(())
    }

    /// Forgets the earlier texts of a review whose link to its author is cut.
    pub fn forget(tx: &mut Tx<'_>, review: Id) -> Result<()> {
        diesel::delete(review_edits::table.filter(review_edits::review_id.eq(review))).execute(tx.db)?;
        Ok(())
    }

    pub fn page(db: &mut Db, review: Id, slice: &Slice) -> Result<Page<Self>> {
        use review_edits as e;
        let total = e::table.filter(e::review_id.eq(review)).count().get_result(db)?;
        let rows = keyset!(
            e::table.filter(e::review_id.eq(review)).into_boxed::<MultiBackend>(),
            slice,
            e::number,
            e::review_id,
            true,
            |after| i32::try_from(after.number()).unwrap_or(i32::MAX)
        )
        .select(Self::as_select())
        .load(db)?;
        Ok(slice.page(rows, total, |row: &Self| After { key: Key::Number(i64::from(row.number)), id: row.review_id }))
    }
}

/// Why somebody wants a review looked at again.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = review_reports, treat_none_as_default_value = false)]
pub struct ReviewReport {
    pub id: Id,
    pub review_id: Id,
    pub actor_id: Id,
    pub reason: String,
    pub created_at: Instant,
}

impl ReviewReport {
    /// Files a report; one person reports a publication once, whatever became of it.
    pub fn file(tx: &mut Tx<'_>, review: &Review, reason: String) -> Result<Self> {
        let actor_id = tx.actor_id()?.ok_or_else(|| Error::Internal("a report by nobody".to_owned()))?;
        let earlier: i64 = review_reports::table
            .filter(review_reports::review_id.eq(review.id).and(review_reports::actor_id.eq(actor_id)))
            .filter(review_reports::created_at.ge(review.listed_at))
            .count()
            .get_result(tx.db)?;
        if earlier > 0 {
            return Err(Error::duplicate(text!(
                "Cette personne a déjà signalé cet avis, qui a été maintenu.",
                "This person has reported this review already; it was kept."
            )));
        }
        let report = Self { id: Id::new(), review_id: review.id, actor_id, reason, created_at: tx.now };
        diesel::insert_into(review_reports::table).values(&report).execute(tx.db)?;
        Ok(report)
    }

    /// The reports of these reviews, newest first, a thousand at most.
    pub fn about(db: &mut Db, reviews: &[Id]) -> Result<Vec<Self>> {
        Ok(review_reports::table
            .filter(review_reports::review_id.eq_any(reviews.to_vec()))
            .order(review_reports::id.desc())
            .limit(1000)
            .select(Self::as_select())
            .load(db)?)
    }
}
