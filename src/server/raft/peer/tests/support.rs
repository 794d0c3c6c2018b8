use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use orchestrator_core::domain::{Secret, Timestamp};
use orchestrator_core::ports::{BoxFuture, Clock};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::codegen::http::{Request as HttpRequest, Response as HttpResponse};
use tonic::server::NamedService;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use super::super::*;

/// Time of tokio, with a wall clock that a test can set.
pub struct TestClock {
    started: tokio::time::Instant,
    /// Microseconds since 1970 at the start.
    wall: AtomicI64,
}

impl TestClock {
    /// 2030-01-01.
    #[allow(clippy::disallowed_methods, reason = "this is the Clock of the tests")]
    pub fn start() -> Arc<Self> {
        Arc::new(Self {
            started: tokio::time::Instant::now(),
            wall: AtomicI64::new(1_893_456_000_000_000),
        })
    }

    pub fn pass_days(&self, days: i64) {
        self.wall
            .fetch_add(days * 24 * 3_600 * 1_000_000, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.wall.load(Ordering::SeqCst)).plus(self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn sleep(&self, length: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(length))
    }
}

/// A name service of the test's own.
#[derive(Default)]
pub struct Names {
    pub known: Mutex<HashMap<String, Vec<IpAddr>>>,
    /// It answers nothing while this is set.
    pub hangs: std::sync::atomic::AtomicBool,
    pub asked: std::sync::atomic::AtomicUsize,
}

impl Names {
    pub fn of(pairs: &[(&str, &str)]) -> Arc<Self> {
        let names = Self::default();
        for (name, address) in pairs {
            names.set(name, address);
        }
        Arc::new(names)
    }

    pub fn set(&self, name: &str, address: &str) {
        let address = vec![address.parse().unwrap()];
        self.known.lock().unwrap().insert(name.to_owned(), address);
    }
}

impl LookUp for Names {
    fn look_up(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.hangs.load(Ordering::SeqCst) {
            return Box::pin(std::future::pending());
        }
        let known = self.known.lock().unwrap().get(&host).cloned();
        Box::pin(async move {
            known.ok_or_else(|| {
                io::Error::other("failed to lookup address information: Name or service not known")
            })
        })
    }
}

/// A node of a group whose members all run on loopback.
pub fn config(bind: &str) -> Config {
    Config {
        bind: bind.to_owned(),
        default_port: 10_008,
        nodes: vec!["127.0.1.1".into(), "127.0.1.2".into()],
        own_name: bind.to_owned(),
        tls: None,
        shared_secrets: Vec::new(),
        require_authentication: false,
        limits: Limits::default(),
    }
}

pub fn secret_config(bind: &str, secret: &str) -> Config {
    Config {
        shared_secrets: vec![Secret::new(secret)],
        ..config(bind)
    }
}

pub fn secrets_config(bind: &str, secrets: &[&str]) -> Config {
    Config {
        shared_secrets: secrets.iter().map(|secret| Secret::new(*secret)).collect(),
        ..config(bind)
    }
}

pub fn links(config: Config) -> PeerLinks {
    PeerLinks::with_names(config, TestClock::start(), Names::of(&[])).unwrap()
}

/// A server that answers each text with itself, and with whom it takes the caller for.
pub struct Node {
    pub links: PeerLinks,
    pub address: SocketAddr,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Node {
    pub fn start(links: PeerLinks) -> Self {
        let acceptor = links.listen().unwrap();
        let address = acceptor.local_addr().unwrap();
        let stop = CancellationToken::new();
        let incoming = acceptor.incoming(stop.clone());
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let server = server_builder().add_service(Echo);
            let stopped = async move { stopped.cancelled().await };
            let served = server.serve_with_incoming_shutdown(incoming, stopped);
            served.await.unwrap();
        });
        Self {
            links,
            address,
            stop,
            task,
        }
    }

    pub fn target(&self) -> Target {
        self.target_as(&self.address.ip().to_string())
    }

    pub fn target_as(&self, member: &str) -> Target {
        Target {
            member: member.to_owned(),
            address: self.address.to_string(),
        }
    }

    /// Waits until this many connections were refused, and makes sure that there were no more.
    pub async fn refused(&self, count: u64) {
        let enough = async {
            while self.links.status().refused < count {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(5), enough).await;
        let status = self.links.status();
        assert!(waited.is_ok() && status.refused == count, "{status:?}");
    }

    /// As a killed process goes: nothing is said to anybody.
    pub async fn kill(self) {
        self.task.abort();
        self.stop.cancel();
        drop(self.task.await);
    }
}

/// Sends a text and gives what comes back.
pub async fn echo(channel: &Channel, text: &str) -> Result<String, Status> {
    let mut grpc = tonic::client::Grpc::new(channel.clone());
    grpc.ready()
        .await
        .map_err(|error| Status::from_error(Box::new(error)))?;
    let path = tonic::codegen::http::uri::PathAndQuery::from_static("/test.Echo/Echo");
    let codec = ProstCodec::<String, String>::default();
    let answer = grpc.unary(Request::new(text.to_owned()), path, codec).await;
    answer.map(Response::into_inner)
}

/// Why a call could not be made.
pub fn failure(answer: Result<String, Status>) -> DialError {
    let status = answer.expect_err("it must not get through");
    dial_failure(&status)
        .unwrap_or_else(|| panic!("not the dial failed: {status:?}"))
        .clone()
}

#[derive(Clone)]
struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "test.Echo";
}

impl tower::Service<HttpRequest<Body>> for Echo {
    type Response = HttpResponse<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<HttpResponse<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest<Body>) -> Self::Future {
        let answer = tower::service_fn(|request: Request<String>| async move {
            let caller = request.extensions().get::<PeerIdentity>().unwrap();
            let member = caller.member.as_deref().unwrap_or("nobody");
            let answer = format!("{} from {member} by {}", request.get_ref(), caller.trust);
            Ok::<_, Status>(Response::new(answer))
        });
        Box::pin(async move {
            let codec = ProstCodec::<String, String>::default();
            Ok(tonic::server::Grpc::new(codec).unary(answer, request).await)
        })
    }
}
