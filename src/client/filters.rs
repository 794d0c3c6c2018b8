//! From a JSON answer to the lines of standard output.
//!
//! They follow the `jq` programs of the predecessor, including how `jq` treats what is not there: a field of `null` is
//! `null`, text plus `null` is the text, and only a wrong type is an error.

mod recovery;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::text;

pub use recovery::{
    analysis, details_text, detections, recoveries, steps, successor, whole_recovery, why_not,
};

/// Makes the lines of standard output from an answer.
pub type Filter = fn(&Value) -> Result<Vec<String>, Shape>;

/// The answer has not the shape that a filter reads.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{expected} was expected where {found} was found")]
pub struct Shape {
    expected: String,
    found: &'static str,
}

impl Shape {
    fn new(expected: impl Into<String>, found: &Value) -> Shape {
        let found = match found {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        let expected = expected.into();
        Shape { expected, found }
    }
}

/// Prints nothing, whatever the answer.
pub fn nothing(_: &Value) -> Result<Vec<String>, Shape> {
    Ok(Vec::new())
}

/// The text in `.Details`, spaces and line breaks untouched.
pub fn details_as_written(answer: &Value) -> Result<Vec<String>, Shape> {
    let details = field(answer, "Details")?;
    Ok(vec![
        details
            .as_str()
            .map_or_else(|| text::one_line(details), str::to_owned),
    ])
}

/// The answer itself, a text.
pub fn text(answer: &Value) -> Result<Vec<String>, Shape> {
    match answer {
        Value::String(text) => Ok(vec![text.clone()]),
        other => Err(Shape::new("a text", other)),
    }
}

/// `.Details.Hostname`.
pub fn details_hostname(answer: &Value) -> Result<Vec<String>, Shape> {
    Ok(vec![raw(field(field(answer, "Details")?, "Hostname")?)])
}

/// `host:port` of `.Key`.
pub fn key(answer: &Value) -> Result<Vec<String>, Shape> {
    Ok(vec![host_port(field(answer, "Key")?)?])
}

/// `host:port` of `.MasterKey`.
pub fn source_key(answer: &Value) -> Result<Vec<String>, Shape> {
    Ok(vec![host_port(field(answer, "MasterKey")?)?])
}

/// `host:port` of `.Details`.
pub fn details(answer: &Value) -> Result<Vec<String>, Shape> {
    Ok(vec![host_port(field(answer, "Details")?)?])
}

/// `host:port` of `.Details.Key`.
pub fn details_key(answer: &Value) -> Result<Vec<String>, Shape> {
    key(field(answer, "Details")?)
}

/// `host:port` of each item's `.Key`.
pub fn keys(answer: &Value) -> Result<Vec<String>, Shape> {
    keys_of(answer, |_| Ok(true))
}

/// `host:port` of the replicas that stopped with an error.
pub fn broken_keys(answer: &Value) -> Result<Vec<String>, Shape> {
    keys_of(answer, |replica| {
        let is = |name, value: Value| Ok(*field(replica, name)? == value);
        let stopped = is("ReplicationSQLThreadRuning", false.into())?
            || is("ReplicationIOThreadRuning", false.into())?;
        let faultless = is("LastSQLError", "".into())? && is("LastIOError", "".into())?;
        Ok(stopped && !faultless)
    })
}

/// `host:port` of the replicas with both threads running.
pub fn running_keys(answer: &Value) -> Result<Vec<String>, Shape> {
    keys_of(answer, |replica| {
        let runs = |name| Ok(*field(replica, name)? == Value::Bool(true));
        Ok(runs("ReplicationSQLThreadRuning")? && runs("ReplicationIOThreadRuning")?)
    })
}

/// `host:port` of the instance when both threads run, else nothing.
pub fn replicating_key(answer: &Value) -> Result<Vec<String>, Shape> {
    key_in_state(answer, 1)
}

/// `host:port` of the instance when both threads are stopped, else nothing. A server that is no replica has no threads.
pub fn stopped_key(answer: &Value) -> Result<Vec<String>, Shape> {
    key_in_state(answer, 0)
}

/// `.ClusterName`.
pub fn cluster_name(answer: &Value) -> Result<Vec<String>, Shape> {
    Ok(vec![raw(field(answer, "ClusterName")?)])
}

/// `.ClusterAlias`.
pub fn cluster_alias(answer: &Value) -> Result<Vec<String>, Shape> {
    Ok(vec![raw(field(answer, "ClusterAlias")?)])
}

/// `.GtidErrant`.
pub fn errant_gtid(answer: &Value) -> Result<Vec<String>, Shape> {
    Ok(vec![raw(field(answer, "GtidErrant")?)])
}

/// Each item's `.ClusterName`.
pub fn cluster_names(answer: &Value) -> Result<Vec<String>, Shape> {
    let name = |cluster| Ok(raw(field(cluster, "ClusterName")?));
    items(answer)?.iter().map(name).collect()
}

/// `name,alias` of each item.
pub fn names_and_aliases(answer: &Value) -> Result<Vec<String>, Shape> {
    let line = |cluster| {
        let name = text_of(cluster, "ClusterName")?;
        let alias = text_of(cluster, "ClusterAlias")?;
        Ok(format!("{name},{alias}"))
    };
    items(answer)?.iter().map(line).collect()
}

/// The data centre that most items are in; among equals the greatest name, as `sort -nr` puts it first.
pub fn main_data_centre(answer: &Value) -> Result<Vec<String>, Shape> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for instance in items(answer)? {
        *counts
            .entry(raw(field(instance, "DataCenter")?))
            .or_default() += 1;
    }
    let most = counts.into_iter().max_by(|(_, a), (_, b)| a.cmp(b));
    Ok(most.into_iter().map(|(name, _)| name).collect())
}

fn keys_of(
    answer: &Value,
    keep: impl Fn(&Value) -> Result<bool, Shape>,
) -> Result<Vec<String>, Shape> {
    let mut lines = Vec::new();
    for item in items(answer)? {
        if keep(item)? {
            lines.push(host_port(field(item, "Key")?)?);
        }
    }
    Ok(lines)
}

fn key_in_state(answer: &Value, state: i64) -> Result<Vec<String>, Shape> {
    let is = |name| Ok(field(answer, name)?.as_i64() == Some(state));
    if is("ReplicationSQLThreadState")? && is("ReplicationIOThreadState")? {
        key(answer)
    } else {
        Ok(Vec::new())
    }
}

/// An IPv6 address gets brackets, so that the printed text can be given to `-i` again.
fn host_port(key: &Value) -> Result<String, Shape> {
    let host = text_of(key, "Hostname")?;
    let port = raw(field(key, "Port")?);
    match host.parse::<std::net::Ipv6Addr>() {
        Ok(_) => Ok(format!("[{host}]:{port}")),
        Err(_) => Ok(format!("{host}:{port}")),
    }
}

fn items(value: &Value) -> Result<&[Value], Shape> {
    match value {
        Value::Array(items) => Ok(items),
        other => Err(Shape::new("a list", other)),
    }
}

fn field<'a>(value: &'a Value, name: &str) -> Result<&'a Value, Shape> {
    match value {
        Value::Object(fields) => Ok(fields.get(name).unwrap_or(&Value::Null)),
        Value::Null => Ok(&Value::Null),
        other => Err(Shape::new(format!("an object with {name}"), other)),
    }
}

fn text_of(value: &Value, name: &str) -> Result<String, Shape> {
    match field(value, name)? {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text::squeeze_spaces(text)),
        other => Err(Shape::new(format!("a text in {name}"), other)),
    }
}

fn raw(value: &Value) -> String {
    match value {
        Value::String(text) => text::squeeze_spaces(text),
        other => text::one_line(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(filter: Filter, answer: Value, expected: &[&str]) {
        let lines = filter(&answer).unwrap_or_else(|shape| panic!("{answer}: {shape}"));
        assert_eq!(lines, expected, "{answer}");
    }

    fn refuse(filter: Filter, answer: Value, expected: &str) {
        let shape = filter(&answer).expect_err("a shape that cannot be read");
        assert_eq!(shape.to_string(), expected, "{answer}");
    }

    #[test]
    fn keys_are_printed_as_host_and_port() {
        check(
            key,
            json!({"Key": {"Hostname": "db1", "Port": 3306}}),
            &["db1:3306"],
        );
        check(key, json!({"Key": {"Hostname": "", "Port": 0}}), &[":0"]);
        check(
            key,
            json!({"Key": {"Hostname": "::1", "Port": 3306}}),
            &["[::1]:3306"],
        );
        check(key, json!({"Key": null}), &[":null"]);
        check(key, json!(null), &[":null"]);
        check(
            details_key,
            json!({"Code": "OK", "Details": null}),
            &[":null"],
        );
        check(
            details,
            json!({"Details": {"Hostname": "db1", "Port": 3306}}),
            &["db1:3306"],
        );
        check(
            source_key,
            json!({"MasterKey": {"Hostname": "db0", "Port": 1}}),
            &["db0:1"],
        );
        check(keys, json!([]), &[]);
        check(nothing, json!("anything"), &[]);
    }

    #[test]
    fn shapes_that_jq_would_refuse_are_refused() {
        refuse(
            keys,
            json!(null),
            "a list was expected where null was found",
        );
        refuse(
            keys,
            json!({"Key": 1}),
            "a list was expected where an object was found",
        );
        refuse(
            keys,
            json!([1]),
            "an object with Key was expected where a number was found",
        );
        refuse(
            key,
            json!("OK"),
            "an object with Key was expected where a text was found",
        );
        refuse(
            key,
            json!({"Key": {"Hostname": 5, "Port": 1}}),
            "a text in Hostname was expected where a number was found",
        );
        refuse(
            main_data_centre,
            json!(null),
            "a list was expected where null was found",
        );
        refuse(
            cluster_name,
            json!(true),
            "an object with ClusterName was expected where a boolean was found",
        );
        refuse(
            details_as_written,
            json!([]),
            "an object with Details was expected where a list was found",
        );
    }

    #[test]
    fn the_most_frequent_data_centre_wins_and_then_the_greatest_name() {
        let centres = |names: &[&str]| {
            names
                .iter()
                .map(|name| json!({"DataCenter": name}))
                .collect()
        };
        check(main_data_centre, centres(&["b", "a", "a"]), &["a"]);
        check(main_data_centre, centres(&["a", "b"]), &["b"]);
        check(main_data_centre, centres(&[""]), &[""]);
        check(main_data_centre, centres(&[]), &[]);
    }

    #[test]
    fn broken_means_stopped_with_an_error() {
        let replica = |sql: bool, io: bool, sql_error: &str, io_error: &str| {
            json!([{
                "Key": {"Hostname": "db2", "Port": 3306},
                "ReplicationSQLThreadRuning": sql, "ReplicationIOThreadRuning": io,
                "LastSQLError": sql_error, "LastIOError": io_error,
            }])
        };
        check(broken_keys, replica(false, true, "x", ""), &["db2:3306"]);
        check(broken_keys, replica(true, false, "", "x"), &["db2:3306"]);
        check(broken_keys, replica(false, false, "", ""), &[]);
        check(broken_keys, replica(true, true, "x", "x"), &[]);
        check(running_keys, replica(true, true, "", ""), &["db2:3306"]);
        check(running_keys, replica(true, false, "", ""), &[]);
        check(running_keys, replica(false, true, "", ""), &[]);
    }

    #[test]
    fn thread_states_decide_who_replicates() {
        let instance = |sql: i64, io: i64| {
            json!({
                "Key": {"Hostname": "db2", "Port": 3306},
                "ReplicationSQLThreadState": sql, "ReplicationIOThreadState": io,
            })
        };
        check(replicating_key, instance(1, 1), &["db2:3306"]);
        check(replicating_key, instance(1, 2), &[]);
        check(stopped_key, instance(0, 0), &["db2:3306"]);
        check(stopped_key, instance(-1, -1), &[]);
        check(stopped_key, instance(1, 0), &[]);
    }

    #[test]
    fn texts_keep_line_breaks_and_lose_double_spaces() {
        check(
            errant_gtid,
            json!({"GtidErrant": "a:1,\nb:2"}),
            &["a:1,\nb:2"],
        );
        check(errant_gtid, json!({"GtidErrant": ""}), &[""]);
        check(
            cluster_alias,
            json!({"ClusterAlias": "my  cluster"}),
            &["my cluster"],
        );
        check(cluster_name, json!({}), &["null"]);
        check(
            cluster_names,
            json!([{"ClusterName": "a:1"}, {"ClusterName": "b:1"}]),
            &["a:1", "b:1"],
        );
        check(
            names_and_aliases,
            json!([{"ClusterName": "a:1", "ClusterAlias": null}]),
            &["a:1,"],
        );
        check(
            details_as_written,
            json!({"Details": "a   [x]\n+ b [x]"}),
            &["a   [x]\n+ b [x]"],
        );
    }
}
