//! The log as files: its signed state and its tiles (C2SP tlog-tiles), which any monitor
//! or witness reads.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, Path};

use super::tree::{EntryRow, Tree};
use crate::app::App;
use crate::db::Db;
use crate::endpoints;
use crate::error::{Error, Result};
use crate::http::route::Endpoint;
use crate::proof::tiles::{Content, Tile, encode_entries};

pub fn endpoints() -> Vec<Endpoint> {
    endpoints![find_checkpoint, find_log_key, find_tile]
}

/// The state of the log, signed
///
/// A checkpoint (C2SP tlog-checkpoint) as a signed note: name, number of entries, root of the
/// Merkle tree (RFC 9162 §2.1) and signature. Keep it: whatever is shown later must agree with it.
#[utoipa::path(get, path = "/log/checkpoint", tag = "log", security(()),
    responses((status = 200, description = "The note.", body = String, content_type = "text/plain")))]
async fn find_checkpoint(app: Data<App>) -> Result<HttpResponse> {
    let log = Arc::clone(&app.log);
    let note = app.store.read(move |db| Ok(log.checkpoint(db)?.1)).await?;
    Ok(HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .insert_header((CACHE_CONTROL, "no-cache"))
        .body(note.to_string()))
}

/// The key of the log
///
/// As a *vkey* (C2SP signed-note): what `verify --trust` and monitors are given. Believe it only
/// where it is also published elsewhere.
#[utoipa::path(get, path = "/log/key", tag = "log", security(()),
    responses((status = 200, description = "The key.", body = String, content_type = "text/plain")))]
async fn find_log_key(app: Data<App>) -> Result<HttpResponse> {
    let key = app.log.verifier().map_err(super::broken)?;
    Ok(HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .insert_header((CACHE_CONTROL, "public, max-age=300"))
        .body(format!("{key}\n")))
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
    let bytes = app.store.read(move |db| bytes(db, tile)).await?;
    Ok(HttpResponse::Ok()
        .content_type("application/octet-stream")
        .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .body(bytes))
}

fn bytes(db: &mut Db, tile: Tile) -> Result<Vec<u8>> {
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
