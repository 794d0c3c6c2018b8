//! A relay before a server that loses a `COMMIT`, in the ways a network can.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::Result;
use raft_tests::lab::Server;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

/// What the text of a transaction ends with, or is.
const COMMIT: &[u8] = b"COMMIT";

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
    sent: Arc<AtomicUsize>,
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
            sent: Arc::default(),
            _stop: stop.clone().drop_guard(),
        };
        let target = (server.host(), server.port());
        let way = Way {
            fate: relay.fate.clone(),
            release: relay.release.clone(),
            delivered: relay.delivered.clone(),
            sent: relay.sent.clone(),
        };
        tokio::spawn(stop.run_until_cancelled_owned(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(target).await else {
                    continue;
                };
                tokio::spawn(pass(client, server, way.clone()));
            }
        }));
        Ok(relay)
    }

    /// What becomes of the next `COMMIT`; those after it are passed on.
    pub fn next(&self, fate: Fate) {
        self.fate.send_replace(fate);
    }

    /// How often something was sent to the server.
    pub fn sent(&self) -> usize {
        self.sent.load(Ordering::SeqCst)
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

/// What connections share.
#[derive(Clone)]
struct Way {
    fate: watch::Sender<Fate>,
    release: Arc<Notify>,
    delivered: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
}

async fn pass(client: TcpStream, server: TcpStream, way: Way) -> Option<()> {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (mut sent, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            length = from_client.read(&mut sent) => {
                let packet = &sent[..length.ok().filter(|length| *length > 0)?];
                way.sent.fetch_add(1, Ordering::SeqCst);
                let now = match packet.ends_with(COMMIT) {
                    true => way.fate.send_replace(Fate::PassedOn),
                    false => Fate::PassedOn,
                };
                match now {
                    Fate::PassedOn => to_server.write_all(packet).await.ok()?,
                    Fate::Lost => return None,
                    Fate::AnswerLost => {
                        to_server.write_all(packet).await.ok()?;
                        let mut all = Vec::new();
                        while !is_whole(&all) {
                            let length = from_server.read(&mut answered).await.ok();
                            all.extend_from_slice(&answered[..length.filter(|length| *length > 0)?]);
                        }
                        return None;
                    }
                    Fate::Late => {
                        drop((from_client, to_client));
                        way.release.notified().await;
                        // The server may have closed it.
                        let _ = to_server.write_all(packet).await;
                        way.delivered.store(true, Ordering::SeqCst);
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

/// Whether these packets are the whole answer to a text: the last one says that a statement was carried out, and that no other follows.
fn is_whole(mut packets: &[u8]) -> bool {
    const MORE_FOLLOWS: u8 = 8;
    let mut is_last = false;
    while let [a, b, c, _, rest @ ..] = packets {
        let length = usize::from(*a) | usize::from(*b) << 8 | usize::from(*c) << 16;
        let Some((packet, left)) = rest.split_at_checked(length) else {
            return false;
        };
        // OK, few rows, no id, the low half of the status.
        is_last = matches!(packet, [0, 0..251, 0, status, ..] if status & MORE_FOLLOWS == 0);
        packets = left;
    }
    is_last && packets.is_empty()
}
