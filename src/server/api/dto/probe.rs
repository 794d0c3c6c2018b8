use orchestrator_core::domain::{
    InstanceKey, InstanceRecord, ProbeFailure, ProbeFailureKind, Timestamp,
};
use orchestrator_core::ports::ProbeState;
use serde::Serialize;

use super::Fractional;

/// How probing an instance goes, in the words of the second API.
#[derive(Debug, Serialize)]
pub struct ProbeDto<'a> {
    key: PlainKey<'a>,
    state: &'static str,
    /// Age of what is shown of the instance.
    age_seconds: Option<f64>,
    last_checked_at: Option<Fractional>,
    last_seen_at: Option<Fractional>,
    probing_since: Option<Fractional>,
    probing_for_seconds: Option<f64>,
    failure: Option<FailureDto<'a>>,
    failures_in_a_row: u32,
    next_due_at: Option<Fractional>,
    is_on_slow_queue: bool,
}

#[derive(Debug, Serialize)]
struct PlainKey<'a> {
    hostname: &'a str,
    port: u16,
}

#[derive(Debug, Serialize)]
struct FailureDto<'a> {
    kind: &'static str,
    code: u16,
    message: &'a str,
    is_partial: bool,
}

impl<'a> ProbeDto<'a> {
    /// The probes of an instance; `probing` is what the discovery loop adds, when it knows the instance.
    pub fn of(record: &'a InstanceRecord, probing: Option<&ProbeState>, now: Timestamp) -> Self {
        let since = probing
            .and_then(|probing| probing.probing_since)
            .or(record.probing_since);
        let seconds_to_now = |at: Timestamp| now.since(at).as_secs_f64();
        Self {
            key: PlainKey::from(&record.key),
            state: state(record),
            age_seconds: record.last_seen_at.map(seconds_to_now),
            last_checked_at: record.last_checked_at.map(Fractional),
            last_seen_at: record.last_seen_at.map(Fractional),
            probing_since: since.map(Fractional),
            probing_for_seconds: since.map(seconds_to_now),
            failure: record.failure.as_ref().map(FailureDto::from),
            failures_in_a_row: record.failures_in_a_row,
            next_due_at: probing
                .and_then(|probing| probing.next_due_at)
                .map(Fractional),
            is_on_slow_queue: probing.is_some_and(|probing| probing.is_on_slow_queue),
        }
    }
}

/// A probe that takes longer than a second comes first: while it hangs, nothing newer is known.
fn state(record: &InstanceRecord) -> &'static str {
    if record.probing_since.is_some() {
        "hanging"
    } else if record.failure.is_some() {
        "failing"
    } else if record.last_seen_at.is_none() {
        "never_seen"
    } else {
        "ok"
    }
}

impl<'a> From<&'a InstanceKey> for PlainKey<'a> {
    fn from(key: &'a InstanceKey) -> Self {
        Self {
            hostname: key.host().as_str(),
            port: key.port(),
        }
    }
}

impl<'a> From<&'a ProbeFailure> for FailureDto<'a> {
    fn from(failure: &'a ProbeFailure) -> Self {
        Self {
            kind: match failure.kind {
                ProbeFailureKind::Refused => "refused",
                ProbeFailureKind::Unreachable => "unreachable",
                ProbeFailureKind::UnknownHost => "unknown_host",
                ProbeFailureKind::Timeout => "timeout",
                ProbeFailureKind::AccessDenied => "access_denied",
                ProbeFailureKind::RefusesUs => "refuses_us",
                ProbeFailureKind::Tls => "tls",
                ProbeFailureKind::InvalidAnswer => "invalid_answer",
                ProbeFailureKind::Statement => "statement",
            },
            code: failure.code,
            message: &failure.message,
            is_partial: failure.is_partial,
        }
    }
}
