//! How a connection to each of the two databases is opened, and its transactions begin and end.

use std::fmt;
use std::path::{Path, PathBuf};

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::prelude::*;
use diesel::{ConnectionError, ConnectionResult};

use super::Db;
use super::failure::Failure;
use super::limits::Limits;
use crate::natively;

/// SQLite at or above this: an older one can corrupt a WAL that several connections use.
const OLDEST_SQLITE: [u32; 3] = [3, 51, 3];

/// Where the data lives, read from a database URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    Postgres { url: String },
    Sqlite { path: PathBuf },
}

impl Backend {
    /// Reads `sqlite://relative`, `sqlite:///absolute`, `postgres://…`, `postgresql://…`.
    ///
    /// # Errors
    /// Says which forms are understood when the text is none of them.
    pub fn parse(url: &str) -> Result<Self, String> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres { url: url.to_owned() });
        }
        match url.strip_prefix("sqlite://") {
            Some("") => Err("sqlite:// lacks a path: write sqlite://data/catalogue.sqlite".to_owned()),
            Some(path) => Ok(Self::Sqlite { path: PathBuf::from(path) }),
            None => Err("expected sqlite://relative/path, sqlite:///absolute/path, \
                 postgres://user@host/database or postgresql://…"
                .to_owned()),
        }
    }

    /// The folder that holds the SQLite file.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Sqlite { path } => {
                Some(path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new(".")))
            }
            Self::Postgres { .. } => None,
        }
    }

    /// Writes a copy of an SQLite database to a new file: one snapshot, whatever
    /// is written meanwhile. The original is opened without any change of its mode.
    ///
    /// # Errors
    /// The database's message.
    pub fn copy_to(&self, file: &Path) -> Result<(), String> {
        let Self::Sqlite { path } = self else { return Err("is not SQLite".to_owned()) };
        let mut connection = SqliteConnection::establish(&path.to_string_lossy()).map_err(|e| e.to_string())?;
        connection
            .batch_execute("PRAGMA busy_timeout = 5000; PRAGMA synchronous = FULL")
            .and_then(|()| {
                diesel::sql_query("VACUUM INTO ?")
                    .bind::<diesel::sql_types::Text, _>(file.to_string_lossy().into_owned())
                    .execute(&mut connection)
            })
            .map_err(|e| e.to_string())?;
        Ok(())
    }

    /// Opens a connection with the session settings every query relies on.
    pub(super) fn connect(&self, access: Access, limits: &Limits) -> ConnectionResult<Db> {
        match self {
            Self::Postgres { url } => {
                let mut connection = PgConnection::establish(&conninfo(url))?;
                let (statement, lock) = (limits.statement.as_millis(), limits.lock.as_millis());
                connection
                    .batch_execute(&format!(
                        "SET TIME ZONE 'UTC'; SET statement_timeout = {statement}; SET lock_timeout = {lock}; \
                         SET idle_in_transaction_session_timeout = '15s'; SET client_min_messages = 'warning'"
                    ))
                    .map_err(ConnectionError::CouldntSetupConfiguration)?;
                // Some failures can only be told by their words. Not every account may choose the language.
                let _stays_as_it_is = connection.batch_execute("SET lc_messages = 'C'");
                Ok(Db::Pg(connection))
            }
            Self::Sqlite { path } => {
                let mut connection = SqliteConnection::establish(&path.to_string_lossy())?;
                // The time to wait comes first: changing to WAL may itself have to wait.
                connection
                    .batch_execute("PRAGMA busy_timeout = 5000")
                    .and_then(|()| use_log(&mut connection))
                    .and_then(|()| {
                        connection.batch_execute(
                            "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; \
                             PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 16777216",
                        )
                    })
                    .and_then(|()| match access {
                        // Pages of its own, for each connection: what it misses the system has in memory.
                        Access::ReadOnly => {
                            connection.batch_execute("PRAGMA query_only = ON; PRAGMA cache_size = -2000")
                        }
                        // The writer moves the log into the database itself, between its transactions.
                        Access::ReadWrite => {
                            connection.batch_execute("PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -8000")
                        }
                    })
                    .map_err(ConnectionError::CouldntSetupConfiguration)?;
                Ok(Db::Sqlite(connection))
            }
        }
    }
}

/// Changes to WAL. Of several that change a new database at once, SQLite refuses some
/// without waiting, lest they wait for each other: they try again.
fn use_log(connection: &mut SqliteConnection) -> QueryResult<()> {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(5);
    loop {
        match connection.batch_execute("PRAGMA journal_mode = WAL") {
            Err(error) if Failure::of(&error) == Failure::Busy && std::time::Instant::now() < end => {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            outcome => return outcome,
        }
    }
}

/// The address as libpq takes it: with what makes a dead server noticed, and
/// the primary looked for among several hosts, where the URL does not say otherwise.
fn conninfo(url: &str) -> String {
    let (_, query) = url.split_once('?').unwrap_or((url, ""));
    let names: Vec<&str> = query.split('&').filter_map(|pair| pair.split('=').next()).collect();
    let mut added = vec![
        ("application_name", "gouvtech-catalogue"),
        ("connect_timeout", "2"),
        ("keepalives_idle", "10"),
        ("keepalives_interval", "5"),
        ("keepalives_count", "3"),
        ("tcp_user_timeout", "10000"),
    ];
    if hosts(url).is_some_and(|hosts| hosts.contains(',')) {
        added.push(("target_session_attrs", "read-write"));
    }
    let mut url = url.to_owned();
    let mut separator = if query.is_empty() && !url.ends_with('?') { "?" } else { "&" };
    for (name, value) in added.into_iter().filter(|(name, _)| !names.contains(name)) {
        url.push_str(&format!("{separator}{name}={value}"));
        separator = "&";
    }
    url
}

/// The hosts of a PostgreSQL URL, without credentials; several are separated by
/// commas, which is why no general parser of URLs will do.
fn hosts(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = place.split('/').next().unwrap_or_default();
    let named = authority.rsplit('@').next().filter(|hosts| !hosts.is_empty());
    named.or_else(|| query.split('&').find_map(|pair| pair.strip_prefix("host=")))
}

impl fmt::Display for Backend {
    /// Without credentials: this goes to the log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres { url } => {
                let place = url.split('?').next().unwrap_or_default();
                let database = place.splitn(4, '/').nth(3).unwrap_or_default();
                write!(f, "PostgreSQL {}/{database}", hosts(url).unwrap_or("(local socket)"))
            }
            Self::Sqlite { path } => write!(f, "SQLite {}", path.display()),
        }
    }
}

/// What a connection may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    ReadOnly,
    ReadWrite,
}

impl Db {
    /// Starts a transaction that sees one snapshot; a writing one holds SQLite's
    /// write lock from its first statement and is serialisable on PostgreSQL.
    pub(super) fn begin(&mut self, access: Access) -> QueryResult<()> {
        match (self, access) {
            (Self::Pg(c), Access::ReadOnly) => {
                AnsiTransactionManager::begin_transaction_sql(c, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            }
            (Self::Pg(c), Access::ReadWrite) => {
                AnsiTransactionManager::begin_transaction_sql(c, "BEGIN ISOLATION LEVEL SERIALIZABLE")
            }
            (Self::Sqlite(c), Access::ReadOnly) => AnsiTransactionManager::begin_transaction_sql(c, "BEGIN DEFERRED"),
            (Self::Sqlite(c), Access::ReadWrite) => AnsiTransactionManager::begin_transaction_sql(c, "BEGIN IMMEDIATE"),
        }
    }

    /// Ends the transaction. PostgreSQL answers COMMIT of a transaction in which a
    /// statement failed without an error and rolls back: the statement before it
    /// makes that an error.
    pub(super) fn commit(&mut self) -> QueryResult<()> {
        match self {
            Self::Pg(c) => c.batch_execute("SET CONSTRAINTS ALL IMMEDIATE; COMMIT"),
            Self::Sqlite(c) => AnsiTransactionManager::commit_transaction(c),
        }
    }

    pub(super) fn rollback(&mut self) -> QueryResult<()> {
        natively!(self, |c| AnsiTransactionManager::rollback_transaction(c))
    }

    /// Whether a transaction is open, as far as the connection knows.
    pub(super) fn is_open(&mut self) -> bool {
        let status = natively!(self, |c| AnsiTransactionManager::transaction_manager_status_mut(c));
        !matches!(status.transaction_depth(), Ok(None))
    }

    pub(super) fn is_broken(&mut self) -> bool {
        natively!(self, |c| AnsiTransactionManager::is_broken_transaction_manager(c))
    }

    /// For work that waits for its caller between two statements: an idle transaction is not ended so soon.
    pub(super) fn expect_pauses(&mut self) -> QueryResult<()> {
        match self {
            Self::Pg(c) => c.batch_execute("SET LOCAL idle_in_transaction_session_timeout = '60s'"),
            Self::Sqlite(_) => Ok(()),
        }
    }
}

/// Refuses an SQLite that can damage its files.
pub(super) fn check_version(db: &mut Db) -> Result<(), String> {
    #[derive(diesel::QueryableByName)]
    struct Version {
        #[diesel(sql_type = diesel::sql_types::Text)]
        version: String,
    }
    let Db::Sqlite(c) = db else { return Ok(()) };
    let found: Version =
        diesel::sql_query("SELECT sqlite_version() AS version").get_result(c).map_err(|e| e.to_string())?;
    let parts: Vec<u32> = found.version.split('.').filter_map(|part| part.parse().ok()).collect();
    if parts.as_slice() >= OLDEST_SQLITE.as_slice() {
        return Ok(());
    }
    let [major, minor, patch] = OLDEST_SQLITE;
    Err(format!("SQLite {} can corrupt its log; {major}.{minor}.{patch} or later is needed", found.version))
}

#[cfg(test)]
mod tests {
    use diesel::prelude::*;
    use diesel::sql_types::{Bool, Text};

    use super::{Backend, conninfo};

    #[test]
    fn what_a_url_leaves_out_is_added_and_what_it_says_is_kept() {
        let one = conninfo("postgres://u:p@db/catalogue?connect_timeout=7");
        assert!(one.contains("connect_timeout=7&") && !one.contains("connect_timeout=2"), "{one}");
        assert!(one.contains("tcp_user_timeout=") && !one.contains("target_session_attrs"), "{one}");
        let several = conninfo("postgres://u:p@h1:5432,h2:5433/catalogue");
        assert!(several.starts_with("postgres://u:p@h1:5432,h2:5433/catalogue?application_name="), "{several}");
        assert!(several.ends_with("&target_session_attrs=read-write"), "{several}");
        assert!(conninfo("postgres://u@/c?host=h1,h2").contains("target_session_attrs=read-write"));
        let told = conninfo("postgres://h1,h2/c?target_session_attrs=any");
        assert_eq!(told.matches("target_session_attrs").count(), 1, "{told}");
    }

    #[test]
    fn the_embedded_sqlite_prepares_a_statement_once_whatever_is_bound() {
        let mut memory = SqliteConnection::establish(":memory:").expect("SQLite");
        let mut has = |option: &str| {
            let asked = diesel::dsl::sql::<Bool>("sqlite_compileoption_used(").bind::<Text, _>(option).sql(")");
            diesel::select(asked).get_result::<bool>(&mut memory).expect("an answer")
        };
        // Set in .cargo/config.toml.
        assert!(has("ENABLE_QPSG"), "a bound LIMIT has the next use prepare it anew");
        assert!(!has("ENABLE_MEMORY_MANAGEMENT"), "connections share one cache of pages, and its lock");
    }

    #[test]
    fn a_log_shows_where_the_data_lives_and_no_password() {
        for (url, shown) in [
            ("postgres://user:secret@db.example:5432/catalogue", "PostgreSQL db.example:5432/catalogue"),
            ("postgresql://user:secret@h1,h2:5433/catalogue?sslmode=require", "PostgreSQL h1,h2:5433/catalogue"),
            ("postgres://user@/catalogue?host=/run/postgresql", "PostgreSQL /run/postgresql/catalogue"),
            ("postgres:///catalogue", "PostgreSQL (local socket)/catalogue"),
            ("sqlite://data/catalogue.sqlite", "SQLite data/catalogue.sqlite"),
        ] {
            assert_eq!(Backend::parse(url).expect("a URL").to_string(), shown);
        }
    }
}
