use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use orchestrator_core::decided::GroupId;
use orchestrator_core::ports::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;

use super::message::Trust;
use super::places::Place;

/// Who is at the other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerIdentity {
    /// Its address.
    pub address: SocketAddr,
    /// What it was trusted for.
    pub trust: Trust,
    /// With certificates: the member whose name its certificate has. Otherwise `None`: no single name is proven then.
    pub member: Option<String>,
    /// What it calls itself. For people only: with a secret any member could say it, without authentication anybody.
    pub called: String,
    /// Its group when the connection was made; `None` when it had none.
    pub group: Option<GroupId>,
}

/// A byte stream to a member whose identity is known.
pub struct PeerIo {
    stream: Box<dyn Duplex>,
    identity: PeerIdentity,
    /// Completes when the peer's certificate expires.
    expiry: Option<BoxFuture<'static, ()>>,
    _place: Option<Place>,
}

/// Both directions of a stream.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

impl PeerIo {
    pub(super) fn new(
        stream: Box<dyn Duplex>,
        identity: PeerIdentity,
        expiry: Option<BoxFuture<'static, ()>>,
        place: Option<Place>,
    ) -> Self {
        Self {
            stream,
            identity,
            expiry,
            _place: place,
        }
    }

    /// Who is at the other end.
    pub fn identity(&self) -> &PeerIdentity {
        &self.identity
    }
}

impl Connected for PeerIo {
    type ConnectInfo = PeerIdentity;

    fn connect_info(&self) -> PeerIdentity {
        self.identity.clone()
    }
}

impl AsyncRead for PeerIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // The reading side is polled as long as the connection is open, so it alone watches the time.
        if let Some(expiry) = &mut self.expiry
            && expiry.as_mut().poll(cx).is_ready()
        {
            self.expiry = Some(Box::pin(std::future::ready(())));
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "the certificate of the peer has expired",
            )));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for PeerIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A stream that fails when more is read than may come before the identity is known.
pub(super) struct Bounded<S> {
    inner: S,
    most: usize,
    /// Bytes that may still come; `None` once the identity is known.
    left: Option<usize>,
}

/// More came than may.
#[derive(Debug, thiserror::Error)]
#[error("more than {0} bytes came before the identity was known")]
struct OverBound(usize);

/// The bound, when an error says that one was passed.
pub(super) fn is_over_bound(error: &io::Error) -> Option<usize> {
    let inner = error.get_ref()?.downcast_ref::<OverBound>()?;
    Some(inner.0)
}

impl<S> Bounded<S> {
    pub(super) fn new(inner: S, most: usize) -> Self {
        Self {
            inner,
            most,
            left: Some(most),
        }
    }

    /// The identity is known: from here on there is no bound.
    pub(super) fn lift(&mut self) {
        self.left = None;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let Some(left) = this.left else {
            return Pin::new(&mut this.inner).poll_read(cx, buf);
        };
        if left == 0 {
            return Poll::Ready(Err(io::Error::other(OverBound(this.most))));
        }
        // Never more than may come: what follows the handshake stays in the socket.
        let room = left.min(buf.remaining());
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(room));
        std::task::ready!(Pin::new(&mut this.inner).poll_read(cx, &mut part))?;
        let got = part.filled().len();
        buf.advance(got);
        this.left = Some(left - got);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
