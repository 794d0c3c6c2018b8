//! A change that is asked for again after the leader died.

use anyhow::{Context as _, Result, ensure};
use raft_tests::lab::{Answer, Group, wait_until};
use reqwest::Client;

use super::SOON;

/// Posts to a node with a key until it answers 200.
async fn post(group: &Group, through: usize, path: &str, key: &str) -> Result<Answer> {
    let client = Client::builder().no_proxy().timeout(SOON).build()?;
    wait_until(path, SOON, async || {
        let request = client.post(group[through].at(path));
        let answer = request.header("Idempotency-Key", key).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "{status}: {text}");
        let json = serde_json::from_str(&text)?;
        Ok(Answer { status, text, json })
    })
    .await
}

#[tokio::test]
async fn a_key_is_remembered_by_the_next_leader_and_its_change_not_made_again() -> Result<()> {
    let group = Group::start(|_, plan| plan).await?;
    let first = group.settled().await?;
    let follower = (first + 1) % 3;
    let begin = "/api/begin-downtime/db1/3306/ann/test/3600s";
    let answered = post(&group, follower, begin, "one").await?;
    group[first].kill()?;
    let second = group.leader().await?;
    ensure!(second != first);
    let other = (0..3)
        .find(|n| *n != first && *n != second)
        .context("of three")?;
    post(&group, other, "/api/end-downtime/db1/3306", "two").await?;
    // Were it carried out again, the downtime would be back.
    let again = post(&group, other, begin, "one").await?;
    ensure!(
        again.json["Code"] == answered.json["Code"],
        "first {}, then {}",
        answered.text,
        again.text
    );
    group.agree(&[second, other]).await?;
    for node in [second, other] {
        let hosts = group.downtimed_hosts(node)?;
        ensure!(hosts.is_empty(), "node {node}: {hosts:?}");
    }
    // A key of its own is a change of its own.
    post(&group, other, begin, "three").await?;
    group.agree(&[second, other]).await?;
    ensure!(group.downtimed_hosts(other)?.contains("db1"));
    Ok(())
}
