//! Whether this node is fit to lead: whether what it keeps on disk gets there. One that is not hands leadership over, and asks to be
//! elected only when it has been well for a while.

use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::ports::{GroupError, Successor};

use super::core::{Core, lock};

/// How long the store may fail before leadership is handed away; the process ends after 30 s of it. Meanwhile the log has what is
/// decided, so nobody waits for the store.
const STORE_FAILS_FOR: Duration = Duration::from_secs(5);

/// How long a write to the log, or what waits for the store, may take: everybody whose change this node decides waits for it, and
/// another node is asked to lead within a second.
const WAITED_FOR: Duration = Duration::from_secs(1);

/// How long a node must have been well again before it asks to be elected. A disk that fails by turns would make the group change its
/// leader by turns; an election is over after a second, so others have led long before that.
pub(super) const WELL_FOR: Duration = Duration::from_secs(10);

/// Time between two looks: a part of [`WAITED_FOR`].
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How often a leader that is not fit hands over, after it was tried in vain; while it is tried, it does not serve.
const HAND_OVER_EVERY: Duration = Duration::from_secs(10);

/// What was last found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fitness {
    /// What ails the disk or the store now.
    ails: Option<String>,
    /// What ailed it last, and when (monotonic) that was seen last.
    ailed: Option<(String, Duration)>,
}

impl Fitness {
    /// Takes down what is found at `now`.
    fn note(&mut self, now: Duration, ails: Option<String>) {
        if let Some(why) = &ails {
            self.ailed = Some((why.clone(), now));
        }
        self.ails = ails;
    }

    /// Why this node does not ask to be elected at `now`; one sentence. `None` when it may.
    pub fn objection(&self, now: Duration) -> Option<String> {
        if let Some(why) = &self.ails {
            return Some(format!(
                "this node does not lead, and does not ask to be elected: {why}"
            ));
        }
        let (why, at) = self.ailed.as_ref()?;
        let left = WELL_FOR.saturating_sub(now.saturating_sub(*at));
        (!left.is_zero()).then(|| {
            format!(
                "this node is well again, and asks to be elected in {} s, when it has been well for {} s; before: {why}",
                left.as_secs() + 1,
                WELL_FOR.as_secs()
            )
        })
    }
}

impl Core {
    /// What ails the log of this node now.
    pub(super) fn log_ailment(&self) -> Option<String> {
        let disk = self.log.disk();
        let hangs = || {
            let since = self.log.stuck_since()?;
            let length = self.now().saturating_sub(since);
            (length >= WAITED_FOR).then(|| {
                format!(
                    "{} has not finished a write for {} s: its disk hangs or is too slow, or another program holds the file",
                    disk.place(),
                    length.as_secs()
                )
            })
        };
        disk.trouble().or_else(hangs)
    }

    /// Whether most members have another decided state than this node: then it is this one that is damaged.
    fn state_ailment(&self) -> Option<String> {
        let differing = lock(&self.differing);
        if differing.is_empty() {
            return None;
        }
        let members = self.machine.members();
        let others = differing.iter().filter(|name| {
            let mut nodes = members.nodes();
            nodes.any(|(_, member)| member.name == **name)
        });
        let others: Vec<&str> = others.map(String::as_str).collect();
        let voters = members.voter_ids().count();
        (others.len() > voters / 2).then(|| {
            format!(
                "its decided state is another than that of {}, so it is damaged here; let it begin anew with an empty RaftDataDir",
                others.join(" and of ")
            )
        })
    }

    /// What ails the log or the store of this node now.
    fn ailment(&self) -> Option<String> {
        if let Some(ailment) = self.log_ailment() {
            return Some(ailment);
        }
        if let Some(trouble) = self.machine.snapshot_trouble() {
            return Some(trouble);
        }
        if let Some(ailment) = self.state_ailment() {
            return Some(ailment);
        }
        let now = self.now();
        let lasts = |since: Option<Duration>, length: Duration| {
            since.is_some_and(|since| now.saturating_sub(since) >= length)
        };
        let store = &self.machine;
        // One that hangs is not seen to fail.
        let fails = lasts(*store.failing().borrow(), STORE_FAILS_FOR)
            || lasts(*store.writing().borrow(), STORE_FAILS_FOR)
            || lasts(*store.full_since().borrow(), WAITED_FOR);
        if fails {
            return Some(
                store
                    .trouble()
                    .or_else(|| self.deps.condition.store_error())
                    .unwrap_or_else(|| "its store takes no writes".to_owned()),
            );
        }
        // With nothing to write, only the sign of life tells.
        let error = self.deps.condition.store_error();
        let mut since = lock(&self.store_error_since);
        match &error {
            None => *since = None,
            Some(_) => {
                since.get_or_insert(now);
            }
        }
        error.filter(|_| lasts(*since, STORE_FAILS_FOR))
    }

    /// What keeps what this node has to keep from its disk, as it was seen last; one sentence.
    pub(super) fn ails(&self) -> Option<String> {
        lock(&self.fitness).ails.clone()
    }

    /// Why this node does not ask to be elected now; `None` when it may.
    pub(super) fn election_objection(&self) -> Option<String> {
        lock(&self.fitness).objection(self.now())
    }

    /// Why it should not lead: its disks, or its clock.
    pub(super) fn unfitness(&self) -> Option<String> {
        lock(&self.fitness)
            .ails
            .clone()
            .or_else(|| self.clock_objection())
    }

    /// Looks again and again, until this node is stopped.
    pub(super) async fn keep_fit(self: Arc<Self>) {
        let mut handed_over_at: Option<Duration> = None;
        while !self.stop.is_cancelled() {
            self.look_at_fitness();
            self.hand_over_when_unfit(&mut handed_over_at).await;
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = self.sleep(LOOK_EVERY) => {}
            }
        }
    }

    fn look_at_fitness(&self) {
        let (now, ails) = (self.now(), self.ailment());
        let (before, after) = {
            let mut fitness = lock(&self.fitness);
            let before = fitness.objection(now);
            fitness.note(now, ails);
            (before, fitness.objection(now))
        };
        match (&before, &after) {
            (None, Some(why)) => tracing::error!("{why}"),
            (Some(_), None) => {
                tracing::info!("this node has been well long enough, and may be elected again");
            }
            _ => {}
        }
        metrics::gauge!("orchestrator_raft_unfit").set(f64::from(u8::from(after.is_some())));
        if before.is_some() != after.is_some() {
            match after {
                Some(_) => {
                    if let Some(engine) = self.engine() {
                        engine.runtime_config().elect(false);
                    }
                }
                None => self.release_elections(),
            }
        }
    }

    async fn hand_over_when_unfit(&self, last: &mut Option<Duration>) {
        let leads = self
            .metrics()
            .is_some_and(|metrics| self.leadership(&metrics).is_some());
        let Some(why) = self.unfitness().filter(|_| leads) else {
            return;
        };
        let now = self.now();
        if last.is_some_and(|last| now.saturating_sub(last) < HAND_OVER_EVERY) {
            return;
        }
        match self.hand_over(Successor::Anyone).await {
            Ok(()) => {
                tracing::warn!(why, "handed leadership over");
                *last = Some(now);
            }
            // It costs nothing to look for one again soon.
            Err(GroupError::NoSuchMember { .. }) => {
                tracing::debug!(why, "nobody else is fit to lead");
            }
            Err(error) => {
                tracing::warn!(why, %error, "leadership could not be handed over");
                *last = Some(now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn who_was_never_ill_may_be_elected_at_once() {
        let mut fitness = Fitness::default();
        assert_eq!(fitness.objection(s(0)), None);
        fitness.note(s(1), None);
        assert_eq!(fitness.objection(s(1)), None);
    }

    #[test]
    fn who_was_ill_may_be_elected_ten_seconds_after_it_was_seen_last() {
        let mut fitness = Fitness::default();
        fitness.note(s(5), Some("its disk is full".to_owned()));
        let told = fitness.objection(s(5)).unwrap();
        assert!(told.ends_with("elected: its disk is full"), "{told}");
        fitness.note(s(7), Some("its disk is full".to_owned()));
        fitness.note(s(8), None);
        let told = fitness.objection(s(8)).unwrap();
        assert!(told.contains("in 10 s") && told.ends_with("full"), "{told}");
        assert!(fitness.objection(s(16)).is_some());
        assert_eq!(fitness.objection(s(17)), None);
        // Ill again: it counts anew.
        fitness.note(s(18), Some("held".to_owned()));
        fitness.note(s(19), None);
        assert!(fitness.objection(s(27)).is_some());
        assert_eq!(fitness.objection(s(28)), None);
    }
}
