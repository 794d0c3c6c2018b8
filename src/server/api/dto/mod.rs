//! What clients see: the predecessor's names, field orders, duplicates and misspellings, in one place each. They borrow
//! from the view and exist only while an answer is written.

mod access_token;
mod analysis;
mod changelog;
mod cluster;
mod findings;
mod health;
mod import;
mod instance;
mod isolation_guard;
mod key;
mod number;
mod probe;
mod problems;
mod raft;
mod recovery;
mod recovery_whole;
mod time;

pub use access_token::AccessTokenDto;
pub use analysis::{AnalysisDto, ClusterNames, Process};
pub use changelog::ChangelogDto;
pub use cluster::ClusterInfoDto;
pub use findings::Findings;
pub use health::{GroupHealth, HealthStatusDto};
pub use import::ImportDto;
pub use instance::{InstanceDto, InstanceList, Source};
pub use isolation_guard::IsolationGuardDto;
pub use key::{CoordinatesDto, KeyDto, Keys};
pub use number::NullInt64;
pub use probe::ProbeDto;
pub use problems::problems;
pub use raft::RaftStatusDto;
pub use recovery::{BlockedDto, NoteDto, RecoveryDto};
pub use recovery_whole::WholeRecoveryDto;
pub use time::{Fractional, Rfc3339, SpaceSeparated};

use serde::{Serialize, Serializer};

/// A list that is `null` when it is empty, as some routes answer.
pub struct NullWhenEmpty<T>(pub Vec<T>);

impl<T: Serialize> Serialize for NullWhenEmpty<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.is_empty() {
            true => serializer.serialize_none(),
            false => self.0.serialize(serializer),
        }
    }
}
