//! The leader of three dies, or stands still, while hooks of a recovery run: the next one brings it to its end.

use anyhow::{Context as _, Result, ensure};
use raft_tests::lab::{Flavour, Group, Node, wait_until};

use crate::leader_stopped::{How, in_time, leader_of};
use crate::record::{newest, recoveries, recovery_of};
use crate::tally::{Tally, runs};
use crate::world::{SOME_ROWS, SOON, TREE, World, recovering};

/// Where the leader stands still long enough to be killed there: its hooks take that long.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// Registered, and no server touched.
    Registered,
    /// The promoted server is writable, and replicas are still to be moved.
    Promoted,
}

impl Moment {
    const ALL: [Self; 2] = [Self::Registered, Self::Promoted];

    fn hooks(self) -> &'static str {
        match self {
            Self::Registered => "PreFailoverProcesses",
            Self::Promoted => "PostMasterFailoverProcesses",
        }
    }

    fn phase(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Promoted => "promoted",
        }
    }
}

async fn stopped_at(moment: Moment, how: How, took: &mut Tally) -> Result<()> {
    let world = World::build(Flavour::MariaDb, TREE).await?;
    let fleet = &world.fleet;
    let group =
        Group::start(|_, plan| recovering(plan, fleet).with(moment.hooks(), vec!["sleep 2"]))
            .await?;
    group.leader().await?;
    for node in group.nodes() {
        world.seen_by(node).await?;
    }
    world.writers.write_on(&fleet["a"], SOME_ROWS).await?;
    fleet["a"].kill()?;
    reaches(&group[0], moment).await?;
    // On a busy machine the group may have had other leaders before.
    let first = group.leader().await?;
    let stopped = world.sampler.now();
    how.stop(&group[first])?;
    let others: Vec<usize> = (0..group.nodes().len()).filter(|n| *n != first).collect();
    let second = leader_of(&group, &others).await?;
    let node = &group[second];
    let record = recovery_of(node, &fleet["a"]).await?;
    let length = world.sampler.now() - stopped;
    took.add(length);
    in_time(length)?;
    ensure!(record["end"]["outcome"] == "succeeded", "{record:#}");
    // On a busy machine leadership may change hands once more.
    let attempt = record["attempt"].as_u64().context("no attempt")?;
    ensure!(attempt >= 2, "attempt {attempt}");
    let living = match how {
        How::Killed => others,
        How::Frozen => {
            group[first].signal("CONT")?;
            vec![0, 1, 2]
        }
    };
    group.agree(&living).await?;
    for number in living {
        let all = recoveries(&group[number]).await?;
        ensure!(all.len() == 1, "one record of one failure: {all:?}");
    }
    let promoted = world.promoted(&record)?;
    world.goes_on(promoted, &record).await
}

async fn reaches(node: &Node, moment: Moment) -> Result<()> {
    wait_until(
        &format!("a recovery that is {}", moment.phase()),
        SOON,
        async || {
            let record = newest(node).await?;
            ensure!(record["phase"] == moment.phase(), "{}", record["phase"]);
            Ok(())
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_leader_finishes_what_a_killed_one_began() -> Result<()> {
    at_each_moment(How::Killed).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_leader_finishes_what_a_frozen_one_began() -> Result<()> {
    at_each_moment(How::Frozen).await
}

async fn at_each_moment(how: How) -> Result<()> {
    for moment in Moment::ALL {
        let mut took = Tally::default();
        for run in 0..runs()? {
            let outcome = stopped_at(moment, how, &mut took).await;
            outcome.with_context(|| format!("run {run}, {moment:?}, {how:?}"))?;
        }
        took.print(&format!(
            "leader {how:?} when {}: to finished record",
            moment.phase()
        ));
    }
    Ok(())
}
