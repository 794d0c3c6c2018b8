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

use std::convert::Infallible;
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

/// Short enough for whoever looks for long statements.
const WAIT: &str = "DO SLEEP(10)";

/// An answer by then came before the time was over, however late the statement had begun.
const EARLY: Duration = Duration::from_secs(5);

/// When the second round is sent: late enough that a server which reads all that is there (MySQL 5.6 does over TLS, by its yaSSL) has begun
/// the first, and does not read the second along with it.
const SECOND_AFTER: Duration = Duration::from_millis(450);

/// By when an answer has to be there. A server that is later may be frozen or gone; that is for beats to say.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A connection that is logged in becomes one that waits: when this completes, something lies unread, or is on its way there.
///
/// Two rounds are on their way from then on, each a statement and a request behind it. Servers read one packet at a time: while the
/// first statement waits its request and the second round lie unread, and while they go on to the second statement its
/// request does. What is answered is replaced when the other round has begun, so there is no moment in which nothing lies there.
///
/// # Errors
/// How it ended before that.
pub(super) async fn open<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    mut wire: Wire<S>,
) -> Result<Vigil, VigilEnd> {
    // All at once: a server that died between an answer and a later round had nothing unread, and its end looks orderly.
    let all: [&[u8]; 3] = [&query(NOT_SLOW), &query(WAIT), &[COM_PING]];
    send(&mut wire, &all).await?;
    hear(&mut wire).await?;
    Ok(Box::pin(async move {
        match keep(&mut wire).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }))
}

/// Goes on until it ends.
async fn keep<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<S>,
) -> Result<Infallible, VigilEnd> {
    let mut waited = first_round(wire).await?;
    loop {
        send_round(wire).await?;
        let waits = hear_round(wire).await?;
        if !waited && !waits {
            // Where the statement is refused each time nothing lies unread, and a crash would look like an orderly end.
            return Err(VigilEnd::Unknown);
        }
        waited = waits;
    }
}

/// Sends the second round while the first waits. Returns whether it did.
async fn first_round<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<S>,
) -> Result<bool, VigilEnd> {
    let early = timeout(SECOND_AFTER, hear(wire)).await;
    send_round(wire).await?;
    let Ok(early) = early else {
        return hear_round(wire).await;
    };
    early?;
    hear(wire).await?;
    Ok(false)
}

/// Hears both answers of a round. Returns whether its statement waited.
async fn hear_round<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<S>,
) -> Result<bool, VigilEnd> {
    let early = timeout(EARLY, wire.read()).await;
    let waited = early.is_err();
    match early {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => return Err(ended_by(&error)),
        Err(_) => hear(wire).await?,
    }
    hear(wire).await?;
    Ok(waited)
}

async fn send_round<S: AsyncRead + AsyncWrite + Unpin>(wire: &mut Wire<S>) -> Result<(), VigilEnd> {
    send(wire, &[&query(WAIT), &[COM_PING]]).await
}

async fn send<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<S>,
    payloads: &[&[u8]],
) -> Result<(), VigilEnd> {
    match wire.commands(payloads).await {
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
