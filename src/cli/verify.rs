use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::monitor::Monitor;
use crate::proof::verdict::{Check, CheckResult, Trust, Verdict, verify};

/// A file as `/api/v1/labels/{number}/bundle` gives it, or a whole log.
#[derive(Debug, Args)]
pub struct Verify {
    /// The file
    #[arg(value_name = "FILE", required_unless_present = "log_url", conflicts_with = "log_url")]
    file: Option<PathBuf>,
    #[command(flatten)]
    monitor: Monitor,
    /// What you believe already: a vkey of the log or of a witness, a checkpoint that you kept, or an audit body's key as a JWK; the text itself or a file with it. With it, what is read must hang on one of them
    #[arg(long, value_name = "KEY|CHECKPOINT")]
    trust: Vec<String>,
    /// Print the whole verdict as JSON
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub fn run(self) -> Result<ExitCode, String> {
        let trust = self.trust.iter().map(|given| trusted(given)).collect::<Result<Vec<_>, _>>()?;
        if self.monitor.is_asked_for() {
            return self.monitor.run(trust, self.json);
        }
        let file = self.file.ok_or("no file is named")?;
        let bytes = std::fs::read(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        let verdict = verify(&bytes, &trust);
        if self.json {
            super::say(&serde_json::to_string_pretty(&verdict).map_err(|e| e.to_string())?);
        } else {
            show(&verdict);
        }
        // Who names what they trust wants the file to hang on it.
        let is_proved = verdict.valid && (trust.is_empty() || verdict.pinned);
        Ok(if is_proved { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn trusted(given: &str) -> Result<Trust, String> {
    let text = match std::fs::read_to_string(given) {
        Ok(text) => text,
        Err(_) => given.to_owned(),
    };
    Trust::parse(&text).map_err(|reason| format!("--trust {given}: {}", reason.en))
}

pub fn show_checks(checks: &[Check]) {
    for check in checks {
        let mark = match check.result {
            CheckResult::Passed => "ok",
            CheckResult::Failed => "FAILED",
            CheckResult::Open => "open",
        };
        super::say(&format!("{mark:<7}{}: {}", check.code, check.text.en));
    }
}

fn show(verdict: &Verdict) {
    show_checks(&verdict.checks);
    if let Some(found) = &verdict.found {
        let state = found.state.map_or("not yet valid".to_owned(), |state| state.status.to_string());
        super::say(&format!("label {} as of {}: {state}", found.label, found.as_of));
        for one in &found.decisions {
            let name = one.audit_body_name.as_deref().unwrap_or("?");
            let word = match &one.signed_with {
                Some(kid) => format!("signed by the audit body with {kid}"),
                None => "not signed by the audit body: the catalogue's word alone".to_owned(),
            };
            super::say(&format!("decision (event {}) of {name}: {word}", one.label_seq));
        }
    }
    let sum = match (verdict.valid, verdict.pinned) {
        (false, _) => "NOT PROVED",
        (true, true) => "proved, and it hangs on what you trust",
        (true, false) => "everything in the file agrees, but it hangs on no key of yours: name one with --trust",
    };
    super::say(sum);
}
