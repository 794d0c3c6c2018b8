//! The adapter as the service builds it, with real time and names left alone.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use orchestrator::mysql::{Config, Connector, MysqlServers, OwnName};
use orchestrator_core::domain::{Fence, HostName, InstanceKey, RecoveryId, Secret};
use orchestrator_core::ports::{
    BoxFuture, Change, ChangeError, OnBehalfOf, ResolveError, Resolver, ServerSession, Servers,
};
use raft_tests::lab::{Account, Fleet, RealClock, Server, wait_until};
use tokio::sync::watch;

/// Long enough for any change of a healthy server on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// For what comes about by itself.
pub const SOON: Duration = Duration::from_secs(15);

pub const RECOVERY: u128 = 0xabcd;
pub const FENCE: u64 = 17;

struct Names;

impl Resolver for Names {
    fn resolve(&self, host: HostName) -> BoxFuture<'_, Result<HostName, ResolveError>> {
        Box::pin(async move { Ok(host) })
    }
}

pub fn config() -> Config {
    Config {
        user: Account::ORCHESTRATOR.user.into(),
        password: Secret::new(Account::ORCHESTRATOR.password),
        own_name: OwnName::None,
        ..Config::default()
    }
}

pub fn servers() -> MysqlServers {
    servers_with(config())
}

pub fn servers_with(config: Config) -> MysqlServers {
    // The sender may go: nothing is reloaded.
    let (_, receiver) = watch::channel(Arc::new(config));
    let clock = RealClock::start();
    MysqlServers::new(Arc::new(Connector::new(receiver, clock)), Arc::new(Names))
}

pub fn on_behalf() -> OnBehalfOf {
    OnBehalfOf {
        recovery: RecoveryId::from_number(RECOVERY),
        fence: Fence::from_number(FENCE),
    }
}

pub fn key(server: &Server) -> InstanceKey {
    InstanceKey::parse(&server.key(), 3306).unwrap()
}

pub async fn open(servers: &MysqlServers, server: &Server) -> Result<Box<dyn ServerSession>> {
    Ok(servers.open(&key(server), on_behalf(), DEADLINE).await?)
}

/// Makes a change twice over one session: the second time it is done already.
pub async fn twice(session: &mut Box<dyn ServerSession>, change: Change) -> Result<()> {
    for time in ["first", "second"] {
        let made = session.make(&change, DEADLINE).await;
        made.with_context(|| format!("{change:?}, {time} time"))?;
    }
    Ok(())
}

/// The refusal of a change that would discard what is not applied.
pub async fn refuses(session: &mut Box<dyn ServerSession>, change: Change) -> Result<()> {
    match session.make(&change, Duration::from_secs(2)).await {
        Err(ChangeError::Unapplied { unapplied, .. }) => {
            ensure!(!unapplied.is_empty(), "it says what");
            Ok(())
        }
        other => bail!("{change:?} had to be refused: {other:?}"),
    }
}

/// A column of the replica status, under its name of today or of old.
pub async fn status(server: &Server, new: &str, old: &str) -> Result<String> {
    let status = server.replica_status().await?;
    let status = status.with_context(|| format!("{} has no source", server.name()))?;
    ensure!(status.has(new) || status.has(old), "no column {new}");
    Ok(match status.has(new) {
        true => status.text(new).to_owned(),
        false => status.text(old).to_owned(),
    })
}

/// Receiver and applier, as the server says.
pub async fn threads(server: &Server) -> Result<(String, String)> {
    let [receiver, applier] = server.flavour().running_columns();
    Ok((
        status(server, receiver, receiver).await?,
        status(server, applier, applier).await?,
    ))
}

pub async fn source_host(server: &Server) -> Result<String> {
    status(server, "Source_Host", "Master_Host").await
}

pub async fn is_on(server: &Server, variable: &str) -> Result<bool> {
    let value = server
        .value(&format!("SELECT @@global.{variable} AS x"), "x")
        .await?;
    Ok(value == "1")
}

/// Numbers in the table of the tests.
pub async fn rows(server: &Server) -> Result<u64> {
    Ok(server
        .value("SELECT COUNT(*) AS n FROM lab.t", "n")
        .await?
        .parse()?)
}

/// Makes the table on `a`, and waits until all have it.
pub async fn table(fleet: &Fleet) -> Result<()> {
    for statement in [
        "CREATE DATABASE lab",
        "CREATE TABLE lab.t (id INT PRIMARY KEY AUTO_INCREMENT, writer INT) ENGINE=InnoDB",
    ] {
        fleet["a"].run(statement).await?;
    }
    everywhere(fleet).await
}

pub async fn write(server: &Server) -> Result<()> {
    server.run("INSERT INTO lab.t (writer) VALUES (0)").await
}

/// Waits until every other server has what `a` has.
pub async fn everywhere(fleet: &Fleet) -> Result<()> {
    let at = fleet["a"].position().await?;
    for server in &fleet.servers()[1..] {
        server.applied(&at, SOON).await?;
    }
    Ok(())
}

/// Waits until the server has no session with this id.
pub async fn session_is_gone(server: &Server, id: u64) -> Result<()> {
    let query = format!("SELECT COUNT(*) AS n FROM information_schema.processlist WHERE ID = {id}");
    wait_until("the session to end", SOON, async || {
        ensure!(server.value(&query, "n").await? == "0", "it is there");
        Ok(())
    })
    .await
}
