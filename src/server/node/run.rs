use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::deciding::Deciding;
use super::reload::NodeReload;
use crate::api::serve::{Listener, Server};
use crate::discovery::DiscoveryLoop;

/// Time for loops and open calls of other members to end; each ends at once, unless a disk or a member hangs.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);

/// A node that was built and whose loops run.
pub(super) struct Node {
    pub listener: Listener,
    pub server: Arc<Server>,
    pub stop_serving: CancellationToken,
    pub reload: Arc<NodeReload>,
    pub discovery: Arc<DiscoveryLoop>,
    pub loops: TaskTracker,
    pub stop_loops: CancellationToken,
    pub deciding: Deciding,
    /// Stops answering other members.
    pub stop_peers: CancellationToken,
    /// Cancelled when only a restart can help.
    pub failed: CancellationToken,
}

impl Node {
    /// Serves until SIGTERM or SIGINT, or until only a restart can help; then lets open requests end, and everything
    /// that waits be stored. Returns whether it ended because it was told to.
    pub(super) async fn run(self) -> bool {
        let signals = tokio::spawn(signals(
            self.reload.clone(),
            self.deciding.clone(),
            self.stop_serving.clone(),
        ));
        tokio::select! {
            _ = self.server.clone().run(self.listener) => {}
            // A process that cannot store anything has nothing to wait for.
            () = self.failed.cancelled() => return false,
            reason = self.deciding.failed() => {
                tracing::error!(reason, "this process ends");
                return false;
            }
        }
        signals.abort();
        self.discovery.stop().await;
        self.stop_loops.cancel();
        // Members find another leader by now; calls of theirs that hang must not keep this process.
        self.stop_peers.cancel();
        self.loops.close();
        if tokio::time::timeout(DRAIN_WITHIN, self.loops.wait())
            .await
            .is_err()
        {
            tracing::warn!("calls of other members were still open");
        }
        self.deciding.stop().await;
        tracing::info!("stopped");
        true
    }
}

async fn signals(reload: Arc<NodeReload>, deciding: Deciding, stop: CancellationToken) {
    let listening = |kind: SignalKind| signal(kind);
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hang_up)) = (
        listening(SignalKind::terminate()),
        listening(SignalKind::interrupt()),
        listening(SignalKind::hangup()),
    ) else {
        tracing::error!("signals cannot be listened to; end the process with SIGKILL");
        return;
    };
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hang_up.recv() => match reload.again(None).await {
                Ok(sentences) => sentences.iter().for_each(|sentence| tracing::warn!("{sentence}")),
                Err(problems) => problems.iter().for_each(|problem| tracing::error!("not reloaded: {problem}")),
            },
        }
    }
    tracing::info!("told to stop");
    // While requests are still answered: those that come now are passed on to the next leader.
    deciding.retire().await;
    stop.cancel();
}
