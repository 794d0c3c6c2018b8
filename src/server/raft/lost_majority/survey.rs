//! Who of a group answers, and whether that forbids to begin another one without the rest.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::decided::GroupId;
use orchestrator_core::ports::Clock;

use super::super::exchange::group_of;
use super::super::transport::{Answer, Call, CallError, Callee, Transport, call_within};
use super::super::types::{Membership, NodeId};
use super::super::v1;
use super::Survivor;

/// Time for an answer: over the slowest line that a group works on, with a dial.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// How often a node that does not answer is asked: somebody who restarts it just now needs a few seconds.
const TRIES: u32 = 3;

/// Pause between two questions.
const ASKED_EVERY: Duration = Duration::from_secs(1);

/// What a node said.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    /// It is a member.
    Member {
        /// Its id.
        id: NodeId,
        /// Its group; `None` while that has no id.
        group: Option<GroupId>,
        /// The last entry of its log.
        last: u64,
    },
    /// It runs, and has nothing.
    Empty,
    /// Nothing runs there.
    Absent(String),
    /// It does not answer, or refuses to.
    Silent(String),
}

/// What the others said, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    group: GroupId,
    me: NodeId,
    last: u64,
    members: Membership,
    said: Vec<(String, Said)>,
}

/// Why no group is begun without the others.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Objection {
    /// They go on by themselves.
    #[error(
        "the majority is not lost: {} and this node are enough to decide; start this node, and replace those that are gone \
         (raft-replace-peer)",
        answering.join(" and ")
    )]
    Majority {
        /// Who answers.
        answering: Vec<String>,
    },
    /// It needs nobody.
    #[error("this node decides alone in its group; start it")]
    Alone,
    /// Somebody else is the better survivor.
    #[error(
        "{name} answers and has more of the group's log, up to entry {theirs}, where this node has {ours}: stop {name}, and use \
         raft-recover there"
    )]
    HasMore {
        /// Who.
        name: String,
        /// Its last entry.
        theirs: u64,
        /// Ours.
        ours: u64,
    },
    /// The others are another group by now.
    #[error(
        "{name} answers as a member of the group {group}, and this node is of another one: the others have begun anew already; \
         empty the RaftDataDir of this node, and start it to join them"
    )]
    OtherGroup {
        /// Who.
        name: String,
        /// Its group.
        group: GroupId,
    },
}

impl Survey {
    /// Asks all others, several times those that do not answer.
    pub async fn take(
        survivor: &Survivor,
        also: &[String],
        transport: &Arc<dyn Transport>,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let mut asked = tokio::task::JoinSet::new();
        for callee in survivor.others(also) {
            let (transport, clock) = (Arc::clone(transport), Arc::clone(clock));
            asked.spawn(async move {
                let name = callee.name.clone();
                (name, ask(callee, transport.as_ref(), clock.as_ref()).await)
            });
        }
        let mut said = asked.join_all().await;
        said.sort_by(|(a, _), (b, _)| a.cmp(b));
        Self {
            group: survivor.group,
            me: survivor.me,
            last: survivor.last,
            members: survivor.members.clone(),
            said,
        }
    }

    /// Why no group may be begun without them; `None` when it may.
    pub fn objection(&self) -> Option<Objection> {
        let mut others = self.said.iter().filter_map(|(name, said)| match said {
            Said::Member {
                group: Some(group), ..
            } if *group != self.group => Some((name, *group)),
            _ => None,
        });
        if let Some((name, group)) = others.next() {
            let name = name.clone();
            return Some(Objection::OtherGroup { name, group });
        }
        if self.decide(&BTreeSet::from([self.me])) {
            return Some(Objection::Alone);
        }
        let there: BTreeSet<NodeId> = self.there().map(|(_, id, _)| id).chain([self.me]).collect();
        if self.decide(&there) {
            let answering = self.there().map(|(name, ..)| name.clone()).collect();
            return Some(Objection::Majority { answering });
        }
        let further = self.there().max_by_key(|(.., last)| *last);
        further
            .filter(|(.., last)| *last > self.last)
            .map(|(name, _, theirs)| Objection::HasMore {
                name: name.clone(),
                theirs,
                ours: self.last,
            })
    }

    /// Voters that answer with the data directory that votes.
    fn there(&self) -> impl Iterator<Item = (&String, NodeId, u64)> {
        let voters: BTreeSet<NodeId> = self.members.voter_ids().collect();
        self.said.iter().filter_map(move |(name, said)| match said {
            Said::Member { id, last, .. } if voters.contains(id) => Some((name, *id, *last)),
            _ => None,
        })
    }

    /// Whether these are a majority of each set of voters that decides.
    fn decide(&self, some: &BTreeSet<NodeId>) -> bool {
        let mut sets = self.members.get_joint_config().iter();
        sets.all(|set| set.intersection(some).count() * 2 > set.len())
    }

    /// What each of them said, one line each.
    pub fn lines(&self) -> Vec<String> {
        let voters: BTreeSet<NodeId> = self.members.voter_ids().collect();
        let named = |name: &String| {
            let mut members = self.members.nodes();
            members.any(|(id, member)| member.name == *name && voters.contains(id))
        };
        let line = |(name, said): &(String, Said)| {
            let what = match said {
                Said::Member { id, .. } if !voters.contains(id) => {
                    "answers, with a data directory that has no vote".to_owned()
                }
                Said::Member { last, .. } => format!("answers, and has entries up to {last}"),
                Said::Empty => "answers, and has nothing".to_owned(),
                Said::Absent(reason) => format!("does not run: {reason}"),
                Said::Silent(reason) => {
                    format!("does not answer, which does not say that it is gone: {reason}")
                }
            };
            let vote = if named(name) { "" } else { " (no vote)" };
            format!("{name}{vote} {what}")
        };
        self.said.iter().map(line).collect()
    }
}

async fn ask(callee: Callee, transport: &dyn Transport, clock: &dyn Clock) -> Said {
    let mut said = Said::Silent("not asked yet".to_owned());
    for tried in 0..TRIES {
        if tried > 0 {
            clock.sleep(ASKED_EVERY).await;
        }
        // Without a word about itself: this node does not run.
        let call = Call::Hello(v1::HelloRequest { report: None });
        let answer = call_within(transport, clock, callee.clone(), call, ANSWER_WITHIN).await;
        said = match answer {
            Ok(Answer::Hello(answer)) => match answer.report {
                Some(report) if report.name == callee.name => return of(&report),
                Some(report) => Said::Silent(format!("{} answers at its address", report.name)),
                None => Said::Silent("its answer says nothing".to_owned()),
            },
            Ok(_) => Said::Silent("its answer does not fit the question".to_owned()),
            Err(CallError::Absent(reason)) => Said::Absent(reason),
            Err(error) => Said::Silent(error.to_string()),
        };
    }
    said
}

fn of(report: &v1::Report) -> Said {
    match report.standing() {
        v1::Standing::Member | v1::Standing::Started => Said::Member {
            id: report.id,
            group: group_of(report),
            last: report.last_index,
        },
        v1::Standing::Empty => Said::Empty,
        v1::Standing::Unspecified => {
            Said::Silent("it did not say whether it is a member of a group".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::super::types::Member;
    use super::*;

    const OURS: GroupId = GroupId::from_bytes([1; 16]);
    const THEIRS: GroupId = GroupId::from_bytes([2; 16]);

    /// Of node 1 with 100 entries, in a group of nodes `n1` and so on.
    fn survey(voters: &[&[NodeId]], said: Vec<(NodeId, Said)>) -> Survey {
        let sets: Vec<BTreeSet<NodeId>> = voters
            .iter()
            .map(|set| set.iter().copied().collect())
            .collect();
        let members = sets.iter().flatten().map(|id| {
            let name = format!("n{id}");
            let member = Member {
                address: name.clone(),
                name,
            };
            (*id, member)
        });
        let members: BTreeMap<NodeId, Member> = members.collect();
        Survey {
            group: OURS,
            me: 1,
            last: 100,
            members: Membership::new(sets, members).unwrap(),
            said: said
                .into_iter()
                .map(|(id, said)| (format!("n{id}"), said))
                .collect(),
        }
    }

    fn member(id: NodeId, last: u64) -> (NodeId, Said) {
        let group = Some(OURS);
        (id, Said::Member { id, group, last })
    }

    fn gone(id: NodeId) -> (NodeId, Said) {
        (id, Said::Absent("refused".to_owned()))
    }

    fn silent(id: NodeId) -> (NodeId, Said) {
        (id, Said::Silent("no answer".to_owned()))
    }

    #[test]
    fn a_majority_that_is_there_is_not_split() {
        let three: &[&[NodeId]] = &[&[1, 2, 3]];
        let of = |said| survey(three, said).objection();
        let answering = vec!["n2".to_owned()];
        // Also one that is behind, and one whose group has no id yet.
        for said in [member(2, 1), member(2, 100), member(2, 200)] {
            let majority = Objection::Majority {
                answering: answering.clone(),
            };
            assert_eq!(of(vec![said, gone(3)]), Some(majority));
        }
        assert_eq!(of(vec![gone(2), silent(3)]), None);
        let five: &[&[NodeId]] = &[&[1, 2, 3, 4, 5]];
        let rest = || vec![member(2, 100), silent(3), silent(4), gone(5)];
        assert_eq!(survey(five, rest()).objection(), None);
        let joint: &[&[NodeId]] = &[&[1, 2, 3], &[1, 3, 4]];
        let said = vec![member(2, 100), gone(3), gone(4)];
        assert_eq!(
            survey(joint, said).objection(),
            None,
            "not of the second set"
        );
    }

    #[test]
    fn only_the_data_directory_that_votes_counts() {
        let wiped = (2, Said::Empty);
        assert_eq!(
            survey(&[&[1, 2, 3]], vec![wiped, gone(3)]).objection(),
            None
        );
        let (_, other_id) = member(77, 100);
        let said = vec![(2, other_id), gone(3)];
        assert_eq!(survey(&[&[1, 2, 3]], said).objection(), None);
    }

    #[test]
    fn whoever_has_more_is_the_one_to_go_on_with() {
        let said = vec![member(2, 101), silent(3), silent(4), gone(5)];
        assert_eq!(
            survey(&[&[1, 2, 3, 4, 5]], said).objection(),
            Some(Objection::HasMore {
                name: "n2".to_owned(),
                theirs: 101,
                ours: 100
            })
        );
    }

    #[test]
    fn a_group_that_was_begun_by_others_is_joined() {
        let renewed = Said::Member {
            id: 9,
            group: Some(THEIRS),
            last: 120,
        };
        let said = vec![(2, renewed), gone(3)];
        assert_eq!(
            survey(&[&[1, 2, 3]], said).objection(),
            Some(Objection::OtherGroup {
                name: "n2".to_owned(),
                group: THEIRS
            })
        );
    }

    #[test]
    fn one_that_decides_alone_has_lost_nobody() {
        assert_eq!(survey(&[&[1]], vec![]).objection(), Some(Objection::Alone));
    }
}
