//! From SQLite files.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use raft_tests::lab::{AddressBlock, Group, Node, NodePlan, wait_until};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use crate::old;

pub const SOON: Duration = Duration::from_secs(20);
pub const PATH: &str = "/api/v2/import-predecessor";

fn texts(connection: &Connection, sql: &str) -> Result<Vec<String>> {
    let mut statement = connection.prepare(sql).with_context(|| sql.to_owned())?;
    let found = statement.query_map([], |row| row.get(0))?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// What is to be in decided state, read from a store's file.
pub fn check_store(store: &Connection) -> Result<()> {
    for (sql, expected) in [
        (
            "SELECT host || ' ' || owner || ' ' || reason FROM decided_downtime ORDER BY host",
            &[
                "a.invalid ann disk: \u{fc}ber 90 %",
                "b.invalid orchestrator lost-in-recovery",
            ][..],
        ),
        (
            "SELECT host || ' ' || promotion_rule FROM decided_candidate ORDER BY host",
            &["a.invalid must_not"],
        ),
        (
            "SELECT cluster_name || ' ' || alias FROM decided_cluster_alias",
            &["a.invalid:3306 shop"],
        ),
        (
            "SELECT disabled_by FROM decided_recoveries_disabled",
            &["somebody, at the predecessor"],
        ),
        ("SELECT host FROM decided_detection", &["b.invalid"]),
        ("SELECT host FROM decided_recovery", &["b.invalid"]),
        (
            "SELECT text FROM decided_recovery_note ORDER BY number",
            &[
                "will handle DeadMaster event on b.invalid:3306",
                "promoted a.invalid:3306",
            ],
        ),
    ] {
        let found = texts(store, sql)?;
        ensure!(found == expected, "{sql}: {found:?}");
    }
    // An end that was two hours away is so still, whatever time zones there are.
    let left: i64 = store.query_row(
        "SELECT ends_at_micros / 1000000 - strftime('%s', 'now') FROM decided_downtime WHERE host = 'a.invalid'",
        [],
        |row| row.get(0),
    )?;
    ensure!((7_000..=7_200).contains(&left), "it ends in {left} s");
    Ok(())
}

/// What a report of the rows in [`old`] says.
pub fn check_report(report: &Value) -> Result<()> {
    ensure!(
        report["rows"]
            == json!({
                "global switch": 1, "cluster aliases": 1, "downtimes": 2, "candidates": 1,
                "detections": 1, "recoveries": 1, "instances": 1,
            }),
        "{report}"
    );
    ensure!(report["taken"] == 8 && report["kept"] == 0, "{report}");
    let refused = report["refused"].as_array().context("no list")?;
    let refused: Vec<&str> = refused
        .iter()
        .filter_map(|row| row["why"].as_str())
        .collect();
    ensure!(
        refused
            == [
                "'no such host' is not a host name or address",
                "end_timestamp is not set",
                "promotion_rule is 'perhaps', which is none",
                "this release has no finding 'DeadIntermediateMaster'",
            ],
        "{refused:?}"
    );
    let left = report["leftBehind"].as_array().context("no list")?;
    let left: Vec<String> = left
        .iter()
        .map(|row| format!("{}: {}", row["table"], row["row"]))
        .collect();
    ensure!(
        left.contains(&"\"database_instance_tags\": \"1 row\"".to_owned()),
        "{left:?}"
    );
    Ok(())
}

pub fn read_only(path: &Path) -> Result<Connection> {
    Ok(Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY,
    )?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_on_the_files_of_the_predecessors_takes_all_over_once_on_every_node() -> Result<()>
{
    let group = Group::prepared(|_, plan| plan)?;
    let files: Vec<_> = group
        .nodes()
        .iter()
        .map(|node| node.folder().join("orchestrator.sqlite3"))
        .collect();
    old::in_file(&files[0])?;
    for file in &files[1..] {
        std::fs::copy(&files[0], file)?;
    }
    let before = old::dump(&files[0])?;
    for node in group.nodes() {
        node.launch()?;
    }
    let leader = group.settled().await?;
    wait_until("the import", SOON, async || {
        let log = group[leader].log()?;
        ensure!(log.contains("what the predecessor decided was imported"));
        Ok(())
    })
    .await?;
    group.agree(&[0, 1, 2]).await?;
    for (number, file) in files.iter().enumerate() {
        check_store(&group.store(number)?)?;
        ensure!(old::dump(file)? == before, "its tables were changed");
        // Every node probes what was known.
        wait_until("the known instance", SOON, async || {
            let known = group[number].get("/api/v2/probes").await?.text;
            ensure!(
                known.contains("a.invalid") && !known.contains("gone.invalid"),
                "{known}"
            );
            Ok(())
        })
        .await?;
    }
    let recoveries = group[leader].get("/api/audit-recovery").await?.json;
    ensure!(
        recoveries[0]["SuccessorKey"]["Hostname"] == "a.invalid",
        "{recoveries}"
    );
    ensure!(recoveries[0]["AcknowledgedBy"] == "ann", "{recoveries}");
    let log = group[leader].log()?;
    ensure!(
        log.contains("'no such host' is not a host name or address"),
        "{log}"
    );

    // Not a second time: by the next leader, after restarts of all, or when somebody asks.
    let follower = (leader + 1) % 3;
    let end = group[follower]
        .get("/api/end-downtime/a.invalid/3306")
        .await?;
    ensure!(end.is_ok(), "{}", end.text);
    for node in group.nodes() {
        ensure!(node.terminate().await?.success());
    }
    for node in group.nodes() {
        node.launch()?;
    }
    group.settled().await?;
    let again = group[follower].get(PATH).await?;
    ensure!(
        again.json["outcome"] == "already-imported",
        "{}",
        again.text
    );
    ensure!(again.json["taken"] == 8, "{}", again.text);
    group.agree(&[0, 1, 2]).await?;
    for number in 0..3 {
        ensure!(group.downtimed_hosts(number)?.len() == 1);
    }
    Ok(())
}

#[tokio::test]
async fn a_predecessor_that_runs_is_refused_and_what_it_left_is_read_when_it_has_stopped()
-> Result<()> {
    let block = AddressBlock::claim()?;
    let node =
        Node::prepare(NodePlan::on(block.next_node()?).with("AuthenticationMethod", "none"))?;
    let path = node.folder().join("orchestrator.sqlite3");
    old::in_file(&path)?;
    let alive = |seconds: i64| -> Result<()> {
        let sql = format!(
            "UPDATE node_health SET last_seen_active = {}",
            old::in_sqlite(seconds)
        );
        Connection::open(&path)?.execute(&sql, [])?;
        Ok(())
    };
    // As of a minute from now, it is alive for the time of this test.
    alive(60)?;
    node.launch()?;
    node.healthy().await?;
    wait_until("it to say so", SOON, async || {
        ensure!(node.log()?.contains("the predecessor runs: orc1.invalid"));
        Ok(())
    })
    .await?;
    let refused = node.get(PATH).await?;
    ensure!(
        refused.status == 409 && refused.text.contains("orc1.invalid"),
        "{}",
        refused.text
    );
    let dry = node.get(&format!("{PATH}?dryRun=true")).await?;
    ensure!(dry.json["outcome"] == "would-import", "{}", dry.text);
    check_report(&dry.json)?;
    // As the page on migration has it.
    let asked = ["-c", "api", "-P", "v2/import-predecessor?dryRun=true"];
    let said = node.client(&asked).await?;
    ensure!(said.stdout.contains("would-import"), "{said:?}");
    ensure!(texts(&read_only(&path)?, "SELECT host FROM decided_downtime")?.is_empty());
    alive(-60)?;
    wait_until("the import", SOON, async || check_store(&read_only(&path)?)).await
}
