//! One API call: attempts, waits, and the change to another host.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::leader::{self, NoLeader, Unauthorised};
use super::transport::{Answer, Request, Transport, Trouble, UNAUTHORISED};
use crate::endpoint::Endpoint;
use crate::text;

/// How long to wait after each attempt; there are as many attempts as waits. The predecessor's numbers, about 11 s together.
const WAITS_MS: [u64; 8] = [100, 200, 500, 1000, 2000, 2500, 5000, 0];

/// Waits between looks for a leader while there is none: 3.8 s together, in which hosts that reach one another have chosen a
/// new one.
const LEADER_WAITS_MS: [u64; 5] = [100, 200, 500, 1000, 2000];

/// Bound of one attempt that only reads: a frozen node must not hold it for the whole run.
const READ_ATTEMPT: Duration = Duration::from_secs(60);

/// Bound of a run that only reads.
const READ_RUN: Duration = Duration::from_secs(180);

/// Bound of a run that may change something. A planned takeover waits for replicas to apply what they received, which
/// takes as long as it takes; an attempt has no bound of its own, since giving up would not end the work.
const CHANGE_RUN: Duration = Duration::from_secs(3600);

/// How much of a strange body is shown.
const EXCERPT_CHARS: usize = 80;

/// What to ask, and whether it may change something.
#[derive(Clone, Debug)]
pub struct Call {
    /// Encoded path and query below the endpoint.
    pub path: String,
    /// For a change, the key that all attempts carry.
    pub idempotency_key: Option<String>,
    /// The user's bound instead of ours.
    pub limit: Option<Duration>,
}

impl Call {
    fn request(&self) -> Request {
        let changes = self.idempotency_key.is_some();
        Request {
            path: self.path.clone(),
            idempotency_key: self.idempotency_key.clone(),
            limit: (!changes).then_some(READ_ATTEMPT),
        }
    }

    fn run_limit(&self) -> Duration {
        let ours = match self.idempotency_key {
            Some(_) => CHANGE_RUN,
            None => READ_RUN,
        };
        self.limit.unwrap_or(ours)
    }
}

/// Why a call has no JSON answer. No text holds a password.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// All attempts at a change failed, and one of them may have reached a server.
    #[error(
        "No usable answer from {host}: the change may have been made, may still be under way, or may never have begun. Look at the present state before you repeat it. {last}"
    )]
    InDoubt {
        /// The last host tried.
        host: String,
        /// What the last attempt met.
        last: String,
    },
    /// All attempts failed.
    #[error(
        "Cannot access orchestrator at {host}. Check ORCHESTRATOR_API (or -U) and that orchestrator runs there. {last}"
    )]
    NoAnswer {
        /// The last host tried.
        host: String,
        /// What the last attempt met.
        last: String,
    },
    /// Authentication failed: trying again changes nothing.
    #[error(transparent)]
    Unauthorised(#[from] Unauthorised),
    /// TLS cannot work with these files.
    #[error(
        "Cannot access orchestrator at {host}. TLS failed: {reason}. Check ORCHESTRATOR_CA_FILE, ORCHESTRATOR_CERT_FILE and ORCHESTRATOR_KEY_FILE, and that the port speaks TLS"
    )]
    Tls {
        /// The host.
        host: String,
        /// What the TLS library said.
        reason: String,
    },
    /// An answer without end.
    #[error("Cannot use the answer of {host}: it is longer than {mib} MiB")]
    TooLong {
        /// The host.
        host: String,
        /// Where reading stopped.
        mib: usize,
    },
    /// The run's bound passed while reading.
    #[error("Cannot access orchestrator at {host}. No answer within {seconds} s")]
    TooSlow {
        /// The host asked last.
        host: String,
        /// The bound.
        seconds: u64,
    },
    /// The run's bound passed while a change was under way.
    #[error(
        "No answer from {host} within {seconds} s: the change may have been made, may still be under way, or may never have begun. Look at the present state before you repeat it"
    )]
    Unknown {
        /// The host asked last.
        host: String,
        /// The bound.
        seconds: u64,
    },
}

/// The hosts of a run, and the one in use.
pub struct Session<T> {
    transport: Arc<T>,
    endpoints: Vec<Endpoint>,
    /// Index of the host in use.
    current: usize,
}

/// An attempt that another may make good.
struct Again {
    reason: String,
    /// The host itself failed, or does not lead, so that another one may do better.
    host_failed: bool,
    /// A change may have been made all the same.
    in_doubt: bool,
    /// What the server said, which stands when no attempt does better.
    refusal: Option<Value>,
}

/// Kinds of refusals of a change that another attempt, with the same key, may make good: nothing was done, or the key
/// keeps it from being done twice.
const AGAIN: [&str; 3] = ["not-leader", "busy", UNKNOWN_OUTCOME];

/// The kind of a refusal that leaves open whether the change was made.
const UNKNOWN_OUTCOME: &str = "unknown-outcome";

impl<T: Transport> Session<T> {
    /// Chooses the host: the only one unasked, else the leader. `endpoints` is not empty.
    ///
    /// # Errors
    /// When there are several hosts and none leads or reaches the leader.
    pub async fn open(transport: T, endpoints: Vec<Endpoint>) -> Result<Session<T>, NoLeader> {
        Session::over(Arc::new(transport), endpoints).await
    }

    async fn over(transport: Arc<T>, endpoints: Vec<Endpoint>) -> Result<Session<T>, NoLeader> {
        let current = match endpoints.as_slice() {
            [_] => 0,
            several => patiently_find(&transport, several).await?,
        };
        Ok(Session {
            transport,
            endpoints,
            current,
        })
    }

    /// The host in use.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoints[self.current]
    }

    /// Calls until a body is JSON. Dropping the future leaves it unknown whether a change was made.
    ///
    /// # Errors
    /// When all attempts fail, when the credentials or TLS are refused, or when the bound of the run passes.
    pub async fn call(&mut self, call: &Call) -> Result<Value, Error> {
        let limit = call.run_limit();
        match timeout(limit, self.attempts(&call.request())).await {
            Ok(outcome) => outcome,
            Err(_) => Err(self.out_of_time(call, limit.as_secs())),
        }
    }

    async fn attempts(&mut self, request: &Request) -> Result<Value, Error> {
        let mut left = WAITS_MS.len();
        let mut last = String::new();
        let mut in_doubt = false;
        for wait in WAITS_MS {
            let again = match self.attempt(request).await? {
                Ok(value) => return Ok(value),
                Err(again) => again,
            };
            left -= 1;
            in_doubt |= again.in_doubt;
            // A refusal is the last word, unless an earlier attempt may have been carried out.
            if let Some(refusal) = again
                .refusal
                .filter(|_| left == 0 && again.in_doubt == in_doubt)
            {
                return Ok(refusal);
            }
            last = again.reason;
            sleep(Duration::from_millis(wait)).await;
            if again.host_failed && left > 0 {
                self.change_host().await;
            }
        }
        let host = self.endpoint().to_string();
        let last = format!("Last of {} attempts: {last}", WAITS_MS.len());
        Err(match in_doubt {
            true => Error::InDoubt { host, last },
            false => Error::NoAnswer { host, last },
        })
    }

    /// The outer result is final, the inner one may be made good.
    async fn attempt(&self, request: &Request) -> Result<Result<Value, Again>, Error> {
        let host = self.endpoint();
        let answer = match self.transport.get(host, request).await {
            Ok(answer) => answer,
            Err(Trouble::Unreachable(reason)) => {
                return Ok(Err(Again::elsewhere(reason, false)));
            }
            Err(Trouble::Lost(reason)) => {
                return Ok(Err(Again::elsewhere(reason, request.changes())));
            }
            Err(Trouble::Tls(reason)) => {
                let host = host.to_string();
                return Err(Error::Tls { host, reason });
            }
            Err(Trouble::TooLong(mib)) => {
                let host = host.to_string();
                return Err(Error::TooLong { host, mib });
            }
        };
        if answer.status == UNAUTHORISED {
            return Err(Unauthorised::at(host).into());
        }
        let Ok(value) = serde_json::from_slice::<Value>(&answer.body) else {
            return Ok(Err(Again {
                reason: describe(&answer),
                host_failed: false,
                in_doubt: request.changes() && may_have_reached(answer.status),
                refusal: None,
            }));
        };
        let kind = answer.kind.as_deref().unwrap_or_default();
        match request.changes() && AGAIN.contains(&kind) {
            false => Ok(Ok(value)),
            true => Ok(Err(Again {
                reason: format!("it answered {kind}"),
                host_failed: true,
                in_doubt: kind == UNKNOWN_OUTCOME,
                refusal: Some(value),
            })),
        }
    }

    /// The leader of now; while there is none, the next in the list. A single host stays.
    async fn change_host(&mut self) {
        if self.endpoints.len() > 1 {
            self.current = leader::find(&self.transport, &self.endpoints)
                .await
                .unwrap_or((self.current + 1) % self.endpoints.len());
        }
    }

    fn out_of_time(&self, call: &Call, seconds: u64) -> Error {
        let host = self.endpoint().to_string();
        match call.idempotency_key {
            Some(_) => Error::Unknown { host, seconds },
            None => Error::TooSlow { host, seconds },
        }
    }
}

impl Again {
    fn elsewhere(reason: String, in_doubt: bool) -> Again {
        Again {
            reason,
            host_failed: true,
            in_doubt,
            refusal: None,
        }
    }
}

/// The leader, as soon as there is one. Refused credentials end it at once.
async fn patiently_find<T: Transport>(
    transport: &Arc<T>,
    endpoints: &[Endpoint],
) -> Result<usize, NoLeader> {
    for wait in LEADER_WAITS_MS {
        match leader::find(transport, endpoints).await {
            Err(NoLeader::Unknown { .. }) => sleep(Duration::from_millis(wait)).await,
            found => return found,
        }
    }
    leader::find(transport, endpoints).await
}

/// Whether a request whose answer is not JSON may have come to a server that carries it out: a load balancer answers 503 when
/// it has no server, and 4xx when it does not pass a request on.
fn may_have_reached(status: u16) -> bool {
    !(400..500).contains(&status) && status != 503
}

/// A body that is not JSON, in one short line without control characters.
fn describe(answer: &Answer) -> String {
    let body = text::squeeze(&String::from_utf8_lossy(&answer.body));
    let excerpt: String = body
        .chars()
        .filter(|character| !character.is_control())
        .take(EXCERPT_CHARS)
        .collect();
    match excerpt.as_str() {
        "" => format!("HTTP status {}, and no body", answer.status),
        text => format!(
            "HTTP status {}, and a body that is not JSON: {text}",
            answer.status
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::fake::{Fake, endpoints};

    fn read() -> Call {
        Call {
            path: "clusters".into(),
            idempotency_key: None,
            limit: None,
        }
    }

    fn change() -> Call {
        Call {
            path: "discover/db1/3306".into(),
            idempotency_key: Some("key".into()),
            limit: None,
        }
    }

    async fn session(fake: &Arc<Fake>, list: &str) -> Session<Fake> {
        Session::over(Arc::clone(fake), endpoints(list))
            .await
            .expect("a host")
    }

    #[tokio::test(start_paused = true)]
    async fn a_single_host_is_not_checked_and_its_status_does_not_matter() {
        let fake = Fake::new(&[("http://a/api", "clusters", "500 {\"Code\":\"ERROR\"}")]);
        let answer = session(&fake, "http://a").await.call(&read()).await;
        assert_eq!(answer.expect("JSON")["Code"], "ERROR");
        assert_eq!(fake.log(), ["0 http://a/api/clusters -"]);
    }

    #[tokio::test(start_paused = true)]
    async fn eight_attempts_are_made_with_the_known_waits() {
        let fake = Fake::new(&[("http://u:p@a/api", "clusters", "404 404 page\n not found")]);
        let refused = session(&fake, "http://u:p@a").await.call(&read()).await;
        assert_eq!(
            refused.expect_err("no JSON").to_string(),
            "Cannot access orchestrator at http://u:***@a/api. Check ORCHESTRATOR_API (or -U) and that orchestrator \
             runs there. Last of 8 attempts: HTTP status 404, and a body that is not JSON: 404 page not found"
        );
        let times: Vec<String> = fake
            .log()
            .iter()
            .map(|line| line.split(' ').next().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(
            times,
            ["0", "100", "300", "800", "1800", "3800", "6300", "11300"]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_attempt_may_succeed() {
        let fake = Fake::new(&[("http://a/api", "clusters", "refused | 502 | 200 []")]);
        let answer = session(&fake, "http://a").await.call(&read()).await;
        assert_eq!(answer, Ok(Value::Array(vec![])));
        assert_eq!(fake.log().len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn refused_credentials_and_refused_tls_are_not_tried_again() {
        let fake = Fake::new(&[
            ("http://a/api", "clusters", "401 Not Authorized"),
            ("https://b/api", "clusters", "tls UnknownIssuer"),
        ]);
        let refused = session(&fake, "http://a").await.call(&read()).await;
        assert!(
            matches!(refused, Err(Error::Unauthorised(_))),
            "{refused:?}"
        );
        let refused = session(&fake, "https://b").await.call(&read()).await;
        assert!(matches!(refused, Err(Error::Tls { .. })), "{refused:?}");
        assert_eq!(fake.log().len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn when_the_leader_is_lost_the_new_one_gets_the_same_key() {
        let path = "discover/db1/3306";
        let fake = Fake::new(&[
            ("http://a/api", "leader-check", "200 \"OK\" | refused"),
            (
                "http://b/api",
                "leader-check",
                "404 Not leader | 200 \"OK\"",
            ),
            ("http://a/api", path, "refused"),
            ("http://b/api", path, "200 {}"),
        ]);
        let answer = session(&fake, "http://a http://b")
            .await
            .call(&change())
            .await;
        assert_eq!(answer, Ok(serde_json::json!({})));
        let calls: Vec<String> = fake
            .log()
            .into_iter()
            .filter(|line| line.contains(path))
            .collect();
        assert_eq!(
            calls,
            [
                "0 http://a/api/discover/db1/3306 key",
                "100 http://b/api/discover/db1/3306 key"
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn while_nobody_leads_the_hosts_are_tried_in_turn() {
        let fake = Fake::new(&[
            ("http://a/api", "leader-check", "200 \"OK\" | refused"),
            ("http://a/api", "routed-leader-check", "refused"),
            ("http://a/api", "clusters", "refused"),
            ("http://b/api", "leader-check", "refused"),
            ("http://b/api", "routed-leader-check", "refused"),
            ("http://b/api", "clusters", "refused"),
            ("http://c/api", "leader-check", "404 Not leader"),
            ("http://c/api", "routed-leader-check", "404 Not leader"),
            ("http://c/api", "clusters", "200 []"),
        ]);
        let mut session = session(&fake, "http://a http://b http://c").await;
        assert_eq!(session.call(&read()).await, Ok(Value::Array(vec![])));
        assert_eq!(session.endpoint().to_string(), "http://c/api");
    }

    #[tokio::test(start_paused = true)]
    async fn an_election_is_waited_for() {
        let fake = Fake::new(&[
            ("http://a/api", "leader-check", "refused"),
            ("http://a/api", "routed-leader-check", "refused"),
            (
                "http://b/api",
                "leader-check",
                "404 Not leader | 404 Not leader | 200 \"OK\"",
            ),
            ("http://b/api", "routed-leader-check", "404 Not leader"),
            ("http://b/api", "clusters", "200 []"),
        ]);
        let mut session = session(&fake, "http://a http://b").await;
        assert_eq!(fake.elapsed(), Duration::from_millis(300));
        assert_eq!(session.call(&read()).await, Ok(Value::Array(vec![])));
    }

    #[tokio::test(start_paused = true)]
    async fn hosts_without_a_leader_are_given_up_after_four_seconds_and_wrong_credentials_at_once()
    {
        let fake = Fake::new(&[
            ("http://a/api", "leader-check", "refused"),
            ("http://a/api", "routed-leader-check", "refused"),
            ("http://b/api", "leader-check", "404 Not leader"),
            ("http://b/api", "routed-leader-check", "404 Not leader"),
        ]);
        let refused = Session::over(Arc::clone(&fake), endpoints("http://a http://b")).await;
        assert!(matches!(refused.err(), Some(NoLeader::Unknown { .. })));
        assert_eq!(fake.elapsed(), Duration::from_millis(3_800));
        let fake = Fake::new(&[
            ("http://a/api", "leader-check", "401 Not Authorized"),
            ("http://a/api", "routed-leader-check", "401 Not Authorized"),
            ("http://b/api", "leader-check", "refused"),
            ("http://b/api", "routed-leader-check", "refused"),
        ]);
        let refused = Session::over(Arc::clone(&fake), endpoints("http://a http://b")).await;
        assert!(matches!(refused.err(), Some(NoLeader::Unauthorised(_))));
        assert_eq!(fake.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_is_not_json_keeps_the_host() {
        let fake = Fake::new(&[
            ("http://a/api", "leader-check", "200 \"OK\""),
            ("http://b/api", "leader-check", "404 Not leader"),
            ("http://a/api", "clusters", "502 busy | 200 []"),
        ]);
        let mut session = session(&fake, "http://a http://b").await;
        assert_eq!(session.call(&read()).await, Ok(Value::Array(vec![])));
        assert_eq!(fake.log().len(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_host_is_given_up_and_a_change_is_then_unknown() {
        let fake = Fake::new(&[
            ("http://a/api", "clusters", "silent"),
            ("http://a/api", "discover/db1/3306", "silent"),
        ]);
        let mut session = session(&fake, "http://a").await;
        let host = "http://a/api".to_owned();
        assert_eq!(
            session.call(&read()).await,
            Err(Error::TooSlow {
                host: host.clone(),
                seconds: 180
            })
        );
        assert_eq!(fake.elapsed(), Duration::from_secs(180));
        let limit = Some(Duration::from_secs(7));
        assert_eq!(
            session.call(&Call { limit, ..change() }).await,
            Err(Error::Unknown { host, seconds: 7 })
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_whose_connection_broke_is_in_doubt_and_one_that_was_never_sent_is_not() {
        let path = "discover/db1/3306";
        let refusal = r#"500/not-leader {"Code":"ERROR"}"#;
        for (script, in_doubt) in [
            ("refused", false),
            ("broken", true),
            // Once in doubt, later refusals say nothing of it.
            ("broken | refused", true),
            (&format!("broken | {refusal}"), true),
            (&format!("500/unknown-outcome {{}} | {refusal}"), true),
            ("503 no server", false),
            ("404 no such page", false),
            ("502 <html>", true),
            ("504 too long", true),
        ] {
            let fake = Fake::new(&[("http://a/api", path, script)]);
            let outcome = session(&fake, "http://a").await.call(&change()).await;
            assert_eq!(fake.log().len(), 8, "{script}");
            match in_doubt {
                true => assert!(
                    matches!(outcome, Err(Error::InDoubt { .. })),
                    "{script}: {outcome:?}"
                ),
                false => assert!(
                    matches!(outcome, Err(Error::NoAnswer { .. })),
                    "{script}: {outcome:?}"
                ),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_that_stays_is_the_answer() {
        let path = "discover/db1/3306";
        for (script, code) in [
            (r#"500/not-leader {"Code":"ERROR"}"#, "ERROR"),
            (r#"refused | 500/busy {"Code":"ERROR"}"#, "ERROR"),
            // It says itself that the outcome is unknown.
            (r#"broken | 500/unknown-outcome {"Code":"ERROR"}"#, "ERROR"),
            (r#"500/unknown-outcome {} | 200 {"Code":"OK"}"#, "OK"),
        ] {
            let fake = Fake::new(&[("http://a/api", path, script)]);
            let outcome = session(&fake, "http://a").await.call(&change()).await;
            assert_eq!(outcome.expect("an answer")["Code"], code, "{script}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_does_not_lead_any_more_is_left_for_the_one_that_does() {
        let path = "discover/db1/3306";
        let fake = Fake::new(&[
            (
                "http://a/api",
                "leader-check",
                "200 \"OK\" | 404 Not leader",
            ),
            (
                "http://b/api",
                "leader-check",
                "404 Not leader | 200 \"OK\"",
            ),
            ("http://a/api", path, r#"500/not-leader {"Code":"ERROR"}"#),
            ("http://b/api", path, "200 {}"),
        ]);
        let mut session = session(&fake, "http://a http://b").await;
        assert_eq!(session.call(&change()).await, Ok(serde_json::json!({})));
        assert_eq!(session.endpoint().to_string(), "http://b/api");
    }
}
