use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use crate::domain::{AccessToken, Candidate, Downtime, InstanceKey, PublicToken, Timestamp};

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
}

impl RowChange {
    /// Which table the row is in; stores put `decided_` before it.
    pub const fn table(&self) -> &'static str {
        match self {
            Self::PutDowntime(..) | Self::DeleteDowntime(_) => "downtime",
            Self::PutCandidate(..) | Self::DeleteCandidate(_) => "candidate",
            Self::PutForgotten(..) | Self::DeleteForgotten(_) => "forgotten",
            Self::PutAccessToken(..) | Self::DeleteAccessToken(_) => "access_token",
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
        downtimes
            .chain(candidates)
            .chain(forgotten)
            .chain(access_tokens)
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
