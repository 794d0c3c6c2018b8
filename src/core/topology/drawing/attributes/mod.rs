//! The table of attributes. Its order is the order in which they are printed and take effect, whatever the order in a
//! text: what comes earlier gives what comes later its default (a version its GTIDs, `io=connecting` its error).
//!
//! Each row writes the whole state of its aspect as one word, and reads that word back. That is what makes printing
//! exact: a word is printed where it differs from what the line would say without it.

mod binlog;
mod gtid;
mod link;
mod probe;
mod semi_sync;
mod server;

use super::draft::{Draft, Scope};

/// What a server must have for an attribute to say something of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// Nothing: also for a server that is not known.
    Nothing,
    /// A record in the picture.
    Record,
    /// A good probe.
    Seen,
    /// A good probe and a replication link.
    Link,
}

/// Why a word cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Misread {
    /// Its value is none that the attribute takes.
    Value,
    /// It names a server that no line has.
    Name(String),
}

/// One row.
pub(super) struct Attribute {
    /// Words that begin it. A version has none: it begins with a digit.
    pub names: &'static [&'static str],
    /// How it is written, after "is written".
    pub expects: &'static str,
    pub needs: Needs,
    /// The word for the state of `draft`; `None` where it has nothing to say.
    pub write: fn(&Draft, &Scope<'_>) -> Option<String>,
    /// Puts `draft` into the state of a word.
    pub read: fn(&mut Draft, &Scope<'_>, Said<'_>) -> Result<(), Misread>,
}

/// A word: its name and value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said<'a> {
    pub name: &'a str,
    pub value: Option<&'a str>,
}

impl<'a> Said<'a> {
    /// The value, which it must have.
    fn some(self) -> Result<&'a str, Misread> {
        self.value.ok_or(Misread::Value)
    }

    /// Nothing, which it must have as value.
    fn none(self) -> Result<(), Misread> {
        match self.value {
            None => Ok(()),
            Some(_) => Err(Misread::Value),
        }
    }

    /// The value, read by `read`.
    fn parsed<T>(self, read: impl Fn(&str) -> Option<T>) -> Result<T, Misread> {
        read(self.some()?).ok_or(Misread::Value)
    }
}

/// All rows, in order.
pub(super) fn rows() -> impl Iterator<Item = &'static Attribute> {
    [
        server::ROWS,
        binlog::ROWS,
        gtid::ROWS,
        link::ROWS,
        semi_sync::ROWS,
        probe::ROWS,
    ]
    .into_iter()
    .flatten()
}

/// Position and row that a word belongs to.
pub(super) fn find(name: &str) -> Option<(usize, &'static Attribute)> {
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        return rows().enumerate().find(|(_, row)| row.names.is_empty());
    }
    rows()
        .enumerate()
        .find(|(_, row)| row.names.contains(&name))
}

/// The name most like `word`, when one is like it at all: at most two letters away.
pub(super) fn nearest(word: &str) -> Option<&'static str> {
    rows()
        .flat_map(|row| row.names)
        .map(|name| (distance(word, name), *name))
        .filter(|(distance, name)| *distance <= 2 && *distance < name.len())
        .min()
        .map(|(_, name)| name)
}

/// Levenshtein distance; words are short.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().take(40).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, cb) in b.iter().enumerate() {
            let cost = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
