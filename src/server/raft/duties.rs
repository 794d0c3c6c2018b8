//! What a running member does by itself: watches its core, exchanges reports, and, as leader, names the group, has its members be
//! those that are wanted, and hands over when it is not fit to lead.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use openraft::async_runtime::watch::WatchReceiver as _;
use orchestrator_core::decided::GroupId;
use orchestrator_core::ports::Successor;
use tokio::sync::watch;

use super::bring_up::Ended;
use super::core::{Core, Engine, lock};
use super::exchange::{EXCHANGE_EVERY, group_of};
use super::network::group_bytes;
use super::timing::Timing;
use super::types::{NodeId, Payload, PayloadKind};
use super::v1;

/// How far a leader's clock may be from the members' median.
const CLOCK_OFF: Duration = Duration::from_secs(5);

/// Exchanges in a row that need a slower timing before it is taken.
const OUTGROWN_TIMES: u32 = 5;

/// Format of the payload that names the group.
const FOUNDING_FORMAT: u32 = 1;

impl Core {
    /// The life of this node in its group, until it is told to stop.
    pub(super) async fn live(self: Arc<Self>) {
        self.tasks.spawn(Arc::clone(&self).watch_core());
        self.tasks.spawn(Arc::clone(&self).keep_fit());
        if let Err(Ended) = self.bring_up().await {
            return;
        }
        let mut outgrown = 0;
        let mut gave_way_at: Option<Duration> = None;
        while !self.stop.is_cancelled() {
            self.exchange().await;
            self.release_elections();
            self.make_digests().await;
            self.look_for_replacement();
            self.follow_timing(&mut outgrown).await;
            if let (Some(engine), Some(metrics)) = (self.engine(), self.metrics())
                && self.leadership(&metrics).is_some()
            {
                if Self::voters(&metrics).len() > 1 {
                    // Nothing else is changed meanwhile.
                    self.end_change(&engine).await;
                } else {
                    self.follow_desired(&engine, &metrics, &mut gave_way_at)
                        .await;
                }
            } else {
                *lock(&self.following) = None;
            }
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = self.sleep(EXCHANGE_EVERY.mul_f64(0.9 + 0.2 * self.deps.ids.fraction())) => {}
            }
        }
    }

    /// Follows what the core says about itself, also when it is started anew.
    async fn watch_core(self: Arc<Self>) {
        let mut engines = self.engine_changes();
        let mut applied = self.machine.applied();
        let mut broken = self.machine.broken();
        let mut seen_members = None;
        let mut known_group = None;
        loop {
            let engine = self.engine();
            let Some(engine) = engine else {
                tokio::select! {
                    () = self.stop.cancelled() => return,
                    reason = reason_in(&mut broken) => return self.fail(reason),
                    changed = engines.changed() => if changed.is_err() { return },
                }
                continue;
            };
            let mut metrics = engine.metrics();
            loop {
                self.refresh_fence();
                // Others than the last time, or the same made anew: this comes round several times for each command.
                let members = self.machine.members();
                if !seen_members
                    .as_ref()
                    .is_some_and(|seen| Arc::ptr_eq(seen, &members))
                {
                    self.tell_trusted();
                    seen_members = Some(members);
                }
                self.tell_group(&mut known_group);
                // Looked at in place: this comes round several times for each command.
                let fatal = metrics.borrow_watched().running_state.clone().err();
                if let Some(fatal) = fatal.filter(|_| self.is_current(&engine)) {
                    return self.fail(self.reason_of(&fatal));
                }
                if self.identity.group().get().is_none() && self.fence.borrow().is_some() {
                    self.tasks
                        .spawn(Arc::clone(&self).name_group(Arc::clone(&engine)));
                }
                tokio::select! {
                    () = self.stop.cancelled() => return,
                    reason = reason_in(&mut broken) => return self.fail(reason),
                    changed = metrics.changed() => if changed.is_err() {
                        if self.is_current(&engine) {
                            return self.fail("the raft core ended by itself".to_owned());
                        }
                        break;
                    },
                    changed = applied.changed() => if changed.is_err() { return },
                    changed = engines.changed() => if changed.is_err() { return } else { break },
                }
            }
        }
    }

    /// Why this node ends when its core failed: what the core was told where that is known, for it buries that in words of
    /// its own.
    pub(super) fn reason_of(&self, failure: &dyn std::fmt::Display) -> String {
        match self.machine.not_understood() {
            Some(reason) => reason,
            None => format!("the raft core failed: {failure}"),
        }
    }

    fn is_current(&self, engine: &Arc<Engine>) -> bool {
        self.engine()
            .is_some_and(|current| Arc::ptr_eq(&current, engine))
    }

    fn tell_group(&self, group: &mut Option<GroupId>) {
        let now = self.identity.group().get();
        if let Some(now) = now.filter(|now| *group != Some(*now)) {
            self.deps.condition.group_known(now);
            *group = Some(now);
        }
    }

    /// The first leader draws the group's id.
    async fn name_group(self: Arc<Self>, engine: Arc<Engine>) {
        // Whoever is second finds it named.
        let _turn = self.admission.lock().await;
        if self.identity.group().get().is_some() {
            return;
        }
        let group = GroupId::from_number(self.deps.ids.unique());
        let payload = Payload {
            kind: PayloadKind::Founding,
            format: FOUNDING_FORMAT,
            bytes: group.as_bytes().as_slice().into(),
        };
        if let Err(error) = engine.client_write(payload).await {
            tracing::warn!(%error, "the group could not be named yet");
        }
    }

    async fn make_digests(&self) {
        let machine = self.machine.clone();
        let made = tokio::task::spawn_blocking(move || {
            machine.digests().make(&machine.decided());
        });
        if let Err(error) = made.await {
            tracing::error!(%error, "digests of decided state could not be made");
        }
    }

    /// A node whose name another data directory has now, or that was taken out, ends: it must not disturb the group with what it
    /// remembers.
    fn look_for_replacement(&self) {
        if self.identity.is_joining() {
            return;
        }
        let applied = self.machine.decided().applied_index;
        let ours = group_bytes(self.identity.group());
        let told = self.reports.all().into_values().find_map(|known| {
            let report = known.report?;
            let knows_better = report.standing() == v1::Standing::Member
                && !ours.is_empty()
                && report.group == ours
                && report.applied_index >= applied
                && !report.members.is_empty()
                && !report.members.iter().any(|m| m.id == self.me());
            let mut members = report.members.iter();
            let other = members.find(|m| m.name == self.config.name && m.is_voter);
            knows_better.then(|| (report.name.clone(), other.map(|other| other.id)))
        });
        let (name, me) = (&self.config.name, self.me());
        match told {
            Some((teller, Some(id))) => self.fail(format!(
                "{teller} says that another data directory (id {id}) is {name} now, and this one (id {me}) is no member any more; \
                 do not start it again"
            )),
            Some((teller, None)) => self.fail(format!(
                "{teller} says that {name} (id {me}) was taken out of the group; stop it. To have it back, empty its RaftDataDir, \
                 add it with raft-add-peer, and start it"
            )),
            None => {}
        }
    }

    /// Takes a slower timing when round trips have grown. Never a faster one: others count on the announced silence.
    async fn follow_timing(self: &Arc<Self>, outgrown: &mut u32) {
        let running = *self.timing.load_full();
        let needed = self.needed_timing();
        if !running.is_outgrown_by(&needed) {
            *outgrown = 0;
            return;
        }
        *outgrown += 1;
        if *outgrown < OUTGROWN_TIMES {
            return;
        }
        *outgrown = 0;
        tracing::info!(
            heartbeat_ms = needed.heartbeat.as_millis(),
            election_ms = needed.election_min.as_millis(),
            "round trips between members have grown; heartbeats follow"
        );
        self.restart_engine(needed).await;
    }

    /// The timing that follows from what was measured.
    pub(super) fn needed_timing(&self) -> Timing {
        Timing::of(
            self.reports.slowest_round_trip(),
            self.reports.slowest_sync().max(self.log.sync_time()),
            self.config.heartbeat,
            self.config.election,
        )
    }

    async fn restart_engine(self: &Arc<Self>, timing: Timing) {
        if self.fence.borrow().is_some()
            && let Err(error) = self.hand_over(Successor::Anyone).await
        {
            tracing::debug!(%error, "restarts its raft core while it leads");
        }
        if let Err(error) = self.identity.set_election(timing.election_min) {
            return self.fail(error.to_string());
        }
        self.stop_engine().await;
        self.timing.store(Arc::new(timing));
        self.set_votes_from(self.now() + timing.election_min);
        match self.start_engine(self.me()).await {
            Ok(engine) => {
                engine.runtime_config().elect(false);
                self.tasks.spawn(Arc::clone(self).release_when_due());
            }
            Err(error) => self.fail(format!("the raft core did not start again: {error}")),
        }
    }

    /// Why this node should not lead for its clock.
    pub(super) fn clock_objection(&self) -> Option<String> {
        let ahead = self.clock_ahead()?;
        let off = Duration::from_micros(ahead.unsigned_abs());
        (off > CLOCK_OFF).then(|| {
            format!(
                "its clock is {} s {} the median of the members' clocks",
                off.as_secs(),
                if ahead > 0 { "ahead of" } else { "behind" }
            )
        })
    }

    /// How far our clock is ahead of the members' median, in microseconds; `None` when fewer than two others are heard.
    pub(super) fn clock_ahead(&self) -> Option<i64> {
        let now = self.now();
        let fresh =
            |at: Option<Duration>| at.is_some_and(|at| now.saturating_sub(at) < EXCHANGE_EVERY * 5);
        let group = self.identity.group().get();
        let mut others: Vec<i64> = self
            .reports
            .all()
            .into_values()
            .filter(|known| fresh(known.at) && known.report.as_ref().and_then(group_of) == group)
            .filter_map(|known| known.clock_ahead)
            .collect();
        if others.len() < 2 {
            return None;
        }
        others.push(0);
        others.sort_unstable();
        others.get(others.len() / 2).map(|median| -median)
    }

    /// Marks this node as going down, so that nobody hands leadership to it.
    pub(super) fn set_stopping(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// What an operator must know.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = lock(&self.waiting).clone();
        warnings.extend(lock(&self.alarms).iter().cloned());
        warnings.extend(lock(&self.following).clone());
        warnings.extend(self.change_under_way());
        if let Some(reason) = self.failed.borrow().as_ref() {
            warnings.push(reason.clone());
        }
        let leader = self.metrics().map(|metrics| metrics.current_leader);
        let is_heard = |leader: NodeId| self.is_leader_heard(leader);
        // It stays elected until it hears of another, and serves nobody.
        if leader == Some(Some(self.me())) && !self.is_serving_leader() {
            warnings.push(
                "this node was elected, and no majority acknowledges it now: it changes nothing"
                    .to_owned(),
            );
            warnings.extend(self.unreachable());
        } else if leader.is_some_and(|leader| !leader.is_some_and(is_heard)) {
            warnings.extend(self.unreachable());
        }
        warnings.extend(
            self.oldest
                .load()
                .iter()
                .map(|oldest| oldest.warning(self.config.formats.newest())),
        );
        let objection = self.election_objection();
        if self.metrics().is_some()
            && let Some(why) = self.clock_objection()
        {
            warnings.push(format!("this node should not lead: {why}"));
        }
        if let Some(error) = self.deps.condition.store_error()
            && !objection.as_ref().is_some_and(|told| told.contains(&error))
        {
            warnings.push(error);
        }
        warnings.extend(objection);
        warnings.extend(self.deps.condition.warnings());
        warnings
    }
}

/// Why the store takes nothing any more, once that is so.
async fn reason_in(broken: &mut watch::Receiver<Option<String>>) -> String {
    let reason = broken.wait_for(Option::is_some).await;
    match reason.map(|reason| reason.clone().unwrap_or_default()) {
        Ok(reason) => format!("what was decided cannot be stored: {reason}"),
        // Nobody can say so any more.
        Err(_) => std::future::pending().await,
    }
}
