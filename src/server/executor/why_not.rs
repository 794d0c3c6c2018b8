use orchestrator_core::decided::Refusal;
use orchestrator_core::domain::InstanceKey;
use orchestrator_core::recovery::Blocked;
use orchestrator_core::recovery::plan::NoPlan;

/// Why nothing is done about a finding now; each is a sentence for an operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhyNot {
    /// Not every known server was asked since the start.
    #[error(
        "orchestrator has just started, and waits until every known server was asked once; {left} are left"
    )]
    Starting {
        /// How many were not asked yet.
        left: usize,
    },
    /// It was started to change nothing.
    #[error("this orchestrator was started with -noop and changes nothing")]
    DryRun,
    /// It was found a moment ago, and is being looked into.
    #[error("it is being looked into now")]
    UnderWay,
    /// Its replicas are asked, for two seconds at most.
    #[error("its beats speak against it, and its replicas are being asked now")]
    Asking,
    /// The gate says no.
    #[error("{0}")]
    Blocked(#[from] Blocked),
    /// As many recoveries as may are being begun.
    #[error("{running} recoveries are under way, and no more than {max} may be")]
    TooMany {
        /// How many.
        running: usize,
        /// How many may be.
        max: usize,
    },
    /// There is no plan.
    #[error("{0}")]
    NoPlan(#[from] NoPlan),
    /// The finding could not be written down.
    #[error("the finding could not be written down: {0}")]
    NotWritten(String),
    /// A hook about the finding failed; it waits for the next look.
    #[error("a hook of OnFailureDetectionProcesses failed: {0}; it goes on with the next look")]
    DetectionHook(String),
    /// A closer look does not show it any more.
    #[error("a closer look did not show it: {0}")]
    NotSeenAgain(String),
    /// A server that the plan cannot do without cannot be connected to.
    #[error("{server} has a part in the plan that nobody else can have, and {reason}")]
    CannotConnect {
        /// The server.
        server: InstanceKey,
        /// Why.
        reason: String,
    },
    /// It was refused when it was to be registered.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// Whether it is registered is not known, and will be.
    #[error("it is not known whether it was registered: {0}")]
    Unknown(String),
    /// This node does not lead any more.
    #[error("this node does not lead any more: {0}")]
    NotLeading(String),
    /// The plan cannot be kept.
    #[error("the plan cannot be kept: {0}")]
    Unencodable(String),
}

impl WhyNot {
    /// The recovery that stands in the way, as it is shown.
    pub fn blocked_by(&self) -> Option<String> {
        match self {
            Self::Blocked(Blocked::UnderWay { id, .. } | Blocked::BlockPeriod { id, .. }) => {
                Some(id.clone())
            }
            _ => None,
        }
    }
}
