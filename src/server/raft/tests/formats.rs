//! Commands that a member does not understand.

use orchestrator_core::decided::{Proposal, codec::Stored as _};
use orchestrator_core::ports::{ProposeError, Proposer as _};

use super::super::transport::Call;
use super::super::v1;
use super::support::{World, until};

const THREE: [&str; 3] = ["a", "b", "c"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_writes_nothing_that_a_member_says_it_cannot_read() {
    let mut world = World::new(&THREE);
    world.start_all();
    let leader = world.settled().await;
    let before = world.write("db1").await;
    world.converge(before.index).await;
    let old = THREE.into_iter().find(|name| *name != leader).unwrap();
    // Cut off, so that its own reports do not come in between.
    world.hub.part(&[old], &world.names);
    let id = world.node(old).core().me();
    let report = v1::Report {
        command_format: u32::from(Proposal::FORMAT) - 1,
        version: "0.1".to_owned(),
        ..world.node(old).core().report()
    };
    assert_eq!(report.id, id);
    let hello = Call::Hello(v1::HelloRequest {
        report: Some(report),
    });
    world
        .node(&leader)
        .call_handler()
        .handle(hello)
        .await
        .unwrap();
    let proposal = world.forget("db2");
    let refused = world.node(&leader).propose(proposal).await.unwrap_err();
    let ProposeError::Store { reason } = refused else {
        panic!("{refused:?}");
    };
    assert!(
        reason.starts_with(&format!(
            "{old} (release 0.1) reads commands up to format 0 only"
        )),
        "{reason}"
    );
    let warnings = &world.status(&leader).warnings;
    assert!(warnings.contains(&reason), "{warnings:?}");
    // It says something else from its own mouth.
    world.hub.heal();
    until("the leader has heard it", || {
        !world.status(&leader).warnings.contains(&reason)
    })
    .await;
    let last = world.write("db2").await;
    world.converge(last.index).await;
    world.stop().await;
}
