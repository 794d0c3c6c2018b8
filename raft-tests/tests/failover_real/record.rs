//! What the service has written down about recoveries, as its API tells it.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use raft_tests::lab::{Node, Server, wait_until};
use serde_json::Value;

/// Detecting takes two polls, a recovery some seconds at most; the rest is for a busy machine.
const RECOVERED: Duration = Duration::from_secs(90);

/// All recoveries, newest first.
pub async fn recoveries(node: &Node) -> Result<Vec<Value>> {
    let answer = node.get("/api/audit-recovery").await?;
    ensure!(answer.is_ok(), "{}", answer.text);
    let list = answer.json.as_array().context("audit-recovery is a list")?;
    Ok(list.clone())
}

/// Recoveries that ended with a promotion.
pub async fn succeeded(node: &Node) -> Result<usize> {
    let all = recoveries(node).await?;
    let good = all.iter().filter(|one| one["Outcome"] == "succeeded");
    Ok(good.count())
}

/// Whether a recovery is under way.
pub async fn is_busy(node: &Node) -> Result<bool> {
    let all = recoveries(node).await?;
    Ok(all.iter().any(|one| one["Phase"] != "ended"))
}

/// All that is decided about the newest recovery.
pub async fn newest(node: &Node) -> Result<Value> {
    let all = recoveries(node).await?;
    let newest = all.first().context("no recovery was begun")?;
    let uid = newest["UID"].as_str().context("it has no UID")?;
    let answer = node.get(&format!("/api/v2/recoveries/{uid}")).await?;
    ensure!(answer.is_ok(), "{}", answer.text);
    Ok(answer.json)
}

/// Waits for the end of a recovery of this server, and gives its whole record.
pub async fn recovery_of(node: &Node, dead: &Server) -> Result<Value> {
    wait_until("the end of the recovery", RECOVERED, async || {
        let record = match newest(node).await {
            Ok(record) => record,
            Err(error) => return Err(error.context(why_not(node).await)),
        };
        ensure!(
            is_server(&record["subject"], dead),
            "{}; the newest is of {}",
            why_not(node).await,
            record["subject"]
        );
        ensure!(!record["end"].is_null(), "phase {}", record["phase"]);
        Ok(record)
    })
    .await
}

/// Whether `{hostname, port}` is this server.
pub fn is_server(key: &Value, server: &Server) -> bool {
    key["hostname"] == server.host().to_string() && key["port"] == server.port()
}

/// The kind of the record's statement about lost transactions.
pub fn loss_kind(record: &Value) -> &str {
    let kind = record["end"]["data_loss"]["kind"].as_str();
    kind.unwrap_or_default()
}

/// What the service says about why nothing is done.
async fn why_not(node: &Node) -> String {
    match node.get("/api/v2/why-not").await {
        Ok(answer) => answer.text,
        Err(error) => format!("{error:#}"),
    }
}
