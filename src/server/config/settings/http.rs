use std::fmt;
use std::path::PathBuf;

use crate::config::problem::ProblemKind;
use crate::config::report::Report;
use crate::config::values::Values;

/// Where the HTTP service listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// On TCP (`ListenAddress`).
    Tcp(ListenAddress),
    /// On a unix socket (`ListenSocket`), without TLS.
    Unix(PathBuf),
}

/// Host and port to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddress {
    /// Name or address, without brackets; empty for all addresses of the machine.
    pub host: String,
    /// Port; 0 lets the system choose.
    pub port: u16,
}

/// Paths of the HTTP service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routes {
    /// What stands before every path: empty, or with a leading and without a trailing slash (`URLPrefix`).
    pub prefix: String,
    /// The whole path of the status check, with the prefix only where `StatusEndpoint` has its default.
    pub status_path: String,
    /// `StatusEndpoint` as written; anything but `/api/status` replaces that path.
    pub status_endpoint: String,
}

/// TLS of the HTTP service. The files exist and the key is private; whether they hold certificates shows when they are
/// loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceTls {
    /// `SSLPrivateKeyFile`.
    pub private_key: PathBuf,
    /// `SSLCertFile`.
    pub certificate: PathBuf,
    /// Authorities of client certificates (`SSLCAFile`), when callers need one (`UseMutualTLS`). Whose is good enough
    /// says [`HttpAccess::valid_ous`].
    pub client_ca: Option<PathBuf>,
}

/// Who may speak to the HTTP service.
#[derive(Clone, Debug)]
pub struct HttpAccess {
    /// Refuse every change (`ReadOnly`).
    pub is_read_only: bool,
    /// Further names a browser may have in its Host header (`HTTPAllowedHosts`), in lower case and without port.
    pub allowed_hosts: Vec<String>,
    /// Organisational units whose certificates may call (`SSLValidOUs`).
    pub valid_ous: Vec<String>,
    /// Whether the status path needs such a certificate too (`StatusOUVerify`).
    pub verifies_status_path: bool,
}

impl Listen {
    pub(super) fn resolve(values: &Values, report: &mut Report) -> Self {
        if let Some(path) = values.path("ListenSocket") {
            return Self::Unix(path);
        }
        let text = values.text("ListenAddress");
        Self::Tcp(ListenAddress::parse(&text).unwrap_or_else(|| {
            report.key_problem(
                values,
                "ListenAddress",
                ProblemKind::BadListenAddress { found: text },
            );
            ListenAddress {
                host: String::new(),
                port: 3000,
            }
        }))
    }
}

impl ListenAddress {
    fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.trim().rsplit_once(':')?;
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        // A colon in a host without brackets is an IPv6 address whose last group would be taken for the port.
        let is_host = |c: char| {
            c.is_ascii_alphanumeric()
                || matches!(c, '.' | '-' | '_')
                || (bare.is_some() && matches!(c, ':' | '%'))
        };
        let host = bare.unwrap_or(host);
        if !host.chars().all(is_host) || (bare.is_some() && host.is_empty()) {
            return None;
        }
        Some(Self {
            host: host.to_owned(),
            port: port.parse().ok()?,
        })
    }
}

/// As it is written in the file.
impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Routes {
    pub(super) fn resolve(values: &Values, report: &mut Report) -> Self {
        const DEFAULT_STATUS: &str = "/api/status";
        let written = values.text("URLPrefix");
        let prefix = match written.trim_matches('/') {
            "" => String::new(),
            path => format!("/{path}"),
        };
        if !is_path(&format!("{prefix}/")) {
            report.key_problem(values, "URLPrefix", ProblemKind::BadPath { found: written });
        }
        let status = values
            .some_text("StatusEndpoint")
            .unwrap_or_else(|| DEFAULT_STATUS.to_owned());
        if !is_path(&status) {
            report.key_problem(
                values,
                "StatusEndpoint",
                ProblemKind::BadPath {
                    found: status.clone(),
                },
            );
        }
        let status_path = match status.as_str() {
            DEFAULT_STATUS => format!("{prefix}{DEFAULT_STATUS}"),
            own => own.to_owned(),
        };
        Self {
            prefix,
            status_path,
            status_endpoint: status,
        }
    }
}

/// Nothing that a router or a browser could take for more than plain text.
fn is_path(text: &str) -> bool {
    text.starts_with('/')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '.' | '_' | '~'))
}

impl ServiceTls {
    pub(super) fn resolve(values: &Values) -> Option<Self> {
        let serves_tls = values.boolean("UseSSL") && values.path("ListenSocket").is_none();
        serves_tls.then(|| Self {
            // An empty path is reported by the rule that both files are needed.
            private_key: values.path("SSLPrivateKeyFile").unwrap_or_default(),
            certificate: values.path("SSLCertFile").unwrap_or_default(),
            client_ca: values
                .path("SSLCAFile")
                .filter(|_| values.boolean("UseMutualTLS")),
        })
    }
}

impl HttpAccess {
    pub(super) fn resolve(values: &Values) -> Self {
        let hosts = values.texts("HTTPAllowedHosts");
        let hosts = hosts
            .iter()
            .map(|host| without_port(host.trim()).to_ascii_lowercase())
            .filter(|host| !host.is_empty());
        Self {
            is_read_only: values.boolean("ReadOnly"),
            allowed_hosts: hosts.collect(),
            valid_ous: values.texts("SSLValidOUs"),
            verifies_status_path: values.boolean("StatusOUVerify"),
        }
    }
}

/// A Host header names the port too; people copy it.
fn without_port(text: &str) -> &str {
    match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None if text.matches(':').count() == 1 => text.split(':').next().unwrap_or(text),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_addresses_are_read_and_print_back() {
        for (text, host, port) in [
            (":3000", "", 3000),
            ("127.0.0.1:0", "127.0.0.1", 0),
            ("node-1.example:80", "node-1.example", 80),
            ("[::1]:3000", "::1", 3000),
        ] {
            let address = ListenAddress::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((address.host.as_str(), address.port), (host, port));
            assert_eq!(address.to_string(), text);
        }
        for text in [
            "",
            "3000",
            "host",
            "::1",
            "::1:3000",
            "[]:1",
            "a b:1",
            ":http",
            ":70000",
            "http://x:1",
        ] {
            assert_eq!(ListenAddress::parse(text), None, "{text}");
        }
    }
}
