//! A scripted network for the tests of the policy, in stepped time.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::transport::{Answer, Request, Transport, Trouble};
use crate::endpoint::Endpoint;

/// Answers by host and path. The last answer of a script is repeated; a request without a script fails the test.
///
/// An answer is `STATUS BODY`, `STATUS/KIND BODY`, `refused`, `broken`, `silent`, `tls REASON`, or `after MILLISECONDS ANSWER`.
pub struct Fake {
    scripts: Mutex<HashMap<String, VecDeque<String>>>,
    log: Mutex<Vec<String>>,
    started: tokio::time::Instant,
}

/// The endpoints of a list.
pub fn endpoints(list: &str) -> Vec<Endpoint> {
    Endpoint::parse_list(list).expect("endpoints")
}

impl Fake {
    /// Rows of host as shown, path, and answers separated by ` | `.
    #[allow(
        clippy::disallowed_methods,
        reason = "tokio's clock is paused in these tests"
    )]
    pub fn new(rows: &[(&str, &str, &str)]) -> Arc<Fake> {
        let script = |answers: &str| answers.split(" | ").map(str::to_owned).collect();
        let mut scripts = HashMap::new();
        for (host, path, answers) in rows {
            let host = crate::endpoint::mask(host);
            scripts.insert(format!("{host}/{path}"), script(answers));
        }
        Arc::new(Fake {
            scripts: Mutex::new(scripts),
            log: Mutex::default(),
            started: tokio::time::Instant::now(),
        })
    }

    /// `MILLISECONDS HOST/PATH KEY` for each request, in order.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().expect("no panic under the lock").clone()
    }

    /// Time since the start, as the code under test sees it.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn next(&self, endpoint: &Endpoint, request: &Request) -> String {
        let target = format!("{endpoint}/{}", request.path);
        let key = request.idempotency_key.as_deref().unwrap_or("-");
        let line = format!("{} {target} {key}", self.elapsed().as_millis());
        self.log.lock().expect("no panic under the lock").push(line);
        let mut scripts = self.scripts.lock().expect("no panic under the lock");
        let script = scripts
            .get_mut(&target)
            .unwrap_or_else(|| panic!("no script for {target}"));
        match script.len() {
            1 => script[0].clone(),
            _ => script.pop_front().expect("a script is not empty"),
        }
    }
}

async fn perform(answer: &str) -> Result<Answer, Trouble> {
    let (word, rest) = answer.split_once(' ').unwrap_or((answer, ""));
    match word {
        "refused" => Err(Trouble::Unreachable("Connection refused".into())),
        "broken" => Err(Trouble::Lost("connection reset".into())),
        "tls" => Err(Trouble::Tls(rest.into())),
        "silent" => std::future::pending().await,
        "after" => {
            let (wait, rest) = rest.split_once(' ').expect("a time and an answer");
            sleep(Duration::from_millis(wait.parse().expect("milliseconds"))).await;
            Box::pin(perform(rest)).await
        }
        status => {
            let (status, kind) = match status.split_once('/') {
                Some((status, kind)) => (status, Some(kind.to_owned())),
                None => (status, None),
            };
            Ok(Answer {
                status: status.parse().expect("a status"),
                body: rest.into(),
                kind,
            })
        }
    }
}

impl Transport for Fake {
    async fn get(&self, endpoint: &Endpoint, request: &Request) -> Result<Answer, Trouble> {
        let answer = self.next(endpoint, request);
        let limit = request.limit.unwrap_or(Duration::MAX);
        timeout(limit, perform(&answer))
            .await
            .unwrap_or_else(|_| Err(Trouble::Lost("no answer in time".into())))
    }
}
