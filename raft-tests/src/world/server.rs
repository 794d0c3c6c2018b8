use std::time::Duration;

use orchestrator_core::domain::{
    BinlogPosition, InstanceKey, Observation, ProbeFailure, ProbeFailureKind, ReplicationLink,
    SourceAddress, ThreadState, Timestamp,
};

/// How a simulated server takes a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Answers.
    Up,
    /// Not there: connections are refused at once.
    Dead,
    /// Takes connections and does not answer, like a stopped process; goes on when it is up again.
    Frozen,
    /// The password is wrong.
    Locked,
    /// Makes the adapter panic: a bug of ours.
    Baffling,
}

/// State of the receiver of a simulated replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiver {
    /// Runs while its source is up, tries to connect otherwise.
    Started,
    /// Stopped by somebody.
    Stopped,
}

/// One simulated server.
#[derive(Clone, Debug)]
pub struct Server {
    /// How it takes probes.
    pub condition: Condition,
    /// How long it takes to answer.
    pub latency: Duration,
    /// The name it reports; that by which it is reached when `None`.
    pub reports: Option<InstanceKey>,
    /// What it replicates from.
    pub source: Option<InstanceKey>,
    /// Its receiver.
    pub receiver: Receiver,
    /// Replicas that it names beside those connected to it: guesses.
    pub guesses: Vec<InstanceKey>,
}

impl Server {
    /// A server that is up, answers within a millisecond and replicates from nobody.
    pub fn up() -> Self {
        Self {
            condition: Condition::Up,
            latency: Duration::from_millis(1),
            reports: None,
            source: None,
            receiver: Receiver::Started,
            guesses: Vec::new(),
        }
    }

    /// The same, replicating from `source`.
    #[must_use]
    pub fn below(source: InstanceKey) -> Self {
        Self {
            source: Some(source),
            ..Self::up()
        }
    }

    /// What a probe sees now that reached it as `reached`; `connected`: replicas receiving from it.
    pub(super) fn observe(
        &self,
        reached: &InstanceKey,
        connected: Vec<InstanceKey>,
        is_source_up: bool,
        at: Timestamp,
    ) -> Observation {
        let key = self.reports.clone().unwrap_or_else(|| reached.clone());
        let mut seen = Observation::blank(key, at);
        seen.latency = self.latency;
        seen.identity.server_id = u32::from(reached.port());
        seen.identity.version = "10.11.19-MariaDB-log".to_owned();
        seen.replicas = connected;
        seen.replicas.extend(self.guesses.iter().cloned());
        seen.replication = self
            .source
            .as_ref()
            .map(|source| link(source.clone(), self.receiver, is_source_up));
        seen
    }
}

fn link(source: InstanceKey, receiver: Receiver, is_source_up: bool) -> ReplicationLink {
    let receiver = match (receiver, is_source_up) {
        (Receiver::Stopped, _) => ThreadState::Stopped,
        (Receiver::Started, true) => ThreadState::Running,
        (Receiver::Started, false) => ThreadState::Other,
    };
    let position = BinlogPosition {
        file: "mysql-bin.000004".to_owned(),
        offset: 1_234,
    };
    ReplicationLink {
        receiver,
        received: position.clone(),
        applied: position.clone(),
        relay_log: position,
        uses_mariadb_gtid: true,
        mariadb_received: "0-1-100".to_owned(),
        ..ReplicationLink::running(SourceAddress::Attached(source))
    }
}

/// A failed probe.
pub(super) fn failure(kind: ProbeFailureKind, code: u16, message: &str) -> ProbeFailure {
    ProbeFailure {
        kind,
        code,
        message: message.to_owned(),
        is_partial: false,
    }
}
