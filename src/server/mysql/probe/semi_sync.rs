use std::time::Duration;

use orchestrator_core::domain::SemiSync;

use super::text::is_on;
use crate::mysql::dialect::{Dialect, Names, semi_sync as names};

/// The statement for the variables of plugins that may be missing: selecting them would fail, showing them does not.
pub(super) const PLUGIN_VARIABLES: &str = "SHOW GLOBAL VARIABLES WHERE Variable_name LIKE 'rpl\\_semi\\_sync\\_%' \
     OR Variable_name IN ('group_replication_group_name', 'group_replication_single_primary_mode')";

/// Reads the settings through `lookup`, which answers `None` for a variable that does not exist.
pub(super) fn apply_settings(
    lookup: impl Fn(&str) -> Option<String>,
    dialect: &Dialect,
    to: &mut SemiSync,
) {
    let either = |names: Names| lookup(names.new).or_else(|| lookup(names.old));
    let number = |names: Names| either(names).and_then(|text| text.parse::<u64>().ok());
    let source = either(names::SOURCE_ENABLED);
    let replica = either(names::REPLICA_ENABLED);
    to.available = source.is_some() && replica.is_some();
    to.source_enabled = source.is_some_and(|text| is_on(&text));
    to.replica_enabled = replica.is_some_and(|text| is_on(&text));
    to.source_timeout = Duration::from_millis(number(names::SOURCE_TIMEOUT).unwrap_or(0));
    // MariaDB has no such variable: it waits for one acknowledgement, always.
    let fixed = u64::from(dialect.is_mariadb() && to.available);
    to.wait_for_replica_count =
        u32::try_from(number(names::WAIT_COUNT).unwrap_or(fixed)).unwrap_or(u32::MAX);
    to.waits_after_sync =
        either(names::WAIT_POINT).map(|text| text.eq_ignore_ascii_case("AFTER_SYNC"));
    to.waits_for_absent = either(names::WAIT_FOR_ABSENT).map(|text| is_on(&text));
}

/// Reads the counters through `lookup`.
pub(super) fn apply_status(lookup: impl Fn(&str) -> Option<String>, to: &mut SemiSync) {
    let either = |names: Names| lookup(names.new).or_else(|| lookup(names.old));
    to.source_status = either(names::SOURCE_STATUS).is_some_and(|text| is_on(&text));
    to.replica_status = either(names::REPLICA_STATUS).is_some_and(|text| is_on(&text));
    to.source_clients = either(names::SOURCE_CLIENTS)
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    to.waiting_commits = either(names::WAITING_COMMITS).and_then(|text| text.parse().ok());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        move |name| {
            pairs
                .iter()
                .find(|(variable, _)| *variable == name)
                .map(|(_, value)| (*value).to_owned())
        }
    }

    #[test]
    fn old_and_new_names_mean_the_same() {
        let mysql = Dialect::detect("9.7.4", "");
        let old = of(&[
            ("rpl_semi_sync_master_enabled", "ON"),
            ("rpl_semi_sync_master_timeout", "1500"),
            ("rpl_semi_sync_master_wait_for_slave_count", "2"),
            ("rpl_semi_sync_master_wait_point", "AFTER_SYNC"),
            ("rpl_semi_sync_master_wait_no_slave", "OFF"),
            ("rpl_semi_sync_slave_enabled", "OFF"),
        ]);
        let new = of(&[
            ("rpl_semi_sync_source_enabled", "ON"),
            ("rpl_semi_sync_source_timeout", "1500"),
            ("rpl_semi_sync_source_wait_for_replica_count", "2"),
            ("rpl_semi_sync_source_wait_point", "AFTER_SYNC"),
            ("rpl_semi_sync_source_wait_no_replica", "OFF"),
            ("rpl_semi_sync_replica_enabled", "OFF"),
        ]);
        let (mut from_old, mut from_new) = (SemiSync::default(), SemiSync::default());
        apply_settings(old, &mysql, &mut from_old);
        apply_settings(new, &mysql, &mut from_new);
        assert_eq!(from_old, from_new);
        assert!(from_new.available && from_new.source_enabled && !from_new.replica_enabled);
        assert_eq!(from_new.source_timeout, Duration::from_millis(1500));
        assert_eq!(from_new.wait_for_replica_count, 2);
        assert_eq!(from_new.waits_after_sync, Some(true));
        assert_eq!(from_new.waits_for_absent, Some(false));
    }

    #[test]
    fn one_side_alone_is_not_available_and_mariadb_waits_for_one() {
        let mut seen = SemiSync::default();
        let one = of(&[("rpl_semi_sync_source_enabled", "ON")]);
        apply_settings(one, &Dialect::detect("9.7.4", ""), &mut seen);
        assert!(!seen.available && seen.source_enabled);
        let mariadb = of(&[
            ("rpl_semi_sync_master_enabled", "0"),
            ("rpl_semi_sync_slave_enabled", "1"),
        ]);
        let mut seen = SemiSync::default();
        apply_settings(mariadb, &Dialect::detect("10.11.19-MariaDB", ""), &mut seen);
        assert!(seen.available && !seen.source_enabled && seen.replica_enabled);
        assert_eq!(seen.wait_for_replica_count, 1);
        assert_eq!((seen.waits_after_sync, seen.waits_for_absent), (None, None));
    }

    #[test]
    fn counters_are_read_under_both_names() {
        let mut seen = SemiSync::default();
        apply_status(
            of(&[
                ("Rpl_semi_sync_master_status", "ON"),
                ("Rpl_semi_sync_master_clients", "3"),
                ("Rpl_semi_sync_master_wait_sessions", "2"),
                ("Rpl_semi_sync_slave_status", "OFF"),
            ]),
            &mut seen,
        );
        assert!(seen.source_status && !seen.replica_status);
        assert_eq!(seen.source_clients, 3);
        assert_eq!(seen.waiting_commits, Some(2));
    }
}
