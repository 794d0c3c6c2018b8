use super::{BoxFuture, StoreError};
use crate::decided::Effect;

/// The effects that one committed entry owes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwedEffects {
    /// Index of the entry.
    pub index: u64,
    /// Work owed, in order; never empty.
    pub effects: Vec<Effect>,
}

/// Which effects are still owed. It is kept with the log, so that none is lost when the process ends between a commit and
/// the work that follows it.
pub trait EffectLog: Send + Sync {
    /// Effects of entries after `index`, at most `max` entries, oldest first. Cancel-safe.
    fn owed_after(
        &self,
        index: u64,
        max: usize,
    ) -> BoxFuture<'_, Result<Vec<OwedEffects>, StoreError>>;

    /// Effects of entries up to this index were performed. Cancel-safe.
    fn performed_index(&self) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// Notes that effects of entries up to `index` were performed; never goes back. Effects after the noted index are
    /// performed again after a restart, so noting it late is safe. Cancel-safe.
    fn set_performed_index(&self, index: u64) -> BoxFuture<'_, Result<(), StoreError>>;
}
