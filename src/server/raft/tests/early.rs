//! Messages of a leader that overtake each other.

use std::sync::Arc;
use std::time::Duration;

use super::super::transport::{Answer, Call, CallHandler};
use super::super::{convert, v1};
use super::support::{World, until};
use crate::wire::{Envelope, Kind};

const THREE: [&str; 3] = ["a", "b", "c"];

/// A follower whose leader is gone, and messages as that leader would send them.
struct Left {
    world: World,
    name: &'static str,
    handler: Arc<dyn CallHandler>,
    call: v1::AppendRequest,
    last: v1::LogPosition,
}

impl Left {
    async fn alone() -> Self {
        let mut world = World::new(&THREE);
        world.start_all();
        let leader = world.settled().await;
        let written = world.write("db1").await;
        world.converge(written.index).await;
        let name = THREE.into_iter().find(|name| *name != leader).unwrap();
        until("the group has its id", || {
            world.status(name).group.is_some()
        })
        .await;
        let from = world.node(&leader).core().me();
        for other in THREE.into_iter().filter(|other| *other != name) {
            world.kill(other).await;
        }
        let core = world.node(name).core();
        let call = v1::AppendRequest {
            destination: Some(v1::Destination {
                group: core
                    .identity
                    .group()
                    .get()
                    .unwrap()
                    .as_bytes()
                    .to_vec()
                    .into(),
                to: core.me(),
                from,
            }),
            vote: core.log.vote().as_ref().map(convert::vote),
            ..v1::AppendRequest::default()
        };
        let last = convert::position(core.log.last().unwrap());
        Self {
            handler: world.node(name).call_handler(),
            world,
            name,
            call,
            last,
        }
    }

    /// The message with the entry that is so far behind the last.
    fn message(&self, behind: u64) -> Call {
        let previous = v1::LogPosition {
            index: self.last.index + behind - 1,
            ..self.last
        };
        let core = self.world.node(self.name).core();
        let envelope = Envelope {
            group: core.identity.group().get().unwrap(),
            term: self.last.term,
            leader: self.last.leader,
            index: previous.index + 1,
            kind: Kind::Blank,
            format: 0,
            payload: Vec::new(),
        };
        Call::Append(v1::AppendRequest {
            previous: Some(previous),
            entries: vec![envelope.to_bytes().into()],
            is_sent_ahead: behind > 1,
            ..self.call.clone()
        })
    }
}

fn outcome(answer: Result<Answer, String>) -> v1::append_response::Outcome {
    match answer {
        Ok(Answer::Append(answer)) => {
            assert!(answer.lets_early_wait);
            answer.outcome()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_comes_early_waits_for_the_one_before_it() {
    use v1::append_response::Outcome;
    let left = Left::alone().await;
    let handle = |behind| {
        let (handler, message) = (left.handler.clone(), left.message(behind));
        tokio::spawn(async move { handler.handle(message).await })
    };
    let core = left.world.node(left.name).core().clone();
    let places = core.early.available_permits();
    let early = [handle(3), handle(2)];
    until("both wait", || core.early.available_permits() + 2 == places).await;
    assert_eq!(outcome(handle(1).await.unwrap()), Outcome::Accepted);
    for early in early {
        assert_eq!(outcome(early.await.unwrap()), Outcome::Accepted);
    }
    assert_eq!(core.log.last().unwrap().index + 1, left.last.index + 3);
    // One whose predecessor does not come shows that something is missing.
    let lost = tokio::time::timeout(Duration::from_secs(10), handle(9));
    assert_eq!(outcome(lost.await.unwrap().unwrap()), Outcome::Conflict);
    assert_eq!(core.early.available_permits(), places);
    drop(core);
    left.world.stop().await;
}
