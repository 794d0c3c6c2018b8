//! Codes of findings as the predecessor wrote them: in the API, in hooks, in page names of `docs/findings`.

use crate::domain::FindingCode;

/// What an entry without a finding says in the place of a code.
pub const NO_PROBLEM: &str = "NoProblem";

/// The predecessor's code.
pub const fn finding_code(code: FindingCode) -> &'static str {
    use FindingCode as Code;
    match code {
        Code::DeadPrimaryWithoutReplicas => "DeadMasterWithoutReplicas",
        Code::DeadPrimary => "DeadMaster",
        Code::DeadPrimaryAndReplicas => "DeadMasterAndReplicas",
        Code::DeadPrimaryAndSomeReplicas => "DeadMasterAndSomeReplicas",
        Code::UnreachablePrimaryWithLaggingReplicas => "UnreachableMasterWithLaggingReplicas",
        Code::UnreachablePrimary => "UnreachableMaster",
        Code::LockedSemiSyncPrimary => "LockedSemiSyncMaster",
        Code::LockedSemiSyncPrimaryHypothesis => "LockedSemiSyncMasterHypothesis",
        Code::PrimaryWithTooManySemiSyncReplicas => "MasterWithTooManySemiSyncReplicas",
        Code::ReadOnlyPrimary => "NoWriteableMasterStructureWarning",
        Code::PrimarySingleReplicaNotReplicating => "MasterSingleReplicaNotReplicating",
        Code::PrimarySingleReplicaDead => "MasterSingleReplicaDead",
        Code::AllPrimaryReplicasNotReplicating => "AllMasterReplicasNotReplicating",
        Code::AllPrimaryReplicasNotReplicatingOrDead => "AllMasterReplicasNotReplicatingOrDead",
        Code::DeadCoPrimary => "DeadCoMaster",
        Code::DeadCoPrimaryAndSomeReplicas => "DeadCoMasterAndSomeReplicas",
        Code::UnreachableCoPrimary => "UnreachableCoMaster",
        Code::AllCoPrimaryReplicasNotReplicating => "AllCoMasterReplicasNotReplicating",
        Code::NoLoggingReplicas => "NoLoggingReplicasStructureWarning",
        Code::NoFailoverSupport => "NoFailoverSupportStructureWarning",
        Code::StatementAndMixedLoggingReplicas => {
            "StatementAndMixedLoggingReplicasStructureWarning"
        }
        Code::StatementAndRowLoggingReplicas => "StatementAndRowLoggingReplicasStructureWarning",
        Code::MixedAndRowLoggingReplicas => "MixedAndRowLoggingReplicasStructureWarning",
        Code::MultipleMajorVersionsLoggingReplicas => {
            "MultipleMajorVersionsLoggingReplicasStructureWarning"
        }
        Code::DifferentGtidModes => "DifferentGTIDModesStructureWarning",
        Code::ErrantGtid => "ErrantGTIDStructureWarning",
        Code::NotEnoughValidSemiSyncReplicas => "NotEnoughValidSemiSyncReplicasStructureWarning",
    }
}

/// The finding of a code of the predecessor; `None` for a text that is none of the codes known here.
pub fn parse_finding_code(text: &str) -> Option<FindingCode> {
    FindingCode::ALL
        .into_iter()
        .find(|code| finding_code(*code) == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back_and_none_is_shared() {
        for code in FindingCode::ALL {
            assert_eq!(parse_finding_code(finding_code(code)), Some(code));
        }
        assert_eq!(parse_finding_code(NO_PROBLEM), None);
        assert_eq!(parse_finding_code("deadmaster"), None);
    }
}
