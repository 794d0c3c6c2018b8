use std::time::Duration;

use crate::domain::{InstanceRecord, Timestamp};

/// How many poll intervals may pass before an instance counts as not recently checked.
const RECENT_POLLS: u32 = 5;

/// What counts as fresh and what as lagging; from the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `InstancePollSeconds`.
    pub poll_interval: Duration,
    /// `ReasonableReplicationLagSeconds`: more is a problem.
    pub reasonable_lag: Duration,
    /// `ReasonableMaintenanceReplicationLagSeconds`: more is shown as lagging and keeps a replica from being moved.
    pub maintenance_lag: Duration,
}

/// How an instance is at one moment, from its record alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The last probe that ended was good.
    pub is_last_check_valid: bool,
    /// A probe ended within one poll interval.
    pub is_up_to_date: bool,
    /// A probe ended within five poll intervals.
    pub is_recently_checked: bool,
    /// It is told to replicate and both threads run.
    pub is_replicating: bool,
    /// It is told to replicate and a thread does not run.
    pub is_broken: bool,
    /// It lags more than is reasonable.
    pub is_lagging: bool,
    /// It lags more than is reasonable for moving it.
    pub lags_for_maintenance: bool,
}

impl Condition {
    /// The condition of `record` at `now`.
    pub fn of(record: &InstanceRecord, limits: &Limits, now: Timestamp) -> Self {
        let seen = record.observation.as_deref();
        let link = seen.and_then(|seen| seen.replication.as_ref());
        let delay = link.map_or(0, |link| link.delay.as_secs());
        // A replica that is delayed on purpose lags from its delay on. Less than its delay is no lag: an idle one shows 0.
        let exceeds = |lag: Option<u64>, limit: Duration| {
            lag.is_some_and(|lag| lag > delay.saturating_add(limit.as_secs()))
        };
        let is_replicating = seen.is_some_and(|seen| seen.is_replicating());
        Self {
            is_last_check_valid: record.is_last_check_valid(),
            is_up_to_date: was_checked_within(record, limits.poll_interval, now),
            is_recently_checked: was_checked_within(
                record,
                limits.poll_interval * RECENT_POLLS,
                now,
            ),
            is_replicating,
            is_broken: link.is_some() && !is_replicating,
            is_lagging: exceeds(
                seen.and_then(|seen| seen.lag_seconds),
                limits.reasonable_lag,
            ),
            lags_for_maintenance: exceeds(
                link.and_then(|link| link.seconds_behind),
                limits.maintenance_lag,
            ),
        }
    }
}

/// In whole seconds, as clients know it: an age of 5.9 s is within a poll interval of 5 s, so that jitter does not flicker.
fn was_checked_within(record: &InstanceRecord, age: Duration, now: Timestamp) -> bool {
    record
        .last_checked_at
        .is_some_and(|at| now.since(at).as_secs() <= age.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{InstanceKey, Observation};
    use std::sync::Arc;

    const LIMITS: Limits = Limits {
        poll_interval: Duration::from_secs(5),
        reasonable_lag: Duration::from_secs(10),
        maintenance_lag: Duration::from_secs(20),
    };

    fn record(checked: i64, seen: i64) -> InstanceRecord {
        let key = InstanceKey::parse("a", 1).unwrap();
        let at = Timestamp::from_seconds(seen);
        InstanceRecord {
            observation: Some(Arc::new(Observation::blank(key.clone(), at))),
            last_checked_at: Some(Timestamp::from_seconds(checked)),
            last_seen_at: Some(at),
            ..InstanceRecord::heard_of(key, at)
        }
    }

    #[test]
    fn freshness_is_counted_in_whole_seconds_of_the_poll_interval() {
        for (micros, up_to_date, recently) in [
            (5_900_000, true, true),
            (6_000_000, false, true),
            (25_999_999, false, true),
            (26_000_000, false, false),
        ] {
            let condition = Condition::of(&record(0, 0), &LIMITS, Timestamp::from_micros(micros));
            assert_eq!(
                (condition.is_up_to_date, condition.is_recently_checked),
                (up_to_date, recently),
                "{micros}"
            );
        }
    }

    #[test]
    fn a_failed_last_probe_makes_the_state_invalid_and_not_old() {
        let condition = Condition::of(&record(9, 3), &LIMITS, Timestamp::from_seconds(9));
        assert!(!condition.is_last_check_valid);
        assert!(condition.is_up_to_date);
    }

    #[test]
    fn an_instance_heard_of_only_is_neither_valid_nor_checked() {
        let heard = InstanceRecord::heard_of(
            InstanceKey::parse("a", 1).unwrap(),
            Timestamp::from_seconds(1),
        );
        let condition = Condition::of(&heard, &LIMITS, Timestamp::from_seconds(1));
        assert!(!condition.is_last_check_valid && !condition.is_recently_checked);
        assert!(!condition.is_broken && !condition.is_lagging);
    }
}
