//! The one place that reads the system clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{TimeDelta, Utc};

use crate::db::Instant;

/// Tells the time; tests move it.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    ahead_by_seconds: Arc<AtomicI64>,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "this is the place the rule sends everybody to")]
    pub fn now(&self) -> Instant {
        let ahead = TimeDelta::seconds(self.ahead_by_seconds.load(Ordering::Relaxed));
        Instant::new(Utc::now() + ahead)
    }

    /// Moves this clock and its clones.
    pub fn advance(&self, by: TimeDelta) {
        self.ahead_by_seconds.fetch_add(by.num_seconds(), Ordering::Relaxed);
    }
}
