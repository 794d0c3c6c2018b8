//! A primary with two replicas, whose ways of dying are played; all times are of a clock that jumps.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use orchestrator_core::beats::{BeatPolicy, Farewell, Standing, VigilEnd};
use orchestrator_core::decided::Decided;
use orchestrator_core::domain::{
    InstanceKey, InstanceRecord, Observation, Picture, ProbeFailure, ProbeFailureKind,
    ReplicationLink, SourceAddress, ThreadState, Timestamp,
};
use orchestrator_core::ports::{
    Answered, BeatLine, BeatReader as _, Beater, BeatsOnRequest as _, BoxFuture, Clock,
    DecisionReader, DiscoverError, Discovery, Ids, NoLine, PictureReader, ProbeState, Reconnected,
    Vigil,
};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{BeatLoop, Config, Deps};

fn key(name: &str) -> InstanceKey {
    InstanceKey::parse(name, 3306).unwrap()
}

#[allow(
    clippy::disallowed_methods,
    reason = "tests measure by tokio's clock, which they have stopped"
)]
fn moment() -> Instant {
    Instant::now()
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// How a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    Up,
    /// Lets nobody in, with this error; connections that are there go on.
    Full(u16),
    /// The same, and it has ended the sessions that were there.
    Closed(u16),
    /// Its process ended, after these last words.
    Down(Farewell, VigilEnd),
    Frozen,
}

struct World {
    began: Instant,
    /// The primaries `a…`, each with a replica `b…` and `c…`.
    primaries: Vec<(InstanceKey, watch::Sender<Server>)>,
    /// How long receivers take to notice.
    noticing: Duration,
    /// Their heartbeat period.
    period: Option<Duration>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    picture: Arc<Picture>,
    /// When each server became as it is.
    since: Vec<Duration>,
    /// Replicas that cannot be reached.
    unreachable: bool,
    /// What has come to `c…` of a frozen primary that only we do not hear.
    came_to_c: u64,
    /// Receivers of a frozen primary are between two attempts to connect.
    lost: bool,
    asked: Vec<(Duration, InstanceKey)>,
    config: Config,
}

impl World {
    fn new(count: usize, noticing: Duration, period: Option<Duration>) -> Arc<Self> {
        let primaries = (0..count).map(|i| (key(&format!("a{i}")), watch::Sender::new(Server::Up)));
        let world = Arc::new(Self {
            began: moment(),
            primaries: primaries.collect(),
            noticing,
            period,
            state: Mutex::default(),
        });
        let mut picture = Picture::default();
        for i in 0..count {
            for name in ["a", "b", "c"] {
                picture.put(record(world.observe(&key(&format!("{name}{i}")))));
            }
        }
        world.state().picture = Arc::new(picture);
        world.state().since = vec![Duration::ZERO; count];
        world
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    fn set(&self, index: usize, server: Server) {
        self.state().since[index] = self.elapsed();
        self.primaries[index].1.send_replace(server);
    }

    fn server(&self, key: &InstanceKey) -> watch::Receiver<Server> {
        let found = self.primaries.iter().find(|(own, _)| own == key);
        found.expect("only primaries get beats").1.subscribe()
    }

    fn observe(&self, who: &InstanceKey) -> Observation {
        let at = Timestamp::from_seconds(1000).plus(self.elapsed());
        let mut seen = Observation::blank(who.clone(), at);
        let name = who.host().to_string();
        let index: usize = name[1..].parse().unwrap();
        if name.starts_with('a') {
            return seen;
        }
        seen.read_only = true;
        let mut link = ReplicationLink::running(SourceAddress::Attached(key(&format!("a{index}"))));
        link.heartbeat_period = self.period;
        let since = self.state().since.get(index).copied().unwrap_or_default();
        let noticed = self.elapsed() >= since + self.noticing;
        match *self.primaries[index].1.borrow() {
            Server::Down(..) if noticed => link.receiver = ThreadState::Other,
            Server::Down(..) => link.received.offset = 7,
            Server::Frozen => {
                let came = match name.starts_with('c') {
                    true => self.state().came_to_c,
                    false => 0,
                };
                link.received.offset = 7 + came;
                if self.state().lost {
                    link.receiver = ThreadState::Other;
                }
            }
            Server::Up | Server::Full(_) | Server::Closed(_) => {
                link.received.offset = u64::try_from(self.elapsed().as_millis()).unwrap();
            }
        }
        seen.replication = Some(link);
        seen
    }

    /// Beats over this world, until the guard is dropped.
    fn beats(self: &Arc<Self>) -> (Arc<BeatLoop>, tokio_util::sync::DropGuard) {
        let deps = Deps {
            beater: self.clone(),
            discovery: self.clone(),
            picture: self.clone(),
            clock: self.clone(),
            ids: self.clone(),
            decisions: self.clone(),
        };
        let config = self.state().config.clone();
        let (sender, config) = watch::channel(Arc::new(config));
        let beats = BeatLoop::new(deps, config);
        let stop = CancellationToken::new();
        let runs = beats.clone().run(stop.clone());
        tokio::spawn(async move {
            let _sender = sender;
            runs.await;
        });
        (beats, stop.drop_guard())
    }
}

fn record(seen: Observation) -> InstanceRecord {
    let at = seen.observed_at;
    InstanceRecord {
        last_checked_at: Some(at),
        last_seen_at: Some(at),
        observation: Some(Arc::new(seen.clone())),
        ..InstanceRecord::heard_of(seen.key, at)
    }
}

/// A connection to a primary.
struct Line {
    server: watch::Receiver<Server>,
    is_asked: bool,
}

impl BeatLine for Line {
    fn ask(&mut self) -> BoxFuture<'_, ()> {
        self.is_asked = true;
        Box::pin(std::future::ready(()))
    }

    fn hear(&mut self) -> BoxFuture<'_, Result<Option<u16>, Farewell>> {
        Box::pin(async {
            loop {
                match *self.server.borrow_and_update() {
                    Server::Down(farewell, _) => return Err(farewell),
                    Server::Closed(_) => return Err(Farewell::Error(1927)),
                    Server::Up | Server::Full(_) if self.is_asked => {
                        self.is_asked = false;
                        return Ok(None);
                    }
                    _ => {}
                }
                self.server.changed().await.expect("the world is there");
            }
        })
    }
}

impl DecisionReader for World {
    fn decided(&self) -> Arc<Decided> {
        Arc::default()
    }
}

impl Beater for World {
    fn connect<'a>(
        &'a self,
        key: &'a InstanceKey,
        within: Duration,
    ) -> BoxFuture<'a, Result<Box<dyn BeatLine>, NoLine>> {
        Box::pin(async move {
            let mut server = self.server(key);
            let speaks = timeout(within, server.wait_for(|server| *server != Server::Frozen));
            let server_now = match speaks.await {
                Ok(server) => *server.expect("the world is there"),
                Err(_) => return Err(NoLine::Silent),
            };
            match server_now {
                Server::Up => Ok(Box::new(Line {
                    server,
                    is_asked: false,
                }) as Box<dyn BeatLine>),
                Server::Full(error) | Server::Closed(error) => Err(NoLine::Answered {
                    refusal: Some(error),
                }),
                Server::Down(..) => Err(NoLine::Refused),
                Server::Frozen => Err(NoLine::Silent),
            }
        })
    }

    fn vigil<'a>(
        &'a self,
        key: &'a InstanceKey,
        within: Duration,
    ) -> BoxFuture<'a, Result<Vigil, NoLine>> {
        Box::pin(async move {
            drop(self.connect(key, within).await?);
            let mut server = self.server(key);
            Ok(Box::pin(async move {
                loop {
                    match *server.borrow_and_update() {
                        Server::Down(_, end) => return end,
                        Server::Closed(_) => return VigilEnd::InOrder,
                        Server::Up | Server::Full(_) | Server::Frozen => {}
                    }
                    server.changed().await.expect("the world is there");
                }
            }) as Vigil)
        })
    }
}

impl Discovery for World {
    fn discover(&self, key: InstanceKey) -> BoxFuture<'_, Result<Arc<Observation>, DiscoverError>> {
        Box::pin(async move {
            let at = self.elapsed();
            self.state().asked.push((at, key.clone()));
            sleep(ms(3)).await;
            if self.state().unreachable {
                return Err(DiscoverError::Probe(ProbeFailure {
                    kind: ProbeFailureKind::Unreachable,
                    code: 0,
                    message: "no route".to_owned(),
                    is_partial: false,
                }));
            }
            let seen = self.observe(&key);
            Arc::make_mut(&mut self.state().picture).put(record(seen.clone()));
            Ok(Arc::new(seen))
        })
    }

    fn discover_soon(&self, _: InstanceKey) -> Result<(), DiscoverError> {
        Ok(())
    }

    fn forget(&self, _: &InstanceKey) -> bool {
        false
    }

    fn probe_states(&self) -> Vec<ProbeState> {
        vec![]
    }
}

impl PictureReader for World {
    fn picture(&self) -> Arc<Picture> {
        self.state().picture.clone()
    }
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(1000).plus(self.elapsed())
    }

    fn monotonic(&self) -> Duration {
        self.elapsed()
    }

    fn sleep(&self, length: Duration) -> BoxFuture<'static, ()> {
        Box::pin(sleep(length))
    }
}

impl Ids for World {
    fn unique(&self) -> u128 {
        1
    }

    fn fraction(&self) -> f64 {
        0.25
    }
}

fn standing(beats: &BeatLoop, name: &str) -> Standing {
    let known = beats.beats();
    known
        .of(&key(name))
        .map_or(Standing::Unknown, |beat| beat.standing)
}

/// How long it takes until `is` holds; the clock jumps.
async fn until(within: Duration, mut is: impl FnMut() -> bool) -> Duration {
    let began = moment();
    while !is() {
        assert!(began.elapsed() <= within, "not within {within:?}");
        sleep(ms(1)).await;
    }
    began.elapsed()
}

const KILLED: Server = Server::Down(Farewell::None, VigilEnd::Cut);
const STOPPED: Server = Server::Down(Farewell::None, VigilEnd::InOrder);

const WELL: Standing = Standing::Alive { refusal: None };

/// A world whose primaries all answer.
async fn well(
    count: usize,
    noticing: Duration,
    period: Option<Duration>,
) -> (Arc<World>, Arc<BeatLoop>, tokio_util::sync::DropGuard) {
    let world = World::new(count, noticing, period);
    let (beats, guard) = world.beats();
    let all_well = || (0..count).all(|i| standing(&beats, &format!("a{i}")) == WELL);
    until(ms(2000), all_well).await;
    sleep(ms(5300)).await;
    (world, beats, guard)
}

#[tokio::test(start_paused = true)]
async fn a_killed_primary_is_gone_at_once_and_its_replicas_say_so_some_milliseconds_later() {
    let (world, beats, _guard) = well(1, ms(30), None).await;
    world.set(0, KILLED);
    let gone = until(ms(50), || standing(&beats, "a0") == Standing::Gone).await;
    assert!(gone <= ms(10), "{gone:?}");
    assert!(beats.beats().of(&key("a0")).unwrap().is_asking);
    let version = beats.version();
    let agreed = until(ms(500), || !beats.beats().of(&key("a0")).unwrap().is_asking).await;
    assert!(agreed <= ms(90), "{agreed:?}");
    assert_ne!(beats.version(), version, "somebody is to look now");
    assert_eq!(beats.beats().of(&key("a0")).unwrap().restart_left, None);
}

#[tokio::test(start_paused = true)]
async fn a_primary_in_doubt_is_heard_without_delay_for_a_minute() {
    let (world, beats, _guard) = well(2, ms(30), None).await;
    assert!(!beats.is_in_a_hurry());
    world.set(0, KILLED);
    until(ms(50), || beats.is_in_a_hurry()).await;
    sleep(ms(58_000)).await;
    assert!(beats.is_in_a_hurry());
    until(ms(5_000), || !beats.is_in_a_hurry()).await;
    assert_eq!(standing(&beats, "a0"), Standing::Gone);
    world.set(1, Server::Frozen);
    until(ms(1_600), || beats.is_in_a_hurry()).await;
    world.set(1, Server::Up);
    until(ms(200), || !beats.is_in_a_hurry()).await;
}

#[tokio::test(start_paused = true)]
async fn replicas_are_asked_quickly_for_two_seconds_and_more_rarely_afterwards() {
    let (world, beats, _guard) = well(1, ms(3_600_000), None).await;
    world.set(0, KILLED);
    let over = until(ms(5000), || {
        let known = beats.beats();
        let beat = known.of(&key("a0")).unwrap();
        beat.standing == Standing::Gone && !beat.is_asking
    });
    let over = over.await;
    assert!(over >= ms(1990) && over <= ms(2100), "{over:?}");
    let asked = |world: &World| world.state().asked.len();
    let quick = asked(&world);
    assert!(
        (60..=90).contains(&quick),
        "two replicas each 50 ms: {quick}"
    );
    sleep(ms(50_000)).await;
    let later = asked(&world) - quick;
    assert!((100..=200).contains(&later), "each second: {later}");
    sleep(ms(20_000)).await;
    let before = asked(&world);
    sleep(ms(100_000)).await;
    let in_the_end = asked(&world) - before;
    assert!(
        (16..=24).contains(&in_the_end),
        "each ten seconds: {in_the_end}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_frozen_primary_is_silent_after_two_seconds_and_not_before() {
    let (world, beats, _guard) = well(1, ms(30), None).await;
    world.set(0, Server::Frozen);
    let doubt = until(ms(1600), || standing(&beats, "a0") == Standing::Doubt).await;
    let silent = until(ms(3000), || standing(&beats, "a0") == Standing::Silent).await;
    assert!(doubt <= ms(1510), "{doubt:?}");
    let whole = doubt + silent;
    assert!(whole >= ms(2000) && whole <= ms(3600), "{whole:?}");
    world.set(0, Server::Up);
    let back = until(ms(200), || standing(&beats, "a0") == WELL).await;
    assert!(back <= ms(110), "{back:?}");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_with_a_value_of_its_own_is_silent_after_that() {
    let world = World::new(2, ms(30), None);
    world.state().config.silence_of = vec![("^a1:".to_owned(), ms(6000))];
    let (beats, _guard) = world.beats();
    for name in ["a0", "a1"] {
        until(ms(3000), || standing(&beats, name) == WELL).await;
    }
    for index in [0, 1] {
        world.set(index, Server::Frozen);
    }
    let one = until(ms(3600), || standing(&beats, "a0") == Standing::Silent).await;
    let other = until(ms(6000), || standing(&beats, "a1") == Standing::Silent).await;
    assert!(
        one <= ms(3600) && one + other >= ms(6000),
        "{one:?}, {other:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_freeze_of_a_second_and_a_half_is_no_evidence() {
    let (world, beats, _guard) = well(1, ms(30), Some(ms(1000))).await;
    for lag in [0, 150, 400, 650, 900] {
        world.set(0, Server::Frozen);
        let began = moment();
        while began.elapsed() < ms(1500) {
            assert!(!standing(&beats, "a0").is_against());
            sleep(ms(5)).await;
        }
        world.set(0, Server::Up);
        until(ms(200), || standing(&beats, "a0") == WELL).await;
        sleep(ms(3000 + lag)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn receivers_of_a_frozen_primary_stand_still_after_two_heartbeat_periods() {
    let (world, beats, _guard) = well(1, ms(30), Some(ms(1000))).await;
    world.set(0, Server::Frozen);
    let stands_still = || {
        let known = beats.beats();
        let beat = known.of(&key("a0")).unwrap();
        beat.standing == Standing::Silent && beat.standing_still.len() == 2
    };
    let took = until(ms(6000), stands_still).await;
    assert!(took >= ms(2000) && took <= ms(4500), "{took:?}");
}

/// Those that stand still once `b0` could not reconnect to a silent `a0`, after so much has come to `c0`.
async fn still_when_spoken_for(came_to_c: u64) -> Vec<InstanceKey> {
    // Too long to be waited for.
    let (world, beats, _guard) = well(1, ms(30), Some(ms(30_000))).await;
    world.set(0, Server::Frozen);
    until(ms(6000), || standing(&beats, "a0") == Standing::Silent).await;
    world.state().came_to_c = came_to_c;
    sleep(ms(3000)).await;
    let still = || {
        let known = beats.beats();
        let beat = known.of(&key("a0")).unwrap();
        beat.standing_still.iter().cloned().collect::<Vec<_>>()
    };
    assert!(still().is_empty());
    beats.reconnected(&key("a0"), &key("b0"), Reconnected::No);
    sleep(ms(500)).await;
    still()
}

#[tokio::test(start_paused = true)]
async fn one_that_could_not_reconnect_speaks_for_all_but_those_that_have_heard_since() {
    assert_eq!(still_when_spoken_for(0).await, [key("b0"), key("c0")]);
    assert_eq!(still_when_spoken_for(1).await, [key("b0")]);
}

fn heard_lately(beats: &BeatLoop) -> Vec<InstanceKey> {
    let known = beats.beats();
    let beat = known.of(&key("a0")).expect("it has beats");
    beat.heard_lately.iter().cloned().collect()
}

/// `a0`, which only we do not hear: something comes to `c0` each tenth of a second for `length`.
async fn silent_to_us(
    length: Duration,
) -> (Arc<World>, Arc<BeatLoop>, tokio_util::sync::DropGuard) {
    let (world, beats, guard) = well(1, ms(30), Some(ms(30_000))).await;
    world.set(0, Server::Frozen);
    let began = moment();
    while began.elapsed() < length {
        world.state().came_to_c += 1;
        sleep(ms(100)).await;
    }
    assert_eq!(standing(&beats, "a0"), Standing::Silent);
    assert_eq!(heard_lately(&beats), [key("c0")]);
    (world, beats, guard)
}

#[tokio::test(start_paused = true)]
async fn what_came_speaks_for_a_silent_primary_for_as_long_as_it_has_to_be_silent() {
    let (world, beats, _guard) = silent_to_us(ms(8000)).await;
    world.state().lost = true;
    let version = beats.version();
    let over = until(ms(3000), || heard_lately(&beats).is_empty()).await;
    assert!(over >= ms(1800) && over <= ms(2450), "{over:?}");
    assert_ne!(beats.version(), version, "somebody is to look now");
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_connects_again_meanwhile_speaks_for_itself() {
    let (world, beats, _guard) = silent_to_us(ms(8000)).await;
    world.state().lost = true;
    sleep(ms(1500)).await;
    world.state().lost = false;
    for _ in 0..30 {
        sleep(ms(100)).await;
        world.state().came_to_c += 1;
        assert_eq!(heard_lately(&beats).last(), Some(&key("c0")));
    }
}

#[tokio::test(start_paused = true)]
async fn after_minutes_of_silence_a_poll_that_sees_a_receiver_turn_makes_replicas_be_asked() {
    let (world, beats, _guard) = silent_to_us(ms(120_000)).await;
    // The next regular look is ten seconds after the last.
    let looks = world.state().asked.len();
    until(ms(11_000), || {
        world.state().came_to_c += 1;
        world.state().asked.len() > looks
    })
    .await;
    sleep(ms(100)).await;
    world.state().lost = true;
    // As a poll does.
    let polled = world.discover(key("c0")).await;
    assert!(polled.is_ok());
    let looks = world.state().asked.len();
    until(ms(1100), || world.state().asked.len() > looks).await;
    let over = until(ms(4000), || heard_lately(&beats).is_empty()).await;
    assert!(over >= ms(900) && over <= ms(2450), "{over:?}");
}

#[tokio::test(start_paused = true)]
async fn what_came_says_nothing_for_one_that_is_gone_or_that_could_not_be_reconnected_to() {
    let (world, beats, _guard) = silent_to_us(ms(8000)).await;
    beats.reconnected(&key("a0"), &key("c0"), Reconnected::No);
    sleep(ms(250)).await;
    assert!(heard_lately(&beats).is_empty());
    let (world_of_gone, beats, _guard) = silent_to_us(ms(8000)).await;
    drop(world);
    world_of_gone.set(0, KILLED);
    until(ms(200), || standing(&beats, "a0") == Standing::Gone).await;
    let beat = || beats.beats().of(&key("a0")).cloned().unwrap();
    let agreed = until(ms(500), || {
        heard_lately(&beats).is_empty() && !beat().is_asking
    })
    .await;
    assert!(agreed <= ms(120), "{agreed:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_was_heard_of_a_frozen_primary_whose_receivers_give_up() {
    let (world, beats, _guard) = well(1, ms(30), Some(ms(30_000))).await;
    world.set(0, Server::Frozen);
    until(ms(1600), || standing(&beats, "a0") == Standing::Doubt).await;
    let gives_up = moment() + ms(1000);
    while standing(&beats, "a0") != Standing::Silent {
        world.state().lost = moment() >= gives_up;
        sleep(ms(1)).await;
    }
    let beat = || beats.beats().of(&key("a0")).cloned().unwrap();
    until(ms(50), || !beat().is_asking).await;
    for _ in 0..100 {
        assert!(heard_lately(&beats).is_empty());
        sleep(ms(20)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn errors_are_answers_and_a_full_server_that_dies_is_gone() {
    let (world, beats, _guard) = well(1, ms(30), None).await;
    world.set(0, Server::Full(1040));
    sleep(ms(3000)).await;
    assert_eq!(standing(&beats, "a0"), WELL, "the kept connection goes on");
    // Our session is ended, and nobody is let in any more.
    world.set(0, Server::Closed(1129));
    sleep(ms(3000)).await;
    let refusal = Some(1129);
    assert_eq!(standing(&beats, "a0"), Standing::Alive { refusal });
    world.set(0, KILLED);
    until(ms(1500), || standing(&beats, "a0") == Standing::Gone).await;
}

#[tokio::test(start_paused = true)]
async fn one_that_says_good_bye_gets_time_to_come_back() {
    let (world, beats, _guard) = well(1, ms(30), None).await;
    world.set(0, Server::Down(Farewell::Error(1053), VigilEnd::Unknown));
    until(ms(50), || standing(&beats, "a0") == Standing::Gone).await;
    let left = beats.beats().of(&key("a0")).unwrap().restart_left;
    assert!(left.is_some_and(|left| left > ms(9000)), "{left:?}");
    sleep(ms(5000)).await;
    world.set(0, Server::Up);
    until(ms(200), || standing(&beats, "a0") == WELL).await;
    let known = beats.beats();
    assert_eq!(known.of(&key("a0")).unwrap().restart_left, None);
}

#[tokio::test(start_paused = true)]
async fn one_that_closes_its_vigil_in_order_gets_time_to_come_back_and_none_when_it_then_crashes() {
    let (world, beats, _guard) = well(1, ms(30), None).await;
    world.set(0, STOPPED);
    until(ms(50), || standing(&beats, "a0") == Standing::Gone).await;
    let left = || beats.beats().of(&key("a0")).unwrap().restart_left;
    assert!(left().is_some_and(|left| left > ms(9000)), "{:?}", left());
    let version = beats.version();
    let over = until(ms(11_000), || left().is_none()).await;
    assert!(over > ms(9800), "{over:?}");
    assert_ne!(beats.version(), version, "somebody is to look now");
    world.set(0, Server::Up);
    until(ms(200), || standing(&beats, "a0") == WELL).await;
    world.set(0, KILLED);
    until(ms(50), || standing(&beats, "a0") == Standing::Gone).await;
    assert_eq!(left(), None);
}

#[tokio::test(start_paused = true)]
async fn sessions_that_are_ended_are_opened_again_and_mean_nothing() {
    let (world, beats, _guard) = well(1, ms(30), None).await;
    world.set(0, Server::Closed(1040));
    sleep(ms(300)).await;
    world.set(0, Server::Up);
    sleep(ms(2000)).await;
    assert_eq!(standing(&beats, "a0"), WELL);
    world.set(0, KILLED);
    until(ms(50), || standing(&beats, "a0") == Standing::Gone).await;
    assert_eq!(beats.beats().of(&key("a0")).unwrap().restart_left, None);
}

#[tokio::test(start_paused = true)]
async fn when_all_fall_silent_it_is_our_own_link() {
    let (world, beats, _guard) = well(3, ms(30), None).await;
    world.state().unreachable = true;
    for index in 0..3 {
        world.set(index, Server::Frozen);
    }
    let began = moment();
    while began.elapsed() < ms(10_000) {
        for name in ["a0", "a1", "a2"] {
            assert!(
                !standing(&beats, name).is_against(),
                "{:?}",
                began.elapsed()
            );
        }
        sleep(ms(10)).await;
    }
    let names = ["a0", "a1", "a2"];
    assert!(
        names
            .iter()
            .all(|name| standing(&beats, name) == Standing::NotOurs)
    );
}

#[tokio::test(start_paused = true)]
async fn what_others_do_not_hear_either_is_silent_until_it_says_something() {
    let (world, beats, _guard) = well(3, ms(30), None).await;
    let all_fall_silent = || {
        world.state().unreachable = true;
        for index in 0..3 {
            world.set(index, Server::Frozen);
        }
    };
    let is_not_ours = |name| standing(&beats, name) == Standing::NotOurs;
    all_fall_silent();
    until(ms(10_000), || is_not_ours("a0") && is_not_ours("a1")).await;
    let version = beats.version();
    beats.silent_for_others_too(&[key("a0"), key("unknown")]);
    assert_ne!(beats.version(), version, "somebody has to look");
    sleep(ms(5_000)).await;
    assert_eq!(standing(&beats, "a0"), Standing::Silent);
    assert!(is_not_ours("a1"), "of that one nothing was said");
    world.state().unreachable = false;
    for index in 0..3 {
        world.set(index, Server::Up);
    }
    until(ms(5_000), || standing(&beats, "a0") == WELL).await;
    sleep(ms(3_000)).await;
    all_fall_silent();
    until(ms(10_000), || is_not_ours("a0")).await;
}

#[tokio::test(start_paused = true)]
async fn a_lone_silent_primary_whose_replicas_answer_is_not_our_own_link() {
    let (world, beats, _guard) = well(2, ms(30), None).await;
    world.set(1, Server::Frozen);
    until(ms(4000), || standing(&beats, "a1") == Standing::Silent).await;
    sleep(ms(5000)).await;
    assert_eq!(standing(&beats, "a1"), Standing::Silent);
    assert_eq!(standing(&beats, "a0"), WELL);
}

#[tokio::test(start_paused = true)]
async fn who_is_no_primary_any_more_has_no_beats() {
    let (world, beats, _guard) = well(1, ms(30), None).await;
    let mut seen = world.observe(&key("a0"));
    seen.read_only = true;
    Arc::make_mut(&mut world.state().picture).put(record(seen));
    until(ms(1000), || beats.beats().of(&key("a0")).is_none()).await;
}

#[tokio::test(start_paused = true)]
async fn another_node_is_told_what_is_heard_after_it_asked() {
    let world = World::new(1, ms(10), None);
    let (beats, _runs) = world.beats();
    let primary = key("a0");
    for _ in 0..3 {
        assert_eq!(beats.beat(&primary).await, Ok(Answered::Yes));
    }
    // One that refuses us is up; the connection that was kept is closed meanwhile.
    world.set(0, Server::Closed(1040));
    assert_eq!(beats.beat(&primary).await, Ok(Answered::Yes));
    world.set(0, Server::Up);
    assert_eq!(beats.beat(&primary).await, Ok(Answered::Yes));
    world.set(0, Server::Frozen);
    let began = world.elapsed();
    assert_eq!(beats.beat(&primary).await, Ok(Answered::No));
    assert_eq!(beats.beat(&primary).await, Ok(Answered::No));
    assert_eq!(world.elapsed() - began, BeatPolicy::ANSWER_WITHIN * 2);
    world.set(0, Server::Down(Farewell::None, VigilEnd::Cut));
    assert_eq!(beats.beat(&primary).await, Ok(Answered::No));
}

#[tokio::test(start_paused = true)]
async fn nobody_sends_this_node_to_a_server_that_it_does_not_know() {
    let world = World::new(1, ms(10), None);
    let (beats, _runs) = world.beats();
    let stranger = key("db.example.com");
    let answer = beats.beat(&stranger).await;
    assert!(answer.unwrap_err().contains("is not known here"));
}
