//! The same over TLS, to a primary that takes no other connections.

use std::time::Duration;

use anyhow::{Result, ensure};
use raft_tests::lab::{Certificates, Flavour, wait_until};

use crate::beats::{down_for_five_seconds, is_beaten, nothing_was_done};
use crate::record::recovery_of;
use crate::refused::over_tls;
use crate::tally::{Tally, runs};
use crate::world::SOON;

/// Far longer than a crash takes to be acted on, so that one that was taken for a restart shows.
const GRACE_SECONDS: u64 = 30;

/// Restarts in order are waited for, and a crash is not: both are told apart over encrypted connections too.
pub async fn told_apart(flavour: Flavour) -> Result<()> {
    let certificates = Certificates::new()?;
    let grace =
        |plan: raft_tests::lab::NodePlan| plan.with("PrimaryRestartGraceSeconds", GRACE_SECONDS);
    let (world, node) = over_tls(flavour, &certificates, grace).await?;
    let primary = &world.fleet["a"];
    primary
        .run("SET GLOBAL require_secure_transport = 1")
        .await?;
    primary.set("require_secure_transport", 1);
    for _ in 0..runs()? {
        down_for_five_seconds(primary, &node).await?;
        world.fleet.replicating().await?;
        is_beaten(&node, primary).await?;
        nothing_was_done(&node, "an orderly restart").await?;
    }
    let mut took = Tally::default();
    let died = world.sampler.now();
    primary.kill()?;
    let record = recovery_of(&node, primary).await?;
    ensure!(record["end"]["outcome"] == "succeeded", "{record:#}");
    let promoted = world.promoted(&record)?;
    wait_until("the promoted server to take writes", SOON, async || {
        let open = world.sampler.first_open(promoted.name(), died)? - died;
        ensure!(
            open < Duration::from_secs(GRACE_SECONDS),
            "it was waited for: {open:?}"
        );
        took.add(open);
        Ok(())
    })
    .await?;
    took.print(&format!("{flavour:?} over TLS, killed: to writable"));
    Ok(())
}
