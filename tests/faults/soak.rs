//! L5: hours of the same load leave memory, descriptors and the write-ahead log as they were.

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use diesel::prelude::*;
use serde_json::json;

use crate::ground::{Database, Ground, sqlite, until};
use crate::process::Server;
use crate::rows;
use crate::writers::{Verdict, Writers, post};

rows! {
    l5_a_long_load_leaves_nothing_behind on BOTH, needs [];
    l5_control_what_is_left_behind_is_seen on [Sqlite], needs [];
}

/// Megabytes of the write-ahead log; on PostgreSQL it is the server's own matter.
fn log_size(database: &Database) -> u64 {
    let wal = database.file().map(|file| format!("{}-wal", file.display()));
    wal.and_then(|wal| std::fs::metadata(wal).ok()).map_or(0, |data| data.len() >> 20)
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn l5_a_long_load_leaves_nothing_behind(ground: &Ground) {
    let database = ground.database();
    let mut server = Server::over(&database.url);
    server.start();
    let words = server.vendor();
    let length = Duration::from_secs(ground.pick(120, 7200));
    let start = Instant::now();
    let is_over = AtomicBool::new(false);
    let mut samples: Vec<(u64, u64, u64)> = Vec::new();
    let mut reads = 0_u64;
    let mut writes = 0_u64;
    std::thread::scope(|scope| {
        let load = |seconds_between: u64| {
            let (server, words, is_over) = (&server, &words, &is_over);
            move || {
                let client = server.client();
                let mut counts = (0_u64, 0_u64);
                while !is_over.load(Ordering::Relaxed) {
                    let vendor = server.token(words);
                    let key = format!("soak{seconds_between}n{}", counts.1);
                    let made = post(&client, &vendor, &key).expect("an answer");
                    if made.status == 201 {
                        counts.1 += 1;
                        // As much goes as comes, so that the catalogue stays as large as it is.
                        let path = format!("/api/v1/solutions/{}", made.member("id"));
                        let tag = made.header("etag");
                        let edit = client.request("PATCH", &path).by(&vendor).header("if-match", tag);
                        let changed = edit.merge(&json!({"summary": "Modifiée."})).send().expect("an answer");
                        let delete = client.request("DELETE", &path).by(&vendor);
                        let _kept_if_busy = delete.header("if-match", changed.header("etag")).send();
                    }
                    for path in ["/api/v1/solutions", "/api/v1/criteria?theme=securite", "/api/v1/families", "/nothing"]
                    {
                        client.get(path).send().expect("an answer");
                        counts.0 += 1;
                    }
                    std::thread::sleep(Duration::from_millis(50));
                }
                counts
            }
        };
        let threads = [scope.spawn(load(1)), scope.spawn(load(2))];
        while start.elapsed() < length {
            std::thread::sleep(length / 60);
            samples.push((server.memory() / 1024, server.descriptors() as u64, log_size(&database)));
        }
        is_over.store(true, Ordering::Relaxed);
        for thread in threads {
            let (read, wrote) = thread.join().expect("a load");
            reads += read;
            writes += wrote;
        }
    });
    // The first quarter fills caches; the second is held against the last.
    let quarter = samples.len() / 4;
    let middle = |range: std::ops::Range<usize>, of: fn(&(u64, u64, u64)) -> u64| {
        median(samples[range].iter().map(of).collect())
    };
    let compare = |of: fn(&(u64, u64, u64)) -> u64| {
        (middle(quarter..quarter * 2, of), middle(samples.len() - quarter..samples.len(), of))
    };
    let (memory, descriptors, log) = (compare(|s| s.0), compare(|s| s.1), compare(|s| s.2));
    ground.say(&format!(
        "{length:?}, {reads} reads, {writes} × create, change, delete: memory {} → {} MB, descriptors {} → {}, WAL {} → {} MB",
        memory.0, memory.1, descriptors.0, descriptors.1, log.0, log.1
    ));
    assert!(memory.1 <= memory.0 + memory.0 / 10 + 8, "memory grows");
    assert!(descriptors.1 <= descriptors.0 + 8, "descriptors grow");
    assert!(log.1 <= 64, "the write-ahead log grows");
}

/// A reader that never ends keeps the log from being put away; open connections are descriptors.
fn l5_control_what_is_left_behind_is_seen(ground: &Ground) {
    let database = ground.database();
    let mut server = Server::over(&database.url);
    server.start();
    let vendor = server.token(&server.vendor());
    let descriptors = server.descriptors();
    let idle: Vec<TcpStream> = (0..50).filter_map(|_| TcpStream::connect(("127.0.0.1", server.port)).ok()).collect();
    let seen = until(Duration::from_secs(5), || server.descriptors() >= descriptors + 50);
    let mut reader = sqlite(&database.file().expect("a file").display().to_string());
    diesel::sql_query("BEGIN").execute(&mut reader).expect("begun");
    diesel::sql_query("SELECT count(*) FROM solutions").execute(&mut reader).expect("read");
    let writers = Writers::start(&server.base(), &vendor, "hold", 8);
    let grew = until(Duration::from_secs(60), || log_size(&database) >= 6);
    let journal = writers.finish();
    drop((idle, reader));
    ground.say(&format!(
        "50 idle connections seen after {seen:?}; with a reader that never ends the WAL reaches 6 MB after {grew:?}"
    ));
    Verdict::of(&journal, &database).assert_clean();
    assert!(seen.is_some() && grew.is_some());
}
