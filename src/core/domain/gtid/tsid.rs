use std::fmt;
use std::str::FromStr;

use super::scanner::Scanner;
use super::{ParseError, Problem};

/// The UUID of a MySQL server (`@@server_uuid`), which names the transactions that began there. Ordered by its
/// bytes, as the server sorts its sets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerUuid([u8; 16]);

/// Hexadecimal digits before which the text form has a dash.
const DASH_BEFORE_DIGIT: [usize; 4] = [8, 12, 16, 20];

impl ServerUuid {
    /// From its 16 bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads `8-4-4-4-12` hexadecimal digits, `{8-4-4-4-12}`, or 32 digits without dashes: what MySQL takes.
    pub(super) fn scan(scanner: &mut Scanner<'_>) -> Result<Self, ParseError> {
        let braced = scanner.take(b'{');
        let mut bytes = [0; 16];
        let mut dashed = braced;
        for digit in 0..32 {
            if DASH_BEFORE_DIGIT.contains(&digit) {
                let dash = scanner.peek() == Some(b'-');
                dashed |= dash && digit == DASH_BEFORE_DIGIT[0];
                if dash != dashed {
                    return Err(scanner.fail(Problem::BadUuid));
                }
                scanner.take(b'-');
            }
            bytes[digit / 2] = bytes[digit / 2] << 4 | hex_digit(scanner)?;
        }
        if braced && !scanner.take(b'}') {
            return Err(scanner.fail(Problem::BadUuid));
        }
        Ok(Self(bytes))
    }
}

fn hex_digit(scanner: &mut Scanner<'_>) -> Result<u8, ParseError> {
    let byte = scanner
        .peek()
        .ok_or_else(|| scanner.fail(Problem::BadUuid))?;
    let value = char::from(byte)
        .to_digit(16)
        .and_then(|v| u8::try_from(v).ok());
    let value = value.ok_or_else(|| scanner.fail(Problem::BadUuid))?;
    scanner.take(byte);
    Ok(value)
}

impl FromStr for ServerUuid {
    type Err = ParseError;

    /// Surrounding white space is dropped.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut scanner = Scanner::new(text)?;
        scanner.skip_white_space();
        let uuid = Self::scan(&mut scanner)?;
        scanner.skip_white_space();
        if scanner.is_at_end() {
            Ok(uuid)
        } else {
            Err(scanner.fail(Problem::ExpectedEnd))
        }
    }
}

/// `3e11fa47-71ca-11e1-9e33-c80aa9429562`, always lower case.
impl fmt::Display for ServerUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let dash = if DASH_BEFORE_DIGIT.contains(&(2 * index)) {
                "-"
            } else {
                ""
            };
            write!(f, "{dash}{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ServerUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The longest tag, in characters (MySQL manual, "GTID Format").
pub const MAX_TAG_LENGTH: usize = 32;

/// The tag of a transaction, MySQL 8.3 and later: `[a-z_][a-z0-9_]{0,31}`. Upper case is read and turned into lower.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(Box<str>);

impl Tag {
    /// The text, lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a tag can begin with `byte`.
    pub(super) fn begins_with(byte: u8) -> bool {
        byte.is_ascii_alphabetic() || byte == b'_'
    }

    pub(super) fn scan(scanner: &mut Scanner<'_>) -> Result<Self, ParseError> {
        let start = scanner.place();
        let text = scanner.take_while(|b| b.is_ascii_alphanumeric() || b == b'_');
        if text.len() > MAX_TAG_LENGTH || !text.bytes().next().is_some_and(Self::begins_with) {
            return Err(scanner.fail_at(Problem::BadTag, start));
        }
        Ok(Self(text.to_ascii_lowercase().into_boxed_str()))
    }
}

impl FromStr for Tag {
    type Err = ParseError;

    /// Surrounding white space is dropped.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut scanner = Scanner::new(text)?;
        scanner.skip_white_space();
        let tag = Self::scan(&mut scanner)?;
        scanner.skip_white_space();
        if scanner.is_at_end() {
            Ok(tag)
        } else {
            Err(scanner.fail(Problem::BadTag))
        }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who numbers a run of transactions: a server UUID and, since MySQL 8.3, perhaps a tag ("transaction source
/// identifier" in the manual). Each has its own numbers from 1. Ordered as the server prints: by UUID, the untagged
/// first, then by the tag's bytes (measured: MySQL 9.7).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tsid {
    /// The server.
    pub uuid: ServerUuid,
    /// The tag, if any.
    pub tag: Option<Tag>,
}

impl Tsid {
    /// The untagged transactions of a server.
    pub const fn untagged(uuid: ServerUuid) -> Self {
        Self { uuid, tag: None }
    }

    /// The transactions of a server with this tag.
    pub const fn tagged(uuid: ServerUuid, tag: Tag) -> Self {
        Self {
            uuid,
            tag: Some(tag),
        }
    }
}

/// `uuid` or `uuid:tag`.
impl fmt::Display for Tsid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uuid.fmt(f)?;
        match &self.tag {
            Some(tag) => write!(f, ":{tag}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Tsid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
