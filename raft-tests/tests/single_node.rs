//! One node and a real MariaDB fleet: what the API says while servers die, freeze, move and come back.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use raft_tests::lab::{Account, Fleet, Node, NodePlan, Plan, Stopwatch, wait_until};
use serde_json::Value;

/// Poll interval of these tests: long enough that a busy machine does not blur what "within two polls" means.
const POLL: Duration = Duration::from_secs(2);

/// What scheduling on a busy machine may add to a figure.
const SLACK: Duration = Duration::from_secs(1);

const TWO_POLLS: Duration = Duration::from_secs(2 * POLL.as_secs() + SLACK.as_secs());

/// Discovering a whole tree takes a probe per level.
const SOON: Duration = Duration::from_secs(15);

const TREE: &str = "a\n+ b\n+ c\n  + d";

async fn node_for(fleet: &Fleet, seed: &str) -> Result<Node> {
    let plan = NodePlan::on(fleet.node_address()?)
        .with("InstancePollSeconds", POLL.as_secs())
        .with("DiscoverySeeds", vec![fleet[seed].key()]);
    Node::start(plan).await
}

async fn sees(node: &Node, count: usize) -> Result<()> {
    wait_until("the whole tree", SOON, async || {
        let all = node.get("/api/all-instances").await?.json;
        let all = all.as_array().context("all-instances is a list")?;
        let valid = all.iter().filter(|i| i["IsLastCheckValid"] == true).count();
        ensure!(
            valid == count && all.len() == count,
            "{valid} valid of {}",
            all.len()
        );
        Ok(())
    })
    .await
}

async fn instance(node: &Node, fleet: &Fleet, name: &str) -> Result<Value> {
    let (host, port) = (fleet[name].host(), fleet[name].port());
    let answer = node.get(&format!("/api/instance/{host}/{port}")).await?;
    ensure!(answer.is_ok(), "{}", answer.text);
    Ok(answer.json)
}

async fn probe_state(node: &Node, fleet: &Fleet, name: &str) -> Result<Value> {
    let (host, port) = (fleet[name].host(), fleet[name].port());
    Ok(node
        .get(&format!("/api/v2/probes/{host}/{port}"))
        .await?
        .json)
}

/// Waits until the instance is as `is` says, and tells how long that took.
async fn turns(
    node: &Node,
    fleet: &Fleet,
    name: &str,
    what: &str,
    within: Duration,
    is: impl Fn(&Value) -> bool,
) -> Result<Value> {
    let watch = Stopwatch::start();
    let seen = wait_until(what, within, async || {
        let seen = instance(node, fleet, name).await?;
        ensure!(is(&seen), "{seen}");
        Ok(seen)
    })
    .await?;
    println!("{what}: {:.1} s", watch.elapsed().as_secs_f64());
    Ok(seen)
}

fn key_text(key: &Value) -> String {
    format!(
        "{}:{}",
        key["Hostname"].as_str().unwrap_or_default(),
        key["Port"]
    )
}

#[tokio::test]
async fn a_tree_is_found_from_its_top_and_from_its_leaf_and_drawn_as_it_is() -> Result<()> {
    let fleet = Plan::mariadb(TREE).build().await?;
    let key = |name: &str| fleet[name].key();
    for seed in ["a", "d"] {
        let node = node_for(&fleet, seed).await?;
        sees(&node, 4).await?;
        let clusters = node.get("/api/clusters").await?;
        ensure!(
            clusters.json == serde_json::json!([key("a")]),
            "{}",
            clusters.text
        );
        let cluster = key("a");
        let drawn = node.client(&["-c", "topology", "-a", &cluster]).await?;
        ensure!(drawn.status.success(), "{}", drawn.stderr);
        let lines: Vec<&str> = drawn.stdout.lines().collect();
        ensure!(lines.len() == 4, "{}", drawn.stdout);
        for (line, (indent, name)) in
            lines
                .iter()
                .zip([("", "a"), ("+ ", "b"), ("+ ", "c"), ("  + ", "d")])
        {
            ensure!(
                line.starts_with(&format!("{indent}{}", key(name))),
                "{line}\n{}",
                drawn.stdout
            );
            let version = fleet[name].value("SELECT @@version AS v", "v").await?;
            let format = fleet[name]
                .value("SELECT @@binlog_format AS f", "f")
                .await?;
            let (mode, gtid) = if name == "a" {
                ("rw", "")
            } else {
                ("ro", ",GTID")
            };
            let tail = format!("[0s,ok,{version},{mode},{format},>>{gtid}]");
            ensure!(line.ends_with(&tail), "{line} does not end with {tail}");
        }
        let from_api = node.get(&format!("/api/topology/{cluster}")).await?.json;
        ensure!(
            from_api["Details"].as_str() == Some(drawn.stdout.trim_end()),
            "the client prints what the API says"
        );
        let masters = node.client(&["-c", "all-clusters-masters"]).await?;
        ensure!(masters.stdout.trim() == key("a"), "{}", masters.stdout);
        let below = node
            .client(&["-c", "which-replicas", "-i", &key("c")])
            .await?;
        ensure!(below.stdout.trim() == key("d"), "{}", below.stdout);
        ensure!(
            node.terminate().await?.success(),
            "SIGTERM ends it in order"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_killed_server_is_told_and_seen_again_when_it_is_back() -> Result<()> {
    let fleet = Plan::mariadb(TREE).build().await?;
    let node = node_for(&fleet, "a").await?;
    sees(&node, 4).await?;
    fleet["b"].kill()?;
    let dead = turns(
        &node,
        &fleet,
        "b",
        "a killed server is told",
        TWO_POLLS,
        |i| i["IsLastCheckValid"] == false,
    )
    .await?;
    ensure!(
        dead["Problems"] == serde_json::json!(["last_check_invalid"]),
        "{}",
        dead["Problems"]
    );
    ensure!(
        dead["ServerID"].as_u64().is_some_and(|id| id > 0),
        "what was known of it is kept"
    );
    let probe = probe_state(&node, &fleet, "b").await?;
    ensure!(probe["failure"]["kind"] == "refused", "{probe}");
    ensure!(
        probe["age_seconds"].as_f64().is_some(),
        "its age is shown: {probe}"
    );
    fleet["b"].start().await?;
    turns(
        &node,
        &fleet,
        "b",
        "a restarted server is seen",
        TWO_POLLS,
        |i| i["IsLastCheckValid"] == true,
    )
    .await?;
    turns(
        &node,
        &fleet,
        "b",
        "a restarted server replicates",
        SOON,
        |i| i["Slave_IO_Running"] == true,
    )
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_frozen_server_shows_its_age_and_the_probe_under_way_before_it_is_given_up() -> Result<()>
{
    let fleet = Plan::mariadb(TREE).build().await?;
    let node = node_for(&fleet, "a").await?;
    sees(&node, 4).await?;
    fleet["d"].freeze()?;
    let watch = Stopwatch::start();
    wait_until(
        "the probe under way",
        POLL + Duration::from_secs(2),
        async || {
            let probe = probe_state(&node, &fleet, "d").await?;
            ensure!(
                probe["probing_for_seconds"]
                    .as_f64()
                    .is_some_and(|s| s > 0.9),
                "{probe}"
            );
            ensure!(
                probe["age_seconds"].as_f64().is_some_and(|s| s > 0.9),
                "{probe}"
            );
            Ok(())
        },
    )
    .await?;
    // One poll and the read timeout (2 s in these tests).
    let left = (POLL + Duration::from_secs(2) + SLACK).saturating_sub(watch.elapsed());
    turns(&node, &fleet, "d", "a frozen server is told", left, |i| {
        i["IsLastCheckValid"] == false
    })
    .await?;
    let others = instance(&node, &fleet, "b").await?;
    ensure!(
        others["IsLastCheckValid"] == true && others["IsUpToDate"] == true,
        "the others go on: {others}"
    );
    fleet["d"].thaw()?;
    turns(
        &node,
        &fleet,
        "d",
        "a thawed server is seen",
        TWO_POLLS + Duration::from_secs(2),
        |i| i["IsLastCheckValid"] == true,
    )
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_repointed_replica_a_new_one_and_a_stopped_one_are_told() -> Result<()> {
    let mut fleet = Plan::mariadb(TREE).build().await?;
    let node = node_for(&fleet, "a").await?;
    sees(&node, 4).await?;
    fleet.repoint("d", "b").await?;
    let b = fleet["b"].key();
    let moved = turns(
        &node,
        &fleet,
        "d",
        "a re-pointed replica is told",
        TWO_POLLS,
        |i| key_text(&i["MasterKey"]) == b,
    )
    .await?;
    ensure!(moved["ReplicationDepth"] == 2, "{moved}");
    let watch = Stopwatch::start();
    fleet.add_replica("e", "d").await?;
    let (host, port) = (fleet["e"].host(), fleet["e"].port());
    wait_until("a replica below a replica", SOON, async || {
        let seen = node.get(&format!("/api/instance/{host}/{port}")).await?;
        ensure!(
            seen.is_ok() && seen.json["ReplicationDepth"] == 3,
            "{}",
            seen.text
        );
        Ok(())
    })
    .await?;
    println!(
        "a new replica is told: {:.1} s after its making began",
        watch.elapsed().as_secs_f64()
    );
    fleet["e"].run("STOP SLAVE SQL_THREAD").await?;
    let stopped = turns(
        &node,
        &fleet,
        "e",
        "a stopped applier is told",
        TWO_POLLS,
        |i| i["Slave_SQL_Running"] == false,
    )
    .await?;
    ensure!(
        stopped["Problems"] == serde_json::json!(["not_replicating"]),
        "{}",
        stopped["Problems"]
    );
    let problems = node.get("/api/problems").await?.json;
    let listed: Vec<String> = problems
        .as_array()
        .into_iter()
        .flatten()
        .map(|i| key_text(&i["Key"]))
        .collect();
    ensure!(listed == [fleet["e"].key()], "{listed:?}");
    Ok(())
}

#[tokio::test]
async fn a_changed_password_counts_from_the_next_connection() -> Result<()> {
    let fleet = Plan::mariadb("a\n+ b").build().await?;
    let node = node_for(&fleet, "a").await?;
    sees(&node, 2).await?;
    let Account { user, password } = Account::ORCHESTRATOR;
    let b = &fleet["b"];
    // Not through the binary log: the source keeps the account.
    b.run(&format!(
        "SET STATEMENT sql_log_bin=0 FOR SET PASSWORD FOR '{user}'@'%' = PASSWORD('other')"
    ))
    .await?;
    for row in b
        .rows(&format!(
            "SELECT id FROM information_schema.processlist WHERE user = '{user}'"
        ))
        .await?
    {
        b.run(&format!("KILL {}", row.text("id"))).await?;
    }
    turns(
        &node,
        &fleet,
        "b",
        "a wrong password is told",
        TWO_POLLS,
        |i| i["IsLastCheckValid"] == false,
    )
    .await?;
    let probe = probe_state(&node, &fleet, "b").await?;
    ensure!(
        probe["failure"]["kind"] == "access_denied" && probe["failure"]["code"] == 1045,
        "{probe}"
    );
    ensure!(
        !probe.to_string().contains(password),
        "no answer holds a password"
    );
    b.run(&format!(
        "SET STATEMENT sql_log_bin=0 FOR SET PASSWORD FOR '{user}'@'%' = PASSWORD('{password}')"
    ))
    .await?;
    turns(
        &node,
        &fleet,
        "b",
        "a right password is told",
        TWO_POLLS,
        |i| i["IsLastCheckValid"] == true,
    )
    .await?;
    Ok(())
}

#[tokio::test]
async fn after_kill_9_decided_state_and_the_topology_are_there_before_the_first_probe_ends()
-> Result<()> {
    let fleet = Plan::mariadb(TREE).build().await?;
    let node = node_for(&fleet, "a").await?;
    sees(&node, 4).await?;
    let b = fleet["b"].key();
    let done = node
        .client(&[
            "-c",
            "begin-downtime",
            "-i",
            &b,
            "-o",
            "ann",
            "-r",
            "new disk",
            "-u",
            "2h",
        ])
        .await?;
    ensure!(done.stdout.trim() == b, "{}{}", done.stdout, done.stderr);
    let done = node
        .client(&[
            "-c",
            "register-candidate",
            "-i",
            &fleet["c"].key(),
            "-R",
            "prefer",
        ])
        .await?;
    ensure!(done.status.success(), "{}", done.stderr);
    let before = node
        .get(&format!("/api/topology/{}", fleet["a"].key()))
        .await?
        .json;
    wait_until("the picture to be written", SOON, async || {
        let metrics = node.get("/metrics").await?.text;
        ensure!(
            metrics.contains("\norchestrator_write_behind_backlog 0\n"),
            "something still waits"
        );
        Ok(())
    })
    .await?;
    node.kill()?;
    for server in fleet.servers() {
        server.freeze()?;
    }
    node.start_again().await?;
    let all = node.get("/api/all-instances").await?.json;
    ensure!(all.as_array().is_some_and(|all| all.len() == 4), "{all}");
    let b = instance(&node, &fleet, "b").await?;
    ensure!(
        b["IsDowntimed"] == true
            && b["DowntimeOwner"] == "ann"
            && b["DowntimeReason"] == "new disk",
        "{b}"
    );
    let c = instance(&node, &fleet, "c").await?;
    ensure!(
        c["PromotionRule"] == "prefer" && c["IsCandidate"] == true,
        "{c}"
    );
    let after = node
        .get(&format!("/api/topology/{}", fleet["a"].key()))
        .await?
        .json;
    let keys = |text: &Value| -> Vec<String> {
        let text = text["Details"].as_str().unwrap_or_default();
        text.lines()
            .map(|line| {
                line.split('[')
                    .next()
                    .unwrap_or_default()
                    .trim_end()
                    .replace("- ", "+ ")
            })
            .collect()
    };
    ensure!(keys(&after) == keys(&before), "{after}\n{before}");
    for server in fleet.servers() {
        server.thaw()?;
    }
    sees(&node, 4).await?;
    let done = node
        .client(&["-c", "end-downtime", "-i", &fleet["b"].key()])
        .await?;
    ensure!(done.status.success(), "{}", done.stderr);
    ensure!(
        instance(&node, &fleet, "b").await?["IsDowntimed"] == false,
        "the downtime ended"
    );
    Ok(())
}

#[tokio::test]
async fn a_forgotten_instance_stays_away_until_it_is_discovered_again() -> Result<()> {
    let fleet = Plan::mariadb("a\n+ b").build().await?;
    let node = node_for(&fleet, "a").await?;
    sees(&node, 2).await?;
    let b = fleet["b"].key();
    fleet["b"].kill()?;
    turns(
        &node,
        &fleet,
        "b",
        "a killed server is told",
        TWO_POLLS,
        |i| i["IsLastCheckValid"] == false,
    )
    .await?;
    let forgotten = node.client(&["-c", "forget", "-i", &b]).await?;
    ensure!(
        forgotten.status.success() && forgotten.stdout.is_empty(),
        "{}{}",
        forgotten.stdout,
        forgotten.stderr
    );
    sees(&node, 1).await?;
    let unknown = node.client(&["-c", "forget", "-i", &b]).await?;
    ensure!(
        unknown.status.code() == Some(1),
        "forgetting an unknown instance fails: {}",
        unknown.stdout
    );
    node.kill()?;
    node.start_again().await?;
    sees(&node, 1).await?;
    fleet["b"].start().await?;
    let found = node.client(&["-c", "discover", "-i", &b]).await?;
    ensure!(found.stdout.trim() == b, "{}{}", found.stdout, found.stderr);
    sees(&node, 2).await
}

#[tokio::test]
async fn no_secret_is_in_logs_answers_metrics_store_or_process_list() -> Result<()> {
    const CANARIES: [&str; 2] = ["canary-of-http-7291", "canary-of-mysql-1838"];
    let fleet = Plan::mariadb("a\n+ b").build().await?;
    for name in ["a", "b"] {
        let account = "CREATE OR REPLACE USER canary@'%' IDENTIFIED BY 'canary-of-mysql-1838'";
        fleet[name]
            .run(&format!("SET STATEMENT sql_log_bin=0 FOR {account}"))
            .await?;
        fleet[name]
            .run("SET STATEMENT sql_log_bin=0 FOR GRANT ALL ON *.* TO canary@'%'")
            .await?;
    }
    let plan = NodePlan::on(fleet.node_address()?)
        .with("DiscoverySeeds", vec![fleet["a"].key()])
        .with("AuthenticationMethod", "basic")
        .with("HTTPAuthUser", "admin")
        .with("HTTPAuthPassword", CANARIES[0])
        .with("MySQLTopologyUser", "canary")
        .with("MySQLTopologyPassword", CANARIES[1]);
    let node = Node::prepare(plan)?;
    node.launch()?;
    let url = node
        .at("")
        .replace("http://", &format!("http://admin:{}@", CANARIES[0]));
    let http = reqwest::Client::builder().no_proxy().build()?;
    let fetch = async |path: &str| -> Result<String> {
        Ok(http
            .get(format!("{url}{path}"))
            .send()
            .await?
            .text()
            .await?)
    };
    wait_until("both servers", SOON, async || {
        let all = fetch("/api/all-instances").await?;
        ensure!(
            all.matches("\"IsLastCheckValid\":true").count() == 2,
            "{all}"
        );
        Ok(())
    })
    .await?;
    fleet["b"].kill()?;
    let (host, port) = (fleet["b"].host(), fleet["b"].port());
    let mut seen = String::new();
    for path in [
        "all-instances",
        "health",
        "status",
        "clusters-info",
        "problems",
        "v2/probes",
        "nowhere",
    ] {
        seen += &fetch(&format!("/api/{path}")).await?;
    }
    seen += &fetch(&format!("/api/discover/{host}/{port}")).await?;
    seen += &fetch("/metrics").await?;
    seen += &node.get("/api/clusters").await?.text;
    seen += &node.log()?;
    let pid = node.pid().context("it runs")?;
    seen += &std::fs::read_to_string(format!("/proc/{pid}/cmdline"))?;
    ensure!(node.terminate().await?.success(), "it ends in order");
    seen += &node.log()?;
    for entry in std::fs::read_dir(node.folder())? {
        let path = entry?.path();
        let is_ours = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().contains("sqlite"));
        if is_ours {
            seen += &String::from_utf8_lossy(&std::fs::read(&path)?);
        }
    }
    for canary in CANARIES {
        ensure!(
            !seen.contains(canary),
            "{canary} shows up: …{}…",
            around(&seen, canary)
        );
    }
    Ok(())
}

fn around(text: &str, needle: &str) -> String {
    let at = text.find(needle).unwrap_or_default();
    text.chars()
        .skip(text[..at].chars().count().saturating_sub(200))
        .take(400)
        .collect()
}
