use std::time::Duration;

use orchestrator_core::domain::{ProbeFailure, ProbeFailureKind};

use super::super::Error;
use crate::mysql::DriverError;

/// Why a statement brought nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// The driver's or the server's error.
    Driver(DriverError),
    /// No answer in time: nobody knows what the server does with it.
    Late(Duration),
}

impl Failure {
    /// The server's error number; 0 when it sent none.
    pub fn code(&self) -> u16 {
        match self {
            Self::Driver(error) => error.code(),
            Self::Late(_) => 0,
        }
    }

    /// Whether the server said so itself. Else nobody knows what it does with the statement.
    pub fn is_said(&self) -> bool {
        matches!(self, Self::Driver(DriverError::Server { .. }))
    }

    /// Whether the connection can be used for another statement.
    pub fn leaves_connection_usable(&self) -> bool {
        match self {
            // Shut down, killed, idle for too long: the last words of a connection.
            Self::Driver(error) => {
                error.leaves_connection_usable()
                    && !matches!(error.code(), 1053 | 1317 | 1927 | 3168 | 3169 | 4031)
            }
            Self::Late(_) => false,
        }
    }

    /// Whether the server says that it takes no writes (any statement, read-only mode, read-only transaction).
    pub fn is_read_only(&self) -> bool {
        matches!(self.code(), 1290 | 1836 | 1792)
    }

    /// Whether a `COMMIT` that failed so did certainly not take effect: the server rolled back, and says why.
    pub fn is_rollback(&self) -> bool {
        // Read-only, lock wait given up, deadlock (also a conflict of certification).
        self.is_read_only() || matches!(self.code(), 1205 | 1213)
    }

    /// One sentence about it.
    pub fn sentence(&self) -> String {
        match self {
            Self::Driver(error) => error.to_string(),
            Self::Late(limit) => format!("no answer within {} s", limit.as_secs()),
        }
    }

    /// As an error of the store at `store`. Numbers are those of the MySQL and MariaDB error references.
    pub fn at(&self, store: &str) -> Error {
        let (store, detail) = (store.to_owned(), self.sentence());
        match self.code() {
            _ if self.is_read_only() => Error::ReadOnly { store, detail },
            // Denied: database, user, table, column, routine, privilege, no password, expired, locked.
            1044 | 1045 | 1142 | 1143 | 1227 | 1370 | 1698 | 1820 | 1862 | 3118 | 4151 => {
                Error::Denied { store, detail }
            }
            // No space: for a table, for a file.
            1021 | 1114 => Error::Full { store },
            // Lock wait given up, deadlock.
            1205 | 1213 => Error::Held { store, detail },
            // Packet too large, text that is none, too long.
            1153 | 1366 | 1406 => Error::Unstorable { detail },
            // No such database, table or column: somebody has removed it.
            1049 | 1146 | 1054 => Error::Damaged { store, detail },
            0 => match self {
                Self::Driver(DriverError::TooLarge { .. }) => Error::Damaged { store, detail },
                _ => Error::Unreachable { store, detail },
            },
            _ if !self.leaves_connection_usable() => Error::Unreachable { store, detail },
            _ => Error::Io { store, detail },
        }
    }
}

/// A connection that did not come about.
pub(super) fn unconnected(store: &str, failure: &ProbeFailure) -> Error {
    let (store, detail) = (store.to_owned(), failure.message.clone());
    match failure.kind {
        ProbeFailureKind::AccessDenied => Error::Denied { store, detail },
        _ => Error::Unreachable { store, detail },
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::ErrorKind;
    use super::*;

    fn server(code: u16) -> Failure {
        Failure::Driver(DriverError::Server {
            code,
            message: "no".to_owned(),
        })
    }

    #[test]
    fn numbers_decide_what_an_operator_can_do() {
        let kinds = |codes: &[u16]| -> Vec<Error> {
            codes.iter().map(|code| server(*code).at("s")).collect()
        };
        for error in kinds(&[1290, 1836]) {
            assert!(matches!(error, Error::ReadOnly { .. }), "{error}");
        }
        for error in kinds(&[1044, 1142]) {
            assert!(matches!(error, Error::Denied { .. }), "{error}");
        }
        for error in kinds(&[1114]) {
            assert!(matches!(error, Error::Full { .. }), "{error}");
        }
        for error in kinds(&[1053, 1927]) {
            assert!(matches!(error, Error::Unreachable { .. }), "{error}");
        }
        for code in [1290, 1044, 1114, 1205, 1053, 1030] {
            assert_eq!(server(code).at("s").kind(), ErrorKind::Retryable, "{code}");
        }
        for code in [1146, 1049] {
            assert_eq!(server(code).at("s").kind(), ErrorKind::Fatal, "{code}");
        }
    }

    #[test]
    fn only_what_the_server_surely_rolled_back_counts_as_not_committed() {
        assert!(server(1290).is_rollback() && server(1213).is_rollback());
        for failure in [
            server(1053),
            server(1180),
            Failure::Late(Duration::from_secs(1)),
        ] {
            assert!(!failure.is_rollback(), "{failure:?}");
        }
    }
}
