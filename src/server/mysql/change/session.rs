use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::domain::{InstanceKey, Observation, ProbeFailure};
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
}

impl Session {
    pub(super) fn new(
        shared: Arc<Shared>,
        key: InstanceKey,
        conn: Conn,
        id: u64,
        dialect: Dialect,
        tag: String,
    ) -> Self {
        Self {
            shared,
            key,
            conn,
            id,
            dialect,
            tag,
            learnt: Learnt::default(),
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
            Ok(Err(error @ ChangeError::Unknown { .. })) => error,
            Ok(Err(error)) => return Err(error),
            Err(_) => ChangeError::Unknown {
                server: self.key.clone(),
                reason: format!("no answer within {limit:?}"),
            },
        };
        Err(self.ended(error, ending).await)
    }

    /// Has the session ended, now or as soon as the server answers, so that nothing it was told happens later.
    async fn ended(&mut self, error: ChangeError, within: Duration) -> ChangeError {
        let ending = end_now(&self.shared.connector, &self.key, self.id);
        let fate = match timeout(within, ending).await {
            Ok(Ok(())) => "its session was ended".to_owned(),
            Ok(Err(reason)) => self.end_later(&reason),
            Err(_) => self.end_later("it does not answer"),
        };
        match error {
            ChangeError::Unknown { server, reason } => ChangeError::Unknown {
                server,
                reason: format!("{reason}; {fate}"),
            },
            other => other,
        }
    }

    fn end_later(&self, reason: &str) -> String {
        let connector = self.shared.connector.clone();
        let server = self.key.clone();
        self.shared.enders.end_later(connector, server, self.id);
        format!("its session will be ended when that is possible ({reason})")
    }

    async fn carry_out(&mut self, change: &Change, limit: Duration) -> Result<(), ChangeError> {
        let ends_at = self.shared.connector.clock().monotonic() + limit;
        let mut on = Statements {
            conn: &mut self.conn,
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
            Change::StopApplier => threads::stop_applier(on).await,
            Change::StartReplication => threads::start_replication(on).await,
            Change::Repoint { source, profile_of } => {
                repoint::repoint(on, source, profile_of.as_ref()).await
            }
            Change::ForgetSource => repoint::forget_source(on).await,
            Change::Detach => repoint::detach(on).await,
            Change::MakeWritable => settings::make_writable(on).await,
            Change::Close => close::close(on).await,
            Change::SemiSyncSource(wanted) => settings::semi_sync_source(on, *wanted).await,
            Change::SemiSyncReplica(wanted) => settings::semi_sync_replica(on, *wanted).await,
        }
    }
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
