//! Three data centres in network namespaces, each with a node and servers, and cuts between them: real servers, real nodes, real
//! packets that do not arrive.
//!
//! They need root (`ip netns`). `FAILOVER_RUNS` is how often each story is told (1 when it is not set), each time in a new world;
//! docs/testing.md has the command of the long lane.

mod fenced;
mod guard;
mod left_alone;
mod one_way;
mod own_link;
mod sites;
mod statements;

#[allow(
    dead_code,
    reason = "the same as in failovers, whose other stories need more"
)]
#[path = "../failover_real/record.rs"]
mod record;
#[allow(
    dead_code,
    reason = "the same as in failovers, whose other stories need more"
)]
#[path = "../failover_real/tally.rs"]
mod tally;
#[allow(
    dead_code,
    reason = "the same as in failovers, whose other stories need more"
)]
#[path = "../failover_real/world.rs"]
mod world;
