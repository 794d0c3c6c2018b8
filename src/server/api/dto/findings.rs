use orchestrator_core::analysis::Finding;
use orchestrator_core::analysis::rules::Registration;
use orchestrator_core::domain::{InstanceKey, RecoveryId};
use orchestrator_core::legacy::codes::finding_code;
use serde::Serialize;

use super::Fractional;
use crate::api::doing::Doing;
use crate::api::view::{Examined, Found};

/// What is wrong and what is done about it, for the second API.
#[derive(Debug, Serialize)]
pub struct Findings<'a> {
    at: Fractional,
    /// Who has switched all recoveries off; `null` when nobody has.
    recoveries_disabled_by: Option<&'a str>,
    findings: Vec<One<'a>>,
    /// Servers that configuration wants to hear nothing of.
    left_out: Vec<LeftOut<'a>>,
}

#[derive(Debug, Serialize)]
struct One<'a> {
    server: Server<'a>,
    cluster: &'a str,
    cluster_alias: &'a str,
    code: &'static str,
    description: &'static str,
    evidence: Vec<String>,
    also: Vec<&'static str>,
    calls_for_recovery: bool,
    recovery_under_way: Option<Recovery>,
    why_nothing_is_done: Option<&'a str>,
    blocked_by: Option<Recovery>,
    since: Option<Fractional>,
}

#[derive(Debug, Serialize)]
struct Server<'a> {
    hostname: &'a str,
    port: u16,
}

#[derive(Debug, Serialize)]
struct Recovery {
    /// `null` when it is not known any more.
    number: Option<u64>,
    uid: String,
}

#[derive(Debug, Serialize)]
struct LeftOut<'a> {
    server: Server<'a>,
    filter: &'a str,
}

impl<'a> Findings<'a> {
    /// `cluster` where only one is asked for.
    pub fn new(
        examined: &'a Examined,
        doings: &'a [(&'a Found, Doing)],
        cluster: Option<&str>,
    ) -> Self {
        let disabled = examined.view.decided().recoveries_disabled.as_ref();
        let is_of = |key: &InstanceKey| {
            let of = || examined.view.entry(key).map(|entry| &*entry.place.cluster);
            cluster.is_none_or(|cluster| of() == Some(cluster))
        };
        let left_out = examined.left_out.iter().filter(|one| is_of(&one.subject));
        Self {
            at: Fractional(examined.at),
            recoveries_disabled_by: disabled.map(|off| off.by.as_str()),
            findings: doings
                .iter()
                .filter_map(|(found, doing)| Some(one(examined, found, found.foremost()?, doing)))
                .collect(),
            left_out: left_out
                .map(|one| LeftOut {
                    server: server(&one.subject),
                    filter: &one.filter,
                })
                .collect(),
        }
    }
}

fn one<'a>(
    examined: &'a Examined,
    found: &'a Found,
    finding: &'a Finding,
    doing: &'a Doing,
) -> One<'a> {
    let known = |id: &RecoveryId| Recovery {
        number: examined
            .view
            .decided()
            .recoveries
            .get(id)
            .map(|recovery| recovery.number),
        uid: id.to_string(),
    };
    let reason = doing.reason();
    let also = found.structure.iter().map(|one| finding_code(one.code));
    One {
        server: server(&finding.subject),
        cluster: &finding.cluster,
        cluster_alias: examined.view.alias_of_name(&finding.cluster),
        code: finding_code(finding.code),
        description: finding.sentence,
        evidence: finding.evidence.iter().map(ToString::to_string).collect(),
        also: also.skip(usize::from(found.main.is_none())).collect(),
        calls_for_recovery: finding.registration == Registration::Actionable,
        recovery_under_way: match doing {
            Doing::UnderWay(id) => Some(known(id)),
            Doing::Nothing(_) => None,
        },
        why_nothing_is_done: reason.map(|reason| reason.text.as_str()),
        blocked_by: reason
            .and_then(|reason| reason.blocked_by.as_ref())
            .map(known),
        since: reason.and_then(|reason| reason.since).map(Fractional),
    }
}

fn server(key: &InstanceKey) -> Server<'_> {
    Server {
        hostname: key.host().as_str(),
        port: key.port(),
    }
}
