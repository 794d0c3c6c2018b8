//! Every route asked for a success, for a failure, and by callers who may do little or nothing, as a table. The table is
//! made by asking, so it cannot claim what is not so.

use std::time::Duration;

use axum::Router;
use orchestrator_core::decided::Command;
use orchestrator_core::domain::{AccessToken, PublicToken};
use orchestrator_core::ports::{ProposeError, RecoverError};

use super::group::FakeGroup;
use super::recovering::{decide, detection, end, registration};
use super::{Answer, Service};
use crate::api::view::samples::{NOW, Sample, two_clusters};
use crate::api::{Access, AppState, Route, TokenTimes, routes};

/// Public half of the one token of [`sample`]; nobody claimed it yet.
pub(crate) const PUBLIC: PublicToken = PublicToken::from_bytes([0x11; 32]);

/// What the cases are asked of: two clusters, a token that waits to be claimed, and recovery 2, of `db1`.
pub(crate) fn sample() -> Sample {
    let mut sample = two_clusters();
    sample.config.tokens = Some(TokenTimes {
        claim_within: Duration::from_secs(60),
        life: Duration::from_secs(3600),
    });
    let token = AccessToken {
        owner: "ann".into(),
        created_at: NOW,
        claim_by: NOW.plus(Duration::from_secs(60)),
        claim: None,
    };
    sample.decided.access_tokens.insert(PUBLIC, token);
    let commands = [
        Command::RegisterDetection(Box::new(detection(0xc1, NOW))),
        Command::RegisterRecovery(Box::new(registration(0xc1))),
        Command::EndRecovery(Box::new(end(0xc1))),
    ];
    decide(&mut sample.decided, commands);
    sample
}

/// Puts something around the routes, or nothing.
pub(crate) type Assemble = fn(AppState) -> Router;

/// One route with what to ask it.
pub(crate) struct Case {
    /// Path of the route, as in the table of routes.
    pub(crate) path: &'static str,
    /// What succeeds.
    pub(crate) success: &'static str,
    /// What fails.
    pub(crate) failure: Failure,
    /// Whether it is about the group: it is asked of a leader then.
    pub(crate) is_of_the_group: bool,
}

/// How to make a route fail.
pub(crate) enum Failure {
    /// By asking this.
    Ask(&'static str),
    /// By asking the same of a node that cannot write its store.
    Unhealthy,
    /// By asking the same of a node that does not lead.
    Follower,
    /// By asking the same while changes cannot be stored.
    CannotStore,
    /// By asking the same while the configuration has a mistake.
    BadConfiguration,
    /// By asking the same of a node that is in no group.
    Alone,
    /// By asking the same while the loop that recovers refuses.
    RefusedByLoop,
    /// Not at all: it answers from memory whatever there is.
    Never,
    /// Always, whatever is asked.
    Always,
}

use Failure::{
    Alone, Always, Ask, BadConfiguration, CannotStore, Follower, Never, RefusedByLoop, Unhealthy,
};

fn case(path: &'static str, success: &'static str, failure: Failure) -> Case {
    Case {
        path,
        success,
        failure,
        is_of_the_group: false,
    }
}

/// A case of a route about the group.
fn of_the_group(path: &'static str, success: &'static str, failure: Failure) -> Case {
    Case {
        is_of_the_group: true,
        ..case(path, success, failure)
    }
}

/// A case for every route.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = first_cases();
    cases.extend(recovery_cases());
    cases
}

fn first_cases() -> Vec<Case> {
    vec![
        case("/api/health", "/api/health", Unhealthy),
        case("/api/status", "/api/status", Unhealthy),
        case("/api/lb-check", "/api/lb-check", Never),
        case("/api/_ping", "/api/_ping", Never),
        case("/api/leader-check", "/api/leader-check", Follower),
        case(
            "/api/leader-check/{errorStatusCode}",
            "/api/leader-check/503",
            Follower,
        ),
        case(
            "/api/routed-leader-check",
            "/api/routed-leader-check",
            Follower,
        ),
        case(
            "/api/routed-leader-check/{errorStatusCode}",
            "/api/routed-leader-check/503",
            Follower,
        ),
        case(
            "/api/instance/{host}/{port}",
            "/api/instance/db1/3306",
            Ask("/api/instance/new/3306"),
        ),
        case("/api/all-instances", "/api/all-instances", Never),
        case(
            "/api/instance-replicas/{host}/{port}",
            "/api/instance-replicas/db1/3306",
            Ask("/api/instance-replicas/db1/x"),
        ),
        case(
            "/api/search/{text}",
            "/api/search/db",
            Ask("/api/search/%FF"),
        ),
        case("/api/search", "/api/search?s=db", Never),
        case("/api/problems", "/api/problems", Never),
        case(
            "/api/problems/{clusterName}",
            "/api/problems/db1:3306",
            Ask("/api/problems/%FF"),
        ),
        case("/api/clusters", "/api/clusters", Never),
        case("/api/clusters-info", "/api/clusters-info", Never),
        case(
            "/api/cluster/{hint}",
            "/api/cluster/main",
            Ask("/api/cluster/new"),
        ),
        case(
            "/api/cluster/alias/{alias}",
            "/api/cluster/alias/main",
            Ask("/api/cluster/alias/new"),
        ),
        case(
            "/api/cluster/instance/{host}/{port}",
            "/api/cluster/instance/db2/3306",
            Ask("/api/cluster/instance/new/3306"),
        ),
        case(
            "/api/cluster-info/{hint}",
            "/api/cluster-info/main",
            Ask("/api/cluster-info/new"),
        ),
        case(
            "/api/cluster-info/alias/{alias}",
            "/api/cluster-info/alias/main",
            Ask("/api/cluster-info/alias/new"),
        ),
        case("/api/masters", "/api/masters", Never),
        case(
            "/api/master/{hint}",
            "/api/master/main",
            Ask("/api/master/new"),
        ),
        case(
            "/api/cluster-osc-replicas/{hint}",
            "/api/cluster-osc-replicas/main",
            Ask("/api/cluster-osc-replicas/new"),
        ),
        case(
            "/api/cluster-osc-slaves/{hint}",
            "/api/cluster-osc-slaves/main",
            Ask("/api/cluster-osc-slaves/new"),
        ),
        case(
            "/api/topology/{hint}",
            "/api/topology/main",
            Ask("/api/topology/new"),
        ),
        case(
            "/api/topology/{host}/{port}",
            "/api/topology/db1/3306",
            Ask("/api/topology/new/3306"),
        ),
        case(
            "/api/topology-tabulated/{hint}",
            "/api/topology-tabulated/main",
            Ask("/api/topology-tabulated/new"),
        ),
        case(
            "/api/topology-tabulated/{host}/{port}",
            "/api/topology-tabulated/db1/3306",
            Ask("/api/topology-tabulated/new/3306"),
        ),
        case(
            "/api/discover/{host}/{port}",
            "/api/discover/db1/3306",
            Ask("/api/discover/db1/x"),
        ),
        case(
            "/api/async-discover/{host}/{port}",
            "/api/async-discover/db1/3306",
            CannotStore,
        ),
        case(
            "/api/refresh/{host}/{port}",
            "/api/refresh/db1/3306",
            Ask("/api/refresh/db1/0"),
        ),
        case(
            "/api/forget/{host}/{port}",
            "/api/forget/db1/3306",
            Ask("/api/forget/new/3306"),
        ),
        case(
            "/api/forget-cluster/{hint}",
            "/api/forget-cluster/main",
            Ask("/api/forget-cluster/new"),
        ),
        case(
            "/api/begin-downtime/{host}/{port}/{owner}/{reason}",
            "/api/begin-downtime/db1/3306/ada/disk",
            CannotStore,
        ),
        case(
            "/api/begin-downtime/{host}/{port}/{owner}/{reason}/{duration}",
            "/api/begin-downtime/db1/3306/ada/disk/30m",
            Ask("/api/begin-downtime/db1/3306/ada/disk/soon"),
        ),
        case(
            "/api/end-downtime/{host}/{port}",
            "/api/end-downtime/db1/3306",
            CannotStore,
        ),
        case("/api/downtimed", "/api/downtimed", Never),
        case(
            "/api/downtimed/{hint}",
            "/api/downtimed/main",
            Ask("/api/downtimed/new"),
        ),
        case(
            "/api/register-candidate/{host}/{port}/{promotionRule}",
            "/api/register-candidate/db1/3306/prefer",
            Ask("/api/register-candidate/db1/3306/must"),
        ),
        case(
            "/api/set-cluster-alias/{clusterName}",
            "/api/set-cluster-alias/db1:3306?alias=store",
            Ask("/api/set-cluster-alias/b1?alias=store"),
        ),
        case(
            "/api/reload-configuration",
            "/api/reload-configuration",
            BadConfiguration,
        ),
        case(
            "/api/v2/access-tokens",
            "/api/v2/access-tokens?owner=ann",
            Ask("/api/v2/access-tokens?owner="),
        ),
        case(
            "/web/access-token",
            "/web/access-token?publicToken=1111111111111111111111111111111111111111111111111111111111111111",
            Ask(
                "/web/access-token?publicToken=2222222222222222222222222222222222222222222222222222222222222222",
            ),
        ),
        of_the_group("/api/raft-state", "/api/raft-state", Alone),
        of_the_group("/api/raft-leader", "/api/raft-leader", Alone),
        of_the_group("/api/raft-peers", "/api/raft-peers", Alone),
        of_the_group("/api/raft-health", "/api/raft-health", Alone),
        of_the_group("/api/raft-status", "/api/raft-status", Alone),
        of_the_group("/api/raft-snapshot", "/api/raft-snapshot", Alone),
        of_the_group("/api/raft-yield/{node}", "/api/raft-yield/orc2", Alone),
        of_the_group(
            "/api/raft-yield-hint/{hint}",
            "/api/raft-yield-hint/c2",
            Alone,
        ),
        of_the_group(
            "/api/raft-add-peer/{addr}",
            "/api/raft-add-peer/orc4",
            Alone,
        ),
        of_the_group(
            "/api/raft-remove-peer/{addr}",
            "/api/raft-remove-peer/orc3",
            Alone,
        ),
        of_the_group(
            "/api/raft-replace-peer/{old}/{new}",
            "/api/raft-replace-peer/orc3/orc4",
            Alone,
        ),
        of_the_group(
            "/api/raft-follower-health-report/{authenticationToken}/{raftBind}/{raftAdvertise}",
            "/api/raft-follower-health-report/abcdef01/10.0.0.2/10.0.0.2",
            Always,
        ),
        case("/api/reelect", "/api/reelect", Never),
        case(
            "/api/v2/import-predecessor",
            "/api/v2/import-predecessor",
            Ask("/api/v2/import-predecessor?from=elsewhere"),
        ),
        case("/api/v2/isolation-guard", "/api/v2/isolation-guard", Never),
        case("/api/v2/probes", "/api/v2/probes", Never),
        case(
            "/api/v2/probes/{host}/{port}",
            "/api/v2/probes/db1/3306",
            Ask("/api/v2/probes/new/3306"),
        ),
    ]
}

/// Of analysis and recoveries.
#[rustfmt::skip]
fn recovery_cases() -> Vec<Case> {
    vec![
        case("/api/replication-analysis", "/api/replication-analysis", Never),
        case("/api/replication-analysis/{hint}", "/api/replication-analysis/main", Ask("/api/replication-analysis/new")),
        case("/api/replication-analysis/instance/{host}/{port}", "/api/replication-analysis/instance/db1/3306", Ask("/api/replication-analysis/instance/db1/x")),
        case("/api/replication-analysis-changelog", "/api/replication-analysis-changelog", Never),
        case("/api/v2/why-not", "/api/v2/why-not", Never),
        case("/api/v2/why-not/{hint}", "/api/v2/why-not/main", Ask("/api/v2/why-not/new")),
        case("/api/blocked-recoveries", "/api/blocked-recoveries", Never),
        case("/api/blocked-recoveries/cluster/{clusterName}", "/api/blocked-recoveries/cluster/db1:3306", Ask("/api/blocked-recoveries/cluster/%FF")),
        case("/api/automated-recovery-filters", "/api/automated-recovery-filters", Never),
        case("/api/audit-failure-detection", "/api/audit-failure-detection", Never),
        case("/api/audit-failure-detection/{page}", "/api/audit-failure-detection/1", Ask("/api/audit-failure-detection/%FF")),
        case("/api/audit-failure-detection/id/{id}", "/api/audit-failure-detection/id/1", Ask("/api/audit-failure-detection/id/x")),
        case("/api/audit-failure-detection/alias/{clusterAlias}", "/api/audit-failure-detection/alias/main", Ask("/api/audit-failure-detection/alias/%FF")),
        case("/api/audit-failure-detection/alias/{clusterAlias}/{page}", "/api/audit-failure-detection/alias/main/0", Ask("/api/audit-failure-detection/alias/%FF/0")),
        case("/api/audit-recovery", "/api/audit-recovery?unacknowledged=true", Never),
        case("/api/audit-recovery/{page}", "/api/audit-recovery/1", Ask("/api/audit-recovery/%FF")),
        case("/api/audit-recovery/id/{id}", "/api/audit-recovery/id/2", Ask("/api/audit-recovery/id/-2")),
        case("/api/audit-recovery/uid/{uid}", "/api/audit-recovery/uid/000000000000000000000000000000c1", Ask("/api/audit-recovery/uid/x")),
        case("/api/audit-recovery/cluster/{clusterName}", "/api/audit-recovery/cluster/db1:3306", Ask("/api/audit-recovery/cluster/%FF")),
        case("/api/audit-recovery/cluster/{clusterName}/{page}", "/api/audit-recovery/cluster/db1:3306/0", Ask("/api/audit-recovery/cluster/%FF/0")),
        case("/api/audit-recovery/alias/{clusterAlias}", "/api/audit-recovery/alias/main", Ask("/api/audit-recovery/alias/%FF")),
        case("/api/audit-recovery/alias/{clusterAlias}/{page}", "/api/audit-recovery/alias/main/0", Ask("/api/audit-recovery/alias/%FF/0")),
        case("/api/audit-recovery-steps/{uid}", "/api/audit-recovery-steps/000000000000000000000000000000c1", Ask("/api/audit-recovery-steps/x")),
        case("/api/active-cluster-recovery/{clusterName}", "/api/active-cluster-recovery/db1:3306", Ask("/api/active-cluster-recovery/%FF")),
        case("/api/recently-active-cluster-recovery/{clusterName}", "/api/recently-active-cluster-recovery/db1:3306", Ask("/api/recently-active-cluster-recovery/%FF")),
        case("/api/recently-active-instance-recovery/{host}/{port}", "/api/recently-active-instance-recovery/db2/3306", Ask("/api/recently-active-instance-recovery/db2/x")),
        case("/api/v2/recoveries/{id}", "/api/v2/recoveries/2", Ask("/api/v2/recoveries/99")),
        case("/api/ack-recovery/cluster/{hint}", "/api/ack-recovery/cluster/main?comment=seen", Ask("/api/ack-recovery/cluster/main")),
        case("/api/ack-recovery/cluster/alias/{clusterAlias}", "/api/ack-recovery/cluster/alias/main?comment=seen", Ask("/api/ack-recovery/cluster/alias/new?comment=seen")),
        case("/api/ack-recovery/instance/{host}/{port}", "/api/ack-recovery/instance/db1/3306?comment=seen", Ask("/api/ack-recovery/instance/db1/3306?comment=")),
        case("/api/ack-recovery/{recoveryId}", "/api/ack-recovery/2?comment=seen", Ask("/api/ack-recovery/99?comment=seen")),
        case("/api/ack-recovery/uid/{uid}", "/api/ack-recovery/uid/000000000000000000000000000000c1?comment=seen", Ask("/api/ack-recovery/uid/x?comment=seen")),
        case("/api/ack-all-recoveries", "/api/ack-all-recoveries?comment=seen", Ask("/api/ack-all-recoveries")),
        case("/api/recover/{host}/{port}", "/api/recover/db1/3306", RefusedByLoop),
        case("/api/recover/{host}/{port}/{candidateHost}/{candidatePort}", "/api/recover/db1/3306/db3/3306", Ask("/api/recover/db1/3306/db3/x")),
        case("/api/recover-lite/{host}/{port}", "/api/recover-lite/db1/3306", RefusedByLoop),
        case("/api/recover-lite/{host}/{port}/{candidateHost}/{candidatePort}", "/api/recover-lite/db1/3306/db3/3306", RefusedByLoop),
        case("/api/force-master-failover/{hint}", "/api/force-master-failover/main", Ask("/api/force-master-failover/new")),
        case("/api/force-master-failover/{host}/{port}", "/api/force-master-failover/db2/3306", RefusedByLoop),
        case("/api/force-master-takeover/{hint}/{designatedHost}/{designatedPort}", "/api/force-master-takeover/main/db3/3306", Ask("/api/force-master-takeover/main/db10/3306")),
        case("/api/force-master-takeover/{host}/{port}/{designatedHost}/{designatedPort}", "/api/force-master-takeover/db2/3306/db3/3306", Ask("/api/force-master-takeover/db2/3306/new/3306")),
        case("/api/disable-global-recoveries", "/api/disable-global-recoveries", CannotStore),
        case("/api/enable-global-recoveries", "/api/enable-global-recoveries", CannotStore),
        case("/api/check-global-recoveries", "/api/check-global-recoveries", Never),
    ]
}

/// The table, by asking. Each of `refusing` is a title, and puts the real gate and a caller of few rights around the
/// routes.
pub(crate) async fn table(assemble: Assemble, refusing: &[(&str, Assemble)]) -> String {
    let cases = cases();
    let titles: String = refusing
        .iter()
        .map(|(title, _)| format!(" {title} |"))
        .collect();
    let mut rows = vec![format!("| route | success | failure |{titles}")];
    rows.push(format!("|---|---|---|{}", "---|".repeat(refusing.len())));
    for route in routes() {
        let case = cases.iter().find(|case| case.path == route.path);
        let case = case.unwrap_or_else(|| panic!("{} has no case", route.path));
        let asked = ask(assemble, &route, case).await;
        let success = match case.failure {
            Always => "never".to_owned(),
            _ => {
                assert!(asked.is_done(), "{}: {}", case.success, asked.body);
                outcome(&asked)
            }
        };
        let failure = match fail(assemble, &route, case).await {
            Some(answer) => {
                assert!(!answer.is_done(), "{} does not fail", route.path);
                outcome(&answer)
            }
            None => "cannot fail".to_owned(),
        };
        let mut refused = String::new();
        for (_, assemble) in refusing {
            let answer = ask(*assemble, &route, case).await;
            refused += &format!(" {} |", outcome(&answer));
        }
        rows.push(format!(
            "| `{}` | {success} | {failure} |{refused}",
            route.path
        ));
    }
    assert_eq!(cases.len(), routes().len(), "a case has no route");
    rows.join("\n")
}

async fn ask(assemble: Assemble, route: &Route, case: &Case) -> Answer {
    let group = case.is_of_the_group.then(FakeGroup::leading);
    let service = Service::placed(sample(), group, assemble);
    service.ask(method(route), case.success, &[]).await
}

async fn fail(assemble: Assemble, route: &Route, case: &Case) -> Option<Answer> {
    let service = Service::assembled(sample(), assemble);
    let fakes = &service.fakes;
    let mut uri = case.success;
    match case.failure {
        Ask(other) => uri = other,
        Unhealthy => fakes.health.lock().unwrap().is_healthy = false,
        Follower => fakes.health.lock().unwrap().is_leader = false,
        CannotStore => {
            *fakes.propose_error.lock().unwrap() = Some(ProposeError::Store {
                reason: "disk full".into(),
            });
        }
        RefusedByLoop => {
            *fakes.recovering.refusal.lock().unwrap() = Some(RecoverError::Refused {
                reason: "no replica may be promoted".into(),
            });
        }
        BadConfiguration => *fakes.reload.lock().unwrap() = Err(vec!["a mistake".into()]),
        Alone => {}
        Always => return Some(ask(assemble, route, case).await),
        Never => return None,
    }
    Some(service.ask(method(route), uri, &[]).await)
}

/// The method that a new client uses.
fn method(route: &Route) -> &'static str {
    match route.access {
        Access::Changes | Access::LocalOnly => "POST",
        Access::Health | Access::Reads | Access::Claims => "GET",
    }
}

/// Status, shape, and the kind of an error.
fn outcome(answer: &Answer) -> String {
    let json: Option<serde_json::Value> = serde_json::from_str(&answer.body).ok();
    let shape = match json {
        Some(serde_json::Value::Object(object)) => match object.get("Code") {
            Some(code) => format!("envelope {}", code.as_str().unwrap_or("?")),
            None => "object".to_owned(),
        },
        Some(serde_json::Value::Array(_)) => "list".to_owned(),
        Some(serde_json::Value::Null) => "null".to_owned(),
        Some(other) => other.to_string(),
        None if answer.body.is_empty() => "empty".to_owned(),
        None => "text".to_owned(),
    };
    match answer.header("orchestrator-error") {
        "" => format!("{} {shape}", answer.status.as_u16()),
        kind => format!("{} {shape}, {kind}", answer.status.as_u16()),
    }
}
