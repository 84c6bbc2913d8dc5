//! Where a row runs: which database, which form, what the machine allows.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel::sql_types::Text;
use libtest_mimic::{Arguments, Trial};

use crate::cluster;

/// One row of the bar, or a part of it.
pub struct Row {
    pub name: &'static str,
    /// What must be there besides the database.
    pub needs: &'static [Need],
    pub on: &'static [Kind],
    pub run: fn(&Ground),
}

/// Lists the rows of a file: function, databases, needs.
#[macro_export]
macro_rules! rows {
    ($($name:ident on $on:expr, needs $needs:expr;)+) => {
        pub fn rows() -> Vec<$crate::ground::Row> {
            #[allow(unused_imports, reason = "not every list needs every name")]
            use $crate::ground::{BOTH, Kind::*, Need::*};
            vec![$($crate::ground::Row { name: stringify!($name), needs: &$needs, on: &$on, run: $name }),+]
        }
    };
}

pub const BOTH: [Kind; 2] = [Kind::Sqlite, Kind::Postgres];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
}

/// What a row asks of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Root, loop devices and ext4, to make and break file systems.
    Volumes,
    /// PostgreSQL's programs, to start servers of our own.
    PostgresPrograms,
    Strace,
    Faketime,
    Eatmydata,
}

impl Need {
    /// Why it is not there.
    fn missing(self) -> Option<String> {
        match self {
            Self::Volumes => crate::volume::Volume::make(16).err(),
            Self::PostgresPrograms => {
                cluster::programs().is_none().then(|| "no PostgreSQL programs (package postgresql)".to_owned())
            }
            // Where processes may not be traced, the first attempt says so.
            Self::Strace => (!succeeds("strace", &["-f", "-e", "trace=none", "true"])).then(|| "no strace".to_owned()),
            Self::Faketime => {
                library("libfaketime.so.1").is_none().then(|| "no libfaketime (package faketime)".to_owned())
            }
            Self::Eatmydata => {
                library("libeatmydata.so").is_none().then(|| "no libeatmydata (package libeatmydata1)".to_owned())
            }
        }
    }
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}

/// A shared library to preload, in the places where Debian puts them.
pub fn library(name: &str) -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    folders
        .flat_map(|folder| [folder.join(name), folder.join("faketime").join(name)])
        .chain([Path::new("/usr/lib").join(name), Path::new("/usr/lib/faketime").join(name)])
        .find(|path| path.exists())
}

/// The place of one row.
pub struct Ground {
    pub kind: Kind,
    pub row: &'static str,
    is_long: bool,
    shared: Arc<Shared>,
}

struct Shared {
    cluster: Option<String>,
    next: AtomicU32,
}

impl Ground {
    /// A figure of the short form or of the long one.
    pub fn pick<T>(&self, short: T, long: T) -> T {
        if self.is_long { long } else { short }
    }

    pub fn is_long(&self) -> bool {
        self.is_long
    }

    /// Tells what was measured.
    pub fn say(&self, text: &str) {
        let kind = match self.kind {
            Kind::Sqlite => "sqlite",
            Kind::Postgres => "postgres",
        };
        eprintln!("    figure  {kind}::{}: {text}", self.row);
    }

    /// An empty database: a file in a folder of its own, or one of the shared cluster.
    pub fn database(&self) -> Database {
        match self.kind {
            Kind::Sqlite => Database::sqlite_in(tempfile::Builder::new().prefix("gt").tempdir().expect("a folder")),
            Kind::Postgres => {
                let admin = self.shared.cluster.clone().expect("PostgreSQL");
                let number = self.shared.next.fetch_add(1, Ordering::Relaxed);
                let name = format!("gtf_{}_{number}", std::process::id());
                execute(&admin, &format!("CREATE DATABASE {name}"));
                Database { url: named(&admin, &name), dropped_with: Some((admin, name)), _folder: None }
            }
        }
    }
}

/// The same cluster, another database.
pub fn named(url: &str, database: &str) -> String {
    let (head, query) = url.split_once('?').unwrap_or((url, ""));
    let (scheme, rest) = head.split_once("://").expect("a URL");
    let host = rest.split('/').next().unwrap_or_default();
    let query = if query.is_empty() { String::new() } else { format!("?{query}") };
    format!("{scheme}://{host}/{database}{query}")
}

/// A database, gone with this value if it was made for it.
pub struct Database {
    pub url: String,
    dropped_with: Option<(String, String)>,
    _folder: Option<tempfile::TempDir>,
}

impl Database {
    /// One that somebody else cares for.
    pub fn at(url: String) -> Self {
        Self { url, dropped_with: None, _folder: None }
    }

    fn sqlite_in(folder: tempfile::TempDir) -> Self {
        let url = format!("sqlite://{}", folder.path().join("catalogue.sqlite").display());
        Self { url, dropped_with: None, _folder: Some(folder) }
    }

    /// The SQLite file.
    pub fn file(&self) -> Option<PathBuf> {
        self.url.strip_prefix("sqlite://").map(PathBuf::from)
    }

    /// The `line` of every row of a plain query.
    pub fn lines(&self, sql: &str) -> Vec<String> {
        lines(&self.url, sql)
    }

    pub fn count(&self, sql: &str) -> i64 {
        let line = format!("SELECT CAST(({sql}) AS TEXT) AS line");
        self.lines(&line).pop().and_then(|text| text.parse().ok()).expect("a number")
    }

    pub fn execute(&self, sql: &str) {
        execute(&self.url, sql);
    }

    /// An identifier column as the API writes it.
    pub fn id_as_text(&self, column: &str) -> String {
        match self.file() {
            None => format!("CAST({column} AS TEXT)"),
            Some(_) => {
                let part = |from: u32, length: u32| format!("substr(lower(hex({column})), {from}, {length})");
                [part(1, 8), part(9, 4), part(13, 4), part(17, 4), part(21, 12)].join(" || '-' || ")
            }
        }
    }

    /// Wants the engine's own checks to find nothing.
    pub fn assert_sound(&self) {
        if self.file().is_some() {
            let check = self.lines("SELECT integrity_check AS line FROM pragma_integrity_check");
            assert_eq!(check, ["ok"], "integrity_check");
            let broken = self.lines("SELECT \"table\" || ' ' || rowid AS line FROM pragma_foreign_key_check");
            assert!(broken.is_empty(), "foreign_key_check: {broken:?}");
        } else {
            // Reads every row of every table: a broken page or a broken TOAST pointer is an error.
            let tables = self.lines("SELECT tablename::text AS line FROM pg_tables WHERE schemaname = 'public'");
            assert!(!tables.is_empty(), "no tables");
            for table in tables {
                self.count(&format!("SELECT count(*) FROM (SELECT t::text FROM {table} t) all_of_it"));
            }
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some((admin, name)) = &self.dropped_with {
            let outcome = PgConnection::establish(admin).map_err(|error| error.to_string()).and_then(|mut c| {
                let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                diesel::sql_query(sql).execute(&mut c).map_err(|error| error.to_string())
            });
            if let Err(error) = outcome {
                eprintln!("{name} stays: {error}");
            }
        }
    }
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

pub fn sqlite(path: &str) -> SqliteConnection {
    let mut connection = SqliteConnection::establish(path).expect("a connection");
    diesel::sql_query("PRAGMA busy_timeout = 10000").execute(&mut connection).expect("a pragma");
    connection
}

fn lines(url: &str, sql: &str) -> Vec<String> {
    let rows: Vec<Line> = match url.strip_prefix("sqlite://") {
        None => diesel::sql_query(sql).load(&mut PgConnection::establish(url).expect("a connection")),
        Some(path) => diesel::sql_query(sql).load(&mut sqlite(path)),
    }
    .unwrap_or_else(|error| panic!("{sql}: {error}"));
    rows.into_iter().map(|row| row.line).collect()
}

fn execute(url: &str, sql: &str) {
    match url.strip_prefix("sqlite://") {
        None => diesel::sql_query(sql).execute(&mut PgConnection::establish(url).expect("a connection")),
        Some(path) => diesel::sql_query(sql).execute(&mut sqlite(path)),
    }
    .unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// Polls until it is so; how long that took, or none when the time is over.
pub fn until(limit: Duration, mut is_so: impl FnMut() -> bool) -> Option<Duration> {
    let start = Instant::now();
    loop {
        if is_so() {
            return Some(start.elapsed());
        }
        if start.elapsed() > limit {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs every row on its databases.
pub fn run(rows: Vec<Row>) -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Many rows mostly wait. The long form measures, so there they come one after the other.
    let is_long = std::env::var("GOUVTECH_FAULTS").is_ok_and(|value| value == "long");
    arguments.test_threads.get_or_insert(if is_long { 1 } else { 4 });
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    let (found, missing) = if arguments.list {
        (cluster::Found::Nothing("listing".to_owned()), Vec::new())
    } else {
        (cluster::find(), missing(&rows))
    };
    let cluster = match &found {
        cluster::Found::Cluster(cluster) => Ok(cluster.url().to_owned()),
        cluster::Found::Given(url) => Ok(url.clone()),
        cluster::Found::Nothing(why) => Err(why.clone()),
    };
    let shared = Arc::new(Shared { cluster: cluster.clone().ok(), next: AtomicU32::new(1) });
    let mut trials = Vec::new();
    for row in rows {
        for kind in row.on.iter().copied() {
            let mut lacks: Vec<String> =
                missing.iter().filter(|(need, _)| row.needs.contains(need)).map(|(_, why)| why.clone()).collect();
            if kind == Kind::Postgres && !row.needs.contains(&Need::PostgresPrograms) {
                lacks.extend(cluster.clone().err());
            }
            let name = match kind {
                Kind::Sqlite => format!("sqlite::{}", row.name),
                Kind::Postgres => format!("postgres::{}", row.name),
            };
            let is_skipped = !lacks.is_empty() && !in_ci && !arguments.list;
            if is_skipped {
                eprintln!("=== SKIPPED {name}: {}", lacks.join("; "));
            }
            let ground = Ground { kind, row: row.name, is_long, shared: Arc::clone(&shared) };
            trials.push(
                Trial::test(name, move || {
                    if !lacks.is_empty() {
                        return Err(format!("CI=true, and this machine lacks: {}", lacks.join("; ")).into());
                    }
                    (row.run)(&ground);
                    Ok(())
                })
                .with_ignored_flag(is_skipped),
            );
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(found);
    if conclusion.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// What the rows ask for and the machine does not have.
fn missing(rows: &[Row]) -> Vec<(Need, String)> {
    let mut needs: Vec<Need> = Vec::new();
    for need in rows.iter().flat_map(|row| row.needs) {
        if !needs.contains(need) {
            needs.push(*need);
        }
    }
    needs.into_iter().filter_map(|need| need.missing().map(|why| (need, why))).collect()
}
