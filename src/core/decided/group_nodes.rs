//! Which nodes the group is to have.

use serde::{Deserialize, Serialize};

use super::apply::{Decision, refused};
use super::{Decided, Refusal, Reply, RowChange};

/// Most nodes of a group: far more than anybody has, and few enough for every message.
pub const GROUP_NODES_MAX: usize = 64;

/// Longest name of a node: of a host and a port.
const NAME_BYTES_MAX: usize = 300;

/// A node that the group is to have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupNode {
    /// `RaftNodes` as this node had it when that was last taken note of, normalised and sorted; empty when it never was.
    pub reported: Vec<String>,
}

impl Decided {
    /// Names of the nodes that the group is to have, sorted; `None` when that was never decided: it is to have those it has.
    pub fn desired_nodes(&self) -> Option<Vec<String>> {
        (!self.group_nodes.is_empty()).then(|| self.group_nodes.keys().cloned().collect())
    }
}

/// `old` has to be what is decided, or, where nothing is, what the group has.
pub(super) fn set(
    state: &Decided,
    old: &[String],
    new: &[String],
    reported: &[(String, Vec<String>)],
) -> Decision {
    let (old, new) = (sorted(old), sorted(new));
    if state.desired_nodes().is_some_and(|current| current != old) {
        return refused(Refusal::OtherGroupNodes);
    }
    let is_bad = |name: &String| name.is_empty() || name.len() > NAME_BYTES_MAX;
    let lists = reported.iter().map(|(_, list)| list).chain([&new]);
    if new.is_empty()
        || lists
            .clone()
            .any(|list| list.len() > GROUP_NODES_MAX || list.iter().any(is_bad))
    {
        return refused(Refusal::BadGroupNodes);
    }
    let put = new.iter().filter_map(|name| {
        let before = state.group_nodes.get(name);
        let told = reported.iter().find(|(of, _)| of == name);
        let row = GroupNode {
            reported: match told {
                Some((_, list)) => sorted(list),
                None => before.map(|row| row.reported.clone()).unwrap_or_default(),
            },
        };
        (before != Some(&row)).then(|| RowChange::PutGroupNode(name.clone(), row))
    });
    let over = state.group_nodes.keys().filter(|name| !new.contains(name));
    let dropped = over.map(|name| RowChange::DeleteGroupNode(name.clone()));
    let changes: Vec<RowChange> = put.chain(dropped).collect();
    match changes.is_empty() {
        true => (Reply::Unchanged, changes, vec![]),
        false => (Reply::Done, changes, vec![]),
    }
}

fn sorted(names: &[String]) -> Vec<String> {
    let mut names = names.to_vec();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn take(state: &mut Decided, old: &str, new: &str, reported: &[(&str, &str)]) -> Reply {
        let reported: Vec<_> = reported
            .iter()
            .map(|(name, list)| ((*name).to_owned(), names(list)))
            .collect();
        let (reply, changes, effects) = set(state, &names(old), &names(new), &reported);
        assert!(effects.is_empty());
        let (index, at) = (state.applied_index + 1, state.decided_at);
        state.absorb(index, at, &changes);
        reply
    }

    #[test]
    fn nodes_are_set_from_what_they_were() {
        let mut state = Decided::default();
        assert_eq!(state.desired_nodes(), None);
        assert_eq!(take(&mut state, "c a b", "d a b", &[]), Reply::Done);
        assert_eq!(state.desired_nodes(), Some(names("a b d")));
        assert_eq!(take(&mut state, "a b d", "d b a", &[]), Reply::Unchanged);
        let refused = take(&mut state, "a b c", "a b", &[]);
        assert_eq!(refused, Reply::Refused(Refusal::OtherGroupNodes));
        assert_eq!(take(&mut state, "a b d", "a b", &[]), Reply::Done);
        assert_eq!(state.desired_nodes(), Some(names("a b")));
    }

    #[test]
    fn what_nodes_said_stays_until_they_are_out_or_say_something_else() {
        let mut state = Decided::default();
        let reported = |state: &Decided, name: &str| state.group_nodes[name].reported.clone();
        take(
            &mut state,
            "a b",
            "a b",
            &[("a", "b a"), ("b", "a b"), ("x", "x")],
        );
        assert_eq!(reported(&state, "a"), names("a b"));
        assert!(!state.group_nodes.contains_key("x"), "it is none of them");
        take(&mut state, "a b", "a b c", &[("b", "a b c")]);
        assert_eq!(reported(&state, "a"), names("a b"));
        assert_eq!(reported(&state, "b"), names("a b c"));
        assert_eq!(reported(&state, "c"), names(""));
        take(&mut state, "a b c", "a", &[]);
        take(&mut state, "a", "a b", &[]);
        assert_eq!(reported(&state, "b"), names(""));
    }

    #[test]
    fn no_nodes_and_too_many_are_refused() {
        let many: String = (0..=GROUP_NODES_MAX).map(|n| format!("n{n} ")).collect();
        let long = "n".repeat(NAME_BYTES_MAX + 1);
        for (new, reported) in [
            ("", ""),
            (&many, ""),
            (&long, ""),
            ("a", &many),
            ("a", &long),
        ] {
            let mut state = Decided::default();
            let refused = take(&mut state, "a", new, &[("a", reported)]);
            assert_eq!(refused, Reply::Refused(Refusal::BadGroupNodes), "{new}");
            assert_eq!(state.desired_nodes(), None);
        }
    }
}
