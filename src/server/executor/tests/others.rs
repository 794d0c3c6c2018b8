//! Other nodes of the group hear a primary that this one does not: nothing is done, written down or told anybody.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use orchestrator_core::beats::{Beat, Standing};
use orchestrator_core::domain::{InstanceKey, RecoveryOutcome};
use orchestrator_core::ports::{
    Answered, BoxFuture, Change, Clock as _, DecisionReader as _, Insistence, OtherNodes,
    Recoveries as _, RecoveryRequest,
};
use tokio::time::sleep;

use super::SIMPLE;
use super::fleet::{Power, key};
use super::world::World;

/// What other nodes answer, and how long that takes; `None` where they never do.
type Answers = BTreeMap<&'static str, (Option<Answered>, Duration)>;

/// Other nodes as a test sets them.
#[derive(Default)]
pub struct SetOthers {
    answers: Mutex<Answers>,
    asked: Mutex<Vec<InstanceKey>>,
    /// To whom leadership was handed, or was to be.
    handed_to: Mutex<Vec<String>>,
    /// Why nobody takes it.
    takes_nothing: Mutex<Option<String>>,
}

impl SetOthers {
    fn set(&self, answers: &[(&'static str, Option<Answered>, u64)]) {
        *self.answers.lock().unwrap() = answers
            .iter()
            .map(|(name, answer, takes)| (*name, (*answer, Duration::from_millis(*takes))))
            .collect();
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn handed_to(&self) -> Vec<String> {
        self.handed_to.lock().unwrap().clone()
    }
}

impl OtherNodes for SetOthers {
    fn to_ask(&self) -> Vec<String> {
        let answers = self.answers.lock().unwrap();
        answers.keys().map(|name| (*name).to_owned()).collect()
    }

    fn answer_within(&self) -> Duration {
        Duration::from_millis(150)
    }

    fn ask(
        &self,
        node: &str,
        primary: &InstanceKey,
        within: Duration,
    ) -> BoxFuture<'static, Option<Answered>> {
        self.asked.lock().unwrap().push(primary.clone());
        let (answer, takes) = self.answers.lock().unwrap()[node];
        Box::pin(async move {
            sleep(takes.min(within)).await;
            answer.filter(|_| takes <= within)
        })
    }

    fn let_lead(&self, node: &str) -> BoxFuture<'static, Result<(), String>> {
        self.handed_to.lock().unwrap().push(node.to_owned());
        let refused = self.takes_nothing.lock().unwrap().clone();
        Box::pin(std::future::ready(refused.map_or(Ok(()), Err)))
    }
}

const YES: Option<Answered> = Some(Answered::Yes);
const NO: Option<Answered> = Some(Answered::No);
const NOBODY: Option<Answered> = None;

#[tokio::test(start_paused = true)]
async fn a_primary_that_another_node_hears_is_left_alone_until_it_does_not() {
    let world = World::of(SIMPLE);
    let all = [("node2", YES, 5), ("node3", NO, 5)];
    world.others.set(&all);
    let before = world.fleet.connections("b");
    let node = world.start("node1", 1);
    world.pass(Duration::from_secs(5)).await;
    world.fleet.set_power("a", Power::Down);
    world
        .until("others are asked", || world.others.asked() > 1)
        .await;
    world.pass(Duration::from_secs(20)).await;
    assert!(world.recoveries().is_empty());
    let decided = world.log.decided();
    let is_quiet = decided.detections.is_empty() && world.hooks.lines().is_empty();
    assert!(is_quiet, "nobody is told of it");
    let all = node.recoveries.nothing_done();
    assert!(all[0].why.contains("node2 hears a:3306 now"), "{all:?}");
    let connections = world.fleet.connections("b") - before;
    assert!(
        (1..=3).contains(&connections),
        "logged in {connections} times in 20 s for nothing"
    );
    world.others.set(&[("node2", NO, 5), ("node3", NO, 5)]);
    let (_, ended) = world.ended().await;
    assert_eq!(
        ended.end.as_ref().unwrap().outcome,
        RecoveryOutcome::Succeeded
    );
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_another_node_hears_after_hooks_were_told_is_left_alone() {
    let world = World::of(SIMPLE);
    world.others.set(&[("node2", NO, 5)]);
    world.hooks.take(Duration::from_secs(2));
    let _node = world.start("node1", 1);
    world
        .until("hooks run", || !world.hooks.lines().is_empty())
        .await;
    assert!(world.recoveries().is_empty());
    world.others.set(&[("node2", YES, 5)]);
    world.pass(Duration::from_secs(20)).await;
    assert!(world.recoveries().is_empty());
    assert!(world.fleet.log().is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_does_not_answer_in_time_holds_nobody_back() {
    let world = World::of(SIMPLE);
    // One says yes too late, and one never says anything.
    world
        .others
        .set(&[("node2", YES, 400), ("node3", NOBODY, 60_000)]);
    let _node = world.start("node1", 1);
    world.pass(Duration::from_secs(5)).await;
    world.fleet.set_power("a", Power::Down);
    world.ended().await;
    assert_eq!(world.fleet.writable().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_operator_who_insists_is_not_held_back_by_others() {
    let mut world = World::of(SIMPLE);
    world.config.recovery.primary_clusters.clear();
    world.others.set(&[("node2", YES, 5)]);
    let node = world.start("node1", 1);
    world.pass(Duration::from_secs(5)).await;
    world.fleet.set_power("a", Power::Down);
    world.pass(Duration::from_secs(5)).await;
    let answer = node.recoveries.recover(RecoveryRequest {
        failed: key("a"),
        candidate: None,
        insistence: Insistence::Asks,
        skips_hooks: false,
        who: "ann".to_owned(),
        whence: "10.0.0.9".to_owned(),
    });
    let answer = answer.await.unwrap();
    assert_eq!(answer.outcome, RecoveryOutcome::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn no_replica_is_told_to_reconnect_to_one_that_another_node_hears() {
    let world = World::of(SIMPLE);
    world.others.set(&[("node2", YES, 5)]);
    let _node = world.start("node1", 1);
    world.pass(Duration::from_secs(5)).await;
    world.fleet.set_power("a", Power::Deaf);
    let silent = Beat::of(Standing::Silent, world.clock.now());
    world.beats.set(silent);
    world
        .until("others are asked", || world.others.asked() > 0)
        .await;
    world.pass(Duration::from_secs(20)).await;
    let told = world.fleet.log().into_iter();
    let told = told.filter(|entry| entry.change == Change::RestartReceiver);
    assert_eq!(told.count(), 0);
}

/// The primary is silent to this node, and so is more than half of all that it asked. To be so before a node starts, or the
/// primary is replaced.
fn own_link_is_down(world: &World) {
    world.fleet.set_power("a", Power::Silent);
    let not_ours = Beat::of(Standing::NotOurs, world.clock.now());
    world.beats.set(not_ours);
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_own_link_is_down_hands_over_to_who_hears_primaries_and_starts_nothing() {
    let world = World::of(SIMPLE);
    world.others.set(&[
        ("node2", NO, 5),
        ("node3", YES, 5),
        ("node4", NOBODY, 60_000),
    ]);
    own_link_is_down(&world);
    let node = world.start("node1", 1);
    world
        .until("leadership is handed over", || {
            !world.others.handed_to().is_empty()
        })
        .await;
    assert_eq!(world.others.handed_to(), ["node3"]);
    assert!(world.recoveries().is_empty());
    node.seat.fence.send_replace(None);
    world.pass(Duration::from_secs(30)).await;
    assert_eq!(world.others.handed_to().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn leadership_is_handed_over_once_a_minute_at_most() {
    let world = World::of(SIMPLE);
    world.others.set(&[("node2", YES, 5)]);
    let refused = "it did not happen in time".to_owned();
    *world.others.takes_nothing.lock().unwrap() = Some(refused);
    own_link_is_down(&world);
    let node = world.start("node1", 1);
    world.pass(Duration::from_secs(50)).await;
    assert_eq!(world.others.handed_to(), ["node2"]);
    let all = node.recoveries.nothing_done();
    assert!(all[0].why.contains("link of this node"), "{all:?}");
    // It leads anew, under another fence, and that makes no difference.
    node.seat.fence.send_replace(None);
    world.pass(Duration::from_secs(2)).await;
    let again = orchestrator_core::domain::Fence::from_number(9);
    node.seat.fence.send_replace(Some(again));
    world.pass(Duration::from_secs(5)).await;
    assert_eq!(world.others.handed_to(), ["node2"]);
    world.pass(Duration::from_secs(10)).await;
    assert_eq!(world.others.handed_to(), ["node2", "node2"]);
    assert!(world.recoveries().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_other_nodes_do_not_hear_either_is_not_our_own_link() {
    let world = World::of(SIMPLE);
    world
        .others
        .set(&[("node2", NO, 510), ("node3", NOBODY, 60_000)]);
    own_link_is_down(&world);
    let _node = world.start("node1", 1);
    world.ended().await;
    assert!(world.others.handed_to().is_empty());
    assert_eq!(world.fleet.writable().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn where_nobody_answers_it_stays_our_own_link() {
    let world = World::of(SIMPLE);
    world.others.set(&[("node2", NOBODY, 60_000)]);
    own_link_is_down(&world);
    let node = world.start("node1", 1);
    world.pass(Duration::from_secs(60)).await;
    let all = node.recoveries.nothing_done();
    assert!(
        world.recoveries().is_empty(),
        "{:?}, {all:?}",
        world.recoveries()
    );
    assert!(world.others.handed_to().is_empty());
    assert!(all[0].why.contains("link of this node"), "{all:?}");
}
