//! The thread of beats, and how it is paced.
//!
//! A beat costs more for waking up than for itself: 2,500 primaries whose beats and answers are served one by one cost a kernel three
//! times as much as the same in batches of fifty (docs/figures.md). So while all is well the thread serves what has come up every
//! [`EVERY`], and sleeps in between. While somebody is in doubt it does not ([`Hurry`]).

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use orchestrator_core::ports::Clock;
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How often the thread looks what there is to do while all is well: nobody waits longer than that because of it, also not the news that
/// a connection was closed, for which it is a twenty-fifth of what a failover may take. Where there are few primaries nobody waits at
/// all: a thread that had nothing to do for as long goes on at once.
const EVERY: Duration = Duration::from_millis(20);

/// Tasks that are served before it is looked for news of sockets: as many as beats fall due together.
const TASKS_BETWEEN_LOOKS: u32 = 256;

/// How many primaries have to be heard without delay.
#[derive(Debug, Default)]
pub(super) struct Hurry(AtomicUsize);

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Urgent(Arc<Hurry>);

impl Hurry {
    pub(super) fn begin(self: &Arc<Self>) -> Urgent {
        self.0.fetch_add(1, Ordering::Relaxed);
        Urgent(Arc::clone(self))
    }

    pub(super) fn is_none(&self) -> bool {
        // Whoever begins it does so on the thread that asks here.
        self.0.load(Ordering::Relaxed) == 0
    }
}

impl Drop for Urgent {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A thread that serves tasks. Dropping it ends it, and drops the tasks that are left.
pub(super) struct PacedThread {
    handle: Handle,
    _stop: DropGuard,
}

impl PacedThread {
    /// Starts it.
    ///
    /// # Errors
    /// When the system has no thread or no sockets for it.
    pub(super) fn start(hurry: Arc<Hurry>, clock: Arc<dyn Clock>) -> io::Result<Self> {
        // When it last began to serve, in microseconds.
        let began = Arc::new(AtomicU64::new(0));
        let micros = |length: Duration| u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
        let (woken, clock_of_woken) = (Arc::clone(&began), Arc::clone(&clock));
        let runtime = Builder::new_current_thread()
            .enable_all()
            .event_interval(TASKS_BETWEEN_LOOKS)
            .on_thread_unpark(move || {
                woken.store(micros(clock_of_woken.monotonic()), Ordering::Relaxed);
            })
            .on_thread_park(move || {
                if hurry.is_none() {
                    let served =
                        micros(clock.monotonic()).saturating_sub(began.load(Ordering::Relaxed));
                    std::thread::sleep(EVERY.saturating_sub(Duration::from_micros(served)));
                }
            })
            .build()?;
        let handle = runtime.handle().clone();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        std::thread::Builder::new()
            .name("beats".to_owned())
            .spawn(move || {
                runtime.block_on(stopped.cancelled());
                // A name that is looked up must not keep the process.
                runtime.shutdown_background();
            })?;
        Ok(Self {
            handle,
            _stop: stop.drop_guard(),
        })
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use orchestrator_core::domain::Timestamp;
    use orchestrator_core::ports::BoxFuture;
    use tokio::sync::oneshot;

    use super::*;

    struct Real(Instant);

    impl Real {
        #[allow(clippy::disallowed_methods, reason = "the thread sleeps in real time")]
        fn clock() -> Arc<Self> {
            Arc::new(Self(Instant::now()))
        }
    }

    impl Clock for Real {
        fn now(&self) -> Timestamp {
            Timestamp::from_seconds(1000).plus(self.0.elapsed())
        }

        fn monotonic(&self) -> Duration {
            self.0.elapsed()
        }

        fn sleep(&self, length: Duration) -> BoxFuture<'static, ()> {
            Box::pin(tokio::time::sleep(length))
        }
    }

    /// How long a task of the thread takes that waits for a millisecond ten times.
    async fn ten_waits(thread: &PacedThread, clock: &Arc<Real>) -> Duration {
        let of_task = Arc::clone(clock);
        let task = thread.handle().spawn(async move {
            let began = of_task.monotonic();
            for _ in 0..10 {
                of_task.sleep(Duration::from_millis(1)).await;
            }
            of_task.monotonic() - began
        });
        task.await.expect("it ends")
    }

    #[tokio::test]
    async fn tasks_are_served_in_turns_unless_somebody_is_in_a_hurry() {
        let (hurry, clock) = (Arc::new(Hurry::default()), Real::clock());
        let thread = PacedThread::start(Arc::clone(&hurry), clock.clone()).unwrap();
        let paced = ten_waits(&thread, &clock).await;
        assert!(paced >= EVERY * 9, "{paced:?}");
        let urgent = hurry.begin();
        // Other tests keep the cores busy too.
        let mut quickest = Duration::MAX;
        for _ in 0..20 {
            quickest = quickest.min(ten_waits(&thread, &clock).await);
            if quickest < EVERY * 5 {
                break;
            }
        }
        assert!(quickest < EVERY * 5, "{quickest:?}");
        drop(urgent);
        let paced = ten_waits(&thread, &clock).await;
        assert!(paced >= EVERY * 9, "{paced:?}");
    }

    #[tokio::test]
    async fn what_is_left_is_dropped_with_the_thread() {
        let thread = PacedThread::start(Arc::default(), Real::clock()).unwrap();
        let (kept, dropped) = oneshot::channel::<()>();
        let task = thread.handle().spawn(async move {
            let _kept = kept;
            std::future::pending::<()>().await;
        });
        drop(thread);
        let within = tokio::time::timeout(Duration::from_secs(20), dropped).await;
        assert!(within.expect("it is dropped").is_err());
        assert!(task.await.is_err_and(|error| error.is_cancelled()));
    }
}
