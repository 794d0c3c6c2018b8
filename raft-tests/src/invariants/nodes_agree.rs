//! R3: an equal applied index means an equal digest of decided state. Apply sees the entry and the state and nothing else; a
//! clock, a hash seed or an address in it would let two nodes go separate ways, and the next leader decide from another past.
//! Source: `reliability-and-security.md`, section 2. Checked: the digest of every node at every index, against that of the
//! node that applied it first.

use super::{Invariant, Violation, broken};
use crate::world::model::View;

/// See above.
#[derive(Debug, Default)]
pub(super) struct NodesAgree;

impl Invariant for NodesAgree {
    fn look(&mut self, view: &View<'_>) -> Result<(), Violation> {
        match view.group.violations.first() {
            Some(what) => broken("R3", what.clone()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::testing::Stage;

    #[test]
    fn another_digest_is_noticed() {
        let mut stage = Stage::new();
        assert_eq!(stage.look(&mut NodesAgree), Ok(()));
        stage.group.violations.push("digest".to_owned());
        assert_eq!(stage.broken(&mut NodesAgree), "R3");
    }
}
