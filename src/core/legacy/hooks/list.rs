use std::fmt;

/// A list of commands in the configuration, run at one moment of a recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HookList {
    /// A failure was written down.
    OnDetection,
    /// A planned takeover is about to make the primary read-only.
    BeforeTakeover,
    /// A recovery is registered, and nobody was touched yet.
    BeforeFailover,
    /// A dead primary or co-primary was replaced.
    AfterPrimaryFailover,
    /// A dead intermediate source or group member was replaced.
    AfterIntermediateFailover,
    /// Any recovery with a successor.
    AfterFailover,
    /// Any recovery without one.
    AfterFailedFailover,
    /// A planned takeover is over.
    AfterTakeover,
    /// A replica took the place of its source.
    AfterTakingSource,
}

impl HookList {
    /// All, in the order in which they come up.
    pub const ALL: [Self; 9] = [
        Self::OnDetection,
        Self::BeforeTakeover,
        Self::BeforeFailover,
        Self::AfterTakingSource,
        Self::AfterPrimaryFailover,
        Self::AfterIntermediateFailover,
        Self::AfterFailover,
        Self::AfterFailedFailover,
        Self::AfterTakeover,
    ];

    /// The key of the configuration that holds it, which is also its name in the record of a recovery.
    pub const fn key(self) -> &'static str {
        match self {
            Self::OnDetection => "OnFailureDetectionProcesses",
            Self::BeforeTakeover => "PreGracefulTakeoverProcesses",
            Self::BeforeFailover => "PreFailoverProcesses",
            Self::AfterPrimaryFailover => "PostMasterFailoverProcesses",
            Self::AfterIntermediateFailover => "PostIntermediateMasterFailoverProcesses",
            Self::AfterFailover => "PostFailoverProcesses",
            Self::AfterFailedFailover => "PostUnsuccessfulFailoverProcesses",
            Self::AfterTakeover => "PostGracefulTakeoverProcesses",
            Self::AfterTakingSource => "PostTakeMasterProcesses",
        }
    }

    /// Whether its commands are plain: no placeholders, no `&` of ours, and two arguments.
    pub const fn is_plain(self) -> bool {
        matches!(self, Self::AfterTakingSource)
    }
}

impl fmt::Display for HookList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}
