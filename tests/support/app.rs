//! A fresh application for each case: a copied database, a server of its own.

use std::fmt;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use actix_web::web::Data;
use chrono::TimeDelta;
use diesel::{Connection, PgConnection, RunQueryDsl};
use gouvtech_catalogue::app::{self, App as Application};
use gouvtech_catalogue::auth::keys::ServerKey;
use gouvtech_catalogue::auth::token::{self, Grant};
use gouvtech_catalogue::auth::{Duty, Role};
use gouvtech_catalogue::clock::Clock;
use gouvtech_catalogue::config::{Given, Settings};
use gouvtech_catalogue::db::{Actor, Backend, Id, Limits, Store, migrations};
use gouvtech_catalogue::error::Error;

use super::client::Request;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        })
    }
}

/// A migrated and seeded database of each kind, to copy from.
pub struct Templates {
    folder: tempfile::TempDir,
    postgres: Option<String>,
    next: AtomicU32,
}

const TEMPLATE: &str = "gt_template";

impl Templates {
    pub fn make(postgres: Option<&str>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let sqlite = format!("sqlite://{}", folder.path().join("template.sqlite").display());
        seed(&sqlite);
        let postgres = postgres.map(|url| {
            admin(url, &format!("DROP DATABASE IF EXISTS {TEMPLATE}"));
            admin(url, &format!("CREATE DATABASE {TEMPLATE}"));
            seed(&named(url, TEMPLATE));
            url.to_owned()
        });
        Self { folder, postgres, next: AtomicU32::new(1) }
    }

    pub fn copy(&self, kind: Kind, with_data: bool) -> Copy {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        match kind {
            Kind::Sqlite => {
                let path = self.folder.path().join(format!("{number}.sqlite"));
                if with_data {
                    std::fs::copy(self.folder.path().join("template.sqlite"), &path).expect("copied");
                }
                Copy { url: format!("sqlite://{}", path.display()), drop: None }
            }
            Kind::Postgres => {
                let url = self.postgres.as_deref().expect("PostgreSQL");
                let name = format!("gt_{}_{number}", std::process::id());
                let from = if with_data { TEMPLATE } else { "template0" };
                admin(url, &format!("CREATE DATABASE {name} TEMPLATE {from}"));
                Copy { url: named(url, &name), drop: Some((url.to_owned(), name)) }
            }
        }
    }
}

/// A database of one case; a PostgreSQL one is dropped with it.
pub struct Copy {
    url: String,
    drop: Option<(String, String)>,
}

impl Copy {
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn backend(&self) -> Backend {
        Backend::parse(&self.url).expect("a URL")
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if let Some((url, name)) = &self.drop {
            admin(url, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        }
    }
}

fn admin(url: &str, sql: &str) {
    let mut connection = PgConnection::establish(url).expect("the cluster");
    diesel::sql_query(sql).execute(&mut connection).unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// The same cluster, another database.
fn named(url: &str, database: &str) -> String {
    let (head, query) = url.split_once('?').map_or((url, ""), |(head, query)| (head, query));
    let (scheme, rest) = head.split_once("://").expect("a URL");
    let host = rest.split('/').next().unwrap_or_default();
    let query = if query.is_empty() { String::new() } else { format!("?{query}") };
    format!("{scheme}://{host}/{database}{query}")
}

fn seed(url: &str) {
    let backend = Backend::parse(url).expect("a URL");
    migrations::apply(&backend).expect("migrated");
    let store = Store::open(&backend, &Limits::default(), Clock::default()).expect("opened");
    gouvtech_catalogue::seed::criteria(&store).expect("criteria");
}

/// Handlers that fail, behind the boundary like all others.
fn break_points(config: &mut actix_web::web::ServiceConfig) {
    use actix_web::web;
    config.route("/test/panic", web::get().to(panics));
    config.route("/test/panic-while-reading", web::get().to(panics_while_reading));
    config.route("/test/panic-while-writing", web::get().to(panics_while_writing));
    config.route("/test/wait", web::get().to(waits));
}

async fn panics() -> actix_web::HttpResponse {
    panic!("Mme Secret-Dupont is in the words of a panic")
}

async fn panics_while_reading(app: Data<Application>) -> Result<actix_web::HttpResponse, Error> {
    app.store.read(|_| -> Result<(), Error> { panic!("while reading") }).await?;
    Ok(actix_web::HttpResponse::Ok().finish())
}

async fn panics_while_writing(app: Data<Application>) -> Result<actix_web::HttpResponse, Error> {
    app.store.write(Actor::System, |_| -> Result<(), Error> { panic!("while writing") }).await?;
    Ok(actix_web::HttpResponse::Ok().finish())
}

/// Long enough to be met under way.
async fn waits() -> actix_web::HttpResponse {
    actix_web::rt::time::sleep(std::time::Duration::from_secs(3)).await;
    actix_web::HttpResponse::Ok().finish()
}

/// A running application.
pub struct App {
    pub inner: Data<Application>,
    pub kind: Kind,
    pub clock: Clock,
    pub address: String,
    pub folder: PathBuf,
    templates: Arc<Templates>,
    server: actix_web::dev::ServerHandle,
    thread: Option<std::thread::JoinHandle<()>>,
    url: String,
    database: Option<Copy>,
    _folder: tempfile::TempDir,
}

/// Of now, unless midnight is near: what happens within minutes happens on one day.
fn clock() -> Clock {
    let clock = Clock::default();
    let now = clock.now();
    let left = TimeDelta::microseconds(now.end_of_day().micros() - now.micros());
    if left < TimeDelta::hours(1) {
        clock.advance(left + TimeDelta::hours(1));
    }
    clock
}

impl App {
    pub fn start(templates: &Arc<Templates>, kind: Kind) -> Self {
        Self::start_with(templates, kind, Given::default())
    }

    /// Another application like this one, with other settings and a database of its own.
    pub fn another(&self, given: Given) -> Self {
        Self::start_with(&self.templates, self.kind, given)
    }

    /// Waits until this instance shows what is committed, whoever did so.
    pub fn settle(&self) {
        use diesel::QueryDsl;
        use diesel::dsl::max;
        use gouvtech_catalogue::db::schema::changes;
        let last: Option<i64> = self
            .store()
            .read_here(|db| Ok(changes::table.select(max(changes::position)).first(db)?))
            .expect("the journal");
        let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while self.inner.search_now().is_none_or(|live| live.follower.position() < last.unwrap_or_default()) {
            assert!(std::time::Instant::now() < end, "this instance does not follow the journal");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    /// Another application on the same database, as instances behind a balancer are: it has the
    /// key and the clock of this one.
    pub fn twin(&self, given: Given) -> Self {
        let given = Given {
            signing_key: Some(self.inner.settings.signing_key.clone()),
            log_key: Some(self.inner.settings.log_key.clone()),
            ..given
        };
        Self::start_on(&self.templates, self.kind, given, self.url.clone(), None, self.clock.clone())
    }

    fn start_with(templates: &Arc<Templates>, kind: Kind, given: Given) -> Self {
        let database = templates.copy(kind, true);
        Self::start_on(templates, kind, given, database.url.clone(), Some(database), clock())
    }

    fn start_on(
        templates: &Arc<Templates>,
        kind: Kind,
        given: Given,
        url: String,
        database: Option<Copy>,
        clock: Clock,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = Settings::new(Given {
            database_url: Some(url.clone()),
            data_dir: Some(folder.path().to_owned()),
            workers: Some(2),
            connections: Some(6),
            // Cases send what nobody sends in a minute; those about limits set their own.
            rate_limit_reads: given.rate_limit_reads.or(Some(0)),
            rate_limit_writes: given.rate_limit_writes.or(Some(0)),
            rate_limit_failures: given.rate_limit_failures.or(Some(0)),
            rate_limit_tokens: given.rate_limit_tokens.or(Some(0)),
            ..given
        })
        .expect("settings");
        let inner = Data::new(Application::new(settings, clock.clone()).expect("an application"));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let (sender, receiver) = std::sync::mpsc::channel();
        let served = inner.clone();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = app::serve_with(served, listener, break_points).expect("a server");
                sender.send(server.handle()).expect("sent");
                server.await.expect("served");
            });
        });
        let server = receiver.recv().expect("a server");
        Self {
            inner,
            kind,
            clock,
            address,
            folder: folder.path().to_owned(),
            templates: Arc::clone(templates),
            server,
            thread: Some(thread),
            url,
            database,
            _folder: folder,
        }
    }

    /// Another application like this one, with other settings and a database of its own.
    pub fn beside(&self, given: Given) -> Self {
        Self::start_with(&self.templates, self.kind, given)
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// An empty database beside this application's.
    pub fn empty_database(&self, kind: Kind) -> Copy {
        self.templates.copy(kind, false)
    }

    /// Runs plain SQL past every rule but the database's own.
    pub fn sql(&self, sql: &str) -> Result<(), String> {
        let backend = Backend::parse(self.url()).expect("a URL");
        match backend {
            Backend::Postgres { url } => {
                let mut connection = PgConnection::establish(&url).expect("a connection");
                diesel::sql_query(sql).execute(&mut connection).map(|_| ()).map_err(|e| e.to_string())
            }
            Backend::Sqlite { path } => {
                let mut connection =
                    diesel::SqliteConnection::establish(&path.to_string_lossy()).expect("a connection");
                diesel::sql_query("PRAGMA busy_timeout = 5000").execute(&mut connection).expect("a pragma");
                diesel::sql_query(sql).execute(&mut connection).map(|_| ()).map_err(|e| e.to_string())
            }
        }
    }

    /// A token signed by this application's key.
    pub fn token(&self, role: Role, organisation: Option<Id>, duties: &[Duty], subject: &str) -> String {
        let grant = Grant {
            subject: subject.to_owned(),
            role,
            duties: duties.to_vec(),
            organisation,
            siret: None,
            service_account: None,
            lifetime_seconds: 3600,
        };
        self.issue(&grant)
    }

    pub fn issue(&self, grant: &Grant) -> String {
        token::issue(&self.signer(), &self.inner.policy, grant, self.clock.now()).expect("a token")
    }

    /// The key that signs this application's tokens.
    pub fn signer(&self) -> Arc<ServerKey> {
        self.inner.keys.held().signer(self.clock.now()).expect("a key")
    }

    pub fn request(&self, method: &str, path: &str) -> Request<'_> {
        Request::new(self, method, path)
    }

    pub fn get(&self, path: &str) -> Request<'_> {
        self.request("GET", path)
    }

    pub fn post(&self, path: &str) -> Request<'_> {
        self.request("POST", path)
    }

    pub fn patch(&self, path: &str) -> Request<'_> {
        self.request("PATCH", path)
    }

    pub fn put(&self, path: &str) -> Request<'_> {
        self.request("PUT", path)
    }

    pub fn delete(&self, path: &str) -> Request<'_> {
        self.request("DELETE", path)
    }
}

impl Drop for App {
    fn drop(&mut self) {
        // Not graceful: a case that failed must not wait for its own connections.
        let stopped = self.server.stop(false);
        actix_web::rt::System::new().block_on(stopped);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
        drop(self.database.take());
    }
}
