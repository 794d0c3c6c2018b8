//! What the replicas of a primary in doubt say: they are asked at once and again and again, each for itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::analysis::Vote;
use orchestrator_core::beats::{BeatPolicy, Passive, Standing};
use orchestrator_core::domain::{InstanceKey, Observation};
use orchestrator_core::ports::BeatReader as _;
use tokio::task::JoinSet;

use super::board::Said;
use super::pulse::Shared;
use super::targets::replicas_of;

/// How often replicas are asked of a primary that is gone: their receivers notice within some milliseconds, and the failover
/// waits for them.
const EVERY: Duration = Duration::from_millis(50);

/// For how long.
const QUICKLY_FOR: Duration = Duration::from_secs(2);

/// How often they are asked of one that is in doubt or silent: what they receive is looked at over seconds.
const EVERY_IN_DOUBT: Duration = Duration::from_millis(200);

/// How often afterwards.
const LATER: Duration = Duration::from_secs(1);

/// How often after a minute, for as long as the primary does not answer: nobody replaces it, and polls tell the same.
const IN_THE_END: Duration = Duration::from_secs(10);

/// A replica is not told to reconnect where it can be known within this time what it receives: as long as reconnecting may
/// take.
const SOON: Duration = BeatPolicy::RECONNECTS_WITHIN;

/// What an inquiry needs of the outside.
pub(super) struct Inquiry {
    pub(super) key: InstanceKey,
    pub(super) shared: Arc<Shared>,
}

/// What one replica has said since the inquiry began.
#[derive(Default)]
struct Replica {
    /// What it said last; `None` while it has not said anything.
    vote: Option<Vote>,
    passive: Option<Passive>,
    /// Something has come to it since the inquiry began: another that could not reconnect does not speak for this one.
    has_moved: bool,
    /// When it was last connected to the primary.
    served_at: Option<Duration>,
    /// Since when it does not answer us.
    silent_since: Option<Duration>,
    /// It was asked and answered, or failed to.
    was_asked: bool,
    /// When it was asked for what is known of it.
    asked_at: Duration,
    is_being_asked: bool,
}

impl Replica {
    fn is_receiving(&self) -> bool {
        self.silent_since.is_none() && self.vote == Some(Vote::Receiving)
    }

    /// Whether something had come to it so short a while before it was last asked. That it is over is known only by a look that is later.
    fn heard_within(&self, silence: Duration) -> bool {
        let passive = self.passive.as_ref();
        passive.is_some_and(|passive| passive.has_moved_within(silence, self.asked_at))
    }
}

/// How asking one replica ended.
struct Answer {
    replica: InstanceKey,
    asked: Duration,
    /// `None` where no answer came in time; the inner one where the probe failed, with whether the server said something.
    seen: Option<Result<Arc<Observation>, bool>>,
}

impl Inquiry {
    /// Asks until it is dropped, which ends all that is under way.
    pub(super) async fn run(self) {
        // Whether it can be asked is what the picture then shows.
        self.shared.discovery.discover_soon(self.key.clone()).ok();
        let mut asking: JoinSet<Answer> = JoinSet::new();
        let mut replicas: BTreeMap<InstanceKey, Replica> = BTreeMap::new();
        let began = self.shared.clock.monotonic();
        let mut evidence_since: Option<Duration> = None;
        let mut said_before = None;
        loop {
            let now = self.shared.clock.monotonic();
            let version = self.shared.board.version();
            let standing = self.standing();
            match standing.is_against() {
                true => evidence_since = evidence_since.or(Some(now)),
                false => evidence_since = None,
            }
            self.ask_all(&mut replicas, &mut asking, now);
            let mut length = pause(standing, began, evidence_since, now);
            if self.some_lost_it(&replicas, standing) {
                length = length.min(EVERY_IN_DOUBT);
            }
            let mut pause = self.shared.clock.sleep(length.min(LATER));
            let mut turned = self.shared.board.changed(version);
            loop {
                self.conclude(&replicas, evidence_since, &mut said_before);
                tokio::select! {
                    biased;
                    Some(joined) = asking.join_next(), if !asking.is_empty() => {
                        // A task that panicked has told the log; its replica says nothing.
                        if let Ok(answer) = joined {
                            take_in(&mut replicas, answer);
                        }
                        if length > EVERY_IN_DOUBT && self.some_lost_it(&replicas, standing) {
                            break;
                        }
                    }
                    () = &mut turned => {
                        turned = self.shared.board.changed(self.shared.board.version());
                        if self.standing() != standing {
                            break;
                        }
                    }
                    () = &mut pause => {
                        let left = length.saturating_sub(self.shared.clock.monotonic().saturating_sub(now));
                        if left.is_zero() || self.some_turned(&replicas, standing) {
                            break;
                        }
                        pause = self.shared.clock.sleep(left.min(LATER));
                    }
                }
            }
        }
    }

    /// Whether a receiver is not connected any more to which something of a silent primary came a moment ago: it is looked at often
    /// until it is again, or that has lost its meaning.
    fn some_lost_it(&self, replicas: &BTreeMap<InstanceKey, Replica>, standing: Standing) -> bool {
        let silence = self.silence();
        let lost = |one: &Replica| one.heard_within(silence) && !one.is_receiving();
        standing == Standing::Silent && replicas.values().any(lost)
    }

    /// Whether a poll has seen a receiver turn that spoke for a silent primary when it was asked.
    fn some_turned(&self, replicas: &BTreeMap<InstanceKey, Replica>, standing: Standing) -> bool {
        let (silence, picture) = (self.silence(), self.shared.picture.picture());
        standing == Standing::Silent
            && replicas.iter().any(|(key, replica)| {
                let seen = picture.observation(key);
                let link = seen.and_then(|seen| seen.replication.as_ref());
                replica.heard_within(silence) && link.map(Vote::of) != replica.vote
            })
    }

    /// How long nothing must come before that is evidence.
    fn silence(&self) -> Duration {
        self.shared.policy(&self.key).silence
    }

    fn standing(&self) -> Standing {
        let beats = self.shared.board.beats();
        beats
            .of(&self.key)
            .map_or(Standing::Doubt, |beat| beat.standing)
    }

    fn ask_all(
        &self,
        replicas: &mut BTreeMap<InstanceKey, Replica>,
        asking: &mut JoinSet<Answer>,
        asked: Duration,
    ) {
        let found = replicas_of(&self.shared.picture.picture(), &self.key);
        replicas.retain(|key, _| found.contains(key));
        for key in found {
            let replica = replicas.entry(key.clone()).or_default();
            if std::mem::replace(&mut replica.is_being_asked, true) {
                continue;
            }
            let (discovery, clock) = (
                Arc::clone(&self.shared.discovery),
                Arc::clone(&self.shared.clock),
            );
            asking.spawn(async move {
                let answer = tokio::select! {
                    biased;
                    answer = discovery.discover(key.clone()) => Some(answer),
                    () = clock.sleep(BeatPolicy::ANSWER_WITHIN) => None,
                };
                let seen = answer.map(|answer| answer.map_err(|why| said_something(&why)));
                Answer {
                    replica: key,
                    asked,
                    seen,
                }
            });
        }
    }

    /// Tells what the replicas say together.
    fn conclude(
        &self,
        replicas: &BTreeMap<InstanceKey, Replica>,
        evidence_since: Option<Duration>,
        before: &mut Option<(bool, bool)>,
    ) {
        let now = self.shared.clock.monotonic();
        let beats = self.shared.board.beats();
        let beat = beats.of(&self.key);
        let is_silent = beat.is_some_and(|beat| beat.standing == Standing::Silent);
        let is_spoken_for = beat.is_some_and(|beat| beat.spoken_by.is_some());
        let still = |replica: &Replica| {
            let passive = replica.passive.as_ref();
            is_silent
                && passive.is_some_and(|passive| {
                    passive.stands_still() || is_spoken_for && !replica.has_moved
                })
        };
        // A closed connection is not silence: what came before it was closed says nothing.
        let is_gone = beat.is_some_and(|beat| beat.standing == Standing::Gone);
        let spoken_by = beat.and_then(|beat| beat.spoken_by.as_ref());
        let silence = self.silence();
        let heard_lately: BTreeSet<InstanceKey> = replicas
            .iter()
            .filter(|(key, one)| {
                let is_worth = !is_gone && !still(one) && spoken_by != Some(*key);
                is_worth && one.heard_within(silence)
            })
            .map(|(key, _)| key.clone())
            .collect();
        let receiving = || {
            let all = replicas.values();
            all.filter(move |one| one.vote == Some(Vote::Receiving) && !still(one))
                .filter_map(|replica| replica.passive.as_ref())
        };
        let soon = match beat.is_some_and(|beat| beat.standing == Standing::Mute) {
            // Until then it is not even silent.
            true => SOON + BeatPolicy::RECONNECTS_WITHIN,
            false => SOON,
        };
        let is_soon = |passive: &Passive| passive.due_in(now).is_some_and(|due| due <= soon);
        let is_complete = replicas.values().all(|replica| replica.was_asked);
        let held = beat.and_then(|beat| beat.reconnecting.as_ref());
        let says = |wanted: Vote| {
            let mut all = replicas.iter();
            all.any(move |(key, replica)| {
                let vote = match held == Some(key) {
                    true => Some(Vote::Receiving),
                    false => replica.vote,
                };
                replica.silent_since.is_none() && vote == Some(wanted) && !still(replica)
            })
        };
        let agree = is_complete
            && !says(Vote::Receiving)
            && (!is_silent || heard_lately.is_empty())
            && (says(Vote::CutOff) || replicas.values().any(still));
        let is_late = evidence_since.is_some_and(|since| now.saturating_sub(since) >= QUICKLY_FOR);
        let is_asking = evidence_since.is_some() && !agree && !is_late;
        let together = (agree, is_asking);
        let said = Said {
            is_asking,
            is_moving: receiving().any(|passive| passive.moves(now))
                || replicas
                    .iter()
                    .any(|(key, replica)| heard_lately.contains(key) && !replica.is_receiving()),
            served_at: replicas
                .values()
                .filter_map(|replica| replica.served_at)
                .max(),
            is_soon_known: receiving().all(is_soon),
            standing_still: replicas
                .iter()
                .filter(|(_, replica)| still(replica))
                .map(|(key, _)| key.clone())
                .collect(),
            heard_lately,
            silent: replicas
                .iter()
                .filter(|(_, replica)| replica.was_asked)
                .map(|(key, replica)| (key.clone(), replica.silent_since))
                .collect(),
            is_news: agree && *before != Some(together),
        };
        *before = Some(together);
        self.shared.board.tell_replicas(&self.key, &said);
    }
}

fn pause(
    standing: Standing,
    began: Duration,
    evidence_since: Option<Duration>,
    now: Duration,
) -> Duration {
    let quick = evidence_since.is_some_and(|since| now.saturating_sub(since) < QUICKLY_FOR);
    match standing {
        Standing::Gone if quick => EVERY,
        // As long as passive evidence may take with the heartbeats of a small `replica_net_timeout`.
        _ if now.saturating_sub(began) < QUICKLY_FOR * 5 => EVERY_IN_DOUBT,
        _ if now.saturating_sub(began) < QUICKLY_FOR * 30 => LATER,
        _ => IN_THE_END,
    }
}

fn said_something(why: &orchestrator_core::ports::DiscoverError) -> bool {
    match why {
        orchestrator_core::ports::DiscoverError::Probe(failure) => {
            // A refused connection came over our link too.
            failure.is_partial
                || failure.kind.server_answered()
                || failure.kind == orchestrator_core::domain::ProbeFailureKind::Refused
        }
        _ => true,
    }
}

fn take_in(replicas: &mut BTreeMap<InstanceKey, Replica>, answer: Answer) {
    let Some(replica) = replicas.get_mut(&answer.replica) else {
        return;
    };
    replica.is_being_asked = false;
    replica.was_asked = true;
    replica.asked_at = answer.asked;
    match answer.seen {
        Some(Ok(seen)) => {
            replica.silent_since = None;
            replica.vote = seen.replication.as_ref().map(Vote::of);
            if replica.vote == Some(Vote::Receiving) {
                replica.served_at = Some(answer.asked);
            }
            match &mut replica.passive {
                Some(passive) => {
                    passive.again(&seen, answer.asked);
                    replica.has_moved |= passive.moves(answer.asked);
                }
                none => *none = Passive::first(&seen, answer.asked),
            }
        }
        Some(Err(true)) => replica.silent_since = None,
        Some(Err(false)) | None => {
            replica.silent_since.get_or_insert(answer.asked);
        }
    }
}
