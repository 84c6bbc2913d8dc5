//! The log as files: its signed state and its tiles (C2SP tlog-tiles), which any monitor
//! or witness reads.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, ETAG};
use actix_web::web::{Data, Path};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::tree::{EntryRow, Tree};
use crate::app::App;
use crate::db::{Actor, Db};
use crate::error::{Error, Result};
use crate::http::conditional::fingerprint;
use crate::http::route::Endpoint;
use crate::http::{Body, Query};
use crate::proof::tiles::{Content, Tile, WIDTH, encode_entries};
use crate::{endpoints, query_parameters};

/// A state is the latest for a moment only.
const SHORT: &str = "public, max-age=10";
/// A part of a tile that never changes, and that soon nobody asks for.
const PART: &str = "public, max-age=300";
/// What never changes.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

pub fn endpoints() -> Vec<Endpoint> {
    endpoints![find_checkpoint, find_log_key, find_tile, create_cosignature]
}

/// Which state.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckpointQuery {
    /// The latest that at least so many witnesses have cosigned; the latest of all when left out.
    #[schema(minimum = 1, maximum = 16)]
    #[serde(default)]
    pub witnessed: Option<i64>,
}

query_parameters!(CheckpointQuery);

/// What a witness hands in.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"note": "catalogue.example/log\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n— witness.example/1 AAAAAGtJ0gAAAAAAAA==\n"}))]
pub struct HandIn {
    /// A signed note: the checkpoint as it was, an empty line, the witness's line.
    #[schema(min_length = 1, max_length = 32768)]
    pub note: String,
}

fn answer(media: &'static str, caching: &'static str, body: impl Into<Vec<u8>>) -> HttpResponse {
    let body = body.into();
    HttpResponse::Ok()
        .content_type(media)
        .insert_header((CACHE_CONTROL, caching))
        .insert_header((ETAG, format!("\"v0.{}\"", fingerprint(&body))))
        .body(body)
}

/// The state of the log, signed
///
/// A checkpoint (C2SP tlog-checkpoint) as a signed note: name, number of entries, root of the
/// Merkle tree (RFC 9162 §2.1), signature, and the lines of the witnesses that have cosigned this
/// state so far (C2SP tlog-cosignature). Keep it: whatever is shown later must agree with it.
#[utoipa::path(get, path = "/log/checkpoint", tag = "log", security(()), params(CheckpointQuery),
    responses((status = 200, description = "The note.", body = String, content_type = "text/plain"),
        (status = 404, description = "So many witnesses have cosigned no state.")))]
async fn find_checkpoint(app: Data<App>, query: Query<CheckpointQuery>) -> Result<HttpResponse> {
    let log = Arc::clone(&app.log);
    let witnessed = query.witnessed.and_then(|count| usize::try_from(count).ok());
    let shown = app
        .store
        .read(move |db| match witnessed {
            None => log.shown(db),
            Some(count) => log.witnessed(db, count)?.ok_or_else(Error::not_found),
        })
        .await?;
    Ok(answer("text/plain; charset=utf-8", SHORT, shown.note.to_string()))
}

/// Hand in a cosignature
///
/// By a witness whose key the catalogue's settings name: a checkpoint of this log, as it was, with
/// the witness's line (C2SP tlog-cosignature, `cosignature/v1`). Other lines may stand beside it.
/// It is served with the checkpoint, and goes into the files that prove labels. The same again,
/// or a later one over the same state, takes the place of the earlier.
#[utoipa::path(post, path = "/log/cosignatures", tag = "log", security(()),
    request_body = HandIn,
    responses((status = 204, description = "It is kept."),
        (status = 409, description = "The log had another state when it had so many entries: keep the note, it is evidence."),
        (status = 422, description = "Another log, a state that is not reached yet, no known witness, or a wrong signature.")))]
async fn create_cosignature(app: Data<App>, body: Body<HandIn>) -> Result<HttpResponse> {
    app.log.refuse_if_broken()?;
    let log = Arc::clone(&app.log);
    app.store.write(Actor::System, move |tx| log.take(tx, &body.accept()?.note)).await?;
    Ok(HttpResponse::NoContent().insert_header((CACHE_CONTROL, "no-store")).finish())
}

/// The key of the log
///
/// As a *vkey* (C2SP signed-note): what `verify --trust` and monitors are given. Believe it only
/// where it is also published elsewhere.
#[utoipa::path(get, path = "/log/key", tag = "log", security(()),
    responses((status = 200, description = "The key.", body = String, content_type = "text/plain")))]
async fn find_log_key(app: Data<App>) -> Result<HttpResponse> {
    let key = app.log.verifier().map_err(super::broken)?;
    Ok(answer("text/plain; charset=utf-8", PART, format!("{key}\n")))
}

/// A tile of the log
///
/// 256 hashes of a level (`0`, `1`, …) or, as level `entries`, 256 entries, at the addresses of
/// C2SP tlog-tiles: `000` is the first, `x001/234` the 1,235th, `000.p/12` the first twelve of a
/// tile that is not full. As wide as it is asked for, a tile never changes.
#[utoipa::path(get, path = "/log/tile/{level}/{tile}", tag = "log", security(()),
    params(("level" = String, Path, description = "`0`, `1`, … or `entries`.", max_length = 7, example = "entries"),
        ("tile" = String, Path, description = "Which; its slashes may stand as they are.", max_length = 40, example = "000.p/1")),
    responses((status = 200, description = "The tile.", body = String, content_type = "application/octet-stream")))]
async fn find_tile(app: Data<App>, path: Path<(String, String)>) -> Result<HttpResponse> {
    let (level, tile) = path.into_inner();
    let tile = Tile::parse(&format!("tile/{level}/{tile}")).ok_or_else(Error::not_found)?;
    let bytes = app.store.read(move |db| bytes_of(db, tile)).await?;
    Ok(answer("application/octet-stream", if tile.width == WIDTH { FOR_EVER } else { PART }, bytes))
}

/// A tile as it is served.
///
/// # Errors
/// 404: it is not there, or not as wide.
pub fn bytes_of(db: &mut Db, tile: Tile) -> Result<Vec<u8>> {
    let mut tree = Tree::open(db)?;
    let there = Tile::at(tile.content, tile.index, tree.size).ok_or_else(Error::not_found)?;
    if there.width < tile.width {
        return Err(Error::not_found());
    }
    match tile.content {
        Content::Hashes(_) => tile.bytes(|node| tree.node(node)),
        Content::Entries => {
            let rows = EntryRow::from(db, tile.index * 256, i64::from(tile.width))?;
            encode_entries(rows.iter().map(|row| row.entry.as_bytes()))
                .ok_or_else(|| Error::Internal("an entry that is too long".to_owned()))
        }
    }
}
