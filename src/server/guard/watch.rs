use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use orchestrator_core::analysis::cluster_alias;
use orchestrator_core::decided::Decided;
use orchestrator_core::domain::{InstanceKey, Observation, Picture, Timestamp};
use orchestrator_core::isolation::{
    Beside, GuardPolicy, Spared, Surroundings, Tried, judge, surroundings,
};
use orchestrator_core::legacy::cluster_filters_match;
use orchestrator_core::ports::{
    Clock, DecisionReader, Dialer, Discovery, Group, GroupStatus, GuardReport, GuardedPrimary,
    Guarding, Ids, PictureReader, Servers,
};
use orchestrator_core::topology::Topology;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::around::{
    Tries, keys_outside, next_servers, others, outside, place_of, try_nodes, try_servers,
};
use super::close::{close, open};
use super::{Config, metrics};

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A node that was not heard for so long is tried: reports go round once a second.
const UNHEARD_FOR: Duration = Duration::from_secs(3);

/// How long a closer look at one primary may take before it counts as silent.
const PROBED_WITHIN: Duration = Duration::from_secs(5);

/// What the guard needs of the outside.
pub struct Deps {
    /// The group; `None` on a single node, where it does nothing.
    pub group: Option<Arc<dyn Group>>,
    /// What is seen.
    pub picture: Arc<dyn PictureReader>,
    /// What is decided, as far as this node knows.
    pub decisions: Arc<dyn DecisionReader>,
    /// Probes on request.
    pub discovery: Arc<dyn Discovery>,
    /// Closes.
    pub servers: Arc<dyn Servers>,
    /// Tries addresses.
    pub dialer: Arc<dyn Dialer>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids, for the comment of its statements.
    pub ids: Arc<dyn Ids>,
}

/// The loop. It runs on every node, and does nothing where it is off.
pub struct Guard {
    deps: Deps,
    config: watch::Receiver<Arc<Config>>,
    report: Mutex<Arc<GuardReport>>,
}

/// What it remembers from one look to the next.
#[derive(Default)]
struct Memory {
    /// A leader was heard since the start, or since it was switched on.
    had_leader: bool,
    /// Replicas outside that each primary beside was seen to send to while this node was connected.
    sent_to: BTreeMap<InstanceKey, BTreeSet<InstanceKey>>,
    cut_off: Option<CutOff>,
    /// Primaries that were closed, or may have been, since a leader was heard last: when, where that is known.
    closed: BTreeMap<InstanceKey, Option<Timestamp>>,
    /// Why others were not, or not yet.
    spared: BTreeMap<InstanceKey, String>,
}

/// Since nothing outside is heard or answers.
struct CutOff {
    since: Duration,
    at: Timestamp,
    tries: Tries,
    last_tried: Option<InstanceKey>,
}

impl Guard {
    /// A guard that does nothing until [`Guard::run`].
    pub fn new(deps: Deps, config: watch::Receiver<Arc<Config>>) -> Arc<Self> {
        Arc::new(Self {
            deps,
            config,
            report: Mutex::default(),
        })
    }

    /// Watches until told to stop. Dropping the future ends it; a close under way is of unknown outcome then.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut memory = Memory::default();
        let watching = async {
            loop {
                self.look(&mut memory).await;
                self.deps.clock.sleep(LOOK_EVERY).await;
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = watching => {}
        }
    }

    /// Looks once, and acts.
    async fn look(&self, memory: &mut Memory) {
        let config = self.config.borrow().clone();
        let Some(policy) = config.policy.clone() else {
            *memory = Memory::default();
            return self.tell(GuardReport {
                why_not: Some(Spared::Off.to_string()),
                ..GuardReport::default()
            });
        };
        let outcome = self.look_around(memory, &policy).await;
        let primaries = match outcome {
            Ok(()) => self.look_beside(memory, &config, &policy).await,
            Err(_) => memory.shown(),
        };
        if memory.cut_off.is_none() {
            memory.spared.clear();
        }
        metrics::cut_off(memory.cut_off.is_some());
        self.tell(GuardReport {
            is_on: true,
            data_center: policy.data_center,
            cut_off_since: memory.cut_off.as_ref().map(|it| it.at),
            why_not: outcome.err().map(|why| why.to_string()),
            primaries,
        });
    }

    /// Whether what is outside says nothing against closing.
    async fn look_around(&self, memory: &mut Memory, policy: &GuardPolicy) -> Result<(), Spared> {
        let Some(group) = &self.deps.group else {
            return Err(Spared::Alone);
        };
        let status = group.status();
        let picture = self.deps.picture.picture();
        if has_leader(group.as_ref(), &status) {
            memory.connected();
            memory.learn(&picture, &policy.data_center);
            return Err(Spared::Connected);
        }
        // Also one whose core is started anew knows of nobody for a moment.
        if others(&status).is_empty() {
            return Err(Spared::Alone);
        }
        let is_heard = |ago: Option<Duration>| ago.is_some_and(|ago| ago < UNHEARD_FOR);
        let heard = others(&status)
            .into_iter()
            .find(|one| is_heard(one.heard_ago));
        if let Some(heard) = heard {
            memory.cut_off = None;
            return Err(Spared::NodeHeard {
                name: heard.name.clone(),
                ago: heard.heard_ago.unwrap_or_default(),
            });
        }
        let seen = self.seen(memory, &status, &picture, policy).await;
        let said = surroundings(policy, &seen);
        let is_answered = matches!(
            said,
            Err(Spared::NodeAnswers { .. }
                | Spared::ServerAnswers { .. }
                | Spared::UnplacedAnswers { .. })
        );
        if is_answered {
            memory.cut_off = None;
        }
        said
    }

    /// Tries everybody, and says what came of it.
    async fn seen(
        &self,
        memory: &mut Memory,
        status: &GroupStatus,
        picture: &Picture,
        policy: &GuardPolicy,
    ) -> Surroundings {
        let Deps { dialer, clock, .. } = &self.deps;
        let (since, at) = (clock.monotonic(), clock.now());
        let cut_off = memory.cut_off.get_or_insert_with(|| CutOff {
            since,
            at,
            tries: Tries::new(),
            last_tried: None,
        });
        let keys = keys_outside(picture, &policy.data_center);
        let turn = next_servers(&keys, cut_off.last_tried.as_ref());
        let (nodes, servers) = tokio::join!(try_nodes(dialer, status), try_servers(dialer, &turn));
        cut_off.last_tried = turn.last().cloned();
        cut_off.tries.retain(|key, _| keys.contains(key));
        cut_off.tries.extend(servers);
        let answers = nodes.iter().any(|node| node.tried == Tried::Answered)
            || cut_off
                .tries
                .values()
                .any(|tried| *tried == Tried::Answered);
        if answers {
            // From now on anew, should it be over.
            (cut_off.since, cut_off.at) = (clock.monotonic(), clock.now());
        }
        Surroundings {
            has_leader: false,
            had_leader: memory.had_leader,
            cut_off_for: clock.monotonic().saturating_sub(cut_off.since),
            nodes,
            outside: outside(
                &self.deps.picture.picture(),
                &policy.data_center,
                cut_off.at,
                &cut_off.tries,
            ),
        }
    }

    /// Looks at each primary beside, and closes one that nothing speaks for. Before another is, all is looked at anew.
    async fn look_beside(
        &self,
        memory: &mut Memory,
        config: &Config,
        policy: &GuardPolicy,
    ) -> Vec<GuardedPrimary> {
        let picture = self.deps.picture.picture();
        let topology = Topology::build(&picture);
        for key in primaries_beside(&picture, &topology, &policy.data_center) {
            // Once closed it stays as it is: who opens it again means it.
            if memory.closed.get(&key).is_some_and(Option::is_some) {
                continue;
            }
            let before = memory.sent_to.get(&key).cloned().unwrap_or_default();
            let others = memory.closed.keys().filter(|other| **other != key).count();
            let context = Context {
                config,
                policy,
                topology: &topology,
                before,
                others,
            };
            let outcome = self.guard(&key, &context, memory).await;
            let is_spared = matches!(outcome, Outcome::Spared(_));
            memory.note(key, outcome);
            if !is_spared {
                break;
            }
        }
        memory.shown()
    }
}

/// What one primary is judged by, beside what it says itself.
struct Context<'a> {
    config: &'a Config,
    policy: &'a GuardPolicy,
    topology: &'a Topology,
    /// Replicas outside that it was seen to send to.
    before: BTreeSet<InstanceKey>,
    /// How many others were closed.
    others: usize,
}

/// What came of a look at one primary.
enum Outcome {
    /// It stays as it is.
    Spared(Spared),
    /// It was closed.
    Closed(Timestamp),
    /// It was to be closed, and is not known to be.
    Unknown(String),
}

impl Guard {
    /// Takes a closer look at one primary, and closes it where nothing speaks for it; what speaks for it is looked at once more over the
    /// session that closes.
    async fn guard(
        &self,
        key: &InstanceKey,
        context: &Context<'_>,
        memory: &mut Memory,
    ) -> Outcome {
        let seen = self.probe(key).await;
        let judged = |seen: Option<&Observation>| {
            judge(
                context.policy,
                &self.beside(key, seen, context),
                context.others,
            )
        };
        if let Err(why) = judged(seen.as_deref()) {
            return Outcome::Spared(why);
        }
        if context.config.changes_nothing {
            return Outcome::Spared(Spared::DryRun);
        }
        let mut session = match open(&self.deps, key).await {
            Ok(session) => session,
            Err(why) => return Outcome::Unknown(why),
        };
        let seen = session.observe().await.ok();
        if let Err(why) = judged(seen.as_ref()) {
            return Outcome::Spared(why);
        }
        if self.is_connected() {
            return Outcome::Spared(Spared::Connected);
        }
        // Whatever comes of it counts.
        memory.closed.entry(key.clone()).or_insert(None);
        metrics::closed();
        tracing::error!(
            server = %key,
            data_center = context.policy.data_center,
            "nothing outside of this data centre has answered for {} s, and no replica outside receives from this primary: closing it \
             (IsolationGuard)",
            context.policy.after.as_secs()
        );
        match close(session.as_mut()).await {
            Ok(()) => {
                tracing::error!(server = %key, "closed. It stays closed until somebody opens it");
                Outcome::Closed(self.deps.clock.now())
            }
            Err(why) => {
                tracing::error!(server = %key, why, "it is not known to be closed; it is tried again");
                Outcome::Unknown(why)
            }
        }
    }

    async fn probe(&self, key: &InstanceKey) -> Option<Arc<Observation>> {
        let probing = self.deps.discovery.discover(key.clone());
        tokio::select! {
            biased;
            seen = probing => seen.ok(),
            () = self.deps.clock.sleep(PROBED_WITHIN) => None,
        }
    }

    fn is_connected(&self) -> bool {
        let Some(group) = &self.deps.group else {
            return true;
        };
        let status = group.status();
        let is_heard = |ago: Option<Duration>| ago.is_some_and(|ago| ago < UNHEARD_FOR);
        has_leader(group.as_ref(), &status)
            || others(&status).iter().any(|one| is_heard(one.heard_ago))
    }

    fn beside(
        &self,
        key: &InstanceKey,
        seen: Option<&Observation>,
        context: &Context<'_>,
    ) -> Beside {
        let (picture, decided) = (self.deps.picture.picture(), self.deps.decisions.decided());
        let downtime = decided.downtime_at(key, self.deps.clock.now());
        let sends_to = seen.map_or(&[][..], |seen| &seen.replicas);
        Beside {
            key: key.clone(),
            data_center: seen
                .map(|seen| seen.placement.data_center.clone())
                .unwrap_or_default(),
            answers: seen.is_some(),
            is_writable: seen.is_some_and(|seen| !seen.read_only),
            is_replaceable: is_replaceable(key, &picture, &decided, context),
            downtime: downtime.map(|it| format!("{} ({})", it.reason, it.owner)),
            sent_to_before: context.before.clone(),
            sends_to: sends_to
                .iter()
                .map(|replica| (replica.clone(), place_of(&picture, replica)))
                .collect(),
        }
    }

    /// Keeps a report; what is new in it is said in the log.
    fn tell(&self, report: GuardReport) {
        let mut last = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        if **last == report {
            return;
        }
        if last.is_on != report.is_on {
            tracing::info!(is_on = report.is_on, "the guard of a cut-off data centre");
        }
        // While it is connected there is nothing to say.
        if report.cut_off_since.is_some() && last.why_not != report.why_not {
            let why = report.why_not.as_deref();
            tracing::warn!(
                why_not = why.unwrap_or("nothing outside speaks against it"),
                "this node is cut off, and the guard looks whether it closes primaries beside it"
            );
        }
        for primary in &report.primaries {
            let is_new = !last.primaries.contains(primary);
            if let Some(why) = primary.why_not.as_deref().filter(|_| is_new) {
                tracing::warn!(server = %primary.server, why, "the guard does not close this primary");
            }
        }
        *last = Arc::new(report);
    }
}

impl Guarding for Guard {
    fn report(&self) -> Arc<GuardReport> {
        let last = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone()
    }
}

/// Whether this node leads, acknowledged by a majority, or hears another one that leads. A leader that was cut off stays elected until it
/// hears of the next.
fn has_leader(group: &dyn Group, status: &GroupStatus) -> bool {
    match status.leader {
        Some(leader) if leader == status.me.id => group.is_serving_leader(),
        leader => leader.is_some(),
    }
}

/// Whether the other side replaces it by itself, as far as this node knows.
fn is_replaceable(
    key: &InstanceKey,
    picture: &Picture,
    decided: &Decided,
    context: &Context<'_>,
) -> bool {
    let Some(place) = context.topology.place(key) else {
        return false;
    };
    let (cluster, patterns) = (&*place.cluster, &context.config.cluster_aliases);
    let alias = cluster_alias(cluster, context.topology, picture, decided, patterns);
    let alias = if alias.is_empty() { cluster } else { &alias };
    let filters = &context.config.primary_clusters;
    decided.recoveries_disabled.is_none() && cluster_filters_match(filters, cluster, alias)
}

/// Servers of this data centre that have replicas and took writes when they were last seen.
fn primaries_beside(picture: &Picture, topology: &Topology, own: &str) -> Vec<InstanceKey> {
    let records = picture.records();
    let beside = records.filter(|record| {
        let seen = record.observation.as_ref();
        seen.is_some_and(|seen| !seen.read_only && seen.placement.data_center == own)
            && !topology.replicas_of(&record.key).is_empty()
    });
    beside.map(|record| record.key.clone()).collect()
}

impl Memory {
    /// A leader is heard.
    fn connected(&mut self) {
        self.had_leader = true;
        self.cut_off = None;
        self.spared.clear();
        for (server, at) in std::mem::take(&mut self.closed) {
            let at = at.map_or_else(
                || "a time that is not known".to_owned(),
                |at| at.to_string(),
            );
            tracing::error!(
                %server,
                "this node is connected again. While it was cut off, its guard closed this primary at {at}: where it was not replaced, \
                 somebody has to open it"
            );
        }
    }

    /// Notes to which replicas outside primaries beside send.
    fn learn(&mut self, picture: &Picture, own: &str) {
        self.sent_to.clear();
        for record in picture.records() {
            let Some(seen) = record.observation.as_ref() else {
                continue;
            };
            if seen.read_only || seen.placement.data_center != own {
                continue;
            }
            let is_outside = |replica: &&InstanceKey| {
                let place = place_of(picture, replica);
                !place.is_empty() && place != own
            };
            let replicas: BTreeSet<InstanceKey> =
                seen.replicas.iter().filter(is_outside).cloned().collect();
            if !replicas.is_empty() {
                self.sent_to.insert(record.key.clone(), replicas);
            }
        }
    }

    fn note(&mut self, key: InstanceKey, outcome: Outcome) {
        match outcome {
            Outcome::Closed(at) => {
                self.spared.remove(&key);
                self.closed.insert(key, Some(at));
            }
            Outcome::Spared(why) => drop(self.spared.insert(key, why.to_string())),
            Outcome::Unknown(why) => drop(self.spared.insert(key, why)),
        }
    }

    fn shown(&self) -> Vec<GuardedPrimary> {
        let keys: BTreeSet<&InstanceKey> = self.closed.keys().chain(self.spared.keys()).collect();
        let shown = keys.into_iter().map(|key| GuardedPrimary {
            server: key.clone(),
            closed_at: self.closed.get(key).copied().flatten(),
            why_not: self.spared.get(key).cloned(),
        });
        shown.collect()
    }
}
