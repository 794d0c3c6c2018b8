//! Settings of the configuration, as each module wants to be told. Pure.

use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::analysis::AnalysisPolicy;
use orchestrator_core::domain::InstanceKey;
use orchestrator_core::recovery::{RecoveryPolicy, UnappliedRelayLog};
use orchestrator_core::topology::ReplicationPolicy;

use super::system::{UnixGroups, host_name};
use crate::api::access::{
    AccessConfig, AuditSink, Authentication, CertificateRule, HeaderName, ProxyUsers, TokenLookup,
    TrustedProxy,
};
use crate::api::serve::{ListenPlace, TlsFiles};
use crate::api::{ApiConfig, TokenTimes};
use crate::config::Settings;
use crate::config::settings::{
    AuthMethod, HostNameResolve, Listen, MysqlStoreSettings, RaftMember, ServerName, ServiceTls,
    TlsPolicy, UnappliedRelayLog as Unapplied,
};
use crate::store::MysqlOptions;
use crate::{discovery, hooks, mysql, resolve};

/// How long a downtime lasts whose request does not say: as the client's default.
const DEFAULT_DOWNTIME: Duration = Duration::from_secs(600);

/// `TLSCacheTTLFactor`: how many polls it is remembered that a server wants TLS.
const TLS_MEMORY_POLLS: u32 = 100;

/// Polls of a process that was told not to discover: none before it is restarted.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

pub(super) fn listen_place(listen: &Listen) -> ListenPlace {
    match listen {
        Listen::Tcp(address) => ListenPlace::Tcp(address.to_string()),
        Listen::Unix(path) => ListenPlace::Unix(path.clone()),
    }
}

pub(super) fn tls_files(tls: &ServiceTls) -> TlsFiles {
    TlsFiles {
        certificate: tls.certificate.clone(),
        private_key: tls.private_key.clone(),
        client_authority: tls.client_ca.clone(),
    }
}

/// Longest wait of a member for an answer of the server that has its store: a fraction of the 30 s for which it tries to store what was
/// decided.
const MEMBER_READ_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn mysql_store(store: &MysqlStoreSettings, settings: &Settings) -> MysqlOptions {
    let is_member = settings.startup.raft.group.is_some();
    let identity = store.tls.identity.as_ref();
    let node = match &settings.startup.raft.group {
        Some(member) => member.advertise.clone(),
        None => format!(
            "{}, {}",
            host_name(),
            listen_place(&settings.startup.listen)
        ),
    };
    MysqlOptions {
        user: store.user.clone(),
        password: store.password.clone(),
        tls: mysql::TlsConfig {
            mutual: store.uses_tls,
            mixed: false,
            cert_file: identity.map(|files| files.certificate.clone()),
            key_file: identity.map(|files| files.private_key.clone()),
            ca_file: store.tls.ca.clone(),
            skip_verify: store.tls.skips_verification,
            ..mysql::TlsConfig::default()
        },
        connect_timeout: store.connect_timeout,
        read_timeout: match is_member {
            true => store.read_timeout.min(MEMBER_READ_TIMEOUT),
            false => store.read_timeout,
        },
        connections_max: store.connections_max,
        leaves_read_only: store.rejects_read_only,
        is_derived: is_member,
        ..MysqlOptions::new(store.server.clone(), &store.database, &node)
    }
}

pub(super) fn mysql(settings: &Settings) -> mysql::Config {
    let (startup, live) = (&settings.startup, &settings.live);
    let text = |query: &Option<String>| query.clone().unwrap_or_default();
    let identity = startup.topology_tls.identity.as_ref();
    mysql::Config {
        user: live.mysql.user.clone(),
        password: live.mysql.password.clone(),
        tls: mysql::TlsConfig {
            mutual: live.mysql.tls == TlsPolicy::Always,
            mixed: live.mysql.tls == TlsPolicy::WhenRefused,
            cert_file: identity.map(|files| files.certificate.clone()),
            key_file: identity.map(|files| files.private_key.clone()),
            ca_file: startup.topology_tls.ca.clone(),
            skip_verify: startup.topology_tls.skips_verification,
            memory: live.discovery.poll_interval * TLS_MEMORY_POLLS,
        },
        connect_timeout: live.mysql.connect_timeout,
        read_timeout: live.mysql.probe_read_timeout,
        operation_timeout: mysql::Config::default().operation_timeout,
        connection_lifetime: live.mysql.connection_life,
        discover_by_show_replica_hosts: live.discovery.asks_for_replicas,
        skip_maxscale_check: !live.discovery.checks_for_max_scale,
        lag_query: text(&live.detection.lag_query),
        replication_credentials_query: text(&live.detection.credentials_query),
        detect: mysql::DetectQueries {
            data_center: text(&live.detection.data_center_query),
            region: text(&live.detection.region_query),
            physical_environment: text(&live.detection.environment_query),
            instance_alias: text(&live.detection.instance_alias_query),
            semi_sync_enforced: text(&live.detection.semi_sync_priority_query),
            cluster_alias: text(&live.detection.cluster_alias_query),
            cluster_domain: text(&live.detection.cluster_domain_query),
            promotion_rule: text(&live.detection.promotion_rule_query),
            pseudo_gtid: text(&live.detection.pseudo_gtid_query),
        },
        patterns: mysql::Patterns {
            data_center: live.detection.data_center.clone(),
            region: live.detection.region.clone(),
            physical_environment: live.detection.environment.clone(),
        },
        ignore_replicas: live.discovery.ignore_replicas.clone(),
        own_name: match live.naming.server_name {
            ServerName::AsReached => mysql::OwnName::None,
            ServerName::HostName => mysql::OwnName::Hostname,
            ServerName::ReportHost => mysql::OwnName::ReportHost,
        },
    }
}

pub(super) fn resolve(settings: &Settings) -> resolve::Config {
    let naming = &settings.live.naming;
    resolve::Config {
        method: match naming.resolve {
            HostNameResolve::None | HostNameResolve::Default => resolve::Method::None,
            HostNameResolve::CName => resolve::Method::Cname,
            HostNameResolve::Ip => resolve::Method::Ip,
        },
        reject: naming.reject.clone(),
        expiry: naming.cache_life,
    }
}

/// Hooks get some of our own environment.
pub(super) fn hooks(settings: &Settings) -> hooks::Config {
    let live = &settings.live.hooks;
    hooks::Config {
        shell: live.shell.clone(),
        environment: hooks::inherited(std::env::vars_os(), &live.environment),
        directory: std::env::temp_dir(),
    }
}

/// `discovers` is false for a process that was told to probe on request only.
pub(super) fn discovery(settings: &Settings, discovers: bool) -> discovery::Config {
    let (workers, live) = (&settings.startup.workers, &settings.live.discovery);
    // Seeds that are no instances were warned about when the configuration was read.
    let seeds = live
        .seeds
        .iter()
        .filter_map(|text| InstanceKey::parse(text, live.default_port).ok());
    discovery::Config {
        poll_interval: if discovers { live.poll_interval } else { NEVER },
        reasonable_check: live.check_allowance,
        max_concurrency: workers.probes_max,
        queue_capacity: workers.queue_max,
        ignore: live.ignore.clone(),
        ignore_sources: live.ignore_sources.clone(),
        ignore_replicas: live.ignore_replicas.clone(),
        seeds: if discovers {
            seeds.collect()
        } else {
            Vec::new()
        },
        forget_unseen_after: live.forget_after,
        flush_interval: live.flush_interval,
        write_buffer_size: live.flush_batch_max,
    }
}

pub(super) fn api(settings: &Settings, node_name: &str, store_place: &str) -> ApiConfig {
    let (startup, live) = (&settings.startup, &settings.live);
    let aliases = live.detection.cluster_aliases.iter();
    ApiConfig {
        url_prefix: startup.routes.prefix.clone(),
        status_endpoint: startup.routes.status_endpoint.clone(),
        default_instance_port: live.discovery.default_port,
        poll_interval: live.discovery.poll_interval,
        reasonable_lag: live.problems.lag_max,
        maintenance_lag: live.recovery.maintenance_lag_max,
        candidate_lifetime: live.candidates.expire_after,
        default_downtime: DEFAULT_DOWNTIME,
        problem_ignore: live.problems.ignore.clone(),
        osc_ignore: live.problems.osc_ignore.clone(),
        cluster_name_to_alias: aliases
            .map(|rule| (rule.pattern.clone(), rule.alias.clone()))
            .collect(),
        recover_primary_filters: live.recovery.primary_of.written.clone(),
        recover_intermediate_filters: live.recovery.intermediate_of.written.clone(),
        node_name: node_name.to_owned(),
        version: env!("CARGO_PKG_VERSION"),
        store_place: store_place.to_owned(),
        tokens: (live.auth.method == AuthMethod::Token).then_some(TokenTimes {
            claim_within: live.auth.token_claim_within,
            life: live.auth.token_life,
        }),
        // A unix socket is served in clear.
        serves_tls: startup.tls.is_some() && matches!(startup.listen, Listen::Tcp(_)),
        recovery_ignored_hosts: live
            .recovery
            .ignore
            .iter()
            .map(ToString::to_string)
            .collect(),
        analysis: analysis_policy(settings),
        recovery: recovery_policy(settings),
    }
}

/// What analysis goes by.
pub(super) fn analysis_policy(settings: &Settings) -> AnalysisPolicy {
    let live = &settings.live;
    AnalysisPolicy {
        instance_poll: live.discovery.poll_interval,
        reasonable_check: live.discovery.check_allowance,
        reasonable_lag: live.problems.lag_max,
        locked_semi_sync_after: live.recovery.locked_semi_sync_after,
        enforces_exact_semi_sync: live.recovery.enforces_semi_sync_count,
        recovers_read_only_primary: live.recovery.recovers_read_only_primary,
        ignored_hosts: live.recovery.ignore.clone(),
    }
}

/// What recoveries go by.
pub(super) fn recovery_policy(settings: &Settings) -> RecoveryPolicy {
    let (live, recovery) = (&settings.live, &settings.live.recovery);
    let of_defaults = RecoveryPolicy::default();
    RecoveryPolicy {
        primary_clusters: recovery.primary_of.written.clone(),
        never_promoted: recovery.never_promote.clone(),
        block_period: recovery.block_period,
        check_validity: live
            .discovery
            .poll_interval
            .saturating_add(live.discovery.check_allowance),
        apply_timeout: recovery.apply_timeout,
        unapplied: match recovery.unapplied {
            Unapplied::Bounded => UnappliedRelayLog::Bounded,
            Unapplied::Fail => UnappliedRelayLog::Refuse,
            Unapplied::Wait => UnappliedRelayLog::Wait,
        },
        makes_writable: recovery.makes_promoted_writable,
        detaches_promoted: recovery.detaches_promoted,
        postpones_from: recovery.postpone_on_delay,
        detaches_lost: recovery.detaches_lost_replicas,
        lost_downtime: recovery.lost_downtime,
        stays_in_data_center: recovery.stays_in_data_center,
        stays_in_region: recovery.stays_in_region,
        lag_max: recovery.fail_on_lag,
        replication: ReplicationPolicy {
            verifies_filters: recovery.verifies_filters,
            ..of_defaults.replication
        },
        steps_at_once: recovery.moves_max,
        ..of_defaults
    }
}

pub(super) fn access(
    settings: &Settings,
    node_name: &str,
    tokens: Arc<dyn TokenLookup>,
    audit: Option<Arc<dyn AuditSink>>,
) -> AccessConfig {
    let (startup, live) = (&settings.startup, &settings.live);
    let auth = &live.auth;
    let mut own = vec![node_name.to_owned(), listening_host(&startup.listen)];
    own.extend(startup.raft.group.iter().flat_map(group_hosts));
    AccessConfig {
        read_only: live.http.is_read_only,
        authentication: match auth.method {
            AuthMethod::Unsaid => Authentication::Unset,
            AuthMethod::None => Authentication::Nobody,
            AuthMethod::Basic => Authentication::Basic {
                user: auth.user.clone(),
                password: auth.password.clone(),
            },
            AuthMethod::Multi => Authentication::Multi {
                user: auth.user.clone(),
                password: auth.password.clone(),
            },
            AuthMethod::Proxy => Authentication::Proxy(proxy_users(settings)),
            AuthMethod::Token => Authentication::Token(tokens),
            AuthMethod::OAuth => Authentication::OAuth,
        },
        certificates: startup
            .tls
            .as_ref()
            .filter(|tls| tls.client_ca.is_some())
            .map(|_| CertificateRule {
                valid_units: live.http.valid_ous.clone(),
                on_status_path: live.http.verifies_status_path,
            }),
        allowed_hosts: live.http.allowed_hosts.clone(),
        own_hosts: own
            .into_iter()
            .filter(|host| !host.is_empty())
            .map(|host| host.to_ascii_lowercase())
            .collect(),
        status_path: startup.routes.status_path.clone(),
        audit,
    }
}

/// Names of the group: a request that another node passes on keeps the name under which that node was asked.
fn group_hosts(member: &RaftMember) -> Vec<String> {
    let url = member.http.iter().filter_map(|url| {
        let authority = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
        authority.split('/').next()
    });
    let nodes = member.nodes.iter().chain([&member.advertise]);
    let entries = nodes.map(String::as_str).chain(url);
    entries.map(|entry| host_of(entry).to_owned()).collect()
}

/// The host of an address with or without a port, an IPv6 address without its brackets.
fn host_of(address: &str) -> &str {
    let address = address.trim();
    if let Some((host, _)) = address
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        return host;
    }
    match address.split_once(':') {
        // A second colon makes it an IPv6 address.
        Some((host, port)) if !port.contains(':') => host,
        _ => address,
    }
}

fn listening_host(listen: &Listen) -> String {
    match listen {
        Listen::Tcp(address) => address.host.clone(),
        Listen::Unix(_) => String::new(),
    }
}

fn proxy_users(settings: &Settings) -> ProxyUsers {
    let auth = &settings.live.auth;
    ProxyUsers {
        header: HeaderName::from_bytes(auth.user_header.as_bytes())
            .expect("a header name that is none is refused when the configuration is read"),
        power_users: auth.power_users.clone(),
        power_groups: auth.power_groups.clone(),
        trusted: auth
            .trusted_proxies
            .iter()
            .filter_map(|network| TrustedProxy::parse(&network.to_string()))
            .collect(),
        groups: Arc::new(UnixGroups),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(nodes: &[&str], advertise: &str, http: Option<&str>) -> RaftMember {
        RaftMember {
            data_dir: "/nowhere".into(),
            bind: "0.0.0.0".to_owned(),
            advertise: advertise.to_owned(),
            default_port: 10_008,
            nodes: nodes.iter().map(|node| (*node).to_owned()).collect(),
            heartbeat: None,
            election: None,
            http: http.map(str::to_owned),
        }
    }

    #[test]
    fn all_names_of_the_group_are_ours_without_ports() {
        let three = member(
            &["Node1", "node2:10008", "[::1]:10008"],
            "10.0.0.1:10008",
            Some("https://orc.example:8443/x"),
        );
        assert_eq!(
            group_hosts(&three),
            ["Node1", "node2", "::1", "10.0.0.1", "orc.example"]
        );
        let alone = member(&["fe80::2"], "fe80::2", None);
        assert_eq!(group_hosts(&alone), ["fe80::2", "fe80::2"]);
    }
}
