//! Connections: so many in use at once, the idle ones kept.
//!
//! A permit comes first, and waiting for one takes no thread. There is no
//! background thread and no back-off: whoever finds no idle connection opens
//! one, so that the first request after an outage finds the database again.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use super::Db;
use super::dialect::{Access, Backend};
use super::limits::Limits;
use super::ticket::{Counted, Gauges};
use crate::error::{Error, Result};

pub(super) struct Pool {
    backend: Arc<Backend>,
    access: Access,
    limits: Limits,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Db>>,
    gauges: Arc<Gauges>,
}

impl Pool {
    pub fn new(backend: Arc<Backend>, access: Access, limits: Limits, gauges: Arc<Gauges>, first: Option<Db>) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(limits.connections as usize)),
            idle: Mutex::new(first.into_iter().collect()),
            backend,
            access,
            limits,
            gauges,
        }
    }

    pub fn in_use(&self) -> u64 {
        (self.limits.connections as usize).saturating_sub(self.permits.available_permits()) as u64
    }

    /// Waits for the right to a connection, without a thread.
    pub async fn permit(&self) -> Result<OwnedSemaphorePermit> {
        let waiting = Counted::new(&self.gauges.waiting);
        if waiting.before() >= self.limits.queue {
            return Err(self.refuse());
        }
        match tokio::time::timeout(self.limits.wait, Arc::clone(&self.permits).acquire_owned()).await {
            Ok(permit) => permit.map_err(|_| Error::Internal("the pool is closed".to_owned())),
            Err(_) => Err(self.refuse()),
        }
    }

    /// The same on the calling thread, for commands. They are few: they look again every few milliseconds.
    pub fn permit_here(&self) -> Result<OwnedSemaphorePermit> {
        let _waiting = Counted::new(&self.gauges.waiting);
        let end = Instant::now() + self.limits.wait;
        loop {
            match Arc::clone(&self.permits).try_acquire_owned() {
                Ok(permit) => return Ok(permit),
                Err(TryAcquireError::Closed) => return Err(Error::Internal("the pool is closed".to_owned())),
                Err(TryAcquireError::NoPermits) if Instant::now() > end => return Err(self.refuse()),
                Err(TryAcquireError::NoPermits) => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }

    fn refuse(&self) -> Error {
        self.gauges.refused.fetch_add(1, Ordering::Relaxed);
        Error::unavailable("no database connection is free")
    }

    /// A connection with a transaction begun. An idle connection that cannot
    /// even begin was lost while it lay there, and mostly so were the others.
    pub fn begin(self: &Arc<Self>, permit: OwnedSemaphorePermit, access: Access) -> Result<Lease> {
        let mut lease = self.lend(permit)?;
        let mut begun = lease.db()?.begin(access);
        if begun.is_err() && !lease.is_fresh {
            lease.renew()?;
            begun = lease.db()?.begin(access);
        }
        begun.map_err(|e| Error::unavailable(&e.to_string()))?;
        Ok(lease)
    }

    /// A connection as it is, an idle one if there is any.
    pub fn lend(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Result<Lease> {
        // Let go of the lock before the connection is tried: what follows may need it, and may take its time.
        let idle = self.lock().pop();
        let is_fresh = idle.is_none();
        let mut lease = Lease { db: idle, pool: Arc::clone(self), is_fit: false, is_fresh, _permit: permit };
        if is_fresh {
            lease.renew()?;
        }
        Ok(lease)
    }

    /// Drops the idle connections: they lead to a server that is gone or no longer the primary.
    pub fn forget_idle(&self) {
        let gone = std::mem::take(&mut *self.lock());
        drop(gone);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Db>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in use. It goes back to the idle ones only when it was found fit.
pub(super) struct Lease {
    db: Option<Db>,
    pool: Arc<Pool>,
    is_fit: bool,
    /// Whether it was opened for this lease.
    is_fresh: bool,
    // Last: the connection is back before the next one may ask for it.
    _permit: OwnedSemaphorePermit,
}

impl Lease {
    pub fn db(&mut self) -> Result<&mut Db> {
        self.db.as_mut().ok_or_else(|| Error::Internal("a lease without its connection".to_owned()))
    }

    pub fn is_fit(&mut self, is_fit: bool) {
        self.is_fit = is_fit;
    }

    pub fn is_fresh(&self) -> bool {
        self.is_fresh
    }

    /// Opens a connection, in place of one that was lost while it lay idle: so were the others, mostly.
    pub fn renew(&mut self) -> Result<()> {
        if self.db.take().is_some() {
            self.pool.forget_idle();
        }
        let opened = self.pool.backend.connect(self.pool.access, &self.pool.limits);
        self.db = Some(opened.map_err(|e| Error::unavailable(&e.to_string()))?);
        self.pool.gauges.reconnects.fetch_add(1, Ordering::Relaxed);
        self.is_fresh = true;
        Ok(())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(db) = self.db.take()
            && self.is_fit
        {
            self.pool.lock().push(db);
        }
    }
}
