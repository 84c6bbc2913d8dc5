use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::clock::Clock;
use crate::db::Id;
use crate::labels::events::Statement;
use crate::proof::entry::{DECISION_TYP, SignedDecision};
use crate::proof::key::SigningKey;
use crate::proof::{canonical, jws, possession};

/// What an audit body does with its own key, on its own machine.
#[derive(Debug, Args)]
pub struct Sign {
    /// The decision as JSON: application, audit_body, criteria_set, outcome, reasons, reservations, solution, solution_version, and corrects in a correction
    #[arg(value_name = "FILE", required_unless_present = "key_proof", conflicts_with = "key_proof")]
    file: Option<PathBuf>,
    /// The body's Ed25519 key in PKCS#8 PEM
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Instead of a decision, prove that the body has the key: for registering it under this accreditation
    #[arg(long, value_name = "ACCREDITATION", requires = "audience", value_parser = identifier)]
    key_proof: Option<Id>,
    /// Name of the log of the catalogue: the first line of its /log/checkpoint
    #[arg(long, value_name = "NAME", requires = "key_proof")]
    audience: Option<String>,
}

fn identifier(text: &str) -> Result<Id, String> {
    Id::parse(text).ok_or_else(|| "expected an identifier as the catalogue gives them".to_owned())
}

impl Sign {
    pub fn run(self) -> Result<ExitCode, String> {
        let named = |path: &PathBuf, reason: String| format!("{}: {reason}", path.display());
        let pem = std::fs::read(&self.key).map_err(|e| named(&self.key, e.to_string()))?;
        let key = SigningKey::from_pem(&pem).map_err(|reason| named(&self.key, reason.en))?;
        if let (Some(accreditation), Some(audience)) = (self.key_proof, &self.audience) {
            let now = Clock::default().now();
            super::say(&possession::prove(&key, accreditation, audience, now).map_err(|reason| reason.en)?);
            return Ok(ExitCode::SUCCESS);
        }
        let file = self.file.ok_or("no file is named")?;
        let text = std::fs::read(&file).map_err(|e| named(&file, e.to_string()))?;
        let decision: Statement = serde_json::from_slice(&text).map_err(|e| named(&file, e.to_string()))?;
        let signed = SignedDecision {
            application: decision.application,
            audit_body: decision.audit_body,
            outcome: decision.outcome,
            corrects: decision.corrects,
            data: canonical::hash(&decision).map_err(|reason| named(&file, reason.en))?,
        };
        super::say(&jws::sign(DECISION_TYP, &signed, &key).map_err(|reason| reason.en)?);
        Ok(ExitCode::SUCCESS)
    }
}
