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
        /// It has begun a group, which has no id yet.
        has_begun: bool,
        /// How many changes were decided in the store with which a group is to begin.
        brings: Option<u64>,
        /// The node without whose store it begins no group.
        awaits: Option<String>,
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
    /// It begins the group with its own store, and alone; the others have promised to wait, and join.
    BeginWithStore,
    /// It promises to begin nothing without the store of this one.
    Await(String),
    /// There is a group: it asks to be let in.
    Ask,
    /// It waits; one sentence for each reason.
    Wait(Vec<String>),
}

/// An empty node that is to be started.
#[derive(Clone, Debug)]
pub struct Me<'a> {
    /// One of `nodes`.
    pub name: &'a str,
    /// `RaftNodes`, normalised and sorted.
    pub nodes: &'a [String],
    /// How many changes were decided in the store that it brings along.
    pub brings: Option<u64>,
    /// What it has promised.
    pub awaits: Option<String>,
    /// An operator said that those who do not answer need not be waited for.
    pub is_without_silent: bool,
}

/// Decides for an empty node. `seen` has what is known of the others; one that is missing was not asked yet.
///
/// Whoever begins with its own store begins alone, so a majority of the list has to have promised before that it begins nothing else;
/// where none brings a store, all that begin write the same first entry.
pub fn decide(me: &Me<'_>, seen: &BTreeMap<String, Seen>) -> Verdict {
    let nodes = me.nodes;
    let others: Vec<(&str, &Seen)> = nodes
        .iter()
        .filter(|name| *name != me.name)
        .map(|name| (name.as_str(), seen.get(name).unwrap_or(&NOT_ASKED)))
        .collect();
    if others.iter().any(|(_, seen)| **seen == Seen::Member) {
        return Verdict::Ask;
    }
    let bringing = others.iter().filter(|(_, seen)| match seen {
        Seen::Empty {
            nodes: theirs,
            brings,
            ..
        } => brings.is_some() && theirs == nodes,
        _ => false,
    });
    let bringing: Vec<&str> = bringing.map(|(name, _)| *name).collect();
    if let Some(verdict) = about_stores(me, &bringing) {
        return verdict;
    }
    let mut agreeing = 1;
    let mut reasons = Vec::new();
    for (name, seen) in &others {
        match seen {
            Seen::Empty { nodes: theirs, .. } if theirs != nodes => reasons.push(format!(
                "{name} has another list in RaftNodes ({}); make the lists equal",
                theirs.join(", ")
            )),
            Seen::Empty {
                has_begun, awaits, ..
            } => match hindrance(me, name, *has_begun, awaits.as_deref()) {
                None => agreeing += 1,
                Some(reason) => reasons.push(reason),
            },
            Seen::Silent { reason } if !me.is_without_silent => reasons.push(format!(
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
    match (reasons.is_empty(), me.brings) {
        (true, None) => Verdict::Begin,
        (true, Some(_)) => Verdict::BeginWithStore,
        (false, _) => Verdict::Wait(reasons),
    }
}

/// What follows from stores alone; `None` where the rest decides.
fn about_stores(me: &Me<'_>, bringing: &[&str]) -> Option<Verdict> {
    let wait = |reason: String| Some(Verdict::Wait(vec![reason]));
    match (me.brings, bringing, me.awaits.as_deref()) {
        (Some(_), [], _) | (None, [], None) => None,
        (Some(_), [other, ..], _) => wait(format!(
            "this node and {other} both bring a store with changes that were decided before there was a group, and it can begin with one \
             only; stop one of the two, and move its store away"
        )),
        (None, [one, other, ..], _) => wait(format!(
            "{one} and {other} both bring a store with changes that were decided before there was a group, and it can begin with one only; \
             stop one of the two, and move its store away"
        )),
        (None, [one], None) => Some(Verdict::Await((*one).to_owned())),
        (None, [one], Some(awaited)) if awaited == *one => wait(format!(
            "the group begins with the store of {one}, which waits until a majority of RaftNodes is there"
        )),
        (None, _, Some(awaited)) => wait(format!(
            "this node has promised to wait for {awaited}, with whose store the group was to begin; start that, or, if it is gone for good, \
             empty the RaftDataDir of this node and start it again"
        )),
    }
}

/// Why an empty node with the same list does not count.
fn hindrance(me: &Me<'_>, name: &str, has_begun: bool, awaits: Option<&str>) -> Option<String> {
    match (me.brings, awaits) {
        (Some(_), _) if has_begun => Some(format!(
            "{name} has begun a group without what the store of this node holds; stop it, empty its RaftDataDir, and start it again"
        )),
        (Some(_), Some(awaited)) if awaited == me.name => None,
        (Some(_), _) => Some(format!("{name} has yet to wait for the store of this node")),
        (None, None) => None,
        (None, Some(awaited)) => Some(format!(
            "{name} waits for {awaited}, with whose store the group is to begin; start that, or, if it is gone for good, empty the \
             RaftDataDir of {name} and start it again"
        )),
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
        that(names, false, None, None)
    }

    fn that(names: &[&str], has_begun: bool, brings: Option<u64>, awaits: Option<&str>) -> Seen {
        Seen::Empty {
            nodes: nodes(names),
            has_begun,
            brings,
            awaits: awaits.map(str::to_owned),
        }
    }

    fn silent() -> Seen {
        Seen::Silent {
            reason: "no answer".to_owned(),
        }
    }

    fn verdict(list: &[&str], seen: &[(&str, Seen)], without_silent: bool) -> Verdict {
        of(list, seen, None, None, without_silent)
    }

    fn of(
        list: &[&str],
        seen: &[(&str, Seen)],
        brings: Option<u64>,
        awaits: Option<&str>,
        is_without_silent: bool,
    ) -> Verdict {
        let seen = seen
            .iter()
            .map(|(name, seen)| ((*name).to_owned(), seen.clone()));
        let me = Me {
            name: list[0],
            nodes: &nodes(list),
            brings,
            awaits: awaits.map(str::to_owned),
            is_without_silent,
        };
        decide(&me, &seen.collect())
    }

    fn waits(verdict: Verdict, word: &str) {
        match verdict {
            Verdict::Wait(reasons) => {
                assert!(reasons.iter().any(|it| it.contains(word)), "{reasons:?}");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_store_begins_the_group_when_a_majority_has_promised_to_wait_for_it() {
        let brings = Some(7);
        let ready = || that(&THREE, false, None, Some("a"));
        let all = [("b", ready()), ("c", ready())];
        assert_eq!(
            of(&THREE, &all, brings, None, false),
            Verdict::BeginWithStore
        );
        let two = [("b", ready()), ("c", Seen::Absent)];
        assert_eq!(
            of(&THREE, &two, brings, None, false),
            Verdict::BeginWithStore
        );
        let not_yet = [("b", empty(&THREE)), ("c", Seen::Absent)];
        waits(
            of(&THREE, &not_yet, brings, None, false),
            "b has yet to wait",
        );
        waits(of(&THREE, &[("b", ready())], brings, None, false), "c");
        let begun = that(&THREE, true, None, None);
        let begun = [("b", ready()), ("c", begun)];
        waits(
            of(&THREE, &begun, brings, None, false),
            "c has begun a group without",
        );
        assert_eq!(
            of(&["a"], &[], brings, None, false),
            Verdict::BeginWithStore
        );
        let group = [("b", Seen::Member), ("c", ready())];
        assert_eq!(of(&THREE, &group, brings, None, false), Verdict::Ask);
    }

    #[test]
    fn whoever_has_promised_begins_nothing_else() {
        let with_store = || that(&THREE, false, Some(7), None);
        let seen = [("b", with_store()), ("c", empty(&THREE))];
        assert_eq!(
            of(&THREE, &seen, None, None, false),
            Verdict::Await("b".to_owned())
        );
        waits(
            of(&THREE, &seen, None, Some("b"), false),
            "begins with the store of b",
        );
        // Also when that one is gone meanwhile, and whoever asked it before.
        let gone = [("b", Seen::Absent), ("c", empty(&THREE))];
        waits(
            of(&THREE, &gone, None, Some("b"), true),
            "has promised to wait for b",
        );
        let other = that(&THREE, false, None, Some("b"));
        let told = [("b", Seen::Absent), ("c", other)];
        waits(of(&THREE, &told, None, None, true), "c waits for b");
        let member = [("b", Seen::Member), ("c", empty(&THREE))];
        assert_eq!(of(&THREE, &member, None, Some("b"), false), Verdict::Ask);
        // A store on another list is nobody's business.
        let elsewhere = [
            ("b", that(&FIVE, false, Some(7), None)),
            ("c", empty(&THREE)),
        ];
        waits(of(&THREE, &elsewhere, None, None, false), "another list");
    }

    #[test]
    fn of_two_stores_neither_begins() {
        let with_store = || that(&THREE, false, Some(7), None);
        let seen = [("b", with_store()), ("c", with_store())];
        waits(of(&THREE, &seen, None, None, false), "b and c both bring");
        waits(
            of(&THREE, &seen, Some(1), None, false),
            "this node and b both bring",
        );
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
