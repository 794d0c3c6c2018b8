use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// A value that tasks wait for. Whoever waits goes on in the order in which they began to, where tokio's own `watch` wakes them in an order
/// that it draws: in a simulation a seed is to decide everything. Clones share the value.
#[derive(Clone, Debug, Default)]
pub struct Changing<T>(Arc<Inner<T>>);

#[derive(Debug, Default)]
struct Inner<T> {
    value: Mutex<T>,
    changed: Notify,
}

impl<T: Clone> Changing<T> {
    /// With this value.
    pub fn new(value: T) -> Self {
        Self(Arc::new(Inner {
            value: Mutex::new(value),
            changed: Notify::new(),
        }))
    }

    fn value(&self) -> MutexGuard<'_, T> {
        // It is changed in whole steps.
        self.0.value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value now.
    pub fn get(&self) -> T {
        self.value().clone()
    }

    /// Changes it, and wakes all that wait.
    pub fn change(&self, change: impl FnOnce(&mut T)) {
        change(&mut self.value());
        self.0.changed.notify_waiters();
    }

    /// Completes when it is so, at once where it is already. Cancel-safe.
    pub async fn wait_for(&self, is_so: impl Fn(&T) -> bool) {
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            // Before looking, so that no change is missed.
            changed.as_mut().enable();
            if is_so(&self.value()) {
                return;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_that_wait_go_on_in_the_order_in_which_they_began_to() {
        let (changing, order) = (Changing::new(0), Changing::new(Vec::new()));
        let waiting = (0..50).map(|number| {
            let (changing, order) = (changing.clone(), order.clone());
            tokio::spawn(async move {
                changing.wait_for(|value| *value == 2).await;
                order.change(|order| order.push(number));
            })
        });
        let waiting: Vec<_> = waiting.collect();
        tokio::task::yield_now().await;
        changing.change(|value| *value = 1);
        tokio::task::yield_now().await;
        assert_eq!(order.get(), [0; 0], "it is not so yet");
        changing.change(|value| *value = 2);
        for one in waiting {
            one.await.unwrap();
        }
        assert_eq!(order.get(), (0..50).collect::<Vec<_>>());
        changing.wait_for(|value| *value == 2).await;
    }
}
