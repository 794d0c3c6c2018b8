//! From a picture to facts.

use std::collections::BTreeSet;

use super::vote::is_failing_to_connect;
use super::{Check, Facts, Replicas, Vote};
use crate::analysis::{AnalysisPolicy, Scene};
use crate::beats::{Beat, Standing};
use crate::domain::{
    Flavor, GroupMember, InstanceKey, InstanceRecord, Observation, Placement, ProbeFailure,
    ProbeFailureKind, SemiSync, Timestamp,
};
use crate::topology::errant;

impl Facts {
    /// Facts of the instance of `record`; `None` while no probe of it has ended: nothing is known of it then, and nothing
    /// wrong. Also when the topology is of another picture and does not know it.
    pub(in crate::analysis) fn gather(
        record: &InstanceRecord,
        scene: &Scene<'_>,
        policy: &AnalysisPolicy,
    ) -> Option<Self> {
        record.last_checked_at?;
        let place = scene.topology.place(&record.key)?;
        let seen = record.observation.as_deref();
        let link = seen.and_then(|seen| seen.replication.as_ref());
        let group = seen.and_then(|seen| seen.group.as_ref());
        let is_detached = link.is_none_or(|link| link.source.is_detached());
        let beat = scene
            .beats
            .of(&record.key)
            .filter(|beat| counts(beat, record));
        let mut replicas = Replicas::of(record, scene, policy);
        if let Some(beat) = beat.filter(|beat| beat.standing == Standing::Silent) {
            replicas.hush(&beat.standing_still);
            replicas.listen(&beat.heard_lately);
        }
        if let Some(replica) = beat.and_then(|beat| beat.reconnecting.as_ref()) {
            replicas.hold(replica);
        }
        Some(Self {
            key: record.key.clone(),
            cluster: place.cluster.clone(),
            source: seen.and_then(|seen| seen.source()).cloned(),
            depth: place.depth,
            placement: seen.map_or_else(Placement::default, |seen| seen.placement.clone()),
            binlog_position: seen.and_then(|seen| seen.binlog.position.clone()),
            // A server that was never seen is somebody's source or a name: the head of what is below it.
            is_primary: is_detached && group.is_none_or(|group| group.role == "PRIMARY"),
            is_co_primary: place.is_co_primary,
            is_group_member: group.is_some_and(is_member),
            is_cluster_head: *place.cluster == *record.key.to_string(),
            is_binlog_server: seen.is_some_and(is_binlog_server),
            is_failing_to_connect: link.is_some_and(is_failing_to_connect),
            check: Check::of(record, policy, scene.now).with_beat(beat),
            beat: beat.cloned(),
            is_read_only: seen.is_some_and(|seen| seen.read_only),
            semi_sync: seen.map_or_else(SemiSync::default, |seen| seen.semi_sync.clone()),
            binlog_stalled_for: seen.and_then(|seen| scene.stalls.stalled_for(seen)),
            gtid_mode: seen.map(|seen| seen.gtid.mode.clone()),
            uses_pseudo_gtid: seen.is_some_and(|seen| seen.uses_pseudo_gtid),
            replicas,
            downtime: scene.decided.downtime_at(&record.key, scene.now).cloned(),
        })
    }
}

impl Check {
    fn of(record: &InstanceRecord, policy: &AnalysisPolicy, now: Timestamp) -> Self {
        let is_last_good = record.is_last_check_valid();
        let seen_ago = record.age(now);
        // A slow probe spoils the last good one when that is older than it should be by now.
        let is_spoiled =
            record.probing_since.is_some() && seen_ago.is_none_or(|age| age > policy.validity());
        let failure = record.failure.as_ref().filter(|_| !is_last_good);
        let answered =
            |failure: &ProbeFailure| failure.is_partial || failure.kind.server_answered();
        Self {
            is_valid: is_last_good && !is_spoiled,
            is_last_good,
            was_answered: failure.is_some_and(answered),
            is_partial_success: is_last_good || failure.is_some_and(|failure| failure.is_partial),
            failure: failure.map(|failure| failure.kind),
            seen_ago,
            probing_for: record.probing_since.map(|since| now.since(since)),
        }
    }

    /// Beats are newer than probes: a primary that is gone or silent by them fails its check, and one that answers them is up,
    /// whatever became of its probe.
    fn with_beat(self, beat: Option<&Beat>) -> Self {
        let why = match beat.map(|beat| beat.standing) {
            Some(Standing::Alive { .. }) => {
                let was_answered = self.was_answered || !self.is_valid;
                return Self {
                    was_answered,
                    ..self
                };
            }
            Some(Standing::Gone) => ProbeFailureKind::Refused,
            Some(Standing::Silent) => ProbeFailureKind::Timeout,
            _ => return self,
        };
        Self {
            is_valid: false,
            is_last_good: false,
            was_answered: false,
            is_partial_success: false,
            failure: Some(why),
            ..self
        }
    }
}

/// Whether a beat is newer than the last good probe where it speaks against the server.
fn counts(beat: &Beat, record: &InstanceRecord) -> bool {
    let seen_later = record.last_seen_at.is_some_and(|at| at > beat.since);
    !(beat.standing.is_against() && seen_later)
}

impl Replicas {
    fn of(source: &InstanceRecord, scene: &Scene<'_>, policy: &AnalysisPolicy) -> Self {
        let mut found = Self {
            all_use_oracle_gtid: true,
            all_use_mariadb_gtid: true,
            all_are_binlog_servers: true,
            ..Self::default()
        };
        for key in scene.topology.replicas_of(&source.key) {
            let record = scene.picture.get(key);
            // Secondaries of a group stand below its primary and replicate from it by no link of their own.
            if let Some(record) = record
                && let Some(seen) = record.observation.as_deref()
                && seen.source() == Some(&source.key)
            {
                found.count_in(record, seen, scene, policy);
                found.find_errant(source, seen, scene);
            }
        }
        let is_any_valid = found.valid > 0;
        found.all_use_oracle_gtid &= is_any_valid;
        found.all_use_mariadb_gtid &= is_any_valid;
        found.all_are_binlog_servers &= is_any_valid;
        found
    }

    fn count_in(
        &mut self,
        record: &InstanceRecord,
        seen: &Observation,
        scene: &Scene<'_>,
        policy: &AnalysisPolicy,
    ) {
        let link = seen.replication.as_ref();
        if record.is_last_check_valid() {
            self.count_valid(&record.key, seen);
        }
        let lag = policy.reasonable_lag.as_secs();
        self.lagging += usize::from(seen.lag_seconds.is_some_and(|seconds| seconds > lag));
        self.delayed += usize::from(link.is_some_and(|link| !link.delay.is_zero()));
        let downtime = scene.decided.downtime_at(&record.key, scene.now);
        self.in_downtime += usize::from(downtime.is_some());
        self.semi_sync_enabled += usize::from(seen.semi_sync.replica_enabled);
        if seen.binlog.enabled && seen.binlog.logs_replica_updates {
            self.count_logging(seen);
        }
        self.gtid_modes.insert(seen.gtid.mode.clone());
        self.all.push(record.key.clone());
    }

    fn count_valid(&mut self, key: &InstanceKey, seen: &Observation) {
        self.valid += 1;
        self.replicating += usize::from(seen.is_replicating());
        let Some(link) = &seen.replication else {
            return;
        };
        self.failing_to_connect += usize::from(is_failing_to_connect(link));
        match Vote::of(link) {
            Vote::Receiving => self.receiving.push(key.clone()),
            Vote::CutOff => self.cut_off.push(key.clone()),
            Vote::Abstains => {}
        }
        self.all_use_oracle_gtid &= link.uses_oracle_gtid;
        self.all_use_mariadb_gtid &= link.uses_mariadb_gtid;
        self.all_are_binlog_servers &= is_binlog_server(seen);
    }

    fn count_logging(&mut self, seen: &Observation) {
        self.logging += 1;
        match seen.binlog.format.as_str() {
            "STATEMENT" => self.logging_statements += 1,
            "MIXED" => self.logging_mixed += 1,
            "ROW" => self.logging_rows += 1,
            _ => {}
        }
        self.version_lines
            .insert(version_line(&seen.identity.version));
    }

    fn find_errant(&mut self, source: &InstanceRecord, replica: &Observation, scene: &Scene<'_>) {
        let Some(above) = source.observation.as_deref() else {
            return;
        };
        // The usual case, and the cheap one.
        if replica.gtid.executed == above.gtid.executed
            || scene.decided.downtime_at(&replica.key, scene.now).is_some()
        {
            return;
        }
        let uuids: BTreeSet<&str> = scene
            .topology
            .sources_above(&replica.key)
            .iter()
            .filter_map(|key| scene.picture.observation(key))
            .map(|seen| seen.identity.server_uuid.as_str())
            .collect();
        let uuids: Vec<&str> = uuids.into_iter().collect();
        let is_co_primary = scene
            .topology
            .place(&replica.key)
            .is_some_and(|place| place.is_co_primary);
        let set = errant(replica, Some(above), &uuids, is_co_primary);
        if !set.is_empty() {
            self.errant.push((replica.key.clone(), set));
        }
    }
}

fn is_member(group: &GroupMember) -> bool {
    !group.group_name.is_empty() && group.state != "OFFLINE"
}

fn is_binlog_server(seen: &Observation) -> bool {
    seen.identity.flavor == Flavor::MaxScale
}

/// The first two numbers of a version: what is called its line or major version.
fn version_line(version: &str) -> String {
    let mut parts = version.split('.');
    match (parts.next(), parts.next()) {
        (Some(major), Some(minor)) => format!("{major}.{minor}"),
        _ => version.to_owned(),
    }
}
