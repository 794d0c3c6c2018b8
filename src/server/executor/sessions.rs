//! Connections to many servers at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::domain::InstanceKey;
use orchestrator_core::ports::{ChangeError, ServerSession};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

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

/// Connects to all of `servers`, side by side. Whoever calls has confirmed its leadership just before.
pub(super) async fn open_all(scope: &Scope, servers: BTreeSet<InstanceKey>) -> Opened {
    let mut opened = Opened::default();
    for server in &servers {
        let why = "it did not answer in time".to_owned();
        opened.failed.insert(server.clone(), why);
    }
    let at_once = Arc::new(Semaphore::new(OPEN_AT_ONCE));
    let mut opening = JoinSet::new();
    for server in servers {
        opening.spawn(open(scope.clone(), server, Arc::clone(&at_once)));
    }
    let bound = scope.deps.clock.sleep(ALL_OPEN_TIME);
    tokio::pin!(bound);
    loop {
        let joined = tokio::select! {
            biased;
            joined = opening.join_next() => joined,
            () = &mut bound => return opened,
        };
        match joined {
            None => return opened,
            Some(Ok((server, Ok(session)))) => {
                opened.failed.remove(&server);
                opened.sessions.insert(server, session);
            }
            Some(Ok((server, Err(why)))) => {
                opened.failed.insert(server, why.to_string());
            }
            // A task that panicked has told the log; its server counts as silent.
            Some(Err(_)) => {}
        }
    }
}

async fn open(
    scope: Scope,
    server: InstanceKey,
    at_once: Arc<Semaphore>,
) -> (InstanceKey, Result<Box<dyn ServerSession>, ChangeError>) {
    let _place = at_once.acquire().await;
    let servers = &scope.deps.servers;
    let opened = servers.open(&server, scope.on_behalf_of(), OPEN_TIME).await;
    (server, opened)
}
