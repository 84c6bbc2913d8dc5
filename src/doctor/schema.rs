//! The schema against one made afresh by the same migrations, and the files.

use diesel::prelude::*;
use diesel::sql_types::Text;

use super::Check;
use crate::db::{Backend, Db, migrations};
use crate::error::Result;

type Fault = Box<dyn std::error::Error + Send + Sync>;

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

fn lines(db: &mut Db, sqlite: &str, postgres: &str) -> Result<Vec<String>> {
    let rows: Vec<Line> = match db {
        Db::Sqlite(c) => diesel::sql_query(sqlite).load(c)?,
        Db::Pg(c) => diesel::sql_query(postgres).load(c)?,
    };
    Ok(rows.into_iter().map(|row| row.line).collect())
}

pub fn examine(backend: &Backend) -> std::result::Result<Check, Fault> {
    let (found, expected) = migrations::schemas(backend)?;
    let mut check = Check::new("schema");
    check.seen = found.len();
    for missing in expected.difference(&found) {
        check.found(format!("missing or altered: {missing}"));
    }
    for extra in found.difference(&expected) {
        check.found(format!("not of this program: {extra}"));
    }
    Ok(check)
}

/// What the database itself says of its pages and references.
pub fn files(db: &mut Db) -> Result<Check> {
    let mut check = Check::new("integrity");
    let is_sqlite = matches!(db, Db::Sqlite(_));
    let pages = lines(
        db,
        "SELECT integrity_check AS line FROM pragma_integrity_check",
        "SELECT 'invalid index ' || indexrelid::regclass::text AS line FROM pg_index WHERE NOT indisvalid",
    )?;
    let references = lines(
        db,
        "SELECT 'reference of ' || \"table\" || ' to ' || parent || ', row ' || coalesce(rowid, '?') AS line FROM pragma_foreign_key_check",
        "SELECT 'unchecked ' || conname || ' of ' || conrelid::regclass::text AS line FROM pg_constraint \
         WHERE NOT convalidated AND connamespace = current_schema()::regnamespace",
    )?;
    check.seen = 1;
    check.findings = pages.into_iter().filter(|line| line != "ok").chain(references).collect();
    if !is_sqlite {
        let sums = lines(db, "", "SELECT 'data checksums are ' || current_setting('data_checksums') AS line")?;
        check.note = sums.into_iter().next();
    }
    Ok(check)
}
