//! Reads the text of one configuration file: the first JSON value, which must be an object, with every key as often as
//! it is written, so that a repeated one can be told.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::problem::ProblemKind;

/// A file's keys and values as written.
pub(super) struct Document {
    /// Keys and values in the order written.
    pub entries: Vec<(String, Value)>,
    /// Line on which further text begins, when there is some.
    pub trailing_line: Option<usize>,
}

/// Reads a file's content.
///
/// # Errors
/// A syntax error with its place, or that it is not an object.
pub(super) fn parse(content: &[u8]) -> Result<Document, ProblemKind> {
    let mut stream = serde_json::Deserializer::from_slice(content).into_iter::<Top>();
    let top = match stream.next() {
        Some(Ok(top)) => top,
        Some(Err(error)) => return Err(syntax(&error)),
        None => {
            return Err(ProblemKind::Syntax {
                line: 1,
                column: 1,
                reason: "the file is empty".to_owned(),
            });
        }
    };
    let rest = stream.byte_offset();
    match top {
        Top::Object(entries) => Ok(Document {
            entries,
            trailing_line: trailing_line(content, rest),
        }),
        Top::Other(found) => Err(ProblemKind::NotAnObject { found }),
    }
}

fn syntax(error: &serde_json::Error) -> ProblemKind {
    let text = error.to_string();
    // The place follows the reason in the parser's text; it is given apart here.
    let reason = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(reason, _)| reason);
    ProblemKind::Syntax {
        line: error.line().max(1),
        column: error.column().max(1),
        reason: reason.to_owned(),
    }
}

fn trailing_line(content: &[u8], offset: usize) -> Option<usize> {
    let rest = content.get(offset..)?;
    let blank = rest.iter().position(|byte| !byte.is_ascii_whitespace())?;
    let before = &content[..offset + blank];
    Some(1 + before.iter().filter(|byte| **byte == b'\n').count())
}

/// The first value of a file.
enum Top {
    Object(Vec<(String, Value)>),
    Other(&'static str),
}

impl<'de> Deserialize<'de> for Top {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TopVisitor)
    }
}

struct TopVisitor;

impl<'de> Visitor<'de> for TopVisitor {
    type Value = Top;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Top, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry::<String, Value>()? {
            entries.push(entry);
        }
        Ok(Top::Object(entries))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Top, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Top::Other("a list"))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Top, E> {
        Ok(Top::Other("true or false"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Top, E> {
        Ok(Top::Other("a number"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Top, E> {
        Ok(Top::Other("a number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Top, E> {
        Ok(Top::Other("a number"))
    }

    fn visit_str<E>(self, _: &str) -> Result<Top, E> {
        Ok(Top::Other("a text"))
    }

    fn visit_unit<E>(self) -> Result<Top, E> {
        Ok(Top::Other("null"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_keys_and_trailing_text_are_kept_in_sight() {
        let document = parse(b"{\"a\": 1, \"a\": 2}\n\n x {")
            .map_err(|e| e.to_string())
            .unwrap();
        assert_eq!(document.entries.len(), 2);
        assert_eq!(document.trailing_line, Some(3));
        let document = parse(b" {} \n ").map_err(|e| e.to_string()).unwrap();
        assert_eq!((document.entries.len(), document.trailing_line), (0, None));
    }

    #[test]
    fn what_is_no_object_is_refused_with_its_place() {
        for (content, text) in [
            (
                "",
                "is not valid JSON at line 1, column 1: the file is empty",
            ),
            (
                "{\n  \"a\": trux\n}",
                "is not valid JSON at line 2, column 11: expected ident",
            ),
            (
                "{\"a\": 1",
                "is not valid JSON at line 1, column 7: EOF while parsing an object",
            ),
            (
                "[{}]",
                "holds a list; it must be one object of keys and values, in braces",
            ),
            (
                "null",
                "holds null; it must be one object of keys and values, in braces",
            ),
            (
                "\"a\"",
                "holds a text; it must be one object of keys and values, in braces",
            ),
            (
                "3",
                "holds a number; it must be one object of keys and values, in braces",
            ),
        ] {
            assert_eq!(
                parse(content.as_bytes())
                    .err()
                    .map(|e| e.to_string())
                    .as_deref(),
                Some(text),
                "{content}"
            );
        }
    }
}
