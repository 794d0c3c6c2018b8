use std::fmt;

/// Where a text is no drawing, and what is expected there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrawingError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong there.
    pub problem: Problem,
}

impl fmt::Display for DrawingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}, column {}: {}",
            self.line, self.column, self.problem
        )
    }
}

impl std::error::Error for DrawingError {}

/// What is wrong at a place of a drawing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Spaces that are no level.
    #[error(
        "a line begins with a server, or with two spaces for each level above its own and then '+ ' or '<-> '"
    )]
    Indentation,
    /// A level with nothing one level above it.
    #[error("no server is drawn one level above this one")]
    NothingAbove,
    /// `<->` anywhere but once, directly below a head.
    #[error(
        "'<-> ' draws the second of two co-primaries: once, directly below the first line of its tree"
    )]
    MisplacedPair,
    /// A text that is no host and port.
    #[error("expected a server, host or host:port: {0}")]
    Key(crate::domain::KeyError),
    /// A server drawn before.
    #[error("{key} is drawn already, in line {first}")]
    Twice {
        /// The server, as printed.
        key: String,
        /// Line of its first place.
        first: usize,
    },
    /// Something after the server that is no bracket.
    #[error("expected '[' and attributes, '#' and a comment, or the end of the line")]
    Trailing,
    /// No `]`.
    #[error("expected ']' before the end of the line")]
    Unclosed,
    /// No closing quote.
    #[error("expected '\"' before the end of the line")]
    UnclosedQuote,
    /// A word that is no attribute.
    #[error("'{}' is no attribute{}", word.escape_debug(), nearest.as_ref().map(|near| format!("; is '{near}' meant?")).unwrap_or_default())]
    UnknownAttribute {
        /// The word.
        word: String,
        /// The attribute most like it.
        nearest: Option<&'static str>,
    },
    /// The same thing said a second time.
    #[error("'{word}' says again what '{before}' said")]
    Repeated {
        /// The second word.
        word: String,
        /// The first.
        before: String,
    },
    /// An attribute with a value that it does not take.
    #[error("'{name}' is written {expected}")]
    Value {
        /// The attribute.
        name: String,
        /// How it is written.
        expected: &'static str,
    },
    /// A name in a GTID set that no line has.
    #[error("'<{}>' names no server of this drawing", name.escape_debug())]
    UnknownName {
        /// The name.
        name: String,
    },
    /// An attribute of a replication link on a server without one.
    #[error("'{name}' is about a replication link, and this server replicates from nobody")]
    NoLink {
        /// The attribute.
        name: String,
    },
    /// An attribute of what a probe sees, on a server that was never seen.
    #[error("'{name}' is about what a probe sees, and this server was never seen")]
    NeverSeen {
        /// The attribute.
        name: String,
    },
    /// An attribute on a server that the picture does not hold.
    #[error("'{name}' says something of a server that is not known")]
    NotKnown {
        /// The attribute.
        name: String,
    },
}
