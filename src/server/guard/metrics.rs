//! The metrics of the guard, all in one place.

use metrics::{counter, describe_counter, describe_gauge, gauge};

const CUT_OFF: &str = "orchestrator_isolation_guard_cut_off";
const CLOSED: &str = "orchestrator_isolation_guard_closed_total";

/// Describes the metrics to the recorder. Called once, after the recorder is installed.
pub fn describe() {
    describe_gauge!(
        CUT_OFF,
        "1 while the guard finds that nothing outside of this node's data centre is heard or answers"
    );
    describe_counter!(
        CLOSED,
        "Primaries that the guard closed, or may have, while this node was cut off"
    );
}

pub(super) fn cut_off(is: bool) {
    gauge!(CUT_OFF).set(if is { 1.0 } else { 0.0 });
}

pub(super) fn closed() {
    counter!(CLOSED).increment(1);
}
