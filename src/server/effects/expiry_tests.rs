use std::sync::Mutex;
use std::sync::atomic::Ordering;

use orchestrator_core::decided::{Decided, Reply, RowChange};
use orchestrator_core::domain::{Candidate, PromotionRule};
use orchestrator_core::domain::{InstanceKey, Timestamp};
use orchestrator_core::ports::{BoxFuture, Committed, ProposeError};
use tokio::task::JoinHandle;

use super::*;
use crate::effects::fakes::{CountingIds, FakeClock, FakeLeadership, until};

/// Applies proposals in memory, or refuses them.
struct Node {
    state: Mutex<Decided>,
    proposals: Mutex<Vec<Proposal>>,
    is_refusing: Mutex<bool>,
    clock: Arc<FakeClock>,
    leadership: Arc<FakeLeadership>,
}

impl Node {
    /// With one promotion rule that expires after so many seconds.
    fn with_rule_for(seconds: u64) -> Arc<Self> {
        let row = Candidate {
            rule: PromotionRule::Prefer,
            registered_at: FakeClock::START,
            expires_at: FakeClock::START.plus(Duration::from_secs(seconds)),
        };
        let key = InstanceKey::parse("a", 3306).unwrap();
        let rows = [RowChange::PutCandidate(key, row)];
        Arc::new(Self {
            state: Mutex::new(Decided::from_rows(1, Timestamp::default(), &rows)),
            proposals: Mutex::default(),
            is_refusing: Mutex::default(),
            clock: FakeClock::new(),
            leadership: FakeLeadership::leading(true),
        })
    }

    fn start(self: &Arc<Self>) -> (CancellationToken, JoinHandle<()>) {
        let expiry = Expiry {
            decisions: self.clone(),
            proposer: self.clone(),
            leadership: self.leadership.clone(),
            clock: self.clock.clone(),
            ids: Arc::new(CountingIds::default()),
            node_name: "node1".to_owned(),
        };
        let stop = CancellationToken::new();
        (stop.clone(), tokio::spawn(expiry.run(stop)))
    }

    fn proposed(&self) -> usize {
        self.proposals.lock().unwrap().len()
    }

    async fn tick(&self) {
        self.clock.until_somebody_sleeps().await;
        self.clock.advance(5);
        // The old sleeper is gone when it was woken; a new one means that the loop came round.
        tokio::task::yield_now().await;
        self.clock.until_somebody_sleeps().await;
    }
}

impl DecisionReader for Node {
    fn decided(&self) -> Arc<Decided> {
        Arc::new(self.state.lock().unwrap().clone())
    }
}

impl Proposer for Node {
    fn propose(&self, proposal: Proposal) -> BoxFuture<'_, Result<Committed, ProposeError>> {
        self.proposals.lock().unwrap().push(proposal.clone());
        let result = match *self.is_refusing.lock().unwrap() {
            true => Err(ProposeError::Busy),
            false => {
                let mut state = self.state.lock().unwrap();
                let applied = orchestrator_core::decided::apply(&state, &proposal);
                let index = state.applied_index + 1;
                state.absorb(index, applied.decided_at, &applied.changes);
                Ok(Committed {
                    index,
                    reply: Reply::Done,
                })
            }
        };
        Box::pin(std::future::ready(result))
    }

    fn earlier(&self, _: u128) -> Option<Committed> {
        None
    }
}

#[tokio::test]
async fn nothing_is_proposed_before_something_is_over_and_nothing_after_it_is_removed() {
    let node = Node::with_rule_for(12);
    let (stop, task) = node.start();
    node.tick().await;
    node.tick().await;
    assert_eq!(node.proposed(), 0, "10 seconds");
    node.tick().await;
    until("it is removed", || node.decided().candidates.is_empty()).await;
    for _ in 0..5 {
        node.tick().await;
    }
    stop.cancel();
    task.await.unwrap();
    let proposals = node.proposals.lock().unwrap();
    assert_eq!(proposals.len(), 1);
    assert_eq!(proposals[0].command, Command::Expire);
    assert_eq!(proposals[0].origin.who, "node1");
    assert_eq!(
        proposals[0].proposed_at,
        FakeClock::START.plus(Duration::from_secs(15))
    );
}

#[tokio::test]
async fn a_refused_expiry_is_proposed_again_at_the_next_look_with_another_id() {
    let node = Node::with_rule_for(0);
    *node.is_refusing.lock().unwrap() = true;
    let (stop, task) = node.start();
    until("it was proposed", || node.proposed() == 1).await;
    node.tick().await;
    until("it was proposed again", || node.proposed() == 2).await;
    *node.is_refusing.lock().unwrap() = false;
    node.tick().await;
    until("it is removed", || node.decided().candidates.is_empty()).await;
    stop.cancel();
    task.await.unwrap();
    let requests: Vec<u128> = node
        .proposals
        .lock()
        .unwrap()
        .iter()
        .map(|p| p.request)
        .collect();
    assert_eq!(requests, [1, 2, 3]);
}

#[tokio::test]
async fn a_follower_leaves_it_to_the_leader_until_it_leads_itself() {
    let node = Node::with_rule_for(0);
    node.leadership.0.store(false, Ordering::SeqCst);
    let (stop, task) = node.start();
    node.tick().await;
    node.tick().await;
    assert_eq!(node.proposed(), 0);
    node.leadership.0.store(true, Ordering::SeqCst);
    node.tick().await;
    until("it is removed", || node.decided().candidates.is_empty()).await;
    stop.cancel();
    task.await.unwrap();
}
