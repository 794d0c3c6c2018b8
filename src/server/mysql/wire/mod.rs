//! The client side of the MySQL protocol, as far as probing and repairing need it: log in, send one statement, read its
//! answer as text.
//!
//! It is written for peers that are not trusted. Every length that a server announces is checked against a bound before
//! anything is reserved for it, no byte that it sends can make the code panic, it is never given a password in clear over
//! an open connection, and it is never given a file. Drivers for friendly servers take the announced number of columns as
//! an allocation size, index into short packets, and announce `LOCAL INFILE`; that is why there is one of our own.
//!
//! Source: "MySQL Client/Server Protocol", connection phase and text protocol (dev.mysql.com, MySQL 9), and what MariaDB
//! 10.11, MySQL 9.7 and MySQL 5.6 were seen to send.

mod answer;
mod auth;
mod conn;
mod error;
mod login;
mod packet;
mod reader;
mod tls;

pub use answer::{Answer, Row};
pub use conn::Conn;
pub use error::WireError;
pub(super) use login::{Login, login};
pub(super) use tls::{TlsTarget, client_config, target};
