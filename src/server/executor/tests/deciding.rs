//! What is decided, and who may decide.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use orchestrator_core::decided::{Command, Decided, Proposal, apply};
use orchestrator_core::domain::Fence;
use orchestrator_core::ports::{
    BoxFuture, Committed, DecisionReader, Leadership, NotLeading, ProposeError, Proposer,
};
use tokio::sync::watch;

/// What becomes of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Decided,
    /// It is decided, and nobody hears of it.
    DecidedUnheard,
    /// It is lost, and nobody hears of it.
    LostUnheard,
}

type Judge = Box<dyn FnMut(&Command) -> Fate + Send>;

/// One log for all nodes.
pub struct Log {
    state: Mutex<Arc<Decided>>,
    answered: Mutex<BTreeMap<u128, Committed>>,
    commands: Mutex<Vec<Command>>,
    judge: Mutex<Option<Judge>>,
}

impl Log {
    pub fn new(state: Decided) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(Arc::new(state)),
            answered: Mutex::default(),
            commands: Mutex::default(),
            judge: Mutex::default(),
        })
    }

    pub fn judge(&self, judge: impl FnMut(&Command) -> Fate + Send + 'static) {
        *self.judge.lock().unwrap() = Some(Box::new(judge));
    }

    pub fn commands(&self) -> Vec<Command> {
        self.commands.lock().unwrap().clone()
    }

    /// How many commands about recoveries were decided.
    pub fn of_recoveries(&self) -> usize {
        let is_it = |one: &&Command| {
            matches!(
                one,
                Command::RegisterRecovery(_) | Command::RecoveryStep { .. }
            )
        };
        self.commands().iter().filter(is_it).count()
    }

    /// Changes what is decided past all rules.
    pub fn edit(&self, change: impl FnOnce(&mut Decided)) {
        let mut state = self.state.lock().unwrap();
        let mut next = Decided::clone(&state);
        change(&mut next);
        *state = Arc::new(next);
    }

    pub fn decide(&self, proposal: &Proposal) -> Committed {
        let mut answered = self.answered.lock().unwrap();
        if let Some(known) = answered.get(&proposal.request) {
            return known.clone();
        }
        let mut state = self.state.lock().unwrap();
        let applied = apply(&state, proposal);
        let index = state.applied_index + 1;
        let mut next = Decided::clone(&state);
        next.absorb(index, applied.decided_at, &applied.changes);
        *state = Arc::new(next);
        let committed = Committed {
            index,
            reply: applied.reply,
        };
        answered.insert(proposal.request, committed.clone());
        self.commands.lock().unwrap().push(proposal.command.clone());
        committed
    }
}

impl DecisionReader for Log {
    fn decided(&self) -> Arc<Decided> {
        self.state.lock().unwrap().clone()
    }
}

/// A node's place: it leads or not.
pub struct Seat {
    pub log: Arc<Log>,
    pub fence: watch::Sender<Option<Fence>>,
    /// Another leads already, and this node does not know it yet.
    pub is_deposed: watch::Sender<bool>,
}

impl Seat {
    pub fn leading(log: &Arc<Log>, fence: u64) -> Arc<Self> {
        Arc::new(Self {
            log: Arc::clone(log),
            fence: watch::Sender::new(Some(Fence::from_number(fence))),
            is_deposed: watch::Sender::new(false),
        })
    }
}

impl Proposer for Seat {
    fn propose(&self, proposal: Proposal) -> BoxFuture<'_, Result<Committed, ProposeError>> {
        Box::pin(async move {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            if self.fence.borrow().is_none() || *self.is_deposed.borrow() {
                return Err(ProposeError::NotLeader { leader: None });
            }
            let fate = match &mut *self.log.judge.lock().unwrap() {
                Some(judge) => judge(&proposal.command),
                None => Fate::Decided,
            };
            let unknown = Err(ProposeError::Unknown {
                reason: "no answer".to_owned(),
            });
            match fate {
                Fate::Decided => Ok(self.log.decide(&proposal)),
                Fate::DecidedUnheard => {
                    self.log.decide(&proposal);
                    unknown
                }
                Fate::LostUnheard => unknown,
            }
        })
    }

    fn earlier(&self, request: u128) -> Option<Committed> {
        self.log.answered.lock().unwrap().get(&request).cloned()
    }
}

impl DecisionReader for Seat {
    fn decided(&self) -> Arc<Decided> {
        self.log.decided()
    }
}

impl Leadership for Seat {
    fn fence(&self) -> Option<Fence> {
        *self.fence.borrow()
    }

    fn confirm(&self, fence: Fence) -> BoxFuture<'_, Result<(), NotLeading>> {
        let leads = *self.fence.borrow() == Some(fence) && !*self.is_deposed.borrow();
        Box::pin(async move {
            match leads {
                true => Ok(()),
                false => Err(NotLeading {
                    reason: "another node leads".to_owned(),
                }),
            }
        })
    }

    fn changed(&self, seen: Option<Fence>) -> BoxFuture<'_, ()> {
        let mut fence = self.fence.subscribe();
        Box::pin(async move {
            let _ = fence.wait_for(|fence| *fence != seen).await;
        })
    }
}
