//! Talking to the API: which host, how often, how long.
//!
//! `call` and `leader` hold the policy and know only the [`Transport`]; `client` and `tls` are its one real form.

mod call;
mod client;
mod leader;
mod tls;
mod transport;

pub use call::{Call, Error, Session};
pub use client::Client;
pub use leader::NoLeader;
pub use tls::Error as TlsError;
pub use tls::install_provider;

#[cfg(test)]
mod fake;
