//! The prober as the service builds it, with real time and names left alone.

use std::sync::Arc;
use std::time::Duration;

use orchestrator::mysql::{Config, Connector, MysqlProber, OwnName};
use orchestrator_core::domain::{
    HostName, InstanceKey, Observation, ProbeFailure, ProbeFailureKind, Secret,
};
use orchestrator_core::ports::{BoxFuture, ProbeSession, Prober, ResolveError, Resolver};
use raft_tests::lab::RealClock;
use tokio::sync::watch;

use crate::servers::PASSWORD;

/// Leaves names alone.
pub struct Names;

impl Resolver for Names {
    fn resolve(&self, host: HostName) -> BoxFuture<'_, Result<HostName, ResolveError>> {
        Box::pin(async move { Ok(host) })
    }
}

pub struct World {
    pub config: watch::Sender<Arc<Config>>,
    pub connector: Arc<Connector>,
    prober: MysqlProber,
}

pub fn config() -> Config {
    Config {
        user: "orchestrator".into(),
        password: Secret::new(PASSWORD),
        own_name: OwnName::None,
        read_timeout: Duration::from_secs(2),
        connect_timeout: Duration::from_secs(1),
        ..Config::default()
    }
}

pub fn world(config: Config) -> World {
    world_with(config, Arc::new(Names))
}

pub fn world_with(config: Config, resolver: Arc<dyn Resolver>) -> World {
    let (config, receiver) = watch::channel(Arc::new(config));
    let clock = RealClock::start();
    let connector = Arc::new(Connector::new(receiver, clock));
    World {
        config,
        prober: MysqlProber::new(connector.clone(), resolver),
        connector,
    }
}

impl World {
    pub fn session(&self, key: &InstanceKey) -> Box<dyn ProbeSession> {
        self.prober.session(key)
    }

    pub fn reload(&self, change: impl FnOnce(&mut Config)) {
        let mut config = Config::clone(&self.config.borrow());
        change(&mut config);
        self.config.send(Arc::new(config)).unwrap();
    }
}

/// The failure of a probe that had to fail, checked for what no message may hold.
pub async fn fails(
    session: &mut Box<dyn ProbeSession>,
    kind: ProbeFailureKind,
    code: u16,
) -> ProbeFailure {
    let failure = session.probe().await.expect_err("the probe had to fail");
    assert_eq!(
        (failure.kind, failure.code),
        (kind, code),
        "{}",
        failure.message
    );
    assert!(!failure.message.contains(PASSWORD), "{}", failure.message);
    failure
}

/// What a server that is well answers. A machine that runs other servers meanwhile stalls now and then for longer than a probe waits;
/// a probe that times out is therefore made again, a few times, and no other failure is excused.
pub async fn answers(session: &mut Box<dyn ProbeSession>) -> Observation {
    const ATTEMPTS: usize = 5;
    for _ in 1..ATTEMPTS {
        match session.probe().await {
            Err(failure) if failure.kind == ProbeFailureKind::Timeout => {}
            outcome => return outcome.unwrap(),
        }
    }
    session.probe().await.unwrap()
}
