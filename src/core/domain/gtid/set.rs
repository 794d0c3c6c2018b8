use std::fmt;

use super::{MariadbPosition, OracleGtidSet, ParseError, Relation};

/// What a server has, in the way of its flavour: for callers that only ask how two servers stand to one another.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum GtidSet {
    /// MySQL, Percona Server: a set.
    Oracle(OracleGtidSet),
    /// MariaDB: a position.
    Mariadb(MariadbPosition),
}

impl GtidSet {
    /// Whether it holds no transaction.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Oracle(set) => set.is_empty(),
            Self::Mariadb(position) => position.is_empty(),
        }
    }

    /// How it stands to `other`, or `None` when one is a set and the other a position: nothing is known then.
    pub fn relation(&self, other: &Self) -> Option<Relation> {
        match (self, other) {
            (Self::Oracle(own), Self::Oracle(other)) => Some(own.relation(other)),
            (Self::Mariadb(own), Self::Mariadb(other)) => Some(own.relation(other)),
            (Self::Oracle(_), Self::Mariadb(_)) | (Self::Mariadb(_), Self::Oracle(_)) => None,
        }
    }

    /// Reads the text of MySQL.
    ///
    /// # Errors
    /// [`ParseError`]: what is wrong, and at which character.
    pub fn parse_oracle(text: &str) -> Result<Self, ParseError> {
        OracleGtidSet::parse(text).map(Self::Oracle)
    }

    /// Reads the text of MariaDB.
    ///
    /// # Errors
    /// [`ParseError`]: what is wrong, and at which character.
    pub fn parse_mariadb(text: &str) -> Result<Self, ParseError> {
        MariadbPosition::parse(text).map(Self::Mariadb)
    }
}

/// On one line.
impl fmt::Display for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Oracle(set) => write!(f, "{set:#}"),
            Self::Mariadb(position) => position.fmt(f),
        }
    }
}

impl fmt::Debug for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
