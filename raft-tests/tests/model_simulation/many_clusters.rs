//! Many clusters at once: one of five loses its primary, all in the same moment, and no other is touched.
//!
//! Each cluster is a simulated fleet of its own; recovery loops and beats of three nodes are the real ones. Simulated time stands still
//! while they compute, so this shows what waits for what, and not what it costs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orchestrator::beats::{self, BeatLoop};
use orchestrator::executor::{self, RecoveryLoop};
use orchestrator_core::analysis::AnalysisPolicy;
use orchestrator_core::beats::{BeatPolicy, Standing};
use orchestrator_core::domain::{InstanceKey, Recovery, RecoveryOutcome};
use orchestrator_core::ports::{
    Answered, BeatLine, BeatReader as _, Beater, Beyond, BoxFuture, ChangeError, Clock as _,
    Histories, NoLine, OnBehalfOf, OtherNodes, PictureReader as _, ServerSession, Servers, Vigil,
};
use orchestrator_core::recovery::RecoveryPolicy;
use raft_tests::world::group::{GroupTuning, SharedGroup, SimGroup, SimMember};
use raft_tests::world::mysql::{
    Fleet, Link, OptionFile, Product, SemiSyncSetting, Server, SharedFleet, SimBeater, SimServers,
    Tuning,
};
use raft_tests::world::node::{HookLog, SimDiscovery, SimHooks, SimPicture};
use raft_tests::world::{NodeClock, SeededIds, SteppedClock, Trace, key};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const CLUSTERS: usize = 100;
/// Servers of each.
const SERVERS: usize = 4;
/// Every fifth loses its primary.
const LOST_EACH: usize = 5;
const NODES: usize = 3;
/// As the model simulation.
const TICK: Duration = Duration::from_millis(20);
/// The default.
const POLL: Duration = Duration::from_secs(5);
/// Until everybody has seen everything, three polls at most, and some for the rest.
const SEEN_WITHIN: Duration = Duration::from_secs(30);
/// When to give up; far beyond what is asked for, so that a miss shows its figure.
const GIVEN_UP: Duration = Duration::from_secs(60);
/// What is asked for: the slowest of all.
const SLOWEST: Duration = Duration::from_secs(5);

/// A server as one node reaches it.
#[derive(Clone)]
struct Way {
    servers: SimServers,
    beater: SimBeater,
}

/// All servers of all clusters, as one node reaches them.
#[derive(Clone)]
struct Ways(Arc<BTreeMap<InstanceKey, Way>>);

impl Ways {
    fn to(&self, server: &InstanceKey) -> &Way {
        &self.0[server]
    }
}

impl Servers for Ways {
    fn open<'a>(
        &'a self,
        server: &'a InstanceKey,
        on_behalf_of: OnBehalfOf,
        within: Duration,
    ) -> BoxFuture<'a, Result<Box<dyn ServerSession>, ChangeError>> {
        self.to(server).servers.open(server, on_behalf_of, within)
    }

    fn open_fleeting<'a>(
        &'a self,
        server: &'a InstanceKey,
        on_behalf_of: OnBehalfOf,
        within: Duration,
    ) -> BoxFuture<'a, Result<Box<dyn ServerSession>, ChangeError>> {
        let servers = &self.to(server).servers;
        servers.open_fleeting(server, on_behalf_of, within)
    }

    fn end_sessions<'a>(
        &'a self,
        server: &'a InstanceKey,
        connection_ids: &'a [u64],
        within: Duration,
    ) -> BoxFuture<'a, Result<(), ChangeError>> {
        let servers = &self.to(server).servers;
        servers.end_sessions(server, connection_ids, within)
    }
}

impl Histories for Ways {
    fn executed_beyond<'a>(
        &'a self,
        old: &'a InstanceKey,
        promoted: &'a InstanceKey,
        within: Duration,
    ) -> BoxFuture<'a, Result<Beyond, ChangeError>> {
        self.to(old).servers.executed_beyond(old, promoted, within)
    }
}

impl Beater for Ways {
    fn connect<'a>(
        &'a self,
        key: &'a InstanceKey,
        within: Duration,
    ) -> BoxFuture<'a, Result<Box<dyn BeatLine>, NoLine>> {
        self.to(key).beater.connect(key, within)
    }

    fn vigil<'a>(
        &'a self,
        key: &'a InstanceKey,
        within: Duration,
    ) -> BoxFuture<'a, Result<Vigil, NoLine>> {
        self.to(key).beater.vigil(key, within)
    }
}

/// The other nodes, with the ways that each has.
struct Others {
    own: usize,
    ways: Vec<Ways>,
}

impl OtherNodes for Others {
    fn to_ask(&self) -> Vec<String> {
        let all = (0..NODES).filter(|other| *other != self.own);
        all.map(|other| other.to_string()).collect()
    }

    fn answer_within(&self) -> Duration {
        Duration::from_millis(150)
    }

    fn ask(
        &self,
        node: &str,
        primary: &InstanceKey,
        _: Duration,
    ) -> BoxFuture<'static, Option<Answered>> {
        let other: usize = node.parse().unwrap();
        let (ways, primary) = (self.ways[other].clone(), primary.clone());
        Box::pin(async move {
            match ways.connect(&primary, BeatPolicy::ANSWER_WITHIN).await {
                Ok(_) | Err(NoLine::Answered { .. }) => Some(Answered::Yes),
                Err(NoLine::Refused | NoLine::Silent) => Some(Answered::No),
                Err(NoLine::NotTried { .. }) => None,
            }
        })
    }

    fn let_lead(&self, node: &str) -> BoxFuture<'static, Result<(), String>> {
        Box::pin(std::future::ready(Err(format!(
            "{node} does not lead here"
        ))))
    }
}

/// A cluster of MySQL servers whose names and UUIDs are its own.
fn cluster(number: usize) -> SharedFleet {
    let semi_sync = SemiSyncSetting {
        source: false,
        replica: false,
        wait_count: 1,
        timeout: Duration::from_secs(10),
    };
    let servers = (0..SERVERS).map(|id| {
        let file = OptionFile {
            read_only: id > 0,
            has_binlog: true,
            logs_updates: true,
            recovers_relay_log: true,
            starts_replication: true,
            semi_sync,
        };
        let address = key(&format!("c{number}-db{id}"));
        let mut server = Server::new(id, address, Product::MYSQL[Product::MYSQL.len() - 1], file);
        server.uuid = format!("00000000-0000-0000-{number:04x}-0000000000{id:02x}");
        if id > 0 {
            server.link = Some(Link::started(0, Duration::ZERO));
        }
        server
    });
    let (tuning, trace) = (Tuning::default(), Trace::default());
    let mut fleet = Fleet::new(servers.collect(), tuning, number as u64, trace);
    fleet.network.delay = Duration::from_micros(200);
    fleet.shared()
}

struct Run {
    clock: SteppedClock,
    fleets: Vec<SharedFleet>,
    group: SharedGroup,
    beats: Vec<Arc<BeatLoop>>,
    pictures: Vec<Arc<SimPicture>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Run {
    fn new() -> Self {
        let clock = SteppedClock::start();
        let fleets: Vec<SharedFleet> = (0..CLUSTERS).map(cluster).collect();
        let group = SimGroup::new(NODES, GroupTuning::default(), 2, Trace::default());
        let mut run = Self {
            clock,
            fleets,
            group: Arc::new(Mutex::new(group)),
            beats: Vec::new(),
            pictures: Vec::new(),
            tasks: Vec::new(),
        };
        let clocks: Vec<Arc<NodeClock>> = (0..NODES).map(|node| run.clock_of(node)).collect();
        let ways = clocks.iter().enumerate();
        let ways: Vec<Ways> = ways.map(|(node, clock)| run.ways(node, clock)).collect();
        for (node, clock) in clocks.into_iter().enumerate() {
            run.start(node, clock, &ways);
        }
        run
    }

    fn clock_of(&self, node: usize) -> Arc<NodeClock> {
        let gate = self.group.lock().unwrap().members[node].gate.clone();
        Arc::new(NodeClock::new(self.clock, Duration::ZERO, gate))
    }

    fn ways(&self, node: usize, clock: &Arc<NodeClock>) -> Ways {
        let gate = self.group.lock().unwrap().members[node].gate.clone();
        let mut ways = BTreeMap::new();
        for fleet in &self.fleets {
            let way = Way {
                servers: SimServers::new(fleet.clone(), node, clock.clone(), gate.clone()),
                beater: SimBeater::new(fleet.clone(), node, clock.clone(), gate.clone()),
            };
            for server in &fleet.lock().unwrap().servers {
                ways.insert(server.key.clone(), way.clone());
            }
        }
        Ways(Arc::new(ways))
    }

    fn start(&mut self, node: usize, clock: Arc<NodeClock>, all: &[Ways]) {
        let (ways, gate) = (
            &all[node],
            self.group.lock().unwrap().members[node].gate.clone(),
        );
        let ids = Arc::new(SeededIds::new(node as u64));
        let keys: Vec<InstanceKey> = ways.0.keys().cloned().collect();
        let picture = Arc::new(SimPicture::of(&keys, clock.now()));
        for key in keys {
            let first = Duration::from_micros(ids.below(POLL.as_micros() as u64));
            let servers = ways.to(&key).servers.clone();
            let keeps = (picture.clone()).keep(servers, clock.clone(), key, first, POLL);
            self.tasks.push(tokio::spawn(keeps));
        }
        let reached = ways.clone();
        let discovery = SimDiscovery {
            to: Arc::new(move |key| reached.to(key).servers.clone()),
            picture: picture.clone(),
            clock: clock.clone(),
        };
        // Nodes talk with each other as the servers of any cluster do: nothing is cut.
        let network = self.fleets[0].clone();
        let member = SimMember::new(
            self.group.clone(),
            network.clone(),
            node,
            clock.clone(),
            gate.clone(),
        );
        let member = Arc::new(member);
        let (sender, config) = watch::channel(Arc::new(beats::Config::default()));
        let beats = BeatLoop::new(
            beats::Deps {
                beater: Arc::new(ways.clone()),
                discovery: Arc::new(discovery.clone()),
                picture: picture.clone(),
                clock: clock.clone(),
                ids: ids.clone(),
                decisions: member.clone(),
            },
            config,
        );
        let runs = beats.clone();
        self.tasks.push(tokio::spawn(async move {
            let _sender = sender;
            runs.run(CancellationToken::new()).await;
        }));
        let deps = executor::Deps {
            histories: Arc::new(ways.clone()),
            servers: Arc::new(ways.clone()),
            leadership: member.clone(),
            proposer: member.clone(),
            decisions: member,
            picture: picture.clone(),
            beats: beats.clone(),
            others: Arc::new(Others {
                own: node,
                ways: all.to_vec(),
            }),
            discovery: Arc::new(discovery),
            hooks: Arc::new(SimHooks {
                node,
                log: HookLog::default(),
                fleet: network,
                clock: clock.clone(),
                gate,
                draws: ids.clone(),
                takes_max: Duration::ZERO,
                trace: Trace::default(),
            }),
            clock,
            ids,
            node: format!("node{node}"),
        };
        let config = executor::Config {
            analysis: AnalysisPolicy {
                instance_poll: POLL,
                ..AnalysisPolicy::default()
            },
            recovery: RecoveryPolicy {
                primary_clusters: vec!["*".to_owned()],
                check_validity: POLL + Duration::from_secs(1),
                ..RecoveryPolicy::default()
            },
            ..executor::Config::default()
        };
        let (sender, config) = watch::channel(Arc::new(config));
        let recoveries = RecoveryLoop::new(deps, config);
        self.tasks.push(tokio::spawn(async move {
            let _sender = sender;
            recoveries.run(CancellationToken::new()).await;
        }));
        self.beats.push(beats);
        self.pictures.push(picture);
    }

    async fn step(&self) {
        tokio::time::sleep(TICK).await;
        let now = self.clock.monotonic();
        for fleet in &self.fleets {
            fleet.lock().unwrap().step(now);
        }
        let mut group = self.group.lock().unwrap();
        let fleet = self.fleets[0].lock().unwrap();
        group.step(now, &fleet.network);
        drop((group, fleet));
        let ended = self.tasks.iter().find(|task| task.is_finished());
        assert!(ended.is_none(), "a task has panicked");
    }

    /// Lets time pass until something holds; panics with what does not, when it is given up.
    async fn until<T>(&self, within: Duration, look: impl Fn() -> Result<T, String>) -> T {
        let end = self.clock.monotonic() + within;
        loop {
            match look() {
                Ok(found) => return found,
                Err(why) => assert!(self.clock.monotonic() < end, "{why}"),
            }
            self.step().await;
        }
    }

    /// Whether all nodes have seen all servers, and each hears all primaries.
    fn all_are_seen(&self) -> Result<(), String> {
        if self.group.lock().unwrap().leader.is_none() {
            return Err("nobody leads".to_owned());
        }
        for (node, picture) in self.pictures.iter().enumerate() {
            let picture = picture.picture();
            let seen = picture.records().filter(|one| one.last_seen_at.is_some());
            let known = self.beats[node].beats();
            let alive = |standing| matches!(standing, Standing::Alive { .. });
            let heard = known.iter().filter(|(_, beat)| alive(beat.standing));
            let (seen, heard) = (seen.count(), heard.count());
            if (seen, heard) != (CLUSTERS * SERVERS, CLUSTERS) {
                return Err(format!("node{node}: {seen} seen, {heard} primaries heard"));
            }
        }
        Ok(())
    }

    fn recoveries(&self) -> Vec<Arc<Recovery>> {
        let group = self.group.lock().unwrap();
        group.log().latest().recoveries.values().cloned().collect()
    }
}

/// When a cluster whose first server is lost takes writes again.
fn takes_writes(fleet: &SharedFleet) -> bool {
    let fleet = fleet.lock().unwrap();
    fleet.servers[1..].iter().any(Server::takes_writes)
}

fn all_replaced(what: &str, lose: fn(&mut Fleet)) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let run = Run::new();
        run.until(SEEN_WITHIN, || run.all_are_seen()).await;
        // So that the start is over, three polls at most.
        run.until(POLL * 4, || match run.clock.monotonic() > POLL * 3 {
            true => Ok(()),
            false => Err(String::new()),
        })
        .await;
        let lost: Vec<usize> = (0..CLUSTERS).step_by(LOST_EACH).collect();
        let at = run.clock.monotonic();
        for cluster in &lost {
            lose(&mut run.fleets[*cluster].lock().unwrap());
        }
        let writable = Mutex::new(BTreeMap::new());
        run.until(GIVEN_UP, || {
            let mut writable = writable.lock().unwrap();
            for cluster in &lost {
                if !writable.contains_key(cluster) && takes_writes(&run.fleets[*cluster]) {
                    writable.insert(*cluster, run.clock.monotonic() - at);
                }
            }
            let recoveries = run.recoveries();
            let good = recoveries.iter().filter(|one| {
                (one.end.as_ref()).is_some_and(|end| end.outcome == RecoveryOutcome::Succeeded)
            });
            let good = good.count();
            match (writable.len(), good) == (lost.len(), lost.len()) {
                true => Ok(()),
                false => Err(format!("{} take writes, {good} are recovered", writable.len())),
            }
        })
        .await;
        let mut took: Vec<Duration> = writable.into_inner().unwrap().into_values().collect();
        took.sort_unstable();
        let (median, worst) = (took[took.len() / 2], took[took.len() - 1]);
        println!(
            "{} of {CLUSTERS} primaries {what} at once: to writable median {median:?}, worst {worst:?}",
            lost.len()
        );
        assert!(worst <= SLOWEST, "{took:?}");
        assert_eq!(run.recoveries().len(), lost.len(), "others are left alone");
        for task in &run.tasks {
            task.abort();
        }
    });
}

#[test]
fn twenty_primaries_that_crash_in_one_moment_are_all_replaced() {
    all_replaced("crash", |fleet| fleet.crash(0));
}

#[test]
fn twenty_primaries_that_fall_silent_in_one_moment_are_all_replaced() {
    all_replaced("fall silent", |fleet| fleet.freeze(0));
}
