use std::process::ExitCode;

use chrono::TimeDelta;
use clap::Subcommand;

use crate::auth::ring::{self, Duty, Ring};
use crate::clock::Clock;
use crate::config::Settings;
use crate::db::Instant;

/// The file of --signing-key; running servers notice within seconds.
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Every key with what it does now
    List,
    /// Add a key that is published now and signs later, and drop those whose time is over
    Rotate {
        /// How long it is published before it signs: 90s, 15m or 1h
        #[arg(long, value_name = "TIME", default_value = "15m", value_parser = lead)]
        lead: i64,
    },
    /// Take a key away at once: every token it signed is refused; a new one signs if it was the one that did
    Retire {
        /// Its id, as `list` shows it
        #[arg(value_name = "KID")]
        kid: String,
    },
}

impl Keys {
    pub fn run(self, settings: &Settings) -> Result<ExitCode, String> {
        let now = Clock::default().now();
        let path = &settings.signing_key;
        let named = |reason: String| format!("setting signing_key (--signing-key, GOUVTECH_SIGNING_KEY): {reason}");
        match self {
            Self::List => show(&ring::Keys::load(path, false, now).map_err(named)?.held(), now),
            Self::Rotate { lead } => {
                let at = Instant(now.0 + TimeDelta::seconds(lead));
                ring::edit(path, |ring| ring.rotate(now, at).map(|_| show(ring, now))).map_err(named)?;
            }
            Self::Retire { kid } => {
                ring::edit(path, |ring| ring.retire(&kid, now).map(|()| show(ring, now))).map_err(named)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn show(ring: &Ring, now: Instant) {
    for (member, duty) in ring.duties(now) {
        let duty = match duty {
            Duty::Waits(at) => format!("signs from {at}"),
            Duty::Signs => "signs".to_owned(),
            Duty::Verifies(until) => format!("verifies until {until}"),
            Duty::Over => "is over".to_owned(),
        };
        super::say(&format!("{}  {duty}", member.key.id));
    }
}

fn lead(text: &str) -> Result<i64, String> {
    super::token::seconds(text)
        .filter(|seconds| (0..=604_800).contains(seconds))
        .ok_or_else(|| "expected between 0s and 168h: a number and s, m or h".to_owned())
}
