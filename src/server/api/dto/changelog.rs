use orchestrator_core::legacy::codes::{NO_PROBLEM, finding_code};
use orchestrator_core::ports::FindingChanges;
use serde::Serialize;

use super::{KeyDto, Rfc3339};

/// `ReplicationAnalysisChangelog` of the API.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ChangelogDto<'a> {
    analyzed_instance_key: KeyDto<'a>,
    /// `time;code,` of each change, the comma included as the predecessor has it.
    changelog: Vec<String>,
}

impl<'a> From<&'a FindingChanges> for ChangelogDto<'a> {
    fn from(of: &'a FindingChanges) -> Self {
        let changes = of.changes.iter().map(|(at, code)| {
            let code = code.map_or(NO_PROBLEM, finding_code);
            format!("{};{code},", Rfc3339(*at))
        });
        Self {
            analyzed_instance_key: KeyDto::from(&of.server),
            changelog: changes.collect(),
        }
    }
}
