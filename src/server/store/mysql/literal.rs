//! Values in the text of a statement. Texts and bytes are hexadecimal, so that nothing in them ends a literal, whatever the
//! server's `sql_mode` and character sets are.

use std::fmt::Write as _;

use super::super::rows::Cell;

/// Appends a cell.
pub(super) fn push_cell(sql: &mut String, cell: &Cell<'_>) {
    match cell {
        Cell::Null => sql.push_str("NULL"),
        Cell::Integer(number) => push_number(sql, number),
        Cell::Unsigned(number) => push_number(sql, number),
        Cell::Text(text) => push_bytes(sql, text.as_bytes()),
        Cell::Bytes(bytes) => push_bytes(sql, bytes),
    }
}

/// Bytes as a literal.
pub(super) fn bytes(bytes: &[u8]) -> String {
    let mut sql = String::new();
    push_bytes(&mut sql, bytes);
    sql
}

/// A name of a column, table or database.
pub(in crate::store) fn name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn push_number(sql: &mut String, number: impl std::fmt::Display) {
    write!(sql, "{number}").expect("writing to a String does not fail");
}

fn push_bytes(sql: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    sql.reserve(bytes.len() * 2 + 3);
    sql.push_str("X'");
    for byte in bytes {
        sql.push(char::from(DIGITS[usize::from(byte >> 4)]));
        sql.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    sql.push('\'');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_value_ends_its_literal() {
        let mut sql = String::new();
        for cell in [
            Cell::Null,
            Cell::Integer(i64::MIN),
            Cell::Unsigned(u64::MAX),
            Cell::text("a'\\\0"),
            Cell::bytes(&[]),
        ] {
            push_cell(&mut sql, &cell);
            sql.push(' ');
        }
        assert_eq!(
            sql,
            "NULL -9223372036854775808 18446744073709551615 X'61275c00' X'' "
        );
        assert_eq!(name("a`b"), "`a``b`");
    }
}
