//! Listening and serving: sockets, TLS, limits and deadlines. Knows nothing of routes.
//!
//! Every wait on a client has a bound: handshake, header, and any single read or write that makes no progress. When
//! connections run out, the one that has waited longest without a complete request goes, so that slow clients cannot keep
//! out health checks.

mod connections;
mod io;
mod limits;
mod listener;
mod server;
#[cfg(test)]
mod tests;
mod tls;

pub use limits::Limits;
pub use listener::{BindError, ListenPlace, Listener};
pub use server::{Server, ServerConfig};
pub use tls::{TlsError, TlsFiles, TlsMaterial};
