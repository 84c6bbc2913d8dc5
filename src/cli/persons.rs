use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::config::Settings;
use crate::db::{Actor, journal};
use crate::persons::{erasure, export};

#[derive(Debug, Subcommand)]
pub enum Persons {
    /// Print everything held about a person, as JSON
    Export(Person),
    /// Erase who a person is, and print what went and what stays, as JSON
    Erase(Person),
}

/// Who a person is to the issuer of their tokens.
#[derive(Debug, Args)]
pub struct Person {
    /// `iss` of the person's tokens
    #[arg(long = "of-issuer", value_name = "TEXT")]
    of_issuer: String,
    /// `sub` of the person's tokens
    #[arg(long, value_name = "TEXT")]
    subject: String,
}

impl Persons {
    pub fn run(self, settings: Settings) -> Result<ExitCode, String> {
        let app = super::open(settings)?;
        let shown = match self {
            Self::Export(Person { of_issuer, subject }) => {
                let view = app.store.read_here(|db| {
                    let id = journal::known(db, &of_issuer, &subject)?;
                    export::export(db, id, u32::MAX)
                });
                serde_json::to_string_pretty(&view.map_err(|e| e.to_string())?)
            }
            Self::Erase(Person { of_issuer, subject }) => {
                let view = app.store.write_here(&Actor::System, |tx| erasure::erase(tx, &of_issuer, &subject));
                serde_json::to_string_pretty(&view.map_err(|e| e.to_string())?)
            }
        };
        super::say(&shown.map_err(|e| e.to_string())?);
        Ok(ExitCode::SUCCESS)
    }
}
