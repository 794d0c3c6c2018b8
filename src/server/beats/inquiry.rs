//! What the replicas of a primary in doubt say: they are asked at once and again and again, each for itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::analysis::Vote;
use orchestrator_core::beats::{BeatPolicy, Passive, Standing};
use orchestrator_core::domain::{InstanceKey, Observation};
use orchestrator_core::ports::{BeatReader as _, Clock, Discovery, PictureReader};
use tokio::task::JoinSet;

use super::board::{Board, Said};
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
    pub(super) discovery: Arc<dyn Discovery>,
    pub(super) picture: Arc<dyn PictureReader>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) board: Arc<Board>,
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
    is_being_asked: bool,
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
        self.discovery.discover_soon(self.key.clone()).ok();
        let mut asking: JoinSet<Answer> = JoinSet::new();
        let mut replicas: BTreeMap<InstanceKey, Replica> = BTreeMap::new();
        let began = self.clock.monotonic();
        let mut evidence_since: Option<Duration> = None;
        let mut said_before = None;
        loop {
            let now = self.clock.monotonic();
            let version = self.board.version();
            let standing = self.standing();
            match standing.is_against() {
                true => evidence_since = evidence_since.or(Some(now)),
                false => evidence_since = None,
            }
            self.ask_all(&mut replicas, &mut asking, now);
            let pause = self
                .clock
                .sleep(pause(standing, began, evidence_since, now));
            tokio::pin!(pause);
            let mut turned = self.board.changed(version);
            loop {
                self.conclude(&replicas, evidence_since, &mut said_before);
                tokio::select! {
                    biased;
                    Some(joined) = asking.join_next(), if !asking.is_empty() => {
                        // A task that panicked has told the log; its replica says nothing.
                        if let Ok(answer) = joined {
                            take_in(&mut replicas, answer);
                        }
                    }
                    () = &mut turned => {
                        turned = self.board.changed(self.board.version());
                        if self.standing() != standing {
                            break;
                        }
                    }
                    () = &mut pause => break,
                }
            }
        }
    }

    fn standing(&self) -> Standing {
        let beats = self.board.beats();
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
        let found = replicas_of(&self.picture.picture(), &self.key);
        replicas.retain(|key, _| found.contains(key));
        for key in found {
            let replica = replicas.entry(key.clone()).or_default();
            if std::mem::replace(&mut replica.is_being_asked, true) {
                continue;
            }
            let (discovery, clock) = (Arc::clone(&self.discovery), Arc::clone(&self.clock));
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
        let now = self.clock.monotonic();
        let beats = self.board.beats();
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
            && (says(Vote::CutOff) || replicas.values().any(still));
        let is_late = evidence_since.is_some_and(|since| now.saturating_sub(since) >= QUICKLY_FOR);
        let is_asking = evidence_since.is_some() && !agree && !is_late;
        let together = (agree, is_asking);
        let said = Said {
            is_asking,
            is_moving: receiving().any(|passive| passive.moves(now)),
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
            silent: replicas
                .iter()
                .filter(|(_, replica)| replica.was_asked)
                .map(|(key, replica)| (key.clone(), replica.silent_since))
                .collect(),
            is_news: agree && *before != Some(together),
        };
        *before = Some(together);
        self.board.tell_replicas(&self.key, &said);
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
