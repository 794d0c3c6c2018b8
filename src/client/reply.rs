//! Whether an answer says that the request was carried out.

use serde_json::Value;

use crate::text;

/// An answer, judged by its body alone.
#[derive(Debug, PartialEq)]
pub enum Reply {
    /// Anything that is no refusal.
    Success(Value),
    /// An envelope whose `Code` contains `ERROR`, or an error of the second API.
    Refusal {
        /// One line for standard error.
        message: String,
        /// One line for standard output, unless `Details` is null.
        details: Option<String>,
        /// The whole envelope on one line.
        envelope: String,
    },
}

impl Reply {
    /// Judges a body.
    pub fn read(body: Value) -> Reply {
        match body.get("Code").map(as_text) {
            Some(code) if code.contains("ERROR") => Reply::Refusal {
                message: message(body.get("Message")),
                details: body
                    .get("Details")
                    .filter(|details| !details.is_null())
                    .map(text::one_line),
                envelope: text::one_line(&body),
            },
            _ => match error_of(&body) {
                Some(said) => Reply::Refusal {
                    message: message(Some(said)),
                    details: None,
                    envelope: text::one_line(&body),
                },
                None => Reply::Success(body),
            },
        }
    }
}

/// The message of an error of the second API: an object with nothing but `error`.
fn error_of(body: &Value) -> Option<&Value> {
    let object = body.as_object().filter(|object| object.len() == 1)?;
    object.get("error")?.get("message")
}

/// Single quotes are left out and white space is squeezed, as the predecessor's shell did it.
fn message(message: Option<&Value>) -> String {
    text::squeeze(&message.map(as_text).unwrap_or_default().replace('\'', ""))
}

fn as_text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::Reply;
    use serde_json::{Value, json};

    #[test]
    fn everything_but_an_error_envelope_is_success() {
        for body in [
            json!([]),
            json!("OK"),
            json!(null),
            json!({}),
            json!({"Key": {}}),
            json!({"Code": "OK", "Message": "fine", "Details": null}),
            json!([{"Code": "ERROR"}]),
        ] {
            assert_eq!(Reply::read(body.clone()), Reply::Success(body));
        }
    }

    #[test]
    fn an_error_envelope_is_a_refusal_with_its_message_squeezed() {
        let refusal = |details: Value| {
            Reply::read(
                json!({"Code": "ERROR", "Message": "it's  not\n there ", "Details": details}),
            )
        };
        for (details, line) in [
            (json!(null), None),
            (json!("text"), Some("\"text\"")),
            (json!({"Port": 1}), Some("{ \"Port\": 1 }")),
        ] {
            let Reply::Refusal {
                message,
                details: printed,
                envelope,
            } = refusal(details)
            else {
                panic!("a refusal is expected");
            };
            assert_eq!(message, "its not there");
            assert_eq!(printed.as_deref(), line);
            assert!(
                envelope.starts_with("{ \"Code\": \"ERROR\", "),
                "{envelope}"
            );
        }
    }

    #[test]
    fn an_error_of_the_second_api_is_a_refusal() {
        let reply =
            Reply::read(json!({"error": {"kind": "not-found", "message": "it's not there"}}));
        let Reply::Refusal {
            message, details, ..
        } = reply
        else {
            panic!("a refusal is expected");
        };
        assert_eq!((message.as_str(), details), ("its not there", None));
        for body in [
            json!({"error": null}),
            json!({"error": {"message": "x"}, "more": 1}),
        ] {
            assert_eq!(Reply::read(body.clone()), Reply::Success(body));
        }
    }

    #[test]
    fn a_refusal_without_message_is_a_refusal_too() {
        let reply = Reply::read(json!({"Code": "ERROR"}));
        let Reply::Refusal {
            message, details, ..
        } = reply
        else {
            panic!("a refusal is expected");
        };
        assert_eq!((message.as_str(), details), ("", None));
    }
}
