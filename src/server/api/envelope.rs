//! The two forms of answers: a bare value, or an envelope with code, message and details.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use super::error::ErrorKind;
use super::json::{self, Put, Rendered};

/// Header that says in one word why a request failed; the status of the first API is always 500.
pub const ERROR_HEADER: &str = "orchestrator-error";

#[derive(Serialize)]
struct Envelope<'a, T: Serialize + ?Sized> {
    #[serde(rename = "Code")]
    code: &'static str,
    #[serde(rename = "Message")]
    message: &'a str,
    #[serde(rename = "Details")]
    details: &'a T,
}

/// The value itself, with status 200.
pub fn bare<T: Serialize + ?Sized>(value: &T) -> Response<Body> {
    bare_with(StatusCode::OK, value)
}

/// The value itself, with a status.
pub fn bare_with<T: Serialize + ?Sized>(status: StatusCode, value: &T) -> Response<Body> {
    answer(status, json::render(value))
}

/// A value that has been rendered, with status 200.
pub fn rendered(value: Rendered) -> Response<Body> {
    answer(StatusCode::OK, value.into_bytes())
}

fn answer(status: StatusCode, body: Vec<u8>) -> Response<Body> {
    let mut answer = Response::new(Body::from(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(json::CONTENT_TYPE),
    );
    answer
}

/// An envelope that says OK, with status 200. Details `&()` are `null`.
pub fn ok<T: Serialize + ?Sized>(message: &str, details: &T) -> Response<Body> {
    bare(&Envelope {
        code: "OK",
        message,
        details,
    })
}

/// The same with details that have been rendered.
pub fn ok_rendered(message: &str, details: Rendered) -> Response<Body> {
    let mut body = br#"{"Code":"OK","Message":"#.to_vec();
    message.put(&mut body);
    body.extend_from_slice(br#","Details":"#);
    body.extend_from_slice(&details.into_bytes());
    body.push(b'}');
    answer(StatusCode::OK, body)
}

/// An envelope that says ERROR, with status 500 and the kind in the header.
pub fn error<T: Serialize + ?Sized>(kind: ErrorKind, message: &str, details: &T) -> Response<Body> {
    let envelope = Envelope {
        code: "ERROR",
        message,
        details,
    };
    let mut answer = bare_with(StatusCode::INTERNAL_SERVER_ERROR, &envelope);
    answer
        .headers_mut()
        .insert(ERROR_HEADER, HeaderValue::from_static(kind.as_str()));
    answer
}
