use std::time::Duration;

use super::{BeatPolicy, Standing};

/// Over which connection something was heard, or not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The one that is kept.
    Kept,
    /// One that was opened for this.
    New,
}

/// How a vigil ended: a connection over which the server waits in a statement, while a request lies unread in its socket. A kernel
/// resets such a connection when the process dies; a server that closes it by itself shuts it down first, and we hear its
/// end (measured on MariaDB 10.11, MySQL 5.6 and 9.7, with SIGTERM, `SHUTDOWN`, SIGKILL, SIGABRT and SIGSEGV: no exception).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VigilEnd {
    /// The server closed it: it goes down in order, or somebody ended the session.
    InOrder,
    /// It was reset: nobody was there any more to close it.
    Cut,
    /// It was given up, for whatever reason of ours.
    Unknown,
}

/// What a server said before it closed a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// Nothing.
    None,
    /// An error packet with this number.
    Error(u16),
}

impl Farewell {
    /// Whether the server said that it is going down: 1053, *Server shutdown in progress*, of MySQL and MariaDB.
    pub fn is_going_down(self) -> bool {
        self == Self::Error(SHUTDOWN)
    }
}

/// One thing that was heard of a primary, or not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A packet.
    Packet {
        /// Over which connection.
        over: Over,
        /// The number of the error with which it refuses us; `None` when it does not.
        refusal: Option<u16>,
        /// Whether a connection is kept now.
        keeps: bool,
    },
    /// The kept connection was closed or reset by the other side.
    Closed(Farewell),
    /// A new connection was refused or reset before anything was said over it.
    Refused,
    /// No packet came in time.
    Nothing {
        /// Over which connection.
        over: Over,
        /// When it was asked, or begun to be opened.
        asked: Duration,
    },
    /// There is a vigil now.
    VigilStands,
    /// The vigil ended.
    VigilEnded(VigilEnd),
    /// It could not be tried for a reason of our own: no address for the name, no more sockets.
    NotTried,
}

/// What is known of one primary by its beats. Every packet begins it anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// A packet came once; before that nothing is concluded.
    was_heard: bool,
    refusal: Option<u16>,
    /// There was a connection to be closed.
    has_kept: bool,
    /// When the first beat that failed since the last packet was sent, or the connection closed.
    failing_since: Option<Duration>,
    closed_at: Option<Duration>,
    refusals: u32,
    is_kept_silent: bool,
    is_new_silent: bool,
    has_vigil: bool,
    /// The vigil was cut: it did not go down in order.
    was_cut: bool,
    /// It said that it was going down, or closed the vigil in order.
    going_down_since: Option<Duration>,
    /// It stopped listening while a connection was open.
    deaf_since: Option<Duration>,
}

/// Refused connections that stand for a closed one, where the server lets us keep none.
const REFUSALS_ALONE: u32 = 3;

/// *Server shutdown in progress.*
const SHUTDOWN: u16 = 1053;

impl Watch {
    /// Takes in what was heard at `now`.
    pub fn hear(&mut self, heard: Heard, now: Duration) {
        match heard {
            Heard::Packet {
                over,
                refusal,
                keeps,
            } => self.hear_packet(over, refusal, keeps, now),
            Heard::Closed(farewell) => {
                self.closed_at.get_or_insert(now);
                self.failing_since.get_or_insert(now);
                if farewell.is_going_down() {
                    self.going_down_since.get_or_insert(now);
                }
            }
            Heard::Refused => {
                self.failing_since.get_or_insert(now);
                self.refusals = self.refusals.saturating_add(1);
                if self.has_kept && self.closed_at.is_none() {
                    self.deaf_since.get_or_insert(now);
                }
            }
            Heard::Nothing { over, asked } => {
                self.failing_since.get_or_insert(asked.min(now));
                match over {
                    Over::Kept => self.is_kept_silent = true,
                    Over::New => self.is_new_silent = true,
                }
            }
            Heard::VigilStands => self.has_vigil = true,
            Heard::VigilEnded(end) => {
                self.has_vigil = false;
                match end {
                    VigilEnd::InOrder => {
                        self.going_down_since.get_or_insert(now);
                    }
                    VigilEnd::Cut => self.was_cut = true,
                    VigilEnd::Unknown => {}
                }
            }
            Heard::NotTried => {}
        }
    }

    /// Everything that was known before is answered by it, but one thing: a server that goes down goes on answering over
    /// connections that it has not closed yet.
    fn hear_packet(&mut self, over: Over, refusal: Option<u16>, keeps: bool, now: Duration) {
        let said = (refusal == Some(SHUTDOWN)).then_some(now);
        let known = self.going_down_since.filter(|_| over == Over::Kept);
        *self = Self {
            was_heard: true,
            refusal,
            has_kept: keeps,
            has_vigil: self.has_vigil,
            going_down_since: known.or(said),
            ..Self::default()
        }
    }

    /// Since when it fails to answer; `None` while it answers, or was never heard.
    pub fn failing_since(&self) -> Option<Duration> {
        self.failing_since.filter(|_| self.was_heard)
    }

    /// Since when it says nothing; `None` while anything comes over our link, be it that a connection is closed or refused.
    pub fn silent_since(&self) -> Option<Duration> {
        let is_silent = self.is_kept_silent || self.is_new_silent;
        let came_back = self.closed_at.is_some() || self.refusals > 0;
        self.failing_since().filter(|_| is_silent && !came_back)
    }

    /// How it stands at `now`, as far as its own beats tell.
    pub fn standing(&self, now: Duration, policy: &BeatPolicy) -> Standing {
        if !self.was_heard {
            return Standing::Unknown;
        }
        let Some(since) = self.failing_since else {
            return Standing::Alive {
                refusal: self.refusal,
            };
        };
        let was_lost = match (self.has_kept, self.closed_at) {
            (true, Some(at)) => self.refusals > 0 && !self.awaits_vigil(at, now),
            (true, None) => false,
            (false, _) => self.refusals >= REFUSALS_ALONE,
        };
        let is_closed = self.closed_at.is_some() || !self.has_kept;
        let is_mute = self.is_new_silent && (self.is_kept_silent || is_closed);
        if was_lost {
            Standing::Gone
        } else if is_mute && now.saturating_sub(since) >= policy.silence {
            Standing::Silent
        } else if is_mute
            && now.saturating_sub(since) + BeatPolicy::RECONNECTS_WITHIN >= policy.silence
        {
            Standing::Mute
        } else {
            Standing::Doubt
        }
    }

    /// Whether the vigil has a moment more to say whether this is a crash.
    fn awaits_vigil(&self, closed_at: Duration, now: Duration) -> bool {
        self.has_vigil && now.saturating_sub(closed_at) < BeatPolicy::VIGIL_WITHIN
    }

    /// How much is left of the time that a primary gets to come back which went down in an orderly way; `None` where it did
    /// not, or the time is over. `served_at` is when a replica was last connected to it: MySQL keeps those for eight seconds of
    /// its shutdown (seen on 9.7), and only then is it down.
    pub fn restart_left(
        &self,
        now: Duration,
        served_at: Option<Duration>,
        policy: &BeatPolicy,
    ) -> Option<Duration> {
        if self.was_cut {
            return None;
        }
        let began = self.going_down_since.or_else(|| self.deaf_on_purpose())?;
        let since = served_at.map_or(began, |served| served.max(began));
        let until = since.saturating_add(policy.restart_grace);
        until.checked_sub(now).filter(|left| !left.is_zero())
    }

    /// Since when it listens no more, where it kept connections open for longer than a process that dies: that loses its
    /// listener and its connections in one moment.
    fn deaf_on_purpose(&self) -> Option<Duration> {
        let closed = self.closed_at;
        self.deaf_since.filter(|since| {
            closed.is_none_or(|at| at.saturating_sub(*since) >= BeatPolicy::VIGIL_WITHIN)
        })
    }
}
