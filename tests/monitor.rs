//! Who watches the log from outside: what is new is told, what must not be is found, by the
//! program itself over HTTP.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use gouvtech_catalogue::db::Actor;
use gouvtech_catalogue::proof::canonical;
use gouvtech_catalogue::proof::entry::{LogEntry, Refusal};

use crate::cases;
use crate::labels::granted;
use crate::support::{App, json};

cases![
    who_watches_is_told_what_is_new_and_keeps_the_checkpoint,
    a_log_put_back_or_rewritten_is_found_by_who_kept_a_checkpoint,
    a_log_that_cannot_be_read_is_another_thing_than_one_that_does_not_hold,
];

/// The program as somebody else runs it.
pub fn verify(log: &str, options: &[&str]) -> (i32, String) {
    let program = env!("CARGO_BIN_EXE_gouvtech-catalogue");
    let Output { status, stdout, stderr } =
        Command::new(program).args(["verify", "--log-url", log]).args(options).output().expect("the program");
    let said = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    (status.code().expect("a code"), said)
}

fn shown(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// The key of the log, as a file.
pub fn vkey(app: &App, folder: &Path) -> PathBuf {
    let path = folder.join("log.vkey");
    std::fs::write(&path, app.get("/log/key").expect(200).bytes).expect("written");
    path
}

/// Another entry of the log.
pub fn append(app: &App, what: &str) {
    let data = canonical::hash(&json!({"what": what})).expect("a hash");
    app.store()
        .write_here(&Actor::System, |tx| {
            let at = tx.now;
            tx.append_to_log(&LogEntry::Refusal(Box::new(Refusal { at, data })), at)
        })
        .expect("appended");
}

fn who_watches_is_told_what_is_new_and_keeps_the_checkpoint(app: &App) {
    let (_, number) = granted(app);
    let folder = tempfile::tempdir().expect("a folder");
    let (key, kept) = (vkey(app, folder.path()), folder.path().join("kept"));
    let log = format!("{}/log", app.address);
    let (code, said) = verify(&log, &["--trust", shown(&key), "--keep", shown(&kept)]);
    assert_eq!(code, 0, "{said}");
    for part in ["first visit", &format!("{number} granted, active from"), "key ", "all is well"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // Nothing new, then one more than a tile holds.
    let (code, said) = verify(&log, &["--keep", shown(&kept)]);
    assert!(code == 0 && said.contains(", 0 of them new"), "{said}");
    (0..260).for_each(|n| append(app, &n.to_string()));
    let (code, said) = verify(&format!("{log}/"), &["--keep", shown(&kept)]);
    assert!(code == 0 && said.contains(", 260 of them new"), "{said}");
    assert!(said.contains("a decision against a label"), "{said}");
    // Another key than the log's ties nothing; without any trust it is said.
    let other = app.another(gouvtech_catalogue::config::Given::default());
    granted(&other);
    let stranger = vkey(&other, folder.path());
    let (code, said) = verify(&log, &["--trust", shown(&stranger)]);
    assert!(code == 1 && said.contains("has not signed"), "{said}");
    let (code, said) = verify(&log, &["--json"]);
    assert!(code == 0 && said.contains("\"pinned\": false"), "{said}");
}

fn a_log_put_back_or_rewritten_is_found_by_who_kept_a_checkpoint(app: &App) {
    granted(app);
    append(app, "kept");
    let folder = tempfile::tempdir().expect("a folder");
    let kept = folder.path().join("kept");
    let log = format!("{}/log", app.address);
    assert_eq!(verify(&log, &["--keep", shown(&kept)]).0, 0);
    let before = std::fs::read(&kept).expect("kept");
    // The same key, another history: as a server does that was put back and went on.
    let given = gouvtech_catalogue::config::Given {
        log_key: Some(app.inner.settings.log_key.clone()),
        ..gouvtech_catalogue::config::Given::default()
    };
    let other = app.another(given);
    let elsewhere = format!("{}/log", other.address);
    let look = |named: &str| {
        let (code, said) = verify(&elsewhere, &["--keep", shown(&kept)]);
        assert!(code == 1 && said.contains(named) && said.contains("NOT WELL"), "{named}: {said}");
        assert_eq!(std::fs::read(&kept).expect("kept"), before, "what does not hold is not kept");
    };
    look("rolled back");
    granted(&other);
    append(&other, "another");
    look("forked");
    append(&other, "and more");
    look("rewritten");
    assert_eq!(verify(&log, &["--keep", shown(&kept)]).0, 0, "the control");
}

fn a_log_that_cannot_be_read_is_another_thing_than_one_that_does_not_hold(app: &App) {
    let folder = tempfile::tempdir().expect("a folder");
    let kept = folder.path().join("kept");
    let (code, said) = verify("http://127.0.0.1:1/log", &["--keep", shown(&kept)]);
    assert!(code == 2 && !kept.exists(), "{said}");
    let (code, said) = verify(&format!("{}/nowhere", app.address), &["--keep", shown(&kept)]);
    assert!(code == 1 && said.contains("does not show its state"), "{said}");
    for bad in ["ftp://127.0.0.1/log", "file:///etc/passwd"] {
        assert_eq!(verify(bad, &[]).0, 2, "{bad}");
    }
    std::fs::write(&kept, "no checkpoint").expect("written");
    assert_eq!(verify(&format!("{}/log", app.address), &["--keep", shown(&kept)]).0, 2);
}
