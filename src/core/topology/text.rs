//! A cluster as text, in the predecessor's form: scripts cut it apart, so marks, parts and padding are a wire format.

use std::collections::BTreeMap;

use super::Condition;
use crate::domain::{InstanceKey, Observation};

/// How the parts of a line stand behind the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `name [a,b,c]`, empty parts left out.
    Bracketed,
    /// `name|a|b|c`, columns padded, empty parts kept.
    Tabulated,
}

/// One server of the cluster.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// The server.
    pub key: &'a InstanceKey,
    /// What was last seen of it.
    pub seen: &'a Observation,
    /// How it is now.
    pub condition: Condition,
    /// Whether it and its source replicate from each other.
    pub is_co_primary: bool,
    /// Whether it has transactions that its source never had.
    pub has_errant: bool,
    /// Whether a downtime holds.
    pub is_downtimed: bool,
}

/// Draws the members of one cluster; siblings stand in the order of `lines`. Lines are joined by a newline, without one
/// at the end. A server whose source is not among `lines` begins a tree; a pair of co-primaries stands side by side one
/// level deep; a longer ring begins with its first line. Every server is drawn once, whatever the links are.
pub fn draw(lines: &[Line<'_>], layout: Layout) -> String {
    let rows: Vec<Row> = walk(lines)
        .into_iter()
        .map(|(index, depth)| Row {
            name: name(&lines[index], depth),
            parts: parts(&lines[index]),
        })
        .collect();
    match layout {
        Layout::Bracketed => bracketed(&rows),
        Layout::Tabulated => tabulated(&rows),
    }
}

struct Row {
    name: String,
    parts: [String; 6],
}

/// Which line comes when, with its depth.
fn walk(lines: &[Line<'_>]) -> Vec<(usize, usize)> {
    let places: BTreeMap<&InstanceKey, usize> = lines
        .iter()
        .enumerate()
        .map(|(index, line)| (line.key, index))
        .collect();
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); lines.len()];
    let mut roots = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        match upstream(line.seen)
            .filter(|source| *source != line.key)
            .and_then(|source| places.get(source))
        {
            Some(source) => children[*source].push(index),
            None => roots.push((index, 0)),
        }
    }
    let co_primaries = (0..lines.len()).filter(|index| lines[*index].is_co_primary);
    let anything_left = 0..lines.len();
    let starts = roots
        .into_iter()
        .chain(co_primaries.map(|index| (index, 1)))
        .chain(anything_left.map(|index| (index, 1)));
    let mut walk = Walk {
        lines,
        children: &children,
        is_drawn: vec![false; lines.len()],
        order: Vec::with_capacity(lines.len()),
    };
    starts.for_each(|(index, depth)| walk.tree(index, depth));
    walk.order
}

struct Walk<'a> {
    lines: &'a [Line<'a>],
    children: &'a [Vec<usize>],
    is_drawn: Vec<bool>,
    order: Vec<(usize, usize)>,
}

impl Walk<'_> {
    /// Draws a server and what is below it. Not recursive: chains may be long.
    fn tree(&mut self, index: usize, depth: usize) {
        let mut waiting = vec![(index, depth)];
        while let Some((index, depth)) = waiting.pop() {
            // The other co-primary has a place of its own, beside and not below this one.
            let stands_elsewhere = depth > 1 && self.lines[index].is_co_primary;
            if stands_elsewhere || self.is_drawn[index] {
                continue;
            }
            self.is_drawn[index] = true;
            self.order.push((index, depth));
            let below = self.children[index].iter().rev();
            waiting.extend(below.map(|child| (*child, depth + 1)));
        }
    }
}

/// The server this one gets its data from: for a group's secondary the group's primary, also when it has a source.
fn upstream(seen: &Observation) -> Option<&InstanceKey> {
    match &seen.group {
        Some(group) if group.role == "SECONDARY" => group.primary.as_ref(),
        _ => seen.source(),
    }
}

fn name(line: &Line<'_>, depth: usize) -> String {
    let is_group_secondary = matches!(&line.seen.group, Some(group) if group.role == "SECONDARY");
    let is_well = line.condition.is_replicating
        && line.condition.is_last_check_valid
        && line.condition.is_recently_checked;
    let mark = match (depth, is_group_secondary, is_well) {
        (0, ..) => "",
        (_, true, _) => "‡ ",
        (_, false, true) => "+ ",
        (_, false, false) => "- ",
    };
    let indent = "  ".repeat(depth.saturating_sub(1));
    let alias = match line.seen.identity.alias.as_str() {
        "" => String::new(),
        alias => format!(" ({alias})"),
    };
    format!("{indent}{mark}{}{alias}", line.key)
}

/// Lag, state, version, writability, binary log, flags.
fn parts(line: &Line<'_>) -> [String; 6] {
    let seen = line.seen;
    let binlog = match seen.binlog.enabled {
        true => seen.binlog.format.as_str(),
        false => "nobinlog",
    };
    [
        lag(line),
        state(line).to_owned(),
        seen.identity.version.clone(),
        if seen.read_only { "ro" } else { "rw" }.to_owned(),
        binlog.to_owned(),
        flags(line).join(","),
    ]
}

fn lag(line: &Line<'_>) -> String {
    let condition = &line.condition;
    let link = line.seen.replication.as_ref();
    if link.is_some_and(|link| link.applied.file.contains("//")) {
        return "detached".to_owned();
    }
    if !condition.is_last_check_valid || !condition.is_recently_checked {
        return "unknown".to_owned();
    }
    if condition.is_broken || link.is_some_and(|link| link.seconds_behind.is_none()) {
        return "null".to_owned();
    }
    format!("{}s", line.seen.lag_seconds.unwrap_or(0))
}

fn state(line: &Line<'_>) -> &'static str {
    let condition = &line.condition;
    if !condition.is_last_check_valid {
        "invalid"
    } else if !condition.is_recently_checked {
        "unchecked"
    } else if condition.is_broken {
        "nonreplicating"
    } else if condition.lags_for_maintenance {
        "lag"
    } else {
        "ok"
    }
}

fn flags(line: &Line<'_>) -> Vec<&'static str> {
    let seen = line.seen;
    let uses_gtid = seen.gtid.supports_oracle()
        || seen
            .replication
            .as_ref()
            .is_some_and(|link| link.uses_oracle_gtid || link.uses_mariadb_gtid);
    [
        (
            seen.binlog.enabled && seen.binlog.logs_replica_updates,
            ">>",
        ),
        (uses_gtid && !line.has_errant, "GTID"),
        (uses_gtid && line.has_errant, "GTID:errant"),
        (seen.uses_pseudo_gtid, "P-GTID"),
        (seen.semi_sync.source_status, "semi:master"),
        (seen.semi_sync.replica_status, "semi:replica"),
        (line.is_downtimed, "downtimed"),
    ]
    .into_iter()
    .filter_map(|(holds, flag)| holds.then_some(flag))
    .collect()
}

/// Width on a screen, near enough: the mark `‡` is one column and three bytes.
fn width(text: &str) -> usize {
    text.chars().count()
}

fn bracketed(rows: &[Row]) -> String {
    let widest = rows.iter().map(|row| width(&row.name)).max().unwrap_or(0);
    let lines = rows.iter().map(|row| {
        let said: Vec<&str> = row
            .parts
            .iter()
            .map(String::as_str)
            .filter(|part| !part.is_empty())
            .collect();
        format!("{:<widest$} [{}]", row.name, said.join(","))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn tabulated(rows: &[Row]) -> String {
    let widest_name = rows.iter().map(|row| width(&row.name)).max().unwrap_or(0);
    let widest = |part: usize| {
        rows.iter()
            .map(|row| width(&row.parts[part]))
            .max()
            .unwrap_or(0)
    };
    let widths: [usize; 6] = std::array::from_fn(widest);
    let lines = rows.iter().map(|row| {
        let columns = row.parts.iter().zip(widths).enumerate();
        let columns = columns.map(|(part, (text, width))| match part {
            // The lag is a number: it stands to the right.
            0 => format!("{text:>width$}"),
            _ => format!("{text:<width$}"),
        });
        let name = format!("{:<widest_name$}", row.name);
        std::iter::once(name)
            .chain(columns)
            .collect::<Vec<_>>()
            .join("|")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
