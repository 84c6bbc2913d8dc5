//! Bytes that no client of good will sends: they are refused or the connection is
//! closed, and nothing of them is taken for a request of its own.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use gouvtech_catalogue::config::Given;
use serde_json::json;

use crate::cases;
use crate::support::App;

cases![
    what_proxies_may_read_otherwise_is_refused,
    requests_sent_in_a_row_are_answered_in_order,
    heads_beyond_every_limit_are_refused,
    a_slow_head_and_a_slow_body_are_told_and_closed,
    a_client_that_does_not_read_is_cut_off,
    slow_bodies_take_no_place_from_others,
    http2_without_tls_is_not_spoken,
];

fn connect(app: &App) -> TcpStream {
    let stream = TcpStream::connect(app.address.trim_start_matches("http://")).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    stream
}

/// Everything that comes back until the other side closes.
fn answers(app: &App, bytes: &[u8]) -> String {
    let mut stream = connect(app);
    let _refused_early = stream.write_all(bytes);
    let _no_more = stream.shutdown(std::net::Shutdown::Write);
    let mut all = Vec::new();
    let _reset = stream.read_to_end(&mut all);
    String::from_utf8_lossy(&all).into_owned()
}

fn statuses(text: &str) -> Vec<&str> {
    text.split("HTTP/1.1 ").skip(1).map(|one| &one[..3]).collect()
}

fn what_proxies_may_read_otherwise_is_refused(app: &App) {
    let hidden = "GET /test/panic HTTP/1.1\r\nhost: x\r\n\r\n";
    let length = hidden.len();
    for (head, body) in [
        (format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n"), format!("0\r\n\r\n{hidden}")),
        (format!("transfer-encoding: chunked\r\ncontent-length: {length}\r\n"), format!("0\r\n\r\n{hidden}")),
        (format!("content-length: 0\r\ncontent-length: {length}\r\n"), hidden.to_owned()),
        (format!("content-length: {length}\r\ncontent-length: 0\r\n"), hidden.to_owned()),
        ("content-length: +3\r\n".to_owned(), format!("{{}} {hidden}")),
        ("content-length: -1\r\n".to_owned(), hidden.to_owned()),
        ("content-length: 0x10\r\n".to_owned(), hidden.to_owned()),
        ("content-length: 3, 3\r\n".to_owned(), format!("{{}} {hidden}")),
        ("content-length : 3\r\n".to_owned(), format!("{{}} {hidden}")),
        ("transfer-encoding: identity, chunked\r\n".to_owned(), format!("0\r\n\r\n{hidden}")),
        ("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n".to_owned(), format!("0\r\n\r\n{hidden}")),
        ("transfer-encoding: xchunked\r\n".to_owned(), format!("0\r\n\r\n{hidden}")),
        ("transfer-encoding : chunked\r\n".to_owned(), format!("0\r\n\r\n{hidden}")),
        ("transfer-encoding: chunked\r\n".to_owned(), format!("-1\r\n\r\n{hidden}")),
        ("transfer-encoding: chunked\r\n".to_owned(), format!("zz\r\n\r\n{hidden}")),
        ("transfer-encoding: chunked\r\n".to_owned(), format!("ffffffffffffffff1\r\n{hidden}")),
        ("x: a\r\n folded: b\r\ncontent-length: 0\r\n".to_owned(), hidden.to_owned()),
        ("x: a\0b\r\n".to_owned(), hidden.to_owned()),
    ] {
        let before = app.inner.metrics.panics.get();
        let request =
            format!("POST /api/v1/solutions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{head}\r\n{body}");
        let text = answers(app, request.as_bytes());
        assert_eq!(app.inner.metrics.panics.get(), before, "what was hidden got through: {head:?}\n{text}");
        assert!(statuses(&text).len() <= 1 && !text.starts_with("HTTP/1.1 2"), "{head:?}\n{text}");
    }
    for request in [
        // A line may end in LF alone (RFC 9112 §2.2), but not in CR alone.
        "GET /livez HTTP/1.1\nhost: x\n\n",
        "GET /livez HTTP/1.1\r\nx: a\r\rGET /test/panic HTTP/1.1\r\rhost: x\r\n\r\n",
        "GET /livez\r\n\r\n",
        "GET /livez HTTP/3.7\r\nhost: x\r\n\r\n",
        "GET  /livez HTTP/1.1\r\nhost: x\r\n\r\n",
        "\0\0\0\0",
    ] {
        let text = answers(app, request.as_bytes());
        assert!(!text.contains("HTTP/1.1 500"), "{request:?}\n{text}");
        assert!(statuses(&text).iter().filter(|one| **one == "200").count() <= 1, "{request:?}\n{text}");
    }
    app.get("/livez").expect(200);
}

fn requests_sent_in_a_row_are_answered_in_order(app: &App) {
    let get = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\n{more}\r\n");
    let row = [
        get("/livez", ""),
        get("/api/v1/nothing", ""),
        "POST /api/v1/solutions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
            .to_owned(),
        get("/api/v1/families?x=1", ""),
        get("/livez", "connection: close\r\n"),
    ];
    let text = answers(app, row.concat().as_bytes());
    assert_eq!(statuses(&text), ["200", "404", "401", "400", "200"], "{text}");
}

fn heads_beyond_every_limit_are_refused(app: &App) {
    // Ours, with a problem; and the one below, that answers alone.
    let ours = answers(app, format!("GET /livez HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "a".repeat(20_000)).as_bytes());
    assert!(ours.starts_with("HTTP/1.1 431") && ours.contains("headers_too_large"), "{ours}");
    let below = answers(app, format!("GET /livez HTTP/1.1\r\nhost: x\r\nx: {}", "a".repeat(300_000)).as_bytes());
    assert!(below.is_empty() || below.starts_with("HTTP/1.1 4"), "{below}");
    let many = answers(app, format!("GET /livez HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(2000)).as_bytes());
    assert!(many.is_empty() || many.starts_with("HTTP/1.1 4"), "{many}");
    let long = answers(app, format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(300_000)).as_bytes());
    assert!(long.is_empty() || long.starts_with("HTTP/1.1 4"), "{long}");
}

fn a_slow_head_and_a_slow_body_are_told_and_closed(app: &App) {
    let app = app.beside(Given {
        head_timeout_seconds: Some(1),
        body_timeout_seconds: Some(1),
        keep_alive_seconds: Some(1),
        ..Given::default()
    });
    let vendor = app.vendor(1);
    let wait = |bytes: &str| {
        let mut stream = connect(&app);
        stream.write_all(bytes.as_bytes()).expect("sent");
        let mut all = Vec::new();
        stream.read_to_end(&mut all).expect("closed by the server");
        String::from_utf8_lossy(&all).into_owned()
    };
    assert!(wait("GET /livez HTTP/1.1\r\nhost: x\r\nx-slow: ").starts_with("HTTP/1.1 408"));
    let body = wait(&format!(
        "POST /api/v1/solutions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nauthorization: Bearer {}\r\ncontent-length: 100\r\n\r\n{{",
        vendor.token
    ));
    assert!(body.starts_with("HTTP/1.1 408") && body.contains("request_timeout"), "{body}");
    // The head of a second request on one connection is not for ever either.
    let second = wait("GET /livez HTTP/1.1\r\nhost: x\r\n\r\nGET /livez HTTP/1.1\r\nx-slow: ");
    assert_eq!(statuses(&second).first(), Some(&"200"), "{second}");
}

#[cfg(target_os = "linux")]
fn a_client_that_does_not_read_is_cut_off(app: &App) {
    let app = app.beside(Given { write_timeout_seconds: Some(1), ..Given::default() });
    let mut stream = connect(&app);
    stream.set_write_timeout(Some(Duration::from_millis(100))).expect("a timeout");
    let request = b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n";
    let end = Instant::now() + Duration::from_secs(60);
    // Asks and asks and never reads: once the buffers are full, the server waits; then it is gone.
    loop {
        match stream.write_all(request) {
            Err(error) if !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                break;
            }
            _ => assert!(Instant::now() < end, "still connected"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    app.get("/livez").expect(200);
}

#[cfg(not(target_os = "linux"))]
fn a_client_that_does_not_read_is_cut_off(_: &App) {}

fn slow_bodies_take_no_place_from_others(app: &App) {
    let app = app.beside(Given { max_in_flight: Some(4), ..Given::default() });
    let vendor = app.vendor(1);
    let head = format!(
        "POST /api/v1/solutions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nauthorization: Bearer {}\r\ncontent-length: 100\r\n\r\n{{",
        vendor.token
    );
    let slow: Vec<TcpStream> = (0..40)
        .map(|_| {
            let mut stream = connect(&app);
            stream.write_all(head.as_bytes()).expect("sent");
            // Heads that come one by one are let in one by one.
            let end = Instant::now() + Duration::from_secs(10);
            while app.inner.load.now() > 0 {
                assert!(Instant::now() < end, "a slow body keeps its place");
                std::thread::yield_now();
            }
            stream
        })
        .collect();
    for n in 0..10 {
        let body = json!({"name": format!("Vive {n}")});
        app.post("/api/v1/solutions").by(&vendor.token).json(&body).expect(201);
    }
    drop(slow);
}

fn http2_without_tls_is_not_spoken(app: &App) {
    let text = answers(app, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{text:?}");
    let upgrade = answers(
        app,
        b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: Upgrade, HTTP2-Settings, close\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n\r\n",
    );
    assert!(!upgrade.contains("101"), "{upgrade}");
}
