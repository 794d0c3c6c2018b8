use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::domain::InstanceKey;

use super::tracked::Tracked;

/// Longest chain of names followed when looking for a circle. Real ones have one step; the bound ends broken ones.
const LONGEST_NAME_CHAIN: usize = 8;

/// What is known about a name by which an instance was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    /// The server there is known under this other name.
    Alias(InstanceKey),
    /// Names go in circles: the instance keeps the name it is reached by, whatever it reports.
    Own,
}

/// Too many instances are tracked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// Which instances are asked, under which names they are known, and which are banned. Bounded by one capacity.
#[derive(Debug)]
pub(super) struct Registry {
    tracked: HashMap<InstanceKey, Arc<Tracked>>,
    names: HashMap<InstanceKey, (Name, Duration)>,
    bans: HashMap<InstanceKey, Duration>,
    capacity: usize,
    is_full: bool,
}

impl Registry {
    /// For at most `capacity` instances, and as many names and bans.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            tracked: HashMap::new(),
            names: HashMap::new(),
            bans: HashMap::new(),
            capacity,
            is_full: false,
        }
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn len(&self) -> usize {
        self.tracked.len()
    }

    pub(super) fn get(&self, key: &InstanceKey) -> Option<&Arc<Tracked>> {
        self.tracked.get(key)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Tracked>> {
        self.tracked.values()
    }

    /// Whether `tracked` is still the one of its key; not so after it was forgotten, also when it is asked anew.
    pub(super) fn is_current(&self, tracked: &Arc<Tracked>) -> bool {
        self.get(tracked.key())
            .is_some_and(|current| Arc::ptr_eq(current, tracked))
    }

    /// Adds an instance that is not there yet.
    ///
    /// # Errors
    /// [`Full`]; logged when it begins to be so.
    pub(super) fn add(&mut self, tracked: Arc<Tracked>) -> Result<(), Full> {
        if self.tracked.len() >= self.capacity {
            if !self.is_full {
                tracing::warn!(
                    instance = %tracked.key(),
                    capacity = self.capacity,
                    "no further instance is discovered: DiscoveryQueueCapacity is reached; raise it or ignore some hosts"
                );
            }
            self.is_full = true;
            return Err(Full);
        }
        self.tracked.insert(tracked.key().clone(), tracked);
        Ok(())
    }

    /// Drops an instance and ends its task.
    pub(super) fn remove(&mut self, key: &InstanceKey) -> Option<Arc<Tracked>> {
        let removed = self.tracked.remove(key)?;
        removed.cancel().cancel();
        if self.is_full && self.tracked.len() < self.capacity {
            self.is_full = false;
            tracing::info!(
                capacity = self.capacity,
                "further instances are discovered again"
            );
        }
        Some(removed)
    }

    /// Ignores `key` until `until`, on the monotonic clock.
    pub(super) fn ban(&mut self, key: &InstanceKey, until: Duration) {
        if self.bans.len() < self.capacity || self.bans.contains_key(key) {
            self.bans.insert(key.clone(), until);
        }
    }

    pub(super) fn lift_ban(&mut self, key: &InstanceKey) {
        self.bans.remove(key);
    }

    pub(super) fn is_banned(&self, key: &InstanceKey, now: Duration) -> bool {
        self.bans.get(key).is_some_and(|until| now < *until)
    }

    /// The name under which the instance reached as `key` is known, when that is another one.
    pub(super) fn alias(&self, key: &InstanceKey, now: Duration) -> Option<&InstanceKey> {
        match self.names.get(key) {
            Some((Name::Alias(to), until)) if now < *until => Some(to),
            _ => None,
        }
    }

    /// Whether `key` keeps its name whatever the server there reports.
    pub(super) fn keeps_own_name(&self, key: &InstanceKey, now: Duration) -> bool {
        matches!(self.names.get(key), Some((Name::Own, until)) if now < *until)
    }

    pub(super) fn set_alias(&mut self, key: &InstanceKey, to: InstanceKey, until: Duration) {
        self.set_name(key, Name::Alias(to), until);
    }

    pub(super) fn set_own_name(&mut self, key: &InstanceKey, until: Duration) {
        self.set_name(key, Name::Own, until);
    }

    /// Forgets under which name `key` is known; that it keeps its own stays.
    pub(super) fn drop_alias(&mut self, key: &InstanceKey) {
        if matches!(self.names.get(key), Some((Name::Alias(_), _))) {
            self.names.remove(key);
        }
    }

    /// Whether following aliases from `from` comes to `to`.
    pub(super) fn leads_to(&self, from: &InstanceKey, to: &InstanceKey, now: Duration) -> bool {
        let mut at = from;
        for _ in 0..LONGEST_NAME_CHAIN {
            match self.alias(at, now) {
                Some(next) if next == to => return true,
                Some(next) => at = next,
                None => return false,
            }
        }
        false
    }

    /// Drops what is over.
    pub(super) fn purge(&mut self, now: Duration) {
        self.bans.retain(|_, until| now < *until);
        self.names.retain(|_, (_, until)| now < *until);
    }

    fn set_name(&mut self, key: &InstanceKey, name: Name, until: Duration) {
        if self.names.len() < self.capacity || self.names.contains_key(key) {
            self.names.insert(key.clone(), (name, until));
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::super::tracked::Reasons;
    use super::*;

    const NOW: Duration = Duration::from_secs(10);
    const LATER: Duration = Duration::from_secs(20);

    fn key(name: &str) -> InstanceKey {
        InstanceKey::parse(name, 3306).unwrap()
    }

    fn tracked(name: &str) -> Arc<Tracked> {
        let reasons = Reasons::kept(NOW);
        Arc::new(Tracked::new(
            key(name),
            reasons,
            NOW,
            CancellationToken::new(),
        ))
    }

    #[test]
    fn a_full_registry_refuses_until_there_is_room() {
        let mut registry = Registry::new(2);
        assert_eq!(registry.add(tracked("a")), Ok(()));
        let b = tracked("b");
        assert_eq!(registry.add(b.clone()), Ok(()));
        assert_eq!(registry.add(tracked("c")), Err(Full));
        registry.remove(&key("b"));
        assert!(b.cancel().is_cancelled(), "its task ends");
        assert_eq!(registry.add(tracked("c")), Ok(()));
    }

    #[test]
    fn an_instance_asked_anew_is_not_the_forgotten_one() {
        let mut registry = Registry::new(2);
        let (old, new) = (tracked("a"), tracked("a"));
        registry.add(old.clone()).unwrap();
        assert!(registry.is_current(&old));
        registry.remove(&key("a"));
        assert!(!registry.is_current(&old));
        registry.add(new.clone()).unwrap();
        assert!(registry.is_current(&new) && !registry.is_current(&old));
    }

    #[test]
    fn bans_and_names_end_and_are_bounded() {
        let mut registry = Registry::new(2);
        registry.ban(&key("a"), LATER);
        registry.set_alias(&key("x"), key("y"), LATER);
        assert!(registry.is_banned(&key("a"), NOW) && !registry.is_banned(&key("a"), LATER));
        assert_eq!(registry.alias(&key("x"), NOW), Some(&key("y")));
        assert_eq!(registry.alias(&key("x"), LATER), None);
        registry.ban(&key("b"), LATER);
        registry.ban(&key("c"), LATER);
        assert!(!registry.is_banned(&key("c"), NOW), "beyond the bound");
        registry.purge(LATER);
        registry.ban(&key("c"), LATER * 2);
        assert!(registry.is_banned(&key("c"), LATER));
    }

    #[test]
    fn circles_of_names_are_found_and_other_chains_end() {
        let mut registry = Registry::new(100);
        registry.set_alias(&key("a"), key("b"), LATER);
        registry.set_alias(&key("b"), key("c"), LATER);
        registry.set_alias(&key("p"), key("q"), LATER);
        registry.set_alias(&key("q"), key("p"), LATER);
        assert!(registry.leads_to(&key("a"), &key("c"), NOW));
        assert!(!registry.leads_to(&key("c"), &key("a"), NOW));
        assert!(!registry.leads_to(&key("p"), &key("a"), NOW));
    }
}
