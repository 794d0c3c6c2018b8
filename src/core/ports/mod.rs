//! Ports: one trait for each thing outside of the pure core. Loops need them; adapters come to them; tests simulate them.
//!
//! Async methods return a [`BoxFuture`], so that this crate needs no runtime and a trait object can be shared.

mod beats;
mod clock;
mod decisions;
mod discovery;
mod effects;
mod group;
mod guarding;
mod hooks;
mod leadership;
mod observations;
mod predecessor;
mod probe;
mod recoveries;
mod resolver;
mod servers;

use std::future::Future;
use std::pin::Pin;

pub use beats::{
    Answered, BeatLine, BeatReader, Beater, BeatsOnRequest, NoBeats, NoLine, NoOtherNodes,
    OtherNodes, Reconnected, Vigil,
};
pub use clock::{Clock, Ids};
pub use decisions::{Committed, DecisionReader, ProposeError, Proposer};
pub use discovery::{DiscoverError, Discovery, PictureReader, ProbeState};
pub use effects::{EffectLog, OwedEffects};
pub use group::{
    ForwardError, ForwardHandler, ForwardedRequest, ForwardedResponse, Group, GroupError,
    GroupMember, GroupRole, GroupStatus, NodesChange, Successor,
};
pub use guarding::{Dialer, GuardReport, GuardedPrimary, Guarding};
pub use hooks::{HookOutcome, HookReport, HookRun, HookRunner};
pub use leadership::{Leadership, NotLeading};
pub use observations::{ObservationStore, ObservationWrite, StoreError};
pub use predecessor::{
    ImportError, ImportOrder, ImportReport, Importing, LeftRow, OldPlace, OldRows, OldState,
    OldTables, OldTablesError,
};
pub use probe::{ProbeSession, Prober};
pub use recoveries::{
    FindingChanges, Insistence, NothingDone, RecoverError, Recoveries, RecoveryAnswer,
    RecoveryRequest,
};
pub use resolver::{ResolveError, Resolver};
pub use servers::{Beyond, Change, ChangeError, Histories, OnBehalfOf, ServerSession, Servers};

/// A boxed future that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
