//! What the pure core is told about recoveries, of the settings. Pure.

use std::time::Duration;

use orchestrator_core::analysis::AnalysisPolicy;
use orchestrator_core::beats::BeatPolicy;
use orchestrator_core::isolation::GuardPolicy;
use orchestrator_core::legacy::hooks::HookList;
use orchestrator_core::recovery::{RecoveryPolicy, UnappliedRelayLog};
use orchestrator_core::topology::ReplicationPolicy;
use regex::Regex;

use crate::beats;
use crate::config::Settings;
use crate::config::settings;
use crate::executor;
use crate::guard;
use crate::import;

/// How often it is looked whether there is something to do, at most: as the predecessor.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// No record of a recovery goes sooner after its end.
const KEPT_MIN: Duration = Duration::from_secs(24 * 3600);

/// What analysis goes by.
pub fn analysis(settings: &Settings) -> AnalysisPolicy {
    let (discovery, recovery) = (&settings.live.discovery, &settings.live.recovery);
    AnalysisPolicy {
        instance_poll: discovery.poll_interval,
        reasonable_check: discovery.check_allowance,
        reasonable_lag: settings.live.problems.lag_max,
        locked_semi_sync_after: recovery.locked_semi_sync_after,
        enforces_exact_semi_sync: recovery.enforces_semi_sync_count,
        recovers_read_only_primary: recovery.recovers_read_only_primary,
        ignored_hosts: recovery.ignore.clone(),
    }
}

/// What beats go by.
pub fn beats(settings: &Settings) -> beats::Config {
    let recovery = &settings.live.recovery;
    beats::Config {
        policy: BeatPolicy {
            silence: recovery.primary_silence,
            restart_grace: recovery.restart_grace,
        },
        silence_of: recovery.primary_silence_of.clone(),
        restart_grace_of: recovery.restart_grace_of.clone(),
        cluster_aliases: cluster_aliases(settings),
    }
}

/// What recoveries go by. Which clusters refuse a possible loss is for the loop, which knows what they are called.
pub fn recovery(settings: &Settings) -> RecoveryPolicy {
    let (live, recovery) = (&settings.live, &settings.live.recovery);
    let defaults = RecoveryPolicy::default();
    RecoveryPolicy {
        primary_clusters: recovery.primary_of.written.clone(),
        never_promoted: recovery.never_promote.clone(),
        block_period: recovery.block_period,
        recoveries_max: recovery.recoveries_max,
        check_validity: analysis(settings).validity(),
        apply_timeout: recovery.apply_timeout,
        unapplied: match recovery.unapplied {
            settings::UnappliedRelayLog::Bounded => UnappliedRelayLog::Bounded,
            settings::UnappliedRelayLog::Fail => UnappliedRelayLog::Refuse,
            settings::UnappliedRelayLog::Wait => UnappliedRelayLog::Wait,
        },
        durability: defaults.durability,
        makes_writable: recovery.makes_promoted_writable,
        detaches_promoted: recovery.detaches_promoted,
        postpones_from: recovery.postpone_on_delay,
        detaches_lost: recovery.detaches_lost_replicas,
        lost_downtime: recovery.lost_downtime,
        stays_in_data_center: recovery.stays_in_data_center,
        stays_in_region: recovery.stays_in_region,
        lag_max: recovery.fail_on_lag,
        replication: ReplicationPolicy {
            verifies_filters: live.recovery.verifies_filters,
            ..defaults.replication
        },
        steps_at_once: recovery.moves_max,
    }
}

/// What the loop that recovers goes by. `changes_nothing` is true for a process that was told to change nothing.
pub fn executor(settings: &Settings, changes_nothing: bool) -> executor::Config {
    let (live, defaults) = (&settings.live, executor::Config::default());
    executor::Config {
        look_every: live.discovery.poll_interval.min(LOOK_EVERY),
        analysis: analysis(settings),
        recovery: recovery(settings),
        refuses_loss_of: live.recovery.refuses_loss_of.written.clone(),
        intermediate_clusters: live.recovery.intermediate_of.written.clone(),
        hooks: executor::HookLists {
            lines: hook_lines(&live.hooks),
            timeout: live.hooks.timeout,
        },
        detection_block_period: live.recovery.detection_block_period,
        kept_for: kept_for(&live.recovery),
        changes_kept_for: live.discovery.forget_after,
        downtime_owner: defaults.downtime_owner,
        changes_nothing,
        cluster_aliases: cluster_aliases(settings),
    }
}

/// What the guard of a cut-off data centre goes by.
pub fn guard(settings: &Settings, changes_nothing: bool) -> guard::Config {
    let recovery = &settings.live.recovery;
    guard::Config {
        policy: recovery.isolation_guard.as_ref().map(|own| GuardPolicy {
            data_center: own.data_center.clone(),
            after: own.after,
            primaries_max: own.primaries_max,
        }),
        primary_clusters: recovery.primary_of.written.clone(),
        cluster_aliases: cluster_aliases(settings),
        changes_nothing,
    }
}

/// What taking over from the predecessor goes by.
pub fn import(settings: &Settings, changes_nothing: bool) -> import::Config {
    let live = &settings.live;
    import::Config {
        candidate_lifetime: live.candidates.expire_after,
        detection_block_period: live.recovery.detection_block_period,
        kept_for: kept_for(&live.recovery),
        instances_kept_for: live.discovery.forget_after,
        changes_nothing,
    }
}

fn cluster_aliases(settings: &Settings) -> Vec<(Regex, String)> {
    let aliases = settings.live.detection.cluster_aliases.iter();
    aliases
        .map(|rule| (rule.pattern.clone(), rule.alias.clone()))
        .collect()
}

/// A record must not go while others are held back by it, nor before somebody had a day to see it.
fn kept_for(recovery: &settings::Recovery) -> Duration {
    recovery.kept_for.max(recovery.block_period).max(KEPT_MIN)
}

fn hook_lines(hooks: &settings::Hooks) -> Vec<(HookList, Vec<String>)> {
    let lines = |list: HookList| match list {
        HookList::OnDetection => &hooks.on_detection,
        HookList::BeforeTakeover => &hooks.before_takeover,
        HookList::BeforeFailover => &hooks.before_failover,
        HookList::AfterPrimaryFailover => &hooks.after_primary_failover,
        HookList::AfterIntermediateFailover => &hooks.after_intermediate_failover,
        HookList::AfterFailover => &hooks.after_failover,
        HookList::AfterFailedFailover => &hooks.after_failed_failover,
        HookList::AfterTakeover => &hooks.after_takeover,
        HookList::AfterTakingSource => &hooks.after_taking_source,
    };
    let all = HookList::ALL.into_iter();
    all.map(|list| (list, lines(list).clone())).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::time::Duration;

    use orchestrator_core::domain::InstanceKey;

    use super::*;
    use crate::config::{FileList, Overrides, SystemSource, load, table};

    fn minutes(count: u64) -> Duration {
        Duration::from_secs(count * 60)
    }

    /// The policies of a file with these keys.
    fn policies(keys: &str) -> (AnalysisPolicy, RecoveryPolicy) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("orchestrator.conf.json");
        fs::write(&path, format!("{{{keys}}}")).unwrap();
        let loaded = load(&SystemSource, &FileList::Only(path), Overrides::default())
            .unwrap_or_else(|errors| panic!("{keys}: {errors}"));
        (analysis(&loaded.settings), recovery(&loaded.settings))
    }

    type InAnalysis = fn(&AnalysisPolicy) -> bool;
    type InRecovery = fn(&RecoveryPolicy) -> bool;

    /// Keys, a value of each that is not its default, and whether it has arrived.
    const OF_ANALYSIS: [(&str, &str, InAnalysis); 7] = [
        ("InstancePollSeconds", "7", |p| {
            p.instance_poll == Duration::from_secs(7)
        }),
        ("ReasonableInstanceCheckSeconds", "3", |p| {
            p.reasonable_check == Duration::from_secs(3)
        }),
        ("ReasonableReplicationLagSeconds", "17", |p| {
            p.reasonable_lag == Duration::from_secs(17)
                && p.locked_semi_sync_after == Duration::from_secs(17)
        }),
        ("ReasonableLockedSemiSyncMasterSeconds", "23", |p| {
            p.locked_semi_sync_after == Duration::from_secs(23)
        }),
        ("EnforceExactSemiSyncReplicas", "true", |p| {
            p.enforces_exact_semi_sync
        }),
        ("RecoverNonWriteableMaster", "true", |p| {
            p.recovers_read_only_primary
        }),
        ("RecoveryIgnoreHostnameFilters", r#"["^db9"]"#, |p| {
            p.ignores("db9.example").is_some()
        }),
    ];

    const OF_RECOVERY: [(&str, &str, InRecovery); 22] = [
        ("MaxConcurrentRecoveries", "25", |p| p.recoveries_max == 25),
        (
            "RecoverMasterClusterFilters",
            r#"["shop", "alias~=x"]"#,
            |p| p.primary_clusters == ["shop", "alias~=x"],
        ),
        ("PromotionIgnoreHostnameFilters", r#"["^db9:"]"#, |p| {
            p.never_promoted
                .matches(&InstanceKey::parse("db9:3306", 1).unwrap())
        }),
        ("RecoveryPeriodBlockSeconds", "90", |p| {
            p.block_period == Duration::from_secs(90)
        }),
        (
            "RecoveryPeriodBlockMinutes",
            r#"5, "RecoveryPeriodBlockSeconds": 0"#,
            |p| p.block_period == minutes(5),
        ),
        ("InstancePollSeconds", "7", |p| {
            p.check_validity == Duration::from_secs(8)
        }),
        ("ReasonableInstanceCheckSeconds", "3", |p| {
            p.check_validity == Duration::from_secs(8)
        }),
        ("PromotionApplyTimeoutSeconds", "77", |p| {
            p.apply_timeout == Duration::from_secs(77)
        }),
        ("ApplyMySQLPromotionAfterMasterFailover", "false", |p| {
            !p.makes_writable
        }),
        ("MasterFailoverDetachReplicaMasterHost", "true", |p| {
            p.detaches_promoted
        }),
        ("MasterFailoverDetachSlaveMasterHost", "true", |p| {
            p.detaches_promoted
        }),
        ("DetachLostSlavesAfterMasterFailover", "false", |p| {
            !p.detaches_lost
        }),
        ("MasterFailoverLostInstancesDowntimeMinutes", "9", |p| {
            p.lost_downtime == Some(minutes(9))
        }),
        ("PreventCrossDataCenterMasterFailover", "true", |p| {
            p.stays_in_data_center
        }),
        ("PreventCrossRegionMasterFailover", "true", |p| {
            p.stays_in_region
        }),
        (
            "FailMasterPromotionOnLagMinutes",
            r#"4, "ReplicationLagQuery": "select 1""#,
            |p| p.lag_max == Some(minutes(4)),
        ),
        ("FailMasterPromotionIfSQLThreadNotUpToDate", "true", |p| {
            p.unapplied == UnappliedRelayLog::Refuse
        }),
        ("DelayMasterPromotionIfSQLThreadNotUpToDate", "true", |p| {
            p.unapplied == UnappliedRelayLog::Wait
        }),
        ("PostponeReplicaRecoveryOnLagMinutes", "6", |p| {
            p.postpones_from == Some(minutes(6))
        }),
        ("PostponeSlaveRecoveryOnLagMinutes", "6", |p| {
            p.postpones_from == Some(minutes(6))
        }),
        ("VerifyReplicationFilters", "true", |p| {
            p.replication.verifies_filters
        }),
        ("MaxConcurrentReplicaOperations", "11", |p| {
            p.steps_at_once == 11
        }),
    ];

    /// Keys of the section about recovery that say nothing to the core, and who is told instead.
    const ELSEWHERE: [(&str, &str); 14] = [
        (
            "RefusePossibleLossClusterFilters",
            "the loop, which makes the policy of one cluster of it",
        ),
        (
            "RecoverIntermediateMasterClusterFilters",
            "no recovery of intermediate sources yet",
        ),
        (
            "FailureDetectionPeriodBlockMinutes",
            "the loop that registers detections",
        ),
        ("PrimarySilenceSeconds", "beats"),
        ("PrimarySilenceSecondsByCluster", "beats"),
        ("PrimaryRestartGraceSecondsByCluster", "beats"),
        ("PrimaryRestartGraceSeconds", "beats"),
        (
            "CoMasterRecoveryMustPromoteOtherCoMaster",
            "no recovery of co-primaries yet",
        ),
        ("UseSuperReadOnly", "the statements of the MySQL adapter"),
        (
            "ReasonableMaintenanceReplicationLagSeconds",
            "the API; takeovers later",
        ),
        (
            "InstanceBulkOperationsWaitTimeoutSeconds",
            "moving replicas by hand, later",
        ),
        (
            "RecoverLockedSemiSyncMaster",
            "no recovery of semi-sync yet",
        ),
        ("ReduceReplicationAnalysisCount", "without effect yet"),
        (
            "ExpectFailureAnalysisConcensus",
            "without effect in the predecessor too",
        ),
    ];

    #[test]
    fn every_key_of_analysis_and_recovery_reaches_its_field() {
        let (analysis, recovery) = policies("");
        for (key, value, has_arrived) in OF_ANALYSIS {
            assert!(!has_arrived(&analysis), "{key} is set without being set");
            let (analysis, _) = policies(&format!("\"{key}\": {value}"));
            assert!(has_arrived(&analysis), "{key} = {value}: {analysis:?}");
        }
        for (key, value, has_arrived) in OF_RECOVERY {
            assert!(!has_arrived(&recovery), "{key} is set without being set");
            let (_, recovery) = policies(&format!("\"{key}\": {value}"));
            assert!(has_arrived(&recovery), "{key} = {value}: {recovery:?}");
        }
    }

    #[test]
    fn records_are_kept_for_the_configured_days_and_never_less_than_a_day_or_the_block_period() {
        let kept = |keys: &str| {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("orchestrator.conf.json");
            fs::write(&path, format!("{{{keys}}}")).unwrap();
            let loaded = load(&SystemSource, &FileList::Only(path), Overrides::default());
            executor(&loaded.unwrap().settings, false).kept_for
        };
        let day = minutes(24 * 60);
        assert_eq!(kept(""), 7 * day);
        assert_eq!(kept(r#""AuditPurgeDays": 30"#), 30 * day);
        assert_eq!(kept(r#""AuditPurgeDays": 0"#), day);
        let blocks_longer = r#""AuditPurgeDays": 1, "RecoveryPeriodBlockSeconds": 259200"#;
        assert_eq!(kept(blocks_longer), 3 * day);
    }

    #[test]
    fn with_nothing_set_the_policies_are_the_defaults() {
        let (analysis, recovery) = policies("");
        let (by_default, also) = (AnalysisPolicy::default(), RecoveryPolicy::default());
        assert_eq!(format!("{analysis:?}"), format!("{by_default:?}"));
        assert_eq!(format!("{recovery:?}"), format!("{also:?}"));
    }

    #[test]
    fn lost_replicas_are_detached_when_either_name_says_so() {
        for (new, old) in [(true, true), (true, false), (false, true), (false, false)] {
            let (_, recovery) = policies(&format!(
                "\"DetachLostReplicasAfterMasterFailover\": {new}, \"DetachLostSlavesAfterMasterFailover\": {old}"
            ));
            assert_eq!(recovery.detaches_lost, new || old, "{new} {old}");
        }
    }

    #[test]
    fn no_key_about_recovery_is_forgotten() {
        let section = table::SECTIONS
            .iter()
            .find(|section| section.title == "Analysis and recovery")
            .expect("the section is there");
        let told: BTreeSet<&str> = OF_ANALYSIS
            .iter()
            .map(|(key, ..)| *key)
            .chain(OF_RECOVERY.iter().map(|(key, ..)| *key))
            .chain(ELSEWHERE.iter().map(|(key, _)| *key))
            .chain(["DetachLostReplicasAfterMasterFailover"])
            .collect();
        for key in section.keys {
            assert!(told.contains(key.name), "{} reaches nobody", key.name);
        }
    }
}
