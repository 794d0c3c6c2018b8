//! Where settings come from, and how they change the request.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::{Run, answering, header, paths, requests};

const KEY: &str = r#"{"Code":"OK","Message":"","Details":{"Hostname":"db1","Port":3306}}"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_settings_file_wins_over_the_environment_and_the_command_line_over_both() {
    let (from_file, from_flag) = (answering(200, "[]").await, answering(200, "[]").await);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("orchestrator-client.sh");
    let text = format!(
        "# endpoints\nexport ORCHESTRATOR_API=\"{}\"\n",
        from_file.uri()
    );
    fs::write(&file, text).expect("a file");
    let elsewhere = "http://127.0.0.1:1";
    let run = |words: &[&str]| Run::new(words).api(elsewhere).profile(&file);
    run(&["-c", "clusters"]).ends().await.printed("");
    assert_eq!(paths(&from_file).await.len(), 1);
    run(&["-c", "clusters", "-U", &from_flag.uri()])
        .ends()
        .await
        .printed("");
    assert_eq!(
        (paths(&from_file).await.len(), paths(&from_flag).await.len()),
        (1, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_are_more_than_assignments_are_named_but_not_shown_or_run() {
    let server = answering(200, "[]").await;
    let folder = tempfile::tempdir().expect("a folder");
    let (file, trace) = (folder.path().join("profile"), folder.path().join("trace"));
    let text = format!(
        "export ORCHESTRATOR_API={}\nexport ORCHESTRATOR_AUTH_PASSWORD=\"secret$(touch {})\"\n",
        server.uri(),
        trace.display()
    );
    fs::write(&file, text).expect("a file");
    let ended = Run::new(&["-c", "clusters"]).profile(&file).ends().await;
    let (_, said) = ended.stderr.split_once("]: ").expect("a complaint");
    assert_eq!(
        said,
        format!(
            "{} line 2 is skipped: only plain lines of the form export NAME=value are read\n",
            file.display()
        )
    );
    assert_eq!(ended.code, 0);
    assert!(!trace.exists());
    assert!(header(&requests(&server).await[0], "Authorization").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_sent_in_all_their_forms() {
    let environment = [
        ("ORCHESTRATOR_AUTH_USER", "eve"),
        ("ORCHESTRATOR_AUTH_PASSWORD", "pw"),
    ];
    for (words, variables, inside_url, basic, forwarded) in [
        (&["-c", "clusters"][..], &[][..], "", None, None),
        (
            &["-c", "clusters"],
            &environment,
            "",
            Some("Basic ZXZlOnB3"),
            None,
        ),
        (
            &["-c", "clusters", "-b", "al:x:y"],
            &environment,
            "",
            Some("Basic YWw6eDp5"),
            None,
        ),
        (
            &["-c", "clusters"],
            &[],
            "al:x%3Ay@",
            Some("Basic YWw6eDp5"),
            None,
        ),
        (
            &["-c", "clusters", "-b", "al:x:y"],
            &[],
            "eve:pw@",
            Some("Basic YWw6eDp5"),
            None,
        ),
        (
            &["-c", "clusters", "-e", "X-Forwarded-User:alice"],
            &[],
            "",
            None,
            Some("alice"),
        ),
        (
            &["-c", "clusters"],
            &[("ORCHESTRATOR_AUTH_USER_HEADER", "X-Forwarded-User: alice b")],
            "",
            None,
            Some("alice b"),
        ),
    ] {
        let server = answering(200, "[]").await;
        let api = server
            .uri()
            .replace("http://", &format!("http://{inside_url}"));
        let run = variables
            .iter()
            .fold(Run::new(words).api(&api), |run, (name, value)| {
                run.env(name, value)
            });
        run.ends().await.printed("");
        let request = &requests(&server).await[0];
        assert_eq!(
            header(request, "Authorization").as_deref(),
            basic,
            "{words:?} {inside_url}"
        );
        assert_eq!(header(request, "X-Forwarded-User").as_deref(), forwarded);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_value_survives_its_way_into_the_path() {
    for (words, path) in [
        (
            &["-c", "discover", "-i", "[2001:db8::1]:3307"][..],
            "discover/2001:db8::1/3307",
        ),
        (&["-c", "discover", "-i", "::1"], "discover/::1/3306"),
        (
            &["-c", "discover", "-i", "db1", "-D", "3310"],
            "discover/db1/3310",
        ),
        (
            &["-c", "topology", "-a", "my cluster/é?#%"],
            "topology/my%20cluster%2F%C3%A9%3F%23%25",
        ),
        (
            &["-c", "topology", "-i", "[::1]:3306"],
            "topology/%5B::1%5D:3306",
        ),
        (
            &[
                "-c",
                "begin-downtime",
                "-i",
                "db1",
                "-o",
                "ann lee",
                "-r",
                "100% disk\n& more",
                "-u",
                "1h",
            ],
            "begin-downtime/db1/3306/ann%20lee/100%25%20disk%0A%26%20more/1h",
        ),
        (
            &["-c", "api", "-P", "problems/a b?x=1 2"],
            "problems/a%20b?x=1%202",
        ),
    ] {
        let body = r#"{"Code":"OK","Message":"","Details":"x"}"#;
        let server = answering(200, body).await;
        Run::new(words).api(&server.uri()).ends().await;
        assert_eq!(paths(&server).await, [format!("/api/{path}")], "{words:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_instance_comes_from_the_environment() {
    let server = answering(200, KEY).await;
    let run = |words: &[&str]| {
        Run::new(words)
            .api(&server.uri())
            .env("ORCHESTRATOR_INSTANCE", "db7:3307")
    };
    run(&["-c", "end-downtime"])
        .ends()
        .await
        .printed("db1:3306\n");
    run(&["-c", "end-downtime", "-i", "db8"])
        .ends()
        .await
        .printed("db1:3306\n");
    assert_eq!(
        paths(&server).await,
        ["/api/end-downtime/db7/3307", "/api/end-downtime/db8/3306"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_downtime_belongs_to_the_user_who_runs_the_client() {
    let server = answering(200, KEY).await;
    let folder = tempfile::tempdir().expect("a folder");
    let whoami = folder.path().join("whoami");
    fs::write(&whoami, "#!/bin/sh\necho dba\n").expect("a file");
    fs::set_permissions(&whoami, fs::Permissions::from_mode(0o755)).expect("permissions");
    let path = folder.path().to_str().expect("UTF-8");
    let run = |path| {
        let words = ["-c", "begin-downtime", "-i", "db1", "-r", "x"];
        Run::new(&words)
            .api(&server.uri())
            .env("PATH", path)
            .env("USER", "from-environment")
    };
    run(path).ends().await.printed("db1:3306\n");
    run("/nonexistent").ends().await.printed("db1:3306\n");
    assert_eq!(
        paths(&server).await,
        [
            "/api/begin-downtime/db1/3306/dba/x/10m",
            "/api/begin-downtime/db1/3306/from-environment/x/10m"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn proxies_of_the_environment_are_not_used() {
    let server = answering(200, "[]").await;
    let run = Run::new(&["-c", "clusters"]).api(&server.uri());
    let run = run
        .env("http_proxy", "http://127.0.0.1:1")
        .env("ALL_PROXY", "http://127.0.0.1:1");
    run.ends().await.printed("");
}
