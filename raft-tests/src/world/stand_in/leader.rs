use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orchestrator_core::analysis::{AnalysisPolicy, Finding, Scene, Stalls, analyze};
use orchestrator_core::decided::{
    Command, Origin, Proposal, RecoveryStepCommand, Refusal, RegisterRecovery, Reply,
};
use orchestrator_core::domain::{Fence, InstanceKey, RecoveryId};
use orchestrator_core::ports::{
    Clock, DecisionReader as _, Ids as _, Leadership as _, PictureReader as _, ProposeError,
    Proposer as _,
};
use orchestrator_core::recovery::plan::plan;
use orchestrator_core::recovery::{
    Gate, GlobalSwitch, History, PastRecovery, RecoveryPolicy, Request, gate, servers_touched,
};
use orchestrator_core::topology::Topology;

use super::carry::carry_out;
use super::old_primary::watch_old_primaries;
use super::plans::Plans;
use super::sessions::Lost;
use crate::world::group::SimMember;
use crate::world::mysql::SimServers;
use crate::world::node::{SimHooks, SimPicture};
use crate::world::{NodeClock, SeededIds, Trace};

/// How often a leader looks whether there is something to do.
const LOOK: Duration = Duration::from_millis(100);
/// How often a command of unknown outcome is proposed again, as the same request.
const PROPOSE_TRIES: u32 = 5;

/// What configuration says.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    /// About findings.
    pub analysis: AnalysisPolicy,
    /// About recoveries.
    pub recovery: RecoveryPolicy,
}

/// All that a node needs to lead.
#[derive(Clone)]
pub struct NodeDeps {
    /// Its name.
    pub name: String,
    /// The servers.
    pub servers: SimServers,
    /// Its place in the group.
    pub member: SimMember,
    /// What it sees.
    pub picture: Arc<SimPicture>,
    /// Its hooks.
    pub hooks: SimHooks,
    /// Its clock.
    pub clock: Arc<NodeClock>,
    /// Its ids.
    pub ids: Arc<SeededIds>,
    /// Configuration.
    pub policies: Arc<Policies>,
    /// Plans.
    pub plans: Plans,
    /// Why nothing was done, for whoever reads the trace.
    pub reasons: Arc<Mutex<BTreeMap<InstanceKey, String>>>,
    /// What happened.
    pub trace: Trace,
}

impl NodeDeps {
    /// Proposes a command until its outcome is known.
    pub(super) async fn propose(&self, command: Command) -> Result<Reply, Lost> {
        let proposal = Proposal {
            request: self.ids.unique(),
            proposed_at: self.clock.now(),
            origin: Origin {
                who: self.name.clone(),
                whence: String::new(),
            },
            command,
        };
        for _ in 0..PROPOSE_TRIES {
            match self.member.propose(proposal.clone()).await {
                Ok(committed) => return Ok(committed.reply),
                Err(ProposeError::NotLeader { .. }) => return Err(Lost::Leadership),
                Err(_) => {}
            }
        }
        Err(Lost::Leadership)
    }

    /// Proposes a command of a recovery that has to take effect.
    pub(super) async fn decide(&self, command: Command) -> Result<(), Lost> {
        match self.propose(command).await? {
            Reply::Refused(Refusal::RecoveryHasEnded) => Err(Lost::Ended),
            Reply::Refused(_) => Err(Lost::Leadership),
            _ => Ok(()),
        }
    }

    /// Whether a recovery is still under way, and ours.
    pub(super) fn is_current(&self, id: RecoveryId, fence: Fence) -> Result<(), Lost> {
        let decided = self.member.decided();
        match decided.recoveries.get(&id) {
            Some(recovery) if recovery.end.is_some() => Err(Lost::Ended),
            Some(recovery) if recovery.fence == fence => Ok(()),
            _ => Err(Lost::Leadership),
        }
    }

    fn note(&self, about: &InstanceKey, why: String) {
        let mut reasons = self.reasons.lock().expect("no test panics with it");
        if reasons.get(about) != Some(&why) {
            let now = self.clock.monotonic();
            self.trace
                .line(now, &format!("{} {about}: {why}", self.name));
            reasons.insert(about.clone(), why);
        }
    }
}

/// Leads whenever this node does; never ends.
pub async fn lead(deps: NodeDeps) {
    let mut stalls = Stalls::default();
    loop {
        deps.clock.sleep(LOOK).await;
        let Some(fence) = deps.member.fence() else {
            continue;
        };
        // Whatever made it stop, the next round looks anew.
        let _ = round(&deps, fence, &mut stalls).await;
    }
}

async fn round(deps: &NodeDeps, fence: Fence, stalls: &mut Stalls) -> Result<(), Lost> {
    let decided = deps.member.decided();
    let unfinished: Vec<RecoveryId> = decided.unfinished_recoveries().map(|(id, _)| id).collect();
    for id in unfinished {
        resume(deps, id, fence).await?;
    }
    watch_old_primaries(deps, fence).await?;
    let picture = deps.picture.picture();
    *stalls = stalls.after(&picture);
    let topology = Topology::build(&picture);
    let scene = Scene {
        picture: &picture,
        topology: &topology,
        decided: &decided,
        stalls,
        now: deps.clock.now(),
    };
    let analysis = analyze(&scene, &deps.policies.analysis);
    for finding in analysis.findings {
        begin(deps, fence, &scene, &finding).await?;
    }
    Ok(())
}

async fn resume(deps: &NodeDeps, id: RecoveryId, fence: Fence) -> Result<(), Lost> {
    let decided = deps.member.decided();
    let is_ours = decided
        .recoveries
        .get(&id)
        .is_some_and(|recovery| recovery.fence == fence);
    if !is_ours {
        let step = RecoveryStepCommand::TakeOver {
            fence,
            node: deps.name.clone(),
        };
        let command = Command::RecoveryStep {
            id,
            step: Box::new(step),
        };
        deps.decide(command).await?;
    }
    carry_out(deps, id, fence).await
}

async fn begin(
    deps: &NodeDeps,
    fence: Fence,
    scene: &Scene<'_>,
    finding: &Finding,
) -> Result<(), Lost> {
    let policy = &deps.policies.recovery;
    let dead = &finding.subject;
    let servers = servers_touched(scene, dead);
    let request = Request {
        finding,
        cluster_alias: "",
        servers: &servers,
        is_forced: false,
    };
    let kind = match gate(&request, &history(scene), policy, scene.now) {
        Gate::Proceed(kind) => kind,
        Gate::Blocked(why) => {
            deps.note(dead, format!("{:?}: {why}", finding.code));
            return Ok(());
        }
    };
    let plan = match plan(scene, dead, policy) {
        Ok(plan) => plan,
        Err(why) => {
            deps.note(dead, format!("{:?}: {why}", finding.code));
            return Ok(());
        }
    };
    if deps.member.confirm(fence).await.is_err() {
        return Err(Lost::Leadership);
    }
    deps.note(dead, format!("{:?}: planned\n{plan}", finding.code));
    let id = RecoveryId::from_number(deps.ids.unique());
    let command = RegisterRecovery {
        id,
        kind,
        code: finding.code,
        subject: dead.clone(),
        cluster: finding.cluster.to_string(),
        cluster_alias: String::new(),
        replicas: finding.facts.replicas.all.clone(),
        servers,
        requested_by: String::new(),
        is_forced: false,
        plan: deps.plans.put(plan),
        node: deps.name.clone(),
        fence,
        sessions: Vec::new(),
        block_period: policy.block_period,
        kept_for: Duration::from_secs(7 * 24 * 3600),
    };
    match deps
        .propose(Command::RegisterRecovery(Box::new(command)))
        .await?
    {
        Reply::Done => carry_out(deps, id, fence).await,
        _ => Ok(()),
    }
}

/// What is decided about recoveries, as the gate asks for it.
fn history(scene: &Scene<'_>) -> History {
    let off = scene.decided.recoveries_disabled.as_ref();
    let recoveries = scene.decided.recoveries.iter();
    History {
        switch: off.map_or(GlobalSwitch::On, |off| GlobalSwitch::Off {
            by: off.by.clone(),
        }),
        recoveries: recoveries
            .map(|(id, recovery)| PastRecovery::of(*id, recovery))
            .collect(),
    }
}
