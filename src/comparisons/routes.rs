use actix_web::HttpResponse;
use actix_web::http::header::{ContentDisposition, DispositionParam, DispositionType};

use super::view::{ComparisonQuery, ComparisonView, Format};
use super::{model, table};
use crate::endpoints;
use crate::error::Result;
use crate::http::route::Endpoint;
use crate::http::{Query, Reply};

pub fn endpoints() -> Vec<Endpoint> {
    endpoints![find_comparison]
}

/// Solutions side by side
///
/// Two to six published solutions, or versions of one, aligned by member of the
/// sheet and by criterion: what is declared beside what was verified, each with
/// origin and date, and why a value is missing. With `weights`, a score with
/// each of its terms. `pinned` is the address that answers with the same
/// `content` for ever; what has changed since is in `now`. Everybody reads the
/// same. In JSON, or as CSV with `format=csv` or `Accept: text/csv`.
#[utoipa::path(get, path = "/api/v1/comparisons", tag = "comparisons", security(()),
    params(ComparisonQuery),
    responses((status = 200, description = "The comparison.",
        content((ComparisonView = "application/json"), (String = "text/csv"))),
        (status = 422, description = "Something asked for is not there, or does not go together.")))]
async fn find_comparison(reply: Reply, query: Query<ComparisonQuery>) -> Result<HttpResponse> {
    let today = reply.app.store.clock().now().day();
    let wants_csv = query.format.map_or_else(|| reply.prefers("text/csv"), |format| format == Format::Csv);
    let view = reply
        .app
        .store
        .read(move |db| {
            let loaded = model::load(db, &query, today)?;
            Ok(ComparisonView {
                pinned: loaded.pinned(&query),
                content: table::content(&loaded, &query)?,
                now: model::standings(db, &loaded.sides, today)?,
            })
        })
        .await?;
    if !wants_csv {
        return reply.one(0, &view);
    }
    let name = ContentDisposition {
        disposition: DispositionType::Attachment,
        parameters: vec![DispositionParam::Filename("comparison.csv".to_owned())],
    };
    let link = format!("<{}&format=csv>; rel=\"bookmark\"", view.pinned);
    reply.text(
        crate::http::csv::MEDIA_TYPE,
        table::csv(&view.content)?,
        &[("content-disposition", &name.to_string()), ("link", &link)],
    )
}
