use std::time::Duration;

use regex::Regex;

use super::filters::pattern;
use crate::config::values::Values;

/// Names of servers.
#[derive(Clone, Debug)]
pub struct Naming {
    /// How a host name is normalised (`HostnameResolveMethod`).
    pub resolve: HostNameResolve,
    /// Which name a server reports for itself (`MySQLHostnameResolveMethod`).
    pub server_name: ServerName,
    /// How long a resolved name is remembered, at least a minute (`ExpiryHostnameResolvesMinutes`).
    pub cache_life: Duration,
    /// Resolved names that match are not used (`RejectHostnameResolvePattern`).
    pub reject: Option<Regex>,
}

/// How a host name is normalised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostNameResolve {
    /// It stays, and nothing is remembered about it (`none`).
    None,
    /// It stays (`default`).
    Default,
    /// The name that DNS says it is an alias of (`cname`).
    CName,
    /// Its address, IPv4 first (`ip`).
    Ip,
}

/// Which name a server reports for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerName {
    /// The name under which it was reached (`none`).
    AsReached,
    /// `@@hostname` (`default`, `hostname`, `@@hostname`).
    HostName,
    /// `@@report_host`, which must not be empty (`report_host`, `@@report_host`).
    ReportHost,
}

impl Naming {
    pub(super) fn resolve(values: &Values) -> Self {
        Self {
            resolve: match values.text("HostnameResolveMethod").as_str() {
                "none" => HostNameResolve::None,
                "cname" => HostNameResolve::CName,
                "ip" => HostNameResolve::Ip,
                _ => HostNameResolve::Default,
            },
            server_name: match values.text("MySQLHostnameResolveMethod").as_str() {
                "none" => ServerName::AsReached,
                "report_host" | "@@report_host" => ServerName::ReportHost,
                _ => ServerName::HostName,
            },
            cache_life: values.minutes("ExpiryHostnameResolvesMinutes"),
            reject: pattern(values, "RejectHostnameResolvePattern"),
        }
    }
}
