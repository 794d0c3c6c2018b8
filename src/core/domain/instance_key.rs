use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest host text accepted: a DNS name has at most 253 characters (RFC 1035, section 2.3.4, without the dots of the
/// wire form).
const MAX_HOST_LENGTH: usize = 253;

/// Host of a MySQL server: a DNS name or an IP address, as written, never empty and never with a port.
///
/// Only letters, digits, `.`, `-`, `_` and, for IPv6, `:` and `%` are accepted, so that a name reported by a server can
/// go into statements, logs and pages without surprises.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostName(Arc<str>);

impl HostName {
    /// Parses a bare host. Surrounding white space is dropped (clients of the predecessor append a newline).
    ///
    /// # Errors
    /// [`KeyError`] when it is empty, too long, or holds another character.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        let text = text
            .strip_prefix('[')
            .and_then(|t| t.strip_suffix(']'))
            .unwrap_or(text);
        if text.is_empty() {
            return Err(KeyError::EmptyHost);
        }
        if text.len() > MAX_HOST_LENGTH {
            return Err(KeyError::HostTooLong { length: text.len() });
        }
        let is_v6 = text.contains(':');
        if is_v6
            && text
                .split('%')
                .next()
                .is_none_or(|a| a.parse::<IpAddr>().is_err())
        {
            return Err(KeyError::BadHost {
                host: text.to_owned(),
            });
        }
        let allowed = |c: char| {
            c.is_ascii_alphanumeric()
                || matches!(c, '.' | '-' | '_')
                || (is_v6 && matches!(c, ':' | '%'))
        };
        if !text.chars().all(allowed) || text.starts_with('-') {
            return Err(KeyError::BadHost {
                host: text.to_owned(),
            });
        }
        Ok(Self(Arc::from(text)))
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address, when this is one and not a name.
    pub fn as_ip(&self) -> Option<IpAddr> {
        self.0.parse().ok()
    }

    /// Whether this is an IPv4 address.
    pub fn is_ipv4(&self) -> bool {
        matches!(self.as_ip(), Some(IpAddr::V4(_)))
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for HostName {
    type Error = KeyError;
    fn try_from(text: String) -> Result<Self, KeyError> {
        Self::parse(&text)
    }
}

impl From<HostName> for String {
    fn from(host: HostName) -> Self {
        host.0.as_ref().to_owned()
    }
}

/// Which MySQL server: host and port. The identity of an instance everywhere. Ordered by host, then port.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "UncheckedKey")]
pub struct InstanceKey {
    host: HostName,
    port: u16,
}

/// A key as it was stored, before its port is known to be one.
#[derive(Deserialize)]
struct UncheckedKey {
    host: HostName,
    port: u16,
}

impl TryFrom<UncheckedKey> for InstanceKey {
    type Error = KeyError;
    fn try_from(key: UncheckedKey) -> Result<Self, KeyError> {
        Self::new(key.host, key.port)
    }
}

impl InstanceKey {
    /// The server at `host` on `port`.
    ///
    /// # Errors
    /// [`KeyError::ZeroPort`] for port 0.
    pub fn new(host: HostName, port: u16) -> Result<Self, KeyError> {
        if port == 0 {
            return Err(KeyError::ZeroPort);
        }
        Ok(Self { host, port })
    }

    /// Parses `host`, `host:port`, `[v6]:port` or a bare IPv6 address; `default_port` where none is written.
    ///
    /// # Errors
    /// [`KeyError`] naming the part that is wrong.
    pub fn parse(text: &str, default_port: u16) -> Result<Self, KeyError> {
        let text = text.trim();
        if let Some((host, rest)) = text.strip_prefix('[').and_then(|t| t.split_once(']')) {
            return match rest {
                "" => Self::new(HostName::parse(host)?, default_port),
                _ => Self::from_parts(host, rest.strip_prefix(':').unwrap_or(rest)),
            };
        }
        match text.matches(':').count() {
            1 => {
                let (host, port) = text.split_once(':').expect("one colon was counted");
                Self::from_parts(host, port)
            }
            _ => Self::new(HostName::parse(text)?, default_port),
        }
    }

    /// Parses a host and a port that arrive apart, as in two path segments.
    ///
    /// # Errors
    /// [`KeyError`] naming the part that is wrong.
    pub fn from_parts(host: &str, port: &str) -> Result<Self, KeyError> {
        let port = port.trim();
        let number = port.parse::<u16>().map_err(|_| KeyError::BadPort {
            port: port.to_owned(),
        })?;
        Self::new(HostName::parse(host)?, number)
    }

    /// The host.
    pub fn host(&self) -> &HostName {
        &self.host
    }

    /// The port, never 0.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The same port on another host, for a name that was resolved.
    #[must_use]
    pub fn with_host(&self, host: HostName) -> Self {
        Self {
            host,
            port: self.port,
        }
    }
}

/// `host:port`, with brackets around an IPv6 address.
impl fmt::Display for InstanceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.as_str().contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for InstanceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is not a host or an instance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing, or white space only.
    #[error("the host is empty")]
    EmptyHost,
    /// Longer than a DNS name can be.
    #[error("the host has {length} characters; a host name has at most 253")]
    HostTooLong {
        /// Characters found.
        length: usize,
    },
    /// A character that no host name or address has.
    #[error("'{}' is not a host name or address", host.escape_debug())]
    BadHost {
        /// The text.
        host: String,
    },
    /// Not a number from 1 to 65535.
    #[error("Invalid port: {}", port.escape_debug())]
    BadPort {
        /// The text.
        port: String,
    },
    /// Port 0.
    #[error("the port is 0; a server listens on 1 to 65535")]
    ZeroPort,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_keys_and_print_back() {
        for (text, printed) in [
            ("db1", "db1:3306"),
            ("db1:3307", "db1:3307"),
            (" db1:3307\n", "db1:3307"),
            ("10.0.0.1:33", "10.0.0.1:33"),
            ("::1", "[::1]:3306"),
            ("[::1]", "[::1]:3306"),
            ("[fe80::1%eth0]:33", "[fe80::1%eth0]:33"),
        ] {
            let key = InstanceKey::parse(text, 3306).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(key.to_string(), printed, "{text}");
            assert_eq!(
                InstanceKey::parse(printed, 1).unwrap(),
                key,
                "{printed} reads back"
            );
        }
    }

    #[test]
    fn hostile_and_broken_texts_are_refused_with_their_reason() {
        for (text, reason) in [
            ("", "the host is empty"),
            (" \t", "the host is empty"),
            ("db1:", "Invalid port: "),
            ("db1:x", "Invalid port: x"),
            ("db1:70000", "Invalid port: 70000"),
            ("db1:0", "the port is 0; a server listens on 1 to 65535"),
            ("a,b:1", "'a,b' is not a host name or address"),
            ("//db1:3306", "'//db1' is not a host name or address"),
            ("db'1", "'db\\'1' is not a host name or address"),
            ("-db1", "'-db1' is not a host name or address"),
            ("db1:1:2:3", "'db1:1:2:3' is not a host name or address"),
        ] {
            assert_eq!(
                InstanceKey::parse(text, 3306).expect_err(text).to_string(),
                reason,
                "{text:?}"
            );
        }
        assert_eq!(
            HostName::parse(&"a".repeat(254)),
            Err(KeyError::HostTooLong { length: 254 })
        );
    }
}
