use std::fmt;

use serde::{Deserialize, Serialize};

/// Token of one leadership. A later leadership has a greater one, so whoever meets a greater fence than its own has been
/// replaced. Opaque: nobody outside of the adapter that draws it may read more into it than this order.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Fence(u64);

impl Fence {
    /// The fence with this number.
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// Its number, for comments of statements and for stores.
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
