use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks for a short section. A panic while another thread held it is a bug that has shown itself there; what these
/// locks guard is changed in whole steps, so readers go on.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
