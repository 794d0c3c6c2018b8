//! Failovers of real servers by the real service: processes are killed, clients go on writing, and what they were promised
//! is counted afterwards.
//!
//! `FAILOVER_RUNS` is how often each is done (1 when it is not set); docs/testing.md has the command of the long lane.

mod alias;
mod beats;
mod encrypted;
mod hooks;
mod hung;
mod instant_restart;
mod kill;
mod leader_killed;
mod leader_stopped;
mod long;
mod no_cause;
mod record;
mod refused;
mod semi_sync;
mod sites;
mod tally;
mod together;
mod vetoes;
mod vigils;
mod world;
