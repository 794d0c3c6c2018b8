use orchestrator_core::beats::BeatPolicy;

/// What configuration says about beats. A new value takes effect at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// When silence is evidence, and how long a restart may take.
    pub policy: BeatPolicy,
}
