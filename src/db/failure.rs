//! What a failure of the database means.

use diesel::result::{DatabaseErrorKind, Error as DieselError};

/// What a failure of the database means, decided for each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The transaction lost a race and may be run again.
    LostRace,
    /// The disk that holds the database has no room left; nothing was written.
    StorageFull,
    /// The database is busy, or gave up a statement that took too long; the connection is good.
    Busy,
    /// The connection, or the file beneath it, is not to be trusted any more: it is opened anew.
    Lost,
    /// The file is damaged: nothing that waiting would cure.
    Damaged,
    /// What a rule of ours, or a fault of ours, makes of it.
    Other,
}

impl Failure {
    pub fn of(error: &DieselError) -> Self {
        let info = match error {
            DieselError::RollbackErrorOnCommit { commit_error, .. } => return Self::of(commit_error),
            DieselError::BrokenTransactionManager => return Self::Lost,
            DieselError::DatabaseError(kind, info) => match kind {
                DatabaseErrorKind::SerializationFailure => return Self::LostRace,
                DatabaseErrorKind::ClosedConnection
                | DatabaseErrorKind::UnableToSendCommand
                // A primary that was demoted: another host is it now.
                | DatabaseErrorKind::ReadOnlyTransaction => return Self::Lost,
                DatabaseErrorKind::Unknown => info,
                _ => return Self::Other,
            },
            _ => return Self::Other,
        };
        let text = info.message();
        let says = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
        if says(&["deadlock detected", "could not serialize access"]) {
            Self::LostRace
        } else if says(&["database or disk is full", "No space left on device"]) {
            Self::StorageFull
        } else if says(&[
            "database is locked",
            "database table is locked",
            "locking protocol",
            "canceling statement due to",
        ]) {
            Self::Busy
        } else if says(&[
            // SQLite
            "disk I/O error",
            "unable to open database file",
            "attempt to write a readonly database",
            "out of memory",
            // PostgreSQL
            "terminating connection",
            "server closed the connection",
            "the database system is",
            "sorry, too many clients already",
            "remaining connection slots",
        ]) {
            Self::Lost
        } else if says(&["database disk image is malformed", "file is not a database"]) {
            Self::Damaged
        } else {
            Self::Other
        }
    }

    /// Whether a COMMIT that failed like this may have been made durable all the
    /// same: the answer was lost on its way, or a frame was written and its fsync failed.
    pub fn leaves_commit_unknown(self) -> bool {
        match self {
            Self::Lost | Self::Damaged => true,
            Self::LostRace | Self::StorageFull | Self::Busy | Self::Other => false,
        }
    }

    /// Whether the connection is good for the next transaction.
    pub fn spares_connection(self) -> bool {
        match self {
            Self::Lost | Self::Damaged => false,
            Self::LostRace | Self::StorageFull | Self::Busy | Self::Other => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use diesel::result::{DatabaseErrorKind, Error as DieselError};

    use super::Failure;

    fn failed(kind: DatabaseErrorKind, text: &str) -> DieselError {
        DieselError::DatabaseError(kind, Box::new(text.to_owned()))
    }

    #[test]
    fn every_failure_has_its_decision() {
        use DatabaseErrorKind::{
            ClosedConnection, ReadOnlyTransaction, SerializationFailure, UniqueViolation, Unknown,
        };
        for (error, decision) in [
            (failed(SerializationFailure, "could not serialize access"), Failure::LostRace),
            (failed(Unknown, "deadlock detected"), Failure::LostRace),
            (failed(Unknown, "database or disk is full"), Failure::StorageFull),
            (failed(Unknown, "could not extend file \"base/1\": No space left on device"), Failure::StorageFull),
            (failed(Unknown, "database is locked"), Failure::Busy),
            (failed(Unknown, "canceling statement due to statement timeout"), Failure::Busy),
            (failed(Unknown, "canceling statement due to lock timeout"), Failure::Busy),
            (failed(Unknown, "disk I/O error"), Failure::Lost),
            (failed(Unknown, "unable to open database file"), Failure::Lost),
            (failed(Unknown, "attempt to write a readonly database"), Failure::Lost),
            (failed(Unknown, "terminating connection due to administrator command"), Failure::Lost),
            (failed(Unknown, "the database system is shutting down"), Failure::Lost),
            (failed(ReadOnlyTransaction, "cannot execute INSERT in a read-only transaction"), Failure::Lost),
            (failed(ClosedConnection, "server closed the connection unexpectedly"), Failure::Lost),
            (DieselError::BrokenTransactionManager, Failure::Lost),
            (failed(Unknown, "database disk image is malformed"), Failure::Damaged),
            (failed(Unknown, "file is not a database"), Failure::Damaged),
            (failed(UniqueViolation, "UNIQUE constraint failed: a.connection"), Failure::Other),
            (failed(Unknown, "changes is append-only"), Failure::Other),
            (DieselError::NotFound, Failure::Other),
        ] {
            assert_eq!(Failure::of(&error), decision, "{error}");
        }
        // What decides is why the COMMIT failed, not that there was nothing left to undo.
        let both = |text: &str| DieselError::RollbackErrorOnCommit {
            rollback_error: Box::new(failed(Unknown, "cannot rollback - no transaction is active")),
            commit_error: Box::new(failed(Unknown, text)),
        };
        assert!(!Failure::of(&both("database or disk is full")).leaves_commit_unknown());
        assert!(Failure::of(&both("disk I/O error")).leaves_commit_unknown());
    }
}
