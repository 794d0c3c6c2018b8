//! Which process has the database: one at a time, and whoever lost it cannot write any more.
//!
//! A row names it, and every transaction locks that row and compares its token, so that a process whose database was taken ends
//! before it changes anything. A lock by name (`GET_LOCK`) is held by its connection. The server frees it only when it is through with
//! the connection, transactions included: whoever gets it knows that nothing of the connection before it is under way any more.
//! This makes reading back after a lost `COMMIT` true.

use std::time::Duration;

use orchestrator_core::decided::GroupId;
use orchestrator_core::domain::Timestamp;
use sha2::{Digest, Sha256};

use super::super::fault::Fault;
use super::super::rows::ReadRow;
use super::super::{Error, Identity, StoreId};
use super::decisions::Drawn;
use super::literal;
use super::meta::{self, Holder, Meta};
use super::schema;
use super::session::Session;
use crate::mysql::Answer;

/// How long a process is watched that has the database and may be gone. A living one writes once a second; one whose server hangs
/// for so long has other worries.
const WATCHED_FOR: Duration = Duration::from_secs(10);

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(250);

/// How long an earlier connection may take to end after it was told to.
const ENDING: Duration = Duration::from_secs(5);

/// What a process has the database by.
#[derive(Clone, Debug)]
pub(super) struct Hold {
    token: [u8; 16],
    /// The number of the connection that has the lock.
    pub connection: u32,
}

/// Takes the database, with its tables brought up to date: at once when nobody has it, or an earlier process of this node had it and is
/// gone; from another process only after it gave no sign of life for ten seconds.
///
/// # Errors
/// [`Error`]; `Shared` when somebody has it.
pub(super) fn take(
    session: &mut Session,
    Drawn([store, group, token]): Drawn,
    now: Timestamp,
) -> Result<(), Error> {
    session.ready()?;
    let before = wait_until_free(session)?;
    schema::migrate(session, now)?;
    if look(session)?.is_none() {
        let identity = Identity {
            store: StoreId::from_number(store),
            group: GroupId::from_number(group),
        };
        session.ask(&meta::create(identity))?;
    }
    enter(session, before.as_ref(), token.to_be_bytes())
}

/// Returns with the lock, and with whoever had the database and is gone.
fn wait_until_free(session: &mut Session) -> Result<Option<Holder>, Error> {
    let began = session.monotonic();
    let server = server_of(session)?;
    let first = look(session)?;
    let is_ours = first
        .as_ref()
        .and_then(|meta| meta.holder.as_ref())
        .is_none_or(|holder| holder.node == session.options.node && holder.server == server);
    // Not before the time when another node had it: it may have lost its connection a moment ago and be about to come back.
    if is_ours && lock(session)? {
        return Ok(first.and_then(|meta| meta.holder));
    }
    loop {
        let watched = session.monotonic().saturating_sub(began);
        if watched >= WATCHED_FOR {
            break;
        }
        session.pause(PAUSE);
        let now = look(session)?;
        let holder = |meta: &Option<Meta>| meta.as_ref().and_then(|meta| meta.holder.clone());
        let is_living = now != first && holder(&now).is_some();
        if is_living {
            return Err(shared(session, holder(&now).as_ref()));
        }
        if is_ours && lock(session)? {
            return Ok(holder(&now));
        }
    }
    // It did not write for so long: its connection may be one of a host that is gone.
    let holder = first.and_then(|meta| meta.holder);
    match lock_after(session, holder.as_ref().map(|holder| holder.connection))? {
        true => Ok(holder),
        false => Err(shared(session, holder.as_ref())),
    }
}

fn shared(session: &Session, holder: Option<&Holder>) -> Error {
    Error::Shared {
        store: session.place.clone(),
        holder: holder.map_or_else(
            || "a process that is just starting".to_owned(),
            |holder| holder.node.clone(),
        ),
    }
}

/// Writes this process into the row, unless another one came first.
fn enter(session: &mut Session, before: Option<&Holder>, token: [u8; 16]) -> Result<(), Error> {
    let server = server_of(session)?;
    let expected = match before {
        None => "holder_token IS NULL".to_owned(),
        Some(holder) => format!("holder_token={}", literal::bytes(&holder.token)),
    };
    session.ask(&format!(
        "UPDATE store_meta SET holder_token={},holder_node={},holder_server={},holder_connection=CONNECTION_ID(),beats=beats+1 \
         WHERE anchor=1 AND ({expected})",
        literal::bytes(&token),
        literal::bytes(session.options.node.as_bytes()),
        literal::bytes(server.as_bytes()),
    ))?;
    let holder = look(session)?.and_then(|meta| meta.holder);
    let connection = session.connection();
    match (holder, connection) {
        (Some(holder), Some(connection)) if holder.token == token => {
            session.hold = Some(Hold { token, connection });
            Ok(())
        }
        (holder, _) => Err(shared(session, holder.as_ref())),
    }
}

/// Over a new connection: waits until the server is through with the one before, and makes sure that nobody else took the database.
pub(super) fn hold_again(session: &mut Session) -> Result<(), Error> {
    let Some(hold) = session.hold.clone() else {
        return Ok(());
    };
    // Who lost the database would wait in vain for the lock of whoever has it now.
    let answer = session.ask(meta::SELECT)?;
    check(session, &answer)?;
    if !lock_after(session, Some(u64::from(hold.connection)))? {
        return Err(Error::Held {
            store: session.place.clone(),
            detail: "an earlier connection of this node has not ended there yet".to_owned(),
        });
    }
    let answer = session.ask(meta::SELECT)?;
    check(session, &answer)?;
    let connection = session.connection();
    if let (Some(hold), Some(connection)) = (session.hold.as_mut(), connection) {
        hold.connection = connection;
    }
    Ok(())
}

/// Writes down which connection has the lock, in a transaction: not at once after a new one was made, because a server that takes no
/// writes can still be read.
pub(super) fn note_connection(session: &mut Session, meta: &Meta) -> Result<(), Error> {
    let noted = meta.holder.as_ref().map(|holder| holder.connection);
    if noted == session.connection().map(u64::from) {
        return Ok(());
    }
    session
        .ask("UPDATE store_meta SET holder_connection=CONNECTION_ID() WHERE anchor=1")
        .map(drop)
}

/// The row in `answer`, when this process still has the database.
pub(super) fn check(session: &Session, answer: &Answer) -> Result<Meta, Error> {
    let damaged = |detail: &str| Error::Damaged {
        store: session.place.clone(),
        detail: detail.to_owned(),
    };
    let row = answer
        .first()
        .ok_or_else(|| damaged("store_meta has no row"))?;
    let meta = Meta::read(&row).map_err(|fault| fault.at(&session.place))?;
    let ours = session.hold.as_ref().map(|hold| hold.token);
    match &meta.holder {
        holder if holder.as_ref().map(|holder| holder.token) == ours => Ok(meta),
        Some(holder) => Err(Error::Taken {
            store: session.place.clone(),
            holder: holder.node.clone(),
        }),
        None => Err(damaged("store_meta says that nobody has it")),
    }
}

/// A statement that fails unless [`check`] would find this process to have the database, at entry `applied`, and [`note_connection`]
/// nothing to write down; else it locks the row. Nothing without a hold.
pub(super) fn guard(session: &Session, applied: u64) -> Option<String> {
    let token = literal::bytes(&session.hold.as_ref()?.token);
    // Two rows where one value is asked for are an error whatever `sql_mode` is.
    Some(format!(
        "SELECT IF(COUNT(*)=1,1,(SELECT 1 UNION SELECT 2)) FROM store_meta WHERE anchor=1 AND applied_index={applied} \
         AND holder_token={token} AND holder_connection=CONNECTION_ID() FOR UPDATE"
    ))
}

/// Gives the database back. Whoever comes next would find out by itself, only later.
pub(super) fn give_back(session: &mut Session) {
    let Some(hold) = session.hold.take() else {
        return;
    };
    let statement = format!(
        "UPDATE store_meta SET holder_token=NULL WHERE anchor=1 AND holder_token={}",
        literal::bytes(&hold.token)
    );
    if session.connection().is_some()
        && let Err(error) = session.ask(&statement)
    {
        tracing::debug!(%error, "the database was not given back");
    }
}

/// The row, when there is one.
fn look(session: &mut Session) -> Result<Option<Meta>, Error> {
    if !schema::has_table(session, "store_meta")? {
        return Ok(None);
    }
    let answer = session.ask(meta::SELECT)?;
    let meta: Option<Result<Meta, Fault>> = answer.first().map(|row| Meta::read(&row));
    meta.transpose().map_err(|fault| fault.at(&session.place))
}

/// What tells this server from others: a lock by name is known to one server only.
fn server_of(session: &mut Session) -> Result<String, Error> {
    let answer = session.ask("SELECT CONCAT(@@hostname,':',@@port,'/',@@server_id)")?;
    Ok(answer.first().and_then(|row| row.at(0)).unwrap_or_default())
}

/// Whether this connection has the lock now.
fn lock(session: &mut Session) -> Result<bool, Error> {
    let name = lock_name(&session.options.database);
    let answer = session.ask(&format!(
        "SELECT GET_LOCK({},0)",
        literal::bytes(name.as_bytes())
    ))?;
    let row = answer.first();
    let got = row.map(|row| ReadRow::unsigned(&row, 0));
    Ok(matches!(got, Some(Ok(1))))
}

/// Gets the lock after the connection that may have it was ended.
fn lock_after(session: &mut Session, connection: Option<u64>) -> Result<bool, Error> {
    if lock(session)? {
        return Ok(true);
    }
    if let Some(connection) = connection {
        session.kill(connection)?;
    }
    let began = session.monotonic();
    while session.monotonic().saturating_sub(began) < ENDING {
        session.pause(PAUSE);
        if lock(session)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Names of locks have at most 64 characters, and are compared ignoring case.
fn lock_name(database: &str) -> String {
    let hash = Sha256::digest(database.as_bytes());
    let digits: String = hash[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("orchestrator store {digits}")
}
