//! Closing one primary, by the statements, deadlines and reading back that close an old primary.

use std::time::Duration;

use orchestrator_core::domain::{Fence, InstanceKey, RecoveryId};
use orchestrator_core::ports::{Change, OnBehalfOf, ServerSession};

use super::watch::Deps;

/// How long connecting may take.
const OPEN_TIME: Duration = Duration::from_secs(3);

/// How long closing may take, as for an old primary.
const CLOSE_TIME: Duration = Duration::from_secs(3);

/// No leadership has this fence, and every one has a greater: by it the server's log tells that the guard did it.
const FENCE: Fence = Fence::from_number(0);

/// Opens a session that whoever opens one there later, as the next leader, ends first: a close that hangs on a lock does not land on a server that
/// was made primary again.
///
/// # Errors
/// One sentence.
pub(super) async fn open(
    deps: &Deps,
    server: &InstanceKey,
) -> Result<Box<dyn ServerSession>, String> {
    let on_behalf_of = OnBehalfOf {
        recovery: RecoveryId::from_number(deps.ids.unique()),
        fence: FENCE,
    };
    let opened = deps
        .servers
        .open_fleeting(server, on_behalf_of, OPEN_TIME)
        .await;
    opened.map_err(|why| why.to_string())
}

/// Closes it, and reads that back.
///
/// # Errors
/// One sentence: it was not closed, or that is not known.
pub(super) async fn close(session: &mut dyn ServerSession) -> Result<(), String> {
    let closed = session.make(&Change::Close, CLOSE_TIME).await;
    closed.map_err(|why| why.to_string())
}
