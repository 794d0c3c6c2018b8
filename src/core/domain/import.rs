use serde::{Deserialize, Serialize};

use super::Timestamp;

/// Where a row stands in the order in which an import takes rows. Each row of the predecessor has one, whoever reads it, so an
/// import that was cut short goes on where it was.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ImportPosition {
    /// What kind of row: kinds follow one another.
    pub kind: u8,
    /// Which row of its kind.
    pub key: String,
}

/// That what the predecessor decided was taken over, or is being taken over. There is one import in the life of decided state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// From where, for people: the file or the database.
    pub source: String,
    /// Name of the node that read it.
    pub node: String,
    /// When the first rows were taken, by the proposer's clock.
    pub begun_at: Timestamp,
    /// The last row that was taken or passed over; `None` before the first.
    pub through: Option<ImportPosition>,
    /// How many rows were taken.
    pub taken: u32,
    /// How many were passed over, because the same was decided here already.
    pub kept: u32,
    /// When it was complete; `None` while it is not.
    pub ended_at: Option<Timestamp>,
}
