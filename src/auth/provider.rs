//! The published keys of an issuer: asked for when needed, kept for a while,
//! kept longer while it does not answer.
//!
//! Never more than one request is on the way, and never two within the
//! cool-down, whatever tokens arrive. Requests go to the addresses of the
//! settings and of the issuer's own discovery document; nothing in a token
//! leads anywhere. They run off the workers and end within [`PATIENCE`].

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

use super::issuers::{IssuerSettings, address};
use super::jwk::{Algorithm, PublicKey};
use super::refusal::{Refusal, RefusalKind as Kind};
use crate::db::Instant;
use crate::http::outgoing;

/// Between one request for keys and the next, in seconds.
pub const COOL_DOWN: i64 = 30;
/// A request takes at most this long, whatever the other side does.
const PATIENCE: Duration = Duration::from_secs(5);
/// Discovery documents and key sets are smaller than this.
const MAX_BYTES: u64 = 262_144;

/// Where an issuer's keys are had, and those it had last.
pub struct Provider {
    issuer: String,
    jwks_url: Option<String>,
    cache_seconds: i64,
    keep_seconds: i64,
    agent: ureq::Agent,
    state: Mutex<State>,
    /// Counts ended requests, so that others can wait for the one on its way.
    ended: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    keys: Vec<Arc<PublicKey>>,
    /// When the keys were last had.
    had_at: Option<Instant>,
    asked_at: Option<Instant>,
    is_asking: bool,
    is_failing: bool,
    /// What discovery said.
    discovered: Option<String>,
}

impl Provider {
    /// # Errors
    /// A certificate file or a proxy that cannot be used.
    pub fn new(settings: &IssuerSettings) -> Result<Self, String> {
        let agent = outgoing::agent(settings.ca_file.as_deref(), settings.proxy.as_deref(), PATIENCE)?;
        Ok(Self {
            issuer: settings.issuer.clone(),
            jwks_url: settings.jwks_url.clone(),
            cache_seconds: settings.jwks_cache_seconds,
            keep_seconds: settings.jwks_keep_seconds,
            agent,
            state: Mutex::default(),
            ended: watch::Sender::new(0),
        })
    }

    /// The key a token names, asked for if need be.
    ///
    /// # Errors
    /// There is no such key, or no key could be had at all.
    pub async fn key(
        self: &Arc<Self>,
        kid: &str,
        algorithm: Algorithm,
        now: Instant,
    ) -> Result<Arc<PublicKey>, Refusal> {
        let (age, is_failing) = self.with(|state| (state.had_at.map(|at| since(at, now)), state.is_failing));
        match age {
            Some(age) if age < self.cache_seconds / 2 => {}
            // Half-way through, or while it does not answer: nobody waits for it.
            Some(age) if age < self.cache_seconds || is_failing => self.ask(now),
            _ => self.ask_and_wait(now).await,
        }
        if let Some(key) = self.find(kid, algorithm, now)? {
            return Ok(key);
        }
        // Perhaps it is new.
        self.ask_and_wait(now).await;
        self.find(kid, algorithm, now)?.ok_or(Refusal::new(Kind::UnknownKey, "the key is unknown"))
    }

    fn find(&self, kid: &str, algorithm: Algorithm, now: Instant) -> Result<Option<Arc<PublicKey>>, Refusal> {
        self.with(|state| {
            if state.had_at.is_none_or(|at| since(at, now) > self.keep_seconds) {
                return Err(Refusal::new(Kind::KeysUnavailable, "the keys of the issuer cannot be had"));
            }
            // Keys of different kinds may share an id (RFC 7517 §4.5).
            Ok(state.keys.iter().filter(|key| key.id == kid).max_by_key(|key| key.algorithm == algorithm).cloned())
        })
    }

    async fn ask_and_wait(self: &Arc<Self>, now: Instant) {
        // First listen, then ask: an answer in between is not missed.
        let mut ended = self.ended.subscribe();
        self.ask(now);
        if self.with(|state| state.is_asking) {
            let _answered_or_not = actix_web::rt::time::timeout(PATIENCE * 2, ended.changed()).await;
        }
    }

    /// Asks for the keys, off the workers, unless somebody is at it or just was.
    pub fn ask(self: &Arc<Self>, now: Instant) {
        let discovered = self.with(|state| {
            let has_cooled = state.asked_at.is_none_or(|at| since(at, now) >= COOL_DOWN);
            if state.is_asking || !has_cooled {
                return None;
            }
            state.is_asking = true;
            state.asked_at = Some(now);
            Some(state.discovered.clone())
        });
        let Some(discovered) = discovered else { return };
        let asking = Asking(Arc::clone(self));
        actix_web::rt::task::spawn_blocking(move || {
            let outcome = asking.0.fetch(discovered);
            asking.0.take(outcome, now);
        });
    }

    fn take(&self, outcome: Result<(Vec<PublicKey>, String), String>, now: Instant) {
        self.with(|state| {
            state.is_failing = outcome.is_err();
            match outcome {
                Ok((keys, url)) => {
                    tracing::info!(issuer = self.issuer, keys = keys.len(), "keys of an issuer");
                    state.keys = keys.into_iter().map(Arc::new).collect();
                    state.had_at = Some(now);
                    state.discovered = Some(url);
                }
                Err(error) => {
                    tracing::warn!(issuer = self.issuer, error, "the keys of an issuer cannot be had");
                    state.discovered = None;
                }
            }
        });
    }

    fn fetch(&self, discovered: Option<String>) -> Result<(Vec<PublicKey>, String), String> {
        let url = match (&self.jwks_url, discovered) {
            (Some(url), _) => url.clone(),
            (None, Some(url)) => url,
            (None, None) => {
                let document =
                    self.get(&format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/')))?;
                // OpenID Connect Discovery §4.3: exactly the issuer that was asked.
                if document.get("issuer").and_then(Value::as_str) != Some(self.issuer.as_str()) {
                    return Err("the discovery document is that of another issuer".to_owned());
                }
                document
                    .get("jwks_uri")
                    .and_then(Value::as_str)
                    .ok_or("no jwks_uri in the discovery document")?
                    .to_owned()
            }
        };
        Ok((PublicKey::of_set(&self.get(&url)?)?, url))
    }

    fn get(&self, url: &str) -> Result<Value, String> {
        let allowed = address(url)?;
        if allowed.scheme() == "http" && !self.issuer.starts_with("http:") {
            return Err(format!("{url}: an https issuer has https addresses"));
        }
        let mut answer =
            self.agent.get(url).header("accept", "application/json").call().map_err(|e| format!("{url}: {e}"))?;
        if answer.status() != 200 {
            return Err(format!("{url}: status {}", answer.status()));
        }
        let bytes =
            answer.body_mut().with_config().limit(MAX_BYTES).read_to_vec().map_err(|e| format!("{url}: {e}"))?;
        serde_json::from_slice(&bytes).map_err(|e| format!("{url}: {e}"))
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Seconds between two instants, either way: the clock may have been set back.
fn since(at: Instant, now: Instant) -> i64 {
    (now.0 - at.0).num_seconds().abs()
}

/// A request on its way; it has ended when this is gone, however it ended.
struct Asking(Arc<Provider>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.with(|state| state.is_asking = false);
        self.0.ended.send_modify(|count| *count += 1);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;
    use crate::auth::keys::ServerKey;

    fn at(seconds: i64) -> Instant {
        Instant::from_micros(1_800_000_000_000_000 + seconds * 1_000_000).expect("an instant")
    }

    /// A provider whose key set takes a moment; and the key of that set.
    fn slow() -> (Arc<Provider>, PublicKey) {
        let jwk = ServerKey::from_pem(ServerKey::fresh_pem().expect("a key").as_bytes()).expect("a key").jwk();
        let body = serde_json::json!({"keys": [jwk]}).to_string();
        let key = PublicKey::of_set(&serde_json::from_str(&body).expect("JSON")).expect("a set").pop().expect("a key");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a socket");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        std::thread::spawn(move || {
            for stream in listener.incoming().take(3) {
                let mut stream = stream.expect("a caller");
                let _read = stream.read(&mut [0; 4096]).expect("a request");
                std::thread::sleep(Duration::from_millis(500));
                let length = body.len();
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
                write!(stream, "{head}content-length: {length}\r\n\r\n{body}").expect("answered");
            }
        });
        let settings = toml::from_str(&format!(
            "issuer = \"{address}\"\njwks_url = \"{address}/keys\"\naudiences = [\"api\"]\n\
             [claims]\nrole = {{ fixed = [\"buyer\"] }}"
        ));
        (Arc::new(Provider::new(&settings.expect("settings")).expect("a provider")), key)
    }

    fn ended(provider: &Provider) -> u64 {
        *provider.ended.borrow()
    }

    #[test]
    fn keys_are_asked_for_when_they_grow_old_and_waited_for_when_they_are() {
        actix_web::rt::System::new().block_on(async {
            let (provider, key) = slow();
            let had_at = |at| {
                provider.with(|state| {
                    (state.had_at, state.asked_at) = (Some(at), None);
                });
            };
            // None yet: waited for.
            let found = provider.key(&key.id, Algorithm::EdDsa, at(0)).await.expect("a key");
            assert_eq!((&found.id, ended(&provider)), (&key.id, 1));
            // Young: nobody is asked.
            had_at(at(0));
            provider.key(&key.id, Algorithm::EdDsa, at(149)).await.expect("a key");
            assert_eq!(provider.with(|state| state.asked_at), None);
            // Too old at 300 seconds: waited for.
            provider.key(&key.id, Algorithm::EdDsa, at(300)).await.expect("a key");
            assert_eq!((ended(&provider), provider.with(|state| state.had_at)), (2, Some(at(300))));
            // Half-way through: asked for, and nobody waits.
            had_at(at(0));
            provider.key(&key.id, Algorithm::EdDsa, at(150)).await.expect("a key");
            assert_eq!(
                (provider.with(|state| (state.asked_at, state.is_asking)), ended(&provider)),
                ((Some(at(150)), true), 2)
            );
        });
    }

    #[test]
    fn keys_come_from_where_they_are_said_to_be() {
        let (provider, _) = slow();
        let error = provider.get("http://127.0.0.1:1/x").expect_err("nobody is there");
        assert!(!error.contains("https"), "{error}");
        assert!(provider.get("http://id.example/x").expect_err("not here").contains("expected https"));
        let secure = toml::from_str(
            "issuer = \"https://id.example\"\naudiences = [\"api\"]\n[claims]\nrole = { fixed = [\"buyer\"] }",
        );
        let secure = Provider::new(&secure.expect("settings")).expect("a provider");
        assert!(secure.get("http://127.0.0.1:1/x").expect_err("not secure").contains("an https issuer"));
    }
}
