//! A relay before a server that loses a `COMMIT`, in the ways a network can.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use raft_tests::lab::Server;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

/// The packet in which a client sends the statement alone.
const COMMIT: &[u8] = b"\x07\0\0\0\x03COMMIT";

/// What becomes of the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is passed on.
    PassedOn,
    /// It is lost with its connection.
    Lost,
    /// The server has carried it out when the connection is lost, and its answer with it.
    AnswerLost,
    /// The client's connection is lost; the server gets it when the test says so.
    Late,
}

pub struct Relay {
    pub address: SocketAddr,
    fate: watch::Sender<Fate>,
    release: Arc<Notify>,
    delivered: Arc<AtomicBool>,
    _stop: DropGuard,
}

impl Relay {
    pub async fn before(server: &Server) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let stop = CancellationToken::new();
        let relay = Self {
            address: listener.local_addr()?,
            fate: watch::Sender::new(Fate::PassedOn),
            release: Arc::default(),
            delivered: Arc::default(),
            _stop: stop.clone().drop_guard(),
        };
        let target = (server.host(), server.port());
        let (fate, release, delivered) = (
            relay.fate.clone(),
            relay.release.clone(),
            relay.delivered.clone(),
        );
        tokio::spawn(stop.run_until_cancelled_owned(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(target).await else {
                    continue;
                };
                tokio::spawn(pass(
                    client,
                    server,
                    fate.clone(),
                    release.clone(),
                    delivered.clone(),
                ));
            }
        }));
        Ok(relay)
    }

    /// What becomes of the next `COMMIT`; those after it are passed on.
    pub fn next(&self, fate: Fate) {
        self.fate.send_replace(fate);
    }

    /// Whether the next one has not come yet.
    pub fn is_pending(&self) -> bool {
        *self.fate.borrow() != Fate::PassedOn
    }

    /// Lets the server have what is late, and waits until it was sent.
    pub async fn release(&self) {
        self.release.notify_one();
        while !self.delivered.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
    }
}

async fn pass(
    client: TcpStream,
    server: TcpStream,
    fate: watch::Sender<Fate>,
    release: Arc<Notify>,
    delivered: Arc<AtomicBool>,
) -> Option<()> {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (mut sent, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            length = from_client.read(&mut sent) => {
                let packet = &sent[..length.ok().filter(|length| *length > 0)?];
                let now = match packet == COMMIT {
                    true => fate.send_replace(Fate::PassedOn),
                    false => Fate::PassedOn,
                };
                match now {
                    Fate::PassedOn => to_server.write_all(packet).await.ok()?,
                    Fate::Lost => return None,
                    Fate::AnswerLost => {
                        to_server.write_all(packet).await.ok()?;
                        // That something comes says that it was made; how much does not matter.
                        let _answered = from_server.read(&mut answered).await.ok()?;
                        return None;
                    }
                    Fate::Late => {
                        drop((from_client, to_client));
                        release.notified().await;
                        // The server may have closed it.
                        let _ = to_server.write_all(packet).await;
                        delivered.store(true, Ordering::SeqCst);
                        // Whatever it answers, until it closes.
                        while from_server.read(&mut answered).await.is_ok_and(|length| length > 0) {}
                        return None;
                    }
                }
            }
            length = from_server.read(&mut answered) => {
                let length = length.ok().filter(|length| *length > 0)?;
                to_client.write_all(&answered[..length]).await.ok()?;
            }
        }
    }
}
