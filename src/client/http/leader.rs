//! Which of several hosts to ask: the one that leads, else one that can reach it.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::transport::{Request, Transport, Trouble, UNAUTHORISED};
use crate::endpoint::{self, Endpoint};

/// The predecessor's bound for one check: a node that leads answers at once.
const CHECK_LIMIT: Duration = Duration::from_secs(1);

/// First the node that leads itself, then a node that forwards to the leader.
const CHECKS: [&str; 2] = ["leader-check", "routed-leader-check"];

/// No host answered 200 to any check.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoLeader {
    /// They are unreachable, or know no leader.
    #[error("Cannot determine leader from {hosts} ({findings})")]
    Unknown {
        /// All hosts, passwords replaced.
        hosts: String,
        /// What each of them answered last.
        findings: String,
    },
    /// At least one of them wants other credentials.
    #[error(transparent)]
    Unauthorised(#[from] Unauthorised),
}

/// A host refused the credentials.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "Cannot access orchestrator at {host}. It answered 401 Unauthorized: check user and password (-b, or ORCHESTRATOR_AUTH_USER and ORCHESTRATOR_AUTH_PASSWORD), header (-e) or client certificate"
)]
pub struct Unauthorised {
    host: String,
}

impl Unauthorised {
    /// The refusal of this host.
    pub fn at(host: &Endpoint) -> Unauthorised {
        let host = host.to_string();
        Unauthorised { host }
    }
}

/// Finds the host to use, and returns its index. All hosts are asked at the same time, so that dead ones cost one second
/// together; the first in the list that answers 200 wins, as if they were asked one after the other.
///
/// # Errors
/// When no host answers 200 to either check.
pub async fn find<T: Transport>(
    transport: &Arc<T>,
    endpoints: &[Endpoint],
) -> Result<usize, NoLeader> {
    let mut findings = Vec::new();
    for check in CHECKS {
        findings.clear();
        let mut asked = Asked::all(transport, endpoints, check);
        for (index, handle) in asked.0.iter_mut().enumerate() {
            let outcome = handle
                .await
                .expect("a check neither panics nor is aborted before it is awaited");
            match outcome {
                Ok(200) => return Ok(index),
                other => findings.push(other),
            }
        }
    }
    let refused = findings
        .iter()
        .position(|finding| *finding == Ok(UNAUTHORISED));
    Err(match refused {
        Some(index) => Unauthorised::at(&endpoints[index]).into(),
        None => NoLeader::Unknown {
            hosts: endpoint::join(endpoints),
            findings: describe(&findings),
        },
    })
}

fn describe(findings: &[Result<u16, Trouble>]) -> String {
    let texts: Vec<String> = findings
        .iter()
        .map(|finding| match finding {
            Ok(status) => format!("HTTP status {status}"),
            Err(trouble) => trouble.to_string(),
        })
        .collect();
    texts.join("; ")
}

/// The checks under way; ended when they are no longer needed.
struct Asked(Vec<JoinHandle<Result<u16, Trouble>>>);

impl Asked {
    fn all<T: Transport>(transport: &Arc<T>, endpoints: &[Endpoint], check: &str) -> Asked {
        let ask = |endpoint: &Endpoint| {
            let transport = Arc::clone(transport);
            let endpoint = endpoint.clone();
            let request = Request {
                path: check.to_owned(),
                idempotency_key: None,
                limit: Some(CHECK_LIMIT),
            };
            tokio::spawn(async move {
                let answer = transport.get(&endpoint, &request).await;
                answer.map(|answer| answer.status)
            })
        };
        Asked(endpoints.iter().map(ask).collect())
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::fake::{Fake, endpoints};

    #[tokio::test(start_paused = true)]
    async fn the_first_in_the_list_that_leads_wins() {
        let fake = Fake::new(&[
            ("http://a/api", "leader-check", "404 Not leader"),
            ("http://b/api", "leader-check", "after 900 200 \"OK\""),
            ("http://c/api", "leader-check", "200 \"OK\""),
        ]);
        let found = find(&fake, &endpoints("http://a http://b http://c")).await;
        assert_eq!(found, Ok(1));
        assert!(!fake.log().iter().any(|line| line.contains("routed")));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_leader_a_host_that_reaches_it_is_taken() {
        let fake = Fake::new(&[
            ("http://a/api", "leader-check", "refused"),
            ("http://a/api", "routed-leader-check", "refused"),
            ("http://b/api", "leader-check", "404 Not leader"),
            ("http://b/api", "routed-leader-check", "200 \"OK\""),
        ]);
        let found = find(&fake, &endpoints("http://a http://b")).await;
        assert_eq!(found, Ok(1));
    }

    #[tokio::test(start_paused = true)]
    async fn silent_hosts_cost_one_second_for_each_check() {
        let fake = Fake::new(&[
            ("http://a/api", "leader-check", "silent"),
            ("http://a/api", "routed-leader-check", "silent"),
            ("http://u:p@b/api", "leader-check", "silent"),
            ("http://u:p@b/api", "routed-leader-check", "500 {}"),
        ]);
        let started = fake.elapsed();
        let refused = find(&fake, &endpoints("http://a http://u:p@b")).await;
        assert_eq!(
            refused.expect_err("no leader").to_string(),
            "Cannot determine leader from http://a/api http://u:***@b/api (no answer in time; HTTP status 500)"
        );
        assert_eq!(fake.elapsed() - started, Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_wants_other_credentials_is_named() {
        let fake = Fake::new(&[
            ("http://a/api", "leader-check", "refused"),
            ("http://a/api", "routed-leader-check", "refused"),
            ("http://b/api", "leader-check", "401 Not Authorized"),
            ("http://b/api", "routed-leader-check", "401 Not Authorized"),
        ]);
        let refused = find(&fake, &endpoints("http://a http://b")).await;
        let host = "http://b/api".to_owned();
        assert_eq!(refused, Err(NoLeader::Unauthorised(Unauthorised { host })));
    }
}
