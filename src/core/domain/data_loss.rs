use std::fmt;

use serde::{Deserialize, Serialize};

use super::{InstanceKey, Timestamp};

/// What is known about transactions that an old primary had committed and the promoted server has not.
///
/// Variants are only ever appended: they are part of what is decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DataLoss {
    /// Nothing that a client was told is lost, and that is proven.
    NoneProven,
    /// It is not known.
    Unknown {
        /// When the old primary was last seen: what was committed before and reached a replica is there. `None` when it
        /// was never seen.
        at_most_since: Option<Timestamp>,
        /// What is lost for certain, as replicas have it that are left behind.
        at_least: Vec<(InstanceKey, String)>,
    },
    /// Exactly this is lost.
    Exactly {
        /// The transactions.
        set: String,
    },
}

impl fmt::Display for DataLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoneProven => f.write_str("nothing is lost, proven"),
            Self::Exactly { set } => write!(f, "lost: {set}"),
            Self::Unknown {
                at_most_since,
                at_least,
            } => {
                match at_most_since {
                    Some(at) => write!(f, "unknown; at most what was committed since {at}")?,
                    None => f.write_str("unknown; the old primary was never seen")?,
                }
                for (key, set) in at_least {
                    write!(f, "; only {key} has {set}")?;
                }
                Ok(())
            }
        }
    }
}
