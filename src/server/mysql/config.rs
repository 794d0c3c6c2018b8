use std::path::PathBuf;
use std::time::Duration;

use orchestrator_core::domain::{HostFilters, Secret};
use regex::Regex;
use subtle::ConstantTimeEq;

/// How servers are connected to and what is asked of them. Reloadable as a whole: a probe takes the value of its moment;
/// when the account or TLS changed, its next probe opens a new connection.
#[derive(Clone, Debug)]
pub struct Config {
    /// User on probed servers (`MySQLTopologyUser`).
    pub user: String,
    /// Its password (`MySQLTopologyPassword`).
    pub password: Secret,
    /// TLS.
    pub tls: TlsConfig,
    /// Longest wait for a name and a TCP connection (`MySQLConnectTimeoutSeconds`, 2 s).
    pub connect_timeout: Duration,
    /// Longest time for everything that one probe asks of a server, connecting included, however slowly it trickles
    /// (`MySQLDiscoveryReadTimeoutSeconds`, 10 s).
    pub read_timeout: Duration,
    /// Longest wait for the login of a connection for other work (`MySQLTopologyReadTimeoutSeconds`, 600 s).
    pub operation_timeout: Duration,
    /// A kept connection older than this is replaced; `None` keeps it (`MySQLConnectionLifetimeSeconds`, 0).
    pub connection_lifetime: Option<Duration>,
    /// Ask a source for its registered replicas before its process list is read (`DiscoverByShowSlaveHosts`).
    pub discover_by_show_replica_hosts: bool,
    /// Do not ask whether a server is a MaxScale (`SkipMaxScaleCheck`, true).
    pub skip_maxscale_check: bool,
    /// Replaces the lag that the server reports: one row, one number of seconds (`ReplicationLagQuery`); empty for none.
    pub lag_query: String,
    /// Brings the credentials for replicating, in one row: user, password, and for TLS the files of CA, certificate and key
    /// (`ReplicationCredentialsQuery`); empty for none. With it, credentials can always be had.
    pub replication_credentials_query: String,
    /// Further queries.
    pub detect: DetectQueries,
    /// Placement from the host name.
    pub patterns: Patterns,
    /// Replicas that are not listed (`DiscoveryIgnoreReplicaHostnameFilters`).
    pub ignore_replicas: HostFilters,
    /// Under which name a server is known (`MySQLHostnameResolveMethod`).
    pub own_name: OwnName,
}

/// TLS towards servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// Every connection uses TLS (`MySQLTopologyUseMutualTLS`).
    pub mutual: bool,
    /// TLS is used with servers that refuse a plain login (`MySQLTopologyUseMixedTLS`, true).
    pub mixed: bool,
    /// Certificate of ours, PEM (`MySQLTopologySSLCertFile`).
    pub cert_file: Option<PathBuf>,
    /// Its key, PEM (`MySQLTopologySSLPrivateKeyFile`).
    pub key_file: Option<PathBuf>,
    /// Who may have signed the servers' certificates (`MySQLTopologySSLCAFile`); the system's list when absent.
    pub ca_file: Option<PathBuf>,
    /// Accept any certificate (`MySQLTopologySSLSkipVerify`).
    pub skip_verify: bool,
    /// How long it is remembered that a server wants TLS (`TLSCacheTTLFactor` polls, 100 × 5 s).
    pub memory: Duration,
}

/// Queries of one row and one column that tell something about a server; empty ones are not asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DetectQueries {
    /// `DetectDataCenterQuery`.
    pub data_center: String,
    /// `DetectRegionQuery`.
    pub region: String,
    /// `DetectPhysicalEnvironmentQuery`.
    pub physical_environment: String,
    /// `DetectInstanceAliasQuery`.
    pub instance_alias: String,
    /// `DetectSemiSyncEnforcedQuery`.
    pub semi_sync_enforced: String,
    /// `DetectClusterAliasQuery`.
    pub cluster_alias: String,
    /// `DetectClusterDomainQuery`. It is asked of every server; whose answer counts is for the reader to say.
    pub cluster_domain: String,
    /// `DetectPromotionRuleQuery`.
    pub promotion_rule: String,
    /// `DetectPseudoGTIDQuery`: in use when the answer is 1.
    pub pseudo_gtid: String,
}

/// Expressions whose first group, found in a host name, tells where the server stands.
#[derive(Clone, Debug, Default)]
pub struct Patterns {
    /// `DataCenterPattern`.
    pub data_center: Option<Regex>,
    /// `RegionPattern`.
    pub region: Option<Regex>,
    /// `PhysicalEnvironmentPattern`.
    pub physical_environment: Option<Regex>,
}

/// Which name a server is known by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OwnName {
    /// The name it was found under (`none`, `default` and unknown words).
    None,
    /// Its `@@hostname` (`hostname`, `@@hostname`).
    #[default]
    Hostname,
    /// Its `@@report_host`; a server without one fails its probe (`report_host`, `@@report_host`).
    ReportHost,
}

impl OwnName {
    /// From the configuration's word, ignoring case.
    pub fn from_word(word: &str) -> Self {
        match word.trim().to_ascii_lowercase().as_str() {
            "hostname" | "@@hostname" => Self::Hostname,
            "report_host" | "@@report_host" => Self::ReportHost,
            _ => Self::None,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            user: String::new(),
            password: Secret::default(),
            tls: TlsConfig::default(),
            connect_timeout: Duration::from_secs(2),
            read_timeout: Duration::from_secs(10),
            operation_timeout: Duration::from_secs(600),
            connection_lifetime: None,
            discover_by_show_replica_hosts: false,
            skip_maxscale_check: true,
            lag_query: String::new(),
            replication_credentials_query: String::new(),
            detect: DetectQueries::default(),
            patterns: Patterns::default(),
            ignore_replicas: HostFilters::default(),
            own_name: OwnName::default(),
        }
    }
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self {
            mutual: false,
            mixed: true,
            cert_file: None,
            key_file: None,
            ca_file: None,
            skip_verify: false,
            memory: Duration::from_secs(500),
        }
    }
}

impl Config {
    /// Whether a connection that was opened by `other` would be opened the same way now.
    pub(super) fn logs_in_like(&self, other: &Self) -> bool {
        let same_password = bool::from(
            self.password
                .expose()
                .as_bytes()
                .ct_eq(other.password.expose().as_bytes()),
        );
        same_password && self.user == other.user && self.tls == other.tls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_the_own_name_are_read_ignoring_case() {
        for (word, method) in [
            ("@@hostname", OwnName::Hostname),
            ("HostName", OwnName::Hostname),
            ("report_host", OwnName::ReportHost),
            ("@@Report_Host", OwnName::ReportHost),
            ("none", OwnName::None),
            ("default", OwnName::None),
            ("", OwnName::None),
            ("something", OwnName::None),
        ] {
            assert_eq!(OwnName::from_word(word), method, "{word}");
        }
    }

    #[test]
    fn a_changed_password_or_certificate_is_another_login() {
        let one = Config::default();
        assert!(one.logs_in_like(&one.clone()));
        let mut other = one.clone();
        other.password = Secret::new("x");
        assert!(!one.logs_in_like(&other));
        let mut other = one.clone();
        other.tls.mutual = true;
        assert!(!one.logs_in_like(&other));
        let mut other = one.clone();
        other.lag_query = "select 1".into();
        assert!(one.logs_in_like(&other));
    }

    #[test]
    fn a_printed_configuration_shows_no_password() {
        let config = Config {
            password: Secret::new("hunter2"),
            ..Config::default()
        };
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
