//! The walkthroughs of `docs/` are run as they stand, each in one shell against a server of its own.

use gouvtech_catalogue::auth::{Duty, Role};
use gouvtech_catalogue::db::Id;

use crate::cases;
use crate::labels::{audit, granted};
use crate::readme::{PROGRAM, can_run, serve, walk};
use crate::support::{App, json};

cases![
    an_audit_body_goes_from_assignment_to_a_signed_decision,
    a_buyer_checks_a_label_and_watches_the_log,
    the_key_of_the_log_changes_by_its_ceremony,
];

/// The blocks of a page, in order.
fn blocks(page: &str) -> Vec<&str> {
    page.split("```sh\n").skip(1).map(|rest| rest.split("\n```").next().expect("the end of a block")).collect()
}

/// Runs a page against a server on the database of the case, with the keys of the case.
fn take(app: &App, page: &str, given: &[(&str, String)]) {
    if !can_run(&["bash", "curl", "jq", "openssl"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let settings = &app.inner.settings;
    let keys = [&settings.log_key, &settings.signing_key].map(|path| path.to_str().expect("text").to_owned());
    let (_server, address) = serve(app.url(), folder.path(), &["--log-key", &keys[0], "--signing-key", &keys[1]]);
    let mut environment = vec![("BASE", address), ("GT", PROGRAM.to_owned())];
    environment.extend(given.iter().map(|(name, value)| (*name, value.clone())));
    walk(&blocks(page), &environment, folder.path());
}

fn an_audit_body_goes_from_assignment_to_a_signed_decision(app: &App) {
    let audit = audit(app);
    let begun = app
        .post(&format!("/api/v1/solutions/{}/label-applications", audit.solution))
        .by(&audit.vendor.token)
        .json(&json!({"statement": "Nous demandons le label."}))
        .expect(201);
    let path = format!("/api/v1/label-applications/{}", begun.id());
    let terms = json!({"accepts_terms": true});
    let submitted = app.post(&format!("{path}/submit")).by(&audit.vendor.token).on(&begun).json(&terms).expect(200);
    let admitted = app.post(&format!("{path}/admit")).by(&app.operator()).on(&submitted).expect(200);
    let body = json!({"audit_body_id": audit.body.id});
    app.post(&format!("{path}/assign")).by(&app.operator()).on(&admitted).json(&body).expect(200);
    let accreditations = app.get(&format!("/api/v1/accreditations?organisation={}", audit.body.id)).expect(200).json();
    let accreditation = accreditations["items"][0]["id"].as_str().expect("an id").to_owned();
    let accreditor = app.token(Role::Operator, None::<Id>, &[Duty::Accreditor], "accréditrice");
    take(
        app,
        include_str!("../docs/AUDITOR.md"),
        &[
            ("CASE", begun.id()),
            ("ACCREDITATION", accreditation),
            ("EVALUATOR", audit.evaluator.clone()),
            ("DECIDER", audit.decider.clone()),
            ("ACCREDITOR", accreditor),
        ],
    );
}

fn a_buyer_checks_a_label_and_watches_the_log(app: &App) {
    let (_, number) = granted(app);
    take(app, include_str!("../docs/BUYER.md"), &[("NUMBER", number)]);
}

/// The ceremony of `docs/PROOF.md`, step by step, with restarts of the program.
fn the_key_of_the_log_changes_by_its_ceremony(app: &App) {
    use gouvtech_catalogue::proof::verdict::{Trust, verify};
    if !can_run(&["openssl"]) {
        return;
    }
    let (_, number) = granted(app);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("log-keys.pem");
    let old = std::fs::read_to_string(&app.inner.settings.log_key).expect("a key");
    let keys = |parts: &[&str]| std::fs::write(&file, parts.concat()).expect("written");
    let get = |address: &str, path: &str| {
        let mut answer = ureq::get(format!("{address}{path}")).call().expect("an answer");
        answer.body_mut().read_to_vec().expect("a body")
    };
    let bundle = format!("/api/v1/labels/{number}/bundle");
    let log_key = file.to_str().expect("text").to_owned();
    let start = || serve(app.url(), folder.path(), &["--log-key", &log_key]);
    let trust = |vkey: &[u8]| Trust::parse(std::str::from_utf8(vkey).expect("text")).expect("a key");

    keys(&[&old]);
    let (server, address) = start();
    let (old_key, first) = (trust(&get(&address, "/log/key")), get(&address, &bundle));
    let kept = trust(&get(&address, "/log/checkpoint"));
    drop(server);
    // 1 and 2: a new key is made elsewhere and appended: registered, and the old one still signs.
    let made =
        std::process::Command::new("openssl").args(["genpkey", "-algorithm", "ed25519"]).output().expect("openssl");
    let next = String::from_utf8(made.stdout).expect("text");
    keys(&[&old, &next]);
    let (server, address) = start();
    assert_eq!(trust(&get(&address, "/log/key")), old_key);
    let log = format!("{address}/log");
    let (code, said) = crate::monitor::verify(&log, &[]);
    assert!(code == 0 && said.contains("2 keys are registered"), "{said}");
    drop(server);
    // 4: to the front: it signs; who trusts the old one is not tied any more, who kept a checkpoint of
    // before its registration neither, who keeps one now is.
    keys(&[&next, &old]);
    let (server, address) = start();
    let new_key = trust(&get(&address, "/log/key"));
    assert_ne!(new_key, old_key);
    let file_now = get(&address, &bundle);
    assert!(verify(&file_now, std::slice::from_ref(&new_key)).pinned);
    assert!(!verify(&file_now, std::slice::from_ref(&old_key)).pinned);
    assert!(!verify(&file_now, std::slice::from_ref(&kept)).pinned, "it knows the new key not yet");
    let between = trust(&get(&address, "/log/checkpoint"));
    drop(server);
    // 5: the old one is taken out: retired, and what it signed stands.
    keys(&[&next]);
    let (_server, address) = start();
    let size = match &between {
        Trust::Checkpoint(checkpoint) => checkpoint.size,
        other => panic!("{other:?}"),
    };
    let last = get(&address, &format!("{bundle}?since={size}"));
    for (file, trust) in [(&last, &new_key), (&last, &between), (&first, &old_key)] {
        let verdict = verify(file, std::slice::from_ref(trust));
        assert!(verdict.valid && verdict.pinned, "{:?}", verdict.checks);
    }
    let (code, said) = crate::monitor::verify(&format!("{address}/log"), &["--json"]);
    assert!(code == 0 && said.contains("\"retired\""), "{said}");
    // The attestation was signed by the old key, and holds.
    assert_eq!(verify(&last, &[new_key]).found.expect("found").attestations.len(), 1);
}
