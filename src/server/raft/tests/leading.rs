//! Who leads, who says so, and what becomes of proposals.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use orchestrator_core::decided::Reply;
use orchestrator_core::domain::InstanceKey;
use orchestrator_core::ports::{
    Answered, BeatsOnRequest, BoxFuture, DecisionReader as _, ForwardError, ForwardHandler,
    ForwardedRequest, ForwardedResponse, Group as _, GroupError, GroupRole, Leadership as _,
    OtherNodes as _, ProposeError, Proposer as _, Successor,
};

use super::support::{World, key, until};

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
        until("it knows the leader", || {
            let status = world.status(name);
            status.leader_member().map(|m| m.name.clone()) == Some(leader.clone())
        })
        .await;
        // One that was a moment late has joined the two others, in the place of its name's first id.
        until("the members are those three, and it votes", || {
            let status = world.status(name);
            status.members.len() == 3 && status.me.is_voter && status.group.is_some()
        })
        .await;
        assert_eq!(world.status(name).role == GroupRole::Leader, name == leader);
    }
    let follower = THREE.into_iter().find(|name| *name != leader).unwrap();
    until("it knows where the leader serves", || {
        let status = world.status(follower);
        status.leader_member().is_some_and(|m| m.http.is_some())
    })
    .await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_leader_dies_another_takes_over_with_a_greater_fence_and_everything_acknowledged()
{
    let mut world = World::new(&THREE);
    world.start_all();
    let first = world.settled().await;
    let mut written = Vec::new();
    for number in 0..20 {
        let name = format!("db{number}");
        world.write(&name).await;
        written.push(key(&name));
    }
    let fence = world.node(&first).fence().unwrap();
    world.kill(&first).await;
    let second = world.leader().await;
    assert_ne!(first, second);
    assert!(world.node(&second).fence().unwrap() > fence);
    let decided = world.node(&second).decided();
    assert!(
        written
            .iter()
            .all(|key| decided.forgotten.contains_key(key))
    );
    // It comes back as a follower and catches up.
    let last = world.write("later").await;
    world.start(&first);
    world.converge(last.index).await;
    assert!(!world.node(&first).is_serving_leader());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_cut_off_stops_saying_so_before_another_begins() {
    let mut world = World::new(&THREE);
    world.start_all();
    let old = world.settled().await;
    world.write("db1").await;
    let fence = world.node(&old).fence().unwrap();
    world.hub.part(&[&old], &world.names);
    // Sampled as fast as it goes: never two.
    let two_led = Arc::new(AtomicBool::new(false));
    until("another leads", || {
        let leaders = world.leaders();
        if leaders.len() > 1 {
            two_led.store(true, Ordering::SeqCst);
        }
        leaders.iter().any(|leader| *leader != old)
    })
    .await;
    assert!(!two_led.load(Ordering::SeqCst), "two nodes led at once");
    assert!(!world.node(&old).is_serving_leader());
    assert!(world.node(&old).confirm(fence).await.is_err());
    // A change at the old leader has no answer, and never one that is wrong.
    let proposal = world.forget("lost");
    let proposing = world.node(&old).propose(proposal);
    let outcome = tokio::time::timeout(Duration::from_secs(12), proposing).await;
    assert!(
        matches!(
            outcome,
            Ok(Err(
                ProposeError::Unknown { .. } | ProposeError::NotLeader { .. }
            ))
        ),
        "{outcome:?}"
    );
    // And it says why, to whoever asks for its status.
    until("it says why", || {
        let told = world.node(&old).status().warnings.join("; ");
        told.contains("no majority acknowledges it now") && told.contains("cannot be asked")
    })
    .await;
    world.hub.heal();
    let last = world.write("db2").await;
    world.converge(last.index).await;
    until("it says so no more", || {
        let told = world.node(&old).status().warnings.join("; ");
        !told.contains("no majority acknowledges")
    })
    .await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_is_handed_to_whom_it_is_meant_for_and_refused_for_strangers() {
    let mut world = World::new(&THREE);
    world.start_all();
    let old = world.settled().await;
    world.write("db1").await;
    let wanted = THREE.into_iter().find(|name| *name != old).unwrap();
    let node = world.node(&old);
    assert!(matches!(
        node.hand_over(Successor::Member("stranger".to_owned()))
            .await,
        Err(GroupError::NoSuchMember { .. })
    ));
    until("it is known to be well", || {
        let status = world.status(&old);
        let member = status.members.iter().find(|m| m.name == wanted);
        member.is_some_and(|m| m.is_healthy == Some(true))
    })
    .await;
    node.hand_over(Successor::Member(wanted.to_owned()))
        .await
        .unwrap();
    until("it leads", || world.leaders() == [wanted]).await;
    assert_eq!(
        world.node(&old).hand_over(Successor::Anyone).await,
        Err(GroupError::NotLeader)
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_told_to_stop_hands_over_first() {
    let mut world = World::new(&THREE);
    world.start_all();
    let old = world.settled().await;
    world.write("db1").await;
    until("the others are known to be well", || {
        let status = world.status(&old);
        status.members.iter().all(|m| m.is_healthy == Some(true))
    })
    .await;
    world.node(&old).retire().await;
    let next = world.leader().await;
    assert_ne!(next, old);
    world.kill(&old).await;
    world.write("db2").await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_comes_again_takes_effect_once_also_at_another_leader() {
    let mut world = World::new(&THREE);
    world.start_all();
    let old = world.settled().await;
    let proposal = world.forget("db1");
    let first = world.node(&old).propose(proposal.clone()).await.unwrap();
    let again = world.node(&old).propose(proposal.clone()).await.unwrap();
    assert_eq!(first, again);
    world.kill(&old).await;
    let new = world.leader().await;
    let elsewhere = world.node(&new).propose(proposal.clone()).await.unwrap();
    assert_eq!(first, elsewhere);
    assert_eq!(world.node(&new).earlier(proposal.request), Some(first));
    assert_eq!(world.node(&new).earlier(99_999), None);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_proposals_at_once_are_all_answered_and_too_many_are_refused() {
    let mut world = World::new(&THREE);
    world.start_all();
    let leader = world.leader().await;
    let proposals: Vec<_> = (0..2_000)
        .map(|n| world.forget(&format!("db{n}")))
        .collect();
    let node = world.node(&leader).clone();
    let mut tasks = tokio::task::JoinSet::new();
    for proposal in proposals {
        let node = node.clone();
        tasks.spawn(async move { node.propose(proposal).await });
    }
    let outcomes = tasks.join_all().await;
    let answered = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let busy = outcomes
        .iter()
        .filter(|outcome| **outcome == Err(ProposeError::Busy))
        .count();
    assert_eq!(answered + busy, 2_000, "{outcomes:?}");
    assert!(answered >= 1_000, "{answered}");
    assert_eq!(node.decided().forgotten.len(), answered);
    world.stop().await;
}

struct Echo;

impl ForwardHandler for Echo {
    fn handle(&self, request: ForwardedRequest) -> BoxFuture<'_, ForwardedResponse> {
        Box::pin(async move {
            ForwardedResponse {
                status: 207,
                headers: request.headers,
                body: [request.caller, request.body].concat(),
            }
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_passes_requests_to_the_leader_and_says_what_is_known_when_it_cannot() {
    let mut world = World::new(&THREE);
    world.start_all();
    let leader = world.leader().await;
    for name in THREE {
        world.node(name).set_forward_handler(Arc::new(Echo));
    }
    let follower = THREE.into_iter().find(|name| *name != leader).unwrap();
    until("it knows the leader", || {
        world.status(follower).leader_member().is_some()
    })
    .await;
    let request = ForwardedRequest {
        method: "GET".to_owned(),
        target: "/api/x?y=1".to_owned(),
        headers: vec![("a".to_owned(), vec![0xff])],
        body: b"body".to_vec(),
        caller: b"ann:".to_vec(),
    };
    let within = Duration::from_secs(5);
    let answer = world
        .node(follower)
        .forward(request.clone(), within)
        .await
        .unwrap();
    assert_eq!(
        (answer.status, answer.body.as_slice()),
        (207, b"ann:body".as_slice())
    );
    assert_eq!(answer.headers, request.headers);
    assert_eq!(
        world.node(&leader).forward(request.clone(), within).await,
        Err(ForwardError::IsLeader)
    );
    // Cut off, it cannot know whether a request that it sent arrived.
    world.hub.part(&[follower], &world.names);
    let short = Duration::from_millis(50);
    assert!(matches!(
        world.node(follower).forward(request.clone(), short).await,
        Err(ForwardError::Unknown { .. })
    ));
    until("it hears no leader", || {
        world.status(follower).leader.is_none()
    })
    .await;
    assert_eq!(
        world.node(follower).forward(request, within).await,
        Err(ForwardError::NoLeader)
    );
    let status = world.status(follower);
    assert!(status.age.unwrap_or(Duration::MAX) > Duration::from_millis(100));
    world.stop().await;
}

/// Hears one server, and none else.
struct Hears(&'static str);

impl BeatsOnRequest for Hears {
    fn beat<'a>(&'a self, primary: &'a InstanceKey) -> BoxFuture<'a, Result<Answered, String>> {
        Box::pin(std::future::ready(match primary.to_string() {
            it if it == self.0 => Ok(Answered::Yes),
            it if it.starts_with("unknown") => Err("it is not known here".to_owned()),
            _ => Ok(Answered::No),
        }))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leader_asks_others_whether_they_hear_a_primary_and_nobody_else_does() {
    let mut world = World::new(&THREE);
    world.start_all();
    let leader = world.leader().await;
    for name in THREE {
        world.node(name).set_beats(Arc::new(Hears("db1:3306")));
    }
    let others: Vec<&str> = THREE.into_iter().filter(|name| *name != leader).collect();
    until("it hears both", || world.node(&leader).to_ask().len() == 2).await;
    let ask = |host: &str| {
        let key = InstanceKey::parse(host, 3306).unwrap();
        world
            .node(&leader)
            .ask(others[0], &key, Duration::from_secs(1))
    };
    assert_eq!(ask("db1").await, Some(Answered::Yes));
    assert_eq!(ask("db2").await, Some(Answered::No));
    assert_eq!(ask("unknown").await, None, "it could not say");
    let follower = world.node(others[0]);
    assert_eq!(follower.to_ask(), Vec::<String>::new(), "it does not lead");
    // One that is cut off is not asked for long, and says nothing meanwhile.
    world.hub.part(&[others[0]], &world.names);
    assert_eq!(ask("db1").await, None);
    until("it is not asked", || {
        world.node(&leader).to_ask() == [others[1]]
    })
    .await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_whose_store_fails_counts_as_ill_and_is_not_handed_leadership() {
    let mut world = World::new(&THREE);
    world.start_all();
    let leader = world.leader().await;
    let others: Vec<&str> = THREE.into_iter().filter(|name| *name != leader).collect();
    let (ill, well) = (others[0], others[1]);
    *world.running[ill].condition.0.lock().unwrap() = Some("its disk is full".to_owned());
    let health = |name: &str| {
        let status = world.status(&leader);
        let member = status.members.iter().find(|m| m.name == name);
        member.and_then(|member| member.is_healthy)
    };
    until("the leader knows", || {
        health(ill) == Some(false) && health(well) == Some(true)
    })
    .await;
    let warnings = &world.status(ill).warnings;
    assert!(
        warnings.iter().any(|w| w.contains("disk is full")),
        "{warnings:?}"
    );
    world
        .node(&leader)
        .hand_over(Successor::Anyone)
        .await
        .unwrap();
    until("the other leads", || world.leaders() == [well]).await;
    world.stop().await;
}
