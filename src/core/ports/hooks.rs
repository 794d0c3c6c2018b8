use std::fmt;
use std::time::Duration;

use super::BoxFuture;

/// One hook: a line of the configuration and the values that go into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookRun {
    /// The line as configured, with `{placeholders}`.
    pub line: String,
    /// Arguments of the text: `$1`, `$2` and so on.
    pub arguments: Vec<String>,
    /// Whether a trailing `&` of the line lets it run on in the background; else it is the shell's.
    pub may_run_on: bool,
    /// Placeholder names without braces, and their exact values. In the text, values are made safe; see `environment`.
    pub placeholders: Vec<(String, String)>,
    /// Environment variables with exact values.
    pub environment: Vec<(String, String)>,
    /// How long it may take; `None` without bound. One that runs on in the background may take as long as it likes.
    pub timeout: Option<Duration>,
}

/// How a hook ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookOutcome {
    /// It exited with 0.
    Succeeded,
    /// It exited with another code.
    Exited(i32),
    /// A signal ended it.
    Signalled(i32),
    /// It took too long; it and all its children were ended.
    TimedOut,
    /// It could not be started.
    NotStarted(String),
    /// It runs on in the background, as its line asks.
    Background,
}

/// As the predecessor's record has it: `exit status 3`.
impl fmt::Display for HookOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Succeeded => f.write_str("exit status 0"),
            Self::Exited(code) => write!(f, "exit status {code}"),
            Self::Signalled(signal) => write!(f, "ended by signal {signal}"),
            Self::TimedOut => f.write_str("took too long and was ended"),
            Self::NotStarted(why) => write!(f, "could not be started: {why}"),
            Self::Background => f.write_str("runs on in the background"),
        }
    }
}

/// A hook that was run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookReport {
    /// The text that the shell was given.
    pub command: String,
    /// How it ended.
    pub outcome: HookOutcome,
    /// What it printed, standard output and error, cut to a bound.
    pub output: String,
    /// How long it took.
    pub took: Duration,
}

impl HookReport {
    /// Whether what follows may go on.
    pub fn is_good(&self) -> bool {
        matches!(
            self.outcome,
            HookOutcome::Succeeded | HookOutcome::Background
        )
    }
}

/// Runs hooks.
pub trait HookRunner: Send + Sync {
    /// Runs one and waits for its end, or its start when it goes to the background. Dropping the future ends it with all
    /// its children.
    fn run(&self, hook: HookRun) -> BoxFuture<'_, HookReport>;
}
