//! The SQLite store keeps the contract of decided state.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use orchestrator::store::{DecisionStore, Place, SqliteOptions, SqliteStore};
use orchestrator_core::ports::Ids;
use raft_tests::contract::{START, StorePlace};

struct Dir(tempfile::TempDir);

/// A different pair for every directory would do as well: nothing in the contract depends on the ids.
struct TwoIds(std::sync::atomic::AtomicU64);

impl Ids for TwoIds {
    fn unique(&self) -> u128 {
        u128::from(self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst)) << 64 | 0xabc
    }
    fn fraction(&self) -> f64 {
        0.0
    }
}

impl StorePlace for Dir {
    fn open(&self, log_entries_kept: u64) -> Box<dyn DecisionStore> {
        let path = self.0.path().join("orchestrator.sqlite3");
        let options = SqliteOptions {
            log_entries_kept,
            ..SqliteOptions::new(Place::File(path))
        };
        Box::new(SqliteStore::open(&options, &TwoIds(7.into()), START).unwrap())
    }
}

raft_tests::decision_store_contract!(Dir(tempfile::tempdir().unwrap()));
