use std::sync::Arc;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use super::{Answer, GroupNode};
use crate::domain::{
    AccessToken, Candidate, ClusterAlias, Detection, Downtime, Import, InstanceKey, PublicToken,
    RecordedStep, RecoveriesDisabled, Recovery, RecoveryId, RecoveryNote, Timestamp,
};

/// All decided state, in memory. Cloning is cheap. Maps are ordered, so that walking them is the same everywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decided {
    /// Downtimes, also those over and not yet expired: readers compare with their own time.
    pub downtimes: OrdMap<InstanceKey, Downtime>,
    /// Registered promotion rules.
    pub candidates: OrdMap<InstanceKey, Candidate>,
    /// Instances that were to be forgotten, and when: what was seen of them before is dropped.
    pub forgotten: OrdMap<InstanceKey, Timestamp>,
    /// Access tokens, also those over and not yet expired: readers compare with their own time.
    pub access_tokens: OrdMap<PublicToken, AccessToken>,
    /// What was found and written down, by number; also past its time and not yet expired.
    pub detections: OrdMap<u64, Arc<Detection>>,
    /// Recoveries, under way and ended.
    pub recoveries: OrdMap<RecoveryId, Arc<Recovery>>,
    /// What came of steps of their plans, by number.
    pub recovery_steps: OrdMap<(RecoveryId, u32), RecordedStep>,
    /// Their records for people, by number.
    pub recovery_notes: OrdMap<(RecoveryId, u64), RecoveryNote>,
    /// That automatic recoveries are switched off; `None` when they are on.
    pub recoveries_disabled: Option<RecoveriesDisabled>,
    /// Servers whose receiver a recovery has stopped and could not start again, each with that recovery.
    pub left_stopped: OrdMap<InstanceKey, RecoveryId>,
    /// Nodes that the group is to have, by name; empty when that was never decided.
    pub group_nodes: OrdMap<String, GroupNode>,
    /// Aliases that were decided, by name of the cluster; see [`Decided::alias_of_cluster`].
    pub cluster_aliases: OrdMap<String, ClusterAlias>,
    /// That what the predecessor decided was taken over, or is being so.
    pub import: Option<Import>,
    /// Answers to the latest requests, so that a repeated one takes effect once; nodes of a group only.
    pub answers: OrdMap<u128, Answer>,
    /// The requests of `answers` by the index of the entry that took effect; follows from it.
    pub answered: OrdMap<u64, u128>,
    /// Index of the last applied entry; 0 before the first.
    pub applied_index: u64,
    /// Time of decided state: the latest of all proposals so far.
    pub decided_at: Timestamp,
}

/// One change of a stored row; what a store writes and [`Decided::absorb`] makes in memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RowChange {
    /// Writes a downtime.
    PutDowntime(InstanceKey, Downtime),
    /// Removes a downtime.
    DeleteDowntime(InstanceKey),
    /// Writes a promotion rule.
    PutCandidate(InstanceKey, Candidate),
    /// Removes a promotion rule.
    DeleteCandidate(InstanceKey),
    /// Writes a mark of forgetting.
    PutForgotten(InstanceKey, Timestamp),
    /// Removes a mark of forgetting.
    DeleteForgotten(InstanceKey),
    /// Writes an access token.
    PutAccessToken(PublicToken, AccessToken),
    /// Removes an access token.
    DeleteAccessToken(PublicToken),
    /// Writes a detection.
    PutDetection(u64, Arc<Detection>),
    /// Removes a detection.
    DeleteDetection(u64),
    /// Writes a recovery.
    PutRecovery(RecoveryId, Arc<Recovery>),
    /// Removes a recovery.
    DeleteRecovery(RecoveryId),
    /// Writes what came of a step.
    PutRecoveryStep(RecoveryId, u32, RecordedStep),
    /// Removes what came of a step.
    DeleteRecoveryStep(RecoveryId, u32),
    /// Writes a line of a recovery's record.
    PutRecoveryNote(RecoveryId, RecoveryNote),
    /// Removes a line of a recovery's record.
    DeleteRecoveryNote(RecoveryId, u64),
    /// Writes that recoveries are switched off.
    PutRecoveriesDisabled(RecoveriesDisabled),
    /// Removes that.
    DeleteRecoveriesDisabled,
    /// Writes the answer to a request.
    PutAnswer(u128, Answer),
    /// Removes the answer to a request.
    DeleteAnswer(u128),
    /// Writes that a server was left with a stopped receiver, and by which recovery.
    PutLeftStopped(InstanceKey, RecoveryId),
    /// Removes that.
    DeleteLeftStopped(InstanceKey),
    /// Writes a node that the group is to have.
    PutGroupNode(String, GroupNode),
    /// Removes one.
    DeleteGroupNode(String),
    /// Writes the alias of a cluster.
    PutClusterAlias(String, ClusterAlias),
    /// Removes the alias of a cluster.
    DeleteClusterAlias(String),
    /// Writes how far the import of the predecessor's rows is. It is never removed.
    PutImport(Import),
}

impl RowChange {
    /// Which table the row is in; stores put `decided_` before it.
    pub const fn table(&self) -> &'static str {
        match self {
            Self::PutDowntime(..) | Self::DeleteDowntime(_) => "downtime",
            Self::PutCandidate(..) | Self::DeleteCandidate(_) => "candidate",
            Self::PutForgotten(..) | Self::DeleteForgotten(_) => "forgotten",
            Self::PutAccessToken(..) | Self::DeleteAccessToken(_) => "access_token",
            Self::PutDetection(..) | Self::DeleteDetection(_) => "detection",
            Self::PutRecovery(..) | Self::DeleteRecovery(_) => "recovery",
            Self::PutRecoveryStep(..) | Self::DeleteRecoveryStep(..) => "recovery_step",
            Self::PutRecoveryNote(..) | Self::DeleteRecoveryNote(..) => "recovery_note",
            Self::PutRecoveriesDisabled(_) | Self::DeleteRecoveriesDisabled => {
                "recoveries_disabled"
            }
            Self::PutAnswer(..) | Self::DeleteAnswer(_) => "answer",
            Self::PutLeftStopped(..) | Self::DeleteLeftStopped(_) => "left_stopped",
            Self::PutGroupNode(..) | Self::DeleteGroupNode(_) => "group_node",
            Self::PutClusterAlias(..) | Self::DeleteClusterAlias(_) => "cluster_alias",
            Self::PutImport(_) => "import",
        }
    }
}

impl Decided {
    /// Every row, as the change that writes it: table by table, keys in order. Together with the applied index and the
    /// time this is all there is: digests, snapshots and stores are made from it.
    pub fn rows(&self) -> impl Iterator<Item = RowChange> + '_ {
        // Taken apart by name, so that a new table does not compile until it is here.
        let Self {
            downtimes,
            candidates,
            forgotten,
            access_tokens,
            detections,
            recoveries,
            recovery_steps,
            recovery_notes,
            recoveries_disabled,
            left_stopped,
            group_nodes,
            cluster_aliases,
            import,
            answers,
            answered: _,
            applied_index: _,
            decided_at: _,
        } = self;
        let downtimes = downtimes
            .iter()
            .map(|(key, row)| RowChange::PutDowntime(key.clone(), row.clone()));
        let candidates = candidates
            .iter()
            .map(|(key, row)| RowChange::PutCandidate(key.clone(), row.clone()));
        let forgotten = forgotten
            .iter()
            .map(|(key, at)| RowChange::PutForgotten(key.clone(), *at));
        let access_tokens = access_tokens
            .iter()
            .map(|(public, row)| RowChange::PutAccessToken(*public, row.clone()));
        let detections = detections
            .iter()
            .map(|(number, row)| RowChange::PutDetection(*number, Arc::clone(row)));
        let recoveries = recoveries
            .iter()
            .map(|(id, row)| RowChange::PutRecovery(*id, Arc::clone(row)));
        let steps = recovery_steps
            .iter()
            .map(|((id, number), row)| RowChange::PutRecoveryStep(*id, *number, row.clone()));
        let notes = recovery_notes
            .iter()
            .map(|((id, _), row)| RowChange::PutRecoveryNote(*id, row.clone()));
        let disabled = recoveries_disabled
            .iter()
            .map(|row| RowChange::PutRecoveriesDisabled(row.clone()));
        let left_stopped = left_stopped
            .iter()
            .map(|(key, id)| RowChange::PutLeftStopped(key.clone(), *id));
        let group_nodes = group_nodes
            .iter()
            .map(|(name, row)| RowChange::PutGroupNode(name.clone(), row.clone()));
        let aliases = cluster_aliases
            .iter()
            .map(|(cluster, row)| RowChange::PutClusterAlias(cluster.clone(), row.clone()));
        let import = import.iter().map(|row| RowChange::PutImport(row.clone()));
        let answers = answers
            .iter()
            .map(|(request, row)| RowChange::PutAnswer(*request, row.clone()));
        downtimes
            .chain(candidates)
            .chain(forgotten)
            .chain(access_tokens)
            .chain(detections)
            .chain(recoveries)
            .chain(steps)
            .chain(notes)
            .chain(disabled)
            .chain(left_stopped)
            .chain(group_nodes)
            .chain(answers)
            .chain(aliases)
            .chain(import)
    }

    /// The state with these rows, in any order.
    pub fn from_rows<'a>(
        applied_index: u64,
        decided_at: Timestamp,
        rows: impl IntoIterator<Item = &'a RowChange>,
    ) -> Self {
        let mut state = Self {
            applied_index,
            decided_at,
            ..Self::default()
        };
        rows.into_iter().for_each(|row| state.absorb_one(row));
        state
    }

    /// Makes the changes of one applied entry.
    pub fn absorb(&mut self, index: u64, decided_at: Timestamp, changes: &[RowChange]) {
        changes.iter().for_each(|change| self.absorb_one(change));
        self.applied_index = index;
        self.decided_at = self.decided_at.max(decided_at);
    }

    fn absorb_one(&mut self, change: &RowChange) {
        match change {
            RowChange::PutDowntime(key, row) => {
                self.downtimes.insert(key.clone(), row.clone());
            }
            RowChange::DeleteDowntime(key) => {
                self.downtimes.remove(key);
            }
            RowChange::PutCandidate(key, row) => {
                self.candidates.insert(key.clone(), row.clone());
            }
            RowChange::DeleteCandidate(key) => {
                self.candidates.remove(key);
            }
            RowChange::PutForgotten(key, at) => {
                self.forgotten.insert(key.clone(), *at);
            }
            RowChange::DeleteForgotten(key) => {
                self.forgotten.remove(key);
            }
            RowChange::PutAccessToken(public, row) => {
                self.access_tokens.insert(*public, row.clone());
            }
            RowChange::DeleteAccessToken(public) => {
                self.access_tokens.remove(public);
            }
            RowChange::PutDetection(number, row) => {
                self.detections.insert(*number, Arc::clone(row));
            }
            RowChange::DeleteDetection(number) => {
                self.detections.remove(number);
            }
            RowChange::PutRecovery(id, row) => {
                self.recoveries.insert(*id, Arc::clone(row));
            }
            RowChange::DeleteRecovery(id) => {
                self.recoveries.remove(id);
            }
            RowChange::PutRecoveryStep(id, number, row) => {
                self.recovery_steps.insert((*id, *number), row.clone());
            }
            RowChange::DeleteRecoveryStep(id, number) => {
                self.recovery_steps.remove(&(*id, *number));
            }
            RowChange::PutRecoveryNote(id, row) => {
                self.recovery_notes.insert((*id, row.number), row.clone());
            }
            RowChange::DeleteRecoveryNote(id, number) => {
                self.recovery_notes.remove(&(*id, *number));
            }
            RowChange::PutRecoveriesDisabled(row) => {
                self.recoveries_disabled = Some(row.clone());
            }
            RowChange::DeleteRecoveriesDisabled => self.recoveries_disabled = None,
            RowChange::PutAnswer(request, answer) => {
                // Removing what is not there would copy as much of the map as a change.
                if let Some(old) = self.answers.insert(*request, answer.clone()) {
                    self.answered.remove(&old.index);
                }
                self.answered.insert(answer.index, *request);
            }
            RowChange::DeleteAnswer(request) => self.drop_answer(*request),
            RowChange::PutLeftStopped(key, id) => {
                self.left_stopped.insert(key.clone(), *id);
            }
            RowChange::DeleteLeftStopped(key) => {
                self.left_stopped.remove(key);
            }
            RowChange::PutGroupNode(name, row) => {
                self.group_nodes.insert(name.clone(), row.clone());
            }
            RowChange::DeleteGroupNode(name) => {
                self.group_nodes.remove(name);
            }
            RowChange::PutClusterAlias(cluster, row) => {
                self.cluster_aliases.insert(cluster.clone(), row.clone());
            }
            RowChange::DeleteClusterAlias(cluster) => {
                self.cluster_aliases.remove(cluster);
            }
            RowChange::PutImport(row) => self.import = Some(row.clone()),
        }
    }

    fn drop_answer(&mut self, request: u128) {
        if let Some(old) = self.answers.remove(&request) {
            self.answered.remove(&old.index);
        }
    }

    /// The downtime of `key` that holds at `now`.
    pub fn downtime_at(&self, key: &InstanceKey, now: Timestamp) -> Option<&Downtime> {
        self.downtimes
            .get(key)
            .filter(|downtime| downtime.holds_at(now))
    }

    /// The promotion rule of `key` that counts at `now`.
    pub fn candidate_at(&self, key: &InstanceKey, now: Timestamp) -> Option<&Candidate> {
        self.candidates
            .get(key)
            .filter(|candidate| now < candidate.expires_at)
    }
}
