use orchestrator_core::analysis::{Facts, Finding, Muted, rules};
use orchestrator_core::domain::{FindingCode, InstanceKey};
use orchestrator_core::legacy::codes::{NO_PROBLEM, finding_code};
use orchestrator_core::ports::{CodeChange, CodeChanges};
use serde::Serialize;

use super::{ClusterInfoDto, CoordinatesDto, KeyDto, SpaceSeparated};
use crate::api::ApiConfig;
use crate::api::doing::Doing;
use crate::api::view::{Examined, Found};

/// This process, as entries name it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Process<'a> {
    /// Its host.
    pub host: &'a str,
    /// Its random id.
    pub token: &'a str,
}

/// Names of a cluster.
#[derive(Clone, Copy, Debug)]
pub struct ClusterNames<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its alias; its name when it has none.
    pub alias: &'a str,
}

/// `ReplicationAnalysis` of the API. What is new with us stands at the end.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AnalysisDto<'a> {
    analyzed_instance_key: KeyDto<'a>,
    analyzed_instance_master_key: KeyDto<'a>,
    cluster_details: ClusterInfoDto<'a>,
    analyzed_instance_data_center: &'a str,
    analyzed_instance_region: &'a str,
    analyzed_instance_physical_environment: &'a str,
    analyzed_instance_binlog_coordinates: CoordinatesDto<'a>,
    is_master: bool,
    is_replication_group_member: bool,
    is_co_master: bool,
    last_check_valid: bool,
    last_check_partial_success: bool,
    count_replicas: usize,
    count_valid_replicas: usize,
    count_valid_replicating_replicas: usize,
    count_replicas_failing_to_connect_to_master: usize,
    count_downtimed_replicas: usize,
    replication_depth: u32,
    replicas: Vec<KeyDto<'a>>,
    /// A copy of the replicas, under their old name.
    slave_hosts: Vec<KeyDto<'a>>,
    is_failing_to_connect_to_master: bool,
    analysis: &'a str,
    description: &'a str,
    structure_analysis: Option<Vec<&'a str>>,
    is_downtimed: bool,
    is_replicas_downtimed: bool,
    downtime_end_timestamp: String,
    /// Now minus the end: negative while the downtime holds.
    downtime_remaining_seconds: i64,
    is_binlog_server: bool,
    #[serde(rename = "PseudoGTIDImmediateTopology")]
    pseudo_gtid_immediate_topology: bool,
    #[serde(rename = "OracleGTIDImmediateTopology")]
    oracle_gtid_immediate_topology: bool,
    #[serde(rename = "MariaDBGTIDImmediateTopology")]
    mariadb_gtid_immediate_topology: bool,
    binlog_server_immediate_topology: bool,
    semi_sync_master_enabled: bool,
    semi_sync_master_status: bool,
    semi_sync_master_wait_for_replica_count: u32,
    semi_sync_master_clients: u32,
    count_semi_sync_replicas_enabled: usize,
    count_logging_replicas: usize,
    count_statement_based_logging_replicas: usize,
    count_mixed_based_logging_replicas: usize,
    count_row_based_logging_replicas: usize,
    count_distinct_major_versions_logging_replicas: usize,
    count_delayed_replicas: usize,
    count_lagging_replicas: usize,
    /// Set by the predecessor only while it handles an entry, which is never shown; always false.
    is_actionable_recovery: bool,
    processing_node_hostname: &'a str,
    processing_node_token: &'a str,
    /// Always 0.
    count_additional_agreeing_nodes: u32,
    start_active_period: String,
    skippable_due_to_downtime: bool,
    #[serde(rename = "GTIDMode")]
    gtid_mode: &'a str,
    #[serde(rename = "MinReplicaGTIDMode")]
    min_replica_gtid_mode: &'a str,
    #[serde(rename = "MaxReplicaGTIDMode")]
    max_replica_gtid_mode: &'a str,
    #[serde(rename = "MaxReplicaGTIDErrant")]
    max_replica_gtid_errant: &'a str,
    command_hint: &'a str,
    is_read_only: bool,
    /// New with us: the facts behind the finding, one sentence each.
    evidence: Vec<String>,
    /// New with us: a sentence; empty when something is done, or the entry is of a list of the past.
    why_nothing_is_done: &'a str,
    /// New with us: UID of the recovery that holds one back; empty when none does.
    #[serde(rename = "BlockedByRecoveryUID")]
    blocked_by: String,
    /// New with us: UID of the recovery under way; empty when none is.
    #[serde(rename = "RecoveryUnderWayUID")]
    under_way: String,
}

impl<'a> AnalysisDto<'a> {
    /// A server with something wrong now; `doing` is what is done about it.
    pub fn of(
        examined: &'a Examined,
        found: &'a Found,
        doing: &'a Doing,
        config: &ApiConfig,
        process: Process<'a>,
    ) -> Self {
        let structure = found.structure.iter().map(|one| finding_code(one.code));
        let structure: Vec<&str> = structure.collect();
        let foremost = found.foremost();
        let (blocked_by, under_way) = match doing {
            Doing::UnderWay(id) => (None, Some(id)),
            Doing::Nothing(reason) => (reason.blocked_by.as_ref(), None),
        };
        let reason = doing.reason();
        let main = found.main.as_ref();
        let mut entry = Self::of_facts(examined, &found.facts, config);
        entry.analysis = main.map_or(NO_PROBLEM, |finding| finding_code(finding.code));
        entry.description = main.map_or("", |finding| finding.sentence);
        entry.structure_analysis = Some(structure).filter(|codes| !codes.is_empty());
        entry.is_replicas_downtimed = main.is_some_and(has_only_downtimed_replicas);
        entry.skippable_due_to_downtime = entry.is_downtimed || entry.is_replicas_downtimed;
        entry.processing_node_hostname = process.host;
        entry.processing_node_token = process.token;
        entry.evidence = foremost.map_or_else(Vec::new, evidence);
        entry.why_nothing_is_done = reason.map_or("", |reason| &reason.text);
        entry.blocked_by = blocked_by.map_or_else(String::new, ToString::to_string);
        entry.under_way = under_way.map_or_else(String::new, ToString::to_string);
        entry
    }

    fn of_facts(examined: &'a Examined, facts: &'a Facts, config: &ApiConfig) -> Self {
        let alias = examined.view.alias_of_name(&facts.cluster);
        let domain = examined.view.domain_of_name(&facts.cluster);
        let cluster = ClusterInfoDto::named(&facts.cluster, alias, config);
        let downtime = facts.downtime.as_ref();
        let seconds_past = |end| {
            let left = examined.at.as_seconds().saturating_sub(end);
            left.min(0)
        };
        Self {
            analyzed_instance_key: KeyDto::from(&facts.key),
            analyzed_instance_master_key: KeyDto::from(facts.source.as_ref()),
            // In these entries the predecessor names the cluster where there is no domain.
            cluster_details: cluster.with_domain(match domain {
                "" => &facts.cluster,
                domain => domain,
            }),
            analyzed_instance_data_center: &facts.placement.data_center,
            analyzed_instance_region: &facts.placement.region,
            analyzed_instance_physical_environment: &facts.placement.physical_environment,
            analyzed_instance_binlog_coordinates: CoordinatesDto::binary(
                facts.binlog_position.as_ref(),
            ),
            is_master: facts.is_primary,
            is_replication_group_member: facts.is_group_member,
            is_co_master: facts.is_co_primary,
            last_check_valid: facts.check.is_valid,
            last_check_partial_success: facts.check.is_partial_success,
            replication_depth: facts.depth,
            is_failing_to_connect_to_master: facts.is_failing_to_connect,
            is_downtimed: downtime.is_some(),
            downtime_end_timestamp: downtime.map_or_else(String::new, |downtime| {
                SpaceSeparated(downtime.ends_at).to_string()
            }),
            downtime_remaining_seconds: downtime
                .map_or(0, |downtime| seconds_past(downtime.ends_at.as_seconds())),
            is_binlog_server: facts.is_binlog_server,
            pseudo_gtid_immediate_topology: facts.uses_pseudo_gtid,
            semi_sync_master_enabled: facts.semi_sync.source_enabled,
            semi_sync_master_status: facts.semi_sync.source_status,
            semi_sync_master_wait_for_replica_count: facts.semi_sync.wait_for_replica_count,
            semi_sync_master_clients: facts.semi_sync.source_clients,
            gtid_mode: facts.gtid_mode.as_deref().unwrap_or_default(),
            is_read_only: facts.is_read_only,
            ..Self::of_replicas(facts)
        }
    }

    fn of_replicas(facts: &'a Facts) -> Self {
        let replicas = &facts.replicas;
        let errant = replicas.errant.iter().map(|(_, set)| set.as_str());
        Self {
            count_replicas: replicas.count(),
            count_valid_replicas: replicas.valid,
            count_valid_replicating_replicas: replicas.replicating,
            count_replicas_failing_to_connect_to_master: replicas.failing_to_connect,
            count_downtimed_replicas: replicas.in_downtime,
            replicas: keys(&replicas.all),
            slave_hosts: keys(&replicas.all),
            oracle_gtid_immediate_topology: replicas.all_use_oracle_gtid,
            mariadb_gtid_immediate_topology: replicas.all_use_mariadb_gtid,
            binlog_server_immediate_topology: replicas.all_are_binlog_servers,
            count_semi_sync_replicas_enabled: replicas.semi_sync_enabled,
            count_logging_replicas: replicas.logging,
            count_statement_based_logging_replicas: replicas.logging_statements,
            count_mixed_based_logging_replicas: replicas.logging_mixed,
            count_row_based_logging_replicas: replicas.logging_rows,
            count_distinct_major_versions_logging_replicas: replicas.version_lines.len(),
            count_delayed_replicas: replicas.delayed,
            count_lagging_replicas: replicas.lagging,
            min_replica_gtid_mode: replicas.gtid_modes.first().map_or("", String::as_str),
            max_replica_gtid_mode: replicas.gtid_modes.last().map_or("", String::as_str),
            max_replica_gtid_errant: errant.max().unwrap_or_default(),
            ..Self::default()
        }
    }

    /// What lists of the past keep of an entry.
    pub fn sparse(
        subject: &'a InstanceKey,
        code: FindingCode,
        cluster: ClusterNames<'a>,
        replicas: &'a [InstanceKey],
        config: &ApiConfig,
    ) -> Self {
        Self {
            analyzed_instance_key: KeyDto::from(subject),
            analysis: finding_code(code),
            cluster_details: ClusterInfoDto::named(cluster.name, cluster.alias, config),
            count_replicas: replicas.len(),
            replicas: keys(replicas),
            slave_hosts: keys(replicas),
            ..Self::default()
        }
    }

    /// The same with the begin of an active period.
    #[must_use]
    pub fn active_since(self, start_active_period: String) -> Self {
        Self {
            start_active_period,
            ..self
        }
    }
}

fn keys(keys: &[InstanceKey]) -> Vec<KeyDto<'_>> {
    keys.iter().map(KeyDto::from).collect()
}

fn evidence(finding: &Finding) -> Vec<String> {
    finding.evidence.iter().map(ToString::to_string).collect()
}

/// Whether the finding is about replicas, and they are all in downtime; also when the server itself is.
fn has_only_downtimed_replicas(finding: &Finding) -> bool {
    if finding.muted == Some(Muted::AllReplicasInDowntime) {
        return true;
    }
    let replicas = &finding.facts.replicas;
    let is_marked = || {
        let mut rules = rules::main();
        rules.any(|rule| rule.code == finding.code && rule.is_muted_with_replicas)
    };
    replicas.count() > 0 && replicas.count() == replicas.in_downtime && is_marked()
}

/// `ReplicationAnalysisChangelog` of the API.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ChangelogDto<'a> {
    analyzed_instance_key: KeyDto<'a>,
    /// Each `<time>;<code>,`, oldest first.
    changelog: Vec<String>,
}

impl<'a> From<&'a CodeChanges> for ChangelogDto<'a> {
    fn from(of: &'a CodeChanges) -> Self {
        let told = |change: &CodeChange| {
            let code = change.code.map_or(NO_PROBLEM, finding_code);
            format!("{};{code},", SpaceSeparated(change.at))
        };
        Self {
            analyzed_instance_key: (&of.server).into(),
            changelog: of.changes.iter().map(told).collect(),
        }
    }
}
