//! The real transport: one HTTP request over a connection of its own.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use tokio::time::timeout;

use super::tls;
use super::transport::{Answer, KIND, Request, Transport, Trouble};
use crate::endpoint::Endpoint;
use crate::settings::{Basic, Settings};

/// A host that does not complete a connection within this is not there: TCP alone would try for minutes.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// Keep-alive probes find a host that lost its power during a long change: after about 30 s, where TCP alone never would.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_PROBES: u32 = 3;

/// Ten times the instances of the largest known fleet fit into this.
const MAX_BODY_MIB: usize = 512;

/// Sends requests with `reqwest`, always as the same user.
pub struct Client {
    http: reqwest::Client,
    basic: Option<Basic>,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Client {
    /// Prepares a client; nothing is sent yet.
    ///
    /// # Errors
    /// When a TLS file cannot be used.
    pub fn new(settings: &Settings, endpoints: &[Endpoint]) -> Result<Client, tls::Error> {
        let https = endpoints.iter().any(Endpoint::is_https);
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::config(&settings.tls, https)?)
            .user_agent(concat!("orchestrator-client/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .http1_only()
            // Each attempt has a connection of its own, so that its outcome says something about the host now.
            .pool_max_idle_per_host(0)
            .connect_timeout(CONNECT_LIMIT)
            .tcp_keepalive(KEEPALIVE_IDLE)
            .tcp_keepalive_interval(KEEPALIVE_INTERVAL)
            .tcp_keepalive_retries(KEEPALIVE_PROBES)
            .build()
            .expect("all that could fail here is the TLS backend, and it is built already");
        Ok(Client {
            http,
            basic: settings.basic.clone(),
            header: settings.header.clone(),
        })
    }

    /// The pair of the command line or environment counts before the one inside the URL.
    fn sign(&self, request: RequestBuilder, endpoint: &Endpoint) -> RequestBuilder {
        let basic = self.basic.as_ref();
        let mut request = request;
        if let Some(basic) = basic.or(endpoint.credentials.as_ref()) {
            request = request.header(AUTHORIZATION, basic_header(basic));
        }
        if let Some((name, value)) = &self.header {
            request = request.header(name, value);
        }
        request
    }

    async fn exchange(&self, endpoint: &Endpoint, request: &Request) -> Result<Answer, Trouble> {
        let mut sent = self.sign(self.http.get(endpoint.url(&request.path)), endpoint);
        if let Some(key) = &request.idempotency_key {
            sent = sent.header("Idempotency-Key", key);
        }
        let mut response = sent.send().await.map_err(trouble)?;
        let kind = response.headers().get(KIND);
        let kind = kind.and_then(|word| word.to_str().ok()).map(str::to_owned);
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(trouble)? {
            if body.len() + chunk.len() > MAX_BODY_MIB << 20 {
                return Err(Trouble::TooLong(MAX_BODY_MIB));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status: response.status().as_u16(),
            body,
            kind,
        })
    }
}

impl Transport for Client {
    async fn get(&self, endpoint: &Endpoint, request: &Request) -> Result<Answer, Trouble> {
        let Some(limit) = request.limit else {
            return self.exchange(endpoint, request).await;
        };
        timeout(limit, self.exchange(endpoint, request))
            .await
            .unwrap_or_else(|_| {
                let seconds = limit.as_secs();
                Err(Trouble::Lost(format!("no answer within {seconds} s")))
            })
    }
}

fn basic_header(basic: &Basic) -> HeaderValue {
    let pair = format!("{}:{}", basic.user(), basic.password());
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)))
        .expect("base64 has only characters that a header may hold");
    value.set_sensitive(true);
    value
}

/// Takes the URL out of an error, and keeps the innermost cause, which is the one that says what happened.
fn trouble(error: reqwest::Error) -> Trouble {
    let error = error.without_url();
    // Connecting is over before the first byte of a request is sent.
    let unreachable = error.is_connect();
    let mut cause: &dyn StdError = &error;
    loop {
        if let Some(tls) = tls_cause(cause) {
            return Trouble::Tls(tls.to_string());
        }
        match cause.source() {
            Some(deeper) => cause = deeper,
            None if unreachable => return Trouble::Unreachable(cause.to_string()),
            None => return Trouble::Lost(cause.to_string()),
        }
    }
}

fn tls_cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let wrapped = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref);
    match wrapped {
        Some(inner) => tls_cause(inner),
        None => error.downcast_ref(),
    }
}
