//! Starting and stopping receiver and applier.
//!
//! MariaDB with GTID throws its relay logs away when a thread starts while the other one is stopped too (measured on 10.11; see
//! the table that `raft-tests/tests/changes_real/relay_logs.rs` checks). So there a receiver is not stopped while an applier that has work does
//! not run, and an applier that has work is not started or stopped while the receiver does not run; nor are both started then.

use orchestrator_core::domain::ThreadState;
use orchestrator_core::ports::ChangeError;

use super::link::{self, Link};
use super::statements::Statements;
use crate::mysql::Conn;
use crate::mysql::dialect::Dialect;

const RECEIVER: &str = "IO_THREAD";
const APPLIER: &str = "SQL_THREAD";

/// Restarts the receiver on MariaDB where both threads run, and else says [`NOT_BOTH_RUN`]. `Slave_running` is of the connection that
/// `default_master_connection` names, as the statements are (seen on 10.11).
const RESTART_WHERE_BOTH_RUN: &str = "IF (SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS \
     WHERE VARIABLE_NAME = 'SLAVE_RUNNING') = 'ON' \
     THEN STOP SLAVE IO_THREAD; START SLAVE IO_THREAD; \
     ELSE SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 1644, MESSAGE_TEXT = 'not both threads run'; END IF";

/// What [`RESTART_WHERE_BOTH_RUN`] says where it did nothing (`ER_SIGNAL_EXCEPTION`).
const NOT_BOTH_RUN: u16 = 1644;

/// What a session does that is ending a replication thread, in the words of MySQL since 8.0.26 and before.
const ENDING_RECEIVER: [&str; 2] = ["Killing replica", "Killing slave"];

/// Starts the applier where it does not run.
pub(super) async fn start_applier(on: &mut Statements<'_>) -> Result<(), ChangeError> {
    let link = link::must(on).await?;
    if link.seen.applier.is_running() {
        return Ok(());
    }
    refuse_dropping(on, &link, link.receiver_is_stopped())?;
    let now = send(on, "START", APPLIER, &link).await?;
    let now = link::required(on, now)?;
    if now.applier_is_stopped() {
        return Err(on.not_seen(format!("the applier does not run{}", now.errors())));
    }
    Ok(())
}

/// Stops the receiver.
pub(super) async fn stop_receiver(on: &mut Statements<'_>) -> Result<(), ChangeError> {
    let Some(link) = link::read(on).await? else {
        return Ok(());
    };
    if link.receiver_is_stopped() {
        return Ok(());
    }
    refuse_dropping(on, &link, link.applier_is_stopped())?;
    stop(on, RECEIVER, &link).await.map(|_| ())
}

/// Whether the session `stopping` is ending the receiver of its server, by the server's own word.
///
/// A receiver that waits for the greeting of a source that hangs is ended two seconds after it was told: MySQL interrupts its wait by a signal, it
/// waits once more, and the next signal comes two seconds later (`strace`, 9.7.4). It is marked before the first signal, and then, should the
/// source go on, closes the connection instead of asking for anything (seen on 9.7.4). Meanwhile the statement that stops it holds the
/// lock that all statements about threads and source need; observations, `read_only` and semi-sync go on.
///
/// MariaDB is not asked: it ends such a receiver at once, as MySQL 5.6 does (seen on 10.11 and 5.6.24).
pub(super) async fn ends_receiver(conn: &mut Conn, dialect: &Dialect, stopping: u64) -> bool {
    if dialect.is_mariadb() {
        return false;
    }
    // The first is empty where the performance schema is off; the second takes a lock that every new session needs.
    let lists = [
        ("performance_schema", dialect.has_light_process_list()),
        ("information_schema", true),
    ];
    for (schema, _) in lists.into_iter().filter(|(_, is_there)| *is_there) {
        let question =
            format!("SELECT STATE AS state FROM {schema}.processlist WHERE ID = {stopping}");
        // Whoever asks next over this connection finds out why it is of no use.
        if let Ok(answer) = conn.query(&question, 1).await
            && let Some(row) = answer.first()
        {
            let state = row.text("state").unwrap_or_default();
            return ENDING_RECEIVER.contains(&state.as_ref());
        }
    }
    false
}

/// Stops the receiver and starts it again, with one text of two statements: whatever becomes of us, the server goes through
/// both.
///
/// MariaDB begins its relay logs anew by it where the applier does not run, and somebody may stop that between our look and the
/// statement. So there the server looks itself, in the same statement: what is left is the millisecond that it takes to stop the
/// receiver. MySQL keeps them.
pub(super) async fn restart_receiver(on: &mut Statements<'_>) -> Result<(), ChangeError> {
    let link = link::must(on).await?;
    if let Some(unapplied) = &link.unapplied {
        return Err(on.unapplied(unapplied.clone()));
    }
    let not_both_run = "not both of its threads run";
    if !link.seen.receiver.is_running() || !link.seen.applier.is_running() {
        return Err(on.unsupported(not_both_run));
    }
    if on.dialect.is_mariadb() {
        match on.change(RESTART_WHERE_BOTH_RUN).await {
            Err(ChangeError::Refused { errno, .. }) if errno == NOT_BOTH_RUN => {
                return Err(on.unsupported(not_both_run));
            }
            made => made?,
        }
    } else {
        let (replica, channel) = (on.dialect.replica(), &link.for_channel);
        on.change(&format!(
            "STOP {replica} {RECEIVER}{channel}; START {replica} {RECEIVER}{channel}"
        ))
        .await?;
    }
    let now = link::must(on).await?;
    match now.receiver_is_stopped() {
        true => Err(on.not_seen(format!("the receiver does not run{}", now.errors()))),
        false => Ok(()),
    }
}

/// Stops the applier.
pub(super) async fn stop_applier(on: &mut Statements<'_>) -> Result<(), ChangeError> {
    let Some(link) = link::read(on).await? else {
        return Ok(());
    };
    if link.applier_is_stopped() {
        return Ok(());
    }
    refuse_dropping(on, &link, link.receiver_is_stopped())?;
    stop(on, APPLIER, &link).await.map(|_| ())
}

/// Starts both threads. A receiver that is still connecting has started.
pub(super) async fn start_replication(on: &mut Statements<'_>) -> Result<(), ChangeError> {
    let link = link::must(on).await?;
    if !link.receiver_is_stopped() && link.seen.applier.is_running() {
        return Ok(());
    }
    let both_are_stopped = link.receiver_is_stopped() && link.applier_is_stopped();
    refuse_dropping(on, &link, both_are_stopped)?;
    let replica = on.dialect.replica();
    let start = format!("START {replica}{}", link.for_channel);
    let now = link::after(on, &start).await?;
    let now = link::required(on, now)?;
    for (thread, is_stopped) in [
        ("receiver", now.receiver_is_stopped()),
        ("applier", now.applier_is_stopped()),
    ] {
        if is_stopped {
            return Err(on.not_seen(format!("the {thread} does not run{}", now.errors())));
        }
    }
    Ok(())
}

/// What [`quiet`] stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stopped {
    receiver: bool,
    applier: bool,
}

/// Brings a replica to where its source can be changed without loss: receiver stopped, everything applied, applier stopped.
/// Waits for the applier as long as the deadline allows.
///
/// # Errors
/// [`ChangeError::Unapplied`] when it does not come there; a receiver that was stopped for it is started again.
pub(super) async fn quiet(on: &mut Statements<'_>, link: &Link) -> Result<Stopped, ChangeError> {
    if let (Some(unapplied), true) = (&link.unapplied, link.applier_is_stopped()) {
        return Err(on.unapplied(unapplied.clone()));
    }
    let mut stopped = Stopped::default();
    let mut now = link.clone();
    if !link.receiver_is_stopped() {
        let after = stop(on, RECEIVER, link).await?;
        now = link::required(on, after)?;
        stopped.receiver = true;
    }
    now = match all_applied(on, now).await {
        Ok(now) => now,
        Err(error @ ChangeError::Unapplied { .. }) => {
            resume(on, link, stopped).await;
            return Err(error);
        }
        Err(error) => return Err(error),
    };
    if !now.applier_is_stopped() {
        let after = stop(on, APPLIER, link).await?;
        now = link::required(on, after)?;
        stopped.applier = true;
    }
    // It was read with both stopped, and is final.
    match now.unapplied {
        Some(unapplied) => Err(on.unapplied(unapplied)),
        None if !now.receiver_is_stopped() => Err(on.not_seen("somebody started its receiver")),
        None => Ok(stopped),
    }
}

/// Starts again what was stopped for a change that then was not made. That it fails is logged: the change's own error says
/// more.
pub(super) async fn resume(on: &mut Statements<'_>, link: &Link, stopped: Stopped) {
    for (thread, was_stopped) in [(RECEIVER, stopped.receiver), (APPLIER, stopped.applier)] {
        if !was_stopped {
            continue;
        }
        if let Err(error) = send(on, "START", thread, link).await {
            tracing::warn!(%error, thread, "a thread that was stopped for a change is not started again");
        }
    }
}

/// Waits until all is applied. `now` is what was read with the receiver stopped.
async fn all_applied(on: &mut Statements<'_>, mut now: Link) -> Result<Link, ChangeError> {
    /// What is kept of the deadline for the change itself.
    const FOR_THE_CHANGE: u32 = 4;
    let reserve = on.left() / FOR_THE_CHANGE;
    loop {
        let Some(unapplied) = now.unapplied.clone() else {
            return Ok(now);
        };
        if now.seen.applier == ThreadState::Stopped || on.left() <= reserve {
            return Err(on.unapplied(unapplied + &now_errors(&now.seen)));
        }
        on.pause().await;
        now = link::must(on).await?;
    }
}

fn now_errors(link: &orchestrator_core::domain::ReplicationLink) -> String {
    match link.applier_errno {
        0 => String::new(),
        errno => format!("; the applier has error {errno}"),
    }
}

/// Refuses what would make MariaDB drop received transactions, where `other_is_stopped`.
fn refuse_dropping(
    on: &Statements<'_>,
    link: &Link,
    other_is_stopped: bool,
) -> Result<(), ChangeError> {
    match &link.unapplied {
        Some(unapplied) if link.drops_relay_log && other_is_stopped => {
            Err(on.unapplied(unapplied.clone()))
        }
        _ => Ok(()),
    }
}

/// Stops a thread, waits until it shows, and returns the link as it is then.
async fn stop(
    on: &mut Statements<'_>,
    thread: &str,
    link: &Link,
) -> Result<Option<Link>, ChangeError> {
    let mut after = send(on, "STOP", thread, link).await?;
    loop {
        let Some(now) = after else {
            return Ok(None);
        };
        let state = match thread {
            RECEIVER => now.seen.receiver,
            _ => now.seen.applier,
        };
        if state == ThreadState::Stopped {
            return Ok(Some(now));
        }
        if on.left().is_zero() {
            return Err(on.not_seen(format!("its {thread} still runs")));
        }
        on.pause().await;
        after = link::read(on).await?;
    }
}

async fn send(
    on: &mut Statements<'_>,
    verb: &str,
    thread: &str,
    link: &Link,
) -> Result<Option<Link>, ChangeError> {
    let replica = on.dialect.replica();
    let statement = format!("{verb} {replica} {thread}{}", link.for_channel);
    link::after(on, &statement).await
}
