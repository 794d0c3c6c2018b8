//! Runs a list of hooks, one after the other, and tells a recovery's record about it in the predecessor's words.
//!
//! Which lists come up when is said by `recovery::hooks`; what a hook is told by `legacy::hooks`; how one is run is the
//! adapter's matter.

use std::time::Duration;

use orchestrator_core::legacy::hooks::{HookFacts, HookList, TakenSource, command_of, expand};
use orchestrator_core::ports::{HookReport, HookRun, HookRunner};
use orchestrator_core::recovery::hooks::HookFailure;

/// How much of a failed hook's output goes into the record of a recovery, in bytes: the record is agreed upon by all nodes, and
/// the log of this one has the whole.
const NOTED_BYTES_MAX: usize = 2 * 1024;

/// A list of hooks to be run now.
#[derive(Clone, Debug)]
pub struct HookListRun {
    /// Which.
    pub list: HookList,
    /// Its lines, as configured.
    pub lines: Vec<String>,
    /// Placeholders with exact values.
    pub placeholders: Vec<(String, String)>,
    /// Variables with exact values.
    pub environment: Vec<(String, String)>,
    /// Arguments of each.
    pub arguments: Vec<String>,
    /// How long each may take; `None` without bound.
    pub timeout: Option<Duration>,
}

/// What came of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HookListOutcome {
    /// What went wrong first; `None` when all went well, those in the background included.
    pub first_failure: Option<String>,
    /// Whether the recovery must not go on because of it.
    pub stops_recovery: bool,
}

impl HookListRun {
    /// A list that is told about a recovery or detection.
    pub fn about(
        list: HookList,
        lines: &[String],
        facts: &HookFacts,
        timeout: Option<Duration>,
    ) -> Self {
        Self {
            list,
            lines: lines.to_vec(),
            placeholders: owned(facts.placeholders()),
            environment: owned(facts.environment()),
            arguments: Vec::new(),
            timeout,
        }
    }

    /// `PostTakeMasterProcesses`.
    pub fn taken_source(lines: &[String], taken: &TakenSource, timeout: Option<Duration>) -> Self {
        Self {
            list: HookList::AfterTakingSource,
            lines: lines.to_vec(),
            placeholders: Vec::new(),
            environment: owned(taken.environment()),
            arguments: taken.arguments(),
            timeout,
        }
    }

    /// Runs them in their order. `note` gets a line for the record at each beginning and end; plain lists have none.
    ///
    /// Dropped, it ends the hook that runs, and begins no other.
    pub async fn run(
        &self,
        runner: &dyn HookRunner,
        note: &mut (dyn FnMut(String) + Send),
    ) -> HookListOutcome {
        let (list, count) = (self.list, self.lines.len());
        let mut tell = |text: String| {
            if !list.is_plain() {
                note(text);
            }
        };
        if count == 0 {
            tell(format!("No {list} hooks to run"));
            return HookListOutcome::default();
        }
        tell(format!("Running {count} {list} hooks"));
        let mut first_failure = None;
        for (index, line) in self.lines.iter().enumerate() {
            let name = self.name(index, line);
            tell(format!("Running {name}: {}", self.command(line)));
            let report = runner.run(self.hook(line)).await;
            tell(ended(&name, &report));
            log(&name, &report);
            if report.is_good() {
                continue;
            }
            first_failure.get_or_insert_with(|| format!("{name}: {}", reason(&report)));
            if HookFailure::of(list).stops_list() {
                tell(format!("Not running further {list} hooks"));
                break;
            }
        }
        tell(format!("done running {list} hooks"));
        HookListOutcome {
            stops_recovery: first_failure.is_some()
                && HookFailure::of(list) == HookFailure::StopsRecovery,
            first_failure,
        }
    }

    fn name(&self, index: usize, line: &str) -> String {
        let (list, number, count) = (self.list, index + 1, self.lines.len());
        let name = format!("{list} hook {number} of {count}");
        match !list.is_plain() && command_of(line).1 {
            true => format!("{name} (async)"),
            false => name,
        }
    }

    /// What the shell will be given.
    fn command(&self, line: &str) -> String {
        match self.list.is_plain() {
            true => line.to_owned(),
            false => expand(command_of(line).0, &self.placeholders),
        }
    }

    fn hook(&self, line: &str) -> HookRun {
        HookRun {
            line: line.to_owned(),
            arguments: self.arguments.clone(),
            may_run_on: !self.list.is_plain(),
            placeholders: self.placeholders.clone(),
            environment: self.environment.clone(),
            timeout: self.timeout,
        }
    }
}

fn owned(values: Vec<(&'static str, String)>) -> Vec<(String, String)> {
    let values = values.into_iter();
    values
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn ended(name: &str, report: &HookReport) -> String {
    let took = report.took;
    match report.is_good() {
        true => format!("Completed {name} in {took:?}"),
        false => format!(
            "Execution of {name} failed in {took:?} with error: {}",
            reason(report)
        ),
    }
}

/// `(exit status 3) what it printed`, of which the end is kept: that is where errors are.
fn reason(report: &HookReport) -> String {
    let output = report.output.trim();
    let mut begin = output.len().saturating_sub(NOTED_BYTES_MAX);
    while !output.is_char_boundary(begin) {
        begin += 1;
    }
    let dots = if begin > 0 { "…" } else { "" };
    let text = format!("({}) {dots}{}", report.outcome, &output[begin..]);
    text.trim_end().to_owned()
}

fn log(name: &str, report: &HookReport) {
    let (command, output) = (&report.command, report.output.trim_end());
    let (outcome, took) = (&report.outcome, report.took);
    if report.is_good() {
        tracing::info!(command, output, %outcome, ?took, "{name}");
    } else {
        tracing::warn!(command, output, %outcome, ?took, "{name} failed");
    }
}

#[cfg(test)]
mod tests;
