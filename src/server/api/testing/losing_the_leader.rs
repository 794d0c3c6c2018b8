//! What callers get when a follower and its leader lose each other.

use std::time::Duration;

use orchestrator_core::decided::Command;
use orchestrator_core::ports::{ForwardError, ProposeError};

use super::callers::{config, local};
use super::group::{FakeGroup, Meets, not_sent, unknown};
use super::passing_on::{DOWNTIME, Pair, header, kind, placed};
use super::sample;
use crate::api::access::Authentication;

#[tokio::test]
async fn a_node_that_hears_no_leader_reads_with_its_age_and_changes_nothing() {
    let group = FakeGroup::cut_off();
    let access = || config(Authentication::Unset);
    let service = placed(sample(), &group, access(), local());
    let answer = service.get("/api/clusters").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("x-orchestrator-applied-index"), "43");
    assert_eq!(answer.header("x-orchestrator-age-seconds"), "10.000");
    group.change(|status| status.age = None);
    let answer = service.get("/api/clusters").await;
    assert_eq!(answer.header("x-orchestrator-age-seconds"), "unknown");
    let said = "nothing was changed: this node hears no leader, so it is cut off from the others or an election is under way; ask another node, or wait until one leads";
    for (uri, status) in [
        (DOWNTIME, 500),
        ("/api/refresh/db1/3306", 500),
        ("/api/reelect", 500),
        ("/web/access-token?publicToken=x", 200),
        ("/api/v2/access-tokens?owner=ann", 503),
    ] {
        let answer = service.ask("POST", uri, &[]).await;
        assert_eq!(
            (answer.status.as_u16(), kind(&answer)),
            (status, "not-leader"),
            "{uri}"
        );
        assert!(answer.body.contains(said), "{uri}: {}", answer.body);
    }
    assert_eq!(group.passed_on(), 0);
    assert!(service.fakes.proposals.lock().unwrap().is_empty());
    let check = service.get("/api/routed-leader-check").await;
    assert_eq!(
        (check.status.as_u16(), check.body.as_str()),
        (404, "\"Not leader\"")
    );
    assert_eq!(
        service.get("/api/routed-leader-check/503").await.status,
        503
    );
}

#[tokio::test]
async fn a_leader_in_doubt_reads_with_its_age_and_lets_the_log_decide_changes() {
    let group = FakeGroup::leading();
    *group.is_serving.lock().unwrap() = false;
    let service = placed(sample(), &group, config(Authentication::Unset), local());
    *service.fakes.propose_error.lock().unwrap() = Some(ProposeError::NotLeader { leader: None });
    let answer = service.get("/api/clusters").await;
    assert_eq!(answer.header("x-orchestrator-age-seconds"), "0.120");
    assert_eq!(
        kind(&service.ask("POST", DOWNTIME, &[]).await),
        "not-leader"
    );
}

#[tokio::test(start_paused = true)]
async fn a_read_that_the_leader_does_not_answer_is_answered_here_with_its_age() {
    for meets in [
        not_sent(),
        unknown(),
        Meets::Silence,
        Meets::Error(ForwardError::NoLeader),
    ] {
        let pair = Pair::open();
        pair.group.meets([meets]);
        let answer = pair.follower.get("/api/all-instances").await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "[]"));
        assert_eq!(answer.header("x-orchestrator-age-seconds"), "0.120");
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_through_another_node_says_whether_the_leader_answers() {
    let pair = Pair::open();
    let check = pair.follower.get("/api/routed-leader-check").await;
    assert_eq!(
        (check.status.as_u16(), check.body.as_str()),
        (200, "\"OK\"")
    );
    *pair.leaders_group.is_serving.lock().unwrap() = false;
    let check = pair.follower.get("/api/routed-leader-check/503").await;
    assert_eq!(
        (check.status.as_u16(), check.body.as_str()),
        (503, "\"Not leader\"")
    );
    for meets in [not_sent(), Meets::Silence] {
        pair.group.meets([meets]);
        let check = pair.follower.get("/api/routed-leader-check").await;
        assert_eq!((check.status.as_u16(), check.body.as_str()), (502, ""));
    }
    let (_, within) = pair
        .group
        .forwarded
        .lock()
        .unwrap()
        .last()
        .cloned()
        .unwrap();
    assert!(within < Duration::from_secs(1), "clients wait a second");
}

#[tokio::test(start_paused = true)]
async fn a_change_goes_to_the_next_leader_and_takes_effect_once() {
    for (script, attempts) in [
        (vec![not_sent()], 2),
        (vec![unknown(), not_sent()], 3),
        // It was carried out, and nobody heard of it.
        (vec![Meets::LostAnswer], 2),
        (vec![Meets::LostAnswer, unknown(), not_sent()], 4),
    ] {
        let pair = Pair::open();
        pair.group.meets(script);
        let answer = pair.follower.ask("POST", DOWNTIME, &[]).await;
        assert!(answer.is_done(), "{}", answer.body);
        assert_eq!(pair.made(), 1);
        let keys: Vec<String> = pair
            .group
            .forwarded
            .lock()
            .unwrap()
            .iter()
            .map(|(request, _)| header(request, "idempotency-key").unwrap().to_owned())
            .collect();
        assert_eq!(keys.len(), attempts);
        assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    }
    let pair = Pair::open();
    let own = [("Idempotency-Key", "mine")];
    pair.group.meets([unknown()]);
    assert!(pair.follower.ask("POST", DOWNTIME, &own).await.is_done());
    assert_eq!(
        header(&pair.sent(), "idempotency-key"),
        Some("mine"),
        "the caller's own stays"
    );
}

#[tokio::test(start_paused = true)]
async fn a_change_of_which_nothing_is_heard_is_unknown_and_never_failed() {
    let many = || (0..7).map(|_| unknown());
    let pair = Pair::open();
    pair.group.meets(many());
    let answer = pair.follower.ask("POST", DOWNTIME, &[]).await;
    assert_eq!(
        (answer.status.as_u16(), kind(&answer)),
        (500, "unknown-outcome")
    );
    assert_eq!(
        answer.json()["Message"],
        "the outcome of the change is unknown: it was passed on to the leader, and no answer came back (connection reset); look at the present state, or ask again with the same Idempotency-Key"
    );
    // What was in doubt once stays so, whatever later attempts that were not carried out say.
    let pair = Pair::open();
    pair.group.meets([unknown()]);
    pair.group.meets((0..6).map(|_| not_sent()));
    let answer = pair.follower.ask("POST", DOWNTIME, &[]).await;
    assert_eq!(kind(&answer), "unknown-outcome");
    // Nor does a leader that is too busy now.
    let pair = Pair::open();
    pair.group.meets([unknown()]);
    *pair.leader.fakes.propose_error.lock().unwrap() = Some(ProposeError::Busy);
    let answer = pair.follower.ask("POST", DOWNTIME, &[]).await;
    assert_eq!(kind(&answer), "unknown-outcome");
    let pair = Pair::open();
    *pair.leader.fakes.propose_error.lock().unwrap() = Some(ProposeError::Busy);
    let answer = pair.follower.ask("POST", DOWNTIME, &[]).await;
    assert_eq!(kind(&answer), "busy", "nothing was in doubt");
    // The leader itself does not know.
    let pair = Pair::open();
    let lost = ProposeError::Unknown {
        reason: "leadership was lost".into(),
    };
    *pair.leader.fakes.propose_error.lock().unwrap() = Some(lost);
    let answer = pair.follower.ask("POST", DOWNTIME, &[]).await;
    assert_eq!(kind(&answer), "unknown-outcome");
    assert!(
        pair.group.passed_on() > 1,
        "it was asked again with the same key"
    );
}

#[tokio::test(start_paused = true)]
async fn a_change_that_never_reached_the_leader_changed_nothing_and_says_so() {
    let pair = Pair::open();
    pair.group.meets((0..7).map(|_| not_sent()));
    let answer = pair.follower.ask("POST", DOWNTIME, &[]).await;
    assert_eq!((answer.status.as_u16(), kind(&answer)), (500, "not-leader"));
    let message = answer.json()["Message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("nothing was changed: "), "{message}");
    assert_eq!(pair.made(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_frozen_leader_is_left_when_another_one_leads() {
    let pair = Pair::open();
    pair.group.meets([Meets::Silence]);
    let started = pair.now();
    let (answer, ()) = tokio::join!(pair.follower.ask("POST", DOWNTIME, &[]), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        pair.group.change(|status| status.leader = Some(3));
    });
    assert!(answer.is_done(), "{}", answer.body);
    assert!(
        (pair.now() - started) < Duration::from_secs(2),
        "{:?}",
        (pair.now() - started)
    );
    assert_eq!(pair.made(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_falls_silent_under_a_change_is_not_waited_for_for_ever() {
    let pair = Pair::open();
    pair.group.meets((0..7).map(|_| Meets::Silence));
    let started = pair.now();
    let (answer, ()) = tokio::join!(pair.follower.ask("POST", DOWNTIME, &[]), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        pair.group
            .change(|status| status.age = Some(Duration::from_secs(60)));
    });
    assert_eq!(kind(&answer), "unknown-outcome");
    assert!(
        (pair.now() - started) < Duration::from_secs(120),
        "{:?}",
        (pair.now() - started)
    );
}

#[tokio::test(start_paused = true)]
async fn a_node_that_becomes_leader_itself_carries_the_change_out() {
    let pair = Pair::open();
    pair.group
        .meets([unknown(), Meets::Error(ForwardError::IsLeader)]);
    let answer = pair.follower.ask("POST", DOWNTIME, &[]).await;
    assert!(!answer.body.is_empty());
    let made = pair.follower.fakes.proposals.lock().unwrap();
    assert_eq!(made.len(), 1, "{}", answer.body);
    assert!(matches!(made[0].command, Command::BeginDowntime { .. }));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_asked_for_twice_is_asked_for_once() {
    for uri in ["/api/v2/access-tokens?owner=ann", "/api/reelect"] {
        let pair = Pair::open();
        pair.group.meets([unknown()]);
        let answer = pair.follower.ask("POST", uri, &[]).await;
        assert_eq!(kind(&answer), "unknown-outcome", "{uri}: {}", answer.body);
        assert_eq!(pair.group.passed_on(), 1, "{uri}");
    }
    // The change of leadership that it asks for is no reason to give it up.
    let pair = Pair::open();
    let held = pair.leader.fakes.hold_proposals();
    let (answer, ()) = tokio::join!(
        pair.follower
            .ask("POST", "/api/v2/access-tokens?owner=ann", &[]),
        async {
            pair.group.change(|status| status.leader = Some(3));
            tokio::time::sleep(Duration::from_secs(2)).await;
            drop(held);
        }
    );
    assert_eq!(answer.status, 201, "{}", answer.body);
}

#[tokio::test(start_paused = true)]
async fn a_recovery_is_waited_for_and_never_asked_for_twice() {
    for uri in [
        "/api/recover/db1/3306",
        "/api/recover-lite/db1/3306",
        "/api/force-master-failover/main",
        "/api/force-master-takeover/main/db3/3306",
    ] {
        let pair = Pair::open();
        pair.group.meets([unknown()]);
        let answer = pair.follower.ask("POST", uri, &[]).await;
        assert_eq!(kind(&answer), "unknown-outcome", "{uri}: {}", answer.body);
        let forwarded = pair.group.forwarded.lock().unwrap();
        assert_eq!(forwarded.len(), 1, "{uri}");
        let patience = forwarded[0].1;
        assert!(patience > Duration::from_secs(100), "{uri}: {patience:?}");
    }
    // Nor is it carried out by the next leader, who goes on with it by itself.
    let pair = Pair::open();
    pair.group.meets([Meets::Silence]);
    let started = pair.now();
    let (answer, ()) = tokio::join!(
        pair.follower
            .ask("POST", "/api/force-master-failover/main", &[]),
        async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            pair.group.change(|status| status.leader = Some(3));
        }
    );
    assert_eq!(kind(&answer), "unknown-outcome");
    assert!(pair.now() - started < Duration::from_secs(2));
    let asked = pair.leader.fakes.recovering.requests.lock().unwrap().len();
    assert_eq!(asked, 0);
}
