//! Who decides: this node alone, or the group that it is a member of.

use std::sync::Arc;

use orchestrator_core::ports::{
    DecisionReader, Group, Leadership, NoOtherNodes, OtherNodes, Proposer,
};
use tokio::sync::watch;

use super::leadership::OwnLeadership;
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

    /// The last index that the store has, as it grows.
    pub fn stored(&self) -> watch::Receiver<u64> {
        match self {
            Self::Alone(local) => local.applied(),
            Self::Together(group) => group.stored(),
        }
    }

    /// Whether this node leads; to be made once, since a single node's fence is that of the moment.
    pub fn leadership(&self) -> Arc<dyn Leadership> {
        match self {
            Self::Alone(local) => Arc::new(OwnLeadership::new(local.as_ref())),
            Self::Together(group) => group.clone(),
        }
    }

    pub fn group(&self) -> Option<Arc<dyn Group>> {
        match self {
            Self::Alone(_) => None,
            Self::Together(group) => Some(group.clone()),
        }
    }

    /// The other nodes, which may hear a primary that this one does not.
    pub fn others(&self) -> Arc<dyn OtherNodes> {
        match self {
            Self::Alone(_) => Arc::new(NoOtherNodes),
            Self::Together(group) => group.clone(),
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
