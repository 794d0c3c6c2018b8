//! Ending sessions, and only those that are ours.
//!
//! A connection id alone says nothing after a restart of the server: it may be anybody's by then. So each session for changes
//! takes a named lock of the server (`GET_LOCK`) whose name holds its id. The lock lives exactly as long as the session,
//! needs no privilege and no table, exists in every version, and who holds it can be asked. Connection attributes would need the performance schema, which MariaDB
//! leaves off; there the program's name cannot be seen.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use orchestrator_core::domain::InstanceKey;
use orchestrator_core::ports::Clock;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::statements::PAUSE;
use crate::mysql::dialect::Dialect;
use crate::mysql::{Answer, Conn, Connector, DriverError, Purpose};

/// Name of a session's lock, before its connection id.
pub(super) const NAME: &str = "orchestrator.session.";

/// Name of the lock of the one session whose change stands in no record. It has this name instead of that of its id: MySQL 5.6 lets a
/// session hold one lock, and forgets the first for the second.
pub(super) const FLEETING: &str = "orchestrator.fleeting";

/// How long, in seconds, who held that name before may take to be gone.
const FLEETING_WAIT_SECONDS: u32 = 1;

/// Ids of one call at most: a recovery has one session on a server, and few leaders have been there.
const IDS_MAX: usize = 1000;

/// For how long a session that was ended must have no statement to be over though it is listed: longer than a thread that has one in
/// hands may be kept from showing it, shorter than an attempt to open a session lasts.
const LEFT_OVER_FOR: Duration = Duration::from_millis(500);

/// Sessions of one server: more than any `max_connections` in use.
const SESSIONS_MAX: usize = 100_000;

/// How long a hanging server is tried to be told that a session is over. Who leads then ends earlier sessions by itself before
/// it works there; this is for a leadership that lasts.
const TRYING_LASTS: Duration = Duration::from_secs(600);

/// One attempt: long, so that a server that goes on finds the request waiting; a login takes milliseconds then.
const ONE_ATTEMPT: Duration = Duration::from_secs(5);

/// Between two attempts with a server that refuses connections.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(100);

/// Sessions that end at once: more only when that many servers hang in one recovery.
const ENDERS_MAX: usize = 256;

/// Ends those sessions of `ids` that our account opened for changes, and waits until they are gone. Has no deadline of its
/// own.
///
/// # Errors
/// [`DriverError`] when the server refuses or the connection breaks.
pub(super) async fn end(
    conn: &mut Conn,
    ids: &[u64],
    clock: &dyn Clock,
) -> Result<(), DriverError> {
    for ids in ids.chunks(IDS_MAX) {
        let mut left_over = LeftOver::default();
        loop {
            let living = living(conn, ids).await?;
            let now = clock.monotonic();
            let living: Vec<u64> = living
                .into_iter()
                .filter(|one| !left_over.is_over(one, now))
                .map(|one| one.id)
                .collect();
            if living.is_empty() {
                break;
            }
            for id in living {
                kill(conn, id, "").await?;
            }
            clock.sleep(PAUSE).await;
        }
    }
    Ok(())
}

/// A session of ours that the server lists.
struct Living {
    id: u64,
    /// It was ended, has no statement, and its server may list such a one for ever.
    is_left_over: bool,
}

/// Sessions that can do nothing more though their thread does not end.
///
/// MySQL before 8.0 closes the socket of a session that it is told to end, beside the session's thread. A connection that it accepts in
/// that moment gets the socket's number, and the thread of the ended session waits for what comes there, as long as that connection
/// lives (5.6.24 on a busy machine, one of 40: two threads in `poll` for one number). Nothing that was sent to the ended
/// session can reach it any more: its socket is closed.
#[derive(Default)]
struct LeftOver(BTreeMap<u64, Duration>);

impl LeftOver {
    /// Whether this one is over, as of its look at `now`: it was seen without a statement for [`LEFT_OVER_FOR`].
    fn is_over(&mut self, one: &Living, now: Duration) -> bool {
        if !one.is_left_over {
            self.0.remove(&one.id);
            return false;
        }
        let since = *self.0.entry(one.id).or_insert(now);
        now.saturating_sub(since) >= LEFT_OVER_FOR
    }
}

/// Which of these are sessions of ours still.
async fn living(conn: &mut Conn, ids: &[u64]) -> Result<Vec<Living>, DriverError> {
    let listed = listed(conn).await?;
    let of_own = listed.of_own();
    let there: Vec<Living> = of_own.filter(|one| ids.contains(&one.id)).collect();
    let mut living = Vec::new();
    for one in there {
        let id = one.id;
        let statement = format!(
            "SELECT {id} IN (IS_USED_LOCK('{NAME}{id}'), IS_USED_LOCK('{FLEETING}')) AS is_ours"
        );
        let answer = conn.query(&statement, 1).await?;
        let is_ours = answer.first().and_then(|row| row.text("is_ours"));
        if is_ours.is_some_and(|is_ours| is_ours == "1") {
            living.push(one);
        }
    }
    Ok(living)
}

/// Makes the session of `conn` the one that whoever comes next ends; whether it is now.
///
/// # Errors
/// [`DriverError`] when the server refuses or the connection breaks.
pub(super) async fn is_fleeting_now(conn: &mut Conn) -> Result<bool, DriverError> {
    let statement = format!("SELECT GET_LOCK('{FLEETING}', {FLEETING_WAIT_SECONDS}) AS is_named");
    let answer = conn.query(&statement, 1).await?;
    let is_named = answer.first().and_then(|row| row.text("is_named"));
    Ok(is_named.is_some_and(|is_named| is_named == "1"))
}

/// All sessions of a server.
pub(super) struct Sessions {
    /// Our account's name there.
    pub(super) own: String,
    /// Each session with `Id`, `User`, `Command` and `Info`.
    pub(super) all: Answer,
    dialect: Dialect,
}

impl Sessions {
    fn of_own(&self) -> impl Iterator<Item = Living> {
        let keeps = self.dialect.may_keep_ended_sessions();
        let of_own = self.all.rows();
        let of_own = of_own.filter(|row| row.text("User").as_ref() == Some(&self.own));
        of_own.filter_map(move |row| {
            let is_ended = row.text("Command").is_some_and(|it| it == "Killed");
            let has_statement = row.text("Info").is_some_and(|it| !it.is_empty());
            Some(Living {
                id: row.text("Id")?.parse().ok()?,
                is_left_over: keeps && is_ended && !has_statement,
            })
        })
    }
}

/// All sessions of a server.
///
/// Not from `information_schema`: MariaDB crashes when a session is ended while it reads that (`ha_maria::drop_table` of a temporary
/// table that was never opened; seen on 10.11.19), and a session of ours may be ended by the next one at any moment.
///
/// # Errors
/// [`DriverError`] when the server refuses or the connection breaks.
pub(super) async fn listed(conn: &mut Conn) -> Result<Sessions, DriverError> {
    let question = "SELECT SUBSTRING_INDEX(USER(), '@', 1) AS own, @@global.version AS version, \
                    @@global.version_comment AS version_comment";
    let answer = conn.query(question, 1).await?;
    let text = |name: &str| answer.first().and_then(|row| row.text(name));
    let own = text("own").ok_or(DriverError::Protocol("no name of the own account"))?;
    let version = text("version").unwrap_or_default();
    let comment = text("version_comment").unwrap_or_default();
    Ok(Sessions {
        own,
        dialect: Dialect::detect(&version, &comment),
        all: conn.query("SHOW PROCESSLIST", SESSIONS_MAX).await?,
    })
}

/// Ends one session, with `tag` before the statement. That it is gone already is as good.
///
/// # Errors
/// [`DriverError`], with 1095 when the account may not.
pub(super) async fn kill(conn: &mut Conn, id: u64, tag: &str) -> Result<(), DriverError> {
    /// No such thread.
    const GONE: u16 = 1094;
    match conn.query(&format!("{tag} KILL {id}"), 1).await {
        Ok(_) => Ok(()),
        Err(error) if error.code() == GONE => Ok(()),
        Err(error) => Err(error),
    }
}

/// Ends sessions of servers that hang, in the background. Dropping it gives up.
#[derive(Default)]
pub(super) struct Enders(Mutex<JoinSet<()>>);

impl Enders {
    /// Ends a session as soon as its server answers.
    pub(super) fn end_later(&self, connector: Arc<Connector>, server: InstanceKey, id: u64) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        if tasks.len() >= ENDERS_MAX {
            tracing::warn!(instance = %server, connection_id = id, "a session is left to end by itself");
            return;
        }
        tasks.spawn(async move { end_when_it_answers(&connector, &server, id).await });
    }
}

async fn end_when_it_answers(connector: &Connector, server: &InstanceKey, id: u64) {
    let clock = connector.clock();
    let ends_at = clock.monotonic() + TRYING_LASTS;
    while clock.monotonic() < ends_at {
        if let Ok(Ok(())) = timeout(ONE_ATTEMPT, end_now(connector, server, id)).await {
            tracing::info!(instance = %server, connection_id = id, "ended a session whose deadline had passed");
            return;
        }
        clock.sleep(BETWEEN_ATTEMPTS).await;
    }
    tracing::warn!(instance = %server, connection_id = id, "a session whose deadline had passed could not be ended");
}

/// Ends one session of a server over a connection of its own, and waits until it is gone. Has no deadline of its own.
///
/// # Errors
/// What is in the way.
pub(super) async fn end_now(
    connector: &Connector,
    server: &InstanceKey,
    id: u64,
) -> Result<(), String> {
    let connected = connector.connect(server, Purpose::Operation).await;
    let mut conn = connected.map_err(|failed| failed.message)?;
    let ended = end(&mut conn, &[id], &**connector.clock()).await;
    ended.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions(version: &str, command: &str, info: Option<&str>) -> Sessions {
        let columns = &["Id", "User", "Command", "Info"];
        Sessions {
            own: "orchestrator".to_owned(),
            all: Answer::table(
                columns,
                &[
                    &[Some("7"), Some("orchestrator"), Some(command), info],
                    &[Some("8"), Some("app"), Some(command), info],
                ],
            ),
            dialect: Dialect::detect(version, ""),
        }
    }

    #[test]
    fn what_old_servers_keep_of_an_ended_session_is_told_apart_from_one_that_works() {
        for (version, command, info, expected) in [
            ("5.6.24-log", "Killed", None, true),
            ("5.7.44", "Killed", None, true),
            ("5.6.24-log", "Killed", Some("STOP SLAVE"), false),
            ("5.6.24-log", "Sleep", None, false),
            ("8.0.40", "Killed", None, false),
            ("9.7.4", "Killed", None, false),
            ("10.11.19-MariaDB", "Killed", None, false),
        ] {
            let sessions = sessions(version, command, info);
            let of_own: Vec<(u64, bool)> = sessions
                .of_own()
                .map(|one| (one.id, one.is_left_over))
                .collect();
            assert_eq!(of_own, [(7, expected)], "{version} {command} {info:?}");
        }
    }

    #[test]
    fn an_ended_session_is_over_once_it_had_no_statement_for_a_while() {
        let mut left_over = LeftOver::default();
        let mut look = |is_left_over, millis| {
            let one = Living {
                id: 7,
                is_left_over,
            };
            left_over.is_over(&one, Duration::from_millis(millis))
        };
        assert!(!look(true, 0));
        assert!(!look(true, 499));
        assert!(look(true, 500));
        // A statement shows after all: it begins anew.
        assert!(!look(false, 510));
        assert!(!look(true, 520));
        assert!(!look(true, 1_010));
        assert!(look(true, 1_020));
    }
}
