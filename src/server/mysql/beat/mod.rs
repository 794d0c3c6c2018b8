//! Connections for beats: a small part of the protocol of our own, because what beats need the SQL driver does not show.
//!
//! * A connection that the server closes must be noticed while nothing is asked over it. The driver reads its socket only while a
//!   statement is under way, and gives nobody else the socket.
//! * An error packet before the login is an answer, and a closed connection is none. The driver's errors do not always tell.
//! * Thousands of primaries are asked once a second: one packet out, one in, no allocation beyond a small buffer.
//!
//! So [`Wire`](wire::Wire) frames packets, `login.rs` logs in with `mysql_native_password` or `caching_sha2_password`, plain or
//! over TLS, a beat is a `COM_PING`, and `vigil.rs` keeps a second connection that tells an orderly end from a crash. Where a server wants another plugin, the connection is
//! the driver's ([`DriverLine`](driver_line::DriverLine)): **there, a closed connection is noticed with the next beat only**,
//! within a second, and there is no vigil.

mod beater;
mod driver_line;
mod line;
mod login;
#[cfg(test)]
mod tests;
mod vigil;
mod wire;

pub use beater::MysqlBeater;
