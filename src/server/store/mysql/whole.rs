//! A transaction in one text: it is begun, checked, filled and committed within one round trip.
//!
//! The server makes the check: the second statement fails unless the row of the store is as this process believes, and a text ends at the
//! first statement that fails. So the `COMMIT` at its end is reached only by a text that may be committed, and which statement the server
//! complains of tells whether anything can have happened. What this way does not know how to go about is left to [`Session::write`].

use super::super::Error;
use super::changes::Text;
use super::error::Failure;
use super::holder;
use super::session::{Ended, Session};

/// What became of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whole {
    /// It was committed.
    Done,
    /// Nothing of it happened, for a reason that whoever looks at the row finds out or need not mind.
    Undone,
}

/// The statements before those of the text: one begins the transaction, one checks.
const BEFORE: usize = 2;

/// What the check fails with.
const MORE_THAN_ONE_ROW: u16 = 1242;

/// Commits `text`, which takes the store from `applied` to `last`. The session is ready.
///
/// # Errors
/// [`Error`]; `OutcomeUnknown` when it is not known whether the transaction took effect, else nothing of it did.
pub(super) fn write(
    session: &mut Session,
    (applied, last): (u64, u64),
    text: &Text,
) -> Result<Whole, Error> {
    let Some(guard) = holder::guard(session, applied) else {
        return Ok(Whole::Undone);
    };
    let whole = format!("START TRANSACTION;{guard};{};COMMIT", text.sql);
    if whole.len() > session.packet_max() {
        return Ok(Whole::Undone);
    }
    let Err(Ended { answered, failure }) = session.send_each(&whole) else {
        return Ok(Whole::Done);
    };
    if !failure.is_said() {
        return settle(session, (applied, last), &failure);
    }
    if answered >= text.statements + BEFORE {
        return Err(session.uncommitted(&failure));
    }
    let error = session.lost(&failure);
    session.roll_back();
    let is_closed = answered == 0 && session.connection().is_none();
    let is_otherwise = answered + 1 == BEFORE && failure.code() == MORE_THAN_ONE_ROW;
    match is_closed || is_otherwise {
        true => Ok(Whole::Undone),
        false => Err(error),
    }
}

/// The connection is lost, and the text with it or its answer. A new one is ready only when the server is through with the old one
/// (`holder`), so the row over that tells. A server that is just silent is not waited for a second time.
fn settle(
    session: &mut Session,
    (applied, last): (u64, u64),
    failure: &Failure,
) -> Result<Whole, Error> {
    let unknown = session.unknown(failure);
    if matches!(failure, Failure::Late(_)) {
        return Err(unknown);
    }
    match session.read(|_, meta| Ok(meta.applied_index)) {
        Ok(found) if found == last => Ok(Whole::Done),
        Ok(found) if found == applied => Ok(Whole::Undone),
        Ok(_) => Err(unknown),
        Err(error) => {
            tracing::debug!(%error, "what became of a transaction cannot be read yet");
            Err(unknown)
        }
    }
}
