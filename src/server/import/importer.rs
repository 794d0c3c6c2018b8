use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::decided::{Command, Decided, ImportPortion, Origin, Proposal, Reply, apply};
use orchestrator_core::domain::Timestamp;
use orchestrator_core::legacy::tables::{OLD_TABLES, OldTable, SIGNS_OF_LIFE};
use orchestrator_core::ports::{
    BoxFuture, Clock, DecisionReader, Ids, ImportError, ImportOrder, ImportReport, Importing,
    Leadership, LeftRow, OldPlace, OldState, OldTables, ProposeError, Proposer,
};
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use super::convert::{Config, Converted, convert};

/// After so long without a sign of life a process of the predecessor counts as stopped: it gives one every second, and the
/// predecessor itself waits for five.
const STOPPED_AFTER: Duration = Duration::from_secs(10);

/// How often the tables beside an own store are looked at until they are imported. Each time is one read of them.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How often a portion is offered while too many changes wait: for five seconds, and then whoever asked may ask again.
const OFFERS_MAX: u32 = 50;

/// Pause between two offers.
const OFFER_PAUSE: Duration = Duration::from_millis(100);

/// For so long whoever asks waits for an import that is under way: longer than a look that finds nothing, on a server that is slow.
const OTHER_WAITED_FOR: Duration = Duration::from_secs(10);

/// Where the predecessor's tables may be.
pub struct Places {
    /// Beside the store of this node; `None` for one in memory.
    pub own: Option<Arc<dyn OldTables>>,
    /// In the file `SQLite3DataFile`.
    pub file: Option<Arc<dyn OldTables>>,
    /// In the database of the keys `MySQLOrchestrator…`.
    pub database: Option<Arc<dyn OldTables>>,
}

/// What an importer needs.
pub struct Deps {
    /// Where the tables may be.
    pub places: Places,
    /// What is decided.
    pub decisions: Arc<dyn DecisionReader>,
    /// The way to decide.
    pub proposer: Arc<dyn Proposer>,
    /// Whether this node leads: nobody else imports.
    pub leadership: Arc<dyn Leadership>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Request ids.
    pub ids: Arc<dyn Ids>,
    /// Name of this node.
    pub node: String,
}

/// Imports what the predecessor decided, when it is asked to, and by itself where nothing was decided yet.
pub struct Importer {
    deps: Deps,
    config: watch::Receiver<Arc<Config>>,
    /// Held by the one import that is under way.
    at_work: Mutex<()>,
}

/// What was read, and what it comes to.
struct Found {
    source: String,
    converted: Converted,
}

impl Importer {
    /// An importer that follows `config`.
    pub fn new(deps: Deps, config: watch::Receiver<Arc<Config>>) -> Arc<Self> {
        Arc::new(Self {
            deps,
            config,
            at_work: Mutex::new(()),
        })
    }

    /// Imports from the tables beside the own store, once this node leads and if nothing was decided yet. Ends when there is
    /// nothing to import, or nothing any more, and at once when told to stop.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut said = String::new();
        loop {
            let done = tokio::select! {
                () = stop.cancelled() => return,
                done = self.by_itself(&mut said) => done,
            };
            if done {
                return;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.deps.clock.sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Whether nothing is left to do.
    async fn by_itself(&self, said: &mut String) -> bool {
        let Some(own) = self.deps.places.own.clone() else {
            return true;
        };
        if self.config.borrow().changes_nothing {
            return true;
        }
        if self.deps.leadership.fence().is_none() {
            return false;
        }
        let decided = self.deps.decisions.decided();
        if decided
            .import
            .as_ref()
            .is_some_and(|it| it.ended_at.is_some())
        {
            return true;
        }
        if decided.import.is_none() && !decided.is_fresh() {
            if let Ok(Some(_)) = own.read().await {
                tracing::info!(
                    place = own.place(),
                    "the tables of the predecessor are not imported by themselves, because something was decided here already; \
                     import-predecessor does it"
                );
            }
            return true;
        }
        match self.import(ImportOrder::default()).await {
            Ok(report) => {
                tell(&report);
                true
            }
            Err(ImportError::NothingThere { .. }) => true,
            Err(error) => {
                let now = error.to_string();
                // The age of a sign of life is another one each time.
                let is_new = !matches!(error, ImportError::StillRuns { .. }) || said.is_empty();
                if is_new && *said != now {
                    tracing::warn!(
                        reason = now,
                        "what the predecessor decided is not imported yet"
                    );
                    *said = now;
                }
                false
            }
        }
    }

    async fn carry_out(&self, order: ImportOrder) -> Result<ImportReport, ImportError> {
        let _at_work = tokio::select! {
            at_work = self.at_work.lock() => at_work,
            () = self.deps.clock.sleep(OTHER_WAITED_FOR) => return Err(ImportError::UnderWay),
        };
        let decided = self.deps.decisions.decided();
        if let Some(report) = earlier(&decided) {
            return Ok(report);
        }
        let found = self.find(&order).await?;
        let portions = found.converted.portions(&found.source, &self.deps.node);
        let decided = match order.is_dry_run {
            true => self.rehearse(&decided, portions)?,
            false => self.decide(&order, portions).await?,
        };
        Ok(self.report(found, &decided, order.is_dry_run))
    }

    async fn find(&self, order: &ImportOrder) -> Result<Found, ImportError> {
        let tables = self.place(order.from)?;
        let source = tables.place();
        let Some(old) = tables.read().await? else {
            return Err(ImportError::NothingThere { place: source });
        };
        if !order.is_forced && !order.is_dry_run {
            still_runs(&old, &source)?;
        }
        let mut whole = OLD_TABLES.iter().filter(|table| table.newest_by.is_none());
        let has_more =
            |table: &&&OldTable| old.tables.get(table.name).is_some_and(|it| it.has_more);
        if let Some(table) = whole.find(has_more) {
            return Err(ImportError::TooMany {
                place: source,
                table: table.name,
                rows_max: table.rows_max,
            });
        }
        let config = self.config.borrow().clone();
        Ok(Found {
            converted: convert(&old, &config, self.deps.clock.now()),
            source,
        })
    }

    fn place(&self, place: OldPlace) -> Result<&Arc<dyn OldTables>, ImportError> {
        let places = &self.deps.places;
        let (tables, what, key) = match place {
            OldPlace::Own => (&places.own, "store that lasts", "SQLite3DataFile"),
            OldPlace::File => (&places.file, "SQLite file", "SQLite3DataFile"),
            OldPlace::Database => (&places.database, "MySQL database", "MySQLOrchestratorHost"),
        };
        tables
            .as_ref()
            .ok_or(ImportError::NoSuchPlace { what, key })
    }

    fn proposal(&self, order: &ImportOrder, portion: ImportPortion) -> Proposal {
        let who = match order.who.as_str() {
            "" => self.deps.node.clone(),
            who => who.to_owned(),
        };
        Proposal {
            request: self.deps.ids.unique(),
            proposed_at: self.deps.clock.now(),
            origin: Origin {
                who,
                whence: order.whence.clone(),
            },
            command: Command::Import(Box::new(portion)),
        }
    }

    /// What deciding it would lead to, by the same function that decides it.
    fn rehearse(
        &self,
        decided: &Decided,
        portions: Vec<ImportPortion>,
    ) -> Result<Arc<Decided>, ImportError> {
        let mut decided = decided.clone();
        for portion in portions {
            let applied = apply(&decided, &self.proposal(&ImportOrder::default(), portion));
            if let Reply::Refused(why) = applied.reply {
                return Err(why.into());
            }
            let index = decided.applied_index + 1;
            decided.absorb(index, applied.decided_at, &applied.changes);
        }
        Ok(Arc::new(decided))
    }

    async fn decide(
        &self,
        order: &ImportOrder,
        portions: Vec<ImportPortion>,
    ) -> Result<Arc<Decided>, ImportError> {
        for portion in portions {
            let reply = self.offer(self.proposal(order, portion)).await;
            let reply = reply.map_err(|source| ImportError::CutShort {
                taken: taken(&self.deps.decisions.decided()),
                source,
            })?;
            if let Reply::Refused(why) = reply {
                return Err(why.into());
            }
        }
        Ok(self.deps.decisions.decided())
    }

    async fn offer(&self, proposal: Proposal) -> Result<Reply, ProposeError> {
        let mut offers = 1;
        loop {
            match self.deps.proposer.propose(proposal.clone()).await {
                Ok(committed) => return Ok(committed.reply),
                Err(ProposeError::Busy) if offers < OFFERS_MAX => {
                    offers += 1;
                    self.deps.clock.sleep(OFFER_PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn report(&self, found: Found, decided: &Decided, is_dry_run: bool) -> ImportReport {
        let import = decided.import.as_ref();
        ImportReport {
            source: found.source,
            node: self.deps.node.clone(),
            completed_at: import.and_then(|it| it.ended_at).filter(|_| !is_dry_run),
            was_done: false,
            offered: found.converted.offered(),
            taken: taken(decided),
            kept: import.map_or(0, |it| it.kept),
            refused: found.converted.refused,
            left: found.converted.left,
        }
    }
}

impl Importing for Importer {
    fn import(&self, order: ImportOrder) -> BoxFuture<'_, Result<ImportReport, ImportError>> {
        Box::pin(self.carry_out(order))
    }
}

fn taken(decided: &Decided) -> u32 {
    decided.import.as_ref().map_or(0, |it| it.taken)
}

/// The report of an import that is complete.
fn earlier(decided: &Decided) -> Option<ImportReport> {
    let import = decided.import.as_ref()?;
    Some(ImportReport {
        source: import.source.clone(),
        node: import.node.clone(),
        completed_at: Some(import.ended_at?),
        was_done: true,
        taken: import.taken,
        kept: import.kept,
        ..ImportReport::default()
    })
}

/// Refuses what a process of the predecessor may still change.
fn still_runs(old: &OldState, place: &str) -> Result<(), ImportError> {
    let cell = |row: &[Option<String>], column| {
        let place = SIGNS_OF_LIFE.place(column)?;
        row.get(place).cloned().flatten()
    };
    let signs = old.tables.get(SIGNS_OF_LIFE.name);
    let signs = signs.into_iter().flat_map(|found| &found.rows);
    let ages = signs.filter_map(|row| {
        let seconds = cell(row, "last_seen_active")?;
        let at = Timestamp::from_seconds(seconds.split('.').next()?.parse().ok()?);
        Some((old.read_at.since(at), cell(row, "hostname")?))
    });
    match ages.min() {
        Some((age, process)) if age < STOPPED_AFTER => Err(ImportError::StillRuns {
            place: place.to_owned(),
            process: process
                .chars()
                .take(256)
                .collect::<String>()
                .escape_debug()
                .to_string(),
            age_seconds: age.as_secs(),
            wait_seconds: STOPPED_AFTER.as_secs(),
        }),
        _ => Ok(()),
    }
}

/// What an operator wants to know of an import that nobody asked for.
fn tell(report: &ImportReport) {
    if report.was_done {
        return;
    }
    let offered = report.offered.iter().filter(|(_, count)| *count > 0);
    let offered: Vec<String> = offered
        .map(|(what, count)| format!("{what}: {count}"))
        .collect();
    tracing::info!(
        source = report.source,
        taken = report.taken,
        kept = report.kept,
        rows = offered.join(", "),
        "what the predecessor decided was imported"
    );
    // Whoever has more of them asks for a dry run, which lists all.
    const TOLD_MAX: usize = 100;
    for row in report.refused.iter().take(TOLD_MAX) {
        let LeftRow { table, row, why } = row;
        tracing::warn!(
            table,
            row,
            why,
            "a row of the predecessor makes no sense and was left out"
        );
    }
    for row in &report.left {
        let LeftRow { table, row, why } = row;
        tracing::info!(table, row, why, "rows of the predecessor were left behind");
    }
}

#[cfg(test)]
#[path = "importer_tests.rs"]
mod tests;
