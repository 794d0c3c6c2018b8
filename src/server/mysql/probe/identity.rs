use orchestrator_core::domain::Flavor;

use super::ahead::Habits;
use super::ask::{Asker, FEW_ROWS, unreadable};
use super::variables;
use crate::mysql::Config;
use crate::mysql::dialect::Dialect;
use crate::mysql::failure::StepError;

const STEP: &str = "reading the version";

/// What a server is, learnt once on each connection.
#[derive(Clone, Debug)]
pub(super) struct Profile {
    pub(super) dialect: Dialect,
    /// The version of a MaxScale that acts as a binary log server.
    pub(super) maxscale: Option<String>,
    /// The statement that reads the variables of this version.
    pub(super) variables: String,
    /// False once the server said that stored credentials are not for us to read.
    pub(super) may_read_credentials: bool,
    /// False once the server said that heartbeats are not for us to read.
    pub(super) may_read_heartbeats: bool,
    /// False once the server said that it knows no group replication.
    pub(super) may_have_group: bool,
    /// Which statements a probe of it needs, by what the last one needed.
    pub(super) habits: Habits,
}

impl Profile {
    /// Asks what the server is.
    pub(super) async fn learn(asker: &mut Asker<'_>, config: &Config) -> Result<Self, StepError> {
        if !config.skip_maxscale_check {
            let found = asker
                .may(
                    "asking for MaxScale",
                    "SHOW VARIABLES LIKE 'maxscale%'",
                    FEW_ROWS,
                )
                .await?;
            let version = found.and_then(|answer| {
                answer
                    .rows()
                    .find(|row| {
                        row.at(0)
                            .is_some_and(|name| name.eq_ignore_ascii_case("MAXSCALE_VERSION"))
                    })
                    .and_then(|row| row.at(1))
            });
            if let Some(version) = version {
                return Ok(Self::of(Dialect::detect(&version, ""), Some(version)));
            }
        }
        let answer = asker
            .must(
                STEP,
                "SELECT @@global.version AS version, @@global.version_comment AS version_comment",
                1,
            )
            .await?;
        let row = answer
            .first()
            .ok_or_else(|| unreadable(STEP, "no version"))?;
        let text = |name| row.text(name).unwrap_or_default();
        let dialect = Dialect::detect(&text("version"), &text("version_comment"));
        Ok(Self::of(dialect, None))
    }

    pub(super) fn of(dialect: Dialect, maxscale: Option<String>) -> Self {
        Self {
            variables: variables::statement(&dialect),
            may_have_group: dialect.has_group_replication(),
            dialect,
            maxscale,
            may_read_credentials: true,
            may_read_heartbeats: true,
            habits: Habits::default(),
        }
    }

    pub(super) fn flavor(&self) -> Flavor {
        match self.maxscale {
            Some(_) => Flavor::MaxScale,
            None => self.dialect.flavor(),
        }
    }
}
