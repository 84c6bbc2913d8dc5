//! Rows and queries of reviews.

use std::collections::BTreeSet;

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::content::{ReviewContent, ReviewRatings};
use super::rating::{ReviewRating, tally};
use super::reader::Reader;
use super::rules::{Command, ReviewGround, ReviewStatus, Stage, counted_since, counts, step};
use super::view::{ReviewFilter, ReviewSort};
use crate::db::journal::of_solution;
use crate::db::schema::{reviews, solutions};
use crate::db::{Db, Id, Instant, Json, MultiBackend, Resource, Tx};
use crate::error::{Error, Result};
use crate::http::{After, Key, Page, Slice};
use crate::organisations::Organisation;
use crate::solutions::model::Solution;
use crate::{keyset, text, versioned};

/// A review.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = reviews, treat_none_as_default_value = false, treat_none_as_null = true)]
pub struct Review {
    pub id: Id,
    pub version: i32,
    pub solution_id: Id,
    /// The body its author writes for.
    pub organisation_id: Id,
    /// Its author, known here by an opaque id alone.
    pub actor_id: Id,
    pub status: ReviewStatus,
    pub content: Json<ReviewContent>,
    /// The overall rating; 0 while none is given.
    pub rating: i32,
    pub ratings: Json<ReviewRatings>,
    /// Whether it is part of the average.
    pub is_counted: bool,
    pub offers_same_family: bool,
    pub reply: Option<Json<Reply>>,
    pub moderation: Option<Json<ReviewModeration>>,
    /// Who reported it last.
    pub reported_by: Option<Id>,
    /// Who published or rejected it last.
    pub moderated_by: Option<Id>,
    pub created_at: Instant,
    pub updated_at: Instant,
    pub submitted_at: Option<Instant>,
    /// Of the last publication; none before the first.
    pub published_at: Option<Instant>,
    /// The last publication or, until there is one, the creation.
    pub listed_at: Instant,
    /// When the link to its author was cut: `actor_id` is nobody's since.
    pub anonymised_at: Option<Instant>,
}

versioned!(Review, reviews);

/// What a vendor answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    pub text: String,
    pub organisation_id: Id,
    pub replied_at: Instant,
}

/// What a moderator last said to the author.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReviewModeration {
    /// The transition it belongs to.
    #[schema(max_length = 50, example = "reject")]
    pub action: String,
    /// The ground, where the transition needs one.
    pub code: Option<ReviewGround>,
    /// The reason in words.
    #[schema(max_length = 5000)]
    pub reason: Option<String>,
    /// When it was said.
    pub at: Instant,
}

impl Review {
    /// A new draft.
    pub fn draft(
        tx: &mut Tx<'_>,
        solution_id: Id,
        body: &Organisation,
        offers_same_family: bool,
        content: ReviewContent,
    ) -> Result<Self> {
        let actor_id = tx.actor_id()?.ok_or_else(|| Error::Internal("a review by nobody".to_owned()))?;
        let mut review = Self {
            id: Id::new(),
            version: 1,
            solution_id,
            organisation_id: body.id,
            actor_id,
            status: ReviewStatus::Draft,
            content: Json(ReviewContent::default()),
            rating: 0,
            ratings: Json(ReviewRatings::default()),
            is_counted: false,
            offers_same_family,
            reply: None,
            moderation: None,
            reported_by: None,
            moderated_by: None,
            created_at: tx.now,
            updated_at: tx.now,
            submitted_at: None,
            published_at: None,
            listed_at: tx.now,
            anonymised_at: None,
        };
        review.say(content);
        Ok(review)
    }

    /// Takes a new content with all that is derived from it.
    pub fn say(&mut self, content: ReviewContent) {
        self.rating = content.overall.unwrap_or_default();
        self.ratings = Json(content.ratings.clone().unwrap_or_default());
        self.content = Json(content);
    }

    /// As a caller may know of it: of its own body, or public; anything else is absent.
    pub fn visible(db: &mut Db, key: &str, reader: &Reader) -> Result<Self> {
        let id = Id::parse(key).ok_or_else(Error::not_found)?;
        let review =
            reviews::table.find(id).select(Self::as_select()).first(db).optional()?.ok_or_else(Error::not_found)?;
        let is_visible = review.status.is_public() || reader.sees_all_of(&review);
        if is_visible { Ok(review) } else { Err(Error::not_found()) }
    }

    /// As its author may change it: a foreign one is absent, a colleague's is refused.
    pub fn authored(db: &mut Db, key: &str, reader: &Reader) -> Result<Self> {
        let review = Self::visible(db, key, reader)?;
        if !reader.is_of_its_body(&review) {
            return Err(Error::not_found());
        }
        if !reader.wrote(&review) {
            return Err(Error::forbidden(text!(
                "Seul son auteur modifie un avis ; ses collègues le lisent.",
                "Only its author changes a review; colleagues read it."
            )));
        }
        Ok(review)
    }

    /// As a moderator may decide on it: nobody decides on what they or their organisation take part in.
    pub fn moderated(tx: &mut Tx<'_>, key: &str, reader: &Reader) -> Result<Self> {
        let review = Self::visible(tx.db, key, reader)?;
        let solution = Solution::find_by_id(tx.db, review.solution_id)?;
        reader.viewer.refuse_party(tx.db, &[Some(review.organisation_id), solution.organisation_id])?;
        if tx.actor_id()? == Some(review.actor_id) {
            return Err(Error::forbidden(text!(
                "Qui est partie à un avis ne le modère pas.",
                "Who takes part in a review does not moderate it."
            )));
        }
        Ok(review)
    }

    /// As a moderator may decide on it after a report: not the one who let it through, nor who reported it.
    pub fn moderated_again(tx: &mut Tx<'_>, key: &str, reader: &Reader) -> Result<Self> {
        let review = Self::moderated(tx, key, reader)?;
        let actor = tx.actor_id()?;
        if actor.is_some() && (review.moderated_by == actor || review.reported_by == actor) {
            return Err(Error::forbidden(text!(
                "Qui a modéré ou signalé l’avis ne décide pas du signalement.",
                "Who moderated or reported the review does not decide on the report."
            )));
        }
        Ok(review)
    }

    pub fn stage(&self) -> Stage {
        Stage { status: self.status, was_public: self.published_at.is_some() }
    }

    /// Moves along the state machine, or says why not; gives the status it left.
    pub fn advance(&mut self, command: Command) -> Result<ReviewStatus> {
        let from = self.status;
        let Some(next) = step(self.stage(), command) else {
            return Err(Error::conflict(text!(
                "L’avis est « {from} » ; « {command} » n’en part pas.",
                "The review is `{from}`; `{command}` does not start there."
            )));
        };
        self.status = next.status;
        Ok(from)
    }

    /// Writes a change and its journal entry; the solution's average follows.
    pub fn store(&mut self, tx: &mut Tx<'_>, action: &str, changed: Value) -> Result<()> {
        let was_counted = self.is_counted;
        self.is_counted = counts(self.status, self.published_at, tx.now);
        self.updated_at = tx.now;
        self.change(tx)?;
        tx.record(action, Resource::Review, self.id, self.version, of_solution(changed, self.solution_id))?;
        if was_counted != self.is_counted {
            refresh(tx.db, self.solution_id, tx.now)?;
        }
        Ok(())
    }

    /// Writes and records a move that [`Review::advance`] made.
    pub fn moved(&mut self, tx: &mut Tx<'_>, command: Command, from: ReviewStatus) -> Result<()> {
        let changed = json!({"status": [from, self.status]});
        self.store(tx, &format!("{command}_review"), changed)
    }

    /// Inserts it, the only one of a solution by one person.
    pub fn insert_once(&self, db: &mut Db) -> Result<()> {
        if crate::insert_once!(&mut *db, reviews::table, self)? == 1 {
            return Ok(());
        }
        self.refuse_duplicate(db)?;
        Err(Error::Internal("a review that is like another, and none is".to_owned()))
    }

    /// Refuses a second review of a solution by one person.
    pub fn refuse_duplicate(&self, db: &mut Db) -> Result<()> {
        let known = reviews::table
            .filter(reviews::solution_id.eq(self.solution_id).and(reviews::actor_id.eq(self.actor_id)))
            .select((reviews::id, reviews::organisation_id))
            .first::<(Id, Id)>(db)
            .optional()?;
        match known {
            None => Ok(()),
            Some((other, body)) if body == self.organisation_id => Err(Error::duplicate(text!(
                "Cette personne a déjà un avis sur cette solution : /api/v1/reviews/{other}.",
                "This person has a review of this solution already: /api/v1/reviews/{other}."
            ))),
            // Written for another body: to be known of there alone.
            Some(_) => Err(Error::duplicate(text!(
                "Cette personne a déjà un avis sur cette solution.",
                "This person has a review of this solution already."
            ))),
        }
    }

    /// Cuts the link to its author: what never was public goes, what is public
    /// stays as somebody's, what was public loses its words. Earlier texts go too.
    pub fn let_go(mut self, tx: &mut Tx<'_>) -> Result<()> {
        if self.published_at.is_none() {
            return self.delete(tx);
        }
        super::traces::ReviewEdit::forget(tx, self.id)?;
        self.actor_id = Id::new();
        self.anonymised_at = Some(tx.now);
        let from = self.status;
        if !self.status.is_public() {
            if step(self.stage(), Command::Withdraw).is_some() {
                self.advance(Command::Withdraw)?;
            }
            self.say(ReviewContent::default());
        }
        self.store(tx, "anonymise_review", json!({"status": [from, self.status]}))
    }

    /// Reviews by one author.
    pub fn by(db: &mut Db, actor: Id) -> Result<Vec<Self>> {
        Ok(reviews::table.filter(reviews::actor_id.eq(actor)).select(Self::as_select()).load(db)?)
    }

    /// Takes away what never was public.
    pub fn delete(&self, tx: &mut Tx<'_>) -> Result<()> {
        let rows =
            diesel::delete(reviews::table.filter(reviews::id.eq(self.id).and(reviews::version.eq(self.version))))
                .execute(tx.db)?;
        crate::http::conditional::changed_one(rows, self.version)?;
        let changed = json!({"solution": self.solution_id, "status": [self.status, null]});
        tx.record("delete_review", Resource::Review, self.id, self.version, changed)
    }
}

/// Which reviews a list is about.
#[derive(Debug, Clone, Copy)]
pub enum Scope {
    /// Those of a solution: what the public reads, one's own body's, all for a moderator.
    Solution(Id),
    /// Those that concern the caller: all for a moderator, its own body's for a
    /// buyer, the public ones of its solutions for a vendor.
    Caller,
}

/// A page of reviews.
pub fn page(db: &mut Db, scope: Scope, filter: &ReviewFilter, reader: &Reader, slice: &Slice) -> Result<Page<Review>> {
    let sort = filter.sort.unwrap_or(ReviewSort::PublishedAtDescending);
    let total = matching(scope, filter, reader)?.count().get_result(db)?;
    let query = matching(scope, filter, reader)?;
    let rows: Vec<Review> = if sort.is_by_rating() {
        keyset!(query, slice, reviews::rating, reviews::id, sort.is_descending(), |after| i32::try_from(after.number())
            .unwrap_or_default())
        .select(Review::as_select())
        .load(db)?
    } else {
        keyset!(query, slice, reviews::listed_at, reviews::id, sort.is_descending(), |after| Instant::from_micros(
            after.number()
        )
        .unwrap_or_default())
        .select(Review::as_select())
        .load(db)?
    };
    Ok(slice.page(rows, total, |row: &Review| After {
        key: Key::Number(if sort.is_by_rating() { i64::from(row.rating) } else { row.listed_at.micros() }),
        id: row.id,
    }))
}

type Query = reviews::BoxedQuery<'static, MultiBackend>;

fn matching(scope: Scope, filter: &ReviewFilter, reader: &Reader) -> Result<Query> {
    use reviews as r;
    let mut query = r::table.into_boxed::<MultiBackend>();
    let is_moderator = reader.viewer.is_moderator();
    query = match (scope, reader.body()) {
        (Scope::Solution(solution), body) => {
            query = query.filter(r::solution_id.eq(solution));
            match body {
                _ if is_moderator => query,
                Some(body) => query.filter(r::status.eq_any(ReviewStatus::PUBLIC).or(r::organisation_id.eq(body))),
                None => query.filter(r::status.eq_any(ReviewStatus::PUBLIC)),
            }
        }
        (Scope::Caller, _) if is_moderator => query,
        (Scope::Caller, Some(body)) => query.filter(r::organisation_id.eq(body)),
        (Scope::Caller, None) => {
            let vendor = reader.viewer.acting()?.id;
            let own = solutions::table.filter(solutions::organisation_id.eq(vendor)).select(solutions::id);
            query.filter(r::status.eq_any(ReviewStatus::PUBLIC)).filter(r::solution_id.eq_any(own))
        }
    };
    if !filter.status.is_empty() {
        query = query.filter(r::status.eq_any(filter.status.clone()));
    }
    if let Some(rating) = filter.min_rating {
        query = query.filter(r::rating.ge(rating));
    }
    Ok(query)
}

/// Rewrites what the reviews of a solution amount to, beside it: the version of
/// the solution and the instant of its last change stay.
pub fn refresh(db: &mut Db, solution: Id, now: Instant) -> Result<()> {
    let counted: Vec<(i32, Json<ReviewRatings>)> = reviews::table
        .filter(reviews::solution_id.eq(solution).and(reviews::is_counted.eq(true)))
        .filter(reviews::published_at.ge(counted_since(now)))
        .select((reviews::rating, reviews::ratings))
        .load(db)?;
    let rating = tally(counted.iter().map(|(rating, ratings)| (*rating, &ratings.0)));
    let hundredths = rating.overall.map_or(-1, |average| average.hundredths());
    diesel::update(solutions::table.find(solution))
        .set((
            solutions::rating.eq(hundredths),
            solutions::review_summary.eq(Some(Json(serde_json::to_value(rating)?))),
        ))
        .execute(db)?;
    Ok(())
}

/// What the reviews of a solution amount to, as last computed.
pub fn rating(solution: &Solution) -> Result<ReviewRating> {
    match &solution.review_summary {
        Some(summary) => Ok(serde_json::from_value(summary.0.clone())?),
        None => Ok(ReviewRating::default()),
    }
}

/// Reviews aged in one transaction.
const AGED_AT_ONCE: i64 = 500;

/// Takes reviews out of the averages whose 36 months are over; how many. Run
/// again it finds none, so that several instances may do it.
pub fn age_out(tx: &mut Tx<'_>) -> Result<usize> {
    let aged: Vec<(Id, i32, Id)> = reviews::table
        .filter(reviews::is_counted.eq(true).and(reviews::published_at.lt(counted_since(tx.now)).assume_not_null()))
        .order((reviews::published_at, reviews::id))
        .limit(AGED_AT_ONCE)
        .select((reviews::id, reviews::version, reviews::solution_id))
        .load(tx.db)?;
    for (id, version, solution) in &aged {
        diesel::update(reviews::table.find(*id)).set(reviews::is_counted.eq(false)).execute(tx.db)?;
        tx.record(
            "age_review",
            Resource::Review,
            *id,
            *version,
            json!({"solution": solution, "is_counted": [true, false]}),
        )?;
    }
    let touched: BTreeSet<Id> = aged.iter().map(|(_, _, solution)| *solution).collect();
    for solution in touched {
        refresh(tx.db, solution, tx.now)?;
    }
    Ok(aged.len())
}
