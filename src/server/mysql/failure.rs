//! What went wrong, in the kinds that somebody acts on. Decided by error numbers and error kinds, never by texts.

use std::io::ErrorKind;

use orchestrator_core::domain::{InstanceKey, ProbeFailure, ProbeFailureKind};

use super::DriverError;

/// A failed step.
#[derive(Debug)]
pub(super) struct StepError {
    /// What was being done, as it stands in `… failed`.
    pub(super) step: &'static str,
    /// Why it failed.
    pub(super) error: DriverError,
}

/// The failure of `key` at `step`.
pub(super) fn failure(
    key: &InstanceKey,
    step: &str,
    error: &DriverError,
    is_partial: bool,
) -> ProbeFailure {
    ProbeFailure {
        kind: kind(error),
        code: error.code(),
        message: format!("{key}: {step} failed: {error}"),
        is_partial,
    }
}

fn kind(error: &DriverError) -> ProbeFailureKind {
    match error {
        DriverError::Io(error) => io_kind(error.kind()),
        DriverError::Server { code, .. } => server_kind(*code),
        DriverError::Tls(_) => ProbeFailureKind::Tls,
        DriverError::UnsupportedAuth(_) => ProbeFailureKind::AccessDenied,
        DriverError::Protocol(_) | DriverError::TooLarge { .. } => ProbeFailureKind::InvalidAnswer,
    }
}

fn io_kind(kind: ErrorKind) -> ProbeFailureKind {
    match kind {
        ErrorKind::ConnectionRefused
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::NotConnected
        | ErrorKind::UnexpectedEof => ProbeFailureKind::Refused,
        _ => ProbeFailureKind::Unreachable,
    }
}

/// Numbers of the MySQL and MariaDB error references.
fn server_kind(code: u16) -> ProbeFailureKind {
    match code {
        // Denied: database, user, table, column, routine, privilege, no password, expired, locked (MySQL, MariaDB).
        1044 | 1045 | 1142 | 1143 | 1227 | 1370 | 1698 | 1820 | 1862 | 3118 | 3955 | 4151 => {
            ProbeFailureKind::AccessDenied
        }
        // Too many connections (all, of the user, in the hour), host blocked or not allowed, going down, handshake refused,
        // connection killed, offline mode, ended for inactivity.
        1040 | 1203 | 1226 | 1129 | 1130 | 1053 | 1043 | 1927 | 3032 | 3168 | 4031 => {
            ProbeFailureKind::RefusesUs
        }
        // Plain connections are not allowed.
        3159 => ProbeFailureKind::Tls,
        _ => ProbeFailureKind::Statement,
    }
}

/// Whether a plain login was refused in a way that TLS may cure: TLS is demanded of everybody (3159), or of the account
/// (which says 1045 like a wrong password).
pub(super) fn may_want_tls(error: &DriverError) -> bool {
    matches!(error.code(), 3159 | 1045)
}

/// Whether a kept connection turned out to be closed since its last use: by the server's idle limit, a restart, or a
/// `KILL`.
pub(super) fn was_closed_meanwhile(error: &DriverError) -> bool {
    match error {
        DriverError::Io(error) => io_kind(error.kind()) == ProbeFailureKind::Refused,
        // The last words of a server that ends a connection arrive as an answer to nothing.
        DriverError::Protocol(_) => true,
        DriverError::Server { code, .. } => matches!(code, 1053 | 1927 | 4031),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_decide_the_kind() {
        for (code, expected) in [
            (1045, ProbeFailureKind::AccessDenied),
            (1227, ProbeFailureKind::AccessDenied),
            (1142, ProbeFailureKind::AccessDenied),
            (1040, ProbeFailureKind::RefusesUs),
            (1129, ProbeFailureKind::RefusesUs),
            (1130, ProbeFailureKind::RefusesUs),
            (1053, ProbeFailureKind::RefusesUs),
            (3159, ProbeFailureKind::Tls),
            (1064, ProbeFailureKind::Statement),
            (0, ProbeFailureKind::Statement),
        ] {
            let error = DriverError::Server {
                code,
                message: "Access denied, connection refused, TLS".into(),
            };
            assert_eq!(kind(&error), expected, "{code}");
        }
        for (io, expected) in [
            (ErrorKind::ConnectionRefused, ProbeFailureKind::Refused),
            (ErrorKind::UnexpectedEof, ProbeFailureKind::Refused),
            (ErrorKind::HostUnreachable, ProbeFailureKind::Unreachable),
            (ErrorKind::TimedOut, ProbeFailureKind::Unreachable),
        ] {
            assert_eq!(kind(&DriverError::Io(io.into())), expected, "{io}");
        }
    }

    #[test]
    fn the_sentence_names_server_step_and_number() {
        let key = InstanceKey::parse("db1", 3306).unwrap();
        let error = DriverError::Server {
            code: 1040,
            message: "Too many connections".into(),
        };
        let failure = failure(&key, "logging in", &error, false);
        assert_eq!(
            failure.message,
            "db1:3306: logging in failed: Too many connections (error 1040)"
        );
        assert_eq!(failure.code, 1040);
    }
}
