//! Many row changes as few statements.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::super::fault::Fault;
use super::super::rows::{Cell, RowWrite, Table};
use super::literal;

/// Rows that one statement removes: more make its plan cost more than they save.
const REMOVED_TOGETHER: usize = 200;

/// Statements in one text, so that the driver's list of their results stays short.
const TOGETHER_MAX: usize = 256;

/// The column that is indexed in the place of a key that is too long for an index of every version.
pub(super) const HASHED_KEY: &str = "key_sha256";

/// What becomes of each row, by table and key. Of several changes of one row the last counts.
#[derive(Default)]
pub(super) struct Changes<'a> {
    tables: BTreeMap<&'static str, Rows<'a>>,
}

struct Rows<'a> {
    table: &'static Table,
    /// The whole row, or nothing when it is to be removed.
    rows: BTreeMap<Vec<Cell<'a>>, Option<Vec<Cell<'a>>>>,
}

impl<'a> Changes<'a> {
    /// Adds a change after all before it.
    pub fn add(&mut self, write: RowWrite<'a>) {
        let (table, key, row) = match write {
            RowWrite::Put(table, cells) => (table, cells[..table.key.len()].to_vec(), Some(cells)),
            RowWrite::Delete(table, key) => (table, key, None),
        };
        let rows = self.tables.entry(table.name).or_insert_with(|| Rows {
            table,
            rows: BTreeMap::new(),
        });
        rows.rows.insert(key, row);
    }

    /// Appends the statements.
    pub fn write_to(&self, texts: &mut Texts) -> Result<(), Fault> {
        for Rows { table, rows } in self.tables.values() {
            let put = rows.values().flatten();
            let mut open = texts.begin(&put_head(table));
            for row in put {
                open.push(&put_row(table, row), ",")?;
            }
            let removed: Vec<&Vec<Cell<'a>>> = rows
                .iter()
                .filter(|(_, row)| row.is_none())
                .map(|(key, _)| key)
                .collect();
            for some in removed.chunks(REMOVED_TOGETHER) {
                let mut open = texts.begin(&delete_head(table));
                for key in some {
                    open.push(&key_row(table, key), " OR ")?;
                }
            }
        }
        Ok(())
    }
}

fn put_head(table: &Table) -> String {
    let hashed = table.has_long_key.then_some(HASHED_KEY);
    let columns: Vec<String> = hashed
        .into_iter()
        .chain(table.columns())
        .map(literal::name)
        .collect();
    format!(
        "REPLACE INTO {} ({}) VALUES ",
        literal::name(table.name),
        columns.join(",")
    )
}

fn put_row(table: &Table, row: &[Cell<'_>]) -> String {
    let mut sql = String::from("(");
    if table.has_long_key {
        sql.push_str(&hash_of(&row[0]));
        sql.push(',');
    }
    for (number, cell) in row.iter().enumerate() {
        if number > 0 {
            sql.push(',');
        }
        literal::push_cell(&mut sql, cell);
    }
    sql.push(')');
    sql
}

fn delete_head(table: &Table) -> String {
    format!("DELETE FROM {} WHERE ", literal::name(table.name))
}

fn key_row(table: &Table, key: &[Cell<'_>]) -> String {
    if table.has_long_key {
        return format!("{}={}", literal::name(HASHED_KEY), hash_of(&key[0]));
    }
    let mut sql = String::from("(");
    for (number, (column, cell)) in table.key.iter().zip(key).enumerate() {
        if number > 0 {
            sql.push_str(" AND ");
        }
        sql.push_str(&literal::name(column));
        sql.push('=');
        literal::push_cell(&mut sql, cell);
    }
    sql.push(')');
    sql
}

fn hash_of(key: &Cell<'_>) -> String {
    let bytes: &[u8] = match key {
        Cell::Text(text) => text.as_bytes(),
        Cell::Bytes(bytes) => bytes,
        Cell::Null | Cell::Integer(_) | Cell::Unsigned(_) => &[],
    };
    literal::bytes(&Sha256::digest(bytes))
}

/// Statements that go in one packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Text {
    /// They, with `;` between them.
    pub sql: String,
    /// How many they are.
    pub statements: usize,
}

/// Statements, gathered into texts that each go in one packet.
pub(super) struct Texts {
    done: Vec<Text>,
    open: String,
    statements: usize,
    /// Bytes of a text that is not sent with more.
    usual: usize,
    /// Bytes that the server takes.
    max: usize,
}

impl Texts {
    /// For a server that takes packets of `max` bytes.
    pub fn within(max: usize) -> Self {
        Self {
            done: Vec::new(),
            open: String::new(),
            statements: 0,
            // Large enough that a round trip does not count, small enough for the memory of both sides.
            usual: (max / 2).min(512 * 1024),
            max,
        }
    }

    /// Adds a whole statement.
    pub fn add(&mut self, statement: &str) -> Result<(), Fault> {
        self.begin("").push(statement, "")
    }

    fn begin(&mut self, head: &str) -> OpenStatement<'_> {
        OpenStatement {
            head: head.to_owned(),
            is_empty: true,
            texts: self,
        }
    }

    fn close_text(&mut self) {
        let statements = std::mem::take(&mut self.statements);
        if !self.open.is_empty() {
            let sql = std::mem::take(&mut self.open);
            self.done.push(Text { sql, statements });
        }
    }

    /// All texts, in order.
    pub fn finish(mut self) -> Vec<Text> {
        self.close_text();
        self.done
    }
}

/// A statement that consists of a head and parts, and is begun anew where a text is full.
struct OpenStatement<'a> {
    texts: &'a mut Texts,
    head: String,
    is_empty: bool,
}

impl OpenStatement<'_> {
    fn push(&mut self, part: &str, separator: &str) -> Result<(), Fault> {
        let (texts, whole) = (&mut *self.texts, self.head.len() + part.len() + 2);
        if whole > texts.max {
            return Err(Fault::Unstorable(format!(
                "it takes a statement of {whole} bytes, and max_allowed_packet of the server is {}; make that larger",
                texts.max
            )));
        }
        let is_full = texts.open.len() + whole > texts.usual;
        if is_full || (self.is_empty && texts.statements >= TOGETHER_MAX) {
            texts.close_text();
            self.is_empty = true;
        }
        if self.is_empty {
            if !texts.open.is_empty() {
                texts.open.push(';');
            }
            texts.open.push_str(&self.head);
            texts.statements += 1;
        } else {
            texts.open.push_str(separator);
        }
        texts.open.push_str(part);
        self.is_empty = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use orchestrator_core::decided::RowChange;
    use orchestrator_core::domain::{InstanceKey, Timestamp};

    use super::super::super::rows;
    use super::*;

    fn forgotten(name: &str) -> RowChange {
        let key = InstanceKey::parse(name, 1).unwrap();
        RowChange::PutForgotten(key, Timestamp::from_micros(5))
    }

    fn texts(changes: &[RowChange], max: usize) -> Result<Vec<String>, Fault> {
        let mut merged = Changes::default();
        for change in changes {
            merged.add(rows::write(change)?);
        }
        let mut texts = Texts::within(max);
        merged.write_to(&mut texts)?;
        texts.add("DO 1")?;
        let text = |text: Text| {
            assert_eq!(text.statements, text.sql.split(';').count());
            text.sql
        };
        Ok(texts.finish().into_iter().map(text).collect())
    }

    #[test]
    fn rows_of_a_table_go_together_and_the_last_change_of_a_row_counts() {
        let again = InstanceKey::parse("b", 1).unwrap();
        let changes = [
            forgotten("b"),
            forgotten("a"),
            RowChange::DeleteForgotten(again),
            RowChange::DeleteClusterAlias("x".to_owned()),
            forgotten("c"),
        ];
        let hash = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
        let table =
            "REPLACE INTO `decided_forgotten` (`host`,`port`,`forgotten_at_micros`) VALUES ";
        assert_eq!(
            texts(&changes, 10_000).unwrap(),
            [format!(
                "DELETE FROM `decided_cluster_alias` WHERE `key_sha256`=X'{hash}';\
                 {table}(X'61',1,5),(X'63',1,5);\
                 DELETE FROM `decided_forgotten` WHERE (`host`=X'62' AND `port`=1);DO 1"
            )]
        );
    }

    #[test]
    fn what_does_not_fit_into_a_text_begins_another_and_what_fits_into_none_is_refused() {
        let changes = [forgotten("a"), forgotten("b")];
        let table =
            "REPLACE INTO `decided_forgotten` (`host`,`port`,`forgotten_at_micros`) VALUES ";
        assert_eq!(
            texts(&changes, 200).unwrap(),
            [
                format!("{table}(X'61',1,5)"),
                format!("{table}(X'62',1,5);DO 1")
            ]
        );
        let refused = texts(&changes, 50).unwrap_err();
        assert!(matches!(refused, Fault::Unstorable(_)));
    }
}
