//! The metrics of recoveries, all in one place.

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use orchestrator_core::domain::{Phase, Recovery, RecoveryOutcome};

const RECOVERIES: &str = "orchestrator_recoveries_total";
const PHASE_SECONDS: &str = "orchestrator_recovery_phase_seconds";
const UNDER_WAY: &str = "orchestrator_recoveries_under_way";
const DETECTIONS: &str = "orchestrator_detections_total";
const NOTHING_DONE: &str = "orchestrator_findings_nothing_done";
const RECONNECTED: &str = "orchestrator_replicas_told_to_reconnect_total";
const HEARD_ELSEWHERE: &str = "orchestrator_primaries_heard_elsewhere_total";
const GIVEN_AWAY: &str = "orchestrator_leaderships_given_away_total";
const CLOSED_AFTERWARDS: &str = "orchestrator_old_primaries_closed_total";

/// Describes the metrics to the recorder. Called once, after the recorder is installed.
pub fn describe() {
    describe_counter!(RECOVERIES, "Recoveries that ended, by outcome");
    describe_histogram!(
        PHASE_SECONDS,
        Unit::Seconds,
        "Time from the registration of a recovery until it entered a phase"
    );
    describe_gauge!(UNDER_WAY, "Recoveries under way");
    describe_counter!(DETECTIONS, "Findings that were written down");
    describe_gauge!(
        NOTHING_DONE,
        "Findings that call for something, and nothing is done"
    );
    describe_counter!(
        RECONNECTED,
        "Replicas of silent primaries that were told to reconnect, by whether they could"
    );
    describe_counter!(
        HEARD_ELSEWHERE,
        "Times nothing was done about a primary because another node of the group heard it"
    );
    describe_counter!(
        GIVEN_AWAY,
        "Times leadership was handed over, or was to be, because this node's own link to servers was down"
    );
    describe_counter!(
        CLOSED_AFTERWARDS,
        "Times an old primary came back after its recovery, and was closed"
    );
}

pub(super) fn told_to_reconnect(could: &'static str) {
    counter!(RECONNECTED, "could" => could).increment(1);
}

pub(super) fn recovery_ended(outcome: RecoveryOutcome) {
    let outcome = match outcome {
        RecoveryOutcome::Succeeded => "succeeded",
        RecoveryOutcome::Failed => "failed",
        RecoveryOutcome::CalledOff => "called_off",
    };
    counter!(RECOVERIES, "outcome" => outcome).increment(1);
}

pub(super) fn phase_entered(recovery: &Recovery, phase: Phase) {
    let name = match phase {
        Phase::Registered => "registered",
        Phase::ReceiversStopped => "receivers_stopped",
        Phase::Promoted => "promoted",
        Phase::Published => "published",
        Phase::Ended => "ended",
    };
    if let Some((_, at)) = recovery.entered.iter().find(|(own, _)| *own == phase) {
        let took = at.since(recovery.registered_at);
        histogram!(PHASE_SECONDS, "phase" => name).record(took.as_secs_f64());
    }
}

pub(super) fn detection_written() {
    counter!(DETECTIONS).increment(1);
}

pub(super) fn heard_elsewhere() {
    counter!(HEARD_ELSEWHERE).increment(1);
}

pub(super) fn given_away() {
    counter!(GIVEN_AWAY).increment(1);
}

pub(super) fn closed_afterwards() {
    counter!(CLOSED_AFTERWARDS).increment(1);
}

pub(super) fn looked(under_way: usize, nothing_done: usize) {
    #[allow(
        clippy::cast_precision_loss,
        reason = "nobody has 2^52 recoveries under way"
    )]
    let (under_way, nothing_done) = (under_way as f64, nothing_done as f64);
    gauge!(UNDER_WAY).set(under_way);
    gauge!(NOTHING_DONE).set(nothing_done);
}
