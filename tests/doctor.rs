//! The doctor finds what was changed past every rule, and finds nothing else.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use gouvtech_catalogue::auth::{Duty, Role};
use gouvtech_catalogue::db::Backend;
use gouvtech_catalogue::doctor::examine;
use gouvtech_catalogue::import::Options;
use gouvtech_catalogue::import::solutions::Solutions;
use gouvtech_catalogue::persons::retention;

use crate::cases;
use crate::import::{ALL, DRY, counts, load, load_bodies, load_with, ndjson, record};
use crate::support::build::siren;
use crate::support::{App, Kind};

cases![
    an_untouched_catalogue_is_clean,
    an_untouched_demonstration_is_clean,
    what_retention_and_erasure_take_is_not_missed,
    an_imported_catalogue_is_clean,
    what_is_altered_past_the_triggers_is_found,
    what_goes_missing_is_found,
    scores_that_do_not_follow_are_found,
    a_schema_that_was_changed_is_found,
    references_that_lead_nowhere_are_found,
];

fn findings(app: &App) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut names = Vec::new();
    let outcome = examine(app.store().backend(), &mut |check| {
        names.push(check.name);
        all.extend(check.findings.iter().cloned());
    });
    let is_clean = outcome.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(names.len(), 9, "{names:?}");
    assert_eq!(is_clean, all.is_empty());
    all
}

/// Plain SQL, several statements, without the session settings of the program.
fn batch(app: &App, sql: &str) {
    let outcome = match app.store().backend() {
        Backend::Postgres { url } => PgConnection::establish(url).expect("a connection").batch_execute(sql),
        Backend::Sqlite { path } => {
            let mut connection = SqliteConnection::establish(&path.to_string_lossy()).expect("a connection");
            connection.batch_execute("PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = OFF").expect("pragmas");
            connection.batch_execute(sql)
        }
    };
    outcome.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = diesel::sql_types::Text)]
    line: String,
}

/// Takes the triggers of every table away, as somebody would who wants to change the past.
fn disarm(app: &App) {
    match app.store().backend() {
        Backend::Postgres { .. } => batch(
            app,
            "DO $$ DECLARE t text; BEGIN FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP \
             EXECUTE format('ALTER TABLE %I DISABLE TRIGGER ALL', t); END LOOP; END $$",
        ),
        Backend::Sqlite { path } => {
            let mut connection = SqliteConnection::establish(&path.to_string_lossy()).expect("a connection");
            let triggers: Vec<Line> =
                diesel::sql_query("SELECT name AS line FROM sqlite_schema WHERE type = 'trigger'")
                    .load(&mut connection)
                    .expect("triggers");
            drop(connection);
            assert!(triggers.len() > 20);
            triggers.iter().for_each(|one| batch(app, &format!("DROP TRIGGER {}", one.line)));
        }
    }
}

/// Runs SQL after which there must be a finding that was not there before.
fn tamper(app: &App, before: &mut BTreeSet<String>, sql: &str, expected: &str) {
    batch(app, sql);
    let after = findings(app);
    let new: Vec<&String> = after.difference(before).collect();
    assert!(new.iter().any(|one| one.contains(expected)), "{sql}: expected {expected:?}, found {new:?}");
    *before = after;
}

fn an_untouched_catalogue_is_clean(app: &App) {
    assert_eq!(findings(app), BTreeSet::new(), "nothing but the criteria");
    crate::storage::history(app);
    assert_eq!(findings(app), BTreeSet::new());
}

fn an_untouched_demonstration_is_clean(app: &App) {
    gouvtech_catalogue::seed::demonstration::load(&app.inner).expect("loaded");
    gouvtech_catalogue::deadlines::run(app.store(), &app.inner.settings).expect("the calendar");
    assert_eq!(findings(app), BTreeSet::new());
}

fn what_retention_and_erasure_take_is_not_missed(app: &App) {
    crate::storage::history(app);
    let (vendor, buyer, body) = (app.vendor(2), app.buyer(2), app.audit_body(2));
    let (solution, other) = (app.published(&vendor, "Réévaluée").id(), app.published(&vendor, "Notée").id());
    app.evaluated(&vendor, &solution);
    let agent = app.token(Role::Buyer, Some(buyer.id), &[], "agente");
    crate::persons::published_review(app, &other, &agent);
    crate::persons::published_review(app, &other, &app.buyer(3).token);
    crate::persons::draft_review(app, &solution, &agent);
    app.draft(&vendor, "Jamais soumise");
    let labelled = app.published(&vendor, "En audit").id();
    app.evaluated(&vendor, &labelled);
    let examiner = app.auditor(&body, &[Duty::Evaluator], "évaluatrice");
    let opened = app.in_audit(&vendor, &labelled, &body, &examiner);
    app.reported(&opened, &examiner, |_, finding| finding);
    assert_eq!(findings(app), BTreeSet::new(), "before anything goes");

    for token in [&agent, &examiner, &vendor.token] {
        let erased = app.post("/api/v1/me/erase").by(token).expect(200).json();
        assert_ne!(erased["erased"].as_array().map(Vec::len), Some(0), "{erased}");
        assert_eq!(findings(app), BTreeSet::new(), "{erased}");
    }
    let settings = &app.inner.settings;
    let mut went = BTreeSet::new();
    for _ in 0..12 {
        app.clock.advance(TimeDelta::days(366));
        gouvtech_catalogue::deadlines::run(app.store(), settings).expect("the calendar");
        let report = retention::run(app.store(), settings).expect("a run");
        went.extend(report.rules.iter().filter(|rule| rule.count > 0).map(|rule| rule.rule));
    }
    for rule in ["drafts", "published_reviews", "attestations", "accounts"] {
        assert!(went.contains(rule), "{rule} took nothing: {went:?}");
    }
    assert_eq!(findings(app), BTreeSet::new());
}

fn an_imported_catalogue_is_clean(app: &App) {
    let mut records = vec![record("1", "Un"), record("2", "Deux"), record("3", "Nul\0 et e\u{301}")];
    assert_eq!(counts(&load(app, &records)), [3, 0, 0, 0, 0]);
    records[0]["summary"] = "Tout autre.".into();
    records[1]["vendor"] = serde_json::Value::Null;
    assert_eq!(counts(&load(app, &records)), [0, 2, 1, 0, 0]);
    let fresh = ndjson(&[record("4", "Quatre"), serde_json::json!({"name": "Sans identifiant"})]);
    for options in [DRY, ALL] {
        assert!(load_with(app, &Solutions::default(), options, &fresh).is_rolled_back);
    }
    let drafts = Solutions { as_draft: true, ..Solutions::default() };
    assert_eq!(counts(&load_with(app, &drafts, Options::default(), &fresh)), [1, 0, 0, 0, 1]);
    let bodies = |name: &str| format!("siren,name,insee_code\n{},{name},52047\n{},Autre,\n", siren(500), siren(501));
    assert_eq!(counts(&load_bodies(app, &bodies("Beurville"))), [2, 0, 0, 0, 0]);
    assert_eq!(counts(&load_bodies(app, &bodies("Beurville-le-Neuf"))), [0, 1, 1, 0, 0]);
    assert_eq!(findings(app), BTreeSet::new());
}

fn what_is_altered_past_the_triggers_is_found(app: &App) {
    crate::storage::history(app);
    disarm(app);
    let mut known = findings(app);
    let sheet = match app.kind {
        Kind::Sqlite => "json_set(sheet, '$.name', 'Autre')",
        Kind::Postgres => "jsonb_set(sheet, '{name}', '\"Autre\"')",
    };
    for (sql, expected) in [
        (&*format!("UPDATE solution_versions SET sheet = {sheet}"), "solution_version"),
        ("UPDATE answers SET justification = 'Autre'", "answers"),
        ("UPDATE evaluation_results SET cause = 'autre'", "evaluation_result"),
        ("UPDATE findings SET comment = 'Autre'", "audit_report"),
        ("UPDATE label_decisions SET outcome = 'refused'", "label_decision"),
        ("UPDATE criteria SET position = position + 1 WHERE code = 'SEC-01'", "criteria_set"),
        ("UPDATE changes SET action = 'nothing' WHERE position = 3", "entry 3 was altered"),
        ("UPDATE changes SET role = 'operator', hash = NULL WHERE position = 4", "entry 4 has lost its hash"),
    ] {
        tamper(app, &mut known, sql, expected);
    }
}

fn what_goes_missing_is_found(app: &App) {
    crate::storage::history(app);
    disarm(app);
    let mut known = findings(app);
    for (sql, expected) in [
        ("DELETE FROM seals WHERE kind = 'label_decision'", "was never sealed"),
        ("DELETE FROM solution_versions", "is gone"),
        ("DELETE FROM changes WHERE resource = 'solution' AND resource_version = 2", "of the versions 1 to"),
        ("DELETE FROM changes WHERE resource = 'label'", "the journal at none"),
        ("UPDATE organisations SET version = version + 1", "is at version 2, the journal at 1"),
        ("DELETE FROM reviews", "no entry says that it was deleted"),
        ("DELETE FROM answers", "answers"),
    ] {
        tamper(app, &mut known, sql, expected);
    }
}

fn scores_that_do_not_follow_are_found(app: &App) {
    crate::storage::history(app);
    disarm(app);
    let mut known = findings(app);
    for (sql, expected) in [
        ("UPDATE answers SET value = 'no'", "the scores of evaluation"),
        ("UPDATE findings SET score = 0", "the scores of the report"),
    ] {
        tamper(app, &mut known, sql, expected);
    }
    assert!(known.iter().any(|one| one.starts_with("the scores of label")), "{known:?}");
}

fn a_schema_that_was_changed_is_found(app: &App) {
    let mut known = findings(app);
    assert_eq!(known, BTreeSet::new());
    for (sql, expected) in [
        ("DROP INDEX changes_by_resource", "changes_by_resource"),
        ("CREATE TABLE extra (id integer)", "extra"),
        ("ALTER TABLE reviews ADD COLUMN extra integer", "reviews"),
    ] {
        tamper(app, &mut known, sql, expected);
    }
    let before = known.len();
    disarm(app);
    assert!(findings(app).len() >= before + 20, "the triggers are not missed");
}

fn references_that_lead_nowhere_are_found(app: &App) {
    if app.kind == Kind::Postgres {
        return;
    }
    crate::storage::history(app);
    let mut known = findings(app);
    tamper(app, &mut known, "UPDATE reviews SET solution_id = zeroblob(16)", "reference of reviews to solutions");
}
