use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;

use crate::auth::ring::replace;
use crate::clock::Clock;
use crate::http::outgoing;
use crate::proof::entry::LogEntry;
use crate::proof::key::SigningKey;
use crate::proof::monitor::{New, Watch, look};
use crate::proof::note::{Line, Note};
use crate::proof::verdict::Trust;

/// An answer is had within this time, whatever the other side does.
const PATIENCE: Duration = Duration::from_secs(30);
/// And all of them within this.
const IN_ALL: Duration = Duration::from_secs(3600);

/// What `verify --log-url` is told beside what is trusted.
#[derive(Debug, Args)]
pub struct Monitor {
    /// Read a log instead of a file: its address, such as https://catalogue.example/log
    #[arg(long, value_name = "URL")]
    log_url: Option<url::Url>,
    /// A checkpoint that you kept: the log must continue it [default: the one at --keep, if there is one]
    #[arg(long, value_name = "FILE", requires = "log_url")]
    since: Option<PathBuf>,
    /// Where to put the checkpoint when all is well, for the next time
    #[arg(long, value_name = "FILE", requires = "log_url")]
    keep: Option<PathBuf>,
    /// Certificates (PEM) that are believed instead of the public ones
    #[arg(long, value_name = "FILE", requires = "log_url")]
    ca_file: Option<PathBuf>,
    /// Be a witness: cosign the checkpoint when all is well, with this Ed25519 key in PKCS#8 PEM, and hand it in
    #[arg(long, value_name = "FILE", requires_all = ["keep", "name"])]
    cosign: Option<PathBuf>,
    /// Name of the witness
    #[arg(long, value_name = "NAME", requires = "cosign")]
    name: Option<String>,
}

impl Monitor {
    /// Whether it is a log that is to be read.
    pub fn is_asked_for(&self) -> bool {
        self.log_url.is_some()
    }

    pub fn run(self, mut trust: Vec<Trust>, as_json: bool) -> Result<ExitCode, String> {
        let log = self.log_url.as_ref().ok_or("no log is named")?;
        if !matches!(log.scheme(), "http" | "https") {
            return Err(format!("--log-url {log}: expected an http or https address"));
        }
        let base = log.as_str().trim_end_matches('/').to_owned();
        let earlier = self.since.clone().or_else(|| self.keep.clone().filter(|path| path.exists()));
        if let Some(path) = &earlier {
            let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
            match Trust::parse(&text) {
                Ok(kept @ Trust::Checkpoint(_)) => trust.push(kept),
                Ok(_) => return Err(format!("{}: expected a checkpoint", path.display())),
                Err(reason) => return Err(format!("{}: {}", path.display(), reason.en)),
            }
        }
        let agent = outgoing::agent(self.ca_file.as_deref(), None, PATIENCE)?;
        let end = Instant::now() + IN_ALL;
        let watch = look(&trust, |path, limit| {
            if Instant::now() > end {
                return Err(format!("{base}: not read within {} minutes", IN_ALL.as_secs() / 60));
            }
            fetch(&agent, &format!("{base}/{path}"), limit)
        })?;
        if as_json {
            super::say(&serde_json::to_string_pretty(&watch).map_err(|e| e.to_string())?);
        } else {
            show(&watch, earlier.as_deref());
        }
        // Who names what they trust, or has been here before, wants the log to hang on it.
        let is_well = watch.valid && (trust.is_empty() || watch.pinned);
        if !is_well {
            return Ok(ExitCode::FAILURE);
        }
        if let (Some(path), Some(note)) = (&self.keep, &watch.note) {
            replace(path, note).map_err(|e| format!("{}: {e}", path.display()))?;
        }
        if let (Some(key), Some(name), Some(note)) = (&self.cosign, &self.name, &watch.note) {
            if !watch.pinned {
                return Err("a witness names with --trust the key of the log that it is a witness of".to_owned());
            }
            let note = cosigned(key, name, note)?;
            hand_in(&agent, &format!("{base}/cosignatures"), &note)?;
            if !as_json {
                super::say("cosigned, and the log has the cosignature");
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What stands at an address; none when the server says that nothing does.
fn fetch(agent: &ureq::Agent, url: &str, limit: u64) -> Result<Option<Vec<u8>>, String> {
    let mut answer = match agent.get(url).call() {
        Ok(answer) if answer.status() == 200 => answer,
        Ok(answer) => return Err(format!("{url}: status {}", answer.status())),
        Err(ureq::Error::StatusCode(404)) => return Ok(None),
        Err(error) => return Err(format!("{url}: {error}")),
    };
    let bytes = answer.body_mut().with_config().limit(limit).read_to_vec().map_err(|e| format!("{url}: {e}"))?;
    Ok(Some(bytes))
}

/// The checkpoint with the witness's line alone.
fn cosigned(key: &Path, name: &str, note: &str) -> Result<String, String> {
    let named = |reason: String| format!("{}: {reason}", key.display());
    let pem = std::fs::read(key).map_err(|e| named(e.to_string()))?;
    let key = SigningKey::from_pem(&pem).map_err(|reason| named(reason.en))?;
    let seen_at = u64::try_from(Clock::default().now().0.timestamp()).unwrap_or_default();
    let cosign = || {
        let note = Note::parse(note)?;
        let line = Line::cosign(note.text(), name, &key, seen_at)?;
        Note::new(note.text().to_owned(), vec![line])
    };
    cosign().map(|note| note.to_string()).map_err(|reason| reason.en)
}

fn hand_in(agent: &ureq::Agent, url: &str, note: &str) -> Result<(), String> {
    let body = serde_json::json!({"note": note}).to_string();
    match agent.post(url).header("content-type", "application/json").send(&body) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("{url}: {error}")),
    }
}

fn show(watch: &Watch, earlier: Option<&Path>) {
    if earlier.is_none() {
        super::say("first visit: there is no earlier checkpoint that the log must continue");
    }
    super::verify::show_checks(&watch.checks);
    if let Some(found) = &watch.found {
        super::say(&format!("{} entries, {} of them new", found.size, found.size.saturating_sub(found.seen)));
        found.entries.iter().for_each(|new| super::say(&told(new)));
        for one in &found.witnesses {
            super::say(&format!("witness {} has seen this state at {}", one.name, one.seen_at));
        }
    } else if let Some(note) = &watch.note {
        super::say("what the log showed; with the checkpoint that you kept it is evidence:");
        super::say(note.trim_end());
    }
    super::say(match (watch.valid, watch.pinned) {
        (false, _) => "NOT WELL",
        (true, true) => "all is well, and it hangs on what you trust",
        (true, false) => "the log agrees with itself, but it hangs on nothing of yours: name a key with --trust",
    });
}

fn told(new: &New) -> String {
    let index = new.index;
    match &new.entry {
        LogEntry::Label(event) => {
            format!("entry {index}: {} {}, {} from {}", event.label, event.kind, event.status, event.at)
        }
        LogEntry::Key(event) => {
            let holder = event.holder.map(|holder| format!(" of audit body {holder}")).unwrap_or_default();
            format!("entry {index}: key {} {}{holder}, {}", event.kid, event.change, event.at)
        }
        LogEntry::Refusal(refusal) => format!("entry {index}: a decision against a label, {}", refusal.at),
    }
}
