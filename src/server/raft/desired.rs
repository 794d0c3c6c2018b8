//! From the nodes that the group has to those that it is to have: what the leader does next. Pure.

use std::collections::BTreeMap;

use super::types::NodeId;

/// A voter, as the leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Voter {
    pub id: NodeId,
    pub name: String,
    pub is_reachable: bool,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The group has the nodes that it is to have.
    Nothing,
    /// These are to join first: one of those that are to go makes room for each.
    Await(Vec<String>),
    /// This one goes.
    Remove(NodeId),
    /// The leader itself is to go: somebody who stays has to lead.
    HandOver,
    /// Without this one too few of the rest would be reachable to decide anything.
    TooFew { without: String },
}

/// What the leader `me` does next.
pub(super) fn next(voters: &[Voter], desired: &[String], me: NodeId) -> Next {
    let missing: Vec<String> = desired
        .iter()
        .filter(|name| voters.iter().all(|voter| voter.name != **name))
        .cloned()
        .collect();
    if !missing.is_empty() {
        return Next::Await(missing);
    }
    match goes_first(voters, desired, me) {
        Some(goes) if decides_without(voters, goes.id) => Next::Remove(goes.id),
        Some(goes) => Next::TooFew {
            without: goes.name.clone(),
        },
        None if voters
            .iter()
            .any(|voter| voter.id == me && !desired.contains(&voter.name)) =>
        {
            Next::HandOver
        }
        None => Next::Nothing,
    }
}

/// Of those that are to go, the leader excepted, who goes first: whoever cannot be reached.
pub(super) fn goes_first<'a>(
    voters: &'a [Voter],
    desired: &[String],
    me: NodeId,
) -> Option<&'a Voter> {
    let others = voters.iter().filter(|voter| voter.id != me);
    let going = others.filter(|voter| !desired.contains(&voter.name));
    going.min_by_key(|voter| (voter.is_reachable, voter.id))
}

/// Whether a majority of the rest is reachable.
fn decides_without(voters: &[Voter], id: NodeId) -> bool {
    let rest = || voters.iter().filter(|voter| voter.id != id);
    let reachable = rest().filter(|voter| voter.is_reachable).count();
    reachable * 2 > rest().count()
}

/// A list of `RaftNodes` that a majority of the voters has now and had not when it was last taken note of; each name has
/// its list now, and its list then. A file that merely still says what it said says nothing.
pub(super) fn changed_by_majority<'a>(
    voters: impl IntoIterator<Item = (&'a [String], Option<&'a [String]>)>,
) -> Option<Vec<String>> {
    let mut count = 0;
    let mut changed: BTreeMap<&[String], usize> = BTreeMap::new();
    for (now, then) in voters {
        count += 1;
        if then.is_some_and(|then| then != now) && !now.is_empty() {
            *changed.entry(now).or_default() += 1;
        }
    }
    let (list, most) = changed.into_iter().max_by_key(|(_, most)| *most)?;
    (most * 2 > count).then(|| list.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Voters by name, numbered from 1; those with a minus are not reachable.
    fn voters(text: &str) -> Vec<Voter> {
        let names = text.split_whitespace().zip(1..);
        names
            .map(|(name, id)| Voter {
                id,
                name: name.trim_start_matches('-').to_owned(),
                is_reachable: !name.starts_with('-'),
            })
            .collect()
    }

    fn names(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn of(has: &str, desired: &str) -> Next {
        next(&voters(has), &names(desired), 1)
    }

    #[test]
    fn the_group_comes_to_what_is_wanted_one_change_at_a_time() {
        assert_eq!(of("a b c", "a b c"), Next::Nothing);
        assert_eq!(of("a b c", "a b x"), Next::Await(names("x")));
        assert_eq!(of("a b c x", "a b x"), Next::Remove(3));
        assert_eq!(of("a b c", "a"), Next::Remove(2));
        assert_eq!(of("a b c", "a b"), Next::Remove(3));
        assert_eq!(of("a b -c d", "a b"), Next::Remove(3), "the dead one first");
        assert_eq!(of("a b c", "b c"), Next::HandOver);
        assert_eq!(of("a b c", "b"), Next::Remove(3), "itself last");
    }

    #[test]
    fn nobody_goes_whom_the_rest_cannot_do_without() {
        let too_few = |name: &str| Next::TooFew {
            without: name.to_owned(),
        };
        assert_eq!(of("a b -c", "a -c c"), Next::Await(names("-c")));
        assert_eq!(of("a b -c", "a c"), too_few("b"));
        assert_eq!(of("a b -c -d e", "a c d"), too_few("b"));
        assert_eq!(of("a -b", "a"), Next::Remove(2));
    }

    #[test]
    fn a_list_counts_where_a_majority_has_changed_to_it() {
        let (old, new, other) = (names("a b c"), names("a b x"), names("a b y"));
        let of =
            |lists: &[(&[String], Option<&[String]>)]| changed_by_majority(lists.iter().copied());
        let (stays, changes) = ((&old[..], Some(&old[..])), (&new[..], Some(&old[..])));
        assert_eq!(of(&[stays, stays, stays]), None);
        assert_eq!(of(&[changes, stays, stays]), None);
        assert_eq!(of(&[changes, changes, stays]), Some(new.clone()));
        assert_eq!(of(&[changes, (&other, Some(&old)), stays]), None);
        assert_eq!(
            of(&[changes, (&new, None), stays]),
            None,
            "not known before"
        );
        assert_eq!(of(&[changes, (&[], Some(&old)), stays]), None, "not heard");
        assert_eq!(of(&[changes, stays]), None, "one of two");
        assert_eq!(of(&[changes]), Some(new.clone()));
    }
}
