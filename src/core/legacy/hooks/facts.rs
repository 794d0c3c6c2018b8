use crate::domain::{FindingCode, InstanceKey, Recovery, RecoveryId, RecoveryKind};
use crate::legacy::codes::finding_code;

/// What a recovery is about, in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HookSubject {
    /// A primary.
    #[default]
    Primary,
    /// One of two that replicate from each other.
    CoPrimary,
    /// A replica with replicas.
    IntermediateSource,
    /// A member of a replication group.
    GroupMember,
}

impl HookSubject {
    const fn name(self) -> &'static str {
        match self {
            Self::Primary => "master",
            Self::CoPrimary => "co-master",
            Self::IntermediateSource => "intermediate-master",
            Self::GroupMember => "group-member",
        }
    }
}

/// Which command of an operator a recovery carries out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HookCommand {
    /// None that hooks are told of: automatic, or `recover`.
    #[default]
    None,
    /// `force-master-failover`.
    ForceFailover,
    /// `force-master-takeover`.
    ForceTakeover,
    /// `graceful-master-takeover`, with or without `-auto`.
    GracefulTakeover,
}

impl HookCommand {
    const fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::ForceFailover => "force-master-failover",
            Self::ForceTakeover => "force-master-takeover",
            Self::GracefulTakeover => "graceful-master-takeover",
        }
    }
}

/// The server that takes the place of the failed one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookSuccessor {
    /// Which.
    pub key: InstanceKey,
    /// Its alias; often empty.
    pub alias: String,
    /// `file:position` of its binary log at the promotion; `None` until that is known.
    pub coordinates: Option<String>,
}

/// What a hook is told about a recovery or a detection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookFacts {
    /// What was found.
    pub code: FindingCode,
    /// What kind of server it was found about.
    pub subject: HookSubject,
    /// Which server.
    pub failed: InstanceKey,
    /// The analysis in words; empty for commands about a healthy primary.
    pub description: String,
    /// Which command of an operator this is.
    pub command: HookCommand,
    /// Name of the cluster.
    pub cluster: String,
    /// Its alias; empty when it has none, upon which hooks are told the name.
    pub cluster_alias: String,
    /// Its domain; empty when it has none.
    pub cluster_domain: String,
    /// Direct replicas of the failed server.
    pub replicas: Vec<InstanceKey>,
    /// Whether the failed server is in downtime.
    pub is_in_downtime: bool,
    /// Whether dead primaries of this cluster are replaced by themselves.
    pub recovers_primary: bool,
    /// Whether dead intermediate sources of this cluster are.
    pub recovers_intermediate: bool,
    /// Name of this node.
    pub node: String,
    /// The recovery, from its detection on.
    pub recovery: RecoveryId,
    /// How many leaderships have worked on it, this one included; 1 for most. A hook that is run again after a leader was lost
    /// sees a larger one.
    pub attempt: u32,
    /// The successor, once it is known.
    pub successor: Option<HookSuccessor>,
    /// Replicas that were left behind.
    pub lost: Vec<InstanceKey>,
}

impl HookFacts {
    /// What is decided about a recovery; the rest is for the caller to fill in.
    pub fn of(id: RecoveryId, recovery: &Recovery) -> Self {
        let end = recovery.end.as_ref();
        let successor = end.and_then(|end| {
            Some(HookSuccessor {
                key: end.successor.clone()?,
                alias: end.successor_alias.clone(),
                coordinates: None,
            })
        });
        Self {
            code: recovery.code,
            subject: match recovery.kind {
                RecoveryKind::DeadIntermediateSource => HookSubject::IntermediateSource,
                RecoveryKind::DeadCoPrimary => HookSubject::CoPrimary,
                RecoveryKind::DeadPrimary | RecoveryKind::Takeover | RecoveryKind::Settings => {
                    HookSubject::Primary
                }
            },
            failed: recovery.subject.clone(),
            description: String::new(),
            command: HookCommand::None,
            cluster: recovery.cluster.clone(),
            cluster_alias: recovery.cluster_alias.clone(),
            cluster_domain: String::new(),
            replicas: recovery.replicas.clone(),
            is_in_downtime: false,
            recovers_primary: false,
            recovers_intermediate: false,
            node: recovery.node.clone(),
            recovery: id,
            attempt: recovery.attempt,
            successor,
            lost: end.map(|end| end.lost.clone()).unwrap_or_default(),
        }
    }

    /// The placeholders that have a value now, without braces, each with its exact value. Those of a successor that is not
    /// known are absent, and stay in a line as they are written.
    pub fn placeholders(&self) -> Vec<(&'static str, String)> {
        let (replicas, lost) = (joined(&self.replicas), joined(&self.lost));
        let count = self.replicas.len().to_string();
        let mut values = vec![
            ("failureType", finding_code(self.code).to_owned()),
            ("instanceType", self.subject.name().to_owned()),
            ("isMaster", self.is(HookSubject::Primary)),
            ("isCoMaster", self.is(HookSubject::CoPrimary)),
            ("failureDescription", self.description.clone()),
            ("command", self.command.name().to_owned()),
            ("failedHost", self.failed.host().to_string()),
            ("failedPort", self.failed.port().to_string()),
            ("failureCluster", self.cluster.clone()),
            ("failureClusterAlias", self.alias().to_owned()),
            ("failureClusterDomain", self.domain().to_owned()),
            ("countSlaves", count.clone()),
            ("countReplicas", count),
            ("isDowntimed", self.is_in_downtime.to_string()),
            ("autoMasterRecovery", self.recovers_primary.to_string()),
            (
                "autoIntermediateMasterRecovery",
                self.recovers_intermediate.to_string(),
            ),
            ("orchestratorHost", self.node.clone()),
            ("recoveryUID", self.recovery.to_string()),
            ("isSuccessful", self.successor.is_some().to_string()),
            ("lostSlaves", lost.clone()),
            ("lostReplicas", lost),
            ("countLostReplicas", self.lost.len().to_string()),
            ("slaveHosts", replicas.clone()),
            ("replicaHosts", replicas),
        ];
        if let Some(successor) = &self.successor {
            values.push(("successorHost", successor.key.host().to_string()));
            values.push(("successorPort", successor.key.port().to_string()));
            values.push(("successorAlias", successor.alias.clone()));
            let coordinates = successor.coordinates.clone();
            values.extend(coordinates.map(|it| ("successorBinlogCoordinates", it)));
        }
        values
    }

    /// The environment variables that have a value now, each with the exact one.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let values = self.placeholders();
        let of = |variable: &(&'static str, &'static str)| {
            let (name, placeholder) = *variable;
            let (_, value) = values.iter().find(|(own, _)| *own == placeholder)?;
            Some((name, value.clone()))
        };
        let mut variables: Vec<_> = VARIABLES.iter().filter_map(of).collect();
        variables.push(("ORC_RECOVERY_ATTEMPT", self.attempt.to_string()));
        variables
    }

    fn is(&self, subject: HookSubject) -> String {
        (self.subject == subject).to_string()
    }

    fn alias(&self) -> &str {
        match self.cluster_alias.as_str() {
            "" => &self.cluster,
            alias => alias,
        }
    }

    /// As the predecessor: the name in the place of a missing domain, except for commands about a healthy primary.
    fn domain(&self) -> &str {
        match (self.cluster_domain.as_str(), self.command) {
            ("", HookCommand::None) => &self.cluster,
            (domain, _) => domain,
        }
    }
}

/// Variables, each with the placeholder that has the same value.
const VARIABLES: [(&str, &str); 24] = [
    ("ORC_FAILURE_TYPE", "failureType"),
    ("ORC_INSTANCE_TYPE", "instanceType"),
    ("ORC_IS_MASTER", "isMaster"),
    ("ORC_IS_CO_MASTER", "isCoMaster"),
    ("ORC_FAILURE_DESCRIPTION", "failureDescription"),
    ("ORC_COMMAND", "command"),
    ("ORC_FAILED_HOST", "failedHost"),
    ("ORC_FAILED_PORT", "failedPort"),
    ("ORC_FAILURE_CLUSTER", "failureCluster"),
    ("ORC_FAILURE_CLUSTER_ALIAS", "failureClusterAlias"),
    ("ORC_FAILURE_CLUSTER_DOMAIN", "failureClusterDomain"),
    ("ORC_COUNT_REPLICAS", "countReplicas"),
    ("ORC_IS_DOWNTIMED", "isDowntimed"),
    ("ORC_AUTO_MASTER_RECOVERY", "autoMasterRecovery"),
    (
        "ORC_AUTO_INTERMEDIATE_MASTER_RECOVERY",
        "autoIntermediateMasterRecovery",
    ),
    ("ORC_ORCHESTRATOR_HOST", "orchestratorHost"),
    ("ORC_IS_SUCCESSFUL", "isSuccessful"),
    ("ORC_LOST_REPLICAS", "lostReplicas"),
    ("ORC_REPLICA_HOSTS", "replicaHosts"),
    ("ORC_RECOVERY_UID", "recoveryUID"),
    ("ORC_SUCCESSOR_HOST", "successorHost"),
    ("ORC_SUCCESSOR_PORT", "successorPort"),
    (
        "ORC_SUCCESSOR_BINLOG_COORDINATES",
        "successorBinlogCoordinates",
    ),
    ("ORC_SUCCESSOR_ALIAS", "successorAlias"),
];

fn joined(keys: &[InstanceKey]) -> String {
    let all: Vec<String> = keys.iter().map(ToString::to_string).collect();
    all.join(",")
}

/// That a replica took the place of its source: all that `PostTakeMasterProcesses` is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenSource {
    /// The replica, which is the source now.
    pub successor: InstanceKey,
    /// The former source.
    pub demoted: InstanceKey,
}

impl TakenSource {
    /// Two variables; unlike those of other lists they hold the port too.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("ORC_SUCCESSOR_HOST", self.successor.to_string()),
            ("ORC_FAILED_HOST", self.demoted.to_string()),
        ]
    }

    /// `$1` and `$2`.
    pub fn arguments(&self) -> Vec<String> {
        vec![self.successor.to_string(), self.demoted.to_string()]
    }
}
