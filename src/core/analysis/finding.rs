use std::sync::Arc;

use super::rules::{Registration, Rule};
use super::{Evidence, Facts};
use crate::domain::{Downtime, FindingCode, InstanceKey};

/// One result of analysis: what is wrong with one server, and how we know.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What.
    pub code: FindingCode,
    /// With which server.
    pub subject: InstanceKey,
    /// In which cluster.
    pub cluster: Arc<str>,
    /// For an operator, one sentence; empty where an operator's word is all there is.
    pub sentence: &'static str,
    /// Whether it is written down when it appears, and whether there is something to do about it.
    pub registration: Registration,
    /// The facts that made it, each once.
    pub evidence: Vec<Evidence>,
    /// Why nothing is to be done about it now.
    pub muted: Option<Muted>,
    /// All facts of the server.
    pub facts: Arc<Facts>,
}

/// Why a finding is shown and nothing is done about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Muted {
    /// The server is in downtime.
    #[error("{} has put it in downtime: {}", .0.owner, .0.reason)]
    Downtime(Downtime),
    /// All its replicas are in downtime, and the finding is about them.
    #[error("all its replicas are in downtime")]
    AllReplicasInDowntime,
}

impl Finding {
    /// The finding of `rule` about `facts`.
    pub(super) fn new(rule: &Rule, facts: &Arc<Facts>, evidence: Vec<Evidence>) -> Self {
        let all_replicas_in_downtime = facts.replicas.count() > 0
            && facts.replicas.count() == facts.replicas.in_downtime
            && rule.is_muted_with_replicas;
        let muted = match &facts.downtime {
            Some(downtime) => Some(Muted::Downtime(downtime.clone())),
            None if all_replicas_in_downtime => Some(Muted::AllReplicasInDowntime),
            None => None,
        };
        Self {
            code: rule.code,
            subject: facts.key.clone(),
            cluster: facts.cluster.clone(),
            sentence: rule.sentence,
            registration: rule.registration,
            evidence,
            muted,
            facts: Arc::clone(facts),
        }
    }
}
