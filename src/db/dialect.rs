//! What differs between the two databases, and nothing else.

use std::fmt;
use std::path::{Path, PathBuf};

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::{Connection, ConnectionError, ConnectionResult, PgConnection, QueryResult, RunQueryDsl, SqliteConnection};

use super::Db;

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

    /// Opens a connection with the session settings every query relies on.
    pub(super) fn connect(&self, access: Access) -> ConnectionResult<Db> {
        match self {
            Self::Postgres { url } => {
                let mut connection = PgConnection::establish(url)?;
                connection
                    .batch_execute(
                        "SET TIME ZONE 'UTC'; SET statement_timeout = '10s'; SET lock_timeout = '3s'; \
                         SET idle_in_transaction_session_timeout = '15s'; SET client_min_messages = 'warning'",
                    )
                    .map_err(ConnectionError::CouldntSetupConfiguration)?;
                Ok(Db::Pg(connection))
            }
            Self::Sqlite { path } => {
                let mut connection = SqliteConnection::establish(&path.to_string_lossy())?;
                // The time to wait comes first: changing to WAL may itself have to wait.
                connection
                    .batch_execute("PRAGMA busy_timeout = 5000")
                    .and_then(|()| connection.batch_execute("PRAGMA journal_mode = WAL"))
                    .and_then(|()| {
                        connection.batch_execute(
                            "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; \
                             PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16000; PRAGMA journal_size_limit = 67108864",
                        )
                    })
                    .and_then(|()| match access {
                        Access::ReadOnly => connection.batch_execute("PRAGMA query_only = ON"),
                        Access::ReadWrite => Ok(()),
                    })
                    .map_err(ConnectionError::CouldntSetupConfiguration)?;
                Ok(Db::Sqlite(connection))
            }
        }
    }
}

impl fmt::Display for Backend {
    /// Without credentials: this goes to the log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres { url } => match url::Url::parse(url) {
                Ok(url) => write!(f, "PostgreSQL {}{}", url.host_str().unwrap_or("(local socket)"), url.path()),
                Err(_) => f.write_str("PostgreSQL"),
            },
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

    pub(super) fn commit(&mut self) -> QueryResult<()> {
        match self {
            Self::Pg(c) => AnsiTransactionManager::commit_transaction(c),
            Self::Sqlite(c) => AnsiTransactionManager::commit_transaction(c),
        }
    }

    pub(super) fn rollback(&mut self) -> QueryResult<()> {
        match self {
            Self::Pg(c) => AnsiTransactionManager::rollback_transaction(c),
            Self::Sqlite(c) => AnsiTransactionManager::rollback_transaction(c),
        }
    }

    pub(super) fn is_broken(&mut self) -> bool {
        match self {
            Self::Pg(c) => AnsiTransactionManager::is_broken_transaction_manager(c),
            Self::Sqlite(c) => AnsiTransactionManager::is_broken_transaction_manager(c),
        }
    }

    /// Runs fixed SQL; never text from outside.
    pub(crate) fn batch(&mut self, sql: &str) -> QueryResult<()> {
        match self {
            Self::Pg(c) => c.batch_execute(sql),
            Self::Sqlite(c) => c.batch_execute(sql),
        }
    }

    /// Journal entries after a bookmark that a reader may rely on, in an order it
    /// can go on in. On PostgreSQL positions are taken before commits, so they are
    /// ordered by transaction first, and transactions that may still be running,
    /// or have an older one running beside them, are left out; on SQLite writers
    /// come one after the other.
    pub(crate) fn journal_after(
        &mut self,
        transaction: i64,
        position: i64,
        limit: i64,
    ) -> QueryResult<Vec<JournalPlace>> {
        use diesel::sql_types::BigInt;
        match self {
            Self::Pg(c) => diesel::sql_query(
                "SELECT transaction_id::text::bigint AS transaction, position FROM changes \
                 WHERE transaction_id < pg_snapshot_xmin(pg_current_snapshot()) \
                 AND (transaction_id, position) > ($1::text::xid8, $2) \
                 ORDER BY transaction_id, position LIMIT $3",
            )
            .bind::<BigInt, _>(transaction)
            .bind::<BigInt, _>(position)
            .bind::<BigInt, _>(limit)
            .load(c),
            Self::Sqlite(c) => diesel::sql_query(
                "SELECT transaction_id AS \"transaction\", position FROM changes WHERE position > ? ORDER BY position LIMIT ?",
            )
            .bind::<BigInt, _>(position)
            .bind::<BigInt, _>(limit)
            .load(c),
        }
    }
}

/// Where a journal entry stands in the order it can be read in.
#[derive(diesel::QueryableByName)]
pub(crate) struct JournalPlace {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    pub transaction: i64,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    pub position: i64,
}

/// A transaction that lost a race and may be run again.
pub fn is_serialisation_failure(error: &DieselError) -> bool {
    match error {
        DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => true,
        DieselError::DatabaseError(_, info) => {
            let text = info.message();
            text.contains("deadlock detected") || text.contains("could not serialize access")
        }
        _ => false,
    }
}

/// The disk that holds the database has no room left.
pub fn is_storage_full(error: &DieselError) -> bool {
    matches!(error, DieselError::DatabaseError(_, info)
        if info.message().contains("database or disk is full") || info.message().contains("No space left on device"))
}

/// The database cannot be reached or does not answer in time.
pub fn is_unavailable(error: &DieselError) -> bool {
    match error {
        DieselError::DatabaseError(DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand, _)
        | DieselError::BrokenTransactionManager => true,
        DieselError::DatabaseError(_, info) => {
            let text = info.message();
            [
                "database is locked",
                "canceling statement due to",
                "terminating connection",
                "server closed",
                "connection",
            ]
            .iter()
            .any(|part| text.contains(part))
        }
        _ => false,
    }
}

/// Inserts several rows at once: Diesel does not offer it on the enum.
#[macro_export]
macro_rules! insert_all {
    ($db:expr, $table:expr, $rows:expr) => {
        match $db {
            // SQLite takes at most 32,766 variables in one statement, PostgreSQL 65,535.
            $crate::db::Db::Pg(c) => {
                for rows in $rows.chunks(500) {
                    diesel::insert_into($table).values(rows).execute(c)?;
                }
            }
            $crate::db::Db::Sqlite(c) => {
                for rows in $rows.chunks(500) {
                    diesel::insert_into($table).values(rows).execute(c)?;
                }
            }
        }
    };
}
