//! What a probe costs a server far away: how often it is waited for an answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use orchestrator_core::domain::InstanceKey;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::servers::{Product, Server};
use crate::world::{config, world};

/// Passes one connection at a time on to a server, and counts how often the client says something after it has heard something.
struct Counting {
    at: SocketAddr,
    turns: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Counting {
    async fn before(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let turns = Arc::new(AtomicUsize::new(0));
        let (server, counter) = (format!("{}:{}", server.host, server.port), turns.clone());
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let server = TcpStream::connect(&server).await.unwrap();
                pass_on(client, server, &counter).await;
            }
        });
        Self { at, turns, task }
    }

    fn key(&self) -> InstanceKey {
        InstanceKey::parse(&self.at.to_string(), 1).unwrap()
    }

    /// How many since it was asked last.
    fn turns(&self) -> usize {
        self.turns.swap(0, Ordering::SeqCst)
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass_on(mut client: TcpStream, mut server: TcpStream, turns: &AtomicUsize) {
    let (mut from_client, mut from_server) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    let mut has_heard = false;
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let Ok(length @ 1..) = read else { return };
                if std::mem::take(&mut has_heard) {
                    turns.fetch_add(1, Ordering::SeqCst);
                }
                server.write_all(&from_client[..length]).await.unwrap();
            }
            read = server.read(&mut from_server) => {
                let Ok(length @ 1..) = read else { return };
                has_heard = true;
                client.write_all(&from_server[..length]).await.unwrap();
            }
        }
    }
}

async fn costs_one(product: Product) {
    let servers = Server::start(product, 2, &[]).await;
    let (source, replica) = (&servers[0], &servers[1]);
    replica.replicate_from(source).await;
    for (server, is_replica) in [(source, false), (replica, true)] {
        let before = Counting::before(server).await;
        let queries = |config: &mut orchestrator::mysql::Config| {
            config.detect.cluster_alias = "SELECT 'shop' AS alias".into();
            config.detect.data_center = "SELECT name FROM nowhere.at_all".into();
            config.lag_query = "SELECT 7".into();
        };
        let world = world(config());
        world.reload(queries);
        let mut session = world.session(&before.key());
        session.probe().await.unwrap();
        let first = before.turns();
        // The login and its key, what the server is, all that may be needed, and what was refused or not thought of.
        assert!(
            first <= 9,
            "{product:?}, is a replica {is_replica}: {first}"
        );
        for _ in 0..10 {
            let seen = session.probe().await.unwrap();
            assert_eq!(seen.replication.is_some(), is_replica);
            assert_eq!(seen.cluster_alias, "shop");
            assert_eq!(seen.lag_seconds, Some(7));
            assert!(!seen.identity.version.is_empty() && seen.binlog.position.is_some());
        }
        // The query that is refused is asked alone, each time: it may be mended meanwhile.
        assert_eq!(before.turns(), 20, "{product:?}, is a replica {is_replica}");
        world.reload(|config| config.detect.data_center = String::new());
        session.probe().await.unwrap();
        before.turns();
        for _ in 0..10 {
            session.probe().await.unwrap();
        }
        assert_eq!(before.turns(), 10, "{product:?}, is a replica {is_replica}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_of_mariadb_costs_one_round_trip() {
    costs_one(Product::MariaDb).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_of_mysql_costs_one_round_trip() {
    costs_one(Product::MySql9).await;
}
