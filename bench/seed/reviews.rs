//! Reviews, published.

use std::ops::Range;

use diesel::prelude::*;
use gouvtech_catalogue::db::schema::reviews;
use gouvtech_catalogue::db::{Id, Json, Resource, Tx};
use gouvtech_catalogue::error::Result;
use gouvtech_catalogue::insert_all;
use gouvtech_catalogue::reviews::model::Review;
use gouvtech_catalogue::reviews::rules::ReviewStatus;
use gouvtech_catalogue::solutions::model::Solution;

use crate::catalogue::{Cast, history};
use crate::content;

impl Cast {
    /// The reviews of each solution, published at some later day; their solutions are named when there are any.
    pub fn reviews(&self, numbers: Range<usize>) -> Vec<Vec<Review>> {
        let of = |number: usize| {
            let count = content::review_count(number).min(self.readers.len());
            (0..count)
                .filter_map(|place| {
                    let (actor_id, organisation_id) = *self.readers.get((number * 13 + place) % self.readers.len())?;
                    let days = i64::try_from((number + place * 3) % 9).unwrap_or_default();
                    let at = self.began_at.plus_days(-days);
                    let content = content::review(number, place);
                    Some(Review {
                        id: Id::new(),
                        version: 3,
                        solution_id: Id::default(),
                        organisation_id,
                        actor_id,
                        status: ReviewStatus::Published,
                        rating: content.overall.unwrap_or_default(),
                        ratings: Json(content.ratings.clone().unwrap_or_default()),
                        content: Json(content),
                        is_counted: true,
                        offers_same_family: false,
                        reply: None,
                        moderation: None,
                        reported_by: None,
                        moderated_by: None,
                        created_at: at,
                        updated_at: at,
                        submitted_at: Some(at),
                        published_at: Some(at),
                        listed_at: at,
                        anonymised_at: None,
                    })
                })
                .collect()
        };
        numbers.map(of).collect()
    }

    pub fn publish_reviews(&self, tx: &mut Tx<'_>, solutions: &[Solution], reviews: Vec<Vec<Review>>) -> Result<()> {
        let named = solutions.iter().zip(reviews);
        let all: Vec<Review> = named
            .flat_map(|(solution, own)| own.into_iter().map(|review| Review { solution_id: solution.id, ..review }))
            .collect();
        insert_all!(&mut *tx.db, reviews::table, &all);
        let ids: Vec<Id> = all.iter().map(|one| one.id).collect();
        history(tx, Resource::Review, &ids, &["create_review", "submit_review", "publish_review"])
    }
}
