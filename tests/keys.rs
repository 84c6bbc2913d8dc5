//! Rotation of the keys that sign: nobody is locked out, and a key that leaked
//! is worth nothing within seconds.

use std::process::{Command, Output, Stdio};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use gouvtech_catalogue::auth::Role;
use gouvtech_catalogue::auth::ring::LOOK_EVERY;
use gouvtech_catalogue::config::Given;

use crate::cases;
use crate::support::{App, Value};

cases![
    a_key_is_published_before_it_signs_and_verifies_until_its_tokens_are_over,
    a_retired_key_is_refused_at_once,
    instances_share_the_file_and_notice_without_a_restart,
    a_cursor_outlives_a_rotation,
    a_file_that_is_none_changes_nothing,
    commands_at_the_same_time_lose_no_key,
    a_file_with_one_key_of_openssl_is_a_ring_of_one,
];

/// Runs the command over this application's file of keys.
fn keys(app: &App, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gouvtech-catalogue"))
        .arg("keys")
        .args(words)
        .arg("--signing-key")
        .arg(app.folder.join("signing-key.pem"))
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .expect("the program")
}

/// What the command says of each key: its id and its duty.
fn said(output: &Output) -> Vec<(String, String)> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| line.split_once("  ").map(|(id, duty)| (id.to_owned(), duty.to_owned())).expect("two columns"))
        .collect()
}

fn published(app: &App) -> Vec<String> {
    let set = app.get("/.well-known/jwks.json").expect(200).json();
    set["keys"].as_array().expect("keys").iter().map(|key| key["kid"].as_str().expect("an id").to_owned()).collect()
}

fn kid(token: &str) -> String {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().expect("a header")).expect("base64url");
    serde_json::from_slice::<Value>(&header).expect("JSON")["kid"].as_str().expect("an id").to_owned()
}

/// Has the file looked at, as requests do every few seconds.
fn notice(app: &App) {
    app.inner.keys.look();
}

fn status(app: &App, token: &str) -> u16 {
    app.get("/api/v1/evaluations").by(token).send().status
}

fn a_key_is_published_before_it_signs_and_verifies_until_its_tokens_are_over(app: &App) {
    let token = || app.token(Role::Operator, None, &[], "somebody");
    let first = app.signer().id.clone();
    assert_eq!(said(&keys(app, &["list"])), [(first.clone(), "signs".to_owned())]);
    let after = said(&keys(app, &["rotate", "--lead", "15m"]));
    assert!(after[0].1 == "signs" && after[1].1.starts_with("signs from "), "{after:?}");
    let second = after[1].0.clone();
    notice(app);
    assert_eq!(published(app), [first.clone(), second.clone()]);
    assert_eq!(kid(&token()), first, "it does not sign yet");
    app.clock.advance(TimeDelta::minutes(14));
    let last = token();
    app.clock.advance(TimeDelta::minutes(2));
    let next = token();
    assert_eq!((kid(&last), kid(&next)), (first.clone(), second.clone()));
    assert_eq!((status(app, &last), status(app, &next)), (200, 200));
    assert_eq!(published(app), [first.clone(), second.clone()]);
    // The last token of the old key has an hour; then the key is over as well.
    app.clock.advance(TimeDelta::minutes(57));
    assert_eq!(status(app, &last), 200);
    app.clock.advance(TimeDelta::minutes(6));
    assert_eq!(status(app, &last), 401);
    assert_eq!(published(app), [second]);
}

fn a_retired_key_is_refused_at_once(app: &App) {
    let leaked = app.token(Role::Operator, None, Role::Operator.duties(), "thief");
    assert_eq!(status(app, &leaked), 200);
    let after = said(&keys(app, &["retire", &kid(&leaked)]));
    assert!(after.len() == 1 && after[0].1 == "signs" && after[0].0 != kid(&leaked), "{after:?}");
    notice(app);
    assert_eq!(status(app, &leaked), 401);
    assert_eq!(published(app), [after[0].0.clone()]);
    let fresh = app.token(Role::Operator, None, &[], "somebody");
    assert_eq!((kid(&fresh), status(app, &fresh)), (after[0].0.clone(), 200));
    let unknown = keys(app, &["retire", "nobody"]);
    assert!(!unknown.status.success() && String::from_utf8_lossy(&unknown.stderr).contains("nobody"));
}

fn instances_share_the_file_and_notice_without_a_restart(app: &App) {
    let file = app.folder.join("signing-key.pem");
    let other = app.another(Given { signing_key: Some(file), ..Given::default() });
    let token = |app: &App| app.token(Role::Operator, None, &[], "somebody");
    assert_eq!((status(&other, &token(app)), status(app, &token(&other))), (200, 200));
    keys(app, &["rotate", "--lead", "0s"]);
    for one in [app, &other] {
        one.clock.advance(TimeDelta::seconds(LOOK_EVERY));
        // Some request finds that it is time to look; the new key is there soon after.
        let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while published(one).len() < 2 {
            assert!(std::time::Instant::now() < end, "nobody looked");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
    assert_eq!(kid(&token(app)), kid(&token(&other)));
    assert_eq!((status(&other, &token(app)), status(app, &token(&other))), (200, 200));
}

fn a_cursor_outlives_a_rotation(app: &App) {
    // A kept page was found with a key that was good then: here each is found anew.
    let app = &app.another(Given { kept_bytes: Some(0), ..Given::default() });
    for number in 1..=3 {
        app.vendor(number);
    }
    let first = app.get("/api/v1/organisations?limit=1").expect(200).json();
    let cursor = first["next"].as_str().expect("a cursor").to_owned();
    let page = |status| app.get(&format!("/api/v1/organisations?limit=1&cursor={cursor}")).expect(status);
    keys(app, &["rotate", "--lead", "0s"]);
    notice(app);
    let second = page(200).json();
    assert_ne!(second["items"][0]["id"], first["items"][0]["id"]);
    // Nobody can tell what a key that leaked has signed.
    let old = said(&keys(app, &["list"]))[0].0.clone();
    keys(app, &["retire", &old]);
    notice(app);
    page(400).has_fault("cursor invalid_cursor");
}

fn a_file_that_is_none_changes_nothing(app: &App) {
    let file = app.folder.join("signing-key.pem");
    let token = app.token(Role::Operator, None, &[], "somebody");
    let good = std::fs::read_to_string(&file).expect("read");
    for bad in ["", "-----BEGIN PRIVATE KEY-----\nMC4C\n", "signs-from: never\n"] {
        std::fs::write(&file, bad).expect("written");
        notice(app);
        assert_eq!(status(app, &token), 200, "{bad:?}");
        assert!(!keys(app, &["rotate"]).status.success(), "{bad:?}");
    }
    std::fs::remove_file(&file).expect("removed");
    notice(app);
    assert_eq!(status(app, &token), 200);
    std::fs::write(&file, good).expect("written");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&file, mode).expect("a mode");
    assert_eq!(said(&keys(app, &["rotate"])).len(), 2);
    notice(app);
    assert_eq!(published(app).len(), 2);
}

fn commands_at_the_same_time_lose_no_key(app: &App) {
    std::thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| assert!(keys(app, &["rotate", "--lead", "1h"]).status.success()));
        }
    });
    assert_eq!(said(&keys(app, &["list"])).len(), 6);
    notice(app);
    assert_eq!(published(app).len(), 6);
    let file = std::fs::metadata(app.folder.join("signing-key.pem")).expect("a file");
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&file.permissions()) & 0o777, 0o600);
    let left: Vec<_> = std::fs::read_dir(&app.folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".new"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

fn a_file_with_one_key_of_openssl_is_a_ring_of_one(app: &App) {
    // As `openssl genpkey -algorithm ed25519` prints it (RFC 8410 §10.3).
    let text = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
    let file = app.folder.join("openssl.pem");
    std::fs::write(&file, text).expect("written");
    let with = |mode: u32| {
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(mode)).expect("a mode");
        gouvtech_catalogue::auth::ring::Keys::load(&file, false, app.clock.now())
    };
    assert!(with(0o644).err().expect("refused").contains("chmod 600"));
    let ring = with(0o600).expect("a ring").held();
    assert_eq!(ring.jwks(app.clock.now())["keys"][0]["x"], "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE");
}
