use std::fmt;

/// More servers than any simulated topology has.
pub const SERVERS_MAX: usize = 8;

/// One transaction: which server began it, and its number there. On MySQL a server numbers its own from 1; on MariaDB
/// numbers grow over all servers of the domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Txn {
    /// The server.
    pub origin: u8,
    /// The number.
    pub number: u64,
}

impl fmt::Display for Txn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.origin, self.number)
    }
}

/// A set of transactions: of each server all up to a number, 0 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Have([u64; SERVERS_MAX]);

impl Have {
    /// Whether it holds `txn`.
    pub fn contains(&self, txn: Txn) -> bool {
        self.0[usize::from(txn.origin)] >= txn.number
    }

    /// Adds `txn`, and with it all before it of the same server.
    pub fn add(&mut self, txn: Txn) {
        let last = &mut self.0[usize::from(txn.origin)];
        *last = (*last).max(txn.number);
    }

    /// The last number of a server; 0 for none.
    pub fn last_of(&self, origin: u8) -> u64 {
        self.0[usize::from(origin)]
    }

    /// Whether it holds all of `other`.
    pub fn covers(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(own, its)| own >= its)
    }

    /// What either holds.
    #[must_use]
    pub fn union(mut self, other: &Self) -> Self {
        for (own, its) in self.0.iter_mut().zip(&other.0) {
            *own = (*own).max(*its);
        }
        self
    }

    /// Servers with transactions in it, each with its last number.
    pub fn lasts(&self) -> impl Iterator<Item = (u8, u64)> + '_ {
        let all = (0_u8..).zip(self.0.iter().copied());
        all.filter(|(_, last)| *last > 0)
    }
}

impl fmt::Display for Have {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self
            .lasts()
            .map(|(origin, last)| format!("{origin}:..{last}"))
            .collect();
        f.write_str(&texts.join(","))
    }
}
