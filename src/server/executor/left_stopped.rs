//! After the end of a recovery that came to nothing: servers whose receiver it had stopped, and which could not be started again
//! then, are started when they answer.

use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::decided::{Decided, RecoveryStepCommand};
use orchestrator_core::domain::{Fence, InstanceKey, Observation, Recovery, RecoveryId};
use orchestrator_core::ports::{Change, ChangeError, ServerSession};
use orchestrator_core::recovery::{Ground, Restart, restart};

use super::Deps;
use super::sessions::OLD_PRIMARY_OPEN_TIME;
use super::visit::{Over, Visit};

/// How long starting may take, as any changing statement of a recovery.
const START_TIME: Duration = Duration::from_secs(3);

/// Servers to be started, each with the recovery that has left it so.
pub(super) fn to_be_started(decided: &Decided) -> Vec<(InstanceKey, RecoveryId)> {
    let left = decided.left_stopped.iter();
    let wanted = left.filter(|(key, id)| left_by(decided, key, **id).is_some());
    wanted.map(|(key, id)| (key.clone(), *id)).collect()
}

/// The recovery that has left a server so, where nobody works on that server now.
fn left_by<'a>(decided: &'a Decided, key: &InstanceKey, id: RecoveryId) -> Option<&'a Recovery> {
    let recovery = decided.recoveries.get(&id)?;
    let is_left = decided.left_stopped.get(key) == Some(&id) && recovery.end.is_some();
    let mut unfinished = decided.unfinished_recoveries();
    let is_at_work = unfinished.any(|(_, one)| one.servers.iter().any(|it| it.key == *key));
    (is_left && !is_at_work).then_some(recovery)
}

/// Tries a server until it is started, or needs nothing, or this leadership is over.
pub(super) async fn start(deps: Arc<Deps>, fence: Fence, server: InstanceKey, id: RecoveryId) {
    let visit = Visit::new(deps, fence, server, id);
    while is_wanted(&visit) {
        match attempt(&visit).await {
            Ok(()) => visit.pause().await,
            Err(Over) => return,
        }
    }
}

fn is_wanted(visit: &Visit) -> bool {
    let decided = visit.deps.decisions.decided();
    left_by(&decided, &visit.server, visit.on_behalf_of.recovery).is_some()
}

async fn attempt(visit: &Visit) -> Result<(), Over> {
    visit.confirm().await?;
    let servers = &visit.deps.servers;
    let opened = servers.open(&visit.server, visit.on_behalf_of, OLD_PRIMARY_OPEN_TIME);
    let Ok(mut session) = opened.await else {
        return Ok(());
    };
    let Ok(seen) = session.observe().await else {
        return Ok(());
    };
    let told = match standing(visit, &seen) {
        Some(Restart::Start) => match make(visit, session).await? {
            Some(told) => told,
            None => return Ok(()),
        },
        Some(Restart::Runs) => "its receiver runs again".to_owned(),
        Some(Restart::Elsewhere) => {
            "it replicates from no server of this recovery any more; its receiver is left as it is"
                .to_owned()
        }
        Some(Restart::MayLose) => {
            "its receiver stays stopped: its applier stands still with something left to apply, which a start might discard; start it by hand"
                .to_owned()
        }
        None => return Ok(()),
    };
    let told = format!("{}: {told}", visit.server);
    tracing::warn!(recovery = %visit.on_behalf_of.recovery, "{told}");
    let server = visit.server.clone();
    let step = RecoveryStepCommand::Settled {
        server: server.clone(),
        notes: vec![(visit.deps.clock.now(), told)],
    };
    let id = visit.on_behalf_of.recovery;
    let is_settled = move |decided: &Decided| decided.left_stopped.get(&server) != Some(&id);
    visit.decide(step, is_settled).await.map(drop)
}

/// `None` where it is not to be started any more.
fn standing(visit: &Visit, seen: &Observation) -> Option<Restart> {
    let decided = visit.deps.decisions.decided();
    let recovery = left_by(&decided, &visit.server, visit.on_behalf_of.recovery)?;
    let is_known = |source: &InstanceKey| {
        recovery.subject == *source || recovery.servers.iter().any(|one| one.key == *source)
    };
    Some(restart(seen, Ground::of(seen), is_known))
}

/// Starts it; what came of that, or `None` where that is not known.
async fn make(visit: &Visit, mut session: Box<dyn ServerSession>) -> Result<Option<String>, Over> {
    let own = visit.named(session.connection_id());
    let Some(mut ended) = visit.enter(&own).await? else {
        return Ok(None);
    };
    visit.confirm().await?;
    if !is_wanted(visit) {
        return Ok(None);
    }
    let made = session.make(&Change::StartReplication, START_TIME).await;
    let told = match &made {
        Ok(()) => "its receiver runs again".to_owned(),
        Err(ChangeError::Unknown { .. } | ChangeError::Unreachable { .. }) => return Ok(None),
        Err(why) => format!("its receiver stays stopped: {why}; start it by hand"),
    };
    ended.push(own);
    // Where that is not decided, whoever comes next ends them once more.
    let _ = visit.record(vec![], ended).await?;
    Ok(Some(told))
}
