//! Host names: which name a host is known by (`HostnameResolveMethod`).
//!
//! * [`CachedResolver`] implements the `Resolver` port: a bounded cache with expiry over a [`Lookup`].
//! * [`DnsLookup`] is the [`Lookup`] over the system's name service.
//!
//! It does not decide which of several servers behind one name is meant, and keeps nothing on disk.

mod cache;
mod config;
mod dns;
mod resolver;

pub use config::{Config, Method};
pub use dns::{DnsLookup, Lookup, LookupError};
pub use resolver::CachedResolver;
