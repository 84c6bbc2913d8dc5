//! The runner, a fresh application per case, and a client that checks every
//! answer against the document.

pub mod app;
pub mod build;
pub mod client;
pub mod cluster;
pub mod provider;
pub mod statements;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};

pub use app::{App, Kind};
pub use client::Response;
pub use serde_json::{Value, json};

/// A test: a sentence and what shows it.
pub struct Case {
    pub name: &'static str,
    pub run: fn(&App),
}

/// Lists the cases of a file under their functions' names.
#[macro_export]
macro_rules! cases {
    ($($name:ident),+ $(,)?) => {
        pub fn cases() -> Vec<$crate::support::Case> {
            vec![$($crate::support::Case { name: concat!(module_path!(), "::", stringify!($name)), run: $name }),+]
        }
    };
}

/// Runs every case on both databases.
pub fn run(cases: Vec<Case>) -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each case has a server of its own with several threads: more at once only slows them down.
    arguments.test_threads.get_or_insert(4);
    let only_list = arguments.list;
    let cluster = if only_list { cluster::Found::Nothing("listing".to_owned()) } else { cluster::find() };
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    let postgres = match &cluster {
        cluster::Found::Cluster(cluster) => Some(cluster.url().to_owned()),
        cluster::Found::Given(url) => Some(url.clone()),
        cluster::Found::Nothing(why) => {
            if !only_list {
                eprintln!("\n=== NO POSTGRESQL: half of the tests are skipped ({why}) ===\n");
                if in_ci {
                    eprintln!("CI=true: this is a failure. Install PostgreSQL or set TEST_DATABASE_URL.");
                    return ExitCode::FAILURE;
                }
            }
            None
        }
    };
    let templates = if only_list { None } else { Some(Arc::new(app::Templates::make(postgres.as_deref()))) };
    let trials = cases
        .into_iter()
        .flat_map(|case| {
            [app::Kind::Sqlite, app::Kind::Postgres].map(|kind| {
                let templates = templates.clone();
                let is_there = kind == app::Kind::Sqlite || postgres.is_some();
                Trial::test(format!("{kind}::{}", case.name.trim_start_matches("api::")), move || {
                    let templates = templates.ok_or_else(|| Failed::from("no template"))?;
                    let app = App::start(&templates, kind);
                    (case.run)(&app);
                    Ok(())
                })
                .with_ignored_flag(!is_there)
            })
        })
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(templates);
    drop(cluster);
    if conclusion.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
