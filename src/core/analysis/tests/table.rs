//! The table as a whole: complete, in order, documented, and open about what it shadows.

use super::fixtures::FIXTURES;
use crate::analysis::rules::{self, Kind, Registration, Rule};
use crate::domain::FindingCode;
use crate::legacy::codes::finding_code;

/// The predecessor's rows about primaries, co-primaries and the structure below any server, in its order: code, whether
/// a detection is written down (`yes`, `actionable`, `no`), and whether downtime of all replicas mutes it.
const KNOWN: [(&str, &str, &str, bool); 29] = [
    ("A1", "DeadMasterWithoutReplicas", "no", false),
    ("A2", "DeadMaster", "actionable", false),
    ("A3", "DeadMasterAndReplicas", "yes", false),
    ("A4", "DeadMasterAndSomeReplicas", "actionable", false),
    ("A5", "UnreachableMasterWithLaggingReplicas", "yes", false),
    ("A6", "UnreachableMaster", "yes", false),
    ("A7", "UnreachableMaster", "yes", false),
    ("A8", "LockedSemiSyncMaster", "actionable", false),
    ("A9", "LockedSemiSyncMasterHypothesis", "no", false),
    (
        "A10",
        "MasterWithTooManySemiSyncReplicas",
        "actionable",
        false,
    ),
    (
        "A11",
        "NoWriteableMasterStructureWarning",
        "actionable",
        false,
    ),
    ("A12", "MasterSingleReplicaNotReplicating", "no", false),
    ("A13", "MasterSingleReplicaDead", "no", true),
    ("A14", "AllMasterReplicasNotReplicating", "yes", true),
    ("A15", "AllMasterReplicasNotReplicatingOrDead", "yes", true),
    ("A16", "DeadCoMaster", "actionable", false),
    ("A17", "DeadCoMasterAndSomeReplicas", "actionable", false),
    ("A18", "UnreachableCoMaster", "no", false),
    ("A19", "AllCoMasterReplicasNotReplicating", "no", true),
    ("S1", "NoLoggingReplicasStructureWarning", "no", false),
    ("S2", "NoFailoverSupportStructureWarning", "no", false),
    (
        "S3",
        "StatementAndMixedLoggingReplicasStructureWarning",
        "no",
        false,
    ),
    (
        "S4",
        "StatementAndRowLoggingReplicasStructureWarning",
        "no",
        false,
    ),
    (
        "S5",
        "MixedAndRowLoggingReplicasStructureWarning",
        "no",
        false,
    ),
    (
        "S6",
        "MultipleMajorVersionsLoggingReplicasStructureWarning",
        "no",
        false,
    ),
    ("S7", "DifferentGTIDModesStructureWarning", "no", false),
    ("S8", "ErrantGTIDStructureWarning", "no", false),
    ("S9", "NoWriteableMasterStructureWarning", "no", false),
    (
        "S10",
        "NotEnoughValidSemiSyncReplicasStructureWarning",
        "no",
        false,
    ),
];

macro_rules! pages {
    ($($code:ident),* $(,)?) => {
        [$((stringify!($code), include_str!(concat!("../../../../docs/findings/", stringify!($code), ".md")))),*]
    };
}

const PAGES: [(&str, &str); 27] = with_all_codes!(pages);

const INDEX: &str = include_str!("../../../../docs/findings/README.md");

fn shown(rule: &Rule) -> (&str, &str, &str, bool) {
    let registration = match rule.registration {
        Registration::None => "no",
        Registration::Registered => "yes",
        Registration::Actionable => "actionable",
    };
    (
        rule.label,
        finding_code(rule.code),
        registration,
        rule.is_muted_with_replicas,
    )
}

#[test]
fn the_table_has_the_known_rows_in_their_order() {
    let rows: Vec<_> = rules::all().map(shown).collect();
    assert_eq!(rows, KNOWN);
    assert!(rules::main().all(|rule| rule.kind == Kind::Main));
    assert!(rules::structure().all(|rule| rule.kind == Kind::Structure));
}

#[test]
fn every_code_has_a_row_a_page_and_a_fixture() {
    for code in FindingCode::ALL {
        let name = finding_code(code);
        assert!(rules::all().any(|rule| rule.code == code), "{name}: row");
        assert!(PAGES.iter().any(|(page, _)| *page == name), "{name}: page");
        let has_fixture = FIXTURES.iter().any(|(fixture, _)| *fixture == name);
        assert!(has_fixture, "{name}: fixture");
        assert!(INDEX.contains(&format!("({name}.md)")), "{name}: index");
    }
}

#[test]
fn every_page_says_what_an_operator_asks() {
    for (code, page) in PAGES {
        assert!(page.starts_with(&format!("# {code}\n")), "{code}");
        for heading in [
            "## What it means",
            "## How we know",
            "## What is done",
            "## What to check",
        ] {
            assert!(page.contains(heading), "{code}: {heading}");
        }
        for rule in rules::all().filter(|rule| finding_code(rule.code) == code) {
            assert!(page.contains(rule.sentence), "{code}: {}", rule.sentence);
        }
    }
}

#[test]
fn conditions_of_a_row_are_said_once() {
    for rule in rules::all() {
        let mut names: Vec<_> = rule.when.iter().map(|condition| condition.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), rule.when.len(), "{}", rule.label);
    }
}
