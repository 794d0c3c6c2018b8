use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use orchestrator_core::domain::{InstanceKey, PromotionRule};
use orchestrator_core::ports::OnBehalfOf;

use super::{Have, Moment, Product, Txn};

/// Position of a server in its fleet.
pub type ServerId = usize;

/// What a server reads when it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionFile {
    /// `read_only`.
    pub read_only: bool,
    /// `log_bin`.
    pub has_binlog: bool,
    /// `log_replica_updates`.
    pub logs_updates: bool,
    /// `relay_log_recovery`.
    pub recovers_relay_log: bool,
    /// Not `skip_replica_start`.
    pub starts_replication: bool,
    /// Semi-sync.
    pub semi_sync: SemiSyncSetting,
}

/// Semi-sync settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SemiSyncSetting {
    /// Source side on.
    pub source: bool,
    /// Replica side on.
    pub replica: bool,
    /// Acknowledgements that a source waits for.
    pub wait_count: u32,
    /// How long it waits.
    pub timeout: Duration,
}

/// Whether a server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// It runs.
    Up,
    /// Its process is gone; a supervisor starts it then, if there is one.
    Down {
        /// When.
        restart_at: Option<Duration>,
    },
    /// Its process is stopped, and goes on where it was when it is let.
    Frozen,
}

/// The receiver of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiver {
    /// Stopped by somebody, or by an error.
    Stopped {
        /// The error; 0 for none.
        errno: u32,
    },
    /// It tries to connect.
    Connecting {
        /// The last error; 0 before the first.
        errno: u32,
        /// When it tries next.
        next_try: Duration,
    },
    /// It waits for the greeting of a source that hangs, was told to stop by a session, and takes nothing in any more.
    Stopping {
        /// When its thread ends, unless the source goes on before.
        until: Duration,
        /// The session.
        by: u64,
    },
    /// It is connected.
    Running {
        /// How much of the source's log it has asked for.
        cursor: usize,
        /// When it last heard of its source.
        heard_at: Duration,
        /// How often its source had started when it connected: a new process knows nothing of it.
        source_starts: u32,
    },
}

impl Receiver {
    /// Whether its thread is there.
    pub fn is_started(self) -> bool {
        !matches!(self, Self::Stopped { .. })
    }
}

/// The applier of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applier {
    /// Stopped by somebody, or by an error.
    Stopped {
        /// The error; 0 for none.
        errno: u32,
    },
    /// It applies.
    Running,
}

/// A transaction in relay logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relayed {
    /// Which.
    pub txn: Txn,
    /// When it may be applied.
    pub due: Duration,
}

/// A replica's link to its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The source.
    pub source: ServerId,
    /// Its address carries the mark that keeps the replica from connecting.
    pub is_detached: bool,
    /// Receiver.
    pub receiver: Receiver,
    /// Applier.
    pub applier: Applier,
    /// Received and not applied.
    pub relay: VecDeque<Relayed>,
    /// Heartbeats received, and when the last one came.
    pub heartbeats: (u64, Duration),
    /// Received since relay logs began.
    pub retrieved: Have,
    /// `SQL_Delay`.
    pub delay: Duration,
    /// An error stops the applier at the next transaction.
    pub breaks_next: bool,
    /// Somebody stopped a thread by hand, and will start it again unless a statement of ours came between.
    pub is_stopped_by_hand: bool,
}

/// Who has a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionOwner {
    /// A client of the application.
    Client,
    /// A recovery on an orchestrator node.
    Recovery {
        /// The node.
        node: usize,
        /// For whom.
        on_behalf_of: OnBehalfOf,
    },
}

/// A commit that waits for semi-sync acknowledgements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub txn: Txn,
    pub since: Duration,
    pub acknowledged_by: BTreeSet<ServerId>,
    /// The session of the client, which may be gone by now.
    pub session: u64,
}

/// One simulated server.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its position.
    pub id: ServerId,
    /// Its address.
    pub key: InstanceKey,
    /// What it is.
    pub product: Product,
    /// `server_uuid`; empty on MariaDB.
    pub uuid: String,
    /// What it reads at its start.
    pub file: OptionFile,
    /// How its supervisor restarts it: after so long; `None` without.
    pub supervised: Option<Duration>,
    /// Its data centre.
    pub data_center: String,
    /// The promotion rule that it says itself.
    pub rule: Option<PromotionRule>,
    /// Whether it runs.
    pub power: Power,
    /// When it last started.
    pub started_at: Duration,
    /// How often it started.
    pub starts: u32,
    /// Everything it has committed or applied, in order.
    pub log: Vec<Txn>,
    /// The same as a set.
    pub have: Have,
    /// Its link.
    pub link: Option<Link>,
    /// `read_only`.
    pub read_only: bool,
    /// `super_read_only`, where there is one.
    pub super_read_only: bool,
    /// Semi-sync, in force.
    pub semi_sync: SemiSyncSetting,
    /// Whether the source side of semi-sync operates.
    pub semi_sync_operates: bool,
    /// Whether the replica side was on when the receiver last started.
    pub acknowledges: bool,
    /// Sessions, by connection id.
    pub sessions: BTreeMap<u64, SessionOwner>,
    pub(super) next_session: u64,
    /// The session that the next one for changes ends.
    pub(super) fleeting: Option<u64>,
    pub(super) waiting: VecDeque<Waiting>,
    /// Received and acknowledged, then lost with its relay logs, not by a statement of ours.
    pub lost_by_itself: u64,
}

impl Server {
    /// A server that runs, is empty, and replicates from nobody.
    pub fn new(id: ServerId, key: InstanceKey, product: Product, file: OptionFile) -> Self {
        let uuid = match product.is_mariadb() {
            true => String::new(),
            false => format!("00000000-0000-0000-0000-0000000000{:02x}", id + 10),
        };
        let mut server = Self {
            id,
            key,
            product,
            uuid,
            file,
            supervised: None,
            data_center: String::new(),
            rule: None,
            power: Power::Up,
            started_at: Duration::ZERO,
            starts: 0,
            log: Vec::new(),
            have: Have::default(),
            link: None,
            read_only: false,
            super_read_only: false,
            semi_sync: file.semi_sync,
            semi_sync_operates: false,
            acknowledges: false,
            sessions: BTreeMap::new(),
            next_session: 0,
            fleeting: None,
            waiting: VecDeque::new(),
            lost_by_itself: 0,
        };
        server.read_option_file();
        server
    }

    fn read_option_file(&mut self) {
        self.read_only = self.file.read_only;
        self.super_read_only = false;
        self.semi_sync = self.file.semi_sync;
        self.semi_sync_operates = self.semi_sync.source;
    }

    /// Whether it runs and answers.
    pub fn is_up(&self) -> bool {
        self.power == Power::Up
    }

    /// Whether an application could commit here, were it able to connect.
    pub fn takes_writes(&self) -> bool {
        self.is_up() && !self.read_only
    }

    /// `server_id`, also used in GTIDs of MariaDB.
    pub fn number(&self) -> u8 {
        u8::try_from(self.id).expect("a fleet has few servers")
    }

    /// What it has received: applied, or still in relay logs.
    pub fn received(&self) -> Have {
        let mut all = self.have;
        if let Some(link) = &self.link {
            link.relay.iter().for_each(|one| all.add(one.txn));
        }
        all
    }

    /// What its next transaction would be.
    pub(super) fn next_txn(&self) -> Txn {
        let number = match self.product.is_mariadb() {
            true => self.have.lasts().map(|(_, last)| last).max().unwrap_or(0),
            false => self.have.last_of(self.number()),
        };
        Txn {
            origin: self.number(),
            number: number + 1,
        }
    }

    pub(super) fn commit(&mut self, txn: Txn) {
        self.log.push(txn);
        self.have.add(txn);
    }

    pub(super) fn open_session(&mut self, owner: SessionOwner) -> u64 {
        self.next_session += 1;
        // Numbers differ from one run of the process to the next, so that none is taken for another.
        let id = u64::from(self.starts) * 1_000_000 + self.next_session;
        self.sessions.insert(id, owner);
        id
    }

    /// Its process ends.
    pub fn crash(&mut self, now: Duration) {
        if matches!(self.power, Power::Down { .. }) {
            return;
        }
        let restart_at = self.supervised.map(|after| now + after);
        self.power = Power::Down { restart_at };
        self.sessions.clear();
        self.fleeting = None;
        self.waiting.clear();
        if let Some(link) = &mut self.link {
            // What a start of threads means is decided at the start of the server.
            link.receiver = Receiver::Stopped { errno: 0 };
            link.applier = Applier::Stopped { errno: 0 };
        }
    }

    /// Its process starts.
    pub fn start(&mut self, now: Duration) {
        self.power = Power::Up;
        self.started_at = now;
        self.starts += 1;
        self.next_session = 0;
        self.read_option_file();
        let recovers = self.file.recovers_relay_log;
        let starts = self.file.starts_replication;
        let keeps = self.product.keeps_relay_logs(Moment::Restart { recovers });
        let mut lost = 0;
        if let Some(link) = &mut self.link {
            if !keeps {
                lost = link.begin_relay_logs_anew();
            }
            if starts {
                link.receiver = Receiver::Connecting {
                    errno: 0,
                    next_try: now,
                };
                link.applier = Applier::Running;
            } else {
                // Somebody has to do it by hand.
                link.is_stopped_by_hand = true;
            }
        }
        self.acknowledges = self.semi_sync.replica && starts;
        self.lost_by_itself += lost;
    }
}

impl Link {
    /// A link whose threads start now.
    pub fn started(source: ServerId, now: Duration) -> Self {
        Self {
            receiver: Receiver::Connecting {
                errno: 0,
                next_try: now,
            },
            applier: Applier::Running,
            ..Self::stopped(source)
        }
    }

    /// A link whose threads do not run.
    pub fn stopped(source: ServerId) -> Self {
        Self {
            source,
            is_detached: false,
            receiver: Receiver::Stopped { errno: 0 },
            applier: Applier::Stopped { errno: 0 },
            relay: VecDeque::new(),
            heartbeats: (0, Duration::ZERO),
            retrieved: Have::default(),
            delay: Duration::ZERO,
            breaks_next: false,
            is_stopped_by_hand: false,
        }
    }

    /// Drops relay logs; returns how many transactions that were received and not applied are gone.
    pub(super) fn begin_relay_logs_anew(&mut self) -> u64 {
        let lost = self.relay.len() as u64;
        self.relay.clear();
        self.retrieved = Have::default();
        lost
    }

    /// Whether the applier runs.
    pub fn applies(&self) -> bool {
        self.applier == Applier::Running
    }
}
