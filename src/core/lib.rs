//! The pure core of orchestrator: what it knows, how it concludes, what it decides.
//!
//! Nothing here performs IO, reads a clock, logs or awaits; everything is a value or a function of values, so that
//! what decides over people's data is tested without a server. Modules import downwards only:
//!
//! * [`domain`]: the nouns (instance key, observation, picture, downtime …); imports nothing of ours.
//! * [`beats`]: what primaries say between probes, and when silence is evidence.
//! * [`topology`]: the graph of replication links, built from a picture; how its members are; their text.
//! * [`analysis`]: what is wrong, and how we know: findings about the servers of a picture.
//! * [`recovery`]: what to do about a dead primary: gate, ranking, plan, the next step.
//! * [`isolation`]: whether a node that is cut off with its data centre closes a primary there.
//! * [`decided`]: agreed state: commands, the pure `apply`, row changes, effects, encodings, digest.
//! * [`ports`]: one trait for each outside thing, implemented in the service and simulated in tests.
//! * [`planted`]: faults that simulations switch on; none in a release.
//! * [`legacy`]: the one dictionary of the predecessor's names, for whoever reads or writes them outside.
#![forbid(unsafe_code)]

pub mod analysis;
pub mod beats;
pub mod decided;
pub mod domain;
pub mod isolation;
pub mod legacy;
pub mod planted;
pub mod ports;
pub mod recovery;
pub mod topology;
