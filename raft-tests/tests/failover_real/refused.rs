//! A primary that lets nobody in is up: it is left alone for as long as it lives, and replaced when it dies.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;
use raft_tests::lab::{
    Account, Certificates, Flavour, Holds, Node, NodePlan, Plan, Server, holds_for, wait_until,
};

use crate::beats::{
    a_crash_is_something, beating, but_a_crash_is_something, is_beaten, metric, nothing_was_done,
    noticing, rarely,
};
use crate::tally::runs;
use crate::world::{SOME_ROWS, SOON, World, recovering};

/// Beats are answered once a second, and a silence would be evidence after two.
const WATCHED: Duration = Duration::from_secs(5);

const ALIVE: &str = "orchestrator_beats_turned_total{to=\"alive\"}";

async fn turns(node: &Node) -> Result<f64> {
    let metrics = node.get("/metrics").await?.text;
    metric(&metrics, ALIVE).context("it was alive")
}

/// Nobody of ours is let in any more and the connections that are there are ended: errors instead of answers.
async fn left_alone(
    world: &World,
    node: &Node,
    what: &str,
    refuse: impl AsyncFnOnce(&World) -> Result<Vec<Conn>>,
) -> Result<()> {
    let before = turns(node).await?;
    let _guests = refuse(world).await?;
    // The kept connection is gone, and the server has refused another.
    wait_until("the beats to be refused", SOON, async || {
        let now = turns(node).await?;
        ensure!(now > before, "{now} turns, {before} before");
        Ok(())
    })
    .await?;
    holds_for("no recovery", WATCHED, async || {
        nothing_was_done(node, what).await
    })
    .await?;
    a_crash_is_something(world, node).await
}

async fn each_time(
    plan: impl Fn() -> Plan,
    what: &str,
    refuse: impl AsyncFn(&World) -> Result<Vec<Conn>>,
) -> Result<()> {
    for run in 0..runs()? {
        let (world, node) = beating(plan()).await?;
        let outcome = left_alone(&world, &node, what, &refuse).await;
        outcome.with_context(|| format!("run {run}"))?;
    }
    Ok(())
}

/// Ends all connections of these users.
async fn end_sessions(conn: &mut Conn, flavour: Flavour, users: &[&str]) -> Result<()> {
    if flavour == Flavour::MariaDb {
        for user in users {
            conn.query_drop(format!("KILL CONNECTION USER '{user}'"))
                .await?;
        }
        return Ok(());
    }
    let list = "SELECT ID, USER FROM information_schema.processlist";
    let sessions: Vec<(u64, String)> = conn.query(list).await?;
    for (id, user) in sessions {
        if users.contains(&user.as_str()) {
            // It may have ended by itself.
            conn.query_drop(format!("KILL {id}")).await.ok();
        }
    }
    Ok(())
}

const OURS: [&str; 2] = [Account::ORCHESTRATOR.user, Account::REPLICATION.user];

/// 1040, *Too many connections*.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_full_is_left_alone() -> Result<()> {
    each_time(
        || noticing(Flavour::MariaDb),
        "1040",
        async |world| {
            let primary = &world.fleet["a"];
            let mut guests = vec![primary.connect().await?];
            // More than may be, counting one for whoever has the rights of an administrator.
            for _ in 0..14 {
                guests.push(primary.connect().await?);
            }
            let full = "SET GLOBAL max_connections = 10";
            guests[0].query_drop(full).await?;
            end_sessions(&mut guests[0], Flavour::MariaDb, &OURS[..1]).await?;
            Ok(guests)
        },
    )
    .await
}

/// 1045, *Access denied*, for us and, at its next attempt, for replicas.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_knows_us_no_more_is_left_alone() -> Result<()> {
    each_time(
        || noticing(Flavour::MariaDb),
        "1045",
        async |world| {
            let primary = &world.fleet["a"];
            let mut conn = primary.connect().await?;
            conn.query_drop("SET SESSION sql_log_bin = 0").await?;
            for user in OURS {
                let lock = format!("ALTER USER '{user}'@'%' IDENTIFIED BY 'another'");
                conn.query_drop(lock).await?;
            }
            end_sessions(&mut conn, Flavour::MariaDb, &OURS).await?;
            Ok(vec![conn])
        },
    )
    .await
}

/// *Host is blocked because of many connection errors*.
const BLOCKED: u16 = 1129;

/// Connections come from addresses that it counts errors of, and looks up: 127.0.0.1 it trusts always.
fn blocking(flavour: Flavour) -> Plan {
    noticing(flavour)
        .behind_relays_of_other_hosts()
        .with("skip_name_resolve", "0")
        .with("max_connect_errors", "1")
}

/// 1129, for us and for replicas. MariaDB: MySQL 5.6 and 9.7 were seen not to count logins that nobody ends.
pub async fn blocked(flavour: Flavour) -> Result<()> {
    each_time(
        || blocking(flavour),
        "1129",
        async |world| {
            let primary = &world.fleet["a"];
            let mut conn = primary.connect().await?;
            let relay = world.fleet.relay()?;
            let before = interrupted(primary).await?;
            relay.interrupt(primary.name(), INTERRUPTED).await?;
            // A login that came to its end before would take them back.
            wait_until("them to be counted", SOON, async || {
                let count = interrupted(primary).await?;
                ensure!(count >= before + INTERRUPTED, "{count}, {before} before");
                Ok(())
            })
            .await?;
            is_blocked(primary).await?;
            end_sessions(&mut conn, flavour, &OURS).await?;
            Ok(vec![conn])
        },
    )
    .await
}

/// Logins that are begun and not ended: more than may be.
const INTERRUPTED: usize = 5;

async fn interrupted(primary: &Server) -> Result<usize> {
    let count = "SHOW GLOBAL STATUS LIKE 'Aborted_connects'";
    let count = primary.value(count, "Value").await?;
    count.parse().with_context(|| count.clone())
}

async fn is_blocked(primary: &Server) -> Result<()> {
    let Account { user, password } = Account::LAB;
    let Err(refused) = primary.connect_as(user, password).await else {
        anyhow::bail!(
            "it lets the host in; a server blocks only hosts whose name service answers for them"
        );
    };
    let is_it = refused.chain().any(|cause| {
        let error = cause.downcast_ref::<mysql_async::Error>();
        matches!(error, Some(mysql_async::Error::Server(error)) if error.code == BLOCKED)
    });
    ensure!(is_it, "{refused:#}");
    Ok(())
}

/// All connections are encrypted, and there are no others.
pub async fn over_tls(
    flavour: Flavour,
    certificates: &Certificates,
    change: impl FnOnce(NodePlan) -> NodePlan,
) -> Result<(World, Node)> {
    let world = World::of(certificates.of(noticing(flavour))).await?;
    let servers = world.fleet.servers();
    let all: Vec<&Server> = servers.iter().collect();
    certificates.renew(servers, &all, Holds::ForYears).await?;
    let primary = &world.fleet["a"];
    world.writers.write_on(primary, SOME_ROWS).await?;
    for user in OURS {
        let demand = format!("ALTER USER '{user}'@'%' REQUIRE SSL");
        primary.run(&demand).await?;
    }
    let at = primary.position().await?;
    for replica in &servers[1..] {
        replica.applied(&at, SOON).await?;
        for statement in flavour.replicate_over_tls(&certificates.authority()) {
            replica.run(&statement).await?;
        }
    }
    world.fleet.replicating().await?;
    let authority = certificates.authority().display().to_string();
    let plan = NodePlan::on(world.fleet.node_address()?)
        .with("MySQLTopologyUseMutualTLS", true)
        .with("MySQLTopologySSLCAFile", authority);
    let node = Node::start(change(rarely(recovering(plan, &world.fleet)))).await?;
    world.seen_by(&node).await?;
    is_beaten(&node, primary).await?;
    Ok((world, node))
}

/// How long the certificate holds that is to expire. Servers take up none that has expired already.
const HOLDS: Duration = Duration::from_secs(3);

/// Its certificate has expired: neither we nor replicas take it, when they connect anew.
pub async fn expired(flavour: Flavour) -> Result<()> {
    for run in 0..runs()? {
        let certificates = Certificates::new()?;
        let (world, node) = over_tls(flavour, &certificates, |plan| plan).await?;
        let outcome = left_alone(&world, &node, "an expired certificate", async |world| {
            let primary = &world.fleet["a"];
            let (servers, own) = (world.fleet.servers(), [primary]);
            certificates.renew(servers, &own, Holds::For(HOLDS)).await?;
            // Until it has expired, whole seconds counted.
            tokio::time::sleep(HOLDS + Duration::from_secs(1)).await;
            let mut conn = primary.connect().await?;
            end_sessions(&mut conn, flavour, &OURS).await?;
            Ok(vec![conn])
        })
        .await;
        outcome.with_context(|| format!("run {run}"))?;
    }
    Ok(())
}

/// 3032, *The server is currently in offline mode*: replicas are thrown out and refused, we have the rights to stay.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_in_offline_mode_is_left_alone() -> Result<()> {
    let (world, node) = beating(Plan::of(Flavour::MySql, crate::world::TREE)).await?;
    for _ in 0..runs()? {
        world.fleet["a"].run("SET GLOBAL offline_mode = ON").await?;
        for name in ["b", "c"] {
            wait_until("a replica to be thrown out", SOON, async || {
                let is_replicating = world.fleet[name].is_replicating().await;
                ensure!(is_replicating.is_err(), "it replicates");
                Ok(())
            })
            .await?;
        }
        holds_for("no recovery", WATCHED, async || {
            nothing_was_done(&node, "offline_mode").await
        })
        .await?;
        world.fleet["a"]
            .run("SET GLOBAL offline_mode = OFF")
            .await?;
        world.fleet.replicating().await?;
    }
    but_a_crash_is_something(&world, &node).await
}
