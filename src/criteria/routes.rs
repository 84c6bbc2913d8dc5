use actix_web::HttpResponse;
use actix_web::web::Path;

use super::model::CriteriaSet;
use super::view::{CriteriaSetView, CriterionFilter, CriterionView, ThemeView};
use crate::auth::Duty;
use crate::auth::guard::Visitor;
use crate::db::{Db, Id};
use crate::endpoints;
use crate::error::{Error, Result};
use crate::http::route::Endpoint;
use crate::http::{Page, PageQuery, Query, Reply};
use crate::kept::generations::Shows;
use crate::organisations::Viewer;

pub fn endpoints() -> Vec<Endpoint> {
    let mut all = endpoints![
        list_criteria_sets,
        find_criteria_set,
        list_criteria_of_set,
        find_criterion_of_set,
        list_criteria,
        find_criterion,
        list_themes,
    ];
    all.extend(super::editing::endpoints());
    all.extend(super::impact::endpoints());
    all
}

/// Whether drafts may be seen.
fn sees_drafts(viewer: &Viewer) -> bool {
    viewer.is_operator() && viewer.principal.as_ref().is_some_and(|principal| principal.has(Duty::Administrator))
}

/// A set as the caller may know of it.
fn visible(db: &mut Db, id: &str, viewer: &Viewer) -> Result<CriteriaSet> {
    let set = CriteriaSet::find(db, Id::parse(id).ok_or_else(Error::not_found)?)?;
    if set.published_at.is_some() || sees_drafts(viewer) { Ok(set) } else { Err(Error::not_found()) }
}

fn whole<T>(items: Vec<T>) -> Page<T> {
    let total = i64::try_from(items.len()).unwrap_or(i64::MAX);
    Page { items, next: None, total }
}

/// Criteria sets, the latest first
///
/// Drafts are shown to the operator's administrators.
#[utoipa::path(get, path = "/api/v1/criteria-sets", tag = "criteria", security((), ("bearer" = [])),
    params(PageQuery),
    responses((status = 200, description = "A page of sets.", body = Page<CriteriaSetView>)))]
async fn list_criteria_sets(visitor: Visitor, reply: Reply, query: Query<PageQuery>) -> Result<HttpResponse> {
    reply.shows(Shows::Criteria);
    let slice = reply.slice(&query, query.cursor.as_deref(), query.limit)?;
    let today = reply.app.store.clock().now().day();
    let page = reply
        .app
        .store
        .read(move |db| {
            let viewer = Viewer::of(db, visitor.0.as_ref())?;
            Ok(CriteriaSet::page(db, sees_drafts(&viewer), &slice)?.map(|set| CriteriaSetView::new(set, today)))
        })
        .await?;
    reply.page(&page)
}

/// One criteria set
///
/// A draft is shown to the operator alone.
#[utoipa::path(get, path = "/api/v1/criteria-sets/{id}", tag = "criteria", security((), ("bearer" = [])),
    params(("id" = Id, Path, description = "Identifier of the set.")),
    responses((status = 200, description = "The set, without its criteria.", body = CriteriaSetView)))]
async fn find_criteria_set(visitor: Visitor, reply: Reply, id: Path<String>) -> Result<HttpResponse> {
    reply.shows(Shows::Criteria);
    let today = reply.app.store.clock().now().day();
    let view = reply
        .app
        .store
        .read(move |db| {
            let viewer = Viewer::of(db, visitor.0.as_ref())?;
            Ok(CriteriaSetView::new(visible(db, &id, &viewer)?, today))
        })
        .await?;
    reply.one(view.version, &view)
}

fn criteria_of(db: &mut Db, set: &CriteriaSet, filter: &CriterionFilter) -> Result<Vec<CriterionView>> {
    let mut criteria = set.criteria(db)?;
    criteria.retain(|criterion| filter.keeps(criterion));
    Ok(criteria.into_iter().map(|criterion| CriterionView::new(set.id, criterion)).collect())
}

/// Criteria of a set
///
/// All on one page, in order.
#[utoipa::path(get, path = "/api/v1/criteria-sets/{id}/criteria", tag = "criteria", security((), ("bearer" = [])),
    params(("id" = Id, Path, description = "Identifier of the set."), CriterionFilter),
    responses((status = 200, description = "The criteria.", body = Page<CriterionView>)))]
async fn list_criteria_of_set(
    visitor: Visitor,
    reply: Reply,
    id: Path<String>,
    query: Query<CriterionFilter>,
) -> Result<HttpResponse> {
    reply.shows(Shows::Criteria);
    let criteria = reply
        .app
        .store
        .read(move |db| {
            let viewer = Viewer::of(db, visitor.0.as_ref())?;
            let set = visible(db, &id, &viewer)?;
            criteria_of(db, &set, &query)
        })
        .await?;
    reply.page(&whole(criteria))
}

/// One criterion of a set
///
/// Its ETag is the set's.
#[utoipa::path(get, path = "/api/v1/criteria-sets/{id}/criteria/{code}", tag = "criteria", security((), ("bearer" = [])),
    params(("id" = Id, Path, description = "Identifier of the set."),
        ("code" = String, Path, description = "Code of the criterion.", max_length = 10, example = "SEC-01")),
    responses((status = 200, description = "The criterion.", body = CriterionView)))]
async fn find_criterion_of_set(visitor: Visitor, reply: Reply, path: Path<(String, String)>) -> Result<HttpResponse> {
    reply.shows(Shows::Criteria);
    let (id, code) = path.into_inner();
    let (version, view) = reply
        .app
        .store
        .read(move |db| {
            let viewer = Viewer::of(db, visitor.0.as_ref())?;
            let set = visible(db, &id, &viewer)?;
            Ok((set.version, CriterionView::new(set.id, set.criterion(db, &code)?)))
        })
        .await?;
    reply.one(version, &view)
}

/// Criteria of the set in force
///
/// All on one page, in order.
#[utoipa::path(get, path = "/api/v1/criteria", tag = "criteria", security((), ("bearer" = [])),
    params(CriterionFilter),
    responses((status = 200, description = "The criteria.", body = Page<CriterionView>)))]
async fn list_criteria(visitor: Visitor, reply: Reply, query: Query<CriterionFilter>) -> Result<HttpResponse> {
    reply.shows(Shows::Criteria);
    let today = reply.app.store.clock().now().day();
    let criteria = reply
        .app
        .store
        .read(move |db| {
            Viewer::of(db, visitor.0.as_ref())?;
            match CriteriaSet::in_force(db, today)? {
                Some(set) => criteria_of(db, &set, &query),
                None => Ok(Vec::new()),
            }
        })
        .await?;
    reply.page(&whole(criteria))
}

/// One criterion of the set in force
///
/// With its options in rising order, as an evaluation may answer it today.
#[utoipa::path(get, path = "/api/v1/criteria/{code}", tag = "criteria", security((), ("bearer" = [])),
    params(("code" = String, Path, description = "Code of the criterion.", max_length = 10, example = "SEC-01")),
    responses((status = 200, description = "The criterion.", body = CriterionView)))]
async fn find_criterion(visitor: Visitor, reply: Reply, code: Path<String>) -> Result<HttpResponse> {
    reply.shows(Shows::Criteria);
    let today = reply.app.store.clock().now().day();
    let (version, view) = reply
        .app
        .store
        .read(move |db| {
            Viewer::of(db, visitor.0.as_ref())?;
            let set = CriteriaSet::in_force(db, today)?.ok_or_else(Error::not_found)?;
            Ok((set.version, CriterionView::new(set.id, set.criterion(db, &code)?)))
        })
        .await?;
    reply.one(version, &view)
}

/// Themes of the set in force
///
/// On one page, in order, with the number of criteria of each.
#[utoipa::path(get, path = "/api/v1/themes", tag = "criteria", security((), ("bearer" = [])),
    responses((status = 200, description = "The themes, in order.", body = Page<ThemeView>)))]
async fn list_themes(visitor: Visitor, reply: Reply) -> Result<HttpResponse> {
    reply.shows(Shows::Criteria);
    let today = reply.app.store.clock().now().day();
    let themes = reply
        .app
        .store
        .read(move |db| {
            Viewer::of(db, visitor.0.as_ref())?;
            let Some(set) = CriteriaSet::in_force(db, today)? else { return Ok(Vec::new()) };
            let criteria = set.criteria(db)?;
            Ok(set
                .content
                .0
                .themes
                .into_iter()
                .zip(1..)
                .map(|(theme, position)| ThemeView {
                    position,
                    criteria_count: i32::try_from(criteria.iter().filter(|one| one.theme == theme.code).count())
                        .unwrap_or(i32::MAX),
                    code: theme.code,
                    prefix: theme.prefix,
                    name: theme.name,
                    description: theme.description,
                })
                .collect())
        })
        .await?;
    reply.page(&whole::<ThemeView>(themes))
}
