use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::decided::{Decided, Effect, EffectScope};
use orchestrator_core::domain::{InstanceKey, Picture};
use orchestrator_core::ports::{
    Clock, DecisionReader, DiscoverError, Discovery, EffectLog, Leadership, OwedEffects,
    PictureReader, StoreError,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Entries that are read from the log at once.
const READ_AT_ONCE: usize = 256;

/// How often it is noted how far effects are. What was done since is done again after a restart, which is harmless.
const NOTED_EVERY: Duration = Duration::from_secs(5);

/// Pause before something that did not work is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// How often an instance is offered to a full discovery queue: for half a minute. An instance that finds no place by
/// then is left out with a warning, so that the effects behind it do not wait for ever.
const OFFERS_MAX: u32 = 30;

/// The loop that performs effects of commits.
pub struct Effects {
    /// Which effects are owed.
    pub log: Arc<dyn EffectLog>,
    /// The last index that the log of effects has, as it grows.
    pub stored: watch::Receiver<u64>,
    /// Performs them.
    pub discovery: Arc<dyn Discovery>,
    /// What is decided.
    pub decisions: Arc<dyn DecisionReader>,
    /// Whether this node leads, for what only the leader performs.
    pub leadership: Arc<dyn Leadership>,
    /// What is known of instances, restored before this loop starts.
    pub picture: Arc<dyn PictureReader>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Told to stop.
struct Stopped;

impl Effects {
    /// Performs what is owed and what comes, until told to stop or until nobody can commit any more; then notes how far
    /// it is. Begins with the instances that the restored picture still has although they were forgotten.
    pub async fn run(mut self, stop: CancellationToken) {
        for key in still_known(&self.decisions.decided(), &self.picture.picture()) {
            self.discovery.forget(&key);
        }
        let Ok(mut performed) = self.first_index(&stop).await else {
            return;
        };
        let mut noted = performed;
        while self
            .perform_owed(&mut performed, &mut noted, &stop)
            .await
            .is_ok()
        {
            let idle = noted == performed;
            tokio::select! {
                () = stop.cancelled() => break,
                changed = self.stored.changed() => if changed.is_err() { break },
                () = self.clock.sleep(NOTED_EVERY), if !idle => self.note(performed, &mut noted).await,
            }
        }
        self.note(performed, &mut noted).await;
    }

    async fn first_index(&self, stop: &CancellationToken) -> Result<u64, Stopped> {
        loop {
            match self.log.performed_index().await {
                Ok(index) => return Ok(index),
                Err(error) => self.pause_after(&error, stop).await?,
            }
        }
    }

    /// Performs everything up to the stored index.
    async fn perform_owed(
        &mut self,
        performed: &mut u64,
        noted: &mut u64,
        stop: &CancellationToken,
    ) -> Result<(), Stopped> {
        let mut last_note = self.clock.monotonic();
        loop {
            let stored = *self.stored.borrow_and_update();
            if *performed >= stored {
                return Ok(());
            }
            let owed = match self.log.owed_after(*performed, READ_AT_ONCE).await {
                Ok(owed) => owed,
                Err(error) => {
                    self.pause_after(&error, stop).await?;
                    continue;
                }
            };
            let is_all = owed.len() < READ_AT_ONCE;
            for OwedEffects { index, effects } in owed {
                for effect in &effects {
                    self.perform(index, effect, stop).await?;
                }
                *performed = index;
            }
            if is_all {
                *performed = stored.max(*performed);
            }
            // A steady stream of commits does not leave this loop.
            if self.clock.monotonic().saturating_sub(last_note) >= NOTED_EVERY {
                self.note(*performed, noted).await;
                last_note = self.clock.monotonic();
            }
        }
    }

    async fn perform(
        &self,
        index: u64,
        effect: &Effect,
        stop: &CancellationToken,
    ) -> Result<(), Stopped> {
        if stop.is_cancelled() {
            return Err(Stopped);
        }
        if effect.scope() == EffectScope::LeaderOnly && self.leadership.fence().is_none() {
            return Ok(());
        }
        match effect {
            Effect::Discover(key) => self.discover(index, key, stop).await,
            Effect::Forget(key) => {
                let was_known = self.discovery.forget(key);
                tracing::debug!(index, instance = %key, was_known, "forgot");
                Ok(())
            }
        }
    }

    async fn discover(
        &self,
        index: u64,
        key: &InstanceKey,
        stop: &CancellationToken,
    ) -> Result<(), Stopped> {
        for _ in 0..OFFERS_MAX {
            match self.discovery.discover_soon(key.clone()) {
                Ok(()) => return Ok(()),
                Err(error @ DiscoverError::Busy { .. }) => self.pause_after(&error, stop).await?,
                Err(DiscoverError::Stopping) => return Err(Stopped),
                Err(
                    error @ (DiscoverError::Ignored { .. }
                    | DiscoverError::Forgotten { .. }
                    | DiscoverError::Probe(_)),
                ) => {
                    tracing::info!(index, instance = %key, %error, "not discovered");
                    return Ok(());
                }
            }
        }
        tracing::warn!(index, instance = %key, "not discovered: the discovery queue stayed full; discover it again");
        Ok(())
    }

    async fn pause_after(
        &self,
        cause: &(impl std::error::Error + Sync),
        stop: &CancellationToken,
    ) -> Result<(), Stopped> {
        tracing::debug!(%cause, "an effect waits and is tried again");
        tokio::select! {
            () = stop.cancelled() => Err(Stopped),
            () = self.clock.sleep(RETRY_PAUSE) => Ok(()),
        }
    }

    async fn note(&self, performed: u64, noted: &mut u64) {
        if performed == *noted {
            return;
        }
        match self.log.set_performed_index(performed).await {
            Ok(()) => *noted = performed,
            Err(StoreError { reason, .. }) => {
                tracing::warn!(
                    reason,
                    "how far effects are could not be noted; they may be performed again after a restart"
                );
            }
        }
    }
}

/// Instances that a picture knows from before they were to be forgotten: their removal was decided, and lost from the
/// picture's own store by a crash. One that was heard of again later is kept.
fn still_known(decided: &Decided, picture: &Picture) -> Vec<InstanceKey> {
    let stale = decided.forgotten.iter().filter(|(key, at)| {
        picture
            .get(key)
            .is_some_and(|record| record.known_since <= **at)
    });
    stale.map(|(key, _)| key.clone()).collect()
}

#[cfg(test)]
#[path = "performer_tests.rs"]
mod tests;
