use super::*;
use crate::recovery::testing::{Stage, key};

/// What these two replicas have.
fn read(ground: Ground, head: &str, b: &str, c: &str) -> (Holdings, Holdings) {
    let stage = Stage::of(&format!("a [{head}]\n+ b [{b}]\n+ c [{c}]"));
    let of = |name: &str| {
        let seen = stage.drawing.picture.observation(&key(name));
        Holdings::read(seen.expect("it was seen"), ground).expect("it can be read")
    };
    (of("b"), of("c"))
}

#[test]
fn what_one_lacks_of_another_is_told_in_the_words_of_its_ground() {
    for (ground, head, b, c, told) in [
        (
            Ground::Oracle,
            "8.0.36",
            "gtid=..1-100",
            "gtid=..1-95",
            "5 transactions (",
        ),
        (
            Ground::Mariadb,
            "10.11.6-MariaDB",
            "gtid=0-1-100,1-1-7",
            "gtid=0-1-95,1-1-7",
            "after 0-1-95 up to 0-1-100 (at most 5 transactions)",
        ),
        (
            Ground::Positions,
            "no-gtid",
            "no-gtid read=binlog.000002:2000",
            "no-gtid read=binlog.000001:1500",
            "what lies between binlog.000001:1500 and binlog.000002:2000",
        ),
    ] {
        let (more, less) = read(ground, head, b, c);
        let said = more.missing_in(&less);
        assert!(said.starts_with(told), "{said}");
        assert!(more.covers(&less) && !less.covers(&more), "{said}");
    }
}

#[test]
fn what_was_received_is_there_when_it_is_applied_on_each_ground() {
    for (ground, head, applied, received) in [
        (
            Ground::Oracle,
            "8.0.36",
            "gtid=..1-100",
            "gtid=..1-95 received=..1-100",
        ),
        (
            Ground::Mariadb,
            "10.11.6-MariaDB",
            "gtid=0-1-100",
            "gtid=0-1-95 received=0-1-100",
        ),
        (
            Ground::Positions,
            "no-gtid",
            "no-gtid read=binlog.000001:2000 exec=binlog.000001:2000",
            "no-gtid read=binlog.000001:2000 exec=binlog.000001:1500",
        ),
    ] {
        let (applied, received) = read(ground, head, applied, received);
        assert!(applied.has_applied_all_of(&received), "{ground:?}");
        assert!(!received.has_applied_all_of(&applied), "{ground:?}");
        assert_eq!(applied.unapplied(), Unapplied::Nothing, "{ground:?}");
        assert!(received.unapplied() > Unapplied::Nothing, "{ground:?}");
        assert!(
            received.covers(&applied),
            "{ground:?}: it has it all the same"
        );
    }
}

#[test]
fn replicas_are_compared_by_what_all_of_them_have() {
    let ground = |b: &str, c: &str| {
        let stage = Stage::of(&format!("a\n+ b [{b}]\n+ c [{c}]"));
        let seen = ["b", "c"].map(|name| stage.drawing.picture.observation(&key(name)).cloned());
        let seen = seen.map(|seen| seen.expect("it was seen"));
        Ground::common(seen.iter().map(AsRef::as_ref))
    };
    assert_eq!(ground("", ""), Ground::Oracle);
    assert_eq!(ground("", "no-gtid"), Ground::Positions);
    assert_eq!(ground("no-gtid", ""), Ground::Positions);
    assert_eq!(
        ground("10.11.6-MariaDB", "10.11.6-MariaDB"),
        Ground::Mariadb
    );
}
