//! Whether other members hear a primary that this node does not: asked as leader, answered as anybody.

use std::time::Duration;

use orchestrator_core::domain::{HostName, InstanceKey};
use orchestrator_core::ports::{Answered, BoxFuture, OtherNodes, Successor};
use tokio::sync::oneshot;

use super::core::Core;
use super::handle::RaftGroup;
use super::network::group_bytes;
use super::network::transport::{Answer, Call, Callee, call_within};
use super::v1;

/// How long an answer is waited for at least: a failover of half a second waits for nobody longer.
const ANSWER_WITHIN_MIN: Duration = Duration::from_millis(150);

/// Beside the round trip to the slowest member: for a beat of its own, nearer to the primary than we are.
const BEAT_TAKES: Duration = Duration::from_millis(50);

/// A member that was not heard for this long is not waited for: several heartbeats of any network.
const HEARD_WITHIN: Duration = Duration::from_secs(2);

impl Core {
    /// The other members that were heard a short while ago, where this node leads.
    fn to_ask(&self) -> Vec<Callee> {
        if self.fence.borrow().is_none() {
            return Vec::new();
        }
        let now = self.now();
        let is_heard = |id| {
            let heard = self.acks.heard_at(id);
            heard.is_some_and(|at| now.saturating_sub(at) < HEARD_WITHIN)
        };
        let members = self.machine.members();
        let others = members.nodes().filter(|(id, _)| **id != self.me());
        others
            .filter(|(id, _)| is_heard(**id))
            .map(|(id, member)| Callee {
                id: *id,
                name: member.name.clone(),
                address: member.address.clone(),
            })
            .collect()
    }

    fn answers_come_within(&self) -> Duration {
        ANSWER_WITHIN_MIN.max(self.reports.slowest_round_trip() + BEAT_TAKES)
    }

    /// Sends a beat because the leader asks for it.
    pub(super) async fn beat_primary(
        &self,
        message: v1::BeatRequest,
    ) -> Result<v1::BeatResponse, String> {
        use v1::beat_response::Outcome;
        self.check(message.destination.as_ref())?;
        let port = u16::try_from(message.port).map_err(|_| "there is no such port")?;
        let host = HostName::parse(&message.host).map_err(|error| error.to_string())?;
        let key = InstanceKey::new(host, port).map_err(|error| error.to_string())?;
        let beats = self.beats.get().ok_or("this node does not serve yet")?;
        let (outcome, reason) = match beats.beat(&key).await {
            Ok(Answered::Yes) => (Outcome::Answered, String::new()),
            Ok(Answered::No) => (Outcome::NotAnswered, String::new()),
            Err(why) => (Outcome::NotSent, why),
        };
        let outcome = outcome.into();
        Ok(v1::BeatResponse { outcome, reason })
    }
}

impl OtherNodes for RaftGroup {
    fn to_ask(&self) -> Vec<String> {
        let members = self.core.to_ask();
        members.into_iter().map(|member| member.name).collect()
    }

    fn answer_within(&self) -> Duration {
        self.core.answers_come_within()
    }

    fn ask(
        &self,
        node: &str,
        primary: &InstanceKey,
        within: Duration,
    ) -> BoxFuture<'static, Option<Answered>> {
        let core = self.core.clone();
        let callee = core.to_ask().into_iter().find(|one| one.name == node);
        let (host, port) = (primary.host().to_string(), u32::from(primary.port()));
        Box::pin(async move {
            let callee = callee?;
            let message = v1::BeatRequest {
                destination: Some(v1::Destination {
                    group: group_bytes(core.identity.group()),
                    to: callee.id,
                    from: core.me(),
                }),
                host,
                port,
            };
            let (transport, clock) = (core.deps.transport.as_ref(), core.deps.clock.as_ref());
            let call = Call::Beat(message);
            match call_within(transport, clock, callee, call, within).await {
                Ok(Answer::Beat(answer)) => match answer.outcome() {
                    v1::beat_response::Outcome::Answered => Some(Answered::Yes),
                    v1::beat_response::Outcome::NotAnswered => Some(Answered::No),
                    v1::beat_response::Outcome::NotSent
                    | v1::beat_response::Outcome::Unspecified => {
                        tracing::debug!(reason = answer.reason, "another node sent no beat");
                        None
                    }
                },
                Ok(_) => None,
                Err(why) => {
                    tracing::debug!(%why, "another node did not say whether it hears a primary");
                    None
                }
            }
        })
    }

    fn let_lead(&self, node: &str) -> BoxFuture<'static, Result<(), String>> {
        let (core, to) = (self.core.clone(), Successor::Member(node.to_owned()));
        let (tell, told) = oneshot::channel();
        // By a task of its own: who asks for it is ended with the leadership.
        self.core.tasks.spawn(async move {
            // Nobody may listen any more.
            drop(tell.send(core.hand_over(to).await));
        });
        Box::pin(async move {
            match told.await {
                Ok(outcome) => outcome.map_err(|why| why.to_string()),
                Err(_) => Err("this node is stopping".to_owned()),
            }
        })
    }
}
