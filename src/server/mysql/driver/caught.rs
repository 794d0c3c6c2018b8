use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use super::DriverError;

/// What is said of a server whose packets make the driver panic.
const UNREADABLE: DriverError = DriverError::Protocol("a packet that cannot be read");

/// Awaits a call of the driver; a panic in it comes as an error. The driver indexes into packets that it expects to be
/// long enough, and a server may send shorter ones. Whatever the call borrowed is not to be used after a panic, which
/// the callers see to; this is why crossing the boundary is sound.
///
/// Dropping the future drops the call.
pub(in crate::mysql) async fn caught<T>(call: impl Future<Output = T>) -> Result<T, DriverError> {
    let mut call = pin!(call);
    poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx))) {
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_) => Poll::Ready(Err(UNREADABLE)),
        },
    )
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_and_an_outcome_is_itself() {
        let packet: Vec<u8> = Vec::new();
        let panics = caught(async {
            tokio::task::yield_now().await;
            packet[0]
        });
        assert!(matches!(panics.await, Err(DriverError::Protocol(_))));
        let works = caught(async {
            tokio::task::yield_now().await;
            7
        });
        assert_eq!(works.await.unwrap(), 7);
    }
}
