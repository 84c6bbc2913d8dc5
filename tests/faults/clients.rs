//! F9, F10, F11: clients that are slow, that vanish, and a server told to stop.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::ground::{Database, Ground, until};
use crate::http::Client;
use crate::load::percentile;
use crate::process::{Launch, Server, signal};
use crate::rows;
use crate::writers::{Journal, Verdict, post};

rows! {
    f9_slow_clients_hold_up_nobody on BOTH, needs [];
    f10_clients_that_vanish_leave_all_or_nothing on BOTH, needs [];
    f10_control_without_a_key_a_repetition_makes_a_second on BOTH, needs [];
    f11_told_to_stop_it_finishes_what_it_took_on on BOTH, needs [];
    f11_control_killed_it_finishes_nothing on [Sqlite], needs [];
}

/// How a client is slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slow {
    Head,
    Body,
    Reader,
}

struct SlowClient {
    stream: TcpStream,
    how: Slow,
    since: Instant,
    closed_after: Option<Duration>,
}

impl SlowClient {
    fn connect(server: &Server, token: &str, how: Slow) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("a connection");
        let first = match how {
            Slow::Head => "GET /api/v1/solutions HTTP/1.1\r\nHost: slow\r\nX-Slow: ".to_owned(),
            Slow::Body => format!(
                "POST /api/v1/solutions HTTP/1.1\r\nHost: slow\r\nAuthorization: Bearer {token}\r\n\
                 Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n{{\"name\": \""
            ),
            // The largest answers there are, and never a byte taken.
            Slow::Reader => "GET /openapi.json HTTP/1.1\r\nHost: slow\r\n\r\n".repeat(40),
        };
        stream.write_all(first.as_bytes()).expect("sent");
        stream.set_nonblocking(true).expect("set");
        Self { stream, how, since: Instant::now(), closed_after: None }
    }

    /// One more byte, if that is its way; notices the end.
    fn creep(&mut self) {
        if self.closed_after.is_some() {
            return;
        }
        let mut buffer = [0; 4096];
        let is_closed = match self.how {
            // To look would be to read.
            Slow::Reader => self.stream.take_error().is_ok_and(|error| error.is_some()),
            Slow::Head | Slow::Body => {
                let read = self.stream.read(&mut buffer);
                let written = self.stream.write(b"x");
                let is_gone = |error: &std::io::Error| error.kind() != ErrorKind::WouldBlock;
                matches!(read, Ok(0)) || read.is_err_and(|e| is_gone(&e)) || written.is_err_and(|e| is_gone(&e))
            }
        };
        if is_closed {
            self.closed_after = Some(self.since.elapsed());
        }
    }
}

/// Times of healthy requests until it is over.
fn healthy(base: &str, is_over: &AtomicBool) -> Vec<Duration> {
    let all = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let client = Client::new(base);
                while !is_over.load(Ordering::Relaxed) {
                    let after = client.get("/api/v1/solutions?limit=5").expect(200).after;
                    all.lock().expect("times").push(after);
                    std::thread::sleep(Duration::from_millis(5));
                }
            });
        }
    });
    all.into_inner().expect("times")
}

fn f9_slow_clients_hold_up_nobody(ground: &Ground) {
    let database = ground.database();
    let (head, body) = ground.pick((3, 4), (10, 30));
    let launch = Launch::default().option("--head-timeout-seconds", head).option("--body-timeout-seconds", body);
    let mut server = Server::launched(&database.url, launch);
    server.start();
    let vendor = server.token(&server.vendor());
    let memory = server.memory();
    let descriptors = server.descriptors();
    let base = server.base();
    let baseline_over = AtomicBool::new(false);
    let baseline = std::thread::scope(|scope| {
        let times = scope.spawn(|| healthy(&base, &baseline_over));
        std::thread::sleep(Duration::from_secs(ground.pick(2, 10)));
        baseline_over.store(true, Ordering::Relaxed);
        times.join().expect("healthy clients")
    });
    let each = ground.pick(34, 167);
    let length = Duration::from_secs(ground.pick(9, 60));
    let is_over = AtomicBool::new(false);
    let (beside, mut slow) = std::thread::scope(|scope| {
        let times = scope.spawn(|| healthy(&base, &is_over));
        let mut slow: Vec<SlowClient> = [Slow::Head, Slow::Body, Slow::Reader]
            .into_iter()
            .flat_map(|how| std::iter::repeat_n(how, each))
            .map(|how| SlowClient::connect(&server, &vendor, how))
            .collect();
        let end = Instant::now() + length;
        while Instant::now() < end {
            slow.iter_mut().for_each(SlowClient::creep);
            std::thread::sleep(Duration::from_millis(250));
        }
        is_over.store(true, Ordering::Relaxed);
        (times.join().expect("healthy clients"), slow)
    });
    let (before, during) = (percentile(&baseline, 99), percentile(&beside, 99));
    let grown = server.memory().saturating_sub(memory) / 1024;
    slow.iter_mut().for_each(SlowClient::creep);
    let closed = |how: Slow| {
        let ends: Vec<Duration> = slow.iter().filter(|c| c.how == how).filter_map(|c| c.closed_after).collect();
        (ends.len(), ends.into_iter().max().unwrap_or_default())
    };
    let (heads, bodies) = (closed(Slow::Head), closed(Slow::Body));
    // Readers are closed by the server; seen from its descriptors.
    let left = server.descriptors().saturating_sub(descriptors);
    drop(slow);
    let freed = until(Duration::from_secs(20), || server.descriptors() <= descriptors + 8);
    ground.say(&format!(
        "{each} slow heads, {each} slow bodies, {each} slow readers for {length:?}: healthy p99 {before:?} → {during:?} \
         ({} and {} requests); heads closed {} (last after {:?}), bodies closed {} (last after {:?}), \
         {left} connections left at the end, memory +{grown} MB",
        baseline.len(), beside.len(), heads.0, heads.1, bodies.0, bodies.1
    ));
    assert_eq!((heads.0, bodies.0), (each, each), "slow heads and bodies are closed");
    assert!(freed.is_some(), "connections of clients that left are kept");
    let allowed = if ground.is_long() {
        before * 2 + Duration::from_millis(20)
    } else {
        before * 10 + Duration::from_millis(200)
    };
    assert!(during <= allowed, "healthy clients wait for slow ones: {before:?} → {during:?}");
    assert!(grown < 100, "memory grows by {grown} MB");
}

/// A POST of a draft, its connection reset after so many bytes.
fn reset_after(server: &Server, token: &str, key: &str, with_key: bool, part: f64, pause: Duration) {
    let body = json!({"name": key}).to_string();
    let key_line = if with_key { format!("Idempotency-Key: {key}\r\n") } else { String::new() };
    let whole = format!(
        "POST /api/v1/solutions HTTP/1.1\r\nHost: vanishing\r\nAuthorization: Bearer {token}\r\n{key_line}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", server.port)) else { return };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a share")]
    let length = (whole.len() as f64 * part).ceil() as usize;
    let _sent = stream.write_all(&whole.as_bytes()[..length.min(whole.len())]);
    std::thread::sleep(pause);
    // Closing without lingering is a reset.
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("set");
}

fn f10_clients_that_vanish_leave_all_or_nothing(ground: &Ground) {
    let database = ground.database();
    let mut server = Server::over(&database.url);
    server.start();
    let vendor = server.token(&server.vendor());
    let descriptors = server.descriptors();
    let many = ground.pick(300_u32, 1000);
    let journal = Mutex::new(Journal::default());
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let (server, vendor, journal) = (&server, &vendor, &journal);
            scope.spawn(move || {
                let client = server.client();
                for number in (worker..many).step_by(4) {
                    let key = format!("vanish{number}");
                    // A third in the head or body, the others when all is said, at odd moments.
                    let part = if number % 3 == 0 { f64::from(number % 50) / 50.0 } else { 1.0 };
                    reset_after(server, vendor, &key, true, part, Duration::from_micros(u64::from(number % 20) * 500));
                    let mut answer = None;
                    until(Duration::from_secs(20), || {
                        answer = post(&client, vendor, &key).ok().filter(|answer| answer.status == 201);
                        answer.is_some()
                    });
                    let id = answer.expect("the repetition succeeds").member("id");
                    journal.lock().expect("a journal").acknowledged.insert(key, id);
                }
            });
        }
    });
    let journal = journal.into_inner().expect("a journal");
    let verdict = Verdict::of(&journal, &database);
    let freed = until(Duration::from_secs(20), || server.descriptors() <= descriptors + 8);
    server.ready_within(Duration::from_secs(5)).expect("ready");
    let made = database.count("SELECT count(*) FROM solutions");
    server.terminate();
    verdict.assert_clean();
    assert_eq!(made, i64::from(many), "each exactly once");
    assert!(freed.is_some(), "connections of clients that left are kept");
    ground.say(&format!(
        "{many} resets in and after a POST, sent again with the same key: {made} objects, 0 lost, 0 doubled"
    ));
}

fn f10_control_without_a_key_a_repetition_makes_a_second(ground: &Ground) {
    let database = ground.database();
    let mut server = Server::over(&database.url);
    server.start();
    let vendor = server.token(&server.vendor());
    let client = server.client();
    for number in 0..40 {
        let key = format!("again{number}");
        reset_after(&server, &vendor, &key, false, 1.0, Duration::from_millis(5 + number % 4 * 10));
        client.post("/api/v1/solutions").by(&vendor).json(&json!({"name": key})).expect(201);
    }
    server.terminate();
    let made = database.count("SELECT count(*) FROM solutions");
    ground.say(&format!("40 resets sent again without a key: {made} objects"));
    assert!(made > 40, "the resets come before anything is done: they show nothing");
}

/// What callers behind a balancer saw: it sends nobody to an instance that is not ready.
struct Ending {
    journal: Journal,
    unready_seen: bool,
    broken: Vec<String>,
}

fn end_under_load(server: &mut Server, database: &Database, name: &str) -> Ending {
    server.start();
    let vendor = server.token(&server.vendor_of(database));
    let base = server.base();
    let pid = server.pid();
    let is_drained = AtomicBool::new(false);
    let journal = Mutex::new(Journal::default());
    let broken = Mutex::new(Vec::new());
    let unready_seen = std::thread::scope(|scope| {
        for number in 0..6 {
            let (base, vendor, is_drained, journal, broken) = (&base, &vendor, &is_drained, &journal, &broken);
            scope.spawn(move || {
                for count in 0.. {
                    if is_drained.load(Ordering::SeqCst) {
                        return;
                    }
                    let key = format!("{name}w{number}n{count}");
                    // A connection each: what was accepted must be answered.
                    match post(&Client::new(base), vendor, &key) {
                        Ok(answer) if answer.status == 201 => {
                            journal.lock().expect("a journal").acknowledged.insert(key, answer.member("id"));
                        }
                        Ok(answer) if answer.is_polite_refusal() => {}
                        Ok(answer) => broken.lock().expect("a list").push(answer.shown()),
                        Err(error) => broken.lock().expect("a list").push(error),
                    }
                }
            });
        }
        until(Duration::from_secs(20), || journal.lock().expect("a journal").acknowledged.len() > 30)
            .expect("progress");
        if name == "killed" {
            server.kill();
        } else {
            signal(pid, "TERM");
        }
        // The balancer looks every 20 ms.
        let balancer = Client::patient(&base, Duration::from_secs(2));
        let mut unready_seen = false;
        until(Duration::from_secs(10), || match balancer.get("/readyz").send() {
            Ok(answer) if answer.status == 503 => {
                unready_seen = true;
                true
            }
            Ok(_) => false,
            Err(_) => true,
        });
        is_drained.store(true, Ordering::SeqCst);
        unready_seen
    });
    Ending {
        journal: journal.into_inner().expect("a journal"),
        unready_seen,
        broken: broken.into_inner().expect("a list"),
    }
}

fn f11_told_to_stop_it_finishes_what_it_took_on(ground: &Ground) {
    let database = ground.database();
    let mut server = Server::over(&database.url);
    let rounds = ground.pick(1, 10);
    let mut acknowledged = 0;
    let mut slowest = Duration::ZERO;
    for round in 0..rounds {
        let ending = end_under_load(&mut server, &database, &format!("stop{round}"));
        let told = Instant::now();
        let status = server.ended_within(Duration::from_secs(30)).expect("it ends");
        slowest = slowest.max(told.elapsed());
        let verdict = Verdict::of(&ending.journal, &database);
        verdict.assert_clean();
        acknowledged += verdict.acknowledged;
        assert!(ending.unready_seen, "/readyz did not say 503 before the end");
        assert_eq!(ending.broken, Vec::<String>::new(), "taken on and not finished");
        assert_eq!(status.code(), Some(0));
        assert!(slowest <= Duration::from_secs(10), "ended only after {slowest:?}");
    }
    ground.say(&format!(
        "{rounds} × SIGTERM under 6 writers: /readyz 503 first, {acknowledged} acknowledged, 0 broken off, 0 lost, \
         exit 0 at most {slowest:?} after /readyz said so"
    ));
}

fn f11_control_killed_it_finishes_nothing(ground: &Ground) {
    let database = ground.database();
    let mut server = Server::over(&database.url);
    let ending = end_under_load(&mut server, &database, "killed");
    ground.say(&format!(
        "the same with SIGKILL: {} requests broken off, /readyz 503 seen: {}",
        ending.broken.len(),
        ending.unready_seen
    ));
    assert!(!ending.broken.is_empty() && !ending.unready_seen);
}
