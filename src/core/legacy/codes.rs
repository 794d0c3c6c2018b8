//! Codes of findings as the predecessor wrote them: in the API, in hooks, in page names of `docs/findings`. And the words
//! by which a server's text about a lost connection is known.

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

/// Whether the error text of a receiver is one of connecting: `error connecting to master …` of MySQL before 8.0.26 and of
/// MariaDB, `Error reconnecting to source …` of later ones. For a text that comes without a number; numbers say more.
pub fn is_connection_error(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.find("error ").is_some_and(|at| {
        let rest = &text[at..];
        rest.contains("connecting to master") || rest.contains("connecting to source")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_errors_are_known_by_both_words_for_the_other_side() {
        for (text, expected) in [
            (
                "error connecting to master 'r@a:3306' - retry-time: 60",
                true,
            ),
            ("Error reconnecting to source 'r@a:3306'", true),
            ("Got fatal error 1236 from source", false),
            ("connecting to source", false),
            ("", false),
        ] {
            assert_eq!(is_connection_error(text), expected, "{text}");
        }
    }

    #[test]
    fn every_code_reads_back_and_none_is_shared() {
        for code in FindingCode::ALL {
            assert_eq!(parse_finding_code(finding_code(code)), Some(code));
        }
        assert_eq!(parse_finding_code(NO_PROBLEM), None);
        assert_eq!(parse_finding_code("deadmaster"), None);
    }
}
