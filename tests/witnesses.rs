//! Witnesses of the log: what they hand in is served with the checkpoint and goes into the files.

use gouvtech_catalogue::config::Given;
use gouvtech_catalogue::proof::bundle::Bundle;
use gouvtech_catalogue::proof::checkpoint::Checkpoint;
use gouvtech_catalogue::proof::key::SigningKey;
use gouvtech_catalogue::proof::merkle::Hash;
use gouvtech_catalogue::proof::note::{Kind, Line, Note, Verifier};
use gouvtech_catalogue::proof::verdict::{Trust, verify};

use crate::cases;
use crate::labels::granted;
use crate::monitor::{append, verify as watch, vkey};
use crate::support::{App, Response, json};

cases![
    what_a_known_witness_hands_in_is_served_and_proves,
    nobody_else_hands_anything_in,
    a_checkpoint_is_known_by_its_tag_and_tiles_are_kept,
    the_program_itself_is_a_witness,
    a_file_waits_for_no_witness,
];

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).expect("a key")
}

fn name(seed: u8) -> String {
    format!("witness.example/{seed}")
}

fn verifier(seed: u8) -> Verifier {
    Verifier::new(&name(seed), Kind::Cosignature, key(seed).public()).expect("a name")
}

/// An application that knows two witnesses.
fn witnessed(app: &App) -> App {
    app.another(Given { witness_key: Some([1, 2].map(|seed| verifier(seed).to_string()).to_vec()), ..Given::default() })
}

fn note(app: &App) -> Note {
    let text = String::from_utf8(app.get("/log/checkpoint").expect(200).bytes).expect("text");
    Note::parse(&text).expect("a note")
}

fn cosigned(text: &str, seed: u8, at: u64) -> Note {
    let line = Line::cosign(text, &name(seed), &key(seed), at).expect("cosigned");
    Note::new(text.to_owned(), vec![line]).expect("a note")
}

fn hand_in(app: &App, note: &Note) -> Response {
    app.post("/log/cosignatures").json(&json!({"note": note.to_string()})).send()
}

fn bundle(app: &App, number: &str) -> Vec<u8> {
    app.get(&format!("/api/v1/labels/{number}/bundle")).expect(200).bytes
}

fn what_a_known_witness_hands_in_is_served_and_proves(app: &App) {
    let app = &witnessed(app);
    let (_, number) = granted(app);
    app.get("/log/checkpoint?witnessed=1").expect(404);
    let text = note(app).text().to_owned();
    for (seed, at) in [(1, 1_800_000_000), (2, 1_800_000_001), (1, 1_800_000_002)] {
        assert_eq!(hand_in(app, &cosigned(&text, seed, at)).status, 204);
    }
    let known = [verifier(1), verifier(2)];
    let shown = note(app);
    let seen: Vec<_> = shown.open(&known).expect("opened").iter().map(|one| one.seen_at).collect();
    assert_eq!(shown.lines().len(), 3);
    assert!(seen.contains(&Some(1_800_000_002)) && !seen.contains(&Some(1_800_000_000)), "the later one: {seen:?}");
    // The log goes on: the latest state has no witness yet, the one before has.
    append(app, "more");
    assert_eq!(note(app).lines().len(), 1);
    let seen = |count: u8| app.get(&format!("/log/checkpoint?witnessed={count}")).send();
    assert_eq!((seen(2).status, String::from_utf8(seen(2).bytes).expect("text")), (200, shown.to_string()));
    assert_eq!(seen(3).status, 404);
    // The file proves to who trusts a witness alone, and to nobody who trusts another.
    let file = bundle(app, &number);
    assert_eq!(Bundle::parse(&file).expect("a file").witnesses.len(), 2);
    let verdict = verify(&file, &[Trust::Key(verifier(2))]);
    assert!(verdict.valid && verdict.pinned, "{:?}", verdict.checks);
    assert_eq!(verdict.found.expect("found").witnesses.len(), 2);
    assert!(!verify(&file, &[Trust::Key(verifier(3))]).pinned);
    // Who has kept a later state than the witnessed one gets the file for that one.
    let size = Checkpoint::parse(note(app).text()).expect("a checkpoint").size;
    let later = app.get(&format!("/api/v1/labels/{number}/bundle?since={size}")).expect(200).bytes;
    assert!(Bundle::parse(&later).expect("a file").witnesses.is_empty());
}

fn nobody_else_hands_anything_in(app: &App) {
    let plain = app;
    let app = &witnessed(app);
    granted(app);
    let text = note(app).text().to_owned();
    let refused = |note: &Note, status: u16, fault: Option<&str>| {
        let answer = hand_in(app, note);
        assert_eq!(answer.status, status, "{}", answer.json());
        if let Some(fault) = fault {
            answer.has_fault(fault);
        }
    };
    refused(&cosigned(&text, 3, 1), 422, Some("/note unknown_witness"));
    refused(&note(app), 422, Some("/note unknown_witness"));
    let good = cosigned(&text, 1, 1);
    let other = cosigned(&text, 1, 2);
    // A line of another text, under a name that is known.
    let state = Checkpoint::parse(&text).expect("a checkpoint");
    let forged = Checkpoint { root: Hash::of(b"another"), ..state.clone() };
    let swapped = Note::new(forged.to_string(), good.lines().to_vec()).expect("a note");
    refused(&swapped, 422, Some("/note wrong_signature"));
    refused(&cosigned(&forged.to_string(), 1, 1), 409, None);
    let later = Checkpoint { size: state.size + 1, ..state.clone() };
    refused(&cosigned(&later.to_string(), 1, 1), 422, Some("/note beyond_the_log"));
    let elsewhere = Checkpoint { origin: "other.example/log".to_owned(), ..state.clone() };
    refused(&cosigned(&elsewhere.to_string(), 1, 1), 422, Some("/note another_log"));
    for bad in ["no note", "a\n\n— b AAAAAAA=\n", "\n\n— b AAAAAAA=\n"] {
        app.post("/log/cosignatures").json(&json!({"note": bad})).expect(422).has_fault("/note not_a_note");
    }
    app.post("/log/cosignatures").json(&json!({"note": "a".repeat(40_000)})).expect(422);
    app.post("/log/cosignatures").bytes("text/plain", b"a").expect(415);
    assert_eq!(note(app).lines().len(), 1, "nothing of it was kept");
    assert_eq!((hand_in(app, &good).status, hand_in(app, &other).status), (204, 204), "the control");
    // Without a witness in the settings nobody is one.
    granted(plain);
    assert_eq!(hand_in(plain, &cosigned(note(plain).text(), 1, 1)).status, 422);
    // What was put into the database past all rules is not served.
    app.sql("UPDATE log_cosignatures SET line = replace(line, '=', 'A')").expect("altered");
    assert_eq!(note(app).lines().len(), 1);
}

fn a_checkpoint_is_known_by_its_tag_and_tiles_are_kept(app: &App) {
    granted(app);
    (0..260).for_each(|n| append(app, &n.to_string()));
    let caching = |path: &str| {
        let answer = app.get(path).unchecked().expect(200);
        let tag = answer.headers.get("etag").expect("a tag").clone();
        app.get(path).header("if-none-match", &tag).unchecked().expect(304);
        answer.headers["cache-control"].clone()
    };
    assert!(caching("/log/tile/0/000").contains("immutable"));
    assert!(caching("/log/tile/entries/000").contains("immutable"));
    assert!(!caching("/log/tile/entries/001.p/2").contains("immutable"));
    assert_eq!(caching("/log/checkpoint"), "public, max-age=10");
    let before = app.get("/log/checkpoint").expect(200);
    append(app, "more");
    app.get("/log/checkpoint").header("if-none-match", &before.headers["etag"]).expect(200);
}

fn the_program_itself_is_a_witness(app: &App) {
    let app = &witnessed(app);
    let (_, number) = granted(app);
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    // PKCS#8 of the seed of the witness that is known (RFC 8410 §7).
    let der = [&b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20"[..], &[1; 32]].concat();
    std::fs::write(path("witness.pem"), pem::encode(&pem::Pem::new("PRIVATE KEY", der))).expect("written");
    let log = format!("{}/log", app.address);
    let trust = vkey(app, folder.path());
    let (pem, kept, name) = (path("witness.pem"), path("kept"), name(1));
    let cosign = ["--keep", &kept, "--cosign", &pem, "--name", &name];
    let (code, said) = watch(&log, &cosign);
    assert!(code == 2 && said.contains("names with --trust"), "{said}");
    std::fs::remove_file(path("kept")).expect("kept");
    let trusting = [&cosign[..], &["--trust", trust.to_str().expect("text")]].concat();
    let (code, said) = watch(&log, &trusting);
    assert!(code == 0 && said.contains("the log has the cosignature"), "{said}");
    assert!(verify(&bundle(app, &number), &[Trust::Key(verifier(1))]).pinned);
    // Who trusts the witness alone watches the log by it.
    let vkey = verifier(1).to_string();
    let (code, said) = watch(&log, &["--trust", &vkey]);
    assert!(code == 0 && said.contains("witness witness.example/1 has seen"), "{said}");
}

fn a_file_waits_for_no_witness(app: &App) {
    let app = &witnessed(app);
    let (audit, number) = granted(app);
    assert_eq!(hand_in(app, &cosigned(note(app).text(), 1, 1)).status, 204);
    let path = format!("/api/v1/solutions/{}", audit.solution);
    let read = app.get(&path).by(&app.operator()).expect(200);
    let body = json!({"code": "security", "reason": "Faille exploitée."});
    app.post(&format!("{path}/suspend")).by(&app.operator()).on(&read).json(&body).expect(200);
    let file = bundle(app, &number);
    assert!(Bundle::parse(&file).expect("a file").witnesses.is_empty(), "what came since is in the file");
    let verdict = verify(&file, &[]);
    assert_eq!(verdict.found.expect("found").events.len(), 2);
}
