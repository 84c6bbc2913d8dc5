//! C1: many at once, through two processes on one database.

use std::sync::Barrier;
use std::time::Duration;

use serde_json::json;

use crate::ground::Ground;
use crate::http::Answer;
use crate::process::Server;
use crate::rows;
use crate::writers::{Verdict, Writers, post};

rows! {
    c1_of_fifty_changes_of_one_version_one_is_done on BOTH, needs [];
    c1_of_fifty_requests_with_one_key_one_is_done on BOTH, needs [];
    c1_control_fifty_keys_make_fifty on BOTH, needs [];
    c1_two_processes_write_side_by_side_and_one_dies on BOTH, needs [];
}

/// Two instances over one database.
fn pair(url: &str) -> (Server, Server) {
    let mut one = Server::over(url);
    one.start();
    let mut other = one.sibling();
    other.start();
    (one, other)
}

/// Sends fifty at the same moment, half to each.
fn fifty(one: &Server, other: &Server, send: impl Fn(&crate::http::Client, usize) -> Answer + Sync) -> Vec<Answer> {
    let barrier = Barrier::new(50);
    std::thread::scope(|scope| {
        let senders: Vec<_> = (0..50)
            .map(|number| {
                let (barrier, send) = (&barrier, &send);
                let client = if number % 2 == 0 { one.client() } else { other.client() };
                scope.spawn(move || {
                    barrier.wait();
                    send(&client, number)
                })
            })
            .collect();
        senders.into_iter().map(|sender| sender.join().expect("a sender")).collect()
    })
}

fn c1_of_fifty_changes_of_one_version_one_is_done(ground: &Ground) {
    let database = ground.database();
    let (one, other) = pair(&database.url);
    let vendor = one.token(&one.vendor());
    let rounds = ground.pick(3, 50);
    let mut refused = 0;
    for round in 0..rounds {
        let made = post(&one.client(), &vendor, &format!("race{round}")).expect("an answer");
        let path = format!("/api/v1/solutions/{}", made.member("id"));
        let answers = fifty(&one, &other, |client, number| {
            let change = json!({"summary": format!("Par {number}.")});
            let request = client.request("PATCH", &path).by(&vendor).header("if-match", made.header("etag"));
            request.merge(&change).send().expect("an answer")
        });
        let done: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 200).collect();
        assert_eq!(done.len(), 1, "{:?}", answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            assert!(answer.status == 412 || answer.is_polite_refusal(), "{}", answer.shown());
            refused += usize::from(answer.status != 412);
        }
        let now = one.client().get(&path).by(&vendor).expect(200);
        assert_eq!((now.version(), now.member("summary")), (Some(2), done[0].member("summary")));
    }
    ground.say(&format!(
        "{rounds} × 50 PATCHes on one ETag through two processes: 1 done each, {refused} × 503, else 412"
    ));
}

fn c1_of_fifty_requests_with_one_key_one_is_done(ground: &Ground) {
    let database = ground.database();
    let (one, other) = pair(&database.url);
    let vendor = one.token(&one.vendor());
    let rounds = ground.pick(3, 50);
    for round in 0..rounds {
        let key = format!("samekey{round}");
        let answers = fifty(&one, &other, |client, _| post(client, &vendor, &key).expect("an answer"));
        let ids: Vec<String> =
            answers.iter().filter(|answer| answer.status == 201).map(|answer| answer.member("id")).collect();
        assert!(!ids.is_empty() && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        for answer in answers.iter().filter(|answer| answer.status != 201) {
            assert!(answer.is_polite_refusal(), "{}", answer.shown());
        }
        assert_eq!(post(&other.client(), &vendor, &key).expect("an answer").member("id"), ids[0]);
    }
    let made = database.count("SELECT count(*) FROM solutions");
    ground.say(&format!("{rounds} × 50 POSTs with one key through two processes: {made} objects"));
    assert_eq!(made, rounds);
}

fn c1_control_fifty_keys_make_fifty(ground: &Ground) {
    let database = ground.database();
    let (one, other) = pair(&database.url);
    let vendor = one.token(&one.vendor());
    let answers =
        fifty(&one, &other, |client, number| post(client, &vendor, &format!("own{number}")).expect("an answer"));
    let done = answers.iter().filter(|answer| answer.status == 201).count();
    let made = database.count("SELECT count(*) FROM solutions");
    ground.say(&format!("50 POSTs with a key each: {done} acknowledged, {made} objects"));
    assert!(done > 1, "they do not even reach the database");
    assert_eq!(made, i64::try_from(done).expect("a number"));
}

fn c1_two_processes_write_side_by_side_and_one_dies(ground: &Ground) {
    let database = ground.database();
    let (one, mut other) = pair(&database.url);
    let vendor = one.token(&one.vendor());
    let here = Writers::start(&one.base(), &vendor, "here", 4);
    let there = Writers::start(&other.base(), &vendor, "there", 4);
    for _ in 0..ground.pick(2, 20) {
        here.progress(10, Duration::from_secs(30));
        there.progress(10, Duration::from_secs(30));
        other.kill();
        // The survivor goes on alone.
        here.progress(10, Duration::from_secs(30));
        other.start();
    }
    let (mut journal, second) = (here.finish(), there.finish());
    assert_eq!(journal.unanswered, 0, "the survivor answered everybody");
    journal.assert_polite();
    second.assert_polite();
    journal.acknowledged.extend(second.acknowledged);
    drop((one, other));
    let verdict = Verdict::of(&journal, &database);
    verdict.assert_clean();
    database.assert_sound();
    ground.say(&format!(
        "two processes, one killed again and again: {} acknowledged, 0 lost, 0 doubled, sound",
        verdict.acknowledged
    ));
}
