//! What a waiting caller and the thread that works for it tell each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering};

/// How far a piece of work has got, from the side of who waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Stage {
    /// Not yet begun, or under way: it can still be undone.
    Working = 0,
    /// Its COMMIT may be on its way.
    Committing = 1,
    Done = 2,
    /// Nobody waits any more.
    Abandoned = 3,
}

/// One piece of work. A caller that gives up learns from it whether anything
/// may have been written; a thread learns that nobody waits, and undoes its work.
#[derive(Debug, Default)]
pub(super) struct Ticket(AtomicU8);

impl Ticket {
    fn is(number: u8) -> Stage {
        match number {
            0 => Stage::Working,
            1 => Stage::Committing,
            2 => Stage::Done,
            _ => Stage::Abandoned,
        }
    }

    fn step(&self, from: Stage, to: Stage) -> bool {
        self.0.compare_exchange(from as u8, to as u8, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Before COMMIT: false when nobody waits any more.
    pub fn may_commit(&self) -> bool {
        self.step(Stage::Working, Stage::Committing)
    }

    /// After a COMMIT that certainly failed: false when nobody waits any more.
    pub fn may_run_again(&self) -> bool {
        self.step(Stage::Committing, Stage::Working) || !self.is_abandoned()
    }

    pub fn is_abandoned(&self) -> bool {
        Self::is(self.0.load(Ordering::SeqCst)) == Stage::Abandoned
    }

    /// Gives up; answers how far the work had got.
    pub fn abandon(&self) -> Stage {
        Self::is(self.0.swap(Stage::Abandoned as u8, Ordering::SeqCst))
    }

    /// Ends the work; true when nobody waits any more.
    pub fn finish(&self) -> bool {
        Self::is(self.0.swap(Stage::Done as u8, Ordering::SeqCst)) == Stage::Abandoned
    }
}

/// What is counted, shared by everything that works for a store.
#[derive(Debug, Default)]
pub(super) struct Gauges {
    pub waiting: AtomicI64,
    pub stuck: AtomicI64,
    pub queued: AtomicI64,
    pub batches: AtomicU64,
    pub batched: AtomicU64,
    pub retries: AtomicU64,
    pub refused: AtomicU64,
    pub timeouts: AtomicU64,
    pub unknown_outcomes: AtomicU64,
    pub reconnects: AtomicU64,
    pub wal_bytes: AtomicU64,
}

/// Adds one for as long as it lives.
pub(super) struct Counted<'a> {
    gauge: &'a AtomicI64,
    before: i64,
}

impl<'a> Counted<'a> {
    pub fn new(gauge: &'a AtomicI64) -> Self {
        Self { before: gauge.fetch_add(1, Ordering::Relaxed), gauge }
    }

    /// How many there were before it.
    pub fn before(&self) -> usize {
        usize::try_from(self.before).unwrap_or(0)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.gauge.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Held by a blocking thread: ends its ticket, and takes itself off the stuck
/// ones when its caller has left meanwhile.
pub(super) struct Busy {
    pub ticket: Arc<Ticket>,
    pub gauges: Arc<Gauges>,
}

impl Drop for Busy {
    fn drop(&mut self) {
        if self.ticket.finish() {
            self.gauges.stuck.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Stage, Ticket};

    #[test]
    fn who_gives_up_before_the_commit_knows_that_nothing_is_written() {
        let ticket = Ticket::default();
        assert_eq!(ticket.abandon(), Stage::Working);
        assert!(!ticket.may_commit(), "an abandoned write commits");
        assert!(ticket.finish());
    }

    #[test]
    fn who_gives_up_during_the_commit_does_not_know() {
        let ticket = Ticket::default();
        assert!(ticket.may_commit());
        assert_eq!(ticket.abandon(), Stage::Committing);
        assert!(!ticket.may_run_again(), "an abandoned write runs again");
    }

    #[test]
    fn a_lost_race_runs_again_while_somebody_waits() {
        let ticket = Ticket::default();
        assert!(ticket.may_run_again(), "lost before its commit");
        assert!(ticket.may_commit() && ticket.may_run_again() && ticket.may_commit());
        assert!(!ticket.finish());
        assert_eq!(ticket.abandon(), Stage::Done);
    }
}
