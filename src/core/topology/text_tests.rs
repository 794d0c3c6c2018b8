use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::domain::{
    GroupMember, InstanceRecord, Picture, ReplicationLink, SourceAddress, ThreadState, Timestamp,
};
use crate::topology::{Limits, Topology};

const NOW: i64 = 1_000;

fn key(name: &str) -> InstanceKey {
    InstanceKey::parse(name, 3306).unwrap()
}

fn server(name: &str, source: Option<&str>) -> InstanceRecord {
    let at = Timestamp::from_seconds(NOW);
    let mut seen = Observation::blank(key(name), at);
    seen.identity.version = "8.0.36".into();
    seen.binlog.enabled = true;
    seen.binlog.logs_replica_updates = true;
    seen.binlog.format = "ROW".into();
    seen.gtid.mode = "ON".into();
    seen.read_only = source.is_some();
    seen.lag_seconds = source.map(|_| 0);
    seen.replication = source.map(|source| link(SourceAddress::Attached(key(source))));
    InstanceRecord {
        observation: Some(Arc::new(seen)),
        last_checked_at: Some(at),
        last_seen_at: Some(at),
        ..InstanceRecord::heard_of(key(name), at)
    }
}

fn link(source: SourceAddress) -> ReplicationLink {
    ReplicationLink {
        uses_oracle_gtid: true,
        ..ReplicationLink::running(source)
    }
}

impl InstanceRecord {
    fn with(mut self, change: impl FnOnce(&mut Observation)) -> Self {
        change(Arc::make_mut(self.observation.as_mut().unwrap()));
        self
    }

    fn with_link(self, change: impl FnOnce(&mut ReplicationLink)) -> Self {
        self.with(|seen| change(seen.replication.as_mut().unwrap()))
    }
}

fn drawn_as(records: Vec<InstanceRecord>, layout: Layout) -> String {
    let limits = Limits {
        poll_interval: Duration::from_secs(5),
        reasonable_lag: Duration::from_secs(10),
        maintenance_lag: Duration::from_secs(20),
    };
    let picture: Picture = records.into_iter().collect();
    let topology = Topology::build(&picture);
    let lines: Vec<Line<'_>> = picture
        .records()
        .map(|record| Line {
            key: &record.key,
            seen: record.observation.as_deref().unwrap(),
            condition: Condition::of(record, &limits, Timestamp::from_seconds(NOW)),
            is_co_primary: topology.place(&record.key).unwrap().is_co_primary,
            has_errant: record.key.host().as_str().ends_with("errant"),
            is_downtimed: record.key.host().as_str().ends_with("down"),
        })
        .collect();
    draw(&lines, layout)
}

fn drawn(records: Vec<InstanceRecord>) -> String {
    drawn_as(records, Layout::Bracketed)
}

fn lines(lines: &[&str]) -> String {
    lines.join("\n")
}

#[test]
fn a_tree_is_indented_by_two_and_padded_to_the_longest_name() {
    let records = vec![
        server("a", None).with(|seen| seen.identity.alias = "main".into()),
        server("b", Some("a")),
        server("c", Some("b")),
        server("d-errant", Some("a")),
        server("e-down", Some("a")),
    ];
    assert_eq!(
        drawn(records),
        lines(&[
            "a:3306 (main)   [0s,ok,8.0.36,rw,ROW,>>,GTID]",
            "+ b:3306        [0s,ok,8.0.36,ro,ROW,>>,GTID]",
            "  + c:3306      [0s,ok,8.0.36,ro,ROW,>>,GTID]",
            "+ d-errant:3306 [0s,ok,8.0.36,ro,ROW,>>,GTID:errant]",
            "+ e-down:3306   [0s,ok,8.0.36,ro,ROW,>>,GTID,downtimed]",
        ])
    );
}

#[test]
fn tabulated_columns_keep_empty_parts_and_their_width() {
    let records = vec![
        server("a", None).with(|seen| {
            seen.gtid.mode = String::new();
            seen.binlog.logs_replica_updates = false;
        }),
        server("b", Some("a")).with(|seen| seen.lag_seconds = Some(12)),
        server("c", Some("a")).with(|seen| seen.binlog.enabled = false),
    ];
    assert_eq!(
        drawn_as(records, Layout::Tabulated),
        lines(&[
            "a:3306  | 0s|ok|8.0.36|rw|ROW     |       ",
            "+ b:3306|12s|ok|8.0.36|ro|ROW     |>>,GTID",
            "+ c:3306| 0s|ok|8.0.36|ro|nobinlog|GTID   ",
        ])
    );
}

#[test]
fn every_lag_and_state_has_its_word() {
    let old = Timestamp::from_seconds(NOW - 100);
    let invalid = InstanceRecord {
        last_seen_at: Some(old),
        ..server("d", Some("a"))
    };
    let unchecked = InstanceRecord {
        last_seen_at: Some(old),
        last_checked_at: Some(old),
        ..server("e", Some("a"))
    };
    let records = vec![
        server("a", None),
        server("b", Some("a")).with_link(|link| link.applier = ThreadState::Stopped),
        server("c", Some("a"))
            .with(|seen| seen.lag_seconds = Some(33))
            .with_link(|link| link.seconds_behind = Some(33)),
        invalid,
        unchecked,
        server("f", Some("a")).with_link(|link| {
            link.receiver = ThreadState::Other;
            link.seconds_behind = None;
        }),
        server("g", Some("a")).with_link(|link| {
            link.delay = Duration::from_secs(30);
            link.seconds_behind = Some(31);
        }),
        server("h", Some("a")).with_link(|link| link.applied.file = "//mysql-bin.1".into()),
    ];
    assert_eq!(
        drawn(records),
        lines(&[
            "a:3306   [0s,ok,8.0.36,rw,ROW,>>,GTID]",
            "- b:3306 [null,nonreplicating,8.0.36,ro,ROW,>>,GTID]",
            "+ c:3306 [33s,lag,8.0.36,ro,ROW,>>,GTID]",
            "- d:3306 [unknown,invalid,8.0.36,ro,ROW,>>,GTID]",
            "- e:3306 [unknown,unchecked,8.0.36,ro,ROW,>>,GTID]",
            "- f:3306 [null,nonreplicating,8.0.36,ro,ROW,>>,GTID]",
            "+ g:3306 [0s,ok,8.0.36,ro,ROW,>>,GTID]",
            "+ h:3306 [detached,ok,8.0.36,ro,ROW,>>,GTID]",
        ])
    );
}

#[test]
fn semi_sync_pseudo_gtid_and_group_secondaries_are_shown() {
    let member = |role: &str| {
        Some(GroupMember {
            group_name: "g".into(),
            is_single_primary: true,
            state: "ONLINE".into(),
            role: role.into(),
            members: vec![],
            primary: Some(key("a")),
        })
    };
    let records = vec![
        server("a", None).with(|seen| {
            seen.group = member("PRIMARY");
            seen.semi_sync.source_status = true;
        }),
        server("b", None).with(|seen| {
            seen.group = member("SECONDARY");
            seen.read_only = true;
        }),
        server("c", Some("a")).with(|seen| {
            seen.semi_sync.replica_status = true;
            seen.uses_pseudo_gtid = true;
        }),
    ];
    assert_eq!(
        drawn(records),
        lines(&[
            "a:3306   [0s,ok,8.0.36,rw,ROW,>>,GTID,semi:master]",
            "‡ b:3306 [0s,ok,8.0.36,ro,ROW,>>,GTID]",
            "+ c:3306 [0s,ok,8.0.36,ro,ROW,>>,GTID,P-GTID,semi:replica]",
        ])
    );
}

#[test]
fn co_primaries_stand_side_by_side_each_with_its_replicas() {
    let records = vec![
        server("a", Some("b")),
        server("b", Some("a")),
        server("c", Some("a")),
        server("d", Some("b")),
    ];
    assert_eq!(
        drawn(records),
        lines(&[
            "+ a:3306   [0s,ok,8.0.36,ro,ROW,>>,GTID]",
            "  + c:3306 [0s,ok,8.0.36,ro,ROW,>>,GTID]",
            "+ b:3306   [0s,ok,8.0.36,ro,ROW,>>,GTID]",
            "  + d:3306 [0s,ok,8.0.36,ro,ROW,>>,GTID]",
        ])
    );
}

#[test]
fn rings_and_replicas_of_a_stranger_are_all_drawn_once() {
    let ring = vec![
        server("a", Some("b")),
        server("b", Some("c")),
        server("c", Some("a")),
    ];
    assert_eq!(
        drawn(ring),
        lines(&[
            "+ a:3306     [0s,ok,8.0.36,ro,ROW,>>,GTID]",
            "  + c:3306   [0s,ok,8.0.36,ro,ROW,>>,GTID]",
            "    + b:3306 [0s,ok,8.0.36,ro,ROW,>>,GTID]",
        ])
    );
    assert_eq!(
        drawn(vec![server("b", Some("gone")), server("c", Some("gone"))]),
        lines(&[
            "b:3306 [0s,ok,8.0.36,ro,ROW,>>,GTID]",
            "c:3306 [0s,ok,8.0.36,ro,ROW,>>,GTID]",
        ])
    );
    assert_eq!(drawn(vec![]), "");
}

#[test]
fn a_detached_replica_draws_its_own_tree() {
    let records = vec![
        server("b", Some("a")).with_link(|link| {
            link.source = SourceAddress::Detached(key("a"));
            link.receiver = ThreadState::Stopped;
        }),
        server("c", Some("b")),
    ];
    assert_eq!(
        drawn(records),
        lines(&[
            "b:3306   [null,nonreplicating,8.0.36,ro,ROW,>>,GTID]",
            "+ c:3306 [0s,ok,8.0.36,ro,ROW,>>,GTID]",
        ])
    );
}
