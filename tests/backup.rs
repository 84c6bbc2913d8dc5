//! Backups are taken beside writers, checked, and restored to a state that was.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use diesel::prelude::*;
use gouvtech_catalogue::clock::Clock;
use gouvtech_catalogue::db::schema::changes;
use gouvtech_catalogue::db::{Actor, Backend, Db, Id, Limits, Resource, Store};

use crate::cases;
use crate::support::{App, Kind, json};

cases![
    a_backup_under_load_restores_a_prefix_of_what_was_acknowledged,
    a_backup_overwrites_nothing_and_a_restore_neither,
    a_damaged_backup_is_not_restored,
    the_doctor_says_by_its_exit_code_what_it_found,
    what_is_missing_for_a_backup_is_named,
];

/// The program, with those of PostgreSQL in its PATH.
fn program(url: &str, arguments: &[&str]) -> Output {
    let config = Command::new("pg_config").arg("--bindir").output().map(|output| output.stdout).unwrap_or_default();
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", String::from_utf8_lossy(&config).trim());
    Command::new(env!("CARGO_BIN_EXE_gouvtech-catalogue"))
        .args(["--database-url", url])
        .args(arguments)
        .env("PATH", path)
        .output()
        .expect("run")
}

fn succeed(url: &str, arguments: &[&str]) {
    let output = program(url, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", words(&output));
}

fn refused(url: &str, arguments: &[&str]) -> String {
    let output = program(url, arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", words(&output));
    words(&output)
}

fn words(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn url(backend: &Backend) -> String {
    match backend {
        Backend::Sqlite { path } => format!("sqlite://{}", path.display()),
        Backend::Postgres { url } => url.clone(),
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

fn a_backup_under_load_restores_a_prefix_of_what_was_acknowledged(app: &App) {
    crate::storage::history(app);
    let backup = app.folder.join("backup");
    let (acknowledged, is_over) = (AtomicI32::new(0), AtomicBool::new(false));
    let mut before = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 1.. {
                // One after the other, so that what was acknowledged has an order.
                let entry = json!({"number": number});
                let work = |tx: &mut gouvtech_catalogue::db::Tx<'_>| {
                    tx.record("delete_numbered", Resource::Solution, Id::new(), 1, entry.clone())
                };
                app.store().write_here(&Actor::System, work).expect("written");
                acknowledged.store(number, Ordering::SeqCst);
                if is_over.load(Ordering::SeqCst) {
                    break;
                }
            }
        });
        while acknowledged.load(Ordering::SeqCst) < 20 {
            std::thread::yield_now();
        }
        before = acknowledged.load(Ordering::SeqCst);
        let output = program(app.url(), &["backup", text(&backup)]);
        is_over.store(true, Ordering::SeqCst);
        assert!(output.status.success(), "{}", words(&output));
    });
    let database = app.empty_database(app.kind);
    let target = database.backend();
    succeed(&url(&target), &["restore", text(&backup)]);
    let store = Store::open(&target, &Limits::default(), Clock::default()).expect("opened");
    let entries: Vec<gouvtech_catalogue::db::Json<serde_json::Value>> = store
        .read_here(|db: &mut Db| {
            let numbered = changes::table.filter(changes::action.eq("delete_numbered")).order(changes::position);
            Ok(numbered.select(changes::changed).load(db)?)
        })
        .expect("read");
    let numbers: Vec<i32> = entries.iter().filter_map(|one| i32::try_from(one["number"].as_i64()?).ok()).collect();
    let last = i32::try_from(numbers.len()).expect("a number");
    assert_eq!(numbers, (1..=last).collect::<Vec<i32>>(), "with a gap, or out of order");
    assert!(last >= before, "{before} were acknowledged before the backup began, it has {last}");
    assert!(last <= acknowledged.load(Ordering::SeqCst));
    drop(store);
    succeed(&url(&target), &["doctor"]);
}

fn a_backup_overwrites_nothing_and_a_restore_neither(app: &App) {
    let backup = app.folder.join("backup");
    std::fs::write(&backup, "precious").expect("written");
    assert!(refused(app.url(), &["backup", text(&backup)]).contains("exists"));
    assert_eq!(std::fs::read_to_string(&backup).expect("read"), "precious");
    let other = app.folder.join("other");
    succeed(app.url(), &["backup", text(&other)]);
    let said = refused(app.url(), &["restore", text(&other)]);
    assert!(said.contains(if app.kind == Kind::Sqlite { "exists" } else { "is not empty" }), "{said}");
    assert!(refused(app.url(), &["restore", "no such file"]).contains("there is no such file"));
    app.get("/readyz").expect(200);
    assert!(!app.folder.join("other.part").exists(), "a part was left behind");
}

fn a_damaged_backup_is_not_restored(app: &App) {
    let backup = app.folder.join("backup");
    crate::storage::history(app);
    succeed(app.url(), &["backup", text(&backup)]);
    let mut bytes = std::fs::read(&backup).expect("read");
    let (from, to) = (bytes.len() / 3, bytes.len() / 2);
    bytes[from..to].iter_mut().for_each(|byte| *byte ^= 0x5a);
    std::fs::write(&backup, bytes).expect("written");
    let database = app.empty_database(app.kind);
    let target = database.backend();
    refused(&url(&target), &["restore", text(&backup)]);
    match &target {
        Backend::Sqlite { path } => assert!(!path.exists(), "half a restore"),
        // In one transaction: nothing is there, and it may be tried again.
        Backend::Postgres { .. } => {
            let good = app.folder.join("good");
            succeed(app.url(), &["backup", text(&good)]);
            succeed(&url(&target), &["restore", text(&good)]);
        }
    }
}

fn the_doctor_says_by_its_exit_code_what_it_found(app: &App) {
    let output = program(app.url(), &["doctor"]);
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    assert!(words(&output).contains("ok    schema"), "{}", words(&output));
    app.sql("DROP INDEX changes_by_resource").expect("dropped");
    let output = program(app.url(), &["doctor"]);
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    assert!(words(&output).contains("FOUND schema"), "{}", words(&output));
    let nowhere = match app.kind {
        Kind::Sqlite => format!("sqlite://{}/nowhere.sqlite", app.folder.display()),
        Kind::Postgres => "postgres://nobody@127.0.0.1:1/nowhere".to_owned(),
    };
    refused(&nowhere, &["doctor"]);
    assert!(!app.folder.join("nowhere.sqlite").exists(), "looking made a file");
}

fn what_is_missing_for_a_backup_is_named(app: &App) {
    if app.kind == Kind::Sqlite {
        return;
    }
    let output = Command::new(env!("CARGO_BIN_EXE_gouvtech-catalogue"))
        .args(["--database-url", app.url(), "backup", text(&app.folder.join("backup"))])
        .env("PATH", "/nonexistent")
        .output()
        .expect("run");
    assert_eq!(output.status.code(), Some(2));
    assert!(words(&output).contains("pg_dump is not in PATH"), "{}", words(&output));
}
