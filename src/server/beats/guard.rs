//! The vigil of one primary: opened when it answers, opened again when it ends.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::beats::{BeatPolicy, Farewell, VigilEnd};
use orchestrator_core::domain::InstanceKey;
use orchestrator_core::ports::{BoxFuture, NoLine, Vigil};

use super::metrics;
use super::pulse::Shared;

/// After a vigil that could not be opened, or was given up: often enough for servers that are started again, and no flood of
/// refused logins where there never is one.
const AGAIN_AFTER: Duration = Duration::from_secs(10);

/// What is heard by the vigil.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// It stands.
    Stands,
    /// It ended.
    Ended(VigilEnd),
    /// None could be opened: the server says no, or that it is going down.
    SaidNo { goes_down: bool },
    /// None could be opened: nobody listens.
    Refused,
}

/// Where there is a vigil, or when there will be.
enum State {
    /// Not before it is wanted.
    None,
    Waiting(BoxFuture<'static, ()>),
    Opening(BoxFuture<'static, Result<Vigil, NoLine>>),
    Standing(Vigil, Counted),
}

/// One vigil that stands, in the metrics.
struct Counted;

impl Counted {
    fn new() -> Self {
        metrics::vigils(1.0);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        metrics::vigils(-1.0);
    }
}

/// Keeps the vigil of one primary.
pub(super) struct Guard {
    shared: Arc<Shared>,
    key: InstanceKey,
    state: State,
}

impl Guard {
    pub(super) fn new(shared: Arc<Shared>, key: InstanceKey) -> Self {
        Self {
            shared,
            key,
            state: State::None,
        }
    }

    /// A connection was let in: there may be a vigil now.
    pub(super) fn begin(&mut self) {
        let is_idle = matches!(self.state, State::None | State::Waiting(_));
        if is_idle && self.is_wanted() {
            self.state = self.opening();
        }
    }

    /// Completes with what is heard by the vigil. Cancel-safe.
    pub(super) async fn hear(&mut self) -> News {
        loop {
            match &mut self.state {
                State::None => return pending().await,
                State::Waiting(pause) => {
                    pause.await;
                    self.state = match self.is_wanted() {
                        true => self.opening(),
                        false => State::None,
                    };
                }
                State::Opening(opening) => match opening.await {
                    Ok(vigil) => {
                        self.state = State::Standing(vigil, Counted::new());
                        return News::Stands;
                    }
                    Err(why) => {
                        self.state = self.waiting();
                        if let Some(news) = self.unopened(why) {
                            return news;
                        }
                    }
                },
                State::Standing(vigil, _) => {
                    let end = vigil.await;
                    tracing::info!(primary = %self.key, ?end, "the vigil has ended");
                    // At once: a server that takes a new connection is not going down.
                    self.state = match end {
                        VigilEnd::InOrder => self.opening(),
                        VigilEnd::Cut | VigilEnd::Unknown => self.waiting(),
                    };
                    return News::Ended(end);
                }
            }
        }
    }

    fn is_wanted(&self) -> bool {
        !self.shared.policy(&self.key).restart_grace.is_zero()
    }

    fn opening(&self) -> State {
        let (shared, key) = (Arc::clone(&self.shared), self.key.clone());
        State::Opening(Box::pin(async move {
            let opened = shared.beater.vigil(&key, BeatPolicy::ANSWER_WITHIN);
            opened.await
        }))
    }

    fn waiting(&self) -> State {
        State::Waiting(self.shared.clock.sleep(AGAIN_AFTER))
    }

    /// What it tells that a vigil could not be opened: that a server says no is a sign of life, and that nobody listens is not.
    /// That nothing is said is for beats to find.
    fn unopened(&self, why: NoLine) -> Option<News> {
        match why {
            NoLine::Refused => Some(News::Refused),
            NoLine::Answered { refusal } => {
                let goes_down = refusal.is_some_and(|no| Farewell::Error(no).is_going_down());
                Some(News::SaidNo { goes_down })
            }
            NoLine::Silent => None,
            NoLine::NotTried { why } => {
                tracing::debug!(primary = %self.key, why, "there is no vigil");
                None
            }
        }
    }
}
