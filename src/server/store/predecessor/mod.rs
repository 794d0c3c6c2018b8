//! The predecessor's tables, where they are: in an SQLite file or a database on a MySQL or MariaDB server. They are read and
//! nothing else, all as of one moment.

mod mysql;
mod sqlite;

use orchestrator_core::legacy::tables::{OldColumn, OldTable};

pub use mysql::OldTablesOnServer;
pub use sqlite::OldTablesInFile;

/// The statement that reads the rows of a table, one more than are taken, so that it is known whether there are more. `moment` says
/// how a time is read as seconds since 1970-01-01 UTC.
fn select(table: &OldTable, moment: impl Fn(&str) -> String) -> String {
    let columns: Vec<String> = table
        .columns
        .iter()
        .map(|column| match column {
            OldColumn::Text(name) => (*name).to_owned(),
            OldColumn::Moment(name) => moment(name),
        })
        .collect();
    let order = match table.newest_by {
        Some(column) => format!(" ORDER BY {column} DESC"),
        None => String::new(),
    };
    format!(
        "SELECT {} FROM {}{order} LIMIT {}",
        columns.join(","),
        table.name,
        table.rows_max + 1
    )
}

/// Takes the row away that only shows that there are more.
fn cut<T>(rows: &mut Vec<T>, table: &OldTable) -> bool {
    let has_more = rows.len() > table.rows_max;
    rows.truncate(table.rows_max);
    has_more
}
