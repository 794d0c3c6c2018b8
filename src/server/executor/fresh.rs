//! A closer look at servers, before anything is decided about them.

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

/// Probes the server that a recovery promoted. Until it is seen without a source, the picture has it below the old primary: were it to
/// die before, nobody would take it for a primary that is gone.
pub(super) async fn look_at_promoted(deps: &Arc<Deps>, ended: &Ended) {
    if let Some(promoted) = &ended.successor {
        look_again(deps, vec![promoted.clone()]).await;
    }
}
