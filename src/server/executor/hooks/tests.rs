use std::collections::VecDeque;
use std::sync::Mutex;

use orchestrator_core::domain::{FindingCode, InstanceKey, RecoveryId};
use orchestrator_core::legacy::hooks::{HookCommand, HookSubject};
use orchestrator_core::ports::{BoxFuture, HookOutcome};

use super::*;

/// Answers as it is told to, then with success; remembers what it ran.
#[derive(Default)]
struct Script {
    outcomes: Mutex<VecDeque<HookOutcome>>,
    ran: Mutex<Vec<HookRun>>,
}

impl Script {
    fn of(outcomes: impl IntoIterator<Item = HookOutcome>) -> Self {
        Self {
            outcomes: Mutex::new(outcomes.into_iter().collect()),
            ran: Mutex::default(),
        }
    }

    fn lines(&self) -> Vec<String> {
        let ran = self.ran.lock().unwrap();
        ran.iter().map(|hook| hook.line.clone()).collect()
    }
}

impl HookRunner for Script {
    fn run(&self, hook: HookRun) -> BoxFuture<'_, HookReport> {
        let next = self.outcomes.lock().unwrap().pop_front();
        let outcome = next.unwrap_or(HookOutcome::Succeeded);
        let command = hook.line.clone();
        self.ran.lock().unwrap().push(hook);
        Box::pin(async move {
            HookReport {
                command,
                outcome,
                output: "printed\n".to_owned(),
                took: Duration::from_millis(12),
            }
        })
    }
}

fn key(name: &str) -> InstanceKey {
    InstanceKey::parse(name, 3306).unwrap()
}

fn facts() -> HookFacts {
    HookFacts {
        code: FindingCode::DeadPrimary,
        subject: HookSubject::Primary,
        failed: key("a"),
        description: String::new(),
        command: HookCommand::None,
        cluster: "a:3306".to_owned(),
        cluster_alias: "sh;op".to_owned(),
        cluster_domain: String::new(),
        replicas: vec![key("b")],
        is_in_downtime: false,
        recovers_primary: true,
        recovers_intermediate: false,
        node: "n1".to_owned(),
        recovery: RecoveryId::from_number(7),
        attempt: 2,
        successor: None,
        lost: Vec::new(),
    }
}

async fn run(list: HookList, lines: &[&str], script: &Script) -> (HookListOutcome, Vec<String>) {
    let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
    let run = HookListRun::about(list, &lines, &facts(), Some(Duration::from_secs(9)));
    let mut notes = Vec::new();
    let outcome = run.run(script, &mut |text| notes.push(text)).await;
    (outcome, notes)
}

#[tokio::test]
async fn hooks_run_in_their_order_and_the_record_tells_it() {
    let script = Script::of([HookOutcome::Succeeded, HookOutcome::Background]);
    let lines = ["one {failedHost} {failureClusterAlias}", "two &"];
    let (outcome, notes) = run(HookList::BeforeFailover, &lines, &script).await;
    assert_eq!(outcome, HookListOutcome::default());
    assert_eq!(script.lines(), lines);
    assert_eq!(
        notes,
        [
            "Running 2 PreFailoverProcesses hooks",
            "Running PreFailoverProcesses hook 1 of 2: one a sh_op",
            "Completed PreFailoverProcesses hook 1 of 2 in 12ms",
            "Running PreFailoverProcesses hook 2 of 2 (async): two",
            "Completed PreFailoverProcesses hook 2 of 2 (async) in 12ms",
            "done running PreFailoverProcesses hooks",
        ]
    );
}

#[tokio::test]
async fn a_hook_is_told_everything_and_bounded() {
    let script = Script::default();
    run(HookList::OnDetection, &["x"], &script).await;
    let ran = script.ran.lock().unwrap();
    let [hook] = ran.as_slice() else {
        panic!("{ran:?}");
    };
    assert!(hook.may_run_on && hook.arguments.is_empty());
    assert_eq!(hook.timeout, Some(Duration::from_secs(9)));
    let has = |list: &[(String, String)], name: &str, value: &str| {
        list.contains(&(name.to_owned(), value.to_owned()))
    };
    assert!(has(&hook.placeholders, "failureClusterAlias", "sh;op"));
    assert!(has(&hook.environment, "ORC_FAILURE_CLUSTER_ALIAS", "sh;op"));
    assert!(has(&hook.environment, "ORC_RECOVERY_ATTEMPT", "2"));
    assert!(has(
        &hook.environment,
        "ORC_RECOVERY_UID",
        "00000000000000000000000000000007"
    ));
}

#[tokio::test]
async fn a_failing_hook_before_the_failover_stops_its_list_and_the_recovery() {
    let script = Script::of([HookOutcome::Succeeded, HookOutcome::Exited(3)]);
    let (outcome, notes) = run(HookList::BeforeFailover, &["a", "b", "c"], &script).await;
    assert_eq!(script.lines(), ["a", "b"]);
    assert!(outcome.stops_recovery);
    assert_eq!(
        outcome.first_failure.as_deref(),
        Some("PreFailoverProcesses hook 2 of 3: (exit status 3) printed")
    );
    assert_eq!(
        notes[4..],
        [
            "Execution of PreFailoverProcesses hook 2 of 3 failed in 12ms with error: (exit status 3) printed",
            "Not running further PreFailoverProcesses hooks",
            "done running PreFailoverProcesses hooks",
        ]
    );
}

#[tokio::test]
async fn a_failing_detection_hook_stops_its_list_only() {
    let script = Script::of([HookOutcome::TimedOut]);
    let (outcome, _) = run(HookList::OnDetection, &["a", "b"], &script).await;
    assert_eq!(script.lines(), ["a"]);
    assert!(!outcome.stops_recovery);
    let failure = outcome.first_failure.expect("it is told");
    assert!(
        failure.contains("(took too long and was ended)"),
        "{failure}"
    );
}

#[tokio::test]
async fn failing_hooks_afterwards_stop_nothing_and_the_first_failure_is_kept() {
    for list in [
        HookList::AfterPrimaryFailover,
        HookList::AfterFailover,
        HookList::AfterFailedFailover,
        HookList::AfterIntermediateFailover,
        HookList::AfterTakeover,
    ] {
        let script = Script::of([
            HookOutcome::NotStarted("bash: no such file".to_owned()),
            HookOutcome::Signalled(9),
        ]);
        let (outcome, _) = run(list, &["a", "b", "c"], &script).await;
        assert_eq!(script.lines(), ["a", "b", "c"], "{list}");
        assert!(!outcome.stops_recovery);
        let expected =
            format!("{list} hook 1 of 3: (could not be started: bash: no such file) printed");
        assert_eq!(outcome.first_failure, Some(expected));
    }
}

#[tokio::test]
async fn an_empty_list_says_so() {
    let script = Script::default();
    let (outcome, notes) = run(HookList::AfterFailover, &[], &script).await;
    assert_eq!(outcome, HookListOutcome::default());
    assert_eq!(notes, ["No PostFailoverProcesses hooks to run"]);
}

#[tokio::test]
async fn hooks_of_a_taken_source_are_plain_and_leave_no_record() {
    let taken = TakenSource {
        successor: key("b"),
        demoted: key("a"),
    };
    let lines = ["say {failedHost} &".to_owned(), "two".to_owned()];
    let script = Script::of([HookOutcome::Exited(1)]);
    let run = HookListRun::taken_source(&lines, &taken, None);
    let mut notes = Vec::new();
    let outcome = run.run(&script, &mut |text| notes.push(text)).await;
    assert!(!outcome.stops_recovery && outcome.first_failure.is_some());
    assert_eq!(notes, Vec::<String>::new());
    assert_eq!(script.lines(), lines, "a failing one stops nothing");
    let ran = script.ran.lock().unwrap();
    let hook = ran.first().expect("it ran");
    assert_eq!(hook.arguments, ["b:3306", "a:3306"]);
    assert!(!hook.may_run_on && hook.placeholders.is_empty());
    let successor = ("ORC_SUCCESSOR_HOST".to_owned(), "b:3306".to_owned());
    assert!(hook.environment.contains(&successor));
}

#[tokio::test]
async fn long_output_is_noted_by_its_end() {
    let report = HookReport {
        command: String::new(),
        outcome: HookOutcome::Exited(1),
        output: format!("{}the end\n", "é".repeat(NOTED_BYTES_MAX)),
        took: Duration::ZERO,
    };
    let told = reason(&report);
    assert!(told.starts_with("(exit status 1) …é"), "{told}");
    assert!(told.ends_with("éthe end"));
    assert!(told.len() <= NOTED_BYTES_MAX + 30);
}
