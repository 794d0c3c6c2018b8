use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use orchestrator_core::ports::StoreError;
use tokio::sync::oneshot;

use super::Error;

/// Most jobs that wait. Callers are few (the proposer, the sign of life, write-behind) and each waits for its answer; a
/// longer queue means that the disk or the server does not answer.
pub(super) const WAITING_MAX: usize = 256;

/// A thread that owns a connection and does one job of a store after another. Dropping it ends the thread after the jobs that wait.
pub(super) struct OwnThread<J> {
    store: String,
    jobs: Option<SyncSender<J>>,
    thread: Option<JoinHandle<()>>,
}

impl<J: Send + 'static> OwnThread<J> {
    /// Starts the thread. It runs until its queue ends.
    ///
    /// # Errors
    /// When the system has no thread for it.
    pub fn start(
        store: String,
        name: &str,
        run: impl FnOnce(&Receiver<J>) + Send + 'static,
    ) -> Result<Self, Error> {
        let (jobs, queue) = sync_channel(WAITING_MAX);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || run(&queue))
            .map_err(|error| Error::Io {
                store: store.clone(),
                detail: error.to_string(),
            })?;
        Ok(Self {
            store,
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// The store, for people.
    pub fn store(&self) -> &str {
        &self.store
    }

    /// Hands a job over that tells `receiver` its answer, and waits for that. Blocks.
    ///
    /// # Errors
    /// Its error, or that the thread has ended.
    pub fn run<T>(&self, job: J, receiver: &Receiver<Result<T, Error>>) -> Result<T, Error> {
        let jobs = self.jobs.as_ref().ok_or_else(|| self.closed())?;
        jobs.send(job).map_err(|_| self.closed())?;
        receiver.recv().map_err(|_| self.closed())?
    }

    /// Hands a job over without waiting.
    ///
    /// # Errors
    /// What `full` says of a store where too much waits already; then the job was dropped. Or that the thread has ended.
    pub fn enqueue(&self, job: J, full: impl FnOnce(String) -> Error) -> Result<(), Error> {
        let jobs = self.jobs.as_ref().ok_or_else(|| self.closed())?;
        jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => full(self.store.clone()),
            TrySendError::Disconnected(_) => self.closed(),
        })
    }

    fn closed(&self) -> Error {
        Error::Closed {
            store: self.store.clone(),
        }
    }
}

impl<J> Drop for OwnThread<J> {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(
                store = self.store,
                "the thread of the store ended by a panic"
            );
        }
    }
}

/// Waits for the answer to a job that was `queued`, as ports tell it.
///
/// # Errors
/// [`StoreError`], about `operation`.
pub(super) async fn answered<T>(
    store: &str,
    operation: &'static str,
    queued: Result<(), Error>,
    answer: oneshot::Receiver<Result<T, Error>>,
) -> Result<T, StoreError> {
    let answer = match queued {
        Ok(()) => answer.await.unwrap_or_else(|_| {
            Err(Error::Closed {
                store: store.to_owned(),
            })
        }),
        Err(error) => Err(error),
    };
    answer.map_err(|error| error.into_port(operation))
}
