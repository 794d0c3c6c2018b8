use std::net::IpAddr;
use std::sync::Arc;

use axum::http::HeaderName;
use orchestrator_core::domain::Secret;

/// Everything access is decided by. Replaced as a whole when configuration is reloaded.
#[derive(Clone)]
pub struct AccessConfig {
    /// `ReadOnly`: nobody changes anything.
    pub read_only: bool,
    /// How callers say who they are, and who of them may change something.
    pub authentication: Authentication,
    /// `UseMutualTLS`: demands a client certificate; `None` when it is off.
    pub certificates: Option<CertificateRule>,
    /// Further names that browsers may use for us (`HTTPAllowedHosts`), in lower case and without port.
    pub allowed_hosts: Vec<String>,
    /// Names of this node and of its group, in lower case and without port.
    pub own_hosts: Vec<String>,
    /// Path of the status check, prefix included: it may be answered without a certificate.
    pub status_path: String,
    /// Where requests to change something are recorded, beside the log.
    pub audit: Option<Arc<dyn AuditSink>>,
}

/// `AuthenticationMethod`.
#[derive(Clone)]
pub enum Authentication {
    /// The key is absent or empty: reads are open, changes come from this machine only.
    Unset,
    /// `none`, written out: everybody may do everything.
    Nobody,
    /// `basic`: one name and password for every path.
    Basic {
        /// `HTTPAuthUser`.
        user: String,
        /// `HTTPAuthPassword`.
        password: Secret,
    },
    /// `multi`: as basic, and a user `readonly` with any password who may only read.
    Multi {
        /// `HTTPAuthUser`.
        user: String,
        /// `HTTPAuthPassword`.
        password: Secret,
    },
    /// `proxy`: a proxy in front of us names the user in a header.
    Proxy(ProxyUsers),
    /// `token`: a cookie with a token made beforehand.
    Token(Arc<dyn TokenLookup>),
    /// `oauth`: reads are open, nobody changes anything, as in the predecessor.
    OAuth,
}

/// Settings of `proxy`.
#[derive(Clone)]
pub struct ProxyUsers {
    /// `AuthUserHeader`.
    pub header: HeaderName,
    /// `PowerAuthUsers`; `*` means every named user.
    pub power_users: Vec<String>,
    /// `PowerAuthGroups`: unix groups.
    pub power_groups: Vec<String>,
    /// Where the header is believed from, beside this machine and callers with a verified certificate
    /// (`HTTPTrustedProxies`).
    pub trusted: Vec<TrustedProxy>,
    /// Who is in which unix group.
    pub groups: Arc<dyn GroupLookup>,
}

/// An address or network whose proxy header is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedProxy {
    network: IpAddr,
    prefix: u8,
}

impl TrustedProxy {
    /// Parses `address` or `address/prefix`.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.trim().split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().ok()?)),
            None => (text.trim(), None),
        };
        let network: IpAddr = address.parse().ok()?;
        let bits = if network.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(bits);
        (prefix <= bits).then_some(Self { network, prefix })
    }

    /// Whether `address` is in it.
    pub fn holds(&self, address: IpAddr) -> bool {
        match (self.network, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                let shift = 32 - u32::from(self.prefix);
                u64::from(net.to_bits()) >> shift == u64::from(ip.to_bits()) >> shift
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                self.prefix == 0
                    || net.to_bits() >> (128 - u32::from(self.prefix))
                        == ip.to_bits() >> (128 - u32::from(self.prefix))
            }
            _ => false,
        }
    }
}

/// `SSLValidOUs` and `StatusOUVerify`.
#[derive(Clone, Debug, Default)]
pub struct CertificateRule {
    /// A certificate must name one of these organisational units.
    pub valid_units: Vec<String>,
    /// Whether the status path asks for one too.
    pub on_status_path: bool,
}

/// One request to change something, as it is recorded. Texts are escaped: no control byte of a caller is in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// What was asked for: the path's first segment below `/api`, for example `begin-downtime`.
    pub what: String,
    /// Host and port it was about; empty when it was about none.
    pub host: String,
    /// See `host`.
    pub port: String,
    /// Who, whence, the whole path, and what came of it.
    pub message: String,
}

/// Keeps the record of requests to change something.
pub trait AuditSink: Send + Sync {
    /// Adds an entry; never waits.
    fn record(&self, entry: AuditEntry);
}

/// Knows the members of unix groups.
pub trait GroupLookup: Send + Sync {
    /// Whether `user` is in one of `groups`.
    fn is_in_any(&self, user: &str, groups: &[String]) -> bool;
}

/// Knows the tokens that were handed out.
pub trait TokenLookup: Send + Sync {
    /// Owner of the token, when it exists, is claimed, not expired, and its secret is this one.
    fn owner(&self, public: &str, secret: &str) -> Option<String>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trusted_proxies_are_addresses_and_networks() {
        let holds = |text: &str, ip: &str| {
            TrustedProxy::parse(text)
                .unwrap()
                .holds(ip.parse().unwrap())
        };
        assert!(holds("10.0.0.1", "10.0.0.1") && !holds("10.0.0.1", "10.0.0.2"));
        assert!(holds("10.0.0.0/8", "10.200.0.1") && !holds("10.0.0.0/8", "11.0.0.1"));
        assert!(
            holds("10.0.0.0/8", "::ffff:10.1.1.1"),
            "a v4 caller on a v6 socket"
        );
        assert!(holds("0.0.0.0/0", "1.2.3.4") && !holds("0.0.0.0/0", "::1"));
        assert!(
            holds("fd00::/8", "fd00::1") && !holds("fd00::/8", "fe80::1") && holds("::/0", "::1")
        );
        for bad in ["", "db1", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/x"] {
            assert_eq!(TrustedProxy::parse(bad), None, "{bad}");
        }
    }
}
