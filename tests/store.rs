//! What the store promises whoever waits for it: an answer in time, the truth
//! about what was written, and that others do not suffer.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use futures_util::future::join_all;
use gouvtech_catalogue::clock::Clock;
use gouvtech_catalogue::db::schema::changes;
use gouvtech_catalogue::db::{Actor, Db, Id, Limits, Resource, Store, Tx};
use gouvtech_catalogue::error::{Code, Error, Result};

use crate::cases;
use crate::support::{App, Kind, json};

cases![
    many_writers_share_commits,
    what_fails_or_panics_fails_alone,
    readers_do_not_wait_for_a_writer,
    a_read_that_hangs_is_answered_in_time_and_counted,
    a_write_given_up_before_its_commit_leaves_nothing,
    a_write_given_up_during_its_commit_is_of_unknown_outcome,
    who_gets_no_connection_is_told_so_in_time,
    a_full_queue_refuses_at_once,
    a_command_and_requests_write_in_turn,
    lost_connections_are_replaced,
    a_primary_that_was_demoted_is_left,
    a_full_disk_fails_the_batch_and_frees_later_ones,
    the_log_stays_bounded_under_constant_readers,
];

fn wait<T>(work: impl Future<Output = T>) -> T {
    let system = actix_web::rt::System::new();
    let outcome = system.block_on(work);
    // To drop it would wait for its blocking threads: some cases let these go on only afterwards.
    std::mem::forget(system);
    outcome
}

fn open(app: &App, limits: Limits) -> Store {
    Store::open(app.store().backend(), &limits, Clock::default()).expect("opened")
}

fn quick() -> Limits {
    let ms = Duration::from_millis;
    Limits { wait: ms(300), deadline: ms(600), ..Limits::default() }
}

fn note(tx: &mut Tx<'_>, action: &str) -> Result<()> {
    tx.record(action, Resource::Solution, Id::new(), 1, json!({}))
}

fn count(app: &App, action: &str) -> i64 {
    let count = |db: &mut Db| Ok(changes::table.filter(changes::action.eq(action)).count().get_result(db)?);
    app.store().read_here(count).expect("read")
}

fn code<T: std::fmt::Debug>(outcome: Result<T>) -> Code {
    outcome.expect_err("refused").into_problem().code
}

/// Polls for a condition.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < end, "still waiting for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn many_writers_share_commits(app: &App) {
    let store =
        open(app, Limits { deadline: Duration::from_secs(30), wait: Duration::from_secs(20), ..Limits::default() });
    let done = wait(join_all((0..200).map(|_| store.write(Actor::System, |tx| note(tx, "shared")))));
    assert!(done.iter().all(Result::is_ok), "{done:?}");
    assert_eq!(count(app, "shared"), 200);
    let stats = store.stats();
    if app.kind == Kind::Sqlite {
        assert_eq!(stats.batched_writes, 200);
        assert!(stats.batches < 100, "{} commits of 200 writes: nothing is shared", stats.batches);
    }
    assert_eq!((stats.in_use, stats.waiting, stats.stuck, stats.queue_length), (0, 0, 0, 0));
}

fn what_fails_or_panics_fails_alone(app: &App) {
    let store =
        open(app, Limits { deadline: Duration::from_secs(30), wait: Duration::from_secs(20), ..Limits::default() });
    let done = wait(join_all((0..60).map(|number| {
        store.write(Actor::System, move |tx| {
            note(tx, "together")?;
            match number % 3 {
                0 => Ok(()),
                1 => Err(Error::not_found()),
                _ => std::panic::resume_unwind(Box::new("on purpose")),
            }
        })
    })));
    for (number, outcome) in done.into_iter().enumerate() {
        match number % 3 {
            0 => outcome.expect("written"),
            1 => assert_eq!(code(outcome), Code::NotFound),
            _ => assert_eq!(code(outcome), Code::InternalError),
        }
    }
    assert_eq!(count(app, "together"), 20);
}

fn readers_do_not_wait_for_a_writer(app: &App) {
    let store = open(app, Limits::default());
    let (entered, is_in) = mpsc::channel();
    let (leave, may_leave) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let (entered, may_leave) = (Mutex::new(entered), Mutex::new(may_leave));
        let writer = store.clone();
        scope.spawn(move || {
            let outcome = writer.write_here(&Actor::System, |tx| {
                note(tx, "slow")?;
                entered.lock().unwrap().send(()).expect("sent");
                may_leave.lock().unwrap().recv().expect("told");
                Ok(())
            });
            outcome.expect("written");
        });
        is_in.recv().expect("a writer in its transaction");
        assert_eq!(count(app, "slow"), 0, "what is not committed is seen");
        leave.send(()).expect("told");
    });
    assert_eq!(count(app, "slow"), 1);
}

fn a_read_that_hangs_is_answered_in_time_and_counted(app: &App) {
    let store = open(app, quick());
    let (leave, may_leave) = mpsc::channel::<()>();
    let began = Instant::now();
    let outcome = wait(store.read(move |_| {
        may_leave.recv().expect("told");
        Ok(())
    }));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(code(outcome), Code::Unavailable);
    assert_eq!((store.stats().stuck, store.stats().in_use, store.stats().timeouts), (1, 1, 1));
    leave.send(()).expect("told");
    until("the stuck thread", || store.stats().stuck == 0 && store.stats().in_use == 0);
}

fn a_write_given_up_before_its_commit_leaves_nothing(app: &App) {
    let store = open(app, quick());
    let (leave, may_leave) = mpsc::channel::<()>();
    let may_leave = Mutex::new(may_leave);
    let outcome = wait(store.write(Actor::System, move |tx| {
        note(tx, "given up")?;
        may_leave.lock().unwrap().recv().expect("told");
        Ok(())
    }));
    assert_eq!(code(outcome), Code::Unavailable, "nothing was written, and that is known");
    leave.send(()).expect("told");
    // Written after it, so that it is over.
    wait(store.write(Actor::System, |tx| note(tx, "after"))).expect("written");
    until("the stuck thread", || store.stats().stuck == 0);
    assert_eq!((count(app, "given up"), count(app, "after")), (0, 1));
}

fn a_write_given_up_during_its_commit_is_of_unknown_outcome(app: &App) {
    if app.kind == Kind::Sqlite {
        return;
    }
    // Runs inside COMMIT.
    let slow = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1.5); RETURN NULL; END $$";
    app.sql(slow).expect("a function");
    app.sql("CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON changes DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()")
        .expect("a trigger");
    let store = open(app, quick());
    let outcome = wait(store.write(Actor::System, |tx| note(tx, "slowly")));
    assert_eq!(code(outcome), Code::OutcomeUnknown);
    assert_eq!(store.stats().unknown_outcomes, 1);
    until("the commit", || count(app, "slowly") == 1);
    // The answer lost on its way: the server ends the connection inside COMMIT.
    let store = open(app, Limits::default());
    let ended = std::thread::scope(|scope| {
        let writer = scope.spawn(|| store.write_here(&Actor::System, |tx| note(tx, "cut off")));
        until("a COMMIT to cut off", || {
            app.sql("DO $$ BEGIN PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%COMMIT' AND state = 'active' \
                 AND datname = current_database() AND pid <> pg_backend_pid(); IF NOT FOUND THEN RAISE 'none'; END IF; END $$").is_ok()
        });
        writer.join().expect("joined")
    });
    assert_eq!(code(ended), Code::OutcomeUnknown);
}

fn who_gets_no_connection_is_told_so_in_time(app: &App) {
    let store = open(app, Limits { connections: 1, deadline: Duration::from_secs(20), ..quick() });
    let (leave, may_leave) = mpsc::channel::<()>();
    wait(async {
        let held = actix_web::rt::spawn({
            let store = store.clone();
            async move {
                store
                    .read(move |_| {
                        may_leave.recv().expect("told");
                        Ok(())
                    })
                    .await
            }
        });
        while store.stats().in_use == 0 {
            actix_web::rt::task::yield_now().await;
        }
        let began = Instant::now();
        let refused = join_all((0..50).map(|_| store.read(|_| Ok(())))).await;
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        for outcome in refused {
            let problem = outcome.expect_err("refused").into_problem();
            assert_eq!(problem.code, Code::Unavailable);
            assert!(problem.headers.iter().any(|(name, _)| name == "retry-after"));
        }
        assert_eq!((store.stats().refused, store.stats().waiting), (50, 0));
        leave.send(()).expect("told");
        held.await.expect("joined").expect("read");
        store.read(|_| Ok(())).await.expect("free again");
    });
}

fn a_full_queue_refuses_at_once(app: &App) {
    let limits = Limits {
        connections: 1,
        queue: 3,
        wait: Duration::from_secs(20),
        deadline: Duration::from_secs(20),
        ..quick()
    };
    let store = open(app, limits);
    let (entered, is_in) = mpsc::channel();
    let (leave, may_leave) = mpsc::channel::<()>();
    let (entered, may_leave) = (Mutex::new(entered), Mutex::new(may_leave));
    wait(async {
        let held = actix_web::rt::spawn({
            let store = store.clone();
            let work = move |_: &mut Tx<'_>| {
                entered.lock().unwrap().send(()).expect("sent");
                may_leave.lock().unwrap().recv().expect("told");
                Ok(())
            };
            async move { store.write(Actor::System, work).await }
        });
        while is_in.try_recv().is_err() {
            actix_web::rt::task::yield_now().await;
        }
        let others = actix_web::rt::spawn({
            let store = store.clone();
            async move { join_all((0..10).map(|_| store.write(Actor::System, |tx| note(tx, "queued")))).await }
        });
        while store.stats().refused < 7 {
            actix_web::rt::task::yield_now().await;
        }
        leave.send(()).expect("told");
        held.await.expect("joined").expect("written");
        let outcomes = others.await.expect("joined");
        assert_eq!(outcomes.iter().filter(|one| one.is_ok()).count(), 3);
        outcomes.into_iter().filter(Result::is_err).for_each(|one| assert_eq!(code(one), Code::Unavailable));
    });
    assert_eq!(count(app, "queued"), 3);
}

fn a_command_and_requests_write_in_turn(app: &App) {
    let store =
        open(app, Limits { deadline: Duration::from_secs(30), wait: Duration::from_secs(20), ..Limits::default() });
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                (0..20).for_each(|_| store.write_here(&Actor::System, |tx| note(tx, "both")).expect("written"))
            });
        }
        scope.spawn(|| {
            let all = wait(join_all((0..60).map(|_| store.write(Actor::System, |tx| note(tx, "both")))));
            assert!(all.iter().all(Result::is_ok), "{all:?}");
        });
    });
    assert_eq!(count(app, "both"), 100);
}

fn lost_connections_are_replaced(app: &App) {
    if app.kind == Kind::Sqlite {
        return;
    }
    let store = open(app, Limits::default());
    for _ in 0..3 {
        wait(join_all((0..8).map(|_| store.read(|db| Ok(changes::table.count().get_result::<i64>(db)?)))));
        let end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
        app.sql(end).expect("ended");
        wait(store.read(|db| Ok(changes::table.count().get_result::<i64>(db)?))).expect("a new connection");
        wait(store.write(Actor::System, |tx| note(tx, "reconnected"))).expect("a new connection");
    }
    assert_eq!(count(app, "reconnected"), 3);
}

fn a_primary_that_was_demoted_is_left(app: &App) {
    if app.kind == Kind::Sqlite {
        return;
    }
    let name = app.url().split('?').next().and_then(|url| url.rsplit('/').next()).expect("a name").to_owned();
    app.sql(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).expect("set");
    let store = open(app, Limits::default());
    assert_eq!(code(wait(store.write(Actor::System, |tx| note(tx, "demoted")))), Code::Unavailable);
    reset_read_only(app, &name);
    // Its connections would be read-only still: they are gone.
    wait(store.write(Actor::System, |tx| note(tx, "promoted"))).expect("another connection");
    assert_eq!((count(app, "demoted"), count(app, "promoted")), (0, 1));
}

fn reset_read_only(app: &App, name: &str) {
    let mut connection = PgConnection::establish(app.url()).expect("a connection");
    connection.batch_execute("SET default_transaction_read_only = off").expect("set");
    connection.batch_execute(&format!("ALTER DATABASE {name} RESET default_transaction_read_only")).expect("reset");
}

fn limit_pages(tx: &mut Tx<'_>, pragma: &str) -> Result<()> {
    match tx.db {
        Db::Sqlite(connection) => Ok(connection.batch_execute(pragma)?),
        Db::Pg(_) => panic!("SQLite was asked for"),
    }
}

fn a_full_disk_fails_the_batch_and_frees_later_ones(app: &App) {
    if app.kind == Kind::Postgres {
        return;
    }
    let store = open(app, Limits { deadline: Duration::from_secs(30), ..Limits::default() });
    // The least there can be: the file may grow no more.
    store.write_here(&Actor::System, |tx| limit_pages(tx, "PRAGMA max_page_count = 1")).expect("limited");
    let big = json!("x".repeat(2_000_000));
    let outcomes = wait(join_all((0..20).map(|_| {
        let big = big.clone();
        store.write(Actor::System, move |tx| tx.record("big", Resource::Solution, Id::new(), 1, big.clone()))
    })));
    outcomes.into_iter().for_each(|outcome| assert_eq!(code(outcome), Code::StorageFull));
    wait(store.read(|db| Ok(changes::table.count().get_result::<i64>(db)?))).expect("reads go on");
    store.write_here(&Actor::System, |tx| limit_pages(tx, "PRAGMA max_page_count = 1073741823")).expect("freed");
    wait(store.write(Actor::System, |tx| note(tx, "freed"))).expect("written");
    assert_eq!((count(app, "big"), count(app, "freed")), (0, 1));
}

fn the_log_stays_bounded_under_constant_readers(app: &App) {
    if app.kind == Kind::Postgres {
        return;
    }
    let store = Arc::new(open(app, Limits { deadline: Duration::from_secs(30), ..Limits::default() }));
    let is_over = AtomicBool::new(false);
    let big = json!("x".repeat(1_000_000));
    let mut largest = 0;
    std::thread::scope(|scope| {
        for _ in 0..3 {
            // There is always one inside: each ends after the next one began.
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let read = store.read_here(|db| {
                        let _count = changes::table.count().get_result::<i64>(db)?;
                        std::thread::sleep(Duration::from_millis(7));
                        Ok(())
                    });
                    read.expect("read");
                }
            });
        }
        for _ in 0..250 {
            let big = big.clone();
            let work = move |tx: &mut Tx<'_>| tx.record("big", Resource::Solution, Id::new(), 1, big.clone());
            wait(store.write(Actor::System, work)).expect("written");
            largest = largest.max(store.stats().wal_bytes);
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert!(largest > 1_000_000, "the log is not looked at");
    assert!(largest < 100_000_000, "250 MB were written and the log held {largest} bytes of them");
}
