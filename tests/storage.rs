//! What both databases promise: one schema, append-only tables, migrations
//! there and back, a journal that loses nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, mpsc};
use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel::sql_types::Text;
use gouvtech_catalogue::auth::Duty;
use gouvtech_catalogue::db::journal::{Bookmark, Change};
use gouvtech_catalogue::db::schema::changes;
use gouvtech_catalogue::db::{Actor, Backend, Db, Id, Resource, migrations};
use gouvtech_catalogue::error::{Error, Result};

use crate::cases;
use crate::support::{App, Kind, Response, json};

cases![
    migrations_are_applied,
    the_tables_are_those_that_queries_see,
    both_databases_have_the_same_indexes_and_references,
    migrations_go_down_to_nothing_and_up_again,
    of_several_instances_one_applies_the_migrations,
    what_is_append_only_can_neither_change_nor_go,
    every_change_of_a_journey_has_one_entry,
    what_fails_leaves_no_entry,
    a_reader_of_the_journal_waits_for_earlier_positions,
    a_reader_of_the_journal_misses_nothing,
    a_panic_while_writing_leaves_the_store_usable,
    sqlite_is_set_to_lose_nothing,
];

fn migrations_are_applied(app: &App) {
    let applied = app.store().read_here(|db| Ok(migrations::are_applied(db).expect("asked"))).expect("read");
    assert!(applied);
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// The `line` of every row of a plain query.
fn lines(backend: &Backend, sql: &str) -> Vec<String> {
    let rows: Vec<Line> = match backend {
        Backend::Postgres { url } => {
            diesel::sql_query(sql).load(&mut PgConnection::establish(url).expect("a connection"))
        }
        Backend::Sqlite { path } => {
            let mut connection = SqliteConnection::establish(&path.to_string_lossy()).expect("a connection");
            diesel::sql_query("PRAGMA busy_timeout = 5000").execute(&mut connection).expect("a pragma");
            diesel::sql_query(sql).load(&mut connection)
        }
    }
    .unwrap_or_else(|error| panic!("{sql}: {error}"));
    rows.into_iter().map(|row| row.line).collect()
}

fn set(backend: &Backend, sql: &str) -> BTreeSet<String> {
    lines(backend, sql).into_iter().collect()
}

fn kind(backend: &Backend) -> Kind {
    match backend {
        Backend::Postgres { .. } => Kind::Postgres,
        Backend::Sqlite { .. } => Kind::Sqlite,
    }
}

fn one(app: &App, sql: &str) -> String {
    lines(app.store().backend(), sql).pop().expect("a row")
}

fn count(app: &App, table: &str) -> String {
    one(app, &format!("SELECT CAST(count(*) AS TEXT) AS line FROM {table}"))
}

/// `table.column type` and `not null`, as the database says.
pub fn columns(backend: &Backend) -> BTreeSet<String> {
    let sql = match kind(backend) {
        Kind::Sqlite => {
            "SELECT m.name || '.' || p.name || ' ' || lower(p.type) || CASE p.\"notnull\" WHEN 1 THEN ' not null' ELSE '' END \
             AS line FROM sqlite_master m JOIN pragma_table_xinfo(m.name) p \
             WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' AND m.name NOT LIKE '%diesel%'"
        }
        Kind::Postgres => {
            "SELECT table_name || '.' || column_name || ' ' || udt_name || CASE is_nullable WHEN 'NO' THEN ' not null' ELSE '' END \
             AS line FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE '%diesel%'"
        }
    };
    set(backend, sql)
}

/// The same, as `schema.rs` says.
fn columns_of_queries(kind: Kind) -> BTreeSet<String> {
    let source = include_str!("../src/db/schema.rs");
    let mut table = "";
    let mut all = BTreeSet::new();
    for line in source.lines().map(str::trim) {
        if let Some((name, kind_of)) = line.strip_suffix(',').and_then(|line| line.split_once(" -> ")) {
            let bare = kind_of.strip_prefix("Nullable<").and_then(|inner| inner.strip_suffix('>'));
            let native = match (kind, bare.unwrap_or(kind_of)) {
                (Kind::Sqlite, "Id") => "blob",
                (Kind::Sqlite, "Text" | "Json") => "text",
                (Kind::Sqlite, "Integer") => "integer",
                // SQLite numbers rows by itself only in a column of this very type, of 64 bits.
                (Kind::Sqlite, "BigInt") if (table, name) == ("changes", "position") => "integer",
                (Kind::Sqlite, "BigInt" | "Instant") => "bigint",
                (Kind::Sqlite, "Bool") => "boolean",
                (Kind::Postgres, "Id") => "uuid",
                (Kind::Postgres, "Text") => "text",
                (Kind::Postgres, "Json") => "jsonb",
                (Kind::Postgres, "Integer") => "int4",
                (Kind::Postgres, "BigInt") => "int8",
                (Kind::Postgres, "Instant") => "timestamptz",
                (Kind::Postgres, "Bool") => "bool",
                (_, "Date") => "date",
                (_, other) => panic!("{table}.{name}: which column is {other}?"),
            };
            let not_null = if bare.is_none() { " not null" } else { "" };
            all.insert(format!("{table}.{name} {native}{not_null}"));
        } else if let Some((name, _)) = line.strip_suffix(") {").and_then(|line| line.split_once(" (")) {
            table = name;
        }
    }
    // Only the reader of the journal asks for it, in PostgreSQL's own words.
    all.insert(match kind {
        Kind::Sqlite => "changes.transaction_id bigint not null".to_owned(),
        Kind::Postgres => "changes.transaction_id xid8 not null".to_owned(),
    });
    all
}

fn the_tables_are_those_that_queries_see(app: &App) {
    let (made, seen) = (columns(app.store().backend()), columns_of_queries(app.kind));
    assert!(made.len() > 200, "only {} columns", made.len());
    assert_eq!(
        made.difference(&seen).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "made by the migrations, not in schema.rs"
    );
    assert_eq!(
        seen.difference(&made).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "in schema.rs, not made by the migrations"
    );
}

/// `table name-or-kind unique partial columns` of every index.
fn indexes(backend: &Backend) -> BTreeSet<String> {
    let sql = match kind(backend) {
        Kind::Sqlite => {
            "SELECT m.name || ' ' || CASE l.origin WHEN 'c' THEN l.name ELSE l.origin END || ' ' || l.\"unique\" || l.partial || ' ' || \
             (SELECT group_concat(x.name) FROM (SELECT name FROM pragma_index_info(l.name) ORDER BY seqno) x) AS line \
             FROM sqlite_master m JOIN pragma_index_list(m.name) l \
             WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' AND m.name NOT LIKE '%diesel%' \
             UNION ALL SELECT m.name || ' pk 10 ' || p.name FROM sqlite_master m JOIN pragma_table_info(m.name) p \
             WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' AND p.pk = 1 AND p.type = 'INTEGER' \
             AND NOT EXISTS (SELECT 1 FROM pragma_index_list(m.name) l WHERE l.origin = 'pk')"
        }
        Kind::Postgres => {
            "SELECT t.relname || ' ' || coalesce(CASE c.contype WHEN 'p' THEN 'pk' WHEN 'u' THEN 'u' END, i.relname) || ' ' || \
             x.indisunique::int || (x.indpred IS NOT NULL)::int || ' ' || \
             (SELECT string_agg(a.attname, ',' ORDER BY k.n) FROM unnest(x.indkey::int2[]) WITH ORDINALITY k(number, n) \
              JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number) AS line \
             FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid \
             JOIN pg_namespace s ON s.oid = t.relnamespace \
             LEFT JOIN pg_constraint c ON c.conindid = i.oid AND c.contype IN ('p', 'u') \
             WHERE s.nspname = 'public' AND t.relname NOT LIKE '%diesel%'"
        }
    };
    set(backend, sql)
}

fn references(backend: &Backend) -> BTreeSet<String> {
    let sql = match kind(backend) {
        Kind::Sqlite => {
            "SELECT m.name || '.' || f.\"from\" || ' > ' || f.\"table\" || ' ' || lower(f.on_delete) AS line \
             FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table'"
        }
        Kind::Postgres => {
            "SELECT t.relname || '.' || a.attname || ' > ' || r.relname || ' ' || \
             CASE c.confdeltype WHEN 'a' THEN 'no action' ELSE c.confdeltype::text END AS line \
             FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid JOIN pg_class r ON r.oid = c.confrelid \
             JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = c.conkey[1] WHERE c.contype = 'f'"
        }
    };
    set(backend, sql)
}

fn both_databases_have_the_same_indexes_and_references(app: &App) {
    // Once, where PostgreSQL is: SQLite always is.
    if app.kind == Kind::Sqlite {
        return;
    }
    let other = app.empty_database(Kind::Sqlite).backend();
    migrations::apply(&other).expect("applied");
    let here = app.store().backend();
    assert!(indexes(&other).len() > 40 && references(&other).len() > 15, "the questions find too little");
    for ask in [indexes, references] {
        let (sqlite, postgres) = (ask(&other), ask(here));
        assert_eq!(sqlite.difference(&postgres).collect::<Vec<_>>(), Vec::<&String>::new(), "only on SQLite");
        assert_eq!(postgres.difference(&sqlite).collect::<Vec<_>>(), Vec::<&String>::new(), "only on PostgreSQL");
    }
}

/// Everything there is but Diesel's own table.
fn objects(backend: &Backend) -> BTreeSet<String> {
    let sql = match kind(backend) {
        Kind::Sqlite => {
            "SELECT type || ' ' || name AS line FROM sqlite_master WHERE name NOT LIKE '%diesel%' AND name NOT LIKE 'sqlite%'"
        }
        Kind::Postgres => {
            "SELECT c.relkind::text || ' ' || c.relname AS line FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace \
             WHERE s.nspname = 'public' AND c.relname NOT LIKE '%diesel%' \
             UNION ALL SELECT 'function ' || p.proname FROM pg_proc p JOIN pg_namespace s ON s.oid = p.pronamespace \
             WHERE s.nspname = 'public' AND p.proname NOT LIKE '%diesel%' \
             UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger WHERE NOT tgisinternal"
        }
    };
    set(backend, sql)
}

fn migrations_go_down_to_nothing_and_up_again(app: &App) {
    let database = app.empty_database(app.kind);
    let backend = database.backend();
    let first = migrations::apply(&backend).expect("applied");
    let made = (objects(&backend), columns(&backend), indexes(&backend));
    assert!(first.len() >= 7 && made.0.len() > 60, "{} migrations made {} objects", first.len(), made.0.len());
    assert_eq!(made.1, columns(app.store().backend()));
    migrations::revert_all(&backend).expect("reverted");
    assert_eq!(objects(&backend), BTreeSet::new());
    assert_eq!(migrations::apply(&backend).expect("applied again"), first);
    assert_eq!((objects(&backend), columns(&backend), indexes(&backend)), made);
    assert_eq!(migrations::apply(&backend).expect("nothing left to do"), Vec::<String>::new());
}

fn of_several_instances_one_applies_the_migrations(app: &App) {
    let database = app.empty_database(app.kind);
    let backend = database.backend();
    let start = Barrier::new(4);
    let applied: Vec<Vec<String>> = std::thread::scope(|scope| {
        let instances: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    migrations::apply(&backend).expect("an instance that lost the race goes on")
                })
            })
            .collect();
        instances.into_iter().map(|one| one.join().expect("an instance")).collect()
    });
    assert_eq!(applied.iter().filter(|names| !names.is_empty()).count(), 1, "{applied:?}");
    assert_eq!(columns(&backend), columns_of_queries(app.kind));
}

/// Rows in every append-only table: a label granted, a review edited.
pub fn history(app: &App) {
    let (vendor, buyer, body) = (app.vendor(1), app.buyer(1), app.audit_body(1));
    let evaluator = app.auditor(&body, &[Duty::Evaluator], "evaluator");
    let decision_maker = app.auditor(&body, &[Duty::DecisionMaker], "decision maker");
    let solution = app.published(&vendor, "Suivie").id();
    app.evaluated(&vendor, &solution);
    let opened = app.in_audit(&vendor, &solution, &body, &evaluator);
    let reported = app.reported(&opened, &evaluator, |_, finding| finding);
    app.post(&format!("/api/v1/label-applications/{}/decision", opened.id()))
        .by(&decision_maker)
        .on(&reported)
        .json(&json!({"outcome": "granted", "reasons": "Le rapport ne relève aucun écart."}))
        .expect(200);
    let text = "Nous l’utilisons depuis deux ans pour toutes nos démarches. La prise en main est rapide et l’assistance répond toujours vite.";
    let review = app
        .post(&format!("/api/v1/solutions/{solution}/reviews"))
        .by(&buyer.token)
        .json(&json!({
            "title": "Fiable", "overall": 4, "ratings": {"fitness": 5}, "text": text,
            "context": {"role": "user", "used_since": "2024-01-15"}, "declares_no_interest": true,
        }))
        .expect(201);
    let path = format!("/api/v1/reviews/{}", review.id());
    let submitted = app.post(&format!("{path}/submit")).by(&buyer.token).on(&review).expect(200);
    let published = app.post(&format!("{path}/publish")).by(&app.operator()).on(&submitted).expect(200);
    app.patch(&path).by(&buyer.token).on(&published).json(&json!({"overall": 2})).expect(200);
}

fn what_is_append_only_can_neither_change_nor_go(app: &App) {
    history(app);
    for (table, column) in [
        ("changes", "action"),
        ("solution_versions", "number"),
        ("evaluation_results", "cause"),
        ("review_edits", "number"),
        ("audit_reports", "summary"),
        ("label_decisions", "outcome"),
        ("criteria_sets", "content"),
        ("criteria", "theme"),
        ("answers", "value"),
        ("findings", "comment"),
        ("seals", "hash"),
    ] {
        let before = count(app, table);
        assert_ne!(before, "0", "{table} is empty: nothing would be shown");
        let altered = match (column, app.kind) {
            ("number", _) => "number + 1",
            ("content", Kind::Sqlite) => "'{}'",
            ("content", Kind::Postgres) => "'{}'::jsonb",
            _ => "'autre'",
        };
        let mut attempts = vec![format!("UPDATE {table} SET {column} = {altered}")];
        // Earlier texts of a review go with the link to their author.
        if table != "review_edits" {
            attempts.push(format!("DELETE FROM {table}"));
        }
        match app.kind {
            Kind::Sqlite => {
                attempts.push(format!("INSERT OR REPLACE INTO {table} SELECT * FROM {table}"));
                attempts.push(format!("REPLACE INTO {table} SELECT * FROM {table} LIMIT 1"));
                attempts.push(format!("UPDATE OR REPLACE {table} SET {column} = {altered}"));
            }
            Kind::Postgres => {
                attempts.push(format!("TRUNCATE {table} CASCADE"));
                attempts.push(format!("INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM {table} LIMIT 1"));
            }
        }
        let print = |sql: &str| lines(app.store().backend(), sql);
        let content = format!("SELECT CAST({column} AS TEXT) AS line FROM {table} ORDER BY 1");
        let kept = print(&content);
        for attempt in attempts {
            let refusal = app.sql(&attempt).expect_err(&attempt);
            let by_rule = refusal.contains("append-only")
                || refusal.contains("never change")
                || refusal.contains("duplicate key");
            assert!(by_rule, "{attempt}: refused, but for another reason: {refusal}");
        }
        assert_eq!((count(app, table), print(&content)), (before, kept), "{table}");
    }
    // Drafts are not append-only: what is refused above is refused for being public.
    let draft = app.post("/api/v1/criteria-sets").by(&app.operator()).json(&json!({"label": "2.0.0"})).expect(201);
    app.delete(&format!("/api/v1/criteria-sets/{}", draft.id())).by(&app.operator()).on(&draft).expect(204);
}

fn version_of(response: &Response) -> i32 {
    let tag = &response.headers["etag"];
    tag.trim_start_matches("\"v").split(['.', '"']).next().and_then(|text| text.parse().ok()).expect("a version")
}

/// All that is written, without waiting for what runs in other databases of the cluster.
fn journal(app: &App) -> Vec<Change> {
    let all = |db: &mut Db| Ok(changes::table.order(changes::position).select(Change::as_select()).load(db)?);
    app.store().read_here(all).expect("read")
}

fn every_change_of_a_journey_has_one_entry(app: &App) {
    let (vendor, operator) = (app.vendor(1), app.operator());
    let mut known = journal(app).len();
    // One entry, about the resource answered, at the version answered.
    let mut adds_one = |action: &str, answer: Response| {
        let entries = journal(app);
        assert_eq!(entries.len(), known + 1, "{action}");
        known = entries.len();
        let entry = entries.last().expect("an entry");
        assert_eq!(entry.action, action);
        assert_eq!(entry.resource_id.to_string(), answer.id(), "{action}");
        assert_eq!(entry.resource_version, version_of(&answer), "{action}");
        answer
    };
    let draft = adds_one("create_solution", app.draft(&vendor, "Suivie"));
    let path = format!("/api/v1/solutions/{}", draft.id());
    let step = |verb: &str, token: &str, last: &Response, body: Option<serde_json::Value>| {
        let request = app.post(&format!("{path}/{verb}")).by(token).on(last);
        body.iter().fold(request, |request, body| request.json(body)).expect(200)
    };
    let charter = Some(json!({"accepts_charter": true}));
    let patch = app.patch(&path).by(&vendor.token).on(&draft).json(&json!({"summary": "Autre."})).expect(200);
    let patched = adds_one("update_solution", patch);
    let submitted = adds_one("submit_solution", step("submit", &vendor.token, &patched, charter.clone()));
    let withdrawn = adds_one("withdraw_solution", step("withdraw", &vendor.token, &submitted, None));
    let submitted = adds_one("submit_solution", step("submit", &vendor.token, &withdrawn, charter));
    let published = adds_one("publish_solution", step("publish", &operator, &submitted, None));
    let reason = Some(json!({"code": "security", "reason": "Faille exploitée, correctif attendu."}));
    let suspended = adds_one("suspend_solution", step("suspend", &operator, &published, reason));
    adds_one("lift_solution", step("lift", &app.moderator("another"), &suspended, None));
    let begun = app.post(&format!("{path}/evaluations")).by(&vendor.token).expect(201);
    adds_one("create_evaluation", begun);
    let versions: Vec<i32> = app
        .store()
        .read_here(|db| Change::about(db, Resource::Solution, Id::parse(&draft.id()).expect("an id")))
        .expect("read")
        .iter()
        .map(|entry| entry.resource_version)
        .collect();
    assert_eq!(versions, (1..=8).collect::<Vec<i32>>());
    // Reading leaves no trace.
    app.own(&vendor, &draft.id());
    assert_eq!(journal(app).len(), known);
}

fn what_fails_leaves_no_entry(app: &App) {
    let (vendor, other) = (app.vendor(1), app.vendor(2));
    let draft = app.draft(&vendor, "Suivie");
    let path = format!("/api/v1/solutions/{}", draft.id());
    let fresh = app.patch(&path).by(&vendor.token).on(&draft).json(&json!({"summary": "Autre."})).expect(200);
    let before = journal(app).len();
    app.patch(&path).by(&vendor.token).on(&draft).json(&json!({"summary": "Périmé."})).expect(412);
    app.patch(&path).by(&vendor.token).json(&json!({"summary": "Sans version."})).expect(428);
    app.patch(&path).by(&other.token).on(&fresh).json(&json!({"summary": "Étranger."})).expect(404);
    app.patch(&path).by(&vendor.token).on(&fresh).json(&json!({"summary": "x".repeat(201)})).expect(422);
    app.post(&format!("{path}/submit"))
        .by(&vendor.token)
        .on(&fresh)
        .json(&json!({"accepts_charter": false}))
        .expect(422);
    app.post(&format!("{path}/withdraw")).by(&vendor.token).on(&fresh).expect(409);
    // Recorded, then refused: entry and effect go together.
    let refused: Result<()> = app.store().write_here(&Actor::System, |tx| {
        tx.record("refused", Resource::Solution, Id::new(), 1, json!({}))?;
        Err(Error::not_found())
    });
    assert!(refused.is_err());
    assert_eq!(journal(app).len(), before);
}

/// Where a reader stands who has seen all there is.
fn end_of_journal(app: &App) -> Bookmark {
    let count = journal(app).len();
    let mut end = Bookmark::default();
    until(
        || {
            let (seen, next) =
                app.store().read_here(|db| Change::after(db, Bookmark::default(), 100_000)).expect("read");
            end = next;
            seen.len() == count
        },
        "the end of the journal",
    );
    end
}

fn a_reader_of_the_journal_waits_for_earlier_positions(app: &App) {
    // One writer at a time on SQLite: positions are committed in order there.
    if app.kind == Kind::Sqlite {
        return;
    }
    let start = end_of_journal(app);
    let seen = || -> Vec<String> {
        let (entries, _) = app.store().read_here(|db| Change::after(db, start, 100)).expect("read");
        entries.into_iter().map(|entry| entry.action).collect()
    };
    let record = |action: &'static str, then: &dyn Fn()| {
        app.store()
            .write_here(&Actor::System, |tx| {
                tx.record(action, Resource::Solution, Id::new(), 1, json!({}))?;
                then();
                Ok(())
            })
            .expect("written");
    };
    std::thread::scope(|scope| {
        let (taken, is_taken) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let store = app.store();
        let slow = scope.spawn(move || {
            store.write_here(&Actor::System, |tx| {
                tx.record("slow", Resource::Solution, Id::new(), 1, json!({}))?;
                taken.send(()).expect("sent");
                may_go_on.recv().expect("told");
                Ok(())
            })
        });
        is_taken.recv().expect("a position is taken");
        record("fast", &|| ());
        assert_eq!(seen(), Vec::<String>::new(), "an entry is shown before one with an earlier position");
        go_on.send(()).expect("told");
        slow.join().expect("joined").expect("written");
    });
    until(|| seen().len() == 2, "both entries");
    assert_eq!(seen(), ["slow", "fast"]);
}

/// Other databases of the cluster hold the horizon back for a moment: polls.
fn until(mut is_so: impl FnMut() -> bool, what: &str) {
    let end = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < end, "still waiting for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn a_reader_of_the_journal_misses_nothing(app: &App) {
    const WRITERS: usize = 8;
    const TRANSACTIONS: usize = 25;
    let start = end_of_journal(app);
    let (store, is_over) = (app.store(), AtomicBool::new(false));
    let mut read: Vec<i64> = Vec::new();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut read: Vec<i64> = Vec::new();
            let end = Instant::now() + Duration::from_secs(60);
            let mut bookmark = start;
            while Instant::now() < end {
                let was_over = is_over.load(Ordering::SeqCst);
                let (page, next) = store.read_here(|db| Change::after(db, bookmark, 7)).expect("read");
                bookmark = next;
                read.extend(page.iter().map(|entry| entry.position));
                if was_over && read.len() >= WRITERS * TRANSACTIONS * 2 {
                    break;
                }
            }
            read
        });
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                scope.spawn(move || {
                    for number in 0..TRANSACTIONS {
                        let done = store.write_here(&Actor::System, |tx| {
                            tx.record("first", Resource::Solution, Id::new(), 1, json!({}))?;
                            // Commits come in another order than positions.
                            std::thread::sleep(Duration::from_micros(((writer * 7 + number * 3) % 5) as u64 * 400));
                            tx.record("second", Resource::Solution, Id::new(), 2, json!({}))
                        });
                        done.expect("written");
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().expect("a writer");
        }
        is_over.store(true, Ordering::SeqCst);
        read = reader.join().expect("the reader");
    });
    let mut all = BTreeSet::new();
    until(
        || {
            all = app
                .store()
                .read_here(|db| Change::after(db, start, 100_000))
                .expect("read")
                .0
                .iter()
                .map(|entry| entry.position)
                .collect();
            all.len() == WRITERS * TRANSACTIONS * 2
        },
        "all entries",
    );
    read.sort_unstable();
    assert_eq!(read, all.into_iter().collect::<Vec<i64>>(), "one missed or seen twice");
}

fn a_panic_while_writing_leaves_the_store_usable(app: &App) {
    let before = journal(app).len();
    // More often than there are connections.
    for _ in 0..12 {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            app.store().write_here(&Actor::System, |tx| -> Result<()> {
                tx.record("panicked", Resource::Solution, Id::new(), 1, json!({}))?;
                std::panic::resume_unwind(Box::new("on purpose"))
            })
        }));
        assert!(outcome.is_err());
    }
    assert_eq!(journal(app).len(), before, "a transaction that panicked left its entry");
    app.draft(&app.vendor(1), "Après la panique");
    assert!(journal(app).len() > before);
}

fn sqlite_is_set_to_lose_nothing(app: &App) {
    if app.kind == Kind::Postgres {
        return;
    }
    let settings = "SELECT 'journal_mode ' || journal_mode AS line FROM pragma_journal_mode \
        UNION ALL SELECT 'synchronous ' || synchronous FROM pragma_synchronous \
        UNION ALL SELECT 'foreign_keys ' || foreign_keys FROM pragma_foreign_keys \
        UNION ALL SELECT 'trusted_schema ' || trusted_schema FROM pragma_trusted_schema \
        UNION ALL SELECT 'query_only ' || query_only FROM pragma_query_only \
        UNION ALL SELECT 'version ' || sqlite_version()";
    let ask = |db: &mut Db| -> Result<BTreeMap<String, String>> {
        let rows: Vec<Line> = match db {
            Db::Sqlite(connection) => diesel::sql_query(settings).load(connection)?,
            Db::Pg(_) => panic!("SQLite was asked for"),
        };
        Ok(rows
            .into_iter()
            .filter_map(|row| row.line.split_once(' ').map(|(name, value)| (name.to_owned(), value.to_owned())))
            .collect())
    };
    let reader = app.store().read_here(ask).expect("read");
    let writer = app.store().write_here(&Actor::System, |tx| ask(tx.db)).expect("written");
    for (settings, query_only) in [(&reader, "1"), (&writer, "0")] {
        assert_eq!(settings["journal_mode"], "wal");
        assert_eq!(settings["synchronous"], "2", "FULL");
        assert_eq!(settings["foreign_keys"], "1");
        assert_eq!(settings["trusted_schema"], "0");
        assert_eq!(settings["query_only"], query_only);
        let version: Vec<u32> = settings["version"].split('.').filter_map(|part| part.parse().ok()).collect();
        assert!(version >= vec![3, 51, 3], "{version:?}: before 3.51.3 several connections can corrupt a WAL");
    }
}
