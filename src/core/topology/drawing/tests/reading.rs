//! What a drawing means, and its normal form.

use std::time::Duration;

use super::{NOW, drawn, key, seen};
use crate::domain::{Flavor, ProbeFailureKind, PromotionRule, SourceAddress, ThreadState};
use crate::topology::Topology;

#[test]
fn three_names_are_a_healthy_cluster() {
    let drawing = drawn("a\n+ b\n+ c\n");
    let (a, b) = (seen(&drawing, "a"), seen(&drawing, "b"));
    assert_eq!(a.identity.version, "8.4.6");
    assert_eq!(a.gtid.mode, "ON");
    assert!(!a.read_only && b.read_only);
    assert_eq!(a.replicas, [key("b"), key("c")]);
    assert_eq!(b.source(), Some(&key("a")));
    let link = b.replication.as_ref().expect("b has a link");
    assert!(b.is_replicating() && link.uses_oracle_gtid);
    assert_eq!(link.source_uuid, a.identity.server_uuid);
    assert_eq!(b.gtid.executed, a.gtid.executed);
    assert_eq!(b.gtid.executed, format!("{}:1-100", a.identity.server_uuid));
    assert_eq!(b.lag_seconds, Some(0));
    assert_ne!(a.identity.server_id, b.identity.server_id);
    for record in drawing.picture.records() {
        assert!(record.is_last_check_valid(), "{}", record.key);
    }
    assert_eq!(drawing.to_string(), "a\n+ b\n+ c\n");
}

#[test]
fn levels_pairs_and_strangers_make_the_topology_they_show() {
    let drawing = drawn("a\n<-> b\n  + d\n+ c\nm [not-known]\n+ n\n  + o\n");
    let topology = Topology::build(&drawing.picture);
    let source = |name: &str| {
        let place = topology.place(&key(name)).expect("a known server");
        let source = place.source.as_ref().map(|key| key.host().as_str());
        (source.unwrap_or("-").to_owned(), place.is_co_primary)
    };
    assert_eq!(source("a"), ("b".to_owned(), true));
    assert_eq!(source("b"), ("a".to_owned(), true));
    assert_eq!(source("d"), ("b".to_owned(), false));
    assert_eq!(source("c"), ("a".to_owned(), false));
    assert_eq!(source("n"), ("m".to_owned(), false));
    assert_eq!(source("o"), ("n".to_owned(), false));
    assert!(drawing.picture.get(&key("m")).is_none());
    let (a, b) = (seen(&drawing, "a"), seen(&drawing, "b"));
    assert!(!a.read_only && b.read_only, "one of a pair is writable");
}

#[test]
fn replicas_take_their_version_and_gtids_from_above() {
    let drawing = drawn("a [10.11.6-MariaDB gtid=0-1-42]\n+ b\n  + c [8.0.36/percona]\n");
    let (b, c) = (seen(&drawing, "b"), seen(&drawing, "c"));
    assert_eq!(b.identity.flavor, Flavor::MariaDb);
    assert_eq!(b.gtid.mariadb_current, "0-1-42");
    let link = b.replication.expect("b has a link");
    assert!(link.uses_mariadb_gtid && !link.uses_oracle_gtid);
    assert_eq!(link.mariadb_received, "0-1-42");
    assert_eq!(b.super_read_only, None);
    assert_eq!(c.identity.flavor, Flavor::Percona);
    assert_eq!(c.identity.version, "8.0.36");
}

#[test]
fn names_stand_for_uuids_in_gtid_sets() {
    let drawing =
        drawn("a\n+ b [gtid=..1-90 received=..1-95]\n+ c [gtid=..1-100,<b>:1-3]\n+ d [errant=2]");
    let uuid = |name: &str| seen(&drawing, name).identity.server_uuid;
    let b = seen(&drawing, "b");
    assert_eq!(b.gtid.executed, format!("{}:1-90", uuid("a")));
    let link = b.replication.expect("b has a link");
    assert_eq!(link.retrieved, format!("{}:1-95", uuid("a")));
    let c = seen(&drawing, "c").gtid.executed;
    assert_eq!(c, format!("{}:1-100,{}:1-3", uuid("a"), uuid("b")));
    let printed = drawing.to_string();
    assert!(printed.contains("+ c [gtid=..1-100,<b>:1-3]"), "{printed}");
    assert!(
        printed.contains("+ d [gtid=..1-100,<d>:1-2 received=..1-100]"),
        "{printed}"
    );
}

#[test]
fn a_receiver_that_connects_has_an_error_and_no_lag() {
    let link = |text: &str| {
        let b = seen(&drawn(text), "b");
        let lag = b.lag_seconds;
        (b.replication.expect("b has a link"), lag)
    };
    let (connecting, lag) = link("a\n+ b [io=connecting]");
    assert_eq!(connecting.receiver, ThreadState::Other);
    assert_eq!(connecting.receiver_errno, 2003);
    assert_eq!(connecting.receiver_error, "error connecting to source");
    assert_eq!(lag, None);
    let (told, lag) =
        link("a\n+ b [lag=7s io=connecting io-errno=1040 io-error=\"Too many \\\"]\"]");
    assert_eq!(told.receiver_errno, 1040);
    assert_eq!(told.receiver_error, "Too many \"]");
    assert_eq!(lag, Some(7), "the order of words means nothing");
    let (stopped, _) = link("a\n+ b [io=no]");
    assert_eq!(
        (stopped.receiver_errno, stopped.receiver),
        (0, ThreadState::Stopped)
    );
}

#[test]
fn an_unreachable_server_keeps_what_was_last_seen() {
    let drawing = drawn(
        "a [unreachable=timeout seen=12s]\n+ b [partial=refuses-us]\nc [unreachable never-seen]",
    );
    let record = |name: &str| drawing.picture.get(&key(name)).expect("known").clone();
    let a = record("a");
    assert!(!a.is_last_check_valid() && a.observation.is_some());
    assert_eq!(a.age(NOW), Some(Duration::from_secs(12)));
    let kind = |name: &str| record(name).failure.clone().expect("a failure");
    assert_eq!(kind("a").kind, ProbeFailureKind::Timeout);
    assert!(!kind("a").is_partial && kind("b").is_partial);
    assert_eq!(kind("b").kind, ProbeFailureKind::RefusesUs);
    let c = record("c");
    assert_eq!((c.last_seen_at, c.last_checked_at), (None, Some(NOW)));
    assert!(c.observation.is_none());
}

#[test]
fn decided_pieces_are_given_apart() {
    let text = "a [downtime=30m downtime-owner=ann downtime-reason=\"new disk\"]\n+ b [promotion=must_not downtime=over]\n+ c [stalled=12s]";
    let drawing = drawn(text);
    let downtime = &drawing.downtimes[&key("a")];
    assert_eq!((&*downtime.owner, &*downtime.reason), ("ann", "new disk"));
    assert!(downtime.holds_at(NOW));
    assert_eq!(downtime.ends_at.since(NOW), Duration::from_secs(1800));
    assert!(!drawing.downtimes[&key("b")].holds_at(NOW));
    assert_eq!(drawing.candidates[&key("b")].rule, PromotionRule::MustNot);
    assert_eq!(NOW.since(drawing.stalled_since[&key("c")]).as_secs(), 12);
}

#[test]
fn detached_and_unseen_servers_hang_where_they_are_drawn() {
    let drawing = drawn("a\n+ b [detached]\n+ c [never-seen]\n+ d [not-known]\n+ e [io=no]");
    let b = seen(&drawing, "b").replication.expect("b has a link");
    assert_eq!(b.source, SourceAddress::Detached(key("a")));
    let reported = seen(&drawing, "a").replicas;
    assert_eq!(
        reported,
        [key("c"), key("d")],
        "who is connected or only heard of"
    );
    assert!(drawing.picture.get(&key("d")).is_none());
}

#[test]
fn a_group_is_drawn_below_its_primary() {
    let drawing = drawn("a [group=g/primary]\n+ b [group=g/secondary/RECOVERING]\n  + r");
    let (a, b) = (seen(&drawing, "a"), seen(&drawing, "b"));
    let group = b.group.clone().expect("b is a member");
    assert!(b.replication.is_none());
    assert_eq!(group.primary, Some(key("a")));
    assert_eq!((&*group.role, &*group.state), ("SECONDARY", "RECOVERING"));
    assert_eq!(a.group.expect("a is a member").members, [key("b")]);
    assert_eq!(seen(&drawing, "r").source(), Some(&key("b")));
}

#[test]
fn the_normal_form_is_sorted_and_says_nothing_twice() {
    for (text, normal) in [
        ("# a comment\n\nb:3306\n", "b\n"),
        ("a\n+ c\n+ b   # here too\n", "a\n+ b\n+ c\n"),
        ("a [source=b]\n+ b\n", "a\n<-> b\n"),
        ("b [rw]\n<-> a\n", "a [ro gtid=<b>:1-100]\n<-> b [rw]\n"),
        ("a [source=c]\n+ b\n  + c\n", "a [source=c]\n+ b\n  + c\n"),
        (
            "b [detached=a]\na\n",
            "a\n+ b [detached rw gtid=<b>:1-100]\n",
        ),
        ("a [8.4.6 rw gtid-mode=ON]\n", "a\n"),
        ("a\n+ b [ro lag=0s sql=yes io=yes]\n", "a\n+ b\n"),
        (
            "a\n+ b [lag=3600s delay=90s]\n",
            "a\n+ b [lag=1h delay=90s]\n",
        ),
        ("a [source=a]\n", "a [source=a]\n"),
        (
            "a [uuid=u]\n+ b [gtid=u:1-5]\n",
            "a [uuid=u]\n+ b [gtid=..1-5]\n",
        ),
        (
            "[::1]:3307 [source=\"[::2]\"]",
            "[::2] [not-known]\n+ [::1]:3307 [rw gtid=\"<[::1]:3307>:1-100\"]\n",
        ),
    ] {
        assert_eq!(drawn(text).to_string(), normal, "{text}");
    }
}
