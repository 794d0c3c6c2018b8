//! A single node whose store is on a server.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use raft_tests::lab::{Account, Flavour, Fleet, Node, NodePlan, Stopwatch, wait_until};

use crate::world::{ALL, server};

const SOON: Duration = Duration::from_secs(20);

/// A node with its store in `database` of the server, which it does not wait long for.
pub fn keeping(plan: NodePlan, fleet: &Fleet, database: &str, account: Account) -> NodePlan {
    plan.store_on(&fleet["a"], database, account)
        .with("MySQLOrchestratorReadTimeoutSeconds", 5)
}

fn plan(fleet: &Fleet) -> Result<NodePlan> {
    let plan = NodePlan::on(fleet.node_address()?).with("AuthenticationMethod", "none");
    Ok(keeping(plan, fleet, "store", Account::LAB))
}

async fn downtime(node: &Node, host: &str) -> Result<()> {
    let path = format!("/api/begin-downtime/{host}/3306/ann/test/600s");
    let answer = node.get(&path).await?;
    ensure!(answer.is_ok(), "{}", answer.text);
    Ok(())
}

/// Hosts of downtimes, as an operator reads them.
pub async fn hosts(fleet: &Fleet, database: &str) -> Result<Vec<String>> {
    let query =
        format!("SELECT CAST(host AS CHAR) AS h FROM {database}.decided_downtime ORDER BY host");
    let rows = fleet["a"].rows(&query).await?;
    Ok(rows.iter().map(|row| row.text("h").to_owned()).collect())
}

#[tokio::test]
async fn what_was_decided_and_seen_is_there_after_a_stop_and_after_a_kill() -> Result<()> {
    for flavour in ALL {
        let fleet = server(flavour).await?;
        let node = Node::start(plan(&fleet)?).await?;
        downtime(&node, "db1").await?;
        ensure!(
            hosts(&fleet, "store").await? == ["db1"],
            "an answered change is on disk"
        );
        let seed = format!("/api/discover/{}/{}", fleet["a"].host(), fleet["a"].port());
        ensure!(node.get(&seed).await?.is_ok());
        wait_until("the instance to be stored", SOON, async || {
            let rows = fleet["a"]
                .rows("SELECT 1 AS x FROM store.observed_instance WHERE last_seen_at_micros IS NOT NULL")
                .await?;
            ensure!(rows.len() == 1);
            Ok(())
        })
        .await?;
        ensure!(node.terminate().await?.success());
        node.start_again().await?;
        downtime(&node, "db2").await?;
        node.kill()?;
        let watch = Stopwatch::start();
        node.start_again().await?;
        ensure!(
            watch.elapsed() < Duration::from_secs(9),
            "its database was its own"
        );
        downtime(&node, "db3").await?;
        ensure!(hosts(&fleet, "store").await? == ["db1", "db2", "db3"]);
        let all = node.get("/api/all-instances").await?.json;
        ensure!(all.as_array().is_some_and(|all| all.len() == 1), "{all}");
        ensure!(node.log()?.contains("restored=1"), "{}", node.log_tail());
    }
    Ok(())
}

#[tokio::test]
async fn a_node_waits_for_its_server_and_its_rights_and_says_each_reason_once() -> Result<()> {
    let keeper = Account {
        user: "keeper",
        password: "keeper_pw",
    };
    let fleet = server(Flavour::MariaDb).await?;
    let server = &fleet["a"];
    server.stop().await?;
    let address = NodePlan::on(fleet.node_address()?);
    let node = Node::prepare(keeping(address, &fleet, "store", keeper))?;
    node.launch()?;
    let says = async |words: &[&str]| {
        wait_until("the reason", SOON, async || {
            let answer = node.get("/api/health").await?;
            let all = words.iter().all(|word| answer.text.contains(word));
            ensure!(
                answer.status == 500 && all,
                "{}: {}",
                answer.status,
                answer.text
            );
            Ok(())
        })
        .await
    };
    says(&["waits for its store", "connection refused"]).await?;
    ensure!(node.get("/api/leader-check").await?.status == 404);
    server.start().await?;
    says(&["Access denied", "1045"]).await?;
    server
        .run("CREATE USER 'keeper'@'%' IDENTIFIED BY 'keeper_pw'")
        .await?;
    says(&["1044"]).await?;
    let waiting = node.log()?.matches("waiting for the store").count();
    ensure!((3..=4).contains(&waiting), "{waiting}: {}", node.log()?);
    ensure!(!node.log()?.contains("keeper_pw"));
    server.run("GRANT ALL ON store.* TO 'keeper'@'%'").await?;
    node.healthy().await?;
    downtime(&node, "db1").await?;
    ensure!(hosts(&fleet, "store").await? == ["db1"]);
    Ok(())
}

#[tokio::test]
async fn a_node_that_waits_can_be_told_to_stop() -> Result<()> {
    let fleet = server(Flavour::MariaDb).await?;
    fleet["a"].stop().await?;
    let node = Node::prepare(plan(&fleet)?)?;
    node.launch()?;
    wait_until("it to wait", SOON, async || {
        ensure!(node.get("/api/health").await?.status == 500);
        Ok(())
    })
    .await?;
    ensure!(node.terminate().await?.success());
    Ok(())
}

#[tokio::test]
async fn a_second_node_on_the_same_database_is_refused_and_the_first_goes_on() -> Result<()> {
    let fleet = server(Flavour::MariaDb).await?;
    let first = Node::start(plan(&fleet)?).await?;
    downtime(&first, "db1").await?;
    let second = Node::prepare(plan(&fleet)?)?;
    let (status, log) = second.run_to_its_end().await?;
    ensure!(status.code() == Some(1), "{status}: {log}");
    ensure!(
        log.contains("is in use by") && log.contains("MySQLOrchestratorDatabase"),
        "{log}"
    );
    downtime(&first, "db2").await?;
    ensure!(hosts(&fleet, "store").await? == ["db1", "db2"]);
    Ok(())
}

#[tokio::test]
async fn a_node_outlives_its_server_and_takes_changes_when_it_is_back() -> Result<()> {
    for flavour in ALL {
        let fleet = server(flavour).await?;
        let server = &fleet["a"];
        let node = Node::start(plan(&fleet)?).await?;
        downtime(&node, "db1").await?;
        let pid = node.pid().context("it runs")?;
        server.kill()?;
        wait_until("it to be unwell", SOON, async || {
            let answer = node.get("/api/health").await?;
            ensure!(
                !answer.is_ok() && answer.text.contains("cannot be reached"),
                "{}",
                answer.text
            );
            Ok(())
        })
        .await?;
        let refused = node
            .get("/api/begin-downtime/db2/3306/ann/test/600s")
            .await?;
        ensure!(
            !refused.is_ok() && refused.text.contains("cannot be reached"),
            "{}",
            refused.text
        );
        server.start().await?;
        node.healthy().await?;
        downtime(&node, "db3").await?;
        ensure!(hosts(&fleet, "store").await? == ["db1", "db3"]);
        ensure!(node.pid() == Some(pid), "it is the same process");

        server.run("SET GLOBAL read_only=1").await?;
        server.run("SET GLOBAL read_only=0").await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_connection_is_encrypted_when_that_is_asked_for() -> Result<()> {
    let fleet = server(Flavour::MySql).await?;
    let server = &fleet["a"];
    server
        .run("CREATE USER 'keeper'@'%' IDENTIFIED BY 'keeper_pw' REQUIRE SSL")
        .await?;
    server.run("GRANT ALL ON store.* TO 'keeper'@'%'").await?;
    let keeper = Account {
        user: "keeper",
        password: "keeper_pw",
    };
    let address = NodePlan::on(fleet.node_address()?).with("AuthenticationMethod", "none");
    let ca = server
        .value("SELECT CONCAT(@@datadir,@@ssl_ca) AS f", "f")
        .await?;
    let plan =
        keeping(address, &fleet, "store", keeper).with("MySQLOrchestratorUseMutualTLS", true);
    // The server's own certificate names no host.
    let node = Node::start(plan.with("MySQLOrchestratorSSLSkipVerify", true)).await?;
    downtime(&node, "db1").await?;
    ensure!(hosts(&fleet, "store").await? == ["db1"]);
    ensure!(node.terminate().await?.success());
    // Checked against its authority, it is refused for the name that it does not have; and a file that is not there at once.
    node.configure("MySQLOrchestratorSSLSkipVerify", false)?;
    node.configure("MySQLOrchestratorSSLCAFile", ca)?;
    node.launch()?;
    wait_until("the reason", SOON, async || {
        let answer = node.get("/api/health").await?;
        ensure!(answer.text.contains("TLS"), "{}", answer.text);
        Ok(())
    })
    .await?;
    node.kill()?;
    node.configure("MySQLOrchestratorSSLCAFile", "/no/such/file")?;
    let (status, log) = node.run_to_its_end().await?;
    ensure!(
        status.code() == Some(1) && log.contains("MySQLOrchestratorSSLCAFile"),
        "{log}"
    );
    Ok(())
}
