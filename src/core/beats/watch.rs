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
        self == Self::Error(1053)
    }
}

/// One thing that was heard of a primary, or not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A packet.
    Packet {
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
    is_closed: bool,
    refusals: u32,
    is_kept_silent: bool,
    is_new_silent: bool,
    /// It said that it was going down, or stopped listening before it closed connections.
    going_down_since: Option<Duration>,
}

/// Refused connections that stand for a closed one, where the server lets us keep none.
const REFUSALS_ALONE: u32 = 3;

impl Watch {
    /// Takes in what was heard at `now`.
    pub fn hear(&mut self, heard: Heard, now: Duration) {
        match heard {
            // Everything that was known before is answered by it.
            Heard::Packet { refusal, keeps } => {
                *self = Self {
                    was_heard: true,
                    refusal,
                    has_kept: keeps,
                    ..Self::default()
                }
            }
            Heard::Closed(farewell) => {
                self.is_closed = true;
                self.failing_since.get_or_insert(now);
                if farewell.is_going_down() {
                    self.going_down_since.get_or_insert(now);
                }
            }
            Heard::Refused => {
                self.failing_since.get_or_insert(now);
                self.refusals = self.refusals.saturating_add(1);
                // A process that is killed loses its listener and its connections in one moment.
                if self.has_kept && !self.is_closed {
                    self.going_down_since.get_or_insert(now);
                }
            }
            Heard::Nothing { over, asked } => {
                self.failing_since.get_or_insert(asked.min(now));
                match over {
                    Over::Kept => self.is_kept_silent = true,
                    Over::New => self.is_new_silent = true,
                }
            }
            Heard::NotTried => {}
        }
    }

    /// Since when it fails to answer; `None` while it answers, or was never heard.
    pub fn failing_since(&self) -> Option<Duration> {
        self.failing_since.filter(|_| self.was_heard)
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
        let was_lost = match self.has_kept {
            true => self.is_closed && self.refusals > 0,
            false => self.refusals >= REFUSALS_ALONE,
        };
        let is_mute =
            self.is_new_silent && (self.is_kept_silent || self.is_closed || !self.has_kept);
        if was_lost {
            Standing::Gone
        } else if is_mute && now.saturating_sub(since) >= policy.silence {
            Standing::Silent
        } else {
            Standing::Doubt
        }
    }

    /// How much is left of the time that a primary gets to come back which went down in an orderly way; `None` where it did
    /// not, or the time is over.
    pub fn restart_left(&self, now: Duration, policy: &BeatPolicy) -> Option<Duration> {
        let since = self.going_down_since?;
        let until = since.saturating_add(policy.restart_grace);
        until.checked_sub(now).filter(|left| !left.is_zero())
    }
}
