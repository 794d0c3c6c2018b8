use std::cmp::Ordering;

use super::{Interval, IntervalSet, Relation, ServerUuid, Tsid};

/// One transaction of MySQL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OracleGtid {
    /// Who numbered it.
    pub tsid: Tsid,
    /// Its number, from 1.
    pub number: u64,
}

/// A set of transactions of MySQL or Percona Server: `gtid_executed`, `gtid_purged`, `Retrieved_Gtid_Set`.
///
/// Equal sets are equal values, whatever text they were read from. [`Display`](std::fmt::Display) prints what the
/// server prints.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct OracleGtidSet {
    /// Sorted by origin, one line for each, none empty.
    lines: Vec<Line>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Line {
    tsid: Tsid,
    numbers: IntervalSet,
}

impl OracleGtidSet {
    /// The empty set.
    pub const fn new() -> Self {
        Self { lines: Vec::new() }
    }

    /// From its parts, in any order, also repeated.
    pub fn from_parts(parts: impl IntoIterator<Item = (Tsid, IntervalSet)>) -> Self {
        let mut set = Self::new();
        for (tsid, numbers) in parts {
            set.add(tsid, |own| *own = own.union(&numbers));
        }
        set
    }

    /// From parts that are sorted and differ, as from a sorted map.
    pub(super) fn from_sorted(parts: impl Iterator<Item = (Tsid, IntervalSet)>) -> Self {
        Self {
            lines: parts
                .filter(|(_, numbers)| !numbers.is_empty())
                .map(|(tsid, numbers)| Line { tsid, numbers })
                .collect(),
        }
    }

    /// Its parts, sorted as the server prints them.
    pub fn parts(&self) -> impl Iterator<Item = (&Tsid, &IntervalSet)> {
        self.lines.iter().map(|line| (&line.tsid, &line.numbers))
    }

    /// The server UUIDs it names, sorted, each once.
    pub fn uuids(&self) -> impl Iterator<Item = ServerUuid> + '_ {
        self.lines
            .chunk_by(|a, b| a.tsid.uuid == b.tsid.uuid)
            .map(|chunk| chunk[0].tsid.uuid)
    }

    /// Whether it holds no transaction.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// How many transactions it holds.
    pub fn count(&self) -> u128 {
        self.lines
            .iter()
            .map(|line| u128::from(line.numbers.count()))
            .sum()
    }

    /// How many intervals it holds: what its operations cost.
    pub fn interval_count(&self) -> usize {
        self.lines
            .iter()
            .map(|line| line.numbers.as_slice().len())
            .sum()
    }

    /// The numbers of one origin.
    pub fn numbers_of(&self, tsid: &Tsid) -> Option<&IntervalSet> {
        self.find(tsid).ok().map(|at| &self.lines[at].numbers)
    }

    /// The largest number of one origin.
    pub fn last_of(&self, tsid: &Tsid) -> Option<u64> {
        self.numbers_of(tsid).and_then(IntervalSet::last)
    }

    /// Whether it holds this transaction.
    pub fn contains_gtid(&self, gtid: &OracleGtid) -> bool {
        self.numbers_of(&gtid.tsid)
            .is_some_and(|numbers| numbers.contains_number(gtid.number))
    }

    /// Whether it holds every transaction of `other`. `GTID_SUBSET(other, self)`.
    pub fn contains(&self, other: &Self) -> bool {
        self.paired(other).all(|pair| match pair {
            Pair::Left(_) => true,
            Pair::Right(_) => false,
            Pair::Both(own, wanted) => own.numbers.contains(&wanted.numbers),
        })
    }

    /// Whether they share a transaction.
    pub fn intersects(&self, other: &Self) -> bool {
        self.paired(other)
            .any(|pair| matches!(pair, Pair::Both(l, r) if l.numbers.intersects(&r.numbers)))
    }

    /// The transactions of either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.combine(other, |pair| match pair {
            Pair::Left(line) | Pair::Right(line) => line.numbers.clone(),
            Pair::Both(left, right) => left.numbers.union(&right.numbers),
        })
    }

    /// The transactions of both.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        self.combine(other, |pair| match pair {
            Pair::Left(_) | Pair::Right(_) => IntervalSet::new(),
            Pair::Both(left, right) => left.numbers.intersect(&right.numbers),
        })
    }

    /// The transactions of this one that `other` lacks. `GTID_SUBTRACT(self, other)`.
    #[must_use]
    pub fn subtract(&self, other: &Self) -> Self {
        self.combine(other, |pair| match pair {
            Pair::Left(line) => line.numbers.clone(),
            Pair::Right(_) => IntervalSet::new(),
            Pair::Both(left, right) => left.numbers.subtract(&right.numbers),
        })
    }

    /// Without everything that began at these servers, tagged or not.
    #[must_use]
    pub fn without_uuids(&self, uuids: &[ServerUuid]) -> Self {
        Self {
            lines: self
                .lines
                .iter()
                .filter(|line| !uuids.contains(&line.tsid.uuid))
                .cloned()
                .collect(),
        }
    }

    /// Only what began at these servers, tagged or not.
    #[must_use]
    pub fn only_uuids(&self, uuids: &[ServerUuid]) -> Self {
        Self {
            lines: self
                .lines
                .iter()
                .filter(|line| uuids.contains(&line.tsid.uuid))
                .cloned()
                .collect(),
        }
    }

    /// What a replica with this set has and must not have: neither on its `source`, nor begun at one of its
    /// `ancestors` (the source, the source's source and so on up to the primary).
    ///
    /// The ancestors' own transactions are left out because the two sets are read at different moments: a replica
    /// read later than its source has transactions that the source's older reading lacks. For a pair of co-primaries the
    /// caller adds the replica's own UUID, as the other one replicates from it.
    #[must_use]
    pub fn errant(&self, source: &Self, ancestors: &[ServerUuid]) -> Self {
        self.without_uuids(ancestors).subtract(source)
    }

    /// The numbers below each origin's largest that it lacks.
    #[must_use]
    pub fn gaps(&self) -> Self {
        Self::from_sorted(
            self.lines
                .iter()
                .map(|line| (line.tsid.clone(), line.numbers.gaps())),
        )
    }

    /// How it stands to `other`.
    pub fn relation(&self, other: &Self) -> Relation {
        Relation::from_missing(self.subtract(other).count(), other.subtract(self).count())
    }

    /// Adds transactions of one origin.
    pub fn insert(&mut self, tsid: Tsid, interval: Interval) {
        self.add(tsid, |own| own.insert(interval));
    }

    /// Every transaction, in the order of the text. There may be 2^63 of one origin: take a bounded number.
    pub fn gtids(&self) -> impl Iterator<Item = OracleGtid> + '_ {
        self.lines.iter().flat_map(|line| {
            line.numbers.numbers().map(|number| OracleGtid {
                tsid: line.tsid.clone(),
                number,
            })
        })
    }

    fn find(&self, tsid: &Tsid) -> Result<usize, usize> {
        self.lines.binary_search_by(|line| line.tsid.cmp(tsid))
    }

    fn add(&mut self, tsid: Tsid, change: impl FnOnce(&mut IntervalSet)) {
        match self.find(&tsid) {
            Ok(at) => change(&mut self.lines[at].numbers),
            Err(at) => {
                let mut numbers = IntervalSet::new();
                change(&mut numbers);
                if !numbers.is_empty() {
                    self.lines.insert(at, Line { tsid, numbers });
                }
            }
        }
    }

    fn combine(&self, other: &Self, numbers: impl Fn(Pair<'_>) -> IntervalSet) -> Self {
        Self::from_sorted(
            self.paired(other)
                .map(|pair| (pair.tsid().clone(), numbers(pair))),
        )
    }

    /// The lines of both, matched by origin, ascending.
    fn paired<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = Pair<'a>> {
        let mut left = self.lines.iter().peekable();
        let mut right = other.lines.iter().peekable();
        std::iter::from_fn(move || {
            let order = match (left.peek(), right.peek()) {
                (Some(l), Some(r)) => l.tsid.cmp(&r.tsid),
                (Some(_), None) => Ordering::Less,
                (None, _) => Ordering::Greater,
            };
            match order {
                Ordering::Less => left.next().map(Pair::Left),
                Ordering::Greater => right.next().map(Pair::Right),
                Ordering::Equal => left.next().zip(right.next()).map(|(l, r)| Pair::Both(l, r)),
            }
        })
    }
}

/// The line of an origin in one set, the other, or both.
#[derive(Clone, Copy)]
enum Pair<'a> {
    Left(&'a Line),
    Right(&'a Line),
    Both(&'a Line, &'a Line),
}

impl<'a> Pair<'a> {
    fn tsid(self) -> &'a Tsid {
        match self {
            Pair::Left(line) | Pair::Right(line) | Pair::Both(line, _) => &line.tsid,
        }
    }
}
