//! Facts of one instance: all that the rules look at, in numbers and short lists.

mod gather;
mod vote;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

pub use vote::Vote;

use crate::beats::Beat;
use crate::domain::{BinlogPosition, Downtime, InstanceKey, Placement, ProbeFailureKind, SemiSync};

/// How probing a server goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Check {
    /// The last probe was good, and none under way has lasted so long that it no longer counts.
    pub is_valid: bool,
    /// The last ended probe was good.
    pub is_last_good: bool,
    /// The last probe failed, and yet the server said something: it is up.
    pub was_answered: bool,
    /// The last probe that has ended got its first answer, or succeeded.
    pub is_partial_success: bool,
    /// Why the last probe failed.
    pub failure: Option<ProbeFailureKind>,
    /// How long ago it was last seen; `None` when never.
    pub seen_ago: Option<Duration>,
    /// How long a slow probe has been under way.
    pub probing_for: Option<Duration>,
}

/// What is known of the replicas of one server: those that are told to replicate from it and can connect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replicas {
    /// All known ones, ordered by host and port.
    pub all: Vec<InstanceKey>,
    /// Those whose last probe was good.
    pub valid: usize,
    /// Of the valid: both threads run.
    pub replicating: usize,
    /// Of the valid: the receiver cannot connect while the applier runs.
    pub failing_to_connect: usize,
    /// Of the valid: the receiver is connected.
    pub receiving: Vec<InstanceKey>,
    /// Of the valid: nobody answers the receiver.
    pub cut_off: Vec<InstanceKey>,
    /// Of the valid: the receiver is connected to a source that is silent, and nothing has come for two heartbeat periods.
    pub standing_still: Vec<InstanceKey>,
    /// Not connected to a source that is silent, and something came from it a moment ago.
    pub heard_lately: Vec<InstanceKey>,
    /// Those with more lag than is reasonable.
    pub lagging: usize,
    /// Those with a configured delay.
    pub delayed: usize,
    /// Those in downtime.
    pub in_downtime: usize,
    /// Those with semi-sync switched on.
    pub semi_sync_enabled: usize,
    /// Those that log what they replicate.
    pub logging: usize,
    /// Of those that log: by format.
    pub logging_statements: usize,
    /// Of those that log: by format.
    pub logging_mixed: usize,
    /// Of those that log: by format.
    pub logging_rows: usize,
    /// Of those that log: version lines, such as `8.0`.
    pub version_lines: BTreeSet<String>,
    /// Every valid one, of at least one, uses Oracle GTIDs.
    pub all_use_oracle_gtid: bool,
    /// Every valid one, of at least one, uses MariaDB GTIDs.
    pub all_use_mariadb_gtid: bool,
    /// Every valid one, of at least one, is a binlog server.
    pub all_are_binlog_servers: bool,
    /// Their `gtid_mode`; empty for MariaDB.
    pub gtid_modes: BTreeSet<String>,
    /// Transactions that only a replica has, of those not in downtime.
    pub errant: Vec<(InstanceKey, String)>,
}

impl Replicas {
    /// How many are known.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// Whether they say that their source is gone: nobody answers some, or nothing comes to them, and none is connected that
    /// might still get something, or got something a moment ago.
    pub fn agree_it_is_gone(&self) -> bool {
        let some_say_so = !self.cut_off.is_empty() || !self.standing_still.is_empty();
        some_say_so && self.receiving.is_empty() && self.heard_lately.is_empty()
    }

    /// One that was told to reconnect by us speaks for its source until that is over.
    fn hold(&mut self, replica: &InstanceKey) {
        let (held, cut_off) = std::mem::take(&mut self.cut_off)
            .into_iter()
            .partition(|key| key == replica);
        self.cut_off = cut_off;
        self.receiving.extend::<Vec<_>>(held);
    }

    /// Receivers that bring nothing of a silent source say nothing for it any more.
    fn hush(&mut self, still: &BTreeSet<InstanceKey>) {
        let receiving = std::mem::take(&mut self.receiving);
        (self.standing_still, self.receiving) =
            receiving.into_iter().partition(|key| still.contains(key));
    }

    /// What came a moment ago speaks for a silent source, whatever became of the receiver since, and of the server itself.
    fn listen(&mut self, heard: &BTreeSet<InstanceKey>) {
        let is_known =
            |key: &InstanceKey| self.receiving.contains(key) || self.standing_still.contains(key);
        let all = self.all.iter();
        let heard = all.filter(|key| heard.contains(*key) && !is_known(key));
        self.heard_lately = heard.cloned().collect();
    }
}

/// Facts of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The instance.
    pub key: InstanceKey,
    /// Name of its cluster.
    pub cluster: Arc<str>,
    /// The server it replicates from, attached.
    pub source: Option<InstanceKey>,
    /// Links between it and the head of its cluster.
    pub depth: u32,
    /// Where it stands.
    pub placement: Placement,
    /// End of its binary log.
    pub binlog_position: Option<BinlogPosition>,
    /// It replicates from nobody and, in a group, is the group's primary.
    pub is_primary: bool,
    /// It and another replicate from each other.
    pub is_co_primary: bool,
    /// It is a member of a replication group, and not offline in it.
    pub is_group_member: bool,
    /// Its cluster is named after it.
    pub is_cluster_head: bool,
    /// It is a binlog server.
    pub is_binlog_server: bool,
    /// Its own receiver cannot connect while its applier runs.
    pub is_failing_to_connect: bool,
    /// How probing it goes.
    pub check: Check,
    /// What it says between probes; `None` where it has no beats, or a good probe is newer than what they say against it.
    pub beat: Option<Beat>,
    /// `read_only`.
    pub is_read_only: bool,
    /// Semi-sync settings and status.
    pub semi_sync: SemiSync,
    /// For how long the end of its binary log has not moved while it waits for semi-sync replicas.
    pub binlog_stalled_for: Option<Duration>,
    /// `gtid_mode`; empty on MariaDB; `None` when never seen.
    pub gtid_mode: Option<String>,
    /// Whether Pseudo-GTID is in use.
    pub uses_pseudo_gtid: bool,
    /// Its replicas.
    pub replicas: Replicas,
    /// Its downtime, when one holds.
    pub downtime: Option<Downtime>,
}
