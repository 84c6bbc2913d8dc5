//! F3, F5, F6 and the connection to PostgreSQL: it restarts, hangs, is cut, is used up.

use std::time::{Duration, Instant};

use diesel::prelude::*;

use crate::ground::{Database, Ground, Kind, sqlite, until};
use crate::http::Client;
use crate::postgres::{Postgres, url_at};
use crate::process::Server;
use crate::proxy::{Proxy, Weather};
use crate::rows;
use crate::writers::{Verdict, Writers, post};

rows! {
    f3_an_immediate_restart_of_postgresql_is_survived on [Postgres], needs [PostgresPrograms];
    f5_a_hanging_postgresql_is_answered_for_in_time on [Postgres], needs [PostgresPrograms];
    f5_a_network_that_swallows_everything_is_answered_for_in_time on [Postgres], needs [PostgresPrograms];
    f6_with_every_connection_held_callers_are_told on BOTH, needs [];
    a_connection_lost_during_commit_makes_nothing_twice on [Postgres], needs [PostgresPrograms];
    control_without_a_key_a_lost_commit_is_done_twice on [Postgres], needs [PostgresPrograms];
}

fn f3_an_immediate_restart_of_postgresql_is_survived(ground: &Ground) {
    let mut postgres = Postgres::start();
    let mut server = Server::over(&postgres.url());
    server.start();
    let pid = server.pid();
    let vendor = server.token(&server.vendor());
    let writers = Writers::start(&server.base(), &vendor, "restart", 8);
    let mut slowest = Duration::ZERO;
    let rounds = ground.pick(3, 10);
    for _ in 0..rounds {
        writers.progress(10, Duration::from_secs(20));
        postgres.quit();
        std::thread::sleep(Duration::from_millis(700));
        postgres.run().expect("PostgreSQL comes back");
        let accepts = Instant::now();
        until(Duration::from_secs(30), || writers.succeeded_since(accepts)).expect("a write succeeds again");
        slowest = slowest.max(accepts.elapsed());
    }
    let journal = writers.finish();
    assert!(server.is_running() && server.pid() == pid, "the program itself never restarted");
    server.terminate();
    let verdict = Verdict::of(&journal, &postgres.database());
    verdict.assert_clean();
    journal.assert_polite();
    ground.say(&format!(
        "{rounds} immediate restarts, {} acknowledged, 0 lost, 0 doubled, {} refused with 503, {} unanswered; \
         first success at most {slowest:?} after it accepts; slowest answer {:?}",
        verdict.acknowledged, journal.refused, journal.unanswered, journal.longest
    ));
    assert_eq!(journal.unanswered, 0, "every request gets an answer");
    assert!(journal.refused > 0, "the outage was seen");
    assert!(slowest <= Duration::from_secs(5), "first success only after {slowest:?}");
}

fn f5_a_hanging_postgresql_is_answered_for_in_time(ground: &Ground) {
    let postgres = Postgres::start();
    let mut server = Server::over(&postgres.url());
    server.start();
    hang(ground, &mut server, &postgres.database(), "SIGSTOP of PostgreSQL", |is_stopped| {
        if is_stopped { postgres.hang() } else { postgres.go_on() }
    });
}

fn f5_a_network_that_swallows_everything_is_answered_for_in_time(ground: &Ground) {
    let postgres = Postgres::start();
    let proxy = Proxy::before(postgres.port);
    let mut server = Server::over(&url_at(proxy.port));
    server.start();
    hang(ground, &mut server, &postgres.database(), "a stalled network", |is_stopped| {
        proxy.set(if is_stopped { Weather::Stalled } else { Weather::Fair });
    });
}

/// The longest a caller may wait while the database says nothing. The bar is 3 s;
/// the rest is for a machine that runs other tests beside this one.
const IN_TIME: Duration = Duration::from_millis(4500);

fn hang(ground: &Ground, server: &mut Server, database: &Database, what: &str, stop: impl Fn(bool)) {
    let vendor = server.token(&server.vendor());
    let threads = server.threads();
    let writers = Writers::start(&server.base(), &vendor, "hang", 8);
    writers.progress(10, Duration::from_secs(20));
    // The control: while nothing hangs, none of what follows is seen.
    let client = server.client();
    assert_eq!(client.get("/readyz").expect(200).status, 200);
    assert_eq!(writers.journal.lock().expect("a journal").refused, 0, "refused before anything hangs");
    stop(true);
    let begun = Instant::now();
    let length = Duration::from_secs(ground.pick(8, 20));
    let (mut slowest_live, mut slowest_read, mut unready, mut most_threads) = (Duration::ZERO, Duration::ZERO, 0, 0);
    while begun.elapsed() < length {
        let live = client.get("/livez").expect(200);
        slowest_live = slowest_live.max(live.after);
        let ready = client.get("/readyz").send().expect("an answer");
        unready += u32::from(ready.status == 503);
        let read = client.get("/api/v1/solutions").send().expect("an answer");
        assert!(read.status == 200 || read.is_polite_refusal(), "{}", read.shown());
        slowest_read = slowest_read.max(read.after).max(ready.after);
        most_threads = most_threads.max(server.threads());
        std::thread::sleep(Duration::from_millis(100));
    }
    stop(false);
    let released = Instant::now();
    until(Duration::from_secs(30), || writers.succeeded_since(released)).expect("a write succeeds again");
    let back = released.elapsed();
    let ready_after = server.ready_within(Duration::from_secs(30)).expect("ready again");
    let journal = writers.finish();
    server.terminate();
    let verdict = Verdict::of(&journal, database);
    verdict.assert_clean();
    journal.assert_polite();
    ground.say(&format!(
        "{what} for {length:?}: slowest write {:?}, slowest read {slowest_read:?}, slowest /livez {slowest_live:?}, \
         /readyz 503 {unready} times, threads {threads} → at most {most_threads}, back after {back:?} \
         (ready {ready_after:?}); {} acknowledged, 0 lost, 0 doubled, {} refused, {} unanswered",
        journal.longest, verdict.acknowledged, journal.refused, journal.unanswered
    ));
    assert_eq!(journal.unanswered, 0, "every request gets an answer");
    assert!(unready > 0, "/readyz never said 503");
    assert!(slowest_read <= IN_TIME && journal.longest <= IN_TIME, "answered too late");
    assert!(slowest_live <= Duration::from_secs(1), "/livez waits for the database");
    assert!(back <= Duration::from_secs(5), "back only after {back:?}");
    assert!(most_threads <= threads + 64, "stuck threads pile up: {threads} → {most_threads}");
}

fn f6_with_every_connection_held_callers_are_told(ground: &Ground) {
    let database = ground.database();
    let mut server = Server::over(&database.url);
    server.start();
    let vendor = server.token(&server.vendor());
    // Somebody else holds what every writer needs. On SQLite readers never wait for that.
    let mut held_pg = database.file().is_none().then(|| PgConnection::establish(&database.url).expect("a connection"));
    let mut held_sqlite = database.file().map(|file| sqlite(&file.display().to_string()));
    if let Some(connection) = &mut held_pg {
        diesel::sql_query("BEGIN").execute(connection).expect("begun");
        diesel::sql_query("LOCK TABLE solutions IN ACCESS EXCLUSIVE MODE").execute(connection).expect("locked");
    }
    if let Some(connection) = &mut held_sqlite {
        diesel::sql_query("BEGIN IMMEDIATE").execute(connection).expect("locked");
    }
    let base = server.base();
    let answers = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..200)
            .map(|number| {
                let (base, vendor) = (&base, &vendor);
                scope.spawn(move || {
                    let client = Client::new(base);
                    if number % 2 == 0 {
                        (true, post(&client, vendor, &format!("held{number}")))
                    } else {
                        (false, client.get("/api/v1/solutions").send())
                    }
                })
            })
            .collect();
        let client = Client::new(&base);
        let slowest = (0..20).map(|_| {
            std::thread::sleep(Duration::from_millis(50));
            client.get("/livez").expect(200).after
        });
        let slowest = slowest.max().expect("asked");
        let answers: Vec<_> = callers.into_iter().map(|caller| caller.join().expect("a caller")).collect();
        (answers, slowest)
    });
    drop((held_pg, held_sqlite));
    let (answers, slowest_live) = answers;
    let (mut refused, mut served, mut slowest) = (0, 0, Duration::ZERO);
    for (is_write, answer) in answers {
        let answer = answer.expect("an answer");
        slowest = slowest.max(answer.after);
        match answer.status {
            200 if !is_write => served += 1,
            _ if answer.is_polite_refusal() => refused += 1,
            _ => panic!("{}", answer.shown()),
        }
    }
    // Free again, it works again; with the control that then nobody is refused.
    let client = server.client();
    until(Duration::from_secs(5), || post(&client, &vendor, "after").is_ok_and(|answer| answer.status == 201))
        .expect("works again");
    let made = database.count("SELECT count(*) FROM solutions WHERE name_folded LIKE 'held%'");
    ground.say(&format!(
        "200 callers, everything held: {refused} refused with 503, {served} reads served, slowest answer {slowest:?}, \
         slowest /livez {slowest_live:?}; of the refused writes {made} exist"
    ));
    assert!(refused >= 100, "every write is refused");
    if ground.kind == Kind::Sqlite {
        // Some may find no place beside the others; whoever waited for the writer would have found none.
        assert!(served > 50, "readers wait for a writer: {served} of 100 served");
    }
    assert_eq!(made, 0, "refused and done");
    assert!(slowest <= IN_TIME, "answered only after {slowest:?}");
    assert!(slowest_live <= Duration::from_millis(800), "/livez waits: {slowest_live:?}");
}

fn a_connection_lost_during_commit_makes_nothing_twice(ground: &Ground) {
    let postgres = Postgres::start();
    let proxy = Proxy::before(postgres.port);
    let mut server = Server::over(&url_at(proxy.port));
    server.start();
    let vendor = server.token(&server.vendor());
    let writers = Writers::start(&server.base(), &vendor, "commit", 6);
    let each = Duration::from_secs(ground.pick(3, 30));
    for weather in [Weather::CutBeforeCommit, Weather::CutAfterCommit] {
        proxy.set_often(weather, 4);
        std::thread::sleep(each);
    }
    proxy.set(Weather::Fair);
    writers.progress(10, Duration::from_secs(20));
    let journal = writers.finish();
    server.terminate();
    let verdict = Verdict::of(&journal, &postgres.database());
    verdict.assert_clean();
    journal.assert_polite();
    ground.say(&format!(
        "{} connections cut around COMMIT, {} acknowledged, 0 lost, 0 doubled, {} refused",
        proxy.cuts(),
        verdict.acknowledged,
        journal.refused
    ));
    assert!(proxy.cuts() >= 5, "only {} cuts", proxy.cuts());
    assert_eq!(journal.unanswered, 0, "every request gets an answer");
}

/// Without keys a caller who tries again after a lost commit makes a second one.
fn control_without_a_key_a_lost_commit_is_done_twice(ground: &Ground) {
    let postgres = Postgres::start();
    let proxy = Proxy::before(postgres.port);
    let mut server = Server::over(&url_at(proxy.port));
    server.start();
    let vendor = server.token(&server.vendor());
    let client = server.client();
    let send = || client.post("/api/v1/solutions").by(&vendor).json(&serde_json::json!({"name": "perdu"})).send();
    proxy.set_often(Weather::CutAfterCommit, 2);
    let mut tries = 0;
    for _ in 0..20 {
        while send().expect("an answer").status != 201 {
            tries += 1;
        }
    }
    proxy.set(Weather::Fair);
    let made = postgres.database().count("SELECT count(*) FROM solutions WHERE name_folded = 'perdu'");
    ground.say(&format!("20 writes without a key, {tries} sent again: {made} objects"));
    assert!(made > 20, "the cut is not where it should be: {made} objects for 20 writes");
}
