//! How long the database may take and how much may wait for it.

use std::time::Duration;

/// Bounds of everything that is asked of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections in use at once; on SQLite those that read.
    pub connections: u32,
    /// Longest wait for a free connection before the caller is told to come back.
    pub wait: Duration,
    /// Longest time a request waits for its answer, the wait for a connection included.
    pub deadline: Duration,
    /// Calls that may wait for a connection, and as many for SQLite's one writer; more are refused at once.
    pub queue: usize,
    /// Longest statement on PostgreSQL.
    pub statement: Duration,
    /// Longest wait for another transaction's lock on PostgreSQL.
    pub lock: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 8,
            wait: Duration::from_millis(2000),
            deadline: Duration::from_millis(2500),
            queue: 1024,
            statement: Duration::from_millis(2000),
            lock: Duration::from_millis(1000),
        }
    }
}
