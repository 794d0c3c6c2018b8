//! Closing an old primary: read-only, and nobody there who can commit.
//!
//! `SET GLOBAL read_only` is sent before anything else. It waits for every statement and lock that is in its way, so sessions of clients are
//! ended over a second connection while it waits. Once it is in force, all sessions listed then are ended and waited for: those that come later
//! find a read-only server. On servers without `super_read_only`, where privileged accounts write all the same, they are ended too as long as
//! the close goes on.
//!
//! A commit that waits for acknowledgements of semi-sync holds the lock, and on MySQL `KILL` does not wake it (seen on 9.7). Its client
//! has lost its connection by then and was told nothing, so when nothing else is left, the source's half of semi-sync is
//! switched off, which ends the wait within a second. What was waited for is in the old primary's binary log either way; it is part of what `Histories` finds.

use std::collections::BTreeSet;
use std::time::Duration;

use orchestrator_core::domain::InstanceKey;
use orchestrator_core::ports::ChangeError;

use super::ended::{kill, listed};
use super::servers::{Shared, from_driver};
use super::settings::{half_in, half_question, is_read_only};
use super::statements::{PAUSE, Statements, not_connected};
use crate::mysql::dialect::semi_sync;
use crate::mysql::{Conn, DriverError, Purpose, Row};

/// How long the way may be blocked by sessions that are ended before semi-sync is taken for the reason: ending sessions takes
/// milliseconds.
const ENDED_BUT_BLOCKED: Duration = Duration::from_millis(50);

/// How long the way may be blocked by sessions that we may not end, before it is given up.
const DENIED_AND_BLOCKED: Duration = Duration::from_secs(1);

/// How long a place for the second connection is waited for.
const NO_PLACE: Duration = Duration::from_secs(1);

/// Our account may not end a session: it belongs to one with more rights (MySQL's `SYSTEM_USER`).
const KILL_DENIED: u16 = 1095;

/// Closes the server.
pub(super) async fn close(on: &mut Statements<'_>) -> Result<(), ChangeError> {
    set_read_only(on).await?;
    let seen = is_read_only(on).await?;
    if !seen.plain || (on.dialect.has_super_read_only() && !seen.of_all) {
        return Err(on.not_seen("it is not read-only"));
    }
    end_everybody(on).await
}

/// What makes way, over a second connection.
struct Helper<'a> {
    key: &'a InstanceKey,
    shared: &'a Shared,
    tag: &'a str,
    /// The wait for semi-sync was ended.
    has_released: bool,
}

impl Helper<'_> {
    /// Ends sessions of clients again and again, and in the end the wait for semi-sync. Completes only when it cannot go on.
    async fn make_way(&mut self) -> ChangeError {
        let (key, clock) = (self.key, self.shared.connector.clock());
        let mut conn = match self.connect().await {
            Ok(conn) => conn,
            Err(why) => return why,
        };
        let (mut all_ended, mut denied) = (Duration::ZERO, Duration::ZERO);
        let mut before = BTreeSet::new();
        loop {
            clock.sleep(PAUSE).await;
            let left = match end_listed(&mut conn, self.tag).await {
                Ok(left) => left,
                Err(error) => return from_driver(key, &error),
            };
            // Clients connect again at once; those that are new are held up by the waiting `read_only` and wait for no replica.
            let are_new = left.can_commit.is_disjoint(&before);
            all_ended = longer_if(are_new, all_ended);
            denied = longer_if(!left.denied.is_empty(), denied);
            if denied >= DENIED_AND_BLOCKED {
                return may_not_end(key, &left);
            }
            before = left.can_commit;
            if all_ended >= ENDED_BUT_BLOCKED
                && let Err(error) = self.release_commits(&mut conn).await
            {
                return from_driver(key, &error);
            }
        }
    }

    /// Clients that connect again and again may have taken all places; one becomes free at any moment, or is not needed.
    async fn connect(&self) -> Result<Conn, ChangeError> {
        let connector = &self.shared.connector;
        let mut waited = Duration::ZERO;
        loop {
            match connector.connect(self.key, Purpose::Operation).await {
                Ok(conn) => return Ok(conn),
                Err(failed) if waited >= NO_PLACE => return Err(not_connected(self.key, &failed)),
                Err(_) => connector.clock().sleep(PAUSE).await,
            }
            waited += PAUSE;
        }
    }

    /// Switches the source's half of semi-sync off, once, where it is on.
    async fn release_commits(&mut self, conn: &mut Conn) -> Result<(), DriverError> {
        if std::mem::replace(&mut self.has_released, true) {
            return Ok(());
        }
        let names = semi_sync::SOURCE_ENABLED;
        let answer = conn.query(&half_question(names), 2).await?;
        if let Some((name, true)) = half_in(&answer, names) {
            tracing::warn!(instance = %self.key, "commits wait for semi-sync replicas; the wait is ended");
            let statement = format!("{} SET GLOBAL {name} = 0", self.tag);
            conn.query(&statement, 1).await?;
        }
        Ok(())
    }
}

/// How long something has gone on, at one more look.
fn longer_if(goes_on: bool, so_far: Duration) -> Duration {
    match goes_on {
        true => so_far + PAUSE,
        false => Duration::ZERO,
    }
}

fn may_not_end(key: &InstanceKey, left: &Listed) -> ChangeError {
    ChangeError::Refused {
        server: key.clone(),
        errno: KILL_DENIED,
        reason: format!(
            "{} sessions that are in the way may not be ended; the account needs CONNECTION_ADMIN (MariaDB: CONNECTION \
             ADMIN; before: SUPER), and SYSTEM_USER against accounts that have it",
            left.denied.len()
        ),
    }
}

async fn set_read_only(on: &mut Statements<'_>) -> Result<(), ChangeError> {
    let statement = match on.dialect.has_super_read_only() {
        true => "SET GLOBAL super_read_only = 1, GLOBAL read_only = 1",
        false => "SET GLOBAL read_only = 1",
    };
    let mut helper = Helper {
        key: on.key,
        shared: on.shared,
        tag: on.tag,
        has_released: false,
    };
    tokio::select! {
        biased;
        set = on.change(statement) => set,
        // Way cannot be made any more; what was sent is bounded by the deadline.
        failed = helper.make_way() => match failed {
            ChangeError::Unreachable { server, reason } => Err(ChangeError::Unknown { server, reason }),
            refused => Err(refused),
        },
    }
}

/// Ends every session that was there when the server had become read-only, and waits until none of them can commit.
async fn end_everybody(on: &mut Statements<'_>) -> Result<(), ChangeError> {
    let mut waited_for: Option<BTreeSet<u64>> = None;
    loop {
        on.has_sent = true;
        let left = end_listed(on.conn, on.tag)
            .await
            .map_err(|error| from_driver(on.key, &error))?;
        let waited_for = waited_for.get_or_insert_with(|| left.can_commit.clone());
        // Where everybody is kept from writing, a session that may not be ended is harmless.
        let is_harmless = on.dialect.has_super_read_only();
        if !left.denied.is_empty() && !is_harmless {
            return Err(may_not_end(on.key, &left));
        }
        if waited_for.is_disjoint(&left.remaining(is_harmless)) {
            return Ok(());
        }
        on.pause().await;
    }
}

/// Sessions of clients, as they were listed, and ended since.
#[derive(Debug, Default)]
struct Listed {
    /// Those that could commit when they were listed.
    can_commit: BTreeSet<u64>,
    /// Of these, the ones that may not be ended.
    denied: BTreeSet<u64>,
}

impl Listed {
    fn remaining(&self, denied_are_harmless: bool) -> BTreeSet<u64> {
        match denied_are_harmless {
            true => self.can_commit.difference(&self.denied).copied().collect(),
            false => self.can_commit.clone(),
        }
    }
}

/// Lists the sessions of clients and ends them.
async fn end_listed(conn: &mut Conn, tag: &str) -> Result<Listed, DriverError> {
    let sessions = listed(conn).await?;
    let rows = sessions.all.rows();
    let ids = rows.filter(|row| can_commit(row, &sessions.own));
    let can_commit: BTreeSet<u64> = ids.filter_map(|row| row.text("Id")?.parse().ok()).collect();
    let mut denied = BTreeSet::new();
    for id in &can_commit {
        match kill(conn, *id, tag).await {
            Ok(()) => {}
            Err(error) if error.code() == KILL_DENIED => {
                denied.insert(*id);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Listed { can_commit, denied })
}

/// Whether a listed session is a client's that can commit: no thread of the server, none that sends a binary log to a replica, none
/// of our account, none that was ended and rolls back.
fn can_commit(row: &Row<'_>, own: &str) -> bool {
    let text = |name: &str| row.text(name).unwrap_or_default();
    let user = text("User");
    let is_server = matches!(user.as_str(), "system user" | "event_scheduler");
    let is_apart = matches!(
        text("Command").as_str(),
        "Binlog Dump" | "Binlog Dump GTID" | "Daemon" | "Killed"
    );
    !is_server && !is_apart && user != own
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::Answer;

    #[test]
    fn clients_are_told_apart_from_everybody_else() {
        for (user, command, expected) in [
            ("app", "Query", true),
            ("app", "Sleep", true),
            ("root", "Connect", true),
            ("unauthenticated user", "Connect", true),
            ("app", "Killed", false),
            ("repl", "Binlog Dump", false),
            ("repl", "Binlog Dump GTID", false),
            ("system user", "Slave_SQL", false),
            ("system user", "Query", false),
            ("event_scheduler", "Daemon", false),
            ("orchestrator", "Sleep", false),
        ] {
            let answer = Answer::table(
                &["Id", "User", "Command"],
                &[&[Some("7"), Some(user), Some(command)]],
            );
            assert_eq!(
                can_commit(&answer.first().unwrap(), "orchestrator"),
                expected,
                "{user} {command}"
            );
        }
    }
}
