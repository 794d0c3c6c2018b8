//! Groups of nodes in this process.

mod support;

use std::time::Duration;

use orchestrator_core::decided::Reply;
use orchestrator_core::ports::{
    DecisionReader as _, Group as _, GroupRole, Leadership as _, ProposeError, Proposer as _,
    Successor,
};

use self::support::{World, key, until};

const THREE: [&str; 3] = ["a", "b", "c"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_elect_a_leader_take_a_command_and_agree() {
    let mut world = World::new(&THREE);
    world.start_all();
    let leader = world.leader().await;
    let committed = world.write("db1").await;
    assert_eq!(committed.reply, Reply::Done);
    world.converge(committed.index).await;
    for name in THREE {
        assert!(
            world
                .node(name)
                .decided()
                .forgotten
                .contains_key(&key("db1"))
        );
        let status = world.status(name);
        assert_eq!(status.members.len(), 3);
        assert!(status.group.is_some());
        assert_eq!(status.leader_member().unwrap().name, leader);
        assert_eq!(status.role == GroupRole::Leader, name == leader);
    }
    let follower = THREE.into_iter().find(|name| *name != leader).unwrap();
    let proposal = world.forget("db2");
    let refused = world.node(follower).propose(proposal).await.unwrap_err();
    assert_eq!(
        refused,
        ProposeError::NotLeader {
            leader: Some(format!("http://{leader}:3000"))
        }
    );
    world.stop().await;
}
