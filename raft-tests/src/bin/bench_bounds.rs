//! Whether a group stays within its memory and its disk however long it lives: three nodes in one process, with their real logs, stores and
//! snapshots, decide ten million commands of a little more than a month.
//!
//! ```text
//! cargo run --release -p raft-tests --bin bench_bounds      # about half an hour of two cores
//! ```
//!
//! The month passes faster than that: a proposal says when it was proposed, and decided state has no other clock. Of each million commands
//! the first half comes 5 ms apart and the other one half a second. One in a thousand begins a recovery, with all that it writes down;
//! it is kept for seven days, as `AuditPurgeDays` is set where it is not. What is over is removed each minute, by command as in the service.
//!
//! A line is printed each 250,000 commands. It fails where the last third of the commands needed more than a tenth more memory, or
//! disk of any node, than the third before. `BENCH_COMMANDS` asks for another number.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use orchestrator::raft::transport::{Answer, Call, CallError, CallHandler, Callee, Transport};
use orchestrator::raft::{ENTRIES_KEPT, GroupConfig, GroupDeps, RaftGroup, SNAPSHOT_EVERY};
use orchestrator::store::{Place, SqliteOptions, SqliteStore};
use orchestrator_core::decided::{
    Acknowledged, Command, CommandFormats, Digest, EndRecovery, LostServer, Origin, Proposal,
    RecoveryNews, RecoveryStepCommand, RegisterDetection, RegisterRecovery, Reply,
};
use orchestrator_core::domain::{
    DataLoss, Fence, FindingCode, InstanceKey, Phase, PromotionRule, PublicToken, RecoveryId,
    RecoveryKind, RecoveryOutcome, RecoverySessionId, TimeSplit, Timestamp, TouchedServer,
};
use orchestrator_core::ports::{
    BoxFuture, DecisionReader as _, Ids as _, Leadership as _, ProposeError, Proposer as _,
};
use raft_tests::group_simulation::{NoInstances, Well};
use raft_tests::lab::{Stopwatch, wait_until};
use raft_tests::world::{SeededIds, SteppedClock};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Different instances that commands are about.
const INSTANCES: u64 = 20_000;

/// Who proposes at the same time.
const PROPOSERS: u64 = 128;

/// Of so many commands one begins a recovery.
const RECOVERY_EVERY: u64 = 1_000;

/// Commands that a recovery takes.
const RECOVERY_TAKES: u64 = 9;

/// Commands between two lines.
const LINE_EVERY: u64 = 250_000;

/// `AuditPurgeDays`, where it is not set.
const KEPT_FOR: Duration = Duration::from_secs(7 * 24 * 3_600);

const HOUR: Duration = Duration::from_secs(3_600);
const BEGINNING: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// When the command with this number is proposed.
fn time_of(number: u64) -> Timestamp {
    const HALF: u64 = 500_000;
    const CLOSE_MICROS: u64 = 5_000;
    const APART_MICROS: u64 = 500_000;
    let (million, place) = (number / (2 * HALF), number % (2 * HALF));
    let micros = million * HALF * (CLOSE_MICROS + APART_MICROS)
        + place.min(HALF) * CLOSE_MICROS
        + place.saturating_sub(HALF) * APART_MICROS;
    BEGINNING.plus(Duration::from_micros(micros))
}

#[tokio::main]
async fn main() -> Result<()> {
    let commands = match std::env::var("BENCH_COMMANDS") {
        Err(_) => 10_000_000,
        Ok(text) => text
            .parse()
            .with_context(|| format!("BENCH_COMMANDS is no number: {text}"))?,
    };
    let directory = tempfile::tempdir().context("a directory for three nodes")?;
    let nodes = start(directory.path())?;
    let work = Arc::new(Work {
        nodes: nodes.clone(),
        ids: SeededIds::new(7),
        next: AtomicU64::new(0),
        commands,
        refused: AtomicU64::new(0),
    });
    let lines = lines(&work, &nodes, directory.path());
    let proposers: tokio::task::JoinSet<Result<()>> = (0..PROPOSERS)
        .map(|_| Arc::clone(&work).propose_all())
        .collect();
    let proposed = async {
        for ended in proposers.join_all().await {
            ended?;
        }
        anyhow::Ok(())
    };
    let (lines, ()) = tokio::try_join!(lines, proposed)?;
    agree(&nodes).await?;
    println!("digests of all nodes are equal");
    judge(&lines)
}

fn start(directory: &Path) -> Result<Vec<RaftGroup>> {
    let names: Vec<String> = (1..=3).map(|node| format!("node{node}:10008")).collect();
    let ways = Ways::default();
    let mut nodes = Vec::new();
    for name in &names {
        let own = directory.join(name.trim_end_matches(":10008"));
        std::fs::create_dir(&own)?;
        let ids = Arc::new(SeededIds::new(100 + nodes.len() as u64));
        let mut options = SqliteOptions::new(Place::File(own.join("orchestrator.sqlite3")));
        options.is_derived = true;
        let store = SqliteStore::open(&options, ids.as_ref(), BEGINNING)?;
        let deps = GroupDeps {
            store: Arc::new(store),
            transport: Arc::new(ways.clone()),
            clock: Arc::new(SteppedClock::start()),
            ids,
            known: Arc::new(NoInstances),
            condition: Arc::new(Well),
        };
        let config = GroupConfig {
            directory: own,
            name: name.clone(),
            nodes: names.clone(),
            http: format!("http://{name}"),
            version: "bench".to_owned(),
            formats: CommandFormats::of_this_release(),
            // Both cores are full: elections are not what is looked for.
            heartbeat: Some(Duration::from_millis(300)),
            election: None,
            snapshot_every: SNAPSHOT_EVERY,
            entries_kept: ENTRIES_KEPT,
            default_port: 0,
            starts_without_silent: false,
        };
        let group = RaftGroup::open(config, deps)?;
        ways.lock().insert(name.clone(), group.call_handler());
        nodes.push(group);
    }
    for node in &nodes {
        node.start();
    }
    Ok(nodes)
}

/// The way from each node to each other: a call.
#[derive(Clone, Default)]
struct Ways(Arc<Mutex<BTreeMap<String, Arc<dyn CallHandler>>>>);

impl Ways {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<dyn CallHandler>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transport for Ways {
    fn call(&self, to: Callee, call: Call) -> BoxFuture<'static, Result<Answer, CallError>> {
        let handler = self.lock().get(&to.name).cloned();
        Box::pin(async move {
            match handler {
                None => Err(CallError::Absent(format!("{} does not exist", to.name))),
                Some(handler) => handler.handle(call).await.map_err(CallError::Refused),
            }
        })
    }
}

struct Work {
    nodes: Vec<RaftGroup>,
    ids: SeededIds,
    /// Number of the next command.
    next: AtomicU64,
    commands: u64,
    refused: AtomicU64,
}

impl Work {
    async fn propose_all(self: Arc<Self>) -> Result<()> {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.commands {
                return Ok(());
            }
            match number % RECOVERY_EVERY {
                0 => {
                    self.next.fetch_add(RECOVERY_TAKES - 1, Ordering::Relaxed);
                    self.recover(number).await?;
                }
                _ => self.propose(number, self.small(number)).await?,
            }
        }
    }

    async fn propose(&self, number: u64, command: Command) -> Result<()> {
        let proposal = Proposal {
            request: self.ids.unique(),
            proposed_at: time_of(number),
            origin: Origin {
                who: "bench".to_owned(),
                whence: "127.0.0.1".to_owned(),
            },
            command,
        };
        loop {
            let (leader, _) = self.leader().await?;
            match leader.propose(proposal.clone()).await {
                Ok(committed) => {
                    let is_refused = matches!(committed.reply, Reply::Refused(_));
                    self.refused
                        .fetch_add(u64::from(is_refused), Ordering::Relaxed);
                    return Ok(());
                }
                // The same request, which takes effect once.
                Err(
                    ProposeError::Busy
                    | ProposeError::NotLeader { .. }
                    | ProposeError::Unknown { .. },
                ) => tokio::task::yield_now().await,
                Err(error) => bail!("command {number}: {error}"),
            }
        }
    }

    /// Who leads, and under which leadership: on busy cores that may change.
    async fn leader(&self) -> Result<(&RaftGroup, Fence)> {
        let waits = Stopwatch::start();
        while waits.elapsed() < Duration::from_secs(60) {
            let mut nodes = self.nodes.iter();
            if let Some(found) = nodes.find_map(|node| Some((node, node.fence()?))) {
                return Ok(found);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bail!("nobody leads")
    }

    /// What people and their tools change from day to day.
    fn small(&self, number: u64) -> Command {
        let now = time_of(number);
        // Numbers that follow each other are about instances far apart.
        let key = instance("db", number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % INSTANCES);
        match number % 20 {
            _ if number % 120 == 1 => Command::Expire,
            0..=6 => Command::BeginDowntime {
                key,
                owner: "bench".to_owned(),
                reason: "a new disk is built in, which takes the usual while".to_owned(),
                ends_at: now.plus(HOUR),
            },
            7..=9 => Command::EndDowntime { key },
            10..=14 => Command::RegisterCandidate {
                key,
                rule: PromotionRule::Prefer,
                expires_at: now.plus(HOUR),
            },
            15 | 16 => Command::Discover { key },
            17 => Command::Forget { key },
            _ => {
                let mut public = [0; 32];
                public[..16].copy_from_slice(&self.ids.unique().to_be_bytes());
                Command::CreateAccessToken {
                    public: PublicToken::from_bytes(public),
                    owner: "bench".to_owned(),
                    claim_by: now.plus(Duration::from_secs(30)),
                }
            }
        }
    }

    /// A recovery, with what one of a primary with four replicas writes down.
    async fn recover(&self, number: u64) -> Result<()> {
        let now = time_of(number);
        let id = RecoveryId::from_number(self.ids.unique());
        let (_, mut fence) = self.leader().await?;
        let place = number / RECOVERY_EVERY % INSTANCES;
        let servers: Vec<InstanceKey> = (0..5)
            .map(|server| instance(&format!("primary{place}-"), server))
            .collect();
        let cluster = servers[0].to_string();
        let commands = [
            Command::RegisterDetection(Box::new(RegisterDetection {
                recovery: id,
                code: FindingCode::DeadPrimary,
                subject: servers[0].clone(),
                cluster: cluster.clone(),
                cluster_alias: "shop".to_owned(),
                replicas: servers[1..].to_vec(),
                is_actionable: true,
                description: "the primary is not reachable, and no replica receives from it".into(),
                node: "node1:10008".to_owned(),
                active_until: now.plus(HOUR),
                kept_until: now.plus(KEPT_FOR),
            })),
            Command::RegisterRecovery(Box::new(RegisterRecovery {
                id,
                kind: RecoveryKind::DeadPrimary,
                code: FindingCode::DeadPrimary,
                subject: servers[0].clone(),
                cluster,
                cluster_alias: "shop".to_owned(),
                replicas: servers[1..].to_vec(),
                servers: servers.iter().map(touched).collect(),
                requested_by: String::new(),
                is_forced: false,
                plan: vec![7; 2_000],
                node: "node1:10008".to_owned(),
                fence,
                sessions: Vec::new(),
                block_period: HOUR,
                kept_for: KEPT_FOR,
            })),
        ];
        for command in commands {
            self.propose(number, command).await?;
        }
        let phases = [
            Some(Phase::ReceiversStopped),
            Some(Phase::Promoted),
            Some(Phase::Published),
            None,
        ];
        for (place, phase) in (0..).zip(phases) {
            self.take_over(number, id, &mut fence).await?;
            let news = news(&servers, place, now);
            let step = match phase {
                Some(phase) => RecoveryStepCommand::Enter { fence, phase, news },
                None => RecoveryStepCommand::Record { fence, news },
            };
            self.propose(number, step_of(id, step)).await?;
        }
        self.take_over(number, id, &mut fence).await?;
        let ends = [
            end(id, fence, &servers, now),
            Command::AcknowledgeRecoveries {
                which: Acknowledged::Id(id),
                by: "bench".to_owned(),
                comment: "seen".to_owned(),
            },
            Command::EndDowntime {
                key: servers[0].clone(),
            },
        ];
        for command in ends {
            self.propose(number, command).await?;
        }
        Ok(())
    }

    /// The next leader goes on with it.
    async fn take_over(&self, number: u64, id: RecoveryId, fence: &mut Fence) -> Result<()> {
        let (_, now) = self.leader().await?;
        if now != *fence {
            *fence = now;
            let step = RecoveryStepCommand::TakeOver {
                fence: now,
                node: "node2:10008".to_owned(),
            };
            self.propose(number, step_of(id, step)).await?;
        }
        Ok(())
    }
}

fn instance(name: &str, number: u64) -> InstanceKey {
    InstanceKey::parse(&format!("{name}{number}.example.com"), 3306)
        .expect("a name of letters, digits and dots is one")
}

fn touched(key: &InstanceKey) -> TouchedServer {
    TouchedServer {
        key: key.clone(),
        uuid: "3e11fa47-71ca-11e1-9e33-c80aa9429562".to_owned(),
    }
}

fn step_of(id: RecoveryId, step: RecoveryStepCommand) -> Command {
    Command::RecoveryStep {
        id,
        step: Box::new(step),
    }
}

fn news(servers: &[InstanceKey], step: u32, at: Timestamp) -> RecoveryNews {
    let sessions = || {
        servers.iter().map(move |server| RecoverySessionId {
            server: server.clone(),
            connection_id: u64::from(step),
        })
    };
    RecoveryNews {
        opened: sessions().collect(),
        ended: sessions().collect(),
        steps: (0..4).map(|one| (step * 4 + one, vec![1; 40])).collect(),
        notes: (0..3)
            .map(|_| {
                (
                    at,
                    "a line for people that says what was done, and why".into(),
                )
            })
            .collect(),
    }
}

fn end(id: RecoveryId, fence: Fence, servers: &[InstanceKey], now: Timestamp) -> Command {
    Command::EndRecovery(Box::new(EndRecovery {
        id,
        fence,
        outcome: RecoveryOutcome::Succeeded,
        successor: Some(servers[1].clone()),
        successor_alias: "shop".to_owned(),
        lost: vec![servers[0].clone()],
        participants: servers.to_vec(),
        errors: Vec::new(),
        data_loss: Some(DataLoss::NoneProven),
        times: TimeSplit::default(),
        downtimes: vec![LostServer {
            key: servers[0].clone(),
            owner: "orchestrator".to_owned(),
            reason: "lost-in-recovery".to_owned(),
            ends_at: now.plus(KEPT_FOR),
        }],
        news: RecoveryNews::default(),
    }))
}

/// What was needed when so many commands were decided.
struct Line {
    commands: u64,
    /// Of the whole process, bytes.
    memory: u64,
    /// Of the node that needs most, bytes.
    disk: u64,
}

/// Prints a line each [`LINE_EVERY`] commands, until all are proposed. Looks in between as well: what counts is the most.
async fn lines(work: &Work, nodes: &[RaftGroup], directory: &Path) -> Result<Vec<Line>> {
    let began = Stopwatch::start();
    println!(
        "{:>9} {:>6} {:>8} {:>7} {:>7} {:>7} {:>6} {:>6} {:>6} {:>6} {:>6} {:>7}",
        "commands",
        "days",
        "memory",
        "disk",
        "log",
        "store",
        "recov.",
        "steps",
        "notes",
        "downt.",
        "answ.",
        "refused"
    );
    let mut lines = Vec::new();
    let (mut memory, mut disk) = (0, 0);
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let done = work.next.load(Ordering::Relaxed).min(work.commands);
        memory = memory.max(resident()?);
        let used = (1..=nodes.len()).map(|node| used(&directory.join(format!("node{node}"))));
        let used: Vec<Used> = used.collect::<Result<_>>()?;
        let most = used.iter().max_by_key(|used| used.all);
        let most = most.context("there are nodes")?;
        disk = disk.max(most.all);
        if done / LINE_EVERY <= lines.len() as u64 && done < work.commands {
            continue;
        }
        let state = nodes[0].decided();
        println!(
            "{done:>9} {:>6.1} {:>4} MiB {:>3} MiB {:>3} MiB {:>3} MiB {:>6} {:>6} {:>6} {:>6} {:>6} {:>7}",
            time_of(done).since(BEGINNING).as_secs_f64() / 86_400.0,
            memory >> 20,
            disk >> 20,
            most.log >> 20,
            most.store >> 20,
            state.recoveries.len(),
            state.recovery_steps.len(),
            state.recovery_notes.len(),
            state.downtimes.len(),
            state.answers.len(),
            work.refused.load(Ordering::Relaxed),
        );
        lines.push(Line {
            commands: done,
            memory,
            disk,
        });
        (memory, disk) = (0, 0);
        if done >= work.commands {
            let rate = done as f64 / began.elapsed().as_secs_f64();
            println!("{rate:.0} commands per second");
            return Ok(lines);
        }
    }
}

struct Used {
    all: u64,
    log: u64,
    store: u64,
}

fn used(directory: &Path) -> Result<Used> {
    let mut used = Used {
        all: 0,
        log: 0,
        store: 0,
    };
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            // A file may be gone again.
            let Ok(data) = entry.metadata() else {
                continue;
            };
            if data.is_dir() {
                directories.push(entry.path());
                continue;
            }
            used.all += data.len();
            let name = entry.file_name().to_string_lossy().into_owned();
            match name.starts_with("orchestrator.sqlite3") {
                true => used.store += data.len(),
                false => used.log += data.len(),
            }
        }
    }
    Ok(used)
}

/// Resident memory of this process, bytes.
fn resident() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| {
        line.trim()
            .trim_end_matches("kB")
            .trim()
            .parse::<u64>()
            .ok()
    });
    Ok(kib.context("the kernel says no VmRSS")? << 10)
}

async fn agree(nodes: &[RaftGroup]) -> Result<()> {
    wait_until("all have the same", Duration::from_secs(60), async || {
        let states = nodes.iter().map(|node| {
            let state = node.decided();
            (state.applied_index, Digest::of(&state).to_string())
        });
        let states: std::collections::BTreeSet<_> = states.collect();
        ensure!(states.len() == 1, "{states:?}");
        Ok(())
    })
    .await
}

/// What is compared of lines.
type Of = fn(&Line) -> u64;

/// The last third needs no more than the one before it, but for a tenth.
fn judge(lines: &[Line]) -> Result<()> {
    let all = lines.last().map_or(0, |line| line.commands);
    ensure!(
        lines.len() > 11,
        "too few commands to compare thirds of them"
    );
    let most = |from: u64, to: u64, of: Of| {
        let lines = lines.iter();
        let lines = lines.filter(|line| (from..=to).contains(&line.commands));
        lines.map(of).max().unwrap_or(0)
    };
    let memory = |line: &Line| line.memory;
    let disk = |line: &Line| line.disk;
    for (what, of) in [("memory", memory as Of), ("disk of a node", disk as Of)] {
        let before = most(all / 3, all * 2 / 3, of);
        let last = most(all * 2 / 3 + 1, all, of);
        let (before, last) = (before >> 20, last >> 20);
        println!("{what}: {before} MiB at most in the second third, {last} MiB in the last");
        ensure!(
            last * 10 <= before * 11,
            "{what} grows from {before} to {last} MiB"
        );
    }
    Ok(())
}
