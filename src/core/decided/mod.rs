//! Decided state: what the nodes agree on. It changes only by a committed [`Command`].
//!
//! [`apply`] is pure: the same state and proposal give the same reply, row changes and effects on every node, whatever
//! its clock, environment or hash seed. Time comes from the proposal and never goes back. Stores write the row changes;
//! [`Decided::absorb`] makes the same changes in memory.
//!
//! [`codec`] says how all of this becomes bytes, [`Digest`] how two nodes compare their states, [`Snapshot`] how one
//! node hands its state to another.

mod access_tokens;
mod aliases;
mod apply;
pub mod codec;
mod command;
mod digest;
mod formats;
#[cfg(test)]
pub(crate) mod golden;
#[cfg(test)]
mod golden_recoveries;
mod group;
mod group_nodes;
mod import;
mod once;
mod recoveries;
mod recovery_commands;
mod snapshot;
mod state;

pub use apply::{Applied, apply, is_anything_due};
pub use command::{Command, Effect, EffectScope, Origin, Proposal, Refusal, Reply};
pub use digest::Digest;
pub use formats::CommandFormats;
pub use group::GroupId;
pub use group_nodes::{GROUP_NODES_MAX, GroupNode};
pub use import::{IMPORTED_AT_ONCE_MAX, ImportPortion, ImportedRow};
pub use once::{Answer, AppliedOnce, KeyedRequest, apply_once, new_request};
pub use recovery_commands::{
    Acknowledged, EndRecovery, LINES_IN_COMMAND_MAX, LostServer, RecoveryNews, RecoveryStepCommand,
    RegisterDetection, RegisterRecovery,
};
pub use snapshot::{Snapshot, SnapshotError};
pub use state::{Decided, RowChange};
