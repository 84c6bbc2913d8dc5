//! The public register of labels.

use actix_web::HttpResponse;
use actix_web::web::Path;

use super::model::{self, Label};
use super::view::{LabelFilter, LabelView};
use crate::auth::guard::Visitor;
use crate::endpoints;
use crate::error::{Error, Result};
use crate::http::route::Endpoint;
use crate::http::{Page, Query, Reply};
use crate::kept::generations::Shows;
use crate::organisations::Viewer;
use crate::solutions::model::Solution;

pub fn endpoints() -> Vec<Endpoint> {
    endpoints![list_labels, find_label, list_labels_of_solution]
}

/// The register of labels, the latest first
///
/// Every label ever granted, with where it stands today.
#[utoipa::path(get, path = "/api/v1/labels", tag = "labels", security((), ("bearer" = [])),
    params(LabelFilter),
    responses((status = 200, description = "A page of labels.", body = Page<LabelView>)))]
async fn list_labels(visitor: Visitor, reply: Reply, query: Query<LabelFilter>) -> Result<HttpResponse> {
    let today = reply.app.store.clock().now().day();
    let slice = reply.slice(&query, query.cursor.as_deref(), query.limit)?;
    let page = reply
        .app
        .store
        .read(move |db| {
            Viewer::of(db, visitor.0.as_ref())?;
            let page = Label::page(db, &query, today, &slice)?;
            Ok(Page { items: model::views(db, page.items, today)?, next: page.next, total: page.total })
        })
        .await?;
    reply.page(&page)
}

/// One label
///
/// By its number, which is never given twice; also once it has expired or was withdrawn.
#[utoipa::path(get, path = "/api/v1/labels/{number}", tag = "labels", security((), ("bearer" = [])),
    params(("number" = String, Path, description = "Number of the label.", max_length = 13, example = "GT-2026-00001")),
    responses((status = 200, description = "The label.", body = LabelView)))]
async fn find_label(visitor: Visitor, reply: Reply, number: Path<String>) -> Result<HttpResponse> {
    let today = reply.app.store.clock().now().day();
    let view = reply
        .app
        .store
        .read(move |db| {
            Viewer::of(db, visitor.0.as_ref())?;
            let label = Label::find(db, &number)?;
            model::views(db, vec![label], today)?.pop().ok_or_else(Error::not_found)
        })
        .await?;
    reply.one(view.version, &view)
}

/// Labels of a solution, the latest first
///
/// Also of an archived one: the register outlives it.
#[utoipa::path(get, path = "/api/v1/solutions/{id}/labels", tag = "labels", security((), ("bearer" = [])),
    params(("id" = String, Path, description = "Identifier or slug of the solution.", max_length = 100)),
    responses((status = 200, description = "The labels, on one page.", body = Page<LabelView>)))]
async fn list_labels_of_solution(visitor: Visitor, reply: Reply, id: Path<String>) -> Result<HttpResponse> {
    let today = reply.app.store.clock().now().day();
    let (solution, items) = reply
        .app
        .store
        .read(move |db| {
            let viewer = Viewer::of(db, visitor.0.as_ref())?;
            let solution = Solution::visible(db, &id, &viewer)?;
            let labels = Label::of_solution(db, solution.id)?;
            Ok((solution.id, model::views(db, labels, today)?))
        })
        .await?;
    reply.shows(Shows::Solution(solution));
    let total = i64::try_from(items.len()).unwrap_or(i64::MAX);
    reply.page(&Page { items, next: None, total })
}
