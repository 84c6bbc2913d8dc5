//! F15: migrations that are killed, that race, and that are newer than the program.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::ground::{Database, Ground, until};
use crate::process::{Launch, Server};
use crate::rows;
use crate::writers::{Verdict, Writers};

rows! {
    f15_a_migration_killed_midway_is_all_or_nothing on BOTH, needs [];
    f15_of_three_that_start_at_once_one_migrates on BOTH, needs [];
    f15_a_program_serves_on_a_schema_newer_than_itself on BOTH, needs [];
    f15_control_a_missing_migration_is_noticed on BOTH, needs [];
}

/// The tables there are, and how many migrations are noted as applied.
fn applied(database: &Database) -> (i64, i64) {
    let tables = match database.file() {
        Some(_) => {
            database.count("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        }
        None => database.count("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"),
    };
    let noted = if tables == 0 { 0 } else { database.count("SELECT count(*) FROM __diesel_schema_migrations") };
    (tables, noted)
}

fn f15_a_migration_killed_midway_is_all_or_nothing(ground: &Ground) {
    let whole = ground.database();
    let server = Server::over(&whole.url);
    let start = Instant::now();
    let output = server.command(&["migrate"]).output().expect("the program");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let length = start.elapsed();
    let all = applied(&whole);
    assert!(all.0 > 10 && all.1 > 5, "{all:?}");
    let rounds = ground.pick(8, 20);
    let (mut nothing, mut everything) = (0, 0);
    for round in 0..rounds {
        let database = ground.database();
        let mut server = Server::over(&database.url);
        let mut command = server.command(&["migrate"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program");
        // Spread over the time a migration takes, the start of the program included.
        std::thread::sleep(length * (round * 2 + 1) / (rounds * 2));
        let _gone = child.kill();
        let _status = child.wait();
        match applied(&database) {
            (0, 0) => nothing += 1,
            found if found == all => everything += 1,
            // Diesel's own empty table is made in the transaction, too: less than all is a fault.
            found => panic!("half migrated: {found:?} of {all:?}"),
        }
        // PostgreSQL may still hold the lock of the one that died.
        if round % 4 == 3 {
            server.start();
            assert_eq!(applied(&database), all);
        }
    }
    ground.say(&format!(
        "{rounds} migrations killed within {length:?}: {nothing} × nothing, {everything} × everything, 0 × half"
    ));
    assert!(nothing > 0, "every kill came too late: nothing shown");
}

fn f15_of_three_that_start_at_once_one_migrates(ground: &Ground) {
    let rounds = ground.pick(2, 20);
    let mut slowest = Duration::ZERO;
    for _ in 0..rounds {
        let database = ground.database();
        let verbose = Launch::default().option("--log", "info");
        let first = Server::launched(&database.url, verbose);
        let mut all = [first.sibling(), first.sibling(), first];
        // The siblings share the key of the last one, which makes it.
        let key = all[2].command(&["token", "--role", "operator"]).output().expect("the program");
        assert!(key.status.success());
        all.iter_mut().for_each(Server::spawn);
        for server in &all {
            let after = server.ready_within(Duration::from_secs(60));
            slowest = slowest.max(after.unwrap_or_else(|| panic!("never ready: {}", server.log())));
        }
        let applying = all.iter().filter(|server| server.logged("migrations applied")).count();
        assert_eq!(applying, 1, "exactly one applies");
        let doubled = "SELECT count(*) FROM (SELECT version FROM __diesel_schema_migrations GROUP BY version HAVING count(*) > 1) d";
        assert_eq!(database.count(doubled), 0);
        assert_eq!(database.count("SELECT count(*) FROM criteria_sets"), 1, "what comes with the program, once");
        drop(all);
    }
    ground.say(&format!(
        "{rounds} × three instances on an empty database: 1 migrates, all ready after at most {slowest:?}"
    ));
}

fn f15_a_program_serves_on_a_schema_newer_than_itself(ground: &Ground) {
    let database = ground.database();
    let mut server = Server::over(&database.url);
    server.start();
    let vendor = server.token(&server.vendor());
    let writers = Writers::start(&server.base(), &vendor, "older", 4);
    writers.progress(10, Duration::from_secs(20));
    // What a next version may do while this one serves: add.
    database.execute("CREATE TABLE of_the_next_version (id BIGINT NOT NULL PRIMARY KEY)");
    database.execute("ALTER TABLE solutions ADD COLUMN of_the_next_version TEXT");
    database.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('20991231000001')");
    writers.progress(20, Duration::from_secs(20));
    server.ready_within(Duration::from_secs(5)).expect("still ready");
    // And an old instance that starts only now.
    let mut late = server.sibling();
    late.start();
    let others = Writers::start(&late.base(), &vendor, "late", 2);
    others.progress(10, Duration::from_secs(20));
    let (mut journal, second) = (writers.finish(), others.finish());
    assert_eq!((journal.unanswered, second.unanswered), (0, 0));
    journal.assert_polite();
    second.assert_polite();
    journal.acknowledged.extend(second.acknowledged);
    let verdict = Verdict::of(&journal, &database);
    verdict.assert_clean();
    ground.say(&format!(
        "a table, a column and a migration more, under writes and at a start: {} acknowledged, {} refused, 0 unanswered",
        verdict.acknowledged,
        journal.refused + second.refused
    ));
}

fn f15_control_a_missing_migration_is_noticed(ground: &Ground) {
    let database = ground.database();
    let mut server = Server::over(&database.url);
    server.start();
    let newest = "(SELECT max(version) FROM __diesel_schema_migrations)";
    database.execute(&format!("DELETE FROM __diesel_schema_migrations WHERE version = {newest}"));
    let client = server.client();
    let noticed = until(Duration::from_secs(10), || client.get("/readyz").expect_one_of(&[200, 503]) == 503);
    ground.say(&format!("one migration less than the program knows: /readyz says 503 after {noticed:?}"));
    assert!(noticed.is_some());
    assert_eq!(client.get("/livez").expect(200).status, 200);
}
