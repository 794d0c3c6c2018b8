//! Disks and stores that do not take what a leader has to keep, for a while or for good. The long lane: each waits until a node that was
//! ill leads again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use raft_tests::lab::{
    Group, LeaderWatch, SmallDisk, Stopwatch, fail_syncs, never_two, wait_until,
};
use rusqlite::{Connection, OpenFlags};

use super::SOON;
use super::writers::{Ledger, Writers};

/// The longest time in which nobody is answered.
const STALL_MAX: Duration = Duration::from_secs(2);

/// A node that ends by itself has tried for 30 s.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// How long a node has to be well before it asks to be elected.
const WELL_FOR: Duration = Duration::from_secs(10);

/// So that nothing is warned about but what fails.
const SECRET: &str = "a secret of the group, long enough";

/// What tells a supervisor that a restart may help.
const CORE_FAILED: i32 = 70;

/// What a node has on a small disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// `RaftDataDir`.
    Log,
    /// `SQLite3DataFile`.
    Store,
}

/// A group, of each node of which one part lies on a small disk of its own. The group goes first: its processes use the disks.
struct Ground {
    group: Group,
    stores: Vec<PathBuf>,
    disks: Vec<SmallDisk>,
}

impl Ground {
    async fn with(kept: Kept, disks: Vec<SmallDisk>) -> Result<Self> {
        let group = Group::start(|number, plan| {
            let path = disks[number].path();
            let plan = plan.with("RaftSharedSecret", SECRET);
            match kept {
                Kept::Log => plan.with("RaftDataDir", path.join("data").display().to_string()),
                Kept::Store => {
                    plan.with("SQLite3DataFile", path.join("store").display().to_string())
                }
            }
        })
        .await?;
        group.settled().await?;
        let stores = match kept {
            Kept::Log => stores_of(&group),
            Kept::Store => disks.iter().map(|disk| disk.path().join("store")).collect(),
        };
        Ok(Self {
            group,
            stores,
            disks,
        })
    }

    async fn in_memory(kept: Kept) -> Result<Self> {
        let mut disks = Vec::new();
        for _ in 0..3 {
            // More than writers fill by themselves on a quick machine.
            disks.push(SmallDisk::in_memory(64).await?);
        }
        Self::with(kept, disks).await
    }
}

async fn warnings(group: &Group, node: usize) -> Result<String> {
    let status = group[node].get("/api/raft-status").await?.json;
    Ok(status["Warnings"].to_string())
}

/// Whether a member leads and is well, as everybody sees it.
async fn another_leads(group: &Group, than: usize) -> Result<usize> {
    wait_until("another leader", SOON, async || {
        let leaders = group.leaders().await;
        let leader = leaders.first().copied().context("nobody leads")?;
        ensure!(leader != than && leaders.len() == 1, "{leaders:?}");
        Ok(leader)
    })
    .await
}

/// Every change that was acknowledged is in the store of every node, and they agree.
async fn nothing_is_lost(group: &Group, ledger: &Ledger, stores: &[PathBuf]) -> Result<()> {
    wait_until("equal digests at one entry", SOON, async || {
        let mut states = Vec::new();
        for node in group.nodes() {
            let status = node.get("/api/raft-status").await?.json;
            states.push((status["DigestIndex"].clone(), status["Digest"].clone()));
        }
        ensure!(states[0].0.as_u64() > Some(0), "{states:?}");
        ensure!(states.iter().all(|state| *state == states[0]), "{states:?}");
        for store in stores {
            let stored = downtimed(store)?;
            let lost: Vec<_> = ledger.hosts.difference(&stored).take(9).collect();
            ensure!(lost.is_empty(), "{} has not {lost:?}", store.display());
        }
        Ok(())
    })
    .await
}

fn downtimed(store: &Path) -> Result<BTreeSet<String>> {
    let connection = Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut rows = connection.prepare("SELECT host FROM decided_downtime")?;
    let hosts = rows.query_map([], |row| row.get(0))?;
    Ok(hosts.collect::<Result<_, _>>()?)
}

/// Stores in the nodes' folders, as they have them without another configuration.
fn stores_of(group: &Group) -> Vec<PathBuf> {
    let nodes = group.nodes().iter();
    nodes
        .map(|node| node.folder().join("orchestrator.sqlite3"))
        .collect()
}

/// What becomes of a leader that cannot keep what it has to keep, and can again after a while: another leads while clients write all the
/// time, it says why, is well by itself, and may lead again only 10 s later.
async fn a_leader_that_is_ill_for_a_while(
    group: &Group,
    stores: &[PathBuf],
    sentence: &str,
    falls_ill: impl AsyncFnOnce(usize) -> Result<()>,
    gets_well: impl AsyncFnOnce(usize) -> Result<()>,
) -> Result<()> {
    let watch = LeaderWatch::start(group)?;
    let writers = Writers::start(group)?;
    writers.go_on().await?;
    let ill = group.leader().await?;
    falls_ill(ill).await?;
    let since = Stopwatch::start();
    let leader = another_leads(group, ill).await?;
    println!("another leads after {:?}", since.elapsed());
    writers.go_on().await?;
    wait_until("what is wrong, in its status", SOON, async || {
        let told = warnings(group, ill).await?;
        let why = "this node does not lead, and does not ask to be elected";
        ensure!(told.contains(why) && told.contains(sentence), "{told}");
        Ok(())
    })
    .await?;
    let health = group[ill].get("/api/health").await?;
    ensure!(
        health.status == 500 && health.text.contains(sentence),
        "{}",
        health.text
    );
    let log = group[ill].log()?;
    ensure!(log.contains(sentence), "{log}");
    let entry = group.entry(ill);
    // Members tell each other once a second.
    wait_until("the leader to know of it", SOON, async || {
        let status = group[leader].get("/api/raft-status").await?.json;
        let mut members = status["Members"].as_array().into_iter().flatten();
        let is_it = |member: &&serde_json::Value| member["Name"] == format!("{entry}:10008");
        let member = members.find(is_it).context("no such member")?;
        ensure!(member["IsHealthy"] == false, "{member}");
        Ok(())
    })
    .await?;
    gets_well(ill).await?;
    let well = Stopwatch::start();
    wait_until("it to be well", SOON, async || {
        let told = warnings(group, ill).await?;
        ensure!(told.contains("asks to be elected in"), "{told}");
        Ok(())
    })
    .await?;
    // Nobody hands leadership to it meanwhile.
    let to_it = format!("/api/raft-yield/{entry}");
    let refused = group[leader].get(&to_it).await?;
    ensure!(
        !refused.is_ok() && refused.text.contains("is not fit to lead"),
        "{}",
        refused.text
    );
    wait_until("it to be well for long enough", SOON, async || {
        let told = warnings(group, ill).await?;
        ensure!(told == "[]", "{told}");
        Ok(())
    })
    .await?;
    let took = well.elapsed();
    ensure!(took > WELL_FOR - Duration::from_secs(2), "after {took:?}");
    wait_until("leadership to be handed to it", SOON, async || {
        let answer = group[leader].get(&to_it).await?;
        ensure!(answer.is_ok(), "{}", answer.text);
        Ok(())
    })
    .await?;
    writers.go_on().await?;
    let ledger = writers.end().await?;
    let answers = watch.end().await?;
    println!(
        "{} acknowledged, longest time without an answer {:?}",
        ledger.hosts.len(),
        ledger.longest_gap
    );
    never_two(&answers)?;
    nothing_is_lost(group, &ledger, stores).await?;
    ensure!(ledger.longest_gap <= STALL_MAX, "{:?}", ledger.longest_gap);
    Ok(())
}

/// The disk on which the leader keeps its log or its store is full for a while.
async fn a_leader_without_space_for(kept: Kept) -> Result<()> {
    let ground = Ground::in_memory(kept).await?;
    a_leader_that_is_ill_for_a_while(
        &ground.group,
        &ground.stores,
        "cannot grow: its disk is full; free some space",
        async |ill| ground.disks[ill].fill(),
        async |ill| ground.disks[ill].make_room(),
    )
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_log_has_no_space_steps_back_and_is_well_when_it_has() -> Result<()> {
    a_leader_without_space_for(Kept::Log).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_store_has_no_space_steps_back_and_is_well_when_it_has() -> Result<()> {
    a_leader_without_space_for(Kept::Store).await
}

/// Another program has begun to write to a file of the leader, and does not end: a `sqlite3` shell, a backup.
async fn a_leader_with_a_locked(file: &str, sentence: &str) -> Result<()> {
    let group = Group::start(|_, plan| plan.with("RaftSharedSecret", SECRET)).await?;
    group.settled().await?;
    let holder = std::cell::RefCell::new(None);
    a_leader_that_is_ill_for_a_while(
        &group,
        &stores_of(&group),
        sentence,
        async |ill| {
            let connection = Connection::open(group[ill].folder().join(file))?;
            connection.busy_timeout(SOON)?;
            connection.execute_batch("BEGIN EXCLUSIVE")?;
            *holder.borrow_mut() = Some(connection);
            Ok(())
        },
        async |_| {
            drop(holder.borrow_mut().take());
            Ok(())
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_store_is_locked_steps_back_and_is_well_when_it_is_free() -> Result<()> {
    let sentence = "is held by another program that writes to it; end that program";
    a_leader_with_a_locked("orchestrator.sqlite3", sentence).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_log_is_locked_steps_back_and_is_well_when_it_is_free() -> Result<()> {
    a_leader_with_a_locked("data/raft-log.sqlite3", "another program").await
}

/// What becomes of a leader whose file system the kernel makes read-only: another leads, it ends after 30 s, does not start as long as that is
/// so, and starts when somebody has repaired it.
async fn a_leader_on_a_broken_file_system(kept: Kept) -> Result<()> {
    let mut disks = Vec::new();
    for _ in 0..3 {
        disks.push(SmallDisk::on_a_device(24).await?);
    }
    let ground = Ground::with(kept, disks).await?;
    let (group, disks) = (&ground.group, &ground.disks);
    let watch = LeaderWatch::start(group)?;
    let writers = Writers::start(group)?;
    writers.go_on().await?;
    let broken = group.leader().await?;
    disks[broken].find_an_error().await?;
    let since = Stopwatch::start();
    another_leads(group, broken).await?;
    println!("another leads after {:?}", since.elapsed());
    writers.go_on().await?;
    let status = group[broken].ended(ENDS_WITHIN).await?;
    ensure!(status.code() == Some(CORE_FAILED), "{status}");
    println!("it ends after {:?}", since.elapsed());
    writers.go_on().await?;
    let (status, log) = group[broken].run_to_its_end().await?;
    ensure!(!status.success(), "{status}");
    println!("{}", log.lines().last().unwrap_or_default());
    disks[broken].repair().await?;
    group[broken].start_again().await?;
    writers.go_on().await?;
    let ledger = writers.end().await?;
    never_two(&watch.end().await?)?;
    println!(
        "{} acknowledged, longest time without an answer {:?}",
        ledger.hosts.len(),
        ledger.longest_gap
    );
    nothing_is_lost(group, &ledger, &ground.stores).await?;
    ensure!(ledger.longest_gap <= STALL_MAX, "{:?}", ledger.longest_gap);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_log_lies_on_a_file_system_that_became_read_only_ends() -> Result<()> {
    a_leader_on_a_broken_file_system(Kept::Log).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_store_lies_on_a_file_system_that_became_read_only_ends() -> Result<()> {
    a_leader_on_a_broken_file_system(Kept::Store).await
}

/// A sync that failed may have lost what it was for, whatever a later one says: the node ends at once, and reads at its next start what it
/// really has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_syncs_fail_ends_at_once_and_another_leads() -> Result<()> {
    let group = Group::start(|_, plan| plan).await?;
    group.settled().await?;
    let watch = LeaderWatch::start(&group)?;
    let writers = Writers::start(&group)?;
    writers.go_on().await?;
    let broken = group.leader().await?;
    let tracer = fail_syncs(&group[broken])?;
    let status = group[broken].ended(SOON).await?;
    ensure!(status.code() == Some(CORE_FAILED), "{status}");
    drop(tracer);
    let log = group[broken].log()?;
    ensure!(
        log.contains("it is not known whether the change reached"),
        "{log}"
    );
    let leader = another_leads(&group, broken).await?;
    writers.go_on().await?;
    group[broken].start_again().await?;
    group.settled().await?;
    let ledger = writers.end().await?;
    never_two(&watch.end().await?)?;
    println!(
        "{leader} leads; {} acknowledged, longest time without an answer {:?}",
        ledger.hosts.len(),
        ledger.longest_gap
    );
    nothing_is_lost(&group, &ledger, &stores_of(&group)).await?;
    ensure!(ledger.longest_gap <= STALL_MAX, "{:?}", ledger.longest_gap);
    Ok(())
}

/// It never gets space: what it is told to keep is tried for 30 s.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_whose_log_has_no_space_for_good_ends_with_code_70_and_comes_back_with_space()
-> Result<()> {
    let ground = Ground::in_memory(Kept::Log).await?;
    let (group, disks) = (&ground.group, &ground.disks);
    let writers = Writers::start(group)?;
    writers.go_on().await?;
    let full = (group.leader().await? + 1) % 3;
    disks[full].fill()?;
    let status = group[full].ended(ENDS_WITHIN).await?;
    ensure!(status.code() == Some(CORE_FAILED), "{status}");
    let log = group[full].log()?;
    ensure!(log.contains("its disk is full; free some space"), "{log}");
    writers.go_on().await?;
    disks[full].make_room()?;
    group[full].start_again().await?;
    group.settled().await?;
    let ledger = writers.end().await?;
    nothing_is_lost(group, &ledger, &ground.stores).await?;
    ensure!(ledger.longest_gap <= STALL_MAX, "{:?}", ledger.longest_gap);
    Ok(())
}
