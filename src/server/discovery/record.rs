//! How a record follows from the one before and the end of a probe. Pure.

use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::domain::{
    InstanceKey, InstanceRecord, Observation, ProbeFailure, Timestamp,
};

/// Smallest step of a timestamp.
const TICK: Duration = Duration::from_micros(1);

/// After a good probe that ended at `ended_at`. The record is that of the observation's key.
pub(super) fn after_success(
    before: Option<&InstanceRecord>,
    seen: Arc<Observation>,
    ended_at: Timestamp,
) -> InstanceRecord {
    InstanceRecord {
        key: seen.key.clone(),
        known_since: before.map_or(ended_at, |before| before.known_since),
        observation: Some(seen),
        last_checked_at: Some(ended_at),
        last_seen_at: Some(ended_at),
        probing_since: None,
        failure: None,
        failures_in_a_row: 0,
    }
}

/// After a failed probe of `key` that ended at `ended_at`: what was seen last stays, with its age.
pub(super) fn after_failure(
    before: Option<&InstanceRecord>,
    key: &InstanceKey,
    failure: ProbeFailure,
    ended_at: Timestamp,
) -> InstanceRecord {
    let before = before
        .cloned()
        .unwrap_or_else(|| InstanceRecord::heard_of(key.clone(), ended_at));
    // A wall clock that was set back must not make the failed check look older than the success before it.
    let after_last_seen = before.last_seen_at.map(|at| at.plus(TICK));
    InstanceRecord {
        last_checked_at: Some(after_last_seen.map_or(ended_at, |at| at.max(ended_at))),
        probing_since: None,
        failure: Some(failure),
        failures_in_a_row: before.failures_in_a_row.saturating_add(1),
        ..before
    }
}

#[cfg(test)]
mod tests {
    use orchestrator_core::domain::ProbeFailureKind;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn refused() -> ProbeFailure {
        ProbeFailure {
            kind: ProbeFailureKind::Refused,
            code: 0,
            message: "refused".to_owned(),
            is_partial: false,
        }
    }

    #[test]
    fn a_failure_keeps_what_was_seen_and_a_success_clears_the_failure() {
        let key = InstanceKey::parse("a", 3306).unwrap();
        let seen = Arc::new(Observation::blank(key.clone(), at(5)));
        let good = after_success(None, seen.clone(), at(5));
        let once = after_failure(Some(&good), &key, refused(), at(9));
        let twice = after_failure(Some(&once), &key, refused(), at(12));
        assert_eq!(twice.observation, Some(seen.clone()));
        assert_eq!(
            (twice.last_seen_at, twice.last_checked_at),
            (Some(at(5)), Some(at(12)))
        );
        assert_eq!(twice.failures_in_a_row, 2);
        assert!(good.is_last_check_valid() && !twice.is_last_check_valid());
        let back = after_success(Some(&twice), seen, at(20));
        assert!(back.is_last_check_valid() && back.failure.is_none());
        assert_eq!((back.failures_in_a_row, back.known_since), (0, at(5)));
    }

    #[test]
    fn a_clock_set_back_does_not_turn_a_failure_into_a_success() {
        let key = InstanceKey::parse("a", 3306).unwrap();
        let good = after_success(
            None,
            Arc::new(Observation::blank(key.clone(), at(50))),
            at(50),
        );
        assert!(!after_failure(Some(&good), &key, refused(), at(10)).is_last_check_valid());
    }
}
