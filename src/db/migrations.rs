//! The migrations of both databases, compiled in, applied under a lock.

use std::collections::BTreeSet;

use diesel::connection::{AnsiTransactionManager, Connection, SimpleConnection, TransactionManager};
use diesel::migration::{MigrationSource, MigrationVersion};
use diesel::pg::Pg;
use diesel::sqlite::Sqlite;
use diesel::{PgConnection, RunQueryDsl, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::Db;
use super::dialect::{Access, Backend};
use super::limits::Limits;

const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");
const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// Two instances that start at once queue behind this key of PostgreSQL's advisory locks.
const LOCK: &str = "SELECT pg_advisory_xact_lock(4720021170512)";

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Applies what is pending, all or nothing, and names it.
///
/// # Errors
/// The database's message; nothing is applied then.
pub fn apply(backend: &Backend) -> Result<Vec<String>, Fault> {
    match backend.connect(Access::ReadWrite, &Limits::default())? {
        Db::Pg(mut connection) => locked_pg(&mut connection, |c| run(c, POSTGRES)),
        Db::Sqlite(mut connection) => locked_sqlite(&mut connection, |c| run(c, SQLITE)),
    }
}

/// Undoes every migration, newest first.
///
/// # Errors
/// The database's message; nothing is undone then.
pub fn revert_all(backend: &Backend) -> Result<(), Fault> {
    match backend.connect(Access::ReadWrite, &Limits::default())? {
        Db::Pg(mut connection) => {
            locked_pg(&mut connection, |c| c.revert_all_migrations(POSTGRES).map(names))?;
        }
        Db::Sqlite(mut connection) => {
            locked_sqlite(&mut connection, |c| c.revert_all_migrations(SQLITE).map(names))?;
        }
    }
    Ok(())
}

/// Whether everything this program knows is applied. Only reads: Diesel's own
/// question would first make its table.
///
/// # Errors
/// The database's message.
pub fn are_applied(db: &mut Db) -> Result<bool, Fault> {
    #[derive(diesel::QueryableByName)]
    struct Applied {
        #[diesel(sql_type = diesel::sql_types::Text)]
        version: String,
    }
    let question = "SELECT version FROM __diesel_schema_migrations";
    let (applied, known) = match db {
        Db::Pg(c) => (diesel::sql_query(question).load::<Applied>(c)?, known::<Pg>(POSTGRES)?),
        Db::Sqlite(c) => (diesel::sql_query(question).load::<Applied>(c)?, known::<Sqlite>(SQLITE)?),
    };
    Ok(known.iter().all(|known| applied.iter().any(|applied| applied.version == *known)))
}

fn known<DB: diesel::backend::Backend>(migrations: EmbeddedMigrations) -> Result<Vec<String>, Fault> {
    Ok(MigrationSource::<DB>::migrations(&migrations)?.iter().map(|one| one.name().version().to_string()).collect())
}

fn run<C, DB>(connection: &mut C, migrations: EmbeddedMigrations) -> Result<Vec<String>, Fault>
where
    C: MigrationHarness<DB>,
    DB: diesel::backend::Backend,
{
    connection.run_pending_migrations(migrations).map(names)
}

fn names(versions: Vec<MigrationVersion<'_>>) -> Vec<String> {
    versions.into_iter().map(|v| v.to_string()).collect()
}

fn locked_pg<T>(c: &mut PgConnection, work: impl FnOnce(&mut PgConnection) -> Result<T, Fault>) -> Result<T, Fault> {
    c.batch_execute("SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0")?;
    // READ COMMITTED: who waited for the lock must see what the winner applied.
    AnsiTransactionManager::begin_transaction_sql(c, "BEGIN ISOLATION LEVEL READ COMMITTED")?;
    let result = c.batch_execute(LOCK).map_err(Fault::from).and_then(|()| work(c));
    finish(c, result)
}

fn locked_sqlite<T>(
    c: &mut SqliteConnection,
    work: impl FnOnce(&mut SqliteConnection) -> Result<T, Fault>,
) -> Result<T, Fault> {
    AnsiTransactionManager::begin_transaction_sql(c, "BEGIN IMMEDIATE")?;
    let result = work(c);
    finish(c, result)
}

fn finish<C, T>(c: &mut C, result: Result<T, Fault>) -> Result<T, Fault>
where
    C: Connection<TransactionManager = AnsiTransactionManager>,
{
    match result {
        Ok(value) => {
            AnsiTransactionManager::commit_transaction(c)?;
            Ok(value)
        }
        Err(error) => {
            AnsiTransactionManager::rollback_transaction(c)?;
            Err(error)
        }
    }
}

/// Whether a PostgreSQL database holds nothing yet.
///
/// # Errors
/// The database's message.
pub fn is_empty(backend: &Backend) -> Result<bool, Fault> {
    let question =
        "SELECT relname::text AS fact FROM pg_class WHERE relnamespace = current_schema()::regnamespace LIMIT 1";
    match backend.connect(Access::ReadOnly, &Limits::default())? {
        Db::Pg(mut c) => Ok(diesel::sql_query(question).load::<Fact>(&mut c)?.is_empty()),
        Db::Sqlite(_) => Ok(false),
    }
}

/// Everything of a schema that a query or a rule relies on, as the database tells it.
const FACTS_POSTGRES: &str = "\
    SELECT 'column ' || table_name || '.' || column_name || ' ' || udt_name || ' nullable ' || is_nullable \
      || ' default ' || coalesce(column_default, '-') || ' identity ' || is_identity || ' collate ' || coalesce(collation_name, '-') AS fact \
    FROM information_schema.columns WHERE table_schema = current_schema() \
    UNION ALL SELECT pg_get_indexdef(x.indexrelid) FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid \
    WHERE i.relnamespace = current_schema()::regnamespace \
    UNION ALL SELECT 'constraint ' || conrelid::regclass::text || ' ' || pg_get_constraintdef(oid) FROM pg_constraint \
    WHERE connamespace = current_schema()::regnamespace AND contype <> 't' \
    UNION ALL SELECT pg_get_triggerdef(t.oid) || ' enabled ' || t.tgenabled::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid \
    WHERE NOT t.tgisinternal AND c.relnamespace = current_schema()::regnamespace \
    UNION ALL SELECT 'function ' || proname || ' ' || prosrc FROM pg_proc WHERE pronamespace = current_schema()::regnamespace \
    UNION ALL SELECT 'migration ' || version FROM __diesel_schema_migrations";
const FACTS_SQLITE: &str = "SELECT type || ' ' || name || ': ' || coalesce(sql, '') AS fact FROM sqlite_schema WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!' \
    UNION ALL SELECT 'migration ' || version FROM __diesel_schema_migrations";

#[derive(diesel::QueryableByName)]
struct Fact {
    #[diesel(sql_type = diesel::sql_types::Text)]
    fact: String,
}

/// The schema that is there and the one that the migrations of this program
/// make: on PostgreSQL in a schema of its own that is taken back, on SQLite in memory.
///
/// # Errors
/// The database's message.
pub fn schemas(backend: &Backend) -> Result<(BTreeSet<String>, BTreeSet<String>), Fault> {
    let set = |facts: Vec<Fact>, schema: &str| {
        facts.into_iter().map(|one| one.fact.replace(&format!("{schema}."), "")).collect()
    };
    match backend.connect(Access::ReadWrite, &Limits::default())? {
        Db::Pg(mut c) => {
            c.batch_execute("SET statement_timeout = 0; SET lock_timeout = 0")?;
            let found = set(diesel::sql_query(FACTS_POSTGRES).load(&mut c)?, "public");
            AnsiTransactionManager::begin_transaction_sql(&mut c, "BEGIN")?;
            c.batch_execute("CREATE SCHEMA doctor_compares; SET LOCAL search_path = doctor_compares")?;
            run(&mut c, POSTGRES)?;
            let expected = set(diesel::sql_query(FACTS_POSTGRES).load(&mut c)?, "doctor_compares");
            AnsiTransactionManager::rollback_transaction(&mut c)?;
            Ok((found, expected))
        }
        Db::Sqlite(mut c) => {
            let found = set(diesel::sql_query(FACTS_SQLITE).load(&mut c)?, "main");
            let mut fresh = SqliteConnection::establish(":memory:")?;
            run(&mut fresh, SQLITE)?;
            let expected = set(diesel::sql_query(FACTS_SQLITE).load(&mut fresh)?, "main");
            Ok((found, expected))
        }
    }
}
