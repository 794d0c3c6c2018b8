//! Old primaries after the end of their recovery: closed on their first answer, for as long as they are in downtime as lost.

use std::time::Duration;

use orchestrator_core::domain::{Fence, InstanceKey, RecoveryId, RecoveryOutcome};
use orchestrator_core::ports::{
    Change, Clock, DecisionReader as _, Leadership as _, OnBehalfOf, Servers as _,
};

use super::NodeDeps;
use super::sessions::Lost;

/// How long an attempt may take.
const ATTEMPT_TIME: Duration = Duration::from_millis(300);
/// How long a close may take.
const CLOSE_TIME: Duration = Duration::from_secs(2);

pub(super) async fn watch_old_primaries(deps: &NodeDeps, fence: Fence) -> Result<(), Lost> {
    let decided = deps.member.decided();
    let now = deps.clock.now();
    let lost: Vec<(RecoveryId, InstanceKey)> = decided
        .recoveries
        .iter()
        .filter(|(_, one)| {
            let end = one.end.as_ref();
            end.is_some_and(|end| end.outcome == RecoveryOutcome::Succeeded)
                && decided.downtime_at(&one.subject, now).is_some()
        })
        .map(|(id, one)| (*id, one.subject.clone()))
        .collect();
    for (recovery, server) in lost {
        let on_behalf_of = OnBehalfOf { recovery, fence };
        let opened = deps.servers.open(&server, on_behalf_of, ATTEMPT_TIME).await;
        let Ok(mut session) = opened else { continue };
        let is_open = session.observe().await.is_ok_and(|seen| !seen.read_only);
        if is_open {
            let confirmed = deps.member.confirm(fence).await;
            confirmed.map_err(|_| Lost::Leadership)?;
            // It is tried again in the next round when it did not work.
            let _ = session.make(&Change::Close, CLOSE_TIME).await;
        }
        let id = [session.connection_id()];
        let _ = deps.servers.end_sessions(&server, &id, ATTEMPT_TIME).await;
    }
    Ok(())
}
