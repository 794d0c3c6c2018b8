//! Rows about the structure of a tree, in order: what will be in the way of a recovery one day.

use super::conditions::{
    Condition, ERRANT, GTID_MODES_DIFFER, NO_BINLOG_SERVERS, NO_MARIADB_GTID, NO_ORACLE_GTID,
    NO_PSEUDO_GTID, NONE_LOGS, PRIMARY, READ_ONLY, SEMI_SYNC_ENABLED, SEMI_SYNC_NOT_OPERATING,
    SEVERAL_LINES, SEVERAL_REPLICAS, SOME_LOG_MIXED, SOME_LOG_ROWS, SOME_LOG_STATEMENTS,
    TOO_FEW_CLIENTS,
};
use super::{Kind, Registration, Rule};
use crate::domain::FindingCode;

pub(super) const RULES: &[Rule] = &[
    warning(
        "S1",
        FindingCode::NoLoggingReplicas,
        "None of the primary's replicas logs what it replicates, so none can be promoted with the others below it.",
        &[PRIMARY, SEVERAL_REPLICAS, NONE_LOGS],
    ),
    warning(
        "S2",
        FindingCode::NoFailoverSupport,
        "The primary's replicas have no positions in common (GTID, Pseudo-GTID, binlog servers) as far as can be seen, so none can be put below another.",
        &[
            PRIMARY,
            SEVERAL_REPLICAS,
            NO_ORACLE_GTID,
            NO_MARIADB_GTID,
            NO_BINLOG_SERVERS,
            NO_PSEUDO_GTID,
        ],
    ),
    warning(
        "S3",
        FindingCode::StatementAndMixedLoggingReplicas,
        "Some replicas of the primary log statements and some mixed: the first cannot replicate from the second.",
        &[PRIMARY, SOME_LOG_STATEMENTS, SOME_LOG_MIXED],
    ),
    warning(
        "S4",
        FindingCode::StatementAndRowLoggingReplicas,
        "Some replicas of the primary log statements and some rows: the first cannot replicate from the second.",
        &[PRIMARY, SOME_LOG_STATEMENTS, SOME_LOG_ROWS],
    ),
    warning(
        "S5",
        FindingCode::MixedAndRowLoggingReplicas,
        "Some replicas of the primary log mixed and some rows: the first cannot replicate from the second.",
        &[PRIMARY, SOME_LOG_MIXED, SOME_LOG_ROWS],
    ),
    warning(
        "S6",
        FindingCode::MultipleMajorVersionsLoggingReplicas,
        "Replicas of the primary that could be promoted run several version lines: the older cannot replicate from the newer.",
        &[PRIMARY, SEVERAL_LINES],
    ),
    warning(
        "S7",
        FindingCode::DifferentGtidModes,
        "The server and its replicas differ in gtid_mode.",
        &[GTID_MODES_DIFFER],
    ),
    warning(
        "S8",
        FindingCode::ErrantGtid,
        "A replica has transactions that its source never had.",
        &[ERRANT],
    ),
    warning(
        "S9",
        FindingCode::ReadOnlyPrimary,
        "The primary is read-only.",
        &[PRIMARY, READ_ONLY],
    ),
    warning(
        "S10",
        FindingCode::NotEnoughValidSemiSyncReplicas,
        "The primary replicates asynchronously, although semi-sync is enabled: too few semi-sync replicas are connected.",
        &[
            PRIMARY,
            SEMI_SYNC_ENABLED,
            SEMI_SYNC_NOT_OPERATING,
            TOO_FEW_CLIENTS,
        ],
    ),
];

/// A row about structure: it is shown, and nothing else.
const fn warning(
    label: &'static str,
    code: FindingCode,
    sentence: &'static str,
    when: &'static [Condition],
) -> Rule {
    Rule {
        label,
        code,
        sentence,
        kind: Kind::Structure,
        registration: Registration::None,
        is_muted_with_replicas: false,
        shadows: &[],
        when,
    }
}
