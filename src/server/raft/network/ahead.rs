//! Messages to a follower that are sent before the one before them is answered.
//!
//! The library hands over one message after another, and wants their answers in that order. Sent one at a time, each waits for the
//! follower's sync and for both ways. Here a few are under way at once; each is a call like any other, with its own deadline and its own
//! checks at the other end, and says that there is one before it ([`v1::AppendRequest::is_sent_ahead`]). Calls may overtake each other;
//! the receiver lets one that is early wait for the one before it. An older release does not do that, so messages are only sent ahead to
//! members that said so with their last answer.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use openraft::network::RPCOption;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, StreamAppendResult};
use orchestrator_core::ports::BoxFuture;

use super::{Connection, Rpc, network};
use crate::raft::log::size_of;
use crate::raft::types::{LogId, TypeConfig};

/// Most messages that are under way to one follower, and so most that it holds back.
pub const UNDER_WAY_MAX: usize = 4;

/// Bytes under way behind which nothing is sent ahead: each message has two seconds from when it is sent, and one behind them may have a
/// megabyte more. On a line of a megabyte a second that takes 1.3 s.
const BYTES_UNDER_WAY_MAX: usize = 256 * 1024;

/// Messages on their way to one follower, and their answers in the order of the messages. It ends behind the first answer that is no
/// full success: what was sent behind that message is given up then, and the library sends it again where it has to.
pub(super) struct Ahead<'a, S> {
    connection: &'a Connection,
    option: RPCOption,
    /// `None` when nothing more is to be sent.
    messages: Option<S>,
    under_way: VecDeque<Sent<'a>>,
    /// Says only what is committed, and waits: the next message says that as well.
    held_back: Option<AppendEntriesRequest<TypeConfig>>,
}

struct Sent<'a> {
    previous: Option<LogId>,
    last: Option<LogId>,
    is_ahead: bool,
    bytes: usize,
    answer: Answered<'a>,
}

enum Answered<'a> {
    NotYet(BoxFuture<'a, Rpc<AppendEntriesResponse<TypeConfig>>>),
    With(Rpc<AppendEntriesResponse<TypeConfig>>),
}

impl<'a, S> Ahead<'a, S>
where
    S: Stream<Item = AppendEntriesRequest<TypeConfig>> + Send + Unpin,
{
    pub fn new(connection: &'a Connection, messages: S, option: RPCOption) -> Self {
        Self {
            connection,
            option,
            messages: Some(messages),
            under_way: VecDeque::with_capacity(UNDER_WAY_MAX),
            held_back: None,
        }
    }

    fn is_first_answered(&self) -> bool {
        let first = self.under_way.front();
        first.is_some_and(|sent| matches!(sent.answer, Answered::With(_)))
    }

    fn has_room(&self) -> bool {
        let most = match self.connection.takes_ahead() {
            true => UNDER_WAY_MAX,
            false => 1,
        };
        let bytes: usize = self.under_way.iter().map(|sent| sent.bytes).sum();
        self.under_way.len() < most && bytes < BYTES_UNDER_WAY_MAX
    }

    /// Sends what is there to be sent, as far as there is room.
    fn send(&mut self, context: &mut Context<'_>) {
        while self.has_room()
            && let Some(messages) = &mut self.messages
        {
            match Pin::new(messages).poll_next(context) {
                Poll::Ready(Some(message)) => {
                    self.held_back = None;
                    match message.entries.is_empty() && !self.under_way.is_empty() {
                        true => self.held_back = Some(message),
                        false => self.begin(message, context),
                    }
                }
                Poll::Ready(None) => self.messages = None,
                Poll::Pending => break,
            }
        }
        if self.under_way.is_empty()
            && let Some(message) = self.held_back.take()
        {
            self.begin(message, context);
        }
    }

    fn begin(&mut self, message: AppendEntriesRequest<TypeConfig>, context: &mut Context<'_>) {
        let (connection, option) = (self.connection, self.option.clone());
        let is_ahead = !self.under_way.is_empty();
        let previous = message.prev_log_id;
        let last = message.entries.last().map(|entry| entry.log_id);
        let bytes = message.entries.iter().map(size_of).sum();
        let answer = async move { connection.append(message, option, is_ahead).await };
        let mut sent = Sent {
            previous,
            last: last.or(previous),
            is_ahead,
            bytes,
            answer: Answered::NotYet(Box::pin(answer)),
        };
        sent.look(context);
        self.under_way.push_back(sent);
    }
}

impl Sent<'_> {
    /// Lets it go on.
    fn look(&mut self, context: &mut Context<'_>) {
        if let Answered::NotYet(answer) = &mut self.answer
            && let Poll::Ready(answer) = answer.as_mut().poll(context)
        {
            self.answer = Answered::With(answer);
        }
    }

    /// The answer as the library wants it, and whether messages behind this one count.
    fn result(self) -> Option<(Rpc<StreamAppendResult<TypeConfig>>, bool)> {
        let Answered::With(answer) = self.answer else {
            return None;
        };
        let answer = match answer {
            // The one before it may have come later, or never. Without that it is no difference between two logs.
            Ok(AppendEntriesResponse::Conflict) if self.is_ahead => {
                Err(network("a message came before the one before it"))
            }
            answer => answer,
        };
        let is_whole = match &answer {
            Ok(AppendEntriesResponse::Success) => true,
            Ok(AppendEntriesResponse::PartialSuccess(accepted)) => *accepted == self.last,
            Ok(_) | Err(_) => false,
        };
        let result = answer.map(|answer| answer.into_stream_result(self.previous, self.last));
        Some((result, is_whole))
    }
}

impl<S> Stream for Ahead<'_, S>
where
    S: Stream<Item = AppendEntriesRequest<TypeConfig>> + Send + Unpin,
{
    type Item = Rpc<StreamAppendResult<TypeConfig>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        for sent in &mut this.under_way {
            sent.look(context);
        }
        if !this.is_first_answered() {
            this.send(context);
        }
        if !this.is_first_answered() {
            return match this.under_way.is_empty() && this.messages.is_none() {
                true => Poll::Ready(None),
                false => Poll::Pending,
            };
        }
        let Some((result, is_whole)) = this.under_way.pop_front().and_then(Sent::result) else {
            return Poll::Pending;
        };
        if !is_whole {
            this.messages = None;
            this.held_back = None;
            this.under_way.clear();
        }
        Poll::Ready(Some(result))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use openraft::raft::StreamAppendError;
    use tokio::sync::{mpsc, oneshot};
    use tokio_stream::StreamExt as _;
    use tokio_stream::wrappers::UnboundedReceiverStream;

    use super::super::Shared;
    use super::super::transport::{Answer, Call, CallError, Callee, Transport};
    use super::*;
    use crate::effects::fakes::FakeClock;
    use crate::raft::types::{Entry, Payload, PayloadKind, log_id};
    use crate::raft::v1::append_response::Outcome;
    use crate::raft::{convert, v1};

    /// A follower that answers when and what the test says.
    #[derive(Default)]
    struct Follower(Mutex<Vec<(v1::AppendRequest, Option<oneshot::Sender<Outcome>>)>>);

    impl Transport for Follower {
        fn call(&self, _: Callee, call: Call) -> BoxFuture<'static, Result<Answer, CallError>> {
            let Call::Append(message) = call else {
                panic!("{call:?}")
            };
            let (sender, outcome) = oneshot::channel();
            self.0.lock().unwrap().push((message, Some(sender)));
            Box::pin(async move {
                let lost = |_| CallError::Unknown("lost".to_owned());
                let mut answer = v1::AppendResponse {
                    lets_early_wait: true,
                    ..v1::AppendResponse::default()
                };
                answer.set_outcome(outcome.await.map_err(lost)?);
                Ok(Answer::Append(answer))
            })
        }
    }

    impl Follower {
        /// Of each message that came: entries, and whether it was sent ahead.
        fn got(&self) -> Vec<(usize, bool)> {
            let got = self.0.lock().unwrap();
            got.iter()
                .map(|(message, _)| (message.entries.len(), message.is_sent_ahead))
                .collect()
        }

        fn answer(&self, number: usize, outcome: Outcome) {
            let sender = self.0.lock().unwrap()[number].1.take();
            sender.unwrap().send(outcome).unwrap();
        }
    }

    struct Way {
        follower: Arc<Follower>,
        connection: Connection,
    }

    type Messages = UnboundedReceiverStream<AppendEntriesRequest<TypeConfig>>;

    impl Way {
        fn new() -> Self {
            let follower = Arc::new(Follower::default());
            let connection = Connection {
                shared: Arc::new(Shared {
                    transport: follower.clone(),
                    clock: FakeClock::new(),
                    group: Default::default(),
                    me: 1,
                    acks: Arc::default(),
                }),
                to: Callee {
                    id: 2,
                    name: "b".to_owned(),
                    address: "b:1".to_owned(),
                },
                takes_ahead: AtomicBool::new(true),
            };
            Self {
                follower,
                connection,
            }
        }

        /// Messages behind entry 1, each with so many entries.
        fn send(&self, lengths: &[u64]) -> Ahead<'_, Messages> {
            self.send_with(lengths, |log_id| Entry {
                log_id,
                payload: openraft::EntryPayload::Blank,
            })
        }

        fn send_with(
            &self,
            lengths: &[u64],
            entry: impl Fn(LogId) -> Entry,
        ) -> Ahead<'_, Messages> {
            let (sender, messages) = mpsc::unbounded_channel();
            let mut last = 1;
            for length in lengths {
                let entry = |index| entry(log_id(1, 1, index));
                let message = AppendEntriesRequest {
                    vote: convert::vote_from(v1::Vote {
                        term: 1,
                        node: 1,
                        is_committed: true,
                    }),
                    prev_log_id: Some(log_id(1, 1, last)),
                    leader_commit: None,
                    entries: (last + 1..=last + length).map(entry).collect(),
                };
                last += length;
                sender.send(message).unwrap();
            }
            let option = RPCOption::new(Duration::from_secs(1));
            Ahead::new(
                &self.connection,
                UnboundedReceiverStream::new(messages),
                option,
            )
        }
    }

    /// What is there without waiting.
    async fn look(
        answers: &mut Ahead<'_, Messages>,
    ) -> Option<Option<Rpc<StreamAppendResult<TypeConfig>>>> {
        tokio::time::timeout(Duration::ZERO, answers.next())
            .await
            .ok()
    }

    async fn is_accepted(answers: &mut Ahead<'_, Messages>, last: u64) -> bool {
        let Some(Some(Ok(Ok(accepted)))) = look(answers).await else {
            return false;
        };
        accepted == Some(log_id(1, 1, last))
    }

    #[tokio::test]
    async fn messages_go_one_by_one_until_the_other_lets_early_ones_wait() {
        let way = Way::new();
        way.connection.takes_ahead.store(false, Ordering::Relaxed);
        let mut answers = way.send(&[1, 1, 1]);
        assert!(look(&mut answers).await.is_none());
        assert_eq!(way.follower.got(), [(1, false)]);
        way.follower.answer(0, Outcome::Accepted);
        assert!(is_accepted(&mut answers, 2).await);
        assert!(look(&mut answers).await.is_none());
        assert_eq!(way.follower.got(), [(1, false), (1, false), (1, true)]);
    }

    #[tokio::test]
    async fn a_few_are_under_way_and_their_answers_come_in_order() {
        let way = Way::new();
        let mut answers = way.send(&[2; 9]);
        assert!(look(&mut answers).await.is_none());
        assert_eq!(way.follower.got().len(), UNDER_WAY_MAX);
        way.follower.answer(1, Outcome::Accepted);
        assert!(look(&mut answers).await.is_none());
        assert_eq!(way.follower.got().len(), UNDER_WAY_MAX);
        way.follower.answer(0, Outcome::Accepted);
        assert!(is_accepted(&mut answers, 3).await);
        assert!(is_accepted(&mut answers, 5).await);
        assert!(look(&mut answers).await.is_none());
        assert_eq!(way.follower.got().len(), UNDER_WAY_MAX + 2);
    }

    #[tokio::test]
    async fn nothing_is_sent_behind_so_many_bytes_that_a_slow_line_is_busy_with_them() {
        let way = Way::new();
        let mut answers = way.send_with(&[1; 4], |log_id| Entry {
            log_id,
            payload: openraft::EntryPayload::Normal(Payload {
                kind: PayloadKind::Command,
                format: 1,
                bytes: vec![0; BYTES_UNDER_WAY_MAX / 2].into(),
            }),
        });
        assert!(look(&mut answers).await.is_none());
        assert_eq!(way.follower.got(), [(1, false), (1, true)]);
        way.follower.answer(0, Outcome::Accepted);
        assert!(is_accepted(&mut answers, 2).await);
        assert!(look(&mut answers).await.is_none());
        assert_eq!(way.follower.got().len(), 3);
    }

    #[tokio::test]
    async fn what_is_behind_a_failure_counts_for_nothing() {
        let way = Way::new();
        let mut answers = way.send(&[1; 3]);
        assert!(look(&mut answers).await.is_none());
        drop(way.follower.0.lock().unwrap()[0].1.take());
        way.follower.answer(1, Outcome::Accepted);
        assert!(matches!(look(&mut answers).await, Some(Some(Err(_)))));
        assert!(matches!(look(&mut answers).await, Some(None)));
        assert_eq!(way.follower.got().len(), 3);
    }

    #[tokio::test]
    async fn a_conflict_counts_only_where_nothing_is_under_way_before_it() {
        let way = Way::new();
        let mut answers = way.send(&[1; 2]);
        assert!(look(&mut answers).await.is_none());
        way.follower.answer(0, Outcome::Accepted);
        way.follower.answer(1, Outcome::Conflict);
        assert!(is_accepted(&mut answers, 2).await);
        assert!(matches!(look(&mut answers).await, Some(Some(Err(_)))));
        let mut answers = way.send(&[1]);
        assert!(look(&mut answers).await.is_none());
        way.follower.answer(2, Outcome::Conflict);
        let conflict = look(&mut answers).await;
        assert!(
            matches!(conflict, Some(Some(Ok(Err(StreamAppendError::Conflict(at))))) if at == log_id(1, 1, 1)),
            "{conflict:?}"
        );
    }

    #[tokio::test]
    async fn a_message_without_entries_waits_for_the_next_one_or_the_last_answer() {
        let way = Way::new();
        let mut answers = way.send(&[1, 0, 0, 1, 0]);
        assert!(look(&mut answers).await.is_none());
        assert_eq!(way.follower.got(), [(1, false), (1, true)]);
        way.follower.answer(0, Outcome::Accepted);
        way.follower.answer(1, Outcome::Accepted);
        assert!(is_accepted(&mut answers, 2).await);
        assert!(is_accepted(&mut answers, 3).await);
        assert!(look(&mut answers).await.is_none());
        assert_eq!(way.follower.got()[2..], [(0, false)]);
        way.follower.answer(2, Outcome::Accepted);
        assert!(is_accepted(&mut answers, 3).await);
        assert!(matches!(look(&mut answers).await, Some(None)));
    }
}
