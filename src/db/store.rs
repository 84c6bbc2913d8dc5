//! The only way to a connection: [`Store::read`] and [`Store::write`].
//!
//! SQLite has one writing connection and several that can only read;
//! PostgreSQL has one pool. A write is one transaction: the rows, their new
//! version and the journal entry come into being together or not at all.

use std::sync::Arc;
use std::time::Duration;

use diesel::prelude::*;
use r2d2::{ManageConnection, Pool};

use super::dialect::{Access, Backend, is_serialisation_failure};
use super::journal::Actor;
use super::{Db, Instant};
use crate::clock::Clock;
use crate::error::{Error, Result};

/// How often a transaction that lost a race is run before the caller is told to come back.
const ATTEMPTS: u32 = 8;

/// Both pools and the clock that stamps what is written.
#[derive(Clone)]
pub struct Store {
    readers: Pool<Manager>,
    writer: Pool<Manager>,
    backend: Arc<Backend>,
    clock: Clock,
}

impl Store {
    /// Opens the pools; the first connection is made here, so that a wrong URL
    /// stops the start.
    ///
    /// # Errors
    /// The database's own message when it cannot be reached.
    pub fn open(backend: &Backend, connections: u32, clock: Clock) -> std::result::Result<Self, OpenError> {
        // One attempt by hand: a pool would hide the reason behind a time-out.
        backend.connect(Access::ReadWrite)?;
        let pool = |access, size| {
            Pool::builder()
                .max_size(size)
                .min_idle(Some(1))
                .connection_timeout(Duration::from_secs(2))
                .test_on_check_out(matches!(backend, Backend::Postgres { .. }))
                .error_handler(Box::new(LogErrors))
                .build(Manager { backend: backend.clone(), access })
        };
        let (readers, writer) = match backend {
            Backend::Postgres { .. } => {
                let pool = pool(Access::ReadWrite, connections)?;
                (pool.clone(), pool)
            }
            Backend::Sqlite { .. } => (pool(Access::ReadOnly, connections)?, pool(Access::ReadWrite, 1)?),
        };
        Ok(Self { readers, writer, backend: Arc::new(backend.clone()), clock })
    }

    pub fn backend(&self) -> &Backend {
        &self.backend
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Runs several statements on one snapshot.
    pub async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Db) -> Result<T> + Send + 'static,
    {
        let store = self.clone();
        actix_web::web::block(move || store.read_here(work)).await?
    }

    /// Runs one writing transaction; `work` may run again after a lost race.
    pub async fn write<T, F>(&self, actor: Actor, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
    {
        let store = self.clone();
        actix_web::web::block(move || store.write_here(&actor, work)).await?
    }

    /// [`Store::read`] on the calling thread, for commands.
    pub fn read_here<T>(&self, work: impl FnOnce(&mut Db) -> Result<T>) -> Result<T> {
        let mut db = self.readers.get().map_err(|_| Error::unavailable("no database connection is free"))?;
        db.begin(Access::ReadOnly)?;
        let result = work(&mut db);
        // A reading transaction has nothing to lose: end it whatever happened.
        db.rollback()?;
        result
    }

    /// [`Store::write`] on the calling thread, for commands.
    pub fn write_here<T>(&self, actor: &Actor, work: impl Fn(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        let mut db = self.writer.get().map_err(|_| Error::unavailable("no database connection is free"))?;
        let mut attempt = 1;
        loop {
            match self.attempt(&mut db, actor, &work) {
                Err(Error::Database(error)) if is_serialisation_failure(&error) => {
                    if attempt == ATTEMPTS {
                        return Err(Error::unavailable("too many concurrent changes of the same data"));
                    }
                    // Losers come back spread out, later each time.
                    let spread = u64::from(uuid::Uuid::now_v7().as_bytes().last().copied().unwrap_or_default());
                    std::thread::sleep(Duration::from_micros((500 + spread * 20) << attempt.min(5)));
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    fn attempt<T>(&self, db: &mut Db, actor: &Actor, work: &impl Fn(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        db.begin(Access::ReadWrite)?;
        let mut tx = Tx { now: self.clock.now(), actor, actor_id: None, db };
        // A panic must not give the connection back inside an open transaction.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&mut tx)));
        match outcome {
            Ok(Ok(value)) => {
                if let Err(error) = db.commit() {
                    if !db.is_broken() {
                        let _already_rolled_back = db.rollback();
                    }
                    return Err(error.into());
                }
                Ok(value)
            }
            Ok(Err(error)) => {
                db.rollback()?;
                Err(error)
            }
            Err(panic) => {
                let _still_unwinding = db.rollback();
                std::panic::resume_unwind(panic)
            }
        }
    }
}

/// A writing transaction: the connection, one instant for everything it
/// stamps, and who acts.
pub struct Tx<'a> {
    pub db: &'a mut Db,
    pub now: Instant,
    pub actor: &'a Actor,
    pub(super) actor_id: Option<super::Id>,
}

impl Tx<'_> {
    /// Runs a part of the transaction that may fail alone: what it wrote is
    /// undone, the rest stays.
    pub fn part<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.db.batch("SAVEPOINT part")?;
        let outcome = work(self);
        match &outcome {
            Ok(_) => self.db.batch("RELEASE SAVEPOINT part")?,
            // The transaction is lost as a whole: its owner must learn that, not that undoing a part failed.
            Err(Error::Database(error)) if is_serialisation_failure(error) => {}
            Err(_) => self.db.batch("ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part")?,
        }
        outcome
    }
}

impl Tx<'_> {
    /// Part of this transaction in somebody's name and at another instant: how a
    /// history is told, as by the demonstration.
    pub fn on_behalf<T>(
        &mut self,
        actor: &Actor,
        at: Instant,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T>,
    ) -> Result<T> {
        work(&mut Tx { db: &mut *self.db, now: at, actor, actor_id: None })
    }
}

struct Manager {
    backend: Backend,
    access: Access,
}

impl ManageConnection for Manager {
    type Connection = Db;
    type Error = ConnectionFault;

    fn connect(&self) -> std::result::Result<Db, ConnectionFault> {
        Ok(self.backend.connect(self.access)?)
    }

    fn is_valid(&self, db: &mut Db) -> std::result::Result<(), ConnectionFault> {
        Ok(db.batch("SELECT 1")?)
    }

    fn has_broken(&self, db: &mut Db) -> bool {
        std::thread::panicking() || db.is_broken()
    }
}

#[derive(Debug, thiserror::Error)]
enum ConnectionFault {
    #[error(transparent)]
    Connect(#[from] ConnectionError),
    #[error(transparent)]
    Query(#[from] diesel::result::Error),
}

#[derive(Debug)]
struct LogErrors;

impl r2d2::HandleError<ConnectionFault> for LogErrors {
    fn handle_error(&self, error: ConnectionFault) {
        tracing::warn!(%error, "database connection");
    }
}

/// Why the database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("cannot open the database: {0}")]
    Connect(#[from] ConnectionError),
    #[error("cannot open the database: {0}")]
    Pool(#[from] r2d2::Error),
}

/// Gives a row with `id` and `version` its two writes: `insert`, and `change`,
/// which succeeds only from the version that was loaded.
#[macro_export]
macro_rules! versioned {
    ($row:ident, $table:ident) => {
        impl $row {
            pub fn insert(&self, db: &mut $crate::db::Db) -> $crate::error::Result<()> {
                diesel::insert_into($table::table).values(self).execute(db)?;
                Ok(())
            }

            /// Writes the whole row as its next version, or fails with 412 when
            /// somebody else was faster.
            pub fn change(&mut self, tx: &mut $crate::db::Tx<'_>) -> $crate::error::Result<()> {
                let before = self.version;
                self.version += 1;
                let rows = diesel::update($table::table.filter($table::id.eq(self.id).and($table::version.eq(before))))
                    .set(&*self)
                    .execute(tx.db)?;
                $crate::http::conditional::changed_one(rows, before)
            }
        }
    };
}

/// One page of an ordered list by keyset: after the last row of the previous
/// page in the order of `column`, then `id`.
#[macro_export]
macro_rules! keyset {
    ($query:expr, $slice:expr, $column:expr, $id:expr, $descending:expr, |$after:ident| $key:expr) => {{
        let mut query = $query;
        if let Some($after) = &$slice.after {
            query = if $descending {
                query.filter($column.le($key).and($column.lt($key).or($id.lt($after.id))))
            } else {
                query.filter($column.ge($key).and($column.gt($key).or($id.gt($after.id))))
            };
        }
        let query = if $descending {
            query.order(($column.desc(), $id.desc()))
        } else {
            query.order(($column.asc(), $id.asc()))
        };
        query.limit($slice.rows())
    }};
}
