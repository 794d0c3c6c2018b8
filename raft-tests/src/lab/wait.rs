//! Waiting for a condition instead of for a time.

use anyhow::{Context as _, Result, anyhow};
use std::time::{Duration, Instant};

/// Pause between two looks: short against what tests measure (tenths of a second), long enough that looking costs no CPU.
const PAUSE: Duration = Duration::from_millis(20);

/// Real time since a moment. The lab measures real processes, so it is the one place here that reads a clock.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    #[must_use]
    #[allow(
        clippy::disallowed_methods,
        reason = "the lab waits for real processes, which no stepped clock moves"
    )]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Looks again and again until `look` succeeds, at most for `deadline`, and returns what it found.
///
/// A look says by its error why it is not satisfied yet; the last such reason is part of the failure. A look that hangs
/// is cut off at the deadline. `what` completes the sentence "waited for …".
///
/// # Errors
/// When the deadline passes first.
pub async fn wait_until<T>(
    what: &str,
    deadline: Duration,
    mut look: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let watch = Stopwatch::start();
    let mut last = anyhow!("the first look did not end");
    while let Some(left) = deadline.checked_sub(watch.elapsed()) {
        match tokio::time::timeout(left, look()).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(reason)) => last = reason,
            // The look was cut off, so no time is left.
            Err(_) => break,
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(last).with_context(|| format!("waited {deadline:?} for {what}"))
}

/// Looks again and again for the whole of `period`, and fails at the first look that fails: for what must not happen.
///
/// # Errors
/// The look's own, with `what` and how long it had held.
pub async fn holds_for(
    what: &str,
    period: Duration,
    mut look: impl AsyncFnMut() -> Result<()>,
) -> Result<()> {
    let watch = Stopwatch::start();
    while watch.elapsed() < period {
        look()
            .await
            .with_context(|| format!("{what} held for {:?} only", watch.elapsed()))?;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_condition_that_comes_true_ends_the_wait() {
        let mut looks = 0;
        let found = wait_until("the third look", Duration::from_secs(5), async || {
            looks += 1;
            anyhow::ensure!(looks == 3, "only look {looks}");
            Ok(looks)
        })
        .await;
        assert_eq!(found.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_failed_wait_says_what_for_and_what_was_seen_last() {
        let failed = wait_until("a miracle", Duration::from_millis(60), async || {
            Err::<(), _>(anyhow!("nothing moved"))
        })
        .await;
        let text = format!("{:#}", failed.unwrap_err());
        assert!(text.contains("for a miracle"), "{text}");
        assert!(text.contains("nothing moved"), "{text}");
    }

    #[tokio::test]
    async fn a_look_that_hangs_is_cut_off_at_the_deadline() {
        let watch = Stopwatch::start();
        let failed = wait_until("an answer", Duration::from_millis(60), async || {
            std::future::pending::<()>().await;
            Ok(())
        })
        .await;
        assert!(failed.is_err());
        assert!(watch.elapsed() < Duration::from_secs(2));
    }

    #[tokio::test]
    async fn what_ceases_to_hold_is_found_and_what_holds_is_watched_to_the_end() {
        let period = Duration::from_millis(100);
        let mut looks = 0;
        let failed = holds_for("peace", period, async || {
            looks += 1;
            anyhow::ensure!(looks < 3, "war");
            Ok(())
        })
        .await;
        let text = format!("{:#}", failed.unwrap_err());
        assert!(
            text.contains("peace held for") && text.contains("war"),
            "{text}"
        );
        let watch = Stopwatch::start();
        holds_for("peace", period, async || Ok(())).await.unwrap();
        assert!(watch.elapsed() >= period);
    }
}
