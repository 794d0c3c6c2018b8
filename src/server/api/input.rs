//! What comes with a request: path segments, query, caller, and texts that people typed.

use std::time::Duration;

use axum::extract::{FromRequestParts, Query, RawPathParams};
use axum::http::Uri;
use axum::http::request::Parts;
use orchestrator_core::domain::{InstanceKey, KeyError, NotAPublicToken, UnknownPromotionRule};

use super::once::{Named, named};
use super::{ApiError, AppState, Caller};

/// Longest owner of a downtime; the predecessor's tables hold as much.
const OWNER_MAX: usize = 128;

/// Longest reason of a downtime: it is shown in lists and kept in every log.
const REASON_MAX: usize = 1024;

/// Longest alias of a cluster; the predecessor's tables hold as much.
const ALIAS_MAX: usize = 128;

/// Longest downtime: ten years. A longer one is a slip of the unit.
const DOWNTIME_MAX: Duration = Duration::from_secs(3650 * 24 * 3600);

/// Why an argument cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// Percent-escapes that are no UTF-8.
    #[error("the path holds an escaped byte sequence that is not UTF-8 text")]
    PathIsNotText,
    /// An escaped query that cannot be read.
    #[error("the query of the URL cannot be read: {reason}")]
    Query {
        /// What is wrong.
        reason: String,
    },
    /// Nothing but white space.
    #[error("the {what} is empty; say it in the URL")]
    Empty {
        /// What it is.
        what: &'static str,
    },
    /// More than is kept.
    #[error("the {what} has {length} characters; at most {max} are kept")]
    TooLong {
        /// What it is.
        what: &'static str,
        /// Characters found.
        length: usize,
        /// Characters allowed.
        max: usize,
    },
    /// An acknowledgement without its `?comment=`. The text is the one clients know.
    #[error("No acknowledge comment given")]
    NoComment,
    /// Neither the number nor the UID of a recovery.
    #[error(
        "'{}' is neither the number of a recovery nor its UID of 32 hexadecimal digits",
        text.chars().take(64).collect::<String>().escape_debug()
    )]
    RecoveryName {
        /// The text.
        text: String,
    },
    /// Not a number with a unit.
    #[error(
        "'{}' is not a duration; write a whole number and one of s, m, h, d, w, for example 30m",
        text.escape_debug()
    )]
    Duration {
        /// The text.
        text: String,
    },
    /// More than ten years.
    #[error("a downtime of {text} is too long; the longest is 3650d")]
    DurationTooLong {
        /// The text.
        text: String,
    },
    /// None of the words that are known.
    #[error("the {what} is to be {words}")]
    NotOneOf {
        /// What it is.
        what: &'static str,
        /// The words.
        words: &'static str,
    },
    /// No promotion rule.
    #[error(transparent)]
    PromotionRule(#[from] UnknownPromotionRule),
    /// No public half of an access token.
    #[error(transparent)]
    PublicToken(#[from] NotAPublicToken),
    /// An idempotency key that is none, or several.
    #[error(
        "the header Idempotency-Key is to be there once, with 1 to 128 visible ASCII characters; nothing was changed"
    )]
    IdempotencyKey,
    /// An idempotency key that another request has.
    #[error(
        "this Idempotency-Key belongs to another request of the last ten minutes; nothing was changed: give each call a key of its own, and only its retries the same"
    )]
    KeyOfAnotherRequest,
    /// A request that reached a handler without having passed the access check: a fault of the assembly.
    #[error(
        "the caller of this request was not established; this is a fault of the service, please report it"
    )]
    NoCaller,
}

/// The decoded, trimmed segments of the path. Clients of the predecessor append a newline to some.
pub struct Params(Vec<(String, String)>);

impl Params {
    /// The segment of that name. Every route is only given handlers that ask for its own segments.
    pub fn get(&self, name: &str) -> &str {
        self.find(name).unwrap_or_default()
    }

    /// The segment of that name, where the route has it.
    pub fn find(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The instance that `{host}` and `{port}` name, as written.
    ///
    /// # Errors
    /// [`KeyError`] naming the part that is wrong.
    pub fn instance(&self) -> Result<InstanceKey, KeyError> {
        InstanceKey::from_parts(self.get("host"), self.get("port"))
    }

    /// The instance that two other segments name, as written; `None` where the route does not have them.
    ///
    /// # Errors
    /// [`KeyError`] naming the part that is wrong.
    pub fn other_instance(&self, host: &str, port: &str) -> Result<Option<InstanceKey>, KeyError> {
        match (self.find(host), self.find(port)) {
            (Some(host), Some(port)) => InstanceKey::from_parts(host, port).map(Some),
            _ => Ok(None),
        }
    }

    /// What names a cluster: `{hint}`, or `{host}` and `{port}` as `host:port`.
    pub fn hint(&self) -> String {
        match (self.find("hint"), self.find("host"), self.find("port")) {
            (Some(hint), ..) => hint.to_owned(),
            // As a key prints, so that an IPv6 address keeps apart from its port.
            (None, Some(host), Some(port)) => self
                .instance()
                .map_or_else(|_| format!("{host}:{port}"), |key| key.to_string()),
            _ => String::new(),
        }
    }
}

impl FromRequestParts<AppState> for Params {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let raw = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| InputError::PathIsNotText)?;
        let trimmed = raw
            .iter()
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
        Ok(Self(trimmed.collect()))
    }
}

/// Who asks for a change, and which request it is.
pub struct Requester {
    /// Who and whence.
    pub caller: Caller,
    /// The idempotency key, the caller, the method and the route, when a key was sent.
    idempotency: Option<Named>,
}

impl Requester {
    /// The same request without its idempotency key, for a change whose answer holds what was drawn for it: the answer of
    /// an earlier try would not fit what this one drew.
    pub fn once(self) -> Self {
        Self {
            idempotency: None,
            ..self
        }
    }

    /// Id of one proposal of this request. With an idempotency key it is the same in every retry, so that the change
    /// takes effect once; `part` tells the proposals of one request apart.
    pub fn request_id(&self, part: &str, fresh: impl FnOnce() -> u128) -> u128 {
        self.lasting_id(part).unwrap_or_else(fresh)
    }

    /// The same, where it lasts over retries.
    pub fn lasting_id(&self, part: &str) -> Option<u128> {
        Some(self.idempotency?.proposal(part))
    }
}

impl FromRequestParts<AppState> for Requester {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let caller = parts.extensions.get::<Caller>();
        let caller = caller.cloned().ok_or(InputError::NoCaller)?;
        let idempotency = named(
            state,
            &parts.method,
            &parts.uri,
            &parts.headers,
            &caller.user,
        )?;
        Ok(Self {
            caller,
            idempotency,
        })
    }
}

/// The first value of a name in the query, decoded.
///
/// # Errors
/// [`InputError::Query`].
pub fn query_value(uri: &Uri, name: &str) -> Result<Option<String>, InputError> {
    let query = Query::<Vec<(String, String)>>::try_from_uri(uri);
    let Query(pairs) = query.map_err(|error| InputError::Query {
        reason: error.body_text(),
    })?;
    let found = pairs.into_iter().find(|(known, _)| known == name);
    Ok(found.map(|(_, value)| value))
}

/// The owner of a downtime.
///
/// # Errors
/// [`InputError`] when it is empty or too long.
pub fn owner(text: &str) -> Result<String, InputError> {
    typed_text("owner", text, OWNER_MAX)
}

/// The reason of a downtime.
///
/// # Errors
/// [`InputError`] when it is empty or too long.
pub fn reason(text: &str) -> Result<String, InputError> {
    typed_text("reason", text, REASON_MAX)
}

/// The alias of a cluster.
///
/// # Errors
/// [`InputError`] when it is too long.
pub fn alias(text: &str) -> Result<String, InputError> {
    match text.trim() {
        "" => Ok(String::new()),
        text => typed_text("alias", text, ALIAS_MAX),
    }
}

/// The comment of an acknowledgement.
///
/// # Errors
/// [`InputError`] when it is empty or too long.
pub fn comment(text: &str) -> Result<String, InputError> {
    match text.trim() {
        "" => Err(InputError::NoComment),
        text => typed_text("comment", text, REASON_MAX),
    }
}

/// A text for people: control bytes become visible escapes, so that it cannot forge lines in a log or a terminal.
fn typed_text(what: &'static str, text: &str, max: usize) -> Result<String, InputError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(InputError::Empty { what });
    }
    let length = text.chars().count();
    if length > max {
        return Err(InputError::TooLong { what, length, max });
    }
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() {
            true => clean.extend(c.escape_default()),
            false => clean.push(c),
        }
    }
    Ok(clean)
}

/// A duration such as `90s`, `30m`, `12h`, `7d`, `2w`.
///
/// # Errors
/// [`InputError`] when it is not of that form, or longer than ten years.
pub fn downtime_length(text: &str) -> Result<Duration, InputError> {
    let wrong = || InputError::Duration {
        text: text.to_owned(),
    };
    let too_long = || InputError::DurationTooLong {
        text: text.to_owned(),
    };
    let unit_at = text
        .len()
        .checked_sub(1)
        .filter(|at| text.is_char_boundary(*at));
    let (digits, unit) = text.split_at(unit_at.ok_or_else(wrong)?);
    let seconds_each = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        "w" => 7 * 24 * 3600,
        _ => return Err(wrong()),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let count: u64 = digits.parse().map_err(|_| too_long())?;
    let seconds = count.checked_mul(seconds_each).ok_or_else(too_long)?;
    match Duration::from_secs(seconds) {
        length if length > DOWNTIME_MAX => Err(too_long()),
        length => Ok(length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        for (text, seconds) in [
            ("90s", 90),
            ("30m", 1800),
            ("12h", 43_200),
            ("7d", 604_800),
            ("2w", 1_209_600),
            ("0s", 0),
            ("3650d", 315_360_000),
        ] {
            assert_eq!(downtime_length(text).unwrap().as_secs(), seconds, "{text}");
        }
        for text in [
            "", "m", "10", "-1m", "+1m", "1.5h", "10 m", "10M", "1y", "1ä", "ä",
        ] {
            assert_eq!(
                downtime_length(text),
                Err(InputError::Duration { text: text.into() }),
                "{text:?}"
            );
        }
        for text in ["3651d", "99999999999999999999s", "9999999999999999999w"] {
            assert_eq!(
                downtime_length(text),
                Err(InputError::DurationTooLong { text: text.into() }),
                "{text:?}"
            );
        }
    }

    #[test]
    fn typed_texts_are_trimmed_bounded_and_cannot_forge_lines() {
        assert_eq!(reason(" disk\n").unwrap(), "disk");
        assert_eq!(
            reason("a\nERROR\u{85}b\x1b[2J").unwrap(),
            "a\\nERROR\\u{85}b\\u{1b}[2J"
        );
        assert_eq!(owner(" \n"), Err(InputError::Empty { what: "owner" }));
        assert_eq!(
            owner(&"ä".repeat(129)),
            Err(InputError::TooLong {
                what: "owner",
                length: 129,
                max: 128
            })
        );
        assert_eq!(owner(&"ä".repeat(128)).unwrap().chars().count(), 128);
    }
}
