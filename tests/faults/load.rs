//! L1, L3, L4: reads, durable writes, more than it can take. Client, server and
//! database share the machine, so only ratios say something; the short form
//! fails on a collapse, the long one prints the figures.

use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::ground::{Ground, library, until};
use crate::http::Client;
use crate::postgres::Postgres;
use crate::process::{Launch, Server};
use crate::proxy::{Proxy, Weather};
use crate::rows;
use crate::writers::{Verdict, Writers};

rows! {
    l1_reads_keep_their_pace on BOTH, needs [];
    l3_many_durable_writers_are_faster_than_one on [Sqlite], needs [Eatmydata];
    l3_many_durable_writers_of_postgresql_are_faster_than_one on [Postgres], needs [PostgresPrograms];
    l4_three_times_too_much_is_shed_and_not_a_collapse on BOTH, needs [];
}

/// The time within which so many of a hundred were answered.
pub fn percentile(times: &[Duration], percent: usize) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).copied().unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "a rate")]
fn rate(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

/// Fills a catalogue by its own import; ids of some of what is in it.
fn seed(server: &Server, count: u32) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sheets.ndjson");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).expect("a file"));
    for number in 0..count {
        let record = json!({
            "source": "essai", "source_id": number.to_string(), "name": format!("Solution {number}"),
            "summary": format!("Le mot{} et le mot{}.", number % 97, number % 1009),
            "description": "Un texte d’essai de longueur moyenne. ".repeat(12), "language": "fr",
        });
        writeln!(file, "{record}").expect("written");
    }
    file.flush().expect("written");
    drop(file);
    let output = server.command(&["import", "solutions", &path.display().to_string()]).output().expect("the program");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let client = server.client();
    let listed = || client.get("/api/v1/solutions?limit=100&sort=name&fields=id").expect(200).json();
    // Another process wrote them: the server follows.
    until(Duration::from_secs(60), || listed()["total"] == count).expect("all are listed");
    let page = listed();
    page["items"].as_array().expect("items").iter().map(|one| one["id"].as_str().expect("an id").to_owned()).collect()
}

/// 70 % one solution, 20 % a list, 10 % a search.
fn path_of(number: usize, ids: &[String]) -> String {
    match number % 10 {
        0..7 => format!("/api/v1/solutions/{}", ids[number % ids.len()]),
        7 | 8 => format!("/api/v1/solutions?limit=20&sort={}", ["name", "-published_at", "-updated_at"][number % 3]),
        _ => format!("/api/v1/solutions?limit=20&q=mot{}", number % 97),
    }
}

/// Everybody asks as soon as answered; times of all.
fn closed_loop(base: &str, clients: usize, length: Duration, path: impl Fn(usize) -> String + Sync) -> Vec<Duration> {
    let times = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for number in 0..clients {
            let (times, path) = (&times, &path);
            scope.spawn(move || {
                let client = Client::new(base);
                let (end, mut own, mut count) = (Instant::now() + length, Vec::new(), number * 7919);
                while Instant::now() < end {
                    own.push(client.get(&path(count)).expect(200).after);
                    count += 1;
                }
                times.lock().expect("times").extend(own);
            });
        }
    });
    times.into_inner().expect("times")
}

fn l1_reads_keep_their_pace(ground: &Ground) {
    let database = ground.database();
    let mut server = Server::over(&database.url);
    server.start();
    let count = ground.pick(1000, 100_000);
    let ids = seed(&server, count);
    let (clients, length) = (ground.pick(16, 64), Duration::from_secs(ground.pick(3, 60)));
    let mix = |number: usize| path_of(number, &ids);
    closed_loop(&server.base(), clients, length / 3, mix);
    let before = server.memory();
    let times = closed_loop(&server.base(), clients, length, mix);
    let after = server.memory();
    // The control: a network that takes 150 ms is seen as such.
    let wire = Proxy::before(server.port);
    wire.set(Weather::Slow(150));
    let slowed = closed_loop(&format!("http://127.0.0.1:{}", wire.port), 4, Duration::from_secs(1), mix);
    ground.say(&format!(
        "{count} solutions, {clients} clients, {length:?}: {:.0} answers/s, p50 {:?}, p99 {:?}, 0 errors, memory {} → {} MB; \
         control, 150 ms slower each way: p50 {:?}",
        rate(times.len(), length), percentile(&times, 50), percentile(&times, 99), before / 1024, after / 1024,
        percentile(&slowed, 50)
    ));
    assert!(percentile(&slowed, 50) >= Duration::from_millis(150), "the measure misses a delay");
    assert!(percentile(&times, 99) <= Duration::from_secs(3), "reads collapse");
    assert!(after <= before + before / 10 + 20_000, "memory grows: {before} → {after} kB");
}

/// How often a second this disk can make a page durable, right now.
fn sync_rate(folder: &Path) -> f64 {
    let path = folder.join("sync-rate");
    let mut file = std::fs::File::create(&path).expect("a file");
    let (start, mut count) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_secs(1) {
        file.write_all(&[1; 4096]).and_then(|()| file.sync_data()).expect("synced");
        count += 1;
    }
    let took = start.elapsed();
    std::fs::remove_file(path).expect("removed");
    rate(count, took)
}

/// Acknowledged writes a second of so many writers, and that nothing was refused or lost.
fn write_rate(ground: &Ground, server: &Server, token: &str, name: &str, writers: usize) -> f64 {
    let all = Writers::start(&server.base(), token, name, writers);
    all.progress(writers, Duration::from_secs(30));
    let (start, before) = (Instant::now(), all.acknowledged());
    std::thread::sleep(Duration::from_secs(ground.pick(2, 20)));
    let (count, took) = (all.acknowledged() - before, start.elapsed());
    let journal = all.finish();
    journal.assert_polite();
    assert_eq!(journal.unanswered, 0);
    if server.url.starts_with("sqlite") {
        assert_eq!(journal.refused, 0, "writes are refused");
    }
    Verdict::of(&journal, &crate::ground::Database::at(server.url.clone())).assert_clean();
    rate(count, took)
}

fn durable(ground: &Ground, server: &mut Server, disk: &Path, careless: Option<Launch>) {
    server.start();
    let vendor = server.token(&server.vendor());
    let before = sync_rate(disk);
    let one = write_rate(ground, server, &vendor, "alone", 1);
    let many = write_rate(ground, server, &vendor, "many", 16);
    let raw = f64::midpoint(before, sync_rate(disk));
    assert!(!server.logged("database is locked"), "database is locked");
    let control = careless.map_or_else(String::new, |launch| {
        server.terminate();
        server.set(launch);
        server.start();
        let free = write_rate(ground, server, &vendor, "free", 16);
        format!("; control, 16 writers without syncing: {free:.0}/s")
    });
    ground.say(&format!(
        "raw syncs {raw:.0}/s; 1 writer {one:.0}/s ({:.2} of raw), 16 writers {many:.0}/s ({:.2} of raw, {:.1} × one){control}",
        one / raw, many / raw, many / one
    ));
    assert!(many >= one * 0.7, "many writers are slower than one: {many:.0}/s < {one:.0}/s");
}

fn l3_many_durable_writers_are_faster_than_one(ground: &Ground) {
    let database = ground.database();
    let folder = database.file().expect("a file").parent().expect("a folder").to_owned();
    let careless = Launch::preloading(&library("libeatmydata.so").expect("libeatmydata"));
    durable(ground, &mut Server::over(&database.url), &folder, Some(careless));
}

fn l3_many_durable_writers_of_postgresql_are_faster_than_one(ground: &Ground) {
    let postgres = Postgres::start();
    durable(ground, &mut Server::over(&postgres.url()), &std::env::temp_dir(), None);
}

/// What became of requests that came at their own pace.
#[derive(Default)]
struct Arrivals {
    served: Vec<Duration>,
    refused: Vec<Duration>,
    unanswered: usize,
    wrong: Vec<String>,
}

/// Requests start at their time, whatever became of those before, as long as a caller is free.
fn open_loop(base: &str, per_second: f64, length: Duration, path: impl Fn(usize) -> String + Sync) -> Arrivals {
    let (next, arrivals, start) = (AtomicU32::new(0), Mutex::new(Arrivals::default()), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..256 {
            let (next, arrivals, path) = (&next, &arrivals, &path);
            scope.spawn(move || {
                let client = Client::new(base);
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let at = Duration::from_secs_f64(f64::from(number) / per_second);
                    if at > length || start.elapsed() > length {
                        return;
                    }
                    std::thread::sleep(at.saturating_sub(start.elapsed()));
                    let answer = client.get(&path(number as usize)).send();
                    let mut arrivals = arrivals.lock().expect("arrivals");
                    match answer {
                        Ok(answer) if answer.status == 200 => arrivals.served.push(answer.after),
                        Ok(answer) if answer.is_polite_refusal() => arrivals.refused.push(answer.after),
                        Ok(answer) => arrivals.wrong.push(answer.shown()),
                        Err(_) => arrivals.unanswered += 1,
                    }
                }
            });
        }
    });
    arrivals.into_inner().expect("arrivals")
}

fn l4_three_times_too_much_is_shed_and_not_a_collapse(ground: &Ground) {
    let database = ground.database();
    // Nothing is kept: each request costs what it costs.
    let mut server = Server::launched(&database.url, Launch::default().with("GOUVTECH_KEPT_BYTES", "0"));
    server.start();
    seed(&server, ground.pick(1000, 10_000));
    // Requests that cost the server more than the caller.
    let heavy = |number: usize| format!("/api/v1/solutions?limit=100&sort=-updated_at&q=mot{}", number % 97);
    let length = Duration::from_secs(ground.pick(4, 60));
    let capacity = rate(closed_loop(&server.base(), 16, length / 2, heavy).len(), length / 2);
    let base = server.base();
    let is_over = AtomicBool::new(false);
    let (arrivals, lives) = std::thread::scope(|scope| {
        let prober = scope.spawn(|| {
            let client = Client::new(&base);
            let mut times = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                times.push(client.get("/livez").expect(200).after);
                std::thread::sleep(Duration::from_millis(50));
            }
            times
        });
        let arrivals = open_loop(&base, capacity * 3.0, length, heavy);
        is_over.store(true, Ordering::Relaxed);
        (arrivals, prober.join().expect("a prober"))
    });
    let client = server.client();
    let recovered = until(Duration::from_secs(20), || {
        client.get(&heavy(1)).send().is_ok_and(|answer| answer.status == 200 && answer.after < Duration::from_secs(1))
    });
    let goodput = rate(arrivals.served.len(), length);
    ground.say(&format!(
        "capacity {capacity:.0}/s, then 3 × that for {length:?}: served {goodput:.0}/s ({:.2} of capacity, p99 {:?}), \
         refused {} (p99 {:?}), unanswered {}; /livez p99 {:?}; recovered after {recovered:?}",
        goodput / capacity,
        percentile(&arrivals.served, 99),
        arrivals.refused.len(),
        percentile(&arrivals.refused, 99),
        arrivals.unanswered,
        percentile(&lives, 99)
    ));
    assert_eq!(arrivals.wrong, Vec::<String>::new());
    assert_eq!(arrivals.unanswered, 0, "every request gets an answer");
    // The control is the load itself: more arrives than is served.
    assert!(
        !arrivals.refused.is_empty() || percentile(&arrivals.served, 99) > Duration::from_millis(50),
        "no overload"
    );
    assert!(goodput >= capacity * 0.3, "goodput collapses: {goodput:.0}/s of {capacity:.0}/s");
    assert!(percentile(&lives, 99) <= Duration::from_secs(1), "/livez waits for the load");
    assert!(recovered.is_some_and(|after| after <= Duration::from_secs(5)), "recovered after {recovered:?}");
}
