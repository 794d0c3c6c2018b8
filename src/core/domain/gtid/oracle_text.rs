//! How Oracle GTIDs are written: as the server does, on one line, and for people.

use std::fmt;

use super::{OracleGtid, OracleGtidSet};

/// Ranges that [`OracleGtidSet::summary`] names before it only counts: what fits into a log line.
const SUMMARY_RANGES: usize = 3;

/// As the server prints it: `uuid:1-5:tag:7,` and a new line before the next UUID. The alternate form `{:#}` has no
/// new lines, for logs and statements.
impl fmt::Display for OracleGtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let comma = if f.alternate() { "," } else { ",\n" };
        let mut previous = None;
        for (tsid, numbers) in self.parts() {
            if previous != Some(tsid.uuid) {
                write!(
                    f,
                    "{}{}",
                    if previous.is_some() { comma } else { "" },
                    tsid.uuid
                )?;
                previous = Some(tsid.uuid);
            }
            if let Some(tag) = &tsid.tag {
                write!(f, ":{tag}")?;
            }
            write!(f, ":{numbers}")?;
        }
        Ok(())
    }
}

/// The alternate form of the text.
impl fmt::Debug for OracleGtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:#}")
    }
}

/// `uuid:5` or `uuid:tag:5`.
impl fmt::Display for OracleGtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.tsid, self.number)
    }
}

impl OracleGtidSet {
    /// For people: `12 transactions (uuid:6-17)`, the first three ranges named and the others counted, so that it
    /// is short whatever the set. The empty set is `no transactions`.
    pub fn summary(&self) -> impl fmt::Display + '_ {
        Summary(self)
    }
}

struct Summary<'a>(&'a OracleGtidSet);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.count() {
            0 => return f.write_str("no transactions"),
            1 => f.write_str("1 transaction (")?,
            count => write!(f, "{count} transactions (")?,
        }
        let ranges = self
            .0
            .parts()
            .flat_map(|(tsid, numbers)| numbers.as_slice().iter().map(move |range| (tsid, range)));
        for (index, (tsid, range)) in ranges.take(SUMMARY_RANGES).enumerate() {
            write!(f, "{}{tsid}:{range}", if index == 0 { "" } else { ", " })?;
        }
        match self.0.interval_count().saturating_sub(SUMMARY_RANGES) {
            0 => f.write_str(")"),
            1 => f.write_str(" and 1 more range)"),
            more => write!(f, " and {more} more ranges)"),
        }
    }
}
