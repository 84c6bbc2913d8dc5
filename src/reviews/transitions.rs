//! Commands that move a review: one command, one transaction, one journal entry.

use actix_web::HttpResponse;
use actix_web::web::Path;

use super::model::{Review, ReviewModeration};
use super::offered::Offered;
use super::reader::Reader;
use super::rules::{Command, missing};
use super::traces::ReviewReport;
use super::view::{self, ReviewRefusal, ReviewView};
use crate::auth::Principal;
use crate::auth::guard::{Buyer, Moderator, SignedIn};
use crate::db::{Id, Json, Tx};
use crate::endpoints;
use crate::error::{Error, Result};
use crate::http::route::Endpoint;
use crate::http::{Body, IfMatch, Reply};
use crate::organisations::Viewer;
use crate::organisations::view::Reason;

pub fn endpoints() -> Vec<Endpoint> {
    endpoints![submit_review, withdraw_review, publish_review, reject_review, report_review, keep_review, remove_review,]
}

/// Loads what may be moved, checks the precondition, moves, and shows the result.
async fn transition(
    caller: &Principal,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    load: fn(&mut Tx<'_>, &str, &Reader) -> Result<Review>,
    step: impl Fn(&mut Review, &mut Tx<'_>) -> Result<()> + Send + 'static,
) -> Result<HttpResponse> {
    reply
        .change(caller.clone(), move |tx, viewer| {
            let reader = Reader::new(tx.db, viewer)?;
            let mut review = load(tx, &id, &reader)?;
            if_match.check(review.version)?;
            step(&mut review, tx)?;
            view::one(tx.db, review, &reader)
        })
        .await
}

fn own(tx: &mut Tx<'_>, key: &str, reader: &Reader) -> Result<Review> {
    Review::authored(tx.db, key, reader)
}

/// Submit for publication
///
/// Says everything that is missing.
#[utoipa::path(post, path = "/api/v1/reviews/{id}/submit", tag = "reviews", security(("bearer" = ["buyer"])),
    params(("id" = Id, Path, description = "Identifier of the review.")),
    responses((status = 200, description = "Submitted.", body = ReviewView)))]
async fn submit_review(caller: Buyer, reply: Reply, id: Path<String>, if_match: IfMatch) -> Result<HttpResponse> {
    let author = caller.0.clone();
    transition(&caller, reply, id, if_match, own, move |review, tx| {
        review.clone().advance(Command::Submit)?;
        // Either may have changed since the draft: who offers what, and for whom the author acts.
        let body = Viewer::of(tx.db, Some(&author))?.acting()?;
        let offered = Offered::find(tx.db, review.solution_id, &body)?;
        review.offers_same_family = offered.refuse_unfit(tx.db, &body)?;
        submit(review, tx)
    })
    .await
}

/// Hands a complete review to the moderators.
pub fn submit(review: &mut Review, tx: &mut Tx<'_>) -> Result<()> {
    let from = review.advance(Command::Submit)?;
    let lacks = missing(&review.content);
    if !lacks.is_empty() {
        return Err(Error::invalid(lacks));
    }
    review.submitted_at = Some(tx.now);
    review.moved(tx, Command::Submit, from)
}

/// Withdraw a review
///
/// For good, by its author; what never was published is deleted instead.
#[utoipa::path(post, path = "/api/v1/reviews/{id}/withdraw", tag = "reviews", security(("bearer" = ["buyer"])),
    params(("id" = Id, Path, description = "Identifier of the review.")),
    responses((status = 200, description = "Withdrawn.", body = ReviewView)))]
async fn withdraw_review(caller: Buyer, reply: Reply, id: Path<String>, if_match: IfMatch) -> Result<HttpResponse> {
    transition(&caller, reply, id, if_match, own, |review, tx| {
        let from = review.advance(Command::Withdraw)?;
        review.moved(tx, Command::Withdraw, from)
    })
    .await
}

/// Publish
///
/// By a moderator; its ratings count from now on.
#[utoipa::path(post, path = "/api/v1/reviews/{id}/publish", tag = "reviews", security(("bearer" = ["operator:moderator"])),
    params(("id" = Id, Path, description = "Identifier of the review.")),
    responses((status = 200, description = "Published.", body = ReviewView)))]
async fn publish_review(caller: Moderator, reply: Reply, id: Path<String>, if_match: IfMatch) -> Result<HttpResponse> {
    transition(&caller, reply, id, if_match, Review::moderated, publish).await
}

/// Shows a review to the public; it counts from now on.
pub fn publish(review: &mut Review, tx: &mut Tx<'_>) -> Result<()> {
    let from = review.advance(Command::Publish)?;
    review.published_at = Some(tx.now);
    review.listed_at = tx.now;
    review.moderation = None;
    review.moderated_by = tx.actor_id()?;
    review.moved(tx, Command::Publish, from)
}

/// Reject
///
/// On one of the closed grounds, never because of what the review thinks.
#[utoipa::path(post, path = "/api/v1/reviews/{id}/reject", tag = "reviews", security(("bearer" = ["operator:moderator"])),
    params(("id" = Id, Path, description = "Identifier of the review.")),
    request_body = ReviewRefusal,
    responses((status = 200, description = "Rejected.", body = ReviewView)))]
async fn reject_review(
    caller: Moderator,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<ReviewRefusal>,
) -> Result<HttpResponse> {
    transition(&caller, reply, id, if_match, Review::moderated, move |review, tx| {
        review.clone().advance(Command::Reject)?;
        reject(review, tx, body.accept()?)
    })
    .await
}

/// Refuses a review, saying why.
pub fn reject(review: &mut Review, tx: &mut Tx<'_>, refusal: ReviewRefusal) -> Result<()> {
    let from = review.advance(Command::Reject)?;
    say(review, tx, Command::Reject, Some(refusal));
    review.moderated_by = tx.actor_id()?;
    review.moved(tx, Command::Reject, from)
}

fn say(review: &mut Review, tx: &Tx<'_>, command: Command, refusal: Option<ReviewRefusal>) {
    let (code, reason) = refusal.map(|refusal| (refusal.code, refusal.reason)).unzip();
    review.moderation = Some(Json(ReviewModeration { action: command.to_string(), code, reason, at: tx.now }));
}

/// Report
///
/// By anybody signed in, once per publication; the review stays public while
/// another moderator looks at it.
#[utoipa::path(post, path = "/api/v1/reviews/{id}/report", tag = "reviews",
    security(("bearer" = ["vendor"]), ("bearer" = ["buyer"]), ("bearer" = ["auditor"]), ("bearer" = ["operator"])),
    params(("id" = Id, Path, description = "Identifier of the review.")),
    request_body = Reason,
    responses((status = 200, description = "Reported.", body = ReviewView)))]
async fn report_review(
    caller: SignedIn,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<Reason>,
) -> Result<HttpResponse> {
    let visible = |tx: &mut Tx<'_>, key: &str, reader: &Reader| Review::visible(tx.db, key, reader);
    transition(&caller, reply, id, if_match, visible, move |review, tx| {
        let from = review.advance(Command::Report)?;
        let report = ReviewReport::file(tx, review, body.accept()?.reason)?;
        review.reported_by = Some(report.actor_id);
        review.moved(tx, Command::Report, from)
    })
    .await
}

/// Keep a reported review
///
/// By another moderator than the one who published it.
#[utoipa::path(post, path = "/api/v1/reviews/{id}/keep", tag = "reviews", security(("bearer" = ["operator:moderator"])),
    params(("id" = Id, Path, description = "Identifier of the review.")),
    responses((status = 200, description = "Published as before.", body = ReviewView)))]
async fn keep_review(caller: Moderator, reply: Reply, id: Path<String>, if_match: IfMatch) -> Result<HttpResponse> {
    transition(&caller, reply, id, if_match, Review::moderated_again, |review, tx| {
        let from = review.advance(Command::Keep)?;
        say(review, tx, Command::Keep, None);
        review.moved(tx, Command::Keep, from)
    })
    .await
}

/// Remove a reported review
///
/// By another moderator than the one who published it, on one of the closed grounds.
#[utoipa::path(post, path = "/api/v1/reviews/{id}/remove", tag = "reviews", security(("bearer" = ["operator:moderator"])),
    params(("id" = Id, Path, description = "Identifier of the review.")),
    request_body = ReviewRefusal,
    responses((status = 200, description = "Removed.", body = ReviewView)))]
async fn remove_review(
    caller: Moderator,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<ReviewRefusal>,
) -> Result<HttpResponse> {
    transition(&caller, reply, id, if_match, Review::moderated_again, move |review, tx| {
        let from = review.advance(Command::Remove)?;
        say(review, tx, Command::Remove, Some(body.accept()?));
        review.moved(tx, Command::Remove, from)
    })
    .await
}
