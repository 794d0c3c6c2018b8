//! Every field of `all-instances` for a real source and a real replica, compared one by one with what the servers say.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use raft_tests::lab::{Fleet, Node, NodePlan, Plan, Server, wait_until};
use serde_json::{Value, json};

/// What a field has to be.
enum Expected {
    /// Exactly this.
    Is(Value),
    /// It moves; it has to be a number in this range.
    Between(f64, f64),
    /// A time that is not empty.
    SomeTime,
}

use Expected::{Between, Is, SomeTime};

fn null_int(value: Option<i64>) -> Value {
    json!({"Int64": value.unwrap_or(0), "Valid": value.is_some()})
}

fn key_of(server: &Server) -> Value {
    json!({"Hostname": server.host().to_string(), "Port": server.port()})
}

fn no_key() -> Value {
    json!({"Hostname": "", "Port": 0})
}

async fn variable(server: &Server, name: &str) -> Result<String> {
    server
        .value(&format!("SELECT @@global.{name} AS v"), "v")
        .await
}

async fn flag(server: &Server, name: &str) -> Result<Value> {
    Ok(json!(matches!(
        variable(server, name).await?.as_str(),
        "1" | "ON"
    )))
}

async fn status(server: &Server, name: &str) -> Result<String> {
    server
        .value(&format!("SHOW GLOBAL STATUS LIKE '{name}'"), "Value")
        .await
}

async fn number(server: &Server, name: &str) -> Result<Value> {
    Ok(json!(variable(server, name).await?.parse::<i64>()?))
}

/// Fields that follow from the server alone.
async fn own_fields(server: &Server) -> Result<BTreeMap<&'static str, Expected>> {
    let uptime: f64 = status(server, "Uptime").await?.parse()?;
    let log = server.rows("SHOW MASTER STATUS").await?;
    let log = log.first().context("the binary log is on")?;
    let position = json!({"LogFile": log.text("File"), "LogPos": log.text("Position").parse::<i64>()?, "Type": 0});
    let on = |text: String| json!(text == "ON");
    let log_updates = flag(server, "log_slave_updates").await?;
    Ok(BTreeMap::from([
        ("Key", Is(key_of(server))),
        ("InstanceAlias", Is(json!(""))),
        ("Uptime", Between(uptime - 10.0, uptime + 10.0)),
        ("ServerID", Is(number(server, "server_id").await?)),
        ("ServerUUID", Is(json!(""))),
        ("Version", Is(json!(variable(server, "version").await?))),
        (
            "VersionComment",
            Is(json!(variable(server, "version_comment").await?)),
        ),
        ("FlavorName", Is(json!("MariaDB"))),
        ("ReadOnly", Is(flag(server, "read_only").await?)),
        (
            "Binlog_format",
            Is(json!(variable(server, "binlog_format").await?)),
        ),
        (
            "BinlogRowImage",
            Is(json!(variable(server, "binlog_row_image").await?)),
        ),
        ("LogBinEnabled", Is(flag(server, "log_bin").await?)),
        ("LogSlaveUpdatesEnabled", Is(log_updates.clone())),
        ("LogReplicationUpdatesEnabled", Is(log_updates)),
        ("SelfBinlogCoordinates", Is(position)),
        ("GTIDMode", Is(json!(""))),
        ("SupportsOracleGTID", Is(json!(false))),
        ("UsingPseudoGTID", Is(json!(false))),
        ("ExecutedGtidSet", Is(json!(""))),
        ("GtidPurged", Is(json!(""))),
        ("GtidErrant", Is(json!(""))),
        ("DataCenter", Is(json!("dc-of-test"))),
        ("Region", Is(json!(""))),
        ("PhysicalEnvironment", Is(json!(""))),
        ("ReplicationCredentialsAvailable", Is(json!(false))),
        ("SemiSyncAvailable", Is(json!(true))),
        ("SemiSyncPriority", Is(json!(0))),
        (
            "SemiSyncMasterEnabled",
            Is(flag(server, "rpl_semi_sync_master_enabled").await?),
        ),
        (
            "SemiSyncReplicaEnabled",
            Is(flag(server, "rpl_semi_sync_slave_enabled").await?),
        ),
        (
            "SemiSyncMasterTimeout",
            Is(number(server, "rpl_semi_sync_master_timeout").await?),
        ),
        (
            "SemiSyncMasterStatus",
            Is(on(status(server, "Rpl_semi_sync_master_status").await?)),
        ),
        (
            "SemiSyncMasterClients",
            Is(json!(
                status(server, "Rpl_semi_sync_master_clients")
                    .await?
                    .parse::<i64>()?
            )),
        ),
        (
            "SemiSyncReplicaStatus",
            Is(on(status(server, "Rpl_semi_sync_slave_status").await?)),
        ),
        ("LastSeenTimestamp", SomeTime),
        ("IsLastCheckValid", Is(json!(true))),
        ("IsUpToDate", Is(json!(true))),
        ("IsRecentlyChecked", Is(json!(true))),
        ("CountMySQLSnapshots", Is(json!(0))),
        ("IsCandidate", Is(json!(false))),
        ("PromotionRule", Is(json!("neutral"))),
        ("IsDowntimed", Is(json!(false))),
        ("DowntimeReason", Is(json!(""))),
        ("DowntimeOwner", Is(json!(""))),
        ("DowntimeEndTimestamp", Is(json!(""))),
        ("ElapsedDowntime", Is(json!(0))),
        ("UnresolvedHostname", Is(json!(""))),
        ("Problems", Is(json!([]))),
        ("LastDiscoveryLatency", Between(1.0, 2e9)),
        ("ReplicationGroupName", Is(json!(""))),
        ("ReplicationGroupIsSinglePrimary", Is(json!(false))),
        ("ReplicationGroupMemberState", Is(json!(""))),
        ("ReplicationGroupMemberRole", Is(json!(""))),
        ("ReplicationGroupMembers", Is(json!([]))),
        ("ReplicationGroupPrimaryInstanceKey", Is(no_key())),
    ]))
}

/// Fields of the link to a source.
async fn link_fields(
    server: &Server,
    source: Option<&Server>,
) -> Result<BTreeMap<&'static str, Expected>> {
    let row = server.replica_status().await?;
    let text = |column: &str| {
        row.as_ref()
            .map(|row| row.text(column).to_owned())
            .unwrap_or_default()
    };
    let runs = |column: &str| row.as_ref().is_some_and(|row| row.text(column) == "Yes");
    let state = |column: &str| match row.as_ref().map(|row| row.text(column)) {
        None => json!(-1),
        Some("Yes") => json!(1),
        Some("No") => json!(0),
        Some(_) => json!(2),
    };
    let position = |file: &str, offset: &str, kind: u8| -> Result<Value> {
        let offset = if row.is_some() {
            text(offset).parse::<i64>()?
        } else {
            0
        };
        Ok(json!({"LogFile": text(file), "LogPos": offset, "Type": kind}))
    };
    let behind = row
        .as_ref()
        .and_then(|row| row.get("Seconds_Behind_Master"))
        .and_then(|text| text.parse().ok());
    let is_running = |column| Is(json!(runs(column)));
    Ok(BTreeMap::from([
        ("MasterKey", Is(source.map_or_else(no_key, key_of))),
        (
            "MasterUUID",
            Is(json!(if row.is_some() { "No" } else { "" })),
        ),
        ("IsDetachedMaster", Is(json!(false))),
        ("Slave_SQL_Running", is_running("Slave_SQL_Running")),
        (
            "ReplicationSQLThreadRuning",
            is_running("Slave_SQL_Running"),
        ),
        ("Slave_IO_Running", is_running("Slave_IO_Running")),
        ("ReplicationIOThreadRuning", is_running("Slave_IO_Running")),
        ("ReplicationSQLThreadState", Is(state("Slave_SQL_Running"))),
        ("ReplicationIOThreadState", Is(state("Slave_IO_Running"))),
        ("HasReplicationFilters", Is(json!(false))),
        ("UsingOracleGTID", Is(json!(false))),
        (
            "UsingMariaDBGTID",
            Is(json!(row.is_some() && text("Using_Gtid") != "No")),
        ),
        (
            "ReadBinlogCoordinates",
            Is(position("Master_Log_File", "Read_Master_Log_Pos", 0)?),
        ),
        (
            "ExecBinlogCoordinates",
            Is(position("Relay_Master_Log_File", "Exec_Master_Log_Pos", 0)?),
        ),
        ("IsDetached", Is(json!(false))),
        (
            "RelaylogCoordinates",
            Is(position("Relay_Log_File", "Relay_Log_Pos", 1)?),
        ),
        ("LastSQLError", Is(json!(text("Last_SQL_Error")))),
        ("LastIOError", Is(json!(text("Last_IO_Error")))),
        ("SecondsBehindMaster", Is(null_int(behind))),
        (
            "SQLDelay",
            Is(json!(if row.is_some() {
                text("SQL_Delay").parse::<i64>()?
            } else {
                0
            })),
        ),
        ("SlaveLagSeconds", Is(null_int(behind))),
        ("ReplicationLagSeconds", Is(null_int(behind))),
        (
            "HasReplicationCredentials",
            Is(json!(!text("Master_User").is_empty())),
        ),
        ("AllowTLS", Is(json!(text("Master_SSL_Allowed") == "Yes"))),
    ]))
}

/// Fields that follow from the whole tree.
fn tree_fields(fleet: &Fleet, depth: u32, replicas: &[&str]) -> BTreeMap<&'static str, Expected> {
    let replicas: Vec<Value> = replicas.iter().map(|name| key_of(&fleet[*name])).collect();
    BTreeMap::from([
        ("SlaveHosts", Is(json!(replicas))),
        ("Replicas", Is(json!(replicas))),
        ("ClusterName", Is(json!(fleet["a"].key()))),
        ("SuggestedClusterAlias", Is(json!("alias-of-test"))),
        ("ReplicationDepth", Is(json!(depth))),
        ("IsCoMaster", Is(json!(false))),
        ("AncestryUUID", SomeTime),
        ("SecondsSinceLastSeen", SomeTime),
        // MariaDB has no count to wait for: one acknowledgement is enough.
        ("SemiSyncMasterWaitForReplicaCount", SomeTime),
    ])
}

fn compare(seen: &Value, expected: &BTreeMap<&str, Expected>) -> Result<()> {
    let fields = seen.as_object().context("an instance is an object")?;
    let mut wrong = Vec::new();
    for (name, value) in fields {
        let verdict = match expected.get(name.as_str()) {
            None => Err("it was not expected".to_owned()),
            Some(Is(is)) if value == is => Ok(()),
            Some(Is(is)) => Err(format!("the servers say {is}")),
            Some(Between(low, high)) => match value.as_f64() {
                Some(number) if (*low..=*high).contains(&number) => Ok(()),
                _ => Err(format!("it should lie between {low} and {high}")),
            },
            Some(SomeTime) => Ok(()),
        };
        if let Err(why) = verdict {
            wrong.push(format!("{name} is {value}; {why}"));
        }
    }
    wrong.extend(
        expected
            .keys()
            .filter(|name| !fields.contains_key(**name))
            .map(|name| format!("{name} is missing")),
    );
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

async fn expected(fleet: &Fleet, name: &str) -> Result<BTreeMap<&'static str, Expected>> {
    let server = &fleet[name];
    let (source, depth, replicas): (Option<&Server>, u32, &[&str]) = match name {
        "a" => (None, 0, &["b"]),
        "b" => (Some(&fleet["a"]), 1, &["c"]),
        other => bail!("{other} is not compared"),
    };
    let mut all = own_fields(server).await?;
    all.extend(link_fields(server, source).await?);
    all.extend(tree_fields(fleet, depth, replicas));
    Ok(all)
}

#[tokio::test]
async fn every_field_of_a_source_and_a_replica_is_what_the_servers_say() -> Result<()> {
    let fleet = Plan::mariadb("a\n+ b\n  + c").semi_sync().build().await?;
    fleet["a"].run("CREATE DATABASE some").await?;
    fleet["a"]
        .run("CREATE TABLE some.rows (n INT PRIMARY KEY)")
        .await?;
    for n in 0..20 {
        fleet["a"]
            .run(&format!("INSERT INTO some.rows VALUES ({n})"))
            .await?;
    }
    let at = fleet["a"].position().await?;
    for name in ["b", "c"] {
        fleet[name].applied(&at, Duration::from_secs(10)).await?;
    }
    let plan = NodePlan::on(fleet.node_address()?)
        .with("DiscoverySeeds", vec![fleet["a"].key()])
        .with("DetectDataCenterQuery", "SELECT 'dc-of-test'")
        .with("DetectClusterAliasQuery", "SELECT 'alias-of-test'");
    let node = Node::start(plan).await?;
    for name in ["a", "b"] {
        // The fleet is idle, but a probe may be a poll old: look until both agree.
        wait_until(
            "every field to agree",
            Duration::from_secs(15),
            async || {
                let all = node.get("/api/all-instances").await?.json;
                let key = key_of(&fleet[name]);
                let seen = all
                    .as_array()
                    .into_iter()
                    .flatten()
                    .find(|i| i["Key"] == key)
                    .context("not seen yet")?;
                compare(seen, &expected(&fleet, name).await?)
                    .with_context(|| format!("instance {name}"))?;
                ensure!(
                    seen["SecondsSinceLastSeen"]["Valid"] == true,
                    "{}",
                    seen["SecondsSinceLastSeen"]
                );
                ensure!(
                    seen["SecondsSinceLastSeen"]["Int64"]
                        .as_i64()
                        .is_some_and(|age| age <= 2),
                    "its age is at most a poll"
                );
                Ok(())
            },
        )
        .await?;
    }
    Ok(())
}
