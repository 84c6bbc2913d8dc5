//! A review: checked, allowed, and written with its journal entry.

use diesel::prelude::*;
use gouvtech_catalogue::clock::Clock;
use gouvtech_catalogue::db::schema::{actors, changes, organisations as o, reviews, solutions as s};
use gouvtech_catalogue::db::seals::digest;
use gouvtech_catalogue::db::{Db, Id, Json};
use gouvtech_catalogue::reviews::content::ReviewContent;
use gouvtech_catalogue::reviews::model::Review;
use gouvtech_catalogue::reviews::rules::{ReviewStatus, faults};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Outcome;

#[derive(Deserialize)]
pub struct Claims {
    iss: String,
    sub: String,
    role: String,
    organisation: Id,
}

pub fn create(db: &mut Db, claims: &Claims, key: &str, content: ReviewContent) -> Outcome<Value> {
    let now = Clock::default().now();
    if claims.role != "buyer" || !faults(&content, now.day()).is_empty() {
        return Err("refused".into());
    }
    let body: (String, bool, Option<String>) =
        o::table.find(claims.organisation).select((o::status, o::is_public_body, o::siren)).first(db)?;
    let id = Id::parse(key).ok_or("no such solution")?;
    let (solution_id, status, vendor): (Id, String, Option<Id>) =
        s::table.find(id).select((s::id, s::status, s::organisation_id)).first(db)?;
    let vendor_siren: Option<String> = match vendor {
        Some(vendor) => o::table.find(vendor).select(o::siren).first(db)?,
        None => None,
    };
    if body.0 != "active" || !body.1 || status != "published" || (vendor_siren.is_some() && vendor_siren == body.2) {
        return Err("refused".into());
    }
    let known = actors::table
        .filter(actors::issuer.eq(&claims.iss).and(actors::subject.eq(&claims.sub)))
        .select(actors::id)
        .first::<Id>(db)
        .optional()?;
    let actor_id = match known {
        Some(id) => id,
        None => {
            let id = Id::new();
            diesel::insert_into(actors::table)
                .values((
                    actors::id.eq(id),
                    actors::issuer.eq(&claims.iss),
                    actors::subject.eq(&claims.sub),
                    actors::created_at.eq(now),
                ))
                .execute(db)?;
            id
        }
    };
    let review = Review {
        id: Id::new(),
        version: 1,
        solution_id,
        organisation_id: claims.organisation,
        actor_id,
        status: ReviewStatus::Draft,
        rating: content.overall.unwrap_or_default(),
        ratings: Json(content.ratings.clone().unwrap_or_default()),
        content: Json(content),
        is_counted: false,
        offers_same_family: false,
        reply: None,
        moderation: None,
        reported_by: None,
        moderated_by: None,
        created_at: now,
        updated_at: now,
        submitted_at: None,
        published_at: None,
        listed_at: now,
        anonymised_at: None,
    };
    // A second review by the same person breaks a unique index.
    diesel::insert_into(reviews::table).values(&review).execute(db)?;
    let changed = json!({"solution": solution_id, "status": review.status});
    let entry = json!([now, actor_id, "buyer", claims.organisation, "create_review", "review", review.id, 1, changed]);
    diesel::insert_into(changes::table)
        .values((
            changes::at.eq(now),
            changes::actor_id.eq(actor_id),
            changes::role.eq("buyer"),
            changes::organisation_id.eq(claims.organisation),
            changes::action.eq("create_review"),
            changes::resource.eq("review"),
            changes::resource_id.eq(review.id),
            changes::resource_version.eq(1),
            changes::changed.eq(Json(changed)),
            changes::hash.eq(digest(&entry)),
        ))
        .execute(db)?;
    Ok(json!({"id": review.id, "solution_id": solution_id, "status": review.status, "version": 1,
        "content": review.content, "created_at": now}))
}
