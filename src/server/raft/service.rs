//! Answers other nodes.

use std::sync::Arc;
use std::time::Duration;

use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderRequest, VoteRequest,
};
use orchestrator_core::ports::{BoxFuture, ForwardedRequest};
use prost::bytes::Bytes;

use super::convert;
use super::core::{Core, Engine};
use super::network::transport::{Answer, Call, CallHandler};
use super::state_machine::meta_from;
use super::types::{LogId, TypeConfig, decode_entry, is_newer};
use super::v1;

/// How long a message that came early waits for the one before it: a few round trips of a slow line.
const EARLY_WAITS: Duration = Duration::from_millis(500);

/// Answers other nodes for this one.
pub(super) struct Service(pub Arc<Core>);

impl CallHandler for Service {
    fn handle(&self, call: Call) -> BoxFuture<'_, Result<Answer, String>> {
        let core = &self.0;
        Box::pin(async move {
            Ok(match call {
                Call::Hello(message) => Answer::Hello(Box::new(core.hello(message))),
                Call::Append(message) => Answer::Append(core.append(message).await?),
                Call::Vote(message) => Answer::Vote(core.vote(message, false).await?),
                Call::PreVote(message) => Answer::PreVote(core.vote(message, true).await?),
                Call::Transfer(message) => Answer::Transfer(core.transfer(message).await?),
                Call::Snapshot(head, bytes) => {
                    Answer::Snapshot(core.install_snapshot(head, bytes).await?)
                }
                Call::Join(message) => Answer::Join(core.admit(message).await?),
                Call::Beat(message) => Answer::Beat(core.beat_primary(message).await?),
                Call::Forward(head, body) => {
                    Answer::Forward(core.answer_forwarded(head, body).await?)
                }
            })
        })
    }
}

impl Core {
    /// Whether a call is for this node and its group.
    pub(super) fn check(
        &self,
        destination: Option<&v1::Destination>,
    ) -> Result<Arc<Engine>, String> {
        let destination = destination.ok_or("the message says not whom it is for")?;
        let engine = self.engine().filter(|_| self.failed.borrow().is_none());
        let engine = engine.ok_or("this node is no member of a group yet, or stops")?;
        if destination.to != self.me() {
            return Err(format!(
                "this is not the node that is meant: its data directory has id {}, and the message is for {}",
                self.me(),
                destination.to
            ));
        }
        if let Some(ours) = self.identity.group().get()
            && !destination.group.is_empty()
            && destination.group.as_ref() != ours.as_bytes()
        {
            return Err(format!("this node is a member of another group, {ours}"));
        }
        self.acks.heard(destination.from, self.now());
        Ok(engine)
    }

    fn hello(&self, message: v1::HelloRequest) -> v1::HelloResponse {
        // Only who is on the list or in the group is remembered.
        if let Some(report) = message.report
            && self.others().iter().any(|other| other.name == report.name)
        {
            self.note_report(report, None);
        }
        v1::HelloResponse {
            report: Some(self.report()),
        }
    }

    async fn append(&self, message: v1::AppendRequest) -> Result<v1::AppendResponse, String> {
        use v1::append_response::Outcome;
        let mut engine = self.check(message.destination.as_ref())?;
        let previous = convert::position_from_option(message.previous).map_err(said)?;
        if message.is_sent_ahead
            && let Some(previous) = previous
            && self.wait_for_earlier(previous).await
        {
            // Much may have happened meanwhile.
            engine = self.check(message.destination.as_ref())?;
        }
        let group = self.identity.group().get();
        let entries = message
            .entries
            .iter()
            .map(|bytes| decode_entry(group, bytes).map_err(|error| self.refuse_entry(&error)));
        let request = AppendEntriesRequest::<TypeConfig> {
            vote: convert::needed_vote(message.vote).map_err(said)?,
            prev_log_id: previous,
            leader_commit: convert::position_from_option(message.committed).map_err(said)?,
            entries: entries.collect::<Result<_, _>>()?,
        };
        let silence = self.timing.load().election_min;
        let mut answer = v1::AppendResponse {
            outcome: 0,
            accepted: None,
            higher: None,
            election_milliseconds: u64::try_from(silence.as_millis()).unwrap_or(u64::MAX),
            lets_early_wait: true,
        };
        let outcome = match engine.append_entries(request).await.map_err(said)? {
            AppendEntriesResponse::Success => Outcome::Accepted,
            AppendEntriesResponse::PartialSuccess(accepted) => {
                answer.accepted = accepted.map(convert::position);
                Outcome::Partly
            }
            AppendEntriesResponse::Conflict => Outcome::Conflict,
            AppendEntriesResponse::HigherVote(vote) => {
                answer.higher = Some(convert::vote(&vote));
                Outcome::HigherVote
            }
        };
        answer.set_outcome(outcome);
        Ok(answer)
    }

    /// Waits until the log has come to this place, for a message that came before the one with the entry there. When that does not
    /// come, the message is judged as it is, which shows that something is missing. Returns whether there was something to wait for.
    async fn wait_for_earlier(&self, previous: LogId) -> bool {
        if self.log.reaches(previous) {
            return false;
        }
        let Ok(_place) = self.early.try_acquire() else {
            return false;
        };
        tokio::select! {
            () = self.log.until_it_reaches(previous) => {}
            () = self.sleep(EARLY_WAITS) => {}
        }
        true
    }

    /// What cannot be kept cannot be acknowledged, nor can what follows it: a node that is too old for the log of its group ends
    /// with that sentence instead of lagging behind for good.
    fn refuse_entry(&self, error: &std::io::Error) -> String {
        let reason = error.to_string();
        if is_newer(error) {
            self.fail(format!(
                "what the leader sends cannot be kept here: {reason}"
            ));
        }
        reason
    }

    async fn vote(
        &self,
        message: v1::VoteRequest,
        is_pre: bool,
    ) -> Result<v1::VoteResponse, String> {
        let engine = self.check(message.destination.as_ref())?;
        // An answer would count as a vote for whatever it names; a refusal counts for nothing.
        if let Some(why) = self.vote_refusal() {
            return Err(format!("{} gives no vote now: {why}", self.config.name));
        }
        let request = VoteRequest::<TypeConfig> {
            vote: convert::needed_vote(message.vote).map_err(said)?,
            last_log_id: convert::position_from_option(message.last).map_err(said)?,
            leadership_transfer: message.is_transfer,
        };
        let answer = match is_pre {
            true => engine.pre_vote(request).await,
            false => engine.vote(request).await,
        };
        let answer = answer.map_err(said)?;
        Ok(v1::VoteResponse {
            vote: Some(convert::vote(&answer.vote)),
            is_granted: answer.vote_granted,
            last: answer.last_log_id.map(convert::position),
        })
    }

    async fn transfer(&self, message: v1::TransferRequest) -> Result<v1::TransferResponse, String> {
        let engine = self.check(message.destination.as_ref())?;
        // Sent to all members; whoever is not to lead learns of the transfer all the same.
        if message.successor == self.me()
            && let Some(refusal) = self.election_objection()
        {
            return Ok(v1::TransferResponse { refusal });
        }
        let request = TransferLeaderRequest::<TypeConfig>::new(
            convert::needed_vote(message.from_leader).map_err(said)?,
            message.successor,
            convert::position_from_option(message.last).map_err(said)?,
        );
        let refusal = match engine.handle_transfer_leader(request).await.map_err(said)? {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        };
        Ok(v1::TransferResponse { refusal })
    }

    async fn install_snapshot(
        &self,
        head: v1::SnapshotHead,
        bytes: Bytes,
    ) -> Result<v1::SnapshotResponse, String> {
        let engine = self.check(head.destination.as_ref())?;
        let vote = convert::needed_vote(head.vote).map_err(said)?;
        let snapshot = openraft::Snapshot {
            meta: meta_from(&head).map_err(|error| self.refuse_entry(&error))?,
            snapshot: bytes,
        };
        let answer = engine.install_full_snapshot(vote, snapshot).await;
        Ok(v1::SnapshotResponse {
            vote: Some(convert::vote(&answer.map_err(said)?.vote)),
        })
    }

    /// Answers what a follower passed on; `None` when this node does not lead.
    async fn answer_forwarded(
        &self,
        head: v1::ForwardHead,
        body: Bytes,
    ) -> Result<Option<(v1::ForwardAnswerHead, Bytes)>, String> {
        self.check(head.destination.as_ref())?;
        if self.fence.borrow().is_none() {
            return Ok(None);
        }
        let handler = self.forward.get().ok_or("this node does not serve yet")?;
        let headers = head.headers.into_iter();
        let request = ForwardedRequest {
            method: head.method,
            target: head.target,
            headers: headers.map(|h| (h.name, h.value.to_vec())).collect(),
            body: body.to_vec(),
            caller: head.caller.to_vec(),
        };
        let answer = handler.handle(request).await;
        let headers = answer.headers.into_iter();
        let head = v1::ForwardAnswerHead {
            status: u32::from(answer.status),
            headers: headers
                .map(|(name, value)| v1::Header {
                    name,
                    value: value.into(),
                })
                .collect(),
            body_length: answer.body.len() as u64,
        };
        Ok(Some((head, Bytes::from(answer.body))))
    }
}

pub(super) fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Time for the group to take a change of its members in.
pub(super) const MEMBERSHIP_WITHIN: Duration = Duration::from_secs(5);
