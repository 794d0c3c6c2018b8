//! Probing against real servers (MariaDB from the system, MySQL 9.x) and against hostile ones.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests start servers, measure real time, and end at what they did not expect"
)]

mod failures;
mod fake;
mod fields_mariadb;
mod fields_mysql;
mod flavors;
mod names;
mod rogue;
mod round_trips;
mod servers;
mod statements;
mod tls;
mod world;
