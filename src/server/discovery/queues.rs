use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A probe that has not ended after this gives its place on the main queue back: it is waiting, not working. A quarter
/// of a second is far above a healthy probe, also between continents, and so short that hundreds of servers freezing
/// at once do not hold up the others.
pub(super) const HAND_OVER_AFTER: Duration = Duration::from_millis(250);

/// Places of the slow queue, for each one of the main queue. A place there is a connection that waits and costs no
/// work, so there can be more of them; a bound remains, for sockets and name services.
const SLOW_PLACES_PER_MAIN: usize = 4;

/// Bounds how many probes run at once: one queue for servers that answer, one for those that did not.
#[derive(Debug)]
pub(super) struct Queues {
    main: Arc<Semaphore>,
    slow: Arc<Semaphore>,
    waiting_slow: AtomicUsize,
    in_flight: Arc<AtomicUsize>,
}

/// Leave to probe. Gives everything back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    permit: Option<OwnedSemaphorePermit>,
    is_main: bool,
    in_flight: Arc<AtomicUsize>,
}

impl Queues {
    /// Queues for `concurrency` probes at once of servers that answer.
    pub(super) fn new(concurrency: usize) -> Self {
        let main = concurrency.clamp(1, Semaphore::MAX_PERMITS / SLOW_PLACES_PER_MAIN);
        Self {
            main: Arc::new(Semaphore::new(main)),
            slow: Arc::new(Semaphore::new(main * SLOW_PLACES_PER_MAIN)),
            waiting_slow: AtomicUsize::new(0),
            in_flight: Arc::new(AtomicUsize::new(0)),
        }
    }

    /// A place on the main queue; waits in turn. Cancel-safe.
    pub(super) async fn main(&self) -> Place {
        let permit = self.main.clone().acquire_owned().await;
        self.place(permit.expect("the main queue is never closed"), true)
    }

    /// A place on the slow queue; waits in turn. Cancel-safe.
    pub(super) async fn slow(&self) -> Place {
        let waiting = Counted::new(&self.waiting_slow);
        let permit = self.slow.clone().acquire_owned().await;
        drop(waiting);
        self.place(permit.expect("the slow queue is never closed"), false)
    }

    /// Moves a probe that turned out slow off the main queue. It goes on even when the slow queue is full: ending it
    /// would report a failure that was none, and there is at most one per instance.
    pub(super) fn hand_over(&self, place: &mut Place) {
        if place.is_main {
            place.permit = self.slow.clone().try_acquire_owned().ok();
            place.is_main = false;
        }
    }

    /// How many instances wait for a place on the slow queue.
    pub(super) fn waiting_slow(&self) -> usize {
        self.waiting_slow.load(Ordering::Relaxed)
    }

    /// How many probes run.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    fn place(&self, permit: OwnedSemaphorePermit, is_main: bool) -> Place {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Place {
            permit: Some(permit),
            is_main,
            in_flight: self.in_flight.clone(),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts itself while it lives, also when the future that holds it is dropped.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(counter: &'a AtomicUsize) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// What a future says when asked once.
    fn ask_once<T>(future: impl Future<Output = T>) -> Option<T> {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_probe_that_hangs_frees_its_place_on_the_main_queue() {
        let queues = Queues::new(1);
        let mut hanging = ask_once(queues.main()).expect("the first place is free");
        assert!(ask_once(queues.main()).is_none(), "and the only one");
        queues.hand_over(&mut hanging);
        let healthy = ask_once(queues.main()).expect("the place came back");
        assert_eq!(queues.in_flight(), 2);
        drop((hanging, healthy));
        assert_eq!(queues.in_flight(), 0);
    }

    #[test]
    fn the_slow_queue_is_bounded_but_ends_no_probe_that_runs() {
        let queues = Queues::new(1);
        let held: Vec<_> = std::iter::from_fn(|| ask_once(queues.slow())).collect();
        assert_eq!(held.len(), SLOW_PLACES_PER_MAIN);
        assert_eq!(queues.waiting_slow(), 0, "whoever gave up does not count");
        let mut hanging = ask_once(queues.main()).expect("the main queue is another");
        queues.hand_over(&mut hanging);
        assert!(ask_once(queues.main()).is_some());
        assert_eq!(queues.in_flight(), held.len() + 1);
    }
}
