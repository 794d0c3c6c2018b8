//! Recoveries carried out over simple stand-ins. What comes of all sorts of faults at all moments is for the simulation; here is
//! each way that a recovery can take, once.

mod aliases;
mod beats;
mod clock;
mod deciding;
mod demanded;
mod faults;
mod fleet;
mod gates;
mod leaders;
mod left_stopped;
mod old_primary;
mod others;
mod paths;
mod slow_stop;
mod world;

/// Two replicas of a dead primary; b has received most.
const SIMPLE: &str = "a [unreachable]\n+ b [io=connecting gtid=..1-90 received=..1-100]\n+ c [io=connecting gtid=..1-95]";
