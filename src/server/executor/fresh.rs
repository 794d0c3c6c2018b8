//! A closer look at servers, before anything is decided about them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::domain::InstanceKey;
use tokio::task::JoinSet;

use super::Deps;
use super::run::Ended;

/// How long a closer look may take: as long as a probe of a server that answers. One that does not shows in the picture as it is.
const LOOK_TIME: Duration = Duration::from_secs(2);

/// Probes servers now, side by side. What was seen is in the picture afterwards.
pub(super) async fn look_again(deps: &Arc<Deps>, servers: Vec<InstanceKey>) {
    let mut probes = JoinSet::new();
    for server in servers {
        let discovery = Arc::clone(&deps.discovery);
        probes.spawn(async move {
            // That a server cannot be probed is what the picture then shows.
            let _ = discovery.discover(server).await;
        });
    }
    let bound = deps.clock.sleep(LOOK_TIME);
    tokio::pin!(bound);
    loop {
        tokio::select! {
            biased;
            joined = probes.join_next() => if joined.is_none() { return },
            () = &mut bound => return,
        }
    }
}

/// Probes the servers that a recovery has changed. Until the promoted one is seen without a source, and others below it, the picture
/// has all of them below the old primary: were it to die before, nobody would take it for a primary that is gone.
pub(super) async fn look_at_changed(
    deps: &Arc<Deps>,
    ended: &Ended,
    changed: BTreeSet<InstanceKey>,
) {
    if ended.successor.is_some() {
        look_again(deps, changed.into_iter().collect()).await;
    }
}
