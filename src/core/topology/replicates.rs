//! May one server replicate from another, by what was seen of both?
//!
//! An obstacle forbids it; a caution is worth knowing and forbids nothing. All of them are told, obstacles in the order
//! in which the predecessor checks, so that the first one is the reason it would give. Whether the link would close a
//! ring, and whether the source still has the binary logs that the replica needs, is asked elsewhere.
//!
//! Stricter than the predecessor, which looked at none of these: `gtid_mode`, group replication. As lenient as it on
//! mixing MySQL and MariaDB, which people do to migrate.

mod checks;
mod reasons;
#[cfg(test)]
mod tests;

pub use reasons::{Caution, Obstacle};

use crate::domain::Observation;

/// What configuration says about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplicationPolicy {
    /// `VerifyReplicationFilters`: a server without filters does not replicate from one that has some.
    pub verifies_filters: bool,
    /// A replica of an older line is a caution and no obstacle.
    pub allows_older_replicas: bool,
}

/// The answer, with all reasons.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compatibility {
    /// Why it may not; empty when it may.
    pub obstacles: Vec<Obstacle>,
    /// What to know before it does.
    pub cautions: Vec<Caution>,
}

impl Compatibility {
    /// Whether it may.
    pub fn is_possible(&self) -> bool {
        self.obstacles.is_empty()
    }
}

/// Whether `replica` may replicate from `source`.
pub fn may_replicate(
    replica: &Observation,
    source: &Observation,
    policy: ReplicationPolicy,
) -> Compatibility {
    let mut found = Compatibility::default();
    checks::same_server(replica, source, &mut found);
    checks::binary_log(source, &mut found);
    checks::versions(replica, source, policy, &mut found);
    checks::formats(replica, source, &mut found);
    checks::filters(replica, source, policy, &mut found);
    checks::ids(replica, source, &mut found);
    checks::delay(replica, source, &mut found);
    checks::gtid_modes(replica, source, &mut found);
    checks::groups(replica, source, &mut found);
    found
}
