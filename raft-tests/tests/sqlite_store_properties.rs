//! Whatever is decided, in whatever portions it is stored: the SQLite store holds what memory holds.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use orchestrator::store::{DecisionStore, InstallMode, Place, SqliteOptions, SqliteStore};
use orchestrator_core::decided::{Digest, Snapshot};
use orchestrator_core::ports::Ids;
use proptest::prelude::*;
use raft_tests::contract::{History, START, replay};

struct SeededIds(u128);

impl Ids for SeededIds {
    fn unique(&self) -> u128 {
        self.0
    }
    fn fraction(&self) -> f64 {
        0.0
    }
}

fn open(seed: u64) -> SqliteStore {
    let options = SqliteOptions::new(Place::Memory);
    SqliteStore::open(&options, &SeededIds(seed.into()), START).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_history_in_any_portions_is_the_same_in_memory_in_rows_in_the_log_and_in_a_snapshot(
        seed: u64,
        portions in proptest::collection::vec(0_usize..12, 1..20),
    ) {
        let store = open(seed);
        let mut history = History::new(store.identity().unwrap().group, seed);
        for portion in portions {
            store.commit(history.entries(portion)).unwrap();
            prop_assert_eq!(&store.load().unwrap(), history.state());
        }
        let replayed = replay(&store.log_tail(usize::MAX).unwrap());
        prop_assert_eq!(&replayed, history.state());

        let bytes = store.export(vec![]).unwrap().to_bytes().unwrap();
        let other = open(seed.wrapping_add(1));
        other.install(&Snapshot::from_bytes(&bytes).unwrap(), InstallMode::Adopt).unwrap();
        prop_assert_eq!(Digest::of(&other.load().unwrap()), Digest::of(history.state()));
    }
}
