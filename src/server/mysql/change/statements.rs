use std::time::Duration;

use orchestrator_core::domain::{InstanceKey, ProbeFailure};
use orchestrator_core::ports::{ChangeError, OnBehalfOf};

use super::servers::Shared;
use crate::mysql::dialect::Dialect;
use crate::mysql::probe::Learnt;
use crate::mysql::{Answer, Bounds, Conn, DriverError};

/// Between two looks at a server that has to come to a state by itself.
pub(super) const PAUSE: Duration = Duration::from_millis(10);

/// The comment of changing statements.
pub(super) fn tag(on_behalf_of: OnBehalfOf) -> String {
    format!(
        "/* orchestrator recovery={} fence={} */",
        on_behalf_of.recovery, on_behalf_of.fence
    )
}

/// Sends the statements of one change, in order, over one connection.
pub(super) struct Statements<'a> {
    pub(super) conn: &'a mut Conn,
    /// What was seen over it, and when: what is sent here may change that.
    pub(super) learnt: &'a mut Learnt,
    pub(super) key: &'a InstanceKey,
    pub(super) dialect: &'a Dialect,
    pub(super) shared: &'a Shared,
    pub(super) tag: &'a str,
    /// When the change has to be over, by the monotonic clock.
    pub(super) ends_at: Duration,
    /// Whether a changing statement was sent.
    pub(super) has_sent: bool,
}

impl Statements<'_> {
    /// A statement that changes nothing.
    pub(super) async fn read(
        &mut self,
        statement: &str,
        max_rows: usize,
    ) -> Result<Answer, ChangeError> {
        self.learnt.forget();
        let answer = self.conn.query(statement, max_rows).await;
        answer.map_err(|error| match (self.has_sent, &error) {
            // What was changed before is not seen; that nothing was is what a refusal would say.
            (true, _) => self.unknown(&error),
            (false, DriverError::Server { .. }) => refused(self.key, &error),
            (false, _) => unreachable(self.key, &error),
        })
    }

    /// The row of a statement that changes nothing and has one.
    pub(super) async fn read_one(&mut self, statement: &str) -> Result<Answer, ChangeError> {
        let answer = self.read(statement, 1).await?;
        if answer.is_empty() {
            return Err(self.not_seen("an answer without a row"));
        }
        Ok(answer)
    }

    /// A statement that changes something.
    pub(super) async fn change(&mut self, statement: &str) -> Result<(), ChangeError> {
        self.learnt.forget();
        self.has_sent = true;
        let text = format!("{} {statement}", self.tag);
        match self.conn.query(&text, 1).await {
            Ok(_) => Ok(()),
            Err(error) if is_definite(&error) => Err(refused(self.key, &error)),
            Err(error) => Err(self.unknown(&error)),
        }
    }

    /// A statement that changes something, and a question about what came of it: one text, and one round trip. The server leaves the
    /// question out where it refuses the change. Whatever an observation asks goes along, so that the one that follows costs none.
    pub(super) async fn change_and_read(
        &mut self,
        statement: &str,
        question: &str,
        max_rows: usize,
    ) -> Result<Answer, ChangeError> {
        /// The change, and the question.
        const OWN: usize = 2;
        self.learnt.forget();
        self.has_sent = true;
        let mut text = format!("{} {statement}; {question}", self.tag);
        let mut bounds = Bounds::of_several(max_rows, OWN);
        let config = self.shared.connector.config();
        let ahead = self.learnt.ahead(&config);
        let ahead = ahead.and_then(|ahead| Some((ahead.text()?, ahead)));
        let mut ahead = ahead.map(|(more, ahead)| {
            text.push_str(";\n");
            text.push_str(&more);
            let along = ahead.bounds();
            bounds.rows = max_rows.max(along.rows);
            bounds.result_sets = OWN + along.result_sets;
            ahead
        });
        let began = self.now();
        let mut answers = Vec::new();
        let asked = self.conn.query_each(&text, &bounds, |answer| {
            match (answers.len() < OWN, &mut ahead) {
                (false, Some(ahead)) => ahead.answered(answer),
                _ => answers.push(answer),
            }
        });
        let outcome = asked.await;
        match (outcome, answers.len()) {
            (Err(error), 0) if is_definite(&error) => return Err(refused(self.key, &error)),
            (Err(error), 0 | 1) => return Err(self.unknown(&error)),
            (Ok(()), 0 | 1) => return Err(self.not_seen("not one answer for each statement")),
            // What is asked of this server next fails. What came of the change is known all the same.
            (Err(error), _) if !error.leaves_connection_usable() => ahead = None,
            (Err(error), _) => {
                if let Some(ahead) = &mut ahead {
                    ahead.refused(error);
                }
            }
            (Ok(()), _) => {
                if let Some(ahead) = &mut ahead {
                    ahead.ended();
                }
            }
        }
        let took = self.now().saturating_sub(began);
        if let Some(ahead) = ahead {
            let clock = self.shared.connector.clock();
            self.learnt.came(ahead, took, &**clock);
        }
        match answers.pop() {
            Some(answer) if answer.len() <= max_rows => Ok(answer),
            _ => Err(self.not_seen(format!("more than {max_rows} rows"))),
        }
    }

    /// What the replica said of its link a moment ago, over this connection and before anything was sent by this change.
    pub(super) fn known_status(&mut self) -> Option<Answer> {
        let clock = self.shared.connector.clock();
        let known = self.learnt.status(&**clock);
        known.filter(|_| !self.has_sent)
    }

    /// What is left of the deadline.
    pub(super) fn left(&self) -> Duration {
        self.ends_at.saturating_sub(self.now())
    }

    pub(super) fn now(&self) -> Duration {
        self.shared.connector.clock().monotonic()
    }

    pub(super) async fn pause(&self) {
        self.shared.connector.clock().sleep(PAUSE).await;
    }

    fn unknown(&self, error: &DriverError) -> ChangeError {
        ChangeError::Unknown {
            server: self.key.clone(),
            reason: error.to_string(),
        }
    }

    pub(super) fn not_seen(&self, reason: impl Into<String>) -> ChangeError {
        ChangeError::NotSeen {
            server: self.key.clone(),
            reason: reason.into(),
        }
    }

    pub(super) fn unsupported(&self, reason: impl Into<String>) -> ChangeError {
        ChangeError::Unsupported {
            server: self.key.clone(),
            reason: reason.into(),
        }
    }

    pub(super) fn unapplied(&self, unapplied: impl Into<String>) -> ChangeError {
        ChangeError::Unapplied {
            server: self.key.clone(),
            unapplied: unapplied.into(),
        }
    }

    /// An answer that cannot be read.
    pub(super) fn unreadable(&self, error: &DriverError) -> ChangeError {
        self.not_seen(error.to_string())
    }
}

/// Whether the server says that a statement was not carried out. Going down (1053), an interrupted statement (1317), a killed
/// connection (1927) and an ended one (4031) leave that open.
fn is_definite(error: &DriverError) -> bool {
    error.leaves_connection_usable() && !matches!(error.code(), 1053 | 1317 | 1927 | 4031)
}

pub(super) fn refused(key: &InstanceKey, error: &DriverError) -> ChangeError {
    let reason = match error {
        DriverError::Server { message, .. } => message.clone(),
        other => other.to_string(),
    };
    ChangeError::Refused {
        server: key.clone(),
        errno: error.code(),
        reason,
    }
}

pub(super) fn unreachable(key: &InstanceKey, error: &DriverError) -> ChangeError {
    ChangeError::Unreachable {
        server: key.clone(),
        reason: error.to_string(),
    }
}

/// No connection: refused with a number, or not reached.
pub(super) fn not_connected(key: &InstanceKey, failed: &ProbeFailure) -> ChangeError {
    let (server, reason) = (key.clone(), failed.message.clone());
    match failed.code {
        0 => ChangeError::Unreachable { server, reason },
        errno => ChangeError::Refused {
            server,
            errno,
            reason,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orchestrator_core::domain::{Fence, RecoveryId};

    #[test]
    fn the_comment_names_recovery_and_fence() {
        let text = tag(OnBehalfOf {
            recovery: RecoveryId::from_number(0xab),
            fence: Fence::from_number(7),
        });
        assert_eq!(
            text,
            "/* orchestrator recovery=000000000000000000000000000000ab fence=7 */"
        );
    }

    #[test]
    fn an_interrupted_statement_is_no_refusal() {
        let server = |code| DriverError::Server {
            code,
            message: String::new(),
        };
        for code in [1053, 1317, 1927, 4031] {
            assert!(!is_definite(&server(code)), "{code}");
        }
        assert!(is_definite(&server(1227)) && is_definite(&server(1198)));
        assert!(!is_definite(&DriverError::Io(
            std::io::ErrorKind::UnexpectedEof.into()
        )));
    }
}
