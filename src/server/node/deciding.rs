//! Who decides: this node alone, or the group that it is a member of.

use std::sync::Arc;

use orchestrator_core::domain::Fence;
use orchestrator_core::ports::{
    BoxFuture, DecisionReader, Group, Leadership, NotLeading, Proposer,
};
use tokio::sync::watch;

use crate::raft::RaftGroup;
use crate::store::LocalProposer;

/// The way to decide.
#[derive(Clone)]
pub(super) enum Deciding {
    /// A single node.
    Alone(Arc<LocalProposer>),
    /// A member of a group.
    Together(Arc<RaftGroup>),
}

impl Deciding {
    pub fn reader(&self) -> Arc<dyn DecisionReader> {
        match self {
            Self::Alone(local) => local.clone(),
            Self::Together(group) => group.clone(),
        }
    }

    pub fn proposer(&self) -> Arc<dyn Proposer> {
        match self {
            Self::Alone(local) => local.clone(),
            Self::Together(group) => group.clone(),
        }
    }

    pub fn applied(&self) -> watch::Receiver<u64> {
        match self {
            Self::Alone(local) => local.applied(),
            Self::Together(group) => group.applied(),
        }
    }

    pub fn leadership(&self) -> Arc<dyn Leadership> {
        match self {
            Self::Alone(local) => Arc::new(Alone {
                fence: Fence::from_number(local.decided().applied_index + 1),
            }),
            Self::Together(group) => group.clone(),
        }
    }

    pub fn group(&self) -> Option<Arc<dyn Group>> {
        match self {
            Self::Alone(_) => None,
            Self::Together(group) => Some(group.clone()),
        }
    }

    /// Gives leadership away, if there is somebody to take it.
    pub async fn retire(&self) {
        if let Self::Together(group) = self {
            group.retire().await;
        }
    }

    /// Completes when this process has to end, with the reason.
    pub async fn failed(&self) -> String {
        match self {
            Self::Alone(_) => std::future::pending().await,
            Self::Together(group) => group.failed().await,
        }
    }

    /// Takes no more proposals, and completes when those that wait are answered.
    pub async fn stop(&self) {
        match self {
            Self::Alone(local) => local.stop().await,
            Self::Together(group) => group.stop().await,
        }
    }
}

/// The leadership of a single node: always, with a fence that grows with each start that decided anything before.
struct Alone {
    fence: Fence,
}

impl Leadership for Alone {
    fn fence(&self) -> Option<Fence> {
        Some(self.fence)
    }

    fn confirm(&self, fence: Fence) -> BoxFuture<'_, Result<(), NotLeading>> {
        let is_ours = fence == self.fence;
        Box::pin(async move {
            is_ours.then_some(()).ok_or_else(|| NotLeading {
                reason: "it is the fence of an earlier process".to_owned(),
            })
        })
    }

    fn changed(&self, seen: Option<Fence>) -> BoxFuture<'_, ()> {
        let has_changed = seen != Some(self.fence);
        Box::pin(async move {
            if !has_changed {
                std::future::pending::<()>().await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_single_node_leads_with_its_own_fence_only() {
        let alone = Alone {
            fence: Fence::from_number(8),
        };
        assert_eq!(alone.fence(), Some(Fence::from_number(8)));
        assert!(alone.confirm(Fence::from_number(8)).await.is_ok());
        assert!(alone.confirm(Fence::from_number(7)).await.is_err());
        alone.changed(None).await;
    }
}
