//! R3: equal applied index means equal digest of decided state, also after a snapshot and after a restart. Checked with the
//! digests that nodes make themselves, as they also compare them between each other.

use std::collections::BTreeMap;

use super::{Invariant, View, Violation, broken};

/// See above.
#[derive(Debug, Default)]
pub(super) struct SameDigests {
    known: BTreeMap<u64, ([u8; 32], String)>,
}

impl Invariant for SameDigests {
    fn look(&mut self, view: &View<'_>) -> Result<(), Violation> {
        for (name, seen) in view.running() {
            for (index, digest) in &seen.digests {
                let first = self
                    .known
                    .entry(*index)
                    .or_insert_with(|| (*digest, name.to_owned()));
                if first.0 != *digest {
                    let other = &first.1;
                    return broken("R3", format!("{name} and {other} differ at entry {index}"));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Stage;
    use super::*;

    #[test]
    fn two_digests_of_one_entry_are_noticed_also_at_different_times() {
        let mut invariant = SameDigests::default();
        let mut stage = Stage::new(3);
        stage.seen[0].digests = vec![(7, [1; 32]), (8, [2; 32])];
        assert_eq!(stage.look(&mut invariant), Ok(()));
        stage.seen[0].digests.clear();
        stage.seen[1].digests = vec![(8, [3; 32])];
        assert_eq!(stage.broken(&mut invariant), "R3");
    }
}
