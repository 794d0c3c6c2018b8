//! Changing real servers: MariaDB, MySQL 9 and MySQL 5.6. Every look at what came of a change is taken by another client than
//! the one that made it.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests start servers, measure real time, and end at what they did not expect"
)]

mod closing;
mod each_change;
mod ending;
mod grants;
mod hanging;
mod histories;
mod late;
mod profiles;
mod relay_logs;
mod slow_receiver;
mod world;
