use super::ahead::Ahead;
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
    /// Texts sent, of one or several statements, for traces.
    pub(super) round_trips: u32,
}

impl Progress {
    pub(super) const START: Self = Self {
        step: "logging in",
        has_answered: false,
        round_trips: 0,
    };
}

/// Sends the statements of a probe and notes which step is under way.
pub(super) struct Asker<'a> {
    conn: &'a mut Conn,
    pub(super) progress: &'a mut Progress,
    /// What was asked ahead.
    ahead: Ahead,
}

impl<'a> Asker<'a> {
    pub(super) fn new(conn: &'a mut Conn, progress: &'a mut Progress) -> Self {
        Self {
            conn,
            progress,
            ahead: Ahead::default(),
        }
    }

    /// Sends statements that are likely to be asked as one text, so that they cost one round trip together. What comes of it is taken by
    /// [`Asker::must`] and the others when they ask for it; what comes after one that the server refuses is
    /// asked there, alone.
    pub(super) async fn ask_ahead(&mut self, mut ahead: Ahead) -> Result<(), StepError> {
        if let Some(text) = ahead.text() {
            self.progress.round_trips += 1;
            self.progress.step = ahead.step();
            let progress = &mut *self.progress;
            let bounds = ahead.bounds();
            let outcome = self.conn.query_each(&text, &bounds, |answer| {
                ahead.answered(answer);
                progress.step = ahead.step();
                progress.has_answered = true;
            });
            match outcome.await {
                Ok(()) => ahead.ended(),
                Err(error) if error.leaves_connection_usable() => ahead.refused(error),
                Err(error) => {
                    let step = ahead.step();
                    return Err(StepError { step, error });
                }
            }
        }
        self.ahead = ahead;
        Ok(())
    }

    /// What was asked ahead, and what of it was asked for.
    pub(super) fn take_ahead(&mut self) -> Ahead {
        std::mem::take(&mut self.ahead)
    }

    /// A statement that has to succeed.
    pub(super) async fn must(
        &mut self,
        step: &'static str,
        statement: &str,
        max_rows: usize,
    ) -> Result<Answer, StepError> {
        self.progress.step = step;
        let answer = match self.ahead.take(statement) {
            Some(Ok(answer)) if answer.len() > max_rows => Err(DriverError::TooLarge {
                what: "rows",
                limit: max_rows,
            }),
            Some(answer) => answer,
            None => {
                self.progress.round_trips += 1;
                let answer = self.conn.query(statement, max_rows).await;
                if answer.is_ok() {
                    self.ahead.was_answered_alone(statement);
                }
                answer
            }
        };
        answer.map_err(|error| StepError { step, error })
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
