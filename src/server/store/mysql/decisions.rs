use std::sync::Arc;

use orchestrator_core::decided::{Decided, Snapshot};
use orchestrator_core::domain::{InstanceKey, Timestamp};
use orchestrator_core::ports::{Clock, Ids};

use super::super::fault::Fault;
use super::super::rows::{self as shared, DECIDED, LOG, ReadRow, RowWrite, log_cells, read_entry};
use super::super::{AppliedEntry, DecisionStore, Error, Identity, InstallMode, LoggedEntry, batch};
use super::changes::{Changes, Texts};
use super::line::Line;
use super::meta::{self, Meta};
use super::options::MysqlOptions;
use super::session::Session;
use super::whole::{self, Whole};
use super::{holder, rows};

/// Decided state in a MySQL or MariaDB database. Dropping it finishes what waits, and gives the database back.
pub struct MysqlStore {
    store: String,
    options: Arc<MysqlOptions>,
    clock: Arc<dyn Clock>,
    line: Arc<Line>,
}

impl MysqlStore {
    /// Connects, makes database and tables when they are missing, and takes the database for this process. Blocks: at most ten seconds
    /// longer than the deadlines of `options`, when another process had the database and gives no sign of life. `now` goes into
    /// the record of schema changes; `ids` names a new store and this process.
    ///
    /// # Errors
    /// [`Error`]. One of kind `Retryable` is none of the configuration's: the server is not there or full or read-only, or it does not let
    /// this account in yet.
    pub fn open(
        options: MysqlOptions,
        clock: Arc<dyn Clock>,
        ids: &dyn Ids,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let options = Arc::new(options);
        let connector = options.connector(Arc::clone(&clock));
        let session = Session::new(Arc::clone(&options), connector, Arc::clone(&clock))?;
        let line = Line::start(session)?;
        let drawn = Drawn([ids.unique(), ids.unique(), ids.unique()]);
        line.run(move |session| holder::take(session, drawn, now))?;
        Ok(Self {
            store: options.place(),
            options,
            clock,
            line: Arc::new(line),
        })
    }

    /// The line for observations: one of their own, so that a commit does not wait for them, if there may be two connections.
    pub(super) fn second_line(&self) -> Result<Arc<Line>, Error> {
        if self.options.connections_max < 2 {
            return Ok(Arc::clone(&self.line));
        }
        let connector = self.options.connector(Arc::clone(&self.clock));
        let session = Session::new(
            Arc::clone(&self.options),
            connector,
            Arc::clone(&self.clock),
        )?;
        Line::start(session).map(Arc::new)
    }

    fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Session, &Meta) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Error> {
        self.line.run(|session| session.read(work))
    }

    fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Session, &Meta) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Error> {
        self.line.run(|session| session.write(work))
    }
}

/// Numbers that were drawn for a store that may be new: its own, its group's, and that of this process.
#[derive(Clone, Copy)]
pub(super) struct Drawn(pub [u128; 3]);

/// Sends all texts, one after another.
fn send(session: &mut Session, texts: Texts) -> Result<(), Fault> {
    for text in texts.finish() {
        session.ask(&text.sql)?;
    }
    Ok(())
}

fn decided(session: &mut Session, meta: &Meta) -> Result<Decided, Fault> {
    let mut found = Vec::new();
    for decided in &DECIDED {
        found.extend(rows::select(session, &decided.table, "", decided.read)?);
    }
    Ok(Decided::from_rows(
        meta.applied_index,
        meta.decided_at,
        &found,
    ))
}

/// Parts of the kept log by which it may be longer until its oldest entries are removed: a statement for each commit would remove one or
/// two.
const LOG_PARTS: u64 = 64;

fn write_batch(session: &mut Session, entries: &[AppliedEntry]) -> Result<(), Error> {
    if write_at_once(session, entries)? == Whole::Done {
        return Ok(());
    }
    session.write(|session, meta| {
        let before = meta.applied_index;
        let last = batch::index_after(before, entries)?;
        let texts = batch_texts(session, (before, last), entries)?;
        send(session, texts)
    })
}

/// When it fits in one text, and begins where it must if this process is not mistaken.
fn write_at_once(session: &mut Session, entries: &[AppliedEntry]) -> Result<Whole, Error> {
    session.ready()?;
    let before = entries
        .first()
        .map_or(0, |first| first.index)
        .saturating_sub(1);
    let Ok(last) = batch::index_after(before, entries) else {
        return Ok(Whole::Undone);
    };
    let texts = batch_texts(session, (before, last), entries);
    match &texts.map_err(|fault| fault.at(&session.place))?.finish()[..] {
        [text] => whole::write(session, (before, last), text),
        _ => Ok(Whole::Undone),
    }
}

/// What takes the store from entry `before` to entry `last`.
fn batch_texts(
    session: &Session,
    (before, last): (u64, u64),
    entries: &[AppliedEntry],
) -> Result<Texts, Fault> {
    let mut changes = Changes::default();
    for entry in batch::logged(entries, session.options.is_derived) {
        changes.add(RowWrite::Put(&LOG, log_cells(entry)?));
    }
    for change in entries.iter().flat_map(|entry| &entry.changes) {
        changes.add(shared::write(change)?);
    }
    let mut texts = Texts::within(session.packet_max());
    changes.write_to(&mut texts)?;
    if let Some(latest) = entries.iter().map(|entry| entry.decided_at).max() {
        texts.add(&meta::advance(last, latest))?;
    }
    let kept = session.options.log_entries_kept;
    let part = (kept / LOG_PARTS).max(1);
    if last > kept && last / part > before / part {
        let trimmed = last - kept;
        texts.add(&format!(
            "DELETE FROM decision_log WHERE entry_index<={trimmed}"
        ))?;
    }
    Ok(texts)
}

fn write_snapshot(
    session: &mut Session,
    meta: &Meta,
    snapshot: &Snapshot,
    mode: InstallMode,
) -> Result<(), Fault> {
    batch::check_snapshot(snapshot, mode, meta.identity.group, meta.applied_index)?;
    let state = snapshot.decided();
    let mut texts = Texts::within(session.packet_max());
    let tables = DECIDED.iter().map(|decided| &decided.table);
    for table in tables.chain([&LOG]) {
        texts.add(&format!("DELETE FROM {}", table.name))?;
    }
    let rows: Vec<_> = state.rows().collect();
    let mut changes = Changes::default();
    for row in &rows {
        changes.add(shared::write(row)?);
    }
    changes.write_to(&mut texts)?;
    let (group, applied) = (snapshot.group(), state.applied_index);
    texts.add(&meta::replace(group, applied, state.decided_at))?;
    send(session, texts)
}

fn entries(session: &mut Session, rest: &str) -> Result<Vec<LoggedEntry>, Fault> {
    rows::select(session, &LOG, rest, |row: &dyn ReadRow| read_entry(row))
}

impl DecisionStore for MysqlStore {
    fn place(&self) -> String {
        self.store.clone()
    }

    fn identity(&self) -> Result<Identity, Error> {
        self.read(|_, meta| Ok(meta.identity))
    }

    fn load(&self) -> Result<Decided, Error> {
        self.read(decided)
    }

    fn applied_index(&self) -> Result<u64, Error> {
        self.read(|_, meta| Ok(meta.applied_index))
    }

    fn commit(&self, batch: Vec<AppliedEntry>) -> Result<(), Error> {
        if batch.is_empty() {
            return Ok(());
        }
        self.line.run(move |session| write_batch(session, &batch))
    }

    fn log_tail(&self, max: usize) -> Result<Vec<LoggedEntry>, Error> {
        let rest = format!(" ORDER BY entry_index DESC LIMIT {max}");
        let mut found = self.read(move |session, _| entries(session, &rest))?;
        found.reverse();
        Ok(found)
    }

    fn owed_after(&self, index: u64, max: usize) -> Result<Vec<LoggedEntry>, Error> {
        let rest = format!(
            " WHERE entry_index>{index} AND effects IS NOT NULL ORDER BY entry_index LIMIT {max}"
        );
        self.read(move |session, _| entries(session, &rest))
    }

    fn performed_index(&self) -> Result<u64, Error> {
        self.read(|_, meta| Ok(meta.performed_index))
    }

    fn set_performed_index(&self, index: u64) -> Result<(), Error> {
        self.write(move |session, _| Ok(session.ask(&meta::performed(index)).map(drop)?))
    }

    fn export(&self, known: Vec<InstanceKey>) -> Result<Snapshot, Error> {
        let (group, state) = self.read(|session, meta| {
            let state = decided(session, meta)?;
            Ok((meta.identity.group, state))
        })?;
        Ok(Snapshot::of(group, &state, known))
    }

    fn install(&self, snapshot: &Snapshot, mode: InstallMode) -> Result<(), Error> {
        let snapshot = snapshot.clone();
        self.write(move |session, meta| write_snapshot(session, meta, &snapshot, mode))
    }

    fn beat(&self, at: Timestamp) -> Result<(), Error> {
        self.write(move |session, _| Ok(session.ask(&meta::beat(at)).map(drop)?))
    }
}
