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

/// A value that has been rendered.
#[derive(Debug)]
pub struct Rendered(Vec<u8>);

impl Rendered {
    /// One value that writes itself.
    pub fn of(value: &impl Put) -> Self {
        let mut out = Vec::with_capacity(512);
        value.put(&mut out);
        Self(out)
    }

    /// A list of values, each of about that many bytes.
    pub fn list<T: Put>(values: impl ExactSizeIterator<Item = T>, bytes_each: usize) -> Self {
        let mut out = Vec::with_capacity(values.len().saturating_mul(bytes_each) + 2);
        put_list(values, &mut out);
        Self(out)
    }

    /// Nothing.
    pub fn null() -> Self {
        Self(b"null".to_vec())
    }

    /// The bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// A value that writes itself, in the same form as [`render`]; for what is written by the thousand.
pub trait Put {
    /// Appends the value.
    fn put(&self, out: &mut Vec<u8>);
}

/// Appends a list.
pub fn put_list<T: Put>(values: impl Iterator<Item = T>, out: &mut Vec<u8>) {
    out.push(b'[');
    for (index, value) in values.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        value.put(out);
    }
    out.push(b']');
}

impl Put for str {
    fn put(&self, out: &mut Vec<u8>) {
        // Compiles to a few wide comparisons; nearly all texts are plain.
        let is_special = self.bytes().fold(false, |found, byte| {
            found | (byte < 0x20) | matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'&' | 0xe2)
        });
        if is_special {
            out.extend_from_slice(&render(self));
            return;
        }
        out.push(b'"');
        out.extend_from_slice(self.as_bytes());
        out.push(b'"');
    }
}

impl Put for String {
    fn put(&self, out: &mut Vec<u8>) {
        self.as_str().put(out);
    }
}

impl Put for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if *self { b"true" } else { b"false" });
    }
}

impl Put for u64 {
    fn put(&self, out: &mut Vec<u8>) {
        // 2^64 has twenty digits.
        let mut digits = [b'0'; 20];
        let mut rest = *self;
        let mut first = digits.len() - 1;
        loop {
            digits[first] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
            first -= 1;
        }
        out.extend_from_slice(&digits[first..]);
    }
}

impl Put for u32 {
    fn put(&self, out: &mut Vec<u8>) {
        u64::from(*self).put(out);
    }
}

impl Put for u16 {
    fn put(&self, out: &mut Vec<u8>) {
        u64::from(*self).put(out);
    }
}

impl Put for i8 {
    fn put(&self, out: &mut Vec<u8>) {
        if *self < 0 {
            out.push(b'-');
        }
        u64::from(self.unsigned_abs()).put(out);
    }
}

/// A list of plain words.
impl Put for Vec<&str> {
    fn put(&self, out: &mut Vec<u8>) {
        put_list(self.iter().copied().map(Word), out);
    }
}

struct Word<'a>(&'a str);

impl Put for Word<'_> {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }
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

    fn written(value: &(impl Put + ?Sized)) -> String {
        let mut out = Vec::new();
        value.put(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_and_lists_write_themselves() {
        for number in [0, 7, 10, 99, 1_000_000, u64::MAX] {
            assert_eq!(written(&number), number.to_string());
        }
        for number in [0, -1, 2, i8::MIN, i8::MAX] {
            assert_eq!(written(&number), number.to_string());
        }
        assert_eq!(written(&vec!["a", "<"]), r#"["a","\u003c"]"#);
        assert_eq!(written(&Vec::<&str>::new()), "[]");
        assert_eq!(written(&true), "true");
    }

    #[test]
    fn escaping_changes_no_text_when_it_is_read_back() {
        let text: String = (0..0x2100).filter_map(char::from_u32).collect();
        let back: String = serde_json::from_slice(&render(&text)).unwrap();
        assert_eq!(back, text);
    }
}
