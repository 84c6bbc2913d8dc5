//! The built program: how it stops, and what its log tells.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use gouvtech_catalogue::auth::{Duty, Role};
use serde_json::Value;

use crate::cases;
use crate::readme::serve;
use crate::support::{App, Kind};

cases![a_server_that_stops_finishes_what_it_accepted, the_log_tells_requests_and_nothing_of_persons];

/// One request on a connection of its own; the status, or what went wrong.
fn ask(address: &str, request: &str) -> Result<u16, std::io::Error> {
    let mut stream = TcpStream::connect(address.trim_start_matches("http://"))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    if text.is_empty() {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    let status = text.get(9..12).and_then(|status| status.parse().ok());
    status.ok_or_else(|| std::io::Error::other(format!("no whole answer: {text:?}")))
}

fn get(address: &str, path: &str) -> Result<u16, std::io::Error> {
    ask(address, &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"))
}

fn a_server_that_stops_finishes_what_it_accepted(app: &App) {
    let folder = tempfile::tempdir().expect("a folder");
    let copy = app.empty_database(app.kind);
    let (mut server, address) = serve(copy.url(), folder.path(), &["--shutdown-grace-seconds", "1"]);
    assert_eq!(get(&address, "/readyz").expect("an answer"), 200);
    // Idle, and kept alive: nobody may have to wait for it.
    let _idle = TcpStream::connect(address.trim_start_matches("http://")).expect("connected");
    let (is_over, served, lost) = (AtomicBool::new(false), AtomicU32::new(0), AtomicU32::new(0));
    let unread = AtomicU32::new(0);
    let (mut was_unready, mut served_after) = (false, 0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    match get(&address, "/api/v1/solutions") {
                        Ok(200) => served.fetch_add(1, Ordering::Relaxed),
                        // Nobody listens any more: the end, and no loss.
                        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => return,
                        // In the backlog when the socket closed: never accepted.
                        Err(error)
                            if matches!(
                                error.kind(),
                                std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe
                            ) =>
                        {
                            0
                        }
                        // The same, closed before the request came: once, and then nobody listens.
                        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                            unread.fetch_add(1, Ordering::Relaxed)
                        }
                        // Told to come back is an answer.
                        Ok(503) => 0,
                        _ => lost.fetch_add(1, Ordering::Relaxed),
                    };
                }
            });
        }
        let end = Instant::now() + Duration::from_secs(20);
        while served.load(Ordering::Relaxed) < 20 {
            assert!(Instant::now() < end, "no load");
            std::thread::sleep(Duration::from_millis(5));
        }
        let stopped = Command::new("kill").args(["-TERM", &server.0.id().to_string()]).status().expect("kill");
        assert!(stopped.success());
        let began = Instant::now();
        let before = served.load(Ordering::Relaxed);
        while !was_unready && began.elapsed() < Duration::from_secs(5) {
            match get(&address, "/readyz") {
                Ok(503) => was_unready = true,
                Ok(_) => {}
                Err(_) => break,
            }
        }
        let status = loop {
            if let Some(status) = server.0.try_wait().expect("a child") {
                break status;
            }
            assert!(began.elapsed() < Duration::from_secs(10), "still there after 10 s");
            std::thread::sleep(Duration::from_millis(20));
        };
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(status.code(), Some(0));
        served_after = served.load(Ordering::Relaxed) - before;
    });
    assert!(was_unready, "/readyz said 200 to the end");
    assert!(served_after > 0, "nothing was served in the grace");
    assert_eq!(lost.load(Ordering::Relaxed), 0, "answers were broken off");
    assert!(unread.load(Ordering::Relaxed) <= 4, "accepted requests were dropped: {unread:?}");
}

fn the_log_tells_requests_and_nothing_of_persons(app: &App) {
    let folder = tempfile::tempdir().expect("a folder");
    let key = app.inner.settings.signing_key.display().to_string();
    let options = ["--log-format", "json", "--log", "debug", "--signing-key", &key];
    let (server, address) = serve(app.url(), folder.path(), &options);
    let vendor = app.vendor(1);
    let operator = app.token(Role::Operator, None, &[Duty::Moderator], "Odile-Secret-Subject");
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let send = |method: &str, path: &str, token: &str, more: &str, body: &str| {
        let length = body.len();
        ask(
            &address,
            &format!(
                "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n{more}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
            ),
        )
        .expect("an answer")
    };
    let traced = format!("traceparent: 00-{trace}-00f067aa0ba902b7-01\r\nidempotency-key: Cle-Secrete-42\r\n");
    assert_eq!(send("POST", "/api/v1/solutions", &vendor.token, &traced, "{\"name\":\"Nom-Secret-Durand\"}"), 201);
    assert_eq!(
        send(
            "POST",
            "/api/v1/solutions",
            &vendor.token,
            "",
            "{\"name\":\"Nom-Secret-Durand\",\"x\":\"Membre-Secret\"}"
        ),
        400
    );
    assert_eq!(send("GET", "/api/v1/solutions?q=Recherche-Secrete", &operator, "", ""), 200);
    assert_eq!(send("GET", "/api/v1/solutions/slug-secret", &operator, "", ""), 404);
    assert_eq!(send("GET", "/api/v1/solutions", "Jeton-Secret.aaa.bbb", "", ""), 401);
    assert_eq!(send("GET", "/Chemin-Secret", &operator, "cookie: Biscuit-Secret\r\n", ""), 404);
    // A failure of the database that holds what a caller sent.
    app.sql("ALTER TABLE criteria RENAME TO criteria_gone").expect("renamed");
    assert_eq!(send("GET", "/api/v1/criteria", &operator, "", ""), 500);
    drop(server);
    let log = std::fs::read_to_string(folder.path().join("log")).expect("a log");
    let mut served = 0;
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        if line["fields"]["message"] == "served" {
            served += 1;
            assert!(line["span"]["id"].is_string() && line["fields"]["route"].is_string(), "{line}");
            if line["fields"]["status"] == 201 {
                assert_eq!(line["span"]["trace_id"], trace, "{line}");
                assert_eq!(
                    (&line["fields"]["caller"], &line["fields"]["route"]),
                    (&"vendor".into(), &"/api/v1/solutions".into())
                );
            }
        }
    }
    assert!(served >= 7, "{served} lines for 7 requests:\n{log}");
    let password = if app.kind == Kind::Postgres { app.url() } else { "no password here" };
    let tokens = [vendor.token.as_str(), operator.as_str(), vendor.token.rsplit('.').next().expect("a signature")];
    let secrets = ["Secret", "secret", "Secrete", "SECRET", "BEGIN PRIVATE KEY", password];
    for secret in secrets.into_iter().chain(tokens) {
        let found: Vec<&str> = log.lines().filter(|line| line.contains(secret)).collect();
        assert!(found.is_empty(), "{secret} is in the log: {found:#?}");
    }
}
