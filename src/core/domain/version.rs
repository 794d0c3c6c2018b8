//! What a server says it is: flavour, numbers, and what is known about that line of releases.
//!
//! Numbers are compared as numbers and only within a family: MySQL 26.7 is newer than 9.7 (calendar versions begin
//! there), and MariaDB 10.11 is not a MySQL 10.

use std::fmt;

use super::Flavor;

/// Products that answer with a MySQL version and are no MySQL server: what is known of MySQL does not hold for them.
const FOREIGN_PRODUCTS: [&str; 4] = ["tidb", "proxysql", "vitess", "oceanbase"];

impl Flavor {
    /// From `@@version` and `@@version_comment`.
    fn detect(text: &str, comment: &str) -> Self {
        let says = |part: &str, name: &str| part.to_ascii_lowercase().contains(name);
        let anywhere = |name: &str| says(text, name) || says(comment, name);
        if says(text, "maxscale") {
            Self::MaxScale
        } else if FOREIGN_PRODUCTS.iter().any(|name| anywhere(name)) {
            Self::Unknown
        } else if anywhere("mariadb") {
            Self::MariaDb
        } else if says(comment, "percona") {
            Self::Percona
        } else {
            Self::MySql
        }
    }

    /// MySQL or Percona Server: the same versions, statements and GTIDs.
    pub fn is_mysql_family(self) -> bool {
        matches!(self, Self::MySql | Self::Percona)
    }
}

impl fmt::Display for Flavor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MySql => "MySQL",
            Self::Percona => "Percona Server",
            Self::MariaDb => "MariaDB",
            Self::MaxScale => "MaxScale",
            Self::Unknown => "an unknown server",
        })
    }
}

/// The three numbers of a version. A missing patch level (`8.0.mysql_aurora.3.04.0`) is 0, so that a test for
/// a patch level is answered with no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Release {
    /// 8 of 8.0.36; the year of a calendar version.
    pub major: u16,
    /// 0 of 8.0.36; the month of a calendar version.
    pub minor: u16,
    /// 36 of 8.0.36.
    pub patch: u16,
}

impl Release {
    /// From its numbers.
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self {
            major,
            minor,
            patch,
        }
    }

    /// The release line, 8.0 of 8.0.36.
    pub const fn line(self) -> (u16, u16) {
        (self.major, self.minor)
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// How long a release line is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Support {
    /// Years of fixes: MySQL 5.x, 8.0, 8.4, 9.7; MariaDB up to 10.6, and 10.11, 11.4, 11.8, 12.3.
    LongTerm,
    /// Until the next release: MySQL's Innovation, MariaDB's rolling releases.
    Innovation,
    /// A line younger than this program, or of another product. A calendar version (26.7) does not tell.
    Unknown,
}

/// Whether a release is meant for production.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Maturity {
    /// Alpha, beta, milestone, preview.
    Preview,
    /// Release candidate.
    ReleaseCandidate,
    /// Meant for production, kept until the next release.
    Innovation,
    /// Meant for production.
    GenerallyAvailable,
    /// Not known for this product or line.
    Unknown,
}

/// First patch level for production of each MySQL line that had others before. From 8.1 on it is 0.
const MYSQL_FIRST_STABLE: [((u16, u16), u16); 4] =
    [((5, 5), 8), ((5, 6), 10), ((5, 7), 9), ((8, 0), 11)];

/// The same for MariaDB. From 10.9 on it is 2.
const MARIADB_FIRST_STABLE: [((u16, u16), u16); 10] = [
    ((5, 5), 23),
    ((10, 0), 10),
    ((10, 1), 8),
    ((10, 2), 6),
    ((10, 3), 7),
    ((10, 4), 6),
    ((10, 5), 4),
    ((10, 6), 3),
    ((10, 7), 2),
    ((10, 8), 3),
];

/// MySQL 8.0 got features in patch releases until this one (MySQL manual, "MySQL Releases").
const MYSQL_8_0_FIXES_ONLY: u16 = 34;

/// The version of a server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerVersion {
    text: String,
    flavor: Flavor,
    release: Release,
}

/// The longest version text taken. Servers have 60 characters of room; the rest is courtesy.
const MAX_VERSION_LENGTH: usize = 255;

impl ServerVersion {
    /// From `@@version` and `@@version_comment`, which may be empty. The handshake's `5.5.5-` before a MariaDB
    /// version is dropped.
    ///
    /// # Errors
    /// [`VersionError`] when the text does not begin with two numbers.
    pub fn parse(text: &str, comment: &str) -> Result<Self, VersionError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(VersionError::Empty);
        }
        if text.len() > MAX_VERSION_LENGTH {
            return Err(VersionError::TooLong { length: text.len() });
        }
        let flavor = Flavor::detect(text, comment);
        let own = text
            .strip_prefix("5.5.5-")
            .filter(|_| flavor == Flavor::MariaDb)
            .unwrap_or(text);
        let release = parse_release(own).ok_or_else(|| VersionError::NoNumbers {
            text: text.to_owned(),
        })?;
        Ok(Self {
            text: text.to_owned(),
            flavor,
            release,
        })
    }

    /// As the server says it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Who made it.
    pub fn flavor(&self) -> Flavor {
        self.flavor
    }

    /// Its numbers.
    pub fn release(&self) -> Release {
        self.release
    }

    /// The line as text, `8.0`: what the predecessor calls major version.
    pub fn major_version(&self) -> String {
        format!("{}.{}", self.release.major, self.release.minor)
    }

    /// Whether its numbers are these or higher, whatever the flavour. To ask for a capability, name the family
    /// with [`is_mysql_at_least`](Self::is_mysql_at_least) or [`is_mariadb_at_least`](Self::is_mariadb_at_least).
    pub fn is_at_least(&self, major: u16, minor: u16, patch: u16) -> bool {
        self.release >= Release::new(major, minor, patch)
    }

    /// Whether it is a MySQL or Percona Server of this version or higher.
    pub fn is_mysql_at_least(&self, major: u16, minor: u16, patch: u16) -> bool {
        self.flavor.is_mysql_family() && self.is_at_least(major, minor, patch)
    }

    /// Whether it is a MariaDB of this version or higher.
    pub fn is_mariadb_at_least(&self, major: u16, minor: u16, patch: u16) -> bool {
        self.flavor == Flavor::MariaDb && self.is_at_least(major, minor, patch)
    }

    /// Whether it is a server of NDB Cluster (`8.0.34-cluster`, `5.7.33-ndb-7.6.17`), which is not supported.
    pub fn is_ndb_cluster(&self) -> bool {
        self.text.contains("-ndb-") || self.text.split('-').any(|part| part == "cluster")
    }

    /// How long its line is kept.
    pub fn support(&self) -> Support {
        let line = self.release.line();
        match self.flavor {
            Flavor::MySql | Flavor::Percona => match line {
                (..=7, _) | (8, 0 | 4) | (9, 7) => Support::LongTerm,
                (8, 1..=3) | (9, 0..=6) => Support::Innovation,
                _ => Support::Unknown,
            },
            Flavor::MariaDb => match line {
                (..=9, _) | (10, ..=6 | 11) | (11, 4 | 8) | (12, 3) => Support::LongTerm,
                (10, 7..=10) | (11, 0..=7) | (12, 0..=2) => Support::Innovation,
                _ => Support::Unknown,
            },
            Flavor::MaxScale | Flavor::Unknown => Support::Unknown,
        }
    }

    /// Whether it is meant for production: by what its text says (`-rc`, `-dmr`), else by its numbers.
    pub fn maturity(&self) -> Maturity {
        let patch = self.release.patch;
        match (self.stated_maturity(), self.first_stable_patch()) {
            (Some(stated), _) => stated,
            (None, None) => Maturity::Unknown,
            (None, Some(stable)) if stable.checked_sub(1) == Some(patch) => {
                Maturity::ReleaseCandidate
            }
            (None, Some(stable)) if patch < stable => Maturity::Preview,
            (None, Some(_)) if self.support() == Support::Innovation => Maturity::Innovation,
            (None, Some(_)) => Maturity::GenerallyAvailable,
        }
    }

    /// Whether both are of one family and line: 8.0.36 and Percona 8.0.35.
    pub fn is_same_line(&self, other: &Self) -> bool {
        self.is_same_family(other) && self.release.line() == other.release.line()
    }

    /// How this version, as a replica, fits to `source`.
    pub fn fit_below(&self, source: &Self) -> VersionFit {
        if !self.is_comparable() || !source.is_comparable() {
            VersionFit::NotComparable
        } else if !self.is_same_family(source) {
            VersionFit::OtherFamily
        } else if !self.is_same_line(source) {
            if self.release > source.release {
                VersionFit::NewerLine
            } else {
                VersionFit::OlderLine
            }
        } else if self.release >= source.release {
            VersionFit::SameLine
        } else {
            VersionFit::OlderPatch {
                line_is_frozen: self.is_frozen(),
            }
        }
    }

    fn is_same_family(&self, other: &Self) -> bool {
        self.flavor == other.flavor
            || (self.flavor.is_mysql_family() && other.flavor.is_mysql_family())
    }

    fn is_comparable(&self) -> bool {
        self.flavor.is_mysql_family() || self.flavor == Flavor::MariaDb
    }

    /// Whether its line gets fixes only, no features, from this patch level on.
    fn is_frozen(&self) -> bool {
        let still_grows = self.flavor.is_mysql_family()
            && self.release.line() == (8, 0)
            && self.release.patch < MYSQL_8_0_FIXES_ONLY;
        self.support() == Support::LongTerm
            && self.maturity() == Maturity::GenerallyAvailable
            && !still_grows
    }

    fn stated_maturity(&self) -> Option<Maturity> {
        let words = self
            .text
            .split(['-', '+', '~'])
            .skip(1)
            .map(str::to_ascii_lowercase);
        words.into_iter().find_map(|word| {
            match word.trim_end_matches(|c: char| c.is_ascii_digit()) {
                "rc" | "gamma" => Some(Maturity::ReleaseCandidate),
                "alpha" | "beta" | "dmr" | "labs" | "preview" => Some(Maturity::Preview),
                "m" if word.len() > 1 => Some(Maturity::Preview),
                _ => None,
            }
        })
    }

    fn first_stable_patch(&self) -> Option<u16> {
        let line = self.release.line();
        let (table, since, patch) = match self.flavor {
            Flavor::MySql | Flavor::Percona => (&MYSQL_FIRST_STABLE[..], (8, 1), 0),
            Flavor::MariaDb => (&MARIADB_FIRST_STABLE[..], (10, 9), 2),
            Flavor::MaxScale | Flavor::Unknown => return None,
        };
        if line >= since {
            return Some(patch);
        }
        table
            .iter()
            .find(|(known, _)| *known == line)
            .map(|(_, patch)| *patch)
    }
}

/// The leading `8.0.36` or `8.0`.
fn parse_release(text: &str) -> Option<Release> {
    let mut numbers = text.splitn(3, '.');
    let whole = |part: &str| {
        part.bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| part.parse().ok())
            .flatten()
    };
    let leading = |part: &str| {
        part.split(|c: char| !c.is_ascii_digit())
            .next()
            .and_then(|digits| digits.parse().ok())
    };
    let major = whole(numbers.next()?)?;
    let minor = leading(numbers.next()?)?;
    let patch = numbers.next().and_then(leading).unwrap_or(0);
    Some(Release {
        major,
        minor,
        patch,
    })
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// How the version of a replica fits to its source's. What follows from it is policy, and not decided here. The rule
/// of the field: a replica may be newer than its source, not older.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VersionFit {
    /// The same line, and the replica has the same patch level or a newer one.
    SameLine,
    /// The same line, and the replica has an older patch level.
    OlderPatch {
        /// The line gets fixes only from the replica's patch level on, so it makes no difference. MySQL 9.7 takes such patch levels for
        /// the same version too (`replica_allow_higher_version_source`).
        line_is_frozen: bool,
    },
    /// The replica is of a newer line.
    NewerLine,
    /// The replica is of an older line: it may meet events that it cannot read.
    OlderLine,
    /// MySQL and MariaDB: their GTIDs, and many events, mean nothing to each other.
    OtherFamily,
    /// One is a binlog server, which passes on what it gets, or an unknown product.
    NotComparable,
}

/// Why a text is no version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// Nothing, or white space only.
    #[error("the server's version is empty")]
    Empty,
    /// Longer than any server says.
    #[error("the server's version has {length} bytes; at most 255 are read")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// It does not begin with two numbers.
    #[error("'{}' is not a server version; one begins with numbers, like 8.0.36", text.escape_debug())]
    NoNumbers {
        /// The text.
        text: String,
    },
}

#[cfg(test)]
mod tests;
