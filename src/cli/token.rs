use std::process::ExitCode;

use clap::Args;

use crate::auth::ring::Keys;
use crate::auth::token::{Grant, MAX_LIFETIME, Policy, issue};
use crate::auth::{Duty, Role};
use crate::clock::Clock;
use crate::config::Settings;
use crate::db::Id;

/// Signs with the server's own key: whoever can read it can be anybody.
#[derive(Debug, Args)]
pub struct Token {
    /// vendor, buyer, auditor or operator
    #[arg(long, value_parser = role)]
    role: Role,
    /// Id of the organisation to act for
    #[arg(long, value_name = "ID", value_parser = id)]
    organisation: Option<Id>,
    /// SIRET of the organisation to act for
    #[arg(long, value_name = "SIRET", conflicts_with = "organisation")]
    siret: Option<String>,
    /// A duty that refines the role; may be repeated
    #[arg(long = "duty", value_name = "DUTY", value_parser = duty)]
    duties: Vec<Duty>,
    /// Who acts
    #[arg(long, default_value = "developer")]
    subject: String,
    /// How long it is valid: 90s, 30m or 1h; at most 1h
    #[arg(long, default_value = "1h", value_parser = lifetime)]
    ttl: i64,
}

impl Token {
    /// Prints one token and nothing else.
    pub fn run(self, settings: &Settings) -> Result<ExitCode, String> {
        if let Some(duty) = self.duties.iter().find(|duty| !self.role.duties().contains(duty)) {
            let possible = self.role.duties().iter().map(|d| d.code()).collect::<Vec<_>>().join(", ");
            return Err(format!("--duty {duty} is not one of the role {}: {possible}", self.role));
        }
        let now = Clock::default().now();
        let keys = Keys::load(&settings.signing_key, settings.may_make_key, now)
            .map_err(|reason| format!("setting signing_key (--signing-key, GOUVTECH_SIGNING_KEY): {reason}"))?;
        let key = keys.held().signer(now)?;
        let policy = Policy { issuer: settings.issuer.clone(), audience: settings.audience.clone() };
        let grant = Grant {
            subject: self.subject,
            role: self.role,
            duties: self.duties,
            organisation: self.organisation,
            siret: self.siret,
            service_account: None,
            lifetime_seconds: self.ttl,
        };
        super::say(&issue(&key, &policy, &grant, now)?);
        Ok(ExitCode::SUCCESS)
    }
}

fn role(text: &str) -> Result<Role, String> {
    Role::from_code(text).ok_or_else(|| "expected vendor, buyer, auditor or operator".to_owned())
}

fn duty(text: &str) -> Result<Duty, String> {
    let known = || Duty::ALL.iter().map(|d| d.code()).collect::<Vec<_>>().join(", ");
    Duty::from_code(text).ok_or_else(|| format!("expected one of {}", known()))
}

fn id(text: &str) -> Result<Id, String> {
    Id::parse(text).ok_or_else(|| "expected a UUID".to_owned())
}

fn lifetime(text: &str) -> Result<i64, String> {
    seconds(text)
        .filter(|seconds| (1..=MAX_LIFETIME).contains(seconds))
        .ok_or_else(|| "expected between 1s and 1h: a number and s, m or h".to_owned())
}

/// A number and s, m or h; without a letter, seconds.
pub(super) fn seconds(text: &str) -> Option<i64> {
    let (number, factor) = match text.chars().last()? {
        'h' => (text.strip_suffix('h')?, 3600),
        'm' => (text.strip_suffix('m')?, 60),
        's' => (text.strip_suffix('s')?, 1),
        _ => (text, 1),
    };
    number.parse::<i64>().ok().and_then(|number| number.checked_mul(factor))
}
