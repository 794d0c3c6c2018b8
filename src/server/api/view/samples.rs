//! Pictures for tests, from few words.

use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::analysis::AnalysisPolicy;
use orchestrator_core::decided::Decided;
use orchestrator_core::domain::{
    HostFilters, InstanceKey, InstanceRecord, Observation, Picture, ReplicationLink, SourceAddress,
    Timestamp,
};
use orchestrator_core::recovery::RecoveryPolicy;
use regex::Regex;

use super::View;
use crate::api::ApiConfig;

/// The time of all samples: 2026-11-21T09:25:42Z.
pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_795_253_142);

pub(crate) fn key(text: &str) -> InstanceKey {
    InstanceKey::parse(text, 3306).unwrap()
}

/// A server that was seen now and is well; `source` is what it replicates from.
pub(crate) fn server(name: &str, source: Option<&str>) -> InstanceRecord {
    let mut seen = Observation::blank(key(name), NOW);
    seen.identity.version = "8.0.36".into();
    seen.read_only = source.is_some();
    seen.lag_seconds = source.map(|_| 0);
    seen.replication = source.map(|source| link(SourceAddress::Attached(key(source))));
    InstanceRecord {
        observation: Some(Arc::new(seen)),
        last_checked_at: Some(NOW),
        last_seen_at: Some(NOW),
        ..InstanceRecord::heard_of(key(name), NOW)
    }
}

pub(crate) fn with(
    mut record: InstanceRecord,
    change: impl FnOnce(&mut Observation),
) -> InstanceRecord {
    change(Arc::make_mut(record.observation.as_mut().unwrap()));
    record
}

pub(crate) fn link(source: SourceAddress) -> ReplicationLink {
    ReplicationLink {
        has_credentials: false,
        ..ReplicationLink::running(source)
    }
}

pub(crate) fn config() -> ApiConfig {
    ApiConfig {
        url_prefix: String::new(),
        status_endpoint: "/api/status".into(),
        default_instance_port: 3306,
        poll_interval: Duration::from_secs(5),
        reasonable_lag: Duration::from_secs(10),
        maintenance_lag: Duration::from_secs(20),
        candidate_lifetime: Duration::from_secs(3600),
        default_downtime: Duration::from_secs(600),
        problem_ignore: HostFilters::default(),
        osc_ignore: HostFilters::default(),
        cluster_name_to_alias: vec![],
        recover_primary_filters: vec![],
        recover_intermediate_filters: vec![],
        node_name: "orc1".into(),
        version: "4.0.0-test",
        store_place: "/var/lib/orchestrator/orchestrator.sqlite3".into(),
        tokens: None,
        serves_tls: false,
        recovery_ignored_hosts: vec![],
        analysis: AnalysisPolicy::default(),
        recovery: RecoveryPolicy::default(),
    }
}

pub(crate) fn pattern(text: &str) -> Regex {
    Regex::new(text).unwrap()
}

/// What a view is made from.
#[derive(Clone)]
pub(crate) struct Sample {
    pub(crate) records: Vec<InstanceRecord>,
    pub(crate) decided: Decided,
    pub(crate) config: ApiConfig,
}

impl Sample {
    pub(crate) fn of(records: Vec<InstanceRecord>) -> Self {
        Self {
            records,
            decided: Decided::default(),
            config: config(),
        }
    }

    pub(crate) fn picture(&self) -> Picture {
        self.records.iter().cloned().collect()
    }

    pub(crate) fn view(&self) -> View {
        View::build(
            None,
            Arc::new(self.picture()),
            Arc::new(self.decided.clone()),
            Arc::new(self.config.clone()),
        )
    }
}

/// `db1` (alias main) with `db2`, `db3`, `db10` and `10.0.0.1` below it; `shop-a` with `shop-b`, both on 3307.
pub(crate) fn two_clusters() -> Sample {
    Sample::of(vec![
        with(server("db1", None), |seen| {
            seen.cluster_alias = "main".into();
            seen.replicas = vec![key("10.0.0.1"), key("db2"), key("db3")];
        }),
        with(server("db2", Some("db1")), |seen| {
            seen.replicas = vec![key("db10")];
        }),
        server("db3", Some("db1")),
        server("db10", Some("db2")),
        server("10.0.0.1", Some("db1")),
        with(server("shop-a.example:3307", None), |seen| {
            seen.replicas = vec![key("shop-b.example:3307")];
        }),
        server("shop-b.example:3307", Some("shop-a.example:3307")),
    ])
}
