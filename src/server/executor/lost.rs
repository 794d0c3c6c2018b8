//! After the end: old primaries that are in downtime as lost are closed whenever they answer, and lost servers that are well
//! again come out of their downtime.

use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::decided::{Command, Decided, RecoveryStepCommand};
use orchestrator_core::domain::{
    DataLoss, Fence, InstanceKey, Observation, Picture, RecoveryEnd, RecoveryId, RecoveryOutcome,
    Timestamp,
};
use orchestrator_core::ports::{Change, ChangeError, ServerSession};

use super::Deps;
use super::metrics;
use super::sessions::OLD_PRIMARY_OPEN_TIME;
use super::visit::{Over, Visit};

/// The reason of downtimes of lost servers, as the predecessor's.
pub(super) const LOST_REASON: &str = "lost-in-recovery";

/// How long closing may take; see [`super::run`].
const CLOSE_TIME: Duration = Duration::from_secs(3);

/// How long reading two histories may take.
const READ_TIME: Duration = Duration::from_secs(5);

/// How long a server has been in downtime before being well again counts: it was to be seen so more than once.
const WELL_AFTER: Duration = Duration::from_secs(60);

/// Old primaries to be watched, each with the latest recovery about it.
pub(super) fn to_be_watched(decided: &Decided, now: Timestamp) -> Vec<(InstanceKey, RecoveryId)> {
    let lost = decided.downtimes.keys();
    let all = lost.filter_map(|key| Some((key.clone(), watched_for(decided, key, now)?)));
    all.collect()
}

/// The recovery for which an old primary is watched now.
fn watched_for(decided: &Decided, key: &InstanceKey, now: Timestamp) -> Option<RecoveryId> {
    let downtime = decided.downtime_at(key, now)?;
    if downtime.reason != LOST_REASON {
        return None;
    }
    // The latest recovery that has made, or may have made, a primary of it or taken that from it.
    let about = decided.recoveries.iter().filter(|(_, one)| {
        let end = one.end.as_ref();
        let is_about = one.subject == *key
            || end.is_some_and(|end| end.successor.as_ref() == Some(key))
            || end.is_some_and(|end| is_perhaps_writable(end, key));
        // What became of the predecessor's old primaries is not known: one may be the primary of today, by hand, and still be in
        // downtime as lost.
        is_about && !one.is_the_predecessors()
    });
    let (id, latest) = about.max_by_key(|(_, one)| one.number)?;
    let end = latest.end.as_ref()?;
    let was_replaced = latest.subject == *key && end.outcome == RecoveryOutcome::Succeeded;
    let is_lost = was_replaced || is_perhaps_writable(end, key);
    let mut unfinished = decided.unfinished_recoveries();
    let is_at_work = unfinished.any(|(_, one)| one.servers.iter().any(|it| it.key == *key));
    (is_lost && !is_at_work).then_some(*id)
}

/// Whether a failed recovery may have made a server writable.
fn is_perhaps_writable(end: &RecoveryEnd, key: &InstanceKey) -> bool {
    end.outcome == RecoveryOutcome::Failed && end.lost.contains(key)
}

/// Watches an old primary for as long as it is to be watched under this leadership.
pub(super) async fn watch(deps: Arc<Deps>, fence: Fence, server: InstanceKey, id: RecoveryId) {
    let watch = Watch {
        visit: Visit::new(deps, fence, server, id),
    };
    while watch.goes_on() {
        match watch.attempt().await {
            Ok(Next::Now) => {}
            Ok(Next::AfterPause) => watch.visit.pause().await,
            Err(Over) => return,
        }
    }
}

struct Watch {
    visit: Visit,
}

/// When to connect again.
enum Next {
    /// At once: the connection was lost while nothing was said over it, as by a restart, and the pause between two looks has
    /// passed.
    Now,
    /// After the pause between two looks.
    AfterPause,
}

impl Watch {
    fn goes_on(&self) -> bool {
        let decided = self.visit.deps.decisions.decided();
        let wanted = watched_for(&decided, &self.visit.server, self.visit.deps.clock.now());
        wanted == Some(self.visit.on_behalf_of.recovery)
    }

    async fn attempt(&self) -> Result<Next, Over> {
        self.visit.confirm().await?;
        let servers = &self.visit.deps.servers;
        let opened = servers.open(
            &self.visit.server,
            self.visit.on_behalf_of,
            OLD_PRIMARY_OPEN_TIME,
        );
        match opened.await {
            Ok(session) => self.serve(session).await,
            Err(_) => Ok(Next::AfterPause),
        }
    }

    /// Over one connection, until that is lost or it is not to be watched any more.
    async fn serve(&self, mut session: Box<dyn ServerSession>) -> Result<Next, Over> {
        let (mut was_closed, mut is_stated, mut has_paused) = (false, false, false);
        let own = self.visit.named(session.connection_id());
        // Whether it is written down, and which connections of before were ended since.
        let mut is_recorded = false;
        let mut ended = Vec::new();
        while self.goes_on() {
            let Ok(seen) = session.observe().await else {
                return Ok(match has_paused {
                    true => Next::Now,
                    false => Next::AfterPause,
                });
            };
            // Somebody has made it a replica, and nobody can write to it: its clients may stay.
            let is_harmless = takes_no_writes(&seen) && (was_closed || seen.is_replica());
            if !is_harmless {
                if !is_recorded {
                    match self.visit.enter(&own).await? {
                        Some(left) => (is_recorded, ended) = (true, left),
                        None => return Ok(Next::AfterPause),
                    }
                }
                self.visit.confirm().await?;
                if !self.goes_on() {
                    return Ok(Next::AfterPause);
                }
                tracing::warn!(
                    recovery = %self.visit.on_behalf_of.recovery, server = %self.visit.server,
                    "the old primary is back after its recovery: closing it"
                );
                let closed = session.make(&Change::Close, CLOSE_TIME).await;
                was_closed = closed.is_ok();
                if closed.is_ok() {
                    ended.push(own.clone());
                    is_recorded = false;
                }
                match closed {
                    Ok(()) => {
                        metrics::closed_afterwards();
                        is_stated = false;
                    }
                    Err(why) => {
                        tracing::warn!(server = %self.visit.server, %why, "it was not closed yet");
                    }
                }
                if !ended.is_empty() {
                    // Where it is not decided, whoever comes next ends them once more.
                    let _ = self
                        .visit
                        .record(vec![], std::mem::take(&mut ended))
                        .await?;
                }
            }
            if was_closed && !is_stated {
                is_stated = self.state_loss().await;
            }
            self.visit.pause().await;
            has_paused = true;
        }
        Ok(Next::AfterPause)
    }

    /// States exactly what was lost, now that the old primary can be read and takes nothing more; whether that needs no other
    /// attempt.
    async fn state_loss(&self) -> bool {
        let id = self.visit.on_behalf_of.recovery;
        let decided = self.visit.deps.decisions.decided();
        let end = decided.recoveries.get(&id).and_then(|it| it.end.as_ref());
        let Some(promoted) = end.and_then(|end| end.successor.as_ref()) else {
            return true;
        };
        let histories = &self.visit.deps.histories;
        let beyond = histories.executed_beyond(&self.visit.server, promoted, READ_TIME);
        let loss = match beyond.await {
            Ok(beyond) if beyond.set.is_empty() => DataLoss::NoneProven,
            Ok(beyond) => DataLoss::Exactly { set: beyond.set },
            // Without GTIDs the two cannot be compared, now or later.
            Err(ChangeError::Unsupported { .. }) => return true,
            Err(why) => {
                tracing::debug!(server = %self.visit.server, %why, "what was lost cannot be read yet");
                return false;
            }
        };
        let Some(loss) = more_is_known(end.and_then(|end| end.data_loss.as_ref()), loss) else {
            return true;
        };
        let told = format!("the old primary {} was read: {loss}", self.visit.server);
        tracing::warn!(recovery = %id, "{told}");
        let (wanted, notes) = (loss.clone(), vec![(self.visit.deps.clock.now(), told)]);
        let is_stated = move |decided: &Decided| {
            let end = decided.recoveries.get(&id).and_then(|it| it.end.as_ref());
            end.is_some_and(|end| end.data_loss.as_ref() == Some(&wanted))
        };
        let step = RecoveryStepCommand::StateLoss { loss, notes };
        self.visit
            .decide(step, is_stated)
            .await
            .is_ok_and(|known| known)
    }
}

/// What is to be stated after another reading; `None` when that says nothing new. What was once read to be lost stays lost: an
/// old primary that was built anew, as from a backup, knows nothing of it any more.
pub(super) fn more_is_known(stated: Option<&DataLoss>, read: DataLoss) -> Option<DataLoss> {
    match (stated, read) {
        (Some(DataLoss::Exactly { set: stated }), DataLoss::Exactly { set }) => {
            let set_of_both = || format!("{stated}; and {set}");
            (!stated.contains(&set)).then(|| DataLoss::Exactly { set: set_of_both() })
        }
        (Some(DataLoss::Exactly { .. }), _) => None,
        (Some(stated), read) if *stated == read => None,
        (_, read) => Some(read),
    }
}

fn takes_no_writes(seen: &Observation) -> bool {
    seen.read_only && seen.super_read_only.unwrap_or(true)
}

/// Lost servers whose downtime is over: a minute old at least, and both replication threads run.
pub(super) fn well_again(decided: &Decided, picture: &Picture, now: Timestamp) -> Vec<InstanceKey> {
    let lost = decided.downtimes.iter().filter(|(key, downtime)| {
        let is_old = now.since(downtime.begins_at) >= WELL_AFTER;
        let record = picture.get(key);
        let is_well = record.is_some_and(|record| {
            record.is_last_check_valid()
                && record
                    .observation
                    .as_ref()
                    .is_some_and(|seen| seen.is_replicating())
        });
        downtime.holds_at(now) && downtime.reason == LOST_REASON && is_old && is_well
    });
    lost.map(|(key, _)| key.clone()).collect()
}

/// Ends the downtime of a lost server that is well again.
pub(super) async fn release(deps: Arc<Deps>, fence: Fence, key: InstanceKey) {
    tracing::info!(server = %key, "a lost server replicates again: its downtime ends");
    let wanted = key.clone();
    let command = Command::EndDowntime { key };
    let is_over = move |decided: &Decided| !decided.downtimes.contains_key(&wanted);
    let decided = deps.decide(fence, deps.own_origin(), command, is_over);
    if let Err(why) = decided.await {
        tracing::warn!(%why, "it will be tried again");
    }
}
