//! Hooks at their moments: which lines, what they are told, what a failing one stops.

use std::sync::Arc;

use orchestrator_core::analysis::rules;
use orchestrator_core::decided::Decided;
use orchestrator_core::domain::{Recovery, RecoveryKind, Timestamp};
use orchestrator_core::legacy::hooks::{HookCommand, HookFacts, HookList, TakenSource};
use orchestrator_core::recovery::hooks::{HookMoment, hook_lists};
use orchestrator_core::recovery::{Demand, DemandLevel};

use super::hooks::HookListRun;
use super::look::{domain_of, is_named};
use super::scope::Scope;
use super::{Config, Deps};

/// What came of the hooks of a moment.
#[derive(Default)]
pub(super) struct Ran {
    /// Lines for the record, each with its time.
    pub notes: Vec<(Timestamp, String)>,
    /// Why the recovery must not go on.
    pub stops: Option<String>,
}

/// Which lists come up, and what they are told.
pub(super) struct Hooks {
    pub deps: Arc<Deps>,
    pub config: Arc<Config>,
    pub facts: HookFacts,
    /// Whose place was taken, for `PostTakeMasterProcesses`.
    pub taken: Option<TakenSource>,
    /// Nobody wants any (`recover-lite`).
    pub are_skipped: bool,
}

impl Hooks {
    /// Whether there is anything to run at a moment.
    pub fn has_any(&self, moment: HookMoment, kind: RecoveryKind) -> bool {
        let mut lists = self.lists(moment, kind).into_iter();
        lists.any(|list| !self.config.hooks.of(list).is_empty())
    }

    fn lists(&self, moment: HookMoment, kind: RecoveryKind) -> Vec<HookList> {
        let own = hook_lists(moment, kind, self.are_skipped);
        let is_after = matches!(moment, HookMoment::Ended(_));
        // These are run for whoever wants no hooks too.
        let first = (is_after && self.taken.is_some()).then_some(HookList::AfterTakingSource);
        first.into_iter().chain(own.iter().copied()).collect()
    }

    /// Runs the hooks of a moment, one after the other.
    pub async fn run(self, moment: HookMoment, kind: RecoveryKind) -> Ran {
        let mut ran = Ran::default();
        for list in self.lists(moment, kind) {
            let clock = Arc::clone(&self.deps.clock);
            let notes = &mut ran.notes;
            let mut note = |line: String| notes.push((clock.now(), line));
            let run = self.list_run(list);
            let outcome = run.run(self.deps.hooks.as_ref(), &mut note).await;
            if outcome.stops_recovery {
                ran.stops = outcome.first_failure;
                break;
            }
        }
        ran
    }

    fn list_run(&self, list: HookList) -> HookListRun {
        let lists = &self.config.hooks;
        match &self.taken {
            Some(taken) if list == HookList::AfterTakingSource => {
                HookListRun::taken_source(lists.of(list), taken, lists.timeout)
            }
            _ => HookListRun::about(list, lists.of(list), &self.facts, lists.timeout),
        }
    }
}

/// Which command of an operator hooks are told of.
pub(super) fn command_of(demand: &Demand) -> HookCommand {
    match (demand.level, &demand.candidate) {
        (DemandLevel::Forced, None) => HookCommand::ForceFailover,
        (DemandLevel::Forced, Some(_)) => HookCommand::ForceTakeover,
        (DemandLevel::Automatic | DemandLevel::ByHand, _) => HookCommand::None,
    }
}

/// What hooks are told of a recovery, as far as it is known before its end.
pub(super) fn facts_of(scope: &Scope, recovery: &Recovery, command: HookCommand) -> HookFacts {
    let (config, subject) = (&scope.config, &recovery.subject);
    let is_named = |filters| is_named(filters, &recovery.cluster, &recovery.cluster_alias);
    let decided = scope.deps.decisions.decided();
    HookFacts {
        description: description(scope, recovery, &decided),
        command,
        recovers_primary: is_named(&config.recovery.primary_clusters),
        recovers_intermediate: is_named(&config.intermediate_clusters),
        cluster_domain: domain_of(&scope.deps.picture.picture(), subject),
        is_in_downtime: decided.downtime_at(subject, scope.now()).is_some(),
        node: scope.deps.node.clone(),
        ..HookFacts::of(scope.id, recovery)
    }
}

/// What was found, in the words in which it was written down.
fn description(scope: &Scope, recovery: &Recovery, decided: &Decided) -> String {
    let own = decided.detections.get(&recovery.detection);
    if let Some(own) = own.filter(|own| own.recovery == scope.id) {
        return own.description.clone();
    }
    let rule = rules::all().find(|rule| rule.code == recovery.code);
    rule.map(|rule| rule.sentence.to_owned())
        .unwrap_or_default()
}
