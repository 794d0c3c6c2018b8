//! Metrics of beats.

use std::time::Duration;

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

const WATCHED: &str = "orchestrator_beats_watched";
const VIGILS: &str = "orchestrator_beats_vigils";
const TURNED: &str = "orchestrator_beats_turned_total";
const TOOK: &str = "orchestrator_beat_evidence_seconds";

/// Tells what each metric is.
pub fn describe() {
    describe_gauge!(WATCHED, "Primaries with beats.");
    describe_gauge!(
        VIGILS,
        "Primaries of which an orderly shutdown would be told from a crash."
    );
    describe_counter!(
        TURNED,
        "How often a primary came to stand otherwise by its beats, by how it stands then."
    );
    describe_histogram!(
        TOOK,
        Unit::Seconds,
        "From the first beat that failed until that was evidence (gone or silent)."
    );
}

pub(super) fn watched(count: usize) {
    // Never near where a float loses a unit.
    gauge!(WATCHED).set(count as f64);
}

pub(super) fn vigils(by: f64) {
    gauge!(VIGILS).increment(by);
}

pub(super) fn turned(to: &'static str) {
    counter!(TURNED, "to" => to).increment(1);
}

pub(super) fn evidence(took: Duration) {
    histogram!(TOOK).record(took.as_secs_f64());
}
