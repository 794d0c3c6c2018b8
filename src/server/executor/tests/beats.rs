//! What the loop makes of beats: it looks at once, holds its breath while replicas are asked, and lets one reconnect where
//! nothing else can tell.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use orchestrator_core::beats::{Beat, Beats, Standing};
use orchestrator_core::decided::Command;
use orchestrator_core::domain::{FindingCode, InstanceKey, ThreadState};
use orchestrator_core::ports::{
    BeatReader, BoxFuture, Change, Clock as _, DecisionReader as _, Discovery as _, Reconnected,
    Recoveries as _,
};
use tokio::sync::watch;

use super::fleet::{Power, Verdict, key};
use super::world::World;

/// Beats as a test sets them.
#[derive(Default)]
pub struct SetBeats {
    beats: Mutex<Arc<Beats>>,
    version: watch::Sender<u64>,
    /// Who could not reconnect.
    told: Mutex<Vec<InstanceKey>>,
}

impl SetBeats {
    pub fn set(&self, beat: Beat) {
        Arc::make_mut(&mut self.beats.lock().unwrap()).put(key("a"), beat);
        self.version.send_modify(|version| *version += 1);
    }

    fn told(&self) -> Vec<InstanceKey> {
        self.told.lock().unwrap().clone()
    }
}

impl BeatReader for SetBeats {
    fn beats(&self) -> Arc<Beats> {
        self.beats.lock().unwrap().clone()
    }

    fn version(&self) -> u64 {
        *self.version.borrow()
    }

    fn changed(&self, since: u64) -> BoxFuture<'static, ()> {
        let mut version = self.version.subscribe();
        Box::pin(async move {
            if version.wait_for(|version| *version != since).await.is_err() {
                std::future::pending().await
            }
        })
    }

    fn silent_for_others_too(&self, primaries: &[InstanceKey]) {
        for key in primaries {
            let beat = self.beats().of(key).cloned().unwrap();
            let standing = Standing::Silent;
            self.set(Beat { standing, ..beat });
        }
    }

    fn reconnecting(&self, primary: &InstanceKey, replica: &InstanceKey) {
        let beat = self.beats().of(primary).cloned().unwrap();
        self.set(Beat {
            reconnecting: Some(replica.clone()),
            ..beat
        });
    }

    fn reconnected(&self, primary: &InstanceKey, replica: &InstanceKey, came: Reconnected) {
        let beat = self.beats().of(primary).cloned().unwrap();
        let could_not = came == Reconnected::No;
        if could_not {
            self.told.lock().unwrap().push(replica.clone());
        }
        self.set(Beat {
            reconnecting: None,
            spoken_by: could_not.then(|| replica.clone()),
            standing_still: Arc::new(match could_not {
                true => ["b", "c"].map(key).into(),
                false => Default::default(),
            }),
            ..beat
        });
    }
}

const WELL: &str = "a [rw gtid=..1-100]\n+ b [ro gtid=..1-100]\n+ c [ro gtid=..1-100]";

/// A world in which all were asked, a quarter of a second before the next round.
async fn asked(text: &str) -> (World, super::world::Node) {
    let world = World::of(text);
    let node = world.start("node1", 1);
    world.pass(Duration::from_millis(3_750)).await;
    assert_eq!(node.recoveries.nothing_done().len(), 0);
    (world, node)
}

fn stands(world: &World, standing: Standing) -> Beat {
    Beat::of(standing, world.clock.now())
}

async fn look(world: &World, names: &[&str]) {
    for name in names {
        // What is seen is in the picture then.
        let _ = world.eyes.discover(key(name)).await;
    }
}

fn receivers(world: &World, state: ThreadState) {
    for name in ["b", "c"] {
        world.fleet.change(name, |seen| {
            seen.replication.as_mut().unwrap().receiver = state;
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_is_gone_is_replaced_without_waiting_for_a_round() {
    let (world, _node) = asked(WELL).await;
    world.fleet.set_power("a", Power::Down);
    receivers(&world, ThreadState::Other);
    look(&world, &["b", "c"]).await;
    let began = world.clock_now();
    world.beats.set(stands(&world, Standing::Gone));
    world
        .until("it is registered", || !world.recoveries().is_empty())
        .await;
    let took = world.clock_now() - began;
    assert!(took < Duration::from_millis(150), "{took:?}");
    world.ended().await;
    assert_eq!(world.fleet.writable().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_down_while_its_replicas_are_asked() {
    let (world, node) = asked(WELL).await;
    world.fleet.set_power("a", Power::Down);
    world.beats.set(Beat {
        is_asking: true,
        ..stands(&world, Standing::Gone)
    });
    world.pass(Duration::from_millis(1_900)).await;
    assert!(world.log.decided().detections.is_empty());
    let all = node.recoveries.nothing_done();
    assert!(all[0].why.contains("being asked now"), "{all:?}");
    world.beats.set(stands(&world, Standing::Gone));
    world
        .until("it is written down", || {
            !world.log.decided().detections.is_empty()
        })
        .await;
    let decided = world.log.decided();
    let written = decided.detections.values().next().unwrap();
    assert_eq!(written.code, FindingCode::UnreachablePrimary);
    world.pass(Duration::from_secs(10)).await;
    assert!(world.recoveries().is_empty(), "its replicas receive");
}

/// It once spun: for it nothing ever was what it had looked at.
#[tokio::test(start_paused = true)]
async fn who_does_not_lead_waits_for_the_next_turn_of_beats() {
    let (world, node) = asked(WELL).await;
    node.seat.fence.send_replace(None);
    world.beats.set(stands(&world, Standing::Gone));
    // Time passes, which it does only while everybody waits.
    world.pass(Duration::from_secs(5)).await;
    assert!(world.log.decided().detections.is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_that_is_to_come_back_is_waited_for() {
    let (world, node) = asked(WELL).await;
    world.fleet.set_power("a", Power::Down);
    receivers(&world, ThreadState::Other);
    look(&world, &["b", "c"]).await;
    world.beats.set(Beat {
        restart_left: Some(Duration::from_secs(4)),
        ..stands(&world, Standing::Gone)
    });
    world.pass(Duration::from_secs(4)).await;
    assert!(world.recoveries().is_empty());
    let is_quiet = world.log.decided().detections.is_empty();
    assert!(is_quiet, "nobody is told of a restart");
    let all = node.recoveries.nothing_done();
    assert!(all[0].why.contains("more to come back"), "{all:?}");
    world.beats.set(stands(&world, Standing::Gone));
    world.ended().await;
}

#[tokio::test(start_paused = true)]
async fn our_own_link_replaces_nobody() {
    let (world, node) = asked(WELL).await;
    world.fleet.set_power("a", Power::Silent);
    receivers(&world, ThreadState::Other);
    world.beats.set(stands(&world, Standing::NotOurs));
    world.pass(Duration::from_secs(30)).await;
    assert!(world.recoveries().is_empty());
    let all = node.recoveries.nothing_done();
    assert!(all[0].why.contains("link of this node"), "{all:?}");
}

fn restarts(world: &World) -> Vec<String> {
    let log = world.fleet.log().into_iter();
    log.filter(|entry| entry.change == Change::RestartReceiver)
        .map(|entry| entry.server)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn one_replica_of_a_silent_primary_reconnects_and_speaks_for_all() {
    let (world, _node) = asked(WELL).await;
    world.fleet.set_power("a", Power::Silent);
    world.beats.set(stands(&world, Standing::Silent));
    world.ended().await;
    assert_eq!(restarts(&world), ["b"]);
    assert_eq!(world.beats.told(), [key("b")]);
    assert_eq!(world.fleet.writable().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_replica_reconnects_while_the_silence_is_too_short_yet_and_nothing_else_is_done() {
    let (world, node) = asked(WELL).await;
    world.fleet.set_power("a", Power::Silent);
    let mute = stands(&world, Standing::Mute);
    world.beats.set(mute.clone());
    world
        .until("it could not reconnect", || !world.beats.told().is_empty())
        .await;
    assert_eq!(restarts(&world), ["b"]);
    assert!(world.log.decided().detections.is_empty());
    assert!(node.recoveries.nothing_done().is_empty());
    let began = world.clock_now();
    let told = world.beats.beats().of(&key("a")).cloned().unwrap();
    let standing = Standing::Silent;
    world.beats.set(Beat { standing, ..told });
    world
        .until("it is registered", || !world.recoveries().is_empty())
        .await;
    let took = world.clock_now() - began;
    assert!(took < Duration::from_millis(150), "{took:?}");
    world.ended().await;
    assert_eq!(restarts(&world), ["b"], "one is enough");
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_can_reconnect_keeps_its_source_and_is_left_alone_for_half_a_minute() {
    let (world, _node) = asked(WELL).await;
    // It lives; only we do not hear it.
    world.fleet.set_power("a", Power::Deaf);
    world.beats.set(stands(&world, Standing::Silent));
    world
        .until("one reconnects", || !restarts(&world).is_empty())
        .await;
    world.pass(Duration::from_secs(20)).await;
    assert_eq!(restarts(&world), ["b"]);
    assert!(world.beats.told().is_empty() && world.recoveries().is_empty());
    world.pass(Duration::from_secs(20)).await;
    assert_eq!(restarts(&world).len(), 2, "half a minute is over");
    assert!(world.recoveries().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_is_refused_has_found_somebody_and_the_source_lives() {
    let (world, _node) = asked(WELL).await;
    world.fleet.set_power("a", Power::Unfriendly(1045));
    world.beats.set(stands(&world, Standing::Silent));
    world
        .until("one reconnects", || !restarts(&world).is_empty())
        .await;
    world.pass(Duration::from_secs(20)).await;
    assert!(world.beats.told().is_empty() && world.recoveries().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_may_have_been_left_stopped_is_started() {
    let (world, _node) = asked(WELL).await;
    world.fleet.set_power("a", Power::Deaf);
    world.fleet.judge(|name, change| {
        match (name, change) {
            // Only its first half is made.
            ("b", Change::RestartReceiver) => Verdict::NotMadeUnheard,
            _ => Verdict::Done,
        }
    });
    world.beats.set(stands(&world, Standing::Silent));
    world
        .until("it is started", || {
            world
                .fleet
                .changes_of("b")
                .contains(&Change::StartReplication)
        })
        .await;
    world.pass(Duration::from_secs(5)).await;
    assert!(world.beats.told().is_empty() && world.recoveries().is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_whose_applier_somebody_stopped_in_that_moment_is_left_alone_and_proves_nothing() {
    let (world, _node) = asked(WELL).await;
    world.fleet.set_power("a", Power::Silent);
    world.fleet.judge(|name, change| match (name, change) {
        ("b", Change::RestartReceiver) => Verdict::Unsupported,
        _ => Verdict::Done,
    });
    world.beats.set(stands(&world, Standing::Silent));
    world
        .until("one is told to reconnect", || {
            world
                .fleet
                .changes_of("b")
                .contains(&Change::RestartReceiver)
        })
        .await;
    world.pass(Duration::from_secs(10)).await;
    assert!(world.beats.told().is_empty() && world.recoveries().is_empty());
    let others = world.fleet.changes_of("b");
    assert_eq!(
        others,
        [Change::RestartReceiver],
        "nobody starts what somebody stopped"
    );
}

#[tokio::test(start_paused = true)]
async fn what_came_a_moment_ago_speaks_for_a_silent_primary_and_not_for_one_that_is_gone() {
    let (world, _node) = asked(WELL).await;
    world.fleet.set_power("a", Power::Silent);
    receivers(&world, ThreadState::Other);
    look(&world, &["b", "c"]).await;
    let heard = |standing| Beat {
        is_moving: true,
        heard_lately: Arc::new([key("b")].into()),
        ..stands(&world, standing)
    };
    world.beats.set(heard(Standing::Silent));
    world.pass(Duration::from_secs(10)).await;
    assert!(world.recoveries().is_empty());
    assert_eq!(restarts(&world), [""; 0]);
    world.beats.set(heard(Standing::Gone));
    world
        .until("it is registered", || !world.recoveries().is_empty())
        .await;
}

/// No replica of a silent primary is told anything.
async fn nobody_reconnects(text: &str, before: impl FnOnce(&World), beat: impl FnOnce(&mut Beat)) {
    let (world, _node) = asked(text).await;
    before(&world);
    world.pass(Duration::from_millis(1_100)).await;
    world.fleet.set_power("a", Power::Deaf);
    let mut silent = stands(&world, Standing::Silent);
    beat(&mut silent);
    world.beats.set(silent);
    world.pass(Duration::from_secs(20)).await;
    assert_eq!(restarts(&world), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_told_to_reconnect_without_need_or_leave() {
    let nothing = |_: &World| {};
    nobody_reconnects(WELL, nothing, |beat| beat.is_moving = true).await;
    nobody_reconnects(WELL, nothing, |beat| beat.is_soon_known = true).await;
    nobody_reconnects(WELL, nothing, |beat| beat.standing = Standing::Doubt).await;
    let disabled = |world: &World| {
        let by = "ann".to_owned();
        world.decide(Command::DisableRecoveries { by });
    };
    nobody_reconnects(WELL, disabled, |_| {}).await;
    let muted = WELL.replace("a [rw", "a [rw downtime=1h");
    nobody_reconnects(&muted, nothing, |_| {}).await;
    let behind = |world: &World| {
        for name in ["b", "c"] {
            world.fleet.change(name, |seen| {
                let link = seen.replication.as_mut().unwrap();
                link.applier = ThreadState::Stopped;
            });
        }
    };
    nobody_reconnects(WELL, behind, |_| {}).await;
    let last_acker = |world: &World| {
        world.fleet.change("a", |seen| {
            seen.semi_sync.source_enabled = true;
            seen.semi_sync.source_status = true;
            seen.semi_sync.source_clients = 1;
            seen.semi_sync.wait_for_replica_count = 1;
        });
        for name in ["b", "c"] {
            world
                .fleet
                .change(name, |seen| seen.semi_sync.replica_status = true);
        }
    };
    nobody_reconnects(WELL, last_acker, |_| {}).await;
}
