use std::fmt;
use std::str::FromStr;

use super::{MariadbGap, MariadbGtid, MariadbPosition, ParseError, Problem};

/// `gtid_binlog_state` of MariaDB: for each domain, the last transaction of every server that ever wrote to it.
///
/// It is what a source decides with whether it can serve a replica, so it finds divergence that positions hide: when
/// two servers wrote apart from each other, each has an entry that the other lacks, however far both went on.
///
/// The text does not tell which entry of a domain is the newest: the server sorts it by domain only, and the order
/// within one changes (measured: MariaDB 10.11). Here the highest number counts as the newest, which is so
/// unless numbers were set by hand; `gtid_binlog_pos` is the server's own answer.
///
/// It lives with the binary log: a server without binary log has none, `RESET MASTER` empties it, and a
/// server with `log_slave_updates` off lists only its own writes.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct MariadbBinlogState {
    /// Sorted by domain and server, each pair once.
    gtids: Vec<MariadbGtid>,
}

/// Why a source refuses a replica at a position, in one domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StartProblem {
    /// The source has not got that far: it is behind, or the replica wrote by itself (error 1236 of the receiver).
    NotReached {
        /// The replica's last transaction.
        asked: MariadbGtid,
        /// The source's last one in that domain.
        last: MariadbGtid,
    },
    /// The source has higher numbers in that domain, but not this transaction: the histories differ (error 1236, "the slave has diverged").
    Diverged {
        /// The replica's last transaction.
        asked: MariadbGtid,
        /// The source's last one in that domain.
        last: MariadbGtid,
    },
}

impl MariadbBinlogState {
    /// Reads `0-7-12,0-9-15,3-9-2`.
    ///
    /// # Errors
    /// [`ParseError`]: what is wrong, and at which character. A server named twice in one domain is wrong.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let mut listed = MariadbGtid::scan_list(text)?;
        listed.sort_by_key(|(_, gtid)| (gtid.domain, gtid.server_id));
        let same =
            |a: MariadbGtid, b: MariadbGtid| (a.domain, a.server_id) == (b.domain, b.server_id);
        if let Some([_, (place, twice)]) = listed.array_windows().find(|[a, b]| same(a.1, b.1)) {
            let MariadbGtid {
                domain, server_id, ..
            } = *twice;
            return Err(ParseError::new(
                Problem::DuplicateServer { domain, server_id },
                text,
                *place,
            ));
        }
        Ok(Self {
            gtids: listed.into_iter().map(|(_, gtid)| gtid).collect(),
        })
    }

    /// Every entry, by domain and server.
    pub fn gtids(&self) -> &[MariadbGtid] {
        &self.gtids
    }

    /// Whether nothing was logged yet.
    pub fn is_empty(&self) -> bool {
        self.gtids.is_empty()
    }

    /// `gtid_binlog_pos`: the newest transaction of each domain, which is taken to be the one with the highest number.
    pub fn position(&self) -> MariadbPosition {
        let by_domain = self.gtids.chunk_by(|a, b| a.domain == b.domain);
        let newest = by_domain.filter_map(|domain| {
            domain
                .iter()
                .copied()
                .max_by_key(|gtid| (gtid.sequence, gtid.server_id))
        });
        MariadbPosition::from_sorted(newest.filter(|gtid| gtid.sequence > 0).collect())
    }

    /// The last transaction of one server in one domain.
    pub fn last_of(&self, domain: u32, server_id: u32) -> Option<MariadbGtid> {
        let found = self
            .gtids
            .binary_search_by_key(&(domain, server_id), |gtid| (gtid.domain, gtid.server_id));
        found.ok().map(|at| self.gtids[at])
    }

    /// Whether the binary log has, or had before it was purged, this transaction: the server's own test.
    pub fn holds(&self, gtid: MariadbGtid) -> bool {
        self.last_of(gtid.domain, gtid.server_id)
            .is_some_and(|last| last.sequence >= gtid.sequence)
    }

    /// Whether this server, as a source, would serve a replica that stands at `replica`, by the test that MariaDB 10.11
    /// makes; `own_slave_pos` is this server's `gtid_slave_pos`, for a former replica that did not log what it
    /// applied. Empty: yes.
    ///
    /// A domain that the source never saw is no reason against it. Binary logs that were purged meanwhile are not seen here: the
    /// state keeps what they had.
    pub fn start_problems(
        &self,
        replica: &MariadbPosition,
        own_slave_pos: &MariadbPosition,
    ) -> Vec<StartProblem> {
        let position = self.position();
        let problems = replica.gtids().iter().filter_map(|&asked| {
            if self.holds(asked) || own_slave_pos.last_of(asked.domain) == Some(asked) {
                return None;
            }
            let last = position.last_of(asked.domain)?;
            let is_past = asked.sequence <= last.sequence;
            Some(if is_past {
                StartProblem::Diverged { asked, last }
            } else {
                StartProblem::NotReached { asked, last }
            })
        });
        problems.collect()
    }

    /// What a replica with this state logged and must not have: entries beyond those of `source`, except of the
    /// servers `ancestors` (the source, its source and so on), whose newer transactions only mean that the source was
    /// read earlier. The counts are upper bounds, as other servers' transactions may lie between.
    pub fn errant(&self, source: &Self, ancestors: &[u32]) -> Vec<MariadbGap> {
        let own = self
            .gtids
            .iter()
            .filter(|gtid| gtid.sequence > 0 && !ancestors.contains(&gtid.server_id));
        let missing = own.filter(|gtid| !source.holds(**gtid));
        missing
            .map(|&to| MariadbGap {
                after: source.last_of(to.domain, to.server_id),
                to,
            })
            .collect()
    }
}

impl fmt::Display for StartProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReached { asked, last } => write!(
                f,
                "{asked} is asked for, and the source has only come to {last}"
            ),
            Self::Diverged { asked, last } => {
                write!(
                    f,
                    "{asked} is asked for, which the source never had although it has come to {last}: they have diverged"
                )
            }
        }
    }
}

impl FromStr for MariadbBinlogState {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::parse(text)
    }
}

/// As the server prints it, but sorted within a domain too.
impl fmt::Display for MariadbBinlogState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, gtid) in self.gtids.iter().enumerate() {
            write!(f, "{}{gtid}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl fmt::Debug for MariadbBinlogState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
