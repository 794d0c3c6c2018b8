//! Rows about co-primaries, in order. A co-primary replicates from its partner, so no row about primaries holds for it;
//! and its partner is a replica of it, so it has replicas.

use super::conditions::{
    ALL_REPLICAS_VALID, CHECK_FAILED, CHECK_VALID, CO_PRIMARY, DOUBTFUL, NONE_REPLICATING,
    REPLICAS_AGREE, SILENT, SOME_REPLICA_INVALID, SOME_REPLICA_VALID,
};
use super::{Kind, Registration, Rule};
use crate::domain::FindingCode;

pub(super) const RULES: &[Rule] = &[
    Rule {
        label: "A16",
        code: FindingCode::DeadCoPrimary,
        sentence: "The co-primary is gone: it does not answer, and all its replicas can be probed and say so.",
        kind: Kind::Main,
        registration: Registration::Actionable,
        is_muted_with_replicas: false,
        shadows: &[],
        when: &[
            CO_PRIMARY,
            CHECK_FAILED,
            SILENT,
            ALL_REPLICAS_VALID,
            REPLICAS_AGREE,
        ],
    },
    Rule {
        label: "A17",
        code: FindingCode::DeadCoPrimaryAndSomeReplicas,
        sentence: "The co-primary is gone, and so are some of its replicas: it does not answer, and the replicas that can be probed say so.",
        kind: Kind::Main,
        registration: Registration::Actionable,
        is_muted_with_replicas: false,
        shadows: &[],
        when: &[
            CO_PRIMARY,
            CHECK_FAILED,
            SILENT,
            SOME_REPLICA_INVALID,
            REPLICAS_AGREE,
        ],
    },
    Rule {
        label: "A18",
        code: FindingCode::UnreachableCoPrimary,
        sentence: "The co-primary cannot be probed, but its replicas do not say that it is gone.",
        kind: Kind::Main,
        registration: Registration::None,
        is_muted_with_replicas: false,
        shadows: &[],
        when: &[CO_PRIMARY, CHECK_FAILED, SOME_REPLICA_VALID, DOUBTFUL],
    },
    Rule {
        label: "A19",
        code: FindingCode::AllCoPrimaryReplicasNotReplicating,
        sentence: "The co-primary is well; none of its replicas replicates.",
        kind: Kind::Main,
        registration: Registration::None,
        is_muted_with_replicas: true,
        shadows: &[],
        when: &[CO_PRIMARY, CHECK_VALID, NONE_REPLICATING],
    },
];
