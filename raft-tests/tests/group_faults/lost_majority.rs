//! Two of three nodes are lost for good, and the third goes on: `orchestrator raft-recover`.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use raft_tests::lab::{Finished, Group, Node, wait_until};

use super::{SOON, asked};

/// Kills in the fast lane.
const KILLS: u64 = 3;

/// Runs it on a node, with this confirmation or none.
async fn recover(node: &Node, confirmation: Option<&str>) -> Result<Finished> {
    let flag = confirmation.map(|text| format!("-lose-the-others={text}"));
    let flags: Vec<&str> = flag.as_deref().into_iter().collect();
    node.run_mode(&flags, "raft-recover").await
}

/// What it wants to be told, out of what it says.
fn wanted(said: &Finished) -> Result<String> {
    let (_, rest) = said
        .stdout
        .split_once("-lose-the-others='")
        .with_context(|| format!("{said:?}"))?;
    let (confirmation, _) = rest.split_once('\'').context("it has no end")?;
    Ok(confirmation.to_owned())
}

fn refused(said: &Finished, words: &str) -> Result<()> {
    ensure!(said.status.code() == Some(1), "{said:?}");
    let all = format!("{}{}", said.stdout, said.stderr);
    ensure!(all.contains(words), "{said:?}");
    Ok(())
}

async fn group_id(node: &Node) -> Result<String> {
    let status = node.get("/api/raft-status").await?.json;
    let id = status["Group"].as_str().map(str::to_owned);
    id.filter(|id| !id.is_empty())
        .with_context(|| format!("{status}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_survivor_goes_on_alone_and_the_others_join_it_empty() -> Result<()> {
    let group = Group::start(|_, plan| plan).await?;
    group.settled().await?;
    group.downtime(0, "db1").await?;
    group.agree(&[0, 1, 2]).await?;
    let old = group_id(&group[0]).await?;

    refused(&recover(&group[0], None).await?, "is in use by process")?;
    group[2].kill()?;
    ensure!(group[0].terminate().await?.success());
    let said = recover(&group[0], Some(&format!("x/{old}"))).await?;
    refused(&said, "the majority is not lost")?;
    group[1].kill()?;
    let said = recover(&group[0], None).await?;
    refused(&said, "Nothing was changed. To do it:")?;
    let confirmation = wanted(&said)?;
    ensure!(
        confirmation == format!("{}:10008/{old}", group.entry(0)),
        "{confirmation}"
    );
    // That of another node does not do.
    let other = format!("{}:10008/{old}", group.entry(1));
    refused(
        &recover(&group[0], Some(&other)).await?,
        "is not the confirmation",
    )?;
    let said = recover(&group[0], Some(&confirmation)).await?;
    ensure!(said.status.success(), "{said:?}");
    ensure!(
        said.stdout.contains("is the only node of the new group"),
        "{said:?}"
    );

    group[0].start_again().await?;
    ensure!(group.leader().await? == 0);
    group.downtime(0, "db2").await?;
    let new = group_id(&group[0]).await?;
    ensure!(new != old, "{new}");
    let switch = group[0].get("/api/check-global-recoveries").await?;
    ensure!(switch.text.contains("disabled"), "{}", switch.text);
    refused(&recover(&group[0], None).await?, "is in use by process")?;

    // One that comes with what it had is refused by the id of its group, and changes nothing.
    group[1].launch()?;
    wait_until("the old member to be refused", SOON, async || {
        let log = group[1].log()?;
        ensure!(log.contains("belong to different groups"), "{log}");
        Ok(())
    })
    .await?;
    let late = recover(&group[2], Some(&format!("{}:10008/{old}", group.entry(2)))).await?;
    refused(&late, "the others have begun anew already")?;
    let status = group[0].get("/api/raft-status").await?.json;
    let members = status["Members"].as_array().context("no members")?;
    ensure!(members.len() == 1, "{status}");
    ensure!(group.leaders().await == [0]);
    group[1].kill()?;

    for number in [1, 2] {
        group[number].wipe()?;
        group[number].launch()?;
    }
    group.voters_are(&[0, 1, 2]).await?;
    group.downtime(2, "db3").await?;
    group.agree(&[0, 1, 2]).await?;
    for number in 0..3 {
        let hosts = group.downtimed_hosts(number)?;
        ensure!(
            ["db1", "db2", "db3"]
                .iter()
                .all(|host| hosts.contains(*host)),
            "{number} has {hosts:?}"
        );
        ensure!(group_id(&group[number]).await? == new);
    }
    let enabled = group[1].get("/api/enable-global-recoveries").await?;
    ensure!(enabled.is_ok(), "{}", enabled.text);
    Ok(())
}

/// Copies the files of a folder, those of the store and of the log.
fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        let name = path.file_name().context("it has no name")?;
        if path.is_file() && name != "log" {
            std::fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}

/// Whether the file with the new group's beginning is there, whatever its index.
fn begins(directory: &Path) -> bool {
    let files = std::fs::read_dir(directory).into_iter().flatten().flatten();
    files.into_iter().any(|file| {
        file.file_name()
            .to_string_lossy()
            .starts_with("raft-beginning-")
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_leaves_the_old_node_or_the_new_one() -> Result<()> {
    let group = Group::start(|_, plan| plan).await?;
    group.settled().await?;
    group.downtime(0, "db1").await?;
    group.agree(&[0, 1, 2]).await?;
    let old = group_id(&group[0]).await?;
    for number in [1, 2, 0] {
        group[number].kill()?;
    }
    let node = &group[0];
    let data = node.folder().join("data");
    let backup = tempfile::tempdir()?;
    copy(&data, &backup.path().join("data"))?;
    copy(node.folder(), backup.path())?;
    let confirmation = format!("-lose-the-others={}:10008/{old}", group.entry(0));
    let (mut olds, mut news) = (0, 0);
    for number in 0..asked("GROUP_FAULTS", KILLS)? {
        node.wipe()?;
        copy(backup.path(), node.folder())?;
        copy(&backup.path().join("data"), &data)?;
        let process = node.start_mode(&[&confirmation], "raft-recover")?;
        // From the first thing that it writes on, a little later each time.
        while !begins(&data) && process.exited()?.is_none() {
            tokio::task::yield_now().await;
        }
        for _ in 0..number * 40 {
            tokio::task::yield_now().await;
        }
        process.kill()?;
        let said = recover(node, None).await?;
        let is_old = said.stdout.contains(&format!("of the group {old} has"));
        match is_old {
            true => refused(&said, "To do it:")?,
            false => refused(&said, "this node decides alone in its group")?,
        }
        ensure!(!begins(&data), "something half-done is left");
        node.launch()?;
        wait_until("the node", SOON, async || {
            let is_leading = node.get("/api/leader-check").await?.is_ok();
            let id = group_id(node).await?;
            ensure!(is_leading != is_old && (id == old) == is_old, "{id}");
            Ok(())
        })
        .await?;
        if is_old {
            olds += 1;
        } else {
            news += 1;
            group.downtime(0, "db2").await?;
            wait_until("what was decided before and after", SOON, async || {
                let hosts = group.downtimed_hosts(0)?;
                ensure!(hosts.contains("db1") && hosts.contains("db2"), "{hosts:?}");
                Ok(())
            })
            .await?;
        }
        node.kill()?;
    }
    println!("{olds} kills left the old node, {news} the new one");
    Ok(())
}
