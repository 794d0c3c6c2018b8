//! What configured queries and patterns tell about a server.

use orchestrator_core::domain::{HostName, Observation, PromotionRule};
use regex::Regex;

use super::ahead::Statement;
use super::ask::Asker;
use super::text::name;
use crate::mysql::failure::StepError;
use crate::mysql::{Config, DetectQueries, Patterns};

/// Placement by patterns on the name that the server is known by; queries may override it.
pub(super) fn by_patterns(patterns: &Patterns, host: &HostName, seen: &mut Observation) {
    let group = |pattern: &Option<Regex>| {
        let found = pattern.as_ref()?.captures(host.as_str())?.get(1)?;
        Some(found.as_str().to_owned())
    };
    let place = &mut seen.placement;
    set(&mut place.data_center, group(&patterns.data_center));
    set(&mut place.region, group(&patterns.region));
    set(
        &mut place.physical_environment,
        group(&patterns.physical_environment),
    );
}

/// What [`lag`] and [`by_queries`] ask, as far as it can be asked ahead.
pub(super) fn statements(config: &Config) -> impl Iterator<Item = Statement> {
    let queries = &config.detect;
    [
        ("ReplicationLagQuery", &config.lag_query),
        ("DetectDataCenterQuery", &queries.data_center),
        ("DetectRegionQuery", &queries.region),
        (
            "DetectPhysicalEnvironmentQuery",
            &queries.physical_environment,
        ),
        ("DetectInstanceAliasQuery", &queries.instance_alias),
        ("DetectClusterAliasQuery", &queries.cluster_alias),
        ("DetectClusterDomainQuery", &queries.cluster_domain),
        ("DetectSemiSyncEnforcedQuery", &queries.semi_sync_enforced),
        ("DetectPromotionRuleQuery", &queries.promotion_rule),
        ("DetectPseudoGTIDQuery", &queries.pseudo_gtid),
    ]
    .into_iter()
    .filter_map(|(step, query)| Statement::configured(step, query))
}

/// Asks the configured queries.
pub(super) async fn by_queries(
    asker: &mut Asker<'_>,
    queries: &DetectQueries,
    seen: &mut Observation,
) -> Result<Queried, StepError> {
    let queried = Queried {
        data_center: asker
            .value("DetectDataCenterQuery", &queries.data_center)
            .await?,
        region: asker.value("DetectRegionQuery", &queries.region).await?,
        physical_environment: asker
            .value(
                "DetectPhysicalEnvironmentQuery",
                &queries.physical_environment,
            )
            .await?,
    };
    seen.identity.alias = name(
        asker
            .value("DetectInstanceAliasQuery", &queries.instance_alias)
            .await?,
    );
    seen.cluster_alias = name(
        asker
            .value("DetectClusterAliasQuery", &queries.cluster_alias)
            .await?,
    );
    seen.cluster_domain = name(
        asker
            .value("DetectClusterDomainQuery", &queries.cluster_domain)
            .await?,
    );
    let priority = asker
        .value("DetectSemiSyncEnforcedQuery", &queries.semi_sync_enforced)
        .await?;
    seen.semi_sync.priority = priority
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0);
    let rule = asker
        .value("DetectPromotionRuleQuery", &queries.promotion_rule)
        .await?;
    seen.promotion_rule = rule.and_then(|text| promotion_rule(&text));
    let pseudo_gtid = asker
        .value("DetectPseudoGTIDQuery", &queries.pseudo_gtid)
        .await?;
    seen.uses_pseudo_gtid = pseudo_gtid.is_some_and(|text| text.trim() == "1");
    Ok(queried)
}

/// Placement by queries, to be laid over the one by patterns.
#[derive(Debug, Default)]
pub(super) struct Queried {
    data_center: Option<String>,
    region: Option<String>,
    physical_environment: Option<String>,
}

impl Queried {
    pub(super) fn apply(self, seen: &mut Observation) {
        let place = &mut seen.placement;
        set(&mut place.data_center, self.data_center);
        set(&mut place.region, self.region);
        set(&mut place.physical_environment, self.physical_environment);
    }
}

/// The configured lag, else the one the server reports.
pub(super) async fn lag(
    asker: &mut Asker<'_>,
    config: &Config,
    seen: &mut Observation,
) -> Result<(), StepError> {
    let reported = seen
        .replication
        .as_ref()
        .and_then(|link| link.seconds_behind);
    let queried = asker
        .value("ReplicationLagQuery", &config.lag_query)
        .await?;
    seen.lag_seconds = queried.and_then(|text| seconds(&text)).or(reported);
    Ok(())
}

/// Whole seconds of a number that may be negative (clocks differ) or broken.
fn seconds(text: &str) -> Option<u64> {
    let number: f64 = text.trim().parse().ok()?;
    // The cast saturates, which is right for a lag beyond all measure; NaN is none.
    (!number.is_nan()).then(|| number.max(0.0) as u64)
}

fn set(field: &mut String, found: Option<String>) {
    let found = name(found);
    if !found.is_empty() {
        *field = found;
    }
}

/// `must` is a word of the vocabulary, but nothing that may be registered.
fn promotion_rule(text: &str) -> Option<PromotionRule> {
    match text.parse() {
        Ok(PromotionRule::Must) => None,
        Ok(rule) => Some(rule),
        Err(reason) => {
            tracing::debug!(%reason, "DetectPromotionRuleQuery is left out");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orchestrator_core::domain::{InstanceKey, Timestamp};

    #[test]
    fn patterns_tell_by_their_first_group_and_queries_override() {
        let pattern = |text| Some(Regex::new(text).unwrap());
        let patterns = Patterns {
            data_center: pattern(r"^[a-z]+\d+-([a-z]+)-"),
            region: pattern("nothing(.)"),
            physical_environment: pattern("prod"),
        };
        let host = HostName::parse("db1-ams-prod.example").unwrap();
        let key = InstanceKey::new(host.clone(), 3306).unwrap();
        let mut seen = Observation::blank(key, Timestamp::from_seconds(1));
        by_patterns(&patterns, &host, &mut seen);
        assert_eq!(seen.placement.data_center, "ams");
        assert_eq!(seen.placement.region, "");
        assert_eq!(seen.placement.physical_environment, "", "it has no group");
        let queried = Queried {
            data_center: Some(String::new()),
            region: Some("eu".into()),
            physical_environment: None,
        };
        queried.apply(&mut seen);
        assert_eq!(seen.placement.data_center, "ams", "an empty answer is none");
        assert_eq!(seen.placement.region, "eu");
    }

    #[test]
    fn lags_are_whole_and_never_negative() {
        for (text, lag) in [
            ("0", Some(0)),
            ("1.9", Some(1)),
            ("-5", Some(0)),
            (" 7 ", Some(7)),
            ("nan", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(seconds(text), lag, "{text}");
        }
    }

    #[test]
    fn only_rules_that_may_be_registered_are_taken() {
        assert_eq!(promotion_rule("prefer"), Some(PromotionRule::Prefer));
        assert_eq!(promotion_rule(" must_not\n"), Some(PromotionRule::MustNot));
        assert_eq!(promotion_rule("must"), None);
        assert_eq!(promotion_rule("sometimes"), None);
    }
}
