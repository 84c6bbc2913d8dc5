//! What differs between the two databases, and nothing else.

use std::fmt;
use std::path::{Path, PathBuf};

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, Bool, HasSqlType, Text, Untyped};
use diesel::{ConnectionError, ConnectionResult};

use super::limits::Limits;
use super::types::sql;
use super::{Change, Db, Id, Instant};
use crate::persons::inventory::Kind;

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
        match self {
            Self::Pg(c) => AnsiTransactionManager::rollback_transaction(c),
            Self::Sqlite(c) => AnsiTransactionManager::rollback_transaction(c),
        }
    }

    /// Whether a transaction is open, as far as the connection knows.
    pub(super) fn is_open(&mut self) -> bool {
        let status = match self {
            Self::Pg(c) => AnsiTransactionManager::transaction_manager_status_mut(c),
            Self::Sqlite(c) => AnsiTransactionManager::transaction_manager_status_mut(c),
        };
        !matches!(status.transaction_depth(), Ok(None))
    }

    pub(super) fn is_broken(&mut self) -> bool {
        match self {
            Self::Pg(c) => AnsiTransactionManager::is_broken_transaction_manager(c),
            Self::Sqlite(c) => AnsiTransactionManager::is_broken_transaction_manager(c),
        }
    }

    /// For work that waits for its caller between two statements: an idle transaction is not ended so soon.
    pub(super) fn expect_pauses(&mut self) -> QueryResult<()> {
        match self {
            Self::Pg(c) => c.batch_execute("SET LOCAL idle_in_transaction_session_timeout = '60s'"),
            Self::Sqlite(_) => Ok(()),
        }
    }

    /// Runs fixed SQL; never text from outside.
    pub(crate) fn batch(&mut self, sql: &str) -> QueryResult<()> {
        match self {
            Self::Pg(c) => c.batch_execute(sql),
            Self::Sqlite(c) => c.batch_execute(sql),
        }
    }

    /// Journal entries after a bookmark, in an order that a reader can go on in. On PostgreSQL
    /// positions are taken before commits, so they are ordered by transaction first, and those of
    /// transactions that may still be running, or have an older one running beside them, come last
    /// and are not settled; on SQLite writers come one after the other.
    pub(crate) fn journal_after(
        &mut self,
        transaction: i64,
        position: i64,
        limit: i64,
    ) -> QueryResult<Vec<JournalEntry>> {
        let (transaction, position, limit) =
            (Given::Number(transaction), Given::Number(position), Given::Number(limit));
        match self {
            Self::Pg(c) => Fixed(
                "SELECT position, at, actor_id, role, organisation_id, action, resource, resource_id, \
                 resource_version, changed, transaction_id::text::bigint AS transaction, \
                 transaction_id < pg_snapshot_xmin(pg_current_snapshot()) AS is_settled FROM changes \
                 WHERE (transaction_id, position) > (?::bigint::text::xid8, ?) \
                 ORDER BY transaction_id, position LIMIT ?",
                &[transaction, position, limit],
            )
            .load(c),
            Self::Sqlite(c) => Fixed(
                "SELECT position, at, actor_id, role, organisation_id, action, resource, resource_id, \
                 resource_version, changed, transaction_id AS \"transaction\", TRUE AS is_settled FROM changes \
                 WHERE position > ? ORDER BY position LIMIT ?",
                &[position, limit],
            )
            .load(c),
        }
    }

    /// The last entry that a reader of the journal may rely on, and how many are seen after it.
    pub(crate) fn journal_head(&mut self) -> QueryResult<(Option<JournalPlace>, i64)> {
        match self {
            Self::Pg(c) => {
                let last = diesel::sql_query(
                    "SELECT transaction_id::text::bigint AS transaction, position FROM changes \
                     WHERE transaction_id < pg_snapshot_xmin(pg_current_snapshot()) \
                     ORDER BY transaction_id DESC, position DESC LIMIT 1",
                )
                .load::<JournalPlace>(c)?;
                let after = diesel::sql_query(
                    "SELECT count(*) AS transaction, 0::bigint AS position FROM changes \
                     WHERE transaction_id >= pg_snapshot_xmin(pg_current_snapshot())",
                )
                .load::<JournalPlace>(c)?;
                Ok((last.into_iter().next(), after.first().map_or(0, |one| one.transaction)))
            }
            Self::Sqlite(c) => {
                let last = diesel::sql_query(
                    "SELECT transaction_id AS \"transaction\", position FROM changes ORDER BY position DESC LIMIT 1",
                )
                .load::<JournalPlace>(c)?;
                Ok((last.into_iter().next(), 0))
            }
        }
    }
}

/// A statement of fixed text, with `?` where something is given: prepared once for each connection,
/// as `sql_query` never is.
struct Fixed<'a>(&'static str, &'a [Given<'a>]);

#[derive(Clone, Copy)]
enum Given<'a> {
    Id(Id),
    Instant(Instant),
    Number(i64),
    Text(&'a str),
}

impl QueryId for Fixed<'_> {
    type QueryId = ();
    // By its text.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Fixed<'_> {
    type SqlType = Untyped;
}

impl<C> RunQueryDsl<C> for Fixed<'_> {}

impl<DB> QueryFragment<DB> for Fixed<'_>
where
    DB: diesel::backend::Backend + HasSqlType<sql::Id> + HasSqlType<sql::Instant>,
    Id: ToSql<sql::Id, DB>,
    Instant: ToSql<sql::Instant, DB>,
    i64: ToSql<BigInt, DB>,
    str: ToSql<Text, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        let mut given = self.1.iter();
        for part in self.0.split_inclusive('?') {
            let Some(before) = part.strip_suffix('?') else {
                out.push_sql(part);
                continue;
            };
            out.push_sql(before);
            match given.next() {
                Some(Given::Id(id)) => out.push_bind_param::<sql::Id, _>(id)?,
                Some(Given::Instant(instant)) => out.push_bind_param::<sql::Instant, _>(instant)?,
                Some(Given::Number(number)) => out.push_bind_param::<BigInt, _>(number)?,
                Some(Given::Text(text)) => out.push_bind_param::<Text, str>(text)?,
                None => return Err(DieselError::QueryBuilderError("less is given than asked for".into())),
            }
        }
        Ok(())
    }
}

/// A person's opaque id; for a new one also what erased persons are found by.
#[derive(QueryableByName)]
pub(super) struct Known {
    #[diesel(sql_type = sql::Id)]
    pub actor_id: Id,
    #[diesel(sql_type = diesel::sql_types::Nullable<Text>)]
    pub secret: Option<String>,
}

/// Makes a person known and asks for more with it. What is inserted first is not looked for before:
/// serialisable transactions of several newcomers do not meet, though their names stand side by side
/// in the index.
macro_rules! made_known {
    ($more:literal) => {
        concat!(
            "WITH made AS (INSERT INTO actors (id, issuer, subject, created_at) VALUES (?, ?, ?, ?) \
             ON CONFLICT (issuer, subject) DO NOTHING RETURNING id), \
             known AS (SELECT id AS actor_id, (SELECT secret FROM erasure_keys WHERE name = ?) AS secret FROM made \
             UNION ALL SELECT id, NULL FROM actors WHERE issuer = ? AND subject = ? LIMIT 1) ",
            $more
        )
    };
}

impl Db {
    /// The opaque id of a person: `fresh`, now theirs, unless they had one.
    pub(super) fn actor(&mut self, fresh: Id, (issuer, subject): (&str, &str), now: Instant) -> QueryResult<Known> {
        use super::schema::{actors, erasure_keys};
        match self {
            Self::Pg(c) => {
                Fixed(made_known!("SELECT * FROM known"), &newcomer(fresh, (issuer, subject), now)).get_result(c)
            }
            Self::Sqlite(c) => {
                let known = actors::table.filter(actors::issuer.eq(issuer).and(actors::subject.eq(subject)));
                if let Some(actor_id) = known.select(actors::id).first(c).optional()? {
                    return Ok(Known { actor_id, secret: None });
                }
                let (issuer, subject) = (actors::issuer.eq(issuer), actors::subject.eq(subject));
                diesel::insert_into(actors::table)
                    .values((actors::id.eq(fresh), issuer, subject, actors::created_at.eq(now)))
                    .execute(c)?;
                let secret = erasure_keys::table.find(super::erased::KEY).select(erasure_keys::secret).first(c);
                Ok(Known { actor_id: fresh, secret: secret.optional()? })
            }
        }
    }

    /// [`Db::actor`] and the row of the organisation they act for, in one round trip on PostgreSQL; nothing
    /// if there is none. `find` asks for that row alone.
    pub(super) fn actor_for<T: QueryableByName<Pg> + 'static>(
        &mut self,
        organisation: Id,
        find: impl FnOnce(&mut Self, Id) -> QueryResult<Option<T>>,
        fresh: Id,
        person: (&str, &str),
        now: Instant,
    ) -> QueryResult<Option<(Known, T)>> {
        if let Self::Pg(c) = self {
            let [id, issuer, subject, at, key, of_issuer, of_subject] = newcomer(fresh, person, now);
            let given = [id, issuer, subject, at, key, of_issuer, of_subject, Given::Id(organisation)];
            let text = made_known!(
                "SELECT known.actor_id, known.secret, organisations.* FROM known \
                 JOIN organisations ON organisations.id = ?"
            );
            return Fixed(text, &given).get_result(c).optional();
        }
        let Some(row) = find(self, organisation)? else { return Ok(None) };
        Ok(Some((self.actor(fresh, person, now)?, row)))
    }
}

fn newcomer<'a>(fresh: Id, (issuer, subject): (&'a str, &'a str), now: Instant) -> [Given<'a>; 7] {
    let (issuer, subject) = (Given::Text(issuer), Given::Text(subject));
    [Given::Id(fresh), issuer, subject, Given::Instant(now), Given::Text(super::erased::KEY), issuer, subject]
}

/// One text per row.
#[derive(diesel::QueryableByName)]
struct Line {
    #[diesel(sql_type = diesel::sql_types::Text)]
    line: String,
}

impl Db {
    /// Rows of one table as JSON objects of these columns, in the words of the inventory of personal data.
    pub(crate) fn rows_about(
        &mut self,
        table: &str,
        columns: &[(&str, Kind)],
        rows: &str,
        id: Id,
        limit: u32,
    ) -> QueryResult<Vec<String>> {
        let is_postgres = matches!(self, Self::Pg(_));
        let members: Vec<String> = columns
            .iter()
            .map(|(name, kind)| match (kind, is_postgres) {
                (Kind::Id, false) => {
                    format!("'{name}', CASE WHEN {name} IS NULL THEN NULL ELSE lower(hex({name})) END")
                }
                (Kind::Json, false) => format!("'{name}', json({name})"),
                (Kind::Instant, true) => format!("'{name}', (extract(epoch FROM {name}) * 1000000)::bigint"),
                _ => format!("'{name}', {name}"),
            })
            .collect();
        let members = members.join(", ");
        match self {
            Self::Pg(c) => {
                let rows = rows.replace("{id}", &format!("'{id}'::uuid"));
                diesel::sql_query(format!(
                    "SELECT jsonb_build_object({members})::text AS line FROM {table} WHERE {rows} LIMIT {limit}"
                ))
                .load::<Line>(c)
            }
            Self::Sqlite(c) => {
                let rows = rows.replace("{id}", &format!("x'{}'", id.0.simple()));
                diesel::sql_query(format!(
                    "SELECT json_object({members}) AS line FROM {table} WHERE {rows} LIMIT {limit}"
                ))
                .load::<Line>(c)
            }
        }
        .map(|lines| lines.into_iter().map(|one| one.line).collect())
    }
}

/// A journal entry, and whether those before it are all there.
#[derive(Debug, QueryableByName)]
pub(crate) struct JournalEntry {
    #[diesel(embed)]
    pub entry: Change,
    #[diesel(sql_type = BigInt)]
    pub transaction: i64,
    #[diesel(sql_type = Bool)]
    pub is_settled: bool,
}

/// Where a journal entry stands in the order it can be read in.
#[derive(Debug, Clone, Copy, diesel::QueryableByName)]
pub(crate) struct JournalPlace {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    pub transaction: i64,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    pub position: i64,
}

/// What a failure of the database means, decided for each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The transaction lost a race and may be run again.
    LostRace,
    /// The disk that holds the database has no room left; nothing was written.
    StorageFull,
    /// The database is busy, or gave up a statement that took too long; the connection is good.
    Busy,
    /// The connection, or the file beneath it, is not to be trusted any more: it is opened anew.
    Lost,
    /// The file is damaged: nothing that waiting would cure.
    Damaged,
    /// What a rule of ours, or a fault of ours, makes of it.
    Other,
}

impl Failure {
    pub fn of(error: &DieselError) -> Self {
        let info = match error {
            DieselError::RollbackErrorOnCommit { commit_error, .. } => return Self::of(commit_error),
            DieselError::BrokenTransactionManager => return Self::Lost,
            DieselError::DatabaseError(kind, info) => match kind {
                DatabaseErrorKind::SerializationFailure => return Self::LostRace,
                DatabaseErrorKind::ClosedConnection
                | DatabaseErrorKind::UnableToSendCommand
                // A primary that was demoted: another host is it now.
                | DatabaseErrorKind::ReadOnlyTransaction => return Self::Lost,
                DatabaseErrorKind::Unknown => info,
                _ => return Self::Other,
            },
            _ => return Self::Other,
        };
        let text = info.message();
        let says = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
        if says(&["deadlock detected", "could not serialize access"]) {
            Self::LostRace
        } else if says(&["database or disk is full", "No space left on device"]) {
            Self::StorageFull
        } else if says(&[
            "database is locked",
            "database table is locked",
            "locking protocol",
            "canceling statement due to",
        ]) {
            Self::Busy
        } else if says(&[
            // SQLite
            "disk I/O error",
            "unable to open database file",
            "attempt to write a readonly database",
            "out of memory",
            // PostgreSQL
            "terminating connection",
            "server closed the connection",
            "the database system is",
            "sorry, too many clients already",
            "remaining connection slots",
        ]) {
            Self::Lost
        } else if says(&["database disk image is malformed", "file is not a database"]) {
            Self::Damaged
        } else {
            Self::Other
        }
    }

    /// Whether a COMMIT that failed like this may have been made durable all the
    /// same: the answer was lost on its way, or a frame was written and its fsync failed.
    pub fn leaves_commit_unknown(self) -> bool {
        match self {
            Self::Lost | Self::Damaged => true,
            Self::LostRace | Self::StorageFull | Self::Busy | Self::Other => false,
        }
    }

    /// Whether the connection is good for the next transaction.
    pub fn spares_connection(self) -> bool {
        match self {
            Self::Lost | Self::Damaged => false,
            Self::LostRace | Self::StorageFull | Self::Busy | Self::Other => true,
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

/// Inserts a row unless a unique index has one like it; how many rows it made. Whether there is one
/// need not be asked before, which would make serialisable transactions meet in the index.
#[macro_export]
macro_rules! insert_once {
    ($db:expr, $table:expr, $row:expr) => {
        match $db {
            $crate::db::Db::Pg(c) => diesel::insert_into($table).values($row).on_conflict_do_nothing().execute(c),
            $crate::db::Db::Sqlite(c) => diesel::insert_into($table).values($row).on_conflict_do_nothing().execute(c),
        }
    };
}

#[cfg(test)]
mod tests {
    use diesel::result::{DatabaseErrorKind, Error as DieselError};

    use super::{Backend, Failure, conninfo};

    fn failed(kind: DatabaseErrorKind, text: &str) -> DieselError {
        DieselError::DatabaseError(kind, Box::new(text.to_owned()))
    }

    #[test]
    fn every_failure_has_its_decision() {
        use DatabaseErrorKind::{
            ClosedConnection, ReadOnlyTransaction, SerializationFailure, UniqueViolation, Unknown,
        };
        for (error, decision) in [
            (failed(SerializationFailure, "could not serialize access"), Failure::LostRace),
            (failed(Unknown, "deadlock detected"), Failure::LostRace),
            (failed(Unknown, "database or disk is full"), Failure::StorageFull),
            (failed(Unknown, "could not extend file \"base/1\": No space left on device"), Failure::StorageFull),
            (failed(Unknown, "database is locked"), Failure::Busy),
            (failed(Unknown, "canceling statement due to statement timeout"), Failure::Busy),
            (failed(Unknown, "canceling statement due to lock timeout"), Failure::Busy),
            (failed(Unknown, "disk I/O error"), Failure::Lost),
            (failed(Unknown, "unable to open database file"), Failure::Lost),
            (failed(Unknown, "attempt to write a readonly database"), Failure::Lost),
            (failed(Unknown, "terminating connection due to administrator command"), Failure::Lost),
            (failed(Unknown, "the database system is shutting down"), Failure::Lost),
            (failed(ReadOnlyTransaction, "cannot execute INSERT in a read-only transaction"), Failure::Lost),
            (failed(ClosedConnection, "server closed the connection unexpectedly"), Failure::Lost),
            (DieselError::BrokenTransactionManager, Failure::Lost),
            (failed(Unknown, "database disk image is malformed"), Failure::Damaged),
            (failed(Unknown, "file is not a database"), Failure::Damaged),
            (failed(UniqueViolation, "UNIQUE constraint failed: a.connection"), Failure::Other),
            (failed(Unknown, "changes is append-only"), Failure::Other),
            (DieselError::NotFound, Failure::Other),
        ] {
            assert_eq!(Failure::of(&error), decision, "{error}");
        }
        // What decides is why the COMMIT failed, not that there was nothing left to undo.
        let both = |text: &str| DieselError::RollbackErrorOnCommit {
            rollback_error: Box::new(failed(Unknown, "cannot rollback - no transaction is active")),
            commit_error: Box::new(failed(Unknown, text)),
        };
        assert!(!Failure::of(&both("database or disk is full")).leaves_commit_unknown());
        assert!(Failure::of(&both("disk I/O error")).leaves_commit_unknown());
    }

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
