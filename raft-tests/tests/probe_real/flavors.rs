//! Products and versions that are not at hand, by scripts of what they answer.

use orchestrator_core::domain::{Flavor, InstanceKey, ProbeFailureKind};

use crate::fake::{Reply, Scripted};
use crate::world::{config, fails, world};

const STATUS: &[&str] = &[
    "Master_Host",
    "Master_Port",
    "Master_User",
    "Slave_IO_Running",
    "Slave_SQL_Running",
    "Master_Log_File",
    "Read_Master_Log_Pos",
    "Relay_Master_Log_File",
    "Exec_Master_Log_Pos",
    "Relay_Log_File",
    "Relay_Log_Pos",
    "Seconds_Behind_Master",
    "Channel_Name",
];

fn replica_row<'a>(host: &'a str, channel: &'a str) -> Vec<&'a str> {
    vec![
        host, "3306", "repl", "Yes", "Yes", "b.7", "99", "b.7", "98", "r.1", "4", "5", channel,
    ]
}

/// A server of that version that replicates over two channels. Whatever is not known here is refused.
fn mysql(version: &'static str, comment: &'static str) -> impl Fn(&str) -> Reply + Send + Sync {
    move |statement| {
        if statement.contains("@@global.server_id") {
            let known = [
                ("server_id", "7"),
                ("hostname", "db7"),
                ("version", version),
                ("version_comment", comment),
                ("log_bin", "1"),
                ("super_read_only", "1"),
                ("read_only", "1"),
                ("gtid_mode", "ON"),
                ("performance_schema", "1"),
            ];
            let (columns, row): (Vec<&str>, Vec<&str>) = known
                .into_iter()
                .filter(|(name, _)| statement.contains(&format!("@@global.{name} AS")))
                .unzip();
            return Reply::table(&columns, &[&row]);
        }
        if statement.contains("@@global.version") {
            return Reply::table(&["version", "version_comment"], &[&[version, comment]]);
        }
        match statement {
            "SHOW SLAVE STATUS" | "SHOW REPLICA STATUS" => {
                let (a, b) = (replica_row("ha", "a"), replica_row("hb", ""));
                Reply::table(STATUS, &[&a, &b])
            }
            "SHOW MASTER STATUS" | "SHOW BINARY LOG STATUS" => {
                Reply::table(&["File", "Position"], &[&["b.9", "120"]])
            }
            text if text.starts_with("SHOW GLOBAL") => {
                Reply::table(&["Variable_name", "Value"], &[&["Uptime", "60"]])
            }
            _ => Reply::Error(1142),
        }
    }
}

#[tokio::test]
async fn every_version_is_asked_in_its_own_words_and_never_by_trying() {
    for (version, comment, flavor, status, log, list) in [
        (
            "5.7.44-log",
            "MySQL",
            Flavor::MySql,
            "SHOW SLAVE STATUS",
            "SHOW MASTER STATUS",
            "information_schema",
        ),
        (
            "8.0.36-28",
            "Percona Server",
            Flavor::Percona,
            "SHOW REPLICA STATUS",
            "SHOW MASTER STATUS",
            "performance_schema",
        ),
        (
            "8.4.6",
            "MySQL",
            Flavor::MySql,
            "SHOW REPLICA STATUS",
            "SHOW BINARY LOG STATUS",
            "performance_schema",
        ),
    ] {
        let server = Scripted::start(mysql(version, comment)).await;
        let world = world(config());
        let mut session = world.session(&server.key);
        let seen = session
            .probe()
            .await
            .unwrap_or_else(|e| panic!("{version}: {}", e.message));
        assert_eq!(seen.identity.flavor, flavor);
        assert_eq!(
            seen.identity.version, version,
            "not what the greeting announces"
        );
        assert_eq!(seen.super_read_only, Some(true), "{version}");
        assert_eq!(
            seen.source(),
            Some(&InstanceKey::parse("hb:3306", 1).unwrap()),
            "the default channel"
        );
        assert_eq!(seen.lag_seconds, Some(5));
        assert_eq!(seen.binlog.position.unwrap().offset, 120);
        assert_eq!(
            seen.replicas,
            [],
            "the process list was refused, and is left out"
        );
        let asked = server.asked();
        let count = |text: &str| asked.iter().filter(|asked| asked.contains(text)).count();
        assert_eq!(
            count("SLAVE STATUS") + count("REPLICA STATUS"),
            1,
            "{version}: {asked:?}"
        );
        assert_eq!((count(status), count(log)), (1, 1), "{version}: {asked:?}");
        assert_eq!(
            count(&format!("{list}.processlist")),
            1,
            "{version}: {asked:?}"
        );
        let refused = count("slave_master_info");
        session.probe().await.unwrap();
        let asked = server.asked();
        let again = asked
            .iter()
            .filter(|text| text.contains("slave_master_info"))
            .count();
        assert_eq!(
            again, refused,
            "what was refused is not asked again on the connection"
        );
    }
}

#[tokio::test]
async fn who_takes_no_several_statements_at_once_is_asked_one_by_one() {
    let server = Scripted::one_by_one(mysql("8.4.6", "MySQL")).await;
    let world = world(config());
    let mut session = world.session(&server.key);
    for _ in 0..3 {
        let seen = session.probe().await.unwrap();
        assert_eq!(seen.identity.version, "8.4.6");
        assert_eq!(seen.binlog.position.unwrap().offset, 120);
    }
    let asked = server.asked();
    let several = asked.iter().filter(|text| text.contains(';')).count();
    assert_eq!(several, 1, "it is tried once on a connection: {asked:?}");
}

#[tokio::test]
async fn a_statement_that_a_server_must_answer_fails_the_probe_as_partial() {
    let answers = mysql("8.4.6", "MySQL");
    let server = Scripted::start(move |statement| match statement {
        "SHOW REPLICA STATUS" => Reply::Error(1227),
        other => answers(other),
    })
    .await;
    let world = world(config());
    let failure = fails(
        &mut world.session(&server.key),
        ProbeFailureKind::AccessDenied,
        1227,
    )
    .await;
    assert!(failure.is_partial);
    assert_eq!(
        failure.message,
        format!(
            "{}: reading the replica status failed: no (error 1227)",
            server.key
        )
    );
}

fn maxscale(has_status: bool) -> impl Fn(&str) -> Reply + Send + Sync {
    move |statement| match statement {
        "SHOW VARIABLES LIKE 'maxscale%'" => Reply::table(
            &["Variable_name", "Value"],
            &[&["MAXSCALE_VERSION", "2.3.9"]],
        ),
        "SELECT @@server_id" => Reply::table(&["@@server_id"], &[&["77"]]),
        "SHOW SLAVE STATUS" if has_status => Reply::table(STATUS, &[&replica_row("origin", "")]),
        "SHOW SLAVE STATUS" => Reply::table(STATUS, &[]),
        "SHOW SLAVE HOSTS" => {
            Reply::table(&["Server_id", "Host", "Port"], &[&["5", "db5", "3306"]])
        }
        _ => Reply::Error(1064),
    }
}

#[tokio::test]
async fn a_maxscale_is_recognised_where_it_is_looked_for() {
    let server = Scripted::start(maxscale(true)).await;
    let world = world(config());
    world.reload(|config| config.skip_maxscale_check = false);
    let seen = world.session(&server.key).probe().await.unwrap();
    assert_eq!(seen.identity.flavor, Flavor::MaxScale);
    assert_eq!(seen.identity.version, "2.3.9-maxscale");
    assert_eq!(seen.identity.server_id, 77);
    assert_eq!(seen.binlog.format, "INHERIT");
    assert!(seen.read_only && seen.binlog.enabled && seen.binlog.logs_replica_updates);
    assert_eq!(
        seen.source(),
        Some(&InstanceKey::parse("origin:3306", 1).unwrap())
    );
    assert_eq!(seen.replicas, [InstanceKey::parse("db5:3306", 1).unwrap()]);

    let server = Scripted::start(maxscale(false)).await;
    let mut session = world.session(&server.key);
    fails(&mut session, ProbeFailureKind::InvalidAnswer, 0).await;
}
