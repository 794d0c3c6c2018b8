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

    /// The name that tracing's filters know.
    pub const fn as_filter(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}
