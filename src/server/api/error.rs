use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use orchestrator_core::decided::Refusal;
use orchestrator_core::domain::{InstanceKey, KeyError};
use orchestrator_core::ports::{
    DiscoverError, GroupError, ImportError, ProposeError, ResolveError,
};
use serde::Serialize;

use super::envelope::{self, ERROR_HEADER};
use super::input::InputError;
use super::view::LookupError;

/// Why a request failed, in the words of the header `Orchestrator-Error`. Callers act on these, never on messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The caller may not do this.
    Unauthorized,
    /// The request cannot be understood, whatever the state is.
    InvalidInput,
    /// It names something unknown here.
    NotFound,
    /// Understood, and refused by a rule.
    Refused,
    /// The server could not be probed, or its name not be resolved.
    ProbeFailed,
    /// Nothing was done: this node does not lead, or does not reach the leader.
    NotLeader,
    /// It may have taken effect or not.
    UnknownOutcome,
    /// Nothing was done: too much is waiting.
    Busy,
    /// Nothing was done: a part of the service does not work.
    Unavailable,
    /// A part of it was done.
    Partial,
}

impl ErrorKind {
    /// The word of the header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::InvalidInput => "invalid-input",
            Self::NotFound => "not-found",
            Self::Refused => "refused",
            Self::ProbeFailed => "probe-failed",
            Self::NotLeader => "not-leader",
            Self::UnknownOutcome => "unknown-outcome",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::Partial => "partial",
        }
    }

    /// The status of routes that are new with us; the predecessor's routes answer 500 to all of them.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::FORBIDDEN,
            Self::InvalidInput => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Refused => StatusCode::CONFLICT,
            Self::ProbeFailed => StatusCode::BAD_GATEWAY,
            Self::UnknownOutcome => StatusCode::GATEWAY_TIMEOUT,
            Self::NotLeader | Self::Busy | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Partial => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// Why a handler has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The caller may not do this. The text is the one clients know.
    #[error("Unauthorized")]
    Unauthorized,
    /// An argument that is no host or port.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Another argument that cannot be understood.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A name that nothing here has.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// A host name that has no address, or the name service did not answer.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// A server that could not be probed.
    #[error("{key} could not be probed: {source}")]
    Discover {
        /// The server.
        key: InstanceKey,
        /// Why.
        source: DiscoverError,
    },
    /// A change that was not decided, or whose outcome is unknown.
    #[error(transparent)]
    Propose(#[from] ProposeError),
    /// A change that was refused when it was decided.
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
    /// A change of several instances that ended before the last.
    #[error("{done} of {total} instances were forgotten, then: {source}")]
    PartlyForgotten {
        /// How many were done.
        done: usize,
        /// How many there are.
        total: usize,
        /// Why it ended.
        source: ProposeError,
    },
    /// Access tokens are not in use.
    #[error(
        "there are no access tokens here, because AuthenticationMethod is not token; set it to token to use them"
    )]
    TokensAreOff,
    /// This node follows no leader that it hears.
    #[error(
        "nothing was changed: this node hears no leader, so it is cut off from the others or an election is under way; ask another node, or wait until one leads"
    )]
    NoLeader,
    /// Another node leads.
    #[error("nothing was changed: this node is not the leader; the leader is {leader}")]
    NotLeader {
        /// Its HTTP address, or its name.
        leader: String,
    },
    /// The leader that this node hears did not take the request.
    #[error(
        "nothing was changed: the request could not be passed on to the leader ({reason}); try again, or ask the leader itself"
    )]
    LeaderUnreachable {
        /// Why.
        reason: String,
    },
    /// It is taken on the leader only, and not passed on.
    #[error("Unauthorized: this is taken on the leader only; the leader is {leader}")]
    OnTheLeaderOnly {
        /// Its HTTP address, or its name.
        leader: String,
    },
    /// There is no group here.
    #[error("{route}: not running with raft setup")]
    NoGroup {
        /// The word that the predecessor says.
        route: &'static str,
    },
    /// This node is in no state to take part in decisions.
    #[error("unhealthy")]
    NotInQuorum,
    /// The group did not do what it was asked to.
    #[error("{what}: {source}")]
    Group {
        /// What was asked for.
        what: &'static str,
        /// Why not.
        source: GroupError,
    },
    /// Followers of the predecessor report their health by HTTP, with a word that their leader gave them.
    #[error(
        "Cannot create snapshot: no such token; members of this group report their health over the peer port"
    )]
    NoHealthToken,
    /// A recovery that is not there.
    #[error(
        "there is no recovery '{}'; it may have been long ago",
        name.chars().take(64).collect::<String>().escape_debug()
    )]
    NoRecovery {
        /// Its number or UID, as given.
        name: String,
    },
    /// A cluster of several primaries, or of none.
    #[error(
        "Cannot deduce cluster master for {cluster}. Found {found} potential masters; name the failed one with recover"
    )]
    NoSinglePrimary {
        /// Name of the cluster.
        cluster: String,
        /// How many may be it.
        found: usize,
    },
    /// A server that is not directly below the primary.
    #[error("You may only promote a direct child of the master {primary}. {designated} is not one")]
    NotADirectReplica {
        /// The primary.
        primary: InstanceKey,
        /// The server.
        designated: InstanceKey,
    },
    /// What the predecessor decided was not taken over, or not all of it.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// This node imports nothing.
    #[error("this node imports nothing")]
    NoImport,
    /// Configuration that could not be read again.
    #[error("the configuration was not reloaded, the one before stays in force: {}", .0.join("; "))]
    Reload(Vec<String>),
}

impl ApiError {
    /// The kind, for the header and for callers.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unauthorized => ErrorKind::Unauthorized,
            Self::Key(_) | Self::Input(_) | Self::Reload(_) => ErrorKind::InvalidInput,
            Self::Lookup(_) => ErrorKind::NotFound,
            Self::Resolve(_) => ErrorKind::ProbeFailed,
            Self::Discover { source, .. } => match source {
                DiscoverError::Probe(_) => ErrorKind::ProbeFailed,
                DiscoverError::Ignored { .. } | DiscoverError::Forgotten { .. } => {
                    ErrorKind::Refused
                }
                DiscoverError::Busy { .. } => ErrorKind::Busy,
                DiscoverError::Stopping => ErrorKind::Unavailable,
            },
            Self::Propose(source) => propose_kind(source),
            Self::Refused(_)
            | Self::TokensAreOff
            | Self::NoGroup { .. }
            | Self::NoHealthToken
            | Self::NoImport => ErrorKind::Refused,
            Self::Import(source) => import_kind(source),
            Self::NoLeader
            | Self::NotLeader { .. }
            | Self::OnTheLeaderOnly { .. }
            | Self::LeaderUnreachable { .. } => ErrorKind::NotLeader,
            Self::NotInQuorum => ErrorKind::Unavailable,
            Self::Group { source, .. } => group_kind(source),
            Self::NoRecovery { .. } => ErrorKind::NotFound,
            Self::NoSinglePrimary { .. } | Self::NotADirectReplica { .. } => ErrorKind::Refused,
            Self::PartlyForgotten { .. } => ErrorKind::Partial,
        }
    }

    /// The answer in the predecessor's form, with details.
    pub fn with_details<T: Serialize + ?Sized>(&self, details: &T) -> Response<Body> {
        envelope::error(self.kind(), &self.to_string(), details)
    }
}

fn group_kind(error: &GroupError) -> ErrorKind {
    match error {
        GroupError::NotLeader => ErrorKind::NotLeader,
        GroupError::NoSuchMember { .. } => ErrorKind::NotFound,
        GroupError::Unknown { .. } => ErrorKind::UnknownOutcome,
        GroupError::Failed { .. } => ErrorKind::Unavailable,
    }
}

fn import_kind(error: &ImportError) -> ErrorKind {
    match error {
        ImportError::Unreadable(_) => ErrorKind::Unavailable,
        ImportError::NothingThere { .. } => ErrorKind::NotFound,
        ImportError::NoSuchPlace { .. } => ErrorKind::InvalidInput,
        ImportError::StillRuns { .. } | ImportError::TooMany { .. } | ImportError::Refused(_) => {
            ErrorKind::Refused
        }
        ImportError::UnderWay => ErrorKind::Busy,
        ImportError::CutShort { source, .. } => propose_kind(source),
    }
}

fn propose_kind(error: &ProposeError) -> ErrorKind {
    match error {
        ProposeError::NotLeader { .. } => ErrorKind::NotLeader,
        ProposeError::Busy => ErrorKind::Busy,
        ProposeError::Store { .. } => ErrorKind::Unavailable,
        ProposeError::Unknown { .. } => ErrorKind::UnknownOutcome,
    }
}

/// In the predecessor's form: status 500, envelope, no details.
impl IntoResponse for ApiError {
    fn into_response(self) -> axum::response::Response {
        self.with_details(&())
    }
}

/// An error of a route that is new with us: a status that says what is wrong.
#[derive(Debug)]
pub struct V2Error(pub ApiError);

#[derive(Serialize)]
struct V2Body<'a> {
    error: V2Reason<'a>,
}

#[derive(Serialize)]
struct V2Reason<'a> {
    kind: &'a str,
    message: &'a str,
}

impl<E: Into<ApiError>> From<E> for V2Error {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for V2Error {
    fn into_response(self) -> axum::response::Response {
        let kind = self.0.kind();
        let message = self.0.to_string();
        let error = V2Reason {
            kind: kind.as_str(),
            message: &message,
        };
        let mut answer = envelope::bare_with(kind.status(), &V2Body { error });
        answer
            .headers_mut()
            .insert(ERROR_HEADER, HeaderValue::from_static(kind.as_str()));
        answer
    }
}
