use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// A stream whose writes fail when the other end takes nothing for a while. Reading has its bound in the HTTP layer, which
/// knows whether it waits for a header or for nothing at all.
pub(super) struct Unstalled<S> {
    inner: S,
    patience: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
    opening: Option<Opening>,
}

/// The time before enough has come to tell which version of HTTP is spoken; the HTTP layer has no bound for it.
struct Opening {
    seen: Vec<u8>,
    deadline: Pin<Box<Sleep>>,
}

/// What HTTP/2 begins with (RFC 9113, section 3.4); nothing is decided while what came is a beginning of it.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

impl<S> Unstalled<S> {
    /// `opening`: time for the first bytes; `patience`: time for a write to make progress.
    pub(super) fn new(inner: S, opening: Duration, patience: Duration) -> Self {
        let opening = Opening {
            seen: Vec::new(),
            deadline: Box::pin(sleep(opening)),
        };
        Self {
            inner,
            patience,
            waiting: None,
            opening: Some(opening),
        }
    }

    fn judge<T>(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.waiting = None;
            return outcome;
        }
        let patience = self.patience;
        let waiting = self
            .waiting
            .get_or_insert_with(|| Box::pin(sleep(patience)));
        match waiting.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the client takes nothing",
            ))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Unstalled<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let outcome = Pin::new(&mut self.inner).poll_read(cx, buf);
        let Some(opening) = &mut self.opening else {
            return outcome;
        };
        if outcome.is_ready() {
            opening.seen.extend_from_slice(&buf.filled()[before..]);
            if opening.seen.len() >= PREFACE.len() || !PREFACE.starts_with(&opening.seen) {
                self.opening = None;
            }
            return outcome;
        }
        match opening.deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the client says nothing",
            ))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Unstalled<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.judge(cx, outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.inner).poll_flush(cx);
        self.judge(cx, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.judge(cx, outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_given_up() {
        let (client, server) = duplex(8);
        let mut server = Unstalled::new(server, Duration::from_secs(10), Duration::from_secs(30));
        let error = server.write_all(&[0; 64]).await.expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(client);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_client_that_takes_something_is_served() {
        let (mut client, server) = duplex(8);
        let mut server = Unstalled::new(server, Duration::from_secs(10), Duration::from_secs(30));
        let reader = tokio::spawn(async move {
            let mut taken = 0;
            while taken < 64 {
                tokio::time::sleep(Duration::from_secs(20)).await;
                taken += client.read(&mut [0; 8]).await.unwrap();
            }
        });
        server.write_all(&[0; 64]).await.unwrap();
        reader.await.unwrap();
    }
}
