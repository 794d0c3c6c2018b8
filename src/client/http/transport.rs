//! The port to the network, and what comes back through it.

use std::future::Future;
use std::time::Duration;

use crate::endpoint::Endpoint;

/// The one HTTP status that is looked at: everything else is said by the body.
pub const UNAUTHORISED: u16 = 401;

/// The header by which a server says in one word why a request failed.
pub const KIND: &str = "Orchestrator-Error";

/// One request. The same request may be sent several times, and to several hosts.
#[derive(Clone, Debug)]
pub struct Request {
    /// Encoded path and query below the endpoint, without a slash at its start.
    pub path: String,
    /// The key that lets a server recognise a change that it has seen already.
    pub idempotency_key: Option<String>,
    /// Bound for this one attempt, from name resolution to the last byte.
    pub limit: Option<Duration>,
}

impl Request {
    /// Whether it may change something.
    pub fn changes(&self) -> bool {
        self.idempotency_key.is_some()
    }
}

/// What a host answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The whole body.
    pub body: Vec<u8>,
    /// The word of the header [`KIND`], which says why a request failed.
    pub kind: Option<String>,
}

/// Why there is no answer. No text holds a URL, so none holds a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// No connection was made, so nothing was sent: another host, or another time, may work.
    #[error("{0}")]
    Unreachable(String),
    /// The connection broke, or was silent for too long, after the request may have been sent.
    #[error("{0}")]
    Lost(String),
    /// The two sides cannot agree on TLS, or do not trust each other: trying again changes nothing.
    #[error("{0}")]
    Tls(String),
    /// The body is longer than any answer can be.
    #[error("the answer is longer than {0} MiB")]
    TooLong(usize),
}

/// Sends requests. To be correct, an implementation sends one request for one call, follows no redirect, and returns
/// within the request's limit when it has one. Dropping the future abandons the request; whether it was carried out is then unknown.
pub trait Transport: Send + Sync + 'static {
    /// Sends one request to one endpoint.
    fn get(
        &self,
        endpoint: &Endpoint,
        request: &Request,
    ) -> impl Future<Output = Result<Answer, Trouble>> + Send;
}
