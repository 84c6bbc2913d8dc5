use std::process::ExitCode;

use crate::config::Settings;
use crate::doctor::examine;

/// Exit code 0 when all is well, 1 when something was found, 2 when it could not be looked at.
pub fn run(settings: &Settings) -> Result<ExitCode, String> {
    super::say(&format!("{}", settings.backend));
    let is_clean = examine(&settings.backend, &mut |check| super::say(&check.to_string()))?;
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
