//! The catalogue that measurements run over, and the tokens of those who write
//! into it. Part of the bench, not of the program.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench that cannot go on fails, and says what it does"
)]

mod catalogue;
mod content;
mod labels;
mod reviews;

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;
use gouvtech_catalogue::auth::Role;
use gouvtech_catalogue::auth::ring::Keys;
use gouvtech_catalogue::auth::token::{Grant, MAX_LIFETIME, Policy, issue};
use gouvtech_catalogue::clock::Clock;
use gouvtech_catalogue::db::{Backend, Id, Limits, Store, migrations};

#[derive(Parser)]
enum Command {
    /// Fill an empty database
    Fill {
        #[arg(long)]
        database_url: String,
        #[arg(long)]
        solutions: usize,
    },
    /// Print tokens of buyers, one a line, each of another person
    Tokens {
        #[arg(long)]
        signing_key: PathBuf,
        #[arg(long)]
        organisation: String,
        #[arg(long, default_value_t = 0)]
        first: usize,
        #[arg(long)]
        count: usize,
    },
}

fn main() -> Result<(), String> {
    match Command::parse() {
        Command::Fill { database_url, solutions } => fill(&Backend::parse(&database_url)?, solutions),
        Command::Tokens { signing_key, organisation, first, count } => {
            tokens(&signing_key, &organisation, first, count)
        }
    }
}

fn fill(backend: &Backend, size: usize) -> Result<(), String> {
    let began = Instant::now();
    migrations::apply(backend).map_err(|e| e.to_string())?;
    // Whole batches are one statement here and there.
    let hour = Duration::from_secs(3600);
    let limits = Limits { statement: hour, lock: hour, deadline: hour, ..Limits::default() };
    let store = Store::open(backend, &limits, Clock::default()).map_err(|e| e.to_string())?;
    gouvtech_catalogue::seed::criteria(&store).map_err(|e| e.to_string())?;
    let cast = catalogue::Cast::enter(&store, size).map_err(|e| e.to_string())?;
    for first in (0..size).step_by(catalogue::BATCH) {
        cast.batch(&store, first).map_err(|e| format!("solutions from {first} on: {e}"))?;
        if first > 0 && first % 10_000 == 0 {
            eprintln!("  {first} solutions after {:.0} s", began.elapsed().as_secs_f64());
        }
    }
    labels::count(&store, size).map_err(|e| e.to_string())
}

fn tokens(key: &std::path::Path, organisation: &str, first: usize, count: usize) -> Result<(), String> {
    let now = Clock::default().now();
    let key = Keys::load(key, false, now)?.held().signer(now)?;
    let name = "gouvtech-catalogue".to_owned();
    let policy = Policy { issuer: name.clone(), audience: name };
    let organisation = Id::parse(organisation).ok_or("--organisation: expected a UUID")?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for number in first..first + count {
        let grant = Grant {
            subject: format!("bench-{number}"),
            role: Role::Buyer,
            duties: Vec::new(),
            organisation: Some(organisation),
            siret: None,
            service_account: None,
            lifetime_seconds: MAX_LIFETIME,
        };
        writeln!(out, "{}", issue(&key, &policy, &grant, now)?).map_err(|e| e.to_string())?;
    }
    Ok(())
}
