//! Histories made by hand, for tests of invariants.

use std::time::Duration;

use orchestrator_core::decided::{
    Acknowledged, Command, EndRecovery, Origin, Proposal, RecoveryNews, RegisterRecovery,
};
use orchestrator_core::domain::{
    Fence, FindingCode, RecoveryId, RecoveryKind, RecoveryOutcome, TimeSplit, Timestamp,
    TouchedServer,
};
use orchestrator_core::planted::{Bug, with};
use orchestrator_core::ports::{Change, OnBehalfOf};

use super::{Invariant, Violation};
use crate::world::group::{GroupTuning, SimGroup};
use crate::world::model::{Scenario, View};
use crate::world::mysql::{
    Fleet, Landed, Link, OptionFile, Product, Receiver, SemiSyncSetting, Server, ServerId, Tuning,
};
use crate::world::node::HookStart;
use crate::world::{Trace, key};

/// Three servers, db1 and db2 below db0, and three nodes.
pub(super) struct Stage {
    pub now: Duration,
    pub fleet: Fleet,
    pub group: SimGroup,
    scenario: Scenario,
    hooks: Vec<HookStart>,
    requests: u128,
}

impl Stage {
    pub fn new() -> Self {
        let file = OptionFile {
            read_only: true,
            has_binlog: true,
            logs_updates: true,
            recovers_relay_log: false,
            starts_replication: true,
            semi_sync: SemiSyncSetting {
                source: false,
                replica: false,
                wait_count: 1,
                timeout: Duration::from_secs(1),
            },
        };
        let servers =
            (0..3).map(|id| Server::new(id, key(&format!("db{id}")), Product::MYSQL[3], file));
        let mut servers: Vec<Server> = servers.collect();
        servers[0].file.read_only = false;
        servers[0].read_only = false;
        servers[1].link = Some(Link::started(0, Duration::ZERO));
        servers[2].link = Some(Link::started(0, Duration::ZERO));
        let mut scenario = Scenario::draw(1);
        scenario.servers.clone_from(&servers);
        scenario.poll = Duration::from_secs(1);
        let trace = Trace::default();
        Self {
            now: Duration::from_secs(10),
            fleet: Fleet::new(servers, Tuning::default(), 1, trace.clone()),
            group: SimGroup::new(3, GroupTuning::default(), 1, trace),
            scenario,
            hooks: Vec::new(),
            requests: 0,
        }
    }

    pub fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn view(&self) -> View<'_> {
        View {
            now: self.now,
            scenario: &self.scenario,
            fleet: &self.fleet,
            group: &self.group,
            hooks: &self.hooks,
            mended_at: None,
        }
    }

    pub fn look(&self, invariant: &mut dyn Invariant) -> Result<(), Violation> {
        invariant.look(&self.view())
    }

    pub fn at_end(&self, invariant: &mut dyn Invariant) -> Result<(), Violation> {
        invariant.at_end(&self.view())
    }

    /// The promise that is broken.
    pub fn broken(&self, invariant: &mut dyn Invariant) -> &'static str {
        self.look(invariant).expect_err("it is broken").promise
    }

    pub fn broken_at_end(&self, invariant: &mut dyn Invariant) -> &'static str {
        self.at_end(invariant).expect_err("it is broken").promise
    }

    pub fn commit(&mut self, command: Command) {
        self.requests += 1;
        let proposal = Proposal {
            request: self.requests,
            proposed_at: Timestamp::from_seconds(1_700_000_000).plus(self.now),
            origin: Origin::default(),
            command,
        };
        self.group.append(&proposal, 0, self.now);
    }

    /// As if apply did not look whether it may.
    pub fn commit_unchecked(&mut self, command: Command) {
        let bug = Some(Bug::RegistrationCheckedOutsideApply);
        with(bug, || self.commit(command));
    }

    pub fn reign(&mut self, node: usize, fence: u64) {
        let fence = Fence::from_number(fence);
        self.group.reigns.push((self.now, node, fence, None));
        self.group.leader = Some((node, fence));
    }

    pub fn end_reign(&mut self) {
        self.group.leader = None;
        self.group.reigns.last_mut().expect("somebody led").3 = Some(self.now);
    }

    /// A statement of recovery 1 on db0.
    pub fn land(&mut self, node: usize, fence: u64, change: Change) {
        self.land_on(0, node, fence, change);
    }

    /// A statement of recovery 1.
    pub fn land_on(&mut self, server: ServerId, node: usize, fence: u64, change: Change) {
        self.fleet.ledger.landed.push(Landed {
            at: self.now,
            sent_at: self.now,
            deadline_at: self.now + Duration::from_secs(1),
            out_of_reach_until: None,
            server,
            node,
            on_behalf_of: OnBehalfOf {
                recovery: RecoveryId::from_number(1),
                fence: Fence::from_number(fence),
            },
            connection: 1,
            change,
            discarded: 0,
            errno: 0,
        });
    }

    /// Publishes the successor of a recovery.
    pub fn hook(&mut self, node: usize, recovery: u128) {
        self.hooks.push(HookStart {
            at: self.now,
            node,
            line: "publish".to_owned(),
            recovery: RecoveryId::from_number(recovery).to_string(),
            successor: "db1".to_owned(),
        });
    }

    /// Puts one server below another, replicating.
    pub fn below(&mut self, id: ServerId, source: ServerId) {
        let mut link = Link::started(source, self.now);
        link.receiver = Receiver::Running {
            cursor: 0,
            heard_at: self.now,
            source_starts: 0,
        };
        self.fleet.servers[id].link = Some(link);
    }
}

/// A registration that names all three servers.
pub(super) fn register(id: u128, subject: &str) -> Command {
    let server = |id: u32| TouchedServer {
        key: key(&format!("db{id}")),
        uuid: String::new(),
    };
    Command::RegisterRecovery(Box::new(RegisterRecovery {
        id: RecoveryId::from_number(id),
        kind: RecoveryKind::DeadPrimary,
        code: FindingCode::DeadPrimary,
        subject: key(subject),
        cluster: subject.to_owned(),
        cluster_alias: String::new(),
        replicas: Vec::new(),
        servers: (0..3).map(server).collect(),
        requested_by: String::new(),
        is_forced: false,
        plan: Vec::new(),
        node: "node0".to_owned(),
        fence: Fence::from_number(1),
        sessions: Vec::new(),
        block_period: Duration::from_secs(3_600),
        kept_for: Duration::from_secs(604_800),
    }))
}

/// The end of a recovery, with db1 as the successor.
pub(super) fn end(id: u128) -> Command {
    Command::EndRecovery(Box::new(EndRecovery {
        id: RecoveryId::from_number(id),
        fence: Fence::from_number(1),
        outcome: RecoveryOutcome::Succeeded,
        successor: Some(key("db1")),
        successor_alias: String::new(),
        lost: Vec::new(),
        participants: Vec::new(),
        errors: Vec::new(),
        data_loss: None,
        times: TimeSplit::default(),
        downtimes: Vec::new(),
        news: RecoveryNews::default(),
    }))
}

/// The end of a recovery that failed.
pub(super) fn failed(id: u128) -> Command {
    let Command::EndRecovery(end) = end(id) else {
        unreachable!("it ends a recovery");
    };
    Command::EndRecovery(Box::new(EndRecovery {
        outcome: RecoveryOutcome::Failed,
        successor: None,
        errors: vec!["it failed".to_owned()],
        ..*end
    }))
}

/// Somebody takes note of all.
pub(super) fn acknowledge() -> Command {
    Command::AcknowledgeRecoveries {
        which: Acknowledged::All,
        by: "ann".to_owned(),
        comment: String::new(),
    }
}
