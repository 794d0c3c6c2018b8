use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::domain::{FindingCode, InstanceKey, RecoveryId};

fn key(name: &str) -> InstanceKey {
    InstanceKey::parse(name, 3306).expect("a key")
}

/// As a dead primary is detected.
fn detected() -> HookFacts {
    HookFacts {
        code: FindingCode::DeadPrimary,
        subject: HookSubject::Primary,
        failed: key("a:3306"),
        description: "Master cannot be reached by orchestrator".to_owned(),
        command: HookCommand::None,
        cluster: "a:3306".to_owned(),
        cluster_alias: "shop".to_owned(),
        cluster_domain: "shop.example".to_owned(),
        replicas: vec![key("b:3306"), key("c:3307")],
        is_in_downtime: false,
        recovers_primary: true,
        recovers_intermediate: false,
        node: "node1".to_owned(),
        recovery: RecoveryId::from_number(0xab),
        attempt: 1,
        successor: None,
        lost: vec![key("c:3307")],
    }
}

/// As it was recovered.
fn recovered() -> HookFacts {
    HookFacts {
        successor: Some(HookSuccessor {
            key: key("b:3306"),
            alias: "b-alias".to_owned(),
            coordinates: Some("bin.000007:154".to_owned()),
        }),
        ..detected()
    }
}

fn line(line: &str, facts: &HookFacts) -> String {
    expand(line, &facts.placeholders())
}

/// Every placeholder of the predecessor with its value in [`recovered`], and its variable, where it has one.
const TOLD: [(&str, &str, Option<&str>); 28] = [
    ("failureType", "DeadMaster", Some("ORC_FAILURE_TYPE")),
    ("instanceType", "master", Some("ORC_INSTANCE_TYPE")),
    ("isMaster", "true", Some("ORC_IS_MASTER")),
    ("isCoMaster", "false", Some("ORC_IS_CO_MASTER")),
    (
        "failureDescription",
        "Master cannot be reached by orchestrator",
        Some("ORC_FAILURE_DESCRIPTION"),
    ),
    ("command", "", Some("ORC_COMMAND")),
    ("failedHost", "a", Some("ORC_FAILED_HOST")),
    ("failedPort", "3306", Some("ORC_FAILED_PORT")),
    ("failureCluster", "a:3306", Some("ORC_FAILURE_CLUSTER")),
    (
        "failureClusterAlias",
        "shop",
        Some("ORC_FAILURE_CLUSTER_ALIAS"),
    ),
    (
        "failureClusterDomain",
        "shop.example",
        Some("ORC_FAILURE_CLUSTER_DOMAIN"),
    ),
    ("countSlaves", "2", None),
    ("countReplicas", "2", Some("ORC_COUNT_REPLICAS")),
    ("isDowntimed", "false", Some("ORC_IS_DOWNTIMED")),
    (
        "autoMasterRecovery",
        "true",
        Some("ORC_AUTO_MASTER_RECOVERY"),
    ),
    (
        "autoIntermediateMasterRecovery",
        "false",
        Some("ORC_AUTO_INTERMEDIATE_MASTER_RECOVERY"),
    ),
    ("orchestratorHost", "node1", Some("ORC_ORCHESTRATOR_HOST")),
    (
        "recoveryUID",
        "000000000000000000000000000000ab",
        Some("ORC_RECOVERY_UID"),
    ),
    ("isSuccessful", "true", Some("ORC_IS_SUCCESSFUL")),
    ("successorHost", "b", Some("ORC_SUCCESSOR_HOST")),
    ("successorPort", "3306", Some("ORC_SUCCESSOR_PORT")),
    (
        "successorBinlogCoordinates",
        "bin.000007:154",
        Some("ORC_SUCCESSOR_BINLOG_COORDINATES"),
    ),
    ("successorAlias", "b-alias", Some("ORC_SUCCESSOR_ALIAS")),
    ("lostSlaves", "c:3307", None),
    ("lostReplicas", "c:3307", Some("ORC_LOST_REPLICAS")),
    ("countLostReplicas", "1", None),
    ("slaveHosts", "b:3306,c:3307", None),
    ("replicaHosts", "b:3306,c:3307", Some("ORC_REPLICA_HOSTS")),
];

#[test]
fn every_placeholder_has_its_value_in_a_line() {
    for (name, value, _) in TOLD {
        let told = line(&format!("say '{{{name}}}'"), &recovered());
        assert_eq!(told, format!("say '{value}'"), "{name}");
    }
    let all: BTreeSet<&str> = recovered()
        .placeholders()
        .iter()
        .map(|(name, _)| *name)
        .collect();
    assert_eq!(all, TOLD.iter().map(|(name, ..)| *name).collect());
}

#[test]
fn every_variable_has_the_exact_value_of_its_placeholder() {
    let variables: BTreeMap<&str, String> = recovered().environment().into_iter().collect();
    let mut expected: BTreeMap<&str, String> = TOLD
        .iter()
        .filter_map(|(_, value, variable)| Some(((*variable)?, (*value).to_owned())))
        .collect();
    assert_eq!(expected.len(), 24, "those of the predecessor");
    expected.insert("ORC_RECOVERY_ATTEMPT", "1".to_owned());
    assert_eq!(variables, expected);
}

#[test]
fn without_a_successor_its_placeholders_stay_and_its_variables_are_not_set() {
    let written = "x {successorHost}:{successorPort} {successorBinlogCoordinates} {successorAlias}";
    assert_eq!(line(written, &detected()), written);
    assert_eq!(line("{isSuccessful}", &detected()), "false");
    let variables = detected().environment();
    assert!(
        variables
            .iter()
            .all(|(name, _)| !name.starts_with("ORC_SUCCESSOR"))
    );
    assert!(variables.contains(&("ORC_IS_SUCCESSFUL", "false".to_owned())));
    // Coordinates are known later than the successor.
    let mut facts = recovered();
    facts.successor.as_mut().expect("one").coordinates = None;
    let told = line("{successorHost} {successorBinlogCoordinates}", &facts);
    assert_eq!(told, "b {successorBinlogCoordinates}");
    let variables = facts.environment();
    assert!(variables.contains(&("ORC_SUCCESSOR_HOST", "b".to_owned())));
    assert!(
        variables
            .iter()
            .all(|(name, _)| *name != "ORC_SUCCESSOR_BINLOG_COORDINATES")
    );
}

#[test]
fn subjects_and_commands_have_their_words() {
    for (subject, words) in [
        (HookSubject::Primary, "master true false"),
        (HookSubject::CoPrimary, "co-master false true"),
        (
            HookSubject::IntermediateSource,
            "intermediate-master false false",
        ),
        (HookSubject::GroupMember, "group-member false false"),
    ] {
        let facts = HookFacts {
            subject,
            ..detected()
        };
        let told = line("{instanceType} {isMaster} {isCoMaster}", &facts);
        assert_eq!(told, words);
    }
    for (command, word) in [
        (HookCommand::None, ""),
        (HookCommand::ForceFailover, "force-master-failover"),
        (HookCommand::ForceTakeover, "force-master-takeover"),
        (HookCommand::GracefulTakeover, "graceful-master-takeover"),
    ] {
        let facts = HookFacts {
            command,
            ..detected()
        };
        assert_eq!(line("{command}", &facts), word);
    }
}

#[test]
fn what_a_cluster_does_not_have_is_its_name() {
    let bare = HookFacts {
        cluster_alias: String::new(),
        cluster_domain: String::new(),
        ..detected()
    };
    let written = "{failureClusterAlias} '{failureClusterDomain}'";
    assert_eq!(line(written, &bare), "a:3306 'a:3306'");
    // Commands about a primary that may be healthy have no domain then.
    for command in [
        HookCommand::ForceFailover,
        HookCommand::ForceTakeover,
        HookCommand::GracefulTakeover,
    ] {
        let facts = HookFacts {
            command,
            ..bare.clone()
        };
        assert_eq!(line(written, &facts), "a:3306 ''");
    }
}

#[test]
fn a_replica_that_took_the_place_of_its_source_is_told_with_its_port() {
    let taken = TakenSource {
        successor: key("b:3307"),
        demoted: key("a:3306"),
    };
    assert_eq!(taken.arguments(), ["b:3307", "a:3306"]);
    assert_eq!(
        taken.environment(),
        [
            ("ORC_SUCCESSOR_HOST", "b:3307".to_owned()),
            ("ORC_FAILED_HOST", "a:3306".to_owned())
        ]
    );
}

#[test]
fn lists_have_the_names_of_their_keys() {
    let names: Vec<&str> = HookList::ALL.iter().map(|list| list.key()).collect();
    assert_eq!(
        names,
        [
            "OnFailureDetectionProcesses",
            "PreGracefulTakeoverProcesses",
            "PreFailoverProcesses",
            "PostTakeMasterProcesses",
            "PostMasterFailoverProcesses",
            "PostIntermediateMasterFailoverProcesses",
            "PostFailoverProcesses",
            "PostUnsuccessfulFailoverProcesses",
            "PostGracefulTakeoverProcesses",
        ]
    );
}

#[test]
fn braces_that_are_no_placeholder_are_kept() {
    for written in [
        "awk '{print $1}'",
        "for i in {1..3}; do :; done",
        "${HOME} {unknown} {failedhost} { failedHost } {}",
        "{",
        "}{",
        "{failedHost",
        "f() { echo; }",
    ] {
        assert_eq!(line(written, &recovered()), written);
    }
    assert_eq!(
        line("{{failedHost}} ${failedPort}", &recovered()),
        "{a} $3306"
    );
    assert_eq!(line("{x{failedHost}", &recovered()), "{xa");
    assert_eq!(line("é{failedHost}é", &recovered()), "éaé");
}

#[test]
fn what_is_put_in_is_not_looked_at_again() {
    let facts = HookFacts {
        cluster_alias: "{failedHost}".to_owned(),
        ..detected()
    };
    assert_eq!(line("{failureClusterAlias}", &facts), "_failedHost_");
    // Nor together with what stands around it.
    let facts = HookFacts {
        cluster_alias: "failedHost".to_owned(),
        ..detected()
    };
    assert_eq!(line("{{failureClusterAlias}}", &facts), "{failedHost}");
}

#[test]
fn hostile_characters_become_underscores_in_a_line_only() {
    let alias = "x'; rm -rf / #\n$(id)`id`\"\\|&<>*?[~!=é";
    let facts = HookFacts {
        cluster_alias: alias.to_owned(),
        ..detected()
    };
    let told = line("{failureClusterAlias}", &facts);
    assert_eq!(told, "x___rm_-rf_______id__id______________");
    assert!(
        facts
            .environment()
            .contains(&("ORC_FAILURE_CLUSTER_ALIAS", alias.to_owned()))
    );
    assert_eq!(safe_text("-rf", ValueKind::Word), "_rf");
    assert_eq!(safe_text("a -b", ValueKind::Prose), "a _b");
    assert_eq!(safe_text("a -b", ValueKind::Word), "a_-b");
    assert_eq!(safe_text("a; b", ValueKind::Prose), "a__b");
    assert_eq!(safe_text("../../etc", ValueKind::Word), ".._.._etc");
    for kept in [
        "a.example:3306,b-1:3307",
        "[::1]:3306",
        "fe80::1%eth0",
        "bin.000007:154",
    ] {
        assert_eq!(safe_text(kept, ValueKind::Addresses), kept);
        let expected = kept.replace(['[', ']'], "_");
        assert_eq!(safe_text(kept, ValueKind::Word), expected);
    }
}

#[test]
fn a_trailing_ampersand_is_cut_and_sends_to_the_background() {
    for (written, command, is_background) in [
        ("  echo a  ", "echo a", false),
        ("echo a &", "echo a", true),
        ("echo a&\n", "echo a", true),
        ("echo a &&&", "echo a", true),
        ("echo a && echo b", "echo a && echo b", false),
        ("echo a & echo b", "echo a & echo b", false),
        ("", "", false),
        ("&", "", true),
    ] {
        assert_eq!(command_of(written), (command, is_background), "{written}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_value_brings_a_character_of_a_shell(value in "\\PC*|[\\x00-\\x7f]{0,40}", is_prose in any::<bool>()) {
        let kind = if is_prose { ValueKind::Prose } else { ValueKind::Word };
        let safe = safe_text(&value, kind);
        prop_assert_eq!(safe.chars().count(), value.chars().count());
        let is_safe = |c: char| c.is_ascii_alphanumeric() || ".,:-_@%+".contains(c) || (is_prose && c == ' ');
        prop_assert!(safe.chars().all(is_safe), "{}", safe);
        let is_sentence = value.chars().all(|c| is_safe(c) || c == ' ');
        prop_assert!(is_sentence || !safe.contains(' '), "{}", safe);
        prop_assert!(safe.split(' ').all(|word| !word.starts_with('-')), "{}", safe);
    }

    #[test]
    fn a_line_without_placeholders_is_kept(line in "[^{]*") {
        prop_assert_eq!(expand(&line, &recovered().placeholders()), line);
    }
}

#[test]
fn the_page_for_authors_names_everything() {
    const PAGE: &str = include_str!("../../../../docs/hooks.md");
    for (name, ..) in TOLD {
        assert!(PAGE.contains(&format!("`{{{name}}}`")), "{name}");
    }
    for (name, _) in recovered().environment() {
        assert!(PAGE.contains(&format!("`{name}`")), "{name}");
    }
    for list in HookList::ALL {
        assert!(PAGE.contains(&format!("`{list}`")), "{list}");
    }
}
