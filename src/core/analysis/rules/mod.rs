//! The table of rules. A new finding is one row here, one page in `docs/findings`, one fixture.
//!
//! Main rules are asked in order, and the first that holds is the finding. Structure rules are all asked. Each row
//! declares which later rows it shadows: those that can hold of the same server at the same time. That is documentation
//! that a test keeps true, for who reads a finding wants to know what it hides.

mod co_primary;
mod conditions;
mod primary;
mod structure;

pub use conditions::Condition;

use super::{AnalysisPolicy, Facts};
use crate::domain::FindingCode;

/// Which servers a rule is about, and whether others may hold beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// First match wins. Not asked about members of a replication group, which look after their primary themselves.
    Main,
    /// Asked about every server, beside the others.
    Structure,
}

/// What happens when a finding appears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// It is shown, and nothing else.
    None,
    /// It is written down, and hooks run; there is no recovery.
    Registered,
    /// It is written down, hooks run, and a recovery is considered.
    Actionable,
}

/// One row.
#[derive(Debug)]
pub struct Rule {
    /// `A` and its number among main rules, `S` among structure rules: its place in the order.
    pub label: &'static str,
    /// What it finds.
    pub code: FindingCode,
    /// For an operator.
    pub sentence: &'static str,
    /// Which servers.
    pub kind: Kind,
    /// What happens.
    pub registration: Registration,
    /// Muted when all replicas of the server are in downtime.
    pub is_muted_with_replicas: bool,
    /// Later main rows that can hold together with this one.
    pub shadows: &'static [&'static str],
    /// What must hold, all of it.
    pub when: &'static [Condition],
}

impl Rule {
    /// Whether it holds.
    pub fn holds(&self, facts: &Facts, policy: &AnalysisPolicy) -> bool {
        (self.kind == Kind::Structure || !facts.is_group_member)
            && self
                .when
                .iter()
                .all(|condition| (condition.holds)(facts, policy))
    }
}

/// Main rules, in order.
pub fn main() -> impl Iterator<Item = &'static Rule> {
    primary::RULES.iter().chain(co_primary::RULES)
}

/// Structure rules, in order.
pub fn structure() -> impl Iterator<Item = &'static Rule> {
    structure::RULES.iter()
}

/// The whole table.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    main().chain(structure())
}
