//! Stores in a MySQL or MariaDB database that belongs to one node alone.
//!
//! One thread owns the connection of decided state and does one thing after another; another one that of observations. SQL
//! is in `schema`, `changes`, `holder` and `meta` only. Values are written as numbers and hexadecimal literals, so that no
//! setting of the server, no collation and no text changes what is stored. A row says which node has the database, and every
//! transaction looks at it first.

mod changes;
mod decisions;
mod error;
mod holder;
mod line;
mod literal;
mod meta;
mod observations;
mod options;
mod rows;
mod schema;
mod session;
mod whole;

pub use decisions::MysqlStore;
pub(super) use literal::name as quoted_name;
pub use observations::MysqlObservations;
pub use options::MysqlOptions;
