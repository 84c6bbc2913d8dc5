//! `Idempotency-Key`: a write that is sent again is done once.

use std::sync::Barrier;

use chrono::TimeDelta;
use gouvtech_catalogue::auth::{Duty, Role};
use gouvtech_catalogue::db::schema::changes;
use gouvtech_catalogue::deadlines;

use crate::cases;
use crate::support::build::sheet;
use crate::support::{App, Response, json};

cases![
    a_repetition_gets_the_first_answer_and_makes_nothing,
    a_repeated_transition_is_answered_from_before_it,
    a_key_is_good_for_one_request_of_one_caller,
    a_refusal_leaves_the_key_free,
    of_fifty_requests_with_one_key_one_is_done,
    a_key_is_forgotten_after_a_day,
    a_caller_who_may_no_longer_gets_no_answer_from_before,
    a_key_that_is_none_is_refused,
];

const PATH: &str = "/api/v1/solutions";

fn made(app: &App, token: &str) -> i64 {
    app.get(PATH).by(token).expect(200).json()["total"].as_i64().expect("a number")
}

fn entries(app: &App) -> i64 {
    use diesel::prelude::*;
    app.store().read_here(|db| Ok(changes::table.count().get_result(db)?)).expect("counted")
}

/// The parts of an answer that a repetition must give again.
fn said(response: &Response) -> (u16, Option<String>, Option<String>, Vec<u8>) {
    let header = |name: &str| response.headers.get(name).cloned();
    (response.status, header("etag"), header("location"), response.bytes.clone())
}

fn a_repetition_gets_the_first_answer_and_makes_nothing(app: &App) {
    let vendor = app.vendor(1);
    let post = || app.post(PATH).by(&vendor.token).header("idempotency-key", "k-1").json(&sheet("Une fois"));
    let first = post().expect(201);
    assert_eq!(first.headers.get("idempotency-replayed"), None);
    let before = entries(app);
    for _ in 0..3 {
        let again = post().expect(201);
        assert_eq!(said(&again), said(&first));
        assert_eq!(again.headers["idempotency-replayed"], "true");
    }
    assert_eq!((made(app, &vendor.token), entries(app)), (1, before));
    // What was made has moved on; the answer is the one from then.
    app.patch(&format!("{PATH}/{}", first.id()))
        .by(&vendor.token)
        .on(&first)
        .json(&json!({"tags": ["autre"]}))
        .expect(200);
    assert_eq!(said(&post().expect(201)), said(&first));
}

fn a_repeated_transition_is_answered_from_before_it(app: &App) {
    let vendor = app.vendor(1);
    let draft = app.draft(&vendor, "Transition");
    let path = format!("{PATH}/{}", draft.id());
    let submit = || {
        app.post(&format!("{path}/submit"))
            .by(&vendor.token)
            .on(&draft)
            .header("idempotency-key", "submit")
            .json(&json!({"accepts_charter": true}))
    };
    let submitted = submit().expect(200);
    assert_eq!(said(&submit().expect(200)), said(&submitted), "not 412, though the tag is stale by now");
    // The same key with another precondition is another request.
    let other =
        app.post(&format!("{path}/submit")).by(&vendor.token).on(&submitted).header("idempotency-key", "submit");
    other.json(&json!({"accepts_charter": true})).expect(422);
    // Changes and removals understand keys, too.
    let second = app.draft(&vendor, "Suppression");
    let gone = format!("{PATH}/{}", second.id());
    let delete = || app.delete(&gone).by(&vendor.token).on(&second).header("idempotency-key", "delete");
    delete().expect(204);
    assert_eq!(delete().expect(204).headers["idempotency-replayed"], "true");
    app.delete(&gone).by(&vendor.token).on(&second).expect(404);
}

fn a_key_is_good_for_one_request_of_one_caller(app: &App) {
    let (vendor, other) = (app.vendor(1), app.vendor(2));
    let post = |token: &str, name: &str| app.post(PATH).by(token).header("idempotency-key", "same").json(&sheet(name));
    let first = post(&vendor.token, "Première").expect(201);
    let reused = post(&vendor.token, "Seconde").expect(422);
    assert_eq!(reused.text("code"), "idempotency_key_reused");
    // Another organisation, another person of the same one, another address: other requests.
    assert_ne!(post(&other.token, "Première").expect(201).id(), first.id());
    assert_ne!(post(&vendor.plain, "Première").expect(201).id(), first.id());
    let elsewhere = format!("{PATH}/{}/claim", first.id());
    let claim = app.post(&elsewhere).by(&vendor.token).header("idempotency-key", "same");
    assert_eq!(
        claim.json(&json!({"statement": "Nous en sommes l’éditeur."})).expect(409).text("code"),
        "state_conflict"
    );
}

fn a_refusal_leaves_the_key_free(app: &App) {
    let vendor = app.vendor(1);
    let post = |body| app.post(PATH).by(&vendor.token).header("idempotency-key", "retry").json(&body);
    post(json!({"name": ""})).expect(422);
    post(json!({"colour": 1})).expect(400);
    post(sheet("Enfin")).expect(201);
    assert_eq!(made(app, &vendor.token), 1);
}

fn of_fifty_requests_with_one_key_one_is_done(app: &App) {
    let vendor = app.vendor(1);
    let barrier = Barrier::new(50);
    let answers: Vec<Response> = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..50)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    app.post(PATH).by(&vendor.token).header("idempotency-key", "fifty").json(&sheet("Cinquante")).send()
                })
            })
            .collect();
        senders.into_iter().map(|sender| sender.join().expect("answered")).collect()
    });
    assert_eq!(made(app, &vendor.token), 1);
    let (created, others): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 201);
    let first: Vec<_> = created.iter().filter(|answer| !answer.headers.contains_key("idempotency-replayed")).collect();
    assert_eq!(first.len(), 1, "one was done");
    assert!(created.iter().all(|answer| said(answer) == said(first[0])));
    for answer in others {
        match answer.status {
            409 => {
                assert_eq!(answer.text("code"), "idempotency_in_flight");
                assert_eq!(answer.headers["retry-after"], "1");
            }
            status => assert_eq!(status, 503),
        }
    }
}

fn a_key_is_forgotten_after_a_day(app: &App) {
    let vendor = app.vendor(1);
    let token = || app.token(Role::Vendor, Some(vendor.id), &[Duty::Signatory], "vendor-1");
    let post = || app.post(PATH).by(&token()).header("idempotency-key", "daily").json(&sheet("Chaque jour"));
    let first = post().expect(201);
    app.clock.advance(TimeDelta::hours(23));
    assert_eq!(post().expect(201).id(), first.id());
    app.clock.advance(TimeDelta::minutes(61));
    assert_ne!(post().expect(201).id(), first.id());
    app.clock.advance(TimeDelta::hours(25));
    let steps = deadlines::run(app.store(), &app.inner.settings).expect("run");
    assert!(steps >= 1, "the calendar forgets what nobody asks for again");
    assert_eq!(deadlines::run(app.store(), &app.inner.settings).expect("run"), 0);
}

fn a_caller_who_may_no_longer_gets_no_answer_from_before(app: &App) {
    let vendor = app.vendor(1);
    let post = || app.post(PATH).by(&vendor.token).header("idempotency-key", "k").json(&sheet("Avant"));
    post().expect(201);
    let path = format!("/api/v1/organisations/{}", vendor.id);
    let current = app.get(&path).by(&app.operator()).expect(200);
    let reason = json!({"reason": "Pièce justificative manquante."});
    app.post(&format!("{path}/suspend")).by(&app.operator()).on(&current).json(&reason).expect(200);
    post().expect(403);
}

fn a_key_that_is_none_is_refused(app: &App) {
    let vendor = app.vendor(1);
    let post = |key: &str| app.post(PATH).by(&vendor.token).header("idempotency-key", key).json(&sheet("Clé"));
    for key in ["", "deux mots", &"k".repeat(256)] {
        post(key).expect(400).has_fault("Idempotency-Key invalid_header");
    }
    let twice = post("a").header("idempotency-key", "b").expect(400);
    twice.has_fault("Idempotency-Key invalid_header");
    assert_eq!(made(app, &vendor.token), 0);
    post(&"k".repeat(255)).expect(201);
}
