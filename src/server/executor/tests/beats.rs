//! What the loop makes of beats: it looks at once, and holds its breath while replicas are asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use orchestrator_core::beats::{Beat, Beats, Standing};
use orchestrator_core::domain::{FindingCode, InstanceKey, ThreadState};
use orchestrator_core::ports::{
    BeatReader, BoxFuture, Clock as _, DecisionReader as _, Discovery as _, Recoveries as _,
};
use tokio::sync::watch;

use super::fleet::{Power, key};
use super::world::World;

/// Beats as a test sets them.
#[derive(Default)]
pub struct SetBeats {
    beats: Mutex<Arc<Beats>>,
    version: watch::Sender<u64>,
}

impl SetBeats {
    fn set(&self, beat: Beat) {
        Arc::make_mut(&mut self.beats.lock().unwrap()).put(key("a"), beat);
        self.version.send_modify(|version| *version += 1);
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

    fn could_not_reconnect(&self, _: &InstanceKey, _: &InstanceKey) {}
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
