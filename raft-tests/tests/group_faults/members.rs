//! Nodes that come, go, and take one another's place, while the others go on.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use raft_tests::lab::{Group, LeaderWatch, never_two, wait_until};
use serde_json::Value;

use super::SOON;
use super::writers::Writers;

/// The longest time without an answer that a planned change of members may make.
const STALL_MAX: Duration = Duration::from_secs(2);

/// Asks the leader, whoever that is, until it answers.
async fn ask(group: &Group, path: &str) -> Result<Value> {
    wait_until("an answer", SOON, async || {
        let leader = group.leader().await?;
        let answer = group[leader].get(path).await?;
        ensure!(answer.is_ok(), "{}", answer.text);
        Ok(answer.json)
    })
    .await
}

/// What the leader refuses with; nothing changes by it.
async fn refused(group: &Group, path: &str) -> Result<String> {
    let leader = group.leader().await?;
    let before = status(group, leader).await?["Members"].clone();
    let answer = group[leader].get(path).await?;
    ensure!(!answer.is_ok(), "it was not refused: {}", answer.text);
    let status = status(group, leader).await?;
    ensure!(names(&status["Members"]) == names(&before), "{status}");
    Ok(answer.text)
}

async fn status(group: &Group, number: usize) -> Result<Value> {
    Ok(group[number].get("/api/raft-status").await?.json)
}

fn names(members: &Value) -> Vec<String> {
    let all = members.as_array().into_iter().flatten();
    all.map(|member| member["Name"].to_string()).collect()
}

/// A node that was taken out says so, and ends.
async fn has_left(group: &Group, number: usize) -> Result<()> {
    let status = group[number].ended(SOON).await?;
    ensure!(status.code() == Some(70), "{status}");
    let log = group[number].log()?;
    ensure!(log.contains("was taken out of the group"), "{log}");
    Ok(())
}

/// Replaces nodes one by one, each old one by a new one with another address, while clients write all the time.
async fn replaced_under_writers(
    group: &Group,
    mut nodes: Vec<usize>,
    pairs: &[(usize, usize)],
) -> Result<()> {
    let watch = LeaderWatch::start(group)?;
    let writers = Writers::start(group)?;
    writers.go_on().await?;
    for (old, new) in pairs.iter().copied() {
        nodes.retain(|number| *number != old);
        nodes.push(new);
        let (gone, comes) = (group.entry(old), group.entry(new));
        ask(group, &format!("/api/raft-replace-peer/{gone}/{comes}")).await?;
        group.list(new, &nodes)?;
        group[new].launch()?;
        group.voters_are(&nodes).await?;
        has_left(group, old).await?;
        writers.go_on().await?;
    }
    let ledger = writers.end().await?;
    group.agree(&nodes).await?;
    let answers = watch.end().await?;
    println!(
        "{} acknowledged, longest time without an answer {:?}",
        ledger.hosts.len(),
        ledger.longest_gap
    );
    never_two(&answers)?;
    for node in nodes {
        let stored = group.downtimed_hosts(node)?;
        let lost: Vec<_> = ledger.hosts.difference(&stored).collect();
        ensure!(lost.is_empty(), "node {node} lost {lost:?}");
    }
    ensure!(ledger.longest_gap <= STALL_MAX, "{:?}", ledger.longest_gap);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_three_are_replaced_by_calls_under_writers_and_nothing_is_lost() -> Result<()> {
    let group = Group::with_spares(3).await?;
    group.settled().await?;
    replaced_under_writers(&group, vec![0, 1, 2], &[(0, 3), (1, 4), (2, 5)]).await
}

/// In the long lane: ten processes on two cores.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_are_replaced_by_calls_under_writers_and_nothing_is_lost() -> Result<()> {
    let group = Group::with_spares(7).await?;
    group.settled().await?;
    for new in [3, 4] {
        ask(&group, &format!("/api/raft-add-peer/{}", group.entry(new))).await?;
        group.list(new, &[0, 1, 2, 3, 4])?;
        group[new].launch()?;
    }
    group.voters_are(&[0, 1, 2, 3, 4]).await?;
    let pairs = [(0, 5), (1, 6), (2, 7), (3, 8), (4, 9)];
    replaced_under_writers(&group, vec![0, 1, 2, 3, 4], &pairs).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_replaced_by_the_files_of_a_majority_and_by_no_fewer() -> Result<()> {
    let group = Group::with_spares(1).await?;
    group.settled().await?;
    // The newcomer is there first, and is refused as long as the others do not know it.
    group.list(3, &[0, 1, 3])?;
    group[3].launch()?;
    let restart = async |number: usize| -> Result<()> {
        group.list(number, &[0, 1, 3])?;
        group[number].terminate().await?;
        group[number].start_again().await
    };
    restart(0).await?;
    group.voters_are(&[0, 1, 2]).await?;
    wait_until("the newcomer to be refused", SOON, async || {
        let log = group[3].log()?;
        // By a leader whose file has it, and by one whose file has not.
        let is_refused = log.contains("is none of the group's nodes")
            || log.contains("nor was it added to the group");
        ensure!(is_refused, "{log}");
        Ok(())
    })
    .await?;
    restart(1).await?;
    group.voters_are(&[0, 1, 3]).await?;
    has_left(&group, 2).await?;
    group.downtime(3, "after").await?;
    group.agree(&[0, 1, 3]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_replaced_by_files_that_are_read_anew_and_nobody_is_restarted() -> Result<()> {
    let group = Group::with_spares(1).await?;
    group.settled().await?;
    let pids = |group: &Group| [0, 1].map(|number| group[number].pid());
    let before = pids(&group);
    group.list(3, &[0, 1, 3])?;
    group[3].launch()?;
    group.list(0, &[0, 1, 3])?;
    group[0].signal("HUP")?;
    wait_until("the new list in one node", SOON, async || {
        let seen = status(&group, 0).await?["Configured"].to_string();
        ensure!(seen.contains(&group.entry(3)), "{seen}");
        Ok(())
    })
    .await?;
    group.voters_are(&[0, 1, 2]).await?;
    group.list(1, &[0, 1, 3])?;
    group[1].signal("HUP")?;
    group.voters_are(&[0, 1, 3]).await?;
    has_left(&group, 2).await?;
    ensure!(pids(&group) == before, "nobody was restarted");
    group.downtime(3, "after").await?;
    group.agree(&[0, 1, 3]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_grows_to_five_shrinks_to_one_and_grows_to_three() -> Result<()> {
    let group = Group::with_spares(4).await?;
    group.settled().await?;
    group.downtime(0, "before").await?;
    for new in [3, 4] {
        ask(&group, &format!("/api/raft-add-peer/{}", group.entry(new))).await?;
        group.list(new, &[0, 1, 2, new])?;
        group[new].launch()?;
    }
    group.voters_are(&[0, 1, 2, 3, 4]).await?;
    group.agree(&[0, 1, 2, 3, 4]).await?;
    for (gone, left) in [
        (0, &[1, 2, 3, 4][..]),
        (1, &[2, 3, 4]),
        (2, &[3, 4]),
        (3, &[4]),
    ] {
        ask(
            &group,
            &format!("/api/raft-remove-peer/{}", group.entry(gone)),
        )
        .await?;
        group.voters_are(left).await?;
        has_left(&group, gone).await?;
    }
    group.downtime(4, "after").await?;
    for new in [5, 6] {
        ask(&group, &format!("/api/raft-add-peer/{}", group.entry(new))).await?;
        group.list(new, &[4, new])?;
        group[new].launch()?;
    }
    group.voters_are(&[4, 5, 6]).await?;
    group.agree(&[4, 5, 6]).await?;
    for node in [4, 5, 6] {
        let hosts = group.downtimed_hosts(node)?;
        ensure!(
            hosts.contains("before") && hosts.contains("after"),
            "{node} has {hosts:?}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_makes_no_sense_is_refused_in_one_sentence_and_changes_nobody() -> Result<()> {
    let group = Group::with_spares(1).await?;
    let leader = group.settled().await?;
    let others: Vec<usize> = (0..3).filter(|number| *number != leader).collect();
    let stranger = group.entry(3);
    let said = refused(&group, &format!("/api/raft-remove-peer/{stranger}")).await?;
    ensure!(
        said.contains("is no node of the group; its nodes are"),
        "{said}"
    );
    let said = refused(&group, &format!("/api/raft-replace-peer/{stranger}/n9")).await?;
    ensure!(said.contains("is no node of the group"), "{said}");
    let said = refused(&group, "/api/raft-add-peer/not%20a%20host").await?;
    ensure!(
        said.contains("is no node; give a host, or host:port"),
        "{said}"
    );
    // A second holder of a living node's name.
    group.list(3, &[0, 1, 2])?;
    group[3].configure("RaftAdvertise", group.entry(others[0]))?;
    group[3].launch()?;
    wait_until("the second holder to be refused", SOON, async || {
        let log = group[3].log()?;
        ensure!(
            log.contains("is alive with another data directory"),
            "{log}"
        );
        Ok(())
    })
    .await?;
    group[3].kill()?;
    group.voters_are(&[0, 1, 2]).await?;
    // With one node away the other two need one another.
    group[others[0]].kill()?;
    let path = format!("/api/raft-remove-peer/{}", group.entry(others[1]));
    let said = wait_until("a refusal", SOON, async || {
        let seen = status(&group, leader).await?;
        let members = seen["Members"].as_array().context("no members")?;
        ensure!(members.iter().any(|m| m["IsHealthy"] == false), "{seen}");
        refused(&group, &path).await
    })
    .await?;
    ensure!(
        said.contains("1 are reachable, which is no majority"),
        "{said}"
    );
    Ok(())
}
