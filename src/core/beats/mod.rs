//! Beats: what a primary says, or does not say, between two probes. Pure: no IO, no clock; monotonic times are passed in.
//!
//! Every node keeps a connection to every writable primary and asks something of it once a second, and each tenth of a
//! second while it is in doubt. What comes of that is told to a [`Watch`], whose [`Standing`] follows:
//!
//! * **alive**: a packet came, whatever it says; also an error packet, with which a server that is up refuses us;
//! * **gone**: our connection was closed or reset, and a new one was refused;
//! * **silent**: nothing came for as long as policy says, over two connections, one of them new;
//! * **not ours**: so many servers fell silent together ([`is_own_link`]) that it is our own link.
//!
//! Going down in order does not look like a crash: a second connection, the vigil, waits in a statement with a request unread in the
//! server's socket. Whoever closes it in order says so by that ([`VigilEnd`]).
//!
//! That a primary stands as gone or silent does not make it dead. Its replicas have a say, and after silence, when their
//! receivers look connected, what they receive: [`Passive`]. What came to one a moment ago speaks for a silent primary for as long as
//! it has to be silent to us, also when the receiver is not connected any more: a primary that was restarted in an instant
//! finds its replicas between two attempts to connect.
//!
//! All of it is one value, [`Beats`]. A primary without beats is judged by its probes alone.

mod known;
mod own_link;
mod passive;
mod policy;
#[cfg(test)]
mod tests;
mod watch;

pub use known::{Beat, Beats, Standing};
pub use own_link::is_own_link;
pub use passive::{Passive, Received};
pub use policy::BeatPolicy;
pub use watch::{Farewell, Heard, Over, VigilEnd, Watch};
