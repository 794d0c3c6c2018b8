//! Whether a node without an identity begins a group, waits, or asks an existing group. Pure.
//!
//! Silence is not absence: a node that does not answer may be a member of a group that goes on without this node. Only one
//! that refuses connections, or whose name does not exist, is known not to run.

use std::collections::BTreeMap;

/// What is known of another node on the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It is no member of a group, with this list.
    Empty {
        /// Its `RaftNodes`, normalised and sorted.
        nodes: Vec<String>,
    },
    /// It is a member of a group.
    Member,
    /// It runs nowhere now.
    Absent,
    /// It does not answer.
    Silent {
        /// What happened; a clause.
        reason: String,
    },
}

/// What an empty node does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It begins the group, with all names of the list.
    Begin,
    /// There is a group: it asks to be let in.
    Ask,
    /// It waits; one sentence for each reason.
    Wait(Vec<String>),
}

/// Decides for the node `me`, which is one of `nodes`. `seen` has what is known of the others; one that is missing was not
/// asked yet. With `without_silent` an operator said that those who do not answer need not be waited for.
pub fn decide(
    me: &str,
    nodes: &[String],
    seen: &BTreeMap<String, Seen>,
    without_silent: bool,
) -> Verdict {
    let others: Vec<(&str, &Seen)> = nodes
        .iter()
        .filter(|name| *name != me)
        .map(|name| (name.as_str(), seen.get(name).unwrap_or(&NOT_ASKED)))
        .collect();
    if others.iter().any(|(_, seen)| **seen == Seen::Member) {
        return Verdict::Ask;
    }
    let mut agreeing = 1;
    let mut reasons = Vec::new();
    for (name, seen) in &others {
        match seen {
            Seen::Empty { nodes: theirs } if theirs == nodes => agreeing += 1,
            Seen::Empty { nodes: theirs } => reasons.push(format!(
                "{name} has another list in RaftNodes ({}); make the lists equal",
                theirs.join(", ")
            )),
            Seen::Silent { reason } if !without_silent => reasons.push(format!(
                "waiting for {name}, which does not answer ({reason}): it may be a member of a group already; \
                 start it, or start this node with -raft-start-without-silent if it is gone for good"
            )),
            Seen::Silent { .. } | Seen::Absent | Seen::Member => {}
        }
    }
    let needed = nodes.len() / 2 + 1;
    if agreeing < needed {
        reasons.push(format!(
            "a new group begins when {needed} of the {} nodes in RaftNodes are there with the same list; {agreeing} are",
            nodes.len()
        ));
    }
    match reasons.is_empty() {
        true => Verdict::Begin,
        false => Verdict::Wait(reasons),
    }
}

static NOT_ASKED: std::sync::LazyLock<Seen> = std::sync::LazyLock::new(|| Seen::Silent {
    reason: "not asked yet".to_owned(),
});

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn empty(names: &[&str]) -> Seen {
        Seen::Empty {
            nodes: nodes(names),
        }
    }

    fn silent() -> Seen {
        Seen::Silent {
            reason: "no answer".to_owned(),
        }
    }

    fn verdict(list: &[&str], seen: &[(&str, Seen)], without_silent: bool) -> Verdict {
        let seen = seen
            .iter()
            .map(|(name, seen)| ((*name).to_owned(), seen.clone()));
        decide(list[0], &nodes(list), &seen.collect(), without_silent)
    }

    const THREE: [&str; 3] = ["a", "b", "c"];
    const FIVE: [&str; 5] = ["a", "b", "c", "d", "e"];

    #[test]
    fn all_there_with_the_same_list_begin() {
        let seen = [("b", empty(&THREE)), ("c", empty(&THREE))];
        assert_eq!(verdict(&THREE, &seen, false), Verdict::Begin);
    }

    #[test]
    fn two_of_three_begin_when_the_third_certainly_does_not_run() {
        let seen = [("b", empty(&THREE)), ("c", Seen::Absent)];
        assert_eq!(verdict(&THREE, &seen, false), Verdict::Begin);
    }

    #[test]
    fn silence_is_waited_for_by_name_until_an_operator_says_otherwise() {
        let seen = [("b", empty(&THREE)), ("c", silent())];
        let Verdict::Wait(reasons) = verdict(&THREE, &seen, false) else {
            panic!("it did not wait");
        };
        assert!(reasons[0].contains("waiting for c"), "{reasons:?}");
        assert_eq!(verdict(&THREE, &seen, true), Verdict::Begin);
    }

    #[test]
    fn a_minority_never_begins_whatever_an_operator_says() {
        let alone = [("b", Seen::Absent), ("c", Seen::Absent)];
        for without_silent in [false, true] {
            assert!(matches!(
                verdict(&THREE, &alone, without_silent),
                Verdict::Wait(_)
            ));
        }
        let two = [
            ("b", empty(&FIVE)),
            ("c", silent()),
            ("d", silent()),
            ("e", silent()),
        ];
        assert!(matches!(verdict(&FIVE, &two, true), Verdict::Wait(_)));
    }

    #[test]
    fn five_cut_three_and_two_wait_on_both_sides() {
        let three = [
            ("b", empty(&FIVE)),
            ("c", empty(&FIVE)),
            ("d", silent()),
            ("e", silent()),
        ];
        assert!(matches!(verdict(&FIVE, &three, false), Verdict::Wait(_)));
        assert_eq!(verdict(&FIVE, &three, true), Verdict::Begin);
    }

    #[test]
    fn a_member_anywhere_means_that_there_is_a_group() {
        let seen = [("b", empty(&THREE)), ("c", Seen::Member)];
        assert_eq!(verdict(&THREE, &seen, true), Verdict::Ask);
    }

    #[test]
    fn another_list_is_never_passed_over() {
        let seen = [("b", empty(&THREE)), ("c", empty(&["a", "c"]))];
        let Verdict::Wait(reasons) = verdict(&THREE, &seen, true) else {
            panic!("it did not wait");
        };
        assert!(reasons[0].contains("another list"), "{reasons:?}");
    }

    #[test]
    fn who_was_not_asked_is_silent() {
        let seen = [("b", empty(&THREE))];
        assert!(matches!(verdict(&THREE, &seen, false), Verdict::Wait(_)));
    }

    #[test]
    fn a_list_of_one_begins_alone() {
        assert_eq!(verdict(&["a"], &[], false), Verdict::Begin);
    }
}
