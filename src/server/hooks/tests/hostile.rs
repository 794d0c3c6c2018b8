//! Values that would like to be commands.

use orchestrator_core::domain::{FindingCode, InstanceKey, RecoveryId};
use orchestrator_core::legacy::hooks::{HookCommand, HookFacts, HookSubject, HookSuccessor};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tokio::task::JoinSet;

use super::*;

/// Values tried; each comes to stand in every placeholder.
const VALUES: usize = 2_000;

/// Ways out of where a value stands, ways to have something run, and ways back in.
const BEFORE: [&str; 14] = [
    "", "x", "'", "\"", "')", "\")", "`", "\\", "\n", "\nEOF\n", "]]", "}", "-", "$IFS",
];
const RUN: [&str; 18] = [
    "; touch canary;",
    "$(touch canary)",
    "`touch canary`",
    "& touch canary &",
    "| touch canary",
    "|| touch canary",
    "&& touch canary",
    "> canary",
    ">canary<canary",
    "\ntouch canary\n",
    "\rtouch canary\r",
    "<(touch canary)",
    "${x:=$(touch canary)}",
    "a[$(touch canary)]",
    "$((a[$(touch canary)]))",
    ";touch${IFS}canary;",
    "{touch,canary}",
    "\u{2028}touch canary",
];
const AFTER: [&str; 10] = ["", "'", "\"", "#", "`", "\\", "\n", ")", "'\"", "\u{feff}é"];

fn values() -> Vec<String> {
    // Drawn once and for all: a failure is found again.
    let mut rng = StdRng::seed_from_u64(28);
    let one = |_| {
        let mut value = String::new();
        for _ in 0..rng.random_range(1..4) {
            for part in [&BEFORE[..], &RUN, &AFTER] {
                value.push_str(part.choose(&mut rng).expect("there are some"));
            }
        }
        value
    };
    (0..VALUES).map(one).collect()
}

/// Every placeholder there is.
fn placeholders() -> Vec<&'static str> {
    let key = InstanceKey::parse("a", 3306).unwrap();
    let facts = HookFacts {
        code: FindingCode::DeadPrimary,
        subject: HookSubject::Primary,
        failed: key.clone(),
        description: String::new(),
        command: HookCommand::None,
        cluster: String::new(),
        cluster_alias: String::new(),
        cluster_domain: String::new(),
        replicas: Vec::new(),
        is_in_downtime: false,
        recovers_primary: false,
        recovers_intermediate: false,
        node: String::new(),
        recovery: RecoveryId::from_number(1),
        attempt: 1,
        successor: Some(HookSuccessor {
            key,
            alias: String::new(),
            coordinates: Some(String::new()),
        }),
        lost: Vec::new(),
    };
    let all = facts.placeholders().into_iter();
    all.map(|(name, _)| name).collect()
}

/// A line in which every placeholder stands in every place where a shell takes text, and which says so when it came to its end.
fn line(names: &[&str]) -> String {
    let mut line = "cd \"$PLACE\" || exit 9\n".to_owned();
    for name in names {
        line.push_str(&format!(
            ": {{{name}}} '{{{name}}}' \"{{{name}}}\" a{{{name}}}b # {{{name}}}\n"
        ));
        line.push_str(&format!("[[ \"{{{name}}}\" == x{{{name}}} ]]\n"));
        line.push_str(&format!("x={{{name}}}\ncase y in {{{name}}}) ;; esac\n"));
    }
    // What starts a process or writes a file is done for all placeholders at once: there are thousands of runs.
    let all: Vec<String> = names.iter().map(|name| format!("{{{name}}}")).collect();
    line.push_str(&format!("x=\"$(: {} )\"\n", all.join(" ")));
    line.push_str(&format!(": <<EOF\n{}\nEOF\n", all.join("\n")));
    line.push_str("echo came through");
    line
}

#[tokio::test]
async fn no_value_in_any_placeholder_runs_anything() {
    let stage = Stage::new();
    let (values, names) = (values(), placeholders());
    assert_eq!(names.len(), 28);
    let line = line(&names);
    // Value by value, all placeholders at once.
    let mut tasks = JoinSet::new();
    for part in values.chunks(VALUES / 4) {
        let (runner, part) = (Arc::clone(&stage.runner), part.to_vec());
        let (line, names) = (line.clone(), names.clone());
        tasks.spawn(async move {
            for value in &part {
                let placeholders = names.iter().map(|name| ((*name).to_owned(), value.clone()));
                let hook = HookRun {
                    placeholders: placeholders.collect(),
                    ..hook(&line)
                };
                let report = runner.run(hook).await;
                assert_eq!(report.output, "came through\n", "{value:?}");
            }
            part.len()
        });
    }
    let count: usize = tasks.join_all().await.into_iter().sum();
    assert_eq!(count, VALUES);
    assert_eq!(stage.left(), Vec::<String>::new());
}

#[tokio::test]
async fn the_same_values_pasted_as_they_are_would_run() {
    // What the test above would see, if values were not made safe: each kind of place has one that gets out of it.
    for (context, value) in [
        (": {failedHost}", "; touch canary;"),
        (": '{failedHost}'", "'; touch canary; '"),
        (": \"{failedHost}\"", "$(touch canary)"),
        (": <<EOF\n{failedHost}\nEOF", "`touch canary`"),
    ] {
        let stage = Stage::new();
        let pasted = context.replace("{failedHost}", value);
        stage.run(&format!("cd \"$PLACE\"\n{pasted}")).await;
        assert_eq!(stage.left(), ["canary"], "{pasted}");
        let stage = Stage::new();
        let hook = HookRun {
            placeholders: vec![("failedHost".to_owned(), value.to_owned())],
            ..hook(&format!("cd \"$PLACE\"\n{context}"))
        };
        stage.runner.run(hook).await;
        assert_eq!(stage.left(), Vec::<String>::new(), "{context} {value}");
    }
}

#[tokio::test]
async fn the_environment_has_every_value_exactly() {
    let stage = Stage::new();
    let values = values();
    let line = "for i in {0..99}; do n=V$i; printf '%s\\0' \"${!n}\"; done > \"$PLACE/values\"";
    for some in values.chunks(100) {
        let variables = some.iter().enumerate();
        let hook = HookRun {
            environment: variables
                .map(|(i, value)| (format!("V{i}"), value.clone()))
                .collect(),
            ..hook(line)
        };
        let report = stage.runner.run(hook).await;
        assert!(report.is_good(), "{report:?}");
        let got = fs::read(stage.path("values")).unwrap();
        let expected: Vec<u8> = some
            .iter()
            .flat_map(|value| [value.as_bytes(), b"\0"].concat())
            .collect();
        assert!(got == expected);
    }
}
