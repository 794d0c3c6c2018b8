use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::domain::{InstanceKey, Observation, ProbeFailure, ProbeFailureKind};
use orchestrator_core::ports::{BoxFuture, ProbeSession, Prober, Resolver};
use tokio::time::timeout;
use tracing::Instrument;

use super::ask::{Asker, Progress};
use super::identity::Profile;
use super::names::{Named, resolve_all};
use super::steps::{Raw, ask_all};
use super::{detect, replicas};
use crate::mysql::dialect::Dialect;
use crate::mysql::failure::{StepError, failure, was_closed_meanwhile};
use crate::mysql::{Config, Conn, Connector, Purpose};

/// Probes MySQL and MariaDB servers, each over one connection that is kept between probes.
pub struct MysqlProber {
    shared: Arc<Shared>,
}

struct Shared {
    connector: Arc<Connector>,
    resolver: Arc<dyn Resolver>,
}

impl MysqlProber {
    /// A prober that connects by `connector` and knows names by `resolver`.
    pub fn new(connector: Arc<Connector>, resolver: Arc<dyn Resolver>) -> Self {
        Self {
            shared: Arc::new(Shared {
                connector,
                resolver,
            }),
        }
    }
}

impl Prober for MysqlProber {
    fn session(&self, key: &InstanceKey) -> Box<dyn ProbeSession> {
        Box::new(Session {
            shared: self.shared.clone(),
            key: key.clone(),
            kept: None,
            progress: Progress::START,
        })
    }
}

/// A connection between probes, and how it was opened.
struct Kept {
    conn: Conn,
    opened_with: Arc<Config>,
    opened_at: Duration,
    profile: Option<Profile>,
}

struct Session {
    shared: Arc<Shared>,
    key: InstanceKey,
    kept: Option<Kept>,
    progress: Progress,
}

impl ProbeSession for Session {
    fn probe(&mut self) -> BoxFuture<'_, Result<Observation, ProbeFailure>> {
        let span = tracing::debug_span!("probe", instance = %self.key);
        Box::pin(self.probe_once().instrument(span))
    }
}

impl Session {
    async fn probe_once(&mut self) -> Result<Observation, ProbeFailure> {
        let clock = self.shared.connector.clock().clone();
        let config = self.shared.connector.config();
        let began = clock.monotonic();
        self.progress = Progress::START;
        // The connection is put back only after a good probe: a dropped future or a failure closes it.
        let limit = config.read_timeout;
        let asked = timeout(limit, self.ask(&config)).await;
        let raw = match asked {
            Ok(asked) => asked?,
            Err(_) => return Err(timed_out(&self.key, self.progress, limit)),
        };
        let mut seen = named(&*self.shared.resolver, &config, raw).await;
        seen.observed_at = clock.now();
        seen.latency = clock.monotonic().saturating_sub(began);
        tracing::trace!(
            round_trips = self.progress.round_trips,
            latency = ?seen.latency,
            "probed"
        );
        Ok(seen)
    }

    /// Asks over the kept connection, or a new one. A kept connection that was closed since its last use, by the server's
    /// idle limit, a restart or a `KILL`, is replaced once without further ado.
    async fn ask(&mut self, config: &Arc<Config>) -> Result<Raw, ProbeFailure> {
        if let Some(kept) = self.kept.take().filter(|kept| self.is_good(kept, config)) {
            match self.ask_over(kept, config).await {
                Err(stale) if !self.progress.has_answered && was_closed_meanwhile(&stale.error) => {
                }
                outcome => return self.outcome(outcome),
            }
            self.progress = Progress::START;
        }
        let conn = self
            .shared
            .connector
            .connect(&self.key, Purpose::Probe)
            .await?;
        let kept = Kept {
            conn,
            opened_with: config.clone(),
            opened_at: self.shared.connector.clock().monotonic(),
            profile: None,
        };
        let outcome = self.ask_over(kept, config).await;
        self.outcome(outcome)
    }

    async fn ask_over(&mut self, mut kept: Kept, config: &Config) -> Result<Raw, StepError> {
        let mut asker = Asker::new(&mut kept.conn, &mut self.progress);
        let mut profile = match kept.profile.take() {
            Some(profile) => profile,
            None => Profile::learn(&mut asker, config).await?,
        };
        let raw = ask_all(&mut asker, config, &self.key, &mut profile).await?;
        kept.profile = Some(profile);
        self.kept = Some(kept).filter(|kept| kept.conn.is_usable());
        Ok(raw)
    }

    fn outcome(&self, outcome: Result<Raw, StepError>) -> Result<Raw, ProbeFailure> {
        outcome.map_err(|failed| {
            let is_partial = self.progress.has_answered;
            failure(&self.key, failed.step, &failed.error, is_partial)
        })
    }

    fn is_good(&self, kept: &Kept, config: &Config) -> bool {
        let age = self
            .shared
            .connector
            .clock()
            .monotonic()
            .saturating_sub(kept.opened_at);
        let is_young = config
            .connection_lifetime
            .is_none_or(|lifetime| age < lifetime);
        is_young && kept.opened_with.logs_in_like(config)
    }
}

/// Resolves names and lays what depends on them over the rest.
async fn named(resolver: &dyn Resolver, config: &Config, raw: Raw) -> Observation {
    let Raw { mut seen, queried } = raw;
    let named = Named {
        key: seen.key.clone(),
        source: seen.replication.as_ref().map(|link| link.source.clone()),
        others: std::mem::take(&mut seen.replicas),
    };
    let named = resolve_all(resolver, named).await;
    seen.key = named.key;
    if let (Some(link), Some(source)) = (&mut seen.replication, named.source) {
        link.source = source;
    }
    seen.replicas = replicas::settled(named.others, &seen.key, &config.ignore_replicas);
    let host = seen.key.host().clone();
    detect::by_patterns(&config.patterns, &host, &mut seen);
    queried.apply(&mut seen);
    seen
}

/// What a server was found to be, kept by whoever observes it over a connection of its own.
#[derive(Default)]
pub(in crate::mysql) struct Learnt(Option<Profile>);

impl Learnt {
    /// Of a server that is known to be no proxy, and to speak this dialect.
    pub(in crate::mysql) fn of(dialect: Dialect) -> Self {
        Self(Some(Profile::of(dialect, None)))
    }
}

/// One probe over a connection that belongs to somebody else, within the time of a probe. After a failure in which the
/// server did not answer, the connection is not usable.
///
/// # Errors
/// As [`ProbeSession::probe`].
pub(in crate::mysql) async fn observe_over(
    conn: &mut Conn,
    learnt: &mut Learnt,
    connector: &Connector,
    resolver: &dyn Resolver,
    key: &InstanceKey,
) -> Result<Observation, ProbeFailure> {
    let (config, clock) = (connector.config(), connector.clock());
    let began = clock.monotonic();
    let limit = config.read_timeout;
    let mut progress = Progress::START;
    let mut asker = Asker::new(conn, &mut progress);
    let asked = async {
        let mut profile = match learnt.0.take() {
            Some(profile) => profile,
            None => Profile::learn(&mut asker, &config).await?,
        };
        let raw = ask_all(&mut asker, &config, key, &mut profile).await?;
        learnt.0 = Some(profile);
        Ok(raw)
    };
    let raw = match timeout(limit, asked).await {
        Ok(Ok(raw)) => raw,
        Ok(Err(StepError { step, error })) => {
            return Err(failure(key, step, &error, progress.has_answered));
        }
        Err(_) => return Err(timed_out(key, progress, limit)),
    };
    let mut seen = named(resolver, &config, raw).await;
    seen.observed_at = clock.now();
    seen.latency = clock.monotonic().saturating_sub(began);
    Ok(seen)
}

fn timed_out(key: &InstanceKey, progress: Progress, limit: Duration) -> ProbeFailure {
    ProbeFailure {
        kind: ProbeFailureKind::Timeout,
        code: 0,
        message: format!(
            "{key}: {} failed: the probe did not end within {limit:?}",
            progress.step
        ),
        is_partial: progress.has_answered,
    }
}
