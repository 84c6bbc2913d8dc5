use actix_web::HttpResponse;

use super::view::{SuggestionQuery, SuggestionView};
use crate::db::Id;
use crate::endpoints;
use crate::error::{Error, Result};
use crate::http::route::Endpoint;
use crate::http::{Page, Query, Reply};

/// Suggestions when the caller does not say how many.
const DEFAULT_LIMIT: i64 = 8;

pub fn endpoints() -> Vec<Endpoint> {
    endpoints![list_suggestions]
}

/// Suggestions while typing
///
/// Published solutions that what is typed may be the beginning of, the nearest first; letters
/// may be wrong, the last word unfinished.
#[utoipa::path(get, path = "/api/v1/suggestions", tag = "solutions", security(()),
    params(SuggestionQuery),
    responses((status = 200, description = "The suggestions; there are no further pages.", body = Page<SuggestionView>)))]
async fn list_suggestions(reply: Reply, query: Query<SuggestionQuery>) -> Result<HttpResponse> {
    let live = reply.app.search().await?;
    let rows = usize::try_from(query.limit.unwrap_or(DEFAULT_LIMIT)).unwrap_or_default();
    let cards = actix_web::web::block(move || live.search.suggestions(&query.q, rows)).await??;
    let items: Vec<SuggestionView> = cards
        .into_iter()
        .map(|card| {
            let id = Id::parse(&card.id).ok_or_else(|| Error::Internal("a card without its id".to_owned()))?;
            Ok(SuggestionView { id, slug: card.slug, name: card.name })
        })
        .collect::<Result<_>>()?;
    let total = i64::try_from(items.len()).unwrap_or(i64::MAX);
    reply.page(&Page { items, next: None, total })
}
