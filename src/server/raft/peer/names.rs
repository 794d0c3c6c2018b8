use std::collections::BTreeSet;
use std::net::IpAddr;

/// A host and a port, parsed from what a person wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HostPort {
    /// In its canonical form, see [`canonical`].
    pub host: String,
    pub port: u16,
}

impl HostPort {
    /// Takes `host:port`, `[v6]:port`, and `host` or a bare IPv6 address where there is a default port (not 0).
    pub(super) fn parse(text: &str, default_port: u16) -> Option<Self> {
        let (host, port) = split(text.trim());
        let port = match port {
            Some(port) => port.parse().ok()?,
            None if default_port != 0 => default_port,
            None => return None,
        };
        let host = canonical(host);
        (!host.is_empty() && !host.contains([':', '/', '@', ' ']) || host.parse::<IpAddr>().is_ok())
            .then_some(Self { host, port })
    }
}

/// Whether a normalised entry names a host and a port.
pub(in crate::raft) fn is_host_and_port(entry: &str) -> bool {
    HostPort::parse(entry, 0).is_some_and(|it| it.port != 0)
}

/// The host of an entry of `RaftNodes`, in its canonical form.
pub fn host_of(entry: &str) -> String {
    canonical(split(entry.trim()).0)
}

/// Hosts of several entries.
pub(super) fn hosts_of<'a>(entries: impl IntoIterator<Item = &'a String>) -> BTreeSet<String> {
    let hosts = entries.into_iter().map(|entry| host_of(entry));
    hosts.filter(|host| !host.is_empty()).collect()
}

/// The form in which names are compared: small letters, no dot at the end, no brackets; addresses as the system writes them.
pub(super) fn canonical(host: &str) -> String {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().to_string(),
        Err(_) => host.trim_end_matches('.').to_ascii_lowercase(),
    }
}

fn split(text: &str) -> (&str, Option<&str>) {
    if text.parse::<IpAddr>().is_ok() {
        return (text, None);
    }
    match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str, default_port: u16) -> Option<(String, u16)> {
        HostPort::parse(text, default_port).map(|it| (it.host, it.port))
    }

    #[test]
    fn addresses_are_taken_as_people_write_them() {
        let some = |host: &str, port| Some((host.to_owned(), port));
        assert_eq!(parsed("Node1.Example.:7", 10008), some("node1.example", 7));
        assert_eq!(parsed("node1", 10008), some("node1", 10008));
        assert_eq!(parsed("node1", 0), None);
        assert_eq!(parsed("[2001:DB8::1]:7", 0), some("2001:db8::1", 7));
        assert_eq!(parsed("2001:db8::1", 9), some("2001:db8::1", 9));
        assert_eq!(
            parsed("[::1]", 9),
            None,
            "an unfinished pair of host and port"
        );
        assert_eq!(parsed("::ffff:10.0.0.1", 9), some("10.0.0.1", 9));
        for bad in [
            "",
            ":7",
            "node1:",
            "node1:70000",
            "http://node1:7",
            "a b:1",
            "x@y:1",
        ] {
            assert_eq!(parsed(bad, 9), None, "{bad:?}");
        }
        assert_eq!(host_of("NODE2:10008"), "node2");
        assert_eq!(host_of("[::1]:10008"), "::1");
    }
}
