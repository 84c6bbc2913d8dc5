//! Secrets of service accounts: `gt_sa_<prefix>_<secret>`, made of 256 random
//! bits, kept as an argon2id hash. The beginning tells a leaked one apart and is
//! shown wherever the account is.

use std::fmt::Write;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use actix_web::rt::time::timeout;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, PasswordHash, Version};
use tokio::sync::Semaphore;

use crate::error::{Error, Result};

/// OWASP's parameters for argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;

/// What every secret begins with, for those who search for leaked ones.
const MARK: &str = "gt_sa_";
const PREFIX_BYTES: usize = 6;
const SECRET_BYTES: usize = 32;

/// Who waits longer than this is told to come back.
const PATIENCE: Duration = Duration::from_secs(5);
/// More than this do not wait at all.
const MAX_WAITING: usize = 64;

/// A secret that was just made: the only time it can be shown.
pub struct Fresh {
    pub secret: String,
    pub prefix: String,
    pub hash: String,
}

/// The visible beginning of a secret; none when it has not the form of one.
pub fn prefix(secret: &str) -> Option<&str> {
    let (prefix, rest) = secret.strip_prefix(MARK)?.split_once('_')?;
    (prefix.len() == 2 * PREFIX_BYTES && rest.len() == 2 * SECRET_BYTES).then_some(prefix)
}

/// Hashes and verifies secrets off the workers, a few at a time: each takes some
/// tens of milliseconds and 19 MiB, which nobody outside is to multiply.
pub struct Hasher {
    running: Arc<Semaphore>,
    waiting: Semaphore,
}

impl Hasher {
    pub fn new(workers: usize) -> Self {
        Self { running: Arc::new(Semaphore::new(workers.clamp(1, 4))), waiting: Semaphore::new(MAX_WAITING) }
    }

    /// Makes a secret.
    pub async fn fresh(&self) -> Result<Fresh> {
        self.run(|| {
            let prefix = random::<PREFIX_BYTES>()?;
            let secret = format!("{MARK}{prefix}_{}", random::<SECRET_BYTES>()?);
            let hash = hash(&secret)?;
            Ok(Fresh { secret, prefix, hash })
        })
        .await
    }

    /// Whether the secret is that of the hash; without a hash, as long and false.
    pub async fn verifies(&self, secret: String, hash: Option<String>) -> Result<bool> {
        self.run(move || {
            let known = hash.as_deref().unwrap_or_else(|| NOBODYS.as_str());
            let hashed = PasswordHash::new(known).map_err(|e| Error::Internal(format!("a stored hash: {e}")))?;
            let is_right = argon2()?.verify_password(secret.as_bytes(), &hashed).is_ok();
            Ok(is_right && hash.is_some())
        })
        .await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let busy = || Error::unavailable("too many secrets are being verified");
        let _place = self.waiting.try_acquire().map_err(|_| busy())?;
        let turn = timeout(PATIENCE, Arc::clone(&self.running).acquire_owned()).await.map_err(|_| busy())?;
        let turn = turn.map_err(|_| busy())?;
        actix_web::web::block(move || {
            // Ends with the work, not with the wait for it.
            let _turn = turn;
            work()
        })
        .await?
    }
}

/// What an unknown client's secret is compared with, so that it takes as long.
static NOBODYS: LazyLock<String> = LazyLock::new(|| hash("nobody's").unwrap_or_default());

fn argon2() -> Result<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|e| Error::Internal(format!("argon2: {e}")))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(secret: &str) -> Result<String> {
    let mut salt = [0; 16];
    fill(&mut salt)?;
    let hashed = argon2()?.hash_password_with_salt(secret.as_bytes(), &salt);
    Ok(hashed.map_err(|e| Error::Internal(format!("argon2: {e}")))?.to_string())
}

fn fill(bytes: &mut [u8]) -> Result<()> {
    aws_lc_rs::rand::fill(bytes).map_err(|_| Error::Internal("no randomness".to_owned()))
}

/// Random bytes in hexadecimal: a double click selects the whole.
fn random<const N: usize>() -> Result<String> {
    let mut bytes = [0; N];
    fill(&mut bytes)?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        let _never_fails = write!(text, "{byte:02x}");
        text
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_known_by_its_beginning_and_its_hash() {
        actix_web::rt::System::new().block_on(async {
            let hasher = Hasher::new(2);
            let fresh = hasher.fresh().await.expect("a secret");
            assert_eq!(prefix(&fresh.secret), Some(fresh.prefix.as_str()));
            assert!(fresh.hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", fresh.hash);
            assert!(!fresh.hash.contains(&fresh.secret[20..]));
            assert!(hasher.verifies(fresh.secret.clone(), Some(fresh.hash.clone())).await.expect("verified"));
            let other = hasher.fresh().await.expect("a secret");
            assert_ne!(other.secret, fresh.secret);
            assert!(!hasher.verifies(other.secret, Some(fresh.hash)).await.expect("verified"));
            assert!(!hasher.verifies("nobody's".to_owned(), None).await.expect("verified"), "nobody's is nobody's");
        });
    }

    #[test]
    fn a_crowd_waits_or_is_sent_away_and_no_more_run_than_may() {
        actix_web::rt::System::new().block_on(async {
            let hasher = Hasher::new(1);
            let all = (0..MAX_WAITING + 40).map(|_| hasher.run(|| Ok(())));
            let outcomes = futures_util::future::join_all(all).await;
            let served = outcomes.iter().filter(|one| one.is_ok()).count();
            assert_eq!(served, MAX_WAITING, "as many as may wait are served, the others told to come back");
            assert_eq!((hasher.running.available_permits(), hasher.waiting.available_permits()), (1, MAX_WAITING));
        });
    }

    #[test]
    fn what_has_another_form_has_no_prefix() {
        for text in ["", "gt_sa_", "gt_sa_abc_def", "gt_sa_0011223344556677", "hunter2", "gt_sa_é_x"] {
            assert_eq!(prefix(text), None, "{text}");
        }
    }
}
