use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::labels::events::Statement;
use crate::proof::entry::{DECISION_TYP, SignedDecision};
use crate::proof::key::SigningKey;
use crate::proof::{canonical, jws};

/// What an audit body does with its own key, on its own machine.
#[derive(Debug, Args)]
pub struct Sign {
    /// The decision as JSON: application, audit_body, criteria_set, outcome, reasons, reservations, solution, solution_version, and corrects in a correction
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The body's Ed25519 key in PKCS#8 PEM
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

impl Sign {
    pub fn run(self) -> Result<ExitCode, String> {
        let named = |path: &PathBuf, reason: String| format!("{}: {reason}", path.display());
        let text = std::fs::read(&self.file).map_err(|e| named(&self.file, e.to_string()))?;
        let decision: Statement = serde_json::from_slice(&text).map_err(|e| named(&self.file, e.to_string()))?;
        let pem = std::fs::read(&self.key).map_err(|e| named(&self.key, e.to_string()))?;
        let key = SigningKey::from_pem(&pem).map_err(|reason| named(&self.key, reason.en))?;
        let signed = SignedDecision {
            application: decision.application,
            audit_body: decision.audit_body,
            outcome: decision.outcome,
            corrects: decision.corrects,
            data: canonical::hash(&decision).map_err(|reason| named(&self.file, reason.en))?,
        };
        super::say(&jws::sign(DECISION_TYP, &signed, &key).map_err(|reason| reason.en)?);
        Ok(ExitCode::SUCCESS)
    }
}
