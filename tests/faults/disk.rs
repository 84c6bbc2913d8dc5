//! F7, F8: the disk is full, or refuses to sync.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::ground::{Database, Ground, Kind, until};
use crate::postgres::Postgres;
use crate::process::{Server, signal};
use crate::rows;
use crate::volume::Volume;
use crate::writers::{Verdict, Writers, post};

rows! {
    f7_a_full_disk_refuses_writes_and_serves_reads on [Sqlite], needs [Volumes];
    f7_a_full_disk_of_postgresql_acknowledges_nothing on [Postgres], needs [Volumes, PostgresPrograms];
    f8_what_cannot_be_synced_is_not_acknowledged on [Sqlite], needs [Volumes, Strace];
    f8_what_postgresql_cannot_sync_is_not_acknowledged on [Postgres], needs [Volumes, PostgresPrograms, Strace];
}

/// A database on a volume, with a server over it and a vendor's token.
struct OnVolume {
    server: Server,
    postgres: Option<Postgres>,
    vendor: String,
    volume: Volume,
}

impl OnVolume {
    fn start(kind: Kind, mebibytes: u64) -> Self {
        let volume = Volume::make(mebibytes).expect("a volume");
        let postgres = (kind == Kind::Postgres).then(|| Postgres::durable_in(volume.path())).map(|mut postgres| {
            postgres.run().expect("PostgreSQL");
            postgres
        });
        let url = match &postgres {
            Some(postgres) => postgres.url(),
            None => format!("sqlite://{}", volume.path().join("catalogue.sqlite").display()),
        };
        let mut server = Server::over(&url);
        server.start();
        let vendor = server.token(&server.vendor());
        Self { server, postgres, vendor, volume }
    }

    fn database(&self) -> Database {
        Database::at(self.server.url.clone())
    }

    /// PostgreSQL gives up when its log cannot be written; somebody starts it again.
    fn mend(&mut self) {
        if let Some(postgres) = &mut self.postgres
            && !postgres.is_running()
        {
            postgres.run().expect("PostgreSQL comes back");
        }
    }
}

fn f7_a_full_disk_refuses_writes_and_serves_reads(ground: &Ground) {
    full_disk(ground, OnVolume::start(Kind::Sqlite, 48));
}

fn f7_a_full_disk_of_postgresql_acknowledges_nothing(ground: &Ground) {
    full_disk(ground, OnVolume::start(Kind::Postgres, 256));
}

fn full_disk(ground: &Ground, mut on: OnVolume) {
    let writers = Writers::start(&on.server.base(), &on.vendor, "full", 4);
    writers.progress(20, Duration::from_secs(30));
    let ballast = on.volume.fill();
    let client = on.server.client();
    // What room the files still had inside is used up first.
    let refused = || writers.journal.lock().expect("a journal").refused;
    let full = until(Duration::from_secs(60), || {
        let before = (writers.acknowledged(), refused());
        std::thread::sleep(Duration::from_millis(500));
        writers.acknowledged() == before.0 && refused() > before.1
    });
    let came = full.is_some();
    let acknowledged_when_full = writers.acknowledged();
    let (mut served, mut unserved) = (0, 0);
    let end = Instant::now() + Duration::from_secs(ground.pick(2, 20));
    while Instant::now() < end {
        let read = client.get("/api/v1/solutions?limit=5").send().expect("an answer");
        let listed = client.get("/api/v1/criteria").send().expect("an answer");
        for answer in [read, listed] {
            match answer.status {
                200 => served += 1,
                _ if answer.is_polite_refusal() => unserved += 1,
                _ => panic!("{}", answer.shown()),
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let after = post(&client, &on.vendor, "onemore").map(|answer| answer.status);
    let acknowledged_meanwhile = writers.acknowledged() - acknowledged_when_full;
    std::fs::remove_file(ballast).expect("freed");
    on.mend();
    let freed = Instant::now();
    let back = until(Duration::from_secs(20), || {
        on.mend();
        writers.succeeded_since(freed)
    });
    let journal = writers.finish();
    let running = on.server.is_running();
    on.server.terminate();
    let verdict = Verdict::of(&journal, &on.database());
    verdict.assert_clean();
    on.database().assert_sound();
    journal.assert_polite();
    ground.say(&format!(
        "full: {} writes refused, {acknowledged_meanwhile} acknowledged, one more write {after:?}, {served} reads 200, \
         {unserved} reads refused; freed: a write succeeds after {back:?}; {} acknowledged in all, 0 lost, sound",
        journal.refused, verdict.acknowledged
    ));
    assert!(came, "the disk never filled: nothing was refused");
    assert_eq!(acknowledged_meanwhile, 0, "acknowledged on a full disk");
    assert!(matches!(after, Ok(503 | 507)), "{after:?}");
    assert!(running, "the program lives on");
    if ground.kind == Kind::Sqlite {
        assert_eq!(unserved, 0, "reads need no room");
    }
    assert!(back.is_some_and(|back| back <= Duration::from_secs(5)), "works again only after {back:?}");
}

/// strace on running processes: their calls that sync fail as long as this lives.
struct Failing(Child);

impl Failing {
    /// `when` is strace's: `1+` for all, `1+3` for every third of a thread.
    fn syncs(pids: &[u32], when: &str) -> Self {
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync"]);
        command.args(["-e", &format!("inject=fsync,fdatasync:error=EIO:when={when}")]);
        for pid in pids {
            command.args(["-p", &pid.to_string()]);
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("strace");
        // Or gone: PostgreSQL gives up at the first failure.
        let is_traced = |pid: &u32| {
            std::fs::read_to_string(format!("/proc/{pid}/status"))
                .map_or(true, |status| !status.contains("TracerPid:\t0\n"))
        };
        until(Duration::from_secs(10), || pids.iter().all(is_traced)).expect("strace attaches");
        Self(child)
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        // It lets go of what it traces.
        signal(self.0.id(), "TERM");
        let _status = self.0.wait();
    }
}

fn f8_what_cannot_be_synced_is_not_acknowledged(ground: &Ground) {
    unsynced(ground, OnVolume::start(Kind::Sqlite, 128));
}

fn f8_what_postgresql_cannot_sync_is_not_acknowledged(ground: &Ground) {
    unsynced(ground, OnVolume::start(Kind::Postgres, 512));
}

fn unsynced(ground: &Ground, mut on: OnVolume) {
    let writers = Writers::start(&on.server.base(), &on.vendor, "sync", 4);
    // The control: with nothing injected they are acknowledged.
    writers.progress(20, Duration::from_secs(30));
    let pids = on.postgres.as_ref().map_or_else(|| vec![on.server.pid()], Postgres::pids);
    let every = Failing::syncs(&pids, "1+");
    std::thread::sleep(Duration::from_millis(300));
    let before = writers.acknowledged();
    std::thread::sleep(Duration::from_secs(ground.pick(2, 20)));
    let meanwhile = writers.acknowledged() - before;
    drop(every);
    if ground.kind == Kind::Sqlite {
        let some = Failing::syncs(&pids, "1+3");
        std::thread::sleep(Duration::from_secs(ground.pick(2, 20)));
        drop(some);
    }
    let released = Instant::now();
    let back = until(Duration::from_secs(20), || {
        on.mend();
        writers.succeeded_since(released)
    });
    // Only what reached the disk survives this.
    on.volume.cut_power();
    on.server.kill();
    let journal = writers.finish();
    let url = on.server.url.clone();
    if let Some(postgres) = &mut on.postgres {
        postgres.kill();
    }
    sync_nothing(on.volume.path());
    on.volume.restore_power();
    if let Some(postgres) = &mut on.postgres {
        postgres.run().expect("PostgreSQL comes back");
    }
    let database = Database::at(url);
    let verdict = Verdict::of(&journal, &database);
    verdict.assert_clean();
    database.assert_sound();
    ground.say(&format!(
        "every sync failing: {meanwhile} acknowledged (before: {before}); {} refused; afterwards a write succeeds after \
         {back:?}; then a power cut: {} acknowledged, 0 lost, sound",
        journal.refused, verdict.acknowledged
    ));
    assert_eq!(meanwhile, 0, "acknowledged though nothing could be synced");
    assert!(journal.refused > 0, "the failure was never seen");
    assert!(back.is_some(), "no write succeeds after the failure is over");
}

/// After a cut a sync must fail, or the cut was none.
fn sync_nothing(path: &Path) {
    let status = Command::new("sync").arg("-f").arg(path).stderr(Stdio::null()).status().expect("sync");
    assert!(!status.success(), "the file system still syncs");
}
