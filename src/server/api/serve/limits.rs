use std::time::Duration;

use axum::http::{HeaderMap, StatusCode, Uri};

/// Bounds on what a client may take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Open connections at once. Each costs a descriptor and some 20 KiB; the usual descriptor limit is 1,024 with room
    /// needed for the servers that are probed, so the listener raises its own limit no further than this.
    pub connections: usize,
    /// Requests being handled at once, health excepted.
    pub requests: usize,
    /// Time for a TLS handshake.
    pub handshake: Duration,
    /// Time for a whole request header, waiting for its first byte included.
    pub header: Duration,
    /// Time in which a read or a write has to make some progress.
    pub stall: Duration,
    /// Time for open requests to end when the service stops.
    pub drain: Duration,
    /// Bytes of all headers together.
    pub header_bytes: usize,
    /// Bytes of path and query.
    pub uri_bytes: usize,
    /// Bytes of a request body.
    pub body_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 2_000,
            requests: 256,
            handshake: Duration::from_secs(5),
            header: Duration::from_secs(10),
            stall: Duration::from_secs(30),
            drain: Duration::from_secs(10),
            header_bytes: 16 * 1024,
            uri_bytes: 8 * 1024,
            body_bytes: 64 * 1024,
        }
    }
}

impl Limits {
    /// Why a request is too large to be looked at, as its status and one sentence.
    pub(in crate::api) fn complaint(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Option<(StatusCode, String)> {
        let uri_bytes = uri.path().len() + uri.query().map_or(0, |query| query.len() + 1);
        if uri_bytes > self.uri_bytes {
            let text = format!(
                "the address has {uri_bytes} bytes; at most {} are taken",
                self.uri_bytes
            );
            return Some((StatusCode::URI_TOO_LONG, text));
        }
        let header_bytes: usize = headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 4)
            .sum();
        if header_bytes > self.header_bytes {
            let text = format!(
                "the headers have {header_bytes} bytes; at most {} are taken",
                self.header_bytes
            );
            return Some((StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, text));
        }
        let declared = headers
            .get("content-length")
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.parse::<u64>().ok());
        if declared.is_some_and(|bytes| bytes > self.body_bytes) {
            let text = format!(
                "the body has {} bytes; at most {} are taken",
                declared.unwrap_or_default(),
                self.body_bytes
            );
            return Some((StatusCode::PAYLOAD_TOO_LARGE, text));
        }
        None
    }
}
