//! Faults that a simulation can switch on to prove that it would find them. A release has none of this: there,
//! [`is_planted`] is the constant `false`, and what stands behind it is not compiled.

/// A fault that somebody once made, or could.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bug {
    /// Whether another recovery works on the same servers is checked before the proposal, and not in apply.
    RegistrationCheckedOutsideApply,
    /// Leadership is not confirmed again before each changing statement.
    FenceNotRechecked,
    /// The receiver is stopped before the applier runs.
    ReceiverStoppedFirst,
    /// A command of a recovery is taken after that recovery ended.
    CommandAfterEnd,
    /// The record of a dead leader's recovery keeps its successor from going on with it.
    OwnRecordBlocksResume,
    /// Apply reads a clock.
    ClockInApply,
    /// A server is promoted while the old primary, back already, was not closed.
    OldPrimaryNotClosed,
    /// A group begins with the nodes that are up, and not with all that are to be its members.
    BeginsWithThoseUp,
    /// The log acknowledges entries before they are on disk.
    AcknowledgedBeforeSynced,
    /// A snapshot leaves a table of decided state out.
    SnapshotWithoutTable,
    /// A leader answers that it leads without asking since when a majority has acknowledged it.
    StaleReadByOldLeader,
    /// Only the leader that began a recovery brings the alias along.
    AliasMovedByFirstLeaderOnly,
    /// Other nodes are not asked whether they hear a primary.
    OthersNotAsked,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::RegistrationCheckedOutsideApply,
        Self::FenceNotRechecked,
        Self::ReceiverStoppedFirst,
        Self::CommandAfterEnd,
        Self::OwnRecordBlocksResume,
        Self::ClockInApply,
        Self::OldPrimaryNotClosed,
        Self::BeginsWithThoseUp,
        Self::AcknowledgedBeforeSynced,
        Self::SnapshotWithoutTable,
        Self::StaleReadByOldLeader,
        Self::AliasMovedByFirstLeaderOnly,
        Self::OthersNotAsked,
    ];
}

#[cfg(all(feature = "planted-bugs", debug_assertions))]
mod switch {
    use std::cell::Cell;
    use std::time::Duration;

    use super::Bug;

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Whether this bug is switched on for this thread.
    pub fn is_planted(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }

    /// What a clock would say that somebody reads in apply: another time for each reader.
    pub fn reading() -> Duration {
        thread_local! {
            static READ: Cell<u32> = const { Cell::new(0) };
        }
        let read = READ.get().wrapping_add(1);
        READ.set(read);
        Duration::from_millis(u64::from(read % 1_000))
    }

    /// Runs `body` with a bug switched on in this thread.
    pub fn with<T>(bug: Option<Bug>, body: impl FnOnce() -> T) -> T {
        struct Restore(Option<Bug>);
        impl Drop for Restore {
            fn drop(&mut self) {
                PLANTED.set(self.0);
            }
        }
        let _restore = Restore(PLANTED.replace(bug));
        body()
    }
}

#[cfg(all(feature = "planted-bugs", debug_assertions))]
pub use switch::{is_planted, reading, with};

/// Whether this bug is switched on: never.
#[cfg(not(all(feature = "planted-bugs", debug_assertions)))]
pub const fn is_planted(_: Bug) -> bool {
    false
}

/// Not asked: [`Bug::ClockInApply`] is never planted.
#[cfg(not(all(feature = "planted-bugs", debug_assertions)))]
pub const fn reading() -> std::time::Duration {
    std::time::Duration::ZERO
}
