//! The lab proves itself: every other test with real servers stands on what is shown here.

use anyhow::{Context as _, Result, ensure};
use raft_tests::lab::{
    Account, Fleet, Node, NodePlan, Plan, Program, Server, Stopwatch, wait_until,
};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);

/// What orchestrator asks on its own account: everything a probe and a recovery need must be granted.
async fn as_orchestrator(server: &Server, statements: &[&str]) -> Result<()> {
    use mysql_async::prelude::Queryable as _;
    let Account { user, password } = Account::ORCHESTRATOR;
    let mut conn = server.connect_as(user, password).await?;
    for statement in statements {
        conn.query_drop(*statement)
            .await
            .with_context(|| format!("{user} is refused: {statement}"))?;
    }
    Ok(conn.disconnect().await?)
}

/// One row written on `from` arrives on `to`.
async fn a_row_travels(fleet: &Fleet, from: &str, to: &str, table: &str) -> Result<()> {
    let source = &fleet[from];
    source.run("CREATE DATABASE IF NOT EXISTS travel").await?;
    let table = format!("travel.{table}");
    source
        .run(&format!("CREATE TABLE {table} (n INT PRIMARY KEY)"))
        .await?;
    source
        .run(&format!("INSERT INTO {table} VALUES (42)"))
        .await?;
    fleet[to].applied(&source.position().await?, SOON).await?;
    let read = fleet[to]
        .value(&format!("SELECT n FROM {table}"), "n")
        .await?;
    ensure!(read == "42", "{to} has {read}");
    Ok(())
}

#[tokio::test]
async fn a_mariadb_tree_comes_up_dies_freezes_restarts_and_is_repointed() -> Result<()> {
    let mut fleet = Plan::mariadb("a\n+ b\n  + c\n+ d [slave_net_timeout=60]")
        .build()
        .await?;
    a_row_travels(&fleet, "a", "c", "built").await?;
    settings_are_those_of_a_fleet(&fleet).await?;
    as_orchestrator(
        &fleet["b"],
        &[
            "SHOW SLAVE STATUS",
            "SHOW MASTER STATUS",
            "SHOW SLAVE HOSTS",
            "SHOW PROCESSLIST",
            "SHOW GLOBAL VARIABLES LIKE 'rpl_semi_sync_%'",
            "STOP SLAVE",
            "START SLAVE",
            "SET GLOBAL read_only = 1",
        ],
    )
    .await?;
    freezing_keeps_the_port_and_stops_the_answers(&fleet["d"]).await?;
    killing_frees_the_port_and_a_start_replicates_again(&fleet).await?;
    fleet.repoint("c", "a").await?;
    ensure!(
        source_of(&fleet["c"]).await? == fleet["a"].key(),
        "c was not re-pointed"
    );
    a_row_travels(&fleet, "a", "c", "repointed").await?;
    fleet.add_replica("e", "d").await?;
    a_row_travels(&fleet, "a", "e", "added").await
}

async fn source_of(server: &Server) -> Result<String> {
    let status = server.replica_status().await?.context("no source")?;
    let (host, port) = ("Master_Host", "Master_Port");
    Ok(format!("{}:{}", status.text(host), status.text(port)))
}

async fn settings_are_those_of_a_fleet(fleet: &Fleet) -> Result<()> {
    let ports: Vec<u16> = fleet.servers().iter().map(Server::port).collect();
    ensure!(
        ports.iter().all(|port| *port == ports[0]),
        "one port: {ports:?}"
    );
    let hosts = fleet["a"].rows("SHOW SLAVE HOSTS").await?;
    let mut reported: Vec<&str> = hosts.iter().map(|row| row.text("Host")).collect();
    reported.sort_unstable();
    let expected = [fleet["b"].host().to_string(), fleet["d"].host().to_string()];
    ensure!(reported == expected, "{reported:?} instead of {expected:?}");
    ensure!(
        fleet["a"].value("SELECT @@read_only AS r", "r").await? == "0",
        "a is writable"
    );
    ensure!(
        fleet["b"].value("SELECT @@read_only AS r", "r").await? == "1",
        "b is read-only"
    );
    let timeout = "SELECT @@slave_net_timeout AS t";
    ensure!(
        fleet["d"].value(timeout, "t").await? == "60",
        "the drawing's option counts"
    );
    ensure!(
        fleet["b"].value(timeout, "t").await? == "2",
        "and for that server only"
    );
    Ok(())
}

async fn freezing_keeps_the_port_and_stops_the_answers(server: &Server) -> Result<()> {
    server.freeze()?;
    let address = (server.host(), server.port());
    tokio::net::TcpStream::connect(address).await?;
    let Account { user, password } = Account::LAB;
    let greeting = server.connect_as(user, password);
    let silent = tokio::time::timeout(Duration::from_millis(200), greeting).await;
    ensure!(silent.is_err(), "a frozen server greeted");
    server.thaw()?;
    let answers = async || server.connect_as(user, password).await.map(|_| ());
    wait_until("a thawed server to greet", SOON, answers).await
}

async fn killing_frees_the_port_and_a_start_replicates_again(fleet: &Fleet) -> Result<()> {
    let b = &fleet["b"];
    let first = b.pid();
    b.kill()?;
    ensure!(
        b.pid().is_none() && b.rows("SELECT 1").await.is_err(),
        "b answers after its end"
    );
    ensure!(
        tokio::net::TcpStream::connect((b.host(), b.port()))
            .await
            .is_err(),
        "its port is still open"
    );
    b.start().await?;
    ensure!(b.pid() != first, "b has the same process");
    ensure!(
        b.start().await.is_err(),
        "a running server was started again"
    );
    b.set("read_only", 0);
    b.restart().await?;
    ensure!(
        b.value("SELECT @@read_only AS r", "r").await? == "0",
        "the file was not read again"
    );
    fleet.replicating().await?;
    a_row_travels(fleet, "a", "c", "restarted").await
}

#[tokio::test]
async fn a_mysql_pair_replicates_with_semi_sync() -> Result<()> {
    let fleet = Plan::mysql("a\n+ b").semi_sync().build().await?;
    a_row_travels(&fleet, "a", "b", "built").await?;
    let status = "SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_source_clients'";
    let acknowledging = async || {
        let clients = fleet["a"].value(status, "Value").await?;
        ensure!(clients == "1", "{clients} semi-sync replicas");
        Ok(())
    };
    wait_until("a semi-sync replica", SOON, acknowledging).await?;
    let uuid = "SELECT @@server_uuid AS u";
    ensure!(
        fleet["a"].value(uuid, "u").await? != fleet["b"].value(uuid, "u").await?,
        "copies of the template share a server UUID"
    );
    as_orchestrator(
        &fleet["b"],
        &[
            "SHOW REPLICA STATUS",
            "SHOW BINARY LOG STATUS",
            "SHOW REPLICAS",
            "SHOW PROCESSLIST",
            "SELECT * FROM performance_schema.replication_group_members",
            "SELECT COUNT(*), MAX(User_name) FROM mysql.slave_master_info",
            "STOP REPLICA",
            "START REPLICA",
            "SET GLOBAL super_read_only = 1",
        ],
    )
    .await?;
    fleet["a"].kill()?;
    fleet["a"].start().await?;
    fleet.replicating().await?;
    a_row_travels(&fleet, "a", "b", "restarted").await
}

#[tokio::test]
async fn a_server_that_cannot_start_shows_its_error_log() -> Result<()> {
    let failed = Plan::mariadb("a [no_such_option=1]").build().await;
    let text = format!("{:#}", failed.err().context("a wrong option was accepted")?);
    ensure!(text.contains("ended at its start"), "{text}");
    ensure!(
        text.contains("no_such_option") || text.contains("no-such-option"),
        "{text}"
    );
    Ok(())
}

/// Names the file in which the copy of this test that plays a killed one writes its server's process id.
const PLAY_KILLED: &str = "LAB_SELFTEST_PLAYS_KILLED";

/// Builds a server, says so, and stays until it is killed. Without the variable there is nothing to play.
#[tokio::test]
async fn the_played_killed_test() -> Result<()> {
    let Ok(told) = std::env::var(PLAY_KILLED) else {
        return Ok(());
    };
    let fleet = Plan::mariadb("a").build().await?;
    let pid = fleet["a"].pid().context("no process")?;
    std::fs::write(format!("{told}.new"), pid.to_string())?;
    std::fs::rename(format!("{told}.new"), told)?;
    std::future::pending().await
}

#[tokio::test]
async fn servers_end_with_a_test_that_is_killed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let told = folder.path().join("pid");
    let test = Program::new(std::env::current_exe()?)
        .arg("--exact")
        .arg("the_played_killed_test")
        .env(PLAY_KILLED, &told.display().to_string())
        // Its servers' folders are never removed by itself.
        .env("TMPDIR", &folder.path().display().to_string());
    let killed = test.start(&folder.path().join("log"))?;
    let look = async || Ok(std::fs::read_to_string(&told)?);
    let pid = wait_until("the other test's server", SOON, look).await?;
    let process = format!("/proc/{pid}/cmdline");
    ensure!(
        !std::fs::read(&process)?.is_empty(),
        "no server was started"
    );
    killed.kill()?;
    // An ended process that nobody has asked about yet has an empty command line.
    let gone = async || match std::fs::read(&process) {
        Ok(line) if !line.is_empty() => anyhow::bail!("it still runs"),
        _ => Ok(()),
    };
    wait_until("the end of the other test's server", SOON, gone).await
}

/// Set for the copy of this test that plays the service.
const PLAY_SERVICE: &str = "LAB_SELFTEST_PLAYS_SERVICE";

/// A program that takes the service's place: it runs this file's `the_played_service` with the arguments it got.
fn played_service(folder: &Path) -> Result<std::path::PathBuf> {
    let path = folder.join("played-service");
    let test = std::env::current_exe()?;
    let script = format!(
        "#!/bin/sh\n{PLAY_SERVICE}=\"$*\" exec '{}' --exact the_played_service --nocapture\n",
        test.display()
    );
    std::fs::write(&path, script)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

/// Answers every HTTP call with what it was started with. Without the variable there is nothing to play.
#[test]
fn the_played_service() -> Result<()> {
    use std::io::{Read as _, Write as _};
    let Ok(arguments) = std::env::var(PLAY_SERVICE) else {
        return Ok(());
    };
    let words: Vec<&str> = arguments.split(' ').collect();
    let config = words.get(1).context("no configuration file")?;
    let config: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(config)?)?;
    if config["Refuse"] == true {
        println!("refused as told");
        std::process::exit(3);
    }
    let address = config["ListenAddress"].as_str().context("no address")?;
    println!("listening on {address}");
    for stream in std::net::TcpListener::bind(address)?.incoming() {
        let mut stream = stream?;
        let mut request = [0; 4096];
        let length = stream.read(&mut request)?;
        let line = String::from_utf8_lossy(&request[..length]);
        let line = line.lines().next().unwrap_or_default().to_owned();
        let body = serde_json::json!({"Code": "OK", "Message": line, "Details": words[2..]});
        let (body, status) = (
            body.to_string(),
            if line.contains("missing") { 404 } else { 200 },
        );
        write!(
            stream,
            "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )?;
    }
    Ok(())
}

#[tokio::test]
async fn a_node_is_started_called_killed_and_started_again() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let block = raft_tests::lab::AddressBlock::claim()?;
    let plan = NodePlan::on(block.next_node()?)
        .binary(&played_service(folder.path())?)
        .flag("-debug");
    let node = Node::start(plan).await?;
    let answer = node.get("/api/clusters").await?;
    ensure!(answer.is_ok() && answer.code() == "OK", "{answer:?}");
    ensure!(
        answer.json["Message"] == "GET /api/clusters HTTP/1.1",
        "{answer:?}"
    );
    ensure!(
        answer.json["Details"] == serde_json::json!(["-debug", "http"]),
        "{answer:?}"
    );
    ensure!(
        node.get("/missing").await?.status == 404,
        "the status is passed on"
    );
    let posted = node
        .post("/api/x", Some(&serde_json::json!({"a": 1})))
        .await?;
    ensure!(
        posted.json["Message"] == "POST /api/x HTTP/1.1",
        "{posted:?}"
    );
    node.kill()?;
    ensure!(
        node.get("/api/health").await.is_err(),
        "it answers after its end"
    );
    node.start_again().await?;
    node.terminate().await?;
    ensure!(
        node.log()?.matches("listening on").count() == 2,
        "two starts are logged"
    );
    Ok(())
}

#[tokio::test]
async fn a_node_that_refuses_to_start_is_reported_with_its_log() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let block = raft_tests::lab::AddressBlock::claim()?;
    let plan = NodePlan::on(block.next_node()?)
        .binary(&played_service(folder.path())?)
        .with("Refuse", true);
    let failed = Node::start(plan.clone()).await;
    let text = format!("{:#}", failed.err().context("it was taken as started")?);
    ensure!(text.contains("refused as told"), "{text}");
    let (status, log) = Node::prepare(plan)?.run_to_its_end().await?;
    ensure!(
        status.code() == Some(3) && log.contains("refused as told"),
        "{status} {log}"
    );
    Ok(())
}

#[tokio::test]
async fn a_tree_of_four_is_up_within_seconds() -> Result<()> {
    // The first use makes the template; that is not what is measured.
    raft_tests::lab::Flavour::MariaDb.installation().await?;
    let watch = Stopwatch::start();
    Plan::mariadb("a\n+ b\n+ c\n  + d").build().await?;
    ensure!(
        watch.elapsed() < Duration::from_secs(15),
        "it took {:?}",
        watch.elapsed()
    );
    Ok(())
}
