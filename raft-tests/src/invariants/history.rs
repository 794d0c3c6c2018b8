//! Recoveries as the log tells them, read independently of what apply made of it.

use std::collections::BTreeMap;
use std::time::Duration;

use orchestrator_core::decided::{
    Command, EndRecovery, RecoveryStepCommand, RegisterRecovery, Reply,
};
use orchestrator_core::domain::{InstanceKey, RecoveryId};

use crate::world::model::View;
use crate::world::mysql::Landed;

/// A recovery.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// Its registration.
    pub registered: RegisterRecovery,
    /// When that was committed.
    pub at: Duration,
    /// Its end, and when that was committed.
    pub end: Option<(Duration, EndRecovery)>,
    /// Servers that it has left with a stopped receiver, each with when that was over.
    pub left: BTreeMap<InstanceKey, Option<Duration>>,
}

/// All recoveries so far.
#[derive(Debug, Default)]
pub(super) struct History {
    read: usize,
    pub recoveries: BTreeMap<RecoveryId, Told>,
}

impl History {
    /// Reads what is new in the log; returns ids that were registered and ids that ended, in order.
    pub fn read(&mut self, view: &View<'_>) -> (Vec<RecoveryId>, Vec<RecoveryId>) {
        let (mut begun, mut ended) = (Vec::new(), Vec::new());
        for entry in view.group.entries_after(self.read) {
            self.read += 1;
            if entry.reply != Reply::Done {
                continue;
            }
            match &entry.proposal.command {
                Command::RegisterRecovery(new) => {
                    begun.push(new.id);
                    self.recoveries.insert(
                        new.id,
                        Told {
                            registered: RegisterRecovery::clone(new),
                            at: entry.at,
                            end: None,
                            left: BTreeMap::new(),
                        },
                    );
                }
                Command::EndRecovery(end) => {
                    ended.push(end.id);
                    if let Some(told) = self.recoveries.get_mut(&end.id) {
                        told.end = Some((entry.at, EndRecovery::clone(end)));
                    }
                }
                Command::RecoveryStep { id, step } => {
                    if let Some(told) = self.recoveries.get_mut(id) {
                        told.hear(step, entry.at);
                    }
                }
                _ => {}
            }
        }
        (begun, ended)
    }
}

impl Told {
    fn hear(&mut self, step: &RecoveryStepCommand, at: Duration) {
        match step {
            RecoveryStepCommand::LeaveStopped { servers, .. } => {
                let new = servers.iter().map(|server| (server.clone(), None));
                self.left.extend(new);
            }
            RecoveryStepCommand::Settled { server, .. } => {
                self.left.insert(server.clone(), Some(at));
            }
            _ => {}
        }
    }
}

/// Reads servers' logs from where it was.
#[derive(Debug, Default)]
pub(super) struct Statements(usize);

impl Statements {
    /// Statements that are new.
    pub fn new_ones<'a>(&mut self, view: &View<'a>) -> &'a [Landed] {
        let all = &view.fleet.ledger.landed;
        let new = &all[self.0.min(all.len())..];
        self.0 = all.len();
        new
    }
}
