//! Changing servers: one session for each recovery and server, statements with deadlines, every change read back.
//!
//! * [`MysqlServers`] implements the ports `Servers` and `Histories`; `session.rs` makes changes within their deadline and
//!   has a session ended when it passes (`ended.rs`).
//! * `statements.rs` sends: each changing statement carries recovery and fence in a comment.
//! * One file for each kind of change: `threads.rs`, `repoint.rs` (with the connection profile of `profile.rs`),
//!   `close.rs`, `settings.rs`.
//! * `link.rs` reads what a replica has received and not applied. **No statement here discards that**: whatever would
//!   (another source, a reset, and on MariaDB stopping or starting threads in the wrong order) waits or refuses, also when the
//!   planner asks for it, and no flag lifts it.
//!
//! Errors are told apart by their numbers. What is known of a change whose connection broke, or whose deadline passed, is
//! nothing; read it back over another session.
//!
//! What stays possible, because a server has no better means:
//!
//! * MariaDB and MySQL before 5.7.8 have no `super_read_only`: an account with `SUPER` or `READ ONLY ADMIN` that connects
//!   again after a close writes again. Closing again ends it again.
//! * A statement that a hanging server had received before its session was ended may still run when it goes on. Making writable
//!   is the exception: the statement holds the time until which it means anything, by the server's own clock.

mod close;
mod ended;
mod history;
mod link;
mod literal;
mod profile;
mod repoint;
mod servers;
mod session;
mod settings;
mod statements;
mod threads;

pub use servers::MysqlServers;
