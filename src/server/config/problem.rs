//! What can be wrong with a configuration, and what is worth saying about one that is right: one sentence each, with
//! the file and the key it is about.

use std::fmt;
use std::path::PathBuf;

/// Something about a key or a file. Its text begins with both, where they are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About<What> {
    /// The file that said it, when one did.
    pub file: Option<PathBuf>,
    /// The key, with `[index]` or `.entry` where a part of its value is meant. Empty when a whole file is meant.
    pub key: String,
    /// What is the matter.
    pub what: What,
}

/// A reason not to start, or not to take over a reloaded configuration.
pub type Problem = About<ProblemKind>;

/// Something to tell the operator that does not stop anything.
pub type Warning = About<WarningKind>;

impl<What: fmt::Display> fmt::Display for About<What> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            f.write_str(&file.display().to_string())?;
            f.write_str(if self.key.is_empty() { " " } else { ": " })?;
        }
        if !self.key.is_empty() {
            write!(f, "{} ", self.key.escape_debug())?;
        }
        write!(f, "{}", self.what)
    }
}

/// Why a configuration cannot be used. Each text follows the name of the file or key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProblemKind {
    /// The file is missing, or access to it is refused.
    #[error("cannot be read: {reason}")]
    Unreadable {
        /// What the system said.
        reason: String,
    },
    /// Longer than any sensible configuration.
    #[error("is larger than {limit} bytes, which no configuration is; is it the right file?")]
    TooLarge {
        /// Bytes accepted.
        limit: u64,
    },
    /// Not JSON.
    #[error("is not valid JSON at line {line}, column {column}: {reason}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What the parser said.
        reason: String,
    },
    /// JSON, but no object.
    #[error("holds {found}; it must be one object of keys and values, in braces")]
    NotAnObject {
        /// What it is.
        found: &'static str,
    },
    /// A value of another type.
    #[error("is {found}; it must be {expected}")]
    WrongType {
        /// What was written.
        found: &'static str,
        /// What the key needs.
        expected: &'static str,
    },
    /// A number outside its bounds.
    #[error("is {found}; it must be from {min} to {max}{}{unit}", if unit.is_empty() { "" } else { " " })]
    OutOfRange {
        /// What was written.
        found: String,
        /// Smallest value.
        min: i64,
        /// Largest value.
        max: i64,
        /// Counted in, or empty.
        unit: &'static str,
    },
    /// More texts than the key takes.
    #[error("has {found} texts; it takes {max} at most")]
    TooMany {
        /// How many were written.
        found: usize,
        /// The most.
        max: usize,
    },
    /// None of the words the key knows.
    #[error("is '{}'; it must be one of {allowed}", found.escape_debug())]
    UnknownWord {
        /// What was written.
        found: String,
        /// The words, separated by commas.
        allowed: String,
    },
    /// Not a regular expression.
    #[error("is not a regular expression ('{}'): {reason}", found.escape_debug())]
    BadPattern {
        /// What was written.
        found: String,
        /// What the parser said.
        reason: String,
    },
    /// Not host:port.
    #[error("is '{}'; write host:port, or :port for all addresses", found.escape_debug())]
    BadListenAddress {
        /// What was written.
        found: String,
    },
    /// Not the URL of a node.
    #[error("is '{}'; write scheme, host and port without a path, as in http://node1:3000", found.escape_debug())]
    BadUrl {
        /// What was written.
        found: String,
    },
    /// Not an address or network.
    #[error("is '{}'; write an IP address, or a network as in 10.0.0.0/8", found.escape_debug())]
    BadNetwork {
        /// What was written.
        found: String,
    },
    /// Not the name of a header.
    #[error("is '{}', which is no name of an HTTP header; use letters, digits and -", found.escape_debug())]
    BadHeaderName {
        /// What was written.
        found: String,
    },
    /// A path of the service that is none.
    #[error("is '{}'; a path begins with / and consists of letters, digits and - . _ ~ /", found.escape_debug())]
    BadPath {
        /// What was written.
        found: String,
    },
    /// It means nothing without another key.
    #[error("needs {other}; set it too")]
    Needs {
        /// The other key.
        other: &'static str,
    },
    /// Two keys that rule each other out.
    #[error("cannot be set together with {other}; remove one of the two")]
    Excludes {
        /// The other key.
        other: &'static str,
    },
    /// An old and a new name with different values.
    #[error("is the old name of {newer}, which has another value; remove {}", old)]
    Disagrees {
        /// The newer name.
        newer: &'static str,
        /// This name.
        old: &'static str,
    },
    /// A file that others can read or write.
    #[error("names '{}', which every user of this machine can access (mode {mode:04o}); run: chmod o-rwx '{}'", path.display(), path.display())]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file named by a key that cannot be read.
    #[error("names '{}', which cannot be read: {reason}", path.display())]
    FileUnreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A credentials file that is not understood.
    #[error("names '{}', which is not understood: {reason}", path.display())]
    BadCredentials {
        /// The file.
        path: PathBuf,
        /// The line and what is wrong there.
        reason: super::credentials::CredentialsError,
    },
    /// A restricting key that is not in effect yet.
    #[error(
        "is not in effect in this release, and running without it would do what it forbids; remove it to start. {why}"
    )]
    NotInEffect {
        /// What is done instead.
        why: &'static str,
    },
    /// A group without a list of its members.
    #[error(
        "is true, but RaftNodes is empty; list all members of the group in it, this node included"
    )]
    NoRaftNodes,
    /// A name that no database can have.
    #[error("is '{}', which is no name of a database: 1 to 64 characters, none of them a control character, no blank at the end", found.escape_debug())]
    BadDatabaseName {
        /// What was written.
        found: String,
    },
    /// A name that no host can have.
    #[error("names no host: {reason}")]
    BadHost {
        /// What is wrong with it.
        reason: String,
    },
}

/// What is worth saying although the configuration is used. Each text follows the name of the file or key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WarningKind {
    /// Not a key.
    #[error("is not a key and has no effect{}", nearest.map(|name| format!("; did you mean {name}?")).unwrap_or_default())]
    UnknownKey {
        /// The key it resembles.
        nearest: Option<&'static str>,
    },
    /// A retired key.
    #[error("was retired and has no effect; remove it. {note}")]
    Removed {
        /// What became of it.
        note: &'static str,
    },
    /// A key whose subject is not built yet.
    #[error("is not in effect in this release")]
    NotYet,
    /// Several such keys, set to what is their default anyway.
    #[error("(set to their defaults) are not in effect in this release")]
    NotYetAtDefault,
    /// A key that was not carried over.
    #[error("has no effect: {note}")]
    NotCarriedOver {
        /// What is done instead.
        note: &'static str,
    },
    /// A key that never did anything.
    #[error("has no effect, and had none in the predecessor; remove it")]
    NoEffect,
    /// The same key twice in one file.
    #[error("is written more than once; the last one counts")]
    Repeated,
    /// An old name.
    #[error("is the old name of {newer}; rename it")]
    OldName {
        /// The newer name.
        newer: &'static str,
    },
    /// Something after the configuration.
    #[error("has text after the configuration's closing brace, from line {line}, which is ignored")]
    TrailingText {
        /// Line, from 1.
        line: usize,
    },
    /// `${NAME}` without such a variable.
    #[error("takes its value from the environment variable {}, which is not set: it is EMPTY now", variable.escape_debug())]
    UnsetVariable {
        /// Name of the variable.
        variable: String,
    },
    /// Names or sections that a credentials file may have but that are not read.
    #[error("names '{}', of which only user and password in [client] are read; ignored: {ignored}", path.display())]
    CredentialsIgnored {
        /// The file.
        path: PathBuf,
        /// The other names, separated by commas.
        ignored: String,
    },
    /// A password in a file that everyone can read.
    #[error(
        "is written out in a file that every user of this machine can read; run chmod o-rwx on it, or name a credentials file"
    )]
    PlainSecret,
    /// A seed that is no server.
    #[error("is '{}', which is no host or host:port; it is left out", found.escape_debug())]
    BadSeed {
        /// What was written.
        found: String,
    },
    /// A value that another one makes pointless.
    #[error("{0}")]
    Pointless(&'static str),
}

/// Everything that is wrong with a configuration, at least one problem, and what else was noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors {
    /// The problems, in the order of the files, then of the keys.
    pub problems: Vec<Problem>,
    /// The warnings.
    pub warnings: Vec<Warning>,
}

impl std::error::Error for Errors {}

/// One line for each problem.
impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}
