//! Answers that are read from the database bit by bit: one snapshot, a bounded
//! number of bytes at a time, as fast as the caller takes them.
//!
//! They have connections of their own, few, and a deadline of their own, so that
//! a slow caller holds up nobody but itself. A caller that is gone ends the work.

use std::sync::Arc;
use std::time::{Duration, Instant as Moment};

use actix_web::web::Bytes;
use futures_util::{Stream, stream};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::Db;
use super::dialect::Access;
use super::pool::Pool;
use super::store::Store;
use crate::error::{Error, Result};

/// Answers of this kind at once; the next one waits shortly and is told to come back.
pub const FEEDS: u32 = 2;
/// How long one may take.
const LONGEST: Duration = Duration::from_secs(900);
/// How long a caller may take nothing.
const STALL: Duration = Duration::from_secs(30);
/// Parts that wait for the caller.
const AHEAD: usize = 4;

/// A part of an answer. One that ends without [`Part::End`] is broken off.
#[derive(Debug)]
enum Part {
    Bytes(Bytes),
    End,
}

/// Where the work puts what it has read.
pub struct Feed {
    sender: mpsc::Sender<Part>,
    runtime: Handle,
    end: Moment,
}

impl Feed {
    /// Hands bytes over, waiting for the caller to take earlier ones.
    pub fn send(&self, bytes: Vec<u8>) -> Result<()> {
        self.pass(Part::Bytes(bytes.into()))
    }

    fn pass(&self, part: Part) -> Result<()> {
        let left = self.end.saturating_duration_since(Moment::now()).min(STALL);
        match self.runtime.block_on(timeout(left, self.sender.send(part))) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Error::unavailable("the caller of a feed is gone")),
            Err(_) => Err(Error::unavailable("the caller of a feed takes too long")),
        }
    }
}

/// The parts, as a body; an error when they break off, so that nobody takes a part for the whole.
pub fn body(parts: Parts) -> impl Stream<Item = Result<Bytes>> {
    stream::unfold(Some(parts.0), |parts| async move {
        let mut parts = parts?;
        match parts.recv().await {
            Some(Part::Bytes(bytes)) => Some((Ok(bytes), Some(parts))),
            Some(Part::End) => None,
            None => Some((Err(Error::Internal("an export broke off".to_owned())), None)),
        }
    })
}

/// What comes of a feed.
pub struct Parts(mpsc::Receiver<Part>);

impl Store {
    /// Runs `head` and then `feed` on one snapshot. Comes back with what `head` gave;
    /// the rest is read as the parts are taken, or not at all when they are dropped.
    pub async fn feed<T, H, F>(&self, head: H, feed: F) -> Result<(T, Parts)>
    where
        T: Clone + Send + 'static,
        H: FnOnce(&mut Db) -> Result<T> + Send + 'static,
        F: FnOnce(&mut Db, T, &Feed) -> Result<()> + Send + 'static,
    {
        let pool: Arc<Pool> = self.feeds();
        let permit = pool.permit().await?;
        let (opened, opening) = oneshot::channel();
        let (sender, parts) = mpsc::channel(AHEAD);
        let (span, runtime) = (tracing::Span::current(), Handle::current());
        actix_web::rt::task::spawn_blocking(move || {
            let _entered = span.entered();
            let mut lease = match pool.begin(permit, Access::ReadOnly) {
                Ok(lease) => lease,
                Err(error) => {
                    let _nobody_waits = opened.send(Err(error));
                    return;
                }
            };
            let Ok(db) = lease.db() else { return };
            let feeds = Feed { sender, runtime, end: Moment::now() + LONGEST };
            let begun = db.expect_pauses().map_err(Error::from).and_then(|()| head(db));
            let is_whole = match begun {
                Err(error) => {
                    let _nobody_waits = opened.send(Err(error));
                    false
                }
                Ok(value) => {
                    let is_wanted = opened.send(Ok(value.clone())).is_ok();
                    is_wanted && feed(db, value, &feeds).and_then(|()| feeds.pass(Part::End)).is_ok()
                }
            };
            // A reading transaction has nothing to lose; a connection that was left midway is not kept.
            let ended = db.rollback();
            lease.is_fit(ended.is_ok() && is_whole);
        });
        let gone = |_| Error::Internal("a feed ended before it began".to_owned());
        let head = timeout(self.limits().deadline, opening)
            .await
            .map_err(|_| Error::unavailable("no answer of the database in time"))?
            .map_err(gone)??;
        Ok((head, Parts(parts)))
    }
}
