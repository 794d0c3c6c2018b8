//! Phases, the hooks between them, and the old primary that stands before all of them.

use std::time::Duration;

use orchestrator_core::decided::RecoveryStepCommand;
use orchestrator_core::domain::{InstanceKey, Phase, RecoveryOutcome};
use orchestrator_core::legacy::hooks::HookSuccessor;
use orchestrator_core::recovery::hooks::{HookMoment, taken_source};

use super::pending::is_decided;
use super::report::Report;
use super::{Run, Stage, Turn};
use crate::executor::metrics;
use crate::executor::moments::{Hooks, command_of, facts_of};
use crate::executor::scope::Lost;

/// How long an old primary that answers may stand in the way without being closed: a few attempts at a server that hangs.
const CLOSING_TIME: Duration = Duration::from_secs(30);

impl Run {
    /// Commits the next phase; before *published* it is published.
    pub(super) async fn advance(&mut self, phase: Phase) -> Result<Turn, Lost> {
        if phase == Phase::Published && self.hooks_after != Stage::Over {
            if self.hooks_after == Stage::Open {
                self.publish().await?;
            }
            return Ok(match self.hooks_after {
                Stage::Over => Turn::Again,
                Stage::Open | Stage::Running => Turn::Wait,
            });
        }
        let news = self.take_pending()?;
        let (id, fence) = (self.scope.id, self.scope.fence);
        let enter = RecoveryStepCommand::Enter { fence, phase, news };
        self.decide_step(enter, move |decided| {
            let recovery = decided.recoveries.get(&id);
            recovery.is_some_and(|it| it.phase >= phase && it.fence == fence)
        })
        .await?;
        tracing::info!(?phase, "the recovery is in its next phase");
        self.progress.phase = phase;
        self.refresh();
        metrics::phase_entered(&self.recovery, phase);
        // What did not go with it: a plan of many steps.
        self.flush().await?;
        Ok(Turn::Again)
    }

    /// Reads again what is decided about it.
    fn refresh(&mut self) {
        let decided = self.scope.deps.decisions.decided();
        if let Some(recovery) = decided.recoveries.get(&self.scope.id) {
            self.recovery = recovery.clone();
        }
    }

    /// Tells clients: by one command the cluster's alias leads to the promoted server, and that one is in nobody's downtime; then
    /// hooks are run. Key-value stores are written here once there is a command for them.
    async fn publish(&mut self) -> Result<(), Lost> {
        let promoted = self.plan.choice.promoted.clone();
        if let Some(alias) = self.alias_to_move(&promoted) {
            self.note(format!("the alias {alias} leads to {promoted} now"));
        }
        let news = self.take_pending()?;
        let (id, fence) = (self.scope.id, self.scope.fence);
        let wanted = news.clone();
        let publish = RecoveryStepCommand::Publish {
            fence,
            promoted,
            news,
        };
        // Whatever of it was not decided is when it is proposed again.
        self.decide_step(publish, move |decided| is_decided(decided, id, &wanted))
            .await?;
        let outcome = RecoveryOutcome::Succeeded;
        self.hooks_after = Stage::Over;
        if self.start_hooks(HookMoment::Ended(outcome)) {
            self.hooks_after = Stage::Running;
        }
        Ok(())
    }

    /// The alias that goes along, unless it has gone already.
    fn alias_to_move(&self, promoted: &InstanceKey) -> Option<String> {
        let decided = self.scope.deps.decisions.decided();
        let there = decided.cluster_aliases.get(&promoted.to_string());
        let moved = there.and_then(|row| row.moved.as_ref());
        if moved.is_some_and(|moved| moved.recovery == self.scope.id) {
            return None;
        }
        let here = decided.cluster_aliases.get(&self.recovery.cluster);
        let set = here.filter(|row| row.is_manual()).map(|row| &row.alias);
        let alias = set.unwrap_or(&self.recovery.cluster_alias);
        (!alias.is_empty()).then(|| alias.clone())
    }

    /// Starts hooks before anybody is touched, where there are any.
    pub(super) fn run_hooks_before(&mut self) {
        self.hooks_before = match self.start_hooks(HookMoment::Registered) {
            true => Stage::Running,
            false => Stage::Over,
        };
    }

    /// Starts hooks of a moment beside everything else; whether there are any.
    pub(super) fn start_hooks(&mut self, moment: HookMoment) -> bool {
        let kind = self.recovery.kind;
        let hooks = self.hooks(moment);
        if !hooks.has_any(moment, kind) {
            return false;
        }
        let (reporter, scope) = (self.reporter.clone(), self.scope.clone());
        self.spawn(async move {
            // A node without a majority tells nobody anything.
            if let Err(lost) = scope.leads().await {
                let _ = reporter.send(Report::Lost(lost)).await;
                return;
            }
            let ran = hooks.run(moment, kind).await;
            // Nobody listens any more when the run is over.
            let _ = reporter.send(Report::HooksRan { moment, ran }).await;
        });
        true
    }

    fn hooks(&self, moment: HookMoment) -> Hooks {
        let command = command_of(&self.plan.demand);
        let mut facts = facts_of(&self.scope, &self.recovery, command);
        let is_published = moment == HookMoment::Ended(RecoveryOutcome::Succeeded);
        if is_published {
            facts.successor = Some(HookSuccessor {
                key: self.plan.choice.promoted.clone(),
                alias: self.successor_alias(),
                coordinates: self.successor_coordinates(),
            });
        }
        if matches!(moment, HookMoment::Ended(_)) {
            facts.lost = self.lost();
        }
        Hooks {
            deps: self.scope.deps.clone(),
            config: self.scope.config.clone(),
            facts,
            taken: is_published.then(|| taken_source(&self.plan)).flatten(),
            are_skipped: self.plan.demand.skips_hooks,
        }
    }

    pub(super) fn successor_alias(&self) -> String {
        let seen = self.seen.observation(&self.plan.choice.promoted);
        seen.map(|seen| seen.identity.alias.clone())
            .unwrap_or_default()
    }

    fn successor_coordinates(&self) -> Option<String> {
        let seen = self.seen.observation(&self.plan.choice.promoted)?;
        let at = seen.binlog.position.as_ref()?;
        Some(format!("{}:{}", at.file, at.offset))
    }

    /// The old primary is back after a receiver may have been stopped: nothing else is begun before it is closed.
    pub(super) async fn close_old_primary(&mut self) -> Result<Turn, Lost> {
        if self.has_waited_for_close() {
            return Ok(self.give_closing_up());
        }
        if let Some(connection_id) = self.old.connection {
            if !self.old.is_recorded {
                self.flush().await?;
            }
            self.old.close.send_if_modified(|known| {
                let is_new = *known != Some(connection_id);
                *known = Some(connection_id);
                is_new
            });
        }
        Ok(Turn::Wait)
    }

    fn has_waited_for_close(&self) -> bool {
        let now = self.scope.deps.clock.monotonic();
        let since = self.old.answers_since;
        since.is_some_and(|since| now.saturating_sub(since) >= CLOSING_TIME)
    }

    /// Nobody is promoted beside a primary that may take writes. Once somebody is, going on is the lesser evil: clients learn
    /// of the promoted server, and replicas follow it. The old primary is tried all the same, now and after the end.
    fn give_closing_up(&mut self) -> Turn {
        let dead = &self.plan.dead;
        let why = format!(
            "the old primary {dead} answers and could not be closed within {} s: {}",
            CLOSING_TIME.as_secs(),
            self.old.said
        );
        if self.progress.phase < Phase::Promoted {
            self.end_failed(why);
            return Turn::Again;
        }
        self.note(format!("{why}; it goes on without"));
        self.old.is_given_up = true;
        Turn::Again
    }
}
