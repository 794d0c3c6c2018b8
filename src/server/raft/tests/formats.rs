//! Members of several releases, and entries that one of them does not understand.

use std::time::Duration;

use orchestrator_core::decided::{Command, CommandFormats, GroupId, Proposal, Reply};
use orchestrator_core::ports::{
    Committed, DecisionReader as _, Group as _, ProposeError, Proposer as _, Successor,
};

use super::super::transport::Call;
use super::super::types::{Payload, PayloadKind};
use super::super::v1;
use super::support::{PATIENCE, World, key, until};
use crate::wire::{Envelope, Kind};

const THREE: [&str; 3] = ["a", "b", "c"];

/// A release that has no marks of forgetting: the next one brought them.
const OLDER: (&str, CommandFormats) = ("4.0", CommandFormats::of_release(1, format_needed));
const NEWER: (&str, CommandFormats) = ("4.1", CommandFormats::of_release(2, format_needed));

fn format_needed(command: &Command) -> u8 {
    match command {
        Command::Forget { .. } => 2,
        _ => 1,
    }
}

fn world_of(releases: [(&'static str, CommandFormats); 3]) -> World {
    let mut world = World::new(&THREE);
    let names = THREE.map(str::to_owned);
    world.releases = names.into_iter().zip(releases).collect();
    world
}

/// Waits until one of these leads, and makes it so where another does.
async fn led_by(world: &World, wanted: &str) {
    world.settled().await;
    let lead = async {
        loop {
            let leader = world.leader().await;
            if leader == wanted {
                return;
            }
            // It is asked again where it did not come about.
            let to = Successor::Member(wanted.to_owned());
            if world.node(&leader).hand_over(to).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    };
    tokio::time::timeout(PATIENCE, lead).await.unwrap();
}

/// What both releases have.
async fn discover(world: &mut World, instance: &str) -> Committed {
    let proposal = world.proposal(Command::Discover { key: key(instance) });
    world.decide(&proposal).await
}

/// Why a leader of the newer release does not write this.
async fn refusal(world: &World, proposal: &Proposal) -> String {
    let refuse = async {
        loop {
            led_by(world, "a").await;
            match world.node("a").propose(proposal.clone()).await {
                Err(ProposeError::Store { reason }) => return reason,
                // Another leads meanwhile.
                Err(ProposeError::NotLeader { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, refuse).await.unwrap()
}

async fn nobody_is_too_old(world: &World) {
    until("nobody is too old any more", || {
        let warnings = ["a", "b"].map(|name| world.status(name).warnings.clone());
        !warnings
            .iter()
            .flatten()
            .any(|w| w.contains("reads commands up to"))
    })
    .await;
}

/// Why a node ended.
async fn end_of(world: &World, name: &str) -> String {
    let failed = world.node(name).failed();
    tokio::time::timeout(PATIENCE, failed).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_keeps_to_what_its_oldest_member_reads_until_that_one_is_newer() {
    let mut world = world_of([NEWER, NEWER, OLDER]);
    world.start_all();
    led_by(&world, "a").await;
    until("the leader has heard of the old release", || {
        let warnings = &world.status("a").warnings;
        warnings.iter().any(|w| w.starts_with("c (release 4.0)"))
    })
    .await;
    let warning = "c (release 4.0) reads commands up to format 1 only, and this release writes up to format 2: \
                   what needs a newer format than that is refused; bring all nodes of the group to one release";
    let warnings = &world.status("a").warnings;
    assert!(warnings.iter().any(|w| w == warning), "{warnings:?}");

    // What the old release has goes on.
    let made = discover(&mut world, "db1").await;
    assert_eq!(made.reply, Reply::Done);
    world.converge(made.index).await;

    // What it has not is not written.
    let newer = world.forget("db1");
    assert_eq!(
        refusal(&world, &newer).await,
        "c (release 4.0) reads commands up to format 1 only, and this one needs format 2; \
         bring all nodes of the group to one release"
    );
    let made = discover(&mut world, "db2").await;
    world.converge(made.index).await;
    assert!(world.node("a").decided().forgotten.is_empty());

    // A member that is away is still one that reads no more than it said.
    world.kill("c").await;
    assert!(refusal(&world, &newer).await.starts_with("c (release 4.0)"));
    world.releases.insert("c".to_owned(), NEWER);
    world.start("c");
    nobody_is_too_old(&world).await;
    let made = world.write("db1").await;
    world.converge(made.index).await;
    assert_eq!(world.node("c").decided().forgotten.len(), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_is_too_old_for_an_entry_ends_before_it_and_the_group_goes_on() {
    let mut world = world_of([NEWER, NEWER, NEWER]);
    world.start_all();
    led_by(&world, "a").await;
    let before = world.write("db1").await;
    world.converge(before.index).await;
    world.kill("c").await;
    let newer = world.write("db2").await;
    // Somebody goes back to the release before.
    world.releases.insert("c".to_owned(), OLDER);
    for _ in 0..2 {
        // The second time the entry is in its log already.
        world.start("c");
        let reason = end_of(&world, "c").await;
        assert!(
            reason.starts_with("log entry ")
                && reason.ends_with(
                    " cannot be applied here, and what follows it neither: the proposal is in format 2, \
                     and this release reads formats up to 1 only; \
                     use the release of orchestrator that wrote it, or a newer one"
                ),
            "{reason}"
        );
        let warnings = &world.status("c").warnings;
        assert!(warnings.contains(&reason), "{warnings:?}");
        assert!(world.node("c").decided().applied_index < newer.index);
        assert!(
            !world
                .node("c")
                .decided()
                .forgotten
                .contains_key(&key("db2"))
        );
        world.kill("c").await;
        // It said that it is old: what all understand goes on.
        let more = discover(&mut world, "db3").await;
        assert!(more.index > newer.index);
    }
    world.releases.insert("c".to_owned(), NEWER);
    world.start("c");
    nobody_is_too_old(&world).await;
    let last = world.write("db4").await;
    world.converge(last.index).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_is_in_no_list_of_this_release_is_not_skipped() {
    let mut world = World::new(&["a"]);
    world.start_all();
    world.leader().await;
    world.write("db1").await;
    let proposal = world.forget("db2");
    let (format, mut bytes) = CommandFormats::of_this_release().encode(&proposal).unwrap();
    // The command stands at the end: its number, and the key of the instance.
    let place = bytes.len() - "db2".len() - 5;
    assert_eq!(bytes[place], 1, "the number of the command in {bytes:?}");
    bytes[place] = 200;
    let payload = Payload {
        kind: PayloadKind::Command,
        format: u32::from(format),
        bytes: bytes.into(),
    };
    let engine = world.node("a").core().engine().unwrap();
    assert!(engine.client_write(payload).await.is_err());
    let reason = end_of(&world, "a").await;
    assert!(
        reason.starts_with("log entry ")
            && reason.contains(
                " cannot be applied here, and what follows it neither: the proposal is damaged: "
            ),
        "{reason}"
    );
    // What came before it is there, and nothing of it.
    let marks = |world: &World| world.node("a").decided().forgotten.len();
    assert_eq!(marks(&world), 1);
    // It says the same at each start.
    world.kill("a").await;
    world.start("a");
    assert_eq!(end_of(&world, "a").await, reason);
    assert_eq!(marks(&world), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_is_sent_an_entry_of_a_newer_kind_ends_and_the_group_goes_on() {
    let mut world = World::new(&THREE);
    world.start_all();
    let leader = world.settled().await;
    let before = world.write("db1").await;
    world.converge(before.index).await;
    let old = THREE.into_iter().find(|name| *name != leader).unwrap();
    until("the group has its id", || world.status(old).group.is_some()).await;
    let group = world.status(old).group.unwrap();
    let envelope = |group| Envelope {
        group,
        term: 1,
        leader: 1,
        index: before.index + 1,
        kind: Kind::Blank,
        format: 0,
        payload: Vec::new(),
    };
    let of_kind_9 = |group: GroupId| {
        let mut bytes = envelope(group).to_bytes();
        // Field 5, a number.
        let place = bytes.len() - 2;
        assert_eq!(bytes[place..], [0x28, 1]);
        bytes[place + 1] = 9;
        bytes
    };
    let append = |group: GroupId, entry: Vec<u8>| {
        Call::Append(v1::AppendRequest {
            destination: Some(v1::Destination {
                group: group.as_bytes().to_vec().into(),
                to: world.node(old).core().me(),
                from: world.node(&leader).core().me(),
            }),
            vote: Some(v1::Vote {
                term: 1,
                node: 1,
                is_committed: true,
            }),
            previous: None,
            entries: vec![entry.into()],
            committed: None,
            is_sent_ahead: false,
        })
    };
    let handler = world.node(old).call_handler();
    // Nothing that another group or mere damage says ends a node.
    let other = GroupId::from_number(77);
    for harmless in [
        append(other, of_kind_9(other)),
        append(group, envelope(other).to_bytes()),
        append(group, b"no envelope".to_vec()),
    ] {
        handler.handle(harmless).await.unwrap_err();
    }
    let still_runs = tokio::time::timeout(Duration::ZERO, world.node(old).failed());
    assert!(still_runs.await.is_err());

    handler
        .handle(append(group, of_kind_9(group)))
        .await
        .unwrap_err();
    assert_eq!(
        end_of(&world, old).await,
        format!(
            "what the leader sends cannot be kept here: log entry {} is of kind 9, and this release knows kinds 1 to 4; \
             use the release of orchestrator that wrote it, or a newer one",
            before.index + 1
        )
    );
    drop(handler);
    world.kill(old).await;
    let last = world.write("db2").await;
    world.converge(last.index).await;
    world.stop().await;
}
