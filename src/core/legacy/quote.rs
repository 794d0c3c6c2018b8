use std::fmt::Write;

/// A text in double quotes with everything but printable ASCII escaped, as Go's `strconv.QuoteToASCII` writes it; the form
/// of `LastSQLError` and `LastIOError`. Empty stays empty.
pub fn quoted_error(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    text.chars().for_each(|c| push_escaped(&mut quoted, c));
    quoted.push('"');
    quoted
}

fn push_escaped(out: &mut String, c: char) {
    let short = match c {
        '"' => Some("\\\""),
        '\\' => Some("\\\\"),
        '\x07' => Some("\\a"),
        '\x08' => Some("\\b"),
        '\x0c' => Some("\\f"),
        '\n' => Some("\\n"),
        '\r' => Some("\\r"),
        '\t' => Some("\\t"),
        '\x0b' => Some("\\v"),
        _ => None,
    };
    let code = u32::from(c);
    match short {
        Some(short) => out.push_str(short),
        None if matches!(c, ' '..='~') => out.push(c),
        None => match code {
            0..0x80 => write!(out, "\\x{code:02x}"),
            0x80..0x1_0000 => write!(out, "\\u{code:04x}"),
            _ => write!(out, "\\U{code:08x}"),
        }
        .expect("writing to a String cannot fail"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_quoted_as_go_quotes_to_ascii() {
        for (text, quoted) in [
            ("", ""),
            ("plain 'text'", "\"plain 'text'\""),
            ("say \"x\"\\", r#""say \"x\"\\""#),
            ("a\nb\tc\x07\x0b\x01\x7f", r#""a\nb\tc\a\v\x01\x7f""#),
            ("é€𝄞", r#""\u00e9\u20ac\U0001d11e""#),
            ("\u{85}", r#""\u0085""#),
        ] {
            assert_eq!(quoted_error(text), quoted, "{text:?}");
        }
    }
}
