use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use super::super::Error;
use super::holder;
use super::session::Session;

/// Most jobs that wait. Callers are few, and each waits for its answer; a longer queue means that the server does not answer.
const QUEUE_MAX: usize = 256;

type Job = Box<dyn FnOnce(&mut Session) + Send>;

/// A thread with one session, which does one job after another. Dropping it ends the thread after the jobs that wait.
pub(super) struct Line {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    store: String,
}

impl Line {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system has no thread for it.
    pub fn start(session: Session) -> Result<Self, Error> {
        let store = session.place.clone();
        let (jobs, queue) = sync_channel(QUEUE_MAX);
        let thread = std::thread::Builder::new()
            .name("store-mysql".to_owned())
            .spawn(move || run(session, &queue))
            .map_err(|error| Error::Io {
                store: store.clone(),
                detail: error.to_string(),
            })?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
            store,
        })
    }

    /// Does `work` and returns what it comes to. Blocks.
    pub fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Session) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (sender, receiver) = sync_channel(1);
        let job: Job = Box::new(move |session| {
            // A caller that is gone needs no answer.
            let _ = sender.send(work(session));
        });
        let jobs = self.jobs.as_ref().ok_or_else(|| self.closed())?;
        jobs.send(job).map_err(|_| self.closed())?;
        receiver.recv().map_err(|_| self.closed())?
    }

    /// The same without waiting; `answer` is called on the thread.
    ///
    /// # Errors
    /// When too much waits already.
    pub fn enqueue<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Session) -> Result<T, Error> + Send + 'static,
        answer: impl FnOnce(Result<T, Error>) + Send + 'static,
    ) -> Result<(), Error> {
        let job: Job = Box::new(move |session| answer(work(session)));
        let jobs = self.jobs.as_ref().ok_or_else(|| self.closed())?;
        jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => Error::Held {
                store: self.store.clone(),
                detail: "too much waits for its answer already".to_owned(),
            },
            TrySendError::Disconnected(_) => self.closed(),
        })
    }

    fn closed(&self) -> Error {
        Error::Closed {
            store: self.store.clone(),
        }
    }
}

fn run(mut session: Session, queue: &Receiver<Job>) {
    while let Ok(job) = queue.recv() {
        job(&mut session);
    }
    holder::give_back(&mut session);
}

impl Drop for Line {
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
