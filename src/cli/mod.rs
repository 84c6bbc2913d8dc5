//! The commands of the one binary, one file each.

mod backup;
mod doctor;
mod healthcheck;
mod import;
mod keys;
mod migrate;
mod monitor;
mod openapi;
mod persons;
mod retention;
mod serve;
mod sign;
mod token;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::app::App;
use crate::clock::Clock;
use crate::config::{Given, Settings};
use crate::db::{Actor, migrations};

/// A government catalogue of digital solutions: what exists, what vendors
/// claim, what users say, what an independent third party verified.
#[derive(Debug, Parser)]
#[command(name = "gouvtech-catalogue", version, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    given: Given,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API; makes and migrates the database when needed
    Serve(serve::Serve),
    /// Apply pending migrations and stop
    Migrate,
    /// Write a checked copy of the database, also while it is in use
    Backup(backup::Backup),
    /// Make a database from such a copy
    Restore(backup::Restore),
    /// Check the integrity of the database; exit code 1 when something was found, 2 when it cannot be checked
    Doctor,
    /// Load solutions or organisations of other catalogues and registers
    #[command(subcommand)]
    Import(import::Import),
    /// Make an access token for development and print it
    Token(token::Token),
    /// List, rotate or retire the keys that sign tokens
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Export or erase what is held about a person
    #[command(subcommand)]
    Persons(persons::Persons),
    /// Erase what has been kept long enough, and report
    Retention(retention::Retention),
    /// Print the OpenAPI document
    Openapi,
    /// Sign a decision as an audit body, or that it has its key, without network or database, and print the signature
    Sign(sign::Sign),
    /// Check a file that proves a label, without network or database, or a whole log over the network; exit code 1 when it does not hold, 2 when it cannot be read
    Verify(verify::Verify),
    /// Ask a running server whether it is ready; for containers
    Healthcheck(healthcheck::Healthcheck),
}

/// Runs the command line.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let outcome = Settings::new(cli.given).and_then(|settings| match cli.command {
        Command::Serve(serve) => serve.run(settings),
        Command::Migrate => migrate::run(&settings),
        Command::Backup(backup) => backup.run(&settings),
        Command::Restore(restore) => restore.run(&settings),
        Command::Doctor => doctor::run(&settings),
        Command::Import(import) => import.run(settings),
        Command::Token(token) => token.run(&settings),
        Command::Keys(keys) => keys.run(&settings),
        Command::Persons(persons) => persons.run(settings),
        Command::Retention(retention) => retention.run(settings),
        Command::Sign(sign) => sign.run(),
        Command::Verify(verify) => verify.run(),
        Command::Openapi => openapi::run(),
        Command::Healthcheck(check) => check.run(&settings),
    });
    match outcome {
        Ok(code) => code,
        Err(reason) => {
            complain(&reason);
            ExitCode::from(2)
        }
    }
}

/// The application over a database that this program knows: migrated, with the
/// criteria set it carries.
fn open(settings: Settings) -> Result<App, String> {
    if let Some(folder) = settings.backend.folder() {
        std::fs::create_dir_all(folder).map_err(|e| {
            format!("setting database_url (--database-url, GOUVTECH_DATABASE_URL): {}: {e}", folder.display())
        })?;
    }
    // Also when every key has a place of its own.
    std::fs::create_dir_all(&settings.data_dir).map_err(|e| {
        format!("setting data_dir (--data-dir, GOUVTECH_DATA_DIR): {}: {e}", settings.data_dir.display())
    })?;
    let applied = migrations::apply(&settings.backend).map_err(|e| {
        format!("setting database_url (--database-url, GOUVTECH_DATABASE_URL): {}: {e}", settings.backend)
    })?;
    if !applied.is_empty() {
        tracing::info!(count = applied.len(), "migrations applied");
    }
    let app = App::new(settings, Clock::default())?;
    let sealed = app.store.write_here(&Actor::System, |tx| tx.seal_what_was_there()).map_err(|e| e.to_string())?;
    if sealed > 0 {
        tracing::info!(count = sealed, "what was there before there were seals is sealed");
    }
    app.store.read_here(|db| app.log.examine(db)).map_err(|e| e.to_string())?;
    if app.log.fault().is_some() {
        return Ok(app);
    }
    let entered = app
        .store
        .write_here(&Actor::System, |tx| crate::labels::events::enter_what_was_there(tx, &app.log))
        .map_err(|e| e.to_string())?;
    if entered != (0, 0) {
        tracing::info!(keys = entered.0, labels = entered.1, "entered in the log: keys, labels from before it");
    }
    // Remembered by the key that signs now: the one before may leave the file at the next start.
    app.store.read_here(|db| app.log.keep_up(db)).map_err(|e| e.to_string())?;
    Ok(app)
}

#[expect(clippy::print_stderr, reason = "a command speaks on the terminal")]
fn complain(text: &str) {
    eprintln!("error: {text}");
}

#[expect(clippy::print_stdout, reason = "a command speaks on the terminal")]
fn say(text: &str) {
    println!("{text}");
}
