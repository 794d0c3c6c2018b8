//! From the start of the process until this node is a member: identity, first start, joining.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::planted::{Bug, is_planted};

use super::config::{first_id, usable};
use super::core::{Core, Engine, lock};
use super::exchange::{WAITING_EVERY, group_of};
use super::first_start::{Me, Seen, Verdict, decide};
use super::network::group_bytes;
use super::network::transport::{Answer, Call, Callee, call_within};
use super::types::{Member, NodeId, index_of};
use super::v1;

/// Time for measuring at a start: a few round trips of any network, and no long wait for those that do not answer.
const MEASURE_WITHIN: Duration = Duration::from_millis(500);

/// Time between two requests to be let in.
const JOIN_EVERY: Duration = Duration::from_secs(1);

/// Time for the answer to such a request: the leader changes the members meanwhile.
const JOIN_WITHIN: Duration = Duration::from_secs(8);

/// Told to stop, or failed for good.
pub(super) struct Ended;

impl Core {
    /// Makes this node a member, or tells why it cannot be one; returns when it runs.
    pub(super) async fn bring_up(self: &Arc<Self>) -> Result<(), Ended> {
        let known = self.identity.node().map_err(|error| self.ends(error))?;
        let is_joining = self.identity.is_joining();
        let has_log = self.log.last().is_some() || self.machine.decided().applied_index > 0;
        match known {
            Some(id) if has_log || is_joining => {
                self.start(id).await?;
                if is_joining {
                    self.join(id).await?;
                }
            }
            _ => self.first_start().await?,
        }
        lock(&self.waiting).clear();
        Ok(())
    }

    pub(super) fn ends(&self, error: impl std::fmt::Display) -> Ended {
        self.fail(error.to_string());
        Ended
    }

    pub(super) async fn start(self: &Arc<Self>, id: NodeId) -> Result<Arc<Engine>, Ended> {
        self.check_name(id).await?;
        self.check_double(id, MEASURE_WITHIN).await?;
        self.choose_timing().await?;
        let engine =
            self.start_engine(id)
                .await
                .map_err(|error| match self.machine.not_understood() {
                    Some(reason) => self.ends(reason),
                    None => self.ends(format!("the raft core did not start: {error}")),
                })?;
        let is_joining = self.identity.is_joining();
        let wait = self.votes_from().saturating_sub(self.now());
        if is_joining || !wait.is_zero() || self.election_objection().is_some() {
            engine.runtime_config().elect(false);
            self.tasks.spawn(Arc::clone(self).release_when_due());
        }
        Ok(engine)
    }

    /// The timing follows from measuring; from the last one too, where somebody does not answer.
    async fn choose_timing(self: &Arc<Self>) -> Result<(), Ended> {
        let all_answered = self.measure(MEASURE_WITHIN).await;
        let (before, needed) = (*self.timing.load_full(), self.needed_timing());
        let timing = match all_answered || before.heartbeat < needed.heartbeat {
            true => needed,
            false => before,
        };
        // The longer one until nobody can count on the last one any more.
        let last = self.identity.election().map_err(|error| self.ends(error))?;
        self.identity
            .set_election(timing.election_min.max(last.unwrap_or_default()))
            .map_err(|error| self.ends(error))?;
        self.timing.store(Arc::new(timing));
        tracing::info!(
            heartbeat_ms = timing.heartbeat.as_millis(),
            election_ms = timing.election_min.as_millis(),
            "heartbeats of the group"
        );
        Ok(())
    }

    /// Waits until nobody can count on an earlier acknowledgement of this node any more; then it may ask to be elected.
    pub(super) async fn release_when_due(self: Arc<Self>) {
        loop {
            let wait = self.votes_from().saturating_sub(self.now());
            if wait.is_zero() {
                return self.release_elections();
            }
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.sleep(wait) => {}
            }
        }
    }

    /// Lets this node ask to be elected, once nobody can count on it any more, the group knows it, and it has been well for long
    /// enough.
    pub(super) fn release_elections(&self) {
        if let Some(engine) = self.engine()
            && self.vote_refusal().is_none()
        {
            engine
                .runtime_config()
                .elect(self.election_objection().is_none());
            self.settle_election();
        }
    }

    /// From now on this node's silence is the one that it announces.
    fn settle_election(&self) {
        let silence = self.timing.load().election_min;
        let noted = self.identity.election().and_then(|noted| match noted {
            Some(noted) if noted == silence => Ok(()),
            _ => self.identity.set_election(silence),
        });
        if let Err(error) = noted {
            self.fail(error.to_string());
        }
    }

    async fn first_start(self: &Arc<Self>) -> Result<(), Ended> {
        loop {
            if self.stop.is_cancelled() {
                return Err(Ended);
            }
            self.exchange().await;
            let mut verdict = decide(
                &Me {
                    name: &self.config.name,
                    nodes: &self.nodes.load(),
                    brings: self.brings(),
                    awaits: self.awaits(),
                    is_without_silent: self.config.starts_without_silent,
                },
                &self.seen(),
            );
            if let Some(reason) = self.begins_nothing()
                && verdict != Verdict::Ask
            {
                verdict = Verdict::Wait(vec![reason]);
            }
            if is_planted(Bug::BeginsWithThoseUp) && matches!(verdict, Verdict::Wait(_)) {
                verdict = Verdict::Begin;
            }
            match verdict {
                Verdict::Begin => return self.begin().await,
                Verdict::BeginWithStore => return self.begin_with_store().await,
                Verdict::Await(name) => {
                    let promised = self.identity.set_awaits(&name);
                    promised.map_err(|error| self.ends(error))?;
                    tracing::info!(
                        node = name,
                        "waits for the group that begins with that node's store"
                    );
                }
                Verdict::Ask => {
                    if let Some(report) = self.member_report()
                        && let Some(group) = group_of(&report)
                    {
                        self.leave_behind(group).await?;
                        return self.enter(&report).await;
                    }
                    self.wait_for(vec![
                        "a group exists, and none of its members that answer knows its leader yet"
                            .to_owned(),
                    ]);
                }
                Verdict::Wait(reasons) => self.wait_for(reasons),
            }
            tokio::select! {
                () = self.stop.cancelled() => return Err(Ended),
                () = self.sleep(WAITING_EVERY) => {}
            }
        }
    }

    /// The node without whose store this one has promised to begin no group. What cannot be read is found at the next write.
    pub(super) fn awaits(&self) -> Option<String> {
        self.identity.awaits().ok().flatten()
    }

    /// Notes why this node waits, and says it when it is something new.
    fn wait_for(&self, reasons: Vec<String>) {
        let mut waiting = lock(&self.waiting);
        if *waiting != reasons {
            for reason in &reasons {
                tracing::warn!("{reason}");
            }
            *waiting = reasons;
        }
    }

    /// The best report of a member: of the leader itself, else of whoever applied most.
    fn member_report(&self) -> Option<v1::Report> {
        let all = self.reports.all();
        let members = all
            .into_values()
            .filter(|known| known.failure.is_none())
            .filter_map(|known| known.report)
            .filter(|report| report.standing() == v1::Standing::Member && report.leader != 0);
        members.max_by_key(|report| (report.leader == report.id, report.applied_index))
    }

    /// Who is in the first membership: all names of the list.
    fn founders(&self) -> Vec<String> {
        let mut all = self.nodes.load().as_ref().clone();
        if is_planted(Bug::BeginsWithThoseUp) {
            let seen = self.seen();
            all.retain(|name| {
                *name == self.config.name || matches!(seen.get(name), Some(Seen::Empty { .. }))
            });
        }
        all
    }

    /// Begins a group: every node that does writes the same first entry.
    async fn begin(self: &Arc<Self>) -> Result<(), Ended> {
        let nodes = &self.founders();
        let me = first_id(nodes, &self.config.name);
        self.identity
            .take_id(me, false)
            .map_err(|error| self.ends(error))?;
        let engine = self.start(me).await?;
        let members: BTreeMap<NodeId, Member> = nodes
            .iter()
            .map(|name| {
                let member = Member {
                    name: name.clone(),
                    address: name.clone(),
                };
                (first_id(nodes, name), member)
            })
            .collect();
        tracing::info!(nodes = nodes.join(", "), "begins a group");
        match engine.initialize(members).await {
            Ok(()) => Ok(()),
            // The leader was faster: its entries came before.
            Err(openraft::errors::RaftError::APIError(error)) => {
                tracing::info!(%error, "somebody else began the group");
                Ok(())
            }
            Err(error) => Err(self.ends(error)),
        }
    }

    /// There is a group: this directory joins it with an id that nobody had before. Not with its first id, whoever is the first to hear of
    /// it: it may be that of a directory that was lost, and that promised something which nobody who answers here knows of.
    async fn enter(self: &Arc<Self>, report: &v1::Report) -> Result<(), Ended> {
        let mut voters = report.members.iter().filter(|member| member.is_voter);
        let mine = voters.find(|member| member.name == self.config.name);
        let drawn = self.deps.ids.unique();
        let id = usable(u64::try_from(drawn & u128::from(u64::MAX)).unwrap_or(1));
        self.identity
            .take_id(id, true)
            .map_err(|error| self.ends(error))?;
        let group = group_of(report);
        match mine {
            Some(_) => tracing::warn!(
                id,
                ?group,
                "this data directory is new to a group that knows {} already: it joins with a new id",
                self.config.name
            ),
            None => tracing::info!(
                id,
                ?group,
                "this node is new to the group, and asks to join it"
            ),
        }
        self.start(id).await?;
        self.join(id).await
    }

    /// Asks to be let in until the group's own list of members, as applied here, has this node with a vote, and until it
    /// has what the leader had when this directory was new: whatever this node acknowledged with an earlier, lost
    /// directory is among it. Only then may it vote.
    async fn join(self: &Arc<Self>, id: NodeId) -> Result<(), Ended> {
        let mut needed = None;
        let mut asked_at: Option<Duration> = None;
        loop {
            self.exchange().await;
            needed = needed.or_else(|| self.leaders_last_index());
            let has = self.log.last().map_or(0, |last| index_of(last.index));
            let votes = self.machine.members().voter_ids().any(|voter| voter == id);
            if votes && needed.is_some_and(|needed| has >= needed) {
                self.identity
                    .take_id(id, false)
                    .map_err(|error| self.ends(error))?;
                self.release_elections();
                tracing::info!(id, "this node is a voting member of the group");
                return Ok(());
            }
            let is_time = asked_at.is_none_or(|at| self.now().saturating_sub(at) >= JOIN_EVERY);
            if is_time && self.member_of(id).is_none() {
                asked_at = Some(self.now());
                self.ask_to_join(id).await?;
            }
            tokio::select! {
                () = self.stop.cancelled() => return Err(Ended),
                () = self.sleep(WAITING_EVERY) => {}
            }
        }
    }

    /// The last entry of the leader, in its own words.
    fn leaders_last_index(&self) -> Option<u64> {
        let report = self.member_report()?;
        (report.leader == report.id).then_some(report.last_index)
    }

    /// This id as a voter that others know: then the leader sends its entries without being asked.
    fn member_of(&self, id: NodeId) -> Option<v1::Member> {
        let report = self.member_report()?;
        let mut members = report.members.into_iter();
        members.find(|member| member.id == id && member.is_voter)
    }

    /// Asks the leader once; what keeps it from letting this node in is noted.
    async fn ask_to_join(&self, id: NodeId) -> Result<(), Ended> {
        let Some(report) = self.member_report() else {
            self.wait_for(vec![
                "no member of the group that answers knows its leader".to_owned(),
            ]);
            return Ok(());
        };
        let leader = report.members.iter().find(|m| m.id == report.leader);
        let Some(leader) = leader else {
            return Ok(());
        };
        let request = v1::JoinRequest {
            group: group_bytes(self.identity.group()),
            id,
            name: self.config.name.clone(),
            address: self.config.name.clone(),
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
            Call::Join(request),
            JOIN_WITHIN,
        );
        match answer.await {
            Ok(Answer::Join(answer)) if answer.is_voter => {}
            Ok(Answer::Join(answer)) if answer.is_final => return Err(self.ends(answer.reason)),
            Ok(Answer::Join(answer)) => self.wait_for(vec![format!(
                "the leader {} has not let this node in yet: {}",
                leader.name, answer.reason
            )]),
            Ok(_) => {}
            Err(error) => self.wait_for(vec![format!(
                "the leader {} cannot be asked to let this node in: {error}",
                leader.name
            )]),
        }
        Ok(())
    }
}
