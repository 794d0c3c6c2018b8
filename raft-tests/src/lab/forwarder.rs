//! What lies between the members of a group: delay and cuts, by forwarders of our own on loopback addresses.
//!
//! Each member has a front address, which the others know it by. What comes there is passed on to the member after a delay,
//! from the caller's own address, so that the member sees who calls; an end is passed on as an end, and a reset as a reset. A cut link holds everything back, as a network that
//! loses all packets does; when it is mended what was held goes on, as TCP repeats what was lost.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::wait::Stopwatch;

/// Bytes that one read takes at most.
const CHUNK: usize = 64 * 1024;

/// Chunks on their way in one direction of a connection; then the sender has to wait, as with a full window.
const ON_THE_WAY: usize = 1024;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// One direction between two members, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// Who sends.
    pub from: usize,
    /// Who receives.
    pub to: usize,
}

/// Forwarders before all members. Dropping it ends them.
#[derive(Debug)]
pub struct Forwarders {
    cut: watch::Sender<BTreeSet<Link>>,
    members: usize,
    _stop: DropGuard,
}

/// What is on its way.
enum Chunk {
    Bytes(Vec<u8>),
    End,
    /// The sender's process died with something unread: its kernel said so, which is not an end.
    Reset,
}

/// An end of a connection was found to be reset by writing to it: reading then tells of a mere end.
type WasReset = AtomicBool;

struct Front {
    member: usize,
    hosts: Vec<Ipv4Addr>,
    port: u16,
    delay: Duration,
    cut: watch::Receiver<BTreeSet<Link>>,
    stop: CancellationToken,
    clock: Stopwatch,
}

impl Forwarders {
    /// Listens on each of `fronts` for the member at the same place of `hosts`.
    ///
    /// # Errors
    /// When an address cannot be listened on.
    pub async fn start(
        fronts: &[Ipv4Addr],
        hosts: &[Ipv4Addr],
        port: u16,
        delay: Duration,
    ) -> Result<Self> {
        let cut = watch::Sender::new(BTreeSet::new());
        let stop = CancellationToken::new();
        for (member, address) in fronts.iter().enumerate() {
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            socket
                .bind(SocketAddr::from((*address, port)))
                .with_context(|| format!("cannot take {address}:{port}"))?;
            let front = Front {
                member,
                hosts: hosts.to_vec(),
                port,
                delay,
                cut: cut.subscribe(),
                stop: stop.clone(),
                clock: Stopwatch::start(),
            };
            tokio::spawn(Arc::new(front).accept(socket.listen(BACKLOG)?));
        }
        Ok(Self {
            cut,
            members: hosts.len(),
            _stop: stop.drop_guard(),
        })
    }

    /// Cuts one direction.
    pub fn cut(&self, link: Link) {
        self.cut.send_modify(|cut| {
            cut.insert(link);
        });
    }

    /// Cuts a member off, both ways.
    pub fn isolate(&self, member: usize) {
        for other in (0..self.members).filter(|other| *other != member) {
            self.cut(Link {
                from: member,
                to: other,
            });
            self.cut(Link {
                from: other,
                to: member,
            });
        }
    }

    /// Mends everything.
    pub fn mend(&self) {
        self.cut.send_modify(BTreeSet::clear);
    }
}

impl Front {
    async fn accept(self: Arc<Self>, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            // Errors of accept are of one connection, or of too many: others are served.
            let Ok((stream, caller)) = accepted else {
                continue;
            };
            let front = Arc::clone(&self);
            let stop = self.stop.clone();
            tokio::spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    // A connection that breaks is closed on both sides, which is all that the ends need to see.
                    passed = front.pass(stream, caller) => drop(passed),
                }
            });
        }
    }

    async fn pass(&self, near: TcpStream, caller: SocketAddr) -> Result<()> {
        let SocketAddr::V4(caller) = caller else {
            return Ok(());
        };
        let from = self.hosts.iter().position(|host| host == caller.ip());
        let to = self.member;
        let there = from.map(|from| Link { from, to });
        let back = from.map(|from| Link { from: to, to: from });
        // The opening packets go there and back.
        tokio::time::sleep(self.delay * 2).await;
        self.passable(there).await;
        self.passable(back).await;
        let far = self.dial(*caller.ip()).await?;
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        let (near_in, near_out) = near.into_split();
        let (far_in, far_out) = far.into_split();
        let (near_is, far_is) = (WasReset::default(), WasReset::default());
        tokio::try_join!(
            self.one_way((near_in, &near_is), (far_out, &far_is), there),
            self.one_way((far_in, &far_is), (near_out, &near_is), back)
        )?;
        Ok(())
    }

    async fn dial(&self, source: Ipv4Addr) -> Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((source, 0)))?;
        let member = SocketAddrV4::new(self.hosts[self.member], self.port);
        Ok(socket.connect(member.into()).await?)
    }

    /// Waits while a link is cut.
    async fn passable(&self, link: Option<Link>) {
        let Some(link) = link else { return };
        let mut cut = self.cut.clone();
        if cut.wait_for(|cut| !cut.contains(&link)).await.is_err() {
            // The forwarders end, and this task with them.
            std::future::pending::<()>().await;
        }
    }

    async fn one_way(
        &self,
        from: (OwnedReadHalf, &WasReset),
        to: (OwnedWriteHalf, &WasReset),
        link: Option<Link>,
    ) -> Result<()> {
        let (sender, receiver) = mpsc::channel(ON_THE_WAY);
        tokio::try_join!(
            self.take_in(from, sender),
            self.give_out(receiver, to, link)
        )?;
        Ok(())
    }

    async fn take_in(
        &self,
        (mut from, was_reset): (OwnedReadHalf, &WasReset),
        sender: mpsc::Sender<(Duration, Chunk)>,
    ) -> Result<()> {
        let mut buffer = vec![0; CHUNK];
        loop {
            let chunk = match from.read(&mut buffer).await {
                Ok(0) if was_reset.load(Ordering::Relaxed) => Chunk::Reset,
                Ok(0) => Chunk::End,
                Ok(count) => Chunk::Bytes(buffer[..count].to_vec()),
                Err(_) => Chunk::Reset,
            };
            let is_last = !matches!(chunk, Chunk::Bytes(_));
            let due = self.clock.elapsed() + self.delay;
            sender.send((due, chunk)).await?;
            if is_last {
                return Ok(());
            }
        }
    }

    async fn give_out(
        &self,
        mut receiver: mpsc::Receiver<(Duration, Chunk)>,
        (mut to, was_reset): (OwnedWriteHalf, &WasReset),
        link: Option<Link>,
    ) -> Result<()> {
        while let Some((due, chunk)) = receiver.recv().await {
            tokio::time::sleep(due.saturating_sub(self.clock.elapsed())).await;
            self.passable(link).await;
            match chunk {
                // What cannot be given out any more is lost, as on a real line. How that end went is for its own way back to pass on.
                Chunk::Bytes(bytes) => {
                    if let Err(error) = to.write_all(&bytes).await
                        && error.kind() == io::ErrorKind::ConnectionReset
                    {
                        was_reset.store(true, Ordering::Relaxed);
                    }
                }
                Chunk::End => drop(to.shutdown().await),
                Chunk::Reset => {
                    to.as_ref().set_zero_linger()?;
                    // Both sides are given up, this one by a reset; an end must not come before it.
                    to.forget();
                    bail!("the connection was reset");
                }
            }
        }
        Ok(())
    }
}
