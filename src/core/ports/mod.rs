//! Ports: one trait for each thing outside of the pure core. Loops need them; adapters come to them; tests simulate them.
//!
//! Async methods return a [`BoxFuture`], so that this crate needs no runtime and a trait object can be shared.

mod clock;
mod decisions;
mod discovery;
mod effects;
mod observations;
mod probe;
mod resolver;

use std::future::Future;
use std::pin::Pin;

pub use clock::{Clock, Ids};
pub use decisions::{Committed, DecisionReader, ProposeError, Proposer};
pub use discovery::{DiscoverError, Discovery, PictureReader, ProbeState};
pub use effects::{EffectLog, OwedEffects};
pub use observations::{ObservationStore, ObservationWrite, StoreError};
pub use probe::{ProbeSession, Prober};
pub use resolver::{ResolveError, Resolver};

/// A boxed future that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
