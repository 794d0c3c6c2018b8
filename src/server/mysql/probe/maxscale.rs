use orchestrator_core::domain::{Flavor, Observation};

use super::ask::{Asker, FEW_ROWS, unreadable};
use super::identity::Profile;
use super::status;
use super::text::name;
use crate::mysql::failure::StepError;

/// Asks a MaxScale that acts as a binary log server. It understands few statements, each in one exact form, and has no
/// data of its own: what it logs is what its source logged.
pub(super) async fn ask(
    asker: &mut Asker<'_>,
    profile: &Profile,
    version: &str,
    seen: &mut Observation,
) -> Result<(), StepError> {
    const STATUS: &str = "reading the replica status";
    seen.identity.flavor = Flavor::MaxScale;
    seen.identity.version = name(Some(format!("{version}-maxscale")));
    seen.read_only = true;
    seen.binlog.enabled = true;
    seen.binlog.logs_replica_updates = true;
    seen.binlog.format = "INHERIT".to_owned();
    let id = asker
        .value("reading server_id", "SELECT @@server_id")
        .await?;
    seen.identity.server_id = id.and_then(|text| text.parse().ok()).unwrap_or(0);
    seen.identity.server_uuid = name(
        asker
            .value("reading server_uuid", "SELECT @@server_uuid")
            .await?,
    );
    asker.progress.has_answered = true;
    let answer = asker.must(STATUS, "SHOW SLAVE STATUS", FEW_ROWS).await?;
    let link = status::link(&answer).map_err(|error| StepError {
        step: STATUS,
        error,
    })?;
    let link = link.ok_or_else(|| unreadable(STATUS, "no row, which a MaxScale has to have"))?;
    seen.lag_seconds = link.seconds_behind;
    seen.replication = Some(link);
    seen.replicas = super::replicas::ask(asker, profile, true, &seen.key, false).await?;
    Ok(())
}
