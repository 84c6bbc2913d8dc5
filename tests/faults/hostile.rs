//! S4, S6: input that is meant to cost, and requests that are meant to be read in two ways.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::ground::Ground;
use crate::process::{Launch, Server};
use crate::rows;

rows! {
    s4_input_without_measure_costs_little on [Sqlite], needs [];
    s4_control_a_server_that_takes_it_grows on [Sqlite], needs [];
    s6_what_can_be_read_in_two_ways_is_read_in_none on [Sqlite], needs [];
}

/// Sends until the server has had enough; what it said, and how long it took.
fn speak(port: u16, parts: impl Iterator<Item = Vec<u8>>) -> (String, Duration) {
    let start = Instant::now();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_millis(1500))).expect("set");
    stream.set_write_timeout(Some(Duration::from_secs(5))).expect("set");
    for part in parts {
        if stream.write_all(&part).is_err() {
            break;
        }
    }
    let (mut said, mut buffer) = (Vec::new(), [0; 65536]);
    let mut last = start.elapsed();
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        said.extend_from_slice(&buffer[..length]);
        last = start.elapsed();
    }
    (String::from_utf8_lossy(&said).into_owned(), last)
}

fn post_head(token: &str, more: &str) -> Vec<u8> {
    format!(
        "POST /api/v1/solutions HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n{more}\r\n"
    )
    .into_bytes()
}

const MEGABYTE: usize = 1 << 20;

/// A body of so many megabytes, its length told or in chunks.
fn body_of(token: &str, megabytes: usize, is_chunked: bool) -> Vec<Vec<u8>> {
    let told = if is_chunked {
        "Transfer-Encoding: chunked\r\n".to_owned()
    } else {
        format!("Content-Length: {}\r\n", megabytes * MEGABYTE)
    };
    let mut parts = vec![post_head(token, &told)];
    for _ in 0..megabytes {
        if is_chunked {
            parts.push(format!("{MEGABYTE:x}\r\n").into_bytes());
        }
        parts.push(vec![b' '; MEGABYTE]);
        if is_chunked {
            parts.push(b"\r\n".to_vec());
        }
    }
    parts
}

fn whole(token: &str, headers: &str, body: Vec<u8>) -> Vec<Vec<u8>> {
    vec![post_head(token, &format!("{headers}Content-Length: {}\r\n", body.len())), body]
}

fn get(path: &str, headers: &str) -> Vec<Vec<u8>> {
    vec![format!("GET {path} HTTP/1.1\r\nHost: h\r\n{headers}\r\n").into_bytes()]
}

fn s4_input_without_measure_costs_little(ground: &Ground) {
    let database = ground.database();
    let mut server = Server::over(&database.url);
    server.start();
    let token = server.token(&server.vendor());
    // Two hundred megabytes of spaces in two hundred kilobytes, as `gzip` would make them: stored blocks suffice to be refused.
    let packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    let attacks: Vec<(&str, Vec<Vec<u8>>)> = vec![
        ("100 MB, length told", body_of(&token, 100, false)),
        ("100 MB in chunks", body_of(&token, 100, true)),
        ("a packed body", whole(&token, "Content-Encoding: gzip\r\n", packed)),
        ("depth 100,000", whole(&token, "", "[".repeat(100_000).into_bytes())),
        ("1e400", whole(&token, "", b"{\"name\": 1e400}".to_vec())),
        ("10,000 parameters", get(&format!("/api/v1/solutions?{}", "tag=a&".repeat(10_000)), "")),
        ("64 kB query", get(&format!("/api/v1/solutions?q={}", "a".repeat(64_000)), "")),
        ("60 kB header", get("/api/v1/solutions", &format!("X-Long: {}\r\n", "a".repeat(60_000)))),
        ("5,000 headers", get("/api/v1/solutions", &"X: y\r\n".repeat(5000))),
    ];
    let before = server.memory();
    let mut seen = Vec::new();
    for (what, parts) in attacks {
        let mut slowest = Duration::ZERO;
        for _ in 0..ground.pick(3, 30) {
            let (said, after) = speak(server.port, parts.clone().into_iter());
            slowest = slowest.max(after);
            let status = said.get(9..12).unwrap_or("closed").to_owned();
            assert!(status.starts_with('4') || status == "closed", "{what}: {said}");
            if !seen.iter().any(|(one, _, _): &(&str, String, Duration)| *one == what) {
                seen.push((what, status, after));
            }
        }
        assert!(slowest < Duration::from_secs(3), "{what}: {slowest:?}");
        server.client().get("/livez").expect(200);
    }
    let grown = server.memory().saturating_sub(before) / 1024;
    let shown: Vec<String> = seen.iter().map(|(what, status, after)| format!("{what} {status} {after:?}")).collect();
    ground.say(&format!("{}; memory +{grown} MB", shown.join(", ")));
    assert!(grown < 50, "memory grows by {grown} MB");
}

/// With the limit on bodies raised, the same body is taken and seen in memory.
fn s4_control_a_server_that_takes_it_grows(ground: &Ground) {
    let database = ground.database();
    let mut server = Server::launched(&database.url, Launch::default().option("--max-body-bytes", 64 * MEGABYTE));
    server.start();
    let token = server.token(&server.vendor());
    let before = server.memory();
    let (port, mut parts) = (server.port, body_of(&token, 60, false));
    // The last byte stays away, so that all the others are kept.
    parts.last_mut().expect("a part").pop();
    let sender = std::thread::spawn(move || speak(port, parts.into_iter()));
    let grown = || server.memory().saturating_sub(before) / 1024;
    let came = crate::ground::until(Duration::from_secs(10), || grown() >= 50);
    ground.say(&format!("60 MB taken by a server that allows it: memory +{} MB", grown()));
    sender.join().expect("a sender");
    assert!(came.is_some(), "the measure misses 60 MB");
}

fn s6_what_can_be_read_in_two_ways_is_read_in_none(ground: &Ground) {
    let database = ground.database();
    let mut server = Server::over(&database.url);
    server.start();
    let hidden = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
    let length = hidden.len();
    let post = |headers: &str, body: &str| format!("POST /api/v1/solutions HTTP/1.1\r\nHost: h\r\n{headers}\r\n{body}");
    let attacks = [
        (
            "CL and TE",
            post(
                &format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", 5 + length),
                &format!("0\r\n\r\n{hidden}"),
            ),
        ),
        ("TE and CL", post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", &format!("0\r\n\r\n{hidden}"))),
        ("two lengths", post(&format!("Content-Length: 0\r\nContent-Length: {length}\r\n"), hidden)),
        ("a list of lengths", post(&format!("Content-Length: 0, {length}\r\n"), hidden)),
        ("length +0", post("Content-Length: +0\r\n", hidden)),
        ("length -1", post("Content-Length: -1\r\n", hidden)),
        ("length 0x0", post("Content-Length: 0x0\r\n", hidden)),
        ("space before colon", post("Content-Length : 0\r\n", hidden)),
        (
            "TE twice",
            post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", &format!("0\r\n\r\n{hidden}")),
        ),
        ("TE unknown", post("Transfer-Encoding: xchunked\r\n", &format!("0\r\n\r\n{hidden}"))),
        (
            "TE behind a tab",
            post("Transfer-Encoding:\tchunked\r\nContent-Length: 3\r\n", &format!("0\r\n\r\n{hidden}")),
        ),
        (
            "folded header",
            post("Transfer-Encoding:\r\n chunked\r\nContent-Length: 3\r\n", &format!("0\r\n\r\n{hidden}")),
        ),
        ("chunk of no size", post("Transfer-Encoding: chunked\r\n", &format!("\r\n\r\n{hidden}"))),
        ("chunk too large", post("Transfer-Encoding: chunked\r\n", &format!("fffffffffffffffff\r\n{hidden}"))),
        ("two hosts", format!("GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: {length}\r\n\r\n{hidden}")),
        ("bare CR", post("X: y\rContent-Length: 0\r\n", hidden)),
        ("NUL in a header", post("X: \0\r\nContent-Length: 0, 1\r\n", hidden)),
        ("absurd version", format!("GET /livez HTTP/9.9\r\nHost: h\r\n\r\n{hidden}")),
    ];
    let mut seen = Vec::new();
    for (what, attack) in &attacks {
        let (said, _) = speak(server.port, std::iter::once(attack.clone().into_bytes()));
        let answers = said.matches("HTTP/1.1 ").count();
        assert!(answers <= 1, "{what}: {answers} answers to one request\n{said}");
        assert!(!said.contains("/smuggled"), "{what}: the hidden request was answered\n{said}");
        let status = said.get(9..12).unwrap_or("closed");
        assert!(
            status == "closed" || status.starts_with('4') || status == "200" || status == "505" || status == "501",
            "{what}: {said}"
        );
        seen.push(format!("{what} {status}"));
    }
    // The control: told openly, one after the other, both are answered, and the second shows its path.
    let (open, _) =
        speak(server.port, std::iter::once(format!("GET /livez HTTP/1.1\r\nHost: h\r\n\r\n{hidden}").into_bytes()));
    assert_eq!(open.matches("HTTP/1.1 ").count(), 2, "{open}");
    assert!(open.contains("/smuggled"), "{open}");
    ground.say(&format!(
        "{} of {} hidden requests answered: {}; openly pipelined: both answered",
        0,
        attacks.len(),
        seen.join(", ")
    ));
}
