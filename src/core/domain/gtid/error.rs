/// Why a text is not a GTID set or position, and where.
///
/// Its text is one sentence for an operator: what is wrong, at which character (counted from 1, over all lines), and
/// what stands there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} (character {position}{})", at(rest))]
pub struct ParseError {
    /// What is wrong.
    pub problem: Problem,
    /// The character where reading stopped, counted from 1. One past the last when the text ends too early.
    pub position: usize,
    /// The first characters from there, cut short. Empty at the end of the text.
    pub rest: String,
}

/// Characters of the text that an error repeats: enough to find the place, short enough for a log line.
const REST_CHARACTERS: usize = 24;

impl ParseError {
    /// The error at byte `at` of `text`. Only the path of errors counts characters.
    pub(super) fn new(problem: Problem, text: &str, at: usize) -> Self {
        let (before, after) = text.split_at_checked(at).unwrap_or((text, ""));
        Self {
            problem,
            position: before.chars().count() + 1,
            rest: after.chars().take(REST_CHARACTERS).collect(),
        }
    }
}

fn at(rest: &str) -> String {
    match rest {
        "" => ", at the end".to_owned(),
        _ => format!(", at '{}'", rest.escape_debug()),
    }
}

/// What can be wrong in the text of a GTID set or position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Longer than [`MAX_TEXT_BYTES`](super::MAX_TEXT_BYTES).
    #[error(
        "the GTID text has {bytes} bytes; at most {} are read",
        super::MAX_TEXT_BYTES
    )]
    TextTooLong {
        /// Its length.
        bytes: usize,
    },
    /// More different UUIDs and tags than [`MAX_TSIDS`](super::MAX_TSIDS).
    #[error(
        "the GTID set names more than {} different UUIDs and tags",
        super::MAX_TSIDS
    )]
    TooManyTsids,
    /// Not 32 hexadecimal digits, with all dashes or none.
    #[error("a server UUID is expected, like 3e11fa47-71ca-11e1-9e33-c80aa9429562")]
    BadUuid,
    /// A UUID or a tag that no transaction number follows.
    #[error("a UUID or tag without transaction numbers; write ':' and a number or range after it")]
    NoNumbers,
    /// Something other than a number.
    #[error("a transaction number is expected")]
    ExpectedNumber,
    /// Something other than a number or a tag.
    #[error("a transaction number or a tag is expected")]
    ExpectedNumberOrTag,
    /// Number 0.
    #[error("transaction number 0; numbers begin at 1")]
    ZeroNumber,
    /// Above 2^63 - 2.
    #[error("transaction number too large; the largest is {}", super::MAX_SEQUENCE)]
    NumberTooLarge,
    /// `9-5`.
    #[error("the range {first}-{last} runs backwards; write the smaller number first")]
    ReversedRange {
        /// Its first number.
        first: u64,
        /// Its last number, smaller than the first.
        last: u64,
    },
    /// Too long, or a character that no tag has.
    #[error("a tag is at most 32 letters, digits and underscores, and does not begin with a digit")]
    BadTag,
    /// One transaction was asked for.
    #[error("exactly one transaction is expected")]
    NotOneTransaction,
    /// An entry is complete, and something other than `,` or the end follows.
    #[error("',' or the end is expected")]
    ExpectedEnd,
    /// MariaDB: the `-` between the parts of a GTID is missing.
    #[error("'-' is expected; a MariaDB GTID is DOMAIN-SERVER-NUMBER, like 0-1-100")]
    ExpectedDash,
    /// MariaDB: a domain or server id above 2^32 - 1, or a number above 2^64 - 1.
    #[error("{part} too large; the largest is {max}")]
    PartTooLarge {
        /// "domain id", "server id" or "sequence number".
        part: &'static str,
        /// The largest possible.
        max: u64,
    },
    /// MariaDB: a position that names a domain twice; the server refuses it too (error 1943).
    #[error("domain {domain} appears twice; a position names one transaction of each domain")]
    DuplicateDomain {
        /// The domain.
        domain: u32,
    },
    /// MariaDB: a binary log state that names a server of a domain twice.
    #[error(
        "server {server_id} appears twice in domain {domain}; a binary log state names each once"
    )]
    DuplicateServer {
        /// The domain.
        domain: u32,
        /// The server id.
        server_id: u32,
    },
}
