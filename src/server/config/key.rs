//! One configuration key as the table describes it, and the words the table is written in.
//!
//! A row is made by a constructor for its type and refined by builder calls, all `const`, so that the whole table is
//! data in the binary and a mistake in it is a compile error.

use std::ops::RangeInclusive;

/// What a value of the key must be, with the default and what else limits it.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `true` or `false`.
    Boolean {
        /// Value when no file sets it.
        default: bool,
    },
    /// A whole number within bounds, both included.
    Integer {
        /// Value when no file sets it.
        default: i64,
        /// Smallest value accepted.
        min: i64,
        /// Largest value accepted.
        max: i64,
    },
    /// Any text.
    Text {
        /// Value when no file sets it.
        default: &'static str,
    },
    /// One of a few words, matched ignoring case; an empty text stands for the default.
    Word {
        /// Value when no file sets it.
        default: &'static str,
        /// The words.
        allowed: &'static [&'static str],
    },
    /// A regular expression; empty means none.
    Pattern,
    /// A list of texts.
    Texts {
        /// Value when no file sets it.
        default: &'static [&'static str],
    },
    /// A text, or a list of at most so many.
    Secrets {
        /// The most.
        max: usize,
    },
    /// A list of host filters: each an IP address, compared exactly, or a regular expression over `host:port`.
    HostFilters,
    /// A list of regular expressions over a host name.
    Patterns,
    /// A list of cluster filters: name, alias, `alias=…`, `alias~=pattern`, `*`, or a pattern over the cluster name.
    ClusterFilters,
    /// An object from regular expression to text, merged entry by entry over several files.
    PatternMap,
    /// An object from cluster filter to whole number within bounds, both included; merged entry by entry over several files.
    ClusterNumbers {
        /// Smallest value accepted.
        min: i64,
        /// Largest value accepted.
        max: i64,
    },
    /// Whatever was written; only for keys that no longer exist.
    Anything,
}

impl Kind {
    /// The type in words, for the reference page and for sentences about a value of another type.
    pub const fn noun(&self) -> &'static str {
        match self {
            Self::Boolean { .. } => "true or false",
            Self::Integer { .. } => "a whole number",
            Self::Text { .. } | Self::Word { .. } => "a text",
            Self::Pattern => "a text with a regular expression",
            Self::Texts { .. } => "a list of texts",
            Self::Secrets { .. } => "a text, or a list of texts",
            Self::HostFilters | Self::Patterns | Self::ClusterFilters => {
                "a list of regular expressions"
            }
            Self::PatternMap => "an object from regular expression to text",
            Self::ClusterNumbers { .. } => "an object from cluster filter to whole number",
            Self::Anything => "anything",
        }
    }
}

/// Whether a key does something in this release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It does what its meaning says.
    InEffect,
    /// What it governs is not built yet; setting it is warned about.
    NotYet,
    /// It forbids or protects something that this release does, and is not in effect: a value other than the default
    /// refuses the start, because running on would do what the operator ruled out.
    Restricts,
    /// Deliberately not carried over from the predecessor; the note says what is done instead.
    NotCarriedOver,
    /// It did nothing in the predecessor either.
    NoEffect,
    /// The predecessor had retired it already.
    Removed,
}

/// When a changed value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// With the next reload.
    Live,
    /// With the next start.
    Restart,
}

/// A row of the table of keys.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Name as the documentation writes it; files may write it in any case.
    pub name: &'static str,
    /// Type, default and bounds.
    pub kind: Kind,
    /// Unit of a number, empty when it has none.
    pub unit: &'static str,
    /// What it does, one or two sentences.
    pub meaning: &'static str,
    /// What is to be known about its state in this release, empty when nothing.
    pub note: &'static str,
    /// Whether it does something.
    pub state: State,
    /// When a changed value counts.
    pub change: Change,
    /// The key that replaced this one.
    pub old_name_of: Option<&'static str>,
    /// Whether the value must never be shown.
    pub is_secret: bool,
    /// Whether the predecessor did not have it.
    pub is_new: bool,
}

impl Key {
    const fn new(name: &'static str, kind: Kind, meaning: &'static str) -> Self {
        Self {
            name,
            kind,
            unit: "",
            meaning,
            note: "",
            state: State::InEffect,
            change: Change::Live,
            old_name_of: None,
            is_secret: false,
            is_new: false,
        }
    }

    /// A key that is `true` or `false`.
    pub const fn boolean(name: &'static str, default: bool, meaning: &'static str) -> Self {
        Self::new(name, Kind::Boolean { default }, meaning)
    }

    /// A whole number within `bounds`, counted in `unit`.
    pub const fn integer(
        name: &'static str,
        default: i64,
        bounds: RangeInclusive<i64>,
        unit: &'static str,
        meaning: &'static str,
    ) -> Self {
        let (min, max) = (*bounds.start(), *bounds.end());
        let mut key = Self::new(name, Kind::Integer { default, min, max }, meaning);
        key.unit = unit;
        key
    }

    /// A text.
    pub const fn text(name: &'static str, default: &'static str, meaning: &'static str) -> Self {
        Self::new(name, Kind::Text { default }, meaning)
    }

    /// One of a few words.
    pub const fn word(
        name: &'static str,
        default: &'static str,
        allowed: &'static [&'static str],
        meaning: &'static str,
    ) -> Self {
        Self::new(name, Kind::Word { default, allowed }, meaning)
    }

    /// A regular expression.
    pub const fn pattern(name: &'static str, meaning: &'static str) -> Self {
        Self::new(name, Kind::Pattern, meaning)
    }

    /// A list of texts, empty by default.
    pub const fn texts(name: &'static str, meaning: &'static str) -> Self {
        Self::texts_with(name, &[], meaning)
    }

    /// A list of texts with a default.
    pub const fn texts_with(
        name: &'static str,
        default: &'static [&'static str],
        meaning: &'static str,
    ) -> Self {
        Self::new(name, Kind::Texts { default }, meaning)
    }

    /// A text, or a list of at most `max`; none by default.
    pub const fn secrets(name: &'static str, max: usize, meaning: &'static str) -> Self {
        Self::new(name, Kind::Secrets { max }, meaning).secret()
    }

    /// A list of host filters.
    pub const fn host_filters(name: &'static str, meaning: &'static str) -> Self {
        Self::new(name, Kind::HostFilters, meaning)
    }

    /// A list of regular expressions.
    pub const fn patterns(name: &'static str, meaning: &'static str) -> Self {
        Self::new(name, Kind::Patterns, meaning)
    }

    /// A list of cluster filters.
    pub const fn cluster_filters(name: &'static str, meaning: &'static str) -> Self {
        Self::new(name, Kind::ClusterFilters, meaning)
    }

    /// An object from regular expression to text.
    pub const fn pattern_map(name: &'static str, meaning: &'static str) -> Self {
        Self::new(name, Kind::PatternMap, meaning)
    }

    /// An object from cluster filter to whole number within `bounds`, counted in `unit`.
    pub const fn cluster_numbers(
        name: &'static str,
        bounds: RangeInclusive<i64>,
        unit: &'static str,
        meaning: &'static str,
    ) -> Self {
        let (min, max) = (*bounds.start(), *bounds.end());
        let mut key = Self::new(name, Kind::ClusterNumbers { min, max }, meaning);
        key.unit = unit;
        key
    }

    /// A key that the predecessor had retired, with what became of it.
    pub const fn removed(name: &'static str, note: &'static str) -> Self {
        let mut key = Self::new(name, Kind::Anything, "Retired.");
        key.state = State::Removed;
        key.note = note;
        key
    }

    /// A changed value counts with the next start.
    pub const fn restart(mut self) -> Self {
        self.change = Change::Restart;
        self
    }

    /// Not in effect yet.
    pub const fn not_yet(mut self) -> Self {
        self.state = State::NotYet;
        self
    }

    /// Not in effect yet, and refuses the start when set to other than its default.
    pub const fn restricts(mut self, note: &'static str) -> Self {
        self.state = State::Restricts;
        self.note = note;
        self
    }

    /// Deliberately not carried over, with what is done instead.
    pub const fn not_carried_over(mut self, note: &'static str) -> Self {
        self.state = State::NotCarriedOver;
        self.note = note;
        self
    }

    /// Without effect in the predecessor too.
    pub const fn no_effect(mut self) -> Self {
        self.state = State::NoEffect;
        self
    }

    /// The older name of `newer`.
    pub const fn old_name_of(mut self, newer: &'static str) -> Self {
        self.old_name_of = Some(newer);
        self
    }

    /// A password or token.
    pub const fn secret(mut self) -> Self {
        self.is_secret = true;
        self
    }

    /// Not known to the predecessor.
    pub const fn ours(mut self) -> Self {
        self.is_new = true;
        self
    }

    /// A remark for the reference page.
    pub const fn note(mut self, note: &'static str) -> Self {
        self.note = note;
        self
    }
}
