use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::domain::{InstanceKey, Observation, ProbeFailure, ThreadState};
use orchestrator_core::ports::{BoxFuture, Change, ChangeError, ServerSession};
use tokio::time::timeout;
use tracing::Instrument;

use super::ended::end_now;
use super::servers::Shared;
use super::statements::Statements;
use super::{close, repoint, settings, threads};
use crate::mysql::Conn;
use crate::mysql::dialect::Dialect;
use crate::mysql::probe::{Learnt, observe_over};

/// Of a deadline, what is kept for ending the session when the rest has passed: a fifth, at most this much. A server that
/// answers does it in milliseconds.
const ENDING_MAX: Duration = Duration::from_millis(500);

/// A connection that was opened for one recovery under one leadership.
pub(super) struct Session {
    shared: Arc<Shared>,
    key: InstanceKey,
    conn: Conn,
    id: u64,
    dialect: Dialect,
    tag: String,
    learnt: Learnt,
    server_clock: ServerClock,
}

/// A server's clock, as it was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct ServerClock {
    /// In seconds since 1970.
    pub(super) showed: f64,
    /// When the answer was there, by the monotonic clock: the server read its own before.
    pub(super) at: Duration,
}

impl ServerClock {
    /// What it shows at a later moment, or a little less.
    pub(super) fn at(self, moment: Duration) -> f64 {
        self.showed + moment.saturating_sub(self.at).as_secs_f64()
    }
}

impl Session {
    pub(super) fn new(
        shared: Arc<Shared>,
        key: InstanceKey,
        conn: Conn,
        id: u64,
        (dialect, server_clock): (Dialect, ServerClock),
        tag: String,
    ) -> Self {
        Self {
            shared,
            key,
            conn,
            id,
            learnt: Learnt::of(dialect.clone()),
            dialect,
            server_clock,
            tag,
        }
    }

    async fn make_within(
        &mut self,
        change: &Change,
        deadline: Duration,
    ) -> Result<(), ChangeError> {
        if !self.conn.is_usable() {
            return Err(ChangeError::Unreachable {
                server: self.key.clone(),
                reason: "this session is over".to_owned(),
            });
        }
        let ending = (deadline / 5).min(ENDING_MAX);
        let limit = deadline.saturating_sub(ending);
        let outcome = timeout(limit, self.carry_out(change, limit)).await;
        let error = match outcome {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) if self.conn.is_usable() && !is_unknown(&error) => return Err(error),
            Ok(Err(error)) => error,
            Err(_) => ChangeError::Unknown {
                server: self.key.clone(),
                reason: format!("no answer within {limit:?}"),
            },
        };
        let fate = self.end(ending).await;
        Err(match error {
            ChangeError::Unknown { server, reason } => ChangeError::Unknown {
                server,
                reason: format!("{reason}; {fate}"),
            },
            other => other,
        })
    }

    /// Has the session ended, now or as soon as the server answers, so that nothing it was told happens later. Says how it went.
    async fn end(&self, within: Duration) -> &'static str {
        let ending = end_now(&self.shared.connector, &self.key, self.id);
        if let Ok(Ok(())) = timeout(within, ending).await {
            return "its session was ended";
        }
        let connector = self.shared.connector.clone();
        let server = self.key.clone();
        self.shared.enders.end_later(connector, server, self.id);
        "its session will be ended when the server lets it"
    }

    async fn carry_out(&mut self, change: &Change, limit: Duration) -> Result<(), ChangeError> {
        let ends_at = self.shared.connector.clock().monotonic() + limit;
        let mut on = Statements {
            conn: &mut self.conn,
            learnt: &mut self.learnt,
            key: &self.key,
            dialect: &self.dialect,
            shared: &self.shared,
            tag: &self.tag,
            ends_at,
            has_sent: false,
        };
        let on = &mut on;
        match change {
            Change::StartApplier => threads::start_applier(on).await,
            Change::StopReceiver => threads::stop_receiver(on).await,
            Change::RestartReceiver => threads::restart_receiver(on).await,
            Change::StopApplier => threads::stop_applier(on).await,
            Change::StartReplication => threads::start_replication(on).await,
            Change::Repoint { source, profile_of } => {
                repoint::repoint(on, source, profile_of.as_ref()).await
            }
            Change::ForgetSource => repoint::forget_source(on).await,
            Change::Detach => repoint::detach(on).await,
            Change::MakeWritable => settings::make_writable(on, &mut self.server_clock).await,
            Change::Close => close::close(on).await,
            Change::SemiSyncSource(wanted) => settings::semi_sync_source(on, *wanted).await,
            Change::SemiSyncReplica(wanted) => settings::semi_sync_replica(on, *wanted).await,
        }
    }
}

fn is_unknown(error: &ChangeError) -> bool {
    matches!(error, ChangeError::Unknown { .. })
}

impl ServerSession for Session {
    fn connection_id(&self) -> u64 {
        self.id
    }

    fn observe(&mut self) -> BoxFuture<'_, Result<Observation, ProbeFailure>> {
        Box::pin(observe_over(
            &mut self.conn,
            &mut self.learnt,
            &self.shared.connector,
            &*self.shared.resolver,
            &self.key,
        ))
    }

    fn observe_beside(
        &mut self,
        stopping: u64,
    ) -> BoxFuture<'_, Result<Observation, ProbeFailure>> {
        Box::pin(async move {
            // In this order: a receiver that is connecting after its end has begun gets no further.
            let is_ending = threads::ends_receiver(&mut self.conn, &self.dialect, stopping).await;
            let mut seen = self.observe().await?;
            if let (true, Some(link)) = (is_ending, &mut seen.replication)
                && link.receiver == ThreadState::Other
            {
                link.receiver = ThreadState::Stopping;
            }
            Ok(seen)
        })
    }

    fn make<'a>(
        &'a mut self,
        change: &'a Change,
        deadline: Duration,
    ) -> BoxFuture<'a, Result<(), ChangeError>> {
        let span =
            tracing::debug_span!("change", instance = %self.key, connection_id = self.id, ?change);
        Box::pin(self.make_within(change, deadline).instrument(span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_goes_on_and_never_back() {
        let clock = ServerClock {
            showed: 1_800_000_000.5,
            at: Duration::from_secs(20),
        };
        assert!((clock.at(Duration::from_secs(23)) - 1_800_000_003.5).abs() < 1e-6);
        assert!((clock.at(Duration::from_secs(10)) - 1_800_000_000.5).abs() < 1e-6);
    }
}
