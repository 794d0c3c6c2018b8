//! Hooks at their moments.

use std::sync::Arc;

use orchestrator_core::domain::{InstanceKey, RecoveryId};
use orchestrator_core::ports::{HookOutcome, HookReport, HookRun};

use super::{Config, Deps};

/// When hooks run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Moment {
    /// Something was found.
    Detection,
    /// A recovery is registered, and nobody is touched yet.
    Before,
    /// A server was promoted in the place of a primary.
    AfterPrimary,
    /// A server was promoted.
    After,
    /// Nobody was promoted.
    AfterFailure,
}

impl Moment {
    /// The key of the configuration.
    pub fn key(self) -> &'static str {
        match self {
            Self::Detection => "OnFailureDetectionProcesses",
            Self::Before => "PreFailoverProcesses",
            Self::AfterPrimary => "PostMasterFailoverProcesses",
            Self::After => "PostFailoverProcesses",
            Self::AfterFailure => "PostUnsuccessfulFailoverProcesses",
        }
    }

    fn lines(self, config: &Config) -> &[String] {
        let lists = &config.hooks;
        match self {
            Self::Detection => &lists.on_detection,
            Self::Before => &lists.before,
            Self::AfterPrimary => &lists.after_primary,
            Self::After => &lists.after,
            Self::AfterFailure => &lists.after_failure,
        }
    }

    /// Whether the first hook that fails ends the list.
    fn ends_at_a_failure(self) -> bool {
        matches!(self, Self::Detection | Self::Before)
    }
}

/// What hooks are told.
#[derive(Clone, Debug)]
pub(super) struct About {
    pub id: RecoveryId,
    pub attempt: u32,
    pub code: String,
    pub description: String,
    pub command: String,
    pub failed: InstanceKey,
    pub cluster: String,
    pub cluster_alias: String,
    pub replicas: Vec<InstanceKey>,
    pub lost: Vec<InstanceKey>,
    pub successor: Option<InstanceKey>,
    pub successor_alias: String,
    pub is_successful: bool,
}

/// Runs the hooks of a moment, one after the other. The last report is a bad one where the list was ended.
pub(super) async fn run_hooks(
    deps: Arc<Deps>,
    config: Arc<Config>,
    moment: Moment,
    about: About,
) -> Vec<HookReport> {
    let mut reports = Vec::new();
    for line in moment.lines(&config) {
        let hook = composed(line, &about, &deps.node, &config);
        let report = deps.hooks.run(hook).await;
        tracing::info!(moment = moment.key(), command = %report.command, outcome = ?report.outcome, "a hook ran");
        let is_good = report.is_good();
        reports.push(report);
        if !is_good && moment.ends_at_a_failure() {
            break;
        }
    }
    reports
}

/// Whether a moment has any hooks.
pub(super) fn has_hooks(config: &Config, moment: Moment) -> bool {
    !moment.lines(config).is_empty()
}

/// The first hook that failed, told for people.
pub(super) fn failure(reports: &[HookReport]) -> Option<String> {
    let bad = reports.iter().find(|report| !report.is_good())?;
    Some(format!("{}: {}", bad.command, told(&bad.outcome)))
}

/// One line for each hook that ran.
pub(super) fn lines(moment: Moment, reports: &[HookReport]) -> Vec<String> {
    let count = reports.len();
    let one = |(number, report): (usize, &HookReport)| {
        format!(
            "{} hook {} of {count}: {}: {} after {} ms",
            moment.key(),
            number + 1,
            report.command,
            told(&report.outcome),
            report.took.as_millis()
        )
    };
    reports.iter().enumerate().map(one).collect()
}

fn told(outcome: &HookOutcome) -> String {
    match outcome {
        HookOutcome::Succeeded => "it succeeded".to_owned(),
        HookOutcome::Exited(code) => format!("it exited with {code}"),
        HookOutcome::Signalled(signal) => format!("signal {signal} ended it"),
        HookOutcome::TimedOut => "it took too long, and was ended".to_owned(),
        HookOutcome::NotStarted(why) => format!("it could not be started: {why}"),
        HookOutcome::Background => "it runs on in the background".to_owned(),
    }
}

fn composed(line: &str, about: &About, node: &str, config: &Config) -> HookRun {
    let listed = |keys: &[InstanceKey]| {
        let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
        keys.join(",")
    };
    let mut values = vec![
        ("failureType", "FAILURE_TYPE", about.code.clone()),
        ("failureDescription", "FAILURE_DESCRIPTION", about.description.clone()),
        ("command", "COMMAND", about.command.clone()),
        ("failedHost", "FAILED_HOST", about.failed.host().to_string()),
        ("failedPort", "FAILED_PORT", about.failed.port().to_string()),
        ("failureCluster", "FAILURE_CLUSTER", about.cluster.clone()),
        ("failureClusterAlias", "FAILURE_CLUSTER_ALIAS", about.cluster_alias.clone()),
        ("countReplicas", "COUNT_REPLICAS", about.replicas.len().to_string()),
        ("replicaHosts", "REPLICA_HOSTS", listed(&about.replicas)),
        ("lostReplicas", "LOST_REPLICAS", listed(&about.lost)),
        ("orchestratorHost", "ORCHESTRATOR_HOST", node.to_owned()),
        ("recoveryUID", "RECOVERY_UID", about.id.to_string()),
        ("isSuccessful", "IS_SUCCESSFUL", about.is_successful.to_string()),
        ("attempt", "RECOVERY_ATTEMPT", about.attempt.to_string()),
    ];
    if let Some(successor) = &about.successor {
        values.extend([
            ("successorHost", "SUCCESSOR_HOST", successor.host().to_string()),
            ("successorPort", "SUCCESSOR_PORT", successor.port().to_string()),
            ("successorAlias", "SUCCESSOR_ALIAS", about.successor_alias.clone()),
        ]);
    }
    HookRun {
        line: line.to_owned(),
        placeholders: values
            .iter()
            .map(|(name, _, value)| ((*name).to_owned(), value.clone()))
            .collect(),
        environment: values
            .iter()
            .map(|(_, name, value)| (format!("ORC_{name}"), value.clone()))
            .collect(),
        timeout: config.hooks.timeout,
    }
}
