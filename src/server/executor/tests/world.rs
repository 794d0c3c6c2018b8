//! A topology, what is decided about it, and nodes that look after it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use orchestrator_core::decided::{Command, Decided, Origin, Proposal, Reply};
use orchestrator_core::domain::{
    InstanceKey, InstanceRecord, Observation, Picture, Recovery, RecoveryId,
};
use orchestrator_core::legacy::hooks::HookList;
use orchestrator_core::ports::{
    BoxFuture, Clock, DecisionReader, DiscoverError, Discovery, HookOutcome, HookReport, HookRun,
    HookRunner, Ids, PictureReader, ProbeState,
};
use orchestrator_core::recovery::RecoveryPolicy;
use orchestrator_core::topology::drawing::Drawing;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::clock::{CountingIds, NOW, PausedClock};
use super::deciding::{Log, Seat};
use super::fleet::{Fleet, FleetServers, Power, key};
use crate::executor::{Config, Deps, HookLists, RecoveryLoop};

/// What is seen, probed on request.
pub struct Eyes {
    picture: Mutex<Arc<Picture>>,
    fleet: Arc<Fleet>,
    clock: Arc<PausedClock>,
}

impl PictureReader for Eyes {
    fn picture(&self) -> Arc<Picture> {
        self.picture.lock().unwrap().clone()
    }
}

impl Eyes {
    async fn look(&self, key: InstanceKey) -> Result<Arc<Observation>, DiscoverError> {
        let probed = self.fleet.probe(&key).await;
        let now = self.clock.now();
        let mut picture = self.picture.lock().unwrap();
        let known = picture.get(&key).map(|record| (**record).clone());
        let known = known.unwrap_or_else(|| InstanceRecord::heard_of(key, now));
        let (record, answer) = match probed {
            Ok(seen) => {
                let seen = Arc::new(seen);
                let record = InstanceRecord {
                    observation: Some(seen.clone()),
                    last_checked_at: Some(now),
                    last_seen_at: Some(now),
                    failure: None,
                    failures_in_a_row: 0,
                    ..known
                };
                (record, Ok(seen))
            }
            Err(failure) => {
                let record = InstanceRecord {
                    last_checked_at: Some(now),
                    failure: Some(failure.clone()),
                    failures_in_a_row: known.failures_in_a_row + 1,
                    ..known
                };
                (record, Err(DiscoverError::Probe(failure)))
            }
        };
        let mut next = Picture::clone(&picture);
        next.put(record);
        *picture = Arc::new(next);
        answer
    }
}

impl Discovery for Eyes {
    fn discover(&self, key: InstanceKey) -> BoxFuture<'_, Result<Arc<Observation>, DiscoverError>> {
        Box::pin(self.look(key))
    }

    fn discover_soon(&self, _key: InstanceKey) -> Result<(), DiscoverError> {
        Ok(())
    }

    fn forget(&self, _key: &InstanceKey) -> bool {
        false
    }

    fn probe_states(&self) -> Vec<ProbeState> {
        Vec::new()
    }
}

/// Hooks that are only written down.
pub struct Hooks {
    ran: Mutex<Vec<HookRun>>,
    /// Lines that fail.
    failing: Mutex<Vec<String>>,
    takes: Mutex<Duration>,
}

impl Hooks {
    pub fn lines(&self) -> Vec<String> {
        let ran = self.ran.lock().unwrap();
        ran.iter().map(|run| run.line.clone()).collect()
    }

    pub fn value(&self, line: &str, variable: &str) -> Option<String> {
        let ran = self.ran.lock().unwrap();
        let run = ran.iter().rev().find(|run| run.line == line)?;
        let found = run.environment.iter().find(|(name, _)| name == variable);
        found.map(|(_, value)| value.clone())
    }

    pub fn fail(&self, line: &str) {
        self.failing.lock().unwrap().push(line.to_owned());
    }

    pub fn take(&self, length: Duration) {
        *self.takes.lock().unwrap() = length;
    }
}

impl HookRunner for Hooks {
    fn run(&self, hook: HookRun) -> BoxFuture<'_, HookReport> {
        let takes = *self.takes.lock().unwrap();
        Box::pin(async move {
            tokio::time::sleep(takes).await;
            let fails = self.failing.lock().unwrap().contains(&hook.line);
            let command = hook.line.clone();
            self.ran.lock().unwrap().push(hook);
            HookReport {
                command,
                outcome: match fails {
                    true => HookOutcome::Exited(1),
                    false => HookOutcome::Succeeded,
                },
                output: String::new(),
                took: takes,
            }
        })
    }
}

/// Everything.
pub struct World {
    pub fleet: Arc<Fleet>,
    pub log: Arc<Log>,
    pub clock: Arc<PausedClock>,
    pub hooks: Arc<Hooks>,
    pub eyes: Arc<Eyes>,
    pub beats: Arc<super::beats::SetBeats>,
    pub others: Arc<super::others::SetOthers>,
    ids: Arc<CountingIds>,
    pub config: Config,
}

/// A node that runs.
pub struct Node {
    pub recoveries: Arc<RecoveryLoop>,
    pub seat: Arc<Seat>,
    stop: CancellationToken,
    task: JoinHandle<()>,
    _config: watch::Sender<Arc<Config>>,
}

impl Node {
    /// Ends it, as a process that is killed.
    pub async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
        drop(self.stop);
    }
}

impl World {
    /// Servers of a drawing; those drawn as unreachable are down.
    pub fn of(text: &str) -> Self {
        let drawing = Drawing::parse(text, NOW).unwrap_or_else(|why| panic!("{why}\n{text}"));
        let clock = PausedClock::start();
        let records = || drawing.picture.records();
        let seen = records().filter_map(|record| record.observation.as_deref().cloned());
        let fleet = Fleet::new(seen.collect(), clock.clone());
        for record in records().filter(|record| record.failure.is_some()) {
            fleet.set_power(record.key.host().as_str(), Power::Down);
        }
        let decided = Decided {
            downtimes: drawing.downtimes.clone(),
            candidates: drawing.candidates.clone(),
            ..Decided::default()
        };
        let eyes = Arc::new(Eyes {
            picture: Mutex::new(Arc::new(drawing.picture.clone())),
            fleet: fleet.clone(),
            clock: clock.clone(),
        });
        let all = |list: HookList| (list, vec![list.key().to_owned()]);
        Self {
            fleet,
            log: Log::new(decided),
            clock,
            hooks: Arc::new(Hooks {
                ran: Mutex::default(),
                failing: Mutex::default(),
                takes: Mutex::default(),
            }),
            eyes,
            beats: Arc::default(),
            others: Arc::default(),
            ids: Arc::default(),
            config: Config {
                recovery: RecoveryPolicy {
                    primary_clusters: vec!["*".to_owned()],
                    ..RecoveryPolicy::default()
                },
                hooks: HookLists {
                    lines: HookList::ALL.into_iter().map(all).collect(),
                    timeout: None,
                },
                ..Config::default()
            },
        }
    }

    /// Starts a node; everything is probed once a second.
    pub fn start(&self, name: &str, fence: u64) -> Node {
        let seat = Seat::leading(&self.log, fence);
        let servers = Arc::new(FleetServers(self.fleet.clone()));
        let deps = Deps {
            servers: servers.clone(),
            histories: servers,
            leadership: seat.clone(),
            proposer: seat.clone(),
            decisions: seat.clone(),
            picture: self.eyes.clone(),
            beats: self.beats.clone(),
            others: self.others.clone(),
            discovery: self.eyes.clone(),
            hooks: self.hooks.clone(),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            node: name.to_owned(),
        };
        let (config, receiver) = watch::channel(Arc::new(self.config.clone()));
        let recoveries = RecoveryLoop::new(deps, receiver);
        let stop = CancellationToken::new();
        let eyes = self.eyes.clone();
        let runs = recoveries.clone().run(stop.clone());
        let task = tokio::spawn(async move {
            let poll = async {
                loop {
                    let keys: Vec<InstanceKey> = {
                        let picture = eyes.picture();
                        picture.records().map(|one| one.key.clone()).collect()
                    };
                    for key in keys {
                        let _ = eyes.look(key).await;
                    }
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            };
            tokio::select! {
                biased;
                () = runs => {}
                () = poll => {}
            }
        });
        Node {
            recoveries,
            seat,
            stop,
            task,
            _config: config,
        }
    }

    /// All recoveries, oldest first.
    pub fn recoveries(&self) -> Vec<(RecoveryId, Arc<Recovery>)> {
        let decided = self.log.decided();
        let all = decided.recoveries.iter();
        let mut all: Vec<_> = all.map(|(id, one)| (*id, one.clone())).collect();
        all.sort_by_key(|(_, one)| one.number);
        all
    }

    /// Waits until a recovery has ended, and returns it.
    pub async fn ended(&self) -> (RecoveryId, Arc<Recovery>) {
        self.until("a recovery has ended", || {
            self.recoveries().iter().any(|(_, one)| one.end.is_some())
        })
        .await;
        let all = self.recoveries();
        let ended = all.into_iter().rev().find(|(_, one)| one.end.is_some());
        ended.expect("it was waited for")
    }

    pub fn notes(&self, id: RecoveryId) -> Vec<String> {
        let decided = self.log.decided();
        decided.notes_of(id).map(|note| note.text.clone()).collect()
    }

    /// Waits in the time of the test; panics after ten minutes of that.
    pub async fn until(&self, what: &str, condition: impl Fn() -> bool) {
        let poll = async {
            while !condition() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(600), poll)
            .await
            .unwrap_or_else(|_| {
                panic!(
                    "waited in vain until {what}\nrecoveries: {:#?}\nchanges: {:#?}",
                    self.recoveries(),
                    self.fleet.log()
                )
            });
    }

    pub fn clock_now(&self) -> Duration {
        self.clock.monotonic()
    }

    /// Decides a command of somebody else.
    pub fn decide(&self, command: Command) -> Reply {
        let proposal = Proposal {
            request: self.ids.unique(),
            proposed_at: self.clock.now(),
            origin: Origin::default(),
            command,
        };
        self.log.decide(&proposal).reply
    }

    pub fn end_downtime(&self, name: &str) {
        let ended = self.decide(Command::EndDowntime { key: key(name) });
        assert_eq!(ended, Reply::Done);
    }

    /// A plan in a format that this release does not know.
    pub fn damage_plan(&self, id: RecoveryId) {
        self.log.edit(|decided| {
            let row = decided.recoveries[&id].clone();
            let row = Recovery {
                plan: vec![200, 1],
                ..(*row).clone()
            };
            decided.recoveries.insert(id, Arc::new(row));
        });
    }

    /// Lets time pass.
    pub async fn pass(&self, length: Duration) {
        tokio::time::sleep(length).await;
    }
}
