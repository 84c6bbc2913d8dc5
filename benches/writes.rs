//! How fast writes become durable on SQLite, against what the disk can do in the
//! same minute: `just bench-writes`, or `just bench-writes FOLDER` for another disk.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement that cannot go on fails, and prints what it found"
)]

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use gouvtech_catalogue::clock::Clock;
use gouvtech_catalogue::db::{Actor, Backend, Id, Limits, Resource, Store, migrations};

const EACH: Duration = Duration::from_secs(3);

fn main() {
    let folder =
        std::env::args().skip(1).find(|word| !word.starts_with('-')).map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::tempdir_in(folder).expect("a folder");
    println!("in {}, {} s each", folder.path().display(), EACH.as_secs());
    let before = fsyncs(folder.path());
    let one = writes(folder.path(), 1);
    let many = writes(folder.path(), 16);
    let after = fsyncs(folder.path());
    let raw = (before + after) / 2.0;
    println!("raw fsync           {raw:>9.0} /s  (before {before:.0}, after {after:.0})");
    println!("1 writer            {one:>9.0} /s  {:>5.2} of the raw rate", one / raw);
    println!(
        "16 writers          {many:>9.0} /s  {:>5.2} of the raw rate, {:.2} of one writer",
        many / raw,
        many / one
    );
    assert!(many > one * 1.2, "many writers do not beat one");
}

/// Pages appended and made durable one by one, in a file that starts anew after
/// 16 MiB, like a write-ahead log.
fn fsyncs(folder: &Path) -> f64 {
    let mut file = File::create(folder.join("raw")).expect("a file");
    let (page, began, mut count) = ([7_u8; 4096], Instant::now(), 0_u32);
    while began.elapsed() < EACH {
        if count.is_multiple_of(4096) {
            file.seek(SeekFrom::Start(0)).expect("sought");
        }
        file.write_all(&page).expect("written");
        file.sync_data().expect("synced");
        count += 1;
    }
    f64::from(count) / began.elapsed().as_secs_f64()
}

/// Journal entries through the store, by so many writers that each wait for their answer.
fn writes(folder: &Path, writers: usize) -> f64 {
    let backend = Backend::Sqlite { path: folder.join(format!("{writers}.sqlite")) };
    migrations::apply(&backend).expect("migrated");
    let limits = Limits { deadline: Duration::from_secs(60), ..Limits::default() };
    let store = Store::open(&backend, &limits, Clock::default()).expect("opened");
    let began = Instant::now();
    let counts = actix_web::rt::System::new().block_on(join_all((0..writers).map(|_| async {
        let mut count = 0_u32;
        while began.elapsed() < EACH {
            let entry = |tx: &mut gouvtech_catalogue::db::Tx<'_>| {
                tx.record("measure", Resource::Solution, Id::new(), 1, serde_json::json!({}))
            };
            store.write(Actor::System, entry).await.expect("written");
            count += 1;
        }
        count
    })));
    let rate = f64::from(counts.iter().sum::<u32>()) / began.elapsed().as_secs_f64();
    let stats = store.stats();
    let size = stats.batched_writes as f64 / stats.batches.max(1) as f64;
    println!("{writers} writers: {size:.1} writes to a commit, log at most of {} KiB", stats.wal_bytes / 1024);
    rate
}
