//! F1: the process is killed under writes.

use std::time::Duration;

use crate::ground::{Ground, Kind};
use crate::process::Server;
use crate::rows;
use crate::writers::{Verdict, Writers};

rows! {
    f1_a_killed_process_loses_nothing_and_comes_back_by_itself on BOTH, needs [];
    f1_control_a_write_acknowledged_before_it_is_done_is_seen_as_lost on BOTH, needs [];
}

fn f1_a_killed_process_loses_nothing_and_comes_back_by_itself(ground: &Ground) {
    let database = ground.database();
    let mut server = Server::over(&database.url);
    server.start();
    let vendor = server.token(&server.vendor());
    let writers = Writers::start(&server.base(), &vendor, "kill", 8);
    let rounds = ground.pick(5, 50);
    let mut slowest = Duration::ZERO;
    for round in 0..rounds {
        // Each time a little later in the work.
        writers.progress(5 + round % 7 * 3, Duration::from_secs(20));
        server.kill();
        slowest = slowest.max(server.start());
    }
    writers.progress(5, Duration::from_secs(20));
    let journal = writers.finish();
    server.terminate();
    let verdict = Verdict::of(&journal, &database);
    verdict.assert_clean();
    journal.assert_polite();
    database.assert_sound();
    ground.say(&format!(
        "{rounds} kills, {} acknowledged, {} without an answer, 0 lost, 0 doubled, ready again after at most {slowest:?}",
        verdict.acknowledged, journal.unanswered
    ));
    // A debug build on a busy machine is slower; the long form measures a release build.
    let limit = Duration::from_secs(ground.pick(15, 3));
    assert!(slowest <= limit, "ready only after {slowest:?}");
}

/// What the comparison would say of a program that answers before it commits.
fn f1_control_a_write_acknowledged_before_it_is_done_is_seen_as_lost(ground: &Ground) {
    let database = ground.database();
    let mut server = Server::over(&database.url);
    server.start();
    let vendor = server.token(&server.vendor());
    let writers = Writers::start(&server.base(), &vendor, "early", 2);
    writers.progress(10, Duration::from_secs(20));
    let journal = writers.finish();
    server.terminate();
    assert!(Verdict::of(&journal, &database).lost.is_empty());
    // Undone behind its back: the newest write, and one done twice.
    let (key, id) = journal.acknowledged.iter().next_back().expect("one");
    let is_it = format!("{} = '{id}'", database.id_as_text("id"));
    let other = journal.acknowledged.keys().next().expect("another");
    database.execute(&format!("UPDATE solutions SET name_folded = '{other}' WHERE {is_it}"));
    let verdict = Verdict::of(&journal, &database);
    assert_eq!(
        (verdict.lost.as_slice(), verdict.doubled.as_slice()),
        ([key.clone()].as_slice(), [other.clone()].as_slice())
    );
    let kind = if ground.kind == Kind::Sqlite { "row" } else { "tuple" };
    ground.say(&format!("one {kind} undone and one doubled by hand: 1 lost, 1 doubled reported"));
}
