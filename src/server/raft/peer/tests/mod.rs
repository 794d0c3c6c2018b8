//! Links over real sockets on loopback.

mod addresses;
mod certificates;
mod dialing;
mod hostile;
mod secret;
mod support;

pub(super) use support::TestClock;
