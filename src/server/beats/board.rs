use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use orchestrator_core::beats::{Beat, Beats, Standing, is_own_link};
use orchestrator_core::domain::{InstanceKey, Timestamp};
use orchestrator_core::ports::{BeatReader, BoxFuture, Reconnected};

use super::{Changing, metrics};

/// What all tasks tell, and everybody reads.
pub(super) struct Board {
    known: Mutex<Known>,
    version: Changing<u64>,
}

#[derive(Default)]
struct Known {
    beats: Arc<Beats>,
    /// Since when each primary is silent; `None` while it says something, also no.
    primaries: BTreeMap<InstanceKey, Option<Duration>>,
    /// The same of replicas that were asked because their primary is in doubt.
    replicas: BTreeMap<InstanceKey, BTreeMap<InstanceKey, Option<Duration>>>,
    /// When a replica of a primary in doubt was last connected to it.
    served: BTreeMap<InstanceKey, Duration>,
    /// Primaries that other nodes do not hear either, until they say something.
    confirmed: BTreeSet<InstanceKey>,
    /// Whether our own link is down, as of what is known of all servers; `None` when that has changed since. Where thousands fall silent
    /// together, all of them ask for it ten times a second.
    is_own_link: Option<bool>,
}

/// How a primary stands, as its task tells it.
pub(super) struct Told {
    pub(super) standing: Standing,
    pub(super) since: Timestamp,
    pub(super) restart_left: Option<Duration>,
    /// Since when nothing is heard of it, by the monotonic clock.
    pub(super) silent_since: Option<Duration>,
}

impl Board {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            known: Mutex::default(),
            version: Changing::new(0),
        })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // It is changed in whole steps.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to count a primary.
    pub(super) fn enter(&self, key: &InstanceKey) {
        let mut known = self.known();
        known.note_primary(key, None);
        metrics::watched(known.primaries.len());
    }

    /// Forgets a primary, with its replicas.
    pub(super) fn leave(&self, key: &InstanceKey) {
        let mut known = self.known();
        known.primaries.remove(key);
        known.replicas.remove(key);
        known.served.remove(key);
        known.confirmed.remove(key);
        known.is_own_link = None;
        Arc::make_mut(&mut known.beats).remove(key);
        metrics::watched(known.primaries.len());
        drop(known);
        self.announce();
    }

    /// Takes in how a primary stands, and says how it stands with all others looked at.
    pub(super) fn tell(&self, key: &InstanceKey, told: &Told) -> Standing {
        let mut known = self.known();
        known.note_primary(key, told.silent_since);
        if told.silent_since.is_none() {
            known.confirmed.remove(key);
        }
        let is_confirmed = known.confirmed.contains(key);
        let standing = match told.standing {
            Standing::Silent if !is_confirmed && known.is_own_link() => Standing::NotOurs,
            Standing::Mute if !is_confirmed && known.is_own_link() => Standing::Doubt,
            standing => standing,
        };
        let before = known.beats.of(key);
        let was = before.map_or(Standing::Unknown, |beat| beat.standing);
        let mut beat = match before {
            Some(before) if before.since == told.since => before.clone(),
            _ => Beat {
                // Whoever tells a replica to reconnect says when that is over.
                reconnecting: before.and_then(|before| before.reconnecting.clone()),
                ..Beat::of(standing, told.since)
            },
        };
        beat.standing = standing;
        beat.restart_left = told.restart_left;
        // Before the first answers of replicas a look would find what they said some seconds ago.
        beat.is_asking |= standing.is_against() && !was.is_against();
        let is_other = before != Some(&beat);
        let is_over = before.is_some_and(|before| before.restart_left.is_some())
            && beat.restart_left.is_none();
        if is_other {
            Arc::make_mut(&mut known.beats).put(key.clone(), beat);
        }
        drop(known);
        if standing != was {
            turned(key, was, standing);
        }
        if standing != was || is_over {
            self.announce();
        }
        standing
    }

    /// Takes in what replicas of a primary say: whether they are asked still, which stand still, and which are silent since when.
    pub(super) fn tell_replicas(&self, key: &InstanceKey, said: &Said) {
        let mut known = self.known();
        known.note_replicas(key, &said.silent);
        if let Some(at) = said.served_at {
            known.served.insert(key.clone(), at);
        }
        let Some(before) = known.beats.of(key) else {
            return;
        };
        let beat = Beat {
            is_asking: said.is_asking,
            is_moving: said.is_moving,
            is_soon_known: said.is_soon_known,
            standing_still: Arc::new(said.standing_still.clone()),
            heard_lately: Arc::new(said.heard_lately.clone()),
            ..before.clone()
        };
        let is_news = said.is_news || *before != beat;
        if *before != beat {
            Arc::make_mut(&mut known.beats).put(key.clone(), beat);
        }
        drop(known);
        if is_news {
            self.announce();
        }
    }

    /// Nobody is asked about it any more.
    pub(super) fn end_inquiry(&self, key: &InstanceKey) {
        let mut known = self.known();
        if known.replicas.remove(key).is_some() {
            known.is_own_link = None;
        }
        known.served.remove(key);
    }

    /// Changes what is known of a primary that has beats.
    fn change(&self, key: &InstanceKey, change: impl FnOnce(&mut Beat)) {
        let mut known = self.known();
        let Some(before) = known.beats.of(key) else {
            return;
        };
        let mut beat = before.clone();
        change(&mut beat);
        Arc::make_mut(&mut known.beats).put(key.clone(), beat);
        drop(known);
        self.announce();
    }

    /// When a replica of a primary in doubt was last connected to it, as far as they were asked.
    pub(super) fn served_at(&self, key: &InstanceKey) -> Option<Duration> {
        self.known().served.get(key).copied()
    }

    fn announce(&self) {
        self.version.change(|version| *version += 1);
    }
}

/// What the replicas of one primary say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) is_asking: bool,
    pub(super) is_moving: bool,
    /// When one of them was last connected to it.
    pub(super) served_at: Option<Duration>,
    pub(super) is_soon_known: bool,
    pub(super) standing_still: BTreeSet<InstanceKey>,
    pub(super) heard_lately: BTreeSet<InstanceKey>,
    pub(super) silent: BTreeMap<InstanceKey, Option<Duration>>,
    /// What they say together is other than before, and somebody has to look.
    pub(super) is_news: bool,
}

impl Known {
    fn note_primary(&mut self, key: &InstanceKey, silent_since: Option<Duration>) {
        let before = self.primaries.insert(key.clone(), silent_since);
        if before != Some(silent_since) {
            self.is_own_link = None;
        }
    }

    fn note_replicas(
        &mut self,
        key: &InstanceKey,
        silent: &BTreeMap<InstanceKey, Option<Duration>>,
    ) {
        if self.replicas.get(key) != Some(silent) {
            self.replicas.insert(key.clone(), silent.clone());
            self.is_own_link = None;
        }
    }

    fn is_own_link(&mut self) -> bool {
        if let Some(known) = self.is_own_link {
            return known;
        }
        let replicas = self.replicas.values().flat_map(BTreeMap::iter);
        // A replica of two primaries counts once, and so does one that is a primary too.
        let mut all: BTreeMap<&InstanceKey, Option<Duration>> =
            replicas.map(|(key, since)| (key, *since)).collect();
        all.extend(self.primaries.iter().map(|(key, since)| (key, *since)));
        let found = is_own_link(all.into_values());
        self.is_own_link = Some(found);
        found
    }
}

fn turned(key: &InstanceKey, was: Standing, standing: Standing) {
    let word = match standing {
        Standing::Unknown => "unknown",
        Standing::Alive { .. } => "alive",
        Standing::Doubt => "doubt",
        Standing::Mute => "mute",
        Standing::Gone => "gone",
        Standing::Silent => "silent",
        Standing::NotOurs => "not-ours",
    };
    metrics::turned(word);
    match standing {
        Standing::Gone => {
            tracing::warn!(primary = %key, "its connection was closed, and a new one is refused")
        }
        Standing::Silent => tracing::warn!(primary = %key, "it says nothing over two connections"),
        Standing::NotOurs => {
            tracing::error!(primary = %key, "more than half of all servers that were asked fell silent together: this node's own link, most likely");
        }
        Standing::Alive {
            refusal: Some(error),
        } => tracing::warn!(primary = %key, error, "it is up, and refuses our beats"),
        Standing::Alive { refusal: None } if was != Standing::Unknown => {
            tracing::info!(primary = %key, ?was, "it answers beats again");
        }
        Standing::Unknown | Standing::Alive { .. } | Standing::Doubt | Standing::Mute => {
            tracing::debug!(primary = %key, ?was, ?standing, "by its beats it stands otherwise");
        }
    }
}

impl BeatReader for Board {
    fn beats(&self) -> Arc<Beats> {
        self.known().beats.clone()
    }

    fn version(&self) -> u64 {
        self.version.get()
    }

    fn changed(&self, since: u64) -> BoxFuture<'static, ()> {
        let version = self.version.clone();
        Box::pin(async move { version.wait_for(|version| *version != since).await })
    }

    fn silent_for_others_too(&self, primaries: &[InstanceKey]) {
        let mut known = self.known();
        for key in primaries {
            let is_not_ours = |beat: &&Beat| beat.standing == Standing::NotOurs;
            let Some(before) = known.beats.of(key).filter(is_not_ours).cloned() else {
                continue;
            };
            known.confirmed.insert(key.clone());
            let standing = Standing::Silent;
            let beat = Beat { standing, ..before };
            Arc::make_mut(&mut known.beats).put(key.clone(), beat);
            turned(key, Standing::NotOurs, standing);
        }
        drop(known);
        self.announce();
    }

    fn reconnecting(&self, primary: &InstanceKey, replica: &InstanceKey) {
        self.change(primary, |beat| beat.reconnecting = Some(replica.clone()));
    }

    fn reconnected(&self, primary: &InstanceKey, replica: &InstanceKey, came: Reconnected) {
        self.change(primary, |beat| {
            beat.reconnecting = None;
            // What came of it says nothing of a primary that has answered meanwhile.
            let is_mute = matches!(beat.standing, Standing::Mute | Standing::Silent);
            if came == Reconnected::No && is_mute {
                beat.spoken_by = Some(replica.clone());
            }
        });
    }
}
