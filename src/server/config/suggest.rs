//! The key that somebody may have meant.

use super::table;

/// The known key nearest to `name`, when it is near enough to be meant: at most a quarter of its letters differ, and
/// at least two may.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let name: Vec<char> = name.to_lowercase().chars().collect();
    let limit = (name.len() / 4).max(2);
    table::keys()
        .map(|key| {
            (
                distance(
                    &name,
                    &key.name.to_lowercase().chars().collect::<Vec<_>>(),
                    limit,
                ),
                key.name,
            )
        })
        .filter(|(distance, key)| *distance <= limit && *distance < key.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, key)| key)
}

/// Letters to insert, drop, change or swap with their neighbour to get from one word to the other (optimal string
/// alignment); more than `limit` when the lengths alone say so, which also bounds the work on absurdly long names.
fn distance(from: &[char], to: &[char], limit: usize) -> usize {
    if from.len().abs_diff(to.len()) > limit {
        return limit + 1;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let mut best = (last[j] + usize::from(a != b))
                .min(last[j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && *a == to[j - 1] && from[i - 1] == *b {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_find_their_key_and_strangers_find_none() {
        for (written, meant) in [
            ("InstancePolSeconds", Some("InstancePollSeconds")),
            ("InstancePollSecnods", Some("InstancePollSeconds")),
            ("MySQLTopologyPasword", Some("MySQLTopologyPassword")),
            ("listen_address", Some("ListenAddress")),
            (
                "RecoverMasterClusterFilter",
                Some("RecoverMasterClusterFilters"),
            ),
            ("dbg", Some("Debug")),
            ("_comment", None),
            ("", None),
            ("SomethingElseEntirely", None),
        ] {
            assert_eq!(nearest(written), meant, "{written}");
        }
        assert_eq!(nearest(&"x".repeat(100_000)), None);
    }
}
