//! One replica of a silent primary is told to reconnect, where what replicas receive cannot tell in time whether it lives.
//!
//! It is an action without a dead primary, so the conditions are narrow: this node leads, and would replace the primary; the
//! primary is silent to us, replicas look connected to it and nothing comes to them, and their heartbeats are too far apart to wait for; never
//! the last semi-sync replica that is needed, never one that has not applied all it received, never twice within half a minute.

use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::analysis::rules::Registration;
use orchestrator_core::analysis::{Finding, Vote};
use orchestrator_core::beats::{BeatPolicy, Standing};
use orchestrator_core::decided::{Command, RecoveryStepCommand};
use orchestrator_core::domain::{Fence, FindingCode, InstanceKey, Observation, RecoveryId};
use orchestrator_core::ports::{Change, ChangeError, OnBehalfOf, Reconnected, ServerSession};
use orchestrator_core::recovery::{Ground, Holdings, Unapplied};

use super::look::View;
use super::others::nobody_hears;
use super::{Config, Deps, metrics};

/// No primary has replicas told to reconnect more often than this.
pub(super) const AT_MOST_ONCE_IN: Duration = Duration::from_secs(30);

/// How long opening the connection, and each statement, may take.
const STATEMENT_TIME: Duration = Duration::from_secs(1);

/// Between two looks at the replica.
const PAUSE: Duration = Duration::from_millis(50);

/// How often it is tried to start a receiver again of which it is not known whether it was stopped.
const REPAIRS_MAX: u32 = 5;

/// The replica that is to reconnect; `None` where none is, or none may.
pub(super) fn replica_for(view: &View, finding: &Finding, config: &Config) -> Option<InstanceKey> {
    let beat = finding.facts.beat.as_ref()?;
    let is_needed = finding.code == FindingCode::UnreachablePrimary
        && beat.standing == Standing::Silent
        && beat.reconnecting.is_none()
        && beat.spoken_by.is_none()
        && !beat.is_moving
        && !beat.is_soon_known;
    // Nothing is asked of anybody for a primary that would not be replaced.
    let were_it_dead = Finding {
        code: FindingCode::DeadPrimary,
        registration: Registration::Actionable,
        ..finding.clone()
    };
    if !is_needed || view.gate(&were_it_dead, config, false).is_err() {
        return None;
    }
    let source = view.picture.observation(&finding.subject)?;
    let mut receiving = finding.facts.replicas.receiving.iter();
    receiving
        .find(|key| {
            let seen = view.picture.observation(key);
            let downtime = view.decided.downtime_at(key, view.now);
            downtime.is_none() && seen.is_some_and(|seen| may_reconnect(seen, source))
        })
        .cloned()
}

fn may_reconnect(replica: &Observation, source: &Observation) -> bool {
    let acks = &source.semi_sync;
    let source_waits = acks.source_enabled && acks.source_status;
    let is_needed_acker = source_waits
        && replica.semi_sync.replica_status
        && acks.source_clients <= acks.wait_for_replica_count;
    !is_needed_acker && has_all_applied(replica)
}

/// Whether both threads run and nothing is left to apply.
fn has_all_applied(seen: &Observation) -> bool {
    let holdings = Holdings::read(seen, Ground::of(seen));
    seen.is_replicating() && holdings.is_some_and(|own| own.unapplied() == Unapplied::Nothing)
}

/// What came of it.
enum Came {
    /// It is connected again: the source lives.
    Back,
    /// The source refuses it: it lives.
    Refused(u32),
    /// It could not within the time: the source does not, as far as it can tell.
    Not,
    /// Nothing was done, or it is not known what.
    Nothing(String),
}

/// While it stands, the replica counts as connected; dropped, that it is over and proves nothing.
struct Held<'a> {
    canary: &'a Canary,
    came: Reconnected,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let Canary {
            deps,
            primary,
            replica,
            ..
        } = self.canary;
        deps.beats.reconnected(primary, replica, self.came);
    }
}

/// One attempt.
pub(super) struct Canary {
    pub(super) deps: Arc<Deps>,
    pub(super) fence: Fence,
    pub(super) primary: InstanceKey,
    pub(super) replica: InstanceKey,
    /// The finding, where it is written down already.
    pub(super) detection: Option<RecoveryId>,
}

impl Canary {
    /// Lets it reconnect, looks, and tells.
    pub(super) async fn fly(self) {
        let (primary, replica) = (&self.primary, &self.replica);
        self.deps.beats.reconnecting(primary, replica);
        let mut held = Held {
            canary: &self,
            came: Reconnected::Perhaps,
        };
        let came = self.reconnect().await;
        let told = format!("{replica} was told to reconnect to {primary}");
        let (could, line) = match &came {
            Came::Back => ("yes", format!("{told}, and is connected again")),
            Came::Refused(errno) => (
                "refused",
                format!("{told}, and was refused with error {errno}: somebody answers there"),
            ),
            Came::Not => ("no", format!("{told}, and could not within a second")),
            Came::Nothing(why) => ("unknown", format!("{told}: {why}")),
        };
        metrics::told_to_reconnect(could);
        tracing::warn!(%primary, %replica, "{line}");
        match came {
            Came::Not => held.came = Reconnected::No,
            // What the picture has of it may be from the moment in between. That it cannot be probed shows there too.
            _ => drop(self.deps.discovery.discover(replica.clone()).await),
        }
        drop(held);
        self.note(line).await;
    }

    async fn reconnect(&self) -> Came {
        let mut session = match self.open().await {
            Ok(session) => session,
            Err(why) => return Came::Nothing(why),
        };
        match session.observe().await {
            Ok(seen) if has_all_applied(&seen) => {}
            Ok(_) => return Came::Nothing("not both of its threads run, or it lags".to_owned()),
            Err(why) => return Came::Nothing(why.message),
        }
        if let Err(why) = nobody_hears(&self.deps, &self.primary).await {
            return Came::Nothing(why.to_string());
        }
        if let Err(why) = self.leads().await {
            return Came::Nothing(why);
        }
        let made = session.make(&Change::RestartReceiver, STATEMENT_TIME).await;
        match made {
            Ok(()) => self.watch(session).await,
            Err(
                why @ (ChangeError::Unknown { .. }
                | ChangeError::NotSeen { .. }
                | ChangeError::Refused { .. }),
            ) => {
                self.repair().await;
                Came::Nothing(why.to_string())
            }
            Err(why) => Came::Nothing(why.to_string()),
        }
    }

    /// Opens a session that the next one ends: whoever leads next does not know it from any record. That this node leads is asked again
    /// afterwards, because somebody else may have opened one, and found none to end, before this one was there.
    async fn open(&self) -> Result<Box<dyn ServerSession>, String> {
        self.leads().await?;
        let by = OnBehalfOf {
            recovery: self
                .detection
                .unwrap_or_else(|| RecoveryId::from_number(self.deps.ids.unique())),
            fence: self.fence,
        };
        let servers = &self.deps.servers;
        let opened = servers.open_fleeting(&self.replica, by, STATEMENT_TIME);
        let session = opened.await.map_err(|why| why.to_string())?;
        self.leads().await?;
        Ok(session)
    }

    async fn leads(&self) -> Result<(), String> {
        let leads = self.deps.leadership.confirm(self.fence).await;
        leads.map_err(|why| why.to_string())
    }

    /// Looks whether the receiver runs again; a TCP connection is not enough, and the server does not take it for one.
    async fn watch(&self, mut session: Box<dyn ServerSession>) -> Came {
        let clock = &self.deps.clock;
        let began = clock.monotonic();
        loop {
            let seen = match session.observe().await {
                Ok(seen) => seen,
                Err(why) => return Came::Nothing(why.message),
            };
            let Some(link) = &seen.replication else {
                return Came::Nothing("it has no source any more".to_owned());
            };
            match (Vote::of(link), link.receiver_errno) {
                (Vote::Receiving, _) => return Came::Back,
                (Vote::CutOff, _) => {}
                (Vote::Abstains, errno) if errno != 0 => return Came::Refused(errno),
                (Vote::Abstains, _) => {
                    self.repair().await;
                    return Came::Nothing("its receiver has stopped".to_owned());
                }
            }
            if clock.monotonic().saturating_sub(began) >= BeatPolicy::RECONNECTS_WITHIN {
                return Came::Not;
            }
            clock.sleep(PAUSE).await;
        }
    }

    /// Starts a receiver that may have been left stopped.
    async fn repair(&self) {
        for _ in 0..REPAIRS_MAX {
            match self.open().await {
                Ok(mut session) => {
                    let made = session.make(&Change::StartReplication, STATEMENT_TIME);
                    match made.await {
                        Ok(()) => return,
                        Err(why) => {
                            tracing::warn!(replica = %self.replica, %why, "its receiver is not started again yet")
                        }
                    }
                }
                Err(why) => {
                    tracing::warn!(replica = %self.replica, %why, "its receiver is not started again yet");
                }
            }
            self.deps.clock.sleep(STATEMENT_TIME).await;
        }
        tracing::error!(replica = %self.replica, "its receiver may be stopped; START REPLICA starts it");
    }

    /// Adds a line to the record of the finding, where there is one.
    async fn note(&self, line: String) {
        let Some(id) = self.detection else {
            return;
        };
        let notes = vec![(self.deps.clock.now(), line)];
        let step = Box::new(RecoveryStepCommand::Note { notes });
        let command = Command::RecoveryStep { id, step };
        let origin = self.deps.own_origin();
        let noted = self
            .deps
            .decide(self.fence, origin, command, |_| false)
            .await;
        if let Err(why) = noted {
            tracing::warn!(recovery = %id, %why, "that a replica was told to reconnect could not be written down");
        }
    }
}
