//! One derivation of picture, decided state and configuration that all readers share: clusters, names, ancestry. It is made
//! when somebody reads after something changed. What also depends on the time of day is in [`Moment`].

mod aliases;
mod build;
mod cache;
mod examined;
mod lookup;
mod moment;
mod select;

pub use build::{Entry, View};
pub use cache::ViewCache;
pub use examined::{Examined, ExaminedCache, Found};
pub use lookup::LookupError;
pub use moment::Moment;

#[cfg(test)]
pub(crate) mod samples;
