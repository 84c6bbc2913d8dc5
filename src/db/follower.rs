//! One reader of the journal for all who keep something made from the database:
//! a thread that is woken by this process's own commits, looks by itself for those
//! of others, and tells each listener what changed.
//!
//! An entry is told as soon as it can be read, which on PostgreSQL may be before
//! older transactions end: entries come at least once, those of two transactions
//! in any order. A listener therefore never applies an entry; it looks again at
//! what the entry names.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::Store;
use super::journal::{Bookmark, Change, Head};
use crate::error::Result;

/// How often commits of other processes are looked for.
const POLL: Duration = Duration::from_millis(400);
/// Looks begin at least so far apart: where commits come faster, each look hears of several.
const APART: Duration = Duration::from_millis(10);
/// After a failure, for so long nobody asks the database again.
const PAUSE: Duration = Duration::from_millis(200);
/// Entries told at once. While older transactions run, what comes after so many waits for those to end.
const BATCH: i64 = 20_000;

/// Who keeps something made from the database.
pub trait Listener: Send + Sync {
    /// What was committed since it was last told, and how far it has heard of everything then; from
    /// the bookmark in it a reader may go on after a restart. On a failure it is told again.
    fn changed(&self, entries: &[Change], heard: Head) -> Result<()>;
}

/// Commits of this process with entries in the journal.
#[derive(Debug, Default)]
pub(super) struct Commits {
    count: Mutex<u64>,
    news: Condvar,
}

impl Commits {
    /// One more; before its writer is answered.
    pub fn made(&self) {
        *self.lock() += 1;
        self.news.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self) -> u64 {
        *self.lock()
    }

    /// Ends the waits of one follower.
    fn stop(&self, is_stopping: &AtomicBool) {
        let _so_that_nobody_is_about_to_wait = self.lock();
        is_stopping.store(true, Ordering::Relaxed);
        self.news.notify_all();
    }

    /// Waits for a commit after `known`, or with none for all of `patience`; none when told to stop.
    fn after(&self, known: Option<u64>, patience: Duration, is_stopping: &AtomicBool) -> Option<u64> {
        let is_to_wait =
            |count: &mut u64| known.is_none_or(|known| *count == known) && !is_stopping.load(Ordering::Relaxed);
        let (count, _) =
            self.news.wait_timeout_while(self.lock(), patience, is_to_wait).unwrap_or_else(PoisonError::into_inner);
        (!is_stopping.load(Ordering::Relaxed)).then_some(*count)
    }
}

/// The thread that reads; it ends with this.
pub struct Follower {
    shared: Arc<Shared>,
    heard: watch::Receiver<u64>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    commits: Arc<Commits>,
    position: AtomicI64,
    is_up: AtomicBool,
    is_stopping: AtomicBool,
    /// When the last look that succeeded began, in milliseconds since `since`.
    since: Instant,
    looked_at: AtomicU64,
}

impl Shared {
    fn millis(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Follower {
    /// Follows the journal from a bookmark.
    ///
    /// # Errors
    /// What the system says about a new thread.
    pub fn start(store: &Store, from: Bookmark, listeners: Vec<Arc<dyn Listener>>) -> std::io::Result<Self> {
        let commits = Arc::clone(store.commits());
        let shared = Arc::new(Shared {
            commits,
            position: AtomicI64::new(from.position()),
            is_up: AtomicBool::new(true),
            is_stopping: AtomicBool::new(false),
            since: Instant::now(),
            looked_at: AtomicU64::new(0),
        });
        let (told, heard) = watch::channel(0);
        let reader = Reader {
            store: store.aside(),
            shared: Arc::clone(&shared),
            listeners,
            bookmark: from,
            ahead: BTreeSet::new(),
            told,
        };
        let thread = std::thread::Builder::new().name("journal".to_owned()).spawn(move || reader.work())?;
        Ok(Self { shared, heard, thread: Some(thread) })
    }

    /// The highest position all listeners were told of.
    pub fn position(&self) -> i64 {
        self.shared.position.load(Ordering::Relaxed)
    }

    /// Whether no look at the journal has failed since the last that succeeded.
    pub fn is_up(&self) -> bool {
        self.shared.is_up.load(Ordering::Relaxed)
    }

    /// Whether listeners have heard of all that was committed anywhere up to so long ago.
    pub fn is_within(&self, age: Duration) -> bool {
        let looked_at = self.shared.looked_at.load(Ordering::Relaxed);
        u128::from(self.shared.millis().saturating_sub(looked_at)) <= age.as_millis()
    }

    /// Whether listeners have heard of every commit that this process has made so far.
    pub fn has_all(&self) -> bool {
        *self.heard.borrow() >= self.shared.commits.count()
    }

    /// Waits until listeners have heard of every commit that this process has made
    /// so far, and answers whether they have; while the journal cannot be read
    /// nobody waits.
    pub async fn caught_up(&self, patience: Duration) -> bool {
        let wanted = self.shared.commits.count();
        let has_heard = self.has_all();
        if has_heard || !self.is_up() {
            return has_heard;
        }
        let mut heard = self.heard.clone();
        let wait = heard.wait_for(|known| *known >= wanted);
        matches!(tokio::time::timeout(patience, wait).await, Ok(Ok(_)))
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.shared.commits.stop(&self.shared.is_stopping);
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            let _its_panic_was_reported = thread.join();
        }
    }
}

struct Reader {
    store: Store,
    shared: Arc<Shared>,
    listeners: Vec<Arc<dyn Listener>>,
    bookmark: Bookmark,
    /// Told already, though the bookmark is still before them.
    ahead: BTreeSet<i64>,
    told: watch::Sender<u64>,
}

impl Reader {
    fn work(mut self) {
        let mut known = self.shared.commits.count();
        loop {
            let began = Instant::now();
            let begins = self.shared.millis();
            let next = match self.look() {
                Ok(()) => {
                    self.shared.looked_at.store(begins, Ordering::Relaxed);
                    self.shared.is_up.store(true, Ordering::Relaxed);
                    // What was committed before the look was seen by it.
                    self.told.send_replace(known);
                    self.wait(Some(known), POLL).and_then(|count| {
                        std::thread::sleep(APART.saturating_sub(began.elapsed()));
                        self.wait(None, Duration::ZERO).map(|later| later.max(count))
                    })
                }
                Err(error) => {
                    tracing::warn!(%error, "following the journal");
                    self.shared.is_up.store(false, Ordering::Relaxed);
                    // A commit does not make a database answer again.
                    self.wait(None, PAUSE)
                }
            };
            match next {
                Some(count) => known = count,
                None => return,
            }
        }
    }

    fn wait(&self, known: Option<u64>, patience: Duration) -> Option<u64> {
        self.shared.commits.after(known, patience, &self.shared.is_stopping)
    }

    /// Tells all that is new.
    fn look(&mut self) -> Result<()> {
        let mut has_more = true;
        while has_more {
            let from = self.bookmark;
            let (mut entries, next, early) = self.store.ask_here(|db| Change::after_and_early(db, from, BATCH))?;
            has_more = i64::try_from(entries.len()).is_ok_and(|count| count == BATCH);
            entries.retain(|entry| !self.ahead.contains(&entry.position));
            let positions: BTreeSet<i64> = early.iter().map(|entry| entry.position).collect();
            entries.extend(early.into_iter().filter(|entry| !self.ahead.contains(&entry.position)));
            if !entries.is_empty() || next != self.bookmark {
                let unsettled = i64::try_from(positions.len()).unwrap_or(i64::MAX);
                for listener in &self.listeners {
                    listener.changed(&entries, Head { bookmark: next, unsettled })?;
                }
            }
            self.bookmark = next;
            self.ahead = positions;
            if let Some(last) = entries.iter().map(|entry| entry.position).max() {
                self.shared.position.fetch_max(last, Ordering::Relaxed);
            }
        }
        Ok(())
    }
}
