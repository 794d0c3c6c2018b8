//! Every row, and every condition of every row, is needed: without it, analysis would say something else of a fixture.

use std::collections::BTreeSet;

use super::fixtures::{all_facts, cases};
use super::grid::{declared, shadowed};
use super::{Stage, analyze};
use crate::analysis::rules::{self, Condition, Kind, Rule};
use crate::analysis::{AnalysisPolicy, Facts, Finding};
use crate::domain::{FindingCode, InstanceKey};

/// What is found about whom, each with the place it is listed in.
type Told = BTreeSet<(InstanceKey, Kind, FindingCode)>;

/// A fixture, gathered once for all tables that are asked about it.
struct Gathered {
    place: String,
    /// The row, and the condition that it misses, where it is a near miss.
    near_miss: Option<(&'static str, String)>,
    facts: Vec<Facts>,
    policy: AnalysisPolicy,
    told: Told,
}

fn gathered() -> Vec<Gathered> {
    cases()
        .into_iter()
        .map(|case| {
            let stage = Stage::of(&case.drawing);
            let analysis = analyze(&stage.scene(), &case.policy);
            let of = |kind: Kind, findings: &[Finding]| {
                let told = findings.iter();
                told.map(|one| (one.subject.clone(), kind, one.code))
                    .collect::<Told>()
            };
            let mut told = of(Kind::Main, &analysis.findings);
            told.extend(of(Kind::Structure, &analysis.warnings));
            Gathered {
                place: case.place,
                near_miss: case.without.map(|missing| (case.rule.label, missing)),
                facts: all_facts(&stage, &case.policy),
                policy: case.policy,
                told,
            }
        })
        .collect()
}

/// What a table says: the first main row of each server, and all its structure rows.
fn told_by(table: &[Rule], fixture: &Gathered) -> Told {
    let mut told = Told::new();
    for facts in &fixture.facts {
        let holding = |kind: Kind| {
            let of_kind = table.iter().filter(move |rule| rule.kind == kind);
            of_kind.filter(|rule| rule.holds(facts, &fixture.policy))
        };
        let main = holding(Kind::Main).take(1);
        for rule in main.chain(holding(Kind::Structure)) {
            told.insert((facts.key.clone(), rule.kind, rule.code));
        }
    }
    told
}

/// The table, with the conditions of each row as `change` leaves them; a row for which it returns `None` is left out.
fn table(change: impl Fn(&Rule) -> Option<&'static [Condition]>) -> Vec<Rule> {
    rules::all()
        .filter_map(|rule| change(rule).map(|when| Rule { when, ..*rule }))
        .collect()
}

fn without_row(gone: &Rule) -> Vec<Rule> {
    table(|rule| (rule.label != gone.label).then_some(rule.when))
}

fn without_condition(of: &Rule, gone: &Condition) -> Vec<Rule> {
    table(|rule| {
        if rule.label != of.label {
            return Some(rule.when);
        }
        let kept = rule.when.iter().filter(|one| one.name != gone.name);
        // A rule borrows its conditions for ever. There are some hundred of them, and the test ends.
        Some(kept.copied().collect::<Vec<_>>().leak())
    })
}

fn differs(table: &[Rule], fixture: &Gathered) -> bool {
    told_by(table, fixture) != fixture.told
}

#[test]
fn analysis_is_what_the_table_says() {
    for fixture in gathered() {
        let whole = table(|rule| Some(rule.when));
        assert_eq!(told_by(&whole, &fixture), fixture.told, "{}", fixture.place);
    }
}

/// Conditions without which analysis would say the same, because an earlier row holds where they do not: row, condition, and
/// the row that is found instead. Such a condition keeps two rows from holding of one server: each row says all that it is
/// about, and what it shadows is what it hides from an operator. The grid shows that they do.
const BEHIND_EARLIER_ROWS: [(&str, &str, FindingCode); 12] = [
    (
        "A3",
        "has-replicas",
        FindingCode::DeadPrimaryWithoutReplicas,
    ),
    ("A4", "some-replica-invalid", FindingCode::DeadPrimary),
    (
        "A6",
        "some-replica-valid",
        FindingCode::DeadPrimaryAndReplicas,
    ),
    ("A6", "replicas-do-not-agree", FindingCode::DeadPrimary),
    (
        "A7",
        "has-replicas",
        FindingCode::DeadPrimaryWithoutReplicas,
    ),
    ("A9", "not-stalled", FindingCode::LockedSemiSyncPrimary),
    ("A12", "check-valid", FindingCode::UnreachablePrimary),
    ("A13", "check-valid", FindingCode::DeadPrimaryAndReplicas),
    ("A14", "check-valid", FindingCode::UnreachablePrimary),
    ("A15", "check-valid", FindingCode::UnreachablePrimary),
    (
        "A15",
        "some-replica-invalid",
        FindingCode::AllPrimaryReplicasNotReplicating,
    ),
    ("A17", "some-replica-invalid", FindingCode::DeadCoPrimary),
];

#[test]
fn without_any_one_of_the_rows_a_fixture_would_be_told_otherwise() {
    let fixtures = gathered();
    for rule in rules::all() {
        let table = without_row(rule);
        let is_needed = fixtures.iter().any(|fixture| differs(&table, fixture));
        assert!(is_needed, "no fixture needs {}", rule.label);
    }
}

#[test]
fn without_any_one_of_the_conditions_a_fixture_would_be_told_otherwise() {
    let fixtures = gathered();
    let mut behind = Vec::new();
    for rule in rules::all() {
        for condition in rule.when {
            let table = without_condition(rule, condition);
            if !fixtures.iter().any(|fixture| differs(&table, fixture)) {
                behind.push((rule.label, condition.name));
            }
        }
    }
    let explained = BEHIND_EARLIER_ROWS.map(|(label, condition, _)| (label, condition));
    assert_eq!(behind, explained, "conditions that no fixture needs");
}

#[test]
fn a_condition_behind_an_earlier_row_keeps_the_two_apart() {
    let (fixtures, declared) = (gathered(), declared());
    for (label, name, instead) in BEHIND_EARLIER_ROWS {
        let rule = rules::all().find(|rule| rule.label == label);
        let rule = rule.expect("it is a row");
        let condition = rule.when.iter().find(|condition| condition.name == name);
        let table = without_condition(rule, condition.expect("it is a condition of that row"));
        assert_ne!(shadowed(&table), declared, "{label} without {name}");
        let near_misses = fixtures.iter().filter(|fixture| {
            let missed = fixture.near_miss.as_ref();
            missed.is_some_and(|missed| (missed.0, &*missed.1) == (label, name))
        });
        let mut codes = near_misses.flat_map(|fixture| fixture.told.iter().map(|told| told.2));
        assert!(codes.any(|code| code == instead), "{label} without {name}");
    }
}
