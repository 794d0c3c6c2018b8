use super::*;

/// A row as the server printed it (`\G`), one `name: value` for each line. `NULL` is NULL.
fn answer(rows: &[&str]) -> Answer {
    let pairs = |text: &'static str| {
        text.lines()
            .filter_map(|line| line.trim().split_once(':'))
            .map(|(name, value)| (name.trim(), value.trim()))
            .collect::<Vec<_>>()
    };
    let rows: Vec<Vec<(&str, &str)>> = rows
        .iter()
        .map(|text| pairs(Box::leak(text.to_string().into_boxed_str())))
        .collect();
    let columns: Vec<&str> = rows[0].iter().map(|(name, _)| *name).collect();
    let cells: Vec<Vec<Option<&str>>> = rows
        .iter()
        .map(|row| {
            row.iter()
                .map(|(_, value)| (*value != "NULL").then_some(*value))
                .collect()
        })
        .collect();
    let cells: Vec<&[Option<&str>]> = cells.iter().map(Vec::as_slice).collect();
    Answer::table(&columns, &cells)
}

const MARIADB: &str = include_str!("testdata/mariadb-10.11-replica.txt");
const MYSQL_97: &str = include_str!("testdata/mysql-9.7-replica.txt");
const MYSQL_56: &str = include_str!("testdata/mysql-5.6-replica.txt");

/// `text` with the value of one column replaced.
fn with(text: &str, column: &str, value: &str) -> String {
    let changed: Vec<String> = text
        .lines()
        .map(|line| match line.trim().split_once(':') {
            Some((name, _)) if name == column => format!("{column}: {value}"),
            _ => line.to_owned(),
        })
        .collect();
    assert!(
        text.lines()
            .any(|l| l.trim().starts_with(&format!("{column}:"))),
        "no column {column}"
    );
    changed.join("\n")
}

fn one(text: &str) -> ReplicationLink {
    link(&answer(&[text])).unwrap().expect("a link")
}

fn at(file: &str, offset: u64) -> BinlogPosition {
    BinlogPosition {
        file: file.into(),
        offset,
    }
}

fn attached(text: &str) -> SourceAddress {
    SourceAddress::Attached(InstanceKey::parse(text, 1).unwrap())
}

fn blank() -> ReplicationLink {
    ReplicationLink {
        received: at("mysql-bin.000001", 1022),
        applied: at("mysql-bin.000001", 1022),
        relay_log: at("m2-relay-bin.000002", 1321),
        uses_mariadb_gtid: true,
        mariadb_received: "0-1-4".into(),
        heartbeat_period: Some(Duration::from_secs(1)),
        heartbeats_received: Some(208),
        ..ReplicationLink::running(attached("127.41.0.1:41306"))
    }
}

#[test]
fn a_real_row_of_mariadb_1011_is_read_whole() {
    assert_eq!(one(MARIADB), blank());
}

#[test]
fn a_real_row_of_mysql_97_is_read_whole() {
    let uuid = "8d4624b7-e71d-11f1-ace9-02fc00000001";
    let expected = ReplicationLink {
        source: attached("127.41.1.1:41306"),
        source_uuid: uuid.into(),
        received: at("mysql-bin.000001", 1773),
        applied: at("mysql-bin.000001", 1773),
        relay_log: at("vm-relay-bin.000002", 1990),
        uses_oracle_gtid: true,
        uses_mariadb_gtid: false,
        mariadb_received: String::new(),
        retrieved: format!("{uuid}:1-6"),
        tls_allowed: true,
        heartbeat_period: None,
        heartbeats_received: None,
        ..blank()
    };
    assert_eq!(one(MYSQL_97), expected);
}

#[test]
fn a_row_of_mysql_56_that_cannot_connect_is_read_whole() {
    let expected = ReplicationLink {
        source: attached("127.41.2.1:41306"),
        receiver: ThreadState::Other,
        received: at("mysql-bin.000001", 120),
        applied: at("mysql-bin.000001", 120),
        relay_log: at("relay-bin.000001", 4),
        receiver_error:
            "error connecting to master 'repl@127.41.2.1:41306' - retry-time: 1  retries: 8".into(),
        receiver_errno: 2003,
        seconds_behind: None,
        uses_oracle_gtid: false,
        uses_mariadb_gtid: false,
        mariadb_received: String::new(),
        heartbeat_period: None,
        heartbeats_received: None,
        ..blank()
    };
    assert_eq!(one(MYSQL_56), expected);
}

#[test]
fn single_columns_change_what_they_mean() {
    let changed = |column, value| one(&with(MARIADB, column, value));
    assert_eq!(
        changed("Slave_IO_Running", "Connecting").receiver,
        ThreadState::Other
    );
    assert_eq!(
        changed("Slave_SQL_Running", "No").applier,
        ThreadState::Stopped
    );
    assert_eq!(
        changed("Seconds_Behind_Master", "NULL").seconds_behind,
        None
    );
    assert_eq!(
        changed("Seconds_Behind_Master", "-3").seconds_behind,
        Some(0)
    );
    assert_eq!(
        changed("Seconds_Behind_Master", "77").seconds_behind,
        Some(77)
    );
    assert_eq!(
        changed("SQL_Delay", "3600").delay,
        Duration::from_secs(3600)
    );
    assert!(!changed("Using_Gtid", "No").uses_mariadb_gtid);
    assert!(changed("Using_Gtid", "Current_Pos").uses_mariadb_gtid);
    assert!(!changed("Master_User", "").has_credentials);
    assert!(changed("Master_SSL_Allowed", "Yes").tls_allowed);
    for filter in FILTERS {
        assert!(changed(filter, "test").has_filters, "{filter}");
    }
    let failed = with(MARIADB, "Last_SQL_Errno", "1062");
    let failed = one(&with(&failed, "Last_SQL_Error", "Duplicate entry '1'"));
    assert_eq!(
        (failed.applier_errno, failed.applier_error.as_str()),
        (1062, "Duplicate entry '1'")
    );
}

#[test]
fn detached_hosts_and_files_keep_their_marks_apart() {
    let host = one(&with(MARIADB, "Master_Host", "//127.41.0.1"));
    assert_eq!(
        host.source,
        SourceAddress::Detached(InstanceKey::parse("127.41.0.1:41306", 1).unwrap())
    );
    let file = one(&with(
        MARIADB,
        "Relay_Master_Log_File",
        "//mysql-bin.000001",
    ));
    assert_eq!(file.applied, at("//mysql-bin.000001", 1022));
}

#[test]
fn hostile_source_names_become_bounded_escaped_text() {
    for (host, shown) in [
        ("a' OR 1=1", "a\\' OR 1=1:41306"),
        ("a\u{7}b", "a\\u{7}b:41306"),
        ("//", "//:41306"),
        ("-rf", "-rf:41306"),
    ] {
        match one(&with(MARIADB, "Master_Host", host)).source {
            SourceAddress::Invalid(text) => assert_eq!(text, shown),
            other => panic!("{host}: {other:?}"),
        }
    }
    let long = "x".repeat(5000);
    match one(&with(MARIADB, "Master_Host", &long)).source {
        SourceAddress::Invalid(text) => assert!(text.len() <= 256),
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        one(&with(MARIADB, "Master_Port", "0")).source,
        SourceAddress::Invalid(_)
    ));
}

#[test]
fn of_several_channels_the_default_one_counts_else_the_last() {
    let named = |name| with(MARIADB, "Connection_name", name);
    let from = |text: &str, host| with(text, "Master_Host", host);
    let default = from(MARIADB, "default");
    let (a, b) = (from(&named("a"), "ha"), from(&named("b"), "hb"));
    let chosen = |rows: &[&str]| link(&answer(rows)).unwrap().unwrap().source;
    assert_eq!(chosen(&[&a, &default, &b]), attached("default:41306"));
    assert_eq!(chosen(&[&a, &b]), attached("hb:41306"));
}

#[test]
fn rows_that_are_no_links_are_left_out() {
    assert_eq!(
        link(&answer(&[&with(MARIADB, "Master_Host", "")])).unwrap(),
        None
    );
    let group = with(MYSQL_97, "Channel_Name", "group_replication_applier");
    assert_eq!(link(&answer(&[&group])).unwrap(), None);
    assert_eq!(link(&Answer::default()).unwrap(), None);
}

#[test]
fn numbers_that_are_none_are_refused() {
    for column in [
        "Read_Master_Log_Pos",
        "Last_IO_Errno",
        "SQL_Delay",
        "Seconds_Behind_Master",
    ] {
        assert!(
            link(&answer(&[&with(MARIADB, column, "x")])).is_err(),
            "{column}"
        );
    }
}
