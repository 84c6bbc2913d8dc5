//! The only way to a connection: [`Store::read`] and [`Store::write`].
//!
//! SQLite has one writing connection, on a thread of its own, and several that
//! can only read; PostgreSQL has one pool. A write is one transaction: the rows,
//! their new version and the journal entry come into being together or not at all.
//!
//! Nobody waits without end: whoever gets no connection in time, or no answer, is
//! told to come back, and whether something may have been written.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use diesel::prelude::*;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::{Instant as Moment, timeout_at};

use super::dialect::{self, Access, Backend};
use super::failure::Failure;
use super::feed::FEEDS;
use super::follower::Commits;
use super::journal::{Actor, Keeper, News};
use super::limits::Limits;
use super::pool::Pool;
use super::ticket::{Busy, Gauges, Stage, Ticket};
use super::writer::{Job, Writer};
use super::{Db, Instant};
use crate::clock::Clock;
use crate::error::{Error, Result};

/// How often a transaction that lost a race is run before the caller is told to come back.
const ATTEMPTS: u32 = 8;

/// The connections and the clock that stamps what is written.
#[derive(Clone)]
pub struct Store {
    // Readers close before the writer, who puts the log away.
    pool: Arc<Pool>,
    /// SQLite's; PostgreSQL writes through the pool.
    writer: Option<Arc<Writer>>,
    /// Those of answers that are read bit by bit.
    feeds: Arc<Pool>,
    backend: Arc<Backend>,
    limits: Limits,
    gauges: Arc<Gauges>,
    commits: Arc<Commits>,
    keepers: Keepers,
    clock: Clock,
}

/// Who is told of what is committed here.
#[derive(Clone, Default)]
struct Keepers(Arc<RwLock<Vec<Arc<dyn Keeper>>>>);

impl Keepers {
    fn tell(&self, news: &[News]) {
        if !news.is_empty() {
            self.0.read().unwrap_or_else(PoisonError::into_inner).iter().for_each(|keeper| keeper.hear(news));
        }
    }
}

/// How a store is doing, for whoever watches it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Connections that may be in use at once; on SQLite those that read.
    pub connections: u64,
    /// Of these, in use now.
    pub in_use: u64,
    /// Callers that wait for one.
    pub waiting: u64,
    /// Of those in use, by work whose caller has given up.
    pub stuck: u64,
    /// Writes that wait for SQLite's writer.
    pub queue_length: u64,
    /// How many may wait there.
    pub queue_capacity: u64,
    /// Transactions of SQLite's writer so far, and the writes in them.
    pub batches: u64,
    pub batched_writes: u64,
    /// Transactions run again after a lost race.
    pub retries: u64,
    /// Calls refused for want of a connection or a place in the queue.
    pub refused: u64,
    /// Calls that were given up at their deadline.
    pub timeouts: u64,
    /// Writes whose outcome could not be told.
    pub unknown_outcomes: u64,
    /// Connections opened.
    pub connects: u64,
    /// Size of SQLite's write-ahead log, in bytes.
    pub wal_bytes: u64,
}

impl Store {
    /// Opens the first connections, so that a wrong URL stops the start.
    ///
    /// # Errors
    /// The database's own message when it cannot be reached, or when it is too old.
    pub fn open(backend: &Backend, limits: &Limits, clock: Clock) -> std::result::Result<Self, OpenError> {
        let mut first = backend.connect(Access::ReadWrite, limits)?;
        dialect::check_version(&mut first).map_err(OpenError::Version)?;
        let (backend, gauges) = (Arc::new(backend.clone()), Arc::<Gauges>::default());
        let commits = Arc::<Commits>::default();
        let pool =
            |access, first| Arc::new(Pool::new(Arc::clone(&backend), access, *limits, Arc::clone(&gauges), first));
        let (pool, writer) = match backend.as_ref() {
            Backend::Postgres { .. } => (pool(Access::ReadWrite, Some(first)), None),
            Backend::Sqlite { path } => {
                let pool = pool(Access::ReadOnly, None);
                let writer = Writer::start(
                    Arc::clone(&backend),
                    path,
                    *limits,
                    Arc::clone(&gauges),
                    Arc::clone(&commits),
                    first,
                )
                .map_err(OpenError::Thread)?;
                (pool, Some(Arc::new(writer)))
            }
        };
        let few = Limits { connections: FEEDS, ..*limits };
        let feeds = Arc::new(Pool::new(Arc::clone(&backend), Access::ReadOnly, few, Arc::clone(&gauges), None));
        let keepers = Keepers::default();
        Ok(Self { pool, writer, feeds, backend, limits: *limits, gauges, commits, keepers, clock })
    }

    /// The same database by one reading connection of its own, which requests cannot keep
    /// anybody from.
    pub(crate) fn aside(&self) -> Self {
        let limits = Limits { connections: 1, ..self.limits };
        let access = match self.backend.as_ref() {
            Backend::Postgres { .. } => Access::ReadWrite,
            Backend::Sqlite { .. } => Access::ReadOnly,
        };
        let gauges = Arc::<Gauges>::default();
        let pool = Arc::new(Pool::new(Arc::clone(&self.backend), access, limits, Arc::clone(&gauges), None));
        Self { pool, writer: None, limits, gauges, ..self.clone() }
    }

    /// Has a keeper told, from now on, of whatever is committed through this store.
    pub fn tell(&self, keeper: Arc<dyn Keeper>) {
        self.keepers.0.write().unwrap_or_else(PoisonError::into_inner).push(keeper);
    }

    pub(super) fn feeds(&self) -> Arc<Pool> {
        Arc::clone(&self.feeds)
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub fn backend(&self) -> &Backend {
        &self.backend
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(super) fn commits(&self) -> &Arc<Commits> {
        &self.commits
    }

    /// Has who follows the journal look again at once.
    pub(crate) fn look_again(&self) {
        self.commits.made();
    }

    pub fn stats(&self) -> StoreStats {
        let g = &self.gauges;
        let now = |gauge: &std::sync::atomic::AtomicI64| u64::try_from(gauge.load(Ordering::Relaxed)).unwrap_or(0);
        let ever = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        StoreStats {
            connections: u64::from(self.limits.connections),
            in_use: self.pool.in_use(),
            waiting: now(&g.waiting),
            stuck: now(&g.stuck),
            queue_length: now(&g.queued),
            queue_capacity: if self.writer.is_some() { self.limits.queue as u64 } else { 0 },
            batches: ever(&g.batches),
            batched_writes: ever(&g.batched),
            retries: ever(&g.retries),
            refused: ever(&g.refused),
            timeouts: ever(&g.timeouts),
            unknown_outcomes: ever(&g.unknown_outcomes),
            connects: ever(&g.reconnects),
            wal_bytes: ever(&g.wal_bytes),
        }
    }

    /// Runs several statements on one snapshot.
    pub async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Db) -> Result<T> + Send + 'static,
    {
        let store = self.clone();
        self.blocking(Arc::default(), self.limits.deadline, move |permit, _| store.read_with(permit, work)).await
    }

    /// Runs one statement, or several that need not see the same snapshot, without a transaction
    /// around them; `work` runs again when an idle connection turns out to be lost.
    pub async fn ask<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&mut Db) -> Result<T> + Send + 'static,
    {
        let store = self.clone();
        self.blocking(Arc::default(), self.limits.deadline, move |permit, _| store.ask_with(permit, work)).await
    }

    /// [`Store::read`] for who has less time.
    pub async fn read_within<T, F>(&self, deadline: Duration, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Db) -> Result<T> + Send + 'static,
    {
        let store = self.clone();
        self.blocking(Arc::default(), deadline, move |permit, _| store.read_with(permit, work)).await
    }

    /// Runs one writing transaction; `work` may run again after a lost race.
    pub async fn write<T, F>(&self, actor: Actor, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
    {
        let ticket = Arc::<Ticket>::default();
        let Some(writer) = &self.writer else {
            let store = self.clone();
            return self
                .blocking(ticket, self.limits.deadline, move |permit, ticket| {
                    store.write_with(permit, ticket, &actor, work)
                })
                .await;
        };
        let end = Moment::now() + self.limits.deadline;
        let (reply, answer) = oneshot::channel();
        let (clock, span) = (self.clock.clone(), tracing::Span::current());
        let (news, keepers, value) = (Vec::new(), self.keepers.clone(), None);
        let ticket_of_work = Arc::clone(&ticket);
        writer.submit(Box::new(Write {
            ticket: ticket_of_work,
            actor,
            work,
            clock,
            span,
            news,
            keepers,
            value,
            reply,
        }))?;
        let mut answer = pin!(answer);
        // A thread that ended without an answer may have done so after its commit.
        let gone = |_| Error::outcome_unknown("the writer ended");
        match timeout_at(end, &mut answer).await {
            Ok(answered) => answered.map_err(gone)?,
            Err(_) => match ticket.abandon() {
                Stage::Done => answer.await.map_err(gone)?,
                stage => Err(self.late(stage)),
            },
        }
    }

    /// Runs work on a blocking thread, once a connection is free, and waits for it no longer than the deadline.
    async fn blocking<T, F>(&self, ticket: Arc<Ticket>, deadline: Duration, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(OwnedSemaphorePermit, &Ticket) -> Result<T> + Send + 'static,
    {
        let end = Moment::now() + deadline;
        let permit = timeout_at(end, self.pool.permit()).await.map_err(|_| self.late(Stage::Working))??;
        let (busy, span) =
            (Busy { ticket: Arc::clone(&ticket), gauges: Arc::clone(&self.gauges) }, tracing::Span::current());
        let mut task = pin!(actix_web::web::block(move || {
            let busy = busy;
            span.in_scope(|| work(permit, &busy.ticket))
        }));
        match timeout_at(end, &mut task).await {
            Ok(done) => done?,
            Err(_) => match ticket.abandon() {
                Stage::Done => task.await?,
                stage => {
                    self.gauges.stuck.fetch_add(1, Ordering::Relaxed);
                    Err(self.late(stage))
                }
            },
        }
    }

    /// What a caller is told whose deadline has come.
    fn late(&self, stage: Stage) -> Error {
        self.gauges.timeouts.fetch_add(1, Ordering::Relaxed);
        if stage == Stage::Committing {
            self.gauges.unknown_outcomes.fetch_add(1, Ordering::Relaxed);
            return Error::outcome_unknown("no answer to COMMIT in time");
        }
        Error::unavailable("no answer of the database in time")
    }

    /// [`Store::read`] on the calling thread, for commands.
    pub fn read_here<T>(&self, work: impl FnOnce(&mut Db) -> Result<T>) -> Result<T> {
        self.read_with(self.pool.permit_here()?, work)
    }

    /// [`Store::write`] on the calling thread, for commands.
    pub fn write_here<T>(&self, actor: &Actor, work: impl Fn(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        let Some(writer) = &self.writer else {
            return self.write_with(self.pool.permit_here()?, &Ticket::default(), actor, work);
        };
        let mut loan = writer.borrow()?;
        let db = loan.db()?;
        db.begin(Access::ReadWrite)?;
        let attempt = self.attempt(db, &Ticket::default(), actor, &work);
        loan.is_fit(attempt.is_fit);
        attempt.outcome.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// [`Store::ask`] on the calling thread.
    pub fn ask_here<T>(&self, work: impl Fn(&mut Db) -> Result<T>) -> Result<T> {
        self.ask_with(self.pool.permit_here()?, work)
    }

    fn ask_with<T>(&self, permit: OwnedSemaphorePermit, work: impl Fn(&mut Db) -> Result<T>) -> Result<T> {
        let mut lease = self.pool.lend(permit)?;
        let mut result = work(lease.db()?);
        if !spares_connection(&result) && !lease.is_fresh() {
            lease.renew()?;
            result = work(lease.db()?);
        }
        lease.is_fit(spares_connection(&result));
        result
    }

    fn read_with<T>(&self, permit: OwnedSemaphorePermit, work: impl FnOnce(&mut Db) -> Result<T>) -> Result<T> {
        let mut lease = self.pool.begin(permit, Access::ReadOnly)?;
        let db = lease.db()?;
        let result = work(db);
        // A reading transaction has nothing to lose: end it whatever happened.
        let ended = db.rollback();
        lease.is_fit(ended.is_ok() && spares_connection(&result));
        match (result, ended) {
            (Err(Error::Database(error)), Err(_)) => Err(Error::unavailable(&error.to_string())),
            (result, _) => result,
        }
    }

    /// Writes through the pool, again after a lost race.
    fn write_with<T>(
        &self,
        permit: OwnedSemaphorePermit,
        ticket: &Ticket,
        actor: &Actor,
        work: impl Fn(&mut Tx<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut lease = self.pool.begin(permit, Access::ReadWrite)?;
        let mut number = 1;
        loop {
            let attempt = self.attempt(lease.db()?, ticket, actor, &work);
            lease.is_fit(attempt.is_fit);
            let result = attempt.outcome.unwrap_or_else(|panic| resume_unwind(panic));
            let has_lost_race =
                matches!(&result, Err(Error::Database(error)) if Failure::of(error) == Failure::LostRace);
            if !attempt.is_fit {
                self.pool.forget_idle();
                return result;
            }
            if !has_lost_race {
                return result;
            }
            if number == ATTEMPTS || !ticket.may_run_again() {
                return Err(Error::unavailable("too many concurrent changes of the same data"));
            }
            // Losers come back spread out, later each time.
            let spread = u64::from(uuid::Uuid::now_v7().as_bytes().last().copied().unwrap_or_default());
            std::thread::sleep(Duration::from_micros((500 + spread * 20) << number.min(5)));
            number += 1;
            self.gauges.retries.fetch_add(1, Ordering::Relaxed);
            lease.is_fit(false);
            lease.db()?.begin(Access::ReadWrite).map_err(|error| Error::unavailable(&error.to_string()))?;
            lease.is_fit(true);
        }
    }

    /// One writing transaction that has begun, to its end.
    fn attempt<T>(
        &self,
        db: &mut Db,
        ticket: &Ticket,
        actor: &Actor,
        work: &impl Fn(&mut Tx<'_>) -> Result<T>,
    ) -> Attempt<T> {
        let mut news = Vec::new();
        let mut tx = Tx { now: self.clock.now(), actor, actor_id: None, news: &mut news, db };
        // A panic must not give the connection back inside an open transaction.
        let outcome = catch_unwind(AssertUnwindSafe(|| work(&mut tx)));
        match outcome {
            Ok(Ok(value)) if ticket.may_commit() => match db.commit() {
                Ok(()) => {
                    self.keepers.tell(&news);
                    if !news.is_empty() {
                        self.commits.made();
                    }
                    Attempt { outcome: Ok(Ok(value)), is_fit: true }
                }
                Err(error) => {
                    let failure = Failure::of(&error);
                    // PostgreSQL has ended the transaction, or the statement before COMMIT failed in it.
                    let is_closed = !db.is_open() || db.rollback().is_ok();
                    let is_unknown = failure.leaves_commit_unknown() || !is_closed;
                    if is_unknown && failure != Failure::StorageFull {
                        self.gauges.unknown_outcomes.fetch_add(1, Ordering::Relaxed);
                        self.keepers.tell(&news);
                        let error = Error::outcome_unknown(&error.to_string());
                        return Attempt { outcome: Ok(Err(error)), is_fit: false };
                    }
                    Attempt { outcome: Ok(Err(error.into())), is_fit: is_closed && failure.spares_connection() }
                }
            },
            Ok(Ok(_)) => {
                let is_fit = db.rollback().is_ok();
                Attempt { outcome: Ok(Err(Error::unavailable("nobody waits for this write any more"))), is_fit }
            }
            Ok(Err(error)) => {
                let ended = db.rollback();
                let result = Err(error);
                let is_fit = ended.is_ok() && spares_connection(&result);
                match result {
                    // The connection is gone, whatever the words were.
                    Err(Error::Database(error)) if ended.is_err() => {
                        Attempt { outcome: Ok(Err(unless_full(error))), is_fit }
                    }
                    result => Attempt { outcome: Ok(result), is_fit },
                }
            }
            Err(panic) => Attempt { is_fit: db.rollback().is_ok(), outcome: Err(panic) },
        }
    }
}

/// What became of one transaction, and whether its connection may be used again.
struct Attempt<T> {
    outcome: std::thread::Result<Result<T>>,
    is_fit: bool,
}

fn spares_connection<T>(result: &Result<T>) -> bool {
    match result {
        Err(Error::Database(error)) => Failure::of(error).spares_connection(),
        _ => true,
    }
}

/// A failure after which not even the rollback succeeded.
fn unless_full(error: diesel::result::Error) -> Error {
    match Failure::of(&error) {
        Failure::StorageFull | Failure::Damaged => Error::Database(error),
        Failure::LostRace | Failure::Busy | Failure::Lost | Failure::Other => Error::unavailable(&error.to_string()),
    }
}

/// A write on its way to SQLite's writer and back.
struct Write<T, F> {
    ticket: Arc<Ticket>,
    actor: Actor,
    work: F,
    clock: Clock,
    span: tracing::Span,
    news: Vec<News>,
    keepers: Keepers,
    value: Option<T>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T, F> Job for Write<T, F>
where
    T: Send,
    F: Fn(&mut Tx<'_>) -> Result<T> + Send,
{
    fn is_recorded(&self) -> bool {
        !self.news.is_empty()
    }

    fn is_wanted(&self) -> bool {
        !self.ticket.is_abandoned() && !self.reply.is_closed()
    }

    fn run(&mut self, db: &mut Db) -> Result<bool> {
        let mut tx = Tx { now: self.clock.now(), actor: &self.actor, actor_id: None, news: &mut self.news, db };
        let work = &self.work;
        let outcome = self.span.in_scope(|| catch_unwind(AssertUnwindSafe(|| work(&mut tx))));
        self.value = Some(outcome.map_err(|_| Error::Internal("a write panicked".to_owned()))??);
        Ok(self.ticket.may_commit())
    }

    fn answer(self: Box<Self>, outcome: Result<()>) {
        let Self { ticket, actor: _, work, clock: _, span: _, news, keepers, value, reply } = *self;
        keepers.tell(&news);
        let _nobody_waits = ticket.finish();
        // What the work holds is let go before anybody can see that it is done.
        drop(work);
        let missing = || Error::Internal("a write without its value".to_owned());
        let _nobody_waits = reply.send(outcome.and_then(|()| value.ok_or_else(missing)));
    }
}

/// A writing transaction: the connection, one instant for everything it
/// stamps, and who acts.
pub struct Tx<'a> {
    pub db: &'a mut Db,
    pub now: Instant,
    pub actor: &'a Actor,
    pub(super) actor_id: Option<super::Id>,
    /// What it has put into the journal.
    pub(super) news: &'a mut Vec<News>,
}

impl Tx<'_> {
    /// Runs a part of the transaction that may fail alone: what it wrote is
    /// undone, the rest stays.
    pub fn part<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.db.run("SAVEPOINT part")?;
        let outcome = work(self);
        match &outcome {
            Ok(_) => self.db.run("RELEASE SAVEPOINT part")?,
            // The transaction is lost as a whole: its owner must learn that, not that undoing a part failed.
            Err(Error::Database(error))
                if matches!(Failure::of(error), Failure::LostRace | Failure::Lost | Failure::StorageFull) => {}
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
        let actor_id = self.actor_id.filter(|_| actor.is_same_person(self.actor));
        work(&mut Tx { db: &mut *self.db, now: at, actor, actor_id, news: &mut *self.news })
    }
}

/// Why the database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("cannot open the database: {0}")]
    Connect(#[from] ConnectionError),
    #[error("cannot open the database: {0}")]
    Version(String),
    #[error("cannot start the thread that writes: {0}")]
    Thread(std::io::Error),
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
