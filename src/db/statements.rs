//! Statements in words of their own for each database, and how a query reaches the connection itself.

use diesel::connection::SimpleConnection;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::Error as DieselError;
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, Bool, HasSqlType, Text, Untyped};

use super::types::sql;
use super::{Change, Db, Id, Instant};
use crate::natively;
use crate::persons::inventory::Kind;

impl Db {
    /// Runs fixed SQL; never text from outside.
    pub(crate) fn batch(&mut self, sql: &str) -> QueryResult<()> {
        natively!(self, |c| c.batch_execute(sql))
    }

    /// The same for one statement that is run often: prepared once for each connection.
    pub(super) fn run(&mut self, sql: &'static str) -> QueryResult<()> {
        natively!(self, |c| Fixed(sql, &[]).execute(c)).map(drop)
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

/// Runs a query on the connection itself. Through the enum the same costs more: Diesel writes its text anew
/// several times for each use.
#[macro_export]
macro_rules! natively {
    ($db:expr, |$connection:ident| $query:expr) => {
        match $db {
            $crate::db::Db::Pg($connection) => $query,
            $crate::db::Db::Sqlite($connection) => $query,
        }
    };
}

/// Inserts several rows at once: Diesel does not offer it on the enum.
#[macro_export]
macro_rules! insert_all {
    ($db:expr, $table:expr, $rows:expr) => {
        $crate::natively!($db, |c| {
            // SQLite takes at most 32,766 variables in one statement, PostgreSQL 65,535.
            for rows in $rows.chunks(500) {
                diesel::insert_into($table).values(rows).execute(c)?;
            }
        })
    };
}

/// Inserts a row unless a unique index has one like it; how many rows it made. Whether there is one
/// need not be asked before, which would make serialisable transactions meet in the index.
#[macro_export]
macro_rules! insert_once {
    ($db:expr, $table:expr, $row:expr) => {
        $crate::natively!($db, |c| diesel::insert_into($table).values($row).on_conflict_do_nothing().execute(c))
    };
}
