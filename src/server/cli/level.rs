use tracing::level_filters::LevelFilter;

use super::Flags;

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// What somebody must act on.
    Error,
    /// That, what is degraded or strange, and what changed.
    Info,
    /// That, and every probe.
    Debug,
}

impl LogLevel {
    /// The level that flags and the key `Debug` give. `-debug` and the key win over `-verbose`, `-quiet` over all.
    ///
    /// Without any of them changes are logged: whoever looks into the log at night needs to see what happened before. The
    /// predecessor logged errors only.
    pub fn decide(flags: &Flags, is_debug_configured: bool) -> Self {
        if flags.is("quiet") {
            Self::Error
        } else if flags.is("debug") || is_debug_configured {
            Self::Debug
        } else {
            Self::Info
        }
    }

    /// The same for tracing.
    pub const fn filter(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
        }
    }
}
