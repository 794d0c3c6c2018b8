//! Values of keys with their types: from JSON, checked against the table.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use regex::Regex;
use serde_json::Value as Json;

use super::key::{Key, Kind};
use super::problem::ProblemKind;

/// A value of the type that its key has. No `Debug`: it may be a password.
#[derive(Clone, PartialEq)]
pub(super) enum Value {
    Boolean(bool),
    Integer(i64),
    Text(String),
    Texts(Vec<String>),
    Map(Vec<(String, String)>),
}

/// What is wrong, and with which part of the value (`[2]`, `.name`, or empty for all of it).
pub(super) type PartProblem = (String, ProblemKind);

/// The value a key has when no file sets it.
pub(super) fn default_of(key: &Key) -> Value {
    match key.kind {
        Kind::Boolean { default } => Value::Boolean(default),
        Kind::Integer { default, .. } => Value::Integer(default),
        Kind::Text { default } | Kind::Word { default, .. } => Value::Text(default.to_owned()),
        Kind::Pattern | Kind::Anything => Value::Text(String::new()),
        Kind::Texts { default } => {
            Value::Texts(default.iter().map(|text| (*text).to_owned()).collect())
        }
        Kind::HostFilters | Kind::Patterns | Kind::ClusterFilters | Kind::Secrets { .. } => {
            Value::Texts(Vec::new())
        }
        Kind::PatternMap | Kind::ClusterNumbers { .. } => Value::Map(Vec::new()),
    }
}

/// Takes a value as written. `None` says that it changes nothing: `null` where a single value is meant.
pub(super) fn from_json(key: &Key, json: &Json) -> Result<Option<Value>, Vec<PartProblem>> {
    if json.is_null() {
        return Ok(null_of(key));
    }
    match key.kind {
        Kind::Boolean { .. } => match json {
            Json::Bool(value) => Ok(Some(Value::Boolean(*value))),
            _ => Err(wrong_type(key, json)),
        },
        Kind::Integer { min, max, .. } => match whole(json, key.kind.noun(), min..=max, key.unit) {
            Ok(number) => Ok(Some(Value::Integer(number))),
            Err(problem) => Err(vec![(String::new(), problem)]),
        },
        Kind::Text { .. } => text(key, json).map(|text| Some(Value::Text(text))),
        Kind::Word { default, allowed } => word(key, json, default, allowed).map(Some),
        Kind::Pattern => {
            let text = text(key, json)?;
            check_pattern(&text).map_err(|problem| vec![(String::new(), problem)])?;
            Ok(Some(Value::Text(text)))
        }
        Kind::Texts { .. } => texts(key, json, |_| Ok(())).map(Some),
        Kind::Secrets { max } => secrets(key, json, max).map(Some),
        Kind::HostFilters => texts(key, json, check_host_filter).map(Some),
        Kind::Patterns => texts(key, json, check_pattern).map(Some),
        Kind::ClusterFilters => texts(key, json, check_cluster_filter).map(Some),
        // An object without entries adds nothing to the ones there; only `null` takes them away.
        Kind::PatternMap => map(key, json, |pattern, alias| {
            let alias = alias.as_str().ok_or_else(|| not_a_text(alias))?;
            check_pattern(pattern)?;
            Ok(alias.to_owned())
        }),
        Kind::ClusterNumbers { min, max } => map(key, json, |filter, number| {
            check_cluster_filter(filter)?;
            Ok(whole(number, "a whole number", min..=max, key.unit)?.to_string())
        }),
        Kind::Anything => Ok(None),
    }
}

/// `null` empties lists and objects, and changes nothing else, as in the predecessor.
fn null_of(key: &Key) -> Option<Value> {
    match key.kind {
        Kind::Texts { .. } | Kind::HostFilters | Kind::Patterns | Kind::ClusterFilters => {
            Some(Value::Texts(Vec::new()))
        }
        Kind::PatternMap | Kind::ClusterNumbers { .. } => Some(Value::Map(Vec::new())),
        _ => None,
    }
}

/// A whole number within bounds, counted in `unit`.
fn whole(
    json: &Json,
    expected: &'static str,
    bounds: RangeInclusive<i64>,
    unit: &'static str,
) -> Result<i64, ProblemKind> {
    let wrong = |found| ProblemKind::WrongType { found, expected };
    let Json::Number(number) = json else {
        return Err(wrong(noun(json)));
    };
    if number.is_f64() {
        return Err(wrong("a number with a fraction or exponent"));
    }
    let value = number.as_i64().filter(|value| bounds.contains(value));
    value.ok_or_else(|| ProblemKind::OutOfRange {
        found: number.to_string(),
        min: *bounds.start(),
        max: *bounds.end(),
        unit,
    })
}

fn text(key: &Key, json: &Json) -> Result<String, Vec<PartProblem>> {
    json.as_str()
        .map(str::to_owned)
        .ok_or_else(|| wrong_type(key, json))
}

fn word(
    key: &Key,
    json: &Json,
    default: &str,
    allowed: &[&str],
) -> Result<Value, Vec<PartProblem>> {
    let written = text(key, json)?;
    if written.trim().is_empty() {
        return Ok(Value::Text(default.to_owned()));
    }
    match allowed
        .iter()
        .find(|word| word.eq_ignore_ascii_case(written.trim()))
    {
        Some(word) => Ok(Value::Text((*word).to_owned())),
        None => Err(vec![(
            String::new(),
            ProblemKind::UnknownWord {
                found: written,
                allowed: allowed.join(", "),
            },
        )]),
    }
}

/// A text, or a list of at most `max`; empty ones are none.
fn secrets(key: &Key, json: &Json, max: usize) -> Result<Value, Vec<PartProblem>> {
    let all = match json.as_str() {
        Some(text) => vec![text.to_owned()],
        None => match texts(key, json, |_| Ok(()))? {
            Value::Texts(all) => all,
            _ => Vec::new(),
        },
    };
    let all: Vec<String> = all.into_iter().filter(|text| !text.is_empty()).collect();
    match all.len() <= max {
        true => Ok(Value::Texts(all)),
        false => Err(vec![(
            String::new(),
            ProblemKind::TooMany {
                found: all.len(),
                max,
            },
        )]),
    }
}

fn texts(
    key: &Key,
    json: &Json,
    check: fn(&str) -> Result<(), ProblemKind>,
) -> Result<Value, Vec<PartProblem>> {
    let Json::Array(elements) = json else {
        return Err(wrong_type(key, json));
    };
    let mut taken = Vec::with_capacity(elements.len());
    let mut problems = Vec::new();
    for (index, element) in elements.iter().enumerate() {
        match element
            .as_str()
            .ok_or_else(|| not_a_text(element))
            .and_then(|text| check(text).map(|()| text))
        {
            Ok(text) => taken.push(text.to_owned()),
            Err(problem) => problems.push((format!("[{index}]"), problem)),
        }
    }
    if problems.is_empty() {
        Ok(Value::Texts(taken))
    } else {
        Err(problems)
    }
}

/// `None` where it has no entries.
fn map(
    key: &Key,
    json: &Json,
    take: impl Fn(&str, &Json) -> Result<String, ProblemKind>,
) -> Result<Option<Value>, Vec<PartProblem>> {
    let Json::Object(entries) = json else {
        return Err(wrong_type(key, json));
    };
    let mut taken = Vec::with_capacity(entries.len());
    let mut problems = Vec::new();
    for (name, value) in entries {
        match take(name, value) {
            Ok(value) => taken.push((name.clone(), value)),
            Err(problem) => problems.push((format!(".{name}"), problem)),
        }
    }
    match problems.is_empty() {
        true => Ok((!taken.is_empty()).then_some(Value::Map(taken))),
        false => Err(problems),
    }
}

fn check_pattern(text: &str) -> Result<(), ProblemKind> {
    Regex::new(text).map(drop).map_err(|error| {
        let reason = error.to_string();
        // The parser draws the place over several lines; its last line says what is wrong.
        let reason = reason.lines().last().unwrap_or_default();
        let reason = reason.strip_prefix("error: ").unwrap_or(reason).to_owned();
        ProblemKind::BadPattern {
            found: text.to_owned(),
            reason,
        }
    })
}

fn check_host_filter(text: &str) -> Result<(), ProblemKind> {
    if text.parse::<IpAddr>().is_ok() {
        Ok(())
    } else {
        check_pattern(text)
    }
}

fn check_cluster_filter(text: &str) -> Result<(), ProblemKind> {
    match (
        text,
        text.strip_prefix("alias~="),
        text.strip_prefix("alias="),
    ) {
        ("*", ..) | (_, None, Some(_)) => Ok(()),
        (_, Some(pattern), _) => check_pattern(pattern),
        (_, None, None) => check_pattern(text),
    }
}

fn wrong_type(key: &Key, json: &Json) -> Vec<PartProblem> {
    vec![(
        String::new(),
        ProblemKind::WrongType {
            found: noun(json),
            expected: key.kind.noun(),
        },
    )]
}

fn not_a_text(json: &Json) -> ProblemKind {
    ProblemKind::WrongType {
        found: noun(json),
        expected: "a text",
    }
}

/// The type of a JSON value in words. Never the value itself, which may be a password.
fn noun(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "true or false",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}
