//! What the log and the identity of a node are kept on: a file in the service, a simulated disk in simulations, which
//! loses what was not synced.

use std::sync::Arc;

use crate::store::{Error, GroupLog, GroupLogEntry, Mark};

/// Called once, when what was asked for is on disk, or is known not to be.
pub type OnDisk = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// Entries and marks of one node. Writes take effect in the order in which they are asked for.
pub trait LogDisk: Send + Sync {
    /// Where it is, for people.
    fn place(&self) -> &str;

    /// Why what was asked for does not reach it now, while it goes on trying; one sentence. `None` while it is well.
    fn trouble(&self) -> Option<String> {
        None
    }

    /// Its node is stopped: what it does not take now is not tried again.
    fn stop_trying(&self) {}

    /// Appends entries and writes marks, all or nothing. Does not block; `answer` is called when they are on disk.
    ///
    /// # Errors
    /// `Busy` when too much waits already: nothing was taken, `answer` is dropped.
    fn append(
        &self,
        entries: Arc<Vec<GroupLogEntry>>,
        marks: Vec<Mark>,
        answer: OnDisk,
    ) -> Result<(), Error>;

    /// Removes entries from `index` on. Blocks until that is on disk.
    ///
    /// # Errors
    /// [`Error`] when it did not come about.
    fn truncate_from(&self, index: u64) -> Result<(), Error>;

    /// Removes entries up to `index`, and writes marks, all or nothing. Blocks until that is on disk.
    ///
    /// # Errors
    /// [`Error`] when it did not come about.
    fn purge_to(&self, index: u64, marks: Vec<Mark>) -> Result<(), Error>;

    /// Writes marks. Blocks until they are on disk.
    ///
    /// # Errors
    /// [`Error`] when it did not come about.
    fn put(&self, marks: Vec<Mark>) -> Result<(), Error>;

    /// The mark with this name.
    ///
    /// # Errors
    /// [`Error`] when it cannot be read.
    fn mark(&self, name: &'static str) -> Result<Option<Vec<u8>>, Error>;

    /// Index of the first and the last entry; `None` when there is none.
    ///
    /// # Errors
    /// [`Error`] when it cannot be read.
    fn bounds(&self) -> Result<Option<(u64, u64)>, Error>;

    /// Envelopes of the entries from `first` to `last`, both included, at most `max`, in order.
    ///
    /// # Errors
    /// [`Error`] when they cannot be read.
    fn entries(&self, first: u64, last: u64, max: usize) -> Result<Vec<Vec<u8>>, Error>;

    /// The envelope of the last entry of this kind that is not after `index`.
    ///
    /// # Errors
    /// [`Error`] when it cannot be read.
    fn last_of_kind(&self, kind: u8, index: u64) -> Result<Option<Vec<u8>>, Error>;
}

impl LogDisk for GroupLog {
    fn place(&self) -> &str {
        self.place()
    }

    fn trouble(&self) -> Option<String> {
        self.trouble()
    }

    fn stop_trying(&self) {
        self.stop_trying();
    }

    fn append(
        &self,
        entries: Arc<Vec<GroupLogEntry>>,
        marks: Vec<Mark>,
        answer: OnDisk,
    ) -> Result<(), Error> {
        self.append(entries, marks, answer)
    }

    fn truncate_from(&self, index: u64) -> Result<(), Error> {
        self.truncate_from(index)
    }

    fn purge_to(&self, index: u64, marks: Vec<Mark>) -> Result<(), Error> {
        self.purge_to(index, marks)
    }

    fn put(&self, marks: Vec<Mark>) -> Result<(), Error> {
        self.put(marks)
    }

    fn mark(&self, name: &'static str) -> Result<Option<Vec<u8>>, Error> {
        self.mark(name)
    }

    fn bounds(&self) -> Result<Option<(u64, u64)>, Error> {
        self.bounds()
    }

    fn entries(&self, first: u64, last: u64, max: usize) -> Result<Vec<Vec<u8>>, Error> {
        self.entries(first, last, max)
    }

    fn last_of_kind(&self, kind: u8, index: u64) -> Result<Option<Vec<u8>>, Error> {
        self.last_of_kind(kind, index)
    }
}
