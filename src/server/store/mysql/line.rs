use std::sync::mpsc::{Receiver, sync_channel};

use super::super::Error;
use super::super::own_thread::OwnThread;
use super::holder;
use super::session::Session;

type Job = Box<dyn FnOnce(&mut Session) + Send>;

/// A thread with one session, which does one job after another. Dropping it ends the thread after the jobs that wait.
pub(super) struct Line(OwnThread<Job>);

impl Line {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system has no thread for it.
    pub fn start(session: Session) -> Result<Self, Error> {
        let store = session.place.clone();
        OwnThread::start(store, "store-mysql", move |queue| run(session, queue)).map(Self)
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
        self.0.run(job, &receiver)
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
        self.0.enqueue(job, |store| Error::Held {
            store,
            detail: "too much waits for its answer already".to_owned(),
        })
    }
}

fn run(mut session: Session, queue: &Receiver<Job>) {
    while let Ok(job) = queue.recv() {
        job(&mut session);
    }
    holder::give_back(&mut session);
}
