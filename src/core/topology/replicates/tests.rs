use super::*;
use crate::domain::{InstanceKey, Timestamp};
use crate::topology::drawing::Drawing;

const STRICT: ReplicationPolicy = ReplicationPolicy {
    verifies_filters: true,
    allows_older_replicas: false,
};

fn ask(text: &str, policy: ReplicationPolicy) -> Compatibility {
    let drawing = Drawing::parse(text, Timestamp::from_seconds(1000))
        .unwrap_or_else(|why| panic!("{why}\n{text}"));
    let seen = |name: &str| {
        let key = InstanceKey::parse(name, 3306).expect("a key");
        let seen = drawing.picture.observation(&key);
        seen.unwrap_or_else(|| panic!("{name} was seen")).clone()
    };
    may_replicate(&seen("b"), &seen("a"), policy)
}

/// Obstacles and cautions of b below a, as sentences.
fn reasons(text: &str, policy: ReplicationPolicy) -> Vec<String> {
    let answer = ask(text, policy);
    let obstacles = answer.obstacles.iter().map(|why| format!("no: {why}"));
    let cautions = answer.cautions.iter().map(|why| format!("note: {why}"));
    obstacles.chain(cautions).collect()
}

fn check(text: &str, expected: &[&str]) {
    assert_eq!(reasons(text, STRICT), expected, "{text}");
}

#[test]
fn healthy_servers_of_one_version_may_and_newer_ones_may_below_older_ones() {
    check("a\nb", &[]);
    check("a [8.0.36]\nb [8.4.6]", &[]);
    check("a [8.0.36]\nb [8.0.36/percona]", &[]);
    check("a [10.6.1-MariaDB]\nb [10.11.6-MariaDB]", &[]);
    assert!(ask("a\nb", STRICT).is_possible());
}

#[test]
fn nobody_replicates_from_itself() {
    let drawing = Drawing::parse("a", Timestamp::from_seconds(1)).expect("a drawing");
    let key = InstanceKey::parse("a", 3306).expect("a key");
    let seen = drawing.picture.observation(&key).expect("seen");
    let answer = may_replicate(seen, seen, STRICT);
    assert_eq!(answer.obstacles[0], Obstacle::SameServer);
    assert!(!answer.is_possible());
}

#[test]
fn a_source_needs_a_binary_log_that_holds_everything() {
    check("a [binlog=off]\nb", &["no: a:3306 has no binary log"]);
    check(
        "x\n+ a [log-updates=off]\nb",
        &["no: a:3306 does not log what it replicates (log_replica_updates is off)"],
    );
    check("a [log-updates=off]\nb", &[]);
}

#[test]
fn an_older_line_may_not_and_versions_compare_as_numbers() {
    check(
        "a [8.4.0]\nb [8.0.36]",
        &["no: version 8.0.36 is of an older line than the source's 8.4.0"],
    );
    check("a [10.9.1-MariaDB]\nb [10.11.1-MariaDB]", &[]);
    check("a [9.7.0]\nb [26.1.0]", &[]);
    let lenient = ReplicationPolicy {
        allows_older_replicas: true,
        ..STRICT
    };
    assert_eq!(
        reasons("a [8.4.0]\nb [8.0.36]", lenient),
        ["note: version 8.0.36 is of an older line than the source's 8.4.0"]
    );
}

#[test]
fn an_older_patch_level_is_told_where_a_server_may_refuse_it() {
    check("a [8.4.6]\nb [8.4.2]", &[]);
    check("a [9.7.6]\nb [9.7.2]", &[]);
    check(
        "a [9.8.3]\nb [9.8.2]",
        &["note: version 9.8.2 is an older patch level than the source's 9.8.3"],
    );
}

#[test]
fn the_two_families_are_mixed_with_care() {
    let mixed = "note: MySQL and MariaDB replicate from each other by file and position only, and not everything";
    check("a [8.0.36]\nb [10.11.6-MariaDB]", &[mixed]);
    check(
        "a [10.11.6-MariaDB]\nb [8.4.6]",
        &[
            "no: gtid_mode ON cannot replicate from gtid_mode OFF",
            mixed,
        ],
    );
    check("a [10.11.6-MariaDB]\nb [8.4.6 no-gtid]", &[mixed]);
}

#[test]
fn a_version_that_is_none_is_told_and_forbids_nothing() {
    let text = "a [8.4.6]\nb [7-something]";
    check(text, &["note: version '7-something' cannot be compared"]);
}

#[test]
fn a_weaker_format_matters_only_where_it_is_logged() {
    for (own, other) in [
        ("STATEMENT", "MIXED"),
        ("STATEMENT", "ROW"),
        ("MIXED", "ROW"),
    ] {
        check(
            &format!("a [format={other}]\nb [format={own}]"),
            &[&format!(
                "no: it logs what it replicates as {own}, and the source logs {other}"
            )],
        );
        check(&format!("a [format={own}]\nb [format={other}]"), &[]);
        check(
            &format!("a [format={other}]\nb [format={own} log-updates=off]"),
            &[],
        );
    }
}

#[test]
fn another_row_image_is_told() {
    check(
        "a [image=MINIMAL]\nb",
        &["note: binlog_row_image is FULL and the source's is MINIMAL"],
    );
    check("a [image=MINIMAL]\nb [binlog=off]", &[]);
}

#[test]
fn filters_are_verified_on_request_only() {
    let text = "x\n+ a [filters]\nb";
    check(
        text,
        &["no: a:3306 has replication filters and the replica has none"],
    );
    check("x\n+ a [filters]\n+ b [filters]", &[]);
    assert!(ask(text, ReplicationPolicy::default()).is_possible());
}

#[test]
fn ids_must_differ_except_on_binlog_servers() {
    check(
        "a [server-id=7]\nb [server-id=7]",
        &["no: both have the server_id 7"],
    );
    check(
        "a [uuid=U-1]\nb [uuid=u-1]",
        &["no: both have the server_uuid u-1"],
    );
    check("a [server-id=7]\nb [2.5.1-maxscale server-id=7]", &[]);
    check("a [8.4.6]\nb [2.5.1-maxscale uuid=u server-id=3]", &[]);
    check("a [10.11.6-MariaDB]\nb [10.11.6-MariaDB]", &[]);
}

#[test]
fn a_source_may_not_be_delayed_longer_unless_it_is_little() {
    check(
        "x\n+ a [delay=1h]\n+ b [delay=1m]",
        &["no: the source is delayed by 3600 s and the replica by 60 s only"],
    );
    check("x\n+ a [delay=20s]\n+ b", &[]);
    check("x\n+ a [delay=1h]\n+ b [delay=1h]", &[]);
}

#[test]
fn gtid_modes_may_be_one_step_apart() {
    let modes = ["OFF", "OFF_PERMISSIVE", "ON_PERMISSIVE", "ON"];
    let may: Vec<String> = modes
        .iter()
        .map(|own| {
            let row = modes.iter().map(|other| {
                let text = format!("a [gtid-mode={other}]\nb [gtid-mode={own}]");
                if ask(&text, STRICT).is_possible() {
                    'Y'
                } else {
                    'N'
                }
            });
            row.collect()
        })
        .collect();
    // Rows: the replica's mode; columns: the source's.
    assert_eq!(may, ["YYNN", "YYYY", "YYYY", "NNYY"]);
}

#[test]
fn auto_position_needs_gtids_at_the_source() {
    check(
        "a [gtid-mode=ON_PERMISSIVE]\nx\n+ b",
        &[
            "note: it uses auto-position, which needs gtid_mode ON on the source and not ON_PERMISSIVE",
        ],
    );
    check(
        "a [gtid-mode=ON_PERMISSIVE]\nx\n+ b [auto-position=off]",
        &[],
    );
}

#[test]
fn members_of_a_group_are_fed_by_their_group() {
    check(
        "a [group=g/primary]\n+ b [group=g/secondary]",
        &["no: both are members of the replication group g"],
    );
    check(
        "a\nx [group=g/primary]\n+ b [group=g/secondary]",
        &["no: it is a secondary of the replication group g"],
    );
    check("a\nb [group=g/primary]", &[]);
    check(
        "a [group=g/primary/RECOVERING]\nb",
        &["note: the source's state in its replication group is RECOVERING"],
    );
}
