//! The vigil: a connection over which the server waits in a statement, with a request of ours unread in its socket. How such a
//! connection ends tells a server that goes down in order from one that crashes.
//!
//! Seen on loopback with 100 other clients and four writers, six vigils each time:
//!
//! | server | `SIGTERM`, `SHUTDOWN` | `KILL` | `SIGKILL`, `SIGABRT`, `SIGSEGV` |
//! |---|---|---|---|
//! | MariaDB 10.11 (also with `thread_handling=pool-of-threads`) | its end, within 10 ms, without a packet | its end | reset |
//! | MySQL 5.6, 9.7 | the statement's answer, before its time, then its end, within 20 ms | its end | reset |
//!
//! No server sends an error packet for it, so it is how the connection ends that counts: before they close a socket, both servers
//! shut it down, which sends a FIN; when a process dies, its kernel closes a socket with unread bytes by a reset
//! (RFC 2525, 2.17). Without the unread request both look the same. A proxy in between may turn one into the other.

use std::io;
use std::time::Duration;

use orchestrator_core::beats::VigilEnd;
use orchestrator_core::ports::Vigil;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::line::COM_PING;
use super::wire::{Wire, query};

/// A statement is not a slow one because we let it wait. Where that is refused, it is.
const NOT_SLOW: &str = "SET SESSION long_query_time = 3600";

/// Short enough for whoever looks for long statements, long enough that the moments in between, in which nothing lies unread,
/// are some thousandths of the time.
const WAIT: &str = "DO SLEEP(10)";

/// When requests are sent after the statement: the first when most servers have begun it, the others for one that was slower and
/// has read the first along with it.
const UNREAD_AFTER: [Duration; 3] = [
    Duration::from_millis(10),
    Duration::from_millis(40),
    Duration::from_millis(450),
];

/// By when an answer has to be there. A server that is later may be frozen or gone; that is for beats to say.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// No round is shorter, also where the statement is refused or interrupted each time.
const AT_LEAST: Duration = Duration::from_secs(1);

/// A connection that is logged in becomes one that waits: when this completes, something lies unread.
///
/// # Errors
/// How it ended before that.
pub(super) async fn open<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    mut wire: Wire<S>,
) -> Result<Vigil, VigilEnd> {
    send(&mut wire, &query(NOT_SLOW)).await?;
    hear(&mut wire).await?;
    let mut awaited = begin(&mut wire).await?;
    Ok(Box::pin(async move {
        loop {
            let again = match finish(&mut wire, awaited).await {
                Ok(()) => begin(&mut wire).await,
                Err(end) => Err(end),
            };
            match again {
                Ok(begun) => awaited = begun,
                Err(end) => return end,
            }
        }
    }))
}

/// Begins to wait, and sends the first request that is not read. Returns how many answers are owed.
async fn begin<S: AsyncRead + AsyncWrite + Unpin>(wire: &mut Wire<S>) -> Result<u32, VigilEnd> {
    send(wire, &query(WAIT)).await?;
    let mut awaited = 1;
    for pause in &UNREAD_AFTER[..2] {
        awaited = lay(wire, *pause, awaited).await?;
    }
    Ok(awaited)
}

/// Waits to the end, with one more request. However it ends, all answers are read.
async fn finish<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<S>,
    awaited: u32,
) -> Result<(), VigilEnd> {
    let awaited = lay(wire, UNREAD_AFTER[2], awaited).await?;
    for _ in 0..awaited {
        hear(wire).await?;
    }
    Ok(())
}

/// Sends a request when a pause is over.
async fn lay<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<S>,
    pause: Duration,
    mut awaited: u32,
) -> Result<u32, VigilEnd> {
    if let Ok(answer) = timeout(pause, hear(wire)).await {
        answer?;
        awaited = awaited.saturating_sub(1);
        // It did not wait.
        awaited = awaited.saturating_sub(interrupted(wire).await?);
    }
    send(wire, &[COM_PING]).await?;
    Ok(awaited + 1)
}

/// Waits after an answer that came too early, for a connection that ends now: then the early answer was part of that. Returns how
/// many more came.
async fn interrupted<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<S>,
) -> Result<u32, VigilEnd> {
    let mut heard = 0;
    let all = async {
        loop {
            wire.read().await?;
            heard += 1;
        }
    };
    let ended: Result<io::Result<()>, _> = timeout(AT_LEAST, all).await;
    match ended {
        Ok(Err(error)) => Err(ended_by(&error)),
        Ok(Ok(())) | Err(_) => Ok(heard),
    }
}

async fn send<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<S>,
    payload: &[u8],
) -> Result<(), VigilEnd> {
    match wire.command(payload).await {
        // Told once only: who reads afterwards hears a mere end.
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Err(VigilEnd::Cut),
        // How it was closed is heard by reading.
        Err(_) | Ok(()) => Ok(()),
    }
}

async fn hear<S: AsyncRead + AsyncWrite + Unpin>(wire: &mut Wire<S>) -> Result<(), VigilEnd> {
    match timeout(ANSWER_WITHIN, wire.read()).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(ended_by(&error)),
        Err(_) => Err(VigilEnd::Unknown),
    }
}

fn ended_by(error: &io::Error) -> VigilEnd {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => VigilEnd::InOrder,
        io::ErrorKind::ConnectionReset => VigilEnd::Cut,
        _ => VigilEnd::Unknown,
    }
}
