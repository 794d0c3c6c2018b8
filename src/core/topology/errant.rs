use crate::domain::Observation;

/// The transactions that `seen` has and the server it replicates from never had, as a GTID set; empty when there are none
/// or it cannot be told.
///
/// Reckoned for Oracle GTIDs only: MariaDB and file positions say nothing about it. `source` is what was last seen of
/// the server above; `above` are the UUIDs of all servers above, whose transactions may be on their way and are left
/// out; so are its own when the two are co-primaries.
pub fn errant(
    seen: &Observation,
    source: Option<&Observation>,
    above: &[&str],
    is_co_primary: bool,
) -> String {
    let Some(source) = source else {
        return String::new();
    };
    if seen.gtid.executed.is_empty() || source.gtid.executed.is_empty() {
        return String::new();
    }
    let own_uuid = is_co_primary.then_some(seen.identity.server_uuid.as_str());
    let left_out = |uuid: &str| {
        above
            .iter()
            .copied()
            .chain(own_uuid)
            .any(|known| !known.is_empty() && known.eq_ignore_ascii_case(uuid))
    };
    gtid_difference(&seen.gtid.executed, &source.gtid.executed, left_out)
}

/// One source of transactions in a GTID set, `uuid` or `uuid:tag`, with its intervals, both ends included.
type Intervals = (String, Vec<(u64, u64)>);

/// `own` minus `other`, without the UUIDs that `left_out` names; in canonical text. A part that cannot be read counts as
/// absent: it is shown in the set itself and is no reason to claim an errant transaction.
fn gtid_difference(own: &str, other: &str, left_out: impl Fn(&str) -> bool) -> String {
    let other = parse(other);
    let parts = parse(own).into_iter().filter_map(|(name, intervals)| {
        let uuid = name.split(':').next().unwrap_or_default();
        if left_out(uuid) {
            return None;
        }
        let known = other
            .iter()
            .find(|(known, _)| *known == name)
            .map_or(&[][..], |(_, known)| known);
        let rest = subtract(&intervals, known);
        (!rest.is_empty()).then(|| print(&name, &rest))
    });
    parts.collect::<Vec<_>>().join(",")
}

/// Reads `uuid:1-5:7,uuid:tag:1-3`; sorted by name, intervals sorted and merged.
fn parse(text: &str) -> Vec<Intervals> {
    let mut sets: std::collections::BTreeMap<String, Vec<(u64, u64)>> = Default::default();
    for part in text.split(',') {
        let mut pieces = part.split(':').map(str::trim);
        let uuid = pieces.next().unwrap_or_default().to_ascii_lowercase();
        let mut name = uuid.clone();
        for piece in pieces.filter(|piece| !piece.is_empty()) {
            match interval(piece) {
                Some(interval) => sets.entry(name.clone()).or_default().push(interval),
                None => name = format!("{uuid}:{}", piece.to_ascii_lowercase()),
            }
        }
    }
    let merged = sets
        .into_iter()
        .map(|(name, intervals)| (name, merge(intervals)));
    merged.collect()
}

fn interval(piece: &str) -> Option<(u64, u64)> {
    let (first, last) = piece.split_once('-').unwrap_or((piece, piece));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some((first, last))
}

fn merge(mut intervals: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    intervals.sort_unstable();
    let mut merged: Vec<(u64, u64)> = Vec::with_capacity(intervals.len());
    for (first, last) in intervals {
        match merged.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    merged
}

/// Both sorted and merged; one pass.
fn subtract(own: &[(u64, u64)], known: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut rest = Vec::new();
    let mut next = 0;
    for &(first, last) in own {
        let mut from = first;
        while next < known.len() && known[next].1 < from {
            next += 1;
        }
        let mut at = next;
        while at < known.len() && known[at].0 <= last && from <= last {
            if known[at].0 > from {
                rest.push((from, known[at].0 - 1));
            }
            from = from.max(known[at].1.saturating_add(1));
            at += 1;
        }
        if from <= last {
            rest.push((from, last));
        }
    }
    rest
}

fn print(name: &str, intervals: &[(u64, u64)]) -> String {
    let mut text = name.to_owned();
    for (first, last) in intervals {
        text.push(':');
        text.push_str(&match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{InstanceKey, Timestamp};

    fn seen(uuid: &str, executed: &str) -> Observation {
        let key = InstanceKey::parse("a", 1).unwrap();
        let mut seen = Observation::blank(key, Timestamp::from_seconds(0));
        seen.identity.server_uuid = uuid.to_owned();
        seen.gtid.executed = executed.to_owned();
        seen
    }

    #[test]
    fn transactions_the_source_lacks_are_errant_unless_they_come_from_above() {
        for (own, source, expected) in [
            ("s:1-10", "s:1-10", ""),
            ("s:1-12,r:1-3", "s:1-10", "r:1-3"),
            ("s:1-10,\nr:1-3:7:9-11", "s:1-10,r:2:9-10", "r:1:3:7:11"),
            ("R:1-3,r:4", "s:1", "r:1-4"),
            ("r:1-3:tag:1-5", "r:1-5:tag:2-3", "r:tag:1:4-5"),
            ("r:1-10", "", ""),
            ("", "r:1-10", ""),
        ] {
            let found = errant(&seen("r", own), Some(&seen("s", source)), &["s"], false);
            assert_eq!(found, expected, "{own} below {source}");
        }
    }

    #[test]
    fn without_a_known_source_nothing_is_errant_and_co_primaries_may_write() {
        assert_eq!(errant(&seen("r", "r:1"), None, &[], false), "");
        let (own, source) = (seen("r", "s:1,r:1-3,x:1"), seen("s", "s:1"));
        assert_eq!(errant(&own, Some(&source), &["s"], true), "x:1");
    }
}
