//! Findings, written down once for as long as they last; hooks are told of each.

use std::sync::Arc;

use orchestrator_core::analysis::Finding;
use orchestrator_core::analysis::rules::Registration;
use orchestrator_core::decided::{Command, Decided, RecoveryStepCommand, RegisterDetection, Reply};
use orchestrator_core::domain::{Detection, Fence, RecoveryId, RecoveryKind, Timestamp};
use orchestrator_core::legacy::hooks::{HookFacts, HookSubject};
use orchestrator_core::recovery::Demand;
use orchestrator_core::recovery::hooks::HookMoment;

use super::look::{View, domain_of, is_named};
use super::moments::{Hooks, command_of};
use super::scope::Scope;
use super::{Config, Deps, WhyNot, metrics};

/// The detection that a finding is written down as, where it is.
pub(super) fn active<'a>(
    decided: &'a Decided,
    finding: &Finding,
    now: Timestamp,
) -> Option<&'a Arc<Detection>> {
    let is_actionable = finding.registration == Registration::Actionable;
    let mut newest_first = decided.detections.values().rev();
    newest_first.find(|known| {
        known.subject == finding.subject
            && known.is_actionable == is_actionable
            && now < known.active_until
    })
}

/// The id for a recovery of a finding: that of its detection, unless a recovery had it already.
pub(super) fn id_of(deps: &Deps, view: &View, finding: &Finding) -> RecoveryId {
    match active(&view.decided, finding, view.now) {
        Some(known) => unused(deps, known.recovery),
        None => RecoveryId::from_number(deps.ids.unique()),
    }
}

/// Writes a finding down, unless it is; then hooks run. Returns the id for a recovery of it, which is that of `scope` unless somebody else was
/// first. A failing hook ends the list and holds up nothing.
///
/// # Errors
/// [`WhyNot`].
pub(super) async fn write_down(
    scope: &Scope,
    view: &View,
    finding: &Finding,
    demand: &Demand,
) -> Result<RecoveryId, WhyNot> {
    let Scope {
        deps,
        config,
        id,
        fence,
    } = scope;
    let (id, fence) = (*id, *fence);
    if active(&view.decided, finding, view.now).is_some() {
        return Ok(id);
    }
    let now = deps.clock.now();
    // Where configuration wants no such time, it is written down again with the next look.
    let active_for = config.detection_block_period.max(config.look_every);
    let command = RegisterDetection {
        recovery: id,
        code: finding.code,
        subject: finding.subject.clone(),
        cluster: finding.cluster.to_string(),
        cluster_alias: view.alias(&finding.cluster, config),
        replicas: finding.facts.replicas.all.clone(),
        is_actionable: finding.registration == Registration::Actionable,
        description: finding.sentence.to_owned(),
        node: deps.node.clone(),
        active_until: now.plus(active_for),
        kept_until: now.plus(config.kept_for.max(active_for)),
    };
    let is_ours = move |decided: &Decided| {
        let mut known = decided.detections.values();
        known.any(|known| known.recovery == id)
    };
    let command = Command::RegisterDetection(Box::new(command));
    let origin = deps.own_origin();
    let reply = deps.decide(fence, origin, command, is_ours).await;
    match reply.map_err(|why| WhyNot::NotWritten(why.to_string()))? {
        Reply::Unchanged if !is_ours(&deps.decisions.decided()) => {
            let decided = deps.decisions.decided();
            let known = active(&decided, finding, now);
            return Ok(known.map_or(id, |known| unused(deps, known.recovery)));
        }
        _ => {}
    }
    metrics::detection_written();
    tracing::warn!(recovery = %id, server = %finding.subject, code = ?finding.code, "found: {}", finding.sentence);
    tell_hooks(deps, config, fence, view, finding, (id, demand)).await;
    Ok(id)
}

/// The id, unless a recovery had it already: then another.
fn unused(deps: &Deps, id: RecoveryId) -> RecoveryId {
    match deps.decisions.decided().recoveries.contains_key(&id) {
        true => RecoveryId::from_number(deps.ids.unique()),
        false => id,
    }
}

async fn tell_hooks(
    deps: &Arc<Deps>,
    config: &Arc<Config>,
    fence: Fence,
    view: &View,
    finding: &Finding,
    (id, demand): (RecoveryId, &Demand),
) {
    let cluster_alias = view.alias(&finding.cluster, config);
    let facts = HookFacts {
        code: finding.code,
        subject: match finding.facts.is_co_primary {
            true => HookSubject::CoPrimary,
            false => HookSubject::Primary,
        },
        failed: finding.subject.clone(),
        description: finding.sentence.to_owned(),
        command: command_of(demand),
        cluster: finding.cluster.to_string(),
        recovers_primary: is_named(
            &config.recovery.primary_clusters,
            &finding.cluster,
            &cluster_alias,
        ),
        recovers_intermediate: is_named(
            &config.intermediate_clusters,
            &finding.cluster,
            &cluster_alias,
        ),
        cluster_alias,
        cluster_domain: domain_of(&view.picture, &finding.subject),
        replicas: finding.facts.replicas.all.clone(),
        is_in_downtime: finding.facts.downtime.is_some(),
        node: deps.node.clone(),
        recovery: id,
        attempt: 1,
        successor: None,
        lost: vec![],
    };
    let hooks = Hooks {
        deps: Arc::clone(deps),
        config: Arc::clone(config),
        facts,
        taken: None,
        are_skipped: demand.skips_hooks,
    };
    if !hooks.has_any(HookMoment::Detected, RecoveryKind::DeadPrimary) {
        return;
    }
    let ran = hooks
        .run(HookMoment::Detected, RecoveryKind::DeadPrimary)
        .await;
    let notes = ran.notes;
    if notes.is_empty() {
        return;
    }
    let step = Box::new(RecoveryStepCommand::Note { notes });
    let command = Command::RecoveryStep { id, step };
    let noted = deps.decide(fence, deps.own_origin(), command, |_| false);
    if let Err(why) = noted.await {
        tracing::warn!(recovery = %id, %why, "what hooks came to could not be written down");
    }
}
