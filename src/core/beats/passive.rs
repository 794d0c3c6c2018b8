use std::time::Duration;

use crate::domain::{BinlogPosition, Observation, ReplicationLink};

/// For how long something that came speaks for the source, where nothing is known of heartbeats.
const MOVES_FOR: Duration = Duration::from_secs(2);

/// How far a receiver has come: it moves with everything that its source sends, heartbeats included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    position: BinlogPosition,
    mariadb: String,
    retrieved: String,
    heartbeats: Option<u64>,
}

impl Received {
    /// As `link` shows it.
    pub fn of(link: &ReplicationLink) -> Self {
        Self {
            position: link.received.clone(),
            mariadb: link.mariadb_received.clone(),
            retrieved: link.retrieved.clone(),
            heartbeats: link.heartbeats_received,
        }
    }
}

/// What the receiver of one replica shows about a source that we do not hear: whether anything comes.
///
/// A source that lives sends a heartbeat after each heartbeat period in which it sends nothing else. So nothing for two
/// periods speaks against it, and something within that time for it. Where the period is not known, or there is none, this never
/// speaks against anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passive {
    received: Received,
    /// Whether it looked connected; nothing can come to one that is not.
    is_connected: bool,
    /// When it was first seen like that, of those times that it was looked at since the first beat that failed, and since it is connected.
    still_since: Duration,
    seen_at: Duration,
    /// When it was last seen that something had come.
    moved_at: Option<Duration>,
    period: Option<Duration>,
}

impl Passive {
    /// What `seen` shows before anything else; `asked` is when it began to be looked at, at or after the first beat that failed.
    /// `None` for a server that replicates from nobody.
    pub fn first(seen: &Observation, asked: Duration) -> Option<Self> {
        let link = seen.replication.as_ref()?;
        Some(Self {
            received: Received::of(link),
            is_connected: link.receiver.is_running(),
            still_since: asked,
            seen_at: asked,
            moved_at: None,
            period: link.heartbeat_period.filter(|period| !period.is_zero()),
        })
    }

    /// Takes in a later look.
    pub fn again(&mut self, seen: &Observation, asked: Duration) {
        let Some(now) = Self::first(seen, asked) else {
            return;
        };
        let has_connected = now.is_connected && !self.is_connected;
        if now.received != self.received || has_connected {
            // Whom it has just connected to answers.
            *self = Self {
                moved_at: Some(asked),
                ..now
            };
        } else if now.is_connected {
            self.seen_at = self.seen_at.max(asked);
            self.period = now.period;
        } else {
            *self = Self {
                moved_at: self.moved_at,
                ..now
            };
        }
    }

    /// Whether nothing has come for two heartbeat periods, as far as it was looked at.
    pub fn stands_still(&self) -> bool {
        let still = self.seen_at.saturating_sub(self.still_since);
        self.period
            .is_some_and(|period| still >= period.saturating_mul(2))
    }

    /// Whether something was seen to come in the last while.
    pub fn moves(&self, now: Duration) -> bool {
        self.has_moved_within(MOVES_FOR, now)
    }

    /// Whether something was seen to come in so long a time before `now`, also to a receiver that is not connected any more.
    pub fn has_moved_within(&self, length: Duration, now: Duration) -> bool {
        let ago = self.moved_at.map(|at| now.saturating_sub(at));
        ago.is_some_and(|ago| ago < length)
    }

    /// How long after `now` it can be said that nothing has come for two heartbeat periods; `None` where that is never known.
    pub fn due_in(&self, now: Duration) -> Option<Duration> {
        let due = self
            .still_since
            .saturating_add(self.period?.saturating_mul(2));
        Some(due.saturating_sub(now))
    }
}
