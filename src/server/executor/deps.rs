use std::sync::Arc;

use orchestrator_core::ports::{
    BeatReader, Clock, DecisionReader, Discovery, Histories, HookRunner, Ids, Leadership,
    OtherNodes, PictureReader, Proposer, Servers,
};

/// What recovering needs of the outside.
#[derive(Clone)]
pub struct Deps {
    /// Changes servers.
    pub servers: Arc<dyn Servers>,
    /// Reads what a failover lost.
    pub histories: Arc<dyn Histories>,
    /// Whether this node leads.
    pub leadership: Arc<dyn Leadership>,
    /// The way to decide.
    pub proposer: Arc<dyn Proposer>,
    /// What is decided.
    pub decisions: Arc<dyn DecisionReader>,
    /// What is seen.
    pub picture: Arc<dyn PictureReader>,
    /// What primaries say between probes.
    pub beats: Arc<dyn BeatReader>,
    /// The other nodes of the group, which may hear a primary that this one does not.
    pub others: Arc<dyn OtherNodes>,
    /// Probes on request.
    pub discovery: Arc<dyn Discovery>,
    /// Runs hooks.
    pub hooks: Arc<dyn HookRunner>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids of recoveries and requests.
    pub ids: Arc<dyn Ids>,
    /// Name of this node, for records.
    pub node: String,
}
