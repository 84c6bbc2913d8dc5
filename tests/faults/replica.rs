//! F4: the primary dies, a synchronous standby takes over.

use std::time::{Duration, Instant};

use crate::ground::{Ground, until};
use crate::postgres::Postgres;
use crate::process::Server;
use crate::proxy::{Proxy, Weather};
use crate::rows;
use crate::writers::{Verdict, Writers};

rows! {
    f4_a_promoted_standby_takes_over_and_nothing_is_lost on [Postgres], needs [PostgresPrograms];
    f4_control_an_asynchronous_standby_loses on [Postgres], needs [PostgresPrograms];
}

/// Both servers, whichever takes writes.
fn either(one: &Postgres, other: &Postgres) -> String {
    format!(
        "postgres://test@127.0.0.1:{},127.0.0.1:{}/postgres?sslmode=disable&target_session_attrs=read-write&connect_timeout=2",
        one.port, other.port
    )
}

fn f4_a_promoted_standby_takes_over_and_nothing_is_lost(ground: &Ground) {
    let rounds = ground.pick(1, 5);
    let (mut slowest, mut acknowledged, mut refused) = (Duration::ZERO, 0, 0);
    for round in 0..rounds {
        let mut primary = Postgres::start();
        let standby = primary.standby();
        let mut server = Server::over(&either(&primary, &standby));
        server.start();
        let pid = server.pid();
        let vendor = server.token(&server.vendor());
        let writers = Writers::start(&server.base(), &vendor, &format!("failover{round}"), 8);
        writers.progress(30, Duration::from_secs(30));
        primary.kill();
        let killed = Instant::now();
        // As long as somebody needs to notice.
        std::thread::sleep(Duration::from_millis(500));
        standby.promote();
        until(Duration::from_secs(60), || writers.succeeded_since(killed + Duration::from_millis(500)))
            .expect("a write succeeds again");
        slowest = slowest.max(killed.elapsed());
        writers.progress(10, Duration::from_secs(20));
        let journal = writers.finish();
        assert!(server.is_running() && server.pid() == pid, "the program itself never restarted");
        server.terminate();
        let verdict = Verdict::of(&journal, &standby.database());
        verdict.assert_clean();
        journal.assert_polite();
        assert_eq!(journal.unanswered, 0, "every request gets an answer");
        acknowledged += verdict.acknowledged;
        refused += journal.refused;
    }
    ground.say(&format!(
        "{rounds} failovers, {acknowledged} acknowledged, 0 lost, 0 doubled, {refused} refused with 503; \
         without writes for at most {slowest:?}"
    ));
    assert!(slowest <= Duration::from_secs(15), "no write for {slowest:?}");
}

/// A standby that the primary does not wait for, and whose feed is held up, lacks what was acknowledged.
fn f4_control_an_asynchronous_standby_loses(ground: &Ground) {
    let mut primary = Postgres::start();
    let wire = Proxy::before(primary.port);
    let standby = primary.standby_by(wire.port);
    primary.sql("ALTER SYSTEM RESET synchronous_standby_names");
    primary.sql("SELECT pg_reload_conf()");
    let mut server = Server::over(&either(&primary, &standby));
    server.start();
    let vendor = server.token(&server.vendor());
    wire.set(Weather::Stalled);
    let writers = Writers::start(&server.base(), &vendor, "async", 8);
    writers.progress(30, Duration::from_secs(30));
    let journal = writers.finish();
    server.kill();
    primary.kill();
    wire.set(Weather::Closed);
    standby.promote();
    let lost = Verdict::of(&journal, &standby.database()).lost.len();
    let of = journal.acknowledged.len();
    ground.say(&format!("an asynchronous standby, its feed held up: {lost} of {of} acknowledged lost"));
    assert!(lost > 0, "the standby has everything: the failover loses nothing by itself");
}
