//! JSON as one line of text, spaced as the predecessor printed it.
//!
//! The bash client let `jq` lay a body out over several lines and then printed it through an unquoted `echo`, which
//! turns every run of white space into one space. Scripts compare that text, so its spacing is kept.

use serde_json::Value;

/// Every run of white space becomes one space; none is left at the ends.
pub fn squeeze(text: &str) -> String {
    text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

/// Runs of spaces inside a printed string become one space; line breaks stay.
///
/// A line break inside a JSON string was still written `\n` when the predecessor squeezed the body, a space was not.
pub fn squeeze_spaces(text: &str) -> String {
    let mut squeezed = String::with_capacity(text.len());
    for character in text.chars() {
        if character != ' ' || !squeezed.ends_with(' ') {
            squeezed.push(character);
        }
    }
    squeezed
}

/// The value on one line, for example `{ "Port": 3306, "Problems": [] }`.
pub fn one_line(value: &Value) -> String {
    let mut line = String::new();
    write(value, &mut line);
    squeeze(&line)
}

fn write(value: &Value, line: &mut String) {
    match value {
        Value::Array(items) if !items.is_empty() => {
            line.push_str("[ ");
            for (index, item) in items.iter().enumerate() {
                separate(index, line);
                write(item, line);
            }
            line.push_str(" ]");
        }
        Value::Object(fields) if !fields.is_empty() => {
            line.push_str("{ ");
            for (index, (name, field)) in fields.iter().enumerate() {
                separate(index, line);
                line.push_str(&Value::from(name.as_str()).to_string());
                line.push_str(": ");
                write(field, line);
            }
            line.push_str(" }");
        }
        plain => line.push_str(&plain.to_string()),
    }
}

fn separate(index: usize, line: &mut String) {
    if index > 0 {
        line.push_str(", ");
    }
}

#[cfg(test)]
mod tests {
    use super::{one_line, squeeze, squeeze_spaces};
    use serde_json::json;

    #[test]
    fn json_is_spaced_as_the_predecessor_spaced_it() {
        for (value, expected) in [
            (json!(null), "null"),
            (json!("OK"), r#""OK""#),
            (json!([]), "[]"),
            (json!({}), "{}"),
            (json!([1, [true]]), "[ 1, [ true ] ]"),
            (
                json!({"Code": "OK", "Details": {"Port": 3306, "List": []}}),
                r#"{ "Code": "OK", "Details": { "Port": 3306, "List": [] } }"#,
            ),
            (json!("a  b\nc"), r#""a b\nc""#),
            (json!("a>b\u{e9}"), "\"a>b\u{e9}\""),
        ] {
            assert_eq!(one_line(&value), expected);
        }
    }

    #[test]
    fn white_space_is_squeezed() {
        assert_eq!(squeeze("  a \n\t b  "), "a b");
        assert_eq!(squeeze_spaces("a   b\n  c"), "a b\n c");
    }
}
