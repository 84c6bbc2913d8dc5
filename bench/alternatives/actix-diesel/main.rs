//! What this stack does at best when every answer asks the database: one bare
//! handler per operation over the same tables, without a boundary, a document, a
//! cache or a journal reader. It answers the same members and writes the same rows.

#![allow(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a bench that cannot go on fails, and measures with nothing between"
)]

mod queries;
mod reviews;

use std::cell::RefCell;
use std::sync::{Mutex, OnceLock};

use actix_web::web::{Bytes, Data, Json, Path, Query};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use diesel::Connection;
use diesel::connection::SimpleConnection;
use futures_util::StreamExt;
use gouvtech_catalogue::db::{Backend, Db};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

/// Connections in all: as many as the measured server has.
const CONNECTIONS: usize = 8;
const WORKERS: usize = 2;

/// As the measured server has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

static BACKEND: OnceLock<Backend> = OnceLock::new();
/// SQLite has one writer.
static WRITER: Mutex<Option<Db>> = Mutex::new(None);

thread_local! {
    /// One connection for each blocking thread: nobody waits for a pool.
    static READER: RefCell<Option<Db>> = const { RefCell::new(None) };
}

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn open() -> Outcome<Db> {
    Ok(match BACKEND.get().ok_or("no database")? {
        Backend::Postgres { url } => Db::Pg(diesel::PgConnection::establish(url)?),
        Backend::Sqlite { path } => {
            let mut connection = diesel::SqliteConnection::establish(&path.to_string_lossy())?;
            connection.batch_execute(
                "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                 PRAGMA foreign_keys = ON; PRAGMA cache_size = -16000",
            )?;
            Db::Sqlite(connection)
        }
    })
}

fn with<T>(slot: &mut Option<Db>, work: impl FnOnce(&mut Db) -> Outcome<T>) -> Outcome<T> {
    if slot.is_none() {
        *slot = Some(open()?);
    }
    work(slot.as_mut().ok_or("no connection")?)
}

async fn read<T: Send + 'static>(work: impl FnOnce(&mut Db) -> Outcome<T> + Send + 'static) -> actix_web::Result<T> {
    web::block(move || READER.with_borrow_mut(|slot| with(slot, work)))
        .await?
        .map_err(actix_web::error::ErrorInternalServerError)
}

/// A transaction; on SQLite through the one writer.
async fn write<T: Send + 'static>(work: impl FnOnce(&mut Db) -> Outcome<T> + Send + 'static) -> actix_web::Result<T> {
    let transaction = move |db: &mut Db| {
        db.batch_execute(if matches!(db, Db::Sqlite(_)) { "BEGIN IMMEDIATE" } else { "BEGIN" })?;
        let outcome = work(db);
        db.batch_execute(if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
        outcome
    };
    let is_sqlite = matches!(BACKEND.get(), Some(Backend::Sqlite { .. }));
    web::block(move || match is_sqlite {
        true => with(&mut *WRITER.lock().map_err(|_| "a writer panicked")?, transaction),
        false => READER.with_borrow_mut(|slot| with(slot, transaction)),
    })
    .await?
    .map_err(actix_web::error::ErrorConflict)
}

async fn find_solution(id: Path<String>) -> actix_web::Result<HttpResponse> {
    match read(move |db| queries::one(db, &id)).await? {
        Some(view) => Ok(HttpResponse::Ok().json(view)),
        None => Ok(HttpResponse::NotFound().finish()),
    }
}

async fn list_solutions(filter: Query<queries::Filter>) -> actix_web::Result<HttpResponse> {
    Ok(HttpResponse::Ok().json(read(move |db| queries::page(db, &filter)).await?))
}

#[derive(Deserialize)]
struct Compared {
    solutions: String,
}

async fn compare(query: Query<Compared>) -> actix_web::Result<HttpResponse> {
    Ok(HttpResponse::Ok().json(read(move |db| queries::comparison(db, &query.solutions)).await?))
}

/// Sent page by page, as fast as the reader takes it.
async fn export() -> HttpResponse {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut db = open().expect("a connection");
        let mut after = None;
        while let Ok((page, Some(last))) = queries::lines(&mut db, after) {
            after = Some(last);
            if sender.blocking_send(Bytes::from(page)).is_err() {
                break;
            }
        }
    });
    let stream = futures_util::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|page| (Ok::<_, actix_web::Error>(page), receiver))
    });
    HttpResponse::Ok().content_type("application/x-ndjson").streaming(stream.boxed_local())
}

fn channel() -> (tokio::sync::mpsc::Sender<Bytes>, tokio::sync::mpsc::Receiver<Bytes>) {
    tokio::sync::mpsc::channel(4)
}

/// Who signs, and what a token must say.
struct Guard {
    key: DecodingKey,
    validation: Validation,
}

async fn create_review(
    request: HttpRequest,
    guard: Data<Guard>,
    id: Path<String>,
    body: Json<gouvtech_catalogue::reviews::content::ReviewContent>,
) -> actix_web::Result<HttpResponse> {
    let header = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    let token = header.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    let claims = jsonwebtoken::decode::<reviews::Claims>(token, &guard.key, &guard.validation)
        .map_err(actix_web::error::ErrorUnauthorized)?
        .claims;
    let view = write(move |db| reviews::create(db, &claims, &id, body.into_inner())).await?;
    Ok(HttpResponse::Created().json(view))
}

fn main() -> std::io::Result<()> {
    let mut words = std::env::args().skip(1);
    let (bind, url) = (words.next().expect("an address"), words.next().expect("a database"));
    let x = words.next().expect("the x of the key that signs tokens");
    BACKEND.set(Backend::parse(&url).expect("a database URL")).expect("set once");
    let name = "gouvtech-catalogue";
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&[name]);
    validation.set_audience(&[name]);
    let guard = Data::new(Guard { key: DecodingKey::from_ed_components(&x).expect("a key"), validation });
    actix_web::rt::System::new().block_on(
        HttpServer::new(move || {
            App::new()
                .app_data(guard.clone())
                .route("/api/v1/solutions", web::get().to(list_solutions))
                .route("/api/v1/solutions/{id}", web::get().to(find_solution))
                .route("/api/v1/solutions/{id}/reviews", web::post().to(create_review))
                .route("/api/v1/comparisons", web::get().to(compare))
                .route("/api/v1/exports/solutions.ndjson", web::get().to(export))
        })
        .workers(WORKERS)
        .worker_max_blocking_threads(CONNECTIONS / WORKERS)
        .bind(bind)?
        .run(),
    )
}
