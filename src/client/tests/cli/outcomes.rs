//! Refusals, strange answers, and the exit codes that go with them.

use crate::support::{Run, answering, paths};

const REFUSAL: &str =
    r#"{"Code":"ERROR","Message":"2021-05-20 10:00:00 ERROR it's  not\n known","Details":null}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_prints_its_message_without_quotes_and_returns_1() {
    let server = answering(500, REFUSAL).await;
    for words in [
        &["-c", "discover", "-i", "db1"][..],
        &["-c", "topology", "-i", "db1"],
        &["-c", "forget", "-i", "db1"],
        &["-c", "all-instances"],
    ] {
        let ended = Run::new(words).api(&server.uri()).ends().await;
        assert_eq!(ended.stdout, "", "{words:?}");
        assert_eq!(ended.stderr, "2021-05-20 10:00:00 ERROR its not known\n");
        assert_eq!(ended.code, 1);
    }
    assert_eq!(
        paths(&server).await.len(),
        4,
        "a refusal is not tried again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn details_of_a_refusal_go_to_standard_output() {
    let body = r#"{"Code":"ERROR","Message":"no","Details":{"Key":{"Hostname":"db1","Port":3306},"L":[]}}"#;
    let server = answering(500, body).await;
    let ended = Run::new(&["-c", "discover", "-i", "db1"])
        .api(&server.uri())
        .ends()
        .await;
    assert_eq!(
        ended.stdout,
        "{ \"Key\": { \"Hostname\": \"db1\", \"Port\": 3306 }, \"L\": [] }\n"
    );
    assert_eq!((ended.stderr.as_str(), ended.code), ("no\n", 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_raw_call_prints_a_refusal_whole_on_standard_output() {
    let server = answering(
        500,
        r#"{"Code":"ERROR","Message":"it's no","Details":null}"#,
    )
    .await;
    let ended = Run::new(&["-c", "api", "-P", "/problems"])
        .api(&server.uri())
        .ends()
        .await;
    assert_eq!(
        ended.stdout,
        "{ \"Code\": \"ERROR\", \"Message\": \"it's no\", \"Details\": null }\n"
    );
    assert_eq!((ended.stderr.as_str(), ended.code), ("", 1));
    assert_eq!(paths(&server).await, ["/api/problems"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_raw_call_prints_any_json() {
    for (body, stdout) in [
        ("\"OK\"", "\"OK\"\n"),
        ("null", "null\n"),
        ("[]", "[]\n"),
        (
            "{\"a\":{\"b\":[1,2.5]}}",
            "{ \"a\": { \"b\": [ 1, 2.5 ] } }\n",
        ),
    ] {
        let server = answering(200, body).await;
        let ended = Run::new(&["-c", "api", "-P", "lb-check"])
            .api(&server.uri())
            .ends()
            .await;
        ended.printed(stdout);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_another_shape_returns_5() {
    for (words, body, sentence) in [
        (
            &["-c", "all-clusters-masters"][..],
            "null",
            "The answer to masters cannot be printed: a list was expected where null was found",
        ),
        (
            &["-c", "dominant-dc"],
            "null",
            "The answer to masters cannot be printed: a list was expected where null was found",
        ),
        (
            &["-c", "clusters"],
            r#"{"Code":"OK","Message":"","Details":[]}"#,
            "The answer to clusters-info cannot be printed: a list was expected where an object was found",
        ),
        (
            &["-c", "instance", "-i", "db1"],
            "\"OK\"",
            "The answer to instance/db1/3306 cannot be printed: an object with Key was expected where a text was found",
        ),
    ] {
        let server = answering(200, body).await;
        let ended = Run::new(words).api(&server.uri()).ends().await;
        ended.refused(5, sentence);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_credentials_are_said_at_once_and_no_password_is_shown() {
    let server = answering(401, "Not Authorized").await;
    let api = server.uri().replace("http://", "http://user:secret@");
    let ended = Run::new(&["-c", "clusters"]).api(&api).ends().await;
    let shown = server.uri().replace("http://", "http://user:***@");
    ended.refused(
        1,
        &format!(
            "Cannot access orchestrator at {shown}/api. It answered 401 Unauthorized: check user and password (-b, or \
             ORCHESTRATOR_AUTH_USER and ORCHESTRATOR_AUTH_PASSWORD), header (-e) or client certificate"
        ),
    );
    assert_eq!(paths(&server).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_or_wrong_is_said_without_a_request() {
    let server = answering(200, "[]").await;
    for (line, sentence) in [
        ("", "No command given. Name one with -c; -c help lists them"),
        (
            "-i db1",
            "No command given. Name one with -c; -c help lists them",
        ),
        ("-c nonsense", "Unsupported command nonsense"),
        ("-c my-slave", "Unsupported command my-replica"),
        ("-c api", "path must be provided (-P)"),
        ("-c discover", "instance must be provided (-i)"),
        ("-c topology", "instance|alias must be provided (-i or -a)"),
        ("-c begin-downtime -i db1", "reason must be provided (-r)"),
        ("-c begin-downtime -r x", "instance must be provided (-i)"),
        (
            "-c register-candidate -i db1",
            "promotion rule must be provided (-R)",
        ),
        (
            "-c discover -i a:b:c",
            "'a:b:c' is not an instance: write host, host:port or [IPv6 address]:port",
        ),
        ("-c topology -a ..", "'..' cannot be used as a name"),
        (
            "-c clusters -b userpassword",
            "the value of -b must be user:password",
        ),
        (
            "-c clusters -U ftp://h",
            "'ftp://h' is not an endpoint (only http and https are spoken): write http://host:port or https://host:port \
             in ORCHESTRATOR_API or -U",
        ),
    ] {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ended = Run::new(&words).api(&server.uri()).ends().await;
        ended.refused(1, sentence);
    }
    assert!(paths(&server).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_options_are_reported_and_the_command_is_carried_out() {
    let server = answering(200, "[]").await;
    let ended = Run::new(&["-x", "-c", "clusters", "-a"])
        .api(&server.uri())
        .ends()
        .await;
    let said: Vec<&str> = ended
        .stderr
        .lines()
        .filter_map(|line| line.split("]: ").nth(1))
        .collect();
    assert_eq!(
        said,
        ["illegal option -- x", "option requires an argument -- a"]
    );
    assert_eq!(ended.code, 0);
}
