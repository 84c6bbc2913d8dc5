//! Search (*recherche*): a read model of the published catalogue inside the
//! process, the same on both databases. `docs/SEARCH.md` says what a caller may
//! rely on.
//!
//! Rooms: [`analysis`] cuts texts into words; [`index`] is what is stored and
//! where; [`document`] makes it from rows; [`feed`] follows the journal;
//! [`parse`] reads what was typed; [`matching`] finds it, [`filter`] keeps what
//! was chosen, [`ranking`] and [`order`] say what comes first, from columns that [`columns`] keeps in memory; [`question`] puts
//! these together; [`suggest`] answers while somebody types and when nothing was
//! found; [`shown`] has what lists show of it, [`highlight`] where; [`view`] and [`routes`] speak to callers.

pub mod analysis;
mod columns;
mod docs;
pub mod document;
pub mod feed;
pub mod filter;
mod folder;
pub mod highlight;
pub mod index;
pub mod matching;
pub mod order;
pub mod parse;
pub mod question;
pub mod ranking;
pub mod routes;
pub mod shown;
pub mod suggest;
pub mod view;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;

use crate::db::{Follower, Listener, Store};
use crate::error::{Error, Result};

pub use feed::{Search, Shown};

/// How long a reader waits at most for what this instance has just written to be found; mostly
/// that takes some milliseconds.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// How long the first readers wait for the index to be there.
const START: Duration = Duration::from_secs(2);
/// How often a start that failed is tried again.
const AGAIN: Duration = Duration::from_millis(500);

/// The index and the reader of the journal that keeps it, once both are there.
pub struct Live {
    pub search: Arc<Search>,
    pub follower: Follower,
}

/// Brings the index to life on a thread of its own, so that a server answers
/// while a large one is built.
pub struct ReadModel {
    live: watch::Receiver<Option<Arc<Live>>>,
    is_stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ReadModel {
    /// # Errors
    /// What the system says about a new thread.
    pub fn start(store: Store, folder: PathBuf, others: Vec<Arc<dyn Listener>>) -> std::io::Result<Self> {
        let (told, live) = watch::channel(None);
        let is_stopping = Arc::<AtomicBool>::default();
        let stop = Arc::clone(&is_stopping);
        let work = move || {
            while !stop.load(Ordering::Relaxed) {
                match begin(&store, &folder, &others, &stop) {
                    Ok(live) => {
                        told.send_replace(Some(Arc::new(live)));
                        return;
                    }
                    Err(error) => tracing::warn!(%error, "the search index is not there yet"),
                }
                std::thread::sleep(AGAIN);
            }
        };
        let thread = std::thread::Builder::new().name("search".to_owned()).spawn(work)?;
        Ok(Self { live, is_stopping, thread: Some(thread) })
    }

    /// The index, if it is there.
    pub fn now(&self) -> Option<Arc<Live>> {
        self.live.borrow().clone()
    }

    /// Whether all listeners have heard of what was committed anywhere up to so long ago.
    pub fn has_heard(&self, within: Duration) -> bool {
        self.live.borrow().as_ref().is_some_and(|live| live.follower.is_within(within))
    }

    /// The index, with everything this instance has committed so far, unless that
    /// takes longer than a reader may wait.
    pub async fn get(&self) -> Result<Arc<Live>> {
        let mut live = self.live.clone();
        let there = tokio::time::timeout(START, live.wait_for(Option::is_some)).await;
        let found = match there {
            Ok(Ok(found)) => found.clone(),
            _ => None,
        };
        let live = found.ok_or_else(|| Error::unavailable("the search index is being built"))?;
        let _an_older_answer_is_better_than_none = live.follower.caught_up(PATIENCE).await;
        Ok(live)
    }
}

impl Drop for ReadModel {
    fn drop(&mut self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _its_panic_was_reported = thread.join();
        }
    }
}

fn begin(store: &Store, folder: &std::path::Path, others: &[Arc<dyn Listener>], stop: &AtomicBool) -> Result<Live> {
    let (search, from_here) = Search::open(store, folder, stop)?;
    let search = Arc::new(search);
    let listeners = std::iter::once(Arc::clone(&search) as Arc<dyn Listener>).chain(others.iter().cloned());
    let follower = Follower::start(store, from_here, listeners.collect())
        .map_err(|error| Error::Internal(format!("the thread that follows the journal: {error}")))?;
    Ok(Live { search, follower })
}
