//! What public reading costs the database: nothing for lists, which the index answers, else a fixed
//! number of statements, and no table read from end to end. The statements are those that the program sends, the plans those that the
//! database makes for them.

use std::collections::BTreeSet;

use diesel::sql_types::Text;
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection};
use gouvtech_catalogue::auth::Duty;
use gouvtech_catalogue::config::Given;
use gouvtech_catalogue::db::{Actor, Backend, Db, Id};
use gouvtech_catalogue::evaluations::model::expire;
use gouvtech_catalogue::search::document;
use gouvtech_catalogue::seed::parts;

use crate::cases;
use crate::support::{App, Kind, json};

cases![
    a_public_read_asks_a_fixed_number_of_statements,
    no_public_read_scans_a_large_table,
    what_is_named_is_not_looked_for_by_its_status,
    what_a_start_and_every_hour_ask_reads_no_table_from_end_to_end,
];

/// Tables that grow with the catalogue.
const LARGE: [&str; 13] = [
    "solutions",
    "solution_versions",
    "solution_facets",
    "organisations",
    "evaluations",
    "evaluation_results",
    "answers",
    "contestations",
    "reviews",
    "label_applications",
    "label_decisions",
    "labels",
    "findings",
];

/// Lists with every filter and every order of theirs, and what is shown of one solution.
fn addresses(solution: &str, vendor: &str) -> Vec<String> {
    let mut all = Vec::new();
    for sort in ["name", "published_at", "updated_at", "score", "rating"] {
        all.extend([format!("solutions?sort={sort}"), format!("solutions?sort=-{sort}")]);
    }
    let filters = [
        "family=demarches_en_ligne",
        "family=demarches_en_ligne&family=signature_electronique",
        "domain=04",
        "sourcing_rank=market",
        "distribution=free",
        "licence=AGPL-3.0-or-later",
        "deployment=cloud",
        "hosting_country=FR",
        "qualification=secnumcloud",
        "tag=Formulaires",
        "trait=saas",
        "audience=local_authority",
        "vendor_kind=company",
        "vendor_control=eu",
        "vendor_size=small",
        "purchase_route=ugap",
        "label=active",
        "status=published",
        "min_score=0.5",
        "min_rating=3",
        "updated_since=2026-01-01T00:00:00Z",
        "include=vendor,label,scores",
        "q=formulaires",
    ];
    all.extend(filters.map(|filter| format!("solutions?{filter}")));
    all.push(format!("solutions?vendor={vendor}"));
    all.push(format!("solutions?vendor={vendor}&sort=-rating&deployment=cloud&label=active"));
    all.extend(["", "&sort=-name", "&q=atelier", "&status=active"].map(|more| format!("organisations?limit=5{more}")));
    all.extend(["vendor", "public_body", "audit_body", "operator"].map(|kind| format!("organisations?kind={kind}")));
    all.push("organisations?siren=732829320".to_owned());
    all.extend(["", "?status=expired", "?status=withdrawn"].map(|more| format!("accreditations{more}")));
    all.push(format!("accreditations?organisation={vendor}"));
    all.extend(["", "?status=active", "?status=expired"].map(|more| format!("labels{more}")));
    all.push(format!("labels?solution={solution}"));
    for rest in [
        "",
        "?include=vendor,label,scores",
        "/versions",
        "/versions/1",
        "/criteria",
        "/evaluations",
        "/evaluations?status=published",
        "/evaluation",
        "/reviews",
        "/reviews?sort=-rating&min_rating=2",
        "/reviews?sort=published_at",
        "/rating",
        "/labels",
    ] {
        all.push(format!("solutions/{solution}{rest}"));
    }
    all.push("solutions/modele".to_owned());
    all.push(format!("organisations/{vendor}"));
    all.push(format!("organisations/{vendor}/solutions"));
    all.into_iter().map(|one| format!("/api/v1/{one}")).collect()
}

/// Whether an address is answered by the index alone, to who is nobody in particular.
fn is_from_index(address: &str) -> bool {
    let is_one = address.strip_prefix("/api/v1/solutions/").is_some_and(|rest| !rest.contains(['/', '?']));
    is_one || (address.starts_with("/api/v1/solutions?") && !address.contains("include="))
}

/// An application that asks its database each time, with one solution that has everything, and
/// somebody whose solutions come from the database.
fn scene(app: &App) -> (App, String, String, String) {
    let (vendor, body) = (app.vendor(1), app.audit_body(1));
    let solution = app.published(&vendor, "Modèle").id();
    app.evaluated(&vendor, &solution);
    let evaluator = app.auditor(&body, &[Duty::Evaluator], "évaluatrice");
    let decider = app.auditor(&body, &[Duty::DecisionMaker], "décideur");
    let opened = app.in_audit(&vendor, &solution, &body, &evaluator);
    let reported = app.reported(&opened, &evaluator, |_, finding| finding);
    app.post(&format!("/api/v1/label-applications/{}/decision", reported.id()))
        .by(&decider)
        .on(&reported)
        .json(&json!({"outcome": "granted", "reasons": "Aucun écart."}))
        .expect(200);
    let plain = app.twin(Given { kept_bytes: Some(0), ..Given::default() });
    // The indexes of both read the database as well.
    app.settle();
    plain.settle();
    (plain, solution, vendor.id.to_string(), app.buyer(2).token)
}

fn a_public_read_asks_a_fixed_number_of_statements(app: &App) {
    let (plain, solution, vendor, reader) = scene(app);
    let count = |address: &str| match is_from_index(address) {
        true => app.statements(|| drop(plain.get(address).by(&reader).expect(200))).len(),
        false => app.statements(|| drop(plain.get(address).send())).len(),
    };
    let addresses = addresses(&solution, &vendor);
    let before: Vec<usize> = addresses.iter().map(|address| count(address)).collect();
    for n in 2..=9 {
        let other = app.vendor(n);
        app.published(&other, &format!("Modèle {n}"));
        app.evaluated(&other, &app.published(&other, "Modèle").id());
    }
    app.settle();
    plain.settle();
    for (address, before) in addresses.iter().zip(before) {
        let after = count(address);
        if is_from_index(address) {
            let heard = app.statements(|| drop(plain.get(address).expect(200)));
            assert!(heard.is_empty(), "{address} asked the database: {heard:?}");
        }
        assert!((1..=14).contains(&before), "{address} asks {before} statements");
        assert!(after <= before.max(8), "{address} asked {before} statements, and {after} of more rows");
    }
}

fn no_public_read_scans_a_large_table(app: &App) {
    let (plain, solution, vendor, reader) = scene(app);
    let mut statements = BTreeSet::new();
    let mut ordered = BTreeSet::new();
    for address in addresses(&solution, &vendor) {
        let request = plain.get(&address);
        let request = if is_from_index(&address) { request.by(&reader) } else { request };
        let heard = app.statements(|| drop(request.expect(200)));
        assert!(!heard.is_empty(), "{address} asked nothing");
        if address.contains("solutions?sort=") || address.contains("organisations?kind=") {
            ordered.extend(heard.iter().filter(|one| one.contains("ORDER BY") && one.contains("LIMIT")).cloned());
        }
        statements.extend(heard);
    }
    fill(app);
    let mut database = Database::open(app);
    let mut faults = Vec::new();
    for statement in &statements {
        let plan = database.plan(statement);
        let scans = |line: &String| {
            let seen = match app.kind {
                Kind::Sqlite => line.strip_prefix("SCAN ").filter(|_| !line.contains("USING")),
                Kind::Postgres => line.split("Seq Scan on ").nth(1),
            };
            seen.and_then(|rest| rest.split_whitespace().next()).is_some_and(|table| LARGE.contains(&table))
        };
        if plan.iter().any(scans) {
            faults.push(format!("reads a table from end to end:\n{statement}\n{}", plan.join("\n")));
        }
        let sorts = |line: &String| line.contains("TEMP B-TREE FOR ORDER BY") || line.contains("Sort Key");
        // A few labels or reviews may be sorted; a page of the whole catalogue may not.
        let is_page = ordered.contains(statement) && !statement.contains("solution_versions");
        if is_page && statement.contains("_folded\"") && plan.iter().any(sorts) {
            faults.push(format!("sorts all to give a page:\n{statement}\n{}", plan.join("\n")));
        }
    }
    assert!(statements.len() > 40, "{} statements", statements.len());
    assert!(faults.is_empty(), "{} of {} statements\n{}", faults.len(), statements.len(), faults.join("\n\n"));
    // The control: what has no index is seen.
    let control = "SELECT slug FROM solutions WHERE search_text = 'x'";
    let plan = database.plan(control).join("\n");
    assert!(plan.contains("Seq Scan on solutions") || plan.contains("SCAN solutions"), "{plan}");
}

fn what_is_named_is_not_looked_for_by_its_status(app: &App) {
    let (plain, solution, _, _) = scene(app);
    let other = app.published(&app.vendor(2), "Autre").id();
    // As many as a part of an index has.
    let ids: Vec<Id> = (1..document::BATCH).map(|_| Id::new()).chain(Id::parse(&solution)).collect();
    let mut statements = app.statements(|| {
        let read = |db: &mut Db| Ok((document::next(db, None)?.len(), document::load(db, &ids)?.len()));
        assert_eq!(app.store().read_here(read).expect("read"), (2, 1));
    });
    let compared = format!("/api/v1/comparisons?solutions={solution},{other}");
    statements.extend(app.statements(|| drop(plain.get(&compared).expect(200))));
    fill(app);
    let mut database = Database::open(app);
    let mut is_by_status = |statement: &str| {
        let by_status = |line: &String| match app.kind {
            Kind::Sqlite => line.contains("(status=?"),
            Kind::Postgres => line.contains("Cond: (status") || line.contains("Cond: ((status"),
        };
        database.plan(statement).iter().any(by_status)
    };
    assert!(statements.len() > 10, "{} statements", statements.len());
    let faults: Vec<&String> = statements.iter().filter(|one| is_by_status(one)).collect();
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(is_by_status("SELECT id FROM solutions WHERE status = 'outdated'"), "the control is seen");
}

fn what_a_start_and_every_hour_ask_reads_no_table_from_end_to_end(app: &App) {
    scene(app);
    let statements = app.statements(|| {
        assert_eq!(app.store().write_here(&Actor::System, expire).expect("looked for"), 0);
        assert_eq!(parts(app.store()).expect("found").len(), 4);
    });
    fill(app);
    let mut database = Database::open(app);
    let about = |words: &str| {
        let found = statements.iter().find(|one| one.replace(['`', '"'], "").contains(words));
        found.unwrap_or_else(|| panic!("{words}: {statements:#?}"))
    };
    let due = database.plan(about("FROM evaluations WHERE")).join("\n");
    assert!(due.contains("evaluations_by_expiry"), "{due}");
    let vendor = database.plan(about("EXISTS (SELECT solutions")).join("\n");
    // PostgreSQL knows that all of these are of one vendor, and groups them: here it says nothing.
    assert!(app.kind == Kind::Postgres || vendor.contains("(organisation_id=?)"), "{vendor}");
    assert!(app.kind == Kind::Postgres || !vendor.contains("SCAN solutions"), "{vendor}");
}

/// Some thousand more of each.
fn fill(app: &App) {
    let (rows, id) = match app.kind {
        Kind::Sqlite => (
            "(WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3000) SELECT n FROM r)",
            "randomblob(16)",
        ),
        Kind::Postgres => ("(SELECT n FROM generate_series(1, 3000) AS g(n))", "gen_random_uuid()"),
    };
    let more = |table: &str, fresh: &[(&str, &str)], same: &str| {
        let names: Vec<&str> = fresh.iter().map(|(name, _)| *name).collect();
        let values: Vec<&str> = fresh.iter().map(|(_, value)| *value).collect();
        let (names, values) = (names.join(", "), values.join(", "));
        app.sql(&format!(
            "INSERT INTO {table} ({names}, {same}) SELECT {values}, {same} FROM (SELECT * FROM {table} LIMIT 1) AS one, {rows} AS many"
        ))
        .expect("filled");
    };
    let name = "name_folded || ' ' || n";
    more(
        "solutions",
        &[
            ("id", id),
            ("slug", "slug || '-' || n"),
            ("status", "CASE WHEN n % 9 = 0 THEN 'outdated' WHEN n % 9 = 1 THEN 'suspended' ELSE status END"),
            ("name_folded", name),
            ("score", "n"),
            ("rating", "n % 500"),
        ],
        "version, organisation_id, published_version, search_text, created_at, updated_at, published_at, confirmed_at",
    );
    more(
        "organisations",
        &[
            ("id", id),
            ("status", "CASE WHEN n % 9 = 0 THEN 'pending' WHEN n % 9 = 1 THEN 'suspended' ELSE status END"),
            ("name_folded", name),
        ],
        "version, is_vendor, is_public_body, is_audit_body, is_operator, details, created_at, updated_at",
    );
    more(
        "evaluations",
        &[("id", id), ("status", "'expired'")],
        "version, solution_id, organisation_id, set_id, solution_version, traits, created_at, updated_at, published_at, expires_at",
    );
    if app.kind == Kind::Postgres {
        app.sql("ANALYZE").expect("analysed");
    }
}

/// Asks for plans.
enum Database {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

#[derive(QueryableByName)]
struct SqliteLine {
    #[diesel(sql_type = Text)]
    detail: String,
}

#[derive(QueryableByName)]
struct PostgresLine {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    line: String,
}

impl Database {
    fn open(app: &App) -> Self {
        match Backend::parse(app.url()).expect("a URL") {
            Backend::Sqlite { path } => {
                Self::Sqlite(SqliteConnection::establish(&path.to_string_lossy()).expect("a connection"))
            }
            Backend::Postgres { url } => {
                let mut connection = PgConnection::establish(&url).expect("a connection");
                // A plan for whatever is asked for, and a scan only where there is no other way.
                for setting in ["plan_cache_mode = force_generic_plan", "enable_seqscan = off"] {
                    diesel::sql_query(format!("SET {setting}")).execute(&mut connection).expect("set");
                }
                Self::Postgres(connection)
            }
        }
    }

    fn plan(&mut self, statement: &str) -> Vec<String> {
        match self {
            Self::Sqlite(connection) => {
                let lines = diesel::sql_query(format!("EXPLAIN QUERY PLAN {statement}")).load::<SqliteLine>(connection);
                lines.unwrap_or_else(|e| panic!("{e}: {statement}")).into_iter().map(|line| line.detail).collect()
            }
            Self::Postgres(connection) => {
                let mut run = |sql: &str| {
                    diesel::sql_query(sql).execute(&mut *connection).unwrap_or_else(|e| panic!("{e}: {sql}"));
                };
                let count = (1..).take_while(|n| statement.contains(&format!("${n}"))).count();
                run(&format!("PREPARE asked AS {statement}"));
                let given = if count == 0 { String::new() } else { format!("({})", vec!["NULL"; count].join(", ")) };
                let lines =
                    diesel::sql_query(format!("EXPLAIN EXECUTE asked{given}")).load::<PostgresLine>(&mut *connection);
                diesel::sql_query("DEALLOCATE asked").execute(&mut *connection).expect("forgotten");
                lines.unwrap_or_else(|e| panic!("{e}: {statement}")).into_iter().map(|line| line.line).collect()
            }
        }
    }
}
