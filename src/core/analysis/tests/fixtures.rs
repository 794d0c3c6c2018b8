//! One fixture for each code: drawings for which a row holds, and for each of its conditions a drawing that differs in
//! that condition alone. What analysis says of the whole drawing is written below it, findings as `=>`, warnings as `~>`.

use std::collections::BTreeSet;

use super::{Stage, analyze};
use crate::analysis::rules::{self, Rule};
use crate::analysis::{Analysis, AnalysisPolicy, Facts, Finding};
use crate::domain::FindingCode;
use crate::legacy::codes::finding_code;

macro_rules! fixtures {
    ($($code:ident),* $(,)?) => {
        [$((stringify!($code), include_str!(concat!("../fixtures/", stringify!($code), ".txt")))),*]
    };
}

pub(super) const FIXTURES: [(&str, &str); 27] = with_all_codes!(fixtures);

/// One drawing of a fixture.
pub(super) struct Case {
    pub place: String,
    /// Row it is about.
    pub rule: &'static Rule,
    /// The one condition that does not hold; `None` when the row holds.
    pub without: Option<String>,
    pub policy: AnalysisPolicy,
    pub drawing: String,
    pub expected: String,
}

pub(super) fn cases() -> Vec<Case> {
    FIXTURES
        .iter()
        .flat_map(|(code, text)| {
            let parts = text.split("\n== ").skip(1).enumerate();
            parts.map(move |(i, part)| case(&format!("{code}/{i}"), part))
        })
        .collect()
}

fn case(place: &str, part: &str) -> Case {
    let (title, rest) = part.split_once('\n').expect("a title");
    let (label, what) = title.split_once(' ').expect("a row and what it does");
    let rule = rules::all().find(|rule| rule.label == label);
    let without = match what.split_once(' ') {
        None if what == "fires" => None,
        Some(("without", condition)) => Some(condition.to_owned()),
        _ => panic!("{place}: '{title}' is no title"),
    };
    let is_expected = |line: &&str| line.starts_with("=> ") || line.starts_with("~> ");
    let lines = |wanted: bool, rest: &str| {
        let lines = rest.lines().filter(|line| is_expected(line) == wanted);
        let kept = lines.filter(|line| !line.starts_with('!') && !line.is_empty());
        kept.collect::<Vec<_>>().join("\n")
    };
    let has_flag = |flag: &str| rest.lines().any(|line| line == format!("! {flag}"));
    Case {
        place: format!("{place} ({title})"),
        rule: rule.unwrap_or_else(|| panic!("{place}: no row {label}")),
        without,
        policy: AnalysisPolicy {
            enforces_exact_semi_sync: has_flag("exact-semi-sync"),
            recovers_read_only_primary: has_flag("recover-read-only"),
            ..AnalysisPolicy::default()
        },
        drawing: lines(false, rest),
        expected: lines(true, rest),
    }
}

/// What analysis says, in the form of the fixtures.
pub(super) fn told(analysis: &Analysis) -> String {
    let line = |arrow: &str, finding: &Finding| {
        let muted = if finding.muted.is_some() {
            " muted"
        } else {
            ""
        };
        let code = finding_code(finding.code);
        format!("{arrow} {} {code}{muted}", finding.subject.host())
    };
    let findings = analysis.findings.iter().map(|finding| line("=>", finding));
    let warnings = analysis.warnings.iter().map(|finding| line("~>", finding));
    let lines: Vec<String> = findings.chain(warnings).collect();
    match lines.is_empty() {
        true => "=> nothing".to_owned(),
        false => lines.join("\n"),
    }
}

pub(super) fn all_facts(stage: &Stage, policy: &AnalysisPolicy) -> Vec<Facts> {
    let records = stage.drawing.picture.records();
    records
        .filter_map(|record| Facts::gather(record, &stage.scene(), policy))
        .collect()
}

#[test]
fn analysis_says_what_the_fixtures_say() {
    let mut wrong = Vec::new();
    for case in cases() {
        let told = told(&analyze(&Stage::of(&case.drawing).scene(), &case.policy));
        if told != case.expected {
            wrong.push(format!(
                "{}\n{}\nexpected\n{}\ngot\n{told}\n",
                case.place, case.drawing, case.expected
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_row_holds_where_its_fixture_says_and_its_finding_is_told() {
    for case in cases().iter().filter(|case| case.without.is_none()) {
        let stage = Stage::of(&case.drawing);
        let facts = all_facts(&stage, &case.policy);
        let subject = facts
            .iter()
            .find(|facts| case.rule.holds(facts, &case.policy));
        let subject = subject.unwrap_or_else(|| panic!("{}: it holds for nobody", case.place));
        let line = format!("> {} {}", subject.key.host(), finding_code(case.rule.code));
        assert!(case.expected.contains(&line), "{}: {line}", case.place);
    }
}

#[test]
fn a_near_miss_differs_in_its_one_condition_alone() {
    for case in cases() {
        let Some(missing) = &case.without else {
            continue;
        };
        let names = case.rule.when.iter().map(|condition| condition.name);
        assert!(names.clone().any(|name| name == missing), "{}", case.place);
        let stage = Stage::of(&case.drawing);
        let facts = all_facts(&stage, &case.policy);
        let is_near_miss = |facts: &&Facts| {
            let mut conditions = case.rule.when.iter();
            conditions.all(|condition| {
                (condition.holds)(facts, &case.policy) == (condition.name != missing)
            })
        };
        // A server that no probe has ended for has no facts: it is a near miss by having none.
        let is_unjudged = facts.len() < stage.drawing.picture.len();
        assert!(
            is_unjudged || facts.iter().any(|facts| is_near_miss(&facts)),
            "{}: no server misses it by that alone",
            case.place
        );
    }
}

#[test]
fn every_condition_of_every_row_has_a_near_miss() {
    let cases = cases();
    for rule in rules::all() {
        let tried: BTreeSet<&str> = cases
            .iter()
            .filter(|case| case.rule.label == rule.label)
            .filter_map(|case| case.without.as_deref())
            .collect();
        let needed: BTreeSet<&str> = rule.when.iter().map(|condition| condition.name).collect();
        assert_eq!(tried, needed, "{}", rule.label);
        let fires = cases
            .iter()
            .any(|case| case.rule.label == rule.label && case.without.is_none());
        assert!(fires, "{} holds in a fixture", rule.label);
    }
}

#[test]
fn a_fixture_is_about_the_code_it_is_named_after() {
    for (name, text) in FIXTURES {
        let code = FindingCode::ALL
            .into_iter()
            .find(|code| finding_code(*code) == name)
            .unwrap_or_else(|| panic!("{name} is a code"));
        for (i, part) in text.split("\n== ").skip(1).enumerate() {
            assert_eq!(case(name, part).rule.code, code, "{name}/{i}");
        }
    }
}
