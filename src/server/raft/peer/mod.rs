//! Links between members of the group: a port that only members get through, and dials that make sure whom they reached.
//! What is spoken over a link is not known here.
//!
//! Start with [`PeerLinks`]: it holds whom to trust and gives both directions, [`PeerLinks::listen`] and
//! [`PeerLinks::dialer`]. `docs/security.md` has the trust model.
//!
//! # The handshake
//!
//! It precedes HTTP/2 on every connection, inside TLS where there are certificates. Numbers are big-endian.
//!
//! ```text
//! message = "ORCP" · version u8 (1) · kind u8 · length u16 of the body (at most 365) · body
//!
//! kind 1  Hello          dialer → acceptor    card
//! kind 2  Answer         acceptor → dialer    card
//! kind 3  DialerProof    dialer → acceptor    32 bytes
//! kind 4  AcceptorProof  acceptor → dialer    32 bytes
//! kind 5  Refusal        either way           reason u8 · detail u8; then the connection is closed
//!
//! card    = trust u8 (0 addresses, 1 secret, 2 certificates) · process 16 · group 16 (zeros: none yet) · nonce 32
//!           · name (the rest: printable ASCII, at most 300 bytes)
//! reason  = 1 version · 2 other trust (detail: the refusing side's) · 3 itself · 4 wrong proof · 5 other group
//!           · 6 address · 7 name · 8 too many
//! ```
//!
//! With a shared secret the order is Hello, Answer, DialerProof, AcceptorProof; else it ends with the Answer. A proof is
//!
//! ```text
//! HMAC-SHA-256(key = secret, "orchestrator peer handshake v1" · 0 · role u8 (1 dialer, 2 acceptor) · Hello · Answer)
//! ```
//!
//! over the two messages as sent. An acceptor takes any of its secrets (two, while the secret is changed) and proves itself by the one that was
//! shown; a dialer that is refused for a wrong proof dials again and shows its next one.
//!
//! What this is good for:
//! - the secret is never sent, and whoever merely connects gets nothing to try guesses on: the dialer proves itself first;
//! - a proof of another connection does not fit, since each side draws a nonce of its own;
//! - a proof sent back does not fit, since it has the other role; a whole handshake led back to its origin is known by the
//!   process number, which is drawn at the start;
//! - the group and the kind of trust are covered, so they cannot be talked down.
//!
//! It does not encrypt what follows, nor protect it from somebody on the way; certificates do.

mod acceptor;
mod book;
mod config;
mod dialer;
mod error;
mod exchange;
mod io;
mod links;
mod message;
mod names;
mod places;
mod policy;
mod refusals;
#[cfg(test)]
mod tests;
mod tls;

pub use acceptor::{Incoming, PeerAcceptor};
pub use book::{LookUp, SystemLookUp};
pub use config::{Config, Limits, TlsFiles};
pub use dialer::{PeerDialer, Target, dial_failure, server_builder};
pub use error::{DialError, Distrust, Error};
pub use io::{PeerIdentity, PeerIo};
pub use links::{Access, PeerLinks, PeerStatus, Prepared};
pub use message::{Reason, Trust};
pub use names::host_of;
pub(super) use names::is_host_and_port;
pub use refusals::describe_metrics;
