//! Rules that look at several keys at once.

use orchestrator_core::domain::HostName;

use super::problem::{ProblemKind, WarningKind};
use super::report::Report;
use super::settings::StoreSettings;
use super::values::Values;

/// Checks all of them.
pub(super) fn check(values: &Values, report: &mut Report) {
    service_tls(values, report);
    tls_of_servers(
        values,
        report,
        "MySQLTopologySSLPrivateKeyFile",
        "MySQLTopologySSLCertFile",
    );
    mysql_store(values, report);
    authentication(values, report);
    promotion(values, report);
    raft(values, report);
    old_names(values, report);
    not_built_yet(values, report);
}

fn needs(values: &Values, report: &mut Report, key: &'static str, other: &'static str) {
    if values.some_text(other).is_none() {
        report.key_problem(values, key, ProblemKind::Needs { other });
    }
}

fn service_tls(values: &Values, report: &mut Report) {
    let on_socket = values.some_text("ListenSocket").is_some();
    if values.boolean("UseSSL") && on_socket {
        report.key_warning(
            values,
            "UseSSL",
            WarningKind::Pointless(
                "has no effect with ListenSocket: there is no TLS on a unix socket",
            ),
        );
    } else if values.boolean("UseSSL") {
        needs(values, report, "UseSSL", "SSLCertFile");
        needs(values, report, "UseSSL", "SSLPrivateKeyFile");
    }
    if !values.boolean("UseMutualTLS") {
        return;
    }
    if on_socket {
        return report.key_problem(
            values,
            "UseMutualTLS",
            ProblemKind::Excludes {
                other: "ListenSocket",
            },
        );
    }
    if !values.boolean("UseSSL") {
        report.key_problem(
            values,
            "UseMutualTLS",
            ProblemKind::Needs { other: "UseSSL" },
        );
    }
    needs(values, report, "UseMutualTLS", "SSLCAFile");
    if values.texts("SSLValidOUs").is_empty() {
        let text = "is true while SSLValidOUs is empty: no certificate is good enough, every request will be refused";
        report.key_warning(values, "UseMutualTLS", WarningKind::Pointless(text));
    }
}

/// A certificate needs its key, and a key its certificate.
fn tls_of_servers(
    values: &Values,
    report: &mut Report,
    key: &'static str,
    certificate: &'static str,
) {
    if values.some_text(key).is_some() {
        needs(values, report, key, certificate);
    } else if values.some_text(certificate).is_some() {
        needs(values, report, certificate, key);
    }
}

fn mysql_store(values: &Values, report: &mut Report) {
    const HOST: &str = "MySQLOrchestratorHost";
    const DATABASE: &str = "MySQLOrchestratorDatabase";
    const PRIVATE_KEY: &str = "MySQLOrchestratorSSLPrivateKeyFile";
    const CERTIFICATE: &str = "MySQLOrchestratorSSLCertFile";
    let Some(asking) = StoreSettings::key_asking_for_mysql(values) else {
        return;
    };
    for key in [HOST, DATABASE, "MySQLOrchestratorUser"] {
        needs(values, report, asking, key);
    }
    if let Some(found) = values.some_text(HOST)
        && let Err(error) = HostName::parse(found.trim())
    {
        let reason = error.to_string();
        report.key_problem(values, HOST, ProblemKind::BadHost { reason });
    }
    if let Some(found) = values
        .some_text(DATABASE)
        .filter(|name| !is_database_name(name))
    {
        report.key_problem(values, DATABASE, ProblemKind::BadDatabaseName { found });
    }
    tls_of_servers(values, report, PRIVATE_KEY, CERTIFICATE);
    if !values.boolean("MySQLOrchestratorUseMutualTLS") {
        for key in [PRIVATE_KEY, CERTIFICATE, "MySQLOrchestratorSSLCAFile"] {
            if values.some_text(key).is_some() {
                let text = "has no effect while MySQLOrchestratorUseMutualTLS is false: the connection is not encrypted";
                report.key_warning(values, key, WarningKind::Pointless(text));
            }
        }
    }
}

/// MySQL manual, "Schema Object Names".
fn is_database_name(name: &str) -> bool {
    const CHARACTERS_MAX: usize = 64;
    name.chars().count() <= CHARACTERS_MAX
        && !name.ends_with(' ')
        && !name.chars().any(|c| c.is_control() || c > '\u{ffff}')
}

fn authentication(values: &Values, report: &mut Report) {
    let method = values.text("AuthenticationMethod");
    if method == "basic" || method == "multi" {
        needs(values, report, "AuthenticationMethod", "HTTPAuthUser");
        if values.text("HTTPAuthPassword").is_empty() {
            let text =
                "is basic or multi while HTTPAuthPassword is empty: the user needs no password";
            report.key_warning(values, "AuthenticationMethod", WarningKind::Pointless(text));
        }
    } else if values.some_text("HTTPAuthUser").is_some() {
        let text = "has no effect, because AuthenticationMethod is neither basic nor multi";
        report.key_warning(values, "HTTPAuthUser", WarningKind::Pointless(text));
    }
}

fn promotion(values: &Values, report: &mut Report) {
    const FAIL: &str = "FailMasterPromotionIfSQLThreadNotUpToDate";
    const DELAY: &str = "DelayMasterPromotionIfSQLThreadNotUpToDate";
    if values.boolean(FAIL) && values.boolean(DELAY) {
        report.key_problem(values, FAIL, ProblemKind::Excludes { other: DELAY });
    }
    if values.integer("FailMasterPromotionOnLagMinutes") > 0 {
        needs(
            values,
            report,
            "FailMasterPromotionOnLagMinutes",
            "ReplicationLagQuery",
        );
    }
}

fn raft(values: &Values, report: &mut Report) {
    const TLS: [&str; 3] = ["RaftSSLCertFile", "RaftSSLPrivateKeyFile", "RaftSSLCAFile"];
    for key in TLS {
        for other in TLS {
            if values.some_text(key).is_some() && key != other {
                needs(values, report, key, other);
            }
        }
    }
    if values.boolean("IsolationGuard") {
        needs(values, report, "IsolationGuard", "IsolationGuardDataCenter");
    }
    if !values.boolean("RaftEnabled") {
        if values.boolean("IsolationGuard") {
            let text = "has no effect without RaftEnabled: a single node has nobody who could replace a primary elsewhere";
            report.key_warning(values, "IsolationGuard", WarningKind::Pointless(text));
        }
        return;
    }
    needs(values, report, "RaftEnabled", "RaftDataDir");
    needs(values, report, "RaftEnabled", "RaftBind");
    if values.texts("RaftNodes").is_empty() {
        report.key_problem(values, "RaftEnabled", ProblemKind::NoRaftNodes);
    }
}

fn old_names(values: &Values, report: &mut Report) {
    const OLD: &str = "PostponeSlaveRecoveryOnLagMinutes";
    const NEW: &str = "PostponeReplicaRecoveryOnLagMinutes";
    let (old, new) = (values.integer(OLD), values.integer(NEW));
    if old != 0 && new != 0 && old != new {
        report.key_problem(
            values,
            OLD,
            ProblemKind::Disagrees {
                newer: NEW,
                old: OLD,
            },
        );
    }
    const DETACH: &str = "DetachLostReplicasAfterMasterFailover";
    if values.is_set(DETACH)
        && !values.boolean(DETACH)
        && values.boolean("DetachLostSlavesAfterMasterFailover")
    {
        let text = "is false, but DetachLostSlavesAfterMasterFailover is true (its default), so lost replicas are detached; set both to false to turn it off";
        report.key_warning(values, DETACH, WarningKind::Pointless(text));
    }
    const BLOCK: &str = "RecoveryPeriodBlockMinutes";
    if values.is_set(BLOCK) && values.integer("RecoveryPeriodBlockSeconds") != 0 {
        let text = "has no effect while RecoveryPeriodBlockSeconds (3600 by default) is not 0; set that one instead";
        report.key_warning(values, BLOCK, WarningKind::Pointless(text));
    }
}

/// What will count with later releases is checked now, as the predecessor did.
fn not_built_yet(values: &Values, report: &mut Report) {
    if values.some_text("GraphiteAddr").is_some() {
        needs(values, report, "GraphiteAddr", "GraphitePath");
    }
    let url = values.text("HTTPAdvertise");
    if !url.is_empty() && !is_node_url(&url) {
        report.key_problem(values, "HTTPAdvertise", ProblemKind::BadUrl { found: url });
    }
}

fn is_node_url(url: &str) -> bool {
    let rest = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"));
    let Some((host, port)) = rest.and_then(|rest| rest.rsplit_once(':')) else {
        return false;
    };
    let is_host = !host.is_empty()
        && host
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '[' | ']' | ':'));
    is_host && port.parse::<u16>().is_ok_and(|port| port > 0)
}
