//! Every field of an observation of MariaDB, compared with what the server says to another client.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use orchestrator::mysql::{DetectQueries, OwnName, Purpose};
use orchestrator_core::domain::{
    Flavor, InstanceKey, Observation, PromotionRule, ReplicationLink, SourceAddress, ThreadState,
};
use regex::Regex;

use crate::servers::{Product, Server, named};
use crate::world::{answers, config, world};

fn number(text: String) -> u64 {
    text.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_a_mariadb_source_and_replica_is_what_the_servers_say() {
    let servers = Server::start(Product::MariaDb, 2, &[]).await;
    let (source, replica) = (&servers[0], &servers[1]);
    source
        .sql("SET GLOBAL rpl_semi_sync_master_enabled = 1")
        .await;
    source
        .sql("SET GLOBAL rpl_semi_sync_master_timeout = 3456")
        .await;
    replica
        .sql("SET GLOBAL rpl_semi_sync_slave_enabled = 1")
        .await;
    replica.sql("SET GLOBAL read_only = 1").await;
    replica.replicate_from(source).await;
    source.sql("CREATE DATABASE d").await;
    wait_for_semi_sync(source).await;

    let mut config = config();
    config.own_name = OwnName::ReportHost;
    config.discover_by_show_replica_hosts = true;
    config.lag_query = "SELECT 2.7".into();
    config.patterns.data_center = Some(Regex::new(r"^127\.(\d+)\.").unwrap());
    config.detect = DetectQueries {
        region: "SELECT 'north'".into(),
        physical_environment: "SELECT 'prod'".into(),
        instance_alias: "SELECT CONCAT('db', @@server_id)".into(),
        semi_sync_enforced: "SELECT 3".into(),
        cluster_alias: "SELECT 'main'".into(),
        cluster_domain: "SELECT 'main.example'".into(),
        promotion_rule: "SELECT 'prefer_not'".into(),
        pseudo_gtid: "SELECT 1".into(),
        data_center: "SELECT 'refused' FROM no.such_table".into(),
    };
    let world = world(config);
    for server in [source, replica] {
        let uptime_before = server.counter("Uptime").await;
        let seen = world.session(&server.key()).probe().await.unwrap();
        compare(server, source, replica, uptime_before, seen).await;
    }
}

async fn wait_for_semi_sync(source: &Server) {
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while source.counter("Rpl_semi_sync_master_clients").await != 1 {
        assert!(std::time::Instant::now() < deadline, "no semi-sync replica");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn compare(
    server: &Server,
    source: &Server,
    replica: &Server,
    uptime_before: u64,
    seen: Observation,
) {
    let is_source = server.host == source.host;
    // Taken apart without `..`: a new field does not compile until it is compared here.
    let Observation {
        key,
        observed_at,
        latency,
        identity,
        read_only,
        super_read_only,
        binlog,
        gtid,
        replication,
        lag_seconds,
        semi_sync,
        replicas,
        group,
        placement,
        cluster_alias,
        cluster_domain,
        promotion_rule,
        replication_credentials_available,
        uses_pseudo_gtid,
    } = seen;
    assert_eq!(key, server.key());
    assert_eq!(
        key.host().as_str(),
        server.text("SELECT @@report_host").await
    );
    let now = number(server.text("SELECT UNIX_TIMESTAMP()").await) as i64;
    assert!(
        (now - observed_at.as_seconds()).abs() <= 2,
        "{observed_at:?}"
    );
    assert!(latency > Duration::ZERO && latency < Duration::from_secs(2));

    assert_eq!(
        u64::from(identity.server_id),
        number(server.text("SELECT @@server_id").await)
    );
    assert_eq!(identity.server_uuid, "", "MariaDB has none");
    assert_eq!(identity.version, server.text("SELECT @@version").await);
    assert_eq!(
        identity.version_comment,
        server.text("SELECT @@version_comment").await
    );
    assert_eq!(identity.flavor, Flavor::MariaDb);
    let uptime_after = server.counter("Uptime").await;
    assert!((uptime_before..=uptime_after).contains(&identity.uptime.as_secs()));
    assert_eq!(identity.alias, format!("db{}", identity.server_id));

    assert_eq!(
        u64::from(read_only),
        number(server.text("SELECT @@read_only").await)
    );
    assert_eq!(read_only, !is_source);
    assert_eq!(super_read_only, None, "MariaDB has none");

    let log = server.row("SHOW MASTER STATUS").await;
    let position = binlog.position.expect("the log is on");
    assert!(binlog.enabled && server.text("SELECT @@log_bin").await == "1");
    assert!(binlog.logs_replica_updates && server.text("SELECT @@log_slave_updates").await == "1");
    assert_eq!(binlog.format, server.text("SELECT @@binlog_format").await);
    assert_eq!(
        binlog.row_image,
        server.text("SELECT @@binlog_row_image").await
    );
    assert_eq!(position.file, named(&log, "File"));
    assert_eq!(position.offset, number(named(&log, "Position")));

    assert_eq!(
        (
            gtid.mode.as_str(),
            gtid.executed.as_str(),
            gtid.purged.as_str()
        ),
        ("", "", "")
    );
    assert_eq!(
        gtid.mariadb_current,
        server.text("SELECT @@gtid_current_pos").await
    );
    assert_eq!(
        gtid.mariadb_binlog,
        server.text("SELECT @@gtid_binlog_pos").await
    );
    assert!(!gtid.mariadb_current.is_empty());

    match replication {
        None => assert!(is_source),
        Some(link) => compare_link(server, source, link).await,
    }
    assert_eq!(lag_seconds, Some(2), "by the configured query");

    assert!(semi_sync.available);
    assert_eq!(semi_sync.priority, 3);
    assert_eq!(
        (semi_sync.source_enabled, semi_sync.replica_enabled),
        (is_source, !is_source)
    );
    let timeout = number(server.text("SELECT @@rpl_semi_sync_master_timeout").await);
    assert_eq!(semi_sync.source_timeout, Duration::from_millis(timeout));
    assert_eq!(timeout == 3456, is_source);
    assert_eq!(
        semi_sync.wait_for_replica_count, 1,
        "MariaDB always waits for one"
    );
    assert_eq!(
        (semi_sync.source_status, semi_sync.replica_status),
        (is_source, !is_source)
    );
    assert_eq!(
        u64::from(semi_sync.source_clients),
        server.counter("Rpl_semi_sync_master_clients").await
    );

    let expected: Vec<InstanceKey> = if is_source {
        vec![replica.key()]
    } else {
        vec![]
    };
    assert_eq!(replicas, expected);
    assert_eq!(group, None);
    assert_eq!(
        placement.data_center, "41",
        "by the pattern, because the query is refused"
    );
    assert_eq!(placement.region, "north");
    assert_eq!(placement.physical_environment, "prod");
    assert_eq!(cluster_alias, "main");
    assert_eq!(cluster_domain, "main.example");
    assert_eq!(promotion_rule, Some(PromotionRule::PreferNot));
    assert!(!replication_credentials_available);
    assert!(uses_pseudo_gtid);
}

async fn compare_link(replica: &Server, source: &Server, link: ReplicationLink) {
    let row = replica.row("SHOW ALL SLAVES STATUS").await;
    let ReplicationLink {
        source: from,
        source_uuid,
        receiver,
        applier,
        received,
        applied,
        relay_log,
        receiver_error,
        receiver_errno,
        applier_error,
        applier_errno,
        delay,
        seconds_behind,
        uses_oracle_gtid,
        uses_mariadb_gtid,
        mariadb_received,
        retrieved,
        has_filters,
        has_credentials,
        tls_allowed,
        channel,
        heartbeat_period,
        heartbeats_received,
    } = link;
    assert_eq!(from, SourceAddress::Attached(source.key()));
    assert_eq!(named(&row, "Master_Host"), source.host);
    assert_eq!(number(named(&row, "Master_Port")), u64::from(source.port));
    assert_eq!(source_uuid, "");
    assert_eq!(
        (receiver, applier),
        (ThreadState::Running, ThreadState::Running)
    );
    assert_eq!(received.file, named(&row, "Master_Log_File"));
    assert_eq!(received.offset, number(named(&row, "Read_Master_Log_Pos")));
    assert_eq!(applied.file, named(&row, "Relay_Master_Log_File"));
    assert_eq!(applied.offset, number(named(&row, "Exec_Master_Log_Pos")));
    assert_eq!(relay_log.file, named(&row, "Relay_Log_File"));
    assert_eq!(relay_log.offset, number(named(&row, "Relay_Log_Pos")));
    assert_eq!((receiver_error.as_str(), receiver_errno), ("", 0));
    assert_eq!((applier_error.as_str(), applier_errno), ("", 0));
    assert_eq!(delay, Duration::ZERO);
    assert_eq!(
        seconds_behind,
        Some(number(named(&row, "Seconds_Behind_Master")))
    );
    assert!(!uses_oracle_gtid && uses_mariadb_gtid);
    assert_eq!(mariadb_received, named(&row, "Gtid_IO_Pos"));
    assert!(!mariadb_received.is_empty());
    assert_eq!(retrieved, "");
    assert!(!has_filters && has_credentials && !tls_allowed);
    assert_eq!(channel, "");
    let period = heartbeat_period.expect("MariaDB says it").as_secs_f64();
    assert_eq!(Ok(period), named(&row, "Slave_heartbeat_period").parse());
    let beats = number(named(&row, "Slave_received_heartbeats"));
    assert!(heartbeats_received.is_some_and(|before| before <= beats));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mariadb_replica_costs_four_statements_and_its_source_finds_it_by_the_process_list() {
    let servers = Server::start(Product::MariaDb, 2, &[]).await;
    let (source, replica) = (&servers[0], &servers[1]);
    replica.replicate_from(source).await;
    let world = world(config());
    let mut session = world.session(&replica.key());
    session.probe().await.unwrap();
    let asked = replica
        .statements_of(async {
            for _ in 0..10 {
                session.probe().await.unwrap();
            }
        })
        .await;
    assert_eq!(asked, 40, "statements for ten probes");
    // A driver that asks for settings when it connects does so by SELECT. The goodbye counts as a question, and is late.
    let first = replica.counter("Com_select").await;
    let second = replica.counter("Com_select").await;
    for _ in 0..10 {
        let mut conn = world
            .connector
            .connect(&replica.key(), Purpose::Probe)
            .await
            .unwrap();
        let version = conn.query_text("SELECT @@global.version").await.unwrap();
        assert!(version.unwrap().contains("MariaDB"));
    }
    let third = replica.counter("Com_select").await;
    let asked = (third - second) - (second - first);
    assert_eq!(asked, 10, "connecting asks nothing");

    let seen = world.session(&source.key()).probe().await.unwrap();
    // On loopback the replica connects from the loopback's first address.
    let guessed = InstanceKey::parse(&format!("127.0.0.1:{}", source.port), 1).unwrap();
    assert_eq!(seen.replicas, [guessed]);
}

/// `SHOW MASTER STATUS` would wait there, until a replica acknowledges or an hour is over.
#[tokio::test(flavor = "multi_thread")]
async fn a_mariadb_primary_whose_commits_wait_for_a_replica_is_seen_as_it_is() {
    let waiting = [
        "--rpl-semi-sync-master-timeout=3600000",
        "--rpl-semi-sync-master-wait-point=AFTER_SYNC",
    ];
    let servers = Server::start(Product::MariaDb, 1, &waiting.map(String::from)).await;
    let primary = &servers[0];
    primary.sql("CREATE DATABASE d").await;
    primary.sql("CREATE TABLE d.t (id INT)").await;
    primary
        .sql("SET GLOBAL rpl_semi_sync_master_enabled = 1")
        .await;
    let mut writers = Vec::new();
    for id in 1..=3 {
        let mut writer = primary.root().await.unwrap();
        writers.push(tokio::spawn(async move {
            let insert = format!("INSERT INTO d.t VALUES ({id})");
            writer.query_drop(insert).await.unwrap();
        }));
    }
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    let stuck = "SELECT COUNT(*) FROM information_schema.processlist WHERE Info LIKE 'INSERT INTO d.t%' AND Command = 'Query' \
         AND State IN ('Waiting for semi-sync ACK from slave', 'Commit')";
    while primary.text(stuck).await != "3" {
        assert!(
            std::time::Instant::now() < deadline,
            "the writers do not wait"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let world = world(config());
    let seen = answers(&mut world.session(&primary.key())).await;
    let end = seen.binlog.position.expect("its log is on");
    assert!(end.file.ends_with(".000001") && end.offset > 4, "{end}");
    assert!(!seen.read_only && seen.semi_sync.source_status);
    assert!(writers.iter().all(|writer| !writer.is_finished()));

    primary
        .sql("SET GLOBAL rpl_semi_sync_master_enabled = 0")
        .await;
    for writer in writers {
        writer.await.unwrap();
    }
    let seen = answers(&mut world.session(&primary.key())).await;
    let row = primary.row("SHOW MASTER STATUS").await;
    let end = seen.binlog.position.expect("its log is on");
    assert_eq!(end.file, named(&row, "File"));
    assert_eq!(Ok(end.offset), named(&row, "Position").parse());
}
