//! What changing statements do to a server.

use std::time::Duration;

use orchestrator_core::domain::InstanceKey;
use orchestrator_core::ports::Change;

use super::flight::{Said, WITHHELD};
use super::server::Link;
use super::{Applier, Fleet, Moment, Receiver, Server, ServerId, SessionOwner};

/// A thread has to be stopped first (`ER_SLAVE_MUST_STOP`).
const MUST_STOP: u16 = 1198;
/// A thread that waits for a greeting is ended by the second of two signals (seen on 9.7.4).
const SIGNALS_APART: Duration = Duration::from_secs(2);
/// The server is no replica (`ER_BAD_SLAVE`).
const NO_REPLICA: u16 = 1200;

/// What the statement says that restarts a receiver, where not both threads run (`ER_SIGNAL_EXCEPTION`).
pub(super) const NOT_BOTH_RUN: u16 = 1644;

/// What a statement came to: the error number, and how many received transactions it discarded.
type Outcome = (Said, u64);

const DONE: Outcome = (Ok(()), 0);

impl Fleet {
    /// Begins to end a receiver that waits for a greeting, where that takes its time; the answer comes when it is over, and statements about
    /// threads wait so long. `None`: it is a statement like others.
    pub(super) fn begin_to_stop(
        &mut self,
        id: ServerId,
        by: u64,
        change: &Change,
    ) -> Option<Duration> {
        let server = &self.servers[id];
        let link = server.link.as_ref()?;
        let is_slow = *change == Change::StopReceiver
            && server.product.ends_receivers_slowly()
            && matches!(link.receiver, Receiver::Connecting { .. })
            && self.hangs(id, link);
        let until = is_slow.then(|| self.now + SIGNALS_APART)?;
        let link = self.servers[id].link.as_mut()?;
        link.is_stopped_by_hand = false;
        link.receiver = Receiver::Stopping { until, by };
        Some(until)
    }

    /// Whether a session is ending the receiver of a server.
    pub(super) fn is_ending(&self, id: ServerId, session: u64) -> bool {
        let is_it =
            |link: &Link| matches!(link.receiver, Receiver::Stopping { by, .. } if by == session);
        self.servers[id].link.as_ref().is_some_and(is_it)
    }

    /// Whether a server says that a session is ending its receiver.
    pub(super) fn tells_of_ending(&self, id: ServerId, session: u64) -> bool {
        self.servers[id].product.tells_who_ends_receivers() && self.is_ending(id, session)
    }

    /// Whether a statement waits until the receiver has ended.
    pub(super) fn waits_for_receiver(&self, id: ServerId, change: &Change) -> bool {
        let link = self.servers[id].link.as_ref();
        change.is_about_replication()
            && link.is_some_and(|link| matches!(link.receiver, Receiver::Stopping { .. }))
    }

    /// Makes a change on a server that runs.
    pub fn execute(&mut self, id: ServerId, change: &Change) -> Outcome {
        let now = self.now;
        if self.is_done(id, change) {
            return DONE;
        }
        if *change == Change::RestartReceiver && !self.servers[id].may_restart_receiver() {
            return (Err(NOT_BOTH_RUN), 0);
        }
        if let Some(link) = &mut self.servers[id].link {
            link.is_stopped_by_hand = false;
        }
        match change {
            Change::Repoint { source, profile_of } => {
                return self.repoint(id, source, profile_of.is_some());
            }
            Change::StartReplication => {
                let server = &mut self.servers[id];
                server.acknowledges = server.semi_sync.replica;
            }
            _ => {}
        }
        let server = &mut self.servers[id];
        match change {
            Change::StartApplier => server.start_threads(None),
            Change::StartReplication => server.start_threads(Some(now)),
            Change::StopReceiver => server.with_link(|link| {
                link.receiver = Receiver::Stopped { errno: 0 };
            }),
            Change::RestartReceiver => server.restart_receiver(now),
            Change::StopApplier => server.with_link(|link| {
                link.applier = Applier::Stopped { errno: 0 };
            }),
            Change::ForgetSource => server.forget_source(),
            Change::Detach => server.detach(),
            Change::MakeWritable => {
                server.read_only = false;
                server.super_read_only = false;
                DONE
            }
            Change::Close => {
                server.close();
                DONE
            }
            Change::SemiSyncSource(on) => {
                server.semi_sync.source = *on;
                server.semi_sync_operates = *on;
                DONE
            }
            Change::SemiSyncReplica(on) => {
                server.semi_sync.replica = *on;
                DONE
            }
            Change::Repoint { .. } => DONE,
        }
    }

    /// Whether whoever makes a change does not send it, by what it reads just before: replication is not started on a server that would
    /// begin its relay logs anew. The plan alone has to see to it that no other change discards anything.
    pub(super) fn is_withheld(&self, id: ServerId, change: &Change) -> bool {
        let server = &self.servers[id];
        let starts_from_none = |link: &Link| !link.receiver.is_started() && !link.applies();
        *change == Change::StartReplication
            && !server.product.keeps_relay_logs(Moment::StartFromNone)
            && (server.link.as_ref())
                .is_some_and(|link| starts_from_none(link) && !link.relay.is_empty())
    }

    /// Whether a change has nothing to do: every one is looked at before it is made.
    fn is_done(&self, id: ServerId, change: &Change) -> bool {
        let link = self.servers[id].link.as_ref();
        match change {
            Change::StartApplier => link.is_some_and(Link::applies),
            Change::StopReceiver => link.is_none_or(|link| !link.receiver.is_started()),
            Change::StopApplier => link.is_none_or(|link| !link.applies()),
            Change::StartReplication => {
                link.is_some_and(|link| link.applies() && link.receiver.is_started())
            }
            Change::Repoint { source, .. } => link
                .is_some_and(|link| !link.is_detached && self.servers[link.source].key == *source),
            Change::Detach => link.is_some_and(|link| link.is_detached),
            _ => false,
        }
    }

    fn repoint(&mut self, id: ServerId, source: &InstanceKey, has_profile: bool) -> Outcome {
        let Some(source) = self.find(source) else {
            return (Err(2005), 0);
        };
        let server = &mut self.servers[id];
        let Some(mut link) = server.link.take() else {
            if !has_profile {
                return (Err(NO_REPLICA), 0);
            }
            server.link = Some(Link::stopped(source));
            return DONE;
        };
        let (said, lost) = match server.may_change_source(&link) {
            false => (Err(MUST_STOP), 0),
            true => {
                let lost = server.discard_for_another_source(&mut link);
                link.source = source;
                link.is_detached = false;
                (Ok(()), lost)
            }
        };
        server.link = Some(link);
        (said, lost)
    }
}

impl Server {
    fn with_link(&mut self, change: impl FnOnce(&mut Link)) -> Outcome {
        if let Some(link) = &mut self.link {
            change(link);
        }
        DONE
    }

    /// Starts the applier, and the receiver too where `receiver_at` says when. Relay logs may begin anew by it.
    fn start_threads(&mut self, receiver_at: Option<std::time::Duration>) -> Outcome {
        let product = self.product;
        let Some(link) = &mut self.link else {
            return (Err(NO_REPLICA), 0);
        };
        let runs_any = link.receiver.is_started() || link.applies();
        let is_anything_to_start =
            !link.applies() || (receiver_at.is_some() && !link.receiver.is_started());
        let moment = match runs_any {
            true => Moment::StartBesideTheOther,
            false => Moment::StartFromNone,
        };
        let lost = match is_anything_to_start && !product.keeps_relay_logs(moment) {
            true => link.begin_relay_logs_anew(),
            false => 0,
        };
        link.applier = Applier::Running;
        if let Some(now) = receiver_at
            && !link.receiver.is_started()
        {
            link.receiver = Receiver::Connecting {
                errno: 0,
                next_try: now,
            };
        }
        (Ok(()), lost)
    }

    /// Whether the statement that restarts a receiver does so. On MariaDB it looks itself whether both threads run.
    fn may_restart_receiver(&self) -> bool {
        let both_run =
            |link: &Link| matches!(link.receiver, Receiver::Running { .. }) && link.applies();
        !self.product.is_mariadb() || self.link.as_ref().is_some_and(both_run)
    }

    /// Restarts the receiver. Relay logs may begin anew by it where the applier does not run.
    fn restart_receiver(&mut self, now: std::time::Duration) -> Outcome {
        let product = self.product;
        let Some(link) = &mut self.link else {
            return (Err(NO_REPLICA), 0);
        };
        let lost = match link.applies() || product.keeps_relay_logs(Moment::StartFromNone) {
            true => 0,
            false => link.begin_relay_logs_anew(),
        };
        link.receiver = Receiver::Connecting {
            errno: 0,
            next_try: now,
        };
        (Ok(()), lost)
    }

    /// Whether the threads that have to be stopped are: the receiver, and on MariaDB and MySQL 5.6 both.
    fn may_change_source(&self, link: &Link) -> bool {
        let needs_both = self.product.is_mariadb() || self.product.version.starts_with("5.6");
        let is_going = link.receiver.is_started() || (needs_both && link.applies());
        !is_going
    }

    fn discard_for_another_source(&self, link: &mut Link) -> u64 {
        let moment = match link.applies() {
            true => Moment::RepointWhileApplying,
            false => Moment::Repoint,
        };
        match self.product.keeps_relay_logs(moment) {
            true => 0,
            false => link.begin_relay_logs_anew(),
        }
    }

    /// A receiver that runs, as after a restart, is stopped first by whoever makes the change, and everything has to be applied then.
    fn forget_source(&mut self) -> Outcome {
        let Some(link) = &mut self.link else {
            return DONE;
        };
        // (Receiver stopped, applier running and something left would be discarded: that is the plan's to see to.)
        if link.receiver.is_started() || (link.applies() && link.relay.is_empty()) {
            if !link.relay.is_empty() {
                return (Err(WITHHELD), 0);
            }
            link.receiver = Receiver::Stopped { errno: 0 };
            link.applier = Applier::Stopped { errno: 0 };
        }
        if link.receiver.is_started() || link.applies() {
            return (Err(MUST_STOP), 0);
        }
        let lost = link.begin_relay_logs_anew();
        self.link = None;
        (Ok(()), lost)
    }

    fn detach(&mut self) -> Outcome {
        let Some(mut link) = self.link.take() else {
            return DONE;
        };
        let outcome = match self.may_change_source(&link) {
            false => (Err(MUST_STOP), 0),
            true => {
                let lost = self.discard_for_another_source(&mut link);
                link.is_detached = true;
                (Ok(()), lost)
            }
        };
        self.link = Some(link);
        outcome
    }

    /// Read-only, and clients' sessions ended: what they wait for they are never told.
    fn close(&mut self) {
        self.read_only = true;
        self.super_read_only = self.product.has_super_read_only();
        self.sessions
            .retain(|_, owner| *owner != SessionOwner::Client);
        self.waiting.clear();
    }
}
