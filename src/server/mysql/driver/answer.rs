use std::borrow::Cow;

use mysql_async::Value;

use super::DriverError;

/// Longest text in one cell. The longest seen in practice are GTID sets, some tens of KiB.
pub(super) const CELL_LIMIT: usize = 1024 * 1024;

/// Longest column name kept, in characters; names of the servers' own statements have at most 64.
const NAME_LIMIT: usize = 256;

/// A text, or NULL.
type Cell = Option<Vec<u8>>;

/// The rows that one statement brought, as text.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    columns: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

/// One row of an [`Answer`]. Columns are found by name, ignoring case: servers differ in it.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    columns: &'a [String],
    cells: &'a [Cell],
}

impl Answer {
    pub(super) fn with_columns<'a>(names: impl Iterator<Item = Cow<'a, str>>) -> Self {
        Self {
            columns: names
                .map(|name| name.chars().take(NAME_LIMIT).collect())
                .collect(),
            rows: Vec::new(),
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows, in the order of the server.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|cells| Row {
            columns: &self.columns,
            cells,
        })
    }

    /// The first row.
    pub fn first(&self) -> Option<Row<'_>> {
        self.rows().next()
    }

    /// Takes a row and says what it takes in memory, cells without text included.
    pub(super) fn push(
        &mut self,
        row: mysql_async::Row,
        cell_bytes: usize,
    ) -> Result<usize, DriverError> {
        let mut size = 0;
        let mut cells = Vec::with_capacity(row.len());
        for value in row.unwrap() {
            let cell = cell(value, cell_bytes)?;
            size += size_of::<Cell>() + cell.as_ref().map_or(0, Vec::len);
            cells.push(cell);
        }
        self.rows.push(cells);
        Ok(size)
    }

    /// A table written down, for tests.
    #[cfg(test)]
    pub(in crate::mysql) fn table(columns: &[&str], rows: &[&[Option<&str>]]) -> Self {
        Self {
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            rows: rows
                .iter()
                .map(|row| {
                    row.iter()
                        .map(|cell| cell.map(|text| text.as_bytes().to_vec()))
                        .collect()
                })
                .collect(),
        }
    }
}

/// The text protocol knows only texts and NULL.
fn cell(value: Value, limit: usize) -> Result<Cell, DriverError> {
    match value {
        Value::NULL => Ok(None),
        Value::Bytes(text) if text.len() > limit => Err(DriverError::TooLarge {
            what: "a text",
            limit,
        }),
        Value::Bytes(text) => Ok(Some(text)),
        _ => Err(DriverError::Protocol("a value that is no text")),
    }
}

impl Row<'_> {
    /// Whether the answer has a column of that name.
    pub fn has(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    /// The text of the column of that name; `None` for NULL and for no such column.
    pub fn text(&self, name: &str) -> Option<String> {
        self.at(self.position(name)?)
    }

    /// The bytes of the column at `index`; `None` for NULL and for no such column.
    pub fn bytes_at(&self, index: usize) -> Option<&[u8]> {
        self.cells.get(index)?.as_deref()
    }

    /// The text of the column at `index`; `None` for NULL and for no such column.
    pub fn at(&self, index: usize) -> Option<String> {
        let cell = self.cells.get(index)?.as_ref()?;
        Some(String::from_utf8_lossy(cell).into_owned())
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.columns
            .iter()
            .position(|column| column.eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_by_name_whatever_its_case() {
        let answer = Answer::table(&["Uptime", "x"], &[&[Some("42"), None]]);
        let row = answer.first().unwrap();
        assert_eq!(row.text("uptime").as_deref(), Some("42"));
        assert_eq!(row.text("X"), None, "NULL");
        assert_eq!(row.text("y"), None, "no such column");
        assert!(row.has("X") && !row.has("y"));
    }

    #[test]
    fn a_text_beyond_the_limit_is_refused_and_one_at_the_limit_is_read() {
        let text = |length| Value::Bytes(vec![b'x'; length]);
        assert_eq!(
            cell(text(CELL_LIMIT), CELL_LIMIT).unwrap().map(|t| t.len()),
            Some(CELL_LIMIT)
        );
        assert!(matches!(
            cell(text(CELL_LIMIT + 1), CELL_LIMIT),
            Err(DriverError::TooLarge { what: "a text", .. })
        ));
    }
}
