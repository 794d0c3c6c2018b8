use bytes::Bytes;

use super::WireError;
use super::reader::Reader;

/// Longest text in one cell. The longest seen in practice are GTID sets, some tens of KiB.
pub(super) const CELL_LIMIT: usize = 1024 * 1024;

/// Longest column name kept; names of the servers' own statements have at most 64 characters.
const NAME_LIMIT: usize = 256;

/// The rows that one statement brought, as text.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    columns: Vec<String>,
    rows: Vec<Vec<Option<Bytes>>>,
}

/// One row of an [`Answer`]. Columns are found by name, ignoring case: servers differ in it.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    columns: &'a [String],
    cells: &'a [Option<Bytes>],
}

impl Answer {
    pub(super) fn with_columns(columns: Vec<String>) -> Self {
        Self {
            columns,
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

    /// Reads a row packet of the text protocol.
    pub(super) fn push_packet(&mut self, packet: &Bytes) -> Result<(), WireError> {
        let mut reader = Reader::new(packet);
        let mut cells = Vec::with_capacity(self.columns.len());
        for _ in 0..self.columns.len() {
            cells.push(match reader.text()? {
                Some(text) if text.len() > CELL_LIMIT => {
                    return Err(WireError::TooLarge {
                        what: "a text",
                        limit: CELL_LIMIT,
                    });
                }
                Some(text) => Some(packet.slice_ref(text)),
                None => None,
            });
        }
        self.rows.push(cells);
        Ok(())
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
                        .map(|cell| cell.map(|text| Bytes::copy_from_slice(text.as_bytes())))
                        .collect()
                })
                .collect(),
        }
    }
}

/// The name in a column definition packet: its fifth text.
pub(super) fn column_name(packet: &[u8]) -> Result<String, WireError> {
    let mut reader = Reader::new(packet);
    for _ in 0..4 {
        reader.text()?;
    }
    let name = reader.text()?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&name[..name.len().min(NAME_LIMIT)]).into_owned())
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
        let mut answer = Answer::with_columns(vec!["Uptime".into(), "x".into()]);
        answer
            .push_packet(&Bytes::from_static(&[2, b'4', b'2', 0xfb]))
            .unwrap();
        let row = answer.first().unwrap();
        assert_eq!(row.text("uptime").as_deref(), Some("42"));
        assert_eq!(row.text("X"), None, "NULL");
        assert_eq!(row.text("y"), None, "no such column");
    }

    #[test]
    fn a_row_shorter_than_its_columns_is_refused() {
        let mut answer = Answer::with_columns(vec!["a".into(), "b".into()]);
        assert!(answer.push_packet(&Bytes::from_static(&[1, b'x'])).is_err());
        assert!(
            answer
                .push_packet(&Bytes::from_static(&[0xfd, 0xff, 0xff, 0xff]))
                .is_err()
        );
        assert!(answer.is_empty());
    }
}
