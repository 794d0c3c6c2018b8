use orchestrator_core::domain::{InstanceKey, Observation};
use orchestrator_core::ports::ChangeError;
use orchestrator_core::recovery::hooks::HookMoment;
use orchestrator_core::recovery::plan::{OldPrimary, StepNumber};

use crate::executor::moments::Ran;
use crate::executor::scope::Lost;

/// What tasks of a run tell it.
pub(super) enum Report {
    /// A server can be worked on over this connection.
    Opened {
        server: InstanceKey,
        connection_id: u64,
        /// Connections that were ended before.
        ended: Vec<u64>,
    },
    /// Connections of before can do nothing any more.
    SessionsEnded {
        server: InstanceKey,
        ended: Vec<u64>,
    },
    /// A connection is gone.
    Closed { server: InstanceKey },
    /// A server was looked at.
    Seen {
        server: InstanceKey,
        seen: Box<Observation>,
    },
    /// A change was tried.
    Made {
        server: InstanceKey,
        number: StepNumber,
        result: Result<(), ChangeError>,
    },
    /// A change was not tried: the old primary is back, or the connection is another.
    Withheld { server: InstanceKey },
    /// The old primary is so now.
    OldPrimary {
        state: OldPrimary,
        /// What it said, where that is more than nothing.
        said: String,
    },
    /// Closing the old primary was tried.
    CloseTried { result: Result<(), String> },
    /// The run cannot go on here.
    Lost(Lost),
    /// Hooks have run.
    HooksRan { moment: HookMoment, ran: Ran },
}
