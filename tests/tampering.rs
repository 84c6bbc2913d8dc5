//! Somebody with the database, its triggers dropped, alters the past: each of these manipulations is
//! found by a start, by `doctor`, by a file that is verified, or by who kept a checkpoint outside.
//!
//! One catalogue for all: a manipulation is made in a transaction, looked for in it, and undone.

mod forged;
mod made;

use std::collections::BTreeMap;
use std::convert::Infallible;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::{PgConnection, SqliteConnection};
use gouvtech_catalogue::config::Given;
use gouvtech_catalogue::db::{Backend, Db};
use gouvtech_catalogue::doctor::CHECKS;
use gouvtech_catalogue::labels::attested;
use gouvtech_catalogue::log::tree::EntryRow;
use gouvtech_catalogue::log::{check, routes};
use gouvtech_catalogue::proof::monitor::look;
use gouvtech_catalogue::proof::tiles::Tile;
use gouvtech_catalogue::proof::verdict::{Trust, verify};

use crate::cases;
use crate::labels::{Audit, decide};
use crate::support::{App, json};
use gouvtech_catalogue::auth::Duty;
use gouvtech_catalogue::proof::key::SigningKey;

cases![
    whoever_alters_the_past_is_found,
    an_earlier_copy_of_the_database_is_found,
    a_checkpoint_that_was_replaced_is_found,
    a_log_of_two_histories_is_found,
];

/// A catalogue with something of everything: labels, one of them signed by its audit body and one
/// suspended, and a decision against one. The numbers of its labels.
fn catalogue(app: &App) -> Vec<String> {
    let mut numbers = Vec::new();
    for n in 1..=4 {
        let (vendor, body) = (app.vendor(n), app.audit_body(n));
        let solution = app.published(&vendor, &format!("Solution {n}")).id();
        app.evaluated(&vendor, &solution);
        let evaluator = app.auditor(&body, &[Duty::Evaluator], &format!("évaluatrice {n}"));
        let decider = app.auditor(&body, &[Duty::DecisionMaker], &format!("décideur {n}"));
        let audit = Audit { vendor, body, solution, evaluator, decider };
        let key = SigningKey::fresh().expect("a key");
        if n < 3 {
            crate::proof::register_key(app, audit.body.id, &key);
        }
        let opened = app.in_audit(&audit.vendor, &audit.solution, &audit.body, &audit.evaluator);
        let reported = app.reported(&opened, &audit.evaluator, |code, mut finding| {
            if n == 4 && code == "SEC-01" {
                finding["result"] = json!("major");
            }
            finding
        });
        let mut body = json!({"outcome": "granted", "reasons": "Aucun écart."});
        match n {
            1 => {
                let statement = crate::proof::statement(&reported.json(), "Aucun écart.");
                body["signature"] = json!(crate::proof::sign(&statement, &key));
            }
            4 => body = json!({"outcome": "refused", "reasons": "Un écart majeur."}),
            _ => {}
        }
        let decided = decide(app, &audit, &reported, body);
        assert_eq!(decided.status, 200, "{}", decided.json());
        if let Some(number) = decided.json()["decisions"][0]["label_number"].as_str() {
            numbers.push(number.to_owned());
        }
        if n == 2 {
            crate::proof::suspend(app, &audit.solution);
        }
    }
    assert_eq!(numbers.len(), 3);
    numbers
}

/// What an outsider has kept.
struct Outside {
    numbers: Vec<String>,
    trust: Vec<Trust>,
}

impl Outside {
    fn of(app: &App, numbers: Vec<String>) -> Self {
        let note = String::from_utf8(app.get("/log/checkpoint").expect(200).bytes).expect("text");
        let key = String::from_utf8(app.get("/log/key").expect(200).bytes).expect("text");
        let trust = [note, key].iter().map(|text| Trust::parse(text).expect("trust")).collect();
        Self { numbers, trust }
    }

    /// Who finds something wrong, if anybody: in the order of the text above.
    fn finder(&self, app: &App, db: &mut Db, with_memory: bool) -> Option<&'static str> {
        let log = &app.inner.log;
        if check::fault(db, with_memory.then_some(&**log)).map_or(true, |fault| fault.is_some()) {
            return Some("start");
        }
        if CHECKS.iter().any(|(_, examine)| examine(db).map_or(true, |check| !check.is_clean())) {
            return Some("doctor");
        }
        let now = app.clock.now();
        let proves = |db: &mut Db, number: &String| {
            attested::bundle(db, log, number, None, now).is_ok_and(|file| {
                let verdict = verify(&file, &self.trust[1..]);
                verdict.valid && verdict.pinned
            })
        };
        if !self.numbers.iter().all(|number| proves(db, number)) {
            return Some("verify");
        }
        let watch = look(&self.trust, |path, _| -> Result<Option<Vec<u8>>, Infallible> {
            Ok(match Tile::parse(path) {
                Some(tile) => routes::bytes_of(db, tile).ok(),
                None => log.shown(db).ok().map(|shown| shown.note.to_string().into_bytes()),
            })
        });
        let watch = watch.expect("read");
        if !watch.valid || !watch.pinned {
            return Some("monitor");
        }
        None
    }
}

/// A connection past every rule.
fn connect(backend: &Backend) -> Db {
    match backend {
        Backend::Postgres { url } => Db::Pg(PgConnection::establish(url).expect("a connection")),
        Backend::Sqlite { path } => {
            let mut connection = SqliteConnection::establish(&path.to_string_lossy()).expect("a connection");
            connection.batch_execute("PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = OFF").expect("pragmas");
            Db::Sqlite(connection)
        }
    }
}

fn run(db: &mut Db, sql: &str) -> Result<(), String> {
    match db {
        Db::Pg(connection) => connection.batch_execute(sql).map_err(|e| e.to_string()),
        Db::Sqlite(connection) => connection.batch_execute(sql).map_err(|e| e.to_string()),
    }
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = diesel::sql_types::Text)]
    line: String,
}

/// Begins, and drops what would refuse to alter the past.
fn begin(db: &mut Db) {
    match db {
        Db::Pg(_) => run(db, "BEGIN; SET LOCAL session_replication_role = replica").expect("begun"),
        Db::Sqlite(connection) => {
            connection.batch_execute("BEGIN IMMEDIATE").expect("begun");
            let triggers: Vec<Line> =
                diesel::sql_query("SELECT name AS line FROM sqlite_schema WHERE type = 'trigger'")
                    .load(connection)
                    .expect("triggers");
            let drops: String = triggers.iter().map(|one| format!("DROP TRIGGER \"{}\";", one.line)).collect();
            connection.batch_execute(&drops).expect("dropped");
        }
    }
}

/// Numbers that look random and are the same in every run (xorshift64).
pub struct Chance(u64);

impl Chance {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).expect("small")
    }
}

/// What is done to the database.
type Make = dyn Fn(&mut Db) -> Result<(), String>;

/// One manipulation: of what kind, how, and whether who makes it also has what the server
/// remembers outside the database.
pub struct Manipulation {
    pub kind: &'static str,
    pub what: String,
    pub make: Box<Make>,
    pub takes_memory: bool,
}

fn whoever_alters_the_past_is_found(app: &App) {
    let numbers = catalogue(app);
    let outside = Outside::of(app, numbers);
    let mut db = connect(app.store().backend());
    let entries = EntryRow::from(&mut db, 0, 1000).expect("entries");
    assert!(entries.len() >= 8, "{}", entries.len());
    begin(&mut db);
    assert_eq!(outside.finder(app, &mut db, true), None, "the control: nothing was altered");
    run(&mut db, "ROLLBACK").expect("undone");

    let mut chance = Chance(0x5DEE_CE66_D1CE_5EED);
    let mut all = made::manipulations(app.kind, &entries, &outside.numbers, &mut chance);
    all.extend(forged::manipulations(&entries, &mut chance));
    assert!(all.len() >= 200, "{}", all.len());
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut missed = Vec::new();
    for (number, one) in all.iter().enumerate() {
        begin(&mut db);
        if let Err(error) = (one.make)(&mut db) {
            panic!("{}: {}: {error}", one.kind, one.what);
        }
        match outside.finder(app, &mut db, !one.takes_memory) {
            Some(finder) => *counts.entry((one.kind, finder)).or_default() += 1,
            None => missed.push(format!("{}: {}", one.kind, one.what)),
        }
        run(&mut db, "ROLLBACK").expect("undone");
        if number % 40 == 0 {
            begin(&mut db);
            assert_eq!(outside.finder(app, &mut db, true), None, "the control: undone it is whole");
            run(&mut db, "ROLLBACK").expect("undone");
        }
    }
    eprintln!("{}: {} manipulations, {} found", app.kind, all.len(), all.len() - missed.len());
    for ((kind, finder), count) in &counts {
        eprintln!("  {count:>4} {kind}: found by {finder}");
    }
    assert!(missed.is_empty(), "not found:\n{}", missed.join("\n"));
    // The control at the end: what is done by the rules is no manipulation.
    assert_eq!(outside.finder(app, &mut db, true), None);
    let vendor = app.vendor(9);
    app.published(&vendor, "Une de plus");
    assert_eq!(outside.finder(app, &mut db, true), None);
}

fn an_earlier_copy_of_the_database_is_found(app: &App) {
    let Backend::Sqlite { path } = app.store().backend().clone() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let copy = |name: String| {
        let place = folder.path().join(name);
        let mut db = connect(&Backend::Sqlite { path: path.clone() });
        run(&mut db, &format!("VACUUM INTO '{}'", place.display())).expect("a copy");
        place
    };
    let numbers = catalogue(app);
    let mut copies = Vec::new();
    for n in 0..8 {
        copies.push(copy(n.to_string()));
        // The catalogue goes on: a key of another body is registered.
        let body = app.audit_body(20 + n);
        crate::proof::register_key(app, body.id, &SigningKey::fresh().expect("a key"));
    }
    let outside = Outside::of(app, numbers);
    for (n, place) in copies.into_iter().enumerate() {
        let mut db = connect(&Backend::Sqlite { path: place });
        assert_eq!(outside.finder(app, &mut db, true), Some("start"), "copy {n}");
        assert_eq!(outside.finder(app, &mut db, false), Some("monitor"), "copy {n}, and no memory of later");
    }
    let mut db = connect(&Backend::Sqlite { path: copy("last".to_owned()) });
    assert_eq!(outside.finder(app, &mut db, true), None, "the control: a copy of now");
}

fn a_checkpoint_that_was_replaced_is_found(app: &App) {
    let numbers = catalogue(app);
    let outside = Outside::of(app, numbers);
    let mut db = connect(app.store().backend());
    let place = app.folder.join("log-checkpoint");
    let good = std::fs::read_to_string(&place).expect("remembered");
    assert_eq!(outside.finder(app, &mut db, true), None, "the control");
    let mut chance = Chance(0x1234_5678_9ABC_DEF1);
    for n in 0..20 {
        let mut bytes = good.clone().into_bytes();
        match n {
            0 => bytes.clear(),
            1 => bytes = b"nothing".to_vec(),
            2..6 => bytes.truncate(chance.below(bytes.len() - 1) + 1),
            // The origin is part of what is signed, as is every byte but those of the key's hint.
            _ => bytes[chance.below(good.find('—').expect("a line") - 1)] ^= 1,
        }
        std::fs::write(&place, bytes).expect("written");
        assert_eq!(outside.finder(app, &mut db, true), Some("start"), "{n}");
    }
    // That of another log with its own key, and of this log under another key.
    let other = app.another(Given::default());
    crate::labels::granted(&other);
    std::fs::write(&place, other.get("/log/checkpoint").expect(200).bytes).expect("written");
    assert_eq!(outside.finder(app, &mut db, true), Some("start"));
    std::fs::write(&place, good).expect("written");
    assert_eq!(outside.finder(app, &mut db, true), None, "the control: put back");
}

fn a_log_of_two_histories_is_found(app: &App) {
    // The same key signs for two databases: each is whole, and they contradict each other.
    let numbers = catalogue(app);
    let outside = Outside::of(app, numbers);
    for n in 0..3 {
        let fork = app.another(Given { log_key: Some(app.inner.settings.log_key.clone()), ..Given::default() });
        let numbers = catalogue(&fork);
        (0..n).for_each(|_| crate::monitor::append(&fork, "more"));
        let own = Outside::of(&fork, numbers.clone());
        let mut db = connect(fork.store().backend());
        let told = Outside { numbers, trust: outside.trust.clone() };
        let watch = |outside: &Outside, db: &mut Db| {
            look(&outside.trust[..1], |path, _| -> Result<Option<Vec<u8>>, Infallible> {
                Ok(match Tile::parse(path) {
                    Some(tile) => routes::bytes_of(db, tile).ok(),
                    None => fork.inner.log.shown(db).ok().map(|shown| shown.note.to_string().into_bytes()),
                })
            })
            .expect("read")
        };
        assert!(!watch(&told, &mut db).valid, "{n}");
        assert!(watch(&own, &mut db).pinned, "the control");
    }
}
