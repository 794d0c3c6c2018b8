//! What is being done about a finding now, and if nothing, why.
//!
//! The loop that recovers knows best, and is asked first. What it has not looked at yet is judged here by the same gate that
//! it asks, over the same facts.

use std::sync::Arc;

use orchestrator_core::analysis::Finding;
use orchestrator_core::analysis::rules::Registration;
use orchestrator_core::decided::Decided;
use orchestrator_core::domain::{InstanceKey, Recovery, RecoveryId, Timestamp};
use orchestrator_core::ports::NothingDone;
use orchestrator_core::recovery::{
    Blocked, Gate, GlobalSwitch, History, PastRecovery, Request, gate, servers_touched,
};

use super::AppState;
use super::view::Examined;

/// What is done about a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doing {
    /// This recovery is about it.
    UnderWay(RecoveryId),
    /// Nothing.
    Nothing(Reason),
}

/// Why nothing is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// One sentence.
    pub text: String,
    /// The recovery that holds this one back.
    pub blocked_by: Option<RecoveryId>,
    /// Since when this has been the reason; `None` when that is not kept.
    pub since: Option<Timestamp>,
}

impl Reason {
    fn just(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            blocked_by: None,
            since: None,
        }
    }
}

impl Doing {
    /// The reason, when nothing is done.
    pub fn reason(&self) -> Option<&Reason> {
        match self {
            Self::UnderWay(_) => None,
            Self::Nothing(reason) => Some(reason),
        }
    }
}

/// What is done about the findings of one examination.
pub struct Doings<'a> {
    examined: &'a Examined,
    has_loop: bool,
    told: Arc<Vec<NothingDone>>,
    history: History,
}

impl<'a> Doings<'a> {
    /// As far as this node knows.
    pub fn of(state: &AppState, examined: &'a Examined) -> Self {
        let told = state.recoveries.as_ref();
        Self {
            examined,
            has_loop: told.is_some(),
            told: told.map(|loops| loops.nothing_done()).unwrap_or_default(),
            history: history(examined),
        }
    }

    /// What is done about one of them.
    pub fn about(&self, finding: &Finding) -> Doing {
        if let Some(id) = under_way(self.examined.view.decided(), &finding.subject) {
            return Doing::UnderWay(id);
        }
        let told = self.told.iter();
        let mut told =
            told.filter(|told| told.subject == finding.subject && told.code == finding.code);
        Doing::Nothing(match told.next() {
            Some(told) => Reason {
                text: told.why.clone(),
                blocked_by: told.blocked_by.as_deref().and_then(|id| id.parse().ok()),
                since: Some(told.since),
            },
            None => self.judged(finding),
        })
    }

    fn judged(&self, finding: &Finding) -> Reason {
        let config = self.examined.view.config();
        let servers = match finding.registration {
            Registration::Actionable => servers_touched(&self.examined.scene(), &finding.subject),
            Registration::None | Registration::Registered => vec![],
        };
        let request = Request {
            finding,
            cluster_alias: self.examined.view.alias_of_name(&finding.cluster),
            servers: &servers,
            is_forced: false,
        };
        let answer = gate(&request, &self.history, &config.recovery, self.examined.at);
        match answer {
            Gate::Blocked(why) => Reason {
                blocked_by: holder(&why).and_then(|id| id.parse().ok()),
                ..Reason::just(why.to_string())
            },
            Gate::Proceed(_) if self.has_loop => {
                Reason::just("nothing stands in the way: a recovery begins at the next look")
            }
            Gate::Proceed(_) => Reason::just("this node carries out no recoveries"),
        }
    }
}

/// The recovery under way that is about this server.
fn under_way(decided: &Decided, subject: &InstanceKey) -> Option<RecoveryId> {
    let mut unfinished = decided.unfinished_recoveries();
    let found = unfinished.find(|(_, recovery)| recovery.subject == *subject);
    found.map(|(id, _)| id)
}

/// The recovery that holds another back.
fn holder(why: &Blocked) -> Option<&str> {
    match why {
        Blocked::UnderWay { id, .. } | Blocked::BlockPeriod { id, .. } => Some(id),
        _ => None,
    }
}

/// What the gate looks at: recoveries under way, and those in their block period.
fn history(examined: &Examined) -> History {
    let (decided, block_period) = (
        examined.view.decided(),
        examined.view.config().recovery.block_period,
    );
    let switched_off = decided.recoveries_disabled.as_ref();
    let counts = |recovery: &Recovery| {
        let until = recovery.blocks_until(block_period);
        recovery.end.is_none() || until.is_some_and(|until| examined.at < until)
    };
    let recoveries = decided.recoveries.iter();
    let recoveries = recoveries.filter(|(_, recovery)| counts(recovery));
    History {
        switch: switched_off.map_or(GlobalSwitch::On, |off| GlobalSwitch::Off {
            by: off.by.clone(),
        }),
        recoveries: recoveries
            .map(|(id, recovery)| PastRecovery::of(*id, recovery))
            .collect(),
    }
}
