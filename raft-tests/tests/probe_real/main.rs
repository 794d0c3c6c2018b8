//! Probing against real servers (MariaDB from the system, MySQL 9.x) and against hostile ones.
#![allow(
    clippy::disallowed_methods,
    reason = "tests start servers and measure real time"
)]

mod failures;
mod fields_mariadb;
mod fields_mysql;
mod rogue;
mod servers;
mod tls;
mod world;
