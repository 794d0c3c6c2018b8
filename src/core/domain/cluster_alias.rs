use serde::{Deserialize, Serialize};

use super::{RecoveryId, Timestamp};

/// An alias of a cluster that was decided. What servers and configuration say about aliases is not: that is observed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterAlias {
    /// The alias.
    pub alias: String,
    /// Who set it by hand: it wins over whatever else names the cluster. `None` for what the cluster went by when a recovery
    /// replaced its primary: it counts where nothing else names the cluster.
    pub set_by: Option<String>,
    /// When it was set or moved, by the proposer's clock.
    pub at: Timestamp,
    /// Where it was before; `None` when no recovery has moved it since it was set.
    pub moved: Option<MovedAlias>,
}

/// That a recovery has brought an alias along to the promoted server's cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovedAlias {
    /// Name of the cluster that had it.
    pub from: String,
    /// Which recovery.
    pub recovery: RecoveryId,
}

impl ClusterAlias {
    /// Whether somebody set it by hand.
    pub fn is_manual(&self) -> bool {
        self.set_by.is_some()
    }

    /// Whether it was moved from the cluster of that name.
    pub fn came_from(&self, cluster: &str) -> bool {
        self.moved
            .as_ref()
            .is_some_and(|moved| moved.from == cluster)
    }
}
