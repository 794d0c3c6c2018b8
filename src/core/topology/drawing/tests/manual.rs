//! The manual of the notation is true: its examples are read, and it names every attribute.

use super::super::attributes;
use super::{drawn, parse};

const MANUAL: &str = include_str!("../../../../../docs/drawings.md");

/// Texts of all fenced blocks of a kind.
fn blocks<'a>(manual: &'a str, kind: &str) -> Vec<&'a str> {
    let fence = format!("```{kind}\n");
    let parts = manual.split(&*fence).skip(1);
    parts
        .map(|part| part.split("```").next().unwrap_or_default())
        .collect()
}

#[test]
fn every_example_of_the_manual_is_a_drawing() {
    let examples = blocks(MANUAL, "drawing");
    assert!(examples.len() >= 6, "{}", examples.len());
    for example in examples {
        drawn(example);
    }
}

#[test]
fn what_the_manual_says_is_printed_is_printed() {
    let normal = blocks(MANUAL, "drawing-normal");
    assert!(!normal.is_empty());
    for example in normal {
        let (text, printed) = example.split_once("=>\n").expect("both forms");
        assert_eq!(drawn(text).to_string(), printed);
    }
}

#[test]
fn what_the_manual_says_is_refused_is_refused_so() {
    let refused = blocks(MANUAL, "drawing-refused");
    assert!(!refused.is_empty());
    for example in refused {
        let (text, why) = example.split_once("=>\n").expect("a text and an error");
        let error = parse(text).expect_err("the manual says it is refused");
        assert_eq!(error.to_string(), why.trim());
    }
}

#[test]
fn the_manual_names_every_attribute() {
    for row in attributes::rows() {
        for name in row.names {
            let is_named = ["`", "=", " "]
                .iter()
                .any(|end| MANUAL.contains(&format!("`{name}{end}")));
            assert!(is_named, "{name}");
        }
    }
}
