//! The SQLite store's file: what is in it, who may touch it, and what is said when it cannot be used.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use orchestrator::store::{
    DecisionStore, Error, ErrorKind, InstallMode, Place, SqliteOptions, SqliteStore,
};
use orchestrator_core::decided::{
    Command, Digest, ImportPortion, ImportedRow, RecoveryStepCommand,
};
use orchestrator_core::domain::{
    Fence, InstanceKey, PromotionRule, PublicToken, RecoveryId, SecretDigest,
};
use orchestrator_core::ports::Ids;
use raft_tests::contract::{History, MINUTE, START, recoveries};
use rusqlite::Connection;
use rusqlite::types::Value;

struct OneId;

impl Ids for OneId {
    fn unique(&self) -> u128 {
        0x0123_4567
    }
    fn fraction(&self) -> f64 {
        0.0
    }
}

fn options(path: &Path) -> SqliteOptions {
    SqliteOptions::new(Place::File(path.to_owned()))
}

fn open(path: &Path) -> Result<SqliteStore, Error> {
    SqliteStore::open(&options(path), &OneId, START)
}

fn key(name: &str) -> InstanceKey {
    InstanceKey::parse(name, 3306).unwrap()
}

fn token(number: u8) -> PublicToken {
    PublicToken::from_bytes([number; 32])
}

const RECOVERY: RecoveryId = RecoveryId::from_number(5);

/// A history that leaves a row in every table.
fn full_history(store: &SqliteStore) -> History {
    let mut history = History::new(store.identity().unwrap().group, 1);
    let later = START.plus(MINUTE);
    let commands = [
        Command::BeginDowntime {
            key: key("a"),
            owner: "ann".to_owned(),
            reason: "disk".to_owned(),
            ends_at: later,
        },
        Command::RegisterCandidate {
            key: key("b"),
            rule: PromotionRule::PreferNot,
            expires_at: later,
        },
        Command::Forget { key: key("c") },
        Command::CreateAccessToken {
            public: token(1),
            owner: "ann".to_owned(),
            claim_by: later,
        },
        Command::CreateAccessToken {
            public: token(2),
            owner: "bob".to_owned(),
            claim_by: later,
        },
        Command::ClaimAccessToken {
            public: token(2),
            secret_digest: SecretDigest::from_bytes([7; 32]),
            expires_at: later,
        },
        recoveries::detection(RECOVERY, key("d"), true, later),
        recoveries::registration(RECOVERY, key("d"), false, Fence::from_number(1)),
        Command::RecoveryStep {
            id: RECOVERY,
            step: Box::new(RecoveryStepCommand::Record {
                fence: Fence::from_number(1),
                news: recoveries::news(&key("d"), START, 2),
            }),
        },
        Command::SetGroupNodes {
            old: vec![],
            new: vec!["orc1:10008".to_owned(), "orc2:10008".to_owned()],
            reported: vec![("orc1:10008".to_owned(), vec!["orc1:10008".to_owned()])],
        },
        Command::RecoveryStep {
            id: RECOVERY,
            step: Box::new(RecoveryStepCommand::LeaveStopped {
                fence: Fence::from_number(1),
                servers: vec![key("e")],
            }),
        },
        Command::DisableRecoveries {
            by: "ann".to_owned(),
        },
        Command::SetClusterAlias {
            cluster: "d:3306".to_owned(),
            alias: "shop".to_owned(),
            by: "ann".to_owned(),
        },
        Command::Import(Box::new(ImportPortion {
            source: "/old".to_owned(),
            node: "orc1".to_owned(),
            rows: vec![ImportedRow::Instance(key("f"))],
            is_last: true,
        })),
    ];
    let mut batch = commands
        .map(|command| history.entry(START, command))
        .to_vec();
    batch.push(history.entry_of_a_group(START, Command::Expire));
    store.commit(batch).unwrap();
    history
}

fn tables(connection: &Connection) -> Vec<String> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
    let mut statement = connection.prepare(sql).unwrap();
    let names = statement.query_map([], |row| row.get(0)).unwrap();
    names.map(Result::unwrap).collect()
}

fn dump(connection: &Connection, table: &str) -> Vec<Vec<Value>> {
    let sql = format!("SELECT * FROM {table} ORDER BY 1, 2");
    let mut statement = connection.prepare(&sql).unwrap();
    let columns = statement.column_count();
    let rows = statement
        .query_map([], |row| {
            (0..columns).map(|column| row.get(column)).collect()
        })
        .unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn a_store_that_is_derived_from_a_log_keeps_what_owes_effects_and_the_last_of_each_commit() {
    let dir = tempfile::tempdir().unwrap();
    let options = SqliteOptions {
        is_derived: true,
        ..options(&dir.path().join("one"))
    };
    let store = SqliteStore::open(&options, &OneId, START).unwrap();
    let mut history = History::new(store.identity().unwrap().group, 1);
    let forget = |name| Command::Forget { key: key(name) };
    let mut entry = |command| history.entry(START, command);
    let batch = vec![
        entry(Command::Expire),
        entry(forget("a")),
        entry(Command::Expire),
        entry(Command::Expire),
    ];
    store.commit(batch).unwrap();
    store.commit(vec![entry(Command::Expire)]).unwrap();
    store.commit(vec![entry(forget("b"))]).unwrap();
    let indices = |entries: Vec<orchestrator::store::LoggedEntry>| -> Vec<u64> {
        entries.iter().map(|entry| entry.index).collect()
    };
    drop(store);
    let store = SqliteStore::open(&options, &OneId, START).unwrap();
    assert_eq!(indices(store.log_tail(9).unwrap()), [2, 4, 5, 6]);
    assert_eq!(indices(store.owed_after(0, 9).unwrap()), [2, 6]);
    assert_eq!(store.applied_index(), Ok(6));
    assert_eq!(&store.load().unwrap(), history.state());
}

#[test]
fn every_table_of_decided_state_is_in_load_digest_and_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("one");
    let store = open(&path).unwrap();
    let history = full_history(&store);
    let snapshot = store.export(vec![]).unwrap();
    drop(store);

    let other_path = dir.path().join("other");
    let other = open(&other_path).unwrap();
    other.install(&snapshot, InstallMode::Adopt).unwrap();
    drop(other);

    let (one, other) = (
        Connection::open(&path).unwrap(),
        Connection::open(&other_path).unwrap(),
    );
    let decided: Vec<String> = tables(&one)
        .into_iter()
        .filter(|table| table.starts_with("decided_"))
        .collect();
    let from_rows: BTreeSet<String> = history
        .state()
        .rows()
        .map(|row| format!("decided_{}", row.table()))
        .collect();
    assert_eq!(decided, from_rows.into_iter().collect::<Vec<_>>());
    for table in &decided {
        let rows = dump(&one, table);
        assert!(!rows.is_empty(), "{table} has a row");
        assert_eq!(rows, dump(&other, table), "{table} is in the snapshot");
    }
    drop((one, other));

    let digest = Digest::of(history.state());
    for table in &decided {
        let copy = dir.path().join(format!("without_{table}"));
        std::fs::copy(&path, &copy).unwrap();
        let raw = Connection::open(&copy).unwrap();
        raw.execute(&format!("DELETE FROM {table}"), []).unwrap();
        drop(raw);
        let state = open(&copy).unwrap().load().unwrap();
        assert_ne!(&state, history.state(), "{table} is loaded");
        assert_ne!(Digest::of(&state), digest, "{table} is in the digest");
    }
}

#[test]
fn an_operator_reads_decisions_in_typed_columns() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("one");
    drop(full_history(&open(&path).unwrap()));
    let raw = Connection::open(&path).unwrap();
    let text = |text: &str| Value::Text(text.to_owned());
    assert_eq!(
        dump(&raw, "decided_candidate"),
        [[
            text("b"),
            Value::Integer(3306),
            text("prefer_not"),
            Value::Integer(START.as_micros()),
            Value::Integer(START.plus(MINUTE).as_micros()),
        ]]
    );
    let (start, later) = (
        Value::Integer(START.as_micros()),
        Value::Integer(START.plus(MINUTE).as_micros()),
    );
    assert_eq!(
        dump(&raw, "decided_access_token"),
        [
            [
                text(&"01".repeat(32)),
                text("ann"),
                start.clone(),
                later.clone(),
                Value::Null,
                Value::Null,
                Value::Null,
            ],
            [
                text(&"02".repeat(32)),
                text("bob"),
                start.clone(),
                later.clone(),
                Value::Blob(vec![7; 32]),
                start,
                later,
            ],
        ]
    );
}

/// Tables of the predecessor, by name.
const PREDECESSOR: [&str; 47] = [
    "database_instance",
    "database_instance_maintenance",
    "database_instance_long_running_queries",
    "audit",
    "host_agent",
    "agent_seed",
    "agent_seed_state",
    "host_attributes",
    "hostname_resolve",
    "cluster_alias",
    "active_node",
    "node_health",
    "topology_recovery",
    "hostname_unresolve",
    "database_instance_pool",
    "database_instance_topology_history",
    "candidate_database_instance",
    "database_instance_downtime",
    "topology_failure_detection",
    "hostname_resolve_history",
    "hostname_unresolve_history",
    "cluster_domain_name",
    "master_position_equivalence",
    "async_request",
    "blocked_topology_recovery",
    "database_instance_last_analysis",
    "database_instance_analysis_changelog",
    "node_health_history",
    "database_instance_coordinates_history",
    "database_instance_binlog_files_history",
    "access_token",
    "database_instance_recent_relaylog_history",
    "orchestrator_metadata",
    "orchestrator_db_deployments",
    "global_recovery_disable",
    "cluster_alias_override",
    "topology_recovery_steps",
    "raft_store",
    "raft_log",
    "raft_snapshot",
    "database_instance_peer_analysis",
    "database_instance_tls",
    "kv_store",
    "cluster_injected_pseudo_gtid",
    "hostname_ips",
    "database_instance_tags",
    "database_instance_stale_binlog_coordinates",
];

#[test]
fn the_predecessors_tables_in_the_same_file_stay_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("orchestrator.sqlite3");
    let raw = Connection::open(&path).unwrap();
    for (number, table) in PREDECESSOR.iter().enumerate() {
        let sql = format!(
            "CREATE TABLE {table} (hostname varchar(128), port int); \
             INSERT INTO {table} VALUES ('db{number}', {number})"
        );
        raw.execute_batch(&sql).unwrap();
    }
    raw.pragma_update(None, "user_version", 7).unwrap();
    let before: Vec<_> = PREDECESSOR.map(|table| dump(&raw, table)).to_vec();
    drop(raw);

    let store = open(&path).unwrap();
    let history = full_history(&store);
    let snapshot = store.export(vec![]).unwrap();
    store.install(&snapshot, InstallMode::SameGroup).unwrap();
    assert_eq!(&store.load().unwrap(), history.state());
    drop(store);

    let raw = Connection::open(&path).unwrap();
    let after: Vec<_> = PREDECESSOR.map(|table| dump(&raw, table)).to_vec();
    assert_eq!(after, before);
    let ours: Vec<String> = tables(&raw)
        .into_iter()
        .filter(|table| !PREDECESSOR.contains(&table.as_str()))
        .collect();
    assert_eq!(
        ours,
        [
            "decided_access_token",
            "decided_answer",
            "decided_candidate",
            "decided_cluster_alias",
            "decided_detection",
            "decided_downtime",
            "decided_forgotten",
            "decided_group_node",
            "decided_import",
            "decided_left_stopped",
            "decided_recoveries_disabled",
            "decided_recovery",
            "decided_recovery_note",
            "decided_recovery_step",
            "decision_log",
            "store_meta",
            "store_migration"
        ]
    );
    let version: i64 = raw
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    assert_eq!(version, 7);
}

#[test]
fn everything_a_store_leaves_on_disk_is_private() {
    let dir = tempfile::tempdir().unwrap();
    let below = dir.path().join("data");
    let path = below.join("orchestrator.sqlite3");
    let store = open(&path).unwrap();
    full_history(&store);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&below), 0o700);
    let files: Vec<PathBuf> = std::fs::read_dir(&below)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(
        files.len() >= 4,
        "file, log, index of the log, lock: {files:?}"
    );
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[test]
fn a_full_disk_is_said_and_nothing_is_lost_and_space_helps() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("orchestrator.sqlite3");
    let small = SqliteOptions {
        pages_max: Some(40),
        ..options(&path)
    };
    let store = SqliteStore::open(&small, &OneId, START).unwrap();
    let mut history = History::new(store.identity().unwrap().group, 5);
    let mut held = history.state().clone();
    let refused = loop {
        let batch = history.entries(20);
        match store.commit(batch) {
            Ok(()) => held = history.state().clone(),
            Err(error) => break error,
        }
    };
    let name = path.canonicalize().unwrap().display().to_string();
    assert_eq!(refused, Error::Full { store: name });
    assert_eq!(refused.kind(), ErrorKind::Retryable);
    assert!(held.applied_index > 20);
    assert_eq!(store.load().unwrap(), held);
    drop(store);

    let store = open(&path).unwrap();
    assert_eq!(store.load().unwrap(), held);
    let mut history = History::from(store.identity().unwrap().group, 6, held);
    store.commit(history.entries(200)).unwrap();
    assert_eq!(&store.load().unwrap(), history.state());
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notes.txt");
    let text = "shopping: bread, milk\n".repeat(100);
    std::fs::write(&path, &text).unwrap();
    let error = open(&path).err().unwrap();
    assert_eq!(
        error.to_string(),
        format!(
            "{} is not a SQLite database; move it away, or set SQLite3DataFile to another file",
            path.canonicalize().unwrap().display()
        )
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_damaged_store_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("orchestrator.sqlite3");
    let store = open(&path).unwrap();
    let mut history = full_history(&store);
    store.commit(history.entries(300)).unwrap();
    drop(store);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes
        .chunks_mut(4096)
        .skip(3)
        .for_each(|page| page.fill(0xee));
    std::fs::write(&path, &bytes).unwrap();
    let error = open(&path).err().unwrap();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("keep a copy of it, then restore a backup"),
        "{error}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}

#[test]
fn a_row_that_makes_no_sense_is_damage_and_names_its_table() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("orchestrator.sqlite3");
    drop(full_history(&open(&path).unwrap()));
    let raw = Connection::open(&path).unwrap();
    // Each is of a table that is read before those of the ones above.
    for (change, table, sentence) in [
        (
            "UPDATE decided_cluster_alias SET moved_from = 'a', moved_by = 'xx' || hex(zeroblob(15))",
            "decided_cluster_alias",
            "is not the id of a recovery",
        ),
        (
            "UPDATE decided_access_token SET public_token = upper(hex(zeroblob(31)) || 'AA') WHERE owner = 'ann'",
            "decided_access_token",
            "a public token is 64 hexadecimal digits",
        ),
        (
            "UPDATE decided_candidate SET promotion_rule = 'maybe'",
            "decided_candidate",
            "'maybe' is not a promotion rule",
        ),
    ] {
        raw.execute(change, []).unwrap();
        let error = open(&path).unwrap().load().err().unwrap().to_string();
        assert!(error.contains(table), "{error}");
        assert!(error.contains(sentence), "{error}");
    }
}

#[test]
fn a_store_whose_parts_do_not_fit_each_other_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (name, change, sentence) in [
        (
            "behind",
            "UPDATE store_meta SET applied_index = 2",
            "decision_log ends at entry 15, and store_meta says that 2 is the last",
        ),
        (
            "headless",
            "DELETE FROM store_meta",
            "store_meta has no row",
        ),
    ] {
        let path = dir.path().join(name);
        drop(full_history(&open(&path).unwrap()));
        let raw = Connection::open(&path).unwrap();
        raw.execute(change, []).unwrap();
        drop(raw);
        let error = open(&path).err().unwrap();
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
        assert!(error.to_string().contains(sentence), "{error}");
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_said_with_the_path() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    for path in [file.join("store"), file.join("deeper/store")] {
        let error = open(&path).err().unwrap();
        assert!(matches!(error, Error::Directory { .. }), "{error}");
        assert!(
            error.to_string().contains(&path.display().to_string()),
            "{error}"
        );
        assert_eq!(error.kind(), ErrorKind::Fatal);
    }
}

#[test]
fn a_second_opening_in_the_same_process_is_refused_and_harms_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("orchestrator.sqlite3");
    let store = open(&path).unwrap();
    let mut history = full_history(&store);
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    for name in [&path, &link] {
        assert!(matches!(open(name), Err(Error::InUse { .. })));
    }
    store.commit(history.entries(20)).unwrap();
    assert_eq!(&store.load().unwrap(), history.state());
}

#[test]
fn an_operator_may_read_beside_the_service() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("orchestrator.sqlite3");
    let store = open(&path).unwrap();
    let reader = Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    assert!(dump(&reader, "decided_downtime").is_empty());
    // A read under way does not hold up a commit, and sees nothing of it.
    let history = full_history(&store);
    assert!(dump(&reader, "decided_downtime").is_empty());
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(dump(&reader, "decided_downtime").len(), 1);
    assert_eq!(&store.load().unwrap(), history.state());
}
