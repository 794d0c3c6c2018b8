use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use orchestrator_core::beats::{BeatPolicy, Beats};
use orchestrator_core::domain::{InstanceKey, Picture};
use orchestrator_core::ports::{
    Answered, BeatReader, Beater, BeatsOnRequest, BoxFuture, Clock, DecisionReader, Discovery, Ids,
    PictureReader, Reconnected,
};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::Config;
use super::board::Board;
use super::on_request::OnRequest;
use super::pace::{Hurry, PacedThread};
use super::pulse::{Pulse, Shared};
use super::targets::targets;

/// How often it is looked in the picture who is to have beats: a promoted server gets them within that.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How often it is looked again what clusters are called, where they have times of their own: names change seldom, and the whole
/// topology is worked out for it.
const NAMED_EVERY: Duration = Duration::from_secs(5);

/// New primaries that all begin in the moment in which they are seen; more, as after a start, are spread over a second.
const AT_ONCE_MAX: usize = 8;

/// What beats need of the outside.
pub struct Deps {
    /// Opens connections.
    pub beater: Arc<dyn Beater>,
    /// Asks replicas.
    pub discovery: Arc<dyn Discovery>,
    /// Says who is a primary.
    pub picture: Arc<dyn PictureReader>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Spreads beats in time.
    pub ids: Arc<dyn Ids>,
    /// Says what clusters are called, for values that only some of them have.
    pub decisions: Arc<dyn DecisionReader>,
}

/// For whom it was noted what counts, when, and by which configuration.
#[derive(Default)]
struct Named {
    at: Duration,
    config: Option<Arc<Config>>,
    primaries: Vec<InstanceKey>,
}

/// All beats of this node.
pub struct BeatLoop {
    shared: Arc<Shared>,
    on_request: OnRequest,
    ids: Arc<dyn Ids>,
    decisions: Arc<dyn DecisionReader>,
}

impl BeatLoop {
    /// Beats that do nothing until [`BeatLoop::run`].
    pub fn new(deps: Deps, config: watch::Receiver<Arc<Config>>) -> Arc<Self> {
        let on_request = OnRequest::new(Arc::clone(&deps.beater), Arc::clone(&deps.clock));
        Arc::new(Self {
            on_request,
            shared: Arc::new(Shared {
                beater: deps.beater,
                discovery: deps.discovery,
                picture: deps.picture,
                clock: deps.clock,
                board: Board::new(),
                config,
                policies: Mutex::default(),
                hurry: Arc::new(Hurry::default()),
            }),
            ids: deps.ids,
            decisions: deps.decisions,
        })
    }

    /// Gives beats to every primary of the picture until told to stop, by tasks of this runtime. Dropping the future ends all of
    /// them.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        self.run_on(&Handle::current(), stop).await;
    }

    /// The same by tasks of a thread of their own, which is cheaper where there are many. While all is well, what comes from a
    /// primary may be heard 20 ms later.
    ///
    /// # Errors
    /// When the system has no thread for it.
    pub fn run_apart(
        self: Arc<Self>,
        stop: CancellationToken,
    ) -> io::Result<impl Future<Output = ()> + Send + 'static> {
        let hurry = Arc::clone(&self.shared.hurry);
        let thread = PacedThread::start(hurry, Arc::clone(&self.shared.clock))?;
        Ok(async move { self.run_on(thread.handle(), stop).await })
    }

    /// Whether anybody is to be heard without delay.
    #[cfg(test)]
    pub(super) fn is_in_a_hurry(&self) -> bool {
        !self.shared.hurry.is_none()
    }

    async fn run_on(&self, runtime: &Handle, stop: CancellationToken) {
        let mut tasks = JoinSet::new();
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = self.keep(&mut tasks, runtime) => {}
        }
    }

    /// Notes what counts for each primary.
    fn assign_policies(
        &self,
        named: &mut Named,
        pulses: &BTreeMap<InstanceKey, AbortHandle>,
        picture: &Picture,
    ) {
        let config = Arc::clone(&self.shared.config.borrow());
        let now = self.shared.clock.monotonic();
        let is_fresh = now.saturating_sub(named.at) < NAMED_EVERY;
        let is_same = named
            .config
            .as_ref()
            .is_some_and(|one| Arc::ptr_eq(one, &config));
        if is_fresh && is_same && named.primaries.iter().eq(pulses.keys()) {
            return;
        }
        *named = Named {
            at: now,
            config: Some(Arc::clone(&config)),
            primaries: pulses.keys().cloned().collect(),
        };
        let of_each = match config.differs_by_cluster() {
            true => config.of_each(pulses.keys(), picture, &self.decisions.decided()),
            false => BTreeMap::new(),
        };
        let policies = &self.shared.policies;
        *policies.lock().unwrap_or_else(PoisonError::into_inner) = of_each;
    }

    async fn keep(&self, tasks: &mut JoinSet<()>, runtime: &Handle) {
        let mut pulses: BTreeMap<InstanceKey, AbortHandle> = BTreeMap::new();
        let mut looked_at = None;
        let mut named = Named::default();
        loop {
            self.on_request.tidy();
            let picture = self.shared.picture.picture();
            if looked_at != Some(picture.version()) {
                looked_at = Some(picture.version());
                let wanted = targets(&picture);
                pulses.retain(|key, pulse| {
                    let stays = wanted.contains(key);
                    if !stays {
                        pulse.abort();
                    }
                    stays
                });
                let new = wanted.iter().filter(|key| !pulses.contains_key(key));
                let are_many = new.count() > AT_ONCE_MAX;
                for key in wanted {
                    pulses.entry(key).or_insert_with_key(|key| {
                        let pulse = Pulse::new(Arc::clone(&self.shared), key.clone());
                        // Until its first answer nothing is concluded about it, and it may have been promoted a moment ago.
                        let first = match are_many {
                            true => BeatPolicy::EVERY.mul_f64(self.ids.fraction()),
                            false => Duration::ZERO,
                        };
                        tasks.spawn_on(pulse.run(first), runtime)
                    });
                }
            }
            self.assign_policies(&mut named, &pulses, &picture);
            let pause = self.shared.clock.sleep(LOOK_EVERY);
            tokio::pin!(pause);
            loop {
                tokio::select! {
                    biased;
                    Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                        if ended.is_err_and(|error| error.is_panic()) {
                            // No primary is left without beats by a bug: whoever is not beating begins anew.
                            pulses.retain(|_, pulse| !pulse.is_finished());
                            looked_at = None;
                        }
                    }
                    () = &mut pause => break,
                }
            }
        }
    }
}

impl BeatsOnRequest for BeatLoop {
    fn beat<'a>(&'a self, primary: &'a InstanceKey) -> BoxFuture<'a, Result<Answered, String>> {
        Box::pin(async move {
            // Nobody is to send this node, with its credentials, to where it would not go by itself.
            if self.shared.picture.picture().get(primary).is_none() {
                return Err(format!("{primary} is not known here"));
            }
            self.on_request.beat(primary).await
        })
    }
}

impl BeatReader for BeatLoop {
    fn beats(&self) -> Arc<Beats> {
        self.shared.board.beats()
    }

    fn version(&self) -> u64 {
        self.shared.board.version()
    }

    fn changed(&self, since: u64) -> BoxFuture<'static, ()> {
        self.shared.board.changed(since)
    }

    fn silent_for_others_too(&self, primaries: &[InstanceKey]) {
        self.shared.board.silent_for_others_too(primaries);
    }

    fn reconnecting(&self, primary: &InstanceKey, replica: &InstanceKey) {
        self.shared.board.reconnecting(primary, replica);
    }

    fn reconnected(&self, primary: &InstanceKey, replica: &InstanceKey, came: Reconnected) {
        self.shared.board.reconnected(primary, replica, came);
    }
}
