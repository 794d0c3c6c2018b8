use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::connections::{Connection, Connections};
use super::io::Unstalled;
use super::tls::client_certificate;
use super::{Limits, Listener, TlsMaterial};
use crate::api::access::Peer;

/// Wait after an accept that failed for want of descriptors, before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a server needs.
pub struct ServerConfig {
    /// Bounds.
    pub limits: Limits,
    /// Certificates in force; `None` serves plain HTTP. New connections take the latest.
    pub tls: Option<watch::Receiver<TlsMaterial>>,
}

/// Serves a router on one listener until it is told to stop.
pub struct Server {
    router: Router,
    limits: Limits,
    tls: Option<watch::Receiver<TlsMaterial>>,
    connections: Arc<Connections>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Server {
    /// A server of `router`; `stop` ends it.
    pub fn new(router: Router, config: ServerConfig, stop: CancellationToken) -> Arc<Self> {
        let connections = Connections::new(config.limits.connections);
        Arc::new(Self {
            router,
            limits: config.limits,
            tls: config.tls,
            connections,
            tasks: TaskTracker::new(),
            stop,
        })
    }

    /// Accepts and serves until stopped; then lets open requests end, within the drain limit, and gives the listener back.
    pub async fn run(self: Arc<Self>, listener: Listener) -> Listener {
        match &listener {
            Listener::Tcp(listener) => {
                while let Some((stream, peer)) = self.next(|| listener.accept()).await {
                    // Answers are written whole; waiting for more bytes to fill a packet only delays them.
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "TCP_NODELAY could not be set");
                    }
                    let local = stream.local_addr().ok();
                    self.welcome(
                        stream,
                        Peer {
                            remote: Some(peer),
                            local,
                            certificate: None,
                        },
                    );
                }
            }
            Listener::Unix(listener, _file) => {
                while let Some((stream, _)) = self.next(|| listener.accept()).await {
                    self.welcome(stream, Peer::default());
                }
            }
        }
        self.tasks.close();
        if tokio::time::timeout(self.limits.drain, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                open = self.tasks.len(),
                "requests were still open when the service stopped"
            );
        }
        listener
    }

    /// The next connection; `None` when it is time to stop. An accept fails when descriptors run out or a client is gone
    /// already: neither ends the service.
    async fn next<T, F>(&self, mut accept: impl FnMut() -> F) -> Option<T>
    where
        F: Future<Output = std::io::Result<T>>,
    {
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return None,
                accepted = accept() => match accepted {
                    Ok(accepted) => return Some(accepted),
                    Err(error) => tracing::warn!(%error, "a connection could not be accepted"),
                },
            }
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }

    fn welcome<S>(self: &Arc<Self>, stream: S, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let Some(connection) = self.connections.admit() else {
            // Everybody else is being served; closing at once tells the client to come back.
            metrics::counter!("orchestrator_http_connections_refused_total").increment(1);
            return;
        };
        let server = self.clone();
        self.tasks
            .spawn(async move { server.serve(stream, peer, Arc::new(connection)).await });
    }

    async fn serve<S>(self: Arc<Self>, stream: S, mut peer: Peer, connection: Arc<Connection>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let stream = Unstalled::new(stream, self.limits.header, self.limits.stall);
        // A unix socket is served in clear: its bytes do not leave the machine.
        let Some(tls) = self.tls.as_ref().filter(|_| peer.remote.is_some()) else {
            return self.speak(stream, peer, connection).await;
        };
        let acceptor = TlsAcceptor::from(tls.borrow().config.clone());
        let handshake = tokio::time::timeout(self.limits.handshake, acceptor.accept(stream));
        let evicted = connection.evicted.clone();
        let accepted = tokio::select! {
            () = evicted.cancelled() => return,
            accepted = handshake => accepted,
        };
        match accepted {
            Ok(Ok(stream)) => {
                peer.certificate = stream
                    .get_ref()
                    .1
                    .peer_certificates()
                    .and_then(|chain| chain.first())
                    .map(client_certificate);
                self.speak(stream, peer, connection).await;
            }
            Ok(Err(error)) => tracing::debug!(peer = ?peer.remote, %error, "TLS handshake failed"),
            Err(_) => tracing::debug!(peer = ?peer.remote, "TLS handshake took too long"),
        }
    }

    async fn speak<S>(self: Arc<Self>, stream: S, peer: Peer, connection: Arc<Connection>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let evicted = connection.evicted.clone();
        let remote = peer.remote;
        let service = {
            let (server, peer) = (self.clone(), peer);
            service_fn(move |request| {
                let (server, peer, connection) = (server.clone(), peer.clone(), connection.clone());
                async move {
                    let _serving = connection.serve();
                    server.answer(request, peer).await
                }
            })
        };
        let builder = self.builder();
        let mut conversation =
            std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
        let mut is_stopping = false;
        loop {
            tokio::select! {
                outcome = conversation.as_mut() => {
                    if let Err(error) = outcome {
                        tracing::debug!(peer = ?remote, error, "connection ended");
                    }
                    return;
                }
                () = evicted.cancelled() => return,
                () = self.stop.cancelled(), if !is_stopping => {
                    is_stopping = true;
                    conversation.as_mut().graceful_shutdown();
                }
            }
        }
    }

    fn builder(&self) -> Builder<TokioExecutor> {
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header)
            .max_buf_size(self.limits.header_bytes + self.limits.uri_bytes + 1024)
            .max_headers(128);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(
                u32::try_from(self.limits.header_bytes + self.limits.uri_bytes).unwrap_or(u32::MAX),
            )
            .max_concurrent_streams(64)
            .keep_alive_interval(self.limits.header)
            .keep_alive_timeout(self.limits.header);
        builder
    }

    async fn answer(
        &self,
        request: hyper::Request<Incoming>,
        peer: Peer,
    ) -> Result<Response, std::convert::Infallible> {
        let limit = usize::try_from(self.limits.body_bytes).unwrap_or(usize::MAX);
        let limited = |body| Body::new(http_body_util::Limited::new(body, limit));
        let mut request: Request = request.map(limited);
        if let Some((status, text)) = self.limits.complaint(request.uri(), request.headers()) {
            return Ok((status, format!("{text}\n")).into_response());
        }
        let Some(uri) = without_trailing_slash(request.uri()) else {
            return Ok((StatusCode::BAD_REQUEST, "the address cannot be read\n").into_response());
        };
        *request.uri_mut() = uri;
        request.extensions_mut().insert(peer);
        self.router.clone().oneshot(request).await
    }
}

/// One optional trailing slash is accepted on every path.
fn without_trailing_slash(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let Some(shorter) = path.strip_suffix('/').filter(|path| !path.is_empty()) else {
        return Some(uri.clone());
    };
    let text = uri
        .query()
        .map_or_else(|| shorter.to_owned(), |query| format!("{shorter}?{query}"));
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_trailing_slash_is_dropped() {
        let shortened = |text: &str| {
            without_trailing_slash(&text.parse().unwrap())
                .unwrap()
                .to_string()
        };
        assert_eq!(shortened("/api/clusters/"), "/api/clusters");
        assert_eq!(shortened("/api/clusters"), "/api/clusters");
        assert_eq!(shortened("/api/downtimed/?x=/"), "/api/downtimed?x=/");
        assert_eq!(shortened("/"), "/");
        assert_eq!(shortened("/api//"), "/api/");
    }
}
