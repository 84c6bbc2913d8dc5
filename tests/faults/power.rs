//! F2: the power goes under writes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::ground::{Database, Ground, Kind, library};
use crate::postgres::Postgres;
use crate::process::{Launch, Server};
use crate::rows;
use crate::volume::Volume;
use crate::writers::{Journal, Verdict, Writers};

rows! {
    f2_a_power_cut_loses_nothing_acknowledged on [Sqlite], needs [Volumes];
    f2_a_power_cut_of_postgresql_loses_nothing_acknowledged on [Postgres], needs [Volumes, PostgresPrograms];
    f2_control_without_syncing_a_power_cut_loses on [Sqlite], needs [Volumes, Eatmydata];
    f2_control_postgresql_without_syncing_loses on [Postgres], needs [Volumes, PostgresPrograms];
}

/// Writes until the moment of the cut; what was acknowledged before it.
fn cut_under_writes(volume: &Volume, server: &mut Server, round: usize) -> Journal {
    server.start();
    let database = Database::at(server.url.clone());
    let vendor = server.token(&server.vendor_of(&database));
    let writers = Writers::start(&server.base(), &vendor, &format!("cut{round}"), 8);
    writers.progress(40 + round % 5 * 10, Duration::from_secs(30));
    // A machine without power answers nobody. This one does, and its kernel may call a sync done whose
    // journal the cut has just taken away: what counts is what had arrived before.
    let arrived = writers.keys();
    volume.cut_power();
    std::thread::sleep(Duration::from_millis(200));
    server.kill();
    let mut journal = writers.finish();
    journal.acknowledged.retain(|key, _| arrived.contains(key));
    journal
}

/// Puts what is there by now on the disk, as any machine does within half a minute.
fn settle(path: &Path) {
    Command::new("sync").arg("-f").arg(path).status().expect("sync");
}

fn rounds(ground: &Ground, volume: &Volume, server: &mut Server, mut postgres: Option<&mut Postgres>) {
    let many = if ground.kind == Kind::Sqlite { ground.pick(3, 20) } else { ground.pick(2, 5) };
    let mut all = Journal::default();
    for round in 0..many {
        if let Some(postgres) = &mut postgres {
            postgres.run().expect("PostgreSQL comes back");
        }
        settle(volume.path());
        let journal = cut_under_writes(volume, server, round);
        if let Some(postgres) = &mut postgres {
            postgres.kill();
        }
        volume.restore_power();
        all.acknowledged.extend(journal.acknowledged);
    }
    if let Some(postgres) = &mut postgres {
        postgres.run().expect("PostgreSQL comes back");
    }
    let database = Database::at(server.url.clone());
    let verdict = Verdict::of(&all, &database);
    verdict.assert_clean();
    database.assert_sound();
    server.start();
    ground.say(&format!("{many} power cuts, {} acknowledged, 0 lost, 0 doubled, sound", verdict.acknowledged));
    server.kill();
}

fn sqlite_on(volume: &Volume) -> String {
    format!("sqlite://{}", volume.path().join("catalogue.sqlite").display())
}

fn f2_a_power_cut_loses_nothing_acknowledged(ground: &Ground) {
    let volume = Volume::make(128).expect("a volume");
    let mut server = Server::over(&sqlite_on(&volume));
    rounds(ground, &volume, &mut server, None);
}

fn f2_a_power_cut_of_postgresql_loses_nothing_acknowledged(ground: &Ground) {
    let volume = Volume::make(512).expect("a volume");
    let mut postgres = Postgres::durable_in(volume.path());
    let mut server = Server::over(&postgres.url());
    rounds(ground, &volume, &mut server, Some(&mut postgres));
    drop(postgres);
}

/// How much is gone after one cut; a database that does not open has lost everything.
fn lost(journal: &Journal, database: impl FnOnce() -> Database) -> usize {
    let verdict = catch_unwind(AssertUnwindSafe(|| Verdict::of(journal, &database())));
    verdict.map_or(journal.acknowledged.len(), |verdict| verdict.lost.len())
}

fn f2_control_without_syncing_a_power_cut_loses(ground: &Ground) {
    let volume = Volume::make(128).expect("a volume");
    let mut server = Server::over(&sqlite_on(&volume));
    // Schema and criteria come first, and on the disk.
    server.start();
    server.terminate();
    settle(volume.path());
    server.set(Launch::preloading(&library("libeatmydata.so").expect("libeatmydata")));
    let journal = cut_under_writes(&volume, &mut server, 0);
    volume.restore_power();
    let (lost, of) = (lost(&journal, || Database::at(server.url.clone())), journal.acknowledged.len());
    ground.say(&format!("the same without fsync (libeatmydata): {lost} of {of} acknowledged lost"));
    assert!(lost > 0, "the power cut cuts nothing: {of} acknowledged, none lost");
}

fn f2_control_postgresql_without_syncing_loses(ground: &Ground) {
    let volume = Volume::make(512).expect("a volume");
    let mut postgres = Postgres::careless_in(volume.path());
    postgres.run().expect("PostgreSQL");
    let mut server = Server::over(&postgres.url());
    server.start();
    server.terminate();
    postgres.sql("CHECKPOINT");
    settle(volume.path());
    let journal = cut_under_writes(&volume, &mut server, 0);
    postgres.kill();
    volume.restore_power();
    let of = journal.acknowledged.len();
    let lost = match postgres.run() {
        Ok(()) => lost(&journal, || postgres.database()),
        Err(_) => of,
    };
    ground.say(&format!("the same with fsync=off: {lost} of {of} acknowledged lost"));
    assert!(lost > 0, "the power cut cuts nothing: {of} acknowledged, none lost");
}
