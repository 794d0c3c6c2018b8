use orchestrator_core::domain::{
    Detection, InstanceKey, Phase, Recovery, RecoveryEnd, RecoveryId, RecoveryKind, RecoveryNote,
    RecoveryOutcome, TimeSplit, Timestamp,
};
use serde::Serialize;

use super::{AnalysisDto, ClusterNames, CoordinatesDto, KeyDto, Rfc3339, SpaceSeparated};
use crate::api::ApiConfig;

/// `TopologyRecovery` of the API. What is new with us stands at the end.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RecoveryDto<'a> {
    id: u64,
    #[serde(rename = "UID")]
    uid: String,
    analysis_entry: AnalysisDto<'a>,
    successor_key: Option<KeyDto<'a>>,
    successor_alias: &'a str,
    successor_binlog_coordinates: Option<CoordinatesDto<'a>>,
    is_active: bool,
    is_successful: bool,
    lost_replicas: Vec<KeyDto<'a>>,
    participating_instance_keys: Vec<KeyDto<'a>>,
    all_errors: Option<Vec<&'a str>>,
    recovery_start_timestamp: String,
    recovery_end_timestamp: String,
    processing_node_hostname: &'a str,
    /// Which process it was is not kept: empty.
    processing_node_token: &'a str,
    acknowledged: bool,
    acknowledged_at: String,
    acknowledged_by: &'a str,
    acknowledged_comment: &'a str,
    last_detection_id: u64,
    related_recovery_id: u64,
    #[serde(rename = "Type")]
    kind: &'a str,
    recovery_type: &'a str,
    #[serde(flatten)]
    more: More<'a>,
}

/// What is new with us.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum More<'a> {
    Recovery(RecoveryMore<'a>),
    Detection(DetectionMore),
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct RecoveryMore<'a> {
    phase: &'a str,
    outcome: &'a str,
    attempt: u32,
    requested_by: &'a str,
    data_loss: String,
    time_split: Option<TimeSplitDto>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct DetectionMore {
    #[serde(rename = "RecoveryUID")]
    recovery: String,
    is_actionable: bool,
}

impl Default for More<'_> {
    fn default() -> Self {
        Self::Recovery(RecoveryMore::default())
    }
}

/// Where the time of a recovery went, in milliseconds; `null` where a part is not known.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct TimeSplitDto {
    detect_milliseconds: Option<u64>,
    decide_milliseconds: Option<u64>,
    close_milliseconds: Option<u64>,
    promote_milliseconds: Option<u64>,
    publish_milliseconds: Option<u64>,
}

impl From<TimeSplit> for TimeSplitDto {
    fn from(times: TimeSplit) -> Self {
        let millis = |part: Option<std::time::Duration>| {
            part.map(|part| u64::try_from(part.as_millis()).unwrap_or(u64::MAX))
        };
        Self {
            detect_milliseconds: millis(times.detect),
            decide_milliseconds: millis(times.decide),
            close_milliseconds: millis(times.close),
            promote_milliseconds: millis(times.promote),
            publish_milliseconds: millis(times.publish),
        }
    }
}

impl<'a> RecoveryDto<'a> {
    /// As in lists of recoveries.
    pub fn listed(
        id: RecoveryId,
        recovery: &'a Recovery,
        config: &ApiConfig,
        now: Timestamp,
    ) -> Self {
        let end = recovery.end.as_ref();
        let noted = recovery.acknowledgement.as_ref();
        Self {
            successor_key: Some(KeyDto::from(successor(end))),
            is_active: is_active(recovery, config, now),
            // A stored text that is split: one empty line where there is none.
            all_errors: Some(match errors(end) {
                none if none.is_empty() => vec![""],
                some => some,
            }),
            recovery_start_timestamp: Rfc3339(recovery.registered_at).to_string(),
            recovery_end_timestamp: end
                .map_or_else(String::new, |end| SpaceSeparated(end.at).to_string()),
            processing_node_hostname: &recovery.node,
            acknowledged: noted.is_some(),
            acknowledged_at: noted.map_or_else(String::new, |noted| Rfc3339(noted.at).to_string()),
            acknowledged_by: noted.map_or("", |noted| &noted.by),
            acknowledged_comment: noted.map_or("", |noted| &noted.comment),
            recovery_type: "NotMasterRecovery",
            ..Self::common(id, recovery, entry_of(recovery, config))
        }
    }

    /// As in the answer to who asked for it; `entry` is what is known of its subject now, where it still is a finding.
    pub fn live(
        id: RecoveryId,
        recovery: &'a Recovery,
        entry: Option<AnalysisDto<'a>>,
        successor_binlog_coordinates: Option<CoordinatesDto<'a>>,
        config: &ApiConfig,
    ) -> Self {
        let end = recovery.end.as_ref();
        Self {
            successor_key: successor(end).map(KeyDto::from),
            successor_binlog_coordinates,
            all_errors: Some(errors(end)),
            kind: type_of(recovery.kind),
            recovery_type: match recovery.kind {
                RecoveryKind::DeadPrimary | RecoveryKind::DeadCoPrimary => "MasterRecoveryGTID",
                _ => "NotMasterRecovery",
            },
            ..Self::common(
                id,
                recovery,
                entry.unwrap_or_else(|| entry_of(recovery, config)),
            )
        }
    }

    fn common(id: RecoveryId, recovery: &'a Recovery, analysis_entry: AnalysisDto<'a>) -> Self {
        let end = recovery.end.as_ref();
        Self {
            id: recovery.number,
            uid: id.to_string(),
            analysis_entry,
            successor_alias: end.map_or("", |end| &end.successor_alias),
            is_successful: end.is_some_and(|end| end.outcome == RecoveryOutcome::Succeeded),
            lost_replicas: end.map_or_else(Vec::new, |end| keys(&end.lost)),
            participating_instance_keys: end.map_or_else(Vec::new, |end| keys(&end.participants)),
            last_detection_id: recovery.detection,
            more: More::Recovery(RecoveryMore {
                phase: phase(recovery.phase),
                outcome: end.map_or("", |end| outcome(end.outcome)),
                attempt: recovery.attempt,
                requested_by: &recovery.requested_by,
                data_loss: end
                    .and_then(|end| end.data_loss.as_ref())
                    .map_or_else(String::new, ToString::to_string),
                time_split: end.map(|end| end.times.into()),
            }),
            ..Self::default()
        }
    }

    /// As in lists of detections; `recovery` is the number of the last recovery that answered it, or 0.
    pub fn detected(
        number: u64,
        detection: &'a Detection,
        recovery: u64,
        config: &ApiConfig,
        now: Timestamp,
    ) -> Self {
        let began = Rfc3339(detection.detected_at).to_string();
        let cluster = names(&detection.cluster, &detection.cluster_alias);
        let (subject, code) = (&detection.subject, detection.code);
        let entry = AnalysisDto::sparse(subject, code, cluster, &detection.replicas, config);
        Self {
            id: number,
            analysis_entry: entry.active_since(began.clone()),
            is_active: now < detection.active_until,
            recovery_start_timestamp: began,
            processing_node_hostname: &detection.node,
            related_recovery_id: recovery,
            more: More::Detection(DetectionMore {
                recovery: detection.recovery.to_string(),
                is_actionable: detection.is_actionable,
            }),
            ..Self::default()
        }
    }
}

fn entry_of<'a>(recovery: &'a Recovery, config: &ApiConfig) -> AnalysisDto<'a> {
    let cluster = names(&recovery.cluster, &recovery.cluster_alias);
    let (subject, code) = (&recovery.subject, recovery.code);
    AnalysisDto::sparse(subject, code, cluster, &recovery.replicas, config)
}

/// A cluster without an alias goes by its name.
fn names<'a>(name: &'a str, alias: &'a str) -> ClusterNames<'a> {
    let alias = if alias.is_empty() { name } else { alias };
    ClusterNames { name, alias }
}

/// Whether it holds others back: it is under way, or within its block period and not acknowledged.
fn is_active(recovery: &Recovery, config: &ApiConfig, now: Timestamp) -> bool {
    let until = recovery.blocks_until(config.recovery.block_period);
    recovery.end.is_none() || until.is_some_and(|until| now < until)
}

fn successor(end: Option<&RecoveryEnd>) -> Option<&InstanceKey> {
    end.and_then(|end| end.successor.as_ref())
}

fn errors(end: Option<&RecoveryEnd>) -> Vec<&str> {
    let all = end.map_or(&[][..], |end| &end.errors);
    all.iter().map(String::as_str).collect()
}

fn keys(keys: &[InstanceKey]) -> Vec<KeyDto<'_>> {
    keys.iter().map(KeyDto::from).collect()
}

fn type_of(kind: RecoveryKind) -> &'static str {
    match kind {
        RecoveryKind::DeadPrimary | RecoveryKind::Takeover => "MasterRecovery",
        RecoveryKind::DeadCoPrimary => "CoMasterRecovery",
        RecoveryKind::DeadIntermediateSource => "IntermediateMasterRecovery",
        RecoveryKind::Settings => "",
    }
}

/// The word for a phase.
pub(super) const fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Registered => "registered",
        Phase::ReceiversStopped => "receivers-stopped",
        Phase::Promoted => "promoted",
        Phase::Published => "published",
        Phase::Ended => "ended",
    }
}

/// The word for an outcome.
pub(super) const fn outcome(outcome: RecoveryOutcome) -> &'static str {
    match outcome {
        RecoveryOutcome::Succeeded => "succeeded",
        RecoveryOutcome::Failed => "failed",
        RecoveryOutcome::CalledOff => "called-off",
    }
}

/// `BlockedTopologyRecovery` of the API. What is new with us stands at the end.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct BlockedDto<'a> {
    /// The server.
    pub failed_instance_key: KeyDto<'a>,
    /// Name of its cluster.
    pub cluster_name: &'a str,
    /// What is wrong with it.
    pub analysis: &'static str,
    /// When the recovery was last held back.
    pub last_blocked_timestamp: String,
    /// Number of the recovery that holds it back.
    pub blocking_recovery_id: u64,
    /// UID of that recovery.
    #[serde(rename = "BlockingRecoveryUID")]
    pub blocking_recovery_uid: String,
    /// The reason, one sentence.
    pub reason: &'a str,
}

/// `TopologyRecoveryStep` of the API.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NoteDto<'a> {
    id: u64,
    #[serde(rename = "RecoveryUID")]
    uid: String,
    audit_at: String,
    message: &'a str,
}

impl<'a> NoteDto<'a> {
    /// A line of a recovery's record.
    pub fn new(id: RecoveryId, note: &'a RecoveryNote) -> Self {
        Self {
            id: note.number,
            uid: id.to_string(),
            audit_at: Rfc3339(note.at).to_string(),
            message: &note.text,
        }
    }
}
