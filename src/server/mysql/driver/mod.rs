//! The adapter of `mysql_async`, which nothing else knows. What it adds to the driver:
//!
//! * bounds on what a statement may bring: rows, bytes of a text, bytes and columns of an answer, result sets
//!   (`conn.rs`);
//! * errors by what somebody does about them (`error.rs`);
//! * a panic of the driver, which packets of a broken or hostile server can cause, is an error like others
//!   (`caught.rs`);
//! * a connection is closed when it is dropped: the driver by itself would first read what is still under way, for as long
//!   as the server cares to send it (`conn.rs`);
//! * TLS from files that are read and checked once for many connections, also for those of beats, which are not the driver's (`tls.rs`).
//!
//! It sends nothing of its own: a connection costs no statement before the first one asked for.
//!
//! What it cannot hold: before anything here sees a column, the driver reserves memory for as many as the head of an answer
//! announces (32 bytes each) and collects their descriptions. A hostile server can so take memory until the deadline of the
//! probe, and by announcing more columns than the machine could hold it makes the reservation fail, which ends the process:
//! a failed allocation is no panic. `docs/security.md` ("A hostile MySQL server") says what limits that. And the driver announces that several
//! statements in one text are fine, so a statement must never be put together from what a server said.

mod answer;
mod anyone;
mod caught;
mod conn;
mod error;
mod login;
mod tls;

pub use answer::{Answer, Row};
pub(super) use caught::caught;
pub use conn::{Bounds, Conn};
pub use error::DriverError;
pub(super) use login::{Login, PACKET_LIMIT, login};
pub(super) use tls::Tls;
