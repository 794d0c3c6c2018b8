//! MySQL 9: every field that it fills otherwise than MariaDB, compared with what the server says to another client.

use std::time::{Duration, Instant};

use orchestrator_core::domain::{
    Flavor, InstanceKey, ProbeFailureKind, SourceAddress, ThreadState,
};

use crate::servers::{Product, Server, named};
use crate::world::{config, fails, world};

fn number(text: String) -> u64 {
    text.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mysql_9_source_and_replica_are_seen_as_they_say_themselves() {
    let servers = Server::start(Product::MySql9, 2, &[]).await;
    let (source, replica) = (&servers[0], &servers[1]);
    source
        .sql("SET GLOBAL rpl_semi_sync_source_enabled = 1")
        .await;
    source
        .sql("SET GLOBAL rpl_semi_sync_source_timeout = 4321")
        .await;
    replica
        .sql("SET GLOBAL rpl_semi_sync_replica_enabled = 1")
        .await;
    replica.sql("SET GLOBAL super_read_only = 1").await;
    replica.replicate_from(source).await;
    source.sql("CREATE DATABASE d").await;
    let mut config = config();
    config.discover_by_show_replica_hosts = true;
    config.read_timeout = Duration::from_secs(10);
    let world = world(config);

    // The account's password is unknown to the server's cache: this login goes by its public key.
    let seen = world.session(&source.key()).probe().await.unwrap();
    assert_eq!(seen.key, source.key());
    assert_eq!(seen.identity.flavor, Flavor::MySql);
    assert_eq!(seen.identity.version, source.text("SELECT @@version").await);
    assert_eq!(
        seen.identity.version_comment,
        source.text("SELECT @@version_comment").await
    );
    assert_eq!(
        seen.identity.server_uuid,
        source.text("SELECT @@server_uuid").await
    );
    assert_eq!(
        u64::from(seen.identity.server_id),
        number(source.text("SELECT @@server_id").await)
    );
    assert_eq!((seen.read_only, seen.super_read_only), (false, Some(false)));
    assert_eq!(seen.gtid.mode, "ON");
    assert_eq!(
        seen.gtid.executed,
        source.text("SELECT @@global.gtid_executed").await
    );
    assert_eq!(
        seen.gtid.purged,
        source.text("SELECT @@global.gtid_purged").await
    );
    assert_eq!(
        (
            seen.gtid.mariadb_current.as_str(),
            seen.gtid.mariadb_binlog.as_str()
        ),
        ("", "")
    );
    let log = source.row("SHOW BINARY LOG STATUS").await;
    let position = seen.binlog.position.clone().expect("the log is on");
    assert_eq!(position.file, named(&log, "File"));
    assert_eq!(position.offset, number(named(&log, "Position")));
    assert_eq!(
        seen.binlog.format,
        source.text("SELECT @@binlog_format").await
    );
    assert_eq!(
        seen.binlog.row_image,
        source.text("SELECT @@binlog_row_image").await
    );
    assert!(seen.binlog.enabled && seen.binlog.logs_replica_updates);
    assert_eq!(seen.replication, None);
    assert_eq!(seen.lag_seconds, None);
    assert_eq!(seen.replicas, [replica.key()]);
    assert!(
        seen.semi_sync.available && seen.semi_sync.source_enabled && seen.semi_sync.source_status
    );
    assert_eq!(seen.semi_sync.source_clients, 1);
    assert_eq!(seen.semi_sync.source_timeout, Duration::from_millis(4321));
    assert_eq!(seen.semi_sync.wait_for_replica_count, 1);
    assert_eq!(seen.group, None);
    assert!(
        !seen.replication_credentials_available,
        "it replicates from nobody"
    );

    let seen = world.session(&replica.key()).probe().await.unwrap();
    assert_eq!((seen.read_only, seen.super_read_only), (true, Some(true)));
    assert!(seen.semi_sync.replica_enabled && seen.semi_sync.replica_status);
    assert!(seen.replication_credentials_available);
    let row = replica.row("SHOW REPLICA STATUS").await;
    let link = seen.replication.clone().expect("a replica");
    assert_eq!(link.source, SourceAddress::Attached(source.key()));
    assert_eq!(link.source_uuid, source.text("SELECT @@server_uuid").await);
    assert_eq!(
        (link.receiver, link.applier),
        (ThreadState::Running, ThreadState::Running)
    );
    assert_eq!(link.received.file, named(&row, "Source_Log_File"));
    assert_eq!(
        link.received.offset,
        number(named(&row, "Read_Source_Log_Pos"))
    );
    assert_eq!(link.applied.file, named(&row, "Relay_Source_Log_File"));
    assert_eq!(
        link.applied.offset,
        number(named(&row, "Exec_Source_Log_Pos"))
    );
    assert_eq!(link.relay_log.file, named(&row, "Relay_Log_File"));
    assert_eq!(link.relay_log.offset, number(named(&row, "Relay_Log_Pos")));
    assert_eq!(link.retrieved, named(&row, "Retrieved_Gtid_Set"));
    assert!(link.uses_oracle_gtid && !link.uses_mariadb_gtid && link.has_credentials);
    assert_eq!(link.tls_allowed, named(&row, "Source_SSL_Allowed") == "Yes");
    assert_eq!(seen.lag_seconds, link.seconds_behind);

    let mut session = world.session(&replica.key());
    world.reload(|config| config.discover_by_show_replica_hosts = false);
    session.probe().await.unwrap();
    let asked = replica
        .statements_of(async {
            for _ in 0..10 {
                session.probe().await.unwrap();
            }
        })
        .await;
    assert_eq!(asked, 70, "statements for ten probes");
    let seen = world.session(&source.key()).probe().await.unwrap();
    let guessed = InstanceKey::parse(&format!("127.0.0.1:{}", source.port), 1).unwrap();
    assert_eq!(
        seen.replicas,
        [guessed],
        "by the process list, as loopback shows it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_a_replication_group_is_seen_with_its_role() {
    const NAME: &str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
    // The group talks over an address of an interface, which of the loopback range only the first is.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let group_port = free.local_addr().unwrap().port();
    drop(free);
    let settings = [
        "--plugin-load-add=group_replication.so".to_owned(),
        format!("--loose-group_replication_group_name={NAME}"),
        format!("--loose-group_replication_local_address=127.0.0.1:{group_port}"),
        "--loose-group_replication_bootstrap_group=ON".to_owned(),
        "--loose-group_replication_start_on_boot=OFF".to_owned(),
    ];
    let servers = Server::start(Product::MySql9, 1, &settings).await;
    let server = &servers[0];
    let mut config = config();
    config.read_timeout = Duration::from_secs(10);
    let world = world(config);
    let mut session = world.session(&server.key());
    let failure = fails(&mut session, ProbeFailureKind::AccessDenied, 1142).await;
    assert!(failure.is_partial, "{}", failure.message);
    server
        .sql("GRANT SELECT ON performance_schema.replication_group_members TO orchestrator@'%'")
        .await;
    let seen = session.probe().await.unwrap();
    assert_eq!(seen.group, None, "it has not joined");

    server.sql("START GROUP_REPLICATION").await;
    let deadline = Instant::now() + Duration::from_secs(60);
    let member = loop {
        let seen = session.probe().await.unwrap();
        assert_eq!(
            seen.replication, None,
            "the group's own channels are no link"
        );
        match seen.group {
            Some(member) if member.state == "ONLINE" => break member,
            _ => assert!(Instant::now() < deadline, "the group does not come up"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(member.group_name, NAME);
    assert_eq!(member.role, "PRIMARY");
    assert!(member.is_single_primary);
    assert_eq!(member.primary, Some(server.key()));
    assert_eq!(member.members, []);
}
