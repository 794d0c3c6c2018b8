use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use orchestrator_core::ports::Group;

/// Index of the last entry that the node which answers had applied.
pub(super) const APPLIED_INDEX: HeaderName =
    HeaderName::from_static("x-orchestrator-applied-index");

/// How old, at most, the decided state of the node which answers was, in seconds; `unknown` when it never heard a leader.
pub(super) const AGE: HeaderName = HeaderName::from_static("x-orchestrator-age-seconds");

/// Says on an answer of this node how fresh it is.
pub(super) fn say(group: &dyn Group, mut answer: Response) -> Response {
    let status = group.status();
    let age = match status.age {
        Some(age) => format!("{:.3}", age.as_secs_f64()),
        None => "unknown".to_owned(),
    };
    let age = HeaderValue::from_str(&age).expect("digits and letters are fit for a header");
    let headers = answer.headers_mut();
    headers.insert(APPLIED_INDEX, HeaderValue::from(status.applied_index));
    headers.insert(AGE, age);
    answer
}
