//! Tests of the ranking: drawings, and who is to be promoted.

mod constraints;
mod criteria;
mod heads;
mod needed;
pub(in crate::recovery) mod properties;
mod vetoes;

use super::{Ranking, choose, rank};
use crate::recovery::RecoveryPolicy;
use crate::recovery::testing::{Stage, key};

/// The replicas of `a`, ranked.
pub(super) fn ranking(text: &str, policy: &RecoveryPolicy) -> Ranking {
    rank(&Stage::of(text).scene(), &key("a"), policy).unwrap_or_else(|why| panic!("{why}\n{text}"))
}

/// What comes of a drawing, one line for each thing: `b > c: Received` for the order, `- d: must-not` for vetoes,
/// `=> b` for who is promoted, `=> c after b: …` where it catches up first.
pub(super) fn told(text: &str, policy: &RecoveryPolicy) -> String {
    let ranking = ranking(text, policy);
    let mut lines = Vec::new();
    for one in &ranking.comparisons {
        let (better, worse) = (one.better.host(), one.worse.host());
        lines.push(format!("{better} > {worse}: {:?}", one.by));
    }
    for one in &ranking.vetoed {
        let names: Vec<&str> = one.vetoes.iter().map(|veto| veto.name()).collect();
        lines.push(format!("- {}: {}", one.key.host(), names.join(" ")));
    }
    lines.push(match choose(&ranking, policy) {
        None => "=> nobody".to_owned(),
        Some(choice) if choice.head == choice.promoted => {
            format!("=> {}: {:?}", choice.promoted.host(), choice.preference)
        }
        Some(choice) => format!(
            "=> {} after {}: {:?}",
            choice.promoted.host(),
            choice.head.host(),
            choice.preference
        ),
    });
    lines.join("\n")
}

pub(super) fn check(text: &str, expected: &str) {
    check_with(&RecoveryPolicy::default(), text, expected);
}

pub(super) fn check_with(policy: &RecoveryPolicy, text: &str, expected: &str) {
    let expected: Vec<&str> = expected.trim().lines().map(str::trim).collect();
    assert_eq!(told(text, policy), expected.join("\n"), "{text}");
}
