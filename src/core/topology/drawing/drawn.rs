use std::fmt;

use imbl::OrdMap;

use super::{DrawingError, parse, print};
use crate::domain::{Candidate, Downtime, InstanceKey, Picture, Timestamp};

/// What a drawing shows: instances as one node sees them, and what is decided about them, at one moment.
#[derive(Clone, Debug, Default)]
pub struct Drawing {
    /// The instances.
    pub picture: Picture,
    /// Downtimes, for decided state.
    pub downtimes: OrdMap<InstanceKey, Downtime>,
    /// Registered promotion rules, for decided state.
    pub candidates: OrdMap<InstanceKey, Candidate>,
    /// Since when the end of a server's binary log has not moved, where that was watched.
    pub stalled_since: OrdMap<InstanceKey, Timestamp>,
    /// The moment it shows; ages in the text are reckoned from it.
    pub now: Timestamp,
}

impl Drawing {
    /// Reads a drawing that shows the moment `now`.
    ///
    /// # Errors
    /// [`DrawingError`] at the first place that is no drawing.
    pub fn parse(text: &str, now: Timestamp) -> Result<Self, DrawingError> {
        parse::parse(text, now)
    }
}

/// The drawing, as text in its normal form: keys in order, nothing said that goes without saying.
impl fmt::Display for Drawing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&print::print(self))
    }
}

/// Equal when they show the same; how often the picture changed does not count.
impl PartialEq for Drawing {
    fn eq(&self, other: &Self) -> bool {
        self.now == other.now
            && self.downtimes == other.downtimes
            && self.candidates == other.candidates
            && self.stalled_since == other.stalled_since
            && self.picture.records().eq(other.picture.records())
    }
}

impl Eq for Drawing {}
