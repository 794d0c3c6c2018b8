use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use super::scanner::{NumberError, Scanner};
use super::{ParseError, Problem, Relation};

/// One transaction of MariaDB, `DOMAIN-SERVER-NUMBER`. Within a domain the numbers grow over all servers that write to
/// it, so the domain and the number say which transaction it is, and the server says who began it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MariadbGtid {
    /// The replication domain, an independent stream.
    pub domain: u32,
    /// The `server_id` it began at.
    pub server_id: u32,
    /// Its sequence number in the domain.
    pub sequence: u64,
}

impl MariadbGtid {
    /// Reads a list of GTIDs. White space around each is dropped; the server takes less of it.
    pub(super) fn scan_list(text: &str) -> Result<Vec<(usize, Self)>, ParseError> {
        let mut scanner = Scanner::new(text)?;
        let mut gtids = Vec::new();
        scanner.skip_white_space();
        while !scanner.is_at_end() {
            gtids.push((scanner.place(), Self::scan(&mut scanner)?));
            scanner.skip_white_space();
            if !scanner.take(b',') {
                break;
            }
            scanner.skip_white_space();
            if scanner.is_at_end() {
                return Err(scanner.fail(Problem::ExpectedNumber));
            }
        }
        if scanner.is_at_end() {
            Ok(gtids)
        } else {
            Err(scanner.fail(Problem::ExpectedEnd))
        }
    }

    fn scan(scanner: &mut Scanner<'_>) -> Result<Self, ParseError> {
        let domain = part_u32(scanner, "domain id")?;
        expect_dash(scanner)?;
        let server_id = part_u32(scanner, "server id")?;
        expect_dash(scanner)?;
        let sequence = part(scanner, "sequence number", u64::MAX)?;
        Ok(Self {
            domain,
            server_id,
            sequence,
        })
    }
}

fn expect_dash(scanner: &mut Scanner<'_>) -> Result<(), ParseError> {
    if scanner.take(b'-') {
        Ok(())
    } else {
        Err(scanner.fail(Problem::ExpectedDash))
    }
}

fn part_u32(scanner: &mut Scanner<'_>, name: &'static str) -> Result<u32, ParseError> {
    let value = part(scanner, name, u64::from(u32::MAX))?;
    Ok(u32::try_from(value).expect("it was compared with the largest u32"))
}

fn part(scanner: &mut Scanner<'_>, part: &'static str, max: u64) -> Result<u64, ParseError> {
    let start = scanner.place();
    match scanner.number() {
        Ok(value) if value <= max => Ok(value),
        Ok(_) | Err(NumberError::Overflow) => {
            Err(scanner.fail_at(Problem::PartTooLarge { part, max }, start))
        }
        Err(NumberError::Missing) => Err(scanner.fail(Problem::ExpectedNumber)),
    }
}

impl fmt::Display for MariadbGtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.domain, self.server_id, self.sequence)
    }
}

impl fmt::Debug for MariadbGtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A position of MariaDB: the last transaction of each domain, `0-1-100,1-2-5`. Everything before it in that domain
/// is taken to be there as well.
///
/// # Which position says what
/// - `gtid_slave_pos`: the last transaction applied *as a replica*. It survives in a table and knows nothing of what the
///   server wrote itself, so on a former primary it is old.
/// - `gtid_binlog_pos`: the last transaction in the server's own binary log, its own writes and, with
///   `log_slave_updates`, the applied ones. Gone after `RESET MASTER`, and lacking what was applied unlogged.
/// - `gtid_current_pos`: of the two, per domain, the one that is really the last; [`current`](Self::current) computes it the
///   way a server does.
/// - `Gtid_IO_Pos` of the replica status: the last transaction *received*.
///
/// Compare like with like: received with received to rank contenders, and `current` to know what a
/// server has. A replica that continues with `slave_pos` ignores its own writes, which then stay as a silent
/// divergence; one with `current_pos` asks its source for them and is refused, which is how divergence shows.
///
/// # What a comparison can know
/// With `gtid_strict_mode` the numbers of a domain grow in every binary log, so a higher number is later. Without it, and
/// always when two servers wrote at the same time, two histories can use the same numbers. A position shows that only
/// where the very last transactions differ: same domain and number, other server. That counts as "neither has the
/// other". For anything deeper ask [`MariadbBinlogState`](super::MariadbBinlogState).
///
/// A number 0 (`0-1-0`, which can be set by hand) names no transaction, and the domain is left out.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct MariadbPosition {
    /// Sorted by domain, one for each, no number 0.
    last: Vec<MariadbGtid>,
}

/// What one position has in a domain and another lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MariadbGap {
    /// The last transaction that the other has in this domain, if any.
    pub after: Option<MariadbGtid>,
    /// The last transaction that is missing there.
    pub to: MariadbGtid,
}

impl MariadbGap {
    /// The most transactions it can be. At least 1, also where the same number stands for two transactions.
    pub fn count(&self) -> u64 {
        self.to
            .sequence
            .saturating_sub(self.after.map_or(0, |after| after.sequence))
            .max(1)
    }
}

/// `0-1-100 to 0-1-105 (5 transactions at most)`; the first one is where the other stands.
impl fmt::Display for MariadbGap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.after {
            Some(after) => write!(f, "after {after} up to {}", self.to)?,
            None => write!(f, "up to {}", self.to)?,
        }
        match self.count() {
            1 => f.write_str(" (1 transaction)"),
            count => write!(f, " (at most {count} transactions)"),
        }
    }
}

impl MariadbPosition {
    /// The position before everything.
    pub const fn new() -> Self {
        Self { last: Vec::new() }
    }

    /// Reads `0-1-100,1-2-5`, in any order of domains; white space around each is dropped.
    ///
    /// # Errors
    /// [`ParseError`]: what is wrong, and at which character. A domain named twice is wrong, as for the server.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let mut gtids = MariadbGtid::scan_list(text)?;
        gtids.sort_by_key(|(_, gtid)| gtid.domain);
        if let Some([_, (place, twice)]) = gtids
            .array_windows()
            .find(|[a, b]| a.1.domain == b.1.domain)
        {
            return Err(ParseError::new(
                Problem::DuplicateDomain {
                    domain: twice.domain,
                },
                text,
                *place,
            ));
        }
        Ok(Self {
            last: gtids
                .into_iter()
                .map(|(_, gtid)| gtid)
                .filter(|gtid| gtid.sequence > 0)
                .collect(),
        })
    }

    /// The last transactions, by domain.
    pub fn gtids(&self) -> &[MariadbGtid] {
        &self.last
    }

    /// The last transaction of a domain.
    pub fn last_of(&self, domain: u32) -> Option<MariadbGtid> {
        self.last
            .binary_search_by_key(&domain, |gtid| gtid.domain)
            .ok()
            .map(|at| self.last[at])
    }

    /// Whether nothing was applied or written yet.
    pub fn is_empty(&self) -> bool {
        self.last.is_empty()
    }

    /// Records that `gtid` is now the last of its domain, as applying it does. The number 0 removes the domain.
    pub fn advance_to(&mut self, gtid: MariadbGtid) {
        match self
            .last
            .binary_search_by_key(&gtid.domain, |own| own.domain)
        {
            Ok(at) if gtid.sequence == 0 => {
                self.last.remove(at);
            }
            Ok(at) => self.last[at] = gtid,
            Err(_) if gtid.sequence == 0 => {}
            Err(at) => self.last.insert(at, gtid),
        }
    }

    /// Whether it is at or after `other` in every domain of `other`. At the same number the server must be the same.
    pub fn contains(&self, other: &Self) -> bool {
        other.missing_in(self).is_empty()
    }

    /// What it has and `other` lacks, by domain. Where both end with the same number of different servers, each lacks the
    /// other's last transaction.
    pub fn missing_in(&self, other: &Self) -> Vec<MariadbGap> {
        let gaps = self.last.iter().filter_map(|&to| {
            let after = other.last_of(to.domain);
            let lacks = after
                .is_none_or(|after| after.sequence < to.sequence || after.has_other_origin(to));
            lacks.then_some(MariadbGap { after, to })
        });
        gaps.collect()
    }

    /// The domains in which both end with the same number of different servers: two histories, for certain.
    pub fn diverged_domains(&self, other: &Self) -> Vec<u32> {
        let both = self.last.iter().filter(|own| {
            other
                .last_of(own.domain)
                .is_some_and(|last| last.has_other_origin(**own))
        });
        both.map(|own| own.domain).collect()
    }

    /// How it stands to `other`.
    pub fn relation(&self, other: &Self) -> Relation {
        let total = |gaps: Vec<MariadbGap>| gaps.iter().map(|gap| u128::from(gap.count())).sum();
        Relation::from_missing(total(self.missing_in(other)), total(other.missing_in(self)))
    }

    /// The later of both in every domain: what is known to exist when several servers were asked. Where the numbers are
    /// the same and the servers differ, the larger server id is taken, so that the order of asking does not matter; look
    /// at [`diverged_domains`](Self::diverged_domains) first.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut out = self.clone();
        for &gtid in &other.last {
            if out
                .last_of(gtid.domain)
                .is_none_or(|own| own.cmp_in_domain(gtid) == Ordering::Less)
            {
                out.advance_to(gtid);
            }
        }
        out
    }

    /// The domains of both, each with the earlier position: what both are known to have passed, and so what no longer has to
    /// be kept for either.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        let both = self.last.iter().filter_map(|&own| {
            let last = other.last_of(own.domain)?;
            Some(if own.cmp_in_domain(last) == Ordering::Less {
                own
            } else {
                last
            })
        });
        Self {
            last: both.collect(),
        }
    }

    /// `gtid_current_pos` of the server `own_server_id`: its `gtid_slave_pos`, except in domains where the server itself
    /// wrote last, with a higher number.
    #[must_use]
    pub fn current(slave_pos: &Self, binlog_pos: &Self, own_server_id: u32) -> Self {
        let mut out = slave_pos.clone();
        for &written in binlog_pos
            .last
            .iter()
            .filter(|gtid| gtid.server_id == own_server_id)
        {
            if slave_pos
                .last_of(written.domain)
                .is_none_or(|applied| applied.sequence < written.sequence)
            {
                out.advance_to(written);
            }
        }
        out
    }

    /// From GTIDs that are sorted by domain and differ in it.
    pub(super) fn from_sorted(last: Vec<MariadbGtid>) -> Self {
        Self { last }
    }
}

impl MariadbGtid {
    fn has_other_origin(self, other: Self) -> bool {
        self.sequence == other.sequence && self.server_id != other.server_id
    }

    fn cmp_in_domain(self, other: Self) -> Ordering {
        (self.sequence, self.server_id).cmp(&(other.sequence, other.server_id))
    }
}

impl FromStr for MariadbPosition {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::parse(text)
    }
}

/// As the server prints it: sorted by domain, without white space.
impl fmt::Display for MariadbPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, gtid) in self.last.iter().enumerate() {
            write!(f, "{}{gtid}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl fmt::Debug for MariadbPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
