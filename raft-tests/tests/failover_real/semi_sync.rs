//! With semi-sync, a record may say that nothing is lost: where the old primary cannot have told a client what no replica has.

use anyhow::{Result, ensure};
use raft_tests::lab::{Flavour, Node, NodePlan, Plan};

use crate::record::{loss_kind, recovery_of};
use crate::world::{SOME_ROWS, TREE, World, recovering};

/// Longer than any failover here: within it no wait for an acknowledgement ends by itself.
const TIMEOUT_MILLISECONDS: u32 = 120_000;

async fn loss_of(flavour: Flavour, point: &str) -> Result<String> {
    let [wait_point, timeout] = match flavour {
        Flavour::MariaDb => [
            "rpl_semi_sync_master_wait_point",
            "rpl_semi_sync_master_timeout",
        ],
        Flavour::MySql | Flavour::MySql56 => [
            "rpl_semi_sync_source_wait_point",
            "rpl_semi_sync_source_timeout",
        ],
    };
    let plan = Plan::of(flavour, TREE).semi_sync().with(wait_point, point);
    let world = World::of(plan.with(timeout, TIMEOUT_MILLISECONDS)).await?;
    let fleet = &world.fleet;
    let node_plan = NodePlan::on(fleet.node_address()?);
    let node = Node::start(recovering(node_plan, fleet)).await?;
    world.seen_by(&node).await?;
    let a = &fleet["a"];
    world.writers.write_on(a, SOME_ROWS).await?;
    // A commit that waits when it is last seen may have been given up a moment later; so none does.
    world.writers.pause(true);
    let seen = node
        .get(&format!("/api/discover/{}/{}", a.host(), a.port()))
        .await?;
    ensure!(seen.is_ok(), "{}", seen.text);
    a.kill()?;
    // Before a replica is back below the promoted server, commits there wait for its acknowledgement; the recovery must not.
    world.writers.pause(false);
    let record = recovery_of(&node, a).await?;
    ensure!(record["end"]["outcome"] == "succeeded", "{record:#}");
    let promoted = world.promoted(&record)?;
    let missing = world.writers.missing_on(promoted).await?;
    ensure!(
        missing.is_empty(),
        "acknowledged rows are lost: {missing:?}"
    );
    world.writers.write_on(promoted, SOME_ROWS).await?;
    Ok(loss_kind(&record).to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_lost_is_proven_where_the_primary_waits_before_it_commits_on_mariadb() -> Result<()>
{
    let kind = loss_of(Flavour::MariaDb, "AFTER_SYNC").await?;
    ensure!(kind == "none-proven", "{kind}");
    let kind = loss_of(Flavour::MariaDb, "AFTER_COMMIT").await?;
    ensure!(kind == "unknown", "{kind}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_lost_is_proven_where_the_primary_waits_before_it_commits_on_mysql_9() -> Result<()>
{
    let kind = loss_of(Flavour::MySql, "AFTER_SYNC").await?;
    ensure!(kind == "none-proven", "{kind}");
    Ok(())
}
