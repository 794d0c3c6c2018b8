use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::domain::{
    InstanceKey, Observation, ProbeFailure, ProbeFailureKind, Timestamp,
};
use orchestrator_core::ports::{BoxFuture, Clock, ProbeSession, Prober, Resolver};
use tokio::time::timeout;
use tracing::Instrument;

use super::ahead::Ahead;
use super::ask::{Asker, Progress, Status};
use super::identity::Profile;
use super::names::{Named, resolve_all};
use super::steps::{Raw, all_statements, ask_all};
use super::{detect, replicas};
use crate::mysql::dialect::Dialect;
use crate::mysql::failure::{StepError, failure, was_closed_meanwhile};
use crate::mysql::{Answer, Config, Conn, Connector, Purpose};

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
        let mut asker = Asker::new(
            &mut kept.conn,
            &mut self.progress,
            &**self.shared.connector.clock(),
        );
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

/// What a server was found to be, and what it said last, kept by whoever observes it over a connection of its own.
#[derive(Default)]
pub(in crate::mysql) struct Learnt {
    profile: Option<Profile>,
    came: Option<Came>,
    status: Option<Status>,
    /// How long the last text of an observation took.
    round_trip: Duration,
}

/// Answers to the statements of the next observation, which came with those of something else.
struct Came {
    ahead: Ahead,
    took: Duration,
    at: Timestamp,
    at_monotonic: Duration,
}

/// What came is not read later than this: whoever looks at a server does so at once after a change.
const CAME_LASTS: Duration = Duration::from_millis(50);

/// A status is not known for longer than this, however slowly the server answers.
const STATUS_LASTS_MAX: Duration = Duration::from_millis(200);

impl Learnt {
    /// Of a server that is known to be no proxy, and to speak this dialect.
    pub(in crate::mysql) fn of(dialect: Dialect) -> Self {
        Self {
            profile: Some(Profile::of(dialect, None)),
            ..Self::default()
        }
    }

    /// The statements of the next observation, to be sent with something else.
    pub(in crate::mysql) fn ahead(&self, config: &Config) -> Option<Ahead> {
        let profile = self.profile.as_ref()?;
        let is_proxy = profile.maxscale.is_some();
        (!is_proxy).then(|| Ahead::of(all_statements(profile, config), profile.habits))
    }

    /// They are answered, `took` after they were sent. The next observation is made of that, where it follows at once.
    pub(in crate::mysql) fn came(&mut self, ahead: Ahead, took: Duration, clock: &dyn Clock) {
        self.came = Some(Came {
            ahead,
            took,
            at: clock.now(),
            at_monotonic: clock.monotonic(),
        });
    }

    /// Something is sent that may change what was seen.
    pub(in crate::mysql) fn forget(&mut self) {
        (self.came, self.status) = (None, None);
    }

    /// What the replica said of its link, if that is little older than an answer would be: by two round trips.
    pub(in crate::mysql) fn status(&mut self, clock: &dyn Clock) -> Option<Answer> {
        let status = self.status.take()?;
        let age = clock.monotonic().saturating_sub(status.at);
        (age <= (self.round_trip * 2).min(STATUS_LASTS_MAX)).then_some(status.answer)
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
    learnt.status = None;
    let came = learnt.came.take();
    let came = came.filter(|came| began.saturating_sub(came.at_monotonic) <= CAME_LASTS);
    let mut asker = Asker::new(conn, &mut progress, &**clock);
    let known = came.map(|came| {
        asker.has_come(came.ahead, came.at_monotonic);
        (came.took, came.at)
    });
    let asked = async {
        let mut profile = match learnt.profile.take() {
            Some(profile) => profile,
            None => Profile::learn(&mut asker, &config).await?,
        };
        let raw = ask_all(&mut asker, &config, key, &mut profile).await?;
        learnt.profile = Some(profile);
        Ok((raw, asker.take_status()))
    };
    let (raw, status) = match timeout(limit, asked).await {
        Ok(Ok(asked)) => asked,
        Ok(Err(StepError { step, error })) => {
            return Err(failure(key, step, &error, progress.has_answered));
        }
        Err(_) => return Err(timed_out(key, progress, limit)),
    };
    let (took, at) = match known {
        Some(known) if progress.round_trips == 0 => known,
        _ => (clock.monotonic().saturating_sub(began), clock.now()),
    };
    if let Some(seen) = status.as_ref().and_then(|status| status.round_trip) {
        learnt.round_trip = seen;
    }
    learnt.status = status;
    let mut seen = named(resolver, &config, raw).await;
    seen.observed_at = at;
    seen.latency = took;
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A clock that a test sets.
    struct SetClock(Mutex<Duration>);

    impl Clock for SetClock {
        fn now(&self) -> Timestamp {
            Timestamp::default().plus(self.monotonic())
        }

        fn monotonic(&self) -> Duration {
            *self.0.lock().unwrap()
        }

        fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
            Box::pin(std::future::pending())
        }
    }

    fn known_after(round_trip: u64, age: u64) -> bool {
        let mut learnt = Learnt {
            round_trip: Duration::from_millis(round_trip),
            status: Some(Status {
                answer: Answer::default(),
                at: Duration::from_secs(1),
                round_trip: None,
            }),
            ..Learnt::default()
        };
        let clock = SetClock(Mutex::new(Duration::from_secs(1)));
        *clock.0.lock().unwrap() += Duration::from_millis(age);
        let is_known = learnt.status(&clock).is_some();
        assert!(learnt.status(&clock).is_none(), "it is used once");
        is_known
    }

    #[test]
    fn a_status_is_known_for_two_round_trips_and_not_for_long() {
        assert!(known_after(60, 120));
        assert!(!known_after(60, 121));
        assert!(
            !known_after(1, 3),
            "asking a server that is near costs nothing"
        );
        assert!(!known_after(3_000, 201), "one that hung says little");
    }

    #[test]
    fn whatever_is_sent_ends_what_is_known() {
        let clock = SetClock(Mutex::new(Duration::from_secs(1)));
        let mut learnt = Learnt::of(Dialect::detect("9.7.4", ""));
        learnt.round_trip = Duration::from_secs(1);
        learnt.status = Some(Status {
            answer: Answer::default(),
            at: Duration::from_secs(1),
            round_trip: None,
        });
        learnt.came(Ahead::default(), Duration::ZERO, &clock);
        learnt.forget();
        assert!(learnt.came.is_none() && learnt.status(&clock).is_none());
    }
}
