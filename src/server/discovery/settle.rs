//! What the end of a probe changes: the picture, which instances are asked, and under which names.

use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::domain::{
    InstanceKey, InstanceRecord, Observation, Picture, ProbeFailure, Timestamp,
};
use orchestrator_core::ports::{DiscoverError, PictureReader};

use super::follow::{is_receiving, neighbours};
use super::lock::lock;
use super::picture_keeper::Edit;
use super::registry::Registry;
use super::shared::{Shared, Start};
use super::tracked::{Outcome, Tracked};
use super::transition::{self, Transition};
use super::{Config, record};

/// How long another name of an instance is believed before the server there is asked again: what the predecessor
/// takes for resolved names (`ExpiryHostnameResolvesMinutes`). Jitter takes up to a quarter off.
const NAME_LIFETIME: Duration = Duration::from_secs(3600);

/// An instance that never answered, is not shown and was not spoken of for this long is given up.
const GIVE_UP_AFTER: Duration = Duration::from_secs(600);

/// How the instance of a task goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// It answered.
    Good,
    /// It failed and is shown.
    Failing,
    /// It failed, never answered, and is not shown.
    Hidden,
    /// It is no longer asked under this name: the task ends.
    Gone,
}

impl Shared {
    /// Takes in the end of a probe. A probe that was under way while its instance was forgotten changes nothing.
    pub(super) fn settle(
        self: &Arc<Self>,
        tracked: &Arc<Tracked>,
        result: Result<Observation, ProbeFailure>,
    ) -> Settled {
        let mut registry = lock(&self.registry);
        if !registry.is_current(tracked) {
            return Settled::Gone;
        }
        let mut settling = Settling {
            shared: self,
            registry: &mut registry,
            tracked,
            config: self.config(),
            now: self.clock.monotonic(),
            ended_at: self.clock.now(),
            log: Vec::new(),
        };
        let (settled, outcome) = match result {
            Ok(seen) => settling.good(seen),
            Err(failure) => settling.failed(failure),
        };
        let log = settling.log;
        drop(registry);
        tracked.ended(outcome);
        for (instance, line) in log {
            line.log(&instance);
        }
        settled
    }
}

/// One settling, under the lock of the registry.
struct Settling<'a> {
    shared: &'a Arc<Shared>,
    registry: &'a mut Registry,
    tracked: &'a Arc<Tracked>,
    config: Arc<Config>,
    now: Duration,
    ended_at: Timestamp,
    /// Lines to write when the lock is free again.
    log: Vec<(InstanceKey, Transition)>,
}

/// What the name is worth that a server reported.
enum Naming {
    /// It is the one it was reached by, or that one is kept.
    AsReached,
    /// It is another one.
    Other,
    /// Following it comes back to where we are.
    Circle,
    /// Nothing is to be known about an instance of that name.
    Unwanted(DiscoverError),
}

impl Settling<'_> {
    fn good(&mut self, mut seen: Observation) -> (Settled, Outcome) {
        let reached = self.tracked.key().clone();
        match self.naming(&seen.key) {
            Naming::AsReached => {
                if seen.key != reached {
                    let until = self.now + self.name_lifetime();
                    self.registry.set_own_name(&reached, until);
                }
                seen.key = reached;
            }
            Naming::Circle => {
                self.keep_own_names(&seen.key.clone());
                seen.key = reached;
            }
            Naming::Other => return self.good_under_another_name(seen),
            Naming::Unwanted(reason) => {
                self.shared.drop_instance(self.registry, &reached);
                // So that it is not asked again each time another instance speaks of it.
                let until = self.now + self.name_lifetime();
                self.registry.set_alias(&reached, seen.key, until);
                return (Settled::Gone, Err(reason));
            }
        }
        let seen = Arc::new(seen);
        self.put_good(seen.clone());
        self.follow(&seen);
        (Settled::Good, Ok(seen))
    }

    fn naming(&self, reported: &InstanceKey) -> Naming {
        let reached = self.tracked.key();
        if reported == reached || self.registry.keeps_own_name(reached, self.now) {
            Naming::AsReached
        } else if self.registry.leads_to(reported, reached, self.now) {
            Naming::Circle
        } else if self.config.ignore.matches(reported) {
            let key = reported.clone();
            Naming::Unwanted(DiscoverError::Ignored { key })
        } else if self.registry.is_banned(reported, self.now) && !self.tracked.is_requested() {
            let key = reported.clone();
            Naming::Unwanted(DiscoverError::Forgotten { key })
        } else {
            Naming::Other
        }
    }

    /// The server is known as `seen.key`: it is asked there from now on, and no longer under the name it was reached by.
    fn good_under_another_name(&mut self, seen: Observation) -> (Settled, Outcome) {
        let reached = self.tracked.key().clone();
        let name = seen.key.clone();
        let seen = Arc::new(seen);
        self.shared.drop_instance(self.registry, &reached);
        self.registry.lift_ban(&name);
        let until = self.now + self.name_lifetime();
        self.registry.set_alias(&reached, name.clone(), until);
        let reasons = self.tracked.reasons();
        let known_as = Transition::KnownAs {
            name: name.clone(),
            was_shown: reasons.is_kept,
        };
        self.log.push((reached, known_as));
        match self.registry.get(&name).cloned() {
            // What it shows under its own name counts, also when that is a failure: it is asked there.
            Some(known) => {
                known.add_reasons(reasons);
                if !self.is_failing(&name) {
                    self.put_good(seen.clone());
                }
            }
            None => {
                let start = Start::Spread;
                match self.shared.track(self.registry, &name, reasons, start) {
                    Ok(_) => self.put_good(seen.clone()),
                    Err(reason) => return (Settled::Gone, Err(reason)),
                }
            }
        }
        self.follow(&seen);
        (Settled::Gone, Ok(seen))
    }

    /// Two servers claim each other's name, or one claims two: both names are kept for whoever is reached by them.
    fn keep_own_names(&mut self, reported: &InstanceKey) {
        let reached = self.tracked.key().clone();
        let until = self.now + self.name_lifetime();
        self.registry.set_own_name(&reached, until);
        self.registry.set_own_name(reported, until);
        if self.registry.get(reported).is_none() {
            let reasons = self.tracked.reasons();
            // At the bound, or while stopping, there is nothing to be done for it.
            self.shared
                .track(self.registry, reported, reasons, Start::Now)
                .ok();
        }
        let reported = reported.clone();
        let circle = Transition::NamesGoInCircles { reported };
        self.log.push((reached, circle));
    }

    fn name_lifetime(&self) -> Duration {
        NAME_LIFETIME.mul_f64(1.0 - self.shared.spread.next() / 4.0)
    }

    fn is_failing(&self, key: &InstanceKey) -> bool {
        let picture = self.shared.picture.picture();
        picture
            .get(key)
            .is_some_and(|record| record.failure.is_some())
    }

    fn put_good(&mut self, seen: Arc<Observation>) {
        let ended_at = self.ended_at;
        let key = seen.key.clone();
        self.put(&key, |before| record::after_success(before, seen, ended_at));
    }

    fn failed(&mut self, failure: ProbeFailure) -> (Settled, Outcome) {
        let key = self.tracked.key().clone();
        let outcome = Err(DiscoverError::Probe(failure.clone()));
        let reasons = self.tracked.reasons();
        let is_shown = self.shared.picture.change(|edit| {
            let is_shown = reasons.is_kept
                || was_seen(edit.picture(), &key)
                || reasons.was_pointed_at && is_pointed_at(edit.picture(), &key);
            if !is_shown {
                edit.remove(&key);
            }
            is_shown
        });
        if is_shown {
            let ended_at = self.ended_at;
            self.put(&key, |before| {
                record::after_failure(before, &key, failure, ended_at)
            });
            return (Settled::Failing, outcome);
        }
        tracing::debug!(instance = %key, reason = ?failure.kind, "an instance that never answered is not shown");
        if self.now.saturating_sub(reasons.mentioned_at) > GIVE_UP_AFTER {
            self.registry.remove(&key);
            return (Settled::Gone, outcome);
        }
        (Settled::Hidden, outcome)
    }

    fn put(
        &mut self,
        key: &InstanceKey,
        make: impl FnOnce(Option<&InstanceRecord>) -> InstanceRecord,
    ) {
        let lines = self.shared.picture.change(|edit: &mut Edit<'_>| {
            let before = edit.picture().get(key).cloned();
            let after = make(before.as_deref());
            let lines = transition::between(before.as_deref(), &after);
            edit.put(after);
            lines
        });
        let lines = lines.into_iter().map(|line| (key.clone(), line));
        self.log.extend(lines);
    }

    fn follow(&mut self, seen: &Observation) {
        let (shared, now) = (self.shared, self.now);
        neighbours(seen, &self.config, |key, mention| {
            shared.hear_of(self.registry, key, mention, now);
        });
    }
}

fn was_seen(picture: &Picture, key: &InstanceKey) -> bool {
    picture.observation(key).is_some()
}

/// Whether some replica, as last seen, replicates from `key` or tries to.
fn is_pointed_at(picture: &Picture, key: &InstanceKey) -> bool {
    let mut seen = picture.records().filter_map(|r| r.observation.as_deref());
    seen.any(|seen| seen.source() == Some(key) && is_receiving(seen))
}
