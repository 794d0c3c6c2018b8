//! Stand-ins for ports, for tests of loops.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orchestrator_core::domain::{Fence, InstanceKey, Observation, Picture, Timestamp};
use orchestrator_core::ports::{
    BoxFuture, Clock, DiscoverError, Discovery, Ids, Leadership, NotLeading, PictureReader,
    ProbeState,
};
use tokio::sync::watch;

/// Waits until `condition` holds; panics when it does not within ten seconds.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let poll = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), poll)
        .await
        .unwrap_or_else(|_| panic!("waited in vain until {what}"));
}

/// A clock that only the test moves.
pub(crate) struct FakeClock {
    elapsed: watch::Sender<Duration>,
    sleeping: Arc<AtomicUsize>,
}

impl FakeClock {
    pub const START: Timestamp = Timestamp::from_seconds(1_700_000_000);

    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            elapsed: watch::Sender::new(Duration::ZERO),
            sleeping: Arc::default(),
        })
    }

    pub fn advance(&self, seconds: u64) {
        let length = Duration::from_secs(seconds);
        self.elapsed.send_modify(|elapsed| *elapsed += length);
    }

    /// Waits until somebody sleeps on this clock.
    pub async fn until_somebody_sleeps(&self) {
        until("somebody sleeps", || {
            self.sleeping.load(Ordering::SeqCst) > 0
        })
        .await;
    }
}

struct Sleeping(Arc<AtomicUsize>);

impl Drop for Sleeping {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        Self::START.plus(self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        *self.elapsed.borrow()
    }

    fn sleep(&self, length: Duration) -> BoxFuture<'static, ()> {
        let mut elapsed = self.elapsed.subscribe();
        let end = *elapsed.borrow() + length;
        self.sleeping.fetch_add(1, Ordering::SeqCst);
        let sleeping = Sleeping(Arc::clone(&self.sleeping));
        Box::pin(async move {
            let _sleeping = sleeping;
            elapsed
                .wait_for(|now| *now >= end)
                .await
                .expect("the clock outlives its sleepers");
        })
    }
}

/// Leads while it is said to.
pub(crate) struct FakeLeadership(pub AtomicBool);

impl FakeLeadership {
    pub fn leading(leads: bool) -> Arc<Self> {
        Arc::new(Self(AtomicBool::new(leads)))
    }
}

impl Leadership for FakeLeadership {
    fn fence(&self) -> Option<Fence> {
        self.0.load(Ordering::SeqCst).then(Fence::default)
    }

    fn confirm(&self, _: Fence) -> BoxFuture<'_, Result<(), NotLeading>> {
        Box::pin(async { Ok(()) })
    }

    fn changed(&self, _: Option<Fence>) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }
}

/// Ids 1, 2, 3 …
#[derive(Default)]
pub(crate) struct CountingIds(AtomicU64);

impl Ids for CountingIds {
    fn unique(&self) -> u128 {
        u128::from(self.0.fetch_add(1, Ordering::SeqCst) + 1)
    }

    fn fraction(&self) -> f64 {
        0.5
    }
}

/// Records what it is asked.
#[derive(Default)]
pub(crate) struct FakeDiscovery {
    calls: Mutex<Vec<String>>,
    /// How often it says that its queue is full.
    pub busy: AtomicU32,
    /// Errors of the next calls, in order.
    pub errors: Mutex<VecDeque<DiscoverError>>,
}

impl FakeDiscovery {
    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    pub fn offers_left(&self) -> u32 {
        self.busy.load(Ordering::SeqCst)
    }
}

impl Discovery for FakeDiscovery {
    fn discover(&self, _: InstanceKey) -> BoxFuture<'_, Result<Arc<Observation>, DiscoverError>> {
        Box::pin(async { Err(DiscoverError::Stopping) })
    }

    fn discover_soon(&self, key: InstanceKey) -> Result<(), DiscoverError> {
        if self.busy.load(Ordering::SeqCst) > 0 {
            self.busy.fetch_sub(1, Ordering::SeqCst);
            return Err(DiscoverError::Busy { capacity: 1 });
        }
        if let Some(error) = self.errors.lock().unwrap().pop_front() {
            return Err(error);
        }
        self.calls.lock().unwrap().push(format!("discover {key}"));
        Ok(())
    }

    fn forget(&self, key: &InstanceKey) -> bool {
        self.calls.lock().unwrap().push(format!("forget {key}"));
        true
    }

    fn probe_states(&self) -> Vec<ProbeState> {
        Vec::new()
    }
}

/// A picture that stays.
#[derive(Default)]
pub(crate) struct FakePicture(pub Arc<Picture>);

impl PictureReader for FakePicture {
    fn picture(&self) -> Arc<Picture> {
        Arc::clone(&self.0)
    }
}
