//! Simulated MySQL and MariaDB servers: what replication does to transactions, step by step, without a socket.
//!
//! A [`Fleet`] is a plain state machine: [`Fleet::step`] lets everything happen that is due, and calls of the simulated
//! ports ([`SimServers`]) put statements into it that land when the network lets them. What is received and what is applied
//! are two things, and relay logs are lost when real ones are: [`Product::keeps_relay_logs`] holds the rules.
//!
//! Transactions of one server are a run of growing numbers, and whoever has one has all before it, as in a binary log.
//! So a set of transactions is one number for each server, [`Have`].

mod beats;
mod client;
mod fleet;
mod flight;
mod have;
mod ledger;
mod network;
mod observe;
mod ports;
mod product;
mod replication;
mod server;
mod statements;
#[cfg(test)]
mod tests;

pub use beats::SimBeater;
pub use client::Writer;
pub use fleet::{Fleet, SharedFleet, Tuning};
pub use have::{Have, SERVERS_MAX, Txn};
pub use ledger::{Acknowledged, Landed, Ledger};
pub use network::{Network, Place};
pub use ports::SimServers;
pub use product::{Moment, Product};
pub use server::{
    Applier, Link, OptionFile, Power, Receiver, SemiSyncSetting, Server, ServerId, SessionOwner,
};
