//! The loop over a simulated outside, in paused time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orchestrator_core::decided::{Command, Decided};
use orchestrator_core::domain::{
    InstanceKey, InstanceRecord, Observation, Picture, ProbeFailure, ProbeFailureKind,
    RecoveriesDisabled, Timestamp,
};
use orchestrator_core::isolation::{GuardPolicy, Tried};
use orchestrator_core::ports::{
    BoxFuture, Change, ChangeError, Clock, DecisionReader, Dialer, DiscoverError, Discovery,
    ForwardError, ForwardedRequest, ForwardedResponse, Group, GroupError, GroupMember, GroupRole,
    GroupStatus, GuardReport, Guarding as _, Ids, NodesChange, OnBehalfOf, PictureReader,
    ProbeState, ServerSession, Servers, Successor,
};
use orchestrator_core::topology::drawing::Drawing;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Config, Deps, Guard};

const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

/// A primary in the north, with a replica there and one in the south.
const TREE: &str = "a [rw dc=north]\n+ b [dc=north]\n+ c [dc=south]";

fn key(name: &str) -> InstanceKey {
    InstanceKey::parse(name, 3306).unwrap()
}

/// Everything outside of the guard.
struct World {
    began: Instant,
    picture: Mutex<Picture>,
    decided: Mutex<Decided>,
    /// Whether a leader is heard, and how long ago the other nodes were.
    leader: Mutex<Option<u64>>,
    heard_ago: Mutex<Duration>,
    /// Addresses that answer.
    answering: Mutex<BTreeSet<String>>,
    /// Servers that do not answer probes.
    silent: Mutex<BTreeSet<InstanceKey>>,
    /// Replicas that each server says it sends to.
    sends_to: Mutex<BTreeMap<InstanceKey, Vec<InstanceKey>>>,
    closed: Mutex<Vec<(InstanceKey, OnBehalfOf)>>,
    /// Closing hangs.
    hangs: Mutex<bool>,
    ids: AtomicU64,
}

impl World {
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the adapter between tokio's time and the Clock port"
    )]
    fn of(text: &str) -> Arc<Self> {
        let drawing = Drawing::parse(text, NOW).unwrap_or_else(|why| panic!("{why}\n{text}"));
        let world = Self {
            began: Instant::now(),
            picture: Mutex::new(drawing.picture.clone()),
            decided: Mutex::new(Decided {
                downtimes: drawing.downtimes.clone(),
                ..Decided::default()
            }),
            leader: Mutex::new(Some(2)),
            heard_ago: Mutex::new(Duration::from_millis(100)),
            answering: Mutex::default(),
            silent: Mutex::default(),
            sends_to: Mutex::new([(key("a"), vec![key("b"), key("c")])].into()),
            closed: Mutex::default(),
            hangs: Mutex::default(),
            ids: AtomicU64::new(1),
        };
        Arc::new(world)
    }

    fn start(self: &Arc<Self>, change: impl FnOnce(&mut Config)) -> Running {
        let mut config = Config {
            policy: Some(GuardPolicy {
                data_center: "north".to_owned(),
                after: Duration::from_secs(10),
                primaries_max: 1,
            }),
            primary_clusters: vec!["*".to_owned()],
            ..Config::default()
        };
        change(&mut config);
        let (sender, receiver) = watch::channel(Arc::new(config));
        let deps = Deps {
            group: Some(self.clone()),
            picture: self.clone(),
            decisions: self.clone(),
            discovery: self.clone(),
            servers: Arc::new(Own(self.clone())),
            dialer: self.clone(),
            clock: self.clone(),
            ids: self.clone(),
        };
        let guard = Guard::new(deps, receiver);
        let stop = CancellationToken::new();
        let world = self.clone();
        let runs = guard.clone().run(stop.clone());
        tokio::spawn(async move {
            let polls = async {
                loop {
                    world.poll();
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            };
            tokio::select! {
                () = runs => {}
                () = polls => {}
            }
        });
        Running {
            guard,
            _stop: stop.drop_guard(),
            _config: sender,
        }
    }

    /// Probes all servers.
    fn poll(&self) {
        let keys: Vec<InstanceKey> = {
            let picture = self.picture.lock().unwrap();
            picture.records().map(|one| one.key.clone()).collect()
        };
        for key in keys {
            let _ = self.look(&key);
        }
    }

    fn look(&self, key: &InstanceKey) -> Result<Arc<Observation>, ProbeFailure> {
        let now = self.now();
        let mut picture = self.picture.lock().unwrap();
        let known = picture.get(key).expect("it is drawn").clone();
        let is_silent = self.silent.lock().unwrap().contains(key);
        let record = InstanceRecord {
            last_checked_at: Some(now),
            ..(*known).clone()
        };
        if is_silent {
            picture.put(record);
            return Err(ProbeFailure {
                kind: ProbeFailureKind::Timeout,
                code: 0,
                message: "no answer".to_owned(),
                is_partial: false,
            });
        }
        let mut seen = (**known.observation.as_ref().expect("it is drawn as seen")).clone();
        let sends_to = self.sends_to.lock().unwrap();
        seen.replicas = sends_to.get(key).cloned().unwrap_or_default();
        let seen = Arc::new(seen);
        picture.put(InstanceRecord {
            observation: Some(seen.clone()),
            last_seen_at: Some(now),
            ..record
        });
        Ok(seen)
    }

    /// Nothing outside is heard or answers, and replicas outside are gone from the primary's list.
    fn cut_off(&self) {
        *self.leader.lock().unwrap() = None;
        *self.heard_ago.lock().unwrap() = Duration::from_secs(3600);
        self.silent.lock().unwrap().insert(key("c"));
        self.sends_to
            .lock()
            .unwrap()
            .insert(key("a"), vec![key("b")]);
    }

    fn lets_answer(&self, address: &str) {
        let mut answering = self.answering.lock().unwrap();
        answering.insert(address.to_owned());
    }

    fn heal(&self) {
        *self.leader.lock().unwrap() = Some(2);
        *self.heard_ago.lock().unwrap() = Duration::from_millis(100);
        self.silent.lock().unwrap().clear();
    }

    fn closed(&self) -> Vec<InstanceKey> {
        let closed = self.closed.lock().unwrap();
        closed.iter().map(|(key, _)| key.clone()).collect()
    }
}

struct Running {
    guard: Arc<Guard>,
    _stop: tokio_util::sync::DropGuard,
    _config: watch::Sender<Arc<Config>>,
}

impl Running {
    fn report(&self) -> Arc<GuardReport> {
        self.guard.report()
    }

    fn why_not(&self) -> String {
        self.report().why_not.clone().unwrap_or_default()
    }
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        NOW.plus(self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        self.began.elapsed()
    }

    fn sleep(&self, length: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(length))
    }
}

impl Ids for World {
    fn unique(&self) -> u128 {
        u128::from(self.ids.fetch_add(1, Ordering::SeqCst))
    }

    fn fraction(&self) -> f64 {
        0.5
    }
}

impl PictureReader for World {
    fn picture(&self) -> Arc<Picture> {
        Arc::new(self.picture.lock().unwrap().clone())
    }
}

impl DecisionReader for World {
    fn decided(&self) -> Arc<Decided> {
        Arc::new(self.decided.lock().unwrap().clone())
    }
}

impl Discovery for World {
    fn discover(&self, key: InstanceKey) -> BoxFuture<'_, Result<Arc<Observation>, DiscoverError>> {
        Box::pin(async move { self.look(&key).map_err(DiscoverError::Probe) })
    }

    fn discover_soon(&self, _: InstanceKey) -> Result<(), DiscoverError> {
        Ok(())
    }

    fn forget(&self, _: &InstanceKey) -> bool {
        false
    }

    fn probe_states(&self) -> Vec<ProbeState> {
        Vec::new()
    }
}

impl Dialer for World {
    fn dial<'a>(&'a self, address: &'a str, within: Duration) -> BoxFuture<'a, Tried> {
        Box::pin(async move {
            if self.answering.lock().unwrap().contains(address) {
                return Tried::Answered;
            }
            tokio::time::sleep(within).await;
            Tried::Nothing
        })
    }
}

fn member(id: u64, heard_ago: Duration) -> GroupMember {
    GroupMember {
        id,
        name: format!("node{id}:10008"),
        address: format!("node{id}:10008"),
        http: Some(format!("http://node{id}:3000")),
        is_voter: true,
        is_healthy: None,
        heard_ago: Some(heard_ago),
        matched_index: None,
        certificate_expires_in_seconds: None,
    }
}

impl Group for World {
    fn status(&self) -> Arc<GroupStatus> {
        let ago = *self.heard_ago.lock().unwrap();
        Arc::new(GroupStatus {
            group: None,
            me: member(1, Duration::ZERO),
            role: GroupRole::Follower,
            term: 1,
            leader: *self.leader.lock().unwrap(),
            members: vec![member(1, Duration::ZERO), member(2, ago), member(3, ago)],
            configured: vec![],
            desired: vec![],
            last_log_index: 1,
            committed_index: 1,
            applied_index: 1,
            age: None,
            warnings: vec![],
        })
    }

    fn is_serving_leader(&self) -> bool {
        false
    }

    fn hand_over(&self, _: Successor) -> BoxFuture<'_, Result<(), GroupError>> {
        Box::pin(std::future::ready(Err(GroupError::NotLeader)))
    }

    fn change_nodes(&self, _: &NodesChange) -> Result<(String, Command), GroupError> {
        Err(GroupError::NotLeader)
    }

    fn take_snapshot(&self) -> BoxFuture<'_, Result<(), GroupError>> {
        Box::pin(std::future::ready(Err(GroupError::NotLeader)))
    }

    fn forward(
        &self,
        _: ForwardedRequest,
        _: Duration,
    ) -> BoxFuture<'_, Result<ForwardedResponse, ForwardError>> {
        Box::pin(std::future::ready(Err(ForwardError::NoLeader)))
    }
}

struct Session {
    world: Arc<World>,
    key: InstanceKey,
    on_behalf_of: OnBehalfOf,
}

impl ServerSession for Session {
    fn connection_id(&self) -> u64 {
        7
    }

    fn observe(&mut self) -> BoxFuture<'_, Result<Observation, ProbeFailure>> {
        let seen = self.world.look(&self.key).map(|seen| (*seen).clone());
        Box::pin(std::future::ready(seen))
    }

    fn observe_beside(&mut self, _: u64) -> BoxFuture<'_, Result<Observation, ProbeFailure>> {
        self.observe()
    }

    fn make<'a>(
        &'a mut self,
        change: &'a Change,
        _: Duration,
    ) -> BoxFuture<'a, Result<(), ChangeError>> {
        assert_eq!(*change, Change::Close);
        let entry = (self.key.clone(), self.on_behalf_of);
        self.world.closed.lock().unwrap().push(entry);
        if *self.world.hangs.lock().unwrap() {
            return Box::pin(std::future::ready(Err(ChangeError::Unknown {
                server: self.key.clone(),
                reason: "no answer".to_owned(),
            })));
        }
        let mut picture = self.world.picture.lock().unwrap();
        let record = picture.get(&self.key).expect("it is drawn").clone();
        let mut seen = (**record.observation.as_ref().expect("it was seen")).clone();
        seen.read_only = true;
        picture.put(InstanceRecord {
            observation: Some(Arc::new(seen)),
            ..(*record).clone()
        });
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Sessions need to own the world that they change.
struct Own(Arc<World>);

impl Servers for Own {
    fn open<'a>(
        &'a self,
        _: &'a InstanceKey,
        _: OnBehalfOf,
        _: Duration,
    ) -> BoxFuture<'a, Result<Box<dyn ServerSession>, ChangeError>> {
        panic!("nothing of it stands in a record")
    }

    fn open_fleeting<'a>(
        &'a self,
        server: &'a InstanceKey,
        on_behalf_of: OnBehalfOf,
        _: Duration,
    ) -> BoxFuture<'a, Result<Box<dyn ServerSession>, ChangeError>> {
        let session: Box<dyn ServerSession> = Box::new(Session {
            world: self.0.clone(),
            key: server.clone(),
            on_behalf_of,
        });
        Box::pin(std::future::ready(Ok(session)))
    }

    fn end_sessions<'a>(
        &'a self,
        _: &'a InstanceKey,
        _: &'a [u64],
        _: Duration,
    ) -> BoxFuture<'a, Result<(), ChangeError>> {
        panic!("no session of a recovery is ended here")
    }
}

#[tokio::test(start_paused = true)]
async fn a_primary_is_closed_once_after_nothing_outside_answers_for_so_long() {
    let world = World::of(TREE);
    let running = world.start(|_| {});
    pass(20).await;
    assert!(
        running.why_not().contains("connected"),
        "{}",
        running.why_not()
    );
    world.cut_off();
    pass(9).await;
    assert!(world.closed().is_empty(), "not yet");
    assert!(running.report().cut_off_since.is_some());
    pass(6).await;
    assert_eq!(world.closed(), [key("a")]);
    assert_eq!(world.closed.lock().unwrap()[0].1.fence.number(), 0);
    let report = running.report();
    assert!(report.primaries[0].closed_at.is_some(), "{report:?}");
    // Somebody opens it again: that is meant.
    let mut picture = world.picture.lock().unwrap().clone();
    let record = picture.get(&key("a")).unwrap().clone();
    let mut seen = (**record.observation.as_ref().unwrap()).clone();
    seen.read_only = false;
    picture.put(InstanceRecord {
        observation: Some(Arc::new(seen)),
        ..(*record).clone()
    });
    *world.picture.lock().unwrap() = picture;
    pass(60).await;
    assert_eq!(world.closed(), [key("a")]);
    world.heal();
    pass(5).await;
    assert_eq!(running.report().cut_off_since, None);
    assert!(running.report().primaries.is_empty());
}

/// What is changed about being cut off, and what has to be said.
type Against = (&'static str, fn(&World), &'static str);

#[tokio::test(start_paused = true)]
async fn anything_that_answers_keeps_it_from_closing() {
    let against: &[Against] = &[
        (
            "a node answers on its peer port",
            |world| world.lets_answer("node3:10008"),
            "node3:10008, another node of the group, answers",
        ),
        (
            "a node answers over HTTP",
            |world| world.lets_answer("node2:3000"),
            "node2:10008, another node of the group, answers",
        ),
        (
            "a node is heard",
            |world| *world.heard_ago.lock().unwrap() = Duration::from_secs(1),
            "was heard 1 s ago",
        ),
        (
            "a server outside lets connections in",
            |world| world.lets_answer("c:3306"),
            "c:3306 in data centre 'south' answers",
        ),
        (
            "a server outside is probed with success",
            |world| world.silent.lock().unwrap().clear(),
            "c:3306 in data centre 'south' answers",
        ),
    ];
    for (what, change, said) in against {
        let world = World::of(TREE);
        let running = world.start(|_| {});
        pass(5).await;
        world.cut_off();
        change(&world);
        pass(60).await;
        assert!(world.closed().is_empty(), "{what}");
        assert!(
            running.why_not().contains(said),
            "{what}: {}",
            running.why_not()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_says_it_sends_outside_stays_open_until_it_does_not() {
    let world = World::of(TREE);
    let running = world.start(|_| {});
    pass(5).await;
    world.cut_off();
    let both = vec![key("b"), key("c")];
    world.sends_to.lock().unwrap().insert(key("a"), both);
    pass(60).await;
    assert!(world.closed().is_empty());
    let report = running.report();
    let why = report.primaries[0].why_not.clone().unwrap_or_default();
    assert!(why.contains("c:3306 receives from it still"), "{why}");
    world
        .sends_to
        .lock()
        .unwrap()
        .insert(key("a"), vec![key("b")]);
    pass(5).await;
    assert_eq!(world.closed(), [key("a")]);
}

#[tokio::test(start_paused = true)]
async fn it_closes_nothing_where_it_is_off_or_may_not_or_never_was_connected() {
    let of = |change: fn(&mut Config)| {
        let world = World::of(TREE);
        let running = world.start(change);
        (world, running)
    };
    let cases: [fn(&mut Config); 3] = [
        |config| config.policy = None,
        |config| config.changes_nothing = true,
        |config| config.primary_clusters = vec!["other".to_owned()],
    ];
    for change in cases {
        let (world, _running) = of(change);
        pass(5).await;
        world.cut_off();
        pass(60).await;
        assert!(world.closed().is_empty());
    }
    let world = World::of(TREE);
    world.cut_off();
    let running = world.start(|_| {});
    pass(60).await;
    assert!(world.closed().is_empty());
    assert!(
        running.why_not().contains("has not heard a leader"),
        "{}",
        running.why_not()
    );
    let (world, _running) = of(|_| {});
    world.decided.lock().unwrap().recoveries_disabled = Some(RecoveriesDisabled {
        by: "ann".to_owned(),
        at: NOW,
    });
    pass(5).await;
    world.cut_off();
    pass(60).await;
    assert!(world.closed().is_empty(), "recoveries are switched off");
}

#[tokio::test(start_paused = true)]
async fn a_close_of_unknown_outcome_is_tried_again_and_counts() {
    let two = "a [rw dc=north]\n+ b [dc=south]\nd [rw dc=north]\n+ e [dc=south]";
    let world = World::of(two);
    {
        let mut sends_to = world.sends_to.lock().unwrap();
        sends_to.insert(key("a"), vec![key("b")]);
        sends_to.insert(key("d"), vec![key("e")]);
    }
    let running = world.start(|_| {});
    pass(5).await;
    *world.hangs.lock().unwrap() = true;
    world.cut_off();
    world.silent.lock().unwrap().extend(["b", "e"].map(key));
    world.silent.lock().unwrap().remove(&key("c"));
    for name in ["a", "d"] {
        world.sends_to.lock().unwrap().insert(key(name), vec![]);
    }
    pass(16).await;
    *world.hangs.lock().unwrap() = false;
    pass(10).await;
    let closed = world.closed();
    assert!(closed.len() > 1, "it was tried again");
    assert!(closed.iter().all(|one| *one == key("a")), "{closed:?}");
    let report = running.report();
    assert!(report.primaries[0].closed_at.is_some(), "{report:?}");
    let why = report.primaries[1].why_not.clone().unwrap_or_default();
    assert!(why.contains("IsolationGuardMaxPrimaries is 1"), "{why}");
}
