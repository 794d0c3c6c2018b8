use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use orchestrator_core::domain::InstanceKey;

/// Servers remembered at most: twice the largest fleet that is aimed at. When it is full the memory is emptied, which
/// costs each server one refused login more.
const MAX_SERVERS: usize = 20_000;

/// Which servers refused a plain login and took an encrypted one, until when. Times are those of the monotonic clock.
#[derive(Debug, Default)]
pub(super) struct TlsMemory(Mutex<HashMap<InstanceKey, Duration>>);

impl TlsMemory {
    pub(super) fn wants_tls(&self, key: &InstanceKey, now: Duration) -> bool {
        self.servers().get(key).is_some_and(|until| now < *until)
    }

    pub(super) fn remember(&self, key: &InstanceKey, now: Duration, memory: Duration) {
        let mut servers = self.servers();
        if servers.len() >= MAX_SERVERS {
            servers.retain(|_, until| now < *until);
        }
        if servers.len() >= MAX_SERVERS {
            servers.clear();
        }
        servers.insert(key.clone(), now + memory);
    }

    fn servers(&self) -> std::sync::MutexGuard<'_, HashMap<InstanceKey, Duration>> {
        // A memory of hints stays right whatever the panicked holder was doing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_remembered_for_the_time_given_and_the_memory_is_bounded() {
        let memory = TlsMemory::default();
        let key = |i: usize| InstanceKey::parse(&format!("db{i}"), 3306).unwrap();
        let minute = Duration::from_secs(60);
        memory.remember(&key(0), Duration::ZERO, minute);
        assert!(memory.wants_tls(&key(0), Duration::from_secs(59)));
        assert!(!memory.wants_tls(&key(0), minute));
        assert!(!memory.wants_tls(&key(1), Duration::ZERO));
        for i in 0..MAX_SERVERS + 5 {
            memory.remember(&key(i), minute, minute);
        }
        assert!(memory.servers().len() <= MAX_SERVERS);
        assert!(memory.wants_tls(&key(MAX_SERVERS + 4), minute));
    }
}
