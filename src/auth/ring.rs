//! The server's signing keys over time: one signs, those before it verify until
//! their last token has expired, the next one is published before it signs.
//!
//! All are in one file, which instances share: private keys in PEM, each after
//! a line `signs-from: <instant>` unless it signs from the beginning. A file
//! with a single key, as `openssl` writes it, is a ring of one.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::keys::ServerKey;
use super::token::{LEEWAY, MAX_LIFETIME};
use crate::db::Instant;
use crate::http::page::CursorKey;

/// How long instances may go on with the file as they last saw it, in seconds.
pub const LOOK_EVERY: i64 = 5;
/// How long a key verifies after another has begun to sign: the longest life of a token, and some.
const VERIFIES_AFTER: i64 = MAX_LIFETIME + 2 * LEEWAY + 2 * LOOK_EVERY;

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";
const SIGNS_FROM: &str = "signs-from:";

/// A key and when it begins to sign.
#[derive(Clone)]
pub struct Member {
    pub key: Arc<ServerKey>,
    /// None: from the beginning.
    pub signs_from: Option<Instant>,
    pem: String,
}

/// What a member of the ring does at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// Published; signs from then on.
    Waits(Instant),
    Signs,
    /// Verifies until then.
    Verifies(Instant),
    /// No token of it can be valid any more.
    Over,
}

/// The keys of one state of the file, by when they begin to sign.
#[derive(Clone, Default)]
pub struct Ring {
    members: Vec<Member>,
}

impl Ring {
    /// Reads the keys of a file's text.
    ///
    /// # Errors
    /// What is wrong with it, and how a good one is made.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut members: Vec<Member> = Vec::new();
        let (mut signs_from, mut block) = (None, None::<String>);
        for line in text.lines() {
            let line = line.trim_end();
            match &mut block {
                Some(pem) => {
                    pem.push_str(line);
                    pem.push('\n');
                    if line == END {
                        let pem = block.take().unwrap_or_default();
                        let key = Arc::new(ServerKey::from_pem(pem.as_bytes())?);
                        if members.iter().any(|one| one.key.id == key.id) {
                            return Err(format!("the key {} is there twice", key.id));
                        }
                        members.push(Member { key, signs_from: signs_from.take(), pem });
                    }
                }
                None if line == BEGIN => block = Some(format!("{line}\n")),
                None => {
                    if let Some(at) = line.strip_prefix(SIGNS_FROM) {
                        let at = chrono::DateTime::parse_from_rfc3339(at.trim())
                            .map_err(|_| format!("{SIGNS_FROM} wants an instant of RFC 3339, not `{}`", at.trim()))?;
                        signs_from = Some(Instant::new(at.to_utc()));
                    }
                }
            }
        }
        if members.is_empty() {
            // The reader of a single key says best what is wrong.
            ServerKey::from_pem(text.as_bytes())?;
        }
        if members.iter().filter(|one| one.signs_from.is_none()).count() > 1 {
            return Err(format!("one key signs from the beginning; the others need a line `{SIGNS_FROM} <instant>`"));
        }
        members.sort_by_key(|one| one.signs_from);
        Ok(Self { members })
    }

    fn text(&self) -> String {
        self.members
            .iter()
            .map(|one| match one.signs_from {
                Some(at) => format!("{SIGNS_FROM} {at}\n{}", one.pem),
                None => one.pem.clone(),
            })
            .collect()
    }

    /// Every member with what it does now, in the order they sign.
    pub fn duties(&self, now: Instant) -> impl Iterator<Item = (&Member, Duty)> {
        // Should the clock be behind them all, the first one signs.
        let signer = self.members.iter().rposition(|one| one.signs_from.is_none_or(|at| at <= now)).unwrap_or(0);
        self.members.iter().enumerate().map(move |(place, one)| {
            let next = self.members.get(place + 1).and_then(|next| next.signs_from);
            let duty = match (place.cmp(&signer), one.signs_from, next) {
                (std::cmp::Ordering::Equal, ..) => Duty::Signs,
                (std::cmp::Ordering::Greater, Some(at), _) => Duty::Waits(at),
                (std::cmp::Ordering::Less, _, Some(next)) => {
                    let until = Instant(next.0 + TimeDelta::seconds(VERIFIES_AFTER));
                    if now < until { Duty::Verifies(until) } else { Duty::Over }
                }
                _ => Duty::Over,
            };
            (one, duty)
        })
    }

    /// The key that signs now.
    ///
    /// # Errors
    /// An empty ring, which cannot be loaded.
    pub fn signer(&self, now: Instant) -> Result<Arc<ServerKey>, String> {
        self.duties(now)
            .find(|(_, duty)| *duty == Duty::Signs)
            .map(|(one, _)| Arc::clone(&one.key))
            .ok_or_else(|| "no key signs".to_owned())
    }

    /// The key of this id, if it verifies now.
    pub fn find(&self, kid: &str, now: Instant) -> Option<Arc<ServerKey>> {
        self.duties(now)
            .find(|(one, duty)| one.key.id == kid && *duty != Duty::Over)
            .map(|(one, _)| Arc::clone(&one.key))
    }

    /// The public halves of all that verify now, as a JWK Set (RFC 7517).
    pub fn jwks(&self, now: Instant) -> Value {
        let keys: Vec<Value> =
            self.duties(now).filter(|(_, duty)| *duty != Duty::Over).map(|(one, _)| one.key.jwk()).collect();
        json!({ "keys": keys })
    }

    /// What signs cursors: sealed by the key that signs, opened by any of the file.
    ///
    /// # Errors
    /// The signing library's words.
    pub fn cursor_key(&self, now: Instant) -> Result<CursorKey, String> {
        let signer = self.signer(now)?;
        let mut cursor_key = signer.cursor_key();
        for one in self.members.iter().filter(|one| one.key.id != signer.id) {
            cursor_key = cursor_key.or(one.key.cursor_key());
        }
        Ok(cursor_key)
    }

    /// Adds a fresh key that signs from `at`, and drops those whose time is over.
    ///
    /// # Errors
    /// No randomness.
    pub fn rotate(&mut self, now: Instant, at: Instant) -> Result<Arc<ServerKey>, String> {
        let over: Vec<String> =
            self.duties(now).filter(|(_, duty)| *duty == Duty::Over).map(|(one, _)| one.key.id.clone()).collect();
        self.members.retain(|one| !over.contains(&one.key.id));
        let pem = ServerKey::fresh_pem()?;
        let key = Arc::new(ServerKey::from_pem(pem.as_bytes())?);
        self.members.push(Member { key: Arc::clone(&key), signs_from: Some(at), pem });
        self.members.sort_by_key(|one| one.signs_from);
        Ok(key)
    }

    /// Takes a key away at once; a fresh one signs in its place when it was the one that signed.
    ///
    /// # Errors
    /// There is no such key.
    pub fn retire(&mut self, kid: &str, now: Instant) -> Result<(), String> {
        let did_sign = self.duties(now).any(|(one, duty)| one.key.id == kid && duty == Duty::Signs);
        let before = self.members.len();
        self.members.retain(|one| one.key.id != kid);
        if self.members.len() == before {
            return Err(format!("there is no key {kid}"));
        }
        if did_sign {
            self.rotate(now, now)?;
        }
        Ok(())
    }
}

/// The file, and the ring as it was last seen there.
pub struct Keys {
    path: PathBuf,
    seen: Mutex<Seen>,
}

struct Seen {
    ring: Arc<Ring>,
    looked_at: Instant,
    stamp: Stamp,
}

/// What tells one state of a file from the next; a replaced one has another inode.
type Stamp = (u64, u64, i64, i64);

fn stamp(path: &Path) -> Result<Stamp, String> {
    let meta = std::fs::metadata(path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok((meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec()))
}

fn read(path: &Path) -> Result<(Ring, Stamp), String> {
    let shown = path.display();
    let stamp = stamp(path)?;
    let mode = std::fs::metadata(path).map_err(|e| format!("{shown}: {e}"))?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!("{shown} can be read by others (mode {mode:04o}): chmod 600 {shown}"));
    }
    let text = std::fs::read_to_string(path).map_err(|e| format!("{shown}: {e}"))?;
    Ok((Ring::parse(&text).map_err(|e| format!("{shown}: {e}"))?, stamp))
}

impl Keys {
    /// Reads the file, or makes it with one key and mode 0600 when `may_make` and it is absent.
    ///
    /// # Errors
    /// What is wrong with the file, in words for whoever starts the server.
    pub fn load(path: &Path, may_make: bool, now: Instant) -> Result<Self, String> {
        if may_make && !path.exists() {
            make(path).map_err(|e| format!("{}: {e}", path.display()))?;
        }
        let (ring, stamp) = read(path)?;
        Ok(Self { path: path.to_owned(), seen: Mutex::new(Seen { ring: Arc::new(ring), looked_at: now, stamp }) })
    }

    /// The ring as it was last seen; hardly more than [`LOOK_EVERY`] seconds old while requests come.
    pub fn held(&self) -> Arc<Ring> {
        Arc::clone(&self.seen.lock().unwrap_or_else(PoisonError::into_inner).ring)
    }

    /// Has the file looked at when it is time, off the workers; nobody waits for it.
    pub fn refresh(self: &Arc<Self>, now: Instant) {
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            // Either way: the clock may have been set back.
            if (now.0 - seen.looked_at.0).num_seconds().abs() < LOOK_EVERY {
                return;
            }
            seen.looked_at = now;
        }
        let keys = Arc::clone(self);
        actix_web::rt::task::spawn_blocking(move || keys.look());
    }

    /// Reads the file again if it has changed.
    pub fn look(&self) {
        let before = self.seen.lock().unwrap_or_else(PoisonError::into_inner).stamp;
        match stamp(&self.path).and_then(|now| if now == before { Ok(None) } else { read(&self.path).map(Some) }) {
            Ok(None) => {}
            Ok(Some((ring, stamp))) => {
                tracing::info!(keys = ring.members.len(), "signing keys read again");
                let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.ring = Arc::new(ring);
                seen.stamp = stamp;
            }
            // What was read before still stands: a bad file must not lock everybody out.
            Err(error) => tracing::error!(error, "signing keys"),
        }
    }
}

/// Changes the ring of a file: one command at a time, and readers see the whole file or the one before.
///
/// # Errors
/// What is wrong with the file, or what `change` says.
pub fn edit<T>(path: &Path, change: impl FnOnce(&mut Ring) -> Result<T, String>) -> Result<T, String> {
    let named = |e: std::io::Error| format!("{}: {e}", path.display());
    let _held = hold(path).map_err(named)?;
    let (mut ring, _) = read(path)?;
    let outcome = change(&mut ring)?;
    replace(path, &ring.text()).map_err(named)?;
    Ok(outcome)
}

/// Keeps other processes from changing a file, as long as what is given back is there.
pub(crate) fn hold(path: &Path) -> std::io::Result<File> {
    let lock = beside(path, "lock");
    let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&lock)?;
    lock.lock()?;
    Ok(lock)
}

/// Writes a file whole or not at all, for its owner alone.
pub(crate) fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let fresh = beside(path, "new");
    write_new(&fresh, text)?;
    std::fs::rename(&fresh, path)?;
    sync_folder(path)
}

/// Writes a new key beside its place and links it there: two instances that
/// start at once end up with the same one, and none reads half a file.
pub(crate) fn make(path: &Path) -> Result<(), String> {
    let text = ServerKey::fresh_pem()?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|e| e.to_string())?;
    }
    let fresh = beside(path, "new");
    let written = write_new(&fresh, &text).and_then(|()| match std::fs::hard_link(&fresh, path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    });
    let removed = std::fs::remove_file(&fresh);
    written.and(removed).and_then(|()| sync_folder(path)).map_err(|e| e.to_string())
}

fn beside(path: &Path, kind: &str) -> PathBuf {
    match kind {
        "lock" => path.with_extension("lock"),
        _ => path.with_extension(format!("{}.{kind}", uuid::Uuid::now_v7().simple())),
    }
}

fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Instant {
        Instant::from_micros(1_800_000_000_000_000 + seconds * 1_000_000).expect("an instant")
    }

    fn duties(ring: &Ring, seconds: i64) -> Vec<Duty> {
        ring.duties(at(seconds)).map(|(_, duty)| duty).collect()
    }

    #[test]
    fn a_new_key_waits_then_signs_and_the_old_one_verifies_until_its_tokens_are_over() {
        let first = ServerKey::fresh_pem().expect("a key");
        let mut ring = Ring::parse(&first).expect("a ring");
        assert_eq!(duties(&ring, 0), [Duty::Signs]);
        let next = ring.rotate(at(0), at(900)).expect("rotated");
        assert_eq!(duties(&ring, 899), [Duty::Signs, Duty::Waits(at(900))]);
        assert!(ring.find(&next.id, at(0)).is_some(), "published before it signs");
        let until = at(900 + VERIFIES_AFTER);
        assert_eq!(duties(&ring, 900), [Duty::Verifies(until), Duty::Signs]);
        assert_eq!(ring.jwks(at(901))["keys"].as_array().map(Vec::len), Some(2));
        assert_eq!(duties(&ring, 900 + VERIFIES_AFTER), [Duty::Over, Duty::Signs]);
        assert_eq!(ring.jwks(until)["keys"].as_array().map(Vec::len), Some(1));
        ring.rotate(until, at(20_000)).expect("rotated");
        assert_eq!(ring.members.len(), 2, "what is over is dropped");
        let read_again = Ring::parse(&ring.text()).expect("a ring");
        assert_eq!(duties(&read_again, 19_999), duties(&ring, 19_999));
        assert_eq!(read_again.signer(at(20_000)).expect("a key").id, ring.signer(at(20_000)).expect("a key").id);
    }

    #[test]
    fn an_old_key_verifies_as_long_as_a_token_of_it_may_live() {
        // Signed in the last instant by an instance that had not looked yet, at the latest clock that is believed.
        const { assert!(VERIFIES_AFTER >= MAX_LIFETIME + 2 * LEEWAY + 2 * LOOK_EVERY) };
        const { assert!(VERIFIES_AFTER <= MAX_LIFETIME + 600) };
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_and_one_that_changed_is_read_again() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deeper/key.pem");
        assert!(Keys::load(&path, false, at(0)).is_err(), "nobody may make it");
        let keys = Keys::load(&path, true, at(0)).expect("made");
        assert_eq!(std::fs::metadata(&path).expect("a file").mode() & 0o777, 0o600);
        assert_eq!(
            std::fs::read_dir(folder.path().join("deeper")).expect("a folder").count(),
            1,
            "nothing is left beside it"
        );
        let first = keys.held().signer(at(0)).expect("a key").id.clone();
        let next = edit(&path, |ring| ring.rotate(at(0), at(10))).expect("rotated");
        assert!(keys.held().find(&next.id, at(0)).is_none(), "not looked yet");
        keys.look();
        assert_eq!(keys.held().signer(at(9)).expect("a key").id, first);
        assert_eq!(keys.held().signer(at(10)).expect("a key").id, next.id);
        for mode in [0o640, 0o604, 0o660, 0o601] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
            assert!(Keys::load(&path, false, at(0)).is_err_and(|error| error.contains("chmod")), "{mode:o}");
        }
        std::fs::write(&path, "no key").expect("written");
        keys.look();
        assert_eq!(keys.held().signer(at(10)).expect("a key").id, next.id, "what was read still stands");
    }

    #[test]
    fn a_clock_behind_every_key_still_has_one_that_signs() {
        let mut ring = Ring::parse(&ServerKey::fresh_pem().expect("a key")).expect("a ring");
        let first = ring.signer(at(0)).expect("a key").id.clone();
        ring.rotate(at(0), at(100)).expect("rotated");
        ring.retire(&first, at(200)).expect("retired");
        assert_eq!(duties(&ring, -1000), [Duty::Signs]);
    }

    #[test]
    fn a_retired_key_is_gone_at_once_and_another_signs() {
        let mut ring = Ring::parse(&ServerKey::fresh_pem().expect("a key")).expect("a ring");
        let leaked = ring.signer(at(0)).expect("a key").id.clone();
        ring.retire(&leaked, at(0)).expect("retired");
        assert!(ring.find(&leaked, at(0)).is_none());
        assert_ne!(ring.signer(at(0)).expect("a key").id, leaked);
        assert!(ring.retire(&leaked, at(0)).is_err());
    }

    #[test]
    fn a_cursor_of_the_key_before_is_still_read() {
        use crate::http::page::{After, Key};
        let mut ring = Ring::parse(&ServerKey::fresh_pem().expect("a key")).expect("a ring");
        let after = After { key: Key::Number(1), id: crate::db::Id::new() };
        let cursor = ring.cursor_key(at(0)).expect("a key").seal("/x", &after);
        let other = Ring::parse(&ServerKey::fresh_pem().expect("a key")).expect("a ring");
        ring.rotate(at(0), at(10)).expect("rotated");
        assert_eq!(ring.cursor_key(at(20)).expect("a key").open("/x", &cursor), Some(after));
        assert_eq!(other.cursor_key(at(20)).expect("a key").open("/x", &cursor), None);
    }

    #[test]
    fn what_is_no_ring_is_refused_with_the_cure() {
        let key = ServerKey::fresh_pem().expect("a key");
        for (text, said) in [
            (String::new(), "openssl genpkey"),
            (format!("{key}{key}"), "twice"),
            (format!("{key}{}", ServerKey::fresh_pem().expect("a key")), "signs-from"),
            (format!("signs-from: tomorrow\n{key}"), "RFC 3339"),
            (key.replace("PRIVATE", "PUBLIC"), "openssl genpkey"),
        ] {
            let error = Ring::parse(&text).err().expect("refused");
            assert!(error.contains(said), "{error}");
        }
    }
}
