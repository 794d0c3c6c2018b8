//! Places in binary logs and relay logs, compared the way the server numbers its files.
//!
//! A log file is `BASE.NUMBER`. The number has at least six digits and simply gets longer after 999999, so the order of
//! the names as texts is wrong from then on: `bin.1000000` follows `bin.999999`.
//!
//! Files with different bases belong to different logs (another server's, a log that was renamed), and nothing can
//! be said about their order. Even with the same base, positions compare only within the log of *one* server; who
//! compares must know that, the names do not tell.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The largest number of a log file; a server that has come to it writes no more (MySQL and MariaDB, 2^31 - 1).
pub const MAX_LOG_NUMBER: u32 = 0x7fff_ffff;

/// Digits with which the server writes small numbers.
const NUMBER_DIGITS: usize = 6;

/// The longest name taken: the longest path the servers keep (`FN_REFLEN`).
const MAX_NAME_LENGTH: usize = 512;

/// The name of a binary log or relay log file, `mysql-bin.000004`.
///
/// Kept as written: `a.7` and `a.000007` are different names with the same number.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LogFile {
    name: Box<str>,
    base_length: usize,
    number: u32,
}

impl LogFile {
    /// Reads a name as the server gives it, without a directory.
    ///
    /// # Errors
    /// [`CoordinatesError`]: what is wrong with it. A detached mark is no file name; [`ReportedLogFile`] reads it.
    pub fn parse(name: &str) -> Result<Self, CoordinatesError> {
        if name.is_empty() {
            return Err(CoordinatesError::NoFile);
        }
        if name.len() > MAX_NAME_LENGTH {
            return Err(CoordinatesError::NameTooLong { length: name.len() });
        }
        if name.contains(['/', '\\']) || name.contains(char::is_control) {
            return Err(CoordinatesError::NotAName {
                name: name.to_owned(),
            });
        }
        let no_number = || CoordinatesError::NoNumber {
            name: name.to_owned(),
        };
        let (base, digits) = name.rsplit_once('.').ok_or_else(no_number)?;
        if base.is_empty() || digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(no_number());
        }
        let number = digits
            .parse()
            .ok()
            .filter(|number| *number <= MAX_LOG_NUMBER);
        let number = number.ok_or_else(|| CoordinatesError::NumberTooLarge {
            name: name.to_owned(),
        })?;
        Ok(Self {
            name: Box::from(name),
            base_length: base.len(),
            number,
        })
    }

    fn numbered(base: &str, number: u32) -> Self {
        Self {
            name: format!("{base}.{number:0NUMBER_DIGITS$}").into_boxed_str(),
            base_length: base.len(),
            number,
        }
    }

    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The name before the number, `mysql-bin`.
    pub fn base(&self) -> &str {
        &self.name[..self.base_length]
    }

    /// The number.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Whether both can be files of one log: the same base, byte for byte.
    pub fn is_same_log(&self, other: &Self) -> bool {
        self.base() == other.base()
    }

    /// The order in one log, by number; `None` for files of different logs.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        self.is_same_log(other)
            .then(|| self.number.cmp(&other.number))
    }

    /// How many files this one is after `earlier` in one log: negative when it is before it.
    pub fn files_after(&self, earlier: &Self) -> Option<i64> {
        self.is_same_log(earlier)
            .then(|| i64::from(self.number) - i64::from(earlier.number))
    }

    /// The file after this one, as the server will name it; `None` after the largest number.
    pub fn next(&self) -> Option<Self> {
        (self.number < MAX_LOG_NUMBER).then(|| Self::numbered(self.base(), self.number + 1))
    }

    /// The file before this one; `None` before number 1, with which a log begins.
    pub fn previous(&self) -> Option<Self> {
        (self.number > 1).then(|| Self::numbered(self.base(), self.number - 1))
    }
}

impl FromStr for LogFile {
    type Err = CoordinatesError;

    fn from_str(name: &str) -> Result<Self, CoordinatesError> {
        Self::parse(name)
    }
}

impl fmt::Display for LogFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for LogFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// A place in a log: a file, and an offset in it in bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LogCoordinates {
    /// The file.
    pub file: LogFile,
    /// Offset in bytes.
    pub offset: u64,
}

impl LogCoordinates {
    /// From the two columns in which servers give a place.
    ///
    /// # Errors
    /// [`CoordinatesError`]: what is wrong with the file name.
    pub fn new(file: &str, offset: u64) -> Result<Self, CoordinatesError> {
        Ok(Self {
            file: LogFile::parse(file)?,
            offset,
        })
    }

    /// The order in one log; `None` for places in different logs.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        self.file
            .compare(&other.file)
            .map(|files| files.then(self.offset.cmp(&other.offset)))
    }

    /// Whether it is at or after `other` in the same log.
    pub fn has_reached(&self, other: &Self) -> bool {
        self.compare(other).is_some_and(Ordering::is_ge)
    }
}

impl FromStr for LogCoordinates {
    type Err = CoordinatesError;

    /// Reads `mysql-bin.000004:154`.
    fn from_str(text: &str) -> Result<Self, CoordinatesError> {
        let bad_offset = || CoordinatesError::BadOffset {
            text: text.to_owned(),
        };
        let (file, offset) = text.rsplit_once(':').ok_or_else(bad_offset)?;
        let is_number = !offset.is_empty() && offset.bytes().all(|b| b.is_ascii_digit());
        let offset = offset
            .parse()
            .ok()
            .filter(|_| is_number)
            .ok_or_else(bad_offset)?;
        Self::new(file, offset)
    }
}

/// Stored as its text.
impl Serialize for LogCoordinates {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LogCoordinates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

/// `mysql-bin.000004:154`.
impl fmt::Display for LogCoordinates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.offset)
    }
}

impl fmt::Debug for LogCoordinates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The executed log file of a replica, as the server reports it: a file, or the mark with which old releases of the
/// predecessor detached a replica (`//mysql-bin.000004:154`, a file that no source has). It is read, never written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReportedLogFile {
    /// No file: not a replica, or one that never connected.
    None,
    /// A file.
    Attached(LogFile),
    /// Detached, and where it stood then.
    Detached(LogCoordinates),
}

impl ReportedLogFile {
    /// Reads the column `Relay_Source_Log_File`.
    ///
    /// # Errors
    /// [`CoordinatesError`]: what is wrong with the file name.
    pub fn parse(text: &str) -> Result<Self, CoordinatesError> {
        match text.strip_prefix(DETACHED_MARK) {
            Some(marked) => marked.parse().map(Self::Detached),
            None if text.is_empty() => Ok(Self::None),
            None => LogFile::parse(text).map(Self::Attached),
        }
    }

    /// Whether it carries the mark.
    pub fn is_detached(&self) -> bool {
        matches!(self, Self::Detached(_))
    }
}

impl fmt::Display for ReportedLogFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Attached(file) => file.fmt(f),
            Self::Detached(place) => write!(f, "{DETACHED_MARK}{place}"),
        }
    }
}

/// The source host of a replica, as the server reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReportedSource<'a> {
    /// Empty, or the `_` that a reset leaves behind: not a replica.
    None,
    /// A host.
    Attached(&'a str),
    /// Detached: `//` before the host makes it a name that does not resolve, while the server keeps its
    /// credentials and place.
    Detached(&'a str),
}

/// What stands before a detached host or log file.
const DETACHED_MARK: &str = "//";

impl<'a> ReportedSource<'a> {
    /// Reads the column `Source_Host`. The host itself is not checked.
    pub fn read(text: &'a str) -> Self {
        match text.strip_prefix(DETACHED_MARK) {
            Some(host) => Self::Detached(host),
            None if text.is_empty() || text == "_" => Self::None,
            None => Self::Attached(text),
        }
    }
}

/// As the server has it.
impl fmt::Display for ReportedSource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Attached(host) => f.write_str(host),
            Self::Detached(host) => write!(f, "{DETACHED_MARK}{host}"),
        }
    }
}

/// Why a text is no place in a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CoordinatesError {
    /// An empty name.
    #[error("the log file name is empty")]
    NoFile,
    /// Longer than a server allows.
    #[error("the log file name has {length} bytes; a server allows at most 512")]
    NameTooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// A directory, a detached mark, or a control character in it.
    #[error("'{}' is not the name of a log file; give it without a directory, like mysql-bin.000004", name.escape_debug())]
    NotAName {
        /// The name.
        name: String,
    },
    /// No number at the end.
    #[error("the log file name '{}' does not end with a number, like mysql-bin.000004", name.escape_debug())]
    NoNumber {
        /// The name.
        name: String,
    },
    /// Above [`MAX_LOG_NUMBER`].
    #[error("the number of log file '{}' is too large; the largest is {MAX_LOG_NUMBER}", name.escape_debug())]
    NumberTooLarge {
        /// The name.
        name: String,
    },
    /// No offset after the file.
    #[error("'{}' is not FILE:OFFSET, like mysql-bin.000004:154", text.escape_debug())]
    BadOffset {
        /// The text.
        text: String,
    },
}

#[cfg(test)]
mod tests;
