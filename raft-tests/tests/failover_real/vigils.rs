//! How vigils end that were begun at a hundred different moments of the wait, each 60 ms away from its server: there is no moment at
//! which a crash looks like an orderly end, or the other way round.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use orchestrator::mysql::{Config, Connector, MysqlBeater};
use orchestrator_core::beats::VigilEnd;
use orchestrator_core::domain::{InstanceKey, Secret};
use orchestrator_core::ports::Beater as _;
use raft_tests::lab::{Account, Flavour, Plan, RealClock, Server};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::tally::runs;
use crate::world::SOON;

/// Half of a round trip.
const DELAY: Duration = Duration::from_millis(30);

/// As many as a server lets in by default, less some.
const VIGILS: u32 = 100;

/// One statement of a vigil waits for so long.
const WAIT: Duration = Duration::from_secs(10);

/// Far longer than what is sent takes.
const ARRIVED_WITHIN: Duration = Duration::from_secs(1);

/// Longest that opening one may take.
const WITHIN: Duration = Duration::from_secs(10);

/// Begins vigils evenly over one wait, ends the server when all have gone on to another statement at least once, and counts how they ended.
async fn ended_by(
    flavour: Flavour,
    run: u32,
    end: impl AsyncFn(&Server) -> Result<()>,
) -> Result<BTreeMap<String, u32>> {
    let fleet = Plan::of(flavour, "a").far_away(DELAY).build().await?;
    let server = &fleet["a"];
    let config = Config {
        user: Account::ORCHESTRATOR.user.to_owned(),
        password: Secret::new(Account::ORCHESTRATOR.password),
        ..Config::default()
    };
    let (_kept, config) = watch::channel(Arc::new(config));
    let beater = MysqlBeater::new(Arc::new(Connector::new(config, RealClock::start())));
    let key = InstanceKey::parse(&server.host().to_string(), server.port())?;
    let mut vigils = JoinSet::new();
    for _ in 0..VIGILS {
        let vigil = beater.vigil(&key, WITHIN).await;
        let vigil = vigil.map_err(|why| anyhow::anyhow!("no vigil: {why:?}"))?;
        vigils.spawn(vigil);
        tokio::time::sleep(WAIT / VIGILS).await;
    }
    // Until what the last one sent is there, also on a busy machine. Some are between two statements then, whenever it is.
    tokio::time::sleep(ARRIVED_WITHIN + WAIT / VIGILS / 7 * run).await;
    ensure!(vigils.try_join_next().is_none(), "one has ended by itself");
    end(server).await?;
    let mut ends = BTreeMap::new();
    let all = async {
        while let Some(end) = vigils.join_next().await {
            *ends.entry(format!("{:?}", end?)).or_default() += 1;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(SOON, all)
        .await
        .context("not all have ended")??;
    Ok(ends)
}

async fn all_end(
    flavour: Flavour,
    expected: VigilEnd,
    end: impl AsyncFn(&Server) -> Result<()>,
) -> Result<()> {
    for run in 0..u32::try_from(runs()?)? {
        let ends = ended_by(flavour, run, &end).await?;
        let wanted = BTreeMap::from([(format!("{expected:?}"), VIGILS)]);
        ensure!(ends == wanted, "run {run}, {flavour:?}: {ends:?}");
    }
    Ok(())
}

async fn killed_is_never_in_order(flavour: Flavour) -> Result<()> {
    all_end(flavour, VigilEnd::Cut, async |server| server.kill()).await
}

async fn stopped_is_in_order(flavour: Flavour) -> Result<()> {
    all_end(flavour, VigilEnd::InOrder, Server::stop).await
}

#[tokio::test]
async fn a_killed_mariadb_is_never_taken_for_one_that_goes_down_in_order() -> Result<()> {
    killed_is_never_in_order(Flavour::MariaDb).await
}

#[tokio::test]
async fn a_killed_mysql_is_never_taken_for_one_that_goes_down_in_order() -> Result<()> {
    killed_is_never_in_order(Flavour::MySql).await
}

#[tokio::test]
async fn a_killed_mysql_56_is_never_taken_for_one_that_goes_down_in_order() -> Result<()> {
    killed_is_never_in_order(Flavour::MySql56).await
}

#[tokio::test]
async fn a_stopped_mariadb_is_always_taken_for_one_that_goes_down_in_order() -> Result<()> {
    stopped_is_in_order(Flavour::MariaDb).await
}

#[tokio::test]
async fn a_stopped_mysql_is_always_taken_for_one_that_goes_down_in_order() -> Result<()> {
    stopped_is_in_order(Flavour::MySql).await
}

#[tokio::test]
async fn a_stopped_mysql_56_is_always_taken_for_one_that_goes_down_in_order() -> Result<()> {
    stopped_is_in_order(Flavour::MySql56).await
}
