//! Files of a node that somebody or something has written over: it says so, is not mended in silence, and the group goes on.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use raft_tests::lab::{Group, wait_until};

use super::SOON;

/// What tells a supervisor that a restart may help.
const CORE_FAILED: i32 = 70;

/// A start that is refused.
const REFUSED: i32 = 1;

/// A node that finds its log damaged ends at once.
const ENDS_WITHIN: Duration = Duration::from_secs(40);

/// Something to look for in files; the store has it as text, the log inside of an entry.
const MARKED: &str = "needle-in-the-log";

/// A group with some decided state, of which the needle is a part, and a follower of it.
async fn ground() -> Result<(Group, usize)> {
    let group = Group::start(|_, plan| plan).await?;
    let leader = group.settled().await?;
    for number in 0..20 {
        group.downtime(leader, &format!("db{number}")).await?;
    }
    group.downtime(leader, MARKED).await?;
    group.agree(&[0, 1, 2]).await?;
    Ok((group, (leader + 1) % 3))
}

/// Another text in the place of the needle, wherever a file has it: what is read is as whole as before, and is something else.
fn falsify(path: &Path) -> Result<()> {
    let mut bytes = fs::read(path)?;
    let needle = MARKED.as_bytes();
    let places: Vec<usize> = bytes
        .windows(needle.len())
        .enumerate()
        .filter_map(|(place, window)| (window == needle).then_some(place))
        .collect();
    ensure!(!places.is_empty(), "{} has it not", path.display());
    for place in places {
        bytes[place] = b'X';
    }
    fs::write(path, bytes).context("cannot write")
}

/// Noise over the pages of a file, but for the first: as a broken disk makes it.
fn write_over(path: &Path) -> Result<()> {
    write_over_from(path, 4096)
}

fn write_over_from(path: &Path, start: u64) -> Result<()> {
    let mut file = fs::OpenOptions::new().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    ensure!(
        length > start + 4096,
        "{} has {length} bytes",
        path.display()
    );
    file.seek(SeekFrom::Start(start))?;
    let mut rest = Vec::new();
    file.read_to_end(&mut rest)?;
    for (place, byte) in rest.iter_mut().enumerate() {
        *byte ^= u8::try_from(place % 251).unwrap_or(0) | 1;
    }
    file.seek(SeekFrom::Start(start))?;
    file.write_all(&rest).context("cannot write")
}

fn log_of(group: &Group, node: usize) -> PathBuf {
    group[node].folder().join("data/raft-log.sqlite3")
}

/// What SQLite has written ahead of a file.
fn ahead_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

/// All that was written, in the file itself.
fn gathered(path: PathBuf) -> Result<PathBuf> {
    let connection = rusqlite::Connection::open(&path)?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(path)
}

/// The others decide without it, nothing of it is lost, and nobody noticed but the log.
async fn the_others_go_on(group: &Group, without: usize) -> Result<()> {
    let others: Vec<usize> = (0..3).filter(|node| *node != without).collect();
    group.downtime(others[0], "db-meanwhile").await?;
    group.agree(&others).await?;
    for node in others {
        let hosts = group.downtimed_hosts(node)?;
        ensure!(hosts.len() == 22 && hosts.contains(MARKED), "{hosts:?}");
    }
    Ok(())
}

/// It is refused at each start, with this sentence.
async fn refuses(group: &Group, node: usize, sentence: &str) -> Result<()> {
    for _ in 0..2 {
        let before = group[node].log()?.len();
        let (status, log) = group[node].run_to_its_end().await?;
        let said = log.get(before..).unwrap_or_default();
        ensure!(status.code() == Some(REFUSED), "{status}: {said}");
        ensure!(said.contains(sentence), "{said}");
    }
    Ok(())
}

/// With an empty directory it joins anew, under another id, and has everything.
async fn joins_anew(group: &Group, node: usize) -> Result<()> {
    group[node].wipe()?;
    group[node].start_again().await?;
    group.settled().await?;
    group.agree(&[0, 1, 2]).await?;
    let hosts = group.downtimed_hosts(node)?;
    ensure!(hosts.contains(MARKED), "{hosts:?}");
    Ok(())
}

#[tokio::test]
async fn a_log_with_an_entry_that_was_changed_is_refused_until_its_directory_is_emptied()
-> Result<()> {
    let (group, node) = ground().await?;
    ensure!(group[node].terminate().await?.success());
    falsify(&gathered(log_of(&group, node))?)?;
    let sentence = "its bytes are not those that were written; what it has forgotten may be a vote";
    refuses(&group, node, sentence).await?;
    the_others_go_on(&group, node).await?;
    joins_anew(&group, node).await
}

#[tokio::test]
async fn a_log_that_was_written_over_is_refused_until_its_directory_is_emptied() -> Result<()> {
    let (group, node) = ground().await?;
    ensure!(group[node].terminate().await?.success());
    write_over(&gathered(log_of(&group, node))?)?;
    refuses(&group, node, "of this node is damaged").await?;
    the_others_go_on(&group, node).await?;
    joins_anew(&group, node).await
}

/// SQLite drops in silence what was written ahead and is damaged: the end of the log is missing then, and the store, which has it, shows
/// that.
#[tokio::test]
async fn a_log_whose_end_was_written_over_is_refused_until_its_directory_is_emptied() -> Result<()>
{
    let (group, node) = ground().await?;
    group[node].kill()?;
    let ahead = ahead_of(&log_of(&group, node));
    let length = fs::metadata(&ahead)?.len();
    write_over_from(&ahead, length / 4 * 3)?;
    refuses(&group, node, "joins the group anew").await?;
    the_others_go_on(&group, node).await?;
    joins_anew(&group, node).await
}

/// What it has in memory is good still; what it needs of the files is not, at the latest at its next start.
#[tokio::test]
async fn a_log_that_is_written_over_while_its_node_runs_is_refused_at_the_next_start() -> Result<()>
{
    let (group, node) = ground().await?;
    write_over(&gathered(log_of(&group, node))?)?;
    the_others_go_on(&group, node).await?;
    match group[node].get("/api/lb-check").await {
        Ok(_) => group[node].kill()?,
        Err(_) => {
            let ended = group[node].ended(ENDS_WITHIN).await?;
            ensure!(ended.code() == Some(CORE_FAILED), "{ended}");
        }
    }
    refuses(&group, node, "joins the group anew").await?;
    joins_anew(&group, node).await
}

#[tokio::test]
async fn a_snapshot_that_was_changed_is_refused_until_the_directory_is_emptied() -> Result<()> {
    let (group, node) = ground().await?;
    let answer = group[node].get("/api/raft-snapshot").await?;
    ensure!(answer.is_ok(), "{}", answer.text);
    ensure!(group[node].terminate().await?.success());
    let directory = group[node].folder().join("data");
    let snapshot = fs::read_dir(&directory)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.display().to_string().contains("raft-snapshot-"))
        .context("there is no snapshot")?;
    falsify(&snapshot)?;
    refuses(&group, node, "is damaged").await?;
    the_others_go_on(&group, node).await?;
    joins_anew(&group, node).await
}

#[tokio::test]
async fn a_store_that_was_written_over_is_refused_and_written_anew_when_it_is_moved_away()
-> Result<()> {
    let (group, node) = ground().await?;
    ensure!(group[node].terminate().await?.success());
    let store = gathered(group[node].folder().join("orchestrator.sqlite3"))?;
    write_over(&store)?;
    let sentence = "move it away, and start again: this node writes it anew from its log";
    refuses(&group, node, sentence).await?;
    the_others_go_on(&group, node).await?;
    fs::rename(&store, store.with_extension("damaged"))?;
    group[node].start_again().await?;
    group.settled().await?;
    group.agree(&[0, 1, 2]).await?;
    let hosts = group.downtimed_hosts(node)?;
    ensure!(hosts.len() == 22 && hosts.contains(MARKED), "{hosts:?}");
    Ok(())
}

/// A store that reads as something else than was decided is found by comparing with the others; its node does not lead with it.
#[tokio::test]
async fn a_store_with_a_row_that_was_changed_is_found_by_comparing_with_the_others() -> Result<()> {
    let (group, node) = ground().await?;
    ensure!(group[node].terminate().await?.success());
    let connection = rusqlite::Connection::open(group[node].folder().join("orchestrator.sqlite3"))?;
    let changed = connection.execute(
        "UPDATE decided_downtime SET reason = 'another' WHERE host = ?1",
        [MARKED],
    )?;
    ensure!(changed == 1);
    drop(connection);
    group[node].start_again().await?;
    group.downtime(node, "db-meanwhile").await?;
    wait_until("the difference to be found", SOON, async || {
        let status = group[node].get("/api/raft-status").await?.json;
        let told = status["Warnings"].to_string();
        ensure!(told.contains("differs at entry"), "{told}");
        ensure!(
            told.contains("does not ask to be elected: its decided state is another than that of"),
            "{told}"
        );
        Ok(())
    })
    .await?;
    let leader = group.leader().await?;
    ensure!(leader != node, "it leads");
    ensure!(group[node].terminate().await?.success());
    joins_anew(&group, node).await
}
