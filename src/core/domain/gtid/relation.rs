use std::fmt;

/// How the transactions of one server stand to those of another. Counts are transactions.
///
/// Between MariaDB positions a count is how far sequence numbers are apart, summed over domains: the most
/// transactions it can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Relation {
    /// The same.
    Equal,
    /// It has all that the other has, and more.
    Ahead {
        /// What the other lacks.
        by: u128,
    },
    /// The other has all that it has, and more.
    Behind {
        /// What it lacks.
        by: u128,
    },
    /// Each has what the other lacks. Errant transactions look like this, but so do two healthy replicas that follow
    /// several sources, or apply in parallel without keeping the commit order.
    Neither {
        /// What it has and the other lacks.
        ahead: u128,
        /// What the other has and it lacks.
        behind: u128,
    },
}

impl Relation {
    /// From what the other lacks (`ahead`) and what it lacks itself (`behind`).
    pub(super) fn from_missing(ahead: u128, behind: u128) -> Self {
        match (ahead, behind) {
            (0, 0) => Self::Equal,
            (by, 0) => Self::Ahead { by },
            (0, by) => Self::Behind { by },
            (ahead, behind) => Self::Neither { ahead, behind },
        }
    }

    /// Whether it has everything that the other has.
    pub fn has_everything(self) -> bool {
        matches!(self, Self::Equal | Self::Ahead { .. })
    }

    /// The same, seen from the other server.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::Equal => Self::Equal,
            Self::Ahead { by } => Self::Behind { by },
            Self::Behind { by } => Self::Ahead { by },
            Self::Neither { ahead, behind } => Self::Neither {
                ahead: behind,
                behind: ahead,
            },
        }
    }
}

/// `equal`, `ahead by 3`, `behind by 2`, `ahead by 3 and behind by 2`.
impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equal => f.write_str("equal"),
            Self::Ahead { by } => write!(f, "ahead by {by}"),
            Self::Behind { by } => write!(f, "behind by {by}"),
            Self::Neither { ahead, behind } => write!(f, "ahead by {ahead} and behind by {behind}"),
        }
    }
}
