//! Who signs: the keys of the log, in a file outside the database, and under which
//! name. What the file holds is what the log says: at the start each new key is
//! registered in the log, and each that is gone from the file is retired there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use diesel::prelude::*;

use super::broken;
use super::tree::{EntryRow, Tree};
use crate::auth::ring::{hold, make, replace};
use crate::config::Settings;
use crate::db::journal::Head;
use crate::db::schema::log_entries;
use crate::db::{Change, Db, Listener, Resource, Store, Tx};
use crate::error::{Error, Result};
use crate::proof::checkpoint::Checkpoint;
use crate::proof::entry::{KeyChange, KeyEvent, KeyPurpose, LogEntry};
use crate::proof::key::SigningKey;
use crate::proof::note::{Kind, Note, Verifier};

/// The log's name, its keys, and what it last said of itself.
pub struct Log {
    /// Names the log in its checkpoints: its address without scheme, or the issuer of tokens.
    pub origin: String,
    /// Where the public finds the catalogue, without a slash at the end.
    pub base: String,
    /// The first one signs.
    keys: Vec<SigningKey>,
    /// Whose cosignatures are kept and served.
    pub(super) witnesses: Vec<Verifier>,
    /// The last checkpoint, outside the database: one that was put back shows by it.
    memory: PathBuf,
    remembered: Mutex<u64>,
    /// What was found wrong with the log: nothing is written any more then.
    fault: OnceLock<String>,
}

impl Log {
    /// # Errors
    /// What is wrong with the file of keys, in words for whoever starts the server.
    pub fn load(settings: &Settings) -> std::result::Result<Self, String> {
        let path = &settings.log_key;
        if settings.may_make_log_key && !path.exists() {
            make(path).map_err(|e| format!("{}: {e}", path.display()))?;
        }
        let keys = read(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let (base, origin) = match &settings.public_url {
            Some(url) => {
                let base = url.as_str().trim_end_matches('/').to_owned();
                let origin = base.split_once("://").map(|(_, rest)| format!("{rest}/log"));
                (base.clone(), origin.unwrap_or(base))
            }
            // No address that anybody could find, and none that could be somebody's (RFC 2606).
            None => ("https://catalogue.invalid".to_owned(), format!("{}/log", settings.issuer)),
        };
        let log = Self {
            origin,
            base,
            keys,
            witnesses: settings.witnesses.clone(),
            memory: settings.data_dir.join("log-checkpoint"),
            remembered: Mutex::new(0),
            fault: OnceLock::new(),
        };
        log.verifier().map_err(|text| format!("the name of the log: {}", text.en))?;
        Ok(log)
    }

    /// Looks whether the log is whole; if not, nothing is written from now on.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn examine(&self, db: &mut Db) -> Result<()> {
        if let Some(fault) = super::check::fault(db, Some(self))? {
            tracing::error!(fault, "the log of labels is not whole: nothing is written");
            let _the_first_stands = self.fault.set(fault);
        }
        Ok(())
    }

    /// What was found wrong with the log, if anything.
    pub fn fault(&self) -> Option<&str> {
        self.fault.get().map(String::as_str)
    }

    /// # Errors
    /// 503 when the log was found not to be whole.
    pub fn refuse_if_broken(&self) -> Result<()> {
        match self.fault() {
            None => Ok(()),
            Some(fault) => Err(Error::unavailable(&format!("the log of labels is not whole: {fault}"))),
        }
    }

    /// The key that signs.
    pub fn key(&self) -> Result<&SigningKey> {
        self.keys.first().ok_or_else(|| Error::Internal("a log without a key".to_owned()))
    }

    /// What others verify the checkpoints with.
    ///
    /// # Errors
    /// The origin is no name of a key.
    pub fn verifier(&self) -> crate::proof::Result<Verifier> {
        let key = self.keys.first().ok_or_else(|| crate::text!("Aucune clé.", "No key."))?;
        Verifier::new(&self.origin, Kind::Ed25519, key.public())
    }

    /// The state of the tree, signed; the latest one is remembered outside the database.
    pub fn checkpoint(&self, db: &mut Db) -> Result<(Checkpoint, Note)> {
        let (checkpoint, note) = self.now(db)?;
        // Who reads gets an answer all the same.
        if let Err(error) = self.remember(&checkpoint, &note) {
            tracing::error!(%error, "the state of the log is not remembered outside the database");
        }
        Ok((checkpoint, note))
    }

    /// The same state always alike.
    fn now(&self, db: &mut Db) -> Result<(Checkpoint, Note)> {
        let mut tree = Tree::open(db)?;
        let checkpoint =
            Checkpoint { origin: self.origin.clone(), size: tree.size, root: tree.root()?, extensions: Vec::new() };
        let note = checkpoint.sign(self.key()?).map_err(broken)?;
        Ok((checkpoint, note))
    }

    /// The state when there were so many entries, signed; none if there are not so many.
    pub fn checkpoint_at(&self, db: &mut Db, size: u64) -> Result<Option<(Checkpoint, Note)>> {
        let mut tree = Tree::open(db)?;
        if size > tree.size {
            return Ok(None);
        }
        let root = tree.root_at(size)?;
        let checkpoint = Checkpoint { origin: self.origin.clone(), size, root, extensions: Vec::new() };
        let note = checkpoint.sign(self.key()?).map_err(broken)?;
        Ok(Some((checkpoint, note)))
    }

    /// Remembers the state of the tree, if it has grown since.
    pub fn keep_up(&self, db: &mut Db) -> Result<()> {
        let is_known = Tree::open(db)?.size <= *self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if is_known {
            return Ok(());
        }
        let (checkpoint, note) = self.now(db)?;
        self.remember(&checkpoint, &note)
    }

    /// Writes a later state over an earlier one, whoever wrote that: instances may share the folder.
    fn remember(&self, checkpoint: &Checkpoint, note: &Note) -> Result<()> {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        // A log that is not whole must not become what the next start holds it against.
        if checkpoint.size <= *remembered || self.fault().is_some() {
            return Ok(());
        }
        let named = |e: std::io::Error| Error::Internal(format!("{}: {e}", self.memory.display()));
        if let Some(folder) = self.memory.parent() {
            std::fs::create_dir_all(folder).map_err(named)?;
        }
        let _held = hold(&self.memory).map_err(named)?;
        let is_earlier = match self.memory() {
            // The first time of a process also under the key that signs now: that of before may leave.
            Ok(Some(known)) => known.size < checkpoint.size || (known.size == checkpoint.size && *remembered == 0),
            Ok(None) => true,
            // What cannot be read is for an operator to look at, and not to be written over.
            Err(reason) => return Err(Error::Internal(reason)),
        };
        if is_earlier {
            replace(&self.memory, &note.to_string()).map_err(named)?;
        }
        *remembered = checkpoint.size;
        Ok(())
    }

    /// What was remembered, if anything.
    ///
    /// # Errors
    /// There is a file, and it is no checkpoint signed by a key of ours.
    pub fn memory(&self) -> std::result::Result<Option<Checkpoint>, String> {
        let named = |reason: String| format!("{}: {reason}", self.memory.display());
        let text = match std::fs::read_to_string(&self.memory) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(named(error.to_string())),
        };
        let open = || {
            let note = Note::parse(&text)?;
            let known: Vec<Verifier> = self
                .keys
                .iter()
                .map(|key| Verifier::new(&self.origin, Kind::Ed25519, key.public()))
                .collect::<crate::proof::Result<_>>()?;
            note.open(&known)?;
            Checkpoint::parse(note.text())
        };
        open().map(Some).map_err(|text| named(text.en))
    }

    /// Registers what is new in the file, before it signs; how many entries that made.
    pub fn register_keys(&self, tx: &mut Tx<'_>) -> Result<usize> {
        let mut count = 0;
        for key in &self.keys {
            let kid = key.public().kid();
            if EntryRow::last_of(tx.db, &kid)?.is_none() {
                let event = KeyEvent {
                    kid,
                    key_seq: 1,
                    change: KeyChange::Registered,
                    at: tx.now,
                    x: Some(key.public()),
                    purposes: BTreeSet::from([KeyPurpose::Log, KeyPurpose::Issuer]),
                    holder: None,
                };
                tx.append_to_log(&LogEntry::Key(Box::new(event)), tx.now)?;
                count += 1;
            }
        }
        Ok(count)
    }

    /// Registers what is new in the file and retires what is gone: that takes a look at all
    /// entries. How many entries it made.
    pub fn enter_keys(&self, tx: &mut Tx<'_>) -> Result<usize> {
        let mut count = self.register_keys(tx)?;
        let held: BTreeSet<String> = self.keys.iter().map(|key| key.public().kid()).collect();
        for (kid, seq) in open_keys(tx.db)? {
            if !held.contains(&kid) {
                let event = KeyEvent {
                    kid,
                    key_seq: seq + 1,
                    change: KeyChange::Retired,
                    at: tx.now,
                    x: None,
                    purposes: BTreeSet::new(),
                    holder: None,
                };
                tx.append_to_log(&LogEntry::Key(Box::new(event)), tx.now)?;
                count += 1;
            }
        }
        Ok(count)
    }
}

/// Remembers the state of the log outside the database whenever something was committed, by
/// whatever instance.
pub struct Remembers {
    log: Arc<Log>,
    store: Store,
    is_behind: AtomicBool,
}

impl Remembers {
    pub fn new(log: Arc<Log>, store: Store) -> Self {
        Self { log, store, is_behind: AtomicBool::new(true) }
    }
}

impl Listener for Remembers {
    fn changed(&self, entries: &[Change], _: Head) -> Result<()> {
        // Whatever writes into the log says so in the journal.
        let may_have_grown = entries.iter().any(|entry| {
            matches!(entry.resource, Resource::Label | Resource::LabelApplication | Resource::Accreditation)
        });
        if !may_have_grown && !self.is_behind.load(Ordering::Relaxed) {
            return Ok(());
        }
        // Never in the way of who else listens: at the next change it is tried again.
        let kept_up = self.store.read_here(|db| self.log.keep_up(db));
        self.is_behind.store(kept_up.is_err(), Ordering::Relaxed);
        if let Err(error) = kept_up {
            tracing::warn!(%error, "the state of the log is not remembered outside the database yet");
        }
        Ok(())
    }
}

/// Keys of the catalogue that were registered and not retired since, with their last number.
fn open_keys(db: &mut Db) -> Result<Vec<(String, u32)>> {
    let rows: Vec<EntryRow> = log_entries::table
        .filter(log_entries::subject.ne("").and(log_entries::subject.not_like("GT-%")))
        .order(log_entries::position)
        .select(EntryRow::as_select())
        .load(db)?;
    let mut open: Vec<(String, u32)> = Vec::new();
    for row in rows {
        if let LogEntry::Key(event) = row.read()? {
            match event.change {
                KeyChange::Registered if event.holder.is_none() => open.push((event.kid, event.key_seq)),
                _ => open.retain(|(kid, _)| *kid != event.kid),
            }
        }
    }
    Ok(open)
}

/// Every key of a file, the one that signs first.
fn read(path: &Path) -> std::result::Result<Vec<SigningKey>, String> {
    let text = std::fs::read(path).map_err(|e| e.to_string())?;
    let blocks = pem::parse_many(&text).map_err(|e| e.to_string())?;
    let keys: Vec<SigningKey> = blocks
        .iter()
        .map(|block| SigningKey::from_pem(pem::encode(block).as_bytes()).map_err(|text| text.en))
        .collect::<std::result::Result<_, _>>()?;
    if keys.is_empty() {
        return Err("no key; expected an Ed25519 key as `openssl genpkey -algorithm ed25519` writes it".to_owned());
    }
    Ok(keys)
}
