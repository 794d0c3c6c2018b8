//! JSON as clients know it: compact, without a newline at the end, escaped as Go's `encoding/json` does. Some clients
//! compare bytes, and the escapes keep the text harmless when it is pasted into a page.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter, Serializer};

/// Media type of every answer of the API.
pub const CONTENT_TYPE: &str = "application/json; charset=UTF-8";

/// Renders a value that can always be rendered: our answers have text keys and no failing parts.
pub fn render<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    // Most answers are small; lists grow by doubling.
    let mut out = Vec::with_capacity(512);
    value
        .serialize(&mut Serializer::with_formatter(&mut out, GoEscapes))
        .expect("an answer has text keys only, and writing to memory cannot fail");
    out
}

/// Escapes `<`, `>`, `&`, U+2028 and U+2029 everywhere, and has no short form for backspace and form feed.
struct GoEscapes;

impl Formatter for GoEscapes {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let bytes = fragment.as_bytes();
        let mut written = 0;
        for (at, byte) in bytes.iter().enumerate() {
            let (escape, length): (&[u8], usize) = match byte {
                b'<' => (b"\\u003c", 1),
                b'>' => (b"\\u003e", 1),
                b'&' => (b"\\u0026", 1),
                0xe2 => match bytes.get(at + 1..at + 3) {
                    Some([0x80, 0xa8]) => (b"\\u2028", 3),
                    Some([0x80, 0xa9]) => (b"\\u2029", 3),
                    _ => continue,
                },
                _ => continue,
            };
            out.write_all(&bytes[written..at])?;
            out.write_all(escape)?;
            written = at + length;
        }
        out.write_all(&bytes[written..])
    }

    fn write_char_escape<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        let short: &[u8] = match escape {
            CharEscape::Quote => b"\\\"",
            CharEscape::ReverseSolidus => b"\\\\",
            CharEscape::Solidus => b"/",
            CharEscape::LineFeed => b"\\n",
            CharEscape::CarriageReturn => b"\\r",
            CharEscape::Tab => b"\\t",
            CharEscape::Backspace => b"\\u0008",
            CharEscape::FormFeed => b"\\u000c",
            CharEscape::AsciiControl(code) => return write!(out, "\\u{code:04x}"),
        };
        out.write_all(short)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_as_go_escapes_it() {
        for (text, rendered) in [
            ("plain ä€𝄞/", "\"plain ä€𝄞/\""),
            (">>,<b>&amp;", r#""\u003e\u003e,\u003cb\u003e\u0026amp;""#),
            (
                "a\u{2028}b\u{2029}c\u{2027}",
                "\"a\\u2028b\\u2029c\u{2027}\"",
            ),
            ("\u{2028}", r#""\u2028""#),
            ("\"\\\n\r\t", r#""\"\\\n\r\t""#),
            ("\u{8}\u{c}\u{1}\u{7f}", "\"\\u0008\\u000c\\u0001\u{7f}\""),
        ] {
            assert_eq!(
                String::from_utf8(render(text)).unwrap(),
                rendered,
                "{text:?}"
            );
        }
    }

    #[test]
    fn escaping_changes_no_text_when_it_is_read_back() {
        let text: String = (0..0x2100).filter_map(char::from_u32).collect();
        let back: String = serde_json::from_slice(&render(&text)).unwrap();
        assert_eq!(back, text);
    }
}
