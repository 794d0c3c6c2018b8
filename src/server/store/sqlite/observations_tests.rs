use std::sync::Arc;

use orchestrator_core::domain::{InstanceKey, Observation, ProbeFailure, ProbeFailureKind};

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

fn key(name: &str) -> InstanceKey {
    InstanceKey::parse(name, 3306).unwrap()
}

fn seen(name: &str) -> InstanceRecord {
    let mut record = InstanceRecord::heard_of(key(name), Timestamp::from_seconds(5));
    record.observation = Some(Arc::new(Observation::blank(key(name), NOW)));
    record.last_seen_at = Some(NOW);
    record.last_checked_at = Some(NOW);
    record.failure = Some(ProbeFailure {
        kind: ProbeFailureKind::Timeout,
        code: 0,
        message: "no answer".to_owned(),
        is_partial: false,
    });
    record
}

fn put(record: InstanceRecord) -> ObservationWrite {
    ObservationWrite::Put(Box::new(record))
}

struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("store.observations")
    }

    fn open(&self) -> SqliteObservations {
        SqliteObservations::open(&Place::File(self.path()), NOW).unwrap()
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.ends_with("-wal") && !name.ends_with("-shm"))
            .collect();
        names.sort();
        names
    }
}

#[tokio::test]
async fn records_come_back_after_a_restart_without_the_probe_that_was_under_way() {
    let dir = Dir::new();
    let store = dir.open();
    let mut probing = seen("a");
    probing.probing_since = Some(NOW);
    let batch = vec![put(probing), put(seen("b")), put(seen("c"))];
    store.write(batch).await.unwrap();
    let batch = vec![ObservationWrite::Remove(key("b")), put(seen("d"))];
    store.write(batch).await.unwrap();
    drop(store);
    let mut records = dir.open().load().await.unwrap();
    records.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(records, [seen("a"), seen("c"), seen("d")]);
}

#[tokio::test]
async fn a_record_of_another_format_or_of_another_key_is_heard_of_only() {
    let dir = Dir::new();
    let store = dir.open();
    store
        .write(vec![put(seen("a")), put(seen("b")), put(seen("c"))])
        .await
        .unwrap();
    drop(store);
    let raw = Connection::open(dir.path()).unwrap();
    raw.execute(
        "UPDATE observed_instance SET record = CAST(x'63' || substr(record, 2) AS BLOB) WHERE host = 'a'",
        [],
    )
    .unwrap();
    raw.execute(
        "UPDATE observed_instance SET record = (SELECT record FROM observed_instance WHERE host = 'c') WHERE host = 'b'",
        [],
    )
    .unwrap();
    drop(raw);
    let mut records = dir.open().load().await.unwrap();
    records.sort_by(|a, b| a.key.cmp(&b.key));
    let heard = |name| InstanceRecord::heard_of(key(name), Timestamp::from_seconds(5));
    assert_eq!(records, [heard("a"), heard("b"), seen("c")]);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_put_aside_and_an_empty_one_takes_its_place() {
    let dir = Dir::new();
    for round in 1..=3 {
        std::fs::write(dir.path(), "this is no database at all ".repeat(100)).unwrap();
        let store = dir.open();
        assert_eq!(store.load().await.unwrap(), []);
        store.write(vec![put(seen("a"))]).await.unwrap();
        assert_eq!(store.load().await.unwrap(), [seen("a")]);
        drop(store);
        let mut expected = vec!["store.observations".to_owned()];
        expected.extend((1..=round).map(|n| format!("store.observations.corrupt-{n}")));
        assert_eq!(dir.files(), expected);
    }
}

#[tokio::test]
async fn a_damaged_file_is_put_aside_with_its_log() {
    let dir = Dir::new();
    let store = dir.open();
    let many = (0..200).map(|n| put(seen(&format!("host{n}")))).collect();
    store.write(many).await.unwrap();
    drop(store);
    let mut bytes = std::fs::read(dir.path()).unwrap();
    assert!(bytes.len() > 5 * 4096, "several pages");
    bytes
        .chunks_mut(4096)
        .skip(2)
        .for_each(|page| page.fill(0xee));
    std::fs::write(dir.path(), &bytes).unwrap();
    let store = dir.open();
    assert_eq!(store.load().await.unwrap(), []);
    assert_eq!(
        std::fs::read(with_suffix(&dir.path(), ".corrupt-1")).unwrap(),
        bytes,
        "kept for somebody to look at"
    );
    store.write(vec![put(seen("new"))]).await.unwrap();
    assert_eq!(store.load().await.unwrap(), [seen("new")]);
}

#[tokio::test]
async fn observations_in_memory_work_without_any_file() {
    let store = SqliteObservations::open(&Place::Memory, NOW).unwrap();
    store.write(vec![put(seen("a"))]).await.unwrap();
    assert_eq!(store.load().await.unwrap(), [seen("a")]);
}
