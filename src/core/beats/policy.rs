use std::time::Duration;

/// What configuration says about beats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BeatPolicy {
    /// `PrimarySilenceSeconds`: how long nothing must come before that is evidence.
    pub silence: Duration,
    /// `PrimaryRestartGraceSeconds`: how long a primary that went down in an orderly way may take to come back.
    pub restart_grace: Duration,
}

impl Default for BeatPolicy {
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(2),
            restart_grace: Duration::from_secs(10),
        }
    }
}

impl BeatPolicy {
    /// How often a primary is asked that answers.
    pub const EVERY: Duration = Duration::from_secs(1);

    /// How often one is asked that is in doubt.
    pub const EVERY_IN_DOUBT: Duration = Duration::from_millis(100);

    /// How long an answer may take. Far above the round trip between continents, and a pause of a loaded server that is
    /// longer is only the beginning of a doubt.
    pub const ANSWER_WITHIN: Duration = Duration::from_millis(500);

    /// How long a replica that was told to reconnect may take to be connected again before that speaks against its source. It is told
    /// so much before the silence is evidence.
    pub const RECONNECTS_WITHIN: Duration = Duration::from_secs(1);

    /// How much later than a kept connection the vigil may be heard to end. A kernel closes all sockets of a process within
    /// 50 ms (measured, with 100 clients on a busy machine).
    pub const VIGIL_WITHIN: Duration = Duration::from_millis(200);
}
