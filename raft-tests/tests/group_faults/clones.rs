//! Copies of stores and of whole data directories.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use raft_tests::lab::{AddressBlock, Group, Node, NodePlan, wait_until};

use super::SOON;

const STORE: &str = "orchestrator.sqlite3";

/// A store in which a node that decides alone took a downtime of `host`, at `path`.
async fn decided_alone(path: &Path, host: &str) -> Result<()> {
    let block = AddressBlock::claim()?;
    let plan = NodePlan::on(block.next_node()?)
        .with("AuthenticationMethod", "none")
        .with("SQLite3DataFile", path.display().to_string());
    let node = Node::start(plan).await?;
    let answer = node
        .get(&format!("/api/begin-downtime/{host}/3306/ann/test/6000s"))
        .await?;
    ensure!(answer.is_ok(), "{}", answer.text);
    ensure!(node.terminate().await?.success());
    Ok(())
}

fn copy_store(from: &Path, to: &Path) -> Result<()> {
    for ending in ["", "-wal", "-shm"] {
        let file = format!("{STORE}{ending}");
        if from.join(&file).exists() {
            std::fs::copy(from.join(&file), to.join(&file))?;
        }
    }
    Ok(())
}

/// Adds the spare with number 3.
async fn add_spare(group: &Group) -> Result<()> {
    let leader = group.leader().await?;
    let path = format!("/api/raft-add-peer/{}", group.entry(3));
    let answer = group[leader].get(&path).await?;
    ensure!(answer.is_ok(), "{}", answer.text);
    group.list(3, &[0, 1, 2, 3])
}

/// It ends by itself, and says why.
async fn ends_saying(node: &Node, words: &[&str]) -> Result<()> {
    node.launch()?;
    let status = node.ended(SOON).await?;
    ensure!(!status.success(), "{status}");
    let log = node.log()?;
    let said = log
        .lines()
        .any(|line| words.iter().all(|word| line.contains(word)));
    ensure!(said, "no line with {words:?} in:\n{log}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_alone_grows_into_three_with_all_that_it_decided() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join(STORE);
    decided_alone(&path, "db1").await?;
    let store = path.display().to_string();
    let group = Group::prepared(|number, plan| match number {
        0 => plan.with("SQLite3DataFile", store.clone()),
        _ => plan,
    })?;
    // First: the other two would be a majority without it.
    group[0].launch()?;
    wait_until("it to wait for the others", SOON, async || {
        let status = group[0].get("/api/raft-status").await?.text;
        ensure!(status.contains("2 of the 3 nodes"), "{status}");
        Ok(())
    })
    .await?;
    group[1].launch()?;
    group[2].launch()?;
    group.voters_are(&[0, 1, 2]).await?;
    group.downtime(1, "db2").await?;
    group.agree(&[1, 2]).await?;
    for number in [1, 2] {
        let hosts = group.downtimed_hosts(number)?;
        ensure!(
            hosts.contains("db1") && hosts.contains("db2"),
            "{number} has {hosts:?}"
        );
    }
    // The one that brought it is lost like any other.
    group[0].kill()?;
    group.downtime(1, "db3").await?;
    group[0].start_again().await?;
    group.voters_are(&[0, 1, 2]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_another_nodes_store_does_where_there_is_no_log_and_hinders_nobody_where_there_is()
-> Result<()> {
    let group = Group::with_spares(1).await?;
    group.settled().await?;
    group.downtime(0, "db1").await?;
    group.agree(&[0, 1, 2]).await?;
    // Without a log: a new node.
    ensure!(group[1].terminate().await?.success());
    copy_store(group[1].folder(), group[3].folder())?;
    group[1].start_again().await?;
    add_spare(&group).await?;
    group[3].launch()?;
    group.voters_are(&[0, 1, 2, 3]).await?;
    let log = group[3].log()?;
    ensure!(
        log.contains("the state of the group takes the place of the one in the store"),
        "{log}"
    );
    // Beside one: further than that log is.
    ensure!(group[3].terminate().await?.success());
    group.downtime(0, "db2").await?;
    ensure!(group[2].terminate().await?.success());
    for ending in ["", "-wal", "-shm"] {
        let file = group[3].folder().join(format!("{STORE}{ending}"));
        if file.exists() {
            std::fs::remove_file(file)?;
        }
    }
    copy_store(group[2].folder(), group[3].folder())?;
    group[2].launch()?;
    group[3].launch()?;
    wait_until("the log to win", SOON, async || {
        let log = group[3].log()?;
        ensure!(log.contains("this node has a log, which wins"), "{log}");
        Ok(())
    })
    .await?;
    group.voters_are(&[0, 1, 2, 3]).await?;
    group.downtime(3, "db3").await?;
    group.agree(&[0, 1, 2, 3]).await?;
    let hosts = group.downtimed_hosts(3)?;
    ensure!(
        ["db1", "db2", "db3"]
            .iter()
            .all(|host| hosts.contains(*host)),
        "{hosts:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_of_others_is_refused_until_what_they_decided_is_given_up() -> Result<()> {
    let group = Group::with_spares(1).await?;
    group.settled().await?;
    group.downtime(0, "db1").await?;
    add_spare(&group).await?;
    let spare = &group[3];
    decided_alone(&spare.folder().join(STORE), "elsewhere").await?;
    ends_saying(
        spare,
        &[
            "that a node alone has decided",
            "raft-adopt-store",
            "-of-group=",
        ],
    )
    .await?;
    let said = spare.run_mode(&[], "raft-adopt-store").await?;
    ensure!(said.status.code() == Some(1), "{said:?}");
    let (_, rest) = said
        .stdout
        .split_once("-of-group=")
        .with_context(|| format!("{said:?}"))?;
    let theirs = rest.split_whitespace().next().context("no group")?;
    let flag = format!("-of-group={theirs}");
    let said = spare.run_mode(&[&flag], "raft-adopt-store").await?;
    ensure!(said.status.success(), "{said:?}");
    spare.launch()?;
    group.voters_are(&[0, 1, 2, 3]).await?;
    group.downtime(3, "db2").await?;
    group.agree(&[0, 1, 2, 3]).await?;
    let hosts = group.downtimed_hosts(3)?;
    ensure!(
        hosts.contains("db1") && hosts.contains("db2") && !hosts.contains("elsewhere"),
        "{hosts:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copied_data_directory_is_refused_in_one_sentence() -> Result<()> {
    let group = Group::with_spares(1).await?;
    let leader = group.settled().await?;
    let copied = (leader + 1) % 3;
    group.downtime(0, "db1").await?;
    ensure!(group[copied].terminate().await?.success());
    let (from, to) = (
        group[copied].folder().join("data"),
        group[3].folder().join("data"),
    );
    std::fs::create_dir_all(&to)?;
    for entry in std::fs::read_dir(&from)? {
        let path = entry?.path();
        let name = path.file_name().context("it has no name")?;
        std::fs::copy(&path, to.join(name))?;
    }
    group[copied].start_again().await?;
    group.settled().await?;
    // With a name of its own, and with that of its original.
    group.list(3, &[0, 1, 2, 3])?;
    let name = format!("{}:10008", group.entry(copied));
    ends_saying(&group[3], &[&format!("RaftDataDir is that of {name}")]).await?;
    group.list(3, &[0, 1, 2])?;
    group[3].configure("RaftAdvertise", group.entry(copied))?;
    ends_saying(
        &group[3],
        &[&format!("{name} runs already"), "copy of this RaftDataDir"],
    )
    .await?;
    group.voters_are(&[0, 1, 2]).await?;
    group.downtime(copied, "db2").await?;
    wait_until("nobody to have ended", SOON, async || {
        ensure!(group[copied].get("/api/health").await?.is_ok());
        Ok(())
    })
    .await?;
    group.agree(&[0, 1, 2]).await
}
