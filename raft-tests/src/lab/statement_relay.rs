//! What lies between the service and servers: relays that read the statements of recoveries, and stop the one who sends them at
//! the n-th.
//!
//! Each server listens at an address behind its relay; everybody knows it by the relay's. Logins of the service are read packet by packet
//! (they are not encrypted in the lab), all others are passed on as they are. A statement that changes something carries recovery and fence
//! in a comment, by which it is known.
//!
//! When the n-th such statement comes, all of its fence are held, on all servers: the sender is stopped *exactly* there, and what it had sent
//! at the same time elsewhere is under way in the network. What is held goes on when it is released, as late packets do.

use anyhow::{Context as _, Result, ensure};
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::wait::{Stopwatch, wait_until};

/// Before each changing statement of a recovery.
const TAG: &str = "/* orchestrator recovery=";
/// A statement of the text protocol.
const COM_QUERY: u8 = 3;
/// In the client's first packet: it goes on encrypted.
const CLIENT_SSL: u32 = 1 << 11;
/// Where the user's name begins in the client's first packet.
const LOGIN_USER_AT: usize = 32;
/// A packet of the protocol at most; nobody in the lab sends so much.
const PACKET_MAX: usize = 16 * 1024 * 1024;

/// A changing statement of a recovery, as a relay or a server's log saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaggedStatement {
    /// When it came, since the relays' start; zero where a log has it.
    pub at: Duration,
    /// Its server's name.
    pub server: String,
    /// The leadership under which it was sent.
    pub fence: u64,
    /// The statement without its comment.
    pub text: String,
}

impl TaggedStatement {
    /// Reads fence and text of one; `None` where the text is no statement of a recovery.
    #[must_use]
    pub fn read(server: &str, at: Duration, text: &str) -> Option<Self> {
        let (_, tagged) = text.split_once(TAG)?;
        let (comment, statement) = tagged.split_once("*/")?;
        let (_, fence) = comment.split_once("fence=")?;
        Some(Self {
            at,
            server: server.to_owned(),
            fence: fence.trim().parse().ok()?,
            text: statement.trim().to_owned(),
        })
    }
}

/// What becomes of the n-th statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It reaches its server when its sender is stopped.
    Lands,
    /// It is held like all that come after it: its sender is stopped before it.
    Held,
}

/// When what is held goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// When the next leadership sends its first statement, on whichever server.
    AtTheNextFence,
    /// When the test says so.
    WhenReleased,
}

/// Where a sender is to be stopped.
#[derive(Clone, Copy, Debug)]
pub struct StopAt {
    /// At this statement, counted from 1 over all servers.
    pub number: usize,
    /// What becomes of it.
    pub fate: Fate,
    /// When the others go on.
    pub late: Late,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Running,
    /// The statement came; its sender is not stopped yet.
    Reached,
    Stopped,
    Released,
}

struct Inner {
    seen: Vec<TaggedStatement>,
    stop: Option<StopAt>,
    /// The fence whose statements are held.
    held: Option<u64>,
}

struct Shared {
    inner: Mutex<Inner>,
    stage: watch::Sender<Stage>,
    /// Users whose connections stand still, by server.
    cut: watch::Sender<BTreeSet<(String, String)>>,
    /// How many statements are held.
    waiting: watch::Sender<usize>,
    /// Names of users whose statements are read begin so.
    reads: &'static str,
    clock: Stopwatch,
}

impl Shared {
    fn new(reads: &'static str) -> Self {
        Self {
            inner: Mutex::new(Inner {
                seen: Vec::new(),
                stop: None,
                held: None,
            }),
            stage: watch::Sender::new(Stage::Running),
            cut: watch::Sender::new(BTreeSet::new()),
            waiting: watch::Sender::new(0),
            reads,
            clock: Stopwatch::start(),
        }
    }
}

/// Which address relays call servers from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calling {
    /// 127.0.0.1, as everybody does here.
    Loopback,
    /// The one that each relay listens at, so that a server takes it for another host.
    OwnAddress,
}

/// Relays in front of all servers of a fleet. Dropping it ends them.
#[derive(Debug)]
pub struct StatementRelay {
    shared: Arc<Shared>,
    fronts: Vec<Front>,
    _stop: DropGuard,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// One relay.
#[derive(Clone, Debug)]
struct Front {
    server: String,
    back: SocketAddrV4,
    /// The address that it calls from; the kernel's choice otherwise.
    from: Option<Ipv4Addr>,
    shared: Arc<Shared>,
}

/// Counts a statement as held for as long as it lives.
struct Waiting<'a>(&'a watch::Sender<usize>);

impl<'a> Waiting<'a> {
    fn new(count: &'a watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// What is to be done with a statement.
enum Verdict {
    Pass,
    /// It waits for this stage.
    WaitFor(Stage),
}

impl StatementRelay {
    /// Listens for each server, by its name, at the first address, and passes on to the second. Statements are read of users whose names
    /// begin with `reads`.
    ///
    /// # Errors
    /// When an address cannot be listened on.
    pub async fn start(
        servers: &[(String, Ipv4Addr, Ipv4Addr)],
        port: u16,
        reads: &'static str,
        calling: Calling,
    ) -> Result<Self> {
        let shared = Arc::new(Shared::new(reads));
        let stop = CancellationToken::new();
        let mut fronts = Vec::new();
        for (server, front, back) in servers {
            let listener = TcpListener::bind((*front, port))
                .await
                .with_context(|| format!("cannot take {front}:{port}"))?;
            let front = Front {
                server: server.clone(),
                back: SocketAddrV4::new(*back, port),
                from: (calling == Calling::OwnAddress).then_some(*front),
                shared: Arc::clone(&shared),
            };
            tokio::spawn(front.clone().accept(listener, stop.clone()));
            fronts.push(front);
        }
        Ok(Self {
            shared,
            fronts,
            _stop: stop.drop_guard(),
        })
    }

    /// Arms it: counts from the next statement on.
    pub fn stop_at(&self, stop: StopAt) {
        let mut inner = self.shared.locked();
        inner.seen.clear();
        (inner.stop, inner.held) = (Some(stop), None);
        self.shared.stage.send_replace(Stage::Running);
    }

    /// Whether the statement has come and its sender waits to be stopped; with it all that came, it being the last one.
    #[must_use]
    pub fn reached(&self) -> Option<Vec<TaggedStatement>> {
        let is_reached = *self.shared.stage.borrow() == Stage::Reached;
        is_reached.then(|| self.seen())
    }

    /// The sender is stopped: what is to land lands.
    pub fn stopped(&self) {
        self.shared.stage.send_if_modified(|stage| {
            let is_due = *stage < Stage::Stopped;
            *stage = (*stage).max(Stage::Stopped);
            is_due
        });
    }

    /// Lets go on whatever is held, and waits until all of it was passed on, or its connection found broken.
    ///
    /// # Errors
    /// When that is not so within `deadline`.
    pub async fn release(&self, deadline: Duration) -> Result<()> {
        self.shared.release();
        wait_until("held statements to go on", deadline, async || {
            let waiting = *self.shared.waiting.borrow();
            ensure!(waiting == 0, "{waiting} are held");
            Ok(())
        })
        .await
    }

    /// Whether what was held goes on.
    #[must_use]
    pub fn is_released(&self) -> bool {
        *self.shared.stage.borrow() == Stage::Released
    }

    /// All statements of recoveries since the relay was armed, as they came, also those that were held.
    #[must_use]
    pub fn seen(&self) -> Vec<TaggedStatement> {
        self.shared.locked().seen.clone()
    }

    /// Cuts a user off from a server: all connections stand still, also new ones, as in a network that loses all packets.
    pub fn cut(&self, user: &str, server: &str) {
        self.shared.cut.send_modify(|cut| {
            cut.insert((user.to_owned(), server.to_owned()));
        });
    }

    /// Begins so many logins at a server from its relay's address, and ends none of them.
    ///
    /// # Errors
    /// When the server cannot be connected to.
    pub async fn interrupt(&self, server: &str, times: usize) -> Result<()> {
        let mut fronts = self.fronts.iter();
        let front = fronts.find(|front| front.server == server);
        let front = front.with_context(|| format!("nothing stands in front of {server}"))?;
        for _ in 0..times {
            let mut stream = front.call().await?;
            read_packet(&mut stream).await?;
        }
        Ok(())
    }

    /// Mends all cuts; what waited goes on.
    pub fn mend(&self) {
        self.shared.cut.send_modify(BTreeSet::clear);
    }

    /// Waits until the n-th statement has come.
    ///
    /// # Errors
    /// When it does not within `deadline`.
    pub async fn reaches(&self, deadline: Duration) -> Result<Vec<TaggedStatement>> {
        wait_until("the statement to come", deadline, async || {
            let count = self.seen().len();
            self.reached()
                .with_context(|| format!("{count} statements came"))
        })
        .await
    }
}

impl Shared {
    fn locked(&self) -> MutexGuard<'_, Inner> {
        self.inner
            .lock()
            .expect("no code panics while it holds what was seen")
    }

    fn release(&self) {
        self.stage.send_replace(Stage::Released);
    }

    fn judge(&self, statement: TaggedStatement) -> Verdict {
        let mut inner = self.locked();
        let fence = statement.fence;
        inner.seen.push(statement);
        let Some(stop) = inner.stop else {
            return Verdict::Pass;
        };
        match inner.held {
            None if inner.seen.len() == stop.number => {
                inner.held = Some(fence);
                self.stage.send_replace(Stage::Reached);
                Verdict::WaitFor(match stop.fate {
                    Fate::Lands => Stage::Stopped,
                    Fate::Held => Stage::Released,
                })
            }
            None => Verdict::Pass,
            Some(held) if held == fence => Verdict::WaitFor(Stage::Released),
            Some(_) => {
                if stop.late == Late::AtTheNextFence {
                    self.release();
                }
                Verdict::Pass
            }
        }
    }

    async fn stage_is(&self, wanted: Stage) -> Result<()> {
        let mut stage = self.stage.subscribe();
        stage.wait_for(|stage| *stage >= wanted).await?;
        Ok(())
    }
}

impl Front {
    async fn accept(self, listener: TcpListener, stop: CancellationToken) {
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            // Errors of accept are of one connection, or of too many: others are served.
            let Ok((stream, _)) = accepted else { continue };
            let (front, stop) = (self.clone(), stop.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    // A connection that breaks is closed on both sides, which is all that the ends need to see.
                    passed = front.pass(stream) => drop(passed),
                }
            });
        }
    }

    /// A connection to the server.
    async fn call(&self) -> Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        if let Some(from) = self.from {
            socket.bind(SocketAddr::from((from, 0)))?;
        }
        Ok(socket.connect(SocketAddr::from(self.back)).await?)
    }

    async fn pass(&self, near: TcpStream) -> Result<()> {
        let far = self.call().await?;
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        let (near_in, near_out) = near.into_split();
        let (far_in, far_out) = far.into_split();
        // The user is known after the greeting only.
        let user = watch::Sender::new(None);
        let known = user.subscribe();
        tokio::try_join!(
            self.to_server(near_in, far_out, user),
            self.to_client(far_in, near_out, known)
        )?;
        Ok(())
    }

    async fn to_server(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        known: watch::Sender<Option<String>>,
    ) -> Result<()> {
        let Some(login) = read_packet(&mut from).await? else {
            return Ok(to.shutdown().await?);
        };
        let user = user_of(&login);
        known.send_replace(user.clone());
        let user = user.filter(|user| user.starts_with(self.shared.reads));
        let Some(user) = user else {
            to.write_all(&login).await?;
            tokio::io::copy(&mut from, &mut to).await?;
            return Ok(to.shutdown().await?);
        };
        let mut packet = Some(login);
        while let Some(bytes) = packet {
            self.passable(&user).await?;
            let mut waiting = None;
            if let Some(statement) = self.tagged(&bytes)
                && let Verdict::WaitFor(stage) = self.shared.judge(statement)
            {
                waiting = Some(Waiting::new(&self.shared.waiting));
                self.shared.stage_is(stage).await?;
            }
            to.write_all(&bytes).await?;
            drop(waiting);
            packet = read_packet(&mut from).await?;
        }
        Ok(to.shutdown().await?)
    }

    async fn to_client(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        known: watch::Receiver<Option<String>>,
    ) -> Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = from.read(&mut buffer).await;
            let user = known.borrow().clone();
            if let Some(user) = user {
                self.passable(&user).await?;
            }
            match read {
                Ok(0) => return Ok(to.shutdown().await?),
                Ok(count) => to.write_all(&buffer[..count]).await?,
                Err(error) => {
                    // A process that dies resets what it has not read, and that is not an end.
                    to.as_ref().set_zero_linger()?;
                    to.forget();
                    return Err(error.into());
                }
            }
        }
    }

    /// Waits while this user is cut off from the server.
    async fn passable(&self, user: &str) -> Result<()> {
        let link = (user.to_owned(), self.server.clone());
        let mut cut = self.shared.cut.subscribe();
        cut.wait_for(|cut| !cut.contains(&link)).await?;
        Ok(())
    }

    fn tagged(&self, packet: &[u8]) -> Option<TaggedStatement> {
        let (command, text) = packet.get(4..)?.split_first()?;
        if *command != COM_QUERY || packet[3] != 0 {
            return None;
        }
        let text = String::from_utf8_lossy(text);
        TaggedStatement::read(&self.server, self.shared.clock.elapsed(), &text)
    }
}

/// A packet with its header; `None` at the end.
async fn read_packet(from: &mut (impl AsyncRead + Unpin)) -> Result<Option<Vec<u8>>> {
    let mut packet = vec![0; 4];
    if from.read(&mut packet[..1]).await? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut packet[1..]).await?;
    let length =
        usize::from(packet[0]) | usize::from(packet[1]) << 8 | usize::from(packet[2]) << 16;
    ensure!(length < PACKET_MAX, "a packet of {length} bytes");
    packet.resize(4 + length, 0);
    from.read_exact(&mut packet[4..]).await?;
    Ok(Some(packet))
}

/// The user who logs in by this packet; `None` where it goes on encrypted, or cannot be read.
fn user_of(login: &[u8]) -> Option<String> {
    let payload = login.get(4..)?;
    let flags = u32::from_le_bytes(payload.get(..4)?.try_into().ok()?);
    if flags & CLIENT_SSL != 0 {
        return None;
    }
    let name = payload.get(LOGIN_USER_AT..)?;
    let end = name.iter().position(|byte| *byte == 0)?;
    Some(String::from_utf8_lossy(&name[..end]).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared() -> Shared {
        Shared::new("orchestrator")
    }

    fn statement(fence: u64) -> TaggedStatement {
        let text = format!("{TAG}ab fence={fence} */ STOP SLAVE");
        TaggedStatement::read("b", Duration::ZERO, &text).unwrap()
    }

    fn waits(verdict: &Verdict) -> Option<Stage> {
        match verdict {
            Verdict::Pass => None,
            Verdict::WaitFor(stage) => Some(*stage),
        }
    }

    #[test]
    fn a_statement_is_read_with_its_fence() {
        let read = statement(7);
        assert_eq!((read.fence, read.text.as_str()), (7, "STOP SLAVE"));
        assert!(TaggedStatement::read("b", Duration::ZERO, "STOP SLAVE").is_none());
    }

    #[test]
    fn all_of_the_stopped_fence_are_held_and_others_pass() {
        let shared = shared();
        shared.locked().stop = Some(StopAt {
            number: 2,
            fate: Fate::Lands,
            late: Late::WhenReleased,
        });
        assert_eq!(waits(&shared.judge(statement(7))), None);
        assert_eq!(waits(&shared.judge(statement(7))), Some(Stage::Stopped));
        assert_eq!(waits(&shared.judge(statement(7))), Some(Stage::Released));
        assert_eq!(waits(&shared.judge(statement(8))), None);
        assert_eq!(*shared.stage.borrow(), Stage::Reached);
    }

    #[test]
    fn the_next_fence_lets_late_ones_go_where_that_is_wanted() {
        let shared = shared();
        shared.locked().stop = Some(StopAt {
            number: 1,
            fate: Fate::Held,
            late: Late::AtTheNextFence,
        });
        assert_eq!(waits(&shared.judge(statement(7))), Some(Stage::Released));
        assert_eq!(waits(&shared.judge(statement(8))), None);
        assert_eq!(*shared.stage.borrow(), Stage::Released);
    }

    #[test]
    fn the_user_of_a_login_is_read_unless_it_goes_on_encrypted() {
        let mut login = vec![0; 4 + LOGIN_USER_AT];
        login.extend_from_slice(b"orchestrator\0rest");
        assert_eq!(user_of(&login).as_deref(), Some("orchestrator"));
        login[5] = 0x08;
        assert_eq!(user_of(&login), None);
    }

    #[tokio::test]
    async fn packets_are_taken_apart() {
        let bytes: &[u8] = &[2, 0, 0, 0, 3, b'x', 1, 0, 0, 1, 9];
        let mut from = bytes;
        let first = read_packet(&mut from).await.unwrap().unwrap();
        assert_eq!(first, [2, 0, 0, 0, 3, b'x']);
        assert_eq!(read_packet(&mut from).await.unwrap().unwrap().len(), 5);
        assert!(read_packet(&mut from).await.unwrap().is_none());
    }
}
