use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio_util::sync::CancellationToken;

/// The open connections, and which of them wait for a complete request.
pub(super) struct Connections {
    most: usize,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    next: u64,
    open: usize,
    /// Connections without a request being handled, by age; the token ends one.
    waiting: BTreeMap<u64, CancellationToken>,
}

/// One open connection; leaves the table when dropped.
pub(super) struct Connection {
    table: Arc<Connections>,
    id: u64,
    /// Cancelled when the connection has to make room.
    pub(super) evicted: CancellationToken,
}

impl Connections {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            table: Mutex::default(),
        })
    }

    /// Registers a connection. When there are too many, the one that has waited longest for a request is told to go; when
    /// all of them are being served, the new one gets no place.
    pub(super) fn admit(self: &Arc<Self>) -> Option<Connection> {
        let mut table = self.table.lock().expect("no holder of this lock panics");
        if table.open >= self.most {
            let (_, oldest) = table.waiting.pop_first()?;
            oldest.cancel();
        }
        table.next += 1;
        table.open += 1;
        let (id, evicted) = (table.next, CancellationToken::new());
        table.waiting.insert(id, evicted.clone());
        Some(Connection {
            table: self.clone(),
            id,
            evicted,
        })
    }

    #[cfg(test)]
    fn open(&self) -> usize {
        self.table.lock().unwrap().open
    }
}

impl Connection {
    /// A request of it is being handled: it is not to be evicted until the returned value is dropped.
    pub(super) fn serve(self: &Arc<Self>) -> Serving {
        self.table
            .table
            .lock()
            .expect("no holder of this lock panics")
            .waiting
            .remove(&self.id);
        Serving(self.clone())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut table = self
            .table
            .table
            .lock()
            .expect("no holder of this lock panics");
        table.waiting.remove(&self.id);
        table.open -= 1;
    }
}

/// Keeps a connection from being evicted.
pub(super) struct Serving(Arc<Connection>);

impl Drop for Serving {
    fn drop(&mut self) {
        let mut table = self
            .0
            .table
            .table
            .lock()
            .expect("no holder of this lock panics");
        // A new number: it has just been useful, so it is the youngest of those that wait.
        if !self.0.evicted.is_cancelled() {
            table.waiting.insert(self.0.id, self.0.evicted.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_waiting_connection_makes_room_and_a_served_one_never_does() {
        let connections = Connections::new(2);
        let first = Arc::new(connections.admit().unwrap());
        let second = Arc::new(connections.admit().unwrap());
        let served = first.serve();
        let third = connections.admit().unwrap();
        assert!(!first.evicted.is_cancelled(), "it is being served");
        assert!(second.evicted.is_cancelled(), "it waited longest");
        drop(second);
        let serving_third = Arc::new(third);
        let _guard = serving_third.serve();
        assert!(connections.admit().is_none(), "everybody is being served");
        drop(served);
        assert!(connections.admit().is_some());
        assert!(first.evicted.is_cancelled());
        drop(first);
        assert_eq!(connections.open(), 1);
    }
}
