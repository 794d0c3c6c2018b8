use std::sync::{Arc, Mutex};
use std::time::Duration;

use orchestrator::beats::Changing;
use orchestrator_core::domain::InstanceKey;

use super::flight::{Answer, Flight};
use super::{Have, Ledger, Network, Power, Server, ServerId, Writer};
use crate::world::{SeededIds, Trace};

/// How quick and how unreliable things are in one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// `replica_net_timeout`: a silent source is noticed after this.
    pub net_timeout: Duration,
    /// Whether replicas show the heartbeats of their source; those of MySQL from 5.7 on need a grant for that.
    pub shows_heartbeats: bool,
    /// How often a receiver tries to connect.
    pub connect_retry: Duration,
    /// The longest time between two looks of a receiver at its source.
    pub fetch_lag: Duration,
    /// The longest time that applying one transaction takes.
    pub apply_time: Duration,
    /// Statements and probes of orchestrator that take long, of a thousand.
    pub slow_per_mille: u64,
    /// How long those take at most.
    pub slow_max: Duration,
    /// Statements whose answer is lost, of a thousand; they land, perhaps late.
    pub lost_answers_per_mille: u64,
    /// Statements that are refused although nothing is wrong, of a thousand.
    pub refused_per_mille: u64,
}

impl Tuning {
    /// How often a source that sends nothing else sends a heartbeat.
    pub fn heartbeat_period(&self) -> Duration {
        self.net_timeout / 2
    }
}

impl Default for Tuning {
    /// Quick and reliable.
    fn default() -> Self {
        Self {
            net_timeout: Duration::from_secs(2),
            shows_heartbeats: true,
            connect_retry: Duration::from_secs(1),
            fetch_lag: Duration::from_millis(20),
            apply_time: Duration::from_millis(20),
            slow_per_mille: 0,
            slow_max: Duration::ZERO,
            lost_answers_per_mille: 0,
            refused_per_mille: 0,
        }
    }
}

/// A fleet as the simulated ports share it.
pub type SharedFleet = Arc<Mutex<Fleet>>;

/// Servers, the network between all, and clients.
#[derive(Debug)]
pub struct Fleet {
    /// Time, as of the last step.
    pub now: Duration,
    /// Servers, by [`ServerId`].
    pub servers: Vec<Server>,
    /// The network.
    pub network: Network,
    /// How quick and how unreliable.
    pub tuning: Tuning,
    /// Clients that write.
    pub writers: Vec<Writer>,
    /// The server that clients are told to write to.
    pub published: ServerId,
    /// What happened.
    pub ledger: Ledger,
    /// The same as text.
    pub trace: Trace,
    pub(super) flights: Vec<Flight>,
    pub(super) answers: Vec<Answer>,
    pub(super) flights_so_far: u64,
    pub(super) next_fetch: Vec<Duration>,
    /// Which processes run and which ways are open, as it was told last.
    reach: (u64, Vec<(Power, u32)>),
    reach_changes: Changing<u64>,
    pub(super) draws: SeededIds,
}

impl Fleet {
    /// These servers, whose ids are their positions.
    pub fn new(servers: Vec<Server>, tuning: Tuning, seed: u64, trace: Trace) -> Self {
        let count = servers.len();
        Self {
            now: Duration::ZERO,
            servers,
            network: Network::default(),
            tuning,
            writers: Vec::new(),
            published: 0,
            ledger: Ledger::default(),
            trace,
            flights: Vec::new(),
            answers: Vec::new(),
            flights_so_far: 0,
            next_fetch: vec![Duration::ZERO; count],
            reach: (0, Vec::new()),
            reach_changes: Changing::new(0),
            draws: SeededIds::new(seed),
        }
    }

    /// The same, to be shared.
    pub fn shared(self) -> SharedFleet {
        Arc::new(Mutex::new(self))
    }

    /// The server with this address.
    pub fn find(&self, key: &InstanceKey) -> Option<ServerId> {
        self.servers.iter().position(|server| server.key == *key)
    }

    /// Lets everything happen that is due at `now`.
    pub fn step(&mut self, now: Duration) {
        self.now = now;
        self.restart_by_supervisors();
        self.land_flights();
        self.write();
        for id in 0..self.servers.len() {
            self.receive(id);
            self.apply(id);
        }
        self.settle_commits();
        self.answer();
        self.tell_reach();
    }

    /// Wakes whoever waits for another answer of a server than the one there was.
    fn tell_reach(&mut self) {
        let changes = self.network.changes();
        let processes = self.servers.iter().map(|one| (one.power, one.starts));
        let is_as_told =
            self.reach.0 == changes && processes.clone().eq(self.reach.1.iter().copied());
        if !is_as_told {
            self.reach = (changes, processes.collect());
            self.reach_changes.change(|count| *count += 1);
        }
    }

    /// Changes when a process ends, begins or stands still, or a way is cut or open again; told with each step.
    pub fn reach_changes(&self) -> Changing<u64> {
        self.reach_changes.clone()
    }

    /// Ends the process of a server.
    pub fn crash(&mut self, id: ServerId) {
        self.trace.line(self.now, &format!("db{id} crashes"));
        let now = self.now;
        self.servers[id].crash(now);
    }

    /// Starts a server that is down.
    pub fn start(&mut self, id: ServerId) {
        self.trace.line(self.now, &format!("db{id} starts"));
        let now = self.now;
        self.servers[id].start(now);
    }

    /// Stops the process of a server for a while.
    pub fn freeze(&mut self, id: ServerId) {
        if self.servers[id].is_up() {
            self.trace.line(self.now, &format!("db{id} freezes"));
            self.servers[id].power = Power::Frozen;
        }
    }

    /// Lets it go on.
    pub fn thaw(&mut self, id: ServerId) {
        if self.servers[id].power == Power::Frozen {
            self.trace.line(self.now, &format!("db{id} thaws"));
            self.servers[id].power = Power::Up;
        }
    }

    /// Everything that clients were told is committed on `server` and not undone by its own doing, as a set.
    pub fn acknowledged_on(&self, server: ServerId) -> Have {
        let mut all = Have::default();
        let of_server = self.ledger.acknowledged.iter();
        of_server
            .filter(|one| one.server == server)
            .for_each(|one| all.add(one.txn));
        all
    }

    fn restart_by_supervisors(&mut self) {
        for id in 0..self.servers.len() {
            if let Power::Down {
                restart_at: Some(at),
            } = self.servers[id].power
                && at <= self.now
            {
                self.start(id);
            }
        }
    }

    /// A length from zero to `max`.
    pub(super) fn draw_length(&self, max: Duration) -> Duration {
        let micros = u64::try_from(max.as_micros()).expect("lengths here are short");
        Duration::from_micros(self.draws.below(micros + 1))
    }

    /// Whether something that happens so often of a thousand times happens now.
    pub(super) fn draw_chance(&self, per_mille: u64) -> bool {
        per_mille > 0 && self.draws.below(1000) < per_mille
    }
}
