//! SQLite's one writer: a thread with the only connection that writes.
//!
//! What waits is written together: each piece of work in a savepoint of its
//! own, one COMMIT (one fsync) for all, and only then the answers. So many
//! writers are faster than one, and nobody holds a thread while waiting.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Db;
use super::dialect::{Access, Backend};
use super::failure::Failure;
use super::follower::Commits;
use super::limits::Limits;
use super::ticket::Gauges;
use crate::error::{Error, Result};

/// At most so many in one transaction, and none is begun later than this into it.
const BATCH: usize = 128;
const BATCH_TIME: Duration = Duration::from_millis(50);
/// Without work for so long, the log is moved into the database.
const IDLE: Duration = Duration::from_secs(1);
/// A larger log makes new writes start it anew, for which readers of its older part are waited for.
const LOG_BOUND: u64 = 32 * 1024 * 1024;

/// A piece of work for the writer.
pub(super) trait Job: Send {
    /// Whether what it did is in the journal.
    fn is_recorded(&self) -> bool;
    /// Whether somebody still waits for it.
    fn is_wanted(&self) -> bool;
    /// Does the work; true when it may be committed, false when nobody waits any more.
    fn run(&mut self, db: &mut Db) -> Result<bool>;
    /// Tells whoever waits.
    fn answer(self: Box<Self>, outcome: Result<()>);
}

enum Message {
    Work(Box<dyn Job>),
    Lend(Sender<Loan>),
}

pub(super) struct Writer {
    // Dropped to end the thread.
    queue: Option<SyncSender<Message>>,
    thread: Option<JoinHandle<()>>,
    gauges: Arc<Gauges>,
}

impl Writer {
    pub fn start(
        backend: Arc<Backend>,
        path: &std::path::Path,
        limits: Limits,
        gauges: Arc<Gauges>,
        commits: Arc<Commits>,
        first: Db,
    ) -> std::io::Result<Self> {
        let (queue, messages) = sync_channel(limits.queue);
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let thread = Thread {
            messages,
            backend,
            limits,
            log: PathBuf::from(log),
            gauges: Arc::clone(&gauges),
            commits,
            db: Some(first),
            is_trusted: true,
            is_log_dirty: true,
            checkpointed: Instant::now(),
        };
        let thread = std::thread::Builder::new().name("sqlite-writer".to_owned()).spawn(move || thread.work())?;
        Ok(Self { queue: Some(queue), thread: Some(thread), gauges })
    }

    fn queue(&self) -> Result<&SyncSender<Message>> {
        self.queue.as_ref().ok_or_else(|| Error::Internal("the writer is gone".to_owned()))
    }

    /// Puts a piece of work into the queue, or refuses it when that is full.
    pub fn submit(&self, job: Box<dyn Job>) -> Result<()> {
        self.gauges.queued.fetch_add(1, Ordering::Relaxed);
        self.queue()?.try_send(Message::Work(job)).map_err(|error| {
            self.gauges.queued.fetch_sub(1, Ordering::Relaxed);
            self.gauges.refused.fetch_add(1, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => Error::unavailable("the queue of writes is full"),
                TrySendError::Disconnected(_) => Error::Internal("the writer is gone".to_owned()),
            }
        })
    }

    /// The writing connection itself, in turn, for a command on its own thread.
    pub fn borrow(&self) -> Result<Loan> {
        let (lend, lent) = channel();
        let gone = |_| Error::Internal("the writer is gone".to_owned());
        self.queue()?.send(Message::Lend(lend)).map_err(|_| Error::Internal("the writer is gone".to_owned()))?;
        lent.recv().map_err(gone)
    }
}

impl Drop for Writer {
    /// Waits for the thread: whoever closes a store may copy its file next.
    fn drop(&mut self) {
        self.queue.take();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            let _its_panic_was_reported = thread.join();
        }
    }
}

/// The writing connection on another thread; it goes back however that ends.
pub(super) struct Loan {
    db: Option<Db>,
    is_fit: bool,
    back: Sender<(Option<Db>, bool)>,
}

impl Loan {
    pub fn db(&mut self) -> Result<&mut Db> {
        self.db.as_mut().ok_or_else(|| Error::unavailable("the database cannot be opened"))
    }

    pub fn is_fit(&mut self, is_fit: bool) {
        self.is_fit = is_fit;
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        let _the_store_is_gone = self.back.send((self.db.take(), self.is_fit));
    }
}

struct Thread {
    messages: Receiver<Message>,
    backend: Arc<Backend>,
    limits: Limits,
    log: PathBuf,
    gauges: Arc<Gauges>,
    commits: Arc<Commits>,
    db: Option<Db>,
    /// False after an I/O error: the connection is replaced before it is used again.
    is_trusted: bool,
    is_log_dirty: bool,
    checkpointed: Instant,
}

impl Thread {
    fn work(mut self) {
        loop {
            match self.messages.recv_timeout(IDLE) {
                Ok(Message::Work(first)) => {
                    let next = self.batch(first);
                    self.tend_log(false);
                    if let Some(lend) = next {
                        self.lend(&lend);
                    }
                }
                Ok(Message::Lend(lend)) => self.lend(&lend),
                Err(RecvTimeoutError::Timeout) => self.tend_log(true),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// A connection to be relied on. A new one is opened before the old one is
    /// closed: were there none for a moment, the log would be read anew, and with
    /// it what a failed fsync left in memory only.
    fn renew(&mut self) -> Result<()> {
        if self.db.is_some() && self.is_trusted {
            return Ok(());
        }
        let mut fresh =
            self.backend.connect(Access::ReadWrite, &self.limits).map_err(|e| Error::unavailable(&e.to_string()))?;
        // Into the database with what the log holds, while it can still be read from memory.
        fresh.batch("PRAGMA wal_checkpoint(PASSIVE)")?;
        self.gauges.reconnects.fetch_add(1, Ordering::Relaxed);
        self.db = Some(fresh);
        self.is_trusted = true;
        Ok(())
    }

    /// Writes what waits, in one transaction; answers who asked for the connection meanwhile.
    fn batch(&mut self, first: Box<dyn Job>) -> Option<Sender<Loan>> {
        let began = Instant::now();
        let mut jobs = Jobs { done: Vec::new(), failed: Vec::new() };
        let mut next = Some(first);
        let mut lend = None;
        let mut lost = self.renew().and_then(|()| self.begin()).err();
        while let Some(job) = next.take() {
            self.gauges.queued.fetch_sub(1, Ordering::Relaxed);
            match &lost {
                None if job.is_wanted() => lost = self.one(job, &mut jobs),
                None => {}
                Some(_) => jobs.done.push(job),
            }
            if lost.is_none() && jobs.len() < BATCH && began.elapsed() < BATCH_TIME {
                match self.messages.try_recv() {
                    Ok(Message::Work(job)) => next = Some(job),
                    Ok(Message::Lend(sender)) => lend = Some(sender),
                    Err(_) => {}
                }
            }
        }
        let lost = lost.or_else(|| self.commit(jobs.len()).err());
        self.is_log_dirty = true;
        if lost.is_none() && jobs.done.iter().any(|job| job.is_recorded()) {
            self.commits.made();
        }
        jobs.answer(lost);
        lend
    }

    fn begin(&mut self) -> Result<()> {
        let Some(db) = &mut self.db else { return Err(Error::unavailable("the database cannot be opened")) };
        db.begin(Access::ReadWrite).inspect_err(|error| self.is_trusted = Failure::of(error).spares_connection())?;
        Ok(())
    }

    /// One piece of work in its savepoint. An error means that the transaction is lost as a whole.
    fn one(&mut self, mut job: Box<dyn Job>, jobs: &mut Jobs) -> Option<Error> {
        let db = self.db.as_mut()?;
        let outcome = db.run("SAVEPOINT job").map_err(Error::from).and_then(|()| job.run(db));
        let closed = match &outcome {
            Ok(true) => db.run("RELEASE SAVEPOINT job"),
            Ok(false) | Err(_) => db.batch("ROLLBACK TO SAVEPOINT job; RELEASE SAVEPOINT job"),
        };
        let lost = match (&outcome, closed) {
            // Some failures end the transaction by themselves; then there is no savepoint left to close.
            (Err(Error::Database(error)), _) if is_fatal(error) => Some(error.to_string()),
            (_, Err(error)) => Some(error.to_string()),
            _ => None,
        };
        match (outcome, lost) {
            (Ok(true), None) => jobs.done.push(job),
            (Ok(false), None) => {}
            (Err(error), None) => jobs.failed.push((job, error)),
            (outcome, Some(reason)) => {
                jobs.done.push(job);
                let error = outcome.err().unwrap_or_else(|| Error::unavailable(&reason));
                self.undo();
                self.is_trusted &= !matches!(&error, Error::Database(e) if !Failure::of(e).spares_connection());
                return Some(error);
            }
        }
        None
    }

    /// Ends a transaction that is lost.
    fn undo(&mut self) {
        if let Some(db) = &mut self.db {
            self.is_trusted &= db.rollback().is_ok();
        }
    }

    fn commit(&mut self, count: usize) -> Result<()> {
        let Some(db) = &mut self.db else { return Err(Error::Internal("no connection to commit on".to_owned())) };
        if count == 0 {
            self.undo();
            return Ok(());
        }
        match db.commit() {
            Ok(()) => {
                self.gauges.batches.fetch_add(1, Ordering::Relaxed);
                self.gauges.batched.fetch_add(count as u64, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => {
                let failure = Failure::of(&error);
                self.is_trusted = failure.spares_connection() && !db.is_broken();
                if failure.leaves_commit_unknown() {
                    self.gauges.unknown_outcomes.fetch_add(count as u64, Ordering::Relaxed);
                    return Err(Error::outcome_unknown(&error.to_string()));
                }
                Err(error.into())
            }
        }
    }

    fn lend(&mut self, to: &Sender<Loan>) {
        if let Err(error) = self.renew() {
            tracing::warn!(%error, "the writing connection");
            self.db = None;
        }
        let (back, returned) = channel();
        let loan = Loan { db: self.db.take(), is_fit: false, back };
        let _the_caller_is_gone = to.send(loan);
        // A loan always comes back, with the connection in it.
        if let Ok((db, is_fit)) = returned.recv() {
            self.db = db;
            self.is_trusted = is_fit;
        }
        self.is_log_dirty = true;
        self.tend_log(false);
    }

    /// Keeps the log short: readers see what was moved into the database there,
    /// and once all of it was moved and no reader is left in it, it starts anew.
    fn tend_log(&mut self, is_idle: bool) {
        let bytes = std::fs::metadata(&self.log).map_or(0, |file| file.len());
        self.gauges.wal_bytes.store(bytes, Ordering::Relaxed);
        let since = self.checkpointed.elapsed();
        let is_long = bytes > LOG_BOUND && since > Duration::from_millis(100);
        if !(is_long || self.is_log_dirty && (is_idle || since > IDLE)) || !self.is_trusted {
            return;
        }
        let Some(db) = &mut self.db else { return };
        let outcome = if is_long {
            // New readers need the log no more once it was moved; older ones end soon.
            db.batch("PRAGMA busy_timeout = 200; PRAGMA wal_checkpoint(RESTART); PRAGMA busy_timeout = 5000")
        } else {
            db.batch("PRAGMA wal_checkpoint(PASSIVE)")
        };
        match outcome {
            Ok(()) => self.is_log_dirty = is_long,
            Err(error) => {
                tracing::warn!(%error, "moving the log into the database");
                let _it_stays_shorter = db.batch("PRAGMA busy_timeout = 5000");
                self.is_trusted = Failure::of(&error).spares_connection();
            }
        }
        self.checkpointed = Instant::now();
    }
}

/// Whether a failed statement may have ended the whole transaction.
fn is_fatal(error: &diesel::result::Error) -> bool {
    match Failure::of(error) {
        Failure::StorageFull | Failure::Lost | Failure::Damaged => true,
        Failure::LostRace | Failure::Busy | Failure::Other => false,
    }
}

/// A batch, in two parts: what it writes, and what failed alone. The latter is
/// answered after the commit too, as it may tell of what others wrote.
struct Jobs {
    done: Vec<Box<dyn Job>>,
    failed: Vec<(Box<dyn Job>, Error)>,
}

impl Jobs {
    fn len(&self) -> usize {
        self.done.len()
    }

    fn answer(self, lost: Option<Error>) {
        match lost {
            None => {
                self.done.into_iter().for_each(|job| job.answer(Ok(())));
                self.failed.into_iter().for_each(|(job, error)| job.answer(Err(error)));
            }
            Some(error) => {
                let problem = error.into_problem();
                let failed = self.failed.into_iter().map(|(job, _)| job);
                self.done.into_iter().chain(failed).for_each(|job| job.answer(Err(problem.clone().into())));
            }
        }
    }
}
