//! The API over fakes of all ports, and the tests that ask it.

mod acknowledging;
mod analysis;
mod asking;
mod browsers;
mod callers;
mod docs;
mod errors;
mod evidence;
mod fakes;
mod group;
mod importing;
mod instance_json;
mod isolation_guard;
mod losing_the_leader;
mod matrix;
mod once;
mod passing_on;
mod raft;
mod recoveries;
mod recovering;
mod shapes;
mod speed;
mod tokens;

pub(crate) use callers::{config as access_config, local, remote};
pub(crate) use evidence::sample;
pub(crate) use fakes::{Answer, Service, gated};
