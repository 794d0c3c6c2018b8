//! The nouns of the field. No IO, no policy, nothing of the predecessor's vocabulary.

mod access_token;
mod binlog;
mod cluster_alias;
pub mod coordinates;
mod data_loss;
mod downtime;
mod fence;
mod finding_code;
pub mod gtid;
mod host_filters;
mod import;
mod instance_key;
mod observation;
mod picture;
mod promotion_rule;
mod recovery;
mod recovery_id;
mod secret;
mod timestamp;
pub mod version;

pub use access_token::{AccessToken, NotAPublicToken, PublicToken, SecretDigest, TokenClaim};
pub use binlog::BinlogPosition;
pub use cluster_alias::{ClusterAlias, MovedAlias};
pub use coordinates::{CoordinatesError, LogCoordinates, LogFile, ReportedLogFile, ReportedSource};
pub use data_loss::DataLoss;
pub use downtime::{Candidate, Downtime};
pub use fence::Fence;
pub use finding_code::FindingCode;
pub use host_filters::{HostFilterError, HostFilters};
pub use import::{Import, ImportPosition};
pub use instance_key::{HostName, InstanceKey, KeyError};
pub use observation::{
    BinlogSettings, Flavor, GroupMember, GtidState, Observation, Placement, ReplicationLink,
    SemiSync, ServerIdentity, SourceAddress, ThreadState,
};
pub use picture::{InstanceRecord, Picture, ProbeFailure, ProbeFailureKind};
pub use promotion_rule::{PromotionRule, UnknownPromotionRule};
pub use recovery::{
    Acknowledgement, Detection, Phase, RecordedStep, RecoveriesDisabled, Recovery, RecoveryEnd,
    RecoveryKind, RecoveryNote, RecoveryOutcome, RecoverySessionId, TimeSplit, TouchedServer,
};
pub use recovery_id::{NotARecoveryId, RecoveryId};
pub use secret::Secret;
pub use timestamp::Timestamp;
pub use version::{Maturity, ServerVersion, Support, VersionError, VersionFit};
