use std::collections::HashMap;
use std::time::Duration;

use orchestrator_core::domain::HostName;

/// Names kept at most: twice the largest fleet that is aimed at.
pub(super) const MAX_NAMES: usize = 20_000;

/// What is known of one name. Times are those of the monotonic clock.
#[derive(Clone, Debug)]
struct Entry {
    resolved: HostName,
    /// Until then it is answered without asking.
    fresh_until: Duration,
    /// Until then it is answered when asking fails.
    kept_until: Duration,
}

/// Resolved names, bounded in number and age.
#[derive(Debug, Default)]
pub(super) struct Cache {
    entries: HashMap<HostName, Entry>,
}

impl Cache {
    /// What `host` resolves to, while that is fresh.
    pub(super) fn fresh(&self, host: &HostName, now: Duration) -> Option<HostName> {
        let entry = self.entries.get(host)?;
        (now < entry.fresh_until).then(|| entry.resolved.clone())
    }

    /// Keeps a result: fresh for `life`, and to fall back on for as long again.
    pub(super) fn put(
        &mut self,
        host: &HostName,
        resolved: HostName,
        now: Duration,
        life: Duration,
    ) {
        self.make_room(now);
        let entry = Entry {
            resolved,
            fresh_until: now + life,
            kept_until: now + life * 2,
        };
        self.entries.insert(host.clone(), entry);
    }

    /// Notes a failed lookup: for `pause` the old result, or else the name itself, is answered without asking. Returns
    /// the old result when there was one.
    pub(super) fn put_failure(
        &mut self,
        host: &HostName,
        now: Duration,
        pause: Duration,
    ) -> Option<HostName> {
        self.make_room(now);
        let old = self
            .entries
            .get(host)
            .filter(|entry| now < entry.kept_until)
            .cloned();
        let entry = Entry {
            resolved: old
                .as_ref()
                .map_or_else(|| host.clone(), |e| e.resolved.clone()),
            fresh_until: now + pause,
            kept_until: old.as_ref().map_or(now + pause, |e| e.kept_until),
        };
        self.entries.insert(host.clone(), entry);
        old.map(|entry| entry.resolved)
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Drops what has expired when it is full, and everything when that is not enough: names are asked again.
    fn make_room(&mut self, now: Duration) {
        if self.entries.len() < MAX_NAMES {
            return;
        }
        self.entries.retain(|_, entry| now < entry.kept_until);
        if self.entries.len() >= MAX_NAMES {
            self.entries.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_never_grows_beyond_its_bound() {
        let mut cache = Cache::default();
        let life = Duration::from_secs(60);
        for i in 0..MAX_NAMES + 10 {
            let host = HostName::parse(&format!("h{i}")).unwrap();
            cache.put(&host, host.clone(), Duration::ZERO, life);
            assert!(cache.len() <= MAX_NAMES);
        }
        let last = HostName::parse(&format!("h{}", MAX_NAMES + 9)).unwrap();
        assert_eq!(cache.fresh(&last, Duration::ZERO), Some(last.clone()));
    }
}
