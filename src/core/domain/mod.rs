//! The nouns of the field. No IO, no policy, nothing of the predecessor's vocabulary.

pub mod coordinates;
pub mod gtid;
pub mod version;

pub use coordinates::{CoordinatesError, LogCoordinates, LogFile, ReportedLogFile, ReportedSource};
pub use version::{Flavor, Maturity, ServerVersion, Support, VersionError, VersionFit};
