//! The group as the rest of the service sees it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use openraft::ReadPolicy;
use openraft::errors::{ClientWriteError, RaftError};
use orchestrator_core::decided::{Command, Decided, Proposal};
use orchestrator_core::domain::Fence;
use orchestrator_core::ports::{
    BeatsOnRequest, BoxFuture, Committed, DecisionReader, ForwardError, ForwardHandler,
    ForwardedRequest, ForwardedResponse, Group, GroupError, GroupStatus, Leadership, NodesChange,
    NotLeading, ProposeError, Proposer, Successor,
};
use prost::bytes::Bytes;
use tokio::sync::watch;

use super::beginning;
use super::brought::store_beside;
use super::config::{GroupConfig, GroupDeps, normalise};
use super::core::{Core, Engine, Metrics};
use super::disk::LogDisk;
use super::identity::Identity;
use super::log::LogStore;
use super::network::group_bytes;
use super::network::transport::{Answer, Call, CallError, CallHandler, Callee, call_within};
use super::service::Service;
use super::state_machine::{Machine, OpenError};
use super::timing::Timing;
use super::types::{NodeId, Outcome, Payload, PayloadKind, index_of};
use super::v1;
use crate::store::GroupLog;

/// Time for a majority to take a proposal in. A group that lost its majority answers "unknown" then: the entry may still
/// be committed when it is back.
const PROPOSE_WITHIN: Duration = Duration::from_secs(10);

/// Time for a round that confirms leadership.
const CONFIRM_WITHIN: Duration = Duration::from_secs(2);

/// Time between two looks at what others say.
const LOOKED_AT_EVERY: Duration = Duration::from_millis(50);

/// Time for a snapshot to be written.
const SNAPSHOT_WITHIN: Duration = Duration::from_secs(60);

/// Time for the last hand-over of a node that is told to stop.
const LAST_HAND_OVER: Duration = Duration::from_secs(2);

/// Time for the store to take what was applied last, when a node is told to stop.
const LAST_STORED: Duration = Duration::from_secs(2);

/// A member counts as well when it was heard this lately.
pub(super) const WELL_WITHIN: Duration = Duration::from_secs(5);

/// Whether a member, by name and address, is the one that is meant.
type Fits = Box<dyn Fn(&str, &str) -> bool>;

/// This node as a member of its group. Clones share it.
#[derive(Clone)]
pub struct RaftGroup {
    pub(super) core: Arc<Core>,
}

impl RaftGroup {
    /// Opens the log in `RaftDataDir`, and checks that it and the store belong together. Blocks; nothing runs yet.
    ///
    /// # Errors
    /// [`OpenError`], one sentence for the operator.
    pub fn open(config: GroupConfig, deps: GroupDeps) -> Result<Self, OpenError> {
        let disk = GroupLog::open(&config.directory, deps.clock.now())?;
        Self::open_on(config, deps, Arc::new(disk))
    }

    /// [`RaftGroup::open`] with the log on another disk; snapshots are files in `RaftDataDir` all the same.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_on(
        config: GroupConfig,
        deps: GroupDeps,
        disk: Arc<dyn LogDisk>,
    ) -> Result<Self, OpenError> {
        beginning::finish(disk.as_ref(), &config.directory)?;
        let identity = Identity::open(Arc::clone(&disk))?;
        let log = LogStore::open(disk, identity.group().clone(), Arc::clone(&deps.clock))?;
        let brought = store_beside(&identity, deps.store.as_ref())?;
        let machine = Machine::open(
            identity.clone(),
            &log,
            config.formats,
            Arc::clone(&deps.store),
            &config.directory,
            Arc::clone(&deps.known),
            Arc::clone(&deps.clock),
        )?;
        identity.set_store(deps.store.identity()?.store)?;
        let before = identity.election()?;
        let measured = before.unwrap_or_default() / 9;
        let timing = Timing::of(measured, Duration::ZERO, config.heartbeat, config.election);
        let core = Core::new(config, deps, identity, log, machine, timing, brought);
        if let Some(before) = before {
            core.set_votes_from(core.now() + before.max(timing.election_min));
        }
        Ok(Self {
            core: Arc::new(core),
        })
    }

    /// What answers other nodes; to be served before [`RaftGroup::start`].
    pub fn call_handler(&self) -> Arc<dyn CallHandler> {
        Arc::new(Service(Arc::clone(&self.core)))
    }

    /// Starts to live: becomes a member, exchanges reports, does a leader's duties.
    pub fn start(&self) {
        let core = Arc::clone(&self.core);
        self.core.tasks.spawn(core.live());
    }

    /// `RaftNodes` as it was read anew, as written. The group follows when a majority of its voters has the same new list.
    pub fn set_nodes(&self, nodes: &[String]) {
        let port = self.core.config.default_port;
        let mut nodes: Vec<String> = nodes.iter().map(|node| normalise(node, port)).collect();
        nodes.sort();
        nodes.dedup();
        if **self.core.nodes.load() != nodes {
            tracing::info!(nodes = nodes.join(", "), "RaftNodes has changed");
            self.core.nodes.store(Arc::new(nodes));
        }
    }

    /// Who answers requests that followers pass on; once.
    pub fn set_forward_handler(&self, handler: Arc<dyn ForwardHandler>) {
        if self.core.forward.set(handler).is_err() {
            tracing::error!("a second handler of forwarded requests was not taken");
        }
    }

    /// Who sends beats that other nodes ask for; once.
    pub fn set_beats(&self, beats: Arc<dyn BeatsOnRequest>) {
        if self.core.beats.set(beats).is_err() {
            tracing::error!("a second sender of beats was not taken");
        }
    }

    /// Completes when this process has to end, with the reason.
    pub async fn failed(&self) -> String {
        let mut failed = self.core.failed.subscribe();
        match failed.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            // Nobody can fail any more.
            Err(_) => std::future::pending().await,
        }
    }

    /// The last index that the store has, as it grows: a moment behind what is applied.
    pub fn stored(&self) -> watch::Receiver<u64> {
        self.core.machine.stored()
    }

    /// Hands leadership over when this node leads; nobody hands it back. Bounded.
    pub async fn retire(&self) {
        self.core.set_stopping();
        if self.core.fence.borrow().is_none() {
            return;
        }
        let hand_over = self.core.hand_over(Successor::Anyone);
        match tokio::time::timeout(LAST_HAND_OVER, hand_over).await {
            Ok(Ok(())) => tracing::info!("handed leadership over"),
            Ok(Err(error)) => tracing::warn!(%error, "leadership could not be handed over"),
            Err(_) => tracing::warn!("leadership was not taken over in time"),
        }
    }

    /// Ends the core and every task; what was acknowledged is on disk. What the store has not yet is in the log, so a store
    /// that fails is not waited for.
    pub async fn stop(&self) {
        self.core.stop.cancel();
        self.core.log.disk().stop_trying();
        self.core.stop_engine().await;
        self.core.tasks.close();
        self.core.tasks.wait().await;
        tokio::select! {
            stored = self.core.machine.wait_until_stored() => if let Err(error) = stored {
                tracing::warn!(%error, "what was decided last is in the log only; the next start stores it");
            },
            () = self.core.sleep(LAST_STORED) => {
                tracing::warn!("what was decided last is in the log only: the store does not take it; the next start stores it");
            }
        }
    }

    /// Whether this node would ask to be elected if nobody led: its disk and its store are well, and were for ten seconds.
    pub fn may_be_elected(&self) -> bool {
        self.core.election_objection().is_none()
    }

    /// Whether the group's voters are being changed, as far as this node knows: until that is done, a majority of two sets of them
    /// is needed, so the group may not bear the loss of a node that it bears before and after.
    pub fn is_changing_voters(&self) -> bool {
        self.core.is_changing_voters()
    }

    /// Ids of the voters: one set, or two while they are being changed. Empty before this node is a member.
    pub fn voter_sets(&self) -> Vec<BTreeSet<NodeId>> {
        let metrics = self.core.metrics();
        metrics.map_or_else(Vec::new, |metrics| Core::voters(&metrics).clone())
    }

    /// Its inside, for tests of this module.
    #[cfg(test)]
    pub(super) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Digests of decided state at some indices, latest last.
    pub fn digests(&self) -> Vec<(u64, [u8; 32])> {
        self.core.machine.digests().all()
    }
}

impl DecisionReader for RaftGroup {
    fn decided(&self) -> Arc<Decided> {
        self.core.machine.decided()
    }
}

impl Proposer for RaftGroup {
    fn propose(&self, proposal: Proposal) -> BoxFuture<'_, Result<Committed, ProposeError>> {
        Box::pin(self.core.propose(proposal))
    }

    fn earlier(&self, request: u128) -> Option<Committed> {
        let state = self.core.machine.decided();
        let answer = state.answer_to(request, state.decided_at)?;
        Some(Committed {
            index: answer.index,
            reply: answer.reply.clone(),
        })
    }
}

impl Leadership for RaftGroup {
    fn fence(&self) -> Option<Fence> {
        *self.core.fence.borrow()
    }

    fn confirm(&self, fence: Fence) -> BoxFuture<'_, Result<(), NotLeading>> {
        Box::pin(self.core.confirm(fence))
    }

    fn changed(&self, seen: Option<Fence>) -> BoxFuture<'_, ()> {
        let mut fence = self.core.fence.subscribe();
        Box::pin(async move {
            if fence.wait_for(|now| *now != seen).await.is_err() {
                // Nothing changes any more.
                std::future::pending::<()>().await;
            }
        })
    }
}

impl Group for RaftGroup {
    fn status(&self) -> Arc<GroupStatus> {
        Arc::new(self.core.status())
    }

    fn is_serving_leader(&self) -> bool {
        self.core.is_serving_leader()
    }

    fn ails(&self) -> Option<String> {
        self.core.ails()
    }

    fn hand_over(&self, to: Successor) -> BoxFuture<'_, Result<(), GroupError>> {
        Box::pin(self.core.hand_over(to))
    }

    fn change_nodes(&self, change: &NodesChange) -> Result<(String, Command), GroupError> {
        self.core.change_nodes(change)
    }

    fn take_snapshot(&self) -> BoxFuture<'_, Result<(), GroupError>> {
        Box::pin(self.core.take_snapshot())
    }

    fn forward(
        &self,
        request: ForwardedRequest,
        within: Duration,
    ) -> BoxFuture<'_, Result<ForwardedResponse, ForwardError>> {
        Box::pin(self.core.forward(request, within))
    }
}

impl Core {
    pub(super) async fn propose(&self, proposal: Proposal) -> Result<Committed, ProposeError> {
        if self.fence.borrow().is_none() {
            return Err(self.not_leader());
        }
        let engine = self.engine().ok_or_else(|| self.not_leader())?;
        let formats = &self.config.formats;
        if let Some(oldest) = self.oldest.load().as_deref()
            && let Some(reason) = oldest.objection(formats.needed_by(&proposal.command))
        {
            return Err(ProposeError::Store { reason });
        }
        let Ok(_permit) = self.proposals.try_acquire() else {
            return Err(ProposeError::Busy);
        };
        let encoded = formats.encode(&proposal);
        let (format, bytes) = encoded.map_err(|error| ProposeError::Store {
            reason: error.to_string(),
        })?;
        let payload = Payload {
            kind: PayloadKind::Command,
            format: u32::from(format),
            bytes: bytes.into(),
        };
        let written = tokio::select! {
            written = engine.client_write(payload) => written,
            why = self.given_up() => return Err(ProposeError::Unknown {
                reason: format!("this node gave leadership away before it was done: {why}"),
            }),
            () = self.sleep(PROPOSE_WITHIN) => return Err(ProposeError::Unknown {
                reason: format!(
                    "a majority of the group did not take it in within {} s",
                    PROPOSE_WITHIN.as_secs()
                ),
            }),
        };
        match written {
            Ok(written) => match written.data {
                Outcome::Answer { index, reply } => Ok(Committed { index, reply }),
                Outcome::Nothing => Err(ProposeError::Unknown {
                    reason: "it was applied, and gave no answer".to_owned(),
                }),
            },
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_))) => {
                Err(self.not_leader())
            }
            Err(error) => Err(ProposeError::Unknown {
                reason: error.to_string(),
            }),
        }
    }

    fn not_leader(&self) -> ProposeError {
        let status = self.status();
        let leader = status.leader_member().filter(|m| m.id != self.me());
        ProposeError::NotLeader {
            leader: leader.and_then(|leader| leader.http.clone()),
        }
    }

    async fn confirm(&self, fence: Fence) -> Result<(), NotLeading> {
        let lost = |reason: &str| NotLeading {
            reason: reason.to_owned(),
        };
        if *self.fence.borrow() != Some(fence) {
            return Err(lost("leadership is another's, or a later one of this node"));
        }
        if self.is_serving_leader() {
            return Ok(());
        }
        let engine = self.engine().ok_or_else(|| lost("it is no member"))?;
        tokio::select! {
            read = engine.ensure_linearizable(ReadPolicy::ReadIndex) => {
                read.map_err(|error| lost(&error.to_string()))?;
            }
            () = self.sleep(CONFIRM_WITHIN) => return Err(lost("no majority answered in time")),
        }
        self.refresh_fence();
        match *self.fence.borrow() == Some(fence) {
            true => Ok(()),
            false => Err(lost("leadership is another's, or a later one of this node")),
        }
    }

    pub(super) async fn hand_over(&self, to: Successor) -> Result<(), GroupError> {
        let (Some(engine), Some(metrics)) = (self.engine(), self.metrics()) else {
            return Err(GroupError::NotLeader);
        };
        let Some((term, _)) = self.leadership(&metrics) else {
            return Err(GroupError::NotLeader);
        };
        let successor = self.successor(&metrics, &to)?;
        // From here on this node does not claim leadership, so that nobody hears of two.
        self.yield_term(term);
        self.await_successor(&engine, successor, term).await
    }

    async fn await_successor(
        &self,
        engine: &Arc<Engine>,
        successor: NodeId,
        term: u64,
    ) -> Result<(), GroupError> {
        engine
            .trigger()
            .transfer_leader(successor)
            .await
            .map_err(|error| GroupError::Failed {
                reason: error.to_string(),
            })?;
        let me = self.me();
        let patience = self.timing.load().election_max * 3 + Duration::from_secs(1);
        let wait = engine.wait(Some(patience));
        let taken = wait.metrics(
            |metrics| metrics.current_leader.is_some_and(|leader| leader != me),
            "another node leads",
        );
        tokio::select! {
            taken = taken => taken.map(drop).map_err(|_| GroupError::Unknown {
                reason: "no other node took leadership over".to_owned(),
            }),
            // The core of a node whose log hangs learns of it when it does not hang any more.
            () = self.another_is_said_to_lead(term) => Ok(()),
        }
    }

    /// Completes when another member says that somebody leads since `term`, who is not this node.
    async fn another_is_said_to_lead(&self, term: u64) {
        let says_so = |report: &v1::Report| {
            report.term > term && report.leader != 0 && report.leader != self.me()
        };
        loop {
            let all = self.reports.all();
            let mut reports = all.values().filter_map(|known| known.report.as_ref());
            if reports.any(says_so) {
                return;
            }
            self.sleep(LOOKED_AT_EVERY).await;
        }
    }

    /// Completes, with what ails this node, when it does not lead any more and its log hangs: what it was asked to decide may be decided
    /// by others, and this node may be the last to learn of it.
    async fn given_up(&self) -> String {
        let mut fence = self.fence.subscribe();
        loop {
            if fence.wait_for(Option::is_none).await.is_err() {
                return std::future::pending().await;
            }
            if let Some(why) = self.log_ailment() {
                return why;
            }
            self.sleep(LOOKED_AT_EVERY).await;
        }
    }

    /// Who is to lead: among those that fit, one that is well and has most of the log.
    fn successor(&self, metrics: &Metrics, to: &Successor) -> Result<NodeId, GroupError> {
        let status = self.status_of(Some(metrics));
        let (wanted, fits): (String, Fits) = match to {
            Successor::Anyone => (
                "that is reachable and well".to_owned(),
                Box::new(|_, _| true),
            ),
            Successor::Member(name) => {
                let wanted = name.trim().to_lowercase();
                let told = wanted.clone();
                (
                    told,
                    Box::new(move |name, address| {
                        name == wanted || address == wanted || host(name) == wanted
                    }),
                )
            }
            Successor::NameContains(text) => {
                let part = text.trim().to_lowercase();
                (
                    format!("whose name contains {text}"),
                    Box::new(move |name, _| name.contains(&part)),
                )
            }
        };
        let candidates = status.members.iter().filter(|member| {
            member.is_voter && member.id != self.me() && fits(&member.name, &member.address)
        });
        let is_stopping = |name: &str| {
            let known = self.reports.of(name);
            known
                .and_then(|known| known.report)
                .is_some_and(|report| report.is_stopping)
        };
        let any = matches!(to, Successor::Anyone);
        let unfit = |name: &str| {
            let known = self.reports.of(name).and_then(|known| known.report)?;
            Some(known.unfit).filter(|unfit| !unfit.is_empty())
        };
        let mut refusal = None;
        let candidates = candidates.filter(|member| match unfit(&member.name) {
            // Leadership is given away before the other one refuses it: nobody would lead meanwhile.
            Some(why) if !any => {
                refusal = Some(format!(
                    "{} is not fit to lead; it says: {why}",
                    member.name
                ));
                false
            }
            Some(_) => false,
            None => true,
        });
        let found = candidates
            .filter(|member| {
                !any || (member.is_healthy == Some(true) && !is_stopping(&member.name))
            })
            .max_by_key(|member| (member.is_healthy, member.matched_index))
            .map(|member| member.id);
        match (found, refusal) {
            (Some(found), _) => Ok(found),
            (None, Some(reason)) => Err(GroupError::Failed { reason }),
            (None, None) => Err(GroupError::NoSuchMember { wanted }),
        }
    }

    async fn take_snapshot(&self) -> Result<(), GroupError> {
        let failed = |reason: String| GroupError::Failed { reason };
        let engine = self
            .engine()
            .ok_or_else(|| failed("this node is no member of a group yet".to_owned()))?;
        let applied = self.machine.decided().applied_index;
        engine
            .trigger()
            .snapshot()
            .await
            .map_err(|error| failed(error.to_string()))?;
        let written = engine
            .wait(Some(SNAPSHOT_WITHIN))
            .metrics(
                |metrics| {
                    metrics
                        .snapshot
                        .is_some_and(|last| index_of(last.index) >= applied)
                },
                "a snapshot is written",
            )
            .await;
        written.map(drop).map_err(|_| GroupError::Unknown {
            reason: "the snapshot was not written in time".to_owned(),
        })
    }

    async fn forward(
        &self,
        request: ForwardedRequest,
        within: Duration,
    ) -> Result<ForwardedResponse, ForwardError> {
        let status = self.status();
        let leader = status.leader_member().ok_or(ForwardError::NoLeader)?;
        if leader.id == self.me() {
            return Err(ForwardError::IsLeader);
        }
        let head = v1::ForwardHead {
            destination: Some(v1::Destination {
                group: group_bytes(self.identity.group()),
                to: leader.id,
                from: self.me(),
            }),
            method: request.method,
            target: request.target,
            headers: request
                .headers
                .into_iter()
                .map(|(name, value)| v1::Header {
                    name,
                    value: value.into(),
                })
                .collect(),
            caller: request.caller.into(),
            body_length: request.body.len() as u64,
        };
        let callee = Callee {
            id: leader.id,
            name: leader.name.clone(),
            address: leader.address.clone(),
        };
        let answer = call_within(
            self.deps.transport.as_ref(),
            self.deps.clock.as_ref(),
            callee,
            Call::Forward(head, Bytes::from(request.body)),
            within,
        );
        match answer.await {
            Ok(Answer::Forward(Some((head, body)))) => Ok(ForwardedResponse {
                status: u16::try_from(head.status).unwrap_or(502),
                headers: head
                    .headers
                    .into_iter()
                    .map(|header| (header.name, header.value.to_vec()))
                    .collect(),
                body: body.to_vec(),
            }),
            Ok(Answer::Forward(None)) => Err(ForwardError::NoLeader),
            Ok(_) => Err(ForwardError::Unknown {
                reason: "its answer makes no sense".to_owned(),
            }),
            Err(CallError::Unknown(reason)) => Err(ForwardError::Unknown { reason }),
            Err(error) => Err(ForwardError::NotSent {
                reason: error.to_string(),
            }),
        }
    }
}

fn host(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(host, _)| host)
}

/// Voters of all sets.
pub(super) fn voter_ids(metrics: &Metrics) -> BTreeSet<NodeId> {
    metrics.membership_config.voter_ids().collect()
}
