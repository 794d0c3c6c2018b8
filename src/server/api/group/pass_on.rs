use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::ports::{
    Clock, ForwardError, ForwardedRequest, ForwardedResponse, Group, ProposeError,
};

use super::hearing::Hearing;
use super::message;
use crate::api::{Access, ApiError, ERROR_HEADER, ErrorKind};

/// For a check of the leader through another node. Clients give such a check a second.
const HEALTH_LIMIT: Duration = Duration::from_millis(800);

/// For a read, as the predecessor's transport: the leader answers reads from memory.
const READ_LIMIT: Duration = Duration::from_secs(5);

/// For a change, with all its attempts, or one that takes long: below the deadline of requests, so that the caller gets a sentence.
const CHANGE_LIMIT: Duration = Duration::from_secs(110);

/// For a change that cannot be asked for again: it waits for the one answer, also when leadership moves meanwhile, which
/// may be what it asks for.
const SINGLE_LIMIT: Duration = Duration::from_secs(20);

/// Waits between attempts of a change while leadership moves: 3.15 s together, in which a connected majority has a leader
/// again.
const RETRY_WAITS: [Duration; 6] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(1_600),
];

/// How often it is looked, while the leader works on a change, whether it still leads.
const WATCH_EVERY: Duration = Duration::from_millis(100);

/// How long a leader may be silent before its answer to a change is not waited for any more.
const SILENT_FOR: Duration = Duration::from_secs(10);

/// What came of passing a request on.
pub(super) enum Outcome {
    /// The leader answered.
    Answered(ForwardedResponse),
    /// This node is to answer: it leads now, or it is a read and the leader does not answer.
    Here,
    /// Nobody answered.
    NoAnswer(ApiError),
}

/// One request on its way to the leader.
pub(super) struct PassOn {
    pub(super) group: Arc<dyn Group>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) access: Access,
    /// Whether a change may be asked for again when nobody knows whether it was made.
    pub(super) is_repeatable: bool,
    pub(super) is_lengthy: bool,
    pub(super) request: ForwardedRequest,
}

/// What one attempt at a change came to.
enum Attempt {
    Answered(ForwardedResponse),
    Here,
    /// Nothing was changed.
    NotDone(String, Option<ForwardedResponse>),
    /// Nobody knows.
    InDoubt(String, Option<ForwardedResponse>),
}

impl PassOn {
    /// Passes it on. Dropping the future leaves it unknown whether a change was made.
    pub(super) async fn run(self) -> Outcome {
        match self.access {
            Access::Health => self.check().await,
            Access::Reads => self.read().await,
            Access::Changes | Access::Claims | Access::LocalOnly => self.change().await,
        }
    }

    async fn check(&self) -> Outcome {
        match self.group.forward(self.request.clone(), HEALTH_LIMIT).await {
            Ok(answer) => Outcome::Answered(answer),
            Err(ForwardError::NoLeader | ForwardError::IsLeader) => Outcome::Here,
            Err(error) => Outcome::NoAnswer(unreachable(error.to_string())),
        }
    }

    /// What the leader does not answer, this node answers from what it has, and says how old that is.
    async fn read(&self) -> Outcome {
        match self.group.forward(self.request.clone(), READ_LIMIT).await {
            Ok(answer) if kind_of(&answer) != Some(ErrorKind::NotLeader) => {
                Outcome::Answered(answer)
            }
            Ok(_) | Err(_) => Outcome::Here,
        }
    }

    async fn change(&self) -> Outcome {
        let limit = match self.is_repeatable || self.is_lengthy {
            true => CHANGE_LIMIT,
            false => SINGLE_LIMIT,
        };
        let ends = self.clock.monotonic() + limit;
        let mut waits = RETRY_WAITS.into_iter();
        let mut doubt = None;
        loop {
            let left = ends.saturating_sub(self.clock.monotonic());
            let (why, answer) = match self.attempt(left, doubt.is_some()).await {
                Attempt::Answered(answer) => return Outcome::Answered(answer),
                Attempt::Here => return Outcome::Here,
                Attempt::InDoubt(why, answer) => {
                    doubt = Some(why.clone());
                    if !self.is_repeatable {
                        return given_up(why, answer, &doubt);
                    }
                    (why, answer)
                }
                Attempt::NotDone(why, answer) => (why, answer),
            };
            match waits.next() {
                Some(wait) if self.clock.monotonic() + wait < ends => self.clock.sleep(wait).await,
                _ => return given_up(why, answer, &doubt),
            }
        }
    }

    async fn attempt(&self, within: Duration, is_in_doubt: bool) -> Attempt {
        let asked = self.leader();
        let answered = tokio::select! {
            answered = self.group.forward(self.request.clone(), within) => answered,
            why = self.leader_is_gone(asked), if self.is_repeatable || self.is_lengthy => Err(ForwardError::Unknown { reason: why }),
        };
        match answered {
            Ok(answer) => judged(answer, is_in_doubt),
            Err(ForwardError::IsLeader) => Attempt::Here,
            Err(error @ (ForwardError::NoLeader | ForwardError::NotSent { .. })) => {
                Attempt::NotDone(error.to_string(), None)
            }
            Err(ForwardError::Unknown { reason }) => Attempt::InDoubt(reason, None),
        }
    }

    fn leader(&self) -> Option<u64> {
        let (hearing, status) = Hearing::of(self.group.as_ref());
        hearing.leader(&status).map(|leader| leader.id)
    }

    /// Completes when the node that was asked does not lead any more, or nothing is heard of it for long.
    async fn leader_is_gone(&self, asked: Option<u64>) -> String {
        let mut silent_since = None;
        loop {
            self.clock.sleep(WATCH_EVERY).await;
            let now = self.clock.monotonic();
            match self.leader() {
                Some(leader) if Some(leader) != asked => {
                    return "another node leads now".to_owned();
                }
                Some(_) => silent_since = None,
                None if now.saturating_sub(*silent_since.get_or_insert(now)) >= SILENT_FOR => {
                    return "no leader is heard any more".to_owned();
                }
                None => {}
            }
        }
    }
}

/// Whether the leader's answer is the last word. While an earlier attempt is in doubt, one that could not be carried out for
/// now is not.
fn judged(answer: ForwardedResponse, is_in_doubt: bool) -> Attempt {
    let is_overloaded = answer.status == 503;
    match kind_of(&answer) {
        Some(ErrorKind::NotLeader) => {
            Attempt::NotDone("it does not lead any more".to_owned(), Some(answer))
        }
        Some(ErrorKind::UnknownOutcome) => {
            Attempt::InDoubt("it does not know itself".to_owned(), Some(answer))
        }
        Some(ErrorKind::Busy | ErrorKind::Unavailable) if is_in_doubt => {
            Attempt::NotDone("it cannot do it now".to_owned(), Some(answer))
        }
        None if is_overloaded && is_in_doubt => {
            Attempt::NotDone("it has too much to do".to_owned(), Some(answer))
        }
        _ => Attempt::Answered(answer),
    }
}

/// The kind of a refusal that is not the last word, or may not be.
fn kind_of(answer: &ForwardedResponse) -> Option<ErrorKind> {
    let word = message::header_of(answer, ERROR_HEADER)?;
    [
        ErrorKind::NotLeader,
        ErrorKind::UnknownOutcome,
        ErrorKind::Busy,
        ErrorKind::Unavailable,
    ]
    .into_iter()
    .find(|kind| kind.as_str().as_bytes() == word)
}

/// What was in doubt once stays so: a later attempt that was not carried out says nothing of the earlier one.
fn given_up(why: String, answer: Option<ForwardedResponse>, doubt: &Option<String>) -> Outcome {
    let is_of_the_doubt = |answer: &ForwardedResponse| {
        doubt.is_none() || kind_of(answer) == Some(ErrorKind::UnknownOutcome)
    };
    match (answer.filter(is_of_the_doubt), doubt) {
        (Some(answer), _) => Outcome::Answered(answer),
        (None, Some(reason)) => Outcome::NoAnswer(ApiError::Propose(ProposeError::Unknown {
            reason: format!(
                "it was passed on to the leader, and no answer came back ({reason}); look at the present state, or ask again with the same Idempotency-Key"
            ),
        })),
        (None, None) => Outcome::NoAnswer(unreachable(why)),
    }
}

fn unreachable(why: String) -> ApiError {
    ApiError::LeaderUnreachable { reason: why }
}
