//! The history of writers that fight over a few solutions while the program is
//! killed and connections are cut.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::ground::{Database, Ground, Kind, until};
use crate::history::{Command, History, Operation, Outcome, Reading, State};
use crate::http::{Answer, Client};
use crate::postgres::{Postgres, url_at};
use crate::process::Server;
use crate::proxy::{Proxy, Weather};
use crate::rows;

rows! {
    writers_that_fight_while_things_break_lose_no_update on [Sqlite], needs [];
    writers_that_fight_while_postgresql_breaks_lose_no_update on [Postgres], needs [PostgresPrograms];
    control_writers_that_ignore_versions_are_caught on BOTH, needs [];
}

/// A sheet that lacks nothing, so that it can be submitted.
pub fn sheet(name: &str) -> Value {
    json!({
        "name": name, "summary": "Au départ.", "description": "Elle sert aux essais.", "language": "fr",
        "website": "https://solution.example.org/", "families": ["demarches_en_ligne"], "distribution": "free",
        "licence": "AGPL-3.0-or-later", "business_models": ["subscription"], "deployment": ["cloud"],
        "hosting": [{"provider": "Hébergeur", "country": "FR", "qualifications": [{"scheme": "secnumcloud"}]}],
        "sourcing_rank": "market", "traits": ["saas", "web_ui"], "tags": ["Formulaires"],
    })
}

/// What all writers of a fight share.
struct Fight<'a> {
    base: String,
    vendor: &'a str,
    operator: &'a str,
    ids: &'a [String],
    ignores_versions: bool,
    history: Mutex<History>,
    is_over: AtomicBool,
}

/// Spreads choices without a generator of chance: which is taken depends on all of it.
fn choose(writer: usize, count: usize) -> usize {
    (writer.wrapping_mul(0x9E37_79B9).wrapping_add(count).wrapping_mul(0x85EB_CA6B) >> 13) % 60
}

impl Fight<'_> {
    fn write(&self, writer: usize) {
        let client = Client::patient(&self.base, Duration::from_secs(5));
        for count in 0.. {
            if self.is_over.load(Ordering::Relaxed) {
                return;
            }
            let choice = choose(writer, count);
            let (solution, choice) = (choice % self.ids.len(), choice / self.ids.len());
            let Some((version, tag, state)) = self.read(&client, solution) else { continue };
            let command = match (state.status.as_str(), state.revision.as_deref()) {
                ("submitted", _) | (_, Some("submitted")) => match choice % 3 {
                    0 => Command::Withdraw,
                    1 => Command::RequestChanges,
                    _ => Command::Publish,
                },
                ("published", None) => Command::Edit(format!("w{writer}n{count}")),
                _ if choice % 4 == 0 => Command::Submit,
                _ => Command::Edit(format!("w{writer}n{count}")),
            };
            let outcome = self.send(&client, solution, &command, &tag, &format!("w{writer}n{count}"));
            let ended = Instant::now();
            let operation = Operation { solution, command, base: version, ended, outcome };
            self.history.lock().expect("a history").operations.push(operation);
        }
    }

    fn read(&self, client: &Client, solution: usize) -> Option<(i64, String, State)> {
        let began = Instant::now();
        let answer = client.get(&format!("/api/v1/solutions/{}", self.ids[solution])).by(self.vendor).send().ok()?;
        if answer.status != 200 {
            std::thread::sleep(Duration::from_millis(20));
            return None;
        }
        let (version, state) = (answer.version()?, State::of(&answer.json()));
        let reading = Reading { solution, began, ended: Instant::now(), version, state: state.clone() };
        self.history.lock().expect("a history").readings.push(reading);
        Some((version, answer.header("etag").to_owned(), state))
    }

    /// Sends until somebody says what became of it.
    fn send(&self, client: &Client, solution: usize, command: &Command, tag: &str, key: &str) -> Outcome {
        let path = format!("/api/v1/solutions/{}", self.ids[solution]);
        let tag = if self.ignores_versions { "*" } else { tag };
        let request = || match command {
            Command::Edit(text) => client.request("PATCH", &path).by(self.vendor).merge(&json!({"summary": text})),
            Command::Submit => {
                client.post(&format!("{path}/submit")).by(self.vendor).json(&json!({"accepts_charter": true}))
            }
            Command::Withdraw => client.post(&format!("{path}/withdraw")).by(self.vendor),
            Command::RequestChanges => client
                .post(&format!("{path}/request-changes"))
                .by(self.operator)
                .json(&json!({"changes": [{"field": "summary", "reason": "Ton publicitaire."}]})),
            Command::Publish => client.post(&format!("{path}/publish")).by(self.operator),
        };
        let mut last = Outcome::Unknown;
        until(Duration::from_secs(10), || {
            let answer = request().header("if-match", tag).header("idempotency-key", key).send();
            match answer.as_ref().map(|answer| answer.status) {
                Ok(200) => last = done(answer.as_ref().expect("an answer")),
                Ok(409 | 412 | 422) if !answer.as_ref().is_ok_and(Answer::is_polite_refusal) => last = Outcome::Refused,
                Ok(503 | 507 | 409 | 429) | Err(_) => return self.is_over.load(Ordering::Relaxed),
                Ok(other) => panic!("{command:?}: {other} {}", answer.expect("an answer").shown()),
            }
            true
        });
        last
    }
}

fn done(answer: &Answer) -> Outcome {
    Outcome::Done(answer.version().expect("an entity tag"), State::of(&answer.json()))
}

/// Ids of new solutions to fight over.
fn prizes(server: &Server, vendor: &str, count: usize) -> Vec<String> {
    let client = server.client();
    (0..count)
        .map(|number| {
            let made = client.post("/api/v1/solutions").by(vendor).json(&sheet(&format!("Enjeu {number}"))).expect(201);
            made.member("id")
        })
        .collect()
}

/// Six writers, three solutions; `trouble` breaks something again and again.
fn fight(ground: &Ground, server: &mut Server, database: &Database, mut trouble: impl FnMut(&mut Server, usize)) {
    let (vendor, operator) = (server.token(&server.vendor()), server.operator());
    let ids = prizes(server, &vendor, 3);
    // Answers on their way to the writers are cut, too.
    let wire = Proxy::before(server.port);
    wire.set_often(Weather::CutAnswerAfter(600), 25);
    let fight = Fight {
        base: format!("http://127.0.0.1:{}", wire.port),
        vendor: &vendor,
        operator: &operator,
        ids: &ids,
        ignores_versions: false,
        history: Mutex::default(),
        is_over: AtomicBool::new(false),
    };
    let rounds = ground.pick(3, 40);
    std::thread::scope(|scope| {
        for writer in 0..6 {
            let fight = &fight;
            scope.spawn(move || fight.write(writer));
        }
        for round in 0..rounds {
            std::thread::sleep(Duration::from_millis(1500));
            trouble(server, round);
        }
        std::thread::sleep(Duration::from_millis(1000));
        fight.is_over.store(true, Ordering::Relaxed);
    });
    let history = fight.history.into_inner().expect("a history");
    server.terminate();
    let faults = history.faults(&ids, database);
    ground.say(&format!(
        "6 writers on 3 solutions, {rounds} breaks, {} answers cut: {} operations, {} acknowledged, {} of unknown end, \
         {} readings; {} contradictions",
        wire.cuts(),
        history.operations.len(),
        history.acknowledged(),
        history.unknown(),
        history.readings.len(),
        faults.len()
    ));
    assert_eq!(faults, Vec::<String>::new());
    assert!(history.acknowledged() > 30, "only {} acknowledged: nothing shown", history.acknowledged());
    assert!(wire.cuts() > 0, "nothing was cut");
    database.assert_sound();
}

fn writers_that_fight_while_things_break_lose_no_update(ground: &Ground) {
    let database = ground.database();
    let mut server = Server::over(&database.url);
    server.start();
    fight(ground, &mut server, &database, |server, _| {
        server.kill();
        server.start();
    });
}

fn writers_that_fight_while_postgresql_breaks_lose_no_update(ground: &Ground) {
    assert_eq!(ground.kind, Kind::Postgres);
    let mut postgres = Postgres::start();
    let database = postgres.database();
    let proxy = Proxy::before(postgres.port);
    let mut server = Server::over(&url_at(proxy.port));
    server.start();
    fight(ground, &mut server, &database, |server, round| match round % 3 {
        0 => {
            server.kill();
            server.start();
        }
        1 => {
            proxy.set_often(Weather::CutAfterCommit, 5);
            std::thread::sleep(Duration::from_millis(1000));
            proxy.set_often(Weather::CutBeforeCommit, 5);
            std::thread::sleep(Duration::from_millis(500));
            proxy.set(Weather::Fair);
        }
        _ => {
            postgres.quit();
            postgres.run().expect("PostgreSQL comes back");
        }
    });
}

/// `If-Match: *` writes over whatever is there: the checker must see it.
fn control_writers_that_ignore_versions_are_caught(ground: &Ground) {
    let database = ground.database();
    let mut server = Server::over(&database.url);
    server.start();
    let (vendor, operator) = (server.token(&server.vendor()), server.operator());
    let ids = prizes(&server, &vendor, 1);
    let fight = Fight {
        base: server.base(),
        vendor: &vendor,
        operator: &operator,
        ids: &ids,
        ignores_versions: true,
        history: Mutex::default(),
        is_over: AtomicBool::new(false),
    };
    std::thread::scope(|scope| {
        for writer in 0..6 {
            let fight = &fight;
            scope.spawn(move || fight.write(writer));
        }
        std::thread::sleep(Duration::from_secs(2));
        fight.is_over.store(true, Ordering::Relaxed);
    });
    let history = fight.history.into_inner().expect("a history");
    let faults = history.faults(&ids, &database);
    let lost = faults.iter().filter(|fault| fault.contains("lost update")).count();
    ground.say(&format!(
        "6 writers that ignore versions: {lost} lost updates found in {} operations",
        history.operations.len()
    ));
    assert!(lost > 0, "the checker sees nothing: {faults:?}");
}
