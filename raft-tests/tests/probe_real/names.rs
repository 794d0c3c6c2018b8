//! Under which names a real server is known.

use std::sync::Arc;
use std::time::{Duration, Instant};

use orchestrator::mysql::OwnName;
use orchestrator_core::domain::{HostName, InstanceKey, ProbeFailureKind};
use orchestrator_core::ports::{BoxFuture, ResolveError, Resolver};

use crate::servers::{Product, Server};
use crate::world::{config, fails, world, world_with};

/// Gives every host a name: 127.41.3.4 becomes db-127-41-3-4.
struct Renaming;

fn renamed(key: &InstanceKey) -> InstanceKey {
    let name = format!("db-{}", key.host().as_str().replace('.', "-"));
    key.with_host(HostName::parse(&name).unwrap())
}

impl Resolver for Renaming {
    fn resolve(&self, host: HostName) -> BoxFuture<'_, Result<HostName, ResolveError>> {
        let key = renamed(&InstanceKey::new(host, 1).unwrap());
        Box::pin(async move { Ok(key.host().clone()) })
    }
}

/// Never answers.
struct Silent;

impl Resolver for Silent {
    fn resolve(&self, _: HostName) -> BoxFuture<'_, Result<HostName, ResolveError>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_sources_and_replicas_are_known_by_their_resolved_names() {
    let servers = Server::start(Product::MariaDb, 2, &[]).await;
    let (source, replica) = (&servers[0], &servers[1]);
    replica.replicate_from(source).await;
    let mut config = config();
    config.discover_by_show_replica_hosts = true;
    let world = world_with(config.clone(), Arc::new(Renaming));
    let seen = world.session(&replica.key()).probe().await.unwrap();
    assert_eq!(seen.key, renamed(&replica.key()));
    assert_eq!(seen.source(), Some(&renamed(&source.key())));
    let seen = world.session(&source.key()).probe().await.unwrap();
    assert_eq!(seen.replicas, [renamed(&replica.key())]);

    let world = world_with(config, Arc::new(Silent));
    let began = Instant::now();
    let seen = world.session(&replica.key()).probe().await.unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(
        seen.key,
        replica.key(),
        "a silent name service changes nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_named_by_what_the_configuration_says() {
    let servers = Server::start(Product::MariaDb, 1, &["--report-host=".into()]).await;
    let server = &servers[0];
    let world = world(config());
    let mut session = world.session(&server.key());
    assert_eq!(session.probe().await.unwrap().key, server.key());
    world.reload(|config| config.own_name = OwnName::Hostname);
    let hostname = server.text("SELECT @@hostname").await;
    let seen = session.probe().await.unwrap();
    assert_eq!(seen.key.host().as_str(), hostname);
    assert_eq!(seen.key.port(), server.port);
    world.reload(|config| config.own_name = OwnName::ReportHost);
    let failure = fails(&mut session, ProbeFailureKind::InvalidAnswer, 0).await;
    assert!(failure.is_partial);
    assert!(
        failure.message.contains("set report_host"),
        "{}",
        failure.message
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_kept_for_its_lifetime_and_no_longer() {
    let servers = Server::start(Product::MariaDb, 1, &[]).await;
    let server = &servers[0];
    let world = world(config());
    let mut session = world.session(&server.key());
    session.probe().await.unwrap();
    let id = || {
        server
            .text("SELECT MAX(id) FROM information_schema.processlist WHERE user = 'orchestrator'")
    };
    let first = id().await;
    session.probe().await.unwrap();
    assert_eq!(id().await, first);
    world.reload(|config| config.connection_lifetime = Some(Duration::from_nanos(1)));
    session.probe().await.unwrap();
    assert_ne!(id().await, first);
}
