use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::domain::InstanceKey;
use orchestrator_core::ports::{
    Beyond, BoxFuture, ChangeError, Clock, Histories, OnBehalfOf, Resolver, ServerSession, Servers,
};
use tokio::time::timeout;

use super::ended::{self, Enders, FLEETING, NAME};
use super::history;
use super::session::{ServerClock, Session};
use super::statements::{not_connected, refused, tag, unreachable};
use crate::mysql::dialect::Dialect;
use crate::mysql::{Bounds, Conn, Connector, DriverError, Purpose};

/// How long a statement waits for a lock of the server: as long as any step may take (10 s). The server's own default is
/// a year.
const LOCK_WAIT_SECONDS: u32 = 10;

/// How long a session may stay unused, in seconds: longer than a recovery waits for an applier (60 s by default, and
/// configured values of some minutes), shorter than what a node that vanished may leave behind.
const IDLE_SECONDS: u32 = 3600;

/// What the sessions share.
pub(super) struct Shared {
    pub(super) connector: Arc<Connector>,
    pub(super) resolver: Arc<dyn Resolver>,
    pub(super) enders: Enders,
}

/// Changes MySQL and MariaDB servers. Dropping it ends what it does in the background: ending sessions of servers that hang.
pub struct MysqlServers {
    shared: Arc<Shared>,
}

impl MysqlServers {
    /// Connects by `connector`; what sessions observe has names by `resolver`.
    pub fn new(connector: Arc<Connector>, resolver: Arc<dyn Resolver>) -> Self {
        Self {
            shared: Arc::new(Shared {
                connector,
                resolver,
                enders: Enders::default(),
            }),
        }
    }

    async fn open_session(
        &self,
        server: &InstanceKey,
        on_behalf_of: OnBehalfOf,
        is_fleeting: bool,
    ) -> Result<Session, ChangeError> {
        let mut conn = self.connect(server).await?;
        let SetUp {
            id,
            dialect,
            server_clock,
            fleeting,
        } = set_up(&mut conn, server, &**self.shared.connector.clock()).await?;
        let failed = |error: DriverError| from_driver(server, &error);
        if let Some(fleeting) = fleeting {
            let clock = &**self.shared.connector.clock();
            let ended = ended::end(&mut conn, &[fleeting], clock).await;
            ended.map_err(failed)?;
        }
        if is_fleeting && !ended::is_fleeting_now(&mut conn).await.map_err(failed)? {
            return Err(ChangeError::Unreachable {
                server: server.clone(),
                reason: "another session does there what this one would do".to_owned(),
            });
        }
        tracing::debug!(
            instance = %server,
            recovery = %on_behalf_of.recovery,
            fence = %on_behalf_of.fence,
            connection_id = id,
            "opened a session for changes"
        );
        Ok(Session::new(
            self.shared.clone(),
            server.clone(),
            conn,
            id,
            (dialect, server_clock),
            tag(on_behalf_of),
        ))
    }

    async fn open_within(
        &self,
        server: &InstanceKey,
        on_behalf_of: OnBehalfOf,
        within: Duration,
        is_fleeting: bool,
    ) -> Result<Box<dyn ServerSession>, ChangeError> {
        let opening = self.open_session(server, on_behalf_of, is_fleeting);
        let opened = timeout(within, opening).await;
        let session = opened.unwrap_or_else(|_| Err(too_late(server, within)))?;
        Ok(Box::new(session))
    }

    async fn connect(&self, server: &InstanceKey) -> Result<Conn, ChangeError> {
        let connected = self.shared.connector.connect(server, Purpose::Operation);
        connected
            .await
            .map_err(|failed| not_connected(server, &failed))
    }

    async fn end(&self, server: &InstanceKey, ids: &[u64]) -> Result<(), ChangeError> {
        let mut conn = self.connect(server).await?;
        ended::end(&mut conn, ids, &**self.shared.connector.clock())
            .await
            .map_err(|error| from_driver(server, &error))
    }
}

impl Servers for MysqlServers {
    fn open<'a>(
        &'a self,
        server: &'a InstanceKey,
        on_behalf_of: OnBehalfOf,
        within: Duration,
    ) -> BoxFuture<'a, Result<Box<dyn ServerSession>, ChangeError>> {
        Box::pin(self.open_within(server, on_behalf_of, within, false))
    }

    fn open_fleeting<'a>(
        &'a self,
        server: &'a InstanceKey,
        on_behalf_of: OnBehalfOf,
        within: Duration,
    ) -> BoxFuture<'a, Result<Box<dyn ServerSession>, ChangeError>> {
        Box::pin(self.open_within(server, on_behalf_of, within, true))
    }

    fn end_sessions<'a>(
        &'a self,
        server: &'a InstanceKey,
        connection_ids: &'a [u64],
        within: Duration,
    ) -> BoxFuture<'a, Result<(), ChangeError>> {
        Box::pin(async move {
            if connection_ids.is_empty() {
                return Ok(());
            }
            let ended = timeout(within, self.end(server, connection_ids)).await;
            ended.unwrap_or_else(|_| {
                Err(ChangeError::Unknown {
                    server: server.clone(),
                    reason: format!("its earlier sessions were not seen to end within {within:?}"),
                })
            })
        })
    }
}

impl Histories for MysqlServers {
    fn executed_beyond<'a>(
        &'a self,
        old: &'a InstanceKey,
        promoted: &'a InstanceKey,
        within: Duration,
    ) -> BoxFuture<'a, Result<Beyond, ChangeError>> {
        Box::pin(async move {
            // Both at once, each with its own limit, so that the sentence names the one that is slow.
            let read = async |server: &'a InstanceKey| {
                let reading = async {
                    let mut conn = self.connect(server).await?;
                    history::read(&mut conn, server).await
                };
                timeout(within, reading)
                    .await
                    .unwrap_or_else(|_| Err(too_late(server, within)))
            };
            let (of_old, of_promoted) = tokio::try_join!(read(old), read(promoted))?;
            history::beyond(&of_old, &of_promoted).ok_or_else(|| ChangeError::Unsupported {
                server: old.clone(),
                reason: format!("what it has executed cannot be compared with {promoted}"),
            })
        })
    }
}

/// What a new session learns of itself, and of its server.
struct SetUp {
    id: u64,
    dialect: Dialect,
    server_clock: ServerClock,
    /// The session that is to be ended before anybody works there.
    fleeting: Option<u64>,
}

/// Makes a new connection one of ours: with the settings that statements here rely on, under a name that says which session it is,
/// with limits on waiting.
async fn set_up(
    conn: &mut Conn,
    server: &InstanceKey,
    clock: &dyn Clock,
) -> Result<SetUp, ChangeError> {
    let failed = |error: DriverError| from_driver(server, &error);
    // One text, for one round trip.
    let text = format!(
        "SET NAMES utf8mb4; \
         SET SESSION sql_mode = '', time_zone = '+00:00', lock_wait_timeout = {LOCK_WAIT_SECONDS}, wait_timeout = {IDLE_SECONDS}; \
         SELECT CONNECTION_ID() AS id, GET_LOCK(CONCAT('{NAME}', CONNECTION_ID()), 0) AS is_named, \
         IS_USED_LOCK('{FLEETING}') AS fleeting, UNIX_TIMESTAMP(NOW(6)) AS now, \
         @@global.version AS version, @@global.version_comment AS version_comment"
    );
    let answers = conn.query_all(&text, &Bounds::of_several(1, 3)).await;
    let answer = answers.map_err(failed)?.pop().unwrap_or_default();
    let row = answer.first();
    let text = |name: &str| row.and_then(|row| row.text(name)).unwrap_or_default();
    let id = text("id").parse().ok().filter(|_| text("is_named") == "1");
    let id = id.ok_or_else(|| ChangeError::Unsupported {
        server: server.clone(),
        reason: "another session holds the name of this one, by which a later leader would end it"
            .to_owned(),
    })?;
    Ok(SetUp {
        id,
        dialect: Dialect::detect(&text("version"), &text("version_comment")),
        server_clock: ServerClock {
            // Illegible, it is long ago, and is read again.
            showed: text("now").parse().unwrap_or(0.0),
            at: clock.monotonic(),
        },
        fleeting: text("fleeting").parse().ok(),
    })
}

/// Nothing was changed so far: refused with a number, or the connection broke.
pub(super) fn from_driver(server: &InstanceKey, error: &DriverError) -> ChangeError {
    match error {
        DriverError::Server { .. } => refused(server, error),
        _ => unreachable(server, error),
    }
}

fn too_late(server: &InstanceKey, within: Duration) -> ChangeError {
    ChangeError::Unreachable {
        server: server.clone(),
        reason: format!("no answer within {within:?}"),
    }
}
