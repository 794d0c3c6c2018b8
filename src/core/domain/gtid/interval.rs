use std::fmt;

/// The largest transaction number of MySQL: 2^63 - 2 (measured: MySQL 9.7 refuses 2^63 - 1).
pub const MAX_SEQUENCE: u64 = (1 << 63) - 2;

/// Consecutive transaction numbers, both ends included. Never empty, within 1 to [`MAX_SEQUENCE`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval {
    first: u64,
    last: u64,
}

impl Interval {
    /// The numbers from `first` to `last`, or `None` when that is empty or outside of 1 to [`MAX_SEQUENCE`].
    pub fn new(first: u64, last: u64) -> Option<Self> {
        (1 <= first && first <= last && last <= MAX_SEQUENCE).then_some(Self { first, last })
    }

    /// The smallest number.
    pub fn first(self) -> u64 {
        self.first
    }

    /// The largest number.
    pub fn last(self) -> u64 {
        self.last
    }

    /// How many numbers, at least 1.
    pub fn count(self) -> u64 {
        self.last - self.first + 1
    }

    /// Whether `number` is in it.
    pub fn contains(self, number: u64) -> bool {
        self.first <= number && number <= self.last
    }

    /// Whether a later-beginning `next` overlaps this one or follows without a gap. `last + 1` cannot overflow: it is
    /// at most 2^63 - 1.
    pub(super) fn reaches(self, next: Self) -> bool {
        next.first <= self.last + 1
    }

    /// Takes in `next`, which begins no earlier and touches this one.
    pub(super) fn extend_to(&mut self, next: Self) {
        self.last = self.last.max(next.last);
    }

    /// The numbers of both.
    pub(super) fn overlap(self, other: Self) -> Option<Self> {
        Self::new(self.first.max(other.first), self.last.min(other.last))
    }

    /// The numbers before `other` begins.
    pub(super) fn before(self, other: Self) -> Option<Self> {
        Self::new(self.first, self.last.min(other.first - 1))
    }

    /// The numbers after `other` ends.
    pub(super) fn after(self, other: Self) -> Option<Self> {
        Self::new(self.first.max(other.last + 1), self.last)
    }
}

/// `5`, or `5-9`.
impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        if self.last > self.first {
            write!(f, "-{}", self.last)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
