use std::time::Duration;

use super::scenario::{Aim, Draw, Scenario};
use crate::world::mysql::{Place, ServerId};

/// Something that breaks, or is mended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A server's process ends; its supervisor starts it again, if it has one.
    Crash(ServerId),
    /// A server that has no supervisor is started.
    Start(ServerId),
    /// A server stands still.
    Freeze(ServerId),
    /// It goes on.
    Thaw(ServerId),
    /// Nothing goes to or from a place.
    Isolate(Place),
    /// It does again.
    Rejoin(Place),
    /// Nothing goes between two places.
    Cut(Place, Place),
    /// Nothing goes from one to the other.
    CutOneWay(Place, Place),
    /// It does again, both ways.
    Join(Place, Place),
    /// A node's process ends.
    StopNode(usize),
    /// It is started again.
    StartNode(usize),
    /// Whoever leads ends.
    StopLeader,
    /// A node stands still.
    FreezeNode(usize),
    /// It goes on.
    ThawNode(usize),
    /// Whoever leads stands still.
    FreezeLeader,
    /// All nodes go on.
    ThawNodes,
    /// The leader is replaced.
    Depose,
    /// The next transaction breaks a replica's applier.
    BreakApplier(ServerId),
    /// Somebody stops a receiver.
    StopReceiver(ServerId),
    /// Somebody stops an applier.
    StopApplier(ServerId),
    /// Somebody starts replication, and the applier's error is gone.
    Repair(ServerId),
    /// An operator takes note of all recoveries.
    Acknowledge,
    /// An operator switches recoveries off.
    Disable,
    /// And on again.
    Enable,
}

/// A fault and its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// When.
    pub at: Duration,
    /// What.
    pub fault: Fault,
}

/// What breaks in a scenario, between two moments.
pub(super) fn draw(
    draw: &Draw,
    scenario: &Scenario,
    begin: Duration,
    end: Duration,
) -> Vec<Planned> {
    // Drawn apart, so that scenarios without it are what they were.
    let apart = Draw::new(scenario.seed ^ WITNESSES);
    let mut plan = Plan {
        draw,
        servers: scenario.servers.len(),
        nodes: scenario.nodes,
        begin,
        end,
        all: Vec::new(),
    };
    let before = draw.index(2);
    (0..before).for_each(|_| plan.minor());
    match scenario.aim {
        Aim::PrimaryLost => plan.lose_primary(),
        Aim::NoCause => (0..2 + draw.index(4)).for_each(|_| plan.no_cause()),
    }
    if scenario.aim == Aim::PrimaryLost {
        (0..draw.index(4)).for_each(|_| plan.minor());
        (0..draw.index(3)).for_each(|_| plan.of_the_group());
    }
    if scenario.aim == Aim::NoCause && scenario.nodes > 1 && apart.chance(40) {
        plan.draw = &apart;
        plan.one_witness();
    }
    let mut all = plan.all;
    all.sort_by_key(|one| one.at);
    all
}

/// Makes other draws of a seed.
const WITNESSES: u64 = 0x5749_544e;

struct Plan<'a> {
    draw: &'a Draw,
    servers: usize,
    nodes: usize,
    begin: Duration,
    end: Duration,
    all: Vec<Planned>,
}

impl Plan<'_> {
    fn add(&mut self, at: Duration, fault: Fault) {
        self.all.push(Planned { at, fault });
    }

    fn moment(&self) -> Duration {
        let span = u64::try_from((self.end - self.begin).as_millis()).expect("runs are short");
        self.begin + self.draw.millis(0, span)
    }

    /// A moment at which the recovery of the primary is probably under way.
    fn soon_after(&self) -> Duration {
        self.begin + self.draw.millis(1_500, 9_000)
    }

    fn replica(&self) -> ServerId {
        1 + self.draw.index(self.servers - 1)
    }

    fn node(&self) -> usize {
        self.draw.index(self.nodes)
    }

    fn for_a_while(&mut self, at: Duration, begins: Fault, ends: Fault) {
        let length = match self.draw.chance(50) {
            true => self.draw.millis(100, 2_000),
            false => self.draw.millis(2_000, 15_000),
        };
        self.add(at, begins);
        self.add(at + length, ends);
    }

    fn lose_primary(&mut self) {
        let at = self.begin + self.draw.millis(0, 3_000);
        match self.draw.below(10) {
            0..6 => {
                self.add(at, Fault::Crash(0));
                if self.draw.chance(30) {
                    let back = at + self.draw.millis(2_000, 12_000);
                    self.add(back, Fault::Start(0));
                }
            }
            6..8 => {
                self.add(at, Fault::Freeze(0));
                let back = at + self.draw.millis(4_000, 14_000);
                self.add(back, Fault::Thaw(0));
            }
            _ => {
                self.add(at, Fault::Isolate(Place::Server(0)));
                let back = at + self.draw.millis(4_000, 14_000);
                self.add(back, Fault::Rejoin(Place::Server(0)));
            }
        }
    }

    /// Trouble with a replica, the network, or an operator.
    fn minor(&mut self) {
        let (id, node, at) = (self.replica(), self.node(), self.moment());
        let at = if self.draw.chance(50) {
            self.soon_after()
        } else {
            at
        };
        let server = Place::Server(id);
        match self.draw.below(12) {
            0 => {
                self.add(at, Fault::Crash(id));
                let back = at + self.draw.millis(500, 8_000);
                self.add(back, Fault::Start(id));
            }
            1 => self.for_a_while(at, Fault::Freeze(id), Fault::Thaw(id)),
            2 => self.for_a_while(
                at,
                Fault::Cut(Place::Node(node), server),
                Fault::Join(Place::Node(node), server),
            ),
            3 => self.for_a_while(
                at,
                Fault::CutOneWay(Place::Node(node), server),
                Fault::Join(Place::Node(node), server),
            ),
            4 => self.for_a_while(
                at,
                Fault::CutOneWay(server, Place::Node(node)),
                Fault::Join(Place::Node(node), server),
            ),
            5 => self.for_a_while(at, Fault::BreakApplier(id), Fault::Repair(id)),
            6 => self.for_a_while(at, Fault::StopApplier(id), Fault::Repair(id)),
            7 => self.for_a_while(at, Fault::StopReceiver(id), Fault::Repair(id)),
            8 => self.for_a_while(at, Fault::Isolate(server), Fault::Rejoin(server)),
            9 => self.for_a_while(at, Fault::Disable, Fault::Enable),
            10 => self.add(at, Fault::Acknowledge),
            _ => self.for_a_while(
                at,
                Fault::Cut(Place::Server(0), server),
                Fault::Join(Place::Server(0), server),
            ),
        }
    }

    /// Trouble in the group, mostly while it works.
    fn of_the_group(&mut self) {
        let (node, at) = (self.node(), self.soon_after());
        match self.draw.below(6) {
            0 | 1 => {
                self.add(at, Fault::StopLeader);
                let back = at + self.draw.millis(200, 10_000);
                (0..self.nodes).for_each(|node| self.add(back, Fault::StartNode(node)));
            }
            2 => self.for_a_while(at, Fault::FreezeLeader, Fault::ThawNodes),
            3 => self.add(at, Fault::Depose),
            4 => self.for_a_while(at, Fault::FreezeNode(node), Fault::ThawNode(node)),
            _ if self.nodes > 1 => {
                let others = (0..self.nodes).filter(|other| *other != node);
                let others: Vec<usize> = others.collect();
                let length = self.draw.millis(500, 12_000);
                for other in others {
                    let (one, other) = (Place::Node(node), Place::Node(other));
                    self.add(at, Fault::Cut(one, other));
                    self.add(at + length, Fault::Join(one, other));
                }
            }
            _ => self.add(at, Fault::Depose),
        }
    }

    /// One node has the primary; no other node has it, and no replica.
    fn one_witness(&mut self) {
        let (witness, at) = (self.node(), self.moment());
        let back = at + self.draw.millis(1_000, 12_000);
        let primary = Place::Server(0);
        let nodes = (0..self.nodes).filter(|node| *node != witness);
        let servers = (1..self.servers).map(Place::Server);
        let others: Vec<Place> = nodes.map(Place::Node).chain(servers).collect();
        for other in others {
            self.add(at, Fault::Cut(primary, other));
            self.add(back, Fault::Join(primary, other));
        }
    }

    /// What is no reason to replace a primary.
    fn no_cause(&mut self) {
        let (id, node, at) = (self.replica(), self.node(), self.moment());
        let primary = Place::Server(0);
        match self.draw.below(8) {
            0 => self.for_a_while(
                at,
                Fault::Cut(Place::Node(node), primary),
                Fault::Join(Place::Node(node), primary),
            ),
            1 => {
                for node in 0..self.nodes {
                    self.add(at, Fault::Cut(Place::Node(node), primary));
                }
                let back = at + self.draw.millis(1_000, 12_000);
                for node in 0..self.nodes {
                    self.add(back, Fault::Join(Place::Node(node), primary));
                }
            }
            2 => self.for_a_while(at, Fault::StopReceiver(id), Fault::Repair(id)),
            3 => self.for_a_while(at, Fault::StopApplier(id), Fault::Repair(id)),
            4 => self.for_a_while(at, Fault::BreakApplier(id), Fault::Repair(id)),
            5 => {
                self.add(at, Fault::Crash(id));
                let back = at + self.draw.millis(500, 8_000);
                self.add(back, Fault::Start(id));
            }
            6 => self.add(at, Fault::Depose),
            _ => self.for_a_while(
                at,
                Fault::CutOneWay(primary, Place::Node(node)),
                Fault::Join(Place::Node(node), primary),
            ),
        }
    }
}
