use std::future::{pending, ready};

use orchestrator_core::domain::Fence;
use orchestrator_core::ports::{BoxFuture, DecisionReader, Leadership, NotLeading};

/// Leadership of a single node: it always leads, with a fence that is greater after a restart than any under which
/// something was decided before.
pub(super) struct OwnLeadership {
    fence: Fence,
}

impl OwnLeadership {
    /// From what is decided at the start.
    pub(super) fn new(decisions: &dyn DecisionReader) -> Self {
        let applied = decisions.decided().applied_index;
        Self {
            fence: Fence::from_number(applied.saturating_add(1)),
        }
    }
}

impl Leadership for OwnLeadership {
    fn fence(&self) -> Option<Fence> {
        Some(self.fence)
    }

    fn confirm(&self, fence: Fence) -> BoxFuture<'_, Result<(), NotLeading>> {
        let confirmed = match fence == self.fence {
            true => Ok(()),
            false => Err(NotLeading {
                reason: format!("this node was restarted since the fence {fence}"),
            }),
        };
        Box::pin(ready(confirmed))
    }

    fn changed(&self, seen: Option<Fence>) -> BoxFuture<'_, ()> {
        match seen == Some(self.fence) {
            true => Box::pin(pending()),
            false => Box::pin(ready(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use orchestrator_core::decided::Decided;

    use super::*;

    struct At(u64);

    impl DecisionReader for At {
        fn decided(&self) -> Arc<Decided> {
            Arc::new(Decided {
                applied_index: self.0,
                ..Decided::default()
            })
        }
    }

    #[tokio::test]
    async fn an_earlier_start_does_not_lead_any_more() {
        let (first, second) = (OwnLeadership::new(&At(4)), OwnLeadership::new(&At(5)));
        let (old, new) = (first.fence().unwrap(), second.fence().unwrap());
        assert!(new > old);
        assert_eq!(second.confirm(new).await, Ok(()));
        assert!(second.confirm(old).await.is_err());
        second.changed(Some(old)).await;
    }
}
