//! Hooks at their moments: which lines, what they are told, what a failing one stops.

use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::domain::{Recovery, RecoveryKind};
use orchestrator_core::legacy::hooks::{HookCommand, HookFacts, HookList, TakenSource};
use orchestrator_core::ports::{HookReport, HookRun};
use orchestrator_core::recovery::hooks::{HookFailure, HookMoment, hook_lists};

use super::scope::Scope;
use super::{Config, Deps};

/// A list of hooks that was run.
pub(super) struct RanList {
    pub list: HookList,
    pub reports: Vec<HookReport>,
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
        let first = (is_after && self.taken.is_some() && !self.are_skipped)
            .then_some(HookList::AfterTakingSource);
        first.into_iter().chain(own.iter().copied()).collect()
    }

    /// Runs the hooks of a moment, one after the other.
    pub async fn run(self, moment: HookMoment, kind: RecoveryKind) -> Vec<RanList> {
        let mut ran = Vec::new();
        for list in self.lists(moment, kind) {
            let mut reports = Vec::new();
            for line in self.config.hooks.of(list) {
                let report = self.deps.hooks.run(self.composed(list, line)).await;
                tracing::info!(list = list.key(), command = %report.command, outcome = ?report.outcome, "a hook ran");
                let is_good = report.is_good();
                reports.push(report);
                if !is_good && HookFailure::of(list).stops_list() {
                    break;
                }
            }
            ran.push(RanList { list, reports });
        }
        ran
    }

    fn composed(&self, list: HookList, line: &str) -> HookRun {
        let owned = |values: Vec<(&str, String)>| {
            let values = values.into_iter();
            values
                .map(|(name, value)| (name.to_owned(), value))
                .collect()
        };
        let base = HookRun {
            line: line.to_owned(),
            arguments: vec![],
            may_run_on: !list.is_plain(),
            placeholders: vec![],
            environment: vec![],
            timeout: self.config.hooks.timeout,
        };
        match &self.taken {
            Some(taken) if list == HookList::AfterTakingSource => HookRun {
                arguments: taken.arguments(),
                environment: owned(taken.environment()),
                ..base
            },
            _ => HookRun {
                placeholders: owned(self.facts.placeholders()),
                environment: owned(self.facts.environment()),
                ..base
            },
        }
    }
}

/// What hooks are told of a recovery, as far as it is known before its end.
pub(super) fn facts_of(scope: &Scope, recovery: &Recovery, command: HookCommand) -> HookFacts {
    HookFacts {
        description: description(recovery.code),
        command,
        recovers_primary: super::look::recovers_by_itself(
            &scope.config,
            &recovery.cluster,
            &recovery.cluster_alias,
        ),
        node: scope.deps.node.clone(),
        ..HookFacts::of(scope.id, recovery)
    }
}

/// A finding in words.
pub(super) fn description(code: orchestrator_core::domain::FindingCode) -> String {
    let rule = orchestrator_core::analysis::rules::all().find(|rule| rule.code == code);
    rule.map(|rule| rule.sentence.to_owned())
        .unwrap_or_default()
}

/// The first hook that failed, told for people, in a list whose failures stop a recovery.
pub(super) fn stopping_failure(ran: &[RanList]) -> Option<String> {
    let stopping = ran
        .iter()
        .filter(|one| HookFailure::of(one.list) == HookFailure::StopsRecovery);
    let mut reports =
        stopping.flat_map(|one| one.reports.iter().map(move |report| (one.list, report)));
    let (list, bad) = reports.find(|(_, report)| !report.is_good())?;
    let told = &bad.outcome;
    Some(format!(
        "a hook of {} failed: {}: {told}",
        list.key(),
        bad.command
    ))
}

/// One line for each hook that ran.
pub(super) fn lines(ran: &[RanList]) -> Vec<String> {
    let all = ran.iter().flat_map(|one| {
        let count = one.reports.len();
        let numbered = one.reports.iter().zip(1..);
        numbered.map(move |(report, number)| line(one.list, number, count, report))
    });
    all.collect()
}

fn line(list: HookList, number: usize, count: usize, report: &HookReport) -> String {
    let millis = Duration::as_millis(&report.took);
    let told = &report.outcome;
    let list = list.key();
    format!(
        "{list} hook {number} of {count}: {}: {told} after {millis} ms",
        report.command
    )
}
