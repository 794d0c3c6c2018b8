//! Rows as they come back.

use super::super::fault::Fault;
use super::super::rows::{ReadRow, Table};
use super::literal;
use super::session::Session;
use crate::mysql::Row;

/// The text protocol brings everything as text.
impl ReadRow for Row<'_> {
    fn is_null(&self, column: usize) -> Result<bool, Fault> {
        Ok(self.bytes_at(column).is_none())
    }

    fn integer(&self, column: usize) -> Result<i64, Fault> {
        parsed(self, column)
    }

    fn unsigned(&self, column: usize) -> Result<u64, Fault> {
        parsed(self, column)
    }

    fn text(&self, column: usize) -> Result<String, Fault> {
        String::from_utf8(ReadRow::bytes(self, column)?)
            .map_err(|error| Fault::Damaged(format!("column {column} of a row: {error}")))
    }

    fn bytes(&self, column: usize) -> Result<Vec<u8>, Fault> {
        let bytes = self.bytes_at(column);
        bytes
            .map(<[u8]>::to_vec)
            .ok_or_else(|| Fault::Damaged(format!("column {column} of a row is empty")))
    }
}

fn parsed<T: std::str::FromStr>(row: &Row<'_>, column: usize) -> Result<T, Fault> {
    row.at(column)
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Fault::Damaged(format!("column {column} of a row is no number")))
}

/// Rows of a table, as `read` understands them; `rest` is what follows the list of tables.
pub(super) fn select<T>(
    session: &mut Session,
    table: &Table,
    rest: &str,
    read: impl Fn(&dyn ReadRow) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let columns: Vec<String> = table.read_columns().map(literal::name).collect();
    let answer = session.ask(&format!(
        "SELECT {} FROM {}{rest}",
        columns.join(","),
        literal::name(table.name)
    ))?;
    answer.rows().map(|row| read(&row)).collect()
}
