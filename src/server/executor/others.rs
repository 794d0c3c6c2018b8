//! Whether other nodes of the group hear a primary that this one does not.

use std::collections::BTreeSet;
use std::time::Duration;

use orchestrator_core::domain::InstanceKey;
use orchestrator_core::planted::{Bug, is_planted};
use orchestrator_core::ports::Answered;
use orchestrator_core::recovery::Blocked;
use tokio::task::JoinSet;

use super::{Deps, metrics};

/// Asks all of them about each of `primaries`, and returns what those say who answer `within` that time. Each sends a beat after it was
/// asked, so that what it hears is younger than all that speaks against the primary.
pub(super) async fn ask_all(
    deps: &Deps,
    primaries: &[InstanceKey],
    within: Duration,
) -> Vec<(String, InstanceKey, Answered)> {
    let mut asked = JoinSet::new();
    for name in deps.others.to_ask() {
        for primary in primaries {
            let asking = deps.others.ask(&name, primary, within);
            let (name, primary) = (name.clone(), primary.clone());
            asked.spawn(async move { Some((name, primary, asking.await?)) });
        }
    }
    let mut said = Vec::new();
    if asked.is_empty() {
        return said;
    }
    let time = deps.clock.sleep(within);
    tokio::pin!(time);
    loop {
        tokio::select! {
            biased;
            answer = asked.join_next() => match answer {
                Some(Ok(answer)) => said.extend(answer),
                // A task that panicked has told the log; its node has not answered.
                Some(Err(_)) => {}
                None => return said,
            },
            () = &mut time => return said,
        }
    }
}

/// Whether none of them hears a primary; they are asked now.
///
/// # Errors
/// That somebody hears it.
pub(super) async fn nobody_hears(deps: &Deps, primary: &InstanceKey) -> Result<(), Blocked> {
    let said = ask_all(
        deps,
        std::slice::from_ref(primary),
        deps.others.answer_within(),
    )
    .await;
    let yes = said
        .into_iter()
        .filter(|(_, _, said)| *said == Answered::Yes);
    let by: BTreeSet<String> = yes.map(|(name, ..)| name).collect();
    if by.is_empty() || is_planted(Bug::OthersNotAsked) {
        return Ok(());
    }
    metrics::heard_elsewhere();
    tracing::warn!(%primary, ?by, "other nodes hear this primary, though this one does not");
    Err(Blocked::HeardElsewhere {
        subject: primary.clone(),
        by: by.into_iter().collect(),
    })
}
