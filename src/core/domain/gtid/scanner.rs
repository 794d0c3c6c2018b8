use super::{ParseError, Problem};

/// The longest text that is read as GTIDs: 64 MiB, the default `max_allowed_packet`, so no longer value comes from
/// a server in one row. About three million intervals.
pub const MAX_TEXT_BYTES: usize = 64 * 1024 * 1024;

/// Reads ASCII tokens from a text, keeping the place for errors.
///
/// It only ever steps over ASCII bytes, so its place is always a character boundary.
pub(super) struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

/// How reading a number failed.
pub(super) enum NumberError {
    /// No digit there.
    Missing,
    /// More than 2^64 - 1.
    Overflow,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Result<Self, ParseError> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(ParseError::new(
                Problem::TextTooLong { bytes: text.len() },
                text,
                0,
            ));
        }
        Ok(Self {
            text,
            bytes: text.as_bytes(),
            at: 0,
        })
    }

    pub(super) fn place(&self) -> usize {
        self.at
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Steps over `byte` when it is next.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.at += 1;
        }
        found
    }

    pub(super) fn skip_white_space(&mut self) {
        self.take_while(is_white_space);
    }

    /// Steps over white space and commas; a server takes empty entries too.
    pub(super) fn skip_separators(&mut self) {
        self.take_while(|b| b == b',' || is_white_space(b));
    }

    /// The longest run of bytes that fit. `fits` must accept ASCII only.
    pub(super) fn take_while(&mut self, fits: impl Fn(u8) -> bool) -> &'a str {
        let start = self.at;
        while self.peek().is_some_and(|b| b.is_ascii() && fits(b)) {
            self.at += 1;
        }
        &self.text[start..self.at]
    }

    /// A decimal number; leading zeros are allowed.
    pub(super) fn number(&mut self) -> Result<u64, NumberError> {
        let start = self.at;
        let mut value: u64 = 0;
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            let next = value
                .checked_mul(10)
                .and_then(|v| v.checked_add(u64::from(digit - b'0')));
            value = next.ok_or(NumberError::Overflow)?;
            self.at += 1;
        }
        if self.at == start {
            Err(NumberError::Missing)
        } else {
            Ok(value)
        }
    }

    /// The error `problem` here.
    pub(super) fn fail(&self, problem: Problem) -> ParseError {
        self.fail_at(problem, self.at)
    }

    /// The error `problem` at an earlier place.
    pub(super) fn fail_at(&self, problem: Problem, place: usize) -> ParseError {
        ParseError::new(problem, self.text, place)
    }
}

/// What MySQL skips: C's `isspace`.
fn is_white_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}
