//! All combinations of what main rules ask: what they shadow, that none is out of reach, and that the order matters
//! only where it says so.

use std::collections::{BTreeMap, BTreeSet};

use crate::analysis::rules::{self, Kind, Rule};
use crate::analysis::{AnalysisPolicy, Facts, Replicas};
use crate::domain::{InstanceKey, SemiSync};

/// Facts of a seen primary, from an empty drawing.
fn blank() -> Facts {
    let stage = super::Stage::of("a");
    let mut facts = super::fixtures::all_facts(&stage, &AnalysisPolicy::default());
    facts.pop().expect("facts of a")
}

fn keys(count: usize) -> Vec<InstanceKey> {
    (0..count)
        .map(|i| InstanceKey::parse(&format!("r{i}"), 3306).expect("a key"))
        .collect()
}

/// Up to two replicas, each in any state: not valid, receiving and replicating, receiving only, cut off, silent.
fn replicas() -> Vec<Replicas> {
    let mut all = Vec::new();
    for states in [vec![]]
        .into_iter()
        .chain((0..5).map(|a| vec![a]))
        .chain((0..5).flat_map(|a| (a..5).map(move |b| vec![a, b])))
    {
        let of = |wanted: &[i32]| states.iter().filter(|state| wanted.contains(state)).count();
        for lagging in 0..=states.len() {
            for delayed in 0..=states.len() {
                all.push(Replicas {
                    all: keys(states.len()),
                    valid: of(&[1, 2, 3, 4]),
                    replicating: of(&[1]),
                    receiving: keys(of(&[1, 2])),
                    cut_off: keys(of(&[3])),
                    failing_to_connect: of(&[3]),
                    lagging,
                    delayed,
                    ..Replicas::default()
                });
            }
        }
    }
    all
}

fn semi_syncs() -> Vec<SemiSync> {
    let mut all = Vec::new();
    for (enabled, status) in [(true, true), (true, false), (false, true)] {
        for (clients, count) in [(0, 0), (0, 1), (1, 0), (1, 1), (2, 1)] {
            all.push(SemiSync {
                source_enabled: enabled,
                source_status: status,
                source_clients: clients,
                wait_for_replica_count: count,
                ..SemiSync::default()
            });
        }
    }
    all
}

/// Calls `each` with every combination that a picture can show.
fn walk(mut each: impl FnMut(&Facts, &AnalysisPolicy)) {
    let strict = AnalysisPolicy {
        enforces_exact_semi_sync: true,
        recovers_read_only_primary: true,
        ..AnalysisPolicy::default()
    };
    let (replicas, semi_syncs) = (replicas(), semi_syncs());
    let mut facts = blank();
    for (is_valid, was_answered) in [(true, false), (false, true), (false, false)] {
        facts.check.is_valid = is_valid;
        facts.check.was_answered = was_answered;
        for below in &replicas {
            facts.replicas.clone_from(below);
            for (is_primary, is_co_primary) in [(true, false), (false, true), (false, false)] {
                if is_co_primary && below.count() == 0 {
                    // Its partner is a replica of it.
                    continue;
                }
                facts.is_primary = is_primary;
                facts.is_co_primary = is_co_primary;
                for semi_sync in &semi_syncs {
                    facts.semi_sync.clone_from(semi_sync);
                    for (is_read_only, stalled) in [(true, 0), (true, 60), (false, 0), (false, 60)]
                    {
                        facts.is_read_only = is_read_only;
                        facts.binlog_stalled_for = Some(std::time::Duration::from_secs(stalled));
                        each(&facts, &strict);
                    }
                }
            }
        }
    }
}

/// Of each main row that is ever the first to hold: the later ones that hold beside it.
pub(super) fn shadowed(table: &[Rule]) -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let main = table.iter().filter(|rule| rule.kind == Kind::Main);
    let main: Vec<&Rule> = main.collect();
    let mut together: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    walk(|facts, policy| {
        let mut holding = main.iter().filter(|rule| rule.holds(facts, policy));
        if let Some(winner) = holding.next() {
            let below = together.entry(winner.label).or_default();
            below.extend(holding.map(|rule| rule.label));
        }
    });
    together
}

/// The same as the table declares it.
pub(super) fn declared() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    rules::main()
        .map(|rule| (rule.label, rule.shadows.iter().copied().collect()))
        .collect()
}

#[test]
fn rows_shadow_what_they_say_they_shadow_and_none_is_out_of_reach() {
    let table: Vec<Rule> = rules::all().map(|rule| Rule { ..*rule }).collect();
    assert_eq!(shadowed(&table), declared());
}

#[test]
fn a_primary_that_does_not_answer_is_never_without_a_finding() {
    walk(|facts, policy| {
        if facts.is_primary && !facts.check.is_valid && !facts.check.was_answered {
            let found = rules::main().any(|rule| rule.holds(facts, policy));
            assert!(found, "{facts:?}");
        }
    });
}

#[test]
fn members_of_a_replication_group_have_no_main_finding() {
    walk(|facts, policy| {
        let member = Facts {
            is_group_member: true,
            ..facts.clone()
        };
        assert!(!rules::main().any(|rule| rule.holds(&member, policy)));
    });
}

#[test]
fn nothing_is_dead_that_answers_or_that_a_replica_receives_from() {
    walk(|facts, policy| {
        let is_alive = facts.check.was_answered || !facts.replicas.receiving.is_empty();
        for rule in rules::main().filter(|rule| ["A2", "A4", "A16", "A17"].contains(&rule.label)) {
            assert!(!(is_alive && rule.holds(facts, policy)), "{facts:?}");
        }
    });
}
