use std::time::Duration;

use orchestrator_core::ports::Clock;

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
    clock: &'a dyn Clock,
    /// What was asked ahead; `None` before anything was.
    ahead: Option<Ahead>,
    /// When that was answered, and when the last statement was, by the monotonic clock.
    ahead_at: Duration,
    answered_at: Duration,
    /// How long what was asked ahead took.
    round_trip: Option<Duration>,
    /// What was answered about the link.
    status: Option<Status>,
}

/// What a replica said of its link.
pub(super) struct Status {
    pub(super) answer: Answer,
    /// When the answer had come at the latest, by the monotonic clock.
    pub(super) at: Duration,
    /// How long a round trip takes, where that was seen.
    pub(super) round_trip: Option<Duration>,
}

impl<'a> Asker<'a> {
    pub(super) fn new(
        conn: &'a mut Conn,
        progress: &'a mut Progress,
        clock: &'a dyn Clock,
    ) -> Self {
        Self {
            conn,
            progress,
            clock,
            ahead: None,
            ahead_at: Duration::ZERO,
            answered_at: Duration::ZERO,
            round_trip: None,
            status: None,
        }
    }

    /// What is asked ahead was answered already, with something else.
    pub(super) fn has_come(&mut self, ahead: Ahead, at: Duration) {
        self.ahead = Some(ahead);
        self.ahead_at = at;
    }

    /// Sends statements that are likely to be asked as one text, so that they cost one round trip together. What comes of it is taken by
    /// [`Asker::must`] and the others when they ask for it; what comes after one that the server refuses is
    /// asked there, alone. Nothing is sent where the answers have come already.
    pub(super) async fn ask_ahead(
        &mut self,
        ahead: impl FnOnce() -> Ahead,
    ) -> Result<(), StepError> {
        if self.ahead.is_some() {
            return Ok(());
        }
        let mut ahead = ahead();
        if let Some(text) = ahead.text() {
            self.progress.round_trips += 1;
            self.progress.step = ahead.step();
            let progress = &mut *self.progress;
            let bounds = ahead.bounds();
            let began = self.clock.monotonic();
            let outcome = self.conn.query_each(&text, &bounds, |answer| {
                ahead.answered(answer);
                progress.step = ahead.step();
                progress.has_answered = true;
            });
            let outcome = outcome.await;
            self.ahead_at = self.clock.monotonic();
            self.round_trip = Some(self.ahead_at.saturating_sub(began));
            match outcome {
                Ok(()) => ahead.ended(),
                Err(error) if error.leaves_connection_usable() => ahead.refused(error),
                Err(error) => {
                    let step = ahead.step();
                    return Err(StepError { step, error });
                }
            }
        }
        self.ahead = Some(ahead);
        Ok(())
    }

    /// What was asked ahead, and what of it was asked for.
    pub(super) fn take_ahead(&mut self) -> Ahead {
        self.ahead.take().unwrap_or_default()
    }

    /// Keeps what was answered about the link just now, for [`Asker::take_status`].
    pub(super) fn keep_status(&mut self, answer: Answer) {
        self.status = Some(Status {
            answer,
            at: self.answered_at,
            round_trip: self.round_trip,
        });
    }

    pub(super) fn take_status(&mut self) -> Option<Status> {
        self.status.take()
    }

    /// A statement that has to succeed.
    pub(super) async fn must(
        &mut self,
        step: &'static str,
        statement: &str,
        max_rows: usize,
    ) -> Result<Answer, StepError> {
        self.progress.step = step;
        let ahead = self.ahead.as_mut();
        let known = ahead.and_then(|ahead| ahead.take(statement));
        self.answered_at = self.ahead_at;
        let answer = match known {
            Some(Ok(answer)) if answer.len() > max_rows => Err(DriverError::TooLarge {
                what: "rows",
                limit: max_rows,
            }),
            Some(answer) => answer,
            None => {
                self.progress.round_trips += 1;
                let answer = self.conn.query(statement, max_rows).await;
                self.answered_at = self.clock.monotonic();
                if let (Ok(_), Some(ahead)) = (&answer, &mut self.ahead) {
                    ahead.was_answered_alone(statement);
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
