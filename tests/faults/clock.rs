//! F13: clocks that are wrong, jump back, reach 2038, a leap day, a change of summer time.

use std::time::Duration;

use serde_json::json;

use crate::contention::sheet;
use crate::ground::{Ground, library, until};
use crate::process::{Launch, Server};
use crate::rows;
use crate::writers::post;

rows! {
    f13_tokens_bear_half_a_minute_and_not_two_hours on BOTH, needs [Faketime];
    f13_after_a_step_back_the_order_is_that_of_the_journal on BOTH, needs [Faketime];
    f13_odd_days_are_days_like_others on BOTH, needs [Faketime];
    f13_what_is_due_is_done_when_its_day_comes on BOTH, needs [Faketime];
}

/// The wall clock as libfaketime shows it; elapsed time runs on as it is.
fn shifted(time: &str) -> Launch {
    Launch::preloading(&library("libfaketime.so.1").expect("libfaketime"))
        .with("FAKETIME", time)
        .with("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .with("TZ", "UTC")
}

fn f13_tokens_bear_half_a_minute_and_not_two_hours(ground: &Ground) {
    let database = ground.database();
    let mut server = Server::over(&database.url);
    server.start();
    // Made by the right clock, good for an hour.
    let vendor = server.token(&server.vendor());
    let mut seen = Vec::new();
    // The last two are the control: the clock was really moved.
    for (skew, expected) in [("-30s", 201), ("+30s", 201), ("-2h", 401), ("+2h", 401)] {
        server.terminate();
        server.set(shifted(skew));
        server.start();
        let answer = post(&server.client(), &vendor, &format!("skew{}", seen.len())).expect("an answer");
        assert_eq!(answer.status, expected, "server at {skew}: {}", answer.shown());
        seen.push(format!("{skew} {expected}"));
    }
    ground.say(&format!("a token of the right time, the server's clock wrong by: {}", seen.join(", ")));
}

fn f13_after_a_step_back_the_order_is_that_of_the_journal(ground: &Ground) {
    let database = ground.database();
    let folder = tempfile::tempdir().expect("a folder");
    let clock = folder.path().join("clock");
    std::fs::write(&clock, "+0\n").expect("written");
    let moving = Launch::preloading(&library("libfaketime.so.1").expect("libfaketime"))
        .with("FAKETIME_TIMESTAMP_FILE", &clock.display().to_string())
        .with("FAKETIME_NO_CACHE", "1")
        .with("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let mut server = Server::launched(&database.url, moving);
    server.start();
    let words = server.vendor();
    let client = server.client();
    let before = post(&client, &server.token(&words), "before").expect("an answer");
    assert_eq!(before.status, 201, "{}", before.shown());
    std::fs::write(&clock, "-1h\n").expect("written");
    server.forget_tokens();
    let vendor = server.token(&words);
    let after = post(&client, &vendor, "after").expect("an answer");
    assert_eq!(after.status, 201, "{}", after.shown());
    // What was begun before goes on: versions, keys, lists.
    let again = post(&client, &vendor, "before").expect("an answer");
    assert_eq!(again.member("id"), before.member("id"), "the key is known");
    let path = format!("/api/v1/solutions/{}", before.member("id"));
    let change = |tag: &str| client.request("PATCH", &path).by(&vendor).header("if-match", tag);
    let changed = change(before.header("etag")).merge(&json!({"summary": "Après le saut."})).expect(200);
    assert_eq!(changed.version(), Some(2));
    change(before.header("etag")).merge(&json!({"summary": "Trop tard."})).expect(412);
    let list = client.get("/api/v1/solutions?limit=1&sort=updated_at").by(&vendor).expect(200).json();
    let next = list["next"].as_str().expect("a second page").to_owned();
    let second =
        client.get(&format!("/api/v1/solutions?limit=1&sort=updated_at&cursor={next}")).by(&vendor).expect(200).json();
    assert_ne!(list["items"][0]["id"], second["items"][0]["id"]);
    assert_eq!(second["next"], json!(null));
    let in_order = |column: &str| {
        let sql = format!("SELECT action AS line FROM changes WHERE resource = 'solution' ORDER BY {column}, position");
        database.lines(&sql)
    };
    assert_eq!(in_order("position"), ["create_solution", "create_solution", "update_solution"]);
    // The control: by the clock the order is another.
    let by_clock = database
        .lines("SELECT CAST(resource_version AS TEXT) AS line FROM changes WHERE resource = 'solution' ORDER BY at");
    let by_position = database.lines(
        "SELECT CAST(resource_version AS TEXT) AS line FROM changes WHERE resource = 'solution' ORDER BY position",
    );
    assert_ne!(by_clock, by_position, "the clock did not step back");
    ground.say("one hour back while it runs: versions, keys, cursors and the journal go on in order; by the clock they would not");
}

fn f13_odd_days_are_days_like_others(ground: &Ground) {
    let moments = [
        // 32 bits of seconds end.
        ("2038-01-19 03:14:04", "2038-01-19 03:14:08"),
        ("2028-02-29 23:59:56", "2028-03-01 00:00:00"),
        // Summer time begins and ends in Paris.
        ("2027-03-28 00:59:56", "2027-03-28 01:00:00"),
        ("2027-10-31 00:59:56", "2027-10-31 01:00:00"),
        ("2026-12-31 23:59:56", "2027-01-01 00:00:00"),
    ];
    for (start, moment) in moments {
        let database = ground.database();
        let mut server = Server::launched(&database.url, shifted(&format!("@{start}")));
        server.start();
        let vendor = server.token(&server.vendor());
        let client = server.client();
        let mut tag = post(&client, &vendor, "odd").expect("an answer");
        let path = format!("/api/v1/solutions/{}", tag.member("id"));
        let text = match database.file() {
            Some(_) => "strftime('%Y-%m-%d %H:%M:%S', at / 1000000, 'unixepoch')",
            None => "to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')",
        };
        let journal = || {
            database.lines(&format!("SELECT {text} AS line FROM changes WHERE resource = 'solution' ORDER BY position"))
        };
        until(Duration::from_secs(20), || {
            let request = client.request("PATCH", &path).by(&vendor).header("if-match", tag.header("etag"));
            tag = request.merge(&json!({"summary": format!("Version {:?}.", tag.version())})).expect(200);
            std::thread::sleep(Duration::from_millis(100));
            journal().last().is_some_and(|last| last.as_str() > moment)
        })
        .unwrap_or_else(|| panic!("{moment} never came"));
        let all = journal();
        assert!(all[0].as_str() >= start && all[0].as_str() < moment, "{} is not before {moment}", all[0]);
        assert!(all.is_sorted(), "{all:?}");
        assert_eq!(client.get(&path).by(&vendor).expect(200).version(), tag.version());
        client.get("/api/v1/criteria").expect(200);
    }
    let shown: Vec<&str> = moments.iter().map(|(_, moment)| *moment).collect();
    ground.say(&format!("written and read through {}", shown.join(", ")));
}

fn f13_what_is_due_is_done_when_its_day_comes(ground: &Ground) {
    let database = ground.database();
    let mut server = Server::over(&database.url);
    server.start();
    let (vendor, operator) = (server.token(&server.vendor()), server.operator());
    let client = server.client();
    let draft = client.post("/api/v1/solutions").by(&vendor).json(&sheet("Échéance")).expect(201);
    let path = format!("/api/v1/solutions/{}", draft.member("id"));
    let submit = client.post(&format!("{path}/submit")).by(&vendor).header("if-match", draft.header("etag"));
    let submitted = submit.json(&json!({"accepts_charter": true})).expect(200);
    client.post(&format!("{path}/publish")).by(&operator).header("if-match", submitted.header("etag")).expect(200);
    let mut seen = Vec::new();
    for (skew, expected) in [("+364d", "published"), ("+367d", "outdated")] {
        server.terminate();
        server.set(shifted(skew));
        server.start();
        let status = || client.get(&path).expect(200).member("status");
        let came = until(Duration::from_secs(10), || status() == expected);
        assert!(came.is_some(), "{skew}: {}", status());
        seen.push(format!("{skew} {expected}"));
    }
    ground.say(&format!("a sheet that nobody confirms: {}", seen.join(", ")));
}
