use tracing::level_filters::LevelFilter;

use super::Flags;

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// What somebody must act on.
    Error,
    /// That, and what is degraded or strange.
    Warning,
    /// That, and what changed.
    Info,
    /// That, and every probe.
    Debug,
}

impl LogLevel {
    /// The level that flags and the key `Debug` give. `-debug` and the key win over `-verbose`, `-quiet` over all.
    ///
    /// Without any of them warnings are logged; the predecessor logged errors only, which would hide what is said
    /// about the configuration.
    pub fn decide(flags: &Flags, is_debug_configured: bool) -> Self {
        if flags.is("quiet") {
            Self::Error
        } else if flags.is("debug") || is_debug_configured {
            Self::Debug
        } else if flags.is("verbose") {
            Self::Info
        } else {
            Self::Warning
        }
    }

    /// The same for tracing.
    pub const fn filter(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warning => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
        }
    }
}
