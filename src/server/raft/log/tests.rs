//! The library's own suite over our log, and what it does not look at.

use openraft::StorageError;
use openraft::storage::{EntryResponder, RaftStateMachine, Snapshot, SnapshotMeta};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::type_config::TypeConfigExt as _;
use orchestrator_core::decided::GroupId;
use orchestrator_core::domain::Timestamp;
use tokio_stream::StreamExt as _;

use super::super::types::{Outcome, Payload, PayloadKind, StoredMembership};
use super::*;
use crate::effects::fakes::FakeClock;
use crate::store::GroupLog;

type Meta = openraft::alias::SnapshotMetaOf<TypeConfig>;
type Snap = openraft::alias::SnapshotOf<TypeConfig, ()>;

fn cell(group: u128) -> GroupCell {
    let cell = GroupCell::default();
    cell.set(GroupId::from_number(group));
    cell
}

fn open(directory: &std::path::Path, group: GroupCell) -> LogStore {
    let disk = GroupLog::open(directory, Timestamp::from_seconds(1)).unwrap();
    LogStore::open(Arc::new(disk), group, FakeClock::new()).unwrap()
}

/// Notes what was applied, and nothing else: the suite is about the log.
#[derive(Clone, Default)]
struct Applied(Arc<Mutex<Noted>>);

type Noted = (Option<LogId>, StoredMembership, Option<Meta>);

impl openraft::RaftSnapshotBuilder<TypeConfig> for Applied {
    type SnapshotData = ();

    async fn build_snapshot(&mut self) -> Result<Snap, io::Error> {
        let mut state = self.0.lock().unwrap();
        let meta = SnapshotMeta {
            last_log_id: state.0,
            last_membership: state.1.clone(),
        };
        state.2 = Some(meta.clone());
        Ok(Snapshot { meta, snapshot: () })
    }
}

impl RaftStateMachine<TypeConfig> for Applied {
    type SnapshotData = ();
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        let state = self.0.lock().unwrap();
        Ok((state.0, state.1.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: tokio_stream::Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>>
            + Unpin
            + OptionalSend,
    {
        while let Some(next) = entries.next().await {
            let (entry, responder) = next?;
            let mut state = self.0.lock().unwrap();
            state.0 = Some(entry.log_id);
            if let openraft::EntryPayload::Membership(members) = entry.payload {
                state.1 = StoredMembership::new(Some(entry.log_id), members);
            }
            if let Some(responder) = responder {
                responder.send(Outcome::Nothing);
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(&mut self, meta: &Meta, (): ()) -> Result<(), io::Error> {
        let mut state = self.0.lock().unwrap();
        *state = (
            meta.last_log_id,
            meta.last_membership.clone(),
            Some(meta.clone()),
        );
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snap>, io::Error> {
        let meta = self.0.lock().unwrap().2.clone();
        Ok(meta.map(|meta| Snapshot { meta, snapshot: () }))
    }
}

struct Builder;

impl StoreBuilder<TypeConfig, LogStore, Applied, tempfile::TempDir> for Builder {
    async fn build(
        &self,
    ) -> Result<(tempfile::TempDir, LogStore, Applied), StorageError<TypeConfig>> {
        let dir = tempfile::tempdir().unwrap();
        let log = open(dir.path(), GroupCell::default());
        Ok((dir, log, Applied::default()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_librarys_suite_passes() {
    Suite::<TypeConfig, LogStore, Applied, Builder, tempfile::TempDir>::test_store(&Builder)
        .await
        .unwrap();
}

fn command(index: u64, bytes: usize) -> Entry {
    Entry {
        log_id: super::super::types::log_id(1, 7, index),
        payload: openraft::EntryPayload::Normal(Payload {
            kind: PayloadKind::Command,
            format: 1,
            bytes: vec![1; bytes].into(),
        }),
    }
}

async fn append(log: &mut LogStore, entries: Vec<Entry>) {
    let (sender, receiver) = TypeConfig::oneshot();
    log.append(entries, IOFlushed::signal(sender))
        .await
        .unwrap();
    receiver.await.unwrap().unwrap();
}

#[tokio::test]
async fn entries_vote_and_marks_are_there_after_a_restart_and_no_library_type_is_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let group = cell(9);
    let mut log = open(dir.path(), group.clone());
    let vote = Vote::new_committed(3, 7);
    log.save_vote(&vote).await.unwrap();
    log.save_committed(Some(command(1, 0).log_id))
        .await
        .unwrap();
    append(&mut log, (1..=3).map(|i| command(i, 4)).collect()).await;
    drop(log);

    let mut log = open(dir.path(), group);
    assert_eq!(log.read_vote().await.unwrap(), Some(vote));
    assert_eq!(
        log.read_committed().await.unwrap(),
        Some(command(1, 0).log_id)
    );
    let state = log.get_log_state().await.unwrap();
    assert_eq!(state.last_log_id, Some(command(3, 0).log_id));
    let entries = log.try_get_log_entries(1..3).await.unwrap();
    assert_eq!(entries, [command(2, 4), command(3, 4)]);
    let envelope = log.disk.entries(2, 2, 1).unwrap().remove(0);
    let envelope = Envelope::from_bytes(&envelope).unwrap();
    assert_eq!(
        (
            envelope.group,
            envelope.term,
            envelope.leader,
            envelope.index
        ),
        (GroupId::from_number(9), 1, 7, 2)
    );
}

#[tokio::test]
async fn a_log_of_another_group_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path(), cell(9));
    append(&mut log, vec![command(1, 4)]).await;
    drop(log);
    let disk = GroupLog::open(dir.path(), Timestamp::from_seconds(1)).unwrap();
    let other = cell(8);
    let error = LogStore::open(Arc::new(disk), other, FakeClock::new())
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("belongs to group"), "{error}");
}

#[tokio::test]
async fn a_message_stays_small_and_has_at_least_one_entry() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path(), GroupCell::default());
    let large = MESSAGE_BYTES_MAX / 2;
    append(
        &mut log,
        vec![command(1, 2 * MESSAGE_BYTES_MAX), command(2, large)],
    )
    .await;
    append(&mut log, (3..=6).map(|i| command(i, large - 64)).collect()).await;
    assert_eq!(log.limited_get_log_entries(0, 6).await.unwrap().len(), 1);
    assert_eq!(log.limited_get_log_entries(2, 6).await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_left_the_memory_is_read_from_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path(), GroupCell::default());
    let all: Vec<Entry> = (1..=9_000).map(|i| command(i, 4)).collect();
    for part in all.chunks(3_000) {
        append(&mut log, part.to_vec()).await;
    }
    assert!(log.lock().cache.first() > 0);
    assert_eq!(log.try_get_log_entries(0..9_000).await.unwrap(), all);
    assert_eq!(
        log.try_get_log_entries(10..12).await.unwrap(),
        all[10..12].to_vec()
    );
}

fn blank(term: u64, index: u64) -> Entry {
    Entry {
        log_id: super::super::types::log_id(term, 7, index),
        payload: openraft::EntryPayload::Blank,
    }
}

async fn bounds(log: &mut LogStore) -> (Option<LogId>, Option<LogId>, usize) {
    let state = log.get_log_state().await.unwrap();
    let entries = log.try_get_log_entries(0..100).await.unwrap();
    (state.last_purged_log_id, state.last_log_id, entries.len())
}

#[tokio::test]
async fn what_a_snapshot_has_replaced_is_gone_after_a_crash_between_both() {
    // Terms of what is in the log from index 1 on, the place of the snapshot, and how many entries stay.
    let cases: [(&[u64], u64, u64); 5] = [
        (&[1, 1, 1, 1, 1], 2, 5),
        // Of a leader that was elected later than the one that wrote the snapshot's last entry, and committed nothing.
        (&[1, 1, 5, 5], 4, 6),
        (&[1, 1, 5, 5, 5, 5, 5], 4, 6),
        (&[1], 2, 9),
        (&[], 2, 9),
    ];
    for (terms, term, index) in cases {
        let dir = tempfile::tempdir().unwrap();
        let group = cell(9);
        let mut log = open(dir.path(), group.clone());
        for (entry, index) in terms.iter().zip(1..) {
            append(&mut log, vec![blank(*entry, index)]).await;
        }
        drop(log);
        let place = super::super::types::log_id(term, 7, index);
        let log = open(dir.path(), group.clone());
        assert!(log.follow_snapshot(place).unwrap(), "{terms:?}");
        assert!(!log.follow_snapshot(place).unwrap(), "it is done");
        drop(log);
        let mut log = open(dir.path(), group.clone());
        let all = (Some(place), Some(place), 0);
        assert_eq!(bounds(&mut log).await, all, "{terms:?}");
        append(&mut log, vec![blank(6, index + 1)]).await;
        drop(log);
        let mut log = open(dir.path(), group);
        let entries = log.try_get_log_entries(index..100).await.unwrap();
        assert_eq!(entries, [blank(6, index + 1)]);
    }
}

#[tokio::test]
async fn a_log_that_has_the_snapshots_last_entry_keeps_what_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path(), cell(9));
    append(&mut log, (1..=5).map(|index| blank(1, index)).collect()).await;
    assert!(!log.follow_snapshot(blank(1, 3).log_id).unwrap());
    assert_eq!(bounds(&mut log).await, (None, Some(blank(1, 5).log_id), 5));
    log.purge(blank(1, 3).log_id).await.unwrap();
    assert!(!log.follow_snapshot(blank(1, 2).log_id).unwrap());
    assert!(!log.follow_snapshot(blank(1, 3).log_id).unwrap());
    assert_eq!(bounds(&mut log).await.2, 2);
}

#[tokio::test]
async fn an_entry_is_waited_for_until_it_is_on_disk_or_cannot_be() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path(), cell(9));
    let flushed = log.flushed();
    append(&mut log, vec![blank(1, 1), blank(1, 2)]).await;
    flushed.wait_for(2).await.unwrap();
    let waiting = {
        let flushed = flushed.clone();
        tokio::spawn(async move { flushed.wait_for(3).await })
    };
    append(&mut log, vec![blank(1, 3)]).await;
    waiting.await.unwrap().unwrap();
    log.truncate_after(Some(blank(1, 1).log_id)).await.unwrap();
    let waiting = {
        let flushed = flushed.clone();
        tokio::spawn(async move { flushed.wait_for(2).await })
    };
    log.give_up();
    assert!(
        waiting.await.unwrap().is_err(),
        "what was taken back is not there"
    );
    flushed.wait_for(1).await.unwrap();
    log.resume();
    append(&mut log, vec![blank(2, 2)]).await;
    flushed.wait_for(2).await.unwrap();
    drop(log);
    let log = open(dir.path(), cell(9));
    log.flushed().wait_for(2).await.unwrap();
}

/// Changes what the file has, as damage or somebody's hand does.
fn tamper(directory: &std::path::Path, sql: &str) {
    let connection = rusqlite::Connection::open(directory.join("raft-log.sqlite3")).unwrap();
    assert!(connection.execute(sql, []).unwrap() > 0, "{sql}");
}

fn refusal(directory: &std::path::Path) -> String {
    let disk = GroupLog::open(directory, Timestamp::from_seconds(1)).unwrap();
    let opened = LogStore::open(Arc::new(disk), cell(5), FakeClock::new());
    let error = opened.and_then(|log| log.refuse_gap(None)).unwrap_err();
    error.to_string()
}

async fn written(directory: &std::path::Path) {
    let mut log = open(directory, cell(5));
    log.save_vote(&Vote::new_committed(3, 7)).await.unwrap();
    let entries: Vec<Entry> = (1..=5).map(|index| command(index, 40)).collect();
    append(&mut log, entries).await;
}

#[tokio::test]
async fn an_entry_or_a_vote_that_is_not_what_was_written_is_refused() {
    for (sql, part) in [
        (
            "UPDATE group_log SET envelope = CAST(substr(envelope, 1, 30) || x'7f' || substr(envelope, 32) AS BLOB) WHERE entry_index = 4",
            "entry 4",
        ),
        (
            "UPDATE group_mark SET value = CAST(x'0809' || substr(value, 3) AS BLOB) WHERE name = 'vote'",
            "its vote",
        ),
        ("DELETE FROM group_log WHERE entry_index = 3", "entry 3"),
        (
            "UPDATE group_log SET envelope = (SELECT envelope FROM group_log WHERE entry_index = 2) WHERE entry_index = 4",
            "entry 4",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        written(dir.path()).await;
        tamper(dir.path(), sql);
        let refusal = refusal(dir.path());
        assert!(refusal.contains(part), "{sql}: {refusal}");
        assert!(
            refusal.contains("empty the directory (RaftDataDir)"),
            "{refusal}"
        );
    }
}

#[tokio::test]
async fn entries_that_a_snapshot_has_may_be_missing() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path()).await;
    tamper(dir.path(), "DELETE FROM group_log WHERE entry_index = 3");
    let log = open(dir.path(), cell(5));
    assert!(
        log.refuse_gap(Some(super::super::types::log_id(3, 7, 2)))
            .is_err()
    );
    log.refuse_gap(Some(super::super::types::log_id(3, 7, 3)))
        .unwrap();
}
