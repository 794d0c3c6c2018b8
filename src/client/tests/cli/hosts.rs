//! Several hosts, attempts that fail, and the change to another host.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;

use tokio::net::TcpSocket;
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{Run, answering, header, paths, requests};

/// A node of a group: what it answers to the two checks and to everything else.
async fn node(leader: u16, routed: u16, body: &str) -> MockServer {
    let server = MockServer::start().await;
    for (check, status) in [
        ("/api/leader-check", leader),
        ("/api/routed-leader-check", routed),
    ] {
        Mock::given(path(check))
            .respond_with(ResponseTemplate::new(status).set_body_string("\"any\""))
            .with_priority(1)
            .mount(&server)
            .await;
    }
    Mock::given(wiremock::matchers::any())
        .respond_with(ResponseTemplate::new(200).set_body_string(body))
        .mount(&server)
        .await;
    server
}

/// An address where nothing listens, as long as the socket is kept: it is bound, so that nobody else gets the port.
fn dead() -> (String, TcpSocket) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket
        .bind("127.0.0.1:0".parse().expect("an address"))
        .expect("a free port");
    let address = socket.local_addr().expect("an address");
    (format!("http://{address}"), socket)
}

/// A node that leads when it is asked, takes one more request, and dies without an answer. Returns its address and a
/// handle that gives the head of that request.
fn dying() -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let uri = format!("http://{}", listener.local_addr().expect("an address"));
    let serving = thread::spawn(move || {
        loop {
            let (mut stream, _) = listener.accept().expect("a connection");
            let lines = BufReader::new(stream.try_clone().expect("a second handle")).lines();
            let head: Vec<String> = lines
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty())
                .collect();
            let head = head.join("\n");
            if !head.contains("leader-check") {
                return head;
            }
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\n\"OK\"";
            stream.write_all(answer).expect("the client reads");
        }
    });
    (uri, serving)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_hosts_the_leader_is_asked() {
    let follower = node(404, 200, "[]").await;
    let leader = node(200, 200, r#"[{"ClusterName":"db1:3306"}]"#).await;
    let (dead, _kept) = dead();
    let api = format!("{dead} {} {}/", follower.uri(), leader.uri());
    let ended = Run::new(&["-c", "clusters"]).api(&api).ends().await;
    ended.printed("db1:3306\n");
    assert_eq!(paths(&follower).await, ["/api/leader-check"]);
    assert_eq!(
        paths(&leader).await,
        ["/api/leader-check", "/api/clusters-info"]
    );
    let ended = Run::new(&["-c", "which-api"]).api(&api).ends().await;
    ended.printed(&format!("{}/api\n", leader.uri()));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_reachable_leader_a_host_that_forwards_is_asked() {
    let isolated = node(404, 404, "[]").await;
    let follower = node(404, 200, "[]").await;
    let api = format!("{} {}", isolated.uri(), follower.uri());
    let ended = Run::new(&["-c", "which-api"]).api(&api).ends().await;
    ended.printed(&format!("{}/api\n", follower.uri()));
}

#[tokio::test(flavor = "multi_thread")]
async fn when_no_host_leads_nothing_is_asked() {
    let first = node(404, 404, "[]").await;
    let second = node(500, 503, "[]").await;
    let api = format!("{} {}", first.uri(), second.uri());
    let ended = Run::new(&["-c", "discover", "-i", "db1"])
        .api(&api)
        .ends()
        .await;
    let (first, second) = (first.uri(), second.uri());
    ended.refused(
        1,
        &format!("Cannot determine leader from {first}/api {second}/api (HTTP status 404; HTTP status 503)"),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_host_is_asked_without_a_check() {
    let follower = node(404, 404, "[]").await;
    Run::new(&["-c", "clusters"])
        .api(&follower.uri())
        .ends()
        .await
        .printed("");
    assert_eq!(paths(&follower).await, ["/api/clusters-info"]);
    let ended = Run::new(&["-c", "which-api", "-U", "http://u:secret@h:3000/orc/"])
        .ends()
        .await;
    ended.printed("http://u:***@h:3000/orc/api\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_leader_dies_under_a_change_the_next_host_gets_it_with_the_same_key() {
    let (first, died) = dying();
    let second = node(
        200,
        200,
        r#"{"Code":"OK","Message":"","Details":{"Hostname":"db1","Port":3306}}"#,
    )
    .await;
    let api = format!("{first} {}", second.uri());
    let ended = Run::new(&["-c", "end-downtime", "-i", "db1"])
        .api(&api)
        .ends()
        .await;
    ended.printed("db1:3306\n");
    let head = died.join().expect("the node ends").to_lowercase();
    let asked = requests(&second).await;
    let change = asked.last().expect("a request");
    assert_eq!(change.url.path(), "/api/end-downtime/db1/3306");
    let key = header(change, "Idempotency-Key").expect("a key");
    assert!(head.contains(&format!("idempotency-key: {key}")), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_have_two_keys() {
    let server = answering(200, r#"{"Code":"OK","Details":null}"#).await;
    for _ in 0..2 {
        Run::new(&["-c", "forget", "-i", "db1"])
            .api(&server.uri())
            .ends()
            .await
            .printed("");
    }
    let keys: Vec<_> = requests(&server)
        .await
        .iter()
        .map(|one| header(one, "Idempotency-Key"))
        .collect();
    assert!(
        keys.iter().all(Option::is_some) && keys[0] != keys[1],
        "{keys:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_json_is_asked_for_again_with_the_same_key() {
    let server = MockServer::start().await;
    Mock::given(wiremock::matchers::any())
        .respond_with(ResponseTemplate::new(502).set_body_string("<html>busy</html>"))
        .up_to_n_times(2)
        .mount(&server)
        .await;
    Mock::given(wiremock::matchers::any())
        .respond_with(ResponseTemplate::new(200).set_body_string(r#"{"Code":"OK","Details":null}"#))
        .mount(&server)
        .await;
    Run::new(&["-c", "forget", "-i", "db1"])
        .api(&server.uri())
        .ends()
        .await
        .printed("");
    let mut keys: Vec<_> = requests(&server)
        .await
        .iter()
        .map(|one| header(one, "Idempotency-Key"))
        .collect();
    assert_eq!(keys.len(), 3);
    keys.dedup();
    assert_eq!(keys.len(), 1);
}

/// The waits are real here, 11.3 s together: the only test that pays for them.
#[tokio::test(flavor = "multi_thread")]
async fn after_eight_attempts_the_run_fails() {
    let server = answering(404, "404 page not found\n").await;
    let ended = Run::new(&["-c", "clusters"])
        .api(&server.uri())
        .ends()
        .await;
    ended.refused(
        1,
        &format!(
            "Cannot access orchestrator at {}/api. Check ORCHESTRATOR_API (or -U) and that orchestrator runs there. Last \
             of 8 attempts: HTTP status 404, and a body that is not JSON: 404 page not found",
            server.uri()
        ),
    );
    assert_eq!(paths(&server).await.len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_never_answers_is_bounded_and_a_change_is_then_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let uri = format!("http://{}", listener.local_addr().expect("an address"));
    let bounded = |words: &[&str]| {
        Run::new(words)
            .api(&uri)
            .env("ORCHESTRATOR_CLIENT_TIMEOUT", "1")
    };
    let ended = bounded(&["-c", "clusters"]).ends().await;
    ended.refused(
        1,
        &format!("Cannot access orchestrator at {uri}/api. No answer within 1 s"),
    );
    let ended = bounded(&["-c", "forget", "-i", "db1"]).ends().await;
    ended.refused(
        1,
        &format!(
            "No answer from {uri}/api within 1 s: the change may have been made, may still be under way, or may never \
             have begun. Look at the present state before you repeat it"
        ),
    );
}
