//! A group of three, of which one or two have their stores on a server.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use raft_tests::lab::{Account, Flavour, Fleet, Group, NodePlan, Stopwatch, wait_until};

use crate::node::{hosts, keeping};
use crate::world::{ALL, server};

/// Anything that needs an election or a start, on a machine busy with other tests.
const SOON: Duration = Duration::from_secs(30);

/// The node with its store on the server.
const KEEPER: usize = 0;

/// What tells a supervisor that a restart may help.
const CORE_FAILED: i32 = 70;

fn first_on(fleet: &Fleet) -> impl Fn(usize, NodePlan) -> NodePlan + '_ {
    |number, plan| match number {
        KEEPER => keeping(plan, fleet, "store", Account::LAB),
        _ => plan,
    }
}

/// All three are at one entry with one digest, and the database has that entry.
async fn agree(group: &Group, fleet: &Fleet) -> Result<()> {
    group.agree(&[1, 2]).await?;
    wait_until("equal digests at one entry", SOON, async || {
        let mut states = Vec::new();
        for node in group.nodes() {
            let status = node.get("/api/raft-status").await?.json;
            states.push((status["DigestIndex"].clone(), status["Digest"].clone()));
        }
        ensure!(states.iter().all(|state| *state == states[0]), "{states:?}");
        let stored = fleet["a"]
            .value("SELECT applied_index AS i FROM store.store_meta", "i")
            .await?;
        let at = states[0].0.as_u64().context("no index")?;
        ensure!(stored.parse::<u64>()? >= at, "{stored} of {at}");
        Ok(())
    })
    .await
}

/// Until this node leads.
async fn lead(group: &Group, wanted: usize) -> Result<()> {
    wait_until("it to lead", SOON, async || {
        let leader = group.leader().await?;
        if leader == wanted {
            return Ok(());
        }
        let path = format!("/api/raft-yield/{}:10008", group[wanted].host());
        let answer = group[leader].get(&path).await?;
        anyhow::bail!("{leader} leads: {}", answer.text)
    })
    .await
}

#[tokio::test]
async fn one_node_on_a_server_and_two_on_files_decide_the_same_whoever_leads() -> Result<()> {
    for flavour in ALL {
        let fleet = server(flavour).await?;
        let group = Group::start(first_on(&fleet)).await?;
        group.settled().await?;
        for number in 0..10 {
            group.downtime(number % 3, &format!("db{number}")).await?;
        }
        lead(&group, KEEPER).await?;
        group.downtime(1, "db10").await?;
        agree(&group, &fleet).await?;
        ensure!(hosts(&fleet, "store").await?.len() == 11);
        // Killed, it applies what its store lacks from its log.
        group[KEEPER].kill()?;
        group.downtime(1, "db11").await?;
        group[KEEPER].launch()?;
        agree(&group, &fleet).await?;
        ensure!(group[KEEPER].terminate().await?.success());
        group[KEEPER].start_again().await?;
        agree(&group, &fleet).await?;
        ensure!(hosts(&fleet, "store").await?.len() == 12);
    }
    Ok(())
}

/// What becomes of a server: it is gone, hangs, or takes no writes.
async fn a_leader_whose_server(fails: impl AsyncFn(&Fleet) -> Result<()>) -> Result<Group> {
    let keeper = Account {
        user: "keeper",
        password: "keeper_pw",
    };
    let fleet = server(Flavour::MariaDb).await?;
    let server = &fleet["a"];
    server
        .run("CREATE USER 'keeper'@'%' IDENTIFIED BY 'keeper_pw'")
        .await?;
    server.run("GRANT ALL ON store.* TO 'keeper'@'%'").await?;
    let group = Group::start(|number, plan| match number {
        KEEPER => {
            keeping(plan, &fleet, "store", keeper).with("MySQLOrchestratorReadTimeoutSeconds", 30)
        }
        _ => plan,
    })
    .await?;
    group.settled().await?;
    lead(&group, KEEPER).await?;
    group.downtime(KEEPER, "db1").await?;
    agree(&group, &fleet).await?;

    fails(&fleet).await?;
    let watch = Stopwatch::start();
    // The log has it, so it is decided; the store does not get it.
    let change = group.downtime(1, "db2");
    let handed = wait_until("another leader", SOON, async || {
        let leaders = group.leaders().await;
        ensure!(!leaders.is_empty() && leaders != [KEEPER], "{leaders:?}");
        Ok(())
    });
    let (change, handed) = tokio::join!(change, handed);
    change?;
    handed?;
    let took = watch.elapsed();
    ensure!(took < Duration::from_secs(15), "handed over after {took:?}");
    let status = group[KEEPER].ended(Duration::from_secs(60)).await?;
    ensure!(status.code() == Some(CORE_FAILED), "{status}");
    let log = group[KEEPER].log()?;
    ensure!(log.contains("what was decided cannot be stored"), "{log}");
    group.downtime(1, "db3").await?;

    // A supervisor starts it again; it waits.
    group[KEEPER].launch()?;
    wait_until("it to wait", SOON, async || {
        let answer = group[KEEPER].get("/api/health").await?;
        ensure!(
            answer.text.contains("waits for its store"),
            "{}",
            answer.text
        );
        Ok(())
    })
    .await?;
    if server.pid().is_none() {
        server.start().await?;
    } else {
        server.thaw()?;
        server.run("SET GLOBAL read_only=0").await?;
    }
    agree(&group, &fleet).await?;
    ensure!(hosts(&fleet, "store").await? == ["db1", "db2", "db3"]);
    Ok(group)
}

#[tokio::test]
async fn a_leader_whose_server_is_lost_hands_over_ends_with_the_reason_and_comes_back() -> Result<()>
{
    a_leader_whose_server(async |fleet| fleet["a"].kill())
        .await
        .map(drop)
}

#[tokio::test]
async fn a_leader_whose_server_hangs_hands_over_ends_with_the_reason_and_comes_back() -> Result<()>
{
    a_leader_whose_server(async |fleet| fleet["a"].freeze())
        .await
        .map(drop)
}

#[tokio::test]
async fn a_leader_whose_server_takes_no_writes_hands_over_ends_with_the_reason_and_comes_back()
-> Result<()> {
    let group =
        a_leader_whose_server(async |fleet| fleet["a"].run("SET GLOBAL read_only=1").await).await?;
    ensure!(group[KEEPER].log()?.contains("takes no writes"));
    Ok(())
}

/// The others do not wait for it: nobody is there to be asked.
#[tokio::test]
async fn a_group_begins_without_the_node_that_waits_for_its_rights_and_takes_it_in_later()
-> Result<()> {
    let keeper = Account {
        user: "keeper",
        password: "keeper_pw",
    };
    let fleet = server(Flavour::MariaDb).await?;
    let group = Group::start(|number, plan| match number {
        KEEPER => keeping(plan, &fleet, "store", keeper),
        _ => plan,
    })
    .await?;
    group.downtime(1, "db1").await?;
    group.agree(&[1, 2]).await?;
    let answer = group[KEEPER].get("/api/raft-status").await?;
    ensure!(
        answer.status == 500 && answer.text.contains("waits for its store"),
        "{}",
        answer.text
    );
    let server = &fleet["a"];
    server
        .run("CREATE USER 'keeper'@'%' IDENTIFIED BY 'keeper_pw'")
        .await?;
    server.run("GRANT ALL ON store.* TO 'keeper'@'%'").await?;
    group.settled().await?;
    agree(&group, &fleet).await?;
    ensure!(hosts(&fleet, "store").await? == ["db1"]);
    Ok(())
}
