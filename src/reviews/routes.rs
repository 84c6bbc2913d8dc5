use actix_web::HttpResponse;
use actix_web::web::Path;
use serde_json::json;

use super::content::ReviewContent;
use super::model::{self, Review, Scope};
use super::offered::Offered;
use super::rating::ReviewRating;
use super::reader::Reader;
use super::rules::{self, Command, ReviewStatus};
use super::traces::ReviewEdit;
use super::view::{self, ReviewEditView, ReviewFilter, ReviewView};
use crate::auth::guard::{Buyer, Moderator, ReviewParty, Visitor};
use crate::db::{Db, Id, Resource};
use crate::error::{Error, Result};
use crate::http::route::Endpoint;
use crate::http::{Body, IfMatch, Page, PageQuery, Patch, Query, Reply};
use crate::kept::generations::Shows;
use crate::organisations::Viewer;
use crate::solutions::model::Solution;
use crate::solutions::routes::refuse_archived;
use crate::{endpoints, text};

pub fn endpoints() -> Vec<Endpoint> {
    let mut all = endpoints![
        list_reviews_of_solution,
        create_review,
        find_rating,
        list_reviews,
        find_review,
        update_review,
        delete_review,
        list_review_edits,
    ];
    all.extend(super::transitions::endpoints());
    all.extend(super::replies::endpoints());
    all
}

/// The solution whose reviews are asked for.
fn reviewed(db: &mut Db, key: &str, viewer: &Viewer) -> Result<Solution> {
    let solution = Solution::visible(db, key, viewer)?;
    refuse_archived(db, &solution)?;
    Ok(solution)
}

/// Reviews of a solution
///
/// The public reads what is published; a member of a public body also its own
/// body's, moderators all. The name of a body that does not agree, and who wrote,
/// are not shown.
#[utoipa::path(get, path = "/api/v1/solutions/{id}/reviews", tag = "reviews", security((), ("bearer" = [])),
    params(("id" = String, Path, description = "Identifier or slug of the solution.", max_length = 100), ReviewFilter),
    responses((status = 200, description = "A page of reviews.", body = Page<ReviewView>)))]
async fn list_reviews_of_solution(
    visitor: Visitor,
    reply: Reply,
    id: Path<String>,
    query: Query<ReviewFilter>,
) -> Result<HttpResponse> {
    let slice = reply.slice(&query, query.cursor.as_deref(), query.limit)?;
    let (solution, page) = reply
        .app
        .store
        .read(move |db| {
            let reader = Reader::of(db, visitor.0.as_ref())?;
            let solution = reviewed(db, &id, &reader.viewer)?;
            let Page { items, next, total } = model::page(db, Scope::Solution(solution.id), &query, &reader, &slice)?;
            Ok((solution.id, Page { items: view::views(db, items, &reader)?, next, total }))
        })
        .await?;
    reply.shows(Shows::Solution(solution));
    reply.page(&page)
}

/// Draft a review
///
/// A draft needs nothing; to submit needs a text, ratings, a context and the
/// declaration of no interest. One per person and solution; never by the vendor
/// or its group.
#[utoipa::path(post, path = "/api/v1/solutions/{id}/reviews", tag = "reviews", security(("bearer" = ["buyer"])),
    params(("id" = String, Path, description = "Identifier or slug of the solution.", max_length = 100)),
    request_body = ReviewContent,
    responses((status = 201, description = "Drafted.", body = ReviewView)))]
async fn create_review(
    caller: Buyer,
    reply: Reply,
    id: Path<String>,
    body: Body<ReviewContent>,
) -> Result<HttpResponse> {
    reply
        .create(
            caller.0,
            move |tx, viewer| {
                let organisation = viewer.acting()?;
                let offered = Offered::visible(tx.db, &id, &viewer, &organisation)?;
                offered.refuse_vendor(&organisation)?;
                offered.refuse_archived(tx.db)?;
                let offers_same_family = offered.refuse_unfit(tx.db, &organisation)?;
                let none = ReviewContent::default();
                let mut review = Review::draft(tx, offered.id, &organisation, offers_same_family, none)?;
                match body.accept_with(|content| rules::faults(content, tx.now.day())) {
                    Ok(content) => review.say(content),
                    // That there is one already comes before what is wrong with this one.
                    Err(fault) => return review.refuse_duplicate(tx.db).and(Err(fault)),
                }
                review.insert_once(tx.db)?;
                tx.record(
                    "create_review",
                    Resource::Review,
                    review.id,
                    1,
                    json!({"solution": offered.id, "status": review.status}),
                )?;
                let reader = Reader { viewer, actor_id: Some(review.actor_id) };
                Ok(view::written(review, &organisation, &reader))
            },
            |view| format!("/api/v1/reviews/{}", view.id),
        )
        .await
}

/// What the reviews of a solution amount to
///
/// Over the reviews published within 36 months. Averages are computed in whole
/// numbers and rounded once, half to even; there are none under three reviews.
#[utoipa::path(get, path = "/api/v1/solutions/{id}/rating", tag = "reviews", security((), ("bearer" = [])),
    params(("id" = String, Path, description = "Identifier or slug of the solution.", max_length = 100)),
    responses((status = 200, description = "Count, averages and distribution.", body = ReviewRating)))]
async fn find_rating(visitor: Visitor, reply: Reply, id: Path<String>) -> Result<HttpResponse> {
    let (solution, rating) = reply
        .app
        .store
        .read(move |db| {
            let viewer = Viewer::of(db, visitor.0.as_ref())?;
            let solution = reviewed(db, &id, &viewer)?;
            Ok((solution.id, model::rating(&solution)?))
        })
        .await?;
    reply.shows(Shows::Solution(solution));
    // Nobody writes it: it has no version of its own.
    reply.one(0, &rating)
}

/// Reviews that concern the caller
///
/// Moderators see all: `status=pending` and `status=reported` are their queue.
/// A member of a public body sees its own body's, a vendor the published ones of
/// its solutions.
#[utoipa::path(get, path = "/api/v1/reviews", tag = "reviews",
    security(("bearer" = ["vendor"]), ("bearer" = ["buyer"]), ("bearer" = ["operator:moderator"])),
    params(ReviewFilter),
    responses((status = 200, description = "A page of reviews.", body = Page<ReviewView>)))]
async fn list_reviews(caller: ReviewParty, reply: Reply, query: Query<ReviewFilter>) -> Result<HttpResponse> {
    let slice = reply.slice(&query, query.cursor.as_deref(), query.limit)?;
    let page = reply
        .app
        .store
        .read(move |db| {
            let reader = Reader::of(db, Some(&caller))?;
            reader.viewer.refuse_idle()?;
            let Page { items, next, total } = model::page(db, Scope::Caller, &query, &reader, &slice)?;
            Ok(Page { items: view::views(db, items, &reader)?, next, total })
        })
        .await?;
    reply.page(&page)
}

/// One review
///
/// What is not public is read by its author's body and by moderators.
#[utoipa::path(get, path = "/api/v1/reviews/{id}", tag = "reviews", security((), ("bearer" = [])),
    params(("id" = Id, Path, description = "Identifier of the review.")),
    responses((status = 200, description = "The review.", body = ReviewView)))]
async fn find_review(visitor: Visitor, reply: Reply, id: Path<String>) -> Result<HttpResponse> {
    let view = reply
        .app
        .store
        .read(move |db| {
            let reader = Reader::of(db, visitor.0.as_ref())?;
            let review = Review::visible(db, &id, &reader)?;
            view::one(db, review, &reader)
        })
        .await?;
    reply.one(view.version, &view)
}

/// Change a review
///
/// By its author. A published one goes back to a moderator and is out of the
/// public's sight until published again; a rejected one becomes a draft.
#[utoipa::path(patch, path = "/api/v1/reviews/{id}", tag = "reviews", security(("bearer" = ["buyer"])),
    params(("id" = Id, Path, description = "Identifier of the review.")),
    request_body(content = ref("#/components/schemas/ReviewContentPatch"), content_type = "application/merge-patch+json"),
    responses((status = 200, description = "Changed.", body = ReviewView)))]
async fn update_review(
    caller: Buyer,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    patch: Patch<ReviewContent>,
) -> Result<HttpResponse> {
    let app = reply.app.clone();
    reply
        .change(caller.0, move |tx, viewer| {
            let body = viewer.acting()?;
            let reader = Reader::new(tx.db, viewer)?;
            let mut review = Review::authored(tx.db, &id, &reader)?;
            if_match.check(review.version)?;
            let before = review.clone();
            review.advance(Command::Edit)?;
            let offered = Offered::find(tx.db, review.solution_id, &body)?;
            review.offers_same_family = offered.refuse_unfit(tx.db, &body)?;
            let is_to_be_complete = review.status == ReviewStatus::Pending;
            let content = patch.apply(&app.contract, &before.content, |content| {
                let mut faults = rules::faults(content, tx.now.day());
                if is_to_be_complete {
                    faults.extend(rules::missing(content));
                }
                faults
            })?;
            let fields = rules::changed_fields(&before.content, &content);
            if fields.is_empty() {
                // Nothing to moderate again.
                return view::one(tx.db, before, &reader);
            }
            if before.status.is_public() {
                ReviewEdit::keep(tx, &before)?;
                review.submitted_at = Some(tx.now);
            }
            review.say(content);
            review.store(tx, "update_review", json!({"fields": fields, "status": [before.status, review.status]}))?;
            view::one(tx.db, review, &reader)
        })
        .await
}

/// Delete a review
///
/// Only what never was published; what was is withdrawn.
#[utoipa::path(delete, path = "/api/v1/reviews/{id}", tag = "reviews", security(("bearer" = ["buyer"])),
    params(("id" = Id, Path, description = "Identifier of the review.")),
    responses((status = 204, description = "Deleted.")))]
async fn delete_review(caller: Buyer, reply: Reply, id: Path<String>, if_match: IfMatch) -> Result<HttpResponse> {
    reply
        .remove(caller.0, move |tx, viewer| {
            let reader = Reader::new(tx.db, viewer)?;
            let review = Review::authored(tx.db, &id, &reader)?;
            if_match.check(review.version)?;
            if !rules::is_deletable(review.stage()) {
                return Err(Error::conflict(text!(
                    "Ce qui a été publié se retire et ne se supprime pas.",
                    "What was published is withdrawn, not deleted."
                )));
            }
            review.delete(tx)?;
            Ok(None)
        })
        .await
}

/// Earlier texts of a review, newest first
///
/// What the public read before the author edited it.
#[utoipa::path(get, path = "/api/v1/reviews/{id}/edits", tag = "reviews", security(("bearer" = ["operator:moderator"])),
    params(("id" = Id, Path, description = "Identifier of the review."), PageQuery),
    responses((status = 200, description = "A page of earlier texts.", body = Page<ReviewEditView>)))]
async fn list_review_edits(
    caller: Moderator,
    reply: Reply,
    id: Path<String>,
    query: Query<PageQuery>,
) -> Result<HttpResponse> {
    let slice = reply.slice(&query, query.cursor.as_deref(), query.limit)?;
    let page = reply
        .app
        .store
        .read(move |db| {
            let reader = Reader::of(db, Some(&caller))?;
            reader.viewer.refuse_idle()?;
            let review = Review::visible(db, &id, &reader)?;
            Ok(ReviewEdit::page(db, review.id, &slice)?.map(ReviewEditView::from))
        })
        .await?;
    reply.page(&page)
}
