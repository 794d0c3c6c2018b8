//! What a seed decides: how many nodes, their order, tuning, and what breaks when.

use std::time::Duration;

use crate::world::SeededIds;

/// Time in which things break.
const CHAOS: Duration = Duration::from_secs(16);

/// Settings of all nodes.
#[derive(Clone, Debug)]
pub struct Tuning {
    /// A fixed heartbeat; `None` follows what is measured.
    pub heartbeat: Option<Duration>,
    /// Entries between two snapshots.
    pub snapshot_every: u64,
    /// Entries kept behind one.
    pub entries_kept: u64,
}

/// Something that breaks, or is mended.
#[derive(Clone, Debug)]
pub enum Fault {
    /// A node crashes; of the writes that wait for its disk the first so many stay, and its store is lost, too, or not. It is
    /// started again after a while.
    Crash {
        /// Which.
        node: usize,
        /// Writes that stay.
        kept: u64,
        /// Whether its store is lost.
        loses_store: bool,
        /// Until it is started again.
        down: Duration,
    },
    /// Whoever leads crashes.
    CrashLeader {
        /// Until it is started again.
        down: Duration,
    },
    /// All nodes crash at once, and come back with gaps.
    CrashAll,
    /// A node loses everything, and is started again. Only while all others are well.
    Wipe {
        /// Which.
        node: usize,
    },
    /// These are cut from all others.
    Part {
        /// Which.
        some: Vec<usize>,
    },
    /// Whoever leads is cut from all others.
    CutLeader,
    /// One way is cut.
    OneWay {
        /// From.
        from: usize,
        /// To.
        to: usize,
    },
    /// The network is whole again.
    Mend,
    /// A node is slow to reach.
    Slow {
        /// Which.
        node: usize,
        /// By how much, each way.
        by: Duration,
    },
    /// The disk of a node is slow.
    SlowDisk {
        /// Which.
        node: usize,
        /// Time of a sync.
        sync: Duration,
    },
    /// The next sync of a node's log fails: it has to end, and is started again.
    FailDisk {
        /// Which.
        node: usize,
    },
    /// The disk of a node's log has no space for a while: it waits, or ends and is started again.
    FullDisk {
        /// Which.
        node: usize,
        /// For how long.
        length: Duration,
    },
    /// The store of a node takes no writes for a while.
    FullStore {
        /// Which.
        node: usize,
        /// For how long.
        length: Duration,
    },
    /// The wall clock of a node goes so far ahead.
    Clock {
        /// Which.
        node: usize,
        /// By how much.
        ahead: Duration,
    },
    /// A node is taken out of the group, loses everything, and is added again. Only while all are well.
    Leave {
        /// Which.
        node: usize,
        /// How long it is out.
        length: Duration,
    },
    /// The leader hands over.
    HandOver,
    /// A node is told to write a snapshot.
    Snapshot {
        /// Which.
        node: usize,
    },
}

/// All of it.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// How many nodes.
    pub nodes: usize,
    /// In which order they are started first, and how long after the one before.
    pub starts: Vec<(usize, Duration)>,
    /// What is cut while they start.
    pub cut_at_start: Option<Vec<usize>>,
    /// How far their wall clocks are ahead.
    pub ahead: Vec<Duration>,
    /// Their settings.
    pub tuning: Tuning,
    /// How many clients write.
    pub clients: usize,
    /// Of a thousand answers, how many are late.
    pub late: u64,
    /// Of a thousand calls, how many arrive twice.
    pub twice: u64,
    /// What breaks, and how long after the one before.
    pub faults: Vec<(Duration, Fault)>,
    /// Of each node how many of its starts are of the older release; then it has the newer one.
    pub old_starts: Vec<u64>,
}

struct Dice(SeededIds);

impl Dice {
    fn below(&self, bound: usize) -> usize {
        usize::try_from(self.0.below(bound as u64)).expect("it is below a usize")
    }

    fn millis(&self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.0.below(to - from))
    }

    fn one_of(&self, of: u64) -> bool {
        self.0.below(of) == 0
    }

    fn some(&self, nodes: usize) -> Vec<usize> {
        let count = 1 + self.below(nodes / 2);
        let first = self.below(nodes);
        (0..count).map(|step| (first + step) % nodes).collect()
    }

    fn fault(&self, nodes: usize) -> Fault {
        let node = self.below(nodes);
        match self.0.below(30) {
            0..=4 => Fault::Crash {
                node,
                kept: self.0.below(4),
                loses_store: self.one_of(4),
                down: self.millis(10, 4_000),
            },
            5..=7 => Fault::CrashLeader {
                down: self.millis(10, 3_000),
            },
            8 => Fault::CrashAll,
            9 | 10 => Fault::Wipe { node },
            11 | 12 => Fault::Part {
                some: self.some(nodes),
            },
            13..=15 => Fault::CutLeader,
            16 | 17 => Fault::OneWay {
                from: node,
                to: (node + 1 + self.below(nodes - 1)) % nodes,
            },
            18 | 19 => Fault::Mend,
            20 => Fault::Slow {
                node,
                by: self.millis(2, 15),
            },
            21 => Fault::SlowDisk {
                node,
                sync: self.millis(5, 120),
            },
            22 => Fault::FailDisk { node },
            23 | 24 => Fault::HandOver,
            25 => Fault::FullStore {
                node,
                length: self.millis(300, 9_000),
            },
            26 => Fault::Clock {
                node,
                ahead: self.millis(0, 20_000),
            },
            27 => Fault::FullDisk {
                node,
                length: self.millis(100, 4_000),
            },
            _ => Fault::Snapshot { node },
        }
    }

    fn faults(&self, nodes: usize) -> Vec<(Duration, Fault)> {
        let mut faults = Vec::new();
        let mut at = Duration::ZERO;
        while at < CHAOS {
            let gap = self.millis(100, 1_600);
            at += gap;
            faults.push((gap, self.fault(nodes)));
            // What was cut is mended before long, so that something is decided in between.
            if matches!(
                faults.last(),
                Some((
                    _,
                    Fault::Part { .. } | Fault::CutLeader | Fault::OneWay { .. }
                ))
            ) && !self.one_of(4)
            {
                let gap = self.millis(400, 2_500);
                at += gap;
                faults.push((gap, Fault::Mend));
            }
        }
        faults
    }

    /// In every other run a node leaves and comes back: once at the beginning, when all are likely to be well, and once later.
    fn with_members(
        &self,
        nodes: usize,
        mut faults: Vec<(Duration, Fault)>,
    ) -> Vec<(Duration, Fault)> {
        if self.one_of(2) {
            let leave = || Fault::Leave {
                node: self.below(nodes),
                length: self.millis(100, 3_000),
            };
            let at = self.below(faults.len() + 1);
            faults.insert(at, (Duration::ZERO, leave()));
            faults.insert(0, (self.millis(1_500, 4_000), leave()));
        }
        faults
    }

    /// In every third run some nodes have an older release at first.
    fn old_starts(&self, nodes: usize) -> Vec<u64> {
        let are_mixed = self.one_of(3);
        (0..nodes)
            .map(|_| match are_mixed && self.one_of(2) {
                true => 1 + self.0.below(3),
                false => 0,
            })
            .collect()
    }

    fn starts(&self, nodes: usize) -> Vec<(usize, Duration)> {
        let mut order: Vec<usize> = (0..nodes).collect();
        for place in (1..nodes).rev() {
            order.swap(place, self.below(place + 1));
        }
        let gap_max = [2, 300, 3_000][self.below(3)];
        order
            .into_iter()
            .map(|node| (node, self.millis(0, gap_max)))
            .collect()
    }
}

impl Scenario {
    /// What this seed decides.
    pub fn of(seed: u64) -> Self {
        let dice = Dice(SeededIds::new(seed.wrapping_mul(0x2545_F491_4F6C_DD1D)));
        let nodes = if dice.one_of(3) { 5 } else { 3 };
        Self {
            nodes,
            starts: dice.starts(nodes),
            cut_at_start: dice.one_of(3).then(|| dice.some(nodes)),
            ahead: (0..nodes).map(|_| dice.millis(0, 2_000)).collect(),
            tuning: Tuning {
                heartbeat: (!dice.one_of(3)).then(|| dice.millis(60, 150)),
                // Few, and most often none kept: then whoever was away gets a snapshot.
                snapshot_every: 15 + dice.0.below(100),
                entries_kept: [0, 0, 0, 10, 50][dice.below(5)],
            },
            clients: 2 + dice.below(4),
            late: [0, 5, 30][dice.below(3)],
            twice: [0, 5, 30][dice.below(3)],
            faults: dice.with_members(nodes, dice.faults(nodes)),
            old_starts: dice.old_starts(nodes),
        }
    }
}
