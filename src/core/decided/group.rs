use std::fmt;

use serde::{Deserialize, Serialize};

/// Whose decided state it is: random, chosen once when the state begins, the same on all nodes that share it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupId([u8; 16]);

impl GroupId {
    /// The group with these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The group with the id that `Ids::unique` drew.
    pub const fn from_number(number: u128) -> Self {
        Self(number.to_be_bytes())
    }

    /// Its bytes, as in the log's envelope.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
