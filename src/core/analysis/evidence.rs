use std::fmt;
use std::time::Duration;

use crate::beats::Standing;
use crate::domain::{InstanceKey, ProbeFailureKind};

/// One fact that made a finding, with its numbers. Prints as one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Its last probe failed.
    CheckFailed {
        /// Why; `None` when no reason is kept.
        why: Option<ProbeFailureKind>,
        /// How long ago it was last seen; `None` when never.
        seen_ago: Option<Duration>,
    },
    /// Its beats speak against it: it is gone or silent.
    Beats {
        /// How it stands.
        standing: Standing,
        /// How long ago it was last seen by a probe; `None` when never.
        seen_ago: Option<Duration>,
    },
    /// A probe has been under way for too long.
    CheckHangs {
        /// For how long.
        probing_for: Duration,
        /// How long ago it was last seen; `None` when never.
        seen_ago: Option<Duration>,
    },
    /// Its last probe was good.
    CheckValid {
        /// How long ago.
        seen_ago: Duration,
    },
    /// The server answered, if only to refuse.
    Answered {
        /// How.
        why: Option<ProbeFailureKind>,
    },
    /// How many replicas it has and how they are.
    Replicas {
        /// Known ones.
        count: usize,
        /// With a good last probe.
        valid: usize,
        /// Of those: with both threads running.
        replicating: usize,
    },
    /// Nobody answers these receivers, or nothing comes to them, and no other is connected.
    CutOff {
        /// Those that nobody answers.
        replicas: Vec<InstanceKey>,
        /// Those that look connected, and to which nothing has come for two heartbeat periods.
        standing_still: Vec<InstanceKey>,
    },
    /// The replicas do not say that their source is gone.
    NotConfirmed {
        /// Those whose receivers are connected.
        receiving: Vec<InstanceKey>,
        /// Those that nobody answers.
        cut_off: Vec<InstanceKey>,
        /// Those that are not connected, and to which something came a moment ago.
        heard_lately: Vec<InstanceKey>,
    },
    /// Receivers cannot connect, for any reason.
    FailingToConnect {
        /// How many.
        replicas: usize,
    },
    /// Replicas lag.
    Lagging {
        /// How many.
        replicas: usize,
        /// How many of all are delayed on purpose.
        delayed: usize,
        /// More than this is lag.
        threshold: Duration,
    },
    /// Semi-sync on the source side.
    SemiSync {
        /// Its status is ON.
        is_operating: bool,
        /// Connected semi-sync replicas.
        clients: u32,
        /// How many it waits for.
        wait_count: u32,
    },
    /// The end of the binary log.
    BinlogStalled {
        /// For how long it has been seen not to move; `None` when that is not known yet.
        stalled_for: Option<Duration>,
        /// From here on it counts.
        threshold: Duration,
    },
    /// `read_only` is on.
    ReadOnly,
    /// No replica logs what it replicates.
    NoneLogs {
        /// Of so many.
        replicas: usize,
    },
    /// Replicas use neither GTID nor Pseudo-GTID and are no binlog servers, as far as can be seen.
    NoCommonPositions {
        /// How many of them can be probed; the others do not count.
        valid: usize,
    },
    /// Formats of replicas that log.
    Formats {
        /// How many log statements.
        statements: usize,
        /// How many log mixed.
        mixed: usize,
        /// How many log rows.
        rows: usize,
    },
    /// Version lines of replicas that log.
    VersionLines(Vec<String>),
    /// `gtid_mode` of a server and its replicas.
    GtidModes {
        /// Its own.
        own: String,
        /// All that its replicas have.
        replicas: Vec<String>,
    },
    /// Transactions that only a replica has.
    Errant {
        /// The replica.
        replica: InstanceKey,
        /// The transactions.
        set: String,
    },
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CheckFailed { why, seen_ago } => {
                write!(f, "The last probe failed ({}); {}.", kind(*why), seen(*seen_ago))
            }
            Self::CheckHangs {
                probing_for,
                seen_ago,
            } => write!(
                f,
                "A probe has been under way for {}; {}.",
                seconds(*probing_for),
                seen(*seen_ago)
            ),
            Self::CheckValid { seen_ago } => {
                write!(f, "It was probed with success {} ago.", seconds(*seen_ago))
            }
            Self::Answered { why } => {
                write!(f, "The server answers, and the probe fails ({}).", kind(*why))
            }
            Self::Replicas {
                count,
                valid,
                replicating,
            } => write!(
                f,
                "Of {count} known replicas, {valid} can be probed and {replicating} replicate."
            ),
            Self::Beats { standing, seen_ago } => write!(
                f,
                "{}; {}.",
                match standing {
                    Standing::Gone => "Its connection was closed, and a new one is refused",
                    _ => "It says nothing over two connections, one of them new",
                },
                seen(*seen_ago)
            ),
            Self::CutOff {
                replicas,
                standing_still,
            } if !standing_still.is_empty() => write!(
                f,
                "Receivers to which nothing has come for two heartbeat periods: {}; receivers that nobody answers: {}; no other is connected.",
                list(standing_still),
                list(replicas)
            ),
            Self::CutOff { replicas, .. } => write!(
                f,
                "Nobody answers the receivers of {}, and no other receiver is connected.",
                list(replicas)
            ),
            Self::NotConfirmed {
                receiving,
                cut_off,
                heard_lately,
            } => {
                let (receiving, cut_off) = (list(receiving), list(cut_off));
                write!(
                    f,
                    "Receivers connected: {receiving}; receivers that nobody answers: {cut_off}"
                )?;
                match heard_lately.is_empty() {
                    true => f.write_str("."),
                    false => write!(
                        f,
                        "; something came a moment ago to {}.",
                        list(heard_lately)
                    ),
                }
            }
            Self::FailingToConnect { replicas } => {
                write!(f, "Receivers that cannot connect: {replicas}.")
            }
            Self::Lagging {
                replicas,
                delayed,
                threshold,
            } => write!(
                f,
                "Replicas that lag by more than {}: {replicas}; delayed on purpose: {delayed}.",
                seconds(*threshold)
            ),
            Self::SemiSync {
                is_operating,
                clients,
                wait_count,
            } => write!(
                f,
                "Semi-sync is {}: it waits for {wait_count} replicas, and {clients} are connected.",
                if *is_operating { "on" } else { "enabled, and its status is OFF" }
            ),
            Self::BinlogStalled {
                stalled_for: Some(length),
                threshold,
            } => write!(
                f,
                "The end of its binary log has not moved for {}; {} count as locked.",
                seconds(*length),
                seconds(*threshold)
            ),
            Self::BinlogStalled {
                stalled_for: None,
                threshold,
            } => write!(
                f,
                "Whether its binary log moves is not known yet; {} without count as locked.",
                seconds(*threshold)
            ),
            Self::ReadOnly => f.write_str("It is read-only."),
            Self::NoneLogs { replicas } => {
                write!(f, "None of its {replicas} replicas logs what it replicates.")
            }
            Self::NoCommonPositions { valid: 0 } => f.write_str(
                "None of its replicas can be probed, so none is known to have positions in common with another.",
            ),
            Self::NoCommonPositions { valid } => write!(
                f,
                "Of its {valid} replicas that can be probed, not all use GTIDs; Pseudo-GTID is not in use, and they are no binlog servers."
            ),
            Self::Formats {
                statements,
                mixed,
                rows,
            } => write!(
                f,
                "Of the replicas that log, {statements} log statements, {mixed} mixed, {rows} rows."
            ),
            Self::VersionLines(lines) => {
                write!(f, "Replicas that log run {}.", lines.join(" and "))
            }
            Self::GtidModes { own, replicas } => write!(
                f,
                "Its gtid_mode is {}; its replicas have {}.",
                mode(own),
                replicas.iter().map(|text| mode(text)).collect::<Vec<_>>().join(" and ")
            ),
            Self::Errant { replica, set } => {
                write!(f, "{replica} has transactions that its source never had: {set}.")
            }
        }
    }
}

fn kind(why: Option<ProbeFailureKind>) -> &'static str {
    match why {
        Some(ProbeFailureKind::Refused) => "connection refused or reset",
        Some(ProbeFailureKind::Unreachable) => "host unreachable",
        Some(ProbeFailureKind::UnknownHost) => "unknown host",
        Some(ProbeFailureKind::Timeout) => "no answer in time",
        Some(ProbeFailureKind::AccessDenied) => "access denied",
        Some(ProbeFailureKind::RefusesUs) => "the server refuses us",
        Some(ProbeFailureKind::Tls) => "TLS",
        Some(ProbeFailureKind::InvalidAnswer) => "an answer that makes no sense",
        Some(ProbeFailureKind::Statement) => "a statement failed",
        None => "no probe has ended",
    }
}

fn mode(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

fn seen(ago: Option<Duration>) -> String {
    match ago {
        Some(ago) => format!("it was last seen {} ago", seconds(ago)),
        None => "it was never seen".to_owned(),
    }
}

/// Seconds, with tenths below ten.
fn seconds(length: Duration) -> String {
    match length.as_millis() {
        millis if millis < 10_000 && millis % 1000 != 0 => format!("{:.1} s", length.as_secs_f64()),
        _ => format!("{} s", length.as_secs()),
    }
}

/// At most this many names in a sentence; a cluster can have hundreds.
const NAMES_IN_A_SENTENCE: usize = 10;

fn list(keys: &[InstanceKey]) -> String {
    if keys.is_empty() {
        return "none".to_owned();
    }
    let names = keys.iter().take(NAMES_IN_A_SENTENCE);
    let mut text = names
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    if let Some(more) = keys
        .len()
        .checked_sub(NAMES_IN_A_SENTENCE)
        .filter(|n| *n > 0)
    {
        text.push_str(&format!(" and {more} more"));
    }
    text
}
