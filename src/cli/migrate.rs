use std::process::ExitCode;

use crate::config::Settings;
use crate::db::migrations;

pub fn run(settings: &Settings) -> Result<ExitCode, String> {
    if let Some(folder) = settings.backend.folder() {
        std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    let applied = migrations::apply(&settings.backend).map_err(|e| format!("{}: {e}", settings.backend))?;
    for name in &applied {
        super::say(&format!("applied {name}"));
    }
    super::say(&format!("{}: {} migrations applied", settings.backend, applied.len()));
    Ok(ExitCode::SUCCESS)
}
