//! API endpoints: the texts of `ORCHESTRATOR_API` or `-U`, made into URLs that end in `/api`.

use std::fmt;

use reqwest::Url;

use crate::settings::Basic;

/// Where the predecessor looked when nothing is configured.
pub const DEFAULT: &str = "http://localhost:3000";

/// More endpoints than any group has nodes are a mistake in the variable, and each would cost a request.
const MAX_ENDPOINTS: usize = 32;

/// A list of endpoints that cannot be used. None of the texts holds a password.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// White space only.
    #[error("ORCHESTRATOR_API is empty: give an endpoint such as {DEFAULT}, there or with -U")]
    Empty,
    /// Over [`MAX_ENDPOINTS`].
    #[error("ORCHESTRATOR_API holds {0} endpoints, at most {MAX_ENDPOINTS} are used")]
    TooMany(usize),
    /// Not a URL.
    #[error(
        "'{endpoint}' is not an endpoint ({reason}): write http://host:port or https://host:port in ORCHESTRATOR_API or -U"
    )]
    NotUrl {
        /// The text, with its password replaced.
        endpoint: String,
        /// What the URL parser said.
        reason: String,
    },
}

/// One node's API.
#[derive(Clone)]
pub struct Endpoint {
    /// As the user wrote it, password replaced, ending in `/api`.
    shown: String,
    /// What requests go to: without user and password, ending in `/api`.
    base: String,
    https: bool,
    /// User and password written inside the URL.
    pub credentials: Option<Basic>,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.shown)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.shown)
    }
}

impl Endpoint {
    /// One endpoint text. A text without scheme gets `http://`, as `curl` does it.
    ///
    /// # Errors
    /// When it is no HTTP URL, or one with a query or fragment, which could not be followed by a path.
    pub fn parse(text: &str) -> Result<Endpoint, Error> {
        let refuse = |reason: &str| Error::NotUrl {
            endpoint: mask(text),
            reason: reason.to_owned(),
        };
        let parse = |text: &str| {
            let url = match text.contains("://") {
                true => Url::parse(text),
                false => Url::parse(&format!("http://{text}")),
            };
            url.map_err(|error| refuse(&error.to_string()))
        };
        // As written too: without its host, the text would take the added `api` for one.
        parse(text)?;
        let normalised = normalise(text);
        let mut url = parse(&normalised)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refuse("only http and https are spoken"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("it has a query or a fragment"));
        }
        let credentials = Basic::from_url(&url);
        strip_credentials(&mut url);
        Ok(Endpoint {
            shown: mask(&normalised),
            https: url.scheme() == "https",
            base: url.into(),
            credentials,
        })
    }

    /// All endpoints of a list separated by white space; at least one.
    ///
    /// # Errors
    /// When the list is empty or too long, or when one of the texts is no endpoint.
    pub fn parse_list(list: &str) -> Result<Vec<Endpoint>, Error> {
        let texts: Vec<&str> = list.split_whitespace().collect();
        match texts.len() {
            0 => Err(Error::Empty),
            many if many > MAX_ENDPOINTS => Err(Error::TooMany(many)),
            _ => texts.into_iter().map(Endpoint::parse).collect(),
        }
    }

    /// The URL of a path below this endpoint. The path is encoded already.
    pub fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    /// Whether TLS is needed to reach it.
    pub fn is_https(&self) -> bool {
        self.https
    }
}

/// Neither can fail: an http URL always has a host.
fn strip_credentials(url: &mut Url) {
    let stripped = url.set_username("").and_then(|()| url.set_password(None));
    stripped.expect("an http URL can have a user and a password");
}

/// Takes one trailing slash away and adds `/api` where it is missing.
fn normalise(text: &str) -> String {
    let text = text.strip_suffix('/').unwrap_or(text);
    if text.ends_with("/api") {
        text.to_owned()
    } else {
        format!("{text}/api")
    }
}

/// The same text with the password of a URL replaced by `***`.
///
/// It looks for the last `@`, so that a password with an unencoded `/` or `@` is covered too.
pub fn mask(text: &str) -> String {
    let start = text.find("://").map_or(0, |at| at + "://".len());
    let Some(end) = text.rfind('@').filter(|end| *end >= start) else {
        return text.to_owned();
    };
    match text[start..end].split_once(':') {
        Some((user, _)) => format!("{}{user}:***{}", &text[..start], &text[end..]),
        None => text.to_owned(),
    }
}

/// The list as one text for messages, passwords replaced.
pub fn join(endpoints: &[Endpoint]) -> String {
    let texts: Vec<String> = endpoints.iter().map(Endpoint::to_string).collect();
    texts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, Error, mask};

    #[test]
    fn endpoints_end_in_api_and_keep_their_prefix() {
        for (text, shown, url) in [
            (
                "http://h:3000",
                "http://h:3000/api",
                "http://h:3000/api/clusters",
            ),
            (
                "http://h:3000/",
                "http://h:3000/api",
                "http://h:3000/api/clusters",
            ),
            (
                "http://h:3000/api",
                "http://h:3000/api",
                "http://h:3000/api/clusters",
            ),
            (
                "http://h:3000/api/",
                "http://h:3000/api",
                "http://h:3000/api/clusters",
            ),
            (
                "http://h:3000/orc",
                "http://h:3000/orc/api",
                "http://h:3000/orc/api/clusters",
            ),
            (
                "https://h/orc/api",
                "https://h/orc/api",
                "https://h/orc/api/clusters",
            ),
            ("h:3000", "h:3000/api", "http://h:3000/api/clusters"),
            ("h", "h/api", "http://h/api/clusters"),
            (
                "http://[::1]:3000",
                "http://[::1]:3000/api",
                "http://[::1]:3000/api/clusters",
            ),
            (
                "http://u:p@h:3000",
                "http://u:***@h:3000/api",
                "http://h:3000/api/clusters",
            ),
        ] {
            let endpoint = Endpoint::parse(text).expect(text);
            assert_eq!(endpoint.to_string(), shown, "{text}");
            assert_eq!(endpoint.url("clusters"), url, "{text}");
            assert_eq!(endpoint.is_https(), text.starts_with("https"), "{text}");
        }
    }

    #[test]
    fn credentials_inside_the_url_are_taken_out_and_decoded() {
        let endpoint = Endpoint::parse("http://us%40er:p%2Fw@h:3000").expect("an endpoint");
        let basic = endpoint.credentials.as_ref().expect("credentials");
        assert_eq!((basic.user(), basic.password()), ("us@er", "p/w"));
        assert!(!format!("{endpoint:?}").contains("p%2Fw"));
    }

    #[test]
    fn passwords_are_masked_also_where_the_url_is_wrong() {
        for (text, expected) in [
            ("http://u:p@h", "http://u:***@h"),
            ("u:p@h:3000", "u:***@h:3000"),
            ("http://u:p/w@h", "http://u:***@h"),
            ("http://u:p@w@h", "http://u:***@h"),
            ("http://u@h", "http://u@h"),
            ("http://h:3000", "http://h:3000"),
            ("@://h", "@://h"),
        ] {
            assert_eq!(mask(text), expected);
        }
        let error = Endpoint::parse("http://u:secret/x@h").expect_err("no valid port");
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn a_list_is_split_at_white_space() {
        let list = Endpoint::parse_list(" http://a:1\n\thttp://b:2 ").expect("two endpoints");
        assert_eq!(super::join(&list), "http://a:1/api http://b:2/api");
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        assert_eq!(Endpoint::parse_list("  ").err(), Some(Error::Empty));
        assert_eq!(
            Endpoint::parse_list(&"http://a ".repeat(33)).err(),
            Some(Error::TooMany(33))
        );
        for text in [
            "ftp://h",
            "http://h:port",
            "http://",
            "http://h?x=1",
            "http://h#x",
        ] {
            assert!(
                matches!(Endpoint::parse(text), Err(Error::NotUrl { .. })),
                "{text}"
            );
        }
    }
}
