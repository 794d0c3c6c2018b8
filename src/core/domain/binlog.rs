use std::fmt;

use serde::{Deserialize, Serialize};

/// A place in a binary log or relay log: file name and byte offset. Which of the two is said by the field that
/// holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BinlogPosition {
    /// File name as the server prints it, for example `mysql-bin.000004`.
    pub file: String,
    /// Offset in bytes.
    pub offset: u64,
}

impl fmt::Display for BinlogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.offset)
    }
}
