use std::process::ExitCode;

/// Prints the document as it is committed.
pub fn run() -> Result<ExitCode, String> {
    let text = serde_json::to_string_pretty(&crate::openapi::document()).map_err(|e| e.to_string())?;
    super::say(&text);
    Ok(ExitCode::SUCCESS)
}
