//! From a finding to a registered recovery: written down, let through, looked at again, planned, connected, registered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::analysis::{Finding, Stalls, asserted_dead};
use orchestrator_core::decided::codec::encode;
use orchestrator_core::decided::{Command, Origin, RecoveryStepCommand, RegisterRecovery, Reply};
use orchestrator_core::domain::{
    Fence, InstanceKey, Phase, RecoveryId, RecoveryKind, RecoverySessionId,
};
use orchestrator_core::legacy::hooks::HookList;
use orchestrator_core::recovery::plan::{Action, Plan, Progress, StepState, plan_for};
use orchestrator_core::recovery::ranking::{Ranking, rank};
use orchestrator_core::recovery::{Demand, DemandLevel, recovery_for, servers_touched};
use tracing::Instrument as _;

use super::detection;
use super::fresh::{look_again, look_at_changed};
use super::look::View;
use super::others::nobody_hears;
use super::proposing::Undecided;
use super::recovery_loop::Shared;
use super::run::{Beginning, Ended, Pending, Run, is_decided};
use super::scope::{Lost, Scope};
use super::sessions::{Looking, Opened, Opening};
use super::{Config, Deps, WhyNot};

/// How long a closer look is good for. What follows it is one command, and hooks: those may take long, and then it is looked again.
const LOOK_LASTS: Duration = Duration::from_millis(500);

/// How long it holds that nobody hears a primary: members that are far away need about as long for saying so.
const HEARD_LASTS: Duration = Duration::from_millis(250);

/// How often it is looked whether beats say by now what a probe is waited for: a fortieth of what a silent server makes the probe wait.
const BEATS_LOOKED_AT_EVERY: Duration = Duration::from_millis(50);

/// A recovery that is wanted.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub subject: InstanceKey,
    pub demand: Demand,
    /// Who asked for it; empty where nobody did.
    pub who: String,
    pub whence: String,
    /// Its servers are connected to while it is looked into whether it may begin: far away, that takes as long.
    pub connects_ahead: bool,
}

/// What came of a recovery that was begun.
pub(super) struct Begun {
    pub id: RecoveryId,
    pub ended: Result<Ended, Lost>,
}

/// What is decided about a recovery before it is registered.
struct Intent {
    id: RecoveryId,
    kind: RecoveryKind,
    finding: Finding,
    view: View,
    plan: Plan,
    ranking: Option<Ranking>,
    /// When it was known that nobody hears the primary.
    heard_at: Duration,
}

/// Begins a recovery and carries it out.
///
/// # Errors
/// [`WhyNot`]: nothing was done.
pub(super) async fn recover(
    shared: Arc<Shared>,
    fence: Fence,
    wanted: Wanted,
    stalls: Stalls,
) -> Result<Begun, WhyNot> {
    let deps = &shared.deps;
    let config = shared.config();
    let view = View::take(deps, &stalls);
    let finding = finding(&view, &config, &wanted)?;
    let mut scope = Scope {
        deps: Arc::clone(deps),
        config,
        id: detection::id_of(deps, &view, &finding),
        fence,
    };
    let mut opening = Opening::of(scope.clone());
    let is_forced = wanted.demand.level != DemandLevel::Automatic;
    let may_begin = view.gate(&finding, &scope.config, is_forced).is_ok();
    if wanted.connects_ahead && may_begin && scope.leads().await.is_ok() {
        opening.begin(finding.facts.replicas.all.iter().cloned());
    }
    let intent = intent(&scope, (view, finding), &wanted, &stalls).await?;
    let id = intent.id;
    if id != scope.id {
        // Those that are open say that they are another's.
        scope.id = id;
        opening = Opening::of(scope.clone());
    }
    let Some(_own) = shared.own(id) else {
        return Err(WhyNot::UnderWay);
    };
    let span = tracing::info_span!("recovery", id = %id, fence = fence.number());
    let steps = intent.plan.steps.iter();
    let changed: BTreeSet<InstanceKey> = steps.map(|step| step.on.clone()).collect();
    let begun = register(&shared, scope, intent, opening, &wanted);
    let run = begun.instrument(span.clone()).await?;
    shared.reasons.forget(&wanted.subject);
    let ended = run.carry_out().instrument(span).await;
    if let Err(lost) = &ended {
        tracing::warn!(recovery = %id, %lost, "the recovery is not carried on here");
    }
    if let Ok(ended) = &ended {
        // Its old primary is to be watched at once.
        shared.look_again();
        look_at_changed(&shared.deps, ended, changed).await;
    }
    Ok(Begun { id, ended })
}

async fn intent(
    scope: &Scope,
    (view, finding): (View, Finding),
    wanted: &Wanted,
    stalls: &Stalls,
) -> Result<Intent, WhyNot> {
    let Scope { deps, config, .. } = scope;
    let is_forced = wanted.demand.level != DemandLevel::Automatic;
    let may_begin = view.gate(&finding, config, is_forced).is_ok();
    let looked_at = deps.clock.monotonic();
    // Side by side: far away, each of them takes as long as the other.
    let (heard, ()) = tokio::join!(
        biased;
        heard_elsewhere(deps, wanted),
        async {
            if may_begin {
                look_closer(deps, &view, &finding).await;
            }
        },
    );
    heard?;
    let heard_at = deps.clock.monotonic();
    let id = detection::write_down(scope, &view, &finding, &wanted.demand).await?;
    view.gate(&finding, config, is_forced)?;
    let age = deps.clock.monotonic().saturating_sub(looked_at);
    if !may_begin || age > LOOK_LASTS {
        look_closer(deps, &view, &finding).await;
    }
    let view = View::take(deps, stalls);
    let finding = self::finding(&view, config, wanted)?;
    if recovery_for(finding.code).is_none() {
        return Err(WhyNot::NotSeenAgain(finding.sentence.to_owned()));
    }
    let kind = view.gate(&finding, config, is_forced)?;
    let alias = view.alias(&finding.cluster, config);
    let (policy, dead) = (
        config.recovery_of(&finding.cluster, &alias),
        &wanted.subject,
    );
    let plan = plan_for(&view.scene(), dead, &policy, &wanted.demand)?;
    let ranking = rank(&view.scene(), dead, &policy).ok();
    Ok(Intent {
        id,
        kind,
        finding,
        view,
        plan,
        ranking,
        heard_at,
    })
}

/// Whether somebody else hears the primary, where nobody insists on its recovery.
async fn heard_elsewhere(deps: &Deps, wanted: &Wanted) -> Result<(), WhyNot> {
    match wanted.demand.level {
        DemandLevel::Automatic => Ok(nobody_hears(deps, &wanted.subject).await?),
        _ => Ok(()),
    }
}

/// Probes the server that a finding is about, and its replicas.
async fn look_closer(deps: &Arc<Deps>, view: &View, finding: &Finding) {
    let subject = &finding.subject;
    let replicas = view.topology.replicas_of(subject).iter().cloned();
    tokio::join!(
        biased;
        look_again(deps, replicas.collect()),
        async {
            tokio::select! {
                biased;
                // Beats know it better than a probe, which would wait for a silent server.
                () = beats_say_no(deps, subject) => {}
                () = look_again(deps, vec![subject.clone()]) => {}
            }
        },
    );
}

/// Completes when beats are evidence against this server.
async fn beats_say_no(deps: &Deps, server: &InstanceKey) {
    loop {
        let beats = deps.beats.beats();
        let beat = beats.of(server);
        if beat.is_some_and(|beat| beat.standing.is_against()) {
            return;
        }
        deps.clock.sleep(BEATS_LOOKED_AT_EVERY).await;
    }
}

/// What is found about the server now. Where an operator insists, the operator's word is enough.
fn finding(view: &View, config: &Config, wanted: &Wanted) -> Result<Finding, WhyNot> {
    let subject = &wanted.subject;
    let findings = view.analysis(config).findings;
    let found = findings.into_iter().find(|one| one.subject == *subject);
    let has_recovery = |one: &Finding| recovery_for(one.code).is_some();
    let is_automatic = wanted.demand.level == DemandLevel::Automatic;
    match found {
        Some(found) if has_recovery(&found) || is_automatic => Ok(found),
        other => {
            let asserted = wanted
                .demand
                .is_forced()
                .then(|| asserted_dead(&view.scene(), subject, &config.analysis))
                .flatten();
            asserted.ok_or_else(|| {
                WhyNot::NotSeenAgain(other.map_or_else(
                    || format!("nothing is found about {subject}"),
                    |found| format!("{}, and there is no recovery for that", found.sentence),
                ))
            })
        }
    }
}

/// Opens connections, and registers. Nothing has been touched before, and nothing is where this fails.
async fn register(
    shared: &Arc<Shared>,
    scope: Scope,
    intent: Intent,
    mut opening: Opening,
    wanted: &Wanted,
) -> Result<Run, WhyNot> {
    let not_leading = |why: Lost| WhyNot::NotLeading(why.to_string());
    scope.leads().await.map_err(not_leading)?;
    let servers: BTreeSet<InstanceKey> = intent
        .plan
        .steps
        .iter()
        .map(|step| step.on.clone())
        .collect();
    opening.begin(servers.iter().cloned());
    // Once more, and as late as can be, where what was done since has taken its time.
    let now = scope.deps.clock.monotonic();
    let is_known = now.saturating_sub(intent.heard_at) < HEARD_LASTS;
    let (opened, heard) = tokio::join!(
        biased;
        opening.finish(&servers),
        async {
            match is_known {
                true => Ok(()),
                false => heard_elsewhere(&scope.deps, wanted).await,
            }
        },
    );
    heard?;
    has_the_important_ones(&intent.plan, &opened)?;
    let max = scope.config.recovery.recoveries_max;
    let running = shared.running();
    if wanted.demand.level == DemandLevel::Automatic && running > max {
        return Err(WhyNot::TooMany {
            running: running - 1,
            max,
        });
    }
    let command = command(&scope, &intent, wanted, &opened)?;
    let (id, fence) = (scope.id, scope.fence);
    let origin = Origin {
        who: match wanted.who.as_str() {
            "" => scope.deps.node.clone(),
            who => who.to_owned(),
        },
        whence: wanted.whence.clone(),
    };
    scope.leads().await.map_err(not_leading)?;
    let command = Command::RegisterRecovery(Box::new(command));
    let is_ours = move |decided: &orchestrator_core::decided::Decided| {
        let recovery = decided.recoveries.get(&id);
        recovery.is_some_and(|it| it.fence == fence)
    };
    // The first look over each connection needs no record.
    let sessions = opened.sessions.into_iter();
    let looking = sessions.map(|(server, session)| (server, Looking::over(session)));
    let looking: BTreeMap<InstanceKey, Looking> = looking.collect();
    let (decided, stop_is_recorded) = tokio::join!(
        biased;
        scope.deps.decide(fence, origin, command, is_ours),
        record_stops(&scope, &intent),
    );
    match decided {
        Ok(Reply::Done | Reply::Unchanged | Reply::Acknowledged(_) | Reply::Imported { .. }) => {}
        Ok(Reply::Refused(why)) | Err(Undecided::Refused(why)) => return Err(why.into()),
        Err(why @ Undecided::NotLeading) => return Err(WhyNot::NotLeading(why.to_string())),
        Err(why @ Undecided::InVain(_)) => return Err(WhyNot::Unknown(why.to_string())),
    }
    begin(scope, intent, looking, stop_is_recorded)
}

/// Proposes, behind the command that registers it and without waiting for that, to write down that receivers may have been stopped: the next
/// thing that is done, where no hooks come before. Refused where the other is; whether it is decided.
async fn record_stops(scope: &Scope, intent: &Intent) -> bool {
    let now = scope.now();
    let steps = intent.plan.steps.iter().enumerate();
    let stops = steps
        .filter(|(_, step)| step.action == Action::StopReceiver && step.phase == Phase::Registered);
    let begun = stops.map(|(number, _)| (number, StepState::Begun(now)));
    let mut pending = Pending {
        steps: begun.collect(),
        ..Pending::default()
    };
    let are_hooks_first = !scope.config.hooks.of(HookList::BeforeFailover).is_empty();
    if are_hooks_first || pending.is_empty() {
        return false;
    }
    let Ok(news) = pending.take() else {
        return false;
    };
    let (id, fence) = (scope.id, scope.fence);
    let wanted = news.clone();
    let record = RecoveryStepCommand::Record { fence, news };
    let recorded = scope.step(record, move |decided| is_decided(decided, id, &wanted));
    recorded.await.is_ok()
}

fn begin(
    scope: Scope,
    intent: Intent,
    sessions: BTreeMap<InstanceKey, Looking>,
    stop_is_recorded: bool,
) -> Result<Run, WhyNot> {
    let decided = scope.deps.decisions.decided();
    let recovery = decided.recoveries.get(&scope.id).cloned();
    let recovery =
        recovery.ok_or_else(|| WhyNot::Unknown("it is not to be read yet".to_owned()))?;
    let dead = &intent.plan.dead;
    tracing::warn!(server = %dead, promotes = %intent.plan.choice.promoted, "a recovery is registered");
    // A line each: a log line of several would be escaped, and unreadable.
    for line in intent.plan.to_string().lines() {
        tracing::info!("plan: {line}");
    }
    Ok(Run::new(Beginning {
        progress: Progress::registered(),
        stale: recovery.stale_sessions.clone(),
        sessions,
        ranking: intent.ranking,
        dead_seen: intent.view.picture.observation(dead).cloned(),
        is_resumed: false,
        stop_is_recorded,
        recovery,
        plan: intent.plan,
        scope,
    }))
}

/// A plan is not begun where those that nobody else can stand in for cannot be connected to.
fn has_the_important_ones(plan: &Plan, opened: &Opened) -> Result<(), WhyNot> {
    for server in [&plan.choice.promoted, &plan.choice.head] {
        if let Some(reason) = opened.failed.get(server) {
            return Err(WhyNot::CannotConnect {
                server: server.clone(),
                reason: reason.clone(),
            });
        }
    }
    Ok(())
}

fn command(
    scope: &Scope,
    intent: &Intent,
    wanted: &Wanted,
    opened: &Opened,
) -> Result<RegisterRecovery, WhyNot> {
    let (view, finding) = (&intent.view, &intent.finding);
    let plan = encode(&intent.plan).map_err(|why| WhyNot::Unencodable(why.to_string()))?;
    let sessions = opened.sessions.iter();
    Ok(RegisterRecovery {
        id: scope.id,
        kind: intent.kind,
        code: finding.code,
        subject: finding.subject.clone(),
        cluster: finding.cluster.to_string(),
        cluster_alias: view.alias(&finding.cluster, &scope.config),
        replicas: finding.facts.replicas.all.clone(),
        servers: servers_touched(&view.scene(), &finding.subject),
        requested_by: wanted.who.clone(),
        is_forced: wanted.demand.level != DemandLevel::Automatic,
        plan,
        node: scope.deps.node.clone(),
        fence: scope.fence,
        sessions: sessions
            .map(|(server, session)| RecoverySessionId {
                server: server.clone(),
                connection_id: session.connection_id(),
            })
            .collect(),
        block_period: scope.config.recovery.block_period,
        kept_for: scope.config.kept_for,
    })
}
