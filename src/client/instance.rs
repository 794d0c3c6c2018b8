//! What a user writes after `-i` and `-d`: `host`, `host:port`, `[IPv6]:port` or a bare IPv6 address.
//!
//! No name is resolved and no port is judged here: the server does both, and its words are the ones users know.

use std::net::Ipv6Addr;

use crate::encode::encode;

/// A text that is not an instance.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The host part is empty, as in `:3306`.
    #[error("'{0}' has no host: write host, host:port or [IPv6 address]:port")]
    NoHost(String),
    /// A colon without a port behind it, as in `db1:`.
    #[error("'{0}' has no port after its colon: write host, host:port or [IPv6 address]:port")]
    NoPort(String),
    /// More colons than `host:port` has, and not an IPv6 address.
    #[error("'{0}' is not an instance: write host, host:port or [IPv6 address]:port")]
    Malformed(String),
    /// A host of dots only would be taken for a relative path by every URL parser.
    #[error("'{0}' is not a host name")]
    Dots(String),
}

/// Host and port, both as text; the port is the given default when none is written.
fn split<'a>(text: &'a str, default_port: &'a str) -> Result<(&'a str, &'a str), Error> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, tail) = rest
            .split_once(']')
            .ok_or_else(|| Error::Malformed(text.into()))?;
        return match tail.strip_prefix(':') {
            Some(port) => Ok((host, port)),
            None if tail.is_empty() => Ok((host, default_port)),
            None => Err(Error::Malformed(text.into())),
        };
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Ok((text, default_port));
    }
    match text.split_once(':') {
        None => Ok((text, default_port)),
        Some((_, port)) if port.contains(':') => Err(Error::Malformed(text.into())),
        Some(parts) => Ok(parts),
    }
}

/// The two path segments of an instance, `host/port`.
///
/// An IPv6 address loses its brackets: the segment is the host name as the server keeps it.
///
/// # Errors
/// When the text has no host, an empty port, or is no instance at all.
pub fn segments(text: &str, default_port: &str) -> Result<String, Error> {
    let text = text.trim();
    let (host, port) = split(text, default_port)?;
    if host.is_empty() {
        return Err(Error::NoHost(text.into()));
    }
    if port.is_empty() {
        return Err(Error::NoPort(text.into()));
    }
    if [host, port]
        .iter()
        .any(|part| *part == "." || *part == "..")
    {
        return Err(Error::Dots(text.into()));
    }
    Ok(format!("{}/{}", encode(host), encode(port)))
}

#[cfg(test)]
mod tests {
    use super::{Error, segments};

    #[test]
    fn an_instance_becomes_two_segments() {
        for (text, expected) in [
            ("db1", "db1/3306"),
            ("db1:3307", "db1/3307"),
            ("10.0.0.1:3307", "10.0.0.1/3307"),
            ("db1:abc", "db1/abc"),
            ("[::1]:3307", "::1/3307"),
            ("[::1]", "::1/3306"),
            ("::1", "::1/3306"),
            ("2001:db8::7", "2001:db8::7/3306"),
            (" db1 ", "db1/3306"),
            ("a/b:1", "a%2Fb/1"),
        ] {
            assert_eq!(segments(text, "3306").as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_instance_is_refused() {
        for (text, expected) in [
            (":3306", Error::NoHost(":3306".into())),
            ("[]:3306", Error::NoHost("[]:3306".into())),
            ("db1:", Error::NoPort("db1:".into())),
            ("[::1]:", Error::NoPort("[::1]:".into())),
            ("a:b:c", Error::Malformed("a:b:c".into())),
            ("[::1", Error::Malformed("[::1".into())),
            ("[::1]3306", Error::Malformed("[::1]3306".into())),
            ("..", Error::Dots("..".into())),
            ("db1:..", Error::Dots("db1:..".into())),
        ] {
            assert_eq!(segments(text, "3306"), Err(expected), "{text}");
        }
    }
}
