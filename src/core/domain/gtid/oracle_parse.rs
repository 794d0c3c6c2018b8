//! Reading Oracle GTID sets: `uuid[:tag]:first[-last][:first[-last]…][:tag:…],…`.
//!
//! A tag holds for the ranges after it, up to the next tag or the next entry.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::interval_set::Collector;
use super::scanner::{NumberError, Scanner};
use super::{
    Interval, MAX_SEQUENCE, OracleGtid, OracleGtidSet, ParseError, Problem, ServerUuid, Tag, Tsid,
};

/// The most different UUIDs and tags that are read. A long-lived cluster has tens; the bound keeps a hostile
/// text of [`MAX_TEXT_BYTES`](super::MAX_TEXT_BYTES) within some tens of megabytes of memory.
pub const MAX_TSIDS: usize = 100_000;

impl OracleGtidSet {
    /// Reads what a server prints, and what a person may write: see the [module](super) for what is taken.
    ///
    /// # Errors
    /// [`ParseError`]: what is wrong, and at which character.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let mut scanner = Scanner::new(text)?;
        let mut found = BTreeMap::new();
        loop {
            scanner.skip_separators();
            if scanner.is_at_end() {
                return Ok(Self::from_sorted(
                    found
                        .into_iter()
                        .map(|(tsid, numbers)| (tsid, Collector::finish(numbers))),
                ));
            }
            read_entry(&mut scanner, &mut found)?;
        }
    }
}

impl FromStr for OracleGtidSet {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::parse(text)
    }
}

impl FromStr for OracleGtid {
    type Err = ParseError;

    /// Reads exactly one transaction.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let set = OracleGtidSet::parse(text)?;
        let mut gtids = set.gtids();
        match (gtids.next(), gtids.next()) {
            (Some(gtid), None) => Ok(gtid),
            (None, _) => Err(ParseError::new(Problem::BadUuid, text, text.len())),
            (Some(_), Some(_)) => Err(ParseError::new(Problem::NotOneTransaction, text, 0)),
        }
    }
}

/// Reads one entry, up to its comma or the end.
fn read_entry(
    scanner: &mut Scanner<'_>,
    found: &mut BTreeMap<Tsid, Collector>,
) -> Result<(), ParseError> {
    let uuid = ServerUuid::scan(scanner)?;
    let mut numbers = collector(scanner, found, Tsid::untagged(uuid))?;
    // What was read last: a UUID or tag, whose numbers must follow, or a range.
    let mut last = Part::Uuid;
    loop {
        scanner.skip_white_space();
        if !scanner.take(b':') {
            break;
        }
        scanner.skip_white_space();
        match scanner.peek() {
            Some(byte) if byte.is_ascii_digit() => {
                numbers.add(read_range(scanner)?);
                last = Part::Range;
            }
            Some(byte) if Tag::begins_with(byte) && last != Part::Tag => {
                let tag = Tag::scan(scanner)?;
                numbers = collector(scanner, found, Tsid::tagged(uuid, tag))?;
                last = Part::Tag;
            }
            // Another tag where the numbers of the last one should be.
            Some(byte) if Tag::begins_with(byte) => return Err(scanner.fail(Problem::NoNumbers)),
            _ if last == Part::Tag => return Err(scanner.fail(Problem::ExpectedNumber)),
            _ => return Err(scanner.fail(Problem::ExpectedNumberOrTag)),
        }
    }
    match last {
        Part::Uuid | Part::Tag => Err(scanner.fail(Problem::NoNumbers)),
        Part::Range if scanner.is_at_end() || scanner.peek() == Some(b',') => Ok(()),
        Part::Range => Err(scanner.fail(Problem::ExpectedEnd)),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Uuid,
    Tag,
    Range,
}

/// Where the numbers of `tsid` are gathered.
fn collector<'a>(
    scanner: &Scanner<'_>,
    found: &'a mut BTreeMap<Tsid, Collector>,
    tsid: Tsid,
) -> Result<&'a mut Collector, ParseError> {
    if found.len() >= MAX_TSIDS && !found.contains_key(&tsid) {
        return Err(scanner.fail(Problem::TooManyTsids));
    }
    Ok(found.entry(tsid).or_default())
}

/// Reads `5` or `5-9`.
fn read_range(scanner: &mut Scanner<'_>) -> Result<Interval, ParseError> {
    let start = scanner.place();
    let first = read_number(scanner)?;
    if first == 0 {
        return Err(scanner.fail_at(Problem::ZeroNumber, start));
    }
    scanner.skip_white_space();
    let last = if scanner.take(b'-') {
        scanner.skip_white_space();
        read_number(scanner)?
    } else {
        first
    };
    Interval::new(first, last)
        .ok_or_else(|| scanner.fail_at(Problem::ReversedRange { first, last }, start))
}

/// Reads a number up to [`MAX_SEQUENCE`].
fn read_number(scanner: &mut Scanner<'_>) -> Result<u64, ParseError> {
    let start = scanner.place();
    let problem = match scanner.number() {
        Ok(number) if number <= MAX_SEQUENCE => return Ok(number),
        Ok(_) | Err(NumberError::Overflow) => Problem::NumberTooLarge,
        Err(NumberError::Missing) => Problem::ExpectedNumber,
    };
    Err(scanner.fail_at(problem, start))
}
