use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex as StdMutex, PoisonError};

use orchestrator_core::decided::Effect;
use orchestrator_core::domain::{Fence, InstanceKey};
use orchestrator_core::legacy::tables::{DOWNTIMES, INSTANCES, OldTable};
use orchestrator_core::ports::{Committed, NotLeading, OldRows, OldTablesError};

use super::super::convert::tests::{at, config, old};
use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

/// Every port, from memory.
struct World {
    decided: StdMutex<Arc<Decided>>,
    effects: StdMutex<Vec<Effect>>,
    /// What becomes of the next proposals; nothing more: they are applied.
    fates: StdMutex<VecDeque<ProposeError>>,
    reading: StdMutex<Result<Option<OldState>, OldTablesError>>,
    reads: AtomicU64,
    fence: StdMutex<Option<Fence>>,
    ids: AtomicU64,
}

impl World {
    fn new(reading: Option<OldState>) -> Arc<Self> {
        Arc::new(Self {
            decided: StdMutex::default(),
            effects: StdMutex::default(),
            fates: StdMutex::default(),
            reading: StdMutex::new(Ok(reading)),
            reads: AtomicU64::new(0),
            fence: StdMutex::new(Some(Fence::from_number(1))),
            ids: AtomicU64::new(1),
        })
    }

    fn importer(self: &Arc<Self>) -> Arc<Importer> {
        self.importer_with(config())
    }

    fn importer_with(self: &Arc<Self>, config: Config) -> Arc<Importer> {
        let deps = Deps {
            places: Places {
                own: Some(self.clone()),
                file: None,
                database: None,
            },
            decisions: self.clone(),
            proposer: self.clone(),
            leadership: self.clone(),
            clock: self.clone(),
            ids: self.clone(),
            node: "n1".to_owned(),
        };
        Importer::new(deps, watch::channel(Arc::new(config)).1)
    }

    fn state(&self) -> Arc<Decided> {
        self.decided.lock().unwrap().clone()
    }

    fn take(&self, command: Command) -> Reply {
        let mut decided = self.decided.lock().unwrap_or_else(PoisonError::into_inner);
        let proposal = Proposal {
            request: 1,
            proposed_at: NOW,
            origin: Origin::default(),
            command,
        };
        let applied = apply(&decided, &proposal);
        let mut next = decided.as_ref().clone();
        next.absorb(next.applied_index + 1, applied.decided_at, &applied.changes);
        *decided = Arc::new(next);
        self.effects.lock().unwrap().extend(applied.effects);
        applied.reply
    }

    fn downtimes(&self) -> Vec<String> {
        self.state()
            .downtimes
            .keys()
            .map(ToString::to_string)
            .collect()
    }
}

impl OldTables for World {
    fn place(&self) -> String {
        "/old".to_owned()
    }
    fn read(&self) -> BoxFuture<'_, Result<Option<OldState>, OldTablesError>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let answer = self.reading.lock().unwrap().clone();
        Box::pin(async move { answer })
    }
}

impl DecisionReader for World {
    fn decided(&self) -> Arc<Decided> {
        self.state()
    }
}

impl Proposer for World {
    fn propose(&self, proposal: Proposal) -> BoxFuture<'_, Result<Committed, ProposeError>> {
        Box::pin(async move {
            if let Some(error) = self.fates.lock().unwrap().pop_front() {
                return Err(error);
            }
            let reply = self.take(proposal.command);
            let index = self.state().applied_index;
            Ok(Committed { index, reply })
        })
    }
    fn earlier(&self, _: u128) -> Option<Committed> {
        None
    }
}

impl Leadership for World {
    fn fence(&self) -> Option<Fence> {
        *self.fence.lock().unwrap()
    }
    fn confirm(&self, _: Fence) -> BoxFuture<'_, Result<(), NotLeading>> {
        Box::pin(async { Ok(()) })
    }
    fn changed(&self, _: Option<Fence>) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        NOW
    }
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
    fn sleep(&self, length: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(length))
    }
}

impl Ids for World {
    fn unique(&self) -> u128 {
        u128::from(self.ids.fetch_add(1, Ordering::Relaxed))
    }
    fn fraction(&self) -> f64 {
        0.0
    }
}

fn key(name: &str) -> InstanceKey {
    InstanceKey::parse(name, 3306).unwrap()
}

/// Downtimes of these hosts, and a known instance.
fn tables(hosts: &[&str]) -> OldState {
    let (begin, end, seen) = (at(-60), at(60), at(-5));
    let rows: Vec<Vec<(&str, &str)>> = hosts
        .iter()
        .map(|host| {
            vec![
                ("hostname", *host),
                ("port", "3306"),
                ("downtime_active", "1"),
                ("begin_timestamp", begin.as_str()),
                ("end_timestamp", end.as_str()),
            ]
        })
        .collect();
    let rows: Vec<&[(&str, &str)]> = rows.iter().map(Vec::as_slice).collect();
    let known: &[(&str, &str)] = &[
        ("hostname", "known"),
        ("port", "3306"),
        ("last_seen", &seen),
    ];
    old(&[(&DOWNTIMES, &rows), (&INSTANCES, &[known])])
}

fn alive(mut state: OldState, seconds_ago: i64) -> OldState {
    let table: &OldTable = &SIGNS_OF_LIFE;
    let row = vec![Some("orc1".to_owned()), Some(at(-seconds_ago))];
    state.tables.insert(
        table.name,
        OldRows {
            rows: vec![row],
            has_more: false,
        },
    );
    state
}

#[tokio::test]
async fn rows_are_taken_once_and_instances_are_discovered_by_every_node() {
    let world = World::new(Some(tables(&["a", "b", ""])));
    let importer = world.importer();
    let report = importer.import(ImportOrder::default()).await.unwrap();
    assert_eq!((report.taken, report.kept, report.was_done), (3, 0, false));
    assert_eq!(report.completed_at, Some(NOW));
    assert_eq!(report.refused.len(), 1);
    assert_eq!(world.downtimes(), ["a:3306", "b:3306"]);
    assert_eq!(
        *world.effects.lock().unwrap(),
        [Effect::Discover(key("known"))]
    );
    world.take(Command::EndDowntime { key: key("a") });
    let before = world.state();
    let again = importer.import(ImportOrder::default()).await.unwrap();
    assert!(again.was_done);
    assert_eq!((again.taken, again.source.as_str()), (3, "/old"));
    assert_eq!(world.state(), before);
}

#[tokio::test]
async fn a_dry_run_says_what_would_come_of_it_and_decides_nothing() {
    let world = World::new(Some(alive(tables(&["a", "b"]), 0)));
    world.take(Command::BeginDowntime {
        key: key("a"),
        owner: "bob".to_owned(),
        reason: "ours".to_owned(),
        ends_at: NOW.plus(Duration::from_secs(60)),
    });
    let before = world.state();
    let order = ImportOrder {
        is_dry_run: true,
        ..ImportOrder::default()
    };
    let report = world.importer().import(order).await.unwrap();
    assert_eq!(
        (report.taken, report.kept, report.completed_at),
        (2, 1, None)
    );
    assert_eq!(world.state(), before);
}

#[tokio::test]
async fn a_predecessor_that_gives_signs_of_life_is_refused_unless_forced() {
    for (seconds_ago, runs) in [(-3, true), (0, true), (9, true), (10, false)] {
        let world = World::new(Some(alive(tables(&["a"]), seconds_ago)));
        let answer = world.importer().import(ImportOrder::default()).await;
        assert_eq!(
            matches!(&answer, Err(ImportError::StillRuns { process, .. }) if process == "orc1"),
            runs,
            "{seconds_ago}: {answer:?}"
        );
        assert_eq!(world.downtimes().is_empty(), runs);
    }
    let world = World::new(Some(alive(tables(&["a"]), 0)));
    let order = ImportOrder {
        is_forced: true,
        ..ImportOrder::default()
    };
    world.importer().import(order).await.unwrap();
    assert_eq!(world.downtimes(), ["a:3306"]);
}

#[tokio::test]
async fn too_many_rows_no_tables_and_no_such_place_change_nothing() {
    let mut many = tables(&["a"]);
    many.tables.get_mut(DOWNTIMES.name).unwrap().has_more = true;
    let world = World::new(Some(many));
    let answer = world.importer().import(ImportOrder::default()).await;
    assert!(matches!(answer, Err(ImportError::TooMany { table, .. }) if table == DOWNTIMES.name));
    let database = ImportOrder {
        from: OldPlace::Database,
        ..ImportOrder::default()
    };
    let answer = world.importer().import(database).await.unwrap_err();
    assert!(
        answer.to_string().contains("MySQLOrchestratorHost"),
        "{answer}"
    );
    let none = World::new(None);
    let answer = none.importer().import(ImportOrder::default()).await;
    assert!(matches!(answer, Err(ImportError::NothingThere { .. })));
    assert_eq!(world.state().applied_index + none.state().applied_index, 0);
}

#[tokio::test(start_paused = true)]
async fn an_import_waits_for_room_and_one_that_is_cut_short_goes_on_later() {
    let hosts: Vec<String> = (0..300).map(|number| format!("db{number:03}")).collect();
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let world = World::new(Some(tables(&hosts)));
    world.fates.lock().unwrap().push_back(ProposeError::Busy);
    let importer = world.importer();
    importer.import(ImportOrder::default()).await.unwrap();
    assert_eq!(world.downtimes().len(), 300);

    let world = World::new(Some(tables(&hosts)));
    let importer = world.importer();
    // The first portion lands.
    let first = convert(&tables(&hosts), &config(), NOW)
        .portions("/old", "n1")
        .remove(0);
    world.take(Command::Import(Box::new(first)));
    world.take(Command::EndDowntime { key: key("db000") });
    world
        .fates
        .lock()
        .unwrap()
        .push_back(ProposeError::NotLeader { leader: None });
    let cut = importer.import(ImportOrder::default()).await.unwrap_err();
    assert!(
        cut.to_string().contains("cut short after 256 rows"),
        "{cut}"
    );
    let report = importer.import(ImportOrder::default()).await.unwrap();
    assert_eq!((report.taken, report.kept), (301, 0));
    assert_eq!(
        world.downtimes().len(),
        299,
        "what was ended meanwhile stays so"
    );
}

async fn run_for(importer: Arc<Importer>, seconds: u64) -> bool {
    let running = importer.run(CancellationToken::new());
    tokio::time::timeout(Duration::from_secs(seconds), running)
        .await
        .is_ok()
}

#[tokio::test(start_paused = true)]
async fn a_node_that_leads_imports_by_itself_where_nothing_was_decided() {
    let world = World::new(Some(alive(tables(&["a"]), 0)));
    *world.fence.lock().unwrap() = None;
    assert!(!run_for(world.importer(), 60).await, "it waits to lead");
    assert_eq!(world.reads.load(Ordering::Relaxed), 0);
    *world.fence.lock().unwrap() = Some(Fence::from_number(2));
    assert!(
        !run_for(world.importer(), 60).await,
        "it waits for the predecessor to stop"
    );
    assert_eq!(world.downtimes(), [""; 0]);
    *world.reading.lock().unwrap() = Ok(Some(alive(tables(&["a"]), 60)));
    assert!(run_for(world.importer(), 60).await);
    assert_eq!(world.downtimes(), ["a:3306"]);
    assert!(run_for(world.importer(), 60).await, "and no second time");
}

#[tokio::test(start_paused = true)]
async fn it_does_not_where_something_was_decided_or_nothing_is_to_be_changed() {
    let world = World::new(Some(tables(&["a"])));
    world.take(Command::Forget { key: key("x") });
    assert!(run_for(world.importer(), 60).await);
    let noop = World::new(Some(tables(&["a"])));
    let config = Config {
        changes_nothing: true,
        ..config()
    };
    assert!(run_for(noop.importer_with(config), 60).await);
    let nothing = World::new(None);
    assert!(run_for(nothing.importer(), 60).await);
    assert!(world.downtimes().is_empty() && noop.downtimes().is_empty());
}
