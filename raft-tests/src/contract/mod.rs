//! What every store of decided state must do, whatever it is made of.
//!
//! A store passes by having [`decision_store_contract!`](crate::decision_store_contract) make its tests, one for each
//! clause.

mod clauses;
mod history;
pub mod recoveries;

pub use clauses::*;
pub use history::{History, MINUTE, START, replay};

use orchestrator::store::DecisionStore;

/// A place where a store lives for the time of one test. Opening it again, after the first one was dropped, gives the
/// same store.
pub trait StorePlace {
    /// Opens the store that keeps so many entries of its log; creates it the first time.
    fn open(&self, log_entries_kept: u64) -> Box<dyn DecisionStore>;
}

/// Makes a test of each clause. The argument is an expression that makes an empty [`StorePlace`].
#[macro_export]
macro_rules! decision_store_contract {
    ($place:expr) => {
        $crate::decision_store_contract!(@clauses tests $place);
    };
    (@clauses $what:ident $place:expr) => {
        $crate::decision_store_contract! { @$what $place;
            a_new_store_is_empty_and_keeps_its_identity,
            committed_state_is_loaded_exactly,
            a_batch_is_written_whole_or_not_at_all,
            entries_come_in_order_without_gaps,
            an_empty_batch_changes_nothing,
            keys_differ_by_their_bytes,
            texts_come_back_byte_by_byte,
            time_and_index_have_their_full_range,
            the_log_gives_back_what_was_committed,
            the_log_is_trimmed_and_the_state_is_not,
            the_log_replayed_from_the_beginning_gives_the_same_digest,
            owed_effects_are_listed_until_they_are_performed,
            a_snapshot_carries_everything_to_another_store,
            a_snapshot_replaces_everything_and_nothing_of_the_old_state_stays,
            a_snapshot_of_another_group_or_an_older_one_is_refused,
            committing_goes_on_after_a_snapshot,
            a_sign_of_life_changes_no_decision,
        }
    };
    (@tests $place:expr; $($clause:ident),* $(,)?) => {
        $(#[test]
        fn $clause() {
            let place = $place;
            $crate::contract::$clause(&place);
        })*
    };
    (@table $place:expr; $($clause:ident),* $(,)?) => {
        $place(&[$((stringify!($clause), $crate::contract::$clause as $crate::contract::Clause)),*])
    };
}

/// What every store must do, as a function that panics where it does not.
pub type Clause = fn(&dyn StorePlace);

/// All clauses with their names, for places that cost too much to be made for each test.
#[must_use]
pub fn clauses() -> Vec<(&'static str, Clause)> {
    let collect = |clauses: &[(&'static str, Clause)]| clauses.to_vec();
    decision_store_contract!(@clauses table collect)
}
