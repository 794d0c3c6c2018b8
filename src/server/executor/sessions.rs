//! Connections to many servers at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::domain::{InstanceKey, Observation, ProbeFailure};
use orchestrator_core::ports::{ChangeError, ServerSession};
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};
use tracing::Instrument as _;

use super::scope::Scope;

/// How long one connection may take: three round trips between sites far apart, and a busy server.
pub(super) const OPEN_TIME: Duration = Duration::from_secs(1);

/// How long one to an old primary may take. A server that starts accepts connections some time before it serves them; an attempt that is
/// given up in between is one more that it has to deal with first, and another has to begin anew.
pub(super) const OLD_PRIMARY_OPEN_TIME: Duration = Duration::from_secs(3);

/// How long all connections of a recovery may take before it goes on with those that are there. Longer than one, so that
/// one slow server does not leave others out.
const ALL_OPEN_TIME: Duration = Duration::from_millis(1_500);

/// How many connections are opened at once: what a loop of one process starts in a few milliseconds.
const OPEN_AT_ONCE: usize = 64;

/// What came of opening connections.
#[derive(Default)]
pub(super) struct Opened {
    /// Those that are there.
    pub sessions: BTreeMap<InstanceKey, Box<dyn ServerSession>>,
    /// Why others are not.
    pub failed: BTreeMap<InstanceKey, String>,
}

/// What came of connecting to a server.
type Came = (InstanceKey, Result<Box<dyn ServerSession>, ChangeError>);

/// Connections that are being opened, side by side. Dropped, all of them are closed.
pub(super) struct Opening {
    scope: Scope,
    at_once: Arc<Semaphore>,
    tasks: JoinSet<Came>,
    under_way: BTreeSet<InstanceKey>,
    opened: Opened,
}

impl Opening {
    /// Of a recovery; none yet.
    pub fn of(scope: Scope) -> Self {
        Self {
            scope,
            at_once: Arc::new(Semaphore::new(OPEN_AT_ONCE)),
            tasks: JoinSet::new(),
            under_way: BTreeSet::new(),
            opened: Opened::default(),
        }
    }

    /// Connects to `servers`, where that is not done or under way. Whoever calls has confirmed its leadership just before.
    pub fn begin(&mut self, servers: impl IntoIterator<Item = InstanceKey>) {
        self.take_what_is_there();
        for server in servers {
            if self.opened.sessions.contains_key(&server) || self.under_way.contains(&server) {
                continue;
            }
            let opening = open(
                self.scope.clone(),
                server.clone(),
                Arc::clone(&self.at_once),
            );
            self.tasks.spawn(opening);
            let why = "it did not answer in time".to_owned();
            self.opened.failed.insert(server.clone(), why);
            self.under_way.insert(server);
        }
    }

    /// Waits for `servers`, and for no other, and gives what there is then; what is not is given up.
    pub async fn finish(mut self, servers: &BTreeSet<InstanceKey>) -> Opened {
        let clock = Arc::clone(&self.scope.deps.clock);
        let bound = clock.sleep(ALL_OPEN_TIME);
        tokio::pin!(bound);
        while !self.under_way.is_disjoint(servers) {
            let joined = tokio::select! {
                biased;
                joined = self.tasks.join_next() => joined,
                () = &mut bound => break,
            };
            match joined {
                // A task that panicked has told the log; its server counts as silent.
                None => break,
                Some(joined) => self.take(joined),
            }
        }
        let mut opened = self.opened;
        opened.sessions.retain(|server, _| servers.contains(server));
        opened
    }

    fn take_what_is_there(&mut self) {
        while let Some(joined) = self.tasks.try_join_next() {
            self.take(joined);
        }
    }

    fn take(&mut self, joined: Result<Came, JoinError>) {
        let Ok((server, came)) = joined else {
            return;
        };
        self.under_way.remove(&server);
        match came {
            Ok(session) => {
                self.opened.failed.remove(&server);
                self.opened.sessions.insert(server, session);
            }
            Err(why) => {
                self.opened.failed.insert(server, why.to_string());
            }
        }
    }
}

async fn open(scope: Scope, server: InstanceKey, at_once: Arc<Semaphore>) -> Came {
    let _place = at_once.acquire().await;
    let servers = &scope.deps.servers;
    let opened = servers.open(&server, scope.on_behalf_of(), OPEN_TIME).await;
    (server, opened)
}

/// What came of a look over a connection, with the connection.
pub(super) type Looked = (Box<dyn ServerSession>, Result<Observation, ProbeFailure>);

/// A connection, over which the server is looked at while something else goes on. Dropped, it is closed.
pub(super) struct Looking {
    pub connection_id: u64,
    task: JoinSet<Looked>,
}

impl Looking {
    /// Begins to look.
    pub fn over(mut session: Box<dyn ServerSession>) -> Self {
        let connection_id = session.connection_id();
        let mut task = JoinSet::new();
        let look = async move {
            let seen = session.observe().await;
            (session, seen)
        };
        task.spawn(look.in_current_span());
        Self {
            connection_id,
            task,
        }
    }

    /// What was seen; `None` where the connection is lost.
    pub async fn looked(mut self) -> Option<Looked> {
        self.task.join_next().await?.ok()
    }
}
