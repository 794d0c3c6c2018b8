use std::collections::VecDeque;
use std::sync::Condvar;
use std::time::Duration;

use orchestrator_core::decided::{Command, Digest, Origin, Refusal, Reply, Snapshot};
use orchestrator_core::domain::{InstanceKey, PromotionRule, Timestamp};

use super::*;
use crate::effects::fakes::{CountingIds, FakeClock, until};
use crate::store::{
    AppliedEntry, Identity, InstallMode, LoggedEntry, Place, SqliteOptions, SqliteStore,
};

/// What happens to a commit.
enum Fate {
    /// It fails, and nothing is written.
    Refused(Error),
    /// It is written, and the answer is lost.
    WrittenButUnknown,
    /// It is not written, and the answer is lost.
    LostAndUnknown,
}

/// A store in memory whose commits can be made to fail and to wait.
struct Scripted {
    inner: SqliteStore,
    fates: Mutex<VecDeque<Fate>>,
    /// Whether reading fails too.
    is_unreadable: Mutex<bool>,
    gate: Mutex<Gate>,
    /// What a commit moves by two seconds.
    clock: Arc<FakeClock>,
    moved: Condvar,
}

#[derive(Default)]
struct Gate {
    is_shut: bool,
    waiting: usize,
    batches: Vec<usize>,
}

impl Scripted {
    fn new() -> Arc<Self> {
        let options = SqliteOptions::new(Place::Memory);
        Arc::new(Self {
            inner: SqliteStore::open(&options, &CountingIds::default(), FakeClock::START).unwrap(),
            fates: Mutex::default(),
            is_unreadable: Mutex::default(),
            gate: Mutex::default(),
            clock: FakeClock::new(),
            moved: Condvar::new(),
        })
    }

    fn fate(&self, fate: Fate) {
        self.fates.lock().unwrap().push_back(fate);
    }

    fn shut(&self, is_shut: bool) {
        self.gate.lock().unwrap().is_shut = is_shut;
        self.moved.notify_all();
    }

    fn batches(&self) -> Vec<usize> {
        self.gate.lock().unwrap().batches.clone()
    }

    fn is_commit_waiting(&self) -> bool {
        self.gate.lock().unwrap().waiting > 0
    }

    fn check_readable(&self) -> Result<(), Error> {
        match *self.is_unreadable.lock().unwrap() {
            true => Err(io()),
            false => Ok(()),
        }
    }
}

fn io() -> Error {
    Error::Io {
        store: "s".to_owned(),
        detail: "pulled out".to_owned(),
    }
}

fn unknown() -> Error {
    Error::OutcomeUnknown {
        store: "s".to_owned(),
        detail: "pulled out".to_owned(),
    }
}

impl DecisionStore for Scripted {
    fn place(&self) -> String {
        self.inner.place()
    }
    fn identity(&self) -> Result<Identity, Error> {
        self.inner.identity()
    }
    fn load(&self) -> Result<Decided, Error> {
        self.check_readable()?;
        self.inner.load()
    }
    fn applied_index(&self) -> Result<u64, Error> {
        self.check_readable()?;
        self.inner.applied_index()
    }
    fn commit(&self, batch: Vec<AppliedEntry>) -> Result<(), Error> {
        let mut gate = self.gate.lock().unwrap();
        gate.waiting += 1;
        gate = self.moved.wait_while(gate, |gate| gate.is_shut).unwrap();
        gate.waiting -= 1;
        gate.batches.push(batch.len());
        self.clock.advance(2);
        drop(gate);
        match self.fates.lock().unwrap().pop_front() {
            None => self.inner.commit(batch),
            Some(Fate::Refused(error)) => Err(error),
            Some(Fate::WrittenButUnknown) => {
                self.inner.commit(batch)?;
                Err(unknown())
            }
            Some(Fate::LostAndUnknown) => Err(unknown()),
        }
    }
    fn log_tail(&self, max: usize) -> Result<Vec<LoggedEntry>, Error> {
        self.inner.log_tail(max)
    }
    fn owed_after(&self, index: u64, max: usize) -> Result<Vec<LoggedEntry>, Error> {
        self.inner.owed_after(index, max)
    }
    fn performed_index(&self) -> Result<u64, Error> {
        self.inner.performed_index()
    }
    fn set_performed_index(&self, index: u64) -> Result<(), Error> {
        self.inner.set_performed_index(index)
    }
    fn export(&self, known: Vec<InstanceKey>) -> Result<Snapshot, Error> {
        self.inner.export(known)
    }
    fn install(&self, snapshot: &Snapshot, mode: InstallMode) -> Result<(), Error> {
        self.inner.install(snapshot, mode)
    }
    fn beat(&self, at: Timestamp) -> Result<(), Error> {
        self.inner.beat(at)
    }
}

fn start(store: &Arc<Scripted>) -> Arc<LocalProposer> {
    Arc::new(
        LocalProposer::start(store.clone(), FakeClock::new(), LocalOptions::default()).unwrap(),
    )
}

fn key(name: &str) -> InstanceKey {
    InstanceKey::parse(name, 3306).unwrap()
}

fn proposal(request: u128, command: Command) -> Proposal {
    Proposal {
        request,
        proposed_at: FakeClock::START,
        origin: Origin::default(),
        command,
    }
}

/// A downtime of an instance named after the request.
fn begin(request: u128) -> Proposal {
    let command = Command::BeginDowntime {
        key: key(&format!("db{request}")),
        owner: "ann".to_owned(),
        reason: "disk".to_owned(),
        ends_at: FakeClock::START.plus(Duration::from_secs(3600)),
    };
    proposal(request, command)
}

fn done(index: u64) -> Result<Committed, ProposeError> {
    Ok(Committed {
        index,
        reply: Reply::Done,
    })
}

#[tokio::test]
async fn an_answered_change_is_on_disk_and_visible() {
    let store = Scripted::new();
    let proposer = start(&store);
    assert_eq!(proposer.propose(begin(1)).await, done(1));
    assert!(proposer.decided().downtimes.contains_key(&key("db1")));
    assert_eq!(store.load().unwrap(), *proposer.decided());
    assert_eq!(*proposer.applied().borrow(), 1);
}

#[tokio::test]
async fn a_refusal_is_an_answer_and_has_its_place_in_the_log() {
    let store = Scripted::new();
    let proposer = start(&store);
    let must = Command::RegisterCandidate {
        key: key("a"),
        rule: PromotionRule::Must,
        expires_at: Timestamp::from_micros(i64::MAX),
    };
    let refused = proposer.propose(proposal(1, must)).await.unwrap();
    assert_eq!(refused.reply, Reply::Refused(Refusal::MustIsNotRegistrable));
    assert_eq!(proposer.propose(begin(2)).await, done(2));
}

#[tokio::test]
async fn proposals_that_wait_share_a_transaction() {
    let store = Scripted::new();
    let proposer = start(&store);
    store.shut(true);
    let first = tokio::spawn({
        let proposer = proposer.clone();
        async move { proposer.propose(begin(1)).await }
    });
    until("the first commits", || store.is_commit_waiting()).await;
    // Queued when `propose` returns its future.
    let waiting: Vec<_> = (2..=50).map(|n| proposer.propose(begin(n))).collect();
    store.shut(false);
    assert_eq!(first.await.unwrap(), done(1));
    for (n, answer) in (2..).zip(waiting) {
        assert_eq!(answer.await, done(n));
    }
    assert_eq!(store.batches(), [1, 49]);
}

/// A proposer that takes the commits of `store` for slow ones, and may wait for ever.
fn start_patient(store: &Arc<Scripted>) -> LocalProposer {
    let options = LocalOptions {
        gather_max: Duration::from_secs(3600),
        ..LocalOptions::default()
    };
    LocalProposer::start(store.clone(), store.clock.clone(), options).unwrap()
}

#[tokio::test]
async fn a_batch_waits_for_those_that_were_just_answered() {
    let store = Scripted::new();
    let proposer = start_patient(&store);
    store.shut(true);
    let first = proposer.propose(begin(1));
    until("the first commits", || store.is_commit_waiting()).await;
    let waiting = [proposer.propose(begin(2)), proposer.propose(begin(3))];
    store.shut(false);
    assert_eq!(first.await, done(1));
    assert_eq!(proposer.propose(begin(4)).await, done(4));
    for (n, answer) in (2..).zip(waiting) {
        assert_eq!(answer.await, done(n));
    }
    assert_eq!(store.batches(), [1, 3]);
}

#[tokio::test]
async fn a_client_alone_waits_for_nobody() {
    let store = Scripted::new();
    let proposer = start_patient(&store);
    for n in 1..=5 {
        assert_eq!(proposer.propose(begin(n.into())).await, done(n));
    }
    assert_eq!(store.batches(), [1; 5]);
}

#[tokio::test]
async fn too_many_waiting_proposals_are_refused_at_once_and_the_others_are_answered() {
    let store = Scripted::new();
    let options = LocalOptions {
        queue_max: 2,
        batch_max: 1,
        ..LocalOptions::default()
    };
    let proposer = LocalProposer::start(store.clone(), FakeClock::new(), options).unwrap();
    store.shut(true);
    let first = proposer.propose(begin(1));
    until("the first commits", || store.is_commit_waiting()).await;
    let waiting = [proposer.propose(begin(2)), proposer.propose(begin(3))];
    assert_eq!(proposer.propose(begin(4)).await, Err(ProposeError::Busy));
    store.shut(false);
    assert_eq!(first.await, done(1));
    for (n, answer) in (2..).zip(waiting) {
        assert_eq!(answer.await, done(n));
    }
    assert_eq!(store.batches(), [1, 1, 1]);
    assert_eq!(store.applied_index(), Ok(3));
}

#[tokio::test]
async fn a_repeated_request_takes_effect_once_also_after_a_restart_and_in_one_batch() {
    let store = Scripted::new();
    let proposer = start(&store);
    assert_eq!(proposer.propose(begin(1)).await, done(1));
    assert_eq!(proposer.propose(begin(1)).await, done(1));
    store.shut(true);
    let blocker = proposer.propose(begin(2));
    until("it commits", || store.is_commit_waiting()).await;
    let twins = [proposer.propose(begin(3)), proposer.propose(begin(3))];
    store.shut(false);
    assert_eq!(blocker.await, done(2));
    for twin in twins {
        assert_eq!(twin.await, done(3));
    }
    proposer.stop().await;

    let proposer = start(&store);
    for n in 1..=3 {
        assert_eq!(proposer.earlier(n.into()), done(n).ok());
        assert_eq!(proposer.propose(begin(n.into())).await, done(n));
    }
    assert_eq!(proposer.earlier(4), None);
    assert_eq!(store.applied_index(), Ok(3));
    assert_eq!(proposer.propose(begin(4)).await, done(4));
}

#[tokio::test]
async fn a_refused_commit_changes_nothing_and_the_next_one_takes_its_index() {
    let store = Scripted::new();
    let proposer = start(&store);
    proposer.propose(begin(1)).await.unwrap();
    let before = Digest::of(&proposer.decided());
    let full = Error::Full {
        store: "/s".to_owned(),
    };
    store.fate(Fate::Refused(full.clone()));
    assert_eq!(
        proposer.propose(begin(2)).await,
        Err(ProposeError::Store {
            reason: full.to_string()
        })
    );
    assert_eq!(Digest::of(&proposer.decided()), before);
    assert_eq!(proposer.propose(begin(2)).await, done(2));
}

#[tokio::test]
async fn a_commit_of_unknown_outcome_is_settled_by_reading_back() {
    let store = Scripted::new();
    let proposer = start(&store);
    store.fate(Fate::WrittenButUnknown);
    assert_eq!(proposer.propose(begin(1)).await, done(1));
    store.fate(Fate::LostAndUnknown);
    assert_eq!(
        proposer.propose(begin(2)).await,
        Err(ProposeError::Store {
            reason: io().to_string()
        })
    );
    assert_eq!(proposer.propose(begin(3)).await, done(2));
    assert_eq!(store.load().unwrap(), *proposer.decided());
}

#[tokio::test]
async fn while_reading_back_fails_the_outcome_is_unknown_and_nothing_else_is_decided() {
    let store = Scripted::new();
    let proposer = start(&store);
    *store.is_unreadable.lock().unwrap() = true;
    store.fate(Fate::WrittenButUnknown);
    assert!(matches!(
        proposer.propose(begin(1)).await,
        Err(ProposeError::Unknown { .. })
    ));
    assert!(matches!(
        proposer.propose(begin(2)).await,
        Err(ProposeError::Store { .. })
    ));
    assert_eq!(store.batches(), [1], "no second commit on a doubtful state");
    assert_eq!(proposer.decided().applied_index, 0);

    *store.is_unreadable.lock().unwrap() = false;
    assert_eq!(proposer.propose(begin(3)).await, done(2));
    assert_eq!(
        proposer.propose(begin(1)).await,
        done(1),
        "a retry of the unknown one learns that it took effect"
    );
    assert_eq!(store.load().unwrap(), *proposer.decided());
}

#[tokio::test]
async fn stopping_answers_what_waits_and_refuses_what_comes_later() {
    let store = Scripted::new();
    let proposer = start(&store);
    store.shut(true);
    let waiting: Vec<_> = (1..=5).map(|n| proposer.propose(begin(n))).collect();
    let stopping = tokio::spawn({
        let proposer = proposer.clone();
        async move { proposer.stop().await }
    });
    until("it is stopping", || proposer.lock_queue().is_none()).await;
    assert!(matches!(
        proposer.propose(begin(9)).await,
        Err(ProposeError::Store { .. })
    ));
    assert!(!stopping.is_finished());
    store.shut(false);
    for (n, answer) in (1..).zip(waiting) {
        assert_eq!(answer.await, done(n));
    }
    stopping.await.unwrap();
    proposer.stop().await;
    assert_eq!(store.applied_index(), Ok(5));
}
