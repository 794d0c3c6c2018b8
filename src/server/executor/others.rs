//! Whether other nodes of the group hear a primary that this one does not.

use std::collections::BTreeSet;

use orchestrator_core::domain::InstanceKey;
use orchestrator_core::planted::{Bug, is_planted};
use orchestrator_core::ports::Answered;
use orchestrator_core::recovery::Blocked;
use tokio::task::JoinSet;

use super::{Deps, metrics};

/// Asks all of them, and waits for their answers as long as they may take. Each sends a beat after it was asked, so that what it
/// hears is younger than all that speaks against the primary. Who does not answer in time says nothing.
///
/// # Errors
/// That somebody hears it.
pub(super) async fn nobody_hears(deps: &Deps, primary: &InstanceKey) -> Result<(), Blocked> {
    let mut asked = JoinSet::new();
    let within = deps.others.answer_within();
    for name in deps.others.to_ask() {
        let asking = deps.others.ask(&name, primary, within);
        asked.spawn(async move { (name, asking.await) });
    }
    if asked.is_empty() || is_planted(Bug::OthersNotAsked) {
        return Ok(());
    }
    let mut by = BTreeSet::new();
    let time = deps.clock.sleep(within);
    tokio::pin!(time);
    loop {
        tokio::select! {
            biased;
            answer = asked.join_next() => match answer {
                Some(Ok((name, Some(Answered::Yes)))) => {
                    by.insert(name);
                }
                Some(_) => {}
                None => break,
            },
            () = &mut time => break,
        }
    }
    if by.is_empty() {
        return Ok(());
    }
    metrics::heard_elsewhere();
    tracing::warn!(%primary, ?by, "other nodes hear this primary, though this one does not");
    Err(Blocked::HeardElsewhere {
        subject: primary.clone(),
        by: by.into_iter().collect(),
    })
}
