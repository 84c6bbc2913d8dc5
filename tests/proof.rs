//! What proves a label: the log, the file that is checked offline, the state on a day,
//! the badge.

use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::TimeDelta;
use gouvtech_catalogue::config::Given;
use gouvtech_catalogue::db::Id;
use gouvtech_catalogue::labels::events::Statement;
use gouvtech_catalogue::labels::rules::LabelStatus;
use gouvtech_catalogue::log::check;
use gouvtech_catalogue::proof::bundle::Bundle;
use gouvtech_catalogue::proof::checkpoint::Checkpoint;
use gouvtech_catalogue::proof::entry::{DECISION_TYP, SignedDecision};
use gouvtech_catalogue::proof::key::SigningKey;
use gouvtech_catalogue::proof::merkle::{Frontier, leaf_hash};
use gouvtech_catalogue::proof::note::{Kind, Note, Verifier};
use gouvtech_catalogue::proof::tiles::decode_entries;
use gouvtech_catalogue::proof::verdict::{Trust, verify};
use gouvtech_catalogue::proof::{canonical, jws, possession};

use crate::cases;
use crate::labels::{audit, decide, granted};
use crate::support::{App, Value, json};

cases![
    a_file_proves_a_label_to_who_has_the_key_of_the_log,
    a_file_proves_what_befell_the_label_later,
    no_byte_of_a_file_can_be_another,
    the_log_is_what_its_tiles_say,
    an_earlier_checkpoint_ties_a_later_file,
    a_refusal_is_in_the_log_and_names_nobody,
    an_audit_body_signs_and_nobody_else_can,
    a_label_stands_on_a_day_as_it_stood,
    of_many_who_append_at_once_each_has_its_place,
    whoever_alters_the_log_is_found_out,
    a_database_put_back_is_found_out,
    what_is_remembered_outside_is_renewed_by_every_instance_and_never_undone,
    labels_from_before_there_was_a_log_are_entered_once,
    the_attestation_says_what_the_label_says_and_where_its_status_is,
    a_badge_never_shows_as_valid_what_is_not,
];

fn key(app: &App) -> Trust {
    let text = app.get("/log/key").expect(200).bytes;
    Trust::parse(std::str::from_utf8(&text).expect("text")).expect("a key")
}

fn bundle(app: &App, number: &str) -> Vec<u8> {
    app.get(&format!("/api/v1/labels/{number}/bundle")).expect(200).bytes
}

fn checkpoint(app: &App) -> (Checkpoint, String) {
    let text = String::from_utf8(app.get("/log/checkpoint").expect(200).bytes).expect("text");
    let note = Note::parse(&text).expect("a note");
    (Checkpoint::parse(note.text()).expect("a checkpoint"), text)
}

fn fault(app: &App) -> Option<String> {
    app.store().read_here(|db| check::fault(db, Some(&app.inner.log))).expect("checked")
}

pub fn suspend(app: &App, solution: &str) {
    let path = format!("/api/v1/solutions/{solution}");
    let read = app.get(&path).by(&app.operator()).expect(200);
    let body = json!({"code": "security", "reason": "Faille exploitée."});
    app.post(&format!("{path}/suspend")).by(&app.operator()).on(&read).json(&body).expect(200);
}

fn a_file_proves_a_label_to_who_has_the_key_of_the_log(app: &App) {
    let (audit, number) = granted(app);
    let file = bundle(app, &number);
    let verdict = verify(&file, &[key(app)]);
    assert!(verdict.valid && verdict.pinned, "{:?}", verdict.checks);
    let found = verdict.found.expect("found");
    assert_eq!((found.label.as_str(), found.state.map(|s| s.status)), (number.as_str(), Some(LabelStatus::Active)));
    assert_eq!(found.attestations[0].credential_subject.audit_body.id, audit.body.id);
    assert_eq!(found.decisions.len(), 1);
    assert_eq!(found.decisions[0].signed_with, None, "nobody but the catalogue says so, and the verdict tells");
    // Controls: unpinned it says so, and another key is not its.
    assert!(!verify(&file, &[]).pinned);
    let other = app.another(Given::default());
    granted(&other);
    assert!(!verify(&file, &[key(&other)]).pinned);
}

fn a_file_proves_what_befell_the_label_later(app: &App) {
    let (audit, number) = granted(app);
    let before = bundle(app, &number);
    app.clock.advance(TimeDelta::hours(1));
    suspend(app, &audit.solution);
    let after = verify(&bundle(app, &number), &[key(app)]);
    assert!(after.valid, "{:?}", after.checks);
    let found = after.found.expect("found");
    assert_eq!(found.state.map(|state| state.status), Some(LabelStatus::Suspended));
    assert_eq!(found.events.len(), 2);
    // The old one is as true as it was, and as old.
    let found = verify(&before, &[key(app)]).found.expect("found");
    assert_eq!(found.state.map(|state| state.status), Some(LabelStatus::Active));
}

fn no_byte_of_a_file_can_be_another(app: &App) {
    let (_, number) = granted(app);
    let file = bundle(app, &number);
    assert!(verify(&file, &[]).valid);
    for at in (0..file.len()).step_by(7) {
        let mut other = file.clone();
        other[at] ^= 1 << (at % 8);
        assert!(!verify(&other, &[]).valid, "byte {at}");
    }
}

fn the_log_is_what_its_tiles_say(app: &App) {
    granted(app);
    let (now, _) = checkpoint(app);
    let part = format!("000.p/{}", now.size);
    let entries = app.get(&format!("/log/tile/entries/{part}")).unchecked().expect(200).bytes;
    let entries = decode_entries(&entries).expect("entries");
    let mut frontier = Frontier::default();
    let leaves: Vec<_> = entries.iter().map(|entry| leaf_hash(entry)).collect();
    leaves.iter().for_each(|leaf| {
        frontier.push(*leaf);
    });
    assert_eq!((frontier.size(), frontier.root()), (now.size, now.root));
    let hashes = app.get(&format!("/log/tile/0/{part}")).unchecked().expect(200).bytes;
    assert_eq!(hashes, leaves.iter().flat_map(|leaf| leaf.0).collect::<Vec<u8>>());
    for absent in ["0/001", "0/000", "7/000", "entries/000.p/200", "0/0", "0/000.p/0", "x/000", "0/x001/000"] {
        app.get(&format!("/log/tile/{absent}")).unchecked().expect(404);
    }
    assert_eq!(fault(app), None);
}

fn an_earlier_checkpoint_ties_a_later_file(app: &App) {
    let (audit, number) = granted(app);
    let (first, note) = checkpoint(app);
    suspend(app, &audit.solution);
    let (second, _) = checkpoint(app);
    assert!(second.size > first.size);
    // The same state ties itself; a later file needs the proof that links them.
    let kept = Trust::parse(&note).expect("a checkpoint");
    let file = app.get(&format!("/api/v1/labels/{number}/bundle?since={}", first.size)).expect(200).bytes;
    let verdict = verify(&file, std::slice::from_ref(&kept));
    assert!(verdict.valid && verdict.pinned, "{:?}", verdict.checks);
    assert!(!verify(&bundle(app, &number), &[kept]).pinned, "without the proof it is not tied");
    app.get(&format!("/api/v1/labels/{number}/bundle?since=999")).expect(422).has_fault("since beyond_the_log");
}

fn a_refusal_is_in_the_log_and_names_nobody(app: &App) {
    let audit = audit(app);
    let opened = app.in_audit(&audit.vendor, &audit.solution, &audit.body, &audit.evaluator);
    let reported = app.reported(&opened, &audit.evaluator, |code, mut finding| {
        if code == "SEC-01" {
            finding["result"] = json!("major");
        }
        finding
    });
    let (before, _) = checkpoint(app);
    assert_eq!(
        decide(app, &audit, &reported, json!({"outcome": "refused", "reasons": "Un écart majeur."})).status,
        200
    );
    let (after, _) = checkpoint(app);
    assert_eq!(after.size, before.size + 1);
    let entries = app.get(&format!("/log/tile/entries/000.p/{}", after.size)).unchecked().expect(200).bytes;
    let entry =
        String::from_utf8(decode_entries(&entries).expect("entries").pop().expect("one").to_vec()).expect("text");
    assert!(entry.contains("gouvtech-refusal/1"), "{entry}");
    assert!(!entry.contains(&audit.solution) && !entry.contains(&reported.id()), "{entry}");
    assert_eq!(fault(app), None);
}

/// Registers a key of an audit body.
pub fn register_key(app: &App, body: Id, own: &SigningKey) {
    let read = app.get(&format!("/api/v1/accreditations?organisation={body}")).expect(200).json();
    let accreditation = format!("/api/v1/accreditations/{}", read["items"][0]["id"].as_str().expect("an id"));
    let current = app.get(&accreditation).by(&app.operator()).expect(200);
    let vkey = Verifier::new("audit.example", Kind::Ed25519, own.public()).expect("a name").to_string();
    let id = current.id().parse().map(Id).expect("an id");
    let proof = possession::prove(own, id, &app.inner.log.origin, app.clock.now()).expect("a proof");
    let given = json!({"vkey": vkey, "proof": proof});
    app.post(&format!("{accreditation}/register-key")).by(&app.operator()).on(&current).json(&given).expect(200);
}

/// What is decided when a case is granted, whole.
pub fn statement(case: &Value, reasons: &str) -> Statement {
    serde_json::from_value(json!({
        "application": case["id"], "audit_body": case["audit_body_id"], "criteria_set": case["criteria_set_id"],
        "outcome": "granted", "reasons": reasons, "reservations": [],
        "solution": case["solution_id"], "solution_version": case["solution_version"],
    }))
    .expect("a statement")
}

/// The audit body's signature over it.
pub fn sign(statement: &Statement, key: &SigningKey) -> String {
    let signed = SignedDecision {
        application: statement.application,
        audit_body: statement.audit_body,
        outcome: statement.outcome,
        corrects: None,
        data: canonical::hash(statement).expect("a hash"),
    };
    jws::sign(DECISION_TYP, &signed, key).expect("signed")
}

fn an_audit_body_signs_and_nobody_else_can(app: &App) {
    let audit = audit(app);
    let own = SigningKey::fresh().expect("a key");
    register_key(app, audit.body.id, &own);

    let opened = app.in_audit(&audit.vendor, &audit.solution, &audit.body, &audit.evaluator);
    let reported = app.reported(&opened, &audit.evaluator, |_, finding| finding);
    let case = reported.json();
    let statement = |reasons: &str| statement(&case, reasons);
    let body = |signature: &str| json!({"outcome": "granted", "reasons": "Aucun écart.", "signature": signature});
    let stranger = SigningKey::fresh().expect("a key");
    let good = statement("Aucun écart.");
    for (signature, code) in [
        (sign(&good, &stranger), "/signature unknown_key"),
        (sign(&statement("Autres motifs."), &own), "/signature wrong_signature"),
        ("x.y.z".to_owned(), "/signature malformed_signature"),
    ] {
        let refused = decide(app, &audit, &reported, body(&signature));
        assert_eq!(refused.status, 422);
        refused.has_fault(code);
    }
    let decided = decide(app, &audit, &reported, body(&sign(&good, &own)));
    assert_eq!(decided.status, 200, "{}", decided.json());
    let number = decided.json()["decisions"][0]["label_number"].as_str().expect("a number").to_owned();
    let verdict = verify(&bundle(app, &number), &[key(app), Trust::Auditor(own.public())]);
    assert!(verdict.valid && verdict.pinned, "{:?}", verdict.checks);
    let found = verdict.found.expect("found");
    assert_eq!(found.decisions[0].signed_with.as_deref(), Some(own.public().kid().as_str()));
    assert!(found.decisions[0].is_key_trusted);
}

fn a_label_stands_on_a_day_as_it_stood(app: &App) {
    let first = app.clock.now().day();
    let (audit, number) = granted(app);
    app.clock.advance(TimeDelta::days(10));
    suspend(app, &audit.solution);
    app.clock.advance(TimeDelta::days(2000));
    let status = |days: i64| {
        let day = first + TimeDelta::days(days);
        let answer = app.get(&format!("/api/v1/labels/{number}/status?at={day}")).expect(200).json();
        (answer["status"].clone(), answer["is_valid"].clone())
    };
    assert_eq!(status(-1), (json!(null), json!(false)));
    assert_eq!(status(0), (json!("active"), json!(true)));
    assert_eq!(status(9), (json!("active"), json!(true)));
    assert_eq!(status(10), (json!("suspended"), json!(false)));
    assert_eq!(status(2000), (json!("suspended"), json!(false)));
    let tomorrow = first + TimeDelta::days(2011);
    app.get(&format!("/api/v1/labels/{number}/status?at={tomorrow}")).expect(422).has_fault("at in_the_future");
}

fn of_many_who_append_at_once_each_has_its_place(app: &App) {
    let twin = app.twin(Given::default());
    let appended = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for one in [app, &twin] {
            for _ in 0..8 {
                let appended = &appended;
                scope.spawn(move || {
                    let key = gouvtech_catalogue::proof::key::SigningKey::fresh().expect("a key").public();
                    let done = one.store().write_here(&gouvtech_catalogue::db::Actor::System, |tx| {
                        use gouvtech_catalogue::proof::entry::{KeyChange, KeyEvent, KeyPurpose, LogEntry};
                        let at = tx.now;
                        let event = KeyEvent {
                            kid: key.kid(),
                            key_seq: 1,
                            change: KeyChange::Registered,
                            at,
                            x: Some(key),
                            purposes: [KeyPurpose::Log].into(),
                            holder: None,
                        };
                        tx.append_to_log(&LogEntry::Key(Box::new(event)), at)
                    });
                    appended.fetch_add(usize::from(done.is_ok()), Ordering::SeqCst);
                });
            }
        }
    });
    let (now, _) = checkpoint(app);
    assert_eq!(usize::try_from(now.size), Ok(appended.load(Ordering::SeqCst)));
    assert!(now.size >= 8, "{} of 16 appended", now.size);
    assert_eq!(fault(app), None);
}

/// Drops what would refuse to alter the log.
fn unguard(app: &App, table: &str) {
    let names = ["updated", "deleted", "replaced"];
    for name in names {
        let _on_sqlite = app.sql(&format!("DROP TRIGGER {table}_never_{name}"));
    }
    for name in ["change", "truncated"] {
        let _on_postgres = app.sql(&format!("DROP TRIGGER {table}_never_{name} ON {table}"));
    }
}

fn whoever_alters_the_log_is_found_out(app: &App) {
    let (audit, _) = granted(app);
    suspend(app, &audit.solution);
    checkpoint(app);
    assert_eq!(fault(app), None);
    for table in ["log_entries", "log_nodes"] {
        assert!(app.sql(&format!("DELETE FROM {table}")).is_err(), "{table} refuses");
        unguard(app, table);
    }
    let manipulations = [
        "UPDATE log_entries SET entry = replace(entry, 'suspended', 'active') WHERE position = 2",
        "UPDATE log_entries SET subject_seq = subject_seq + 1 WHERE position = 2",
        "DELETE FROM log_entries WHERE position = 2",
        "UPDATE log_nodes SET hash = (SELECT hash FROM log_nodes WHERE level = 0 AND position = 0) WHERE level = 0 AND position = 1",
        "DELETE FROM log_nodes WHERE level = 1",
        "UPDATE counters SET value = value - 1 WHERE name = 'log'",
    ];
    for sql in manipulations {
        let copies = ["log_entries", "log_nodes", "counters"];
        for table in copies {
            app.sql(&format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}")).expect("a copy");
        }
        app.sql(sql).expect(sql);
        assert!(fault(app).is_some(), "{sql}");
        for table in copies {
            app.sql(&format!("DELETE FROM {table}")).expect("emptied");
            app.sql(&format!("INSERT INTO {table} SELECT * FROM kept_{table}")).expect("put back");
            app.sql(&format!("DROP TABLE kept_{table}")).expect("dropped");
        }
        assert_eq!(fault(app), None, "the control: put back it is whole");
    }
}

fn a_database_put_back_is_found_out(app: &App) {
    let (audit, _) = granted(app);
    for table in ["log_entries", "log_nodes", "counters"] {
        app.sql(&format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}")).expect("a copy");
        unguard(app, table);
    }
    suspend(app, &audit.solution);
    checkpoint(app);
    assert_eq!(fault(app), None);
    for table in ["log_entries", "log_nodes", "counters"] {
        app.sql(&format!("DELETE FROM {table}")).expect("emptied");
        app.sql(&format!("INSERT INTO {table} SELECT * FROM kept_{table}")).expect("put back");
    }
    app.store().read_here(|db| app.inner.log.examine(db)).expect("examined");
    let draft = app.post("/api/v1/solutions").by(&audit.vendor.token).json(&json!({"name": "Tardive"}));
    draft.expect(503);
    assert_eq!(app.get("/readyz").expect(200).text("status"), "read_only");
    let found = fault(app).expect("found out");
    assert!(found.contains("put back"), "{found}");
    // Without what is remembered outside the database, and with the label as it was, it agrees with itself.
    app.sql("UPDATE labels SET status = 'active'").expect("put back");
    assert_eq!(app.store().read_here(|db| check::fault(db, None)).expect("checked"), None);
}

fn what_is_remembered_outside_is_renewed_by_every_instance_and_never_undone(app: &App) {
    use gouvtech_catalogue::log::identity::Log;
    use gouvtech_catalogue::log::tree::Tree;
    let twin = app.twin(Given::default());
    let (audit, _) = granted(app);
    let place = |app: &App| app.folder.join("log-checkpoint");
    let remembered = |app: &App| {
        let note = Note::parse(&std::fs::read_to_string(place(app)).ok()?).ok()?;
        Checkpoint::parse(note.text()).ok().map(|checkpoint| checkpoint.size)
    };
    let wait = || {
        let size = app.store().read_here(|db| Ok(Tree::open(db)?.size)).expect("a size");
        let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while [app, &twin].iter().any(|one| remembered(one) != Some(size)) {
            assert!(std::time::Instant::now() < end, "{size}: {:?} {:?}", remembered(app), remembered(&twin));
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    };
    // Nobody reads the log: the commits alone do it, here and at the other instance.
    wait();
    suspend(app, &audit.solution);
    wait();
    // Somebody with the same folder and an earlier state of the log does not write over it.
    let earlier = app.another(Given { log_key: Some(app.inner.settings.log_key.clone()), ..Given::default() });
    let log = Log::load(&app.inner.settings).expect("a log");
    let before = std::fs::read(place(app)).expect("remembered");
    earlier.store().read_here(|db| log.keep_up(db)).expect("nothing to do");
    assert_eq!(std::fs::read(place(app)).expect("remembered"), before);
    // What was found not to be whole is not remembered either.
    for table in ["log_entries", "log_nodes"] {
        unguard(app, table);
    }
    app.sql("DELETE FROM log_nodes WHERE level = 0 AND position = 0").expect("altered");
    app.store().read_here(|db| app.inner.log.examine(db)).expect("examined");
    assert!(app.inner.log.fault().is_some());
    app.sql("UPDATE counters SET value = value + 1 WHERE name = 'log'").expect("altered");
    app.store().read_here(|db| app.inner.log.keep_up(db)).ok();
    assert_eq!(std::fs::read(place(app)).expect("remembered"), before);
}

fn labels_from_before_there_was_a_log_are_entered_once(app: &App) {
    use gouvtech_catalogue::db::Actor;
    use gouvtech_catalogue::labels::events::enter_what_was_there;
    let (audit, number) = granted(app);
    suspend(app, &audit.solution);
    for table in ["log_entries", "log_nodes", "attestations"] {
        unguard(app, table);
        app.sql(&format!("DELETE FROM {table}")).expect("emptied");
    }
    app.sql("UPDATE counters SET value = 0 WHERE name = 'log'").expect("counted anew");
    let enter =
        || app.store().write_here(&Actor::System, |tx| enter_what_was_there(tx, &app.inner.log)).expect("entered");
    assert_eq!((enter(), enter()), ((1, 1), (0, 0)), "keys and labels");
    assert_eq!(app.store().read_here(|db| check::fault(db, None)).expect("checked"), None);
    let verdict = verify(&bundle(app, &number), &[key(app)]);
    assert!(verdict.valid, "{:?}", verdict.checks);
    let state = verdict.found.and_then(|found| found.state).expect("a state");
    assert_eq!(state.status, LabelStatus::Suspended);
}

fn the_attestation_says_what_the_label_says_and_where_its_status_is(app: &App) {
    let (audit, number) = granted(app);
    let answer = app.get(&format!("/api/v1/labels/{number}/attestation")).expect(200);
    assert_eq!(answer.headers["content-type"], "application/vc+jwt");
    let verifier: Verifier = match key(app) {
        Trust::Key(verifier) => verifier,
        other => panic!("{other:?}"),
    };
    // Read by another implementation than the one that signed.
    use jsonwebtoken::{Algorithm, DecodingKey, Validation};
    let jwk = verifier.key().jwk();
    let x = jwk["x"].as_str().expect("x");
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    let decoding = DecodingKey::from_ed_components(x).expect("a key");
    let read = jsonwebtoken::decode::<crate::support::Value>(&answer.bytes, &decoding, &validation).expect("verified");
    assert_eq!(read.header.typ.as_deref(), Some("vc+jwt"));
    assert_eq!(read.claims["credentialSubject"]["label"], number);
    let list = |purpose: &str| {
        let answer = app.get(&format!("/api/v1/status-lists/{purpose}")).expect(200).bytes;
        let list = jsonwebtoken::decode::<crate::support::Value>(&answer, &decoding, &validation).expect("verified");
        let encoded = list.claims["credentialSubject"]["encodedList"].as_str().expect("a list").to_owned();
        gouvtech_catalogue::proof::status_list::StatusList::decode(&encoded).expect("a list")
    };
    let index: usize =
        read.claims["credentialStatus"][0]["statusListIndex"].as_str().expect("an index").parse().expect("a number");
    assert_eq!((list("suspension").get(index), list("revocation").get(index)), (Some(false), Some(false)));
    suspend(app, &audit.solution);
    assert_eq!((list("suspension").get(index), list("revocation").get(index)), (Some(true), Some(false)));
    app.get("/api/v1/status-lists/other").expect(404);
}

fn a_badge_never_shows_as_valid_what_is_not(app: &App) {
    let (audit, number) = granted(app);
    let text = |path: &str| String::from_utf8(app.get(path).expect(200).bytes).expect("text");
    let paths =
        [format!("/api/v1/labels/{number}/badge.svg"), format!("/api/v1/solutions/{}/badge.svg", audit.solution)];
    for path in &paths {
        let french = text(path);
        assert!(french.contains("valide jusqu’au") && french.contains("<title"), "{french}");
        assert!(text(&format!("{path}?lang=en")).contains("Verified by a third party"));
    }
    let other = app.published(&app.vendor(7), "Sans label <&>").id();
    assert!(text(&format!("/api/v1/solutions/{other}/badge.svg")).contains("auto-déclaré"));
    app.clock.advance(TimeDelta::days(37 * 31));
    for path in &paths {
        let french = text(path);
        assert!(french.contains("expiré") && !french.contains("valide jusqu’au"), "{french}");
        assert!(text(&format!("{path}?lang=en")).contains("it is not valid"));
    }
    let parsed = Bundle::parse(&bundle(app, &number));
    assert!(parsed.is_ok(), "an expired label is proved like any other");
}
