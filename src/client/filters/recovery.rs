//! Lines about what is wrong, and about recoveries.

use serde_json::Value;

use super::{Shape, field, host_port, items, raw, text_of};

/// The text in `.Details`.
pub fn details_text(answer: &Value) -> Result<Vec<String>, Shape> {
    Ok(vec![raw(field(answer, "Details")?)])
}

/// `host:port` of `.Details.SuccessorKey`.
pub fn successor(answer: &Value) -> Result<Vec<String>, Shape> {
    let details = field(answer, "Details")?;
    Ok(vec![host_port(field(details, "SuccessorKey")?)?])
}

/// `host:port (cluster NAME): CODE` of each entry; the first structure warning stands in for a problem.
pub fn analysis(answer: &Value) -> Result<Vec<String>, Shape> {
    let line = |entry| {
        let key = host_port(field(entry, "AnalyzedInstanceKey")?)?;
        let cluster = text_of(field(entry, "ClusterDetails")?, "ClusterName")?;
        let code = match text_of(entry, "Analysis")? {
            code if code == "NoProblem" => first_text(field(entry, "StructureAnalysis")?),
            code => code,
        };
        Ok(format!("{key} (cluster {cluster}): {code}"))
    };
    items(field(answer, "Details")?)?.iter().map(line).collect()
}

fn first_text(list: &Value) -> String {
    let first = list.get(0).and_then(Value::as_str);
    first.unwrap_or_default().to_owned()
}

/// What is wrong, how that is known, and why nothing is done about it: some lines for each server.
pub fn why_not(answer: &Value) -> Result<Vec<String>, Shape> {
    let mut lines = Vec::new();
    if let Some(by) = text(answer, "recoveries_disabled_by")? {
        lines.push(format!("All recoveries are disabled, by {by}."));
    }
    let findings = items(field(answer, "findings")?)?;
    for finding in findings {
        lines.extend(one_finding(finding)?);
    }
    if findings.is_empty() {
        lines.push("Nothing is wrong.".to_owned());
    }
    for one in items(field(answer, "left_out")?)? {
        let server = new_host_port(field(one, "server")?)?;
        let filter = text(one, "filter")?.unwrap_or_default();
        lines.push(format!(
            "{server}: not looked at, because of '{filter}' in RecoveryIgnoreHostnameFilters"
        ));
    }
    Ok(lines)
}

fn one_finding(finding: &Value) -> Result<Vec<String>, Shape> {
    let server = new_host_port(field(finding, "server")?)?;
    let alias = text(finding, "cluster_alias")?.unwrap_or_default();
    let code = text(finding, "code")?.unwrap_or_default();
    let description = text(finding, "description")?.unwrap_or_default();
    let mut lines = vec![format!("{server} (cluster {alias}): {code}. {description}")];
    for fact in items(field(finding, "evidence")?)? {
        lines.push(format!("  {}", shown(fact)));
    }
    for code in items(field(finding, "also")?)? {
        lines.push(format!("  Also: {}", shown(code)));
    }
    if let Some(recovery) = recovery_name(field(finding, "recovery_under_way")?)? {
        lines.push(format!("  {recovery} is under way."));
    }
    if let Some(why) = text(finding, "why_nothing_is_done")? {
        let since = text(finding, "since")?;
        let since = since.map_or_else(String::new, |since| format!(" (since {since})"));
        lines.push(format!("  Nothing is done: {why}{since}"));
    }
    if let Some(recovery) = recovery_name(field(finding, "blocked_by")?)? {
        lines.push(format!("  Held back by {recovery}."));
    }
    Ok(lines)
}

fn recovery_name(value: &Value) -> Result<Option<String>, Shape> {
    let Some(uid) = text(value, "uid")? else {
        return Ok(None);
    };
    Ok(Some(match field(value, "number")? {
        Value::Null => format!("recovery {uid}"),
        number => format!("recovery {number} ({uid})"),
    }))
}

/// A line for each recovery of a list.
pub fn recoveries(answer: &Value) -> Result<Vec<String>, Shape> {
    let line = |one| {
        let outcome = match old_text(one, "Outcome")? {
            none if none.is_empty() => format!("under way, {}", old_text(one, "Phase")?),
            outcome => outcome,
        };
        let successor = field(one, "SuccessorKey")?;
        let promoted = match field(successor, "Port")?.as_u64() {
            None | Some(0) => String::new(),
            Some(_) => format!(", promoted {}", host_port(successor)?),
        };
        let noted = match field(one, "Acknowledged")? {
            Value::Bool(true) => format!(", acknowledged by {}", old_text(one, "AcknowledgedBy")?),
            _ => ", not acknowledged".to_owned(),
        };
        let uid = old_text(one, "UID")?;
        Ok(format!("{}: {outcome}{promoted}{noted}, {uid}", head(one)?))
    };
    items(answer)?.iter().map(line).collect()
}

/// A line for each detection of a list.
pub fn detections(answer: &Value) -> Result<Vec<String>, Shape> {
    let line = |one| {
        let answered = match field(one, "RelatedRecoveryId")?.as_u64() {
            None | Some(0) => "no recovery".to_owned(),
            Some(number) => format!("recovery {number}"),
        };
        let uid = old_text(one, "RecoveryUID")?;
        Ok(format!("{}: {answered}, {uid}", head(one)?))
    };
    items(answer)?.iter().map(line).collect()
}

/// Number, time, server, cluster and code.
fn head(one: &Value) -> Result<String, Shape> {
    let entry = field(one, "AnalysisEntry")?;
    let cluster = field(entry, "ClusterDetails")?;
    Ok(format!(
        "{} {} {} (cluster {}): {}",
        field(one, "Id")?,
        old_text(one, "RecoveryStartTimestamp")?,
        host_port(field(entry, "AnalyzedInstanceKey")?)?,
        old_text(cluster, "ClusterAlias")?,
        old_text(entry, "Analysis")?,
    ))
}

/// Time and text of each line of a recovery's record.
pub fn steps(answer: &Value) -> Result<Vec<String>, Shape> {
    let line = |step| {
        let (at, message) = (old_text(step, "AuditAt")?, old_text(step, "Message")?);
        Ok(format!("{at} {message}"))
    };
    items(answer)?.iter().map(line).collect()
}

/// One recovery, from its registration to who took note of it.
pub fn whole_recovery(answer: &Value) -> Result<Vec<String>, Shape> {
    let of = |name| Ok(text(answer, name)?.unwrap_or_default());
    let mut lines = vec![
        format!(
            "Recovery {} ({}) of {}, cluster {}{}: {}",
            field(answer, "number")?,
            of("uid")?,
            new_host_port(field(answer, "subject")?)?,
            of("cluster")?,
            match of("cluster_alias")? {
                none if none.is_empty() => none,
                alias => format!(" ({alias})"),
            },
            of("code")?
        ),
        format!(
            "Phase {}, attempt {}, node {}, {} sessions in use, {} of earlier attempts to be ended",
            of("phase")?,
            field(answer, "attempt")?,
            of("node")?,
            field(answer, "sessions")?,
            field(answer, "stale_sessions")?
        ),
    ];
    if let Some(by) = text(answer, "requested_by")? {
        lines.push(format!("Asked for by {by}"));
    }
    for entered in items(field(answer, "entered")?)? {
        lines.push(timed(entered, "phase")?);
    }
    if let Some(error) = text(field(answer, "plan")?, "error")? {
        lines.push(format!("The plan cannot be read: {error}"));
    }
    for step in items(field(answer, "steps")?)? {
        lines.push(one_step(step)?);
    }
    for note in items(field(answer, "notes")?)? {
        lines.push(timed(note, "text")?);
    }
    lines.extend(the_end(field(answer, "end")?)?);
    let noted = field(answer, "acknowledgement")?;
    if let Some(by) = text(noted, "by")? {
        let comment = text(noted, "comment")?.unwrap_or_default();
        lines.push(format!("Acknowledged by {by}: {comment}"));
    }
    Ok(lines)
}

fn timed(value: &Value, name: &'static str) -> Result<String, Shape> {
    let at = text(value, "at")?.unwrap_or_default();
    Ok(format!("{at} {}", text(value, name)?.unwrap_or_default()))
}

fn one_step(step: &Value) -> Result<String, Shape> {
    let part = |name: &'static str| Ok(text(step, name)?.unwrap_or_else(|| "?".to_owned()));
    let at = text(step, "at")?.map_or_else(String::new, |at| format!(" {at}"));
    let why = text(step, "reason")?.map_or_else(String::new, |why| format!(": {why}"));
    Ok(format!(
        "Step {} on {}: {}: {}{at}{why}",
        field(step, "number")?,
        part("server")?,
        part("action")?,
        part("state")?
    ))
}

fn the_end(end: &Value) -> Result<Vec<String>, Shape> {
    let Some(outcome) = text(end, "outcome")? else {
        return Ok(vec!["It has not ended".to_owned()]);
    };
    let mut lines = vec![format!(
        "{} {outcome}",
        text(end, "at")?.unwrap_or_default()
    )];
    if !field(end, "successor")?.is_null() {
        let promoted = new_host_port(field(end, "successor")?)?;
        lines.push(format!("Promoted: {promoted}"));
    }
    for lost in items(field(end, "lost")?)? {
        lines.push(format!("Lost: {}", new_host_port(lost)?));
    }
    for error in items(field(end, "errors")?)? {
        lines.push(format!("Error: {}", shown(error)));
    }
    if let Some(loss) = text(field(end, "data_loss")?, "text")? {
        lines.push(format!("Data loss: {loss}"));
    }
    let times = field(end, "time_split")?;
    let parts = ["detect", "decide", "close", "promote", "publish"];
    let parts = parts.map(|part| {
        let seconds = field(times, &format!("{part}_seconds"))?;
        Ok(match seconds.as_f64() {
            Some(seconds) => format!("{part} {seconds:.3} s"),
            None => format!("{part} unknown"),
        })
    });
    let parts: Vec<String> = parts.into_iter().collect::<Result<_, Shape>>()?;
    lines.push(format!("Time: {}", parts.join(", ")));
    Ok(lines)
}

/// A text of the second API; `None` for null.
fn text(value: &Value, name: &str) -> Result<Option<String>, Shape> {
    match field(value, name)? {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(plain(text))),
        other => Err(Shape::new(format!("a text in {name}"), other)),
    }
}

fn old_text(value: &Value, name: &str) -> Result<String, Shape> {
    Ok(text(value, name)?.unwrap_or_default())
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), plain)
}

/// On one line, and nothing that a terminal would take for a command.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() {
            true => plain.extend(c.escape_default()),
            false => plain.push(c),
        }
    }
    plain
}

/// A key of the second API.
fn new_host_port(key: &Value) -> Result<String, Shape> {
    let host = text(key, "hostname")?.unwrap_or_default();
    let port = field(key, "port")?;
    Ok(match host.parse::<std::net::Ipv6Addr>() {
        Ok(_) => format!("[{host}]:{port}"),
        Err(_) => format!("{host}:{port}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn lines(filter: super::super::Filter, answer: &Value) -> String {
        let lines = filter(answer).unwrap_or_else(|shape| panic!("{answer}: {shape}"));
        lines.join("\n")
    }

    #[test]
    fn entries_are_printed_with_the_problem_or_the_first_warning() {
        let entry = |host: &str, analysis: &str, structure: Value| {
            json!({
                "AnalyzedInstanceKey": {"Hostname": host, "Port": 3306},
                "ClusterDetails": {"ClusterName": "db1:3306", "ClusterAlias": "main"},
                "Analysis": analysis, "StructureAnalysis": structure,
            })
        };
        let answer = json!({"Code": "OK", "Details": [
            entry("db1", "DeadMaster", json!(["A"])),
            entry("::1", "NoProblem", json!(["B", "C"])),
            entry("db3", "NoProblem", json!(null)),
        ]});
        assert_eq!(
            lines(analysis, &answer),
            "db1:3306 (cluster db1:3306): DeadMaster\n[::1]:3306 (cluster db1:3306): B\ndb3:3306 (cluster db1:3306): "
        );
        assert_eq!(lines(analysis, &json!({"Details": []})), "");
        assert!(analysis(&json!({"Details": null})).is_err());
    }

    #[test]
    fn nothing_wrong_is_said_in_words() {
        let nothing = json!({"recoveries_disabled_by": null, "findings": [], "left_out": []});
        assert_eq!(lines(why_not, &nothing), "Nothing is wrong.");
        let disabled = json!({"recoveries_disabled_by": "ada", "findings": [], "left_out": []});
        assert_eq!(
            lines(why_not, &disabled),
            "All recoveries are disabled, by ada.\nNothing is wrong."
        );
        assert!(why_not(&json!([])).is_err());
    }

    #[test]
    fn a_text_cannot_command_the_terminal() {
        let step = json!([{"AuditAt": "2026", "Message": "a\u{1b}[2J\nb"}]);
        assert_eq!(lines(steps, &step), "2026 a\\u{1b}[2J\\nb");
    }
}
