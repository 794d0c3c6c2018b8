use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, OnceLock};

use rusqlite::Connection;

use super::super::fault::Fault;
use super::super::own_thread::OwnThread;
use super::super::{Error, ErrorKind};
use super::fault::is_sync_failure;
use super::patience::Patience;

/// Most jobs in one transaction, so that the first of them does not wait long for the last.
const GROUP_MAX: usize = 64;

/// Transactions between two checkpoints: a thousand pages or a few thousand in the write-ahead log, as SQLite itself
/// would allow.
const CHECKPOINT_EVERY: u32 = 256;

/// Rows changed between two checkpoints, where transactions are large: a busy group's have some thousand rows each, and 256 of them are
/// 400 MB of log. So many rows are 10 to 20 MB.
const CHECKPOINT_EVERY_ROWS: u64 = 16_384;

/// Pages of the write-ahead log (4 KiB each) above which a checkpoint waits for readers to finish, so that the log does
/// not grow without bound: 64 MiB.
const LOG_PAGES_MAX: i64 = 16_384;

/// Opens a connection again after damage was found, or says that it cannot be helped.
pub(super) type Reopen = Box<dyn FnMut(&Error) -> Result<Connection, Error> + Send>;

/// The thread that owns the writing connection. Dropping it ends the thread after the jobs that wait.
pub(super) struct Writer {
    thread: OwnThread<Box<dyn Job>>,
    failed: Arc<OnceLock<Error>>,
    patience: Option<Arc<Patience>>,
}

impl Drop for Writer {
    /// Before the thread is waited for.
    fn drop(&mut self) {
        self.stop_trying();
    }
}

impl Writer {
    /// Starts the thread. `reopen` is for stores that may begin anew when they are damaged.
    pub fn start(
        store: String,
        connection: Connection,
        reopen: Option<Reopen>,
    ) -> Result<Self, Error> {
        Self::start_with(store, connection, reopen, None)
    }

    /// Starts the thread of a store whose writers do not try again by themselves: what the disk does not take now is tried for a
    /// while, and what was asked for later waits behind it.
    pub fn start_patient(store: String, connection: Connection) -> Result<Self, Error> {
        Self::start_with(store, connection, None, Some(Arc::default()))
    }

    fn start_with(
        store: String,
        connection: Connection,
        reopen: Option<Reopen>,
        patience: Option<Arc<Patience>>,
    ) -> Result<Self, Error> {
        let failed = Arc::new(OnceLock::new());
        let mut loop_ = Loop {
            store: store.clone(),
            connection,
            reopen,
            failed: Arc::clone(&failed),
            patience: patience.clone(),
            until_checkpoint: CHECKPOINT_EVERY,
            checkpointed_rows: 0,
        };
        let thread = OwnThread::start(store, "store-writer", move |queue| loop_.run(queue))?;
        Ok(Self {
            thread,
            failed,
            patience,
        })
    }

    /// From now on what the disk does not take is not tried again.
    pub fn stop_trying(&self) {
        if let Some(patience) = &self.patience {
            patience.end();
        }
    }

    /// Why what was asked for does not reach the disk now, while it is tried again.
    pub fn trouble(&self) -> Option<Error> {
        self.patience
            .as_ref()
            .and_then(|patience| patience.trouble())
    }

    /// Refuses once a sync failed: what this process still reads may not be what the disk has.
    pub fn check_usable(&self) -> Result<(), Error> {
        self.failed.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Does `work` in a transaction, together with others that wait, and returns when it is committed. `work` may run
    /// twice when the first transaction did not come about, or when one of the others refused.
    pub fn run<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Error> {
        let (sender, receiver) = sync_channel(1);
        let answer = move |result| {
            // A caller that is gone needs no answer.
            let _ = sender.send(result);
        };
        let job = Task::boxed(self.thread.store().to_owned(), work, answer);
        self.thread.run(job, &receiver)
    }

    /// The same without waiting; `answer` is called on the writer's thread. Returns whether the queue had room.
    pub fn enqueue<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection) -> Result<T, Fault> + Send + 'static,
        answer: impl FnOnce(Result<T, Error>) + Send + 'static,
    ) -> Result<(), Error> {
        let job = Task::boxed(self.thread.store().to_owned(), work, answer);
        self.thread.enqueue(job, |store| Error::Busy { store })
    }
}

/// One piece of work with its answer.
trait Job: Send {
    /// Does the work inside the transaction. After an error its changes are not kept.
    fn perform(&mut self, connection: &Connection) -> Result<(), Error>;
    /// Answers, when the transaction has ended so.
    fn answer(self: Box<Self>, transaction: Result<(), Error>);
}

struct Task<T, W, A> {
    store: String,
    work: W,
    result: Option<Result<T, Error>>,
    answer: A,
}

impl<T, W, A> Task<T, W, A>
where
    T: Send + 'static,
    W: FnMut(&Connection) -> Result<T, Fault> + Send + 'static,
    A: FnOnce(Result<T, Error>) + Send + 'static,
{
    fn boxed(store: String, work: W, answer: A) -> Box<dyn Job> {
        Box::new(Self {
            store,
            work,
            result: None,
            answer,
        })
    }
}

impl<T, W, A> Job for Task<T, W, A>
where
    T: Send,
    W: FnMut(&Connection) -> Result<T, Fault> + Send,
    A: FnOnce(Result<T, Error>) + Send,
{
    fn perform(&mut self, connection: &Connection) -> Result<(), Error> {
        let result = (self.work)(connection).map_err(|fault| fault.at(&self.store));
        let result = self.result.insert(result);
        result.as_ref().map(drop).map_err(Clone::clone)
    }

    fn answer(self: Box<Self>, transaction: Result<(), Error>) {
        // Its own refusal stands, whatever became of the others.
        let result = match (self.result, transaction) {
            (Some(Err(own)), _) => Err(own),
            (_, Err(error)) => Err(error),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(Error::Closed { store: self.store }),
        };
        (self.answer)(result);
    }
}

struct Loop {
    store: String,
    connection: Connection,
    reopen: Option<Reopen>,
    /// Set by a failed sync; nothing is written any more.
    failed: Arc<OnceLock<Error>>,
    patience: Option<Arc<Patience>>,
    /// Transactions until the next checkpoint.
    until_checkpoint: u32,
    /// Rows that this connection had changed at the last one.
    checkpointed_rows: u64,
}

impl Loop {
    fn run(&mut self, queue: &Receiver<Box<dyn Job>>) {
        while let Ok(first) = queue.recv() {
            let mut group = vec![first];
            group.extend(queue.try_iter().take(GROUP_MAX - 1));
            let outcome = match self.patience.clone() {
                Some(patience) => patience.try_until_done(|| self.settle(&mut group)),
                None => self.settle(&mut group),
            };
            for job in group {
                job.answer(outcome.clone());
            }
            self.checkpoint_when_due();
        }
    }

    /// One transaction, and a second one where a damaged store could begin anew.
    fn settle(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), Error> {
        if let Some(error) = self.failed.get() {
            return Err(error.clone());
        }
        let outcome = self.transaction(group);
        match (outcome, self.reopen.as_mut()) {
            (Err(error), Some(reopen)) if is_damage(&error) => {
                self.connection = reopen(&error)?;
                self.transaction(group)
            }
            (outcome, _) => outcome,
        }
    }

    fn transaction(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), Error> {
        self.execute("BEGIN IMMEDIATE")?;
        let done = match self.together(group) {
            Err(error) if !self.takes_all_with_it(&error) => self.one_by_one(group),
            done => done,
        };
        if let Err(error) = done {
            return Err(self.abandon(error));
        }
        match self.run_sql("COMMIT") {
            Ok(()) => Ok(()),
            Err(error) if is_sync_failure(&error) => Err(self.fail(&error)),
            // A commit whose last page could not be written is none: recovery finds no end of it. So nothing changed.
            Err(error) => {
                let error = Fault::Sqlite(error).at(&self.store);
                Err(self.abandon(error))
            }
        }
    }

    /// All jobs, as if none could refuse: savepoints cost as much as a short job.
    fn together(&self, group: &mut [Box<dyn Job>]) -> Result<(), Error> {
        group
            .iter_mut()
            .try_for_each(|job| job.perform(&self.connection))
    }

    /// All jobs from the beginning, each so that what it did can be taken back alone. An error means that the whole
    /// transaction has to go, not that a job refused.
    fn one_by_one(&self, group: &mut [Box<dyn Job>]) -> Result<(), Error> {
        self.execute("ROLLBACK")?;
        self.execute("BEGIN IMMEDIATE")?;
        for job in group {
            self.execute("SAVEPOINT job")?;
            match job.perform(&self.connection) {
                Ok(()) => {}
                Err(error) if self.takes_all_with_it(&error) => return Err(error),
                Err(_) => self.execute("ROLLBACK TO job")?,
            }
            self.execute("RELEASE job")?;
        }
        Ok(())
    }

    /// Whether the whole transaction goes with the job that had this error.
    fn takes_all_with_it(&self, error: &Error) -> bool {
        // SQLite ends the whole transaction by itself after some errors, such as a full disk. Where it does not, the others of a
        // patient writer must not be written without the one before them either.
        self.connection.is_autocommit()
            || self.reopen.is_some() && is_damage(error)
            || self.patience.is_some() && error.kind() == ErrorKind::Retryable
    }

    fn execute(&self, sql: &str) -> Result<(), Error> {
        self.run_sql(sql)
            .map_err(|error| Fault::Sqlite(error).at(&self.store))
    }

    /// One statement, parsed once only.
    fn run_sql(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }

    /// Rolls back, and returns the error that led to it.
    fn abandon(&mut self, cause: Error) -> Error {
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            // A connection that cannot roll back is in no state to go on with.
            return self.fail(&error);
        }
        cause
    }

    /// No more writes; this one's outcome is unknown.
    fn fail(&mut self, error: &rusqlite::Error) -> Error {
        let detail = error.to_string();
        tracing::error!(store = self.store, detail, "the store failed");
        self.failed.get_or_init(|| Error::Failed {
            store: self.store.clone(),
            detail: detail.clone(),
        });
        Error::OutcomeUnknown {
            store: self.store.clone(),
            detail,
        }
    }

    fn checkpoint_when_due(&mut self) {
        self.until_checkpoint = self.until_checkpoint.saturating_sub(1);
        // A connection that was opened anew counts from 0.
        let rows = self.connection.total_changes();
        let is_due = self.until_checkpoint == 0
            || rows.abs_diff(self.checkpointed_rows) >= CHECKPOINT_EVERY_ROWS;
        if !is_due || self.failed.get().is_some() {
            return;
        }
        (self.until_checkpoint, self.checkpointed_rows) = (CHECKPOINT_EVERY, rows);
        let pages = self.checkpoint("PASSIVE");
        if pages > LOG_PAGES_MAX {
            self.checkpoint("TRUNCATE");
        }
    }

    /// Copies the write-ahead log into the file; returns how many pages the log has.
    fn checkpoint(&mut self, mode: &str) -> i64 {
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        match self.connection.query_row(&sql, [], |row| row.get(1)) {
            Ok(pages) => pages,
            // The log has everything still, but a sync that fails once may lie the next time.
            Err(error) if is_sync_failure(&error) => {
                self.fail(&error);
                0
            }
            Err(error) => {
                tracing::warn!(store = self.store, %error, "the store's log could not be copied into its file; trying again later");
                0
            }
        }
    }
}

fn is_damage(error: &Error) -> bool {
    matches!(error, Error::Damaged { .. } | Error::NotADatabase { .. })
}

#[cfg(test)]
mod tests {
    use super::super::super::own_thread::WAITING_MAX;
    use super::*;

    fn writer() -> Writer {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE t (a INTEGER PRIMARY KEY)")
            .unwrap();
        Writer::start("s".to_owned(), connection, None).unwrap()
    }

    fn insert(number: i64) -> impl FnMut(&Connection) -> Result<(), Fault> + Send + 'static {
        move |c| {
            c.execute("INSERT INTO t VALUES (?1)", [number])?;
            Ok(())
        }
    }

    fn count(writer: &Writer) -> i64 {
        writer
            .run(|c| Ok(c.query_row("SELECT count(*) FROM t", [], |row| row.get(0))?))
            .unwrap()
    }

    #[test]
    fn jobs_that_wait_share_a_transaction_and_a_failing_one_takes_back_only_itself() {
        let writer = writer();
        let (hold, held) = sync_channel::<()>(0);
        let (sender, answers) = sync_channel(10);
        let (started, has_started) = sync_channel::<()>(1);
        // The first job waits until the others are queued behind it.
        writer
            .enqueue(
                move |_| {
                    started.send(()).unwrap();
                    held.recv().unwrap();
                    Ok(())
                },
                |_| (),
            )
            .unwrap();
        has_started.recv().unwrap();
        for number in [1, 2, 2, 3] {
            let sender = sender.clone();
            writer
                .enqueue(
                    move |c| {
                        insert(number)(c)?;
                        Ok(c.total_changes())
                    },
                    move |result| sender.send((number, result.is_ok())).unwrap(),
                )
                .unwrap();
        }
        hold.send(()).unwrap();
        let answers: Vec<(i64, bool)> = (0..4).map(|_| answers.recv().unwrap()).collect();
        assert_eq!(answers, [(1, true), (2, true), (2, false), (3, true)]);
        assert_eq!(count(&writer), 3);
    }

    #[test]
    fn a_job_alone_in_its_transaction_takes_back_what_it_wrote_when_it_fails() {
        let writer = writer();
        let refused = writer.run(|c| {
            insert(1)(c)?;
            Err::<(), _>(Fault::Gap {
                applied: 1,
                found: 3,
            })
        });
        assert!(matches!(refused, Err(Error::Gap { .. })), "{refused:?}");
        assert_eq!(count(&writer), 0);
        writer.run(insert(1)).unwrap();
        assert_eq!(count(&writer), 1);
    }

    #[test]
    fn a_full_queue_is_said_at_once() {
        let writer = writer();
        let (hold, held) = sync_channel::<()>(0);
        let (started, has_started) = sync_channel::<()>(1);
        let wait = move |_: &Connection| {
            started.send(()).unwrap();
            held.recv().unwrap();
            Ok(())
        };
        writer.enqueue(wait, |_| ()).unwrap();
        has_started.recv().unwrap();
        for number in 0..WAITING_MAX {
            writer.enqueue(insert(number as i64), |_| ()).unwrap();
        }
        assert_eq!(
            writer.enqueue(insert(-1), |_| ()),
            Err(Error::Busy {
                store: "s".to_owned()
            })
        );
        hold.send(()).unwrap();
        assert_eq!(count(&writer), WAITING_MAX as i64);
    }

    #[test]
    fn what_waits_is_written_before_the_writer_ends() {
        let writer = writer();
        let (sender, answers) = sync_channel(100);
        for number in 0..100 {
            let sender = sender.clone();
            let answer = move |result: Result<(), Error>| sender.send(result.is_ok()).unwrap();
            writer.enqueue(insert(number), answer).unwrap();
        }
        drop(writer);
        drop(sender);
        assert_eq!(answers.iter().filter(|is_ok| *is_ok).count(), 100);
    }

    #[test]
    fn a_store_that_may_begin_anew_does_so_when_damage_is_met_and_does_the_work_there() {
        let fresh = || {
            let connection = Connection::open_in_memory().unwrap();
            connection
                .execute_batch("CREATE TABLE fresh (a INTEGER)")
                .unwrap();
            connection
        };
        let reopen: Reopen = Box::new(move |_| Ok(fresh()));
        let damaged = Connection::open_in_memory().unwrap();
        let writer = Writer::start("s".to_owned(), damaged, Some(reopen)).unwrap();
        let rows = writer.run(|c| {
            c.execute("INSERT INTO fresh VALUES (1)", [])
                .map_err(|_| Fault::Damaged("no table".to_owned()))
        });
        assert_eq!(rows, Ok(1));
        let kept = writer.run(|c| Ok(c.query_row("SELECT a FROM fresh", [], |row| row.get(0))?));
        assert_eq!(kept, Ok(1));
    }

    #[test]
    fn a_store_that_may_not_begin_anew_says_that_it_is_damaged() {
        let writer = writer();
        let result = writer.run(|_| Err::<(), _>(Fault::Damaged("x".to_owned())));
        assert!(matches!(result, Err(Error::Damaged { .. })));
        writer.run(insert(1)).unwrap();
    }

    #[test]
    fn a_patient_writer_keeps_the_order_of_what_a_full_disk_did_not_take() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE t (a INTEGER PRIMARY KEY, b BLOB)")
            .unwrap();
        let writer = Writer::start_patient("s".to_owned(), connection).unwrap();
        let limit = |pages: i64| {
            move |c: &Connection| {
                c.pragma_update_and_check(None, "max_page_count", pages, |row| {
                    row.get::<_, i64>(0)
                })?;
                Ok(())
            }
        };
        writer.run(limit(3)).unwrap();
        let (sender, answers) = sync_channel(10);
        let mut refusals = 0;
        let large = sender.clone();
        writer
            .enqueue(
                move |c| {
                    // Somebody makes room after the third try.
                    refusals += 1;
                    if refusals > 3 {
                        limit(1_000)(c)?;
                    }
                    c.execute("INSERT INTO t VALUES (1, zeroblob(100000))", [])?;
                    Ok(())
                },
                move |result| large.send((1, result)).unwrap(),
            )
            .unwrap();
        writer
            .enqueue(
                |c| {
                    c.execute("INSERT INTO t (a) VALUES (2)", [])?;
                    Ok(c.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0))?)
                },
                move |result| {
                    sender
                        .send((2, result.map(|count| assert_eq!(count, 2))))
                        .unwrap()
                },
            )
            .unwrap();
        let mut seen_trouble = false;
        while !seen_trouble {
            seen_trouble = matches!(writer.trouble(), Some(Error::Full { .. }));
            std::thread::yield_now();
        }
        assert_eq!(answers.recv().unwrap(), (1, Ok(())));
        assert_eq!(answers.recv().unwrap(), (2, Ok(())));
        assert_eq!(writer.trouble(), None);
        assert_eq!(count(&writer), 2);
    }

    #[test]
    fn a_patient_writer_does_not_keep_its_store_from_being_closed() {
        let connection = Connection::open_in_memory().unwrap();
        let writer = Writer::start_patient("s".to_owned(), connection).unwrap();
        let (sender, answers) = sync_channel(1);
        let work = |_: &Connection| -> Result<(), Fault> {
            Err(Fault::Known(Error::Full {
                store: "s".to_owned(),
            }))
        };
        writer
            .enqueue(work, move |result| sender.send(result).unwrap())
            .unwrap();
        while writer.trouble().is_none() {
            std::thread::yield_now();
        }
        drop(writer);
        assert!(matches!(answers.recv().unwrap(), Err(Error::Full { .. })));
    }

    #[test]
    fn the_log_of_large_transactions_is_copied_into_the_file_before_it_is_many_times_as_large() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("store");
        let connection = Connection::open(&file).unwrap();
        connection
            .execute_batch("PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (n PRIMARY KEY, text)")
            .unwrap();
        let writer = Writer::start("s".to_owned(), connection, None).unwrap();
        for _ in 0..60 {
            let rows = |connection: &Connection| {
                let mut insert = connection.prepare_cached("REPLACE INTO t VALUES (?1, ?2)")?;
                (0..2_000).try_for_each(|n| insert.execute((n, "t".repeat(500))).map(drop))?;
                Ok(())
            };
            writer.run(rows).unwrap();
        }
        let log = std::fs::metadata(directory.path().join("store-wal")).unwrap();
        // All of it is more than sixty.
        assert!(log.len() < 24 << 20, "{} MiB", log.len() >> 20);
    }

    #[test]
    fn after_a_failed_sync_nothing_is_written_any_more() {
        let connection = Connection::open_in_memory().unwrap();
        let mut loop_ = Loop {
            store: "s".to_owned(),
            connection,
            reopen: None,
            failed: Arc::default(),
            patience: None,
            until_checkpoint: CHECKPOINT_EVERY,
            checkpointed_rows: 0,
        };
        let sync_failed = rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_FSYNC),
            None,
        );
        let first = loop_.fail(&sync_failed);
        assert_eq!(first.kind(), super::super::super::ErrorKind::OutcomeUnknown);
        let (sender, answers) = sync_channel(1);
        let mut group = [Task::boxed(
            "s".to_owned(),
            |_| -> Result<(), Fault> { panic!("no work after a failed sync") },
            move |result: Result<(), Error>| sender.send(result).unwrap(),
        )];
        let outcome = loop_.settle(&mut group);
        assert!(matches!(outcome, Err(Error::Failed { .. })));
        for job in group {
            job.answer(outcome.clone());
        }
        assert!(matches!(answers.recv().unwrap(), Err(Error::Failed { .. })));
    }
}
