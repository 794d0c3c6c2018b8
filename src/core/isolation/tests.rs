//! Each condition alone keeps the guard from closing, and says so.

use std::time::Duration;

use super::*;

const OWN: &str = "north";

fn policy() -> GuardPolicy {
    GuardPolicy {
        data_center: OWN.to_owned(),
        after: Duration::from_secs(10),
        primaries_max: 1,
    }
}

fn key(text: &str) -> InstanceKey {
    InstanceKey::parse(text, 3306).unwrap()
}

fn node(name: &str) -> OtherNode {
    OtherNode {
        name: name.to_owned(),
        heard_ago: Some(Duration::from_secs(30)),
        tried: Tried::Nothing,
    }
}

fn outside(name: &str) -> Outside {
    Outside {
        key: key(name),
        data_center: "south".to_owned(),
        tried: Tried::Nothing,
    }
}

/// Nothing speaks against it.
fn cut_off() -> Surroundings {
    Surroundings {
        has_leader: false,
        had_leader: true,
        cut_off_for: Duration::from_secs(10),
        nodes: vec![node("node2"), node("node3")],
        outside: vec![outside("b"), outside("c")],
    }
}

/// Nor against this one.
fn primary() -> Beside {
    Beside {
        key: key("a"),
        data_center: OWN.to_owned(),
        answers: true,
        is_writable: true,
        is_replaceable: true,
        downtime: None,
        sent_to_before: [key("b")].into(),
        sends_to: [(key("d"), OWN.to_owned())].into(),
    }
}

#[test]
fn a_node_that_nobody_outside_answers_closes_a_primary_that_nobody_outside_receives_from() {
    assert_eq!(surroundings(&policy(), &cut_off()), Ok(()));
    assert_eq!(judge(&policy(), &primary(), 0), Ok(()));
}

fn not_tried() -> Tried {
    Tried::Not {
        why: "its name has no address now".to_owned(),
    }
}

/// What is changed, and what has to be said then.
type Against<'a, T> = (fn(&mut T), &'a str);

#[test]
fn each_condition_of_the_surroundings_keeps_it_from_closing_anything() {
    let against: &[Against<'_, Surroundings>] = &[
        (|it| it.nodes.clear(), "in no group with others"),
        (|it| it.has_leader = true, "it leads, or hears the leader"),
        (|it| it.had_leader = false, "has not heard a leader since"),
        (
            |it| it.nodes[1].tried = Tried::Answered,
            "node3, another node of the group, answers",
        ),
        (
            |it| it.nodes[0].heard_ago = Some(Duration::from_secs(9)),
            "node2 was heard 9 s ago",
        ),
        (
            |it| it.nodes[0].tried = not_tried(),
            "whether node2, another node of the group, answers",
        ),
        (
            |it| it.outside.clear(),
            "no server outside of data centre 'north' is known",
        ),
        (
            |it| it.outside[1].tried = Tried::Answered,
            "c:3306 in data centre 'south' answers",
        ),
        (
            |it| {
                it.outside[1].tried = Tried::Answered;
                it.outside[1].data_center.clear();
            },
            "c:3306 answers, and in which data centre",
        ),
        (
            |it| it.outside[0].tried = not_tried(),
            "whether b:3306 answers: its name has no address",
        ),
        (
            |it| it.cut_off_for = Duration::from_millis(9_999),
            "has answered for 9 s",
        ),
    ];
    for (change, said) in against {
        let mut seen = cut_off();
        change(&mut seen);
        let why = surroundings(&policy(), &seen).unwrap_err().to_string();
        assert!(why.contains(said), "{why}, and not: {said}");
    }
}

#[test]
fn each_condition_of_a_primary_keeps_it_as_it_is() {
    let against: &[Against<'_, Beside>] = &[
        (
            |it| it.data_center = "south".to_owned(),
            "is in data centre 'south'",
        ),
        (|it| it.data_center.clear(), "is in data centre ''"),
        (|it| it.answers = false, "does not answer this node"),
        (|it| it.is_writable = false, "takes no writes"),
        (
            |it| it.downtime = Some("ann: moving".to_owned()),
            "is in downtime: ann: moving",
        ),
        (|it| it.is_replaceable = false, "is not replaced by itself"),
        (
            |it| it.sent_to_before.clear(),
            "was not seen to send to a replica outside",
        ),
        (
            |it| drop(it.sends_to.insert(key("c"), "south".to_owned())),
            "says that c:3306 receives from it still",
        ),
        (
            |it| drop(it.sends_to.insert(key("e"), String::new())),
            "says that e:3306 receives from it still",
        ),
    ];
    for (change, said) in against {
        let mut seen = primary();
        change(&mut seen);
        let why = judge(&policy(), &seen, 0).unwrap_err().to_string();
        assert!(why.contains(said), "{why}, and not: {said}");
    }
}

#[test]
fn no_more_than_so_many_are_closed() {
    let why = judge(&policy(), &primary(), 1).unwrap_err().to_string();
    assert!(why.contains("IsolationGuardMaxPrimaries is 1"), "{why}");
    let two = GuardPolicy {
        primaries_max: 2,
        ..policy()
    };
    assert_eq!(judge(&two, &primary(), 1), Ok(()));
}

#[test]
fn without_a_data_centre_of_its_own_it_closes_nothing() {
    let nowhere = GuardPolicy {
        data_center: String::new(),
        ..policy()
    };
    let mut unplaced = primary();
    unplaced.data_center.clear();
    assert!(judge(&nowhere, &unplaced, 0).is_err());
}
