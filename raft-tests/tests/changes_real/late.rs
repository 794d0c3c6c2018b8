//! A statement that arrives after its deadline, as one does that a hanging server or network held back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use orchestrator_core::domain::InstanceKey;
use orchestrator_core::ports::{Change, ChangeError, Servers as _};
use raft_tests::lab::{Flavour, Plan, wait_until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::world::{DEADLINE, SOON, is_on, on_behalf, servers};

/// A way to a server that can stop letting clients' bytes through, and let them through later, also those of clients that are
/// gone by then.
struct Way {
    key: InstanceKey,
    state: watch::Sender<State>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Open,
    /// Open until a client sends [`TRIGGER`].
    Armed,
    Held,
}

/// How the statement begins that is held back.
const TRIGGER: &[u8] = b"read_only = IF(";

impl Way {
    async fn to(server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((server.ip(), 0)).await?;
        let key = InstanceKey::parse(&listener.local_addr()?.to_string(), 3306)?;
        let state = Arc::new(watch::Sender::new(State::Open));
        let own = state.as_ref().clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if let Ok(server) = TcpStream::connect(server).await {
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    tokio::spawn(forward(from_client, to_server, state.as_ref().clone()));
                    tokio::spawn(back(from_server, to_client));
                }
            }
        });
        Ok(Self { key, state: own })
    }
}

async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: watch::Sender<State>) {
    let mut buffer = vec![0; 64 * 1024];
    let mut seen = state.subscribe();
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let bytes = &buffer[..length];
        if bytes.windows(TRIGGER.len()).any(|part| part == TRIGGER) {
            state.send_if_modified(|state| {
                let is_armed = *state == State::Armed;
                if is_armed {
                    *state = State::Held;
                }
                is_armed
            });
        }
        if seen.wait_for(|state| *state != State::Held).await.is_err()
            || to.write_all(bytes).await.is_err()
        {
            return;
        }
    }
    // The client is gone; what it sent has arrived. That it is gone does not: the server's end stays open.
    std::future::pending::<()>().await;
}

async fn back(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        // The server is read on even when the client is gone.
        to.write_all(&buffer[..length]).await.ok();
    }
}

async fn comes_too_late(flavour: Flavour) -> Result<()> {
    let fleet = Plan::of(flavour, "a [read_only=1]").build().await?;
    let a = &fleet["a"];
    let way = Way::to(SocketAddr::new(a.host().into(), a.port())).await?;
    // Dropped before the bytes go on, so that nobody ends the session: the statement alone is to be harmless.
    let servers = servers();
    let mut session = servers.open(&way.key, on_behalf(), DEADLINE).await?;
    let id = session.connection_id();
    way.state.send_replace(State::Armed);
    let deadline = Duration::from_millis(600);
    match session.make(&Change::MakeWritable, deadline).await {
        Err(ChangeError::Unknown { .. }) => {}
        other => bail!("{other:?}"),
    }
    ensure!(
        *way.state.borrow() == State::Held,
        "the statement was held back"
    );
    drop(session);
    drop(servers);
    let own = format!(
        "SELECT COUNT(*) AS n FROM information_schema.processlist WHERE ID = {id} AND COMMAND = 'Sleep'"
    );
    ensure!(
        a.value(&own, "n").await? == "1",
        "the session is still there"
    );
    let before = a
        .value("SHOW GLOBAL STATUS LIKE 'Com_set_option'", "Value")
        .await?;
    way.state.send_replace(State::Open);
    wait_until("the statement to be carried out", SOON, async || {
        let now = a
            .value("SHOW GLOBAL STATUS LIKE 'Com_set_option'", "Value")
            .await?;
        ensure!(now != before, "it is not");
        Ok(())
    })
    .await?;
    ensure!(
        is_on(a, "read_only").await?,
        "a late statement made it writable"
    );
    Ok(())
}

#[tokio::test]
async fn a_late_statement_does_not_make_a_mariadb_writable() -> Result<()> {
    comes_too_late(Flavour::MariaDb).await
}

#[tokio::test]
async fn a_late_statement_does_not_make_a_mysql_9_writable() -> Result<()> {
    comes_too_late(Flavour::MySql).await
}

#[tokio::test]
async fn a_late_statement_does_not_make_a_mysql_56_writable() -> Result<()> {
    comes_too_late(Flavour::MySql56).await
}
