//! Requests and answers as HTTP has them, and as they go over the peer port.

use axum::body::{Body, Bytes, to_bytes};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use axum::response::Response;
use orchestrator_core::ports::{ForwardedRequest, ForwardedResponse};

use crate::api::access::{Standing, VouchError, Vouched};
use crate::api::serve::Limits;
use crate::api::{ApiConfig, IDEMPOTENCY_KEY};

/// Largest answer that is passed on: ten times the instances of the largest known fleet fit into it.
pub(super) const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Longest `X-Forwarded-For` that is passed on; the beginning of a longer one is dropped, whose writer is farthest away.
const FORWARDED_FOR_MAX: usize = 1024;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Header lines of a request that go along as they are. Whatever could be a credential is not among them, and neither is
/// what says who the caller is.
const PASSED: [HeaderName; 3] = [header::ACCEPT, header::CONTENT_TYPE, IDEMPOTENCY_KEY];

/// Header lines of an answer that are about one connection or one encoding of the body, and are made anew.
const OF_A_CONNECTION: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::DATE,
];

/// A request on its way out.
pub(super) fn outgoing(
    parts: &Parts,
    body: &Bytes,
    standing: &Standing,
    config: &ApiConfig,
) -> ForwardedRequest {
    let mut headers = HeaderMap::new();
    for name in PASSED {
        if let Some(value) = parts.headers.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    if let Some(value) = forwarded_for(&parts.headers, standing) {
        headers.insert(FORWARDED_FOR, value);
    }
    let spoke_tls = config.serves_tls && !standing.is_on_a_socket_file();
    match parts.headers.get(FORWARDED_PROTO) {
        Some(value) => drop(headers.insert(FORWARDED_PROTO, value.clone())),
        None if spoke_tls => {
            drop(headers.insert(FORWARDED_PROTO, HeaderValue::from_static("https")))
        }
        None => {}
    }
    ForwardedRequest {
        method: parts.method.to_string(),
        target: target(&parts.uri, &config.url_prefix),
        headers: lines(&headers),
        body: body.to_vec(),
        caller: standing.vouch(&config.node_name).to_bytes(),
    }
}

/// Path and query below this node's URL prefix: the leader may have another one.
fn target(uri: &Uri, prefix: &str) -> String {
    let whole = uri.path_and_query().map_or("/", |target| target.as_str());
    whole.strip_prefix(prefix).unwrap_or(whole).to_owned()
}

fn forwarded_for(headers: &HeaderMap, standing: &Standing) -> Option<HeaderValue> {
    let earlier = headers.get_all(FORWARDED_FOR).iter();
    let earlier = earlier
        .filter_map(|value| value.to_str().ok())
        .map(str::to_owned);
    let all: Vec<String> = earlier
        .chain(standing.address().map(|ip| ip.to_string()))
        .collect();
    let text = all.join(", ");
    let kept = text.len().saturating_sub(FORWARDED_FOR_MAX);
    (!text.is_empty())
        .then(|| HeaderValue::from_str(&text[kept..]).ok())
        .flatten()
}

fn lines(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let line = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.as_str().to_owned(), value.as_bytes().to_vec())
    };
    headers.iter().map(line).collect()
}

/// Why a request that another node passed on cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadRequest {
    /// No HTTP method, path or header.
    #[error("a request that another node passed on is none: {0}")]
    Malformed(&'static str),
    /// More than this node takes from a client.
    #[error("a request that another node passed on is too large: {0}")]
    TooLarge(String),
    /// Its caller is not known.
    #[error("the caller of a request that another node passed on cannot be told: {0}")]
    Caller(#[from] VouchError),
}

/// A request that another node passed on, as this node's own routes take it.
pub(super) fn incoming(
    request: ForwardedRequest,
    config: &ApiConfig,
    limits: &Limits,
) -> Result<Request<Body>, BadRequest> {
    let vouched = Vouched::from_bytes(&request.caller)?;
    let method = Method::from_bytes(request.method.as_bytes())
        .map_err(|_| BadRequest::Malformed("its method"))?;
    if !request.target.starts_with('/') {
        return Err(BadRequest::Malformed("its path"));
    }
    let uri: Uri = format!("{}{}", config.url_prefix, request.target)
        .parse()
        .map_err(|_| BadRequest::Malformed("its path"))?;
    let mut built = Request::new(Body::empty());
    for (name, value) in request.headers {
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| BadRequest::Malformed("a header"))?;
        // A node that is captured must not speak as a client with credentials either.
        if !PASSED.contains(&name) && name != FORWARDED_FOR && name != FORWARDED_PROTO {
            continue;
        }
        let value =
            HeaderValue::from_bytes(&value).map_err(|_| BadRequest::Malformed("a header"))?;
        built.headers_mut().append(name, value);
    }
    if let Some((_, complaint)) = limits.complaint(&uri, built.headers()) {
        return Err(BadRequest::TooLarge(complaint));
    }
    if u64::try_from(request.body.len()).unwrap_or(u64::MAX) > limits.body_bytes {
        return Err(BadRequest::TooLarge("its body".to_owned()));
    }
    *built.method_mut() = method;
    *built.uri_mut() = uri;
    *built.body_mut() = Body::from(request.body);
    built.extensions_mut().insert(vouched);
    Ok(built)
}

/// An answer of this node's routes, as it goes to the node that passed the request on; `None` when it is too large.
pub(super) async fn answered(response: Response) -> Option<ForwardedResponse> {
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, ANSWER_BYTES_MAX).await.ok()?;
    Some(ForwardedResponse {
        status: parts.status.as_u16(),
        headers: lines(&parts.headers),
        body: body.to_vec(),
    })
}

/// The leader's answer, as it goes to the caller.
pub(super) fn handed_on(answer: ForwardedResponse) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    for (name, value) in answer.headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        let (Ok(name), Ok(mut value)) = (name, HeaderValue::from_bytes(&value)) else {
            continue;
        };
        if OF_A_CONNECTION.contains(&name) {
            continue;
        }
        // It may hold the secret of an access token.
        value.set_sensitive(name == header::SET_COOKIE);
        response.headers_mut().append(name, value);
    }
    response
}

/// The value of a header of the leader's answer.
pub(super) fn header_of<'a>(answer: &'a ForwardedResponse, name: &str) -> Option<&'a [u8]> {
    let found = answer
        .headers
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_slice())
}
