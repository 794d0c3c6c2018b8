//! The HAProxy example of `deploy/`, before a real group.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use raft_tests::lab::{AddressBlock, Group, Program, free_port, wait_until};
use reqwest::Client;

use super::SOON;

/// The port in the example.
const FRONT: u16 = 8080;

/// Where distributions put it; other places are on the path.
const PLACES: [&str; 3] = [
    "/usr/sbin/haproxy",
    "/usr/local/sbin/haproxy",
    "/usr/bin/haproxy",
];

/// One request through the proxy; its own checks need a second or two to see a new leader.
const WITHIN: Duration = Duration::from_secs(5);

fn haproxy() -> Result<&'static str> {
    let found = PLACES.into_iter().find(|place| Path::new(place).is_file());
    found.ok_or_else(|| {
        anyhow::anyhow!(
            "this test needs HAProxy: install the package haproxy (raft-tests/run does)"
        )
    })
}

/// The example with the addresses of this test.
fn example(group: &Group, front: (Ipv4Addr, u16)) -> Result<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/haproxy.cfg");
    let mut text = std::fs::read_to_string(path)?;
    let mut put = |from: &str, to: String| -> Result<()> {
        ensure!(text.contains(from), "the example has no `{from}`");
        text = text.replace(from, &to);
        Ok(())
    };
    put(
        "bind 127.0.0.1:8080",
        format!("bind {}:{}", front.0, front.1),
    )?;
    for (number, node) in group.nodes().iter().enumerate() {
        put(
            &format!("127.0.0.{}:3000", number + 1),
            format!("{}:{}", node.host(), node.port()),
        )?;
    }
    Ok(text)
}

#[tokio::test]
async fn the_haproxy_example_leads_to_the_leader_and_to_the_next_one() -> Result<()> {
    let haproxy = haproxy()?;
    let group = Group::start(|_, plan| plan).await?;
    let first = group.settled().await?;
    let block = AddressBlock::claim()?;
    let address = block.next_node()?;
    let front = (address, free_port(&[address], FRONT)?);
    let place = tempfile::tempdir()?;
    let config = place.path().join("haproxy.cfg");
    std::fs::write(&config, example(&group, front)?)?;
    let log = place.path().join("log");
    let proxy = Program::new(haproxy).arg("-db").arg("-f").arg(&config);
    let proxy = proxy.start(&log)?;
    let client = Client::builder().no_proxy().timeout(WITHIN).build()?;
    let base = format!("http://{}:{}", front.0, front.1);
    let change = async |host: &str| {
        wait_until("a change through HAProxy", SOON, async || {
            ensure!(
                proxy.exited()?.is_none(),
                "{}",
                std::fs::read_to_string(&log)?
            );
            let url = format!("{base}/api/begin-downtime/{host}/3306/ann/test/600s");
            let answer = client.post(url).header("Idempotency-Key", host).send();
            let answer = answer.await?;
            let status = answer.status();
            ensure!(status.is_success(), "{status}: {}", answer.text().await?);
            Ok(())
        })
        .await
    };
    change("db1").await?;
    // Followers pass requests on as well, so that alone shows little: who answers is asked for.
    let leads = async |which: usize| {
        wait_until("HAProxy to ask the leader", SOON, async || {
            let status = client.get(format!("{base}/api/raft-status")).send().await?;
            let status: serde_json::Value = serde_json::from_str(&status.text().await?)?;
            let bind = status["RaftBind"].as_str().unwrap_or_default();
            let host = group[which].host().to_string();
            ensure!(bind.starts_with(&host), "{bind} answers, {host} leads");
            Ok(())
        })
        .await
    };
    leads(first).await?;
    group[first].kill()?;
    let second = group.leader().await?;
    ensure!(second != first);
    change("db2").await?;
    leads(second).await?;
    group.agree(&[second]).await?;
    let stored = group.downtimed_hosts(second)?;
    ensure!(
        stored.contains("db1") && stored.contains("db2"),
        "{stored:?}"
    );
    Ok(())
}
