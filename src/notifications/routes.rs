use actix_web::HttpResponse;

use super::model;
use super::view::{NotificationFilter, NotificationView};
use crate::auth::Role;
use crate::auth::guard::Concerned;
use crate::endpoints;
use crate::error::Result;
use crate::http::route::Endpoint;
use crate::http::{Page, Query, Reply};
use crate::organisations::Viewer;

pub fn endpoints() -> Vec<Endpoint> {
    endpoints![list_notifications]
}

/// What one's organisation has to know, the latest first
///
/// What others did to its cases, labels and complaints, and what it is reminded of. Label officers
/// read those for the operator. Kept for 24 months.
#[utoipa::path(get, path = "/api/v1/notifications", tag = "notifications",
    security(("bearer" = ["vendor"]), ("bearer" = ["buyer"]), ("bearer" = ["auditor"]), ("bearer" = ["operator:label_officer"])),
    params(NotificationFilter),
    responses((status = 200, description = "A page of notifications.", body = Page<NotificationView>)))]
async fn list_notifications(caller: Concerned, reply: Reply, query: Query<NotificationFilter>) -> Result<HttpResponse> {
    let slice = reply.slice(&query, query.cursor.as_deref(), query.limit)?;
    let page = reply
        .app
        .store
        .read(move |db| {
            let viewer = Viewer::of(db, Some(&caller))?;
            viewer.refuse_idle()?;
            let recipient = match viewer.role() {
                Some(Role::Operator) => None,
                _ => Some(viewer.acting()?.id),
            };
            model::page(db, recipient, &query, &slice)
        })
        .await?;
    reply.page(&page)
}
