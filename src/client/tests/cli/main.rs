//! The built client against scripted servers: what it asks, prints and returns.

mod commands;
mod group;
mod hosts;
mod outcomes;
mod settings;
mod support;
mod tls;
