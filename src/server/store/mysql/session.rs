use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::ports::Clock;
use tokio::runtime::{Builder, Runtime};

use super::super::Error;
use super::super::fault::Fault;
use super::error::{Failure, unconnected};
use super::holder::{self, Hold};
use super::literal;
use super::meta::{self, Meta};
use super::options::MysqlOptions;
use crate::mysql::{Answer, Bounds, Conn, Connector, Purpose};

/// What a store may bring: it is this node's own, and what it holds was once in this node's memory.
const BOUNDS: Bounds = Bounds {
    rows: 10_000_000,
    cell_bytes: 128 * 1024 * 1024,
    answer_bytes: 1024 * 1024 * 1024,
    result_sets: 1_024,
};

/// After this idle time, in seconds, the server may drop a connection. Longer than any pause of ours, which writes once a second, and shorter
/// than a person waits: the connection of a host that is gone has the database until then, unless another process ends it; and a MySQL before
/// 8.0 may keep the thread of a connection that was ended for as long (`mysql::change::ended`).
const IDLE_SECONDS: u32 = 60;

/// Oldest server that is known to work.
const OLDEST: (u64, u64) = (5, 6);

/// What commits wait for on a server that loses none: see `innodb_flush_log_at_trx_commit`.
const EVERY_COMMIT: &str = "1";

/// A text that did not come to its end.
#[derive(Debug)]
pub(super) struct Ended {
    /// Statements that were carried out before.
    pub answered: usize,
    /// What became of the one after them.
    pub failure: Failure,
}

/// One connection to the server, opened when it is needed and anew after it was lost. It belongs to one thread, which it blocks.
pub(super) struct Session {
    pub options: Arc<MysqlOptions>,
    pub place: String,
    connector: Arc<Connector>,
    clock: Arc<dyn Clock>,
    runtime: Runtime,
    conn: Option<Conn>,
    /// The number of a connection that was given up: the server may still be busy with what came over it.
    given_up: Option<u32>,
    /// Longest text that the server takes.
    packet_max: usize,
    /// What this process has the database by. Without it the session is for what needs no hold.
    pub hold: Option<Hold>,
}

impl Session {
    /// A session that is not connected yet.
    ///
    /// # Errors
    /// When the system has no more resources for the runtime.
    pub fn new(
        options: Arc<MysqlOptions>,
        connector: Arc<Connector>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let place = options.place();
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::Io {
                store: place.clone(),
                detail: error.to_string(),
            })?;
        Ok(Self {
            options,
            place,
            connector,
            clock,
            runtime,
            conn: None,
            given_up: None,
            packet_max: 0,
            hold: None,
        })
    }

    /// The number of this connection on the server.
    pub fn connection(&self) -> Option<u32> {
        self.conn.as_ref().map(Conn::id)
    }

    /// Bytes of one text of statements: what the server takes, without the head of the packet.
    pub fn packet_max(&self) -> usize {
        const HEAD: usize = 64;
        self.packet_max.saturating_sub(HEAD)
    }

    /// Time since an arbitrary start.
    pub fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    /// Blocks for `length`.
    pub fn pause(&self, length: Duration) {
        // Within the runtime, whose timer it uses.
        self.runtime
            .block_on(async { self.clock.sleep(length).await });
    }

    /// Connects unless that is so already, and makes sure that this process still has the database, if it ever had it.
    ///
    /// # Errors
    /// [`Error`]; `Taken` when another process has the database now.
    pub fn ready(&mut self) -> Result<(), Error> {
        if self.conn.as_ref().is_some_and(Conn::is_usable) {
            return Ok(());
        }
        self.give_up();
        self.connect()?;
        if self.hold.is_some() {
            if let Err(error) = holder::hold_again(self) {
                // Without the hold it is of no use.
                self.conn = None;
                return Err(error);
            }
        } else if let Some(connection) = self.given_up.take() {
            // It may hold locks on rows. Where it cannot be ended, waiting for them has a bound of its own.
            self.kill(u64::from(connection))?;
        }
        Ok(())
    }

    /// Connects and sets everything that decides what a statement means.
    fn connect(&mut self) -> Result<(), Error> {
        let connecting = self.connector.connect(&self.options.server, Purpose::Store);
        let conn = self
            .runtime
            .block_on(connecting)
            .map_err(|failure| unconnected(&self.place, &failure))?;
        self.conn = Some(conn);
        let prepared = self.prepare();
        if prepared.is_err() {
            self.conn = None;
        }
        prepared
    }

    fn prepare(&mut self) -> Result<(), Error> {
        let wait = self.options.read_timeout.as_secs().max(1);
        let settings = format!(
            "SET NAMES utf8mb4 COLLATE utf8mb4_bin;\
             SET SESSION sql_mode='STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION',SESSION autocommit=1,\
             SESSION time_zone='+00:00',SESSION innodb_lock_wait_timeout={wait},SESSION lock_wait_timeout={wait},\
             SESSION wait_timeout={IDLE_SECONDS};\
             SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;\
             SELECT VERSION(),@@max_allowed_packet,@@global.innodb_flush_log_at_trx_commit"
        );
        let answer = self.ask(&settings)?;
        let told = |column| {
            answer
                .first()
                .and_then(|row| row.at(column))
                .unwrap_or_default()
        };
        let version = told(0);
        if !is_new_enough(&version) {
            return Err(Error::Unsuited {
                store: self.place.clone(),
                detail: format!(
                    "the server is version {version}, and {}.{} is the oldest that will do",
                    OLDEST.0, OLDEST.1
                ),
            });
        }
        self.packet_max = told(1).parse().unwrap_or(1024 * 1024);
        if !self.options.is_derived && self.hold.is_none() && told(2) != EVERY_COMMIT {
            tracing::warn!(
                store = self.place,
                innodb_flush_log_at_trx_commit = told(2),
                "the server may lose commits that it acknowledged when its host fails; set innodb_flush_log_at_trx_commit to 1"
            );
        }
        self.enter_database()
    }

    /// Makes the database of the store that of the session; creates it when it is missing.
    fn enter_database(&mut self) -> Result<(), Error> {
        const UNKNOWN_DATABASE: u16 = 1049;
        let name = literal::name(&self.options.database);
        match self.send(&format!("USE {name}")) {
            Ok(_) => return Ok(()),
            Err(failure) if failure.code() == UNKNOWN_DATABASE && self.hold.is_none() => {}
            Err(failure) => return Err(self.lost(&failure)),
        }
        let create = format!(
            "CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
        );
        if let Err(failure) = self.send(&create) {
            let error = self.lost(&failure);
            return Err(match error {
                Error::Denied { store, detail } => Error::Denied {
                    store,
                    detail: format!("it does not exist, and may not be made: {detail}"),
                },
                other => other,
            });
        }
        self.ask(&format!("USE {name}")).map(drop)
    }

    /// Sends statements and returns what the last one brought.
    ///
    /// # Errors
    /// [`Error`]; a connection that is of no use any more is given up.
    pub fn ask(&mut self, statements: &str) -> Result<Answer, Error> {
        self.send(statements).map_err(|failure| self.lost(&failure))
    }

    /// The same with the failure as it came.
    fn send(&mut self, statements: &str) -> Result<Answer, Failure> {
        self.send_each(statements).map_err(|ended| ended.failure)
    }

    /// The same, and how many statements were carried out before one failed.
    pub fn send_each(&mut self, statements: &str) -> Result<Answer, Ended> {
        let limit = self.options.read_timeout;
        let (mut answered, mut last) = (0, Answer::default());
        let Some(conn) = self.conn.as_mut() else {
            let closed = std::io::Error::from(std::io::ErrorKind::NotConnected);
            let failure = Failure::Driver(closed.into());
            return Err(Ended { answered, failure });
        };
        let note = |answer| {
            answered += 1;
            last = answer;
        };
        let outcome = self.runtime.block_on(async {
            tokio::time::timeout(limit, conn.query_each(statements, &BOUNDS, note)).await
        });
        let failure = match outcome {
            Ok(Ok(())) => return Ok(last),
            Ok(Err(error)) => Failure::Driver(error),
            Err(_) => Failure::Late(limit),
        };
        Err(Ended { answered, failure })
    }

    /// The error of a failure; a connection that is of no use any more is given up.
    pub fn lost(&mut self, failure: &Failure) -> Error {
        let leaves_read_only = failure.is_read_only() && self.options.leaves_read_only;
        if !failure.leaves_connection_usable() || leaves_read_only {
            self.give_up();
        }
        failure.at(&self.place)
    }

    /// Closes the connection; what came over it last may still be under way.
    fn give_up(&mut self) {
        if let Some(conn) = self.conn.take() {
            self.given_up = Some(conn.id());
            // Within the runtime, which it needs to say goodbye.
            self.runtime.block_on(async move {
                drop(conn);
                tokio::task::yield_now().await;
            });
        }
    }

    /// Does `work` in a transaction, with the row of the store locked.
    ///
    /// # Errors
    /// [`Error`]; `OutcomeUnknown` when it is not known whether the transaction took effect, else nothing of it did.
    pub fn write<T>(
        &mut self,
        work: impl FnOnce(&mut Self, &Meta) -> Result<T, Fault>,
    ) -> Result<T, Error> {
        let begin = format!("START TRANSACTION;{} FOR UPDATE", meta::SELECT);
        let found = self.begin(&begin)?;
        let result = holder::note_connection(self, &found)
            .map_err(Fault::from)
            .and_then(|()| work(self, &found));
        let place = self.place.clone();
        match result.map_err(|fault| fault.at(&place)) {
            Ok(value) => self.commit().map(|()| value),
            Err(error) => {
                self.roll_back();
                Err(error)
            }
        }
    }

    /// The same for work that only reads, all as of one moment.
    ///
    /// # Errors
    /// [`Error`].
    pub fn read<T>(
        &mut self,
        work: impl FnOnce(&mut Self, &Meta) -> Result<T, Fault>,
    ) -> Result<T, Error> {
        let begin = format!(
            "START TRANSACTION WITH CONSISTENT SNAPSHOT;{}",
            meta::SELECT
        );
        let found = self.begin(&begin)?;
        let result = work(self, &found);
        self.roll_back();
        let place = self.place.clone();
        result.map_err(|fault| fault.at(&place))
    }

    /// Does `work` in a transaction of rows that do not belong to the store's state; whether this process has the database does not
    /// matter.
    ///
    /// # Errors
    /// [`Fault`]; the outcome is unknown when it was the commit that failed.
    pub fn loosely(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.ask("START TRANSACTION")?;
        match work(self) {
            Ok(()) => Ok(self.commit()?),
            Err(fault) => {
                self.roll_back();
                Err(fault)
            }
        }
    }

    /// Begins a transaction; a second time when the connection was lost while nothing came over it.
    fn begin(&mut self, begin: &str) -> Result<Meta, Error> {
        let was_connected = self.conn.is_some();
        self.ready()?;
        let answer = match self.send(begin) {
            Ok(answer) => answer,
            Err(failure) => {
                let error = self.lost(&failure);
                // The server closed it meanwhile: idle for too long, started anew, killed.
                let is_closed = matches!(failure, Failure::Driver(_)) && self.conn.is_none();
                if !(was_connected && is_closed) {
                    return Err(error);
                }
                self.ready()?;
                self.ask(begin)?
            }
        };
        let checked = holder::check(self, &answer);
        if checked.is_err() {
            self.roll_back();
        }
        checked
    }

    fn commit(&mut self) -> Result<(), Error> {
        match self.send("COMMIT") {
            Ok(_) => Ok(()),
            Err(failure) => Err(self.uncommitted(&failure)),
        }
    }

    /// The error of a `COMMIT` that failed so.
    pub fn uncommitted(&mut self, failure: &Failure) -> Error {
        if failure.is_rollback() {
            self.roll_back();
            return self.lost(failure);
        }
        self.unknown(failure)
    }

    /// The error of a transaction of which it is not known whether it took effect.
    pub fn unknown(&mut self, failure: &Failure) -> Error {
        // Read back over another connection, and only when this one is gone on the server, too.
        self.give_up();
        Error::OutcomeUnknown {
            store: self.place.clone(),
            detail: failure.sentence(),
        }
    }

    /// Ends the transaction without effect. A connection that cannot do that is given up: the server rolls back then.
    pub fn roll_back(&mut self) {
        if self.conn.is_some()
            && let Err(failure) = self.send("ROLLBACK")
        {
            tracing::debug!(
                store = self.place,
                failure = failure.sentence(),
                "no rollback; the connection is closed"
            );
            self.give_up();
        }
    }

    /// Ends another connection of the same account, with what came over it.
    ///
    /// # Errors
    /// [`Error`], but not that there is no such connection.
    pub fn kill(&mut self, connection: u64) -> Result<(), Error> {
        const NO_SUCH_THREAD: u16 = 1094;
        match self.send(&format!("KILL {connection}")) {
            Ok(_) => Ok(()),
            Err(failure) if failure.code() == NO_SUCH_THREAD => Ok(()),
            Err(failure) => Err(self.lost(&failure)),
        }
    }
}

fn is_new_enough(version: &str) -> bool {
    let mut numbers = version
        .split(|c: char| !c.is_ascii_digit())
        .map(str::parse::<u64>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= OLDEST,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_since_5_6_will_do() {
        for version in [
            "5.6.51-log",
            "9.7.1",
            "10.11.19-MariaDB-0+deb12u1",
            "5.7.44",
        ] {
            assert!(is_new_enough(version), "{version}");
        }
        for version in ["5.5.62", "", "unknown"] {
            assert!(!is_new_enough(version), "{version}");
        }
    }
}
