use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use imbl::OrdMap;

use crate::domain::{InstanceKey, Timestamp};

/// How a primary stands by its beats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It was never heard over a beat: nothing is concluded.
    Unknown,
    /// It answers.
    Alive {
        /// The number of the error with which it refuses us; `None` when it does not.
        refusal: Option<u16>,
    },
    /// It has failed to answer, and that proves nothing yet.
    Doubt,
    /// Nothing comes over two connections, and it will be silent within [`BeatPolicy::RECONNECTS_WITHIN`](super::BeatPolicy): no
    /// evidence yet, and time to have a replica reconnect that is to say something by then.
    Mute,
    /// Our connection was closed, and a new one was refused.
    Gone,
    /// Nothing comes over two connections, for as long as policy says.
    Silent,
    /// It is silent, as is more than half of all that is watched: our own link, most likely.
    NotOurs,
}

impl Standing {
    /// Whether it is evidence that the primary does not live.
    pub fn is_against(self) -> bool {
        matches!(self, Self::Gone | Self::Silent)
    }
}

/// What is known of one primary by its beats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    /// How it stands.
    pub standing: Standing,
    /// Since when it answers no more, or answers again; by the wall clock of this node.
    pub since: Timestamp,
    /// It went down in an orderly way, and this is what is left of the time to come back, as of when this was told.
    pub restart_left: Option<Duration>,
    /// Its replicas are being asked now: what they last said is not what they will say.
    pub is_asking: bool,
    /// Something came to a replica of it a short while ago.
    pub is_moving: bool,
    /// Of every replica that looks connected it can be said within a second whether it stands still.
    pub is_soon_known: bool,
    /// A replica that is being told to reconnect: that it is not connected says nothing now.
    pub reconnecting: Option<InstanceKey>,
    /// A replica that was told to reconnect, and could not: it speaks for all to which nothing comes.
    pub spoken_by: Option<InstanceKey>,
    /// Replicas whose receivers look connected and bring nothing, for so long that they say nothing for it any more.
    pub standing_still: Arc<BTreeSet<InstanceKey>>,
    /// Replicas to which something came less than `PrimarySilenceSeconds` before they were last asked: they speak for a silent
    /// primary, whatever became of their receivers since.
    pub heard_lately: Arc<BTreeSet<InstanceKey>>,
}

impl Beat {
    /// A beat with nothing to add.
    pub fn of(standing: Standing, since: Timestamp) -> Self {
        Self {
            standing,
            since,
            restart_left: None,
            is_asking: false,
            is_moving: false,
            is_soon_known: false,
            reconnecting: None,
            spoken_by: None,
            standing_still: Arc::default(),
            heard_lately: Arc::default(),
        }
    }
}

/// What is known of all primaries that are watched. Cloning is cheap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beats(OrdMap<InstanceKey, Beat>);

impl Beats {
    /// What is known of `key`; `None` when it has no beats.
    pub fn of(&self, key: &InstanceKey) -> Option<&Beat> {
        self.0.get(key)
    }

    /// Adds or replaces what is known of `key`.
    pub fn put(&mut self, key: InstanceKey, beat: Beat) {
        self.0.insert(key, beat);
    }

    /// Drops what is known of `key`.
    pub fn remove(&mut self, key: &InstanceKey) {
        self.0.remove(key);
    }

    /// All of them, ordered by host and port.
    pub fn iter(&self) -> impl Iterator<Item = (&InstanceKey, &Beat)> {
        self.0.iter()
    }
}
