//! Real MariaDB and MySQL servers, and real orchestrator processes, for as long as one test runs.
//!
//! A test draws a topology, [`Plan`] builds it in seconds on loopback addresses of its own, and the returned [`Fleet`]
//! kills, freezes, restarts and re-points the servers. [`Node`] is one orchestrator process with its configuration, its
//! store and its log. Everything ends with the test, also with a killed one.
//!
//! What it does not do: it never installs anything (`raft-tests/run` does), never uses a server it did not start, and
//! never leaves the loopback range, or network namespaces that it made itself.

mod answer;
mod authority;
mod certificates;
mod clock;
mod data_centres;
mod disk;
mod drawing;
mod flavour;
mod forwarder;
mod group;
mod launch;
mod leader_watch;
mod machine;
mod mariadb;
mod mysql;
mod mysql56;
mod node;
mod place;
mod ports;
mod sampler;
mod server;
mod settings;
mod sql;
mod statement_relay;
mod template;
mod topology;
mod wait;
mod writers;

pub use answer::Answer;
pub use authority::{Authority, Life, MemberFiles};
pub use certificates::{Certificates, Holds};
pub use clock::RealClock;
pub use data_centres::{Cut, DATA_CENTRES, DataCentres, Namespace, Part};
pub use disk::{SmallDisk, fail_syncs};
pub use drawing::{Drawn, parse_drawing};
pub use flavour::{Flavour, Installation, Link};
pub use forwarder::{Forwarders, Link as ForwardedLink};
pub use group::Group;
pub use launch::{Finished, Process, Program, is_stopped};
pub use leader_watch::{LeaderWatch, Sample as LeaderSample, never_two};
pub use machine::{Machine, SYNCED_BYTES, Sorted, millis, syncs};
pub use node::{Node, NodePlan, run_client};
pub use place::{client_binary, service_binary};
pub use ports::{AddressBlock, free_port};
pub use sampler::{Door, OpenWindow, Sample, Sampler};
pub use server::{Server, ServerSpec};
pub use settings::Settings;
pub use sql::{Account, Record};
pub use statement_relay::{Calling, Fate, Late, StatementRelay, StopAt, TaggedStatement};
pub use topology::{Fleet, Plan};
pub use wait::{Stopwatch, holds_for, wait_until};
pub use writers::{LedgerRow, Writers};
