//! Rows of all tables in SQLite.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use orchestrator_core::decided::RowChange;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Params, Row, ToSql, params_from_iter};

use super::super::fault::Fault;
use super::super::rows::{self, Cell, DECIDED, LOG, OBSERVED, ReadRow, RowWrite, Table};

/// Statements of one table.
struct Statements {
    put: String,
    delete: String,
    select: String,
}

/// Those of each table, by its name; put together once, so that SQLite parses each once.
static STATEMENTS: LazyLock<BTreeMap<&'static str, Statements>> = LazyLock::new(|| {
    let decided = DECIDED.iter().map(|decided| &decided.table);
    let all = decided.chain([&LOG, &OBSERVED]);
    all.map(|table| (table.name, Statements::of(table)))
        .collect()
});

impl Statements {
    fn of(table: &Table) -> Self {
        let name = table.name;
        let columns: Vec<&str> = table.columns().collect();
        let places: Vec<String> = (1..=columns.len()).map(|n| format!("?{n}")).collect();
        let keys: Vec<String> = (1..)
            .zip(table.key)
            .map(|(n, column)| format!("{column} = ?{n}"))
            .collect();
        let read: Vec<&str> = table.read_columns().collect();
        Self {
            put: format!(
                "INSERT OR REPLACE INTO {name} ({}) VALUES ({})",
                columns.join(", "),
                places.join(", ")
            ),
            delete: format!("DELETE FROM {name} WHERE {}", keys.join(" AND ")),
            select: format!("SELECT {} FROM {name}", read.join(", ")),
        }
    }

    fn for_table(table: &Table) -> &'static Self {
        STATEMENTS
            .get(table.name)
            .expect("every table is in the map")
    }
}

/// Numbers keep their bits: SQLite has signed ones only.
impl ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Cell::Null => ValueRef::Null,
            Cell::Integer(number) => ValueRef::Integer(*number),
            Cell::Unsigned(number) => ValueRef::Integer(number.cast_signed()),
            Cell::Text(text) => ValueRef::Text(text.as_bytes()),
            Cell::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl ReadRow for Row<'_> {
    fn is_null(&self, column: usize) -> Result<bool, Fault> {
        Ok(matches!(self.get_ref(column)?, ValueRef::Null))
    }

    fn integer(&self, column: usize) -> Result<i64, Fault> {
        Ok(self.get(column)?)
    }

    fn unsigned(&self, column: usize) -> Result<u64, Fault> {
        Ok(self.get::<_, i64>(column)?.cast_unsigned())
    }

    fn text(&self, column: usize) -> Result<String, Fault> {
        Ok(self.get(column)?)
    }

    fn bytes(&self, column: usize) -> Result<Vec<u8>, Fault> {
        Ok(self.get(column)?)
    }
}

/// Makes one change of decided state.
pub(super) fn write(connection: &Connection, change: &RowChange) -> Result<(), Fault> {
    match rows::write(change)? {
        RowWrite::Put(table, cells) => put(connection, table, &cells),
        RowWrite::Delete(table, cells) => delete(connection, table, &cells),
    }
}

/// Writes a row over the one with its key.
pub(super) fn put(connection: &Connection, table: &Table, cells: &[Cell<'_>]) -> Result<(), Fault> {
    let sql = &Statements::for_table(table).put;
    connection
        .prepare_cached(sql)?
        .execute(params_from_iter(cells))?;
    Ok(())
}

/// Removes the row with this key.
pub(super) fn delete(
    connection: &Connection,
    table: &Table,
    key: &[Cell<'_>],
) -> Result<(), Fault> {
    let sql = &Statements::for_table(table).delete;
    connection
        .prepare_cached(sql)?
        .execute(params_from_iter(key))?;
    Ok(())
}

/// Rows of a table, as `read` understands them; `rest` is what follows the list of tables.
pub(super) fn select<T>(
    connection: &Connection,
    table: &Table,
    rest: &str,
    params: impl Params,
    read: impl Fn(&dyn ReadRow) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let sql = format!("{}{rest}", Statements::for_table(table).select);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// Names of the tables of decided state.
pub(super) fn table_names() -> impl Iterator<Item = &'static str> {
    DECIDED.iter().map(|decided| decided.table.name)
}

/// Removes every row of decided state.
pub(super) fn clear(connection: &Connection) -> Result<(), Fault> {
    for table in table_names() {
        connection.execute(&format!("DELETE FROM {table}"), [])?;
    }
    Ok(())
}

/// Every row of decided state, as the change that writes it.
pub(super) fn load(connection: &Connection) -> Result<Vec<RowChange>, Fault> {
    let mut found = Vec::new();
    for decided in &DECIDED {
        found.extend(select(connection, &decided.table, "", [], decided.read)?);
    }
    Ok(found)
}

/// The first word in `sql` that would make what is written depend on the moment or on chance.
#[cfg(test)]
pub(super) fn impure_word(sql: &str) -> Option<&'static str> {
    const IMPURE: [&str; 12] = [
        "now",
        "random",
        "randomblob",
        "current_timestamp",
        "current_date",
        "current_time",
        "datetime",
        "unixepoch",
        "julianday",
        "strftime",
        "last_insert_rowid",
        "autoincrement",
    ];
    let code: String = sql
        .lines()
        .map(|line| line.split("--").next().unwrap_or(""))
        .collect::<Vec<_>>()
        .join(" ")
        .to_lowercase();
    let is_word = |word: &str| {
        code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .any(|found| found == word)
    };
    IMPURE.into_iter().find(|word| is_word(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_statement_reads_a_clock_or_randomness() {
        let of_tables = STATEMENTS
            .values()
            .flat_map(|of| [of.put.as_str(), of.delete.as_str()]);
        let others = super::super::log::STATEMENTS.into_iter();
        for sql in of_tables
            .chain(others)
            .chain(super::super::meta::STATEMENTS)
        {
            assert_eq!(impure_word(sql), None, "{sql}");
        }
        assert_eq!(impure_word("SELECT strftime('%s', 'now')"), Some("now"));
        assert_eq!(impure_word("-- now\nSELECT nowhere"), None);
    }

    #[test]
    fn statements_name_key_first_then_values_then_what_is_for_people() {
        let of = Statements::of(&OBSERVED);
        assert_eq!(
            of.put,
            "INSERT OR REPLACE INTO observed_instance (host, port, known_since_micros, record, last_seen_at_micros) \
             VALUES (?1, ?2, ?3, ?4, ?5)"
        );
        assert_eq!(
            of.delete,
            "DELETE FROM observed_instance WHERE host = ?1 AND port = ?2"
        );
        assert_eq!(
            of.select,
            "SELECT host, port, known_since_micros, record FROM observed_instance"
        );
    }
}
