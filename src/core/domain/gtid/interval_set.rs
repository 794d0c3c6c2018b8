use std::fmt;

use super::Interval;

/// Transaction numbers of one origin, as sorted intervals that neither overlap nor touch. Equal sets are equal values.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct IntervalSet(Vec<Interval>);

impl IntervalSet {
    /// No numbers.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The intervals, ascending.
    pub fn as_slice(&self) -> &[Interval] {
        &self.0
    }

    /// Whether it holds no number.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many numbers it holds. At most [`MAX_SEQUENCE`](super::MAX_SEQUENCE), so the sum cannot overflow.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|i| i.count()).sum()
    }

    /// The largest number.
    pub fn last(&self) -> Option<u64> {
        self.0.last().map(|i| i.last())
    }

    /// Whether it holds `number`.
    pub fn contains_number(&self, number: u64) -> bool {
        let after = self.0.partition_point(|i| i.first() <= number);
        after > 0 && self.0[after - 1].contains(number)
    }

    /// Whether it holds every number of `other`.
    pub fn contains(&self, other: &Self) -> bool {
        let mut own = self.0.iter().copied().peekable();
        other.0.iter().all(|wanted| {
            while own.next_if(|i| i.last() < wanted.first()).is_some() {}
            own.peek()
                .is_some_and(|i| i.first() <= wanted.first() && wanted.last() <= i.last())
        })
    }

    /// Whether they share a number.
    pub fn intersects(&self, other: &Self) -> bool {
        Overlaps::new(self, other).next().is_some()
    }

    /// The numbers of either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let (mut left, mut right) = (
            self.0.iter().copied().peekable(),
            other.0.iter().copied().peekable(),
        );
        let mut out = Self(Vec::with_capacity(self.0.len().max(other.0.len())));
        loop {
            let next = match (left.peek(), right.peek()) {
                (Some(l), Some(r)) if l.first() <= r.first() => left.next(),
                (_, Some(_)) => right.next(),
                (_, None) => left.next(),
            };
            match next {
                Some(interval) => out.append(interval),
                None => return out,
            }
        }
    }

    /// The numbers of both.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        Self(Overlaps::new(self, other).collect())
    }

    /// The numbers of this one that `other` lacks.
    #[must_use]
    pub fn subtract(&self, other: &Self) -> Self {
        let mut out = Vec::with_capacity(self.0.len());
        let mut cuts = other.0.iter().copied().peekable();
        for &whole in &self.0 {
            let mut rest = Some(whole);
            while let Some(piece) = rest {
                match cuts.peek().copied() {
                    Some(cut) if cut.last() < piece.first() => {
                        cuts.next();
                    }
                    Some(cut) if cut.first() <= piece.last() => {
                        out.extend(piece.before(cut));
                        rest = piece.after(cut);
                    }
                    _ => {
                        out.push(piece);
                        rest = None;
                    }
                }
            }
        }
        Self(out)
    }

    /// The numbers from 1 to its largest that it lacks: what an applier without commit order left open, or what was
    /// never there.
    #[must_use]
    pub fn gaps(&self) -> Self {
        let whole = self.last().and_then(|last| Interval::new(1, last));
        Self(whole.into_iter().collect()).subtract(self)
    }

    /// Adds one interval. Cheap at the end, where new transactions go; else it moves what comes after.
    pub fn insert(&mut self, interval: Interval) {
        if self
            .0
            .last()
            .is_none_or(|last| last.first() <= interval.first())
        {
            self.append(interval);
            return;
        }
        let from = self.0.partition_point(|i| i.last() + 1 < interval.first());
        let until = self.0.partition_point(|i| i.first() <= interval.last() + 1);
        let touched = &self.0[from..until];
        let first = touched
            .first()
            .map_or(interval.first(), |i| i.first().min(interval.first()));
        let last = touched
            .last()
            .map_or(interval.last(), |i| i.last().max(interval.last()));
        let merged = Interval::new(first, last)
            .expect("it holds at least the given interval, and both ends are valid numbers");
        self.0.splice(from..until, [merged]);
    }

    /// All numbers, ascending.
    pub fn numbers(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().flat_map(|i| i.first()..=i.last())
    }

    /// Adds an interval that begins no earlier than the last one does.
    fn append(&mut self, interval: Interval) {
        match self.0.last_mut() {
            Some(last) if last.reaches(interval) => last.extend_to(interval),
            _ => self.0.push(interval),
        }
    }
}

impl From<Interval> for IntervalSet {
    fn from(interval: Interval) -> Self {
        Self(vec![interval])
    }
}

impl FromIterator<Interval> for IntervalSet {
    /// From intervals in any order, overlapping or not.
    fn from_iter<I: IntoIterator<Item = Interval>>(intervals: I) -> Self {
        let mut collector = Collector::default();
        intervals.into_iter().for_each(|i| collector.add(i));
        collector.finish()
    }
}

/// `1-5:7`, as between the colons of a GTID set. Empty for the empty set.
impl fmt::Display for IntervalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, interval) in self.0.iter().enumerate() {
            write!(f, "{}{interval}", if index == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for IntervalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{self}]")
    }
}

/// The overlaps of two sets, ascending. They never touch, because the intervals of one set never do.
struct Overlaps<'a> {
    left: &'a [Interval],
    right: &'a [Interval],
}

impl<'a> Overlaps<'a> {
    fn new(left: &'a IntervalSet, right: &'a IntervalSet) -> Self {
        Self {
            left: &left.0,
            right: &right.0,
        }
    }
}

impl Iterator for Overlaps<'_> {
    type Item = Interval;

    fn next(&mut self) -> Option<Interval> {
        loop {
            let (left, right) = (*self.left.first()?, *self.right.first()?);
            if left.last() <= right.last() {
                self.left = &self.left[1..];
            } else {
                self.right = &self.right[1..];
            }
            if let Some(overlap) = left.overlap(right) {
                return Some(overlap);
            }
        }
    }
}

/// Gathers intervals in any order. What arrives ascending, as from a server, is merged at once; the rest is sorted
/// whenever it has doubled, so that a text repeating the same numbers stays as small as their set.
#[derive(Debug, Default)]
pub(super) struct Collector {
    found: IntervalSet,
    is_shuffled: bool,
    sort_above: usize,
}

/// Below this many intervals (16 KiB) it is not worth sorting in between.
const SORT_FLOOR: usize = 1024;

impl Collector {
    pub(super) fn add(&mut self, interval: Interval) {
        if self
            .found
            .0
            .last()
            .is_none_or(|last| last.first() <= interval.first())
        {
            self.found.append(interval);
            return;
        }
        self.found.0.push(interval);
        self.is_shuffled = true;
        if self.found.0.len() > self.sort_above.max(SORT_FLOOR) {
            self.sort();
            self.sort_above = 2 * self.found.0.len();
        }
    }

    pub(super) fn finish(mut self) -> IntervalSet {
        self.sort();
        self.found
    }

    /// Intervals in memory now.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.found.0.len()
    }

    fn sort(&mut self) {
        if !self.is_shuffled {
            return;
        }
        self.found.0.sort_unstable();
        self.found.0.dedup_by(|next, kept| {
            let touches = kept.reaches(*next);
            if touches {
                kept.extend_to(*next);
            }
            touches
        });
        self.is_shuffled = false;
    }
}
