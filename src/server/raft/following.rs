//! The members follow what was decided about the group's nodes, and what a majority of the configuration files says.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use openraft::ChangeMembers;
use orchestrator_core::decided::{Command, GROUP_NODES_MAX, Origin, Proposal};
use orchestrator_core::ports::{GroupError, NodesChange, Successor};

use super::config::normalise;
use super::core::{Core, Engine, Metrics, lock};
use super::desired::{Next, Voter, changed_by_majority, next};
use super::handle::voter_ids;
use super::peer::is_host_and_port;
use super::service::MEMBERSHIP_WITHIN;
use super::types::NodeId;

/// What a node said counts as what it says now for so long.
const SAID_LATELY: Duration = Duration::from_secs(5);

/// A member that is there is heard with each heartbeat.
const HEARD_WITHIN: Duration = Duration::from_secs(1);

/// One that has begun to join and is not heard for so long has given up, or lost its directory: it is much longer than a restart.
const LEARNER_SILENT: Duration = Duration::from_secs(60);

/// For how long one that is no member any more is still listened to, so that it learns of it.
const STILL_TRUSTED: Duration = Duration::from_secs(60);

/// How often a leader that is to go tries to hand over.
const HAND_OVER_EVERY: Duration = Duration::from_secs(5);

impl Core {
    /// Whether the voters are being changed, as far as this node knows: two sets of them decide, or it is not applied here yet that one
    /// does.
    pub(super) fn is_changing_voters(&self) -> bool {
        self.metrics().is_some_and(|metrics| {
            let (members, applied) = (&metrics.membership_config, self.machine.members());
            Self::voters(&metrics).len() > 1 || members.log_id() != applied.log_id()
        })
    }

    /// What an operator should know while the voters are being changed.
    pub(super) fn change_under_way(&self) -> Option<String> {
        let metrics = self.metrics()?;
        let [old, new] = Self::voters(&metrics).as_slice() else {
            return None;
        };
        let members = metrics.membership_config.membership();
        let names = |set: &BTreeSet<NodeId>| {
            let names = set.iter().filter_map(|id| members.get_node(id));
            let mut names: Vec<&str> = names.map(|member| member.name.as_str()).collect();
            names.sort_unstable();
            names.join(", ")
        };
        Some(format!(
            "who votes is being changed: until that is done, every decision needs a majority of {} and a majority of {}",
            names(old),
            names(new)
        ))
    }

    /// Ends a change of the voters that was begun and not ended: its leader is gone, or gave up waiting. It takes two entries, and
    /// whoever asks for it writes the second; between the two a majority of both sets is needed, so the loss of one more node may be
    /// one too many for ever. On the leader, with every exchange that finds two sets.
    pub(super) async fn end_change(&self, engine: &Arc<Engine>) {
        // Whoever holds it writes the second entry itself.
        let Ok(_turn) = self.admission.try_lock() else {
            return;
        };
        let is_half = self
            .metrics()
            .is_some_and(|metrics| Self::voters(&metrics).len() > 1);
        if !is_half {
            return;
        }
        // Adding nobody to the new voters leaves these alone.
        let change = ChangeMembers::AddVoterIds(BTreeSet::new());
        let change = engine.change_membership(change, false);
        match tokio::time::timeout(MEMBERSHIP_WITHIN, change).await {
            Ok(Ok(_)) => tracing::warn!("a change of who votes that was left half done is done"),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a change of who votes that is half done cannot be ended yet");
            }
            Err(_) => {
                tracing::debug!("a change of who votes that is half done was not ended in time")
            }
        }
    }

    /// Names of the nodes that the group is to have, sorted.
    pub(super) fn desired(&self) -> Vec<String> {
        self.machine.decided().desired_nodes().unwrap_or_else(|| {
            let members = self.machine.members();
            let voters: BTreeSet<NodeId> = members.voter_ids().collect();
            let nodes = members.nodes().filter(|(id, _)| voters.contains(id));
            let names: BTreeSet<String> = nodes.map(|(_, member)| member.name.clone()).collect();
            names.into_iter().collect()
        })
    }

    /// Voters, as this node sees them.
    pub(super) fn voters_seen(&self, metrics: &Metrics) -> Vec<Voter> {
        let members = metrics.membership_config.membership();
        let ids = voter_ids(metrics);
        let voters = members.nodes().filter(|(id, _)| ids.contains(id));
        voters
            .map(|(id, member)| Voter {
                id: *id,
                name: member.name.clone(),
                is_reachable: *id == self.me() || self.is_heard_now(*id),
            })
            .collect()
    }

    /// Whether a member was heard so lately that it is most likely there: whoever is left has to decide without the one that goes.
    fn is_heard_now(&self, id: NodeId) -> bool {
        let within = self.timing.load().election_max.max(HEARD_WITHIN);
        let heard = self.acks.heard_at(id);
        heard.is_some_and(|at| self.now().saturating_sub(at) < within)
    }

    /// `RaftNodes` as a voter has it now; empty when it was not heard a moment ago.
    fn list_of(&self, voter: &Voter) -> Vec<String> {
        if voter.id == self.me() {
            return self.nodes.load().as_ref().clone();
        }
        let known = self.reports.of(&voter.name);
        let known = known.filter(|known| {
            let is_fresh = |at: Duration| self.now().saturating_sub(at) < SAID_LATELY;
            known.at.is_some_and(is_fresh)
        });
        let report = known.and_then(|known| known.report);
        let report = report.filter(|report| report.id == voter.id);
        let mut list = report.map(|report| report.nodes).unwrap_or_default();
        list.sort_unstable();
        list
    }

    /// One step from the members that there are to those that there are to be. On the leader, with every exchange.
    pub(super) async fn follow_desired(
        &self,
        engine: &Arc<Engine>,
        metrics: &Metrics,
        handed_over_at: &mut Option<Duration>,
    ) {
        let voters = self.voters_seen(metrics);
        self.take_note_of_lists(&voters).await;
        let desired = self.desired();
        let step = next(&voters, &desired, self.me());
        *lock(&self.following) = told(&step);
        match step {
            Next::Nothing | Next::Await(_) | Next::TooFew { .. } => {
                self.drop_learners(engine, metrics, &desired).await;
            }
            Next::Remove(id) => self.remove(engine, &voters, id).await,
            Next::HandOver => {
                let now = self.now();
                let is_time = |at: Duration| now.saturating_sub(at) >= HAND_OVER_EVERY;
                let stays = |voter: &&Voter| voter.is_reachable && desired.contains(&voter.name);
                if let Some(heir) = voters
                    .iter()
                    .filter(|voter| voter.id != self.me())
                    .find(stays)
                    && handed_over_at.is_none_or(is_time)
                {
                    *handed_over_at = Some(now);
                    tracing::info!(
                        to = heir.name,
                        "this node is to leave the group, and hands leadership over"
                    );
                    let to = Successor::Member(heir.name.clone());
                    if let Err(error) = self.hand_over(to).await {
                        tracing::warn!(%error, "leadership could not be handed over");
                    }
                }
            }
        }
    }

    /// Decides what a majority of the voters' files says, where that is new; and takes note of the list of a node that has come.
    async fn take_note_of_lists(&self, voters: &[Voter]) {
        let decided = self.machine.decided();
        let old = self.desired();
        let lists: Vec<(&Voter, Vec<String>)> = voters
            .iter()
            .map(|voter| (voter, self.list_of(voter)))
            .collect();
        let known = |voter: &Voter| match decided.group_nodes.get(&voter.name) {
            Some(row) if row.reported.is_empty() => None,
            Some(row) => Some(row.reported.clone()),
            // All of the first list began the group with it.
            None if decided.group_nodes.is_empty() => Some(old.clone()),
            None => None,
        };
        let then: Vec<Option<Vec<String>>> = lists.iter().map(|(voter, _)| known(voter)).collect();
        let pairs = lists.iter().zip(&then);
        let changed =
            changed_by_majority(pairs.map(|((_, now), then)| (&now[..], then.as_deref())));
        let is_unknown = |(voter, now): &(&Voter, Vec<String>)| {
            let row = decided.group_nodes.get(&voter.name);
            !now.is_empty() && row.is_some_and(|row| row.reported.is_empty())
        };
        let (new, reported): (Vec<String>, Vec<(String, Vec<String>)>) = match changed {
            Some(list) => {
                tracing::warn!(
                    nodes = list.join(", "),
                    "RaftNodes of a majority of the nodes has changed; the group follows"
                );
                // What the others have stays new, should they change to it later.
                let all = lists.iter().zip(&then).filter_map(|((voter, now), then)| {
                    let is_it = *now == list;
                    let list = is_it.then(|| now.clone()).or_else(|| then.clone())?;
                    Some((voter.name.clone(), list))
                });
                (list.clone(), all.collect())
            }
            None => {
                let new = lists.iter().filter(|one| is_unknown(one));
                let new: Vec<_> = new
                    .map(|(voter, now)| (voter.name.clone(), now.clone()))
                    .collect();
                if new.is_empty() {
                    return;
                }
                (old.clone(), new)
            }
        };
        let command = Command::SetGroupNodes { old, new, reported };
        let origin = Origin {
            who: self.config.name.clone(),
            whence: String::new(),
        };
        let proposal = Proposal {
            request: self.deps.ids.unique(),
            proposed_at: self.deps.clock.now(),
            origin,
            command,
        };
        if let Err(error) = self.propose(proposal).await {
            tracing::warn!(%error, "the nodes of the group could not be decided; it is tried again in a second");
        }
    }

    /// Nodes without a vote that will not get one: the group is to do without them, or they have begun to join and were not heard
    /// since, as one whose directory was lost meanwhile. One that is there after all asks again, and is added again.
    async fn drop_learners(&self, engine: &Arc<Engine>, metrics: &Metrics, desired: &[String]) {
        let voters = voter_ids(metrics);
        let is_there = |id: NodeId| {
            let heard = self.acks.heard_at(id);
            heard.is_some_and(|at| self.now().saturating_sub(at) < LEARNER_SILENT)
        };
        let members = metrics.membership_config.membership();
        let mut learners = members.nodes().filter(|(id, _)| !voters.contains(id));
        let over = learners
            .find(|(id, member)| !desired.contains(&member.name) || !is_there(**id))
            .map(|(id, member)| (*id, member.name.clone()));
        let Some((id, name)) = over else {
            return;
        };
        let Ok(_turn) = self.admission.try_lock() else {
            return;
        };
        let change = engine.change_membership(ChangeMembers::RemoveNodes([id].into()), true);
        match tokio::time::timeout(MEMBERSHIP_WITHIN, change).await {
            Ok(Ok(_)) => tracing::info!(name, id, "a node that did not finish to join is dropped"),
            Ok(Err(error)) => tracing::debug!(name, %error, "a node cannot be dropped yet"),
            Err(_) => tracing::debug!(name, "a node was not dropped in time"),
        }
    }

    async fn remove(&self, engine: &Arc<Engine>, voters: &[Voter], id: NodeId) {
        let Ok(_turn) = self.admission.try_lock() else {
            return;
        };
        // Somebody may have been let in since they were looked at, and must not lose its vote again.
        let seen: BTreeSet<NodeId> = voters.iter().map(|voter| voter.id).collect();
        let has_changed = |metrics: &Metrics| Self::voters(metrics).as_slice() != [seen.clone()];
        if self.metrics().as_ref().is_none_or(has_changed) {
            return;
        }
        let rest: BTreeSet<NodeId> = voters
            .iter()
            .map(|voter| voter.id)
            .filter(|voter| *voter != id)
            .collect();
        let name = voters
            .iter()
            .find(|voter| voter.id == id)
            .map(|voter| &voter.name);
        let change = engine.change_membership(ChangeMembers::ReplaceAllVoters(rest), false);
        match tokio::time::timeout(MEMBERSHIP_WITHIN, change).await {
            Ok(Ok(_)) => tracing::warn!(name, id, "a node has left the group"),
            Ok(Err(error)) => tracing::warn!(name, %error, "a node cannot leave the group yet"),
            Err(_) => tracing::warn!(name, "a node did not leave the group in time"),
        }
    }

    /// The command that changes the nodes of the group as somebody asks, and the normalised name of the node that it is about.
    pub(super) fn change_nodes(
        &self,
        change: &NodesChange,
    ) -> Result<(String, Command), GroupError> {
        let failed = |reason: String| GroupError::Failed { reason };
        let entry = |text: &str| {
            let name = normalise(text, self.config.default_port);
            match is_host_and_port(&name) {
                true => Ok(name),
                false => Err(failed(format!(
                    "'{text}' is no node; give a host, or host:port, as in RaftNodes"
                ))),
            }
        };
        let metrics = self.metrics().ok_or(GroupError::NotLeader)?;
        let old = self.desired();
        let is_one = |name: &String| {
            old.contains(name).then_some(()).ok_or_else(|| {
                failed(format!(
                    "{name} is no node of the group; its nodes are {}",
                    old.join(", ")
                ))
            })
        };
        let mut new: BTreeSet<String> = old.iter().cloned().collect();
        let name = match change {
            NodesChange::Add(text) => {
                let name = entry(text)?;
                new.insert(name.clone());
                name
            }
            NodesChange::Remove(text) => {
                let name = entry(text)?;
                is_one(&name)?;
                new.remove(&name);
                name
            }
            NodesChange::Replace {
                old: gone,
                new: text,
            } => {
                let (gone, name) = (entry(gone)?, entry(text)?);
                is_one(&gone)?;
                new.remove(&gone);
                new.insert(name.clone());
                name
            }
        };
        if new.is_empty() {
            return Err(failed(format!("{name} is the last node of the group")));
        }
        if new.len() > GROUP_NODES_MAX {
            return Err(failed(format!(
                "a group has {GROUP_NODES_MAX} nodes at most"
            )));
        }
        let voters = self.voters_seen(&metrics);
        let stays = |voter: &&Voter| new.contains(&voter.name);
        let left = voters.iter().filter(stays).count();
        let reachable = voters
            .iter()
            .filter(stays)
            .filter(|voter| voter.is_reachable)
            .count();
        let comes = new
            .iter()
            .any(|name| voters.iter().all(|voter| voter.name != *name));
        if !comes && reachable * 2 <= left {
            return Err(failed(format!(
                "of the {left} nodes that would be left, {reachable} are reachable, which is no majority: bring them back first"
            )));
        }
        let decided = self.machine.decided();
        let is_first = decided.group_nodes.is_empty();
        let reported = match is_first {
            // They have it since they began the group.
            true => old.iter().map(|name| (name.clone(), old.clone())).collect(),
            false => vec![],
        };
        let new = new.into_iter().collect();
        Ok((name, Command::SetGroupNodes { old, new, reported }))
    }

    /// Tells the links whom to listen to: members, those that are to be, and for a while those that were. With every exchange.
    pub(super) fn tell_trusted(&self) {
        let now = self.now();
        let members = self.machine.members();
        let mut names: BTreeSet<String> = self.desired().into_iter().collect();
        names.extend(members.nodes().map(|(_, member)| member.name.clone()));
        names.extend(members.nodes().map(|(_, member)| member.address.clone()));
        if self.engine().is_none() || self.identity.is_joining() {
            // It has yet to learn from the log who leads; members that it knows say so.
            let reports = self.reports.all().into_values();
            let members = reports
                .filter_map(|known| known.report)
                .flat_map(|it| it.members);
            names.extend(members.flat_map(|member| [member.name, member.address]));
        }
        let mut trusted = lock(&self.trusted);
        let before: Vec<String> = trusted.keys().cloned().collect();
        for (name, gone_at) in trusted.iter_mut() {
            *gone_at = match names.contains(name) {
                true => None,
                false => gone_at.or(Some(now)),
            };
        }
        trusted
            .retain(|_, gone_at| gone_at.is_none_or(|at| now.saturating_sub(at) < STILL_TRUSTED));
        for name in names {
            trusted.entry(name).or_default();
        }
        let all: Vec<String> = trusted.keys().cloned().collect();
        if all != before {
            self.deps.condition.members_changed(&all);
        }
    }
}

/// What an operator should know of the step.
fn told(step: &Next) -> Option<String> {
    match step {
        Next::Nothing | Next::Remove(_) => None,
        Next::HandOver => {
            Some("this node is to leave the group, and hands leadership over".to_owned())
        }
        Next::Await(names) => Some(format!(
            "the group waits for {} to join; start each with these nodes in RaftNodes, or take it back with raft-remove-peer",
            names.join(" and ")
        )),
        Next::TooFew { without } => Some(format!(
            "{without} is to leave the group, and stays, because without it too few of the rest are reachable"
        )),
    }
}
