use std::collections::{BTreeSet, HashSet};

use orchestrator_core::domain::{InstanceKey, Observation, Picture};

/// Which servers of a picture get beats: those that take writes, have somebody who could take their place, and replicate from
/// nobody but such a replica (co-primaries). A server that is down stays among them for as long as it has replicas.
pub(super) fn targets(picture: &Picture) -> BTreeSet<InstanceKey> {
    let seen = || {
        picture
            .records()
            .filter_map(|record| record.observation.as_deref())
    };
    let sources: HashSet<&InstanceKey> = seen().filter_map(Observation::source).collect();
    let is_head = |one: &Observation| match one.source() {
        None => true,
        Some(source) => {
            let above = picture.observation(source);
            above.is_some_and(|above| above.source() == Some(&one.key))
        }
    };
    seen()
        .filter(|one| !one.read_only && sources.contains(&one.key) && is_head(one))
        .map(|one| one.key.clone())
        .collect()
}

/// The replicas of a server, as they were last seen.
pub(super) fn replicas_of(picture: &Picture, key: &InstanceKey) -> Vec<InstanceKey> {
    let seen = picture
        .records()
        .filter_map(|record| record.observation.as_deref());
    seen.filter(|seen| seen.source() == Some(key))
        .map(|seen| seen.key.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use orchestrator_core::domain::Timestamp;
    use orchestrator_core::topology::drawing::Drawing;

    fn found(text: &str) -> Vec<String> {
        let drawing = Drawing::parse(text, Timestamp::from_seconds(9)).expect("a drawing");
        let found = targets(&drawing.picture);
        found.iter().map(|key| key.host().to_string()).collect()
    }

    #[test]
    fn writable_primaries_with_replicas_get_beats_and_nobody_else() {
        assert_eq!(found("a [rw]\n+ b [ro]\n  + c [ro]"), ["a"]);
        assert_eq!(found("a [ro]\n+ b [ro]"), [""; 0], "it takes no writes");
        assert_eq!(found("a [rw]"), [""; 0], "nobody could take its place");
        assert_eq!(
            found("a [rw]\n+ b [rw]\n  + c [ro]"),
            ["a"],
            "b is in between"
        );
        assert_eq!(found("a [rw unreachable]\n+ b [ro]"), ["a"], "it is down");
    }
}
