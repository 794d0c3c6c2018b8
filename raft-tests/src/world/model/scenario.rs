use std::time::Duration;

use orchestrator_core::analysis::AnalysisPolicy;
use orchestrator_core::domain::PromotionRule;
use orchestrator_core::recovery::{Durability, RecoveryPolicy, UnappliedRelayLog};

use super::ambush::Ambush;
use super::faults::{self, Planned};
use crate::world::group::GroupTuning;
use crate::world::mysql::{
    Link, OptionFile, Product, SemiSyncSetting, Server, ServerId, Tuning, Writer,
};
use crate::world::{SeededIds, key};

/// When things begin to break: everybody has been seen by then.
const CHAOS_BEGINS: Duration = Duration::from_secs(5);
/// How long things break at least, and by how much more.
const CHAOS_LENGTH: (u64, u64) = (15_000, 20_000);

/// What a run is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// The primary is lost: somebody has to take over.
    PrimaryLost,
    /// Things break that are no reason to replace the primary.
    NoCause,
}

/// What configuration says.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    /// About findings.
    pub analysis: AnalysisPolicy,
    /// About recoveries.
    pub recovery: RecoveryPolicy,
}

/// Everything that a seed decides.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The seed.
    pub seed: u64,
    /// What it is about.
    pub aim: Aim,
    /// Orchestrator nodes.
    pub nodes: usize,
    /// By how much the wall clock of each node is ahead.
    pub clocks: Vec<Duration>,
    /// Servers at the start; the first is the primary.
    pub servers: Vec<Server>,
    /// Clients.
    pub writers: Vec<Writer>,
    /// How quick and reliable servers and network are.
    pub tuning: Tuning,
    /// One-way delay of a packet.
    pub delay: Duration,
    /// The same of the group.
    pub group: GroupTuning,
    /// Time between two probes of a server.
    pub poll: Duration,
    /// The longest that a hook takes.
    pub hook_max: Duration,
    /// Whether hooks run before a failover too.
    pub has_hooks_before: bool,
    /// A node that is started anew has lost what it had seen.
    pub loses_pictures: bool,
    /// Time between two looks of a leader.
    pub look_every: Duration,
    /// Configuration.
    pub policies: Policies,
    /// What breaks, in order.
    pub faults: Vec<Planned>,
    /// What happens in the middle of a recovery.
    pub ambush: Option<Ambush>,
    /// When all is mended.
    pub mended_at: Duration,
}

/// Draws from a seed.
pub(super) struct Draw(SeededIds);

impl Draw {
    pub fn new(seed: u64) -> Self {
        Self(SeededIds::new(seed))
    }

    /// A number below `bound`.
    pub fn below(&self, bound: u64) -> u64 {
        self.0.below(bound)
    }

    pub fn chance(&self, per_cent: u64) -> bool {
        self.below(100) < per_cent
    }

    pub fn index(&self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("it is below a usize")
    }

    pub fn of<T: Copy>(&self, all: &[T]) -> T {
        all[self.index(all.len())]
    }

    /// A length between two numbers of milliseconds.
    pub fn millis(&self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from + 1))
    }
}

impl Scenario {
    /// The scenario of a seed.
    pub fn draw(seed: u64) -> Self {
        let draw = Draw::new(seed);
        let aim = match draw.chance(15) {
            true => Aim::NoCause,
            false => Aim::PrimaryLost,
        };
        let nodes = if draw.chance(15) { 1 } else { 3 };
        let servers = servers(&draw);
        let mended_at = CHAOS_BEGINS + draw.millis(CHAOS_LENGTH.0, CHAOS_LENGTH.0 + CHAOS_LENGTH.1);
        let poll = draw.millis(400, 1_500);
        let mut scenario = Self {
            seed,
            aim,
            nodes,
            clocks: (0..nodes).map(|_| draw.millis(0, 2_000)).collect(),
            writers: writers(&draw),
            servers,
            tuning: Tuning {
                // Not drawn, so that it moves no other draw.
                shows_heartbeats: !seed.is_multiple_of(3),
                ..tuning(&draw)
            },
            delay: Duration::from_micros(draw.of(&[200, 200, 1_000, 20_000])),
            group: group(&draw),
            poll,
            hook_max: draw.millis(0, 500),
            has_hooks_before: draw.chance(40),
            loses_pictures: draw.chance(20),
            look_every: draw.millis(100, 1_000),
            policies: policies(&draw, poll),
            faults: Vec::new(),
            ambush: None,
            mended_at,
        };
        scenario.ambush = Ambush::draw(&scenario);
        scenario.faults = faults::draw(&draw, &scenario, CHAOS_BEGINS, mended_at);
        scenario
    }
}

fn servers(draw: &Draw) -> Vec<Server> {
    let count = 2 + draw.index(6);
    let family: &[Product] = match draw.chance(50) {
        true => &Product::MARIADB,
        false => &Product::MYSQL,
    };
    let common = draw.index(family.len());
    let has_semi_sync = draw.chance(55);
    let semi_sync = SemiSyncSetting {
        source: has_semi_sync,
        replica: has_semi_sync,
        wait_count: if count > 3 && draw.chance(25) { 2 } else { 1 },
        timeout: draw.of(&[
            Duration::from_secs(1),
            Duration::from_secs(10),
            Duration::from_secs(3_600),
        ]),
    };
    let replicas_start_read_only = draw.chance(70);
    let supervised = draw.of(&[
        None,
        Some(Duration::ZERO),
        Some(Duration::from_millis(300)),
        Some(Duration::from_secs(1)),
        Some(Duration::from_secs(3)),
        Some(Duration::from_secs(12)),
    ]);
    let mut servers = Vec::with_capacity(count);
    for id in 0..count {
        // A replica may be of a newer release than its source, never older.
        let product = match id > 0 && draw.chance(12) {
            true => family[common + draw.index(family.len() - common)],
            false => family[common],
        };
        let file = OptionFile {
            read_only: id > 0 && replicas_start_read_only,
            has_binlog: !(id > 0 && draw.chance(4)),
            logs_updates: !(id > 0 && draw.chance(4)),
            recovers_relay_log: draw.chance(50),
            starts_replication: !draw.chance(10),
            semi_sync: SemiSyncSetting {
                source: semi_sync.source && id == 0,
                replica: semi_sync.replica && id > 0 && !draw.chance(20),
                ..semi_sync
            },
        };
        let mut server = Server::new(id, key(&format!("db{id}")), product, file);
        server.supervised = match id == 0 && draw.chance(75) {
            true => None,
            false => supervised,
        };
        server.data_center = if draw.chance(80) { "one" } else { "two" }.to_owned();
        if id > 0 {
            server.read_only = true;
            server.rule = rule(draw);
            server.link = Some(link(draw, id, &servers));
            server.acknowledges = file.semi_sync.replica;
        }
        servers.push(server);
    }
    servers
}

fn rule(draw: &Draw) -> Option<PromotionRule> {
    match draw.below(20) {
        0 => Some(PromotionRule::MustNot),
        1 | 2 => Some(PromotionRule::PreferNot),
        3..6 => Some(PromotionRule::Prefer),
        _ => None,
    }
}

fn link(draw: &Draw, id: ServerId, above: &[Server]) -> Link {
    // Sometimes below another replica, if that passes on what it gets.
    let able: Vec<ServerId> = (1..id)
        .filter(|other| {
            above[*other].file.has_binlog
                && above[*other].file.logs_updates
                && above[*other].product.version == above[0].product.version
        })
        .collect();
    let source = match !able.is_empty() && draw.chance(15) {
        true => able[draw.index(able.len())],
        false => 0,
    };
    let mut link = Link::started(source, Duration::ZERO);
    if draw.chance(5) {
        link.delay = Duration::from_secs(30);
    }
    link
}

fn writers(draw: &Draw) -> Vec<Writer> {
    let count = 1 + draw.index(3);
    let all = (0..count).map(|number| {
        // The first goes where it is told, so that there is traffic afterwards too.
        let always_to = (number > 0 && draw.chance(50)).then_some(0);
        Writer::new(always_to, draw.millis(40, 300))
    });
    all.collect()
}

fn tuning(draw: &Draw) -> Tuning {
    Tuning {
        net_timeout: draw.of(&[2, 2, 3, 5]).pipe(Duration::from_secs),
        shows_heartbeats: true,
        connect_retry: draw.of(&[100, 500, 1_000]).pipe(Duration::from_millis),
        fetch_lag: draw.of(&[10, 50, 300, 1_500]).pipe(Duration::from_millis),
        apply_time: draw.of(&[1, 10, 60, 250]).pipe(Duration::from_millis),
        slow_per_mille: draw.of(&[0, 5, 30, 80]),
        slow_max: draw.millis(100, 2_000),
        lost_answers_per_mille: draw.of(&[0, 0, 10, 40]),
        refused_per_mille: draw.of(&[0, 0, 5, 20]),
    }
}

fn group(draw: &Draw) -> GroupTuning {
    GroupTuning {
        election: draw.millis(300, 1_200),
        disbelief: draw.millis(0, 4_000),
        apply_lag: draw.of(&[5, 100, 1_500]).pipe(Duration::from_millis),
        commit: draw.of(&[5, 20, 120]).pipe(Duration::from_millis),
        slow_per_mille: draw.of(&[0, 10, 50]),
        lost_answers_per_mille: draw.of(&[0, 10, 60]),
        late_copies_per_mille: draw.of(&[0, 0, 50, 150]),
    }
}

fn policies(draw: &Draw, poll: Duration) -> Policies {
    Policies {
        analysis: AnalysisPolicy {
            instance_poll: poll,
            ..AnalysisPolicy::default()
        },
        recovery: RecoveryPolicy {
            primary_clusters: vec!["*".to_owned()],
            block_period: draw.of(&[0, 1, 5, 60]).pipe(Duration::from_secs),
            check_validity: poll + Duration::from_secs(1),
            apply_timeout: draw.of(&[2, 5, 20]).pipe(Duration::from_secs),
            unapplied: draw.of(&[
                UnappliedRelayLog::Bounded,
                UnappliedRelayLog::Bounded,
                UnappliedRelayLog::Refuse,
                UnappliedRelayLog::Wait,
            ]),
            durability: match draw.chance(15) {
                true => Durability::Refuse,
                false => Durability::NameTheLoss,
            },
            detaches_lost: draw.chance(70),
            stays_in_data_center: draw.chance(10),
            steps_at_once: draw.of(&[1, 2, 5]),
            ..RecoveryPolicy::default()
        },
    }
}

/// A value handed on to a function, for readable tables.
trait Pipe: Sized {
    fn pipe<T>(self, next: impl FnOnce(Self) -> T) -> T {
        next(self)
    }
}

impl Pipe for u64 {}
