//! How findings about servers came and went: for people who look at it afterwards. In memory, by the node that leads.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use orchestrator_core::analysis::Finding;
use orchestrator_core::domain::{FindingCode, InstanceKey, Timestamp};
use orchestrator_core::ports::{CodeChange, CodeChanges};

use super::look::View;

/// Changes of one server at most; the oldest go. A server that comes and goes each second fills it in minutes, and says no more then
/// than that it does.
const CHANGES_MAX: usize = 100;

/// One server.
#[derive(Default)]
struct Course {
    /// The latest code; `None` where there was no problem.
    last: Option<FindingCode>,
    changes: VecDeque<CodeChange>,
}

/// The history of all servers that have, or had, replicas.
#[derive(Default)]
pub(super) struct Changelog(Mutex<BTreeMap<InstanceKey, Course>>);

impl Changelog {
    /// Takes note of a look. What is found about a server at the first look at it is no change.
    pub fn note(&self, view: &View, findings: &[Finding]) {
        let found = findings
            .iter()
            .map(|finding| (&finding.subject, finding.code))
            .collect();
        let keys = view.picture.records().map(|record| &record.key);
        let with_replicas = keys.filter(|key| !view.topology.replicas_of(key).is_empty());
        self.note_codes(with_replicas, &found, view.now, |key| {
            view.picture.get(key).is_some()
        });
    }

    fn note_codes<'a>(
        &self,
        with_replicas: impl Iterator<Item = &'a InstanceKey>,
        found: &BTreeMap<&InstanceKey, FindingCode>,
        now: Timestamp,
        is_known: impl Fn(&InstanceKey) -> bool,
    ) {
        // What it guards is changed in whole steps.
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|key, _| is_known(key));
        for (key, course) in all.iter_mut() {
            let code = found.get(key).copied();
            if std::mem::replace(&mut course.last, code) == code {
                continue;
            }
            if course.changes.len() == CHANGES_MAX {
                course.changes.pop_front();
            }
            course.changes.push_back(CodeChange { at: now, code });
        }
        for key in with_replicas {
            if !all.contains_key(key) {
                let course = Course {
                    last: found.get(key).copied(),
                    changes: VecDeque::new(),
                };
                all.insert(key.clone(), course);
            }
        }
    }

    /// Servers whose code has changed, each with its changes, oldest first.
    pub fn all(&self) -> Vec<CodeChanges> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter()
            .filter(|(_, course)| !course.changes.is_empty())
            .map(|(key, course)| CodeChanges {
                server: key.clone(),
                changes: course.changes.iter().copied().collect(),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(host: &str) -> InstanceKey {
        InstanceKey::parse(host, 3306).unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    /// Looks, one after the other, at servers of which `a` has replicas.
    fn looks(codes: &[Option<FindingCode>]) -> Vec<CodeChanges> {
        let (log, a) = (Changelog::default(), key("a"));
        for (code, now) in codes.iter().zip(0..) {
            let found = code.iter().map(|code| (&a, *code)).collect();
            log.note_codes([&a].into_iter(), &found, at(now), |_| true);
        }
        log.all()
    }

    #[test]
    fn changes_are_kept_and_what_is_seen_first_is_none() {
        use FindingCode::{DeadPrimary, UnreachablePrimary};
        assert_eq!(looks(&[None, None]), []);
        assert_eq!(looks(&[Some(DeadPrimary), Some(DeadPrimary)]), []);
        let told = looks(&[
            None,
            Some(UnreachablePrimary),
            Some(DeadPrimary),
            Some(DeadPrimary),
            None,
        ]);
        let changes: Vec<_> = [
            (1, Some(UnreachablePrimary)),
            (2, Some(DeadPrimary)),
            (4, None),
        ]
        .map(|(now, code)| CodeChange { at: at(now), code })
        .to_vec();
        let server = key("a");
        assert_eq!(told, [CodeChanges { server, changes }]);
    }

    #[test]
    fn a_server_that_lost_its_replicas_is_followed_and_a_forgotten_one_is_not() {
        let (log, a) = (Changelog::default(), key("a"));
        let found = [(&a, FindingCode::DeadPrimary)].into_iter().collect();
        log.note_codes([&a].into_iter(), &BTreeMap::new(), at(1), |_| true);
        log.note_codes([].into_iter(), &found, at(2), |_| true);
        assert_eq!(log.all().len(), 1);
        log.note_codes([].into_iter(), &found, at(3), |_| false);
        assert_eq!(log.all(), []);
    }

    #[test]
    fn the_oldest_changes_go() {
        let codes: Vec<_> = (0..300)
            .map(|look| (look % 2 == 1).then_some(FindingCode::DeadPrimary))
            .collect();
        let told = looks(&codes);
        assert_eq!(told[0].changes.len(), CHANGES_MAX);
        assert_eq!(told[0].changes[0].at, at(200));
    }
}
