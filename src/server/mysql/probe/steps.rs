use std::time::Duration;

use orchestrator_core::domain::{InstanceKey, Observation, Timestamp};

use super::ahead::{Ahead, Statement};
use super::ask::{Asker, FEW_ROWS};
use super::counters::{self, Listed};
use super::detect::{self, Queried};
use super::identity::Profile;
use super::names::own_host;
use super::status::{self, MAX_CHANNELS};
use super::variables::{self, Found};
use super::{group, heartbeats, maxscale, replicas, semi_sync};
use crate::mysql::failure::StepError;
use crate::mysql::{Config, DriverError};

/// What a server said, before names are resolved.
pub(super) struct Raw {
    pub(super) seen: Observation,
    pub(super) queried: Queried,
}

/// Asks everything, in order. The observation's key has the host that the server is to be known by, unresolved.
pub(super) async fn ask_all(
    asker: &mut Asker<'_>,
    config: &Config,
    key: &InstanceKey,
    profile: &mut Profile,
) -> Result<Raw, StepError> {
    let mut seen = Observation::blank(key.clone(), Timestamp::default());
    if let Some(version) = profile.maxscale.clone() {
        maxscale::ask(asker, profile, &version, &mut seen).await?;
        return Ok(Raw {
            seen,
            queried: Queried::default(),
        });
    }
    asker
        .ask_ahead(|| Ahead::of(all_statements(profile, config), profile.habits))
        .await?;
    let found = basics(asker, profile, &mut seen).await?;
    seen.key = key.with_host(own_host(key, &found, config.own_name)?);
    let counters = counters::ask(asker).await?;
    let plugins = settings(asker, profile, &counters, &mut seen).await?;
    replication(asker, profile, &counters, &mut seen).await?;
    if let Some(link) = &mut seen.replication {
        counters::complete(&counters, link);
        heartbeats::complete(asker, profile, found.has_performance_schema, link).await?;
    }
    seen.group = group::ask(asker, profile, &plugins, &seen.identity.server_uuid).await?;
    seen.replicas = replicas::ask(
        asker,
        profile,
        config.discover_by_show_replica_hosts,
        key,
        found.has_performance_schema,
    )
    .await?;
    seen.replication_credentials_available =
        credentials(asker, config, profile, &found, &seen).await?;
    detect::lag(asker, config, &mut seen).await?;
    let queried = detect::by_queries(asker, &config.detect, &mut seen).await?;
    profile.habits = asker.take_ahead().habits();
    Ok(Raw { seen, queried })
}

/// Every statement that may be needed. One that an account is often not allowed to send comes last, because a refusal holds up those after it.
pub(super) fn all_statements(profile: &Profile, config: &Config) -> Vec<Statement> {
    let dialect = &profile.dialect;
    let mut all = vec![
        Statement::usual(VARIABLES, profile.variables.clone()),
        Statement::usual(counters::STEP, counters::statement()),
        Statement::usual(STATUS, dialect.show_replica_status()),
    ];
    if !dialect.has_semi_sync_built_in() {
        all.push(Statement::usual(PLUGINS, semi_sync::PLUGIN_VARIABLES));
    }
    if !dialect.is_mariadb() {
        all.push(Statement::usual(LOG, dialect.show_binlog_status()));
    }
    all.extend(replicas::statements(
        dialect,
        config.discover_by_show_replica_hosts,
    ));
    all.extend(detect::statements(config));
    all.extend(heartbeats::statement(dialect));
    all.extend(group::statement(dialect));
    if dialect.has_oracle_gtid() && config.replication_credentials_query.is_empty() {
        all.push(Statement::usual(CREDENTIALS, CREDENTIALS_STATEMENT));
    }
    all
}

const VARIABLES: &str = "reading variables";
const PLUGINS: &str = "reading variables of plugins";
const STATUS: &str = "reading the replica status";
const LOG: &str = "reading the end of the binary log";
const CREDENTIALS: &str = "reading replication credentials";
const CREDENTIALS_STATEMENT: &str = "SELECT COUNT(*) > 0 AND MAX(User_name) IS NOT NULL AND MAX(User_name) <> '' \
     FROM mysql.slave_master_info";

/// The variables that every server of this version has. With them the server counts as up.
async fn basics(
    asker: &mut Asker<'_>,
    profile: &Profile,
    seen: &mut Observation,
) -> Result<Found, StepError> {
    let answer = asker.must(VARIABLES, &profile.variables, 1).await?;
    asker.progress.has_answered = true;
    seen.identity.flavor = profile.flavor();
    variables::apply(&answer, &profile.dialect, seen).map_err(at(VARIABLES))
}

async fn settings(
    asker: &mut Asker<'_>,
    profile: &Profile,
    counters: &Listed,
    seen: &mut Observation,
) -> Result<Listed, StepError> {
    let uptime = counters.get("Uptime").and_then(|text| text.parse().ok());
    seen.identity.uptime = Duration::from_secs(uptime.unwrap_or(0));
    semi_sync::apply_status(|name| counters.get(name), &mut seen.semi_sync);
    if profile.dialect.has_semi_sync_built_in() {
        return Ok(Listed::default());
    }
    let answer = asker
        .must(PLUGINS, semi_sync::PLUGIN_VARIABLES, FEW_ROWS)
        .await?;
    let plugins = Listed::read(&answer);
    semi_sync::apply_settings(
        |name| plugins.get(name),
        &profile.dialect,
        &mut seen.semi_sync,
    );
    Ok(plugins)
}

async fn replication(
    asker: &mut Asker<'_>,
    profile: &Profile,
    counters: &Listed,
    seen: &mut Observation,
) -> Result<(), StepError> {
    let answer = asker
        .must(STATUS, profile.dialect.show_replica_status(), MAX_CHANNELS)
        .await?;
    seen.replication = status::link(&answer).map_err(at(STATUS))?;
    asker.keep_status(answer);
    if seen.binlog.enabled {
        if profile.dialect.is_mariadb()
            && let Some(end) = counters::binlog_position(counters)
        {
            seen.binlog.position = Some(end);
            return Ok(());
        }
        let answer = asker
            .must(LOG, profile.dialect.show_binlog_status(), FEW_ROWS)
            .await?;
        seen.binlog.position = variables::binlog_position(&answer).map_err(at(LOG))?;
    }
    Ok(())
}

/// Whether credentials for replicating can be had: by the configured query, or because this replica keeps its own in a
/// table that may be read. A server that refuses is not asked again on this connection.
async fn credentials(
    asker: &mut Asker<'_>,
    config: &Config,
    profile: &mut Profile,
    found: &Found,
    seen: &Observation,
) -> Result<bool, StepError> {
    if !config.replication_credentials_query.is_empty() {
        return Ok(true);
    }
    let may_ask = profile.may_read_credentials && found.keeps_credentials_in_table;
    if !may_ask || !seen.is_replica() {
        return Ok(false);
    }
    let answer = asker.may(CREDENTIALS, CREDENTIALS_STATEMENT, 1).await?;
    profile.may_read_credentials = answer.is_some();
    Ok(answer.is_some_and(|answer| {
        answer
            .first()
            .and_then(|row| row.at(0))
            .is_some_and(|text| text == "1")
    }))
}

fn at(step: &'static str) -> impl Fn(DriverError) -> StepError {
    move |error| StepError { step, error }
}
