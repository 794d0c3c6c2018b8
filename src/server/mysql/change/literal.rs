use super::super::DriverError;

/// Longest text that goes into a statement: a path, a name, a password.
const LITERAL_MAX: usize = 1024;

/// `text` as a string literal, for sessions with an empty `sql_mode` and the character set utf8mb4, as `open` sets them up: the
/// only place where texts that a server or the configuration holds become part of a statement.
///
/// # Errors
/// [`DriverError::Protocol`] for a text that is longer than any of its kind, or holds control characters.
pub(super) fn quoted(text: &str) -> Result<String, DriverError> {
    if text.len() > LITERAL_MAX || text.chars().any(char::is_control) {
        return Err(DriverError::Protocol(
            "a name, path or password that cannot be one",
        ));
    }
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('\'');
    for c in text.chars() {
        if matches!(c, '\'' | '\\') {
            literal.push('\\');
        }
        literal.push(c);
    }
    literal.push('\'');
    Ok(literal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_a_literal_but_its_own_quote() {
        for (text, literal) in [
            ("", "''"),
            ("repl", "'repl'"),
            ("it's", r"'it\'s'"),
            (r"a\", r"'a\\'"),
            (r"\'; DROP", r"'\\\'; DROP'"),
            ("grün\"", "'grün\"'"),
        ] {
            assert_eq!(quoted(text).unwrap(), literal);
        }
        for text in ["a\0b", "a\nb", &"x".repeat(LITERAL_MAX + 1)] {
            assert!(quoted(text).is_err(), "{text:?}");
        }
    }
}
