use std::os::unix::fs::PermissionsExt;

use orchestrator_core::ports::HookOutcome;

use super::*;
use crate::hooks::OUTPUT_BYTES_MAX;

#[tokio::test]
async fn a_hook_runs_in_the_shell_and_what_it_prints_is_kept_in_order() {
    let report = Stage::new()
        .run("for i in 1 2; do echo out $i; echo err $i >&2; done; [[ x == x ]]")
        .await;
    assert_eq!(report.outcome, HookOutcome::Succeeded);
    assert_eq!(report.output, "out 1\nerr 1\nout 2\nerr 2\n");
    assert!(report.is_good());
}

#[tokio::test]
async fn a_line_may_be_a_whole_script() {
    let report = Stage::new()
        .run("#!/bin/false\nf() {\n  cat <<EOF\nin $1\nEOF\n}\nf a\nexit 7")
        .await;
    assert_eq!(report.outcome, HookOutcome::Exited(7));
    assert_eq!(report.output, "in a\n");
    assert!(!report.is_good());
}

#[tokio::test]
async fn placeholders_variables_and_arguments_reach_it() {
    let stage = Stage::new();
    let report = stage
        .runner
        .run(HookRun {
            arguments: vec!["first".to_owned(), "se cond".to_owned()],
            placeholders: vec![("failedHost".to_owned(), "a;b".to_owned())],
            environment: vec![("ORC_FAILED_HOST".to_owned(), "a;b".to_owned())],
            ..hook("echo {failedHost} $ORC_FAILED_HOST {other} \"$1\" \"$2\" $#")
        })
        .await;
    assert_eq!(report.output, "a_b a;b {other} first se cond 2\n");
    assert_eq!(
        report.command,
        "echo a_b $ORC_FAILED_HOST {other} \"$1\" \"$2\" $#"
    );
}

#[tokio::test]
async fn its_environment_is_what_it_was_given_and_nothing_else() {
    let stage = Stage::new();
    let hook = HookRun {
        environment: vec![("ORC_COMMAND".to_owned(), "two\nlines\0x".to_owned())],
        ..hook("env -0 | tr '\\0\\n' '\\n|'")
    };
    let report = stage.runner.run(hook).await;
    let mut names: Vec<&str> = report
        .output
        .lines()
        .filter_map(|line| line.split('=').next())
        .collect();
    names.sort_unstable();
    // The shell itself adds PWD, SHLVL and _.
    assert_eq!(names, ["ORC_COMMAND", "PATH", "PLACE", "PWD", "SHLVL", "_"]);
    assert!(
        report.output.contains("ORC_COMMAND=two|lines_x\n"),
        "NUL cannot be held"
    );
}

#[tokio::test]
async fn a_variable_too_large_for_the_kernel_is_cut_and_the_hook_runs() {
    let hosts = "db-é.example:3306,".repeat(20_000);
    let hook = HookRun {
        environment: vec![("ORC_REPLICA_HOSTS".to_owned(), hosts.clone())],
        ..hook(
            "printf %s \"$ORC_REPLICA_HOSTS\" | head -c 18; printf %s \"$ORC_REPLICA_HOSTS\" | wc -c",
        )
    };
    let report = Stage::new().runner.run(hook).await;
    assert_eq!(report.outcome, HookOutcome::Succeeded, "{report:?}");
    let length = report
        .output
        .strip_prefix("db-é.example:3306")
        .expect("the beginning");
    let length: usize = length.trim().parse().expect("a number");
    assert!((131_000..131_072).contains(&length), "{length}");
}

#[tokio::test]
async fn its_text_is_in_a_file_of_the_old_name_that_only_we_can_read_and_that_goes_with_it() {
    let stage = Stage::new();
    let report = stage.run("stat -c '%a %F' \"$0\"; basename \"$0\"").await;
    let (mode, name) = report.output.split_once('\n').expect("two lines");
    assert_eq!(mode, "600 regular file");
    assert!(name.starts_with("orchestrator-process-cmd-"), "{name}");
    assert!(stage.texts().is_empty());
    stage.run("exit 1").await;
    assert!(stage.texts().is_empty(), "after a failure too");
}

#[tokio::test]
async fn it_leads_a_process_group_of_its_own_and_reads_nothing() {
    let report = Stage::new()
        .run("[ $$ = $(ps -o pgid= -p $$) ] && echo leads; cat; echo ended")
        .await;
    assert_eq!(report.output, "leads\nended\n");
}

#[tokio::test]
async fn missing_and_unexecutable_commands_have_the_exit_codes_of_the_shell() {
    let stage = Stage::new();
    let report = stage.run("no-such-command-anywhere").await;
    assert_eq!(report.outcome, HookOutcome::Exited(127));
    assert!(report.output.contains("not found"), "{}", report.output);
    fs::write(stage.path("script"), "exit 0").unwrap();
    let report = stage.run("\"$PLACE/script\"").await;
    assert_eq!(report.outcome, HookOutcome::Exited(126));
    assert!(
        report.output.contains("ermission denied"),
        "{}",
        report.output
    );
}

#[tokio::test]
async fn a_missing_or_unexecutable_shell_is_told_and_leaves_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("shell");
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    for (shell, why) in [
        ("/no/such/shell", "No such file"),
        (file.to_str().unwrap(), "ermission denied"),
    ] {
        let stage = Stage::with_shell(shell);
        let report = stage.run("true").await;
        let HookOutcome::NotStarted(told) = &report.outcome else {
            panic!("{report:?}");
        };
        assert!(told.starts_with(shell) && told.contains(why), "{told}");
        assert!(stage.texts().is_empty());
        assert!(!report.is_good());
    }
}

#[tokio::test]
async fn another_shell_may_be_configured() {
    let report = Stage::with_shell("/bin/sh")
        .run("echo \"$0\" | grep -c cmd")
        .await;
    assert_eq!(report.output, "1\n");
}

#[tokio::test]
async fn one_that_ends_itself_is_told_with_its_signal() {
    let report = Stage::new()
        .run("echo before; kill -9 $$; echo after")
        .await;
    assert_eq!(report.outcome, HookOutcome::Signalled(9));
    assert_eq!(report.output, "before\n");
}

#[tokio::test]
async fn a_hundred_megabytes_are_read_and_cut() {
    let report = Stage::new()
        .run("echo first; head -c 100000000 /dev/zero | tr '\\0' x; echo; echo last")
        .await;
    assert_eq!(report.outcome, HookOutcome::Succeeded);
    let output = &report.output;
    assert!(output.len() < OUTPUT_BYTES_MAX + 100, "{}", output.len());
    assert!(output.starts_with("first\nxxx") && output.ends_with("xxx\nlast\n"));
    let dropped = 100_000_000 + 12 - OUTPUT_BYTES_MAX;
    assert!(output.contains(&format!("\n[{dropped} bytes are left out here]\n")));
}

#[tokio::test]
async fn one_that_hangs_is_ended_with_all_its_children() {
    let stage = Stage::new();
    let line = "sleep 1000 & echo $! > \"$PLACE/child\"; echo $$ > \"$PLACE/self\"; echo waits; sleep 1000";
    let hook = HookRun {
        timeout: Some(Duration::from_millis(300)),
        ..hook(line)
    };
    let report = stage.runner.run(hook).await;
    assert_eq!(report.outcome, HookOutcome::TimedOut);
    assert_eq!(report.output, "waits\n");
    assert!(report.took >= Duration::from_millis(300) && report.took < LONG / 2);
    for name in ["child", "self"] {
        let pid = stage.line_of(name).await;
        eventually("it is gone", || (!runs(&pid)).then_some(())).await;
    }
    assert!(stage.texts().is_empty());
}

#[tokio::test]
async fn one_that_is_ended_may_clean_up_and_one_that_will_not_end_is_killed() {
    let stage = Stage::new();
    let line = "trap 'echo cleaned; exit 0' TERM; sleep 1000 & wait";
    let short = Some(Duration::from_millis(300));
    let hooked = HookRun {
        timeout: short,
        ..hook(line)
    };
    let report = stage.runner.run(hooked).await;
    assert_eq!(report.outcome, HookOutcome::TimedOut);
    assert_eq!(report.output, "cleaned\n");
    let line = "trap '' TERM; echo $$ > \"$PLACE/stubborn\"; while :; do sleep 1000; done";
    let hooked = HookRun {
        timeout: short,
        ..hook(line)
    };
    let report = stage.runner.run(hooked).await;
    assert_eq!(report.outcome, HookOutcome::TimedOut);
    let pid = stage.line_of("stubborn").await;
    assert!(!runs(&pid), "it was reaped before the report");
}

#[tokio::test]
async fn a_child_that_outlives_its_hook_is_left_alone_and_holds_nothing_up() {
    let stage = Stage::new();
    // The child has the outputs of the hook: a runner that waits for their end would wait for the child.
    let line = "( until [ -e \"$PLACE/go\" ]; do sleep 0.01; done; echo printed; echo lives > \"$PLACE/sign\" ) & echo $! > \"$PLACE/child\"; echo done";
    let report = stage.run(line).await;
    assert_eq!(report.outcome, HookOutcome::Succeeded);
    assert_eq!(report.output, "done\n");
    let pid = stage.line_of("child").await;
    assert!(runs(&pid));
    assert_eq!(stage.runner.in_background(), 1);
    fs::write(stage.path("go"), "").unwrap();
    // It goes on although it prints: its output is read to the end.
    assert_eq!(stage.line_of("sign").await, "lives");
    eventually("nobody is left", || {
        (stage.runner.in_background() == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_line_that_ends_in_an_ampersand_runs_on_in_the_background() {
    let stage = Stage::new();
    let line = "echo $$ > \"$PLACE/self\"; until [ -e \"$PLACE/go\" ]; do sleep 0.01; done; echo ended > \"$PLACE/sign\" &";
    // It is bounded by nothing.
    let hook = HookRun {
        timeout: Some(Duration::ZERO),
        ..hook(line)
    };
    let report = stage.runner.run(hook).await;
    assert_eq!(report.outcome, HookOutcome::Background);
    assert!(report.is_good() && !report.command.ends_with('&'));
    let pid = stage.line_of("self").await;
    assert!(runs(&pid));
    assert_eq!(stage.texts().len(), 1, "its text is there while it runs");
    fs::write(stage.path("go"), "").unwrap();
    assert_eq!(stage.line_of("sign").await, "ended");
    eventually("its text is removed", || {
        stage.texts().is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_ampersand_of_a_plain_hook_is_the_shells() {
    let stage = Stage::new();
    let hook = HookRun {
        may_run_on: false,
        ..hook("echo x > \"$PLACE/sign\" &")
    };
    let report = stage.runner.run(hook).await;
    assert_eq!(report.outcome, HookOutcome::Succeeded);
    assert!(report.command.ends_with('&'));
    assert_eq!(stage.line_of("sign").await, "x");
}

#[tokio::test]
async fn a_hook_that_nobody_waits_for_any_more_is_ended_with_its_children() {
    let stage = Stage::new();
    let runner = Arc::clone(&stage.runner);
    let line = "sleep 1000 & echo $! > \"$PLACE/child\"; echo $$ > \"$PLACE/self\"; sleep 1000";
    let task = tokio::spawn(async move { runner.run(hook(line)).await });
    let (child, own) = (stage.line_of("child").await, stage.line_of("self").await);
    assert!(runs(&child) && runs(&own));
    task.abort();
    for pid in [child, own] {
        eventually("it is gone", || (!runs(&pid)).then_some(())).await;
    }
    eventually("its text is removed", || {
        stage.texts().is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn without_a_bound_a_hook_takes_as_long_as_it_likes() {
    let hook = HookRun {
        timeout: None,
        ..hook("sleep 0.3; echo done")
    };
    let report = Stage::new().runner.run(hook).await;
    assert_eq!(report.output, "done\n");
    assert!(report.took >= Duration::from_millis(300));
}
