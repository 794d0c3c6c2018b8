//! The metrics of discovery, all in one place.

use std::time::Duration;

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use orchestrator_core::domain::ProbeFailureKind;

const PROBES: &str = "orchestrator_probes_total";
const PROBE_SECONDS: &str = "orchestrator_probe_seconds";
const IN_FLIGHT: &str = "orchestrator_probes_in_flight";
const TRACKED: &str = "orchestrator_tracked_instances";
const SLOW_QUEUE: &str = "orchestrator_slow_queue_length";
const PICTURE: &str = "orchestrator_picture_instances";
const BACKLOG: &str = "orchestrator_write_behind_backlog";
const DROPPED: &str = "orchestrator_write_behind_dropped_total";

/// Describes the metrics to the recorder. Called once, after the recorder is installed.
pub fn describe() {
    describe_counter!(PROBES, "Probes that ended, by outcome");
    describe_histogram!(
        PROBE_SECONDS,
        Unit::Seconds,
        "How long probes took, by outcome"
    );
    describe_gauge!(IN_FLIGHT, "Probes under way");
    describe_gauge!(TRACKED, "Instances that are probed, shown or not");
    describe_gauge!(
        SLOW_QUEUE,
        "Instances that wait for a place among dead and hanging servers"
    );
    describe_gauge!(PICTURE, "Instances in the picture");
    describe_gauge!(BACKLOG, "Instances whose latest change is not stored yet");
    describe_counter!(
        DROPPED,
        "Changes given up because too many waited to be stored"
    );
}

/// A probe ended; `failure` when it failed.
pub(super) fn probe_ended(failure: Option<ProbeFailureKind>, took: Duration) {
    let outcome = failure.map_or("good", label);
    counter!(PROBES, "outcome" => outcome).increment(1);
    histogram!(PROBE_SECONDS, "outcome" => outcome).record(took.as_secs_f64());
}

/// The sizes that housekeeping reports.
pub(super) struct Sizes {
    pub(super) in_flight: usize,
    pub(super) tracked: usize,
    pub(super) slow_queue: usize,
    pub(super) picture: usize,
    pub(super) backlog: usize,
    pub(super) dropped: u64,
}

/// Reports sizes.
pub(super) fn sizes(sizes: &Sizes) {
    gauge!(IN_FLIGHT).set(as_f64(sizes.in_flight));
    gauge!(TRACKED).set(as_f64(sizes.tracked));
    gauge!(SLOW_QUEUE).set(as_f64(sizes.slow_queue));
    gauge!(PICTURE).set(as_f64(sizes.picture));
    gauge!(BACKLOG).set(as_f64(sizes.backlog));
    counter!(DROPPED).absolute(sizes.dropped);
}

fn as_f64(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

fn label(kind: ProbeFailureKind) -> &'static str {
    match kind {
        ProbeFailureKind::Refused => "refused",
        ProbeFailureKind::Unreachable => "unreachable",
        ProbeFailureKind::UnknownHost => "unknown_host",
        ProbeFailureKind::Timeout => "timeout",
        ProbeFailureKind::AccessDenied => "access_denied",
        ProbeFailureKind::RefusesUs => "refuses_us",
        ProbeFailureKind::Tls => "tls",
        ProbeFailureKind::InvalidAnswer => "invalid_answer",
        ProbeFailureKind::Statement => "statement",
    }
}
