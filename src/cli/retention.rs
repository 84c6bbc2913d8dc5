use std::process::ExitCode;

use clap::Args;

use crate::config::Settings;
use crate::persons::retention;

/// The server does the same once a day.
#[derive(Debug, Args)]
pub struct Retention {
    /// Say what would go, and leave it
    #[arg(long)]
    dry_run: bool,
}

impl Retention {
    /// Prints the report, as JSON.
    pub fn run(self, settings: Settings) -> Result<ExitCode, String> {
        let app = super::open(settings)?;
        let report = match self.dry_run {
            true => retention::rehearse(&app.store, &app.settings),
            false => retention::run(&app.store, &app.settings),
        };
        let report = report.map_err(|e| e.to_string())?;
        super::say(&serde_json::to_string_pretty(&report).map_err(|e| e.to_string())?);
        Ok(ExitCode::SUCCESS)
    }
}
