//! The vendor's reply to a review: one, published at once, part of the review
//! whose ETag guards it. A signatory answers for the vendor.

use actix_web::HttpResponse;
use actix_web::web::Path;
use serde_json::json;

use super::model::{self, Review};
use super::reader::Reader;
use super::view::{self, ReviewReply, ReviewView};
use crate::auth::guard::Signatory;
use crate::db::{Id, Json, Tx};
use crate::error::{Error, Fault, Result};
use crate::http::route::Endpoint;
use crate::http::{Body, IfMatch, Reply};
use crate::organisations::Viewer;
use crate::solutions::model::Solution;
use crate::{endpoints, text};

pub fn endpoints() -> Vec<Endpoint> {
    endpoints![put_review_reply, delete_review_reply]
}

/// The public review of a solution that the caller's organisation offers; any other is absent.
fn replied(tx: &mut Tx<'_>, key: &str, viewer: Viewer) -> Result<(Review, Reader, Id)> {
    let vendor = viewer.acting()?;
    let reader = Reader::new(tx.db, viewer)?;
    let review = Review::visible(tx.db, key, &reader)?;
    let solution = Solution::find_by_id(tx.db, review.solution_id)?;
    if solution.organisation_id == Some(vendor.id) { Ok((review, reader, vendor.id)) } else { Err(Error::not_found()) }
}

/// Reply to a review
///
/// By a signatory of the solution's vendor: writes its one reply, or replaces it.
#[utoipa::path(put, path = "/api/v1/reviews/{id}/reply", tag = "reviews", security(("bearer" = ["vendor:signatory"])),
    params(("id" = Id, Path, description = "Identifier of the review.")),
    request_body = ReviewReply,
    responses((status = 200, description = "Replied; with the new ETag of the review.", body = ReviewView)))]
async fn put_review_reply(
    caller: Signatory,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<ReviewReply>,
) -> Result<HttpResponse> {
    reply
        .change(caller.0, move |tx, viewer| {
            let (mut review, reader, vendor) = replied(tx, &id, viewer)?;
            if_match.check(review.version)?;
            let text = body.accept_with(blank_fault)?.text;
            let was_there = review.reply.is_some();
            review.reply = Some(Json(model::Reply { text, organisation_id: vendor, replied_at: tx.now }));
            review.store(tx, "reply_review", json!({"reply": [was_there, true]}))?;
            view::one(tx.db, review, &reader)
        })
        .await
}

fn blank_fault(reply: &ReviewReply) -> Vec<Fault> {
    let blank =
        Fault::body("/text", "too_short", text!("Une réponse ne peut être blanche.", "A reply cannot be blank."));
    if reply.text.trim().is_empty() { vec![blank] } else { Vec::new() }
}

/// Take a reply back
///
/// By a signatory; the review stays as it is.
#[utoipa::path(delete, path = "/api/v1/reviews/{id}/reply", tag = "reviews", security(("bearer" = ["vendor:signatory"])),
    params(("id" = Id, Path, description = "Identifier of the review.")),
    responses((status = 204, description = "Taken back; with the new ETag of the review.")))]
async fn delete_review_reply(
    caller: Signatory,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    reply
        .remove(caller.0, move |tx, viewer| {
            let (mut review, ..) = replied(tx, &id, viewer)?;
            if review.reply.is_none() {
                return Err(Error::not_found());
            }
            if_match.check(review.version)?;
            review.reply = None;
            review.store(tx, "delete_reply_of_review", json!({"reply": [true, false]}))?;
            Ok(Some(review.version))
        })
        .await
}
