//! What nodes tell each other once a second: who they are, how they are, and what their state's digests are.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orchestrator_core::decided::GroupId;
use prost::bytes::Bytes;

use super::core::{Core, lock};
use super::first_start::Seen;
use super::network::group_bytes;
use super::network::transport::{Answer, Call, CallError, Callee, call_within};
use super::types::{NodeId, index_of};
use super::v1;

/// Time between two exchanges of members.
pub(super) const EXCHANGE_EVERY: Duration = Duration::from_secs(1);

/// Time between two exchanges while a node waits for a group: a start should not take long.
pub(super) const WAITING_EVERY: Duration = Duration::from_millis(200);

/// Exchanges of a start: the first dials, so it says little about the way.
const MEASUREMENTS: u32 = 3;

/// Time for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Digests in a report: the latest.
const DIGESTS_MAX: usize = 8;

/// What is known of a node on the list or in the group.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// What it said last.
    pub report: Option<v1::Report>,
    /// When it said that (monotonic).
    pub at: Option<Duration>,
    /// How the last call ended, when it failed.
    pub failure: Option<CallError>,
    /// How long its latest answers took.
    round_trips: VecDeque<Duration>,
    /// How far its wall clock is ahead of ours, in microseconds.
    pub clock_ahead: Option<i64>,
}

/// Answers whose times are remembered.
const ROUND_TRIPS: usize = 8;

impl Known {
    /// How long the way to it and back is: the fastest of its latest answers, since dials and busy processors only ever
    /// make them slower.
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trips.iter().min().copied()
    }
}

/// What is known of other nodes, by name.
#[derive(Default)]
pub(super) struct Reports(Mutex<BTreeMap<String, Known>>);

/// Names that are remembered: members and those on the list. More would be invented.
const NAMES_MAX: usize = 64;

impl Reports {
    pub fn of(&self, name: &str) -> Option<Known> {
        lock(&self.0).get(name).cloned()
    }

    pub fn all(&self) -> BTreeMap<String, Known> {
        lock(&self.0).clone()
    }

    fn update(&self, name: &str, change: impl FnOnce(&mut Known)) {
        let mut all = lock(&self.0);
        if all.len() >= NAMES_MAX && !all.contains_key(name) {
            return;
        }
        change(all.entry(name.to_owned()).or_insert(Known {
            report: None,
            at: None,
            failure: None,
            round_trips: VecDeque::new(),
            clock_ahead: None,
        }));
    }

    /// The slowest round trip that anybody reported or this node measured.
    pub fn slowest_round_trip(&self) -> Duration {
        let all = lock(&self.0);
        let measured = all.values().filter_map(Known::round_trip);
        let reported = all
            .values()
            .filter_map(|known| known.report.as_ref())
            .map(|report| Duration::from_micros(report.round_trip_micros));
        measured.chain(reported).max().unwrap_or_default()
    }

    /// What this node tells others that its slowest way takes. One answer is no measure: it may be the late one, and who hears of it would
    /// wait for elections that much longer.
    pub fn measured_round_trip(&self) -> Duration {
        let all = lock(&self.0);
        let measured = all.values().filter(|known| known.round_trips.len() > 1);
        let measured = measured.filter_map(Known::round_trip);
        measured.max().unwrap_or_default()
    }

    /// The slowest sync that anybody reported.
    pub fn slowest_sync(&self) -> Duration {
        let all = lock(&self.0);
        let syncs = all
            .values()
            .filter_map(|known| known.report.as_ref())
            .map(|report| Duration::from_micros(report.sync_micros));
        syncs.max().unwrap_or_default()
    }
}

/// The member that reads the least, where that is less than this release writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OldMember {
    name: String,
    version: String,
    /// The newest format of commands that it reads.
    format: u32,
}

impl OldMember {
    /// Why no command that needs `format` is written; `None` when it may be.
    pub fn objection(&self, format: u8) -> Option<String> {
        (u32::from(format) > self.format).then(|| {
            format!(
                "{} (release {}) reads commands up to format {} only, and this one needs format {format}; \
                 bring all nodes of the group to one release",
                self.name, self.version, self.format
            )
        })
    }

    /// What an operator must know, where this release writes up to format `newest`.
    pub fn warning(&self, newest: u8) -> String {
        format!(
            "{} (release {}) reads commands up to format {} only, and this release writes up to format {newest}: \
             what needs a newer format than that is refused; bring all nodes of the group to one release",
            self.name, self.version, self.format
        )
    }
}

impl Core {
    /// How this node is.
    pub(super) fn report(&self) -> v1::Report {
        let metrics = self.metrics();
        let group = self.identity.group().get();
        // What its directory holds counts, also while the library is not running yet, or not any more: whoever has lost its own directory
        // and took this one for empty would begin a second group with it, under an id whose promises it has forgotten.
        let standing = match group {
            Some(_) => v1::Standing::Member,
            None if metrics.is_some() || self.log.last().is_some() => v1::Standing::Started,
            None => v1::Standing::Empty,
        };
        // A node that waits to be let in knows that there is a group: nobody may begin another one with it.
        let standing = match self.identity.is_joining() {
            false => standing,
            true => v1::Standing::Member,
        };
        let store_error = self.deps.condition.store_error();
        let micros = |length: Duration| u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
        let timing = self.timing.load();
        v1::Report {
            name: self.config.name.clone(),
            id: self.me(),
            standing: standing.into(),
            group: group_bytes(self.identity.group()),
            nodes: self.nodes.load().as_ref().clone(),
            http: self.config.http.clone(),
            version: self.config.version.clone(),
            command_format: u32::from(self.config.formats.newest()),
            clock_micros: self.deps.clock.now().as_micros(),
            is_store_healthy: store_error.is_none(),
            store_error: store_error.unwrap_or_default(),
            applied_index: self.machine.decided().applied_index,
            last_index: self.log.last().map_or(0, |last| index_of(last.index)),
            digests: self.latest_digests(),
            term: metrics.as_ref().map_or(0, |metrics| metrics.current_term),
            leader: metrics
                .as_ref()
                .and_then(|metrics| metrics.current_leader)
                .unwrap_or(0),
            election_milliseconds: micros(timing.election_min) / 1_000,
            sync_micros: micros(self.log.sync_time()),
            round_trip_micros: micros(self.reports.measured_round_trip()),
            is_stopping: self.is_stopping.load(Ordering::Relaxed),
            unfit: self.election_objection().unwrap_or_default(),
            members: self.members_message(),
            process: self.process.to_be_bytes().to_vec().into(),
            brings: match standing {
                v1::Standing::Empty => self.brings().unwrap_or_default(),
                _ => 0,
            },
            awaits: match standing {
                v1::Standing::Empty => self.awaits().unwrap_or_default(),
                _ => String::new(),
            },
        }
    }

    fn latest_digests(&self) -> Vec<v1::StateDigest> {
        let all = self.machine.digests().all();
        let latest = all.iter().rev().take(DIGESTS_MAX);
        latest
            .map(|(index, digest)| v1::StateDigest {
                index: *index,
                digest: Bytes::copy_from_slice(digest),
            })
            .collect()
    }

    fn members_message(&self) -> Vec<v1::Member> {
        let members = self.machine.members();
        let voters: Vec<NodeId> = members.voter_ids().collect();
        let message = |(id, member): (&NodeId, &super::types::Member)| v1::Member {
            id: *id,
            name: member.name.clone(),
            address: member.address.clone(),
            is_voter: voters.contains(id),
        };
        members.nodes().map(message).collect()
    }

    /// Others on the list and in the group, with their addresses; a member's address by the log wins.
    pub(super) fn others(&self) -> Vec<Callee> {
        let mut others: BTreeMap<String, Callee> = BTreeMap::new();
        for name in self.nodes.load().iter().chain(&self.desired()) {
            let callee = Callee {
                id: 0,
                name: name.clone(),
                address: name.clone(),
            };
            others.insert(name.clone(), callee);
        }
        for (id, member) in self.machine.members().nodes() {
            let callee = Callee {
                id: *id,
                name: member.name.clone(),
                address: member.address.clone(),
            };
            others.insert(member.name.clone(), callee);
        }
        others.remove(&self.config.name);
        others.into_values().collect()
    }

    /// Asks all others how they are; returns when each has answered or not.
    pub(super) async fn exchange(self: &Arc<Self>) {
        let mut calls = tokio::task::JoinSet::new();
        for callee in self.others() {
            let core = Arc::clone(self);
            calls.spawn(async move { core.ask(callee).await });
        }
        self.look_for_double();
        while calls.join_next().await.is_some() {}
        self.tell_trusted();
    }

    /// Measures the ways to the others for a start, within `within`; returns whether all of them answered.
    pub(super) async fn measure(self: &Arc<Self>, within: Duration) -> bool {
        let exchanges = async {
            for _ in 0..MEASUREMENTS {
                self.exchange().await;
            }
        };
        tokio::select! {
            () = exchanges => {}
            () = self.sleep(within) => {}
        }
        let all = self.reports.all();
        let has_answered = |other: &Callee| {
            all.get(&other.name)
                .is_some_and(|known| known.round_trip().is_some())
        };
        self.others().iter().all(has_answered)
    }

    async fn ask(&self, callee: Callee) {
        let name = callee.name.clone();
        let call = Call::Hello(v1::HelloRequest {
            report: Some(self.report()),
        });
        let began = self.now();
        let answer = call_within(
            self.deps.transport.as_ref(),
            self.deps.clock.as_ref(),
            callee,
            call,
            ANSWER_WITHIN,
        )
        .await;
        let took = self.now().saturating_sub(began);
        match answer {
            Ok(Answer::Hello(answer)) => match answer.report {
                Some(report) if report.name == name => self.note_report(report, Some(took)),
                Some(report) => {
                    let reason = format!("{} answers at this address", report.name);
                    self.note_failure(&name, CallError::Refused(reason));
                }
                None => self.note_failure(&name, super::network::transport::mismatch()),
            },
            Ok(_) => self.note_failure(&name, super::network::transport::mismatch()),
            Err(error) => self.note_failure(&name, error),
        }
    }

    /// Why members cannot be asked, where no leader is heard, this node among them: whoever looks wants to know that first.
    pub(super) fn unreachable(&self) -> Vec<String> {
        let all = self.reports.all();
        let members = self.machine.members();
        let names = members.nodes().map(|(_, member)| &member.name);
        names
            .filter_map(|name| {
                let failure = all.get(name)?.failure.as_ref()?;
                Some(format!(
                    "no leader is heard, and {name} cannot be asked: {failure}"
                ))
            })
            .collect()
    }

    fn note_failure(&self, name: &str, error: CallError) {
        let before = self.reports.of(name);
        // One that was never heard, and says something new: as a rule that it is of another group.
        let is_new = before.as_ref().is_none_or(|known| {
            known.report.is_none() && known.failure.as_ref().is_none_or(|last| *last != error)
        });
        if is_new && self.engine().is_some() && !self.stop.is_cancelled() {
            tracing::info!(node = name, %error, "a node of the group cannot be asked");
        }
        let is_news = self
            .reports
            .of(name)
            .is_some_and(|known| known.failure.is_none() && known.report.is_some());
        if is_news && !self.stop.is_cancelled() {
            tracing::warn!(node = name, %error, "a node of the group does not answer");
        }
        self.reports
            .update(name, |known| known.failure = Some(error));
    }

    /// Takes in what a node says of itself; `took` where it answered a question.
    pub(super) fn note_report(&self, report: v1::Report, took: Option<Duration>) {
        let now = self.now();
        if report.id != 0 {
            self.acks.heard(report.id, now);
        }
        self.compare_digests(&report);
        let before = self.reports.of(&report.name);
        if took.is_some()
            && before.is_some_and(|known| known.failure.is_some() && known.report.is_some())
        {
            tracing::info!(node = report.name, "a node of the group answers again");
        }
        let half = took.unwrap_or_default() / 2;
        let ours = self.deps.clock.now().minus(half).as_micros();
        self.reports.update(&report.name.clone(), |known| {
            known.clock_ahead = Some(report.clock_micros.saturating_sub(ours));
            known.at = Some(now);
            known.failure = None;
            if let Some(took) = took {
                known.round_trips.push_back(took);
                if known.round_trips.len() > ROUND_TRIPS {
                    known.round_trips.pop_front();
                }
            }
            known.report = Some(report);
        });
        self.judge_formats();
    }

    /// A leader writes only what every member says it reads: one that cannot read an entry ends. A member that was never
    /// heard says nothing and holds nobody up; should it be too old, it ends when it comes to that entry, and says why.
    fn judge_formats(&self) {
        let newest = u32::from(self.config.formats.newest());
        let all = self.reports.all();
        let members = self.machine.members();
        let reports = members.nodes().filter_map(|(id, member)| {
            let report = all.get(&member.name)?.report.as_ref()?;
            (report.id == *id && report.command_format < newest).then_some(report)
        });
        let oldest = reports
            .min_by_key(|report| report.command_format)
            .map(|report| OldMember {
                name: report.name.clone(),
                version: report.version.clone(),
                format: report.command_format,
            });
        if oldest.as_ref() != self.oldest.load().as_deref() {
            self.oldest.store(oldest.map(Arc::new));
        }
    }

    fn compare_digests(&self, report: &v1::Report) {
        if report.group != group_bytes(self.identity.group()) {
            return;
        }
        let theirs: Vec<(u64, [u8; 32])> = report
            .digests
            .iter()
            .filter_map(|d| Some((d.index, d.digest.as_ref().try_into().ok()?)))
            .collect();
        let Some(index) = self.machine.digests().first_difference(&theirs) else {
            return;
        };
        lock(&self.differing).insert(report.name.clone());
        let alarm = format!(
            "decided state of this node and of {} differs at entry {index}: one of them is damaged; \
             compare them, and let the wrong one begin anew with an empty RaftDataDir",
            report.name
        );
        let mut alarms = lock(&self.alarms);
        let start = format!("decided state of this node and of {} differs", report.name);
        if !alarms.iter().any(|known| known.starts_with(&start)) {
            tracing::error!(index, node = report.name, "{alarm}");
            alarms.push(alarm);
        }
    }

    /// What an empty node knows of the others for its first start.
    pub(super) fn seen(&self) -> BTreeMap<String, Seen> {
        let all = self.reports.all();
        all.into_iter()
            .map(|(name, known)| {
                let seen = seen(&known);
                (name, seen)
            })
            .collect()
    }
}

fn seen(known: &Known) -> Seen {
    match (&known.failure, &known.report) {
        (Some(CallError::Absent(_)), _) => Seen::Absent,
        (Some(error), _) => Seen::Silent {
            reason: error.to_string(),
        },
        (None, None) => Seen::Silent {
            reason: "not asked yet".to_owned(),
        },
        (None, Some(report)) => match report.standing() {
            v1::Standing::Member => Seen::Member,
            standing @ (v1::Standing::Empty | v1::Standing::Started) => Seen::Empty {
                nodes: report.nodes.clone(),
                has_begun: standing == v1::Standing::Started,
                brings: Some(report.brings).filter(|brings| *brings > 0),
                awaits: Some(report.awaits.clone()).filter(|name| !name.is_empty()),
            },
            v1::Standing::Unspecified => Seen::Silent {
                reason: "it did not say whether it is a member of a group".to_owned(),
            },
        },
    }
}

/// The group in a report.
pub(super) fn group_of(report: &v1::Report) -> Option<GroupId> {
    let bytes: [u8; 16] = report.group.as_ref().try_into().ok()?;
    Some(GroupId::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_late_answer_is_not_reported_as_the_time_of_a_way() {
        let reports = Reports::default();
        let answered = |name: &str, millis: u64| {
            reports.update(name, |known| {
                known.round_trips.push_back(Duration::from_millis(millis));
            });
        };
        answered("late:10008", 1_400);
        assert_eq!(reports.measured_round_trip(), Duration::ZERO);
        // It is all that this node itself can go by.
        assert_eq!(reports.slowest_round_trip(), Duration::from_millis(1_400));
        answered("late:10008", 2);
        assert_eq!(reports.measured_round_trip(), Duration::from_millis(2));
        for _ in 0..2 {
            answered("far:10008", 60);
        }
        assert_eq!(reports.measured_round_trip(), Duration::from_millis(60));
    }
}
