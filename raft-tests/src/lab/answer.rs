//! HTTP calls to a node, and what came back.

use anyhow::{Context as _, Result};
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;
use std::time::Duration;

/// Probing on request waits for the probed server; nothing that a test calls takes longer.
const CALL_DEADLINE: Duration = Duration::from_secs(20);

/// The answer to one HTTP call.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// The whole body.
    pub text: String,
    /// The body as JSON; `Null` when it is none.
    pub json: Value,
}

impl Answer {
    /// Whether the status is 200.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.status == StatusCode::OK
    }

    /// The `Code` of the predecessor's envelope, `OK` or `ERROR`; empty where the body is none.
    #[must_use]
    pub fn code(&self) -> &str {
        self.json["Code"].as_str().unwrap_or_default()
    }
}

/// A client that goes nowhere but where it is told: no proxy, no redirects.
pub(super) fn client() -> Result<Client> {
    // Fails when the process has one already, which is as good.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(CALL_DEADLINE)
        .build()
        .context("cannot make an HTTP client")
}

/// Makes one call, with a JSON body where one is given.
pub(super) async fn call(
    client: &Client,
    method: Method,
    url: &str,
    body: Option<&Value>,
) -> Result<Answer> {
    let mut request = client.request(method.clone(), url);
    if let Some(body) = body {
        request = request.json(body);
    }
    let response = request
        .send()
        .await
        .with_context(|| format!("{method} {url}"))?;
    let status = response.status();
    let text = response
        .text()
        .await
        .with_context(|| format!("{method} {url}: the body broke off"))?;
    // A body that is no JSON is a legal answer (metrics, web pages); the text has it.
    let json = serde_json::from_str(&text).unwrap_or(Value::Null);
    Ok(Answer { status, text, json })
}
