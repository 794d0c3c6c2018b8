use std::sync::Arc;

use orchestrator_core::domain::InstanceRecord;
use orchestrator_core::ports::{BoxFuture, ObservationStore, ObservationWrite, StoreError};
use tokio::sync::oneshot;

use super::super::Error;
use super::super::fault::Fault;
use super::super::own_thread::answered;
use super::super::rows::{OBSERVED, RowWrite, key_cells, observed_cells, read_record};
use super::changes::{Changes, Texts};
use super::decisions::MysqlStore;
use super::line::Line;
use super::rows;
use super::session::Session;

/// What this node observed, in the database of its decided state, over a connection of its own.
///
/// A node whose database was taken may still write what it observed for the moment until it ends; whoever took it sees for
/// itself.
pub struct MysqlObservations {
    store: String,
    line: Arc<Line>,
}

impl MysqlObservations {
    /// Those in the database of `store`.
    ///
    /// # Errors
    /// When the system has no thread for them.
    pub fn beside(store: &MysqlStore) -> Result<Self, Error> {
        use super::super::DecisionStore as _;
        Ok(Self {
            store: store.place(),
            line: store.second_line()?,
        })
    }

    fn call<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&mut Session) -> Result<T, Fault> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, StoreError>> {
        let (sender, receiver) = oneshot::channel();
        let place = self.store.clone();
        let work = move |session: &mut Session| work(session).map_err(|fault| fault.at(&place));
        let queued = self.line.enqueue(work, move |result| {
            // Whoever asked may be gone; the work is done all the same.
            let _ = sender.send(result);
        });
        Box::pin(answered(&self.store, operation, queued, receiver))
    }
}

/// One transaction. Of a server that does not answer nobody needs to know how far it came: records are written again.
fn write(session: &mut Session, batch: &[ObservationWrite]) -> Result<(), Fault> {
    session.ready()?;
    let mut changes = Changes::default();
    for write in batch {
        changes.add(match write {
            ObservationWrite::Put(record) => RowWrite::Put(&OBSERVED, observed_cells(record)?),
            ObservationWrite::Remove(key) => RowWrite::Delete(&OBSERVED, key_cells(key)),
        });
    }
    let mut texts = Texts::within(session.packet_max());
    changes.write_to(&mut texts)?;
    session.loosely(|session| {
        for text in texts.finish() {
            session.ask(&text.sql)?;
        }
        Ok(())
    })
}

fn load(session: &mut Session) -> Result<Vec<InstanceRecord>, Fault> {
    session.ready()?;
    rows::select(session, &OBSERVED, "", read_record)
}

impl ObservationStore for MysqlObservations {
    fn load(&self) -> BoxFuture<'_, Result<Vec<InstanceRecord>, StoreError>> {
        self.call("reading observations", load)
    }

    fn write(&self, batch: Vec<ObservationWrite>) -> BoxFuture<'_, Result<(), StoreError>> {
        self.call("writing observations", move |session| {
            write(session, &batch)
        })
    }
}
