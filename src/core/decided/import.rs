//! Taking over what the predecessor decided: row after row, each once, and never over something that was decided here.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::apply::{Decision, refused};
use super::recoveries::{next_number, noted};
use super::recovery_commands::LINES_IN_COMMAND_MAX;
use super::{Decided, Effect, Refusal, Reply, RowChange};
use crate::domain::{
    Candidate, ClusterAlias, Detection, Downtime, Import, ImportPosition, InstanceKey,
    PromotionRule, RecoveriesDisabled, Recovery, RecoveryId, Timestamp,
};

/// Most rows in one portion: as long as an entry that is committed at once may keep others waiting, a few milliseconds.
pub const IMPORTED_AT_ONCE_MAX: usize = 256;

/// Who has set an alias that the predecessor had: it does not say more.
const ALIAS_SET_BY: &str = "predecessor";

/// Rows of the predecessor, in the order of their positions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportPortion {
    /// From where, for people.
    pub source: String,
    /// Name of the node that read them.
    pub node: String,
    /// The rows. Of recoveries and detections one is all that a portion has: numbers are those of entries.
    pub rows: Vec<ImportedRow>,
    /// Whether these are the last.
    pub is_last: bool,
}

/// One row of the predecessor, as it stands in decided state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImportedRow {
    /// That automatic recoveries are switched off.
    RecoveriesDisabled(RecoveriesDisabled),
    /// An alias that somebody has set.
    ClusterAlias {
        /// Name of the cluster.
        cluster: String,
        /// The alias.
        alias: String,
    },
    /// A downtime.
    Downtime(InstanceKey, Downtime),
    /// A promotion rule.
    Candidate(InstanceKey, Candidate),
    /// A failure that was detected. Its number is given by the entry.
    Detection {
        /// Its number at the predecessor.
        old: u64,
        /// What was found.
        row: Box<Detection>,
    },
    /// A recovery that has ended. Its number, and that of its detection, are given by apply.
    Recovery {
        /// Its number at the predecessor.
        old: u64,
        /// Its id here.
        id: RecoveryId,
        /// What was done.
        row: Box<Recovery>,
        /// Its record, oldest line first.
        notes: Vec<(Timestamp, String)>,
    },
    /// An instance that was known.
    Instance(InstanceKey),
}

impl ImportedRow {
    /// Where it stands. What keeps recoveries from happening comes first, and instances, without which there are none, come last.
    pub fn position(&self) -> ImportPosition {
        // Numbers with leading zeros, so that their order as texts is their own.
        let number = |old: u64| format!("{old:020}");
        let (kind, key) = match self {
            Self::RecoveriesDisabled(_) => (1, String::new()),
            Self::ClusterAlias { cluster, .. } => (2, cluster.clone()),
            Self::Downtime(key, _) => (3, key.to_string()),
            Self::Candidate(key, _) => (4, key.to_string()),
            Self::Detection { old, .. } => (5, number(*old)),
            Self::Recovery { old, .. } => (6, number(*old)),
            Self::Instance(key) => (7, key.to_string()),
        };
        ImportPosition { kind, key }
    }

    /// Whether it takes the number of its entry, which only one row can have.
    pub const fn is_numbered(&self) -> bool {
        matches!(self, Self::Detection { .. } | Self::Recovery { .. })
    }
}

pub(super) fn import(state: &Decided, portion: &ImportPortion, now: Timestamp) -> Decision {
    if state
        .import
        .as_ref()
        .is_some_and(|it| it.ended_at.is_some())
    {
        return (Reply::Unchanged, vec![], vec![]);
    }
    let numbered = portion.rows.iter().filter(|row| row.is_numbered()).count();
    if portion.rows.len() > IMPORTED_AT_ONCE_MAX || numbered > 1 {
        return refused(Refusal::TooLong);
    }
    let mut portion_taken = Taken {
        state,
        now,
        import: state.import.clone().unwrap_or_else(|| Import {
            source: portion.source.clone(),
            node: portion.node.clone(),
            begun_at: now,
            through: None,
            taken: 0,
            kept: 0,
            ended_at: None,
        }),
        aliases: BTreeSet::new(),
        changes: Vec::new(),
        effects: Vec::new(),
    };
    for row in &portion.rows {
        if let Err(why) = portion_taken.take(row) {
            return refused(why);
        }
    }
    portion_taken.ended(state.import.as_ref(), portion.is_last)
}

/// What becomes of a portion.
struct Taken<'a> {
    state: &'a Decided,
    now: Timestamp,
    import: Import,
    /// Aliases that this portion gave.
    aliases: BTreeSet<&'a str>,
    changes: Vec<RowChange>,
    effects: Vec<Effect>,
}

impl<'a> Taken<'a> {
    fn take(&mut self, row: &'a ImportedRow) -> Result<(), Refusal> {
        let position = row.position();
        // An earlier try has been here.
        if self.import.through.as_ref() >= Some(&position) {
            return Ok(());
        }
        match self.is_new(row)? {
            true => {
                self.import.taken = self.import.taken.saturating_add(1);
                self.write(row);
            }
            false => self.import.kept = self.import.kept.saturating_add(1),
        }
        self.import.through = Some(position);
        Ok(())
    }

    /// Whether nothing was decided here about the same, and the row is not over.
    fn is_new(&self, row: &ImportedRow) -> Result<bool, Refusal> {
        let (state, now) = (self.state, self.now);
        Ok(match row {
            ImportedRow::RecoveriesDisabled(_) => state.recoveries_disabled.is_none(),
            ImportedRow::ClusterAlias { cluster, alias } => {
                let is_taken = |row: &ClusterAlias| row.is_manual() && row.alias == *alias;
                !alias.is_empty()
                    && !state.cluster_aliases.contains_key(cluster)
                    && !state.cluster_aliases.values().any(is_taken)
                    && !self.aliases.contains(alias.as_str())
            }
            ImportedRow::Downtime(key, row) => {
                !state.downtimes.contains_key(key) && row.holds_at(now)
            }
            ImportedRow::Candidate(_, row) if row.rule == PromotionRule::Must => {
                return Err(Refusal::MustIsNotRegistrable);
            }
            ImportedRow::Candidate(key, row) => {
                !state.candidates.contains_key(key) && now < row.expires_at
            }
            ImportedRow::Detection { row, .. } => {
                let is_same = |known: &Arc<Detection>| known.recovery == row.recovery;
                now < row.kept_until && !state.detections.values().any(is_same)
            }
            ImportedRow::Recovery { row, .. } if row.end.is_none() => {
                return Err(Refusal::RecoveryHasNotEnded);
            }
            ImportedRow::Recovery { notes, .. } if notes.len() > LINES_IN_COMMAND_MAX => {
                return Err(Refusal::TooLong);
            }
            ImportedRow::Recovery { id, row, .. } => {
                !row.is_over_at(now) && !state.recoveries.contains_key(id)
            }
            ImportedRow::Instance(key) => !state.forgotten.contains_key(key),
        })
    }

    fn write(&mut self, row: &'a ImportedRow) {
        let (state, number) = (self.state, next_number(self.state));
        match row {
            ImportedRow::RecoveriesDisabled(row) => {
                self.changes
                    .push(RowChange::PutRecoveriesDisabled(row.clone()));
            }
            ImportedRow::ClusterAlias { cluster, alias } => {
                self.aliases.insert(alias);
                let row = ClusterAlias {
                    alias: alias.clone(),
                    set_by: Some(ALIAS_SET_BY.to_owned()),
                    at: self.now,
                    moved: None,
                };
                self.changes
                    .push(RowChange::PutClusterAlias(cluster.clone(), row));
            }
            ImportedRow::Downtime(key, row) => {
                self.changes
                    .push(RowChange::PutDowntime(key.clone(), row.clone()));
            }
            ImportedRow::Candidate(key, row) => {
                self.changes
                    .push(RowChange::PutCandidate(key.clone(), row.clone()));
            }
            ImportedRow::Detection { row, .. } => {
                self.changes.push(RowChange::PutDetection(
                    number,
                    Arc::new(row.as_ref().clone()),
                ));
            }
            ImportedRow::Recovery { id, row, notes, .. } => {
                let detections = state.detections.iter().rev();
                let mut its_own = detections.filter(|(_, known)| known.recovery == *id);
                let row = Recovery {
                    number,
                    detection: its_own.next().map_or(0, |(number, _)| *number),
                    ..row.as_ref().clone()
                };
                self.changes
                    .push(RowChange::PutRecovery(*id, Arc::new(row)));
                self.changes.extend(noted(state, *id, notes));
            }
            ImportedRow::Instance(key) => self.effects.push(Effect::Discover(key.clone())),
        }
    }

    fn ended(mut self, before: Option<&Import>, is_last: bool) -> Decision {
        if is_last {
            self.import.ended_at = Some(self.now);
        }
        if before == Some(&self.import) {
            return (Reply::Unchanged, vec![], vec![]);
        }
        let (taken, kept) = before.map_or((0, 0), |it| (it.taken, it.kept));
        let reply = Reply::Imported {
            taken: self.import.taken.saturating_sub(taken),
            kept: self.import.kept.saturating_sub(kept),
        };
        self.changes.push(RowChange::PutImport(self.import));
        (reply, self.changes, self.effects)
    }
}

impl Decided {
    /// Whether nothing was decided yet that the predecessor's rows could meet: only then they are taken over without being asked for.
    pub fn is_fresh(&self) -> bool {
        self.downtimes.is_empty()
            && self.candidates.is_empty()
            && self.forgotten.is_empty()
            && self.access_tokens.is_empty()
            && self.detections.is_empty()
            && self.recoveries.is_empty()
            && self.recoveries_disabled.is_none()
            && self.cluster_aliases.is_empty()
            && self.import.is_none()
    }
}

#[cfg(test)]
#[path = "import_tests.rs"]
mod tests;
