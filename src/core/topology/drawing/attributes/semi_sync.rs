//! Semi-synchronous replication.

use super::super::values::{read_duration, write_duration};
use super::{Attribute, Needs};

pub(super) const ROWS: &[Attribute] = &[
    Attribute {
        names: &["semi-sync"],
        expects: "without a value: the server has the plugin",
        needs: Needs::Seen,
        write: |draft, _| {
            draft
                .seen
                .semi_sync
                .available
                .then(|| "semi-sync".to_owned())
        },
        read: |draft, _, said| {
            draft.seen.semi_sync.available = true;
            said.none()
        },
    },
    Attribute {
        names: &["semi-sync-source"],
        expects: "semi-sync-source=on:CLIENTS/COUNT, or idle: in the place of on: when it is enabled and its status is OFF",
        needs: Needs::Seen,
        write: |draft, _| {
            let semi_sync = &draft.seen.semi_sync;
            let state = match (semi_sync.source_enabled, semi_sync.source_status) {
                (true, true) => "on",
                (true, false) => "idle",
                (false, true) => "disabled-but-on",
                (false, false) => "off",
            };
            Some(format!(
                "semi-sync-source={state}:{}/{}",
                semi_sync.source_clients, semi_sync.wait_for_replica_count
            ))
        },
        read: |draft, _, said| {
            let (enabled, status, clients, count) = said.parsed(|text| {
                let (state, numbers) = text.split_once(':')?;
                let (clients, count) = numbers.split_once('/')?;
                let (enabled, status) = match state {
                    "on" => (true, true),
                    "idle" => (true, false),
                    "disabled-but-on" => (false, true),
                    "off" => (false, false),
                    _ => return None,
                };
                Some((enabled, status, clients.parse().ok()?, count.parse().ok()?))
            })?;
            let semi_sync = &mut draft.seen.semi_sync;
            semi_sync.available = true;
            semi_sync.source_enabled = enabled;
            semi_sync.source_status = status;
            semi_sync.source_clients = clients;
            semi_sync.wait_for_replica_count = count;
            Ok(())
        },
    },
    Attribute {
        names: &["semi-sync-timeout"],
        expects: "semi-sync-timeout=TIME, like semi-sync-timeout=10s",
        needs: Needs::Seen,
        write: |draft, _| {
            let timeout = write_duration(draft.seen.semi_sync.source_timeout);
            Some(format!("semi-sync-timeout={timeout}"))
        },
        read: |draft, _, said| {
            draft.seen.semi_sync.source_timeout = said.parsed(read_duration)?;
            Ok(())
        },
    },
    Attribute {
        names: &["semi-sync-point"],
        expects: "semi-sync-point=after-sync or after-commit",
        needs: Needs::Seen,
        write: |draft, _| {
            let point = match draft.seen.semi_sync.waits_after_sync? {
                true => "after-sync",
                false => "after-commit",
            };
            Some(format!("semi-sync-point={point}"))
        },
        read: |draft, _, said| {
            let waits = said.parsed(|text| match text {
                "after-sync" => Some(true),
                "after-commit" => Some(false),
                _ => None,
            })?;
            draft.seen.semi_sync.waits_after_sync = Some(waits);
            Ok(())
        },
    },
    Attribute {
        names: &["semi-sync-absent"],
        expects: "semi-sync-absent=wait or go-on",
        needs: Needs::Seen,
        write: |draft, _| {
            let waits = match draft.seen.semi_sync.waits_for_absent? {
                true => "wait",
                false => "go-on",
            };
            Some(format!("semi-sync-absent={waits}"))
        },
        read: |draft, _, said| {
            let waits = said.parsed(|text| match text {
                "wait" => Some(true),
                "go-on" => Some(false),
                _ => None,
            })?;
            draft.seen.semi_sync.waits_for_absent = Some(waits);
            Ok(())
        },
    },
    Attribute {
        names: &["semi-sync-waiting"],
        expects: "semi-sync-waiting=NUMBER",
        needs: Needs::Seen,
        write: |draft, _| {
            let waiting = draft.seen.semi_sync.waiting_commits?;
            Some(format!("semi-sync-waiting={waiting}"))
        },
        read: |draft, _, said| {
            let waiting = said.parsed(|text| text.parse().ok())?;
            draft.seen.semi_sync.waiting_commits = Some(waiting);
            Ok(())
        },
    },
    Attribute {
        names: &["semi-sync-replica"],
        expects: "semi-sync-replica=on, idle or off",
        needs: Needs::Seen,
        write: |draft, _| {
            let semi_sync = &draft.seen.semi_sync;
            let state = match (semi_sync.replica_enabled, semi_sync.replica_status) {
                (true, true) => "on",
                (true, false) => "idle",
                (false, true) => "disabled-but-on",
                (false, false) => "off",
            };
            Some(format!("semi-sync-replica={state}"))
        },
        read: |draft, _, said| {
            let (enabled, status) = said.parsed(|text| match text {
                "on" => Some((true, true)),
                "idle" => Some((true, false)),
                "disabled-but-on" => Some((false, true)),
                "off" => Some((false, false)),
                _ => None,
            })?;
            let semi_sync = &mut draft.seen.semi_sync;
            semi_sync.available = true;
            semi_sync.replica_enabled = enabled;
            semi_sync.replica_status = status;
            Ok(())
        },
    },
    Attribute {
        names: &["semi-sync-priority"],
        expects: "semi-sync-priority=NUMBER",
        needs: Needs::Seen,
        write: |draft, _| {
            Some(format!(
                "semi-sync-priority={}",
                draft.seen.semi_sync.priority
            ))
        },
        read: |draft, _, said| {
            draft.seen.semi_sync.priority = said.parsed(|text| text.parse().ok())?;
            Ok(())
        },
    },
];
