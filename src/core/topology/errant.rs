use crate::domain::Observation;
use crate::domain::gtid::{OracleGtidSet, ServerUuid};

/// The transactions that `seen` has and the server it replicates from never had, as a GTID set on one line; empty when there
/// are none or it cannot be told.
///
/// Reckoned for Oracle GTIDs only: MariaDB and file positions say nothing about it. `source` is what was last seen of
/// the server above; `above` are the UUIDs of all servers above, whose transactions may be on their way and are left
/// out; so are its own when the two are co-primaries. A set that cannot be read is no reason to claim an errant
/// transaction.
pub fn errant(
    seen: &Observation,
    source: Option<&Observation>,
    above: &[&str],
    is_co_primary: bool,
) -> String {
    let Some(source) = source else {
        return String::new();
    };
    let (own, had) = (&seen.gtid.executed, &source.gtid.executed);
    // Most replicas are level with their source, letter by letter.
    if own.is_empty() || had.is_empty() || own == had {
        return String::new();
    }
    let (Ok(own), Ok(had)) = (own.parse::<OracleGtidSet>(), had.parse::<OracleGtidSet>()) else {
        return String::new();
    };
    let own_uuid = is_co_primary.then_some(seen.identity.server_uuid.as_str());
    let ancestors: Vec<ServerUuid> = above
        .iter()
        .copied()
        .chain(own_uuid)
        .filter_map(|uuid| uuid.parse().ok())
        .collect();
    format!("{:#}", own.errant(&had, &ancestors))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{InstanceKey, Timestamp};

    const S: &str = "00000000-0000-0000-0000-00000000000a";
    const R: &str = "00000000-0000-0000-0000-00000000000b";
    const X: &str = "00000000-0000-0000-0000-00000000000c";

    /// `s:`, `r:` and `x:` stand for the three UUIDs.
    fn spelled(text: &str) -> String {
        let uuid =
            |text: String, letter: &str, uuid: &str| text.replace(letter, &format!("{uuid}:"));
        uuid(uuid(uuid(text.to_owned(), "s:", S), "r:", R), "x:", X)
    }

    fn seen(uuid: &str, executed: &str) -> Observation {
        let key = InstanceKey::parse("a", 1).unwrap();
        let mut seen = Observation::blank(key, Timestamp::from_seconds(0));
        seen.identity.server_uuid = uuid.to_owned();
        seen.gtid.executed = spelled(executed);
        seen
    }

    #[test]
    fn transactions_the_source_lacks_are_errant_unless_they_come_from_above() {
        for (own, source, expected) in [
            ("s:1-10", "s:1-10", ""),
            ("s:1-12,r:1-3", "s:1-10", "r:1-3"),
            ("s:1-10,\nr:1-3:7:9-11", "s:1-10,r:2:9-10", "r:1:3:7:11"),
            ("r:1-3,r:4", "s:1", "r:1-4"),
            ("r:1-3:tag:1-5", "r:1-5:tag:2-3", "r:tag:1:4-5"),
            ("r:1-3,x:5", "s:1", "r:1-3,x:5"),
            ("r:1-10", "", ""),
            ("", "r:1-10", ""),
            ("r:1-", "s:1", ""),
        ] {
            let found = errant(&seen(R, own), Some(&seen(S, source)), &[S], false);
            assert_eq!(found, spelled(expected), "{own} below {source}");
        }
    }

    #[test]
    fn without_a_known_source_nothing_is_errant_and_co_primaries_may_write() {
        assert_eq!(errant(&seen(R, "r:1"), None, &[], false), "");
        let (own, source) = (seen(R, "s:1,r:1-3,x:1"), seen(S, "s:1"));
        assert_eq!(errant(&own, Some(&source), &[S], true), format!("{X}:1"));
    }
}
