use actix_web::HttpResponse;
use actix_web::web::Path;

use super::model::Appeal;
use super::rules::AppealStatus;
use super::view::{AppealFilter, AppealView, FileAppeal, GiveOpinion};
use crate::auth::guard::{AppealMember, AppealParty, Signatory};
use crate::db::Id;
use crate::endpoints;
use crate::error::Result;
use crate::http::route::Endpoint;
use crate::http::{Body, IfMatch, Page, Query, Reply};
use crate::labels::model::Application;
use crate::organisations::Viewer;

pub fn endpoints() -> Vec<Endpoint> {
    endpoints![file_appeal, list_appeals, find_appeal, give_opinion, withdraw_appeal]
}

/// File an appeal
///
/// Within two months of the decision, once. It changes nothing until the panel has answered.
#[utoipa::path(post, path = "/api/v1/label-applications/{id}/appeals", tag = "appeals", security(("bearer" = ["vendor:signatory"])),
    params(("id" = Id, Path, description = "Identifier of the application.")),
    request_body = FileAppeal,
    responses((status = 201, description = "Before the panel.", body = AppealView)))]
async fn file_appeal(
    caller: Signatory,
    reply: Reply,
    id: Path<String>,
    body: Body<FileAppeal>,
) -> Result<HttpResponse> {
    reply
        .create(
            caller.0,
            move |tx, viewer| {
                let application = Application::for_party(tx.db, &id, &viewer)?;
                Appeal::file(tx, &application, body.accept()?)?.view(tx.db)
            },
            |view| format!("/api/v1/appeals/{}", view.id),
        )
        .await
}

/// Appeals
///
/// The operator's panel and label officers see all, a vendor its own, an audit body those against
/// what it decided.
#[utoipa::path(get, path = "/api/v1/appeals", tag = "appeals",
    security(("bearer" = ["vendor"]), ("bearer" = ["auditor"]), ("bearer" = ["operator:appeal_member"]), ("bearer" = ["operator:label_officer"])),
    params(AppealFilter),
    responses((status = 200, description = "A page of appeals.", body = Page<AppealView>)))]
async fn list_appeals(caller: AppealParty, reply: Reply, query: Query<AppealFilter>) -> Result<HttpResponse> {
    let slice = reply.slice(&query, query.cursor.as_deref(), query.limit)?;
    let page = reply
        .app
        .store
        .read(move |db| {
            let viewer = Viewer::of(db, Some(&caller))?;
            viewer.refuse_idle()?;
            Appeal::page(db, &query, &viewer, &slice)
        })
        .await?;
    reply.page(&page)
}

/// One appeal
///
/// Opinions are shown once it is closed, without names.
#[utoipa::path(get, path = "/api/v1/appeals/{id}", tag = "appeals",
    security(("bearer" = ["vendor"]), ("bearer" = ["auditor"]), ("bearer" = ["operator:appeal_member"]), ("bearer" = ["operator:label_officer"])),
    params(("id" = Id, Path, description = "Identifier of the appeal.")),
    responses((status = 200, description = "The appeal.", body = AppealView)))]
async fn find_appeal(caller: AppealParty, reply: Reply, id: Path<String>) -> Result<HttpResponse> {
    let view = reply
        .app
        .store
        .read(move |db| {
            let viewer = Viewer::of(db, Some(&caller))?;
            viewer.refuse_idle()?;
            Appeal::for_party(db, &id, &viewer)?.view(db)
        })
        .await?;
    reply.one(view.version, &view)
}

/// Give an opinion
///
/// Of three persons who took no part in the case, each once and without the others' opinions
/// before their eyes. When two agree the appeal is closed: the decision is kept, or sent back to
/// the audit body, where another person decides.
#[utoipa::path(post, path = "/api/v1/appeals/{id}/opinions", tag = "appeals", security(("bearer" = ["operator:appeal_member"])),
    params(("id" = Id, Path, description = "Identifier of the appeal.")),
    request_body = GiveOpinion,
    responses((status = 200, description = "Given.", body = AppealView)))]
async fn give_opinion(
    caller: AppealMember,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<GiveOpinion>,
) -> Result<HttpResponse> {
    reply
        .change(caller.0, move |tx, viewer| {
            let mut appeal = Appeal::for_party(tx.db, &id, &viewer)?;
            viewer.refuse_party(tx.db, &[Some(appeal.organisation_id), Some(appeal.audit_body_id)])?;
            if_match.check(appeal.version)?;
            appeal.refuse_closed()?;
            appeal.hear(tx, body.accept()?)?;
            appeal.view(tx.db)
        })
        .await
}

/// Withdraw an appeal
///
/// By the vendor, as long as the panel has not answered.
#[utoipa::path(post, path = "/api/v1/appeals/{id}/withdraw", tag = "appeals", security(("bearer" = ["vendor:signatory"])),
    params(("id" = Id, Path, description = "Identifier of the appeal.")),
    responses((status = 200, description = "Withdrawn.", body = AppealView)))]
async fn withdraw_appeal(caller: Signatory, reply: Reply, id: Path<String>, if_match: IfMatch) -> Result<HttpResponse> {
    reply
        .change(caller.0, move |tx, viewer| {
            let mut appeal = Appeal::for_party(tx.db, &id, &viewer)?;
            if_match.check(appeal.version)?;
            appeal.refuse_closed()?;
            appeal.close(tx, AppealStatus::Withdrawn, "withdraw_appeal", None)?;
            appeal.view(tx.db)
        })
        .await
}
