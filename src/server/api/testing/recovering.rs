//! A loop that recovers, from memory: it decides what it is asked for by the real commands, and touches nobody.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use orchestrator_core::decided::{
    Command, Decided, EndRecovery, Origin, Proposal, RecoveryNews, RegisterDetection,
    RegisterRecovery, Reply, apply,
};
use orchestrator_core::domain::{
    DataLoss, Fence, FindingCode, InstanceKey, RecoveryId, RecoveryKind, RecoveryOutcome,
    TimeSplit, Timestamp, TouchedServer,
};
use orchestrator_core::ports::{
    BoxFuture, Clock, CodeChanges, DecisionReader, Ids, NothingDone, Proposer, RecoverError,
    Recoveries, RecoveryAnswer, RecoveryRequest,
};

use super::fakes::Fakes;
use crate::api::view::samples::{NOW, key};

/// What the loop says, and what it was asked.
#[derive(Default)]
pub(crate) struct Recovering {
    /// Why nothing is done.
    pub(crate) told: Mutex<Vec<NothingDone>>,
    /// How findings came and went.
    pub(crate) changes: Mutex<Vec<CodeChanges>>,
    /// All requests so far.
    pub(crate) requests: Mutex<Vec<RecoveryRequest>>,
    /// How the next requests are refused.
    pub(crate) refusal: Mutex<Option<RecoverError>>,
    /// How the next recoveries end; by success when nothing is said.
    pub(crate) outcome: Mutex<Option<(RecoveryOutcome, Vec<String>)>>,
}

/// A recovery of `db1` of the cluster with the alias main.
pub(crate) fn registration(id: u128) -> RegisterRecovery {
    let touched = |name: &str| TouchedServer {
        key: key(name),
        uuid: String::new(),
    };
    RegisterRecovery {
        id: RecoveryId::from_number(id),
        kind: RecoveryKind::DeadPrimary,
        code: FindingCode::DeadPrimary,
        subject: key("db1"),
        cluster: "db1:3306".into(),
        cluster_alias: "main".into(),
        replicas: vec![key("db2"), key("db3")],
        servers: vec![touched("db1"), touched("db2"), touched("db3")],
        requested_by: String::new(),
        is_forced: false,
        plan: vec![],
        node: "orc1".into(),
        fence: Fence::from_number(1),
        sessions: vec![],
        block_period: Duration::from_secs(3600),
        kept_for: Duration::from_secs(7 * 24 * 3600),
    }
}

/// Its end, with `db2` in its place.
pub(crate) fn end(id: u128) -> EndRecovery {
    EndRecovery {
        id: RecoveryId::from_number(id),
        fence: Fence::from_number(1),
        outcome: RecoveryOutcome::Succeeded,
        successor: Some(key("db2")),
        successor_alias: "db2-alias".into(),
        lost: vec![key("db3")],
        participants: vec![key("db1"), key("db2")],
        errors: vec![],
        data_loss: Some(DataLoss::Unknown {
            at_most_since: Some(NOW.minus(Duration::from_secs(2))),
            at_least: vec![],
        }),
        times: TimeSplit {
            detect: Some(Duration::from_millis(120)),
            decide: Some(Duration::from_millis(30)),
            close: Some(Duration::from_millis(50)),
            promote: Some(Duration::from_millis(80)),
            publish: None,
        },
        downtimes: vec![],
        news: RecoveryNews::default(),
    }
}

/// That `db1` was found dead.
pub(crate) fn detection(recovery: u128, now: Timestamp) -> RegisterDetection {
    RegisterDetection {
        recovery: RecoveryId::from_number(recovery),
        code: FindingCode::DeadPrimary,
        subject: key("db1"),
        cluster: "db1:3306".into(),
        cluster_alias: "main".into(),
        replicas: vec![key("db2"), key("db3")],
        is_actionable: true,
        description: "the primary is gone".into(),
        node: "orc1".into(),
        active_until: now.plus(Duration::from_secs(3600)),
        kept_until: now.plus(Duration::from_secs(7 * 24 * 3600)),
    }
}

/// Decides all of these, at the time of samples.
pub(crate) fn decide(decided: &mut Decided, commands: impl IntoIterator<Item = Command>) {
    for command in commands {
        let proposal = Proposal {
            request: 0,
            proposed_at: NOW,
            origin: Origin::default(),
            command,
        };
        let applied = apply(decided, &proposal);
        assert!(!matches!(applied.reply, Reply::Refused(_)), "{applied:?}");
        decided.absorb(
            decided.applied_index + 1,
            applied.decided_at,
            &applied.changes,
        );
    }
}

impl Fakes {
    /// Decides something as the loop would.
    pub(crate) async fn decide(&self, command: Command) {
        let proposal = Proposal {
            request: self.unique(),
            proposed_at: self.now(),
            origin: Origin::default(),
            command,
        };
        self.propose(proposal).await.unwrap();
    }

    async fn carry_out(&self, request: RecoveryRequest) -> RecoveryAnswer {
        let id = 0xa000 + u128::from(self.decided().applied_index);
        let failed: InstanceKey = request.failed.clone();
        let promoted = request.candidate.unwrap_or_else(|| key("db2"));
        let outcome = self.recovering.outcome.lock().unwrap().clone();
        let (outcome, errors) = outcome.unwrap_or((RecoveryOutcome::Succeeded, vec![]));
        let successor = (outcome == RecoveryOutcome::Succeeded).then_some(promoted);
        let registered = RegisterRecovery {
            subject: failed,
            requested_by: request.who,
            is_forced: true,
            ..registration(id)
        };
        self.decide(Command::RegisterRecovery(Box::new(registered)))
            .await;
        let ended = EndRecovery {
            outcome,
            successor: successor.clone(),
            errors: errors.clone(),
            ..end(id)
        };
        self.decide(Command::EndRecovery(Box::new(ended))).await;
        RecoveryAnswer {
            id: RecoveryId::from_number(id),
            outcome,
            successor,
            errors,
        }
    }
}

impl Recoveries for Fakes {
    fn nothing_done(&self) -> Arc<Vec<NothingDone>> {
        Arc::new(self.recovering.told.lock().unwrap().clone())
    }

    fn code_changes(&self) -> Vec<CodeChanges> {
        self.recovering.changes.lock().unwrap().clone()
    }

    fn recover(
        &self,
        request: RecoveryRequest,
    ) -> BoxFuture<'_, Result<RecoveryAnswer, RecoverError>> {
        Box::pin(async move {
            let requests = &self.recovering.requests;
            requests.lock().unwrap().push(request.clone());
            if let Some(refusal) = self.recovering.refusal.lock().unwrap().clone() {
                return Err(refusal);
            }
            Ok(self.carry_out(request).await)
        })
    }

    fn look_now(&self) {}
}
