//! The leader of three is stopped between two statements of a recovery, killed or frozen, and what it had sent arrives late.

use std::fs;
use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use raft_tests::lab::{
    Door, Fate, Flavour, Group, Late, Node, Plan, Server, StatementRelay, StopAt, TaggedStatement,
    wait_until,
};

use crate::record::{newest, recoveries, recovery_of};
use crate::tally::{Tally, runs};
use crate::world::{SOME_ROWS, SOON, TREE, World, recovering};

/// Within this the next leader brings it to its end. Held to in the long lane only: on cores that are shared with many others,
/// elections alone may take that long.
const ENDS_WITHIN: Duration = Duration::from_secs(30);

/// Whether it came to its end in time.
pub fn in_time(length: Duration) -> Result<()> {
    let is_meant = std::env::var_os("FAILOVER_RUNS").is_some();
    ensure!(length <= ENDS_WITHIN || !is_meant, "it took {length:?}");
    Ok(())
}

/// What happens to the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Killed,
    /// It is thawed when what is held is released.
    Frozen,
}

impl How {
    pub fn stop(self, leader: &Node) -> Result<()> {
        match self {
            Self::Killed => leader.kill(),
            Self::Frozen => leader.signal("STOP"),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Case {
    how: How,
    fate: Fate,
    late: Late,
}

const CASES: [Case; 4] = [
    Case {
        how: How::Killed,
        fate: Fate::Lands,
        late: Late::AtTheNextFence,
    },
    Case {
        how: How::Killed,
        fate: Fate::Held,
        late: Late::WhenReleased,
    },
    Case {
        how: How::Frozen,
        fate: Fate::Lands,
        late: Late::WhenReleased,
    },
    Case {
        how: How::Frozen,
        fate: Fate::Held,
        late: Late::AtTheNextFence,
    },
];

/// Which statements the leader is stopped at: `FAILOVER_STATEMENTS`, such as `1-9`, or one in the middle.
fn numbers() -> Result<RangeInclusive<usize>> {
    let text = std::env::var("FAILOVER_STATEMENTS").unwrap_or_else(|_| "3-3".to_owned());
    let range = text.split_once('-').and_then(|(first, last)| {
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        Some(first..=last)
    });
    range.with_context(|| format!("FAILOVER_STATEMENTS is no range: {text}"))
}

/// False where the recovery has fewer statements.
async fn stopped_at(flavour: Flavour, number: usize, case: Case, took: &mut Tally) -> Result<bool> {
    let plan = Plan::of(flavour, TREE).behind_relays();
    let plan = plan
        .with("general_log", 1)
        .with("general_log_file", "general.log");
    let world = World::of(plan).await?;
    let (fleet, relay) = (&world.fleet, world.fleet.relay()?);
    let group = Group::start(|_, plan| recovering(plan, fleet)).await?;
    group.leader().await?;
    for node in group.nodes() {
        world.seen_by(node).await?;
    }
    world.writers.write_on(&fleet["a"], SOME_ROWS).await?;
    relay.stop_at(StopAt {
        number,
        fate: case.fate,
        late: case.late,
    });
    let dead_at = world.sampler.now();
    fleet["a"].kill()?;
    let Some(came) = comes(relay, &group).await? else {
        return Ok(false);
    };
    // On a busy machine the group may have had other leaders before.
    let first = group.leader().await?;
    case.how.stop(&group[first])?;
    relay.stopped();
    let stopped_at = world.sampler.now();
    let others: Vec<usize> = (0..group.nodes().len()).filter(|n| *n != first).collect();
    let phase = newest(&group[others[0]]).await?["phase"].to_string();
    if case.how == How::Frozen && case.late == Late::AtTheNextFence {
        // The last statements of all are the only ones after which there may be none.
        wait_until("the next leader's first statement", SOON, async || {
            let is_over = !newest(&group[others[0]]).await?["end"].is_null();
            ensure!(relay.is_released() || is_over, "{:?}", relay.seen().last());
            Ok(())
        })
        .await?;
        group[first].signal("CONT")?;
    }
    let second = leader_of(&group, &others).await?;
    let record = recovery_of(&group[second], &fleet["a"]).await?;
    let length = world.sampler.now() - stopped_at;
    took.add(length);
    let last = came.last().context("one came")?;
    println!(
        "{flavour:?} {case:?} at {number} ({} on {}, phase {phase}): {length:.1?}",
        last.text, last.server
    );
    in_time(length)?;
    ensure!(record["end"]["outcome"] == "succeeded", "{record:#}");
    // On a busy machine leadership may change hands once more.
    let attempt = record["attempt"].as_u64().context("no attempt")?;
    ensure!(attempt >= 2, "attempt {attempt}");
    if case.how == How::Frozen && case.late == Late::WhenReleased {
        group[first].signal("CONT")?;
    }
    relay.release(SOON).await?;
    let living = match case.how {
        How::Killed => others,
        How::Frozen => vec![0, 1, 2],
    };
    group.agree(&living).await?;
    for number in &living {
        let all = recoveries(&group[*number]).await?;
        ensure!(all.len() == 1, "one record of one failure: {all:?}");
        ensure!(all[0]["Phase"] == "ended", "{}", all[0]);
    }
    let promoted = world.promoted(&record)?;
    let left = world.left_beside(promoted)?;
    world.goes_on(promoted, &record).await?;
    never_open(&world, left, dead_at)?;
    for server in [promoted, left] {
        in_order_of_fences(server)?;
    }
    Ok(true)
}

/// Waits for the n-th statement; `None` where the recovery ends before.
async fn comes(relay: &StatementRelay, group: &Group) -> Result<Option<Vec<TaggedStatement>>> {
    wait_until("the statement, or the end", SOON, async || {
        if let Some(came) = relay.reached() {
            return Ok(Some(came));
        }
        let record = newest(&group[0]).await?;
        ensure!(!record["end"].is_null(), "phase {}", record["phase"]);
        Ok(None)
    })
    .await
}

/// One that was thawed may not know yet that it leads no more.
pub async fn leader_of(group: &Group, others: &[usize]) -> Result<usize> {
    wait_until("the next leader", SOON, async || {
        let leaders = group.leaders().await;
        let next = leaders.iter().find(|leader| others.contains(leader));
        next.copied()
            .with_context(|| format!("{leaders:?} say that they lead"))
    })
    .await
}

fn never_open(world: &World, server: &Server, since: Duration) -> Result<()> {
    let samples = world.sampler.samples(server.name())?;
    let open = samples
        .iter()
        .find(|sample| sample.at >= since && sample.door == Door::Open);
    ensure!(open.is_none(), "{} was open: {open:?}", server.name());
    Ok(())
}

/// By the server's own log: nothing of an earlier leadership comes after the first statement of a later one.
fn in_order_of_fences(server: &Server) -> Result<()> {
    let path = server.folder().join("data/general.log");
    let log = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let log = String::from_utf8_lossy(&log);
    let tagged = |line| TaggedStatement::read(server.name(), Duration::ZERO, line);
    let landed: Vec<TaggedStatement> = log.lines().filter_map(tagged).collect();
    ensure!(
        !landed.is_empty(),
        "{} has no statement in its log",
        server.name()
    );
    ensure!(
        landed.is_sorted_by_key(|statement| statement.fence),
        "a late statement landed: {landed:#?}"
    );
    Ok(())
}

async fn at_each_statement(flavour: Flavour, cases: &[Case]) -> Result<()> {
    let mut took = Tally::default();
    for run in 0..runs()? {
        for number in numbers()? {
            let mut is_there = false;
            for case in cases {
                let outcome = stopped_at(flavour, number, *case, &mut took).await;
                is_there |=
                    outcome.with_context(|| format!("run {run}, statement {number}, {case:?}"))?;
            }
            if !is_there {
                println!("{flavour:?}: a recovery has fewer than {number} statements");
                break;
            }
        }
    }
    took.print(&format!(
        "{flavour:?}: leader stopped between statements, to finished record"
    ));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_killed_between_two_statements_is_followed_on_mariadb() -> Result<()> {
    at_each_statement(Flavour::MariaDb, &CASES[..2]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_frozen_between_two_statements_changes_nothing_later_on_mariadb() -> Result<()> {
    at_each_statement(Flavour::MariaDb, &CASES[2..]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_frozen_between_two_statements_changes_nothing_later_on_mysql_9() -> Result<()> {
    at_each_statement(Flavour::MySql, &CASES[3..]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_frozen_between_two_statements_changes_nothing_later_on_mysql_56() -> Result<()> {
    at_each_statement(Flavour::MySql56, &CASES[3..]).await
}
