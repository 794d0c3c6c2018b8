use std::sync::atomic::Ordering;

use orchestrator_core::decided::{Command, Origin, Proposal};
use orchestrator_core::domain::{InstanceRecord, Timestamp};
use orchestrator_core::ports::Proposer;
use tokio::task::JoinHandle;

use super::*;
use crate::effects::fakes::{
    CountingIds, FakeClock, FakeDiscovery, FakeLeadership, FakePicture, until,
};
use crate::store::{
    DecisionStore, LocalOptions, LocalProposer, Place, SqliteOptions, SqliteStore, StoreEffectLog,
};

fn key(name: &str) -> InstanceKey {
    InstanceKey::parse(name, 3306).unwrap()
}

fn discover(name: &str) -> Command {
    Command::Discover { key: key(name) }
}

fn forget(name: &str) -> Command {
    Command::Forget { key: key(name) }
}

/// A node without anything but decided state and effects; `restart` keeps the store.
struct Node {
    store: Arc<SqliteStore>,
    proposer: Arc<LocalProposer>,
    discovery: Arc<FakeDiscovery>,
    picture: Arc<Picture>,
    clock: Arc<FakeClock>,
    requests: u128,
}

impl Node {
    fn new() -> Self {
        let options = SqliteOptions::new(Place::Memory);
        let store = SqliteStore::open(&options, &CountingIds::default(), FakeClock::START).unwrap();
        Self::on(Arc::new(store), 0)
    }

    fn on(store: Arc<SqliteStore>, requests: u128) -> Self {
        let clock = FakeClock::new();
        let options = LocalOptions::default();
        let proposer = LocalProposer::start(store.clone(), clock.clone(), options).unwrap();
        Self {
            proposer: Arc::new(proposer),
            store,
            discovery: Arc::default(),
            picture: Arc::default(),
            clock,
            requests,
        }
    }

    fn restart(self) -> Self {
        Self::on(self.store, self.requests)
    }

    async fn decide(&mut self, command: Command) {
        self.requests += 1;
        let proposal = Proposal {
            request: self.requests,
            proposed_at: self.clock.now(),
            origin: Origin::default(),
            command,
        };
        self.proposer.propose(proposal).await.unwrap();
    }

    fn start(&self) -> (CancellationToken, JoinHandle<()>) {
        let effects = Effects {
            log: Arc::new(StoreEffectLog::new(self.store.clone())),
            stored: self.proposer.applied(),
            discovery: self.discovery.clone(),
            decisions: self.proposer.clone(),
            leadership: FakeLeadership::leading(false),
            picture: Arc::new(FakePicture(self.picture.clone())),
            clock: self.clock.clone(),
        };
        let stop = CancellationToken::new();
        (stop.clone(), tokio::spawn(effects.run(stop)))
    }

    async fn until_calls(&self, expected: &[&str]) {
        until("all effects are performed", || {
            self.discovery.calls().len() >= expected.len()
        })
        .await;
        assert_eq!(self.discovery.calls(), expected);
    }
}

#[tokio::test]
async fn effects_are_performed_in_the_order_of_their_commits() {
    let mut node = Node::new();
    let (stop, task) = node.start();
    node.decide(discover("a")).await;
    node.decide(forget("b")).await;
    node.decide(Command::Expire).await;
    node.decide(discover("b")).await;
    node.until_calls(&["discover a:3306", "forget b:3306", "discover b:3306"])
        .await;
    stop.cancel();
    task.await.unwrap();
    assert_eq!(node.store.performed_index(), Ok(4));
}

#[tokio::test]
async fn what_a_process_left_behind_is_performed_by_the_next_one_and_only_once_when_noted() {
    let mut node = Node::new();
    node.decide(discover("a")).await;
    node.decide(forget("b")).await;
    // No loop ran before the process ended.
    let node = node.restart();
    let (stop, task) = node.start();
    node.until_calls(&["discover a:3306", "forget b:3306"])
        .await;
    stop.cancel();
    task.await.unwrap();

    let mut node = node.restart();
    node.decide(discover("c")).await;
    let (stop, task) = node.start();
    node.until_calls(&["discover c:3306"]).await;
    stop.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn how_far_it_is_gets_noted_while_running_so_that_a_kill_repeats_little() {
    let mut node = Node::new();
    let (stop, task) = node.start();
    node.decide(discover("a")).await;
    node.until_calls(&["discover a:3306"]).await;
    node.clock.until_somebody_sleeps().await;
    assert_eq!(node.store.performed_index(), Ok(0));
    node.clock.advance(5);
    until("it is noted", || node.store.performed_index() == Ok(1)).await;
    stop.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn a_full_discovery_queue_is_waited_for() {
    let mut node = Node::new();
    node.discovery.busy.store(3, Ordering::SeqCst);
    let (stop, task) = node.start();
    node.decide(discover("a")).await;
    for left in [2, 1, 0] {
        until("it was offered", || node.discovery.offers_left() == left).await;
        node.clock.until_somebody_sleeps().await;
        assert!(node.discovery.calls().is_empty());
        node.clock.advance(1);
    }
    node.until_calls(&["discover a:3306"]).await;
    stop.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn a_queue_that_stays_full_does_not_hold_up_later_effects_for_ever() {
    let mut node = Node::new();
    node.discovery.busy.store(OFFERS_MAX, Ordering::SeqCst);
    let (stop, task) = node.start();
    node.decide(discover("a")).await;
    node.decide(forget("b")).await;
    for left in (0..OFFERS_MAX).rev() {
        until("it was offered", || node.discovery.offers_left() == left).await;
        node.clock.until_somebody_sleeps().await;
        node.clock.advance(1);
    }
    node.until_calls(&["forget b:3306"]).await;
    stop.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn an_ignored_instance_is_passed_over() {
    let mut node = Node::new();
    let ignored = DiscoverError::Ignored { key: key("a") };
    node.discovery.errors.lock().unwrap().push_back(ignored);
    let (stop, task) = node.start();
    node.decide(discover("a")).await;
    node.decide(discover("b")).await;
    node.until_calls(&["discover b:3306"]).await;
    stop.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn an_effect_that_discovery_was_too_late_for_stays_owed() {
    let mut node = Node::new();
    let errors = &node.discovery.errors;
    errors.lock().unwrap().push_back(DiscoverError::Stopping);
    node.decide(discover("a")).await;
    let (_stop, task) = node.start();
    task.await.unwrap();
    assert_eq!(node.store.performed_index(), Ok(0));

    let node = node.restart();
    let (stop, task) = node.start();
    node.until_calls(&["discover a:3306"]).await;
    stop.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn a_restored_picture_loses_what_was_forgotten_and_keeps_what_was_heard_of_again() {
    let mut node = Node::new();
    for name in ["a", "b", "gone"] {
        node.decide(forget(name)).await;
    }
    let (stop, task) = node.start();
    node.until_calls(&["forget a:3306", "forget b:3306", "forget gone:3306"])
        .await;
    stop.cancel();
    task.await.unwrap();

    let mut node = node.restart();
    let before = FakeClock::START.minus(Duration::from_secs(1));
    let after = FakeClock::START.plus(Duration::from_secs(1));
    let known = |name, at: Timestamp| InstanceRecord::heard_of(key(name), at);
    node.picture = Arc::new(
        [known("a", before), known("b", after), known("c", before)]
            .into_iter()
            .collect(),
    );
    let (stop, task) = node.start();
    node.until_calls(&["forget a:3306"]).await;
    stop.cancel();
    task.await.unwrap();
    assert_eq!(node.discovery.calls(), ["forget a:3306"]);
}
