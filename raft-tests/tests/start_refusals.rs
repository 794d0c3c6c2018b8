//! Mistakes that keep a node from starting: one clear sentence each, the right exit code, and nothing lost.

use std::net::TcpListener;

use anyhow::{Context as _, Result, ensure};
use raft_tests::lab::{AddressBlock, Node, NodePlan, service_binary};
use serde_json::json;

fn plan(block: &AddressBlock) -> Result<NodePlan> {
    Ok(NodePlan::on(block.next_node()?))
}

/// Starts it, expects it to end with code 1 and a line with all of `words`.
async fn refuses(plan: NodePlan, words: &[&str]) -> Result<()> {
    let node = Node::prepare(plan)?;
    ends_saying(&node, words).await
}

async fn ends_saying(node: &Node, words: &[&str]) -> Result<()> {
    let (status, log) = node.run_to_its_end().await?;
    ensure!(status.code() == Some(1), "it ended with {status}:\n{log}");
    let said = log
        .lines()
        .any(|line| words.iter().all(|word| line.contains(word)));
    ensure!(said, "no line with {words:?} in:\n{log}");
    ensure!(!log.contains("panicked"), "{log}");
    Ok(())
}

#[tokio::test]
async fn configuration_mistakes_are_all_named_at_once() -> Result<()> {
    let block = AddressBlock::claim()?;
    let wrong = || -> Result<NodePlan> {
        Ok(plan(&block)?
            .with("InstancePollSeconds", "soon")
            .with("DataCenterPattern", "(")
            .with("ReadOnly", 3))
    };
    for key in ["InstancePollSeconds", "DataCenterPattern", "ReadOnly"] {
        refuses(wrong()?, &[key]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_mysql_store_without_its_place_refuses_the_start() -> Result<()> {
    let block = AddressBlock::claim()?;
    for key in [
        "MySQLOrchestratorHost",
        "MySQLOrchestratorDatabase",
        "MySQLOrchestratorUser",
    ] {
        refuses(
            plan(&block)?.with("BackendDB", "mysql"),
            &["BackendDB", key],
        )
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_this_release_cannot_do_refuses_the_start() -> Result<()> {
    let block = AddressBlock::claim()?;
    let key = "SkipOrchestratorDatabaseUpdate";
    refuses(plan(&block)?.with(key, true), &[key]).await
}

#[tokio::test]
async fn a_group_that_cannot_work_refuses_the_start() -> Result<()> {
    let block = AddressBlock::claim()?;
    let member = || -> Result<NodePlan> {
        Ok(plan(&block)?
            .with("RaftEnabled", true)
            .with("RaftDataDir", "data")
            .with("RaftBind", "127.0.0.1:0"))
    };
    refuses(member()?, &["RaftEnabled", "RaftNodes"]).await?;
    // None of the listed nodes is this one.
    refuses(
        member()?.with("RaftNodes", vec!["192.0.2.1", "192.0.2.2", "192.0.2.3"]),
        &["RaftAdvertise"],
    )
    .await
}

#[tokio::test]
async fn a_taken_port_is_named() -> Result<()> {
    let block = AddressBlock::claim()?;
    let host = block.next_node()?;
    let taken = TcpListener::bind((host, 0))?;
    let address = taken.local_addr()?.to_string();
    refuses(
        NodePlan::on(host).with("ListenAddress", address.clone()),
        &[&address, "taken"],
    )
    .await
}

#[tokio::test]
async fn an_unusable_store_is_named_and_left_alone() -> Result<()> {
    let block = AddressBlock::claim()?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("file");
    std::fs::write(
        &file,
        "this is no database, and longer than a header of one hundred bytes would be, whatever it says",
    )?;
    let below = file.join("orchestrator.sqlite3").display().to_string();
    refuses(
        plan(&block)?.with("SQLite3DataFile", below.clone()),
        &[&below],
    )
    .await?;
    let text = file.display().to_string();
    refuses(
        plan(&block)?.with("SQLite3DataFile", text.clone()),
        &[&text],
    )
    .await?;
    ensure!(
        std::fs::read_to_string(&file)?.starts_with("this is no database"),
        "it was left as it was"
    );
    let missing = dir
        .path()
        .join("no/such/dir/x.sqlite3")
        .display()
        .to_string();
    // A directory that can be made is made; one below a file cannot.
    let node = Node::prepare(plan(&block)?.with("SQLite3DataFile", missing))?;
    node.launch()?;
    node.healthy().await?;
    Ok(())
}

#[tokio::test]
async fn two_nodes_never_share_a_store() -> Result<()> {
    let block = AddressBlock::claim()?;
    let first = Node::start(plan(&block)?).await?;
    let store = first
        .folder()
        .join("orchestrator.sqlite3")
        .display()
        .to_string();
    refuses(
        plan(&block)?.with("SQLite3DataFile", store.clone()),
        &[&store],
    )
    .await?;
    ensure!(first.get("/api/health").await?.is_ok(), "the first goes on");
    Ok(())
}

#[tokio::test]
async fn bad_certificates_are_named_with_their_key() -> Result<()> {
    let block = AddressBlock::claim()?;
    let dir = tempfile::tempdir()?;
    let cert = dir.path().join("cert.pem").display().to_string();
    let tls = |cert: &str| -> Result<NodePlan> {
        Ok(plan(&block)?
            .with("UseSSL", true)
            .with("SSLCertFile", cert)
            .with("SSLPrivateKeyFile", cert))
    };
    refuses(tls(&cert)?, &["SSLCertFile", &cert]).await?;
    std::fs::write(&cert, "nothing")?;
    std::fs::set_permissions(&cert, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    refuses(tls(&cert)?, &["SSLCertFile", &cert]).await
}

#[tokio::test]
async fn an_unknown_host_is_named_and_does_not_end_a_node() -> Result<()> {
    let block = AddressBlock::claim()?;
    let plan = plan(&block)?.with("DiscoverySeeds", json!(["no-such-host.invalid:3306"]));
    let node = Node::start(plan).await?;
    let answer = node.get("/api/discover/no-such-host.invalid/3306").await?;
    ensure!(
        answer.status.as_u16() == 500 && answer.code() == "ERROR",
        "{}",
        answer.text
    );
    let message = answer.json["Message"]
        .as_str()
        .context("it has a message")?;
    ensure!(message.contains("no-such-host.invalid"), "{message}");
    ensure!(node.get("/api/health").await?.is_ok(), "it goes on");
    Ok(())
}

/// The service behind a bound on the size of its files: what a full disk is to it.
fn with_small_disk(dir: &std::path::Path, kilobytes: u32) -> Result<std::path::PathBuf> {
    let script = dir.join("orchestrator-on-a-small-disk");
    let service = service_binary()?;
    // `ulimit -f` counts blocks of 512 bytes in dash and of 1,024 in bash; the signal would end the process instead.
    let text = format!(
        "#!/bin/bash\ntrap '' XFSZ\nulimit -f {kilobytes}\nexec {} \"$@\"\n",
        service.display()
    );
    std::fs::write(&script, text)?;
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    Ok(script)
}

#[tokio::test]
async fn a_disk_that_is_full_at_the_start_is_named() -> Result<()> {
    let block = AddressBlock::claim()?;
    let dir = tempfile::tempdir()?;
    let tiny = with_small_disk(dir.path(), 8)?;
    let node = Node::prepare(plan(&block)?.binary(&tiny))?;
    let store = node
        .folder()
        .join("orchestrator.sqlite3")
        .display()
        .to_string();
    ends_saying(&node, &[&store, "full"]).await
}

#[tokio::test]
async fn a_disk_that_fills_up_loses_nothing_that_was_acknowledged() -> Result<()> {
    let block = AddressBlock::claim()?;
    let dir = tempfile::tempdir()?;
    let small = with_small_disk(dir.path(), 700)?;
    let plan = plan(&block)?;
    let node = Node::start(plan.binary(&small)).await?;
    let mut acknowledged = Vec::new();
    let refused = loop {
        let port = 1_000 + acknowledged.len();
        ensure!(port < 60_000, "a store of 700 KiB cannot hold this many");
        let reason = "r".repeat(900);
        let answer = node
            .post(
                &format!("/api/begin-downtime/full-disk-host/{port}/ann/{reason}/2h"),
                None,
            )
            .await?;
        if !answer.is_ok() {
            break answer;
        }
        acknowledged.push(port);
    };
    ensure!(
        refused.status.as_u16() == 500 && refused.code() == "ERROR",
        "{}",
        refused.text
    );
    ensure!(
        refused.text.contains("full"),
        "the answer says why: {}",
        refused.text
    );
    ensure!(
        !node.get("/api/health").await?.text.is_empty(),
        "it still answers"
    );
    ensure!(
        acknowledged.len() > 10,
        "some were acknowledged before: {}",
        acknowledged.len()
    );
    node.kill()?;
    let store = rusqlite::Connection::open(node.folder().join("orchestrator.sqlite3"))?;
    let kept: i64 = store.query_row(
        "SELECT count(*) FROM decided_downtime WHERE host = 'full-disk-host'",
        [],
        |row| row.get(0),
    )?;
    ensure!(
        usize::try_from(kept)? == acknowledged.len(),
        "{kept} kept of {} acknowledged",
        acknowledged.len()
    );
    Ok(())
}
