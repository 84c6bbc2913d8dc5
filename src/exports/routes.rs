use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::http::header::{CONTENT_DISPOSITION, ETAG, LINK};
use utoipa::ToSchema;

use super::columns::Columns;
use super::labels::Labels;
use super::model::Exported;
use super::organisations::Organisations;
use super::rules::LICENCE_URL;
use super::solutions::Solutions;
use super::stream::{Form, feed};
use super::view::ExportOf;
use crate::auth::guard::Visitor;
use crate::db::feed::body;
use crate::db::journal::Head;
use crate::endpoints;
use crate::error::Result;
use crate::http::conditional::fingerprint;
use crate::http::route::Endpoint;
use crate::http::{Query, Reply};
use crate::labels::view::LabelFilter;
use crate::organisations::Viewer;
use crate::organisations::view::OrganisationFilter;
use crate::solutions::view::SolutionFilter;

/// Where a caller that comes back goes on: the value of `since`.
pub const POSITION: &str = "export-position";

pub fn endpoints() -> Vec<Endpoint> {
    endpoints![
        export_solutions_ndjson,
        export_solutions_csv,
        export_labels_ndjson,
        export_labels_csv,
        export_organisations_ndjson,
        export_organisations_csv,
    ]
}

/// All solutions, one JSON object per line
///
/// Every published solution of the selection as its list shows it to the public,
/// with the licence of its data, from one snapshot, in the order of identifiers.
#[utoipa::path(get, path = "/api/v1/exports/solutions.ndjson", tag = "exports", security((), ("bearer" = [])),
    params(ExportOf<SolutionFilter>),
    responses((status = 200, description = "One object per line.", body = String, content_type = "application/x-ndjson")))]
async fn export_solutions_ndjson(
    visitor: Visitor,
    reply: Reply,
    query: Query<ExportOf<SolutionFilter>>,
) -> Result<HttpResponse> {
    export::<Solutions>(visitor, reply, query, false).await
}

/// All solutions as a table
///
/// The same rows, for spreadsheets: a column for each member.
#[utoipa::path(get, path = "/api/v1/exports/solutions.csv", tag = "exports", security((), ("bearer" = [])),
    params(ExportOf<SolutionFilter>),
    responses((status = 200, description = "A header and one row per solution.", body = String, content_type = "text/csv")))]
async fn export_solutions_csv(
    visitor: Visitor,
    reply: Reply,
    query: Query<ExportOf<SolutionFilter>>,
) -> Result<HttpResponse> {
    export::<Solutions>(visitor, reply, query, true).await
}

/// All labels, one JSON object per line
///
/// The whole register, with every decision.
#[utoipa::path(get, path = "/api/v1/exports/labels.ndjson", tag = "exports", security((), ("bearer" = [])),
    params(ExportOf<LabelFilter>),
    responses((status = 200, description = "One object per line.", body = String, content_type = "application/x-ndjson")))]
async fn export_labels_ndjson(
    visitor: Visitor,
    reply: Reply,
    query: Query<ExportOf<LabelFilter>>,
) -> Result<HttpResponse> {
    export::<Labels>(visitor, reply, query, false).await
}

/// All labels as a table
///
/// The same rows, for spreadsheets: a column for each member.
#[utoipa::path(get, path = "/api/v1/exports/labels.csv", tag = "exports", security((), ("bearer" = [])),
    params(ExportOf<LabelFilter>),
    responses((status = 200, description = "A header and one row per label.", body = String, content_type = "text/csv")))]
async fn export_labels_csv(
    visitor: Visitor,
    reply: Reply,
    query: Query<ExportOf<LabelFilter>>,
) -> Result<HttpResponse> {
    export::<Labels>(visitor, reply, query, true).await
}

/// All organisations, one JSON object per line
///
/// Every confirmed organisation as its list shows it to the public.
#[utoipa::path(get, path = "/api/v1/exports/organisations.ndjson", tag = "exports", security((), ("bearer" = [])),
    params(ExportOf<OrganisationFilter>),
    responses((status = 200, description = "One object per line.", body = String, content_type = "application/x-ndjson")))]
async fn export_organisations_ndjson(
    visitor: Visitor,
    reply: Reply,
    query: Query<ExportOf<OrganisationFilter>>,
) -> Result<HttpResponse> {
    export::<Organisations>(visitor, reply, query, false).await
}

/// All organisations as a table
///
/// The same rows, for spreadsheets: a column for each member.
#[utoipa::path(get, path = "/api/v1/exports/organisations.csv", tag = "exports", security((), ("bearer" = [])),
    params(ExportOf<OrganisationFilter>),
    responses((status = 200, description = "A header and one row per organisation.", body = String, content_type = "text/csv")))]
async fn export_organisations_csv(
    visitor: Visitor,
    reply: Reply,
    query: Query<ExportOf<OrganisationFilter>>,
) -> Result<HttpResponse> {
    export::<Organisations>(visitor, reply, query, true).await
}

/// The tag of an export: what was asked, of which state of the catalogue, on which
/// day (labels end by the calendar), by which program.
fn tag(name: &str, canonical: &str, today: chrono::NaiveDate, heads: &[Head]) -> String {
    let program = env!("CARGO_PKG_VERSION");
    fingerprint(format!("{name} {canonical} {today} {heads:?} {program}").as_bytes())
}

async fn export<E: Exported>(
    visitor: Visitor,
    reply: Reply,
    query: Query<ExportOf<E::Filter>>,
    is_csv: bool,
) -> Result<HttpResponse> {
    reply.refuse_fields()?;
    let today = reply.app.store.clock().now().day();
    let form = match is_csv {
        true => Form::Csv(Columns::of(&reply.app.contract, &E::View::name())),
        false => Form::Ndjson,
    };
    let name = format!("{}.{}", E::NAME, if is_csv { "csv" } else { "ndjson" });
    let canonical = query.canonical.clone();
    let wanted = query.given;
    let index = if E::IS_INDEXED { Some(reply.app.search().await?) } else { None };
    let ((head, rows), parts) = reply
        .app
        .store
        .feed(
            move |db| {
                Viewer::of(db, visitor.0.as_ref())?;
                let head = Head::of(db)?;
                Ok((head, Arc::new(E::open(index.as_deref(), head)?)))
            },
            move |db, (_, rows), to| feed(db, &*rows, &wanted, &form, today, to),
        )
        .await?;
    // What changed since the snapshot may be in the rows already: then their tag is another, and who
    // goes on from the snapshot is told again.
    let heads: Vec<Head> = std::iter::once(head).chain(rows.heard()).collect();
    let tag = tag(&name, &canonical, today, &heads);
    if let Some(known) = reply.known_tag(&tag) {
        // The feed ends as its parts are dropped.
        return Ok(reply.unchanged(&known));
    }
    let mut response = reply.builder();
    response.content_type(if is_csv { crate::http::csv::MEDIA_TYPE } else { "application/x-ndjson" });
    response.insert_header((ETAG, format!("\"v0.{tag}\"")));
    response.insert_header((POSITION, head.bookmark.to_string()));
    response.insert_header((LINK, format!("<{LICENCE_URL}>; rel=\"license\"")));
    response.insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")));
    if reply.is(&Method::HEAD) {
        return Ok(response.finish());
    }
    Ok(response.streaming(body(parts)))
}
