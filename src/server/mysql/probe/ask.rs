use crate::mysql::failure::StepError;
use crate::mysql::{Answer, Conn, DriverError};

/// Rows read of an answer that has one or a few.
pub(super) const FEW_ROWS: usize = 1000;

/// How far a probe has come, for the sentence about one that did not end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    pub(super) step: &'static str,
    /// The server answered its variables: it is up.
    pub(super) has_answered: bool,
    /// Statements sent, for tests and traces.
    pub(super) statements: u32,
}

impl Progress {
    pub(super) const START: Self = Self {
        step: "logging in",
        has_answered: false,
        statements: 0,
    };
}

/// Sends the statements of a probe and notes which step is under way.
pub(super) struct Asker<'a> {
    pub(super) conn: &'a mut Conn,
    pub(super) progress: &'a mut Progress,
}

impl Asker<'_> {
    /// A statement that has to succeed.
    pub(super) async fn must(
        &mut self,
        step: &'static str,
        statement: &str,
        max_rows: usize,
    ) -> Result<Answer, StepError> {
        self.progress.step = step;
        self.progress.statements += 1;
        self.conn
            .query(statement, max_rows)
            .await
            .map_err(|error| StepError { step, error })
    }

    /// A statement that the server may refuse. Its refusal is logged and comes as `None`; a broken connection is an error.
    pub(super) async fn may(
        &mut self,
        step: &'static str,
        statement: &str,
        max_rows: usize,
    ) -> Result<Option<Answer>, StepError> {
        match self.must(step, statement, max_rows).await {
            Ok(answer) => Ok(Some(answer)),
            Err(refused) if refused.error.leaves_connection_usable() => {
                tracing::debug!(step, error = %refused.error, "left out of the probe");
                Ok(None)
            }
            Err(broken) => Err(broken),
        }
    }

    /// The one value of a configured query; `None` when it is not configured, refused, or brings no row or NULL.
    pub(super) async fn value(
        &mut self,
        step: &'static str,
        statement: &str,
    ) -> Result<Option<String>, StepError> {
        if statement.trim().is_empty() {
            return Ok(None);
        }
        let answer = self.may(step, statement, FEW_ROWS).await?;
        Ok(answer.and_then(|answer| answer.first().and_then(|row| row.at(0))))
    }
}

/// An answer that cannot be read.
pub(super) fn unreadable(step: &'static str, what: &'static str) -> StepError {
    StepError {
        step,
        error: DriverError::Protocol(what),
    }
}
