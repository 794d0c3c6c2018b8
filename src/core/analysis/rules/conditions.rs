//! What rules are made of: one question about facts each, and the evidence when it is answered yes.

use crate::analysis::{AnalysisPolicy, Evidence, Facts};

/// One question.
#[derive(Clone, Copy, Debug)]
pub struct Condition {
    /// Name, for tests and documentation.
    pub name: &'static str,
    /// The answer.
    pub holds: fn(&Facts, &AnalysisPolicy) -> bool,
    /// What to show when it holds; `None` where the finding says it already.
    pub evidence: fn(&Facts, &AnalysisPolicy) -> Option<Evidence>,
}

/// Nothing to show.
fn said(_: &Facts, _: &AnalysisPolicy) -> Option<Evidence> {
    None
}

pub(super) const PRIMARY: Condition = Condition {
    name: "primary",
    holds: |facts, _| facts.is_primary,
    evidence: said,
};

pub(super) const CO_PRIMARY: Condition = Condition {
    name: "co-primary",
    holds: |facts, _| facts.is_co_primary,
    evidence: said,
};

pub(super) const CHECK_FAILED: Condition = Condition {
    name: "check-failed",
    holds: |facts, _| !facts.check.is_valid,
    evidence: |facts, _| {
        let check = &facts.check;
        let beat = facts.beat.as_ref().map(|beat| beat.standing);
        if let Some(standing) = beat.filter(|standing| standing.is_against()) {
            return Some(Evidence::Beats {
                standing,
                seen_ago: check.seen_ago,
            });
        }
        Some(match check.probing_for {
            Some(probing_for) if check.is_last_good => Evidence::CheckHangs {
                probing_for,
                seen_ago: check.seen_ago,
            },
            _ => Evidence::CheckFailed {
                why: check.failure,
                seen_ago: check.seen_ago,
            },
        })
    },
};

pub(super) const CHECK_VALID: Condition = Condition {
    name: "check-valid",
    holds: |facts, _| facts.check.is_valid,
    evidence: |facts, _| {
        let seen_ago = facts.check.seen_ago?;
        Some(Evidence::CheckValid { seen_ago })
    },
};

/// The server said nothing at all to the last probe.
pub(super) const SILENT: Condition = Condition {
    name: "silent",
    holds: |facts, _| !facts.check.was_answered,
    evidence: said,
};

pub(super) const ANSWERED: Condition = Condition {
    name: "answered",
    holds: |facts, _| facts.check.was_answered,
    evidence: |facts, _| {
        Some(Evidence::Answered {
            why: facts.check.failure,
        })
    },
};

fn replicas(facts: &Facts, _: &AnalysisPolicy) -> Option<Evidence> {
    Some(Evidence::Replicas {
        count: facts.replicas.count(),
        valid: facts.replicas.valid,
        replicating: facts.replicas.replicating,
    })
}

pub(super) const NO_REPLICAS: Condition = Condition {
    name: "no-replicas",
    holds: |facts, _| facts.replicas.count() == 0,
    evidence: replicas,
};

pub(super) const HAS_REPLICAS: Condition = Condition {
    name: "has-replicas",
    holds: |facts, _| facts.replicas.count() > 0,
    evidence: replicas,
};

pub(super) const ONE_REPLICA: Condition = Condition {
    name: "one-replica",
    holds: |facts, _| facts.replicas.count() == 1,
    evidence: replicas,
};

pub(super) const SEVERAL_REPLICAS: Condition = Condition {
    name: "several-replicas",
    holds: |facts, _| facts.replicas.count() > 1,
    evidence: replicas,
};

pub(super) const ALL_REPLICAS_VALID: Condition = Condition {
    name: "all-replicas-valid",
    holds: |facts, _| facts.replicas.valid == facts.replicas.count(),
    evidence: replicas,
};

pub(super) const SOME_REPLICA_INVALID: Condition = Condition {
    name: "some-replica-invalid",
    holds: |facts, _| facts.replicas.valid < facts.replicas.count(),
    evidence: replicas,
};

pub(super) const SOME_REPLICA_VALID: Condition = Condition {
    name: "some-replica-valid",
    holds: |facts, _| facts.replicas.valid > 0,
    evidence: replicas,
};

pub(super) const NO_REPLICA_VALID: Condition = Condition {
    name: "no-replica-valid",
    holds: |facts, _| facts.replicas.valid == 0,
    evidence: replicas,
};

pub(super) const NONE_REPLICATING: Condition = Condition {
    name: "none-replicating",
    holds: |facts, _| facts.replicas.replicating == 0,
    evidence: replicas,
};

pub(super) const SOME_REPLICATING: Condition = Condition {
    name: "some-replicating",
    holds: |facts, _| facts.replicas.replicating > 0,
    evidence: replicas,
};

/// Nobody answers some receivers, and none is connected. Implies a valid replica, and that none replicates.
pub(super) const REPLICAS_AGREE: Condition = Condition {
    name: "replicas-agree",
    holds: |facts, _| facts.replicas.agree_it_is_gone(),
    evidence: |facts, _| {
        Some(Evidence::CutOff {
            replicas: facts.replicas.cut_off.clone(),
            standing_still: facts.replicas.standing_still.clone(),
        })
    },
};

fn not_confirmed(facts: &Facts, _: &AnalysisPolicy) -> Option<Evidence> {
    Some(Evidence::NotConfirmed {
        receiving: facts.replicas.receiving.clone(),
        cut_off: facts.replicas.cut_off.clone(),
        heard_lately: facts.replicas.heard_lately.clone(),
    })
}

pub(super) const REPLICAS_DO_NOT_AGREE: Condition = Condition {
    name: "replicas-do-not-agree",
    holds: |facts, _| !facts.replicas.agree_it_is_gone(),
    evidence: not_confirmed,
};

/// Either no replica replicates, or some cannot connect.
fn has_trouble_below(facts: &Facts) -> bool {
    facts.replicas.replicating == 0 || facts.replicas.failing_to_connect > 0
}

pub(super) const TROUBLE_BELOW: Condition = Condition {
    name: "trouble-below",
    holds: |facts, _| has_trouble_below(facts),
    evidence: |facts, _| {
        Some(Evidence::FailingToConnect {
            replicas: facts.replicas.failing_to_connect,
        })
    },
};

/// Not proven gone, and not merely a probe that ended half-way above healthy replicas: what the two rows about
/// unreachable primaries ask, in one.
pub(super) const DOUBTFUL: Condition = Condition {
    name: "doubtful",
    holds: |facts, _| match facts.check.was_answered {
        true => has_trouble_below(facts),
        false => !facts.replicas.agree_it_is_gone(),
    },
    evidence: not_confirmed,
};

fn lag(facts: &Facts, policy: &AnalysisPolicy) -> Option<Evidence> {
    Some(Evidence::Lagging {
        replicas: facts.replicas.lagging,
        delayed: facts.replicas.delayed,
        threshold: policy.reasonable_lag,
    })
}

pub(super) const ALL_LAGGING: Condition = Condition {
    name: "all-lagging",
    holds: |facts, _| facts.replicas.lagging == facts.replicas.count(),
    evidence: lag,
};

pub(super) const NOT_ALL_DELAYED: Condition = Condition {
    name: "not-all-delayed",
    holds: |facts, _| facts.replicas.delayed < facts.replicas.count(),
    evidence: lag,
};

fn semi_sync(facts: &Facts, _: &AnalysisPolicy) -> Option<Evidence> {
    Some(Evidence::SemiSync {
        is_operating: facts.semi_sync.source_status,
        clients: facts.semi_sync.source_clients,
        wait_count: facts.semi_sync.wait_for_replica_count,
    })
}

pub(super) const SEMI_SYNC_ENABLED: Condition = Condition {
    name: "semi-sync-enabled",
    holds: |facts, _| facts.semi_sync.source_enabled,
    evidence: semi_sync,
};

pub(super) const SEMI_SYNC_OPERATING: Condition = Condition {
    name: "semi-sync-operating",
    holds: |facts, _| facts.semi_sync.source_status,
    evidence: semi_sync,
};

pub(super) const SEMI_SYNC_NOT_OPERATING: Condition = Condition {
    name: "semi-sync-not-operating",
    holds: |facts, _| !facts.semi_sync.source_status,
    evidence: semi_sync,
};

/// Implies that it waits for at least one.
pub(super) const TOO_FEW_CLIENTS: Condition = Condition {
    name: "too-few-clients",
    holds: |facts, _| facts.semi_sync.source_clients < facts.semi_sync.wait_for_replica_count,
    evidence: semi_sync,
};

pub(super) const TOO_MANY_CLIENTS: Condition = Condition {
    name: "too-many-clients",
    holds: |facts, _| facts.semi_sync.source_clients > facts.semi_sync.wait_for_replica_count,
    evidence: semi_sync,
};

pub(super) const WAITS_FOR_REPLICAS: Condition = Condition {
    name: "waits-for-replicas",
    holds: |facts, _| facts.semi_sync.wait_for_replica_count > 0,
    evidence: semi_sync,
};

fn is_stalled(facts: &Facts, policy: &AnalysisPolicy) -> bool {
    facts
        .binlog_stalled_for
        .is_some_and(|length| length >= policy.locked_semi_sync_after)
}

fn stall(facts: &Facts, policy: &AnalysisPolicy) -> Option<Evidence> {
    Some(Evidence::BinlogStalled {
        stalled_for: facts.binlog_stalled_for,
        threshold: policy.locked_semi_sync_after,
    })
}

pub(super) const STALLED: Condition = Condition {
    name: "stalled",
    holds: is_stalled,
    evidence: stall,
};

pub(super) const NOT_STALLED: Condition = Condition {
    name: "not-stalled",
    holds: |facts, policy| !is_stalled(facts, policy),
    evidence: stall,
};

pub(super) const ENFORCES_EXACT: Condition = Condition {
    name: "enforces-exact",
    holds: |_, policy| policy.enforces_exact_semi_sync,
    evidence: said,
};

pub(super) const RECOVERS_READ_ONLY: Condition = Condition {
    name: "recovers-read-only",
    holds: |_, policy| policy.recovers_read_only_primary,
    evidence: said,
};

pub(super) const READ_ONLY: Condition = Condition {
    name: "read-only",
    holds: |facts, _| facts.is_read_only,
    evidence: |_, _| Some(Evidence::ReadOnly),
};

pub(super) const NONE_LOGS: Condition = Condition {
    name: "none-logs",
    holds: |facts, _| facts.replicas.logging == 0,
    evidence: |facts, _| {
        Some(Evidence::NoneLogs {
            replicas: facts.replicas.count(),
        })
    },
};

fn no_common_positions(facts: &Facts, _: &AnalysisPolicy) -> Option<Evidence> {
    Some(Evidence::NoCommonPositions {
        valid: facts.replicas.valid,
    })
}

pub(super) const NO_ORACLE_GTID: Condition = Condition {
    name: "no-oracle-gtid",
    holds: |facts, _| !facts.replicas.all_use_oracle_gtid,
    evidence: no_common_positions,
};

pub(super) const NO_MARIADB_GTID: Condition = Condition {
    name: "no-mariadb-gtid",
    holds: |facts, _| !facts.replicas.all_use_mariadb_gtid,
    evidence: no_common_positions,
};

pub(super) const NO_BINLOG_SERVERS: Condition = Condition {
    name: "no-binlog-servers",
    holds: |facts, _| !facts.replicas.all_are_binlog_servers,
    evidence: no_common_positions,
};

pub(super) const NO_PSEUDO_GTID: Condition = Condition {
    name: "no-pseudo-gtid",
    holds: |facts, _| !facts.uses_pseudo_gtid,
    evidence: no_common_positions,
};

fn formats(facts: &Facts, _: &AnalysisPolicy) -> Option<Evidence> {
    Some(Evidence::Formats {
        statements: facts.replicas.logging_statements,
        mixed: facts.replicas.logging_mixed,
        rows: facts.replicas.logging_rows,
    })
}

pub(super) const SOME_LOG_STATEMENTS: Condition = Condition {
    name: "some-log-statements",
    holds: |facts, _| facts.replicas.logging_statements > 0,
    evidence: formats,
};

pub(super) const SOME_LOG_MIXED: Condition = Condition {
    name: "some-log-mixed",
    holds: |facts, _| facts.replicas.logging_mixed > 0,
    evidence: formats,
};

pub(super) const SOME_LOG_ROWS: Condition = Condition {
    name: "some-log-rows",
    holds: |facts, _| facts.replicas.logging_rows > 0,
    evidence: formats,
};

pub(super) const SEVERAL_LINES: Condition = Condition {
    name: "several-lines",
    holds: |facts, _| facts.replicas.version_lines.len() > 1,
    evidence: |facts, _| {
        let lines = facts.replicas.version_lines.iter().cloned();
        Some(Evidence::VersionLines(lines.collect()))
    },
};

/// Implies that there are replicas, and that the server was seen.
pub(super) const GTID_MODES_DIFFER: Condition = Condition {
    name: "gtid-modes-differ",
    holds: |facts, _| match &facts.gtid_mode {
        Some(own) => facts.replicas.gtid_modes.iter().any(|mode| mode != own),
        None => false,
    },
    evidence: |facts, _| {
        Some(Evidence::GtidModes {
            own: facts.gtid_mode.clone().unwrap_or_default(),
            replicas: facts.replicas.gtid_modes.iter().cloned().collect(),
        })
    },
};

pub(super) const ERRANT: Condition = Condition {
    name: "errant",
    holds: |facts, _| !facts.replicas.errant.is_empty(),
    evidence: |facts, _| {
        let (replica, set) = facts.replicas.errant.first()?;
        Some(Evidence::Errant {
            replica: replica.clone(),
            set: set.clone(),
        })
    },
};
